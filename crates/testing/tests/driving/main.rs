//! Driving: what the API's hands do is what a page sees a user do. One module per kind of thing that can be done, each
//! through the real program, in both builds of the browser, on a page that tells what happened to it.

mod clipboard;
mod ground;
mod keyboard;
mod mouse;
mod navigate;
mod scroll;
mod tools;
mod trouble;

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
