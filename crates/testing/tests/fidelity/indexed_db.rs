//! IndexedDB: several databases of several origins, with everything that structured clone knows.

use anyhow::Result;

use crate::ground::{Ground, Pair};

const ORIGINS: &[&str] =
    &["https://harbour.example/", "https://www.harbour.example/", "https://pier.example/"];

async fn indexed_db_comes_back(pair: Pair) -> Result<()> {
    Ground::new().await?.require_kept(pair, ORIGINS, include_str!("scripts/indexed_db.js")).await
}

crate::in_every_pair!(indexed_db_comes_back);
