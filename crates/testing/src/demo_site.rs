//! A small site with a real login, for the demo and for every test that asks "is it still logged in?".
//!
//! A login leaves one item of every kind of state in the browser (`demo-site/kinds.js` has the list), and `/account` tells
//! which of them are there: to a person as a table, to a program as `window.__state`. The site verifies its cookies
//! against logins it keeps in memory, so a cookie that was made up, or that outlived the site, proves nothing. It knows
//! nothing of the server under test. [`DemoSite`] owns the listener; the logins live and die with it.

pub mod visit;

use std::collections::HashMap;
use std::io;
use std::net::SocketAddr;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use axum::Router;
use axum::extract::{Form, State};
use axum::http::header::{CACHE_CONTROL, CONTENT_TYPE, COOKIE, SET_COOKIE};
use axum::http::{HeaderMap, StatusCode};
use axum::response::{AppendHeaders, Html, IntoResponse, Json, Redirect, Response};
use axum::routing::{get, post};
use serde::{Deserialize, Serialize};
use tokio::net::TcpListener;
use tokio::task::JoinHandle;
use uuid::Uuid;

pub use visit::{BrowserState, Verdict};

/// The one member.
pub const USER: &str = "ada";
/// The member's password, which the login page shows: this is a demonstration.
pub const PASSWORD: &str = "anchors-aweigh";
/// Thirty days, in seconds: long enough to be persistent, as Chromium sees it.
const PERSISTENT_SECONDS: u32 = 30 * 24 * 60 * 60;

/// A running demo site on a loopback port; it stops when dropped.
#[derive(Debug)]
pub struct DemoSite {
    address: SocketAddr,
    desk: Arc<Desk>,
    server: JoinHandle<io::Result<()>>,
}

impl DemoSite {
    /// Listens on `address` (port 0 picks a free one) and serves from a task of its own.
    pub async fn start(address: SocketAddr) -> io::Result<Self> {
        let listener = TcpListener::bind(address).await?;
        let address = listener.local_addr()?;
        let desk = Arc::<Desk>::default();
        let router = router(Arc::clone(&desk));
        let server = tokio::spawn(async move { axum::serve(listener, router).await });
        Ok(Self { address, desk, server })
    }

    /// Returns the site's address, for example `http://127.0.0.1:40123`.
    pub fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// Returns how often the cacheable resource was really fetched: once per login in a browser that keeps its cache.
    pub fn cacheable_fetches(&self) -> u64 {
        self.desk.cacheable_fetches.load(Ordering::Relaxed)
    }

    /// Waits until the site stops, which it does only on an error.
    pub async fn stopped(mut self) -> io::Result<()> {
        (&mut self.server).await.unwrap_or_else(|error| Err(io::Error::other(error)))
    }
}

impl Drop for DemoSite {
    fn drop(&mut self) {
        self.server.abort();
    }
}

/// What the site remembers: who logged in, and how often its cacheable resource was asked for.
#[derive(Debug, Default)]
struct Desk {
    logins: Mutex<HashMap<String, Login>>,
    cacheable_fetches: AtomicU64,
}

/// The secrets of one login, one per cookie.
#[derive(Debug)]
struct Login {
    session: String,
    persistent: String,
    partitioned: String,
}

impl Login {
    fn random() -> Self {
        let secret = || Uuid::new_v4().simple().to_string();
        Self { session: secret(), persistent: secret(), partitioned: secret() }
    }
}

/// What a request's cookies prove.
#[derive(Debug, Default, Serialize)]
struct WhoAmI {
    /// Who is signed in: whoever holds the session cookie.
    user: Option<&'static str>,
    /// The login that the cookies belong to.
    login: Option<String>,
    cookies: KnownCookies,
}

/// Which of a login's cookies came with a request.
#[derive(Debug, Default, Serialize)]
struct KnownCookies {
    session: bool,
    persistent: bool,
    partitioned: bool,
}

impl Desk {
    /// Makes a login, and returns the cookies that prove it.
    fn sign_in(&self) -> [String; 3] {
        let login = Login::random();
        // Partitioned cookies must be Secure; browsers accept that from a loopback address without TLS.
        let cookies = [
            format!("harbour_session={}; Path=/; HttpOnly; SameSite=Lax", login.session),
            format!(
                "harbour_member={}; Path=/; HttpOnly; SameSite=Lax; Max-Age={PERSISTENT_SECONDS}",
                login.persistent
            ),
            format!(
                "harbour_partition={}; Path=/; Secure; HttpOnly; SameSite=None; Partitioned; Max-Age={PERSISTENT_SECONDS}",
                login.partitioned
            ),
        ];
        let id = Uuid::new_v4().simple().to_string();
        self.logins.lock().unwrap_or_else(PoisonError::into_inner).insert(id, login);
        cookies
    }

    /// Forgets every login that one of the cookies belongs to.
    fn sign_out(&self, cookies: &Cookies) {
        let mut logins = self.logins.lock().unwrap_or_else(PoisonError::into_inner);
        logins.retain(|_, login| !cookies.known(login).any());
    }

    /// Tells what the cookies prove. All of them must belong to one login.
    fn who_is(&self, cookies: &Cookies) -> WhoAmI {
        let logins = self.logins.lock().unwrap_or_else(PoisonError::into_inner);
        let known =
            logins.iter().map(|(id, login)| (id, cookies.known(login))).find(|(_, known)| known.any());
        let Some((id, cookies)) = known else { return WhoAmI::default() };
        WhoAmI { user: cookies.session.then_some(USER), login: Some(id.clone()), cookies }
    }
}

