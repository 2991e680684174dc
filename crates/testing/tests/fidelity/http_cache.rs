//! The HTTP cache: what was fetched once and may be kept is not fetched again, whichever site it was fetched for.

use anyhow::{Result, ensure};

use crate::ground::{Build, Ground, Pair};

/// Pages that load the cacheable script of each of [`HOSTS`].
const PAGES: &[&str] = &["https://harbour.example/", "https://pier.example/"];
const HOSTS: &[&str] = &["harbour.example", "www.harbour.example", "cdn.example"];

/// Loads every script, and then something that may not be kept.
async fn load_all(ground: &Ground, build: Build) -> Result<()> {
    let load = |host: &&str| {
        format!(
            "await new Promise((resolve, reject) => {{
                const script = document.createElement('script');
                Object.assign(script, {{ src: 'https://{host}/cacheable.js', onload: resolve, onerror: reject }});
                document.head.append(script);
            }});"
        )
    };
    let scripts: String = HOSTS.iter().map(load).collect();
    let all =
        format!("(async () => {{ {scripts} await fetch('/not-cacheable'); return window.__loaded; }})()");
    for loaded in ground.on_each(build, PAGES, &all).await? {
        ensure!(loaded == HOSTS.len(), "{loaded} of the scripts ran");
    }
    Ok(())
}

async fn the_http_cache_comes_back(pair: Pair) -> Result<()> {
    let ground = Ground::new().await?;
    let count = |host: &&str| ground.site.count(&format!("https://{host}/cacheable.js"));
    let fetched = || HOSTS.iter().map(count).collect::<Vec<_>>();
    load_all(&ground, pair.saved_by).await?;
    let before = fetched();
    load_all(&ground, pair.opened_in).await?;
    let after = fetched();
    ensure!(before == after, "fetched {before:?} times, and after the restore {after:?}");
    // Once for each site that it was fetched for: a cache is split by site.
    ensure!(before == [PAGES.len(); 3], "{before:?}");
    let uncached = ground.site.count("https://pier.example/not-cacheable");
    ensure!(uncached == 2, "something that may not be kept was fetched {uncached} times in 2 sessions");
    Ok(())
}

crate::in_every_pair!(the_http_cache_comes_back);
