//! A short spell of load leaves nothing behind. `make load` puts more on the server, for longer.

use std::time::Duration;

use anyhow::Result;
use roadstead_testing::load::Load;

#[expect(clippy::print_stderr, reason = "the figures, and the seed without which nobody can play it again")]
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nothing_is_left_of_clients_that_vanish() -> Result<()> {
    let seed = fastrand::u64(..);
    eprintln!("seed {seed}");
    let load = Load {
        sessions: 4,
        clients: 40,
        reads: 100,
        warm_up: Duration::from_secs(4),
        duration: Duration::from_secs(10),
        seed,
    };
    eprintln!("{}", load.run().await?);
    Ok(())
}