impl KnownCookies {
    fn any(&self) -> bool {
        self.session || self.persistent || self.partitioned
    }
}

/// The cookies of one request, by name.
#[derive(Debug, Default)]
struct Cookies(HashMap<String, String>);

impl Cookies {
    fn of(headers: &HeaderMap) -> Self {
        let lines = headers.get_all(COOKIE).iter().filter_map(|line| line.to_str().ok());
        let pairs = lines.flat_map(|line| line.split("; ")).filter_map(|pair| pair.split_once('='));
        Self(pairs.map(|(name, value)| (name.to_owned(), value.to_owned())).collect())
    }

    fn known(&self, login: &Login) -> KnownCookies {
        let holds = |name: &str, secret: &str| self.0.get(name).is_some_and(|value| value == secret);
        KnownCookies {
            session: holds("harbour_session", &login.session),
            persistent: holds("harbour_member", &login.persistent),
            partitioned: holds("harbour_partition", &login.partitioned),
        }
    }
}

fn router(desk: Arc<Desk>) -> Router {
    let page = |html: &'static str| get(async move || Html(html));
    let script = |text: &'static str| get(async move || ([(CONTENT_TYPE, "text/javascript")], text));
    Router::new()
        .route("/", get(login_page))
        .route("/login", post(login))
        .route("/logout", post(logout))
        .route("/welcome", page(include_str!("../demo-site/welcome.html")))
        .route("/account", page(include_str!("../demo-site/account.html")))
        .route("/whoami", get(whoami))
        .route("/almanac.json", get(cacheable))
        .route(
            "/style.css",
            get(async || ([(CONTENT_TYPE, "text/css")], include_str!("../demo-site/style.css"))),
        )
        .route("/kinds.js", script(include_str!("../demo-site/kinds.js")))
        .route("/welcome.js", script(include_str!("../demo-site/welcome.js")))
        .route("/account.js", script(include_str!("../demo-site/account.js")))
        .route("/worker.js", script(include_str!("../demo-site/worker.js")))
        .with_state(desk)
}

const LOGIN_PAGE: &str = include_str!("../demo-site/login.html");
const PROBLEM: &str = r#"<p class="problem" role="alert">That name and password do not go together.</p>"#;

async fn login_page(State(desk): State<Arc<Desk>>, headers: HeaderMap) -> Response {
    match desk.who_is(&Cookies::of(&headers)).user {
        Some(_) => Redirect::to("/account").into_response(),
        None => Html(LOGIN_PAGE).into_response(),
    }
}

#[derive(Deserialize)]
struct Credentials {
    user: String,
    password: String,
}

async fn login(State(desk): State<Arc<Desk>>, Form(given): Form<Credentials>) -> Response {
    if given.user != USER || given.password != PASSWORD {
        let page = LOGIN_PAGE.replace("<!-- problem -->", PROBLEM);
        return (StatusCode::UNAUTHORIZED, Html(page)).into_response();
    }
    let cookies = desk.sign_in().map(|cookie| (SET_COOKIE, cookie));
    (AppendHeaders(cookies), Redirect::to("/welcome")).into_response()
}

async fn logout(State(desk): State<Arc<Desk>>, headers: HeaderMap) -> Redirect {
    desk.sign_out(&Cookies::of(&headers));
    Redirect::to("/")
}

async fn whoami(State(desk): State<Arc<Desk>>, headers: HeaderMap) -> impl IntoResponse {
    ([(CACHE_CONTROL, "no-store")], Json(desk.who_is(&Cookies::of(&headers))))
}

async fn cacheable(State(desk): State<Arc<Desk>>) -> impl IntoResponse {
    let fetch = desk.cacheable_fetches.fetch_add(1, Ordering::Relaxed) + 1;
    ([(CACHE_CONTROL, "max-age=604800, immutable")], Json(serde_json::json!({ "fetch": fetch })))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn cookies_of(set_cookies: &[String]) -> Cookies {
        let pairs = set_cookies.iter().filter_map(|cookie| cookie.split(';').next()?.split_once('='));
        Cookies(pairs.map(|(name, value)| (name.to_owned(), value.to_owned())).collect())
    }

    #[test]
    fn a_login_is_proved_by_its_own_cookies_alone() {
        let desk = Desk::default();
        let issued = desk.sign_in();
        let who = desk.who_is(&cookies_of(&issued));
        assert_eq!(who.user, Some(USER));
        assert!(who.cookies.session && who.cookies.persistent && who.cookies.partitioned);

        let forged = issued.map(|cookie| cookie.replacen('=', "=0", 1));
        assert_eq!(desk.who_is(&cookies_of(&forged)).login, None);
    }

    #[test]
    fn without_the_session_cookie_nobody_is_signed_in() {
        let desk = Desk::default();
        let who = desk.who_is(&cookies_of(&desk.sign_in()[1..]));
        assert_eq!(who.user, None);
        assert!(!who.cookies.session && who.cookies.persistent && who.cookies.partitioned);
    }

    #[test]
    fn signing_out_forgets_the_login() {
        let desk = Desk::default();
        let cookies = cookies_of(&desk.sign_in());
        desk.sign_out(&cookies);
        assert_eq!(desk.who_is(&cookies).login, None);
    }
}
