//! Fidelity: what the browser held when its session ended is there in the next session on the profile. One module per
//! kind of state, each through the real program, real browsers and a site of several origins, and for each pair of
//! builds: the one that saved the profile, and the one that opens it.

mod cache_storage;
mod cookies;
mod ground;
mod hsts;
mod http_cache;
mod indexed_db;
mod local_storage;
mod opfs;
mod partitioned;
mod permissions;
mod service_worker;

/// Makes four tests of one: both builds, and each opening what the other saved.
macro_rules! in_every_pair {
    ($test:ident) => {
        mod $test {
            use crate::ground::{Build, Pair};

            #[tokio::test]
            async fn headless_shell() -> anyhow::Result<()> {
                super::$test(Pair { saved_by: Build::Shell, opened_in: Build::Shell }).await
            }

            #[tokio::test]
            async fn full_chromium() -> anyhow::Result<()> {
                super::$test(Pair { saved_by: Build::Full, opened_in: Build::Full }).await
            }

            #[tokio::test]
            async fn full_chromium_after_the_headless_shell() -> anyhow::Result<()> {
                super::$test(Pair { saved_by: Build::Shell, opened_in: Build::Full }).await
            }

            #[tokio::test]
            async fn headless_shell_after_full_chromium() -> anyhow::Result<()> {
                super::$test(Pair { saved_by: Build::Full, opened_in: Build::Shell }).await
            }
        }
    };
}
pub(crate) use in_every_pair;
