//! Pages of other sites do not talk to this server.
//!
//! A browser lets any page open a WebSocket to any address, this machine's included, and says in `Origin` which site it is.
//! So a request that has an `Origin` is refused unless that is the server's own or one that the configuration allows. With DNS
//! rebinding the attacker's own name leads here, and such a page's origin looks like ours: therefore the name must be
//! one that nobody else can own, or that the configuration knows. Clients that are no browsers send no `Origin`, and nothing
//! changes for them.

use axum::extract::{Request, State};
use axum::http::{StatusCode, header};
use axum::middleware::Next;
use axum::response::Response;

use super::client_address::Reached;
use super::error::Failure;
use crate::app::App;
use crate::config::{ServerConfig, WebOrigin};

const FOREIGN: &str =
    "Pages of this origin may not connect. If it is yours, add it to [server] allowed_origins.";
const UNKNOWN_HOST: &str = "Pages may not connect under this host name, which may be anybody's. If it is this server's, add it to \
    [server] allowed_hosts, or set public_url.";

/// Lets a request through when it comes from no page, from one of ours, or from an allowed one; or answers 403.
pub async fn require_own(State(app): State<App>, request: Request, next: Next) -> Result<Response, Failure> {
    let reached = request.extensions().get::<Reached>();
    for origin in request.headers().get_all(header::ORIGIN) {
        check(origin.to_str().unwrap_or_default(), reached, &app.config().server)
            .map_err(|why| Failure::new(StatusCode::FORBIDDEN, why))?;
    }
    Ok(next.run(request).await)
}

fn check(origin: &str, reached: Option<&Reached>, config: &ServerConfig) -> Result<(), &'static str> {
    let origin: WebOrigin = origin.parse().map_err(|_| FOREIGN)?;
    if config.allowed_origins.contains(&origin) || config.own_origin().as_ref() == Some(&origin) {
        return Ok(());
    }
    if !reached.is_some_and(|reached| is_own(&origin, reached)) {
        return Err(FOREIGN);
    }
    if config.is_own_host(origin.host()) { Ok(()) } else { Err(UNKNOWN_HOST) }
}

/// Tells whether a page has the origin under which it reached us. Behind a proxy that ends TLS and is not trusted, an https
/// page arrives as plain HTTP.
fn is_own(origin: &WebOrigin, reached: &Reached) -> bool {
    let Some(host) = &reached.host else { return false };
    let schemes: &[&str] = if reached.secure { &["https"] } else { &["http", "https"] };
    schemes.iter().any(|scheme| WebOrigin::new(scheme, host.as_str()).is_ok_and(|own| own == *origin))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn judge(origin: &str, host: &str, secure: bool) -> &'static str {
        let config: ServerConfig = toml::from_str(
            "public_url = 'https://b.example:8443'\nallowed_origins = ['https://app.example', 'devtools://devtools']\n\
             allowed_hosts = ['Box.lan']",
        )
        .unwrap();
        let reached = Reached { secure, host: host.parse().ok() };
        match check(origin, Some(&reached), &config) {
            Ok(()) => "ok",
            Err(FOREIGN) => "foreign",
            Err(_) => "host",
        }
    }

    #[test]
    fn an_origin_is_ours_allowed_or_refused() {
        for (origin, host, secure, expected) in [
            // Allowed by name, whatever the host is.
            ("https://app.example", "x.example", false, "ok"),
            ("https://APP.example:443", "x.example", false, "ok"),
            ("https://b.example:8443", "x.example", false, "ok"),
            ("devtools://devtools", "127.0.0.1:8700", false, "ok"),
            // Ours.
            ("http://127.0.0.1:8700", "127.0.0.1:8700", false, "ok"),
            ("http://[::1]:8700", "[::1]:8700", false, "ok"),
            ("http://localhost:8700", "localhost:8700", false, "ok"),
            ("http://a.localhost:8700", "a.localhost:8700", false, "ok"),
            ("http://127.0.0.1", "127.0.0.1", false, "ok"),
            ("https://127.0.0.1", "127.0.0.1", false, "ok"),
            ("https://127.0.0.1:8700", "127.0.0.1:8700", true, "ok"),
            ("http://box.lan:8700", "box.lan:8700", false, "ok"),
            ("http://b.example:8700", "b.example:8700", false, "ok"),
            // Another site, port, or scheme.
            ("https://evil.example", "127.0.0.1:8700", false, "foreign"),
            ("http://app.example", "127.0.0.1:8700", false, "foreign"),
            ("http://localhost:8700", "127.0.0.1:8700", false, "foreign"),
            ("http://127.0.0.1:8701", "127.0.0.1:8700", false, "foreign"),
            ("http://127.0.0.1", "127.0.0.1:8700", false, "foreign"),
            ("http://127.0.0.1:8700", "127.0.0.1:8700", true, "foreign"),
            ("null", "127.0.0.1:8700", false, "foreign"),
            ("", "127.0.0.1:8700", false, "foreign"),
            ("http://127.0.0.1:8700", "", false, "foreign"),
            // DNS rebinding: the attacker's name leads to us, and its page has that very origin.
            ("http://evil.example:8700", "evil.example:8700", false, "host"),
            ("http://localhost.evil.example", "localhost.evil.example", false, "host"),
            ("http://127.0.0.1.evil.example", "127.0.0.1.evil.example", false, "host"),
        ] {
            assert_eq!(judge(origin, host, secure), expected, "{origin:?} {host:?} {secure}");
        }
    }
}
