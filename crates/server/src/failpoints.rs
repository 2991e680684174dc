//! Places where a test may make an operation fail or end the process, compiled in with the feature `failpoints` alone.
//!
//! `ROADSTEAD_FAILPOINTS="save-row=return;vault-put=kill@3"` arms them: a name and what happens there. `kill` ends the
//! process with SIGKILL, at the first passing or at the one that is named; everything else is in the `fail` crate's words,
//! `2*return(full)->off` for example. The edges, in the order of a save:
//!
//! | name | where |
//! | --- | --- |
//! | `portable-written`, `portable-renamed` | the portable state is in its temporary file; is in its place |
//! | `vault-put`, `vault-put-done` | before and after an object is stored (`return`, `return(full)` fail it) |
//! | `save-bytes-stored` | the snapshot is stored, its row is not |
//! | `save-row` | `return` fails the operation that publishes the row |
//! | `save-row-stored` | the row is stored, the session's end is not |
//! | `session-end-recorded` | the end is stored, the work dir is still there |
//! | `files-moved` | a session's files, or a checkpoint's copy, are in the room where they are written over |
//! | `checkpoint-frozen`, `checkpoint-copied` | the running browser is stopped; its files are copied |
//! | `prune-rows-removed` | rows of old revisions are gone, their bytes are not |
//! | `vault-delete`, `vault-delete-done` | before and after an object is removed |
//! | `vault-get` | before an object is read whole |
//! | `vault-key-overwritten` | a deleted repository's key is written over, its object is still there |
//! | `rotate-new-key-stored` | the new root key is beside the old one |
//! | `rotate-key-rewrapped` | one more repository's key is wrapped by the new root key |
//! | `rotate-old-key-kept`, `rotate-key-replaced` | the old root key has a second name; the new one has its place |
//! | `rotate-old-key-overwritten`, `rotate-old-key-destroyed` | the old root key is written over; its name is gone |

use std::sync::atomic::{AtomicUsize, Ordering};

use anyhow::{Context as _, anyhow};

const SETTING: &str = "ROADSTEAD_FAILPOINTS";

/// Arms what the environment names.
pub fn arm() -> anyhow::Result<()> {
    let Ok(text) = std::env::var(SETTING) else {
        return Ok(());
    };
    for point in text.split(';').map(str::trim).filter(|point| !point.is_empty()) {
        let (name, action) =
            point.split_once('=').with_context(|| format!("{SETTING}: {point:?} has no ="))?;
        let armed = match action.strip_prefix("kill") {
            Some("") => kill_at(name, 1),
            Some(count) => {
                let count = count.strip_prefix('@').and_then(|count| count.parse().ok());
                kill_at(name, count.with_context(|| format!("{SETTING}: {action:?} names no passing"))?)
            }
            None => fail::cfg(name, action),
        };
        armed.map_err(|why| anyhow!("{SETTING}: {point:?}: {why}"))?;
    }
    Ok(())
}

fn kill_at(name: &str, passing: usize) -> Result<(), String> {
    let passed = AtomicUsize::new(0);
    fail::cfg_callback(name, move || {
        if passed.fetch_add(1, Ordering::Relaxed) + 1 == passing {
            let killed =
                rustix::process::kill_process(rustix::process::getpid(), rustix::process::Signal::KILL);
            killed.expect("a process may end itself");
        }
    })
}
