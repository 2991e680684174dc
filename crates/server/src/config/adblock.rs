//! `[adblock]`: what advertisements are known by.

use std::path::PathBuf;

use serde::Deserialize;

/// `[adblock]`
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct AdblockConfig {
    /// Whether hosts that advertise and track are refused to a session whose caller does not say, as the published API has it.
    pub active: bool,
    /// Filter lists in EasyList's syntax, or files of hosts, instead of the list that ships with the program. Read again when they
    /// have changed.
    pub lists: Vec<PathBuf>,
}

impl Default for AdblockConfig {
    fn default() -> Self {
        Self { active: true, lists: Vec::new() }
    }
}

impl AdblockConfig {
    /// Returns what is wrong with the values, if anything is.
    pub(super) fn check(&self) -> anyhow::Result<()> {
        if self.lists.iter().any(|path| !path.is_absolute()) {
            anyhow::bail!("adblock.lists must be absolute paths");
        }
        Ok(())
    }
}
