//! Strict-Transport-Security: a site that once asked for https is never asked over http again, by full Chromium. The
//! headless shell writes no such file, reads none, and has no switch for it: there it lasts as long as the session.

use anyhow::{Result, ensure};

use crate::ground::{Build, Ground, Session};

/// The site that asks, and one below it, which is meant as well.
const STRICT: &[&str] = &["harbour.example", "www.harbour.example"];

/// Whether a session knows which sites want https.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Hsts {
    Known,
    Unknown,
}

/// Goes to every site by http, and looks over what it was asked. `path` is one that nobody asked for before.
async fn require(ground: &Ground, session: &mut Session, path: &str, hsts: Hsts) -> Result<()> {
    for host in [STRICT, &["pier.example"]].concat() {
        session.page.visit(&format!("http://{host}{path}")).await?;
        let asked = ["http", "https"].map(|scheme| ground.site.count(&format!("{scheme}://{host}{path}")));
        let over_https = hsts == Hsts::Known && STRICT.contains(&host);
        ensure!(
            asked == if over_https { [0, 1] } else { [1, 0] },
            "{path}, {hsts:?}: {host} was asked {asked:?}"
        );
    }
    Ok(())
}

/// Runs a session in which the site asks for https.
async fn ask_for_https(ground: &Ground, build: Build) -> Result<()> {
    let mut session = ground.session(build).await?;
    require(ground, &mut session, "/before", Hsts::Unknown).await?;
    session.page.visit("https://harbour.example/secure-only").await?;
    require(ground, &mut session, "/asked", Hsts::Known).await?;
    ground.end(session).await
}

#[tokio::test]
async fn full_chromium_remembers_who_wants_https_even_past_the_headless_shell() -> Result<()> {
    let ground = Ground::new().await?;
    ask_for_https(&ground, Build::Full).await?;
    for (path, build, hsts) in [
        ("/second", Build::Full, Hsts::Known),
        ("/third", Build::Shell, Hsts::Unknown),
        ("/fourth", Build::Full, Hsts::Known),
    ] {
        let mut session = ground.session(build).await?;
        require(&ground, &mut session, path, hsts).await?;
        ground.end(session).await?;
    }
    Ok(())
}

#[tokio::test]
async fn the_headless_shell_forgets_who_wants_https() -> Result<()> {
    let ground = Ground::new().await?;
    ask_for_https(&ground, Build::Shell).await?;
    let mut session = ground.session(Build::Shell).await?;
    require(&ground, &mut session, "/second", Hsts::Unknown).await?;
    ground.end(session).await
}
