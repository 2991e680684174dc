//! Roadstead's server: a person or an agent drives a real Chromium in a session, what that browser holds becomes a
//! profile, and later sessions start from it.
//!
//! The map, from the outside in; each room knows only those below it:
//!
//! | room | what it does |
//! | --- | --- |
//! | [`cli`] | the program's commands, and what they print |
//! | [`serving`] | connections, TLS, and what each may take |
//! | [`http`] | every route, the API's envelopes, keys at the door, WebSockets |
//! | [`batch`] | sessions that are asked for now and started when there is room |
//! | [`session`] | one task per session owns a browser from its start to its last receipt |
//! | [`events`] | one client waits for a name, another signals it |
//! | [`identities`] | who logs in where, and with what, sealed |
//! | [`webhooks`] | what happens is posted to those who asked for it |
//! | [`adblock`] | filter lists, and what they keep from sessions |
//! | [`exits`] | the ways out to the network, and whether each works |
//! | [`profile`] | checks revisions out, saves sessions' files, publishes revisions |
//! | [`db`] | who wins, what is known, in SQLite |
//!
//! Beside them: [`app`] puts the parts together, [`config`] reads the configuration, [`lifecycle`] stops the program,
//! [`error`] is the one error, [`audit`] has the words of the audit log, [`limits`] counts what callers may do how often, [`keys`] makes and recognises API keys, [`clock`] is the one wall clock. Below, each in a
//! crate of its own: `roadstead-browser` (one Chromium), `roadstead-egress` (the proxy that it goes through), `roadstead-devtools` (its pipe, for many clients),
//! `roadstead-vault` (revisions' bytes) and `roadstead-api` (the wire's types).

pub mod adblock;
pub mod app;
pub mod audit;
pub mod batch;
pub mod caller;
pub mod cli;
pub mod clock;
pub mod config;
pub mod db;
pub mod error;
pub mod events;
pub mod exits;
#[cfg(feature = "failpoints")]
pub mod failpoints;
#[cfg(any(test, feature = "fuzzing"))]
pub mod fuzzing;
pub mod http;
pub mod identities;
pub mod keys;
pub mod lifecycle;
pub mod limits;
pub mod profile;
pub mod readable;
pub mod serving;
pub mod session;
pub mod webhooks;

use std::net::SocketAddr;
use std::path::Path;

use anyhow::Context as _;
use tokio::net::TcpListener;
use tracing::info;

use crate::app::App;
use crate::audit::Origin;
use crate::config::Config;
use crate::db::NewKey;
use crate::lifecycle::Lifecycle;
use crate::serving::{Server, tls};

/// The name of the project that the first key belongs to.
pub const FIRST_PROJECT: &str = "default";

/// Runs a server on `listener` until `lifecycle` says to stop; `first_key` is the first project's key, if one was given.
///
/// It returns when every session has ended and been saved, or at once after a hard stop.
pub async fn run(
    config: Config,
    data_dir: &Path,
    listener: TcpListener,
    first_key: Option<String>,
    lifecycle: Lifecycle,
) -> anyhow::Result<()> {
    let tls = config.server.tls.as_ref().map(tls::acceptor).transpose()?;
    let scheme = if tls.is_some() { "https" } else { "http" };
    let app = App::build(config, data_dir, lifecycle.clone()).await?;
    ensure_key(&app, first_key).await?;
    let address = listener.local_addr().context("failed to read the listener's address")?;
    app.exits().refuse_always(address);
    announce(scheme, address)?;
    info!(%address, data_dir = %app.data_dir().path().display(), "serving");
    let server = Server::new(http::router(app.clone()), tls, &app.config().server);
    let drained = {
        let lifecycle = lifecycle.clone();
        async move {
            lifecycle.soft().cancelled().await;
            lifecycle.drained().await;
        }
    };
    tokio::select! {
        () = server.run(listener, drained) => {}
        () = lifecycle.hard().cancelled() => {}
    }
    app.db().close().await;
    info!("stopped");
    Ok(())
}

/// Prints the one line that tells a caller where the server is.
fn announce(scheme: &str, address: SocketAddr) -> anyhow::Result<()> {
    use std::io::Write as _;
    let mut out = std::io::stdout().lock();
    writeln!(out, "listening on {scheme}://{address}")
        .and_then(|()| out.flush())
        .context("failed to print the ready line")
}

/// Makes sure that there is a key: the one that was given, or else, in a data dir without any, a new one, printed once.
async fn ensure_key(app: &App, given: Option<String>) -> anyhow::Result<()> {
    let (key, made) = match given {
        Some(key)
            if key.chars().count() < keys::MIN_KEY_CHARS || !key.chars().all(|c| c.is_ascii_graphic()) =>
        {
            anyhow::bail!(
                "ROADSTEAD_API_KEY must have at least {} printable ASCII characters without spaces",
                keys::MIN_KEY_CHARS
            );
        }
        Some(key) => (key, false),
        None if app.db().keys().await?.is_empty() => (keys::generate(), true),
        None => return Ok(()),
    };
    app.db().add_key(NewKey { project: FIRST_PROJECT, name: "first", key: &key }, Origin::Server).await?;
    if made {
        tell_key(&key);
    }
    Ok(())
}

#[expect(clippy::print_stderr, reason = "the one time that a key is shown, and not as a log line")]
fn tell_key(key: &str) {
    eprintln!("API key of the project {FIRST_PROJECT:?} (shown only now): {key}");
}
