//! The second chapter: two profiles, each with an address of its own, and a site that says whom it saw.
//!
//! The addresses are this machine's own loopback ones, so that the story needs nothing else. With addresses of a real
//! interface, or with proxies, the configuration has the same form.

use std::time::Instant;

use anyhow::Result;
use roadstead_testing::cdp::Page;
use roadstead_testing::witness::Witness;

use crate::api::Api;
use crate::tell;

/// The part of the server's configuration that names its exits.
pub const EXITS: &str = r#"
[[egress.exits]]
name = "north-pier"
kind = "source_address"
address = "127.0.0.11"

[[egress.exits]]
name = "south-pier"
kind = "source_address"
address = "127.0.0.12"
"#;

/// Plays the chapter. Returns whether every session showed its profile's address, and no other.
pub async fn play(api: &Api) -> Result<bool> {
    tell::chapter("Two profiles, each with an address of its own");
    let site = Witness::start("127.0.0.1:0".parse()?).await?;
    let mut own = true;
    for name in ["north", "south"] {
        let begun = Instant::now();
        let address = api.create_sticky_profile(name).await?;
        tell::step("profile with a dedicated sticky IP", begun, &format!("{name:?} goes out as {address}"));
        for visit in ["first", "second"] {
            let begun = Instant::now();
            let session = api.start(true, Some(name)).await?;
            let path = format!("/{name}-{visit}");
            Page::open(&session.cdp_url).await?.visit(&site.url(&path)).await?;
            api.end(&session).await?;
            let seen: Vec<_> = site.who_asked(&path).iter().map(ToString::to_string).collect();
            own &= seen.iter().all(|from| *from == address) && !seen.is_empty();
            tell::step(
                &format!("{visit} session on it"),
                begun,
                &format!("the site saw {}", seen.join(", ")),
            );
        }
    }
    Ok(own)
}
