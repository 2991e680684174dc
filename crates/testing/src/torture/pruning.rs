//! `roadstead prune` beside the server, which may be killed in the middle, or find its disk full or broken.

use std::time::Duration;

use anyhow::Result;
use fastrand::Rng;
use tokio::time::{sleep, timeout};

use super::strike::moment;
use super::{Fault, Ground};

/// How long a prune takes, about.
const PRUNE_TIME: Duration = Duration::from_millis(120);

/// A prune, as chance has planned it.
#[derive(Clone, Copy, Debug)]
pub struct Pruning {
    begins: Duration,
    /// How long after its start it is killed, if it is.
    killed: Option<Duration>,
    failpoints: &'static str,
}

impl Pruning {
    /// Plans one that begins within `reach`.
    pub fn plan(fault: Fault, reach: Duration, rng: &mut Rng) -> Self {
        let failpoints = match fault {
            Fault::DiskFull => "vault-put=return(full)",
            Fault::VaultBroken => "vault-delete=1*off->2*return(io)->off",
            _ => "",
        };
        let killed = rng.bool().then(|| moment(rng, PRUNE_TIME));
        Self { begins: moment(rng, reach), killed, failpoints }
    }

    /// Prunes. Returns how many signals reached the process. What it says is its own affair: the verdict looks at what is
    /// left.
    pub async fn run(self, ground: &Ground) -> Result<u32> {
        sleep(self.begins).await;
        let mut prune = ground.prune(self.failpoints)?;
        let Some(killed) = self.killed else {
            prune.wait().await?;
            return Ok(0);
        };
        if let Ok(ended) = timeout(killed, prune.wait()).await {
            ended?;
            return Ok(0);
        }
        prune.kill().await?;
        Ok(1)
    }
}
