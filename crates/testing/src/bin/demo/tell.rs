//! How the story reads: lines with numbers, a table, and what to try next. All of it goes to standard output.

use std::path::Path;
use std::time::Instant;

use roadstead_testing::demo_site::{BrowserState, Verdict};

use crate::api::Receipt;
use crate::background::Running;
use crate::story::{Outcome, PROFILE};

/// Says where everything takes place.
pub fn scene(server: &Running, site: &Running, log: &Path) {
    println!("\nRoadstead: a logged-in browser becomes a profile, and comes back.\n");
    println!("  server     {:<28} its log: {}", server.url, log.display());
    println!("  demo site  {:<28} a small library with a real login", site.url);
}

pub fn chapter(title: &str) {
    println!("\n{title}");
}

/// Tells one step: what was done, how long it took, what came of it.
pub fn step(what: &str, begun: Instant, outcome: &str) {
    println!("  {what:<44}{:>6} ms   {outcome}", begun.elapsed().as_millis());
}

/// Says what a save stored.
pub fn receipt(receipt: &Receipt) -> String {
    format!(
        "receipt: revision {}, {} files, {}, stored in {} as {}…",
        receipt.revision,
        receipt.files,
        megabytes(receipt.size_bytes),
        megabytes(receipt.added_bytes),
        receipt.digest.get(..12).unwrap_or(&receipt.digest),
    )
}

/// Says what the account page showed.
pub fn verdict(state: &BrowserState) -> String {
    let who =
        state.user.as_ref().map_or("nobody is signed in".to_owned(), |user| format!("signed in as {user}"));
    let here = state.kinds.len() - state.lost().len();
    format!("{who}; {here} of {} kinds of state are here", state.kinds.len())
}

/// Shows every kind of state at every point of the story.
pub fn table(outcome: &Outcome) {
    println!(
        "\n  {:<22}{:>14}{:>16}{:>16}{:>18}",
        "", "after login", "came back", "other build", "without profile"
    );
    for kind in outcome.before.kinds.keys() {
        let word = |state: &BrowserState| match state.kinds.get(kind) {
            Some(Verdict::Kept) => "kept",
            Some(Verdict::Lost) => "lost",
            None => "?",
        };
        let without = if word(&outcome.stranger) == "lost" { "–" } else { "there!" };
        let name = kind.replace('_', " ");
        println!(
            "  {name:<22}{:>14}{:>16}{:>16}{without:>18}",
            word(&outcome.before),
            word(&outcome.after),
            word(&outcome.other_build),
        );
    }
    if outcome.is_everything_kept() {
        println!("\nEverything was kept.");
    } else {
        println!("\nNOT everything was kept: see the table.");
    }
}

/// Says what goes on running, what to try, and how to stop it.
pub fn next(outcome: &Outcome, server: &Running, site: &Running, key: &str, roadstead: &Path, dir: &Path) {
    let (url, site_url) = (&server.url, &site.url);
    let account = format!("{site_url}/account");
    let create = format!(
        r#"{{"session":{{"initial_url":"{account}"}},"browser":{{"profile":{{"name":"{PROFILE}"}}}}}}"#
    );
    println!("\nThe server and the site go on running. Three things to try next:\n");
    println!("  1. What is stored, and what it weighs:");
    println!(
        "     {} profiles revisions {PROFILE} --data-dir {}\n",
        roadstead.display(),
        dir.join("data").display()
    );
    println!("  2. A session of your own on the profile; give its cdp_url to Playwright or Puppeteer:");
    println!("     curl {url}/v1/sessions -H 'anchor-api-key: {key}' -H 'content-type: application/json' \\");
    println!("       -d '{create}'\n");
    println!("  3. The same from the official SDK, unmodified (npm install anchorbrowser):");
    println!("     const client = new Anchorbrowser({{ baseURL: '{url}', apiKey: '{key}' }});");
    println!(
        "     const browser = await client.browser.create({{ sessionOptions: {{ browser: {{ profile: {{ name: '{PROFILE}' }} }} }} }});"
    );
    println!("     await browser.contexts()[0].pages()[0].goto('{account}');\n");
    println!("  Stop both: kill {} {}", server.pid, site.pid);
    if !outcome.is_everything_kept() {
        println!("  The server's log: {}", crate::background::log_of("roadstead", dir).display());
    }
}

fn megabytes(bytes: u64) -> String {
    // Tenths, in integers: a receipt is exact, its telling need not be.
    let tenths = (bytes + 50_000) / 100_000;
    format!("{}.{} MB", tenths / 10, tenths % 10)
}
