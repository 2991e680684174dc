//! Site permissions: what was allowed or blocked in full Chromium's settings. The headless shell has no settings, and
//! leaves those of full Chromium alone. What a client grants over DevTools is the session's alone, in both builds.

use anyhow::{Context as _, Result, ensure};
use serde_json::{Value, json};

use crate::ground::{Build, Ground, Session};

/// Sets permissions the way the settings page does (origin, embedding origin, kind, value, for incognito alone), and
/// returns what the settings then list. The first question makes the page ready for orders, without which Chromium crashes.
const SET: &str = "(async () => {
    const { sendWithPromise: ask } = await import('chrome://resources/js/cr.js');
    await ask('getExceptionList', 'location');
    for (const [origin, kind, value] of [
        ['https://harbour.example:443', 'location', 'allow'],
        ['https://harbour.example:443', 'notifications', 'allow'],
        ['https://pier.example:443', 'location', 'block'],
    ]) chrome.send('setCategoryPermissionForPattern', [origin, '', kind, value, false]);
    const listed = await Promise.all(['location', 'notifications'].map((kind) => ask('getExceptionList', kind)));
    return listed.flat().length;
})()";
const ASK: &str = "Promise.all(['geolocation', 'notifications', 'camera'].map((name) =>
        navigator.permissions.query({ name }).then(({ state }) => state)))";

/// Returns what both sites may do.
async fn ask(session: &mut Session) -> Result<[Value; 2]> {
    session.page.visit("https://harbour.example/").await?;
    let harbour = session.page.evaluate(ASK).await?;
    session.page.visit("https://pier.example/").await?;
    Ok([harbour, session.page.evaluate(ASK).await?])
}

async fn require(session: &mut Session, harbour: Value, pier: Value) -> Result<()> {
    let found = ask(session).await?;
    ensure!(found == [harbour, pier], "{found:?}");
    Ok(())
}

fn nothing_said() -> Value {
    json!(["prompt", "prompt", "prompt"])
}

#[tokio::test]
async fn full_chromiums_settings_come_back_even_past_the_headless_shell() -> Result<()> {
    let ground = Ground::new().await?;
    let set = || (json!(["granted", "granted", "prompt"]), json!(["denied", "prompt", "prompt"]));
    let mut session = ground.session(Build::Full).await?;
    require(&mut session, nothing_said(), nothing_said()).await?;
    session.page.visit("chrome://settings/content/location").await?;
    ensure!(session.page.evaluate(SET).await? == 3, "the settings do not list what was set");
    require(&mut session, set().0, set().1).await?;
    ground.end(session).await?;
    for (build, (harbour, pier)) in
        [(Build::Full, set()), (Build::Shell, (nothing_said(), nothing_said())), (Build::Full, set())]
    {
        let mut session = ground.session(build).await?;
        require(&mut session, harbour, pier).await.with_context(|| format!("in {build:?}"))?;
        ground.end(session).await?;
    }
    Ok(())
}

#[tokio::test]
async fn what_a_client_grants_ends_with_the_session() -> Result<()> {
    let ground = Ground::new().await?;
    let grant = json!({
        "permission": {"name": "geolocation"}, "setting": "granted", "origin": "https://pier.example",
    });
    // Each session looks for what the one before was granted.
    for build in [Build::Shell, Build::Full, Build::Full, Build::Shell, Build::Shell] {
        let mut session = ground.session(build).await?;
        require(&mut session, nothing_said(), nothing_said()).await?;
        session.page.call("Browser.setPermission", grant.clone()).await?;
        require(&mut session, nothing_said(), json!(["granted", "prompt", "prompt"])).await?;
        ground.end(session).await?;
    }
    Ok(())
}
