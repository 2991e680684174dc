//! Cookies: every attribute, of subdomains, other sites and plain http, as the browser reports them and as sites get them.

use std::collections::BTreeMap;

use anyhow::{Result, ensure};
use reqwest::Url;
use roadstead_testing::cdp::Page;
use serde_json::Value;

use crate::ground::{Ground, Pair, Session, report_cookies};

const MONTH: &str = "Max-Age=2592000";

/// What each address sets. In each, `{}` is one cookie without an expiry and one with: see [`set_all`].
const SET: &[(&str, &[&str])] = &[
    (
        "https://harbour.example/cookies",
        &[
            "plain{}=harbour",
            "odd{}=\"a=b, c\" %3B Ærø",
            "hidden{}=1; HttpOnly; Path=/",
            "secure{}=1; Secure; Path=/",
            "strict{}=1; Secure; SameSite=Strict; Path=/",
            "lax{}=1; SameSite=Lax; Path=/",
            "none{}=1; Secure; HttpOnly; SameSite=None; Path=/",
            "wide{}=1; Domain=harbour.example; Path=/",
            "deep{}=1; Path=/berths/7",
            "urgent{}=1; Priority=High; Path=/",
            "__Host-own{}=1; Secure; Path=/",
            "__Secure-own{}=1; Secure; Domain=harbour.example; Path=/",
        ],
    ),
    (
        "https://www.harbour.example/cookies",
        &["plain{}=www", "wide{}=www; Domain=www.harbour.example; Path=/"],
    ),
    ("https://pier.example/cookies", &["plain{}=pier", "hidden{}=pier; HttpOnly; Path=/"]),
    ("http://quay.example/cookies", &["plain{}=quay", "hidden{}=quay; HttpOnly; Path=/"]),
];

/// Where it is looked which cookies come along.
const LOOKED_AT: &[&str] = &[
    "https://harbour.example/at",
    "https://harbour.example/berths/7/at",
    "http://harbour.example/at",
    "https://www.harbour.example/at",
    "https://pier.example/at",
    "http://quay.example/at",
];

async fn set_all(page: &mut Page) -> Result<()> {
    for (url, cookies) in SET {
        let lines = cookies.iter().flat_map(|cookie| {
            [cookie.replacen("{}", "_s", 1), format!("{}; {MONTH}", cookie.replacen("{}", "_p", 1))]
        });
        let lines: Vec<_> = lines.collect();
        page.visit(Url::parse_with_params(url, [("set", lines.join("\n"))])?.as_str()).await?;
    }
    Ok(())
}

type Sent = BTreeMap<String, String>;

/// What the sites got: when they were visited, when one was embedded in another site, and from a link on another site.
#[derive(Debug, PartialEq, Eq)]
struct Seen {
    visited: Vec<Sent>,
    embedded: Sent,
    linked: Sent,
}

async fn look(ground: &Ground, session: &mut Session) -> Result<Seen> {
    let page = &mut session.page;
    let sent = |url: &str| ground.site.cookies_at(url).unwrap_or_default();
    let mut visited = Vec::new();
    for url in LOOKED_AT {
        page.visit(url).await?;
        visited.push(sent(url));
    }
    let embed = "https://pier.example/embed?frame=https://harbour.example/embedded";
    page.visit(embed).await?;
    page.evaluate("location.href = 'https://harbour.example/linked'; true").await?;
    page.wait_for("location.pathname === '/linked' && document.readyState === 'complete'").await?;
    Ok(Seen {
        visited,
        embedded: sent("https://harbour.example/embedded"),
        linked: sent("https://harbour.example/linked"),
    })
}

/// What holds in any browser: otherwise the comparison would prove little.
fn require_plausible(seen: &Seen, cookies: &[Value]) -> Result<()> {
    let set: usize = SET.iter().map(|(_, cookies)| 2 * cookies.len()).sum();
    ensure!(cookies.len() == set, "{set} cookies were set, and {} are there: {cookies:?}", cookies.len());
    let embedded: Vec<_> = seen.embedded.keys().collect();
    // Debian's full Chromium sends no third party's cookies at all, unless they are partitioned.
    ensure!(embedded.is_empty() || embedded == ["none_p", "none_s"], "embedded: {embedded:?}");
    let linked = |name: &str| seen.linked.contains_key(name);
    ensure!(linked("lax_s") && linked("none_s") && !linked("strict_s"), "by a link: {:?}", seen.linked);
    let [harbour, deep, plain, www, ..] = seen.visited.as_slice() else {
        anyhow::bail!("visited too little");
    };
    ensure!(harbour.contains_key("strict_p") && !harbour.contains_key("deep_p"), "{harbour:?}");
    ensure!(deep.contains_key("deep_s") && !plain.contains_key("secure_s"), "{deep:?} {plain:?}");
    ensure!(www["plain_s"] == "www" && !www.contains_key("__Host-own_s"), "{www:?}");
    Ok(())
}

async fn cookies_come_back(pair: Pair) -> Result<()> {
    let ground = Ground::new().await?;
    let mut session = ground.session(pair.saved_by).await?;
    set_all(&mut session.page).await?;
    let before = report_cookies(&mut session.page).await?;
    let seen_before = look(&ground, &mut session).await?;
    require_plausible(&seen_before, &before)?;
    ground.end(session).await?;

    let mut session = ground.session(pair.opened_in).await?;
    let after = report_cookies(&mut session.page).await?;
    for (before, after) in before.iter().zip(&after) {
        ensure!(before == after, "{before} came back as {after}");
    }
    ensure!(before.len() == after.len(), "{} cookies came back as {}", before.len(), after.len());
    let mut seen_after = look(&ground, &mut session).await?;
    require_plausible(&seen_after, &after)?;
    if pair.saved_by != pair.opened_in {
        seen_after.embedded = seen_before.embedded.clone();
    }
    ensure!(seen_before == seen_after, "sites got {seen_before:#?}, and now {seen_after:#?}");
    ground.end(session).await
}

crate::in_every_pair!(cookies_come_back);
