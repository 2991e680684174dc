//! Cache Storage: several caches of several origins, with bodies, status and headers.

use anyhow::Result;

use crate::ground::{Ground, Pair};

const ORIGINS: &[&str] = &["https://harbour.example/", "https://pier.example/"];

async fn cache_storage_comes_back(pair: Pair) -> Result<()> {
    Ground::new().await?.require_kept(pair, ORIGINS, include_str!("scripts/cache_storage.js")).await
}

crate::in_every_pair!(cache_storage_comes_back);
