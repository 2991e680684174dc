//! localStorage: several origins, keys and values of every kind of text, and as much as an origin may hold.

use anyhow::Result;

use crate::ground::{Ground, Pair};

const ORIGINS: &[&str] = &[
    "https://harbour.example/",
    "https://www.harbour.example/",
    "https://pier.example/",
    "http://quay.example/",
];

async fn local_storage_comes_back(pair: Pair) -> Result<()> {
    Ground::new().await?.require_kept(pair, ORIGINS, include_str!("scripts/local_storage.js")).await
}

crate::in_every_pair!(local_storage_comes_back);
