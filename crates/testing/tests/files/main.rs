//! Files that go into a real browser and come out of it: real bytes, compared by their hash.

mod downloads;
mod ground;
mod p2p;
mod uploads;

/// Makes two tests of one: each build.
macro_rules! in_both_builds {
    ($test:ident) => {
        mod $test {
            #[tokio::test]
            async fn headless_shell() -> anyhow::Result<()> {
                super::$test(crate::ground::Build::Shell).await
            }

            #[tokio::test]
            async fn full_chromium() -> anyhow::Result<()> {
                super::$test(crate::ground::Build::Full).await
            }
        }
    };
}
pub(crate) use in_both_builds;
