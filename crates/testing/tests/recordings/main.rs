//! Recordings of real browsers: what was seen is in them, in its order and colours.

mod ground;
mod pictures;
mod survival;
mod videos;

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
