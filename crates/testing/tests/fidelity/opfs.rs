//! The origin private file system: binary files and directories of several origins.

use anyhow::Result;

use crate::ground::{Ground, Pair};

const ORIGINS: &[&str] = &["https://harbour.example/", "https://pier.example/"];

async fn opfs_comes_back(pair: Pair) -> Result<()> {
    Ground::new().await?.require_kept(pair, ORIGINS, include_str!("scripts/opfs.js")).await
}

crate::in_every_pair!(opfs_comes_back);
