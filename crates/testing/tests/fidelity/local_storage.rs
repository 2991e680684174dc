//! localStorage: several origins, keys and values of every kind of text, and large ones.
//!
//! Chromium writes localStorage seconds after a page did, or when it closes. Full Chromium does so in a process that it
//! does not wait for: when more than about 4 MB (what LevelDB takes before it must write a table) are left to the end,
//! some may be lost, with us and without us alike. The headless shell waits. Hence the two sizes.

use anyhow::Result;

use crate::ground::{Build, Ground, Pair};

const ORIGINS: &[&str] = &[
    "https://harbour.example/",
    "https://www.harbour.example/",
    "https://pier.example/",
    "http://quay.example/",
];
/// How many characters the largest value of each origin has, in any build: 2 MB in all.
const LARGE: &str = "500_000";
/// The same where nothing is lost. An origin may hold about 5 million.
const LARGEST: &str = "5_000_000";

fn script(characters: &str) -> String {
    include_str!("scripts/local_storage.js").replace("CHARACTERS", characters)
}

async fn local_storage_comes_back(pair: Pair) -> Result<()> {
    Ground::new().await?.require_kept(pair, ORIGINS, &script(LARGE)).await
}

crate::in_every_pair!(local_storage_comes_back);

#[tokio::test]
async fn as_much_as_origins_may_hold_comes_back_in_the_headless_shell() -> Result<()> {
    let shell = Pair { saved_by: Build::Shell, opened_in: Build::Shell };
    Ground::new().await?.require_kept(shell, ORIGINS, &script(LARGEST)).await
}
