//! What every test here stands on: a program, sessions that are recorded in either build, and what colour a picture has.

use std::time::Duration;

use anyhow::{Context as _, Result, bail, ensure};
use reqwest::Method;
use roadstead_testing::cdp::Page;
use roadstead_testing::ground::text;
use roadstead_testing::place::Place;
use roadstead_testing::program::{API_KEY, Program, ProgramOptions};
use serde_json::{Value, json};
use tokio::time::{Instant, sleep};
use zune_jpeg::JpegDecoder;

const PATIENCE: Duration = Duration::from_mins(1);
const PAUSE: Duration = Duration::from_millis(50);

/// One of the two Chromium builds, as a caller asks for them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Build {
    /// `browser.headless.active: true`.
    Shell,
    /// The default.
    Full,
}

/// Colours that JPEG does not mix up.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Colour {
    White,
    Red,
    Lime,
    Blue,
    Yellow,
    Other,
}

impl Colour {
    /// Returns its name in CSS.
    pub fn css(self) -> &'static str {
        match self {
            Self::White => "white",
            Self::Red => "red",
            Self::Lime => "lime",
            Self::Blue => "blue",
            Self::Yellow => "yellow",
            Self::Other => "grey",
        }
    }

    /// Names a pixel.
    pub fn of([red, green, blue]: [u8; 3]) -> Self {
        match [red > 127, green > 127, blue > 127] {
            [true, true, true] => Self::White,
            [true, false, false] => Self::Red,
            [false, true, false] => Self::Lime,
            [false, false, true] => Self::Blue,
            [true, true, false] => Self::Yellow,
            _ => Self::Other,
        }
    }
}

/// A running program.
pub struct Ground {
    pub program: Program,
    pub place: Place,
    pub http: reqwest::Client,
}

/// A session that is recorded, and a client of its page.
pub struct Session {
    pub id: String,
    pub cdp_url: String,
    pub page: Page,
}

/// A page that is only a colour. It can show others, and count.
pub fn page_of(colour: Colour) -> String {
    format!(
        "data:text/html,<body style='margin:0;background:{}'><script>
            function show(colour) {{ document.body.style.background = colour }}
            function busy(ms, colour) {{
                const end = performance.now() + ms;
                return new Promise((done) => (function step(now) {{
                    if (now > end) {{ show(colour); done(); return }}
                    document.body.style.background = `rgb(${{Math.round(now) % 256}},200,0)`;
                    requestAnimationFrame(step);
                }})(performance.now()));
            }}
        </script>",
        colour.css()
    )
}

impl Ground {
    pub async fn new(config: &str) -> Result<Self> {
        Self::at(Place::new()?, config).await
    }

    /// Starts a program on a data dir that may have been another's.
    pub async fn at(place: Place, config: &str) -> Result<Self> {
        let options = ProgramOptions { config: config.to_owned(), ..ProgramOptions::default() };
        let program = Program::start(&place.data(), &options).await?;
        Ok(Self { program, place, http: reqwest::Client::new() })
    }

    /// Starts a session that is recorded, and shows a colour.
    pub async fn session(&self, build: Build, colour: Colour) -> Result<Session> {
        let body = json!({
            "session": {"recording": {"active": true}}, "browser": {"headless": {"active": build == Build::Shell}},
        });
        let created = self.program.data(Method::POST, "/v1/sessions", Some(body)).await?;
        let cdp_url = text(&created["cdp_url"]).to_owned();
        let mut page = Page::open(&cdp_url).await?;
        page.visit(&page_of(colour)).await?;
        Ok(Session { id: text(&created["id"]).to_owned(), cdp_url, page })
    }

    /// Returns the only recording of a session.
    pub async fn recording(&self, id: &str) -> Result<Value> {
        let mut shown =
            self.program.data(Method::GET, &format!("/v1/sessions/{id}/recordings"), None).await?;
        ensure!(shown["count"] == 1, "{shown}");
        Ok(shown["items"][0].take())
    }

    /// Returns when a recording's pictures were taken.
    pub async fn moments(&self, id: &str) -> Result<Vec<u64>> {
        let shown = self
            .program
            .data(Method::GET, &format!("/v1/sessions/{id}/recordings/primary/frames"), None)
            .await?;
        Ok(serde_json::from_value(shown["frames"].clone())?)
    }

    /// Fetches something of a recording.
    pub async fn fetch(&self, id: &str, what: &str) -> Result<Vec<u8>> {
        let url = format!("{}/v1/sessions/{id}/recordings/primary/{what}", self.program.url());
        let response = self.http.get(url).header("anchor-api-key", API_KEY).send().await?;
        let status = response.status();
        let body = response.bytes().await?.to_vec();
        if status != 200 {
            bail!("{what}: {status} {}", String::from_utf8_lossy(&body));
        }
        Ok(body)
    }

    /// Returns the colour of a picture, in its middle.
    pub async fn colour(&self, id: &str, number: usize) -> Result<Colour> {
        let picture = self.fetch(id, &format!("frames/{number}")).await?;
        let mut decoder = JpegDecoder::new(&picture);
        let pixels = decoder.decode().context("a JPEG")?;
        let (width, height) = decoder.dimensions().context("a size")?;
        let at = (height / 2 * width + width / 2) * 3;
        Ok(Colour::of([pixels[at], pixels[at + 1], pixels[at + 2]]))
    }

    /// Lists the colours that were seen, each once as long as it stays.
    pub async fn colours(&self, id: &str) -> Result<Vec<Colour>> {
        let mut seen = Vec::new();
        for number in 0..self.moments(id).await?.len() {
            seen.push(self.colour(id, number).await?);
        }
        seen.dedup();
        Ok(seen)
    }

    /// Waits until the last picture has a colour. Returns how many pictures there are.
    pub async fn until_seen(&self, id: &str, colour: Colour) -> Result<usize> {
        let deadline = Instant::now() + PATIENCE;
        loop {
            let count = self.moments(id).await?.len();
            if count > 0 && self.colour(id, count - 1).await? == colour {
                return Ok(count);
            }
            ensure!(Instant::now() < deadline, "{colour:?} is never seen: {:?}", self.colours(id).await?);
            sleep(PAUSE).await;
        }
    }
}

impl Session {
    /// Shows a colour.
    pub async fn show(&mut self, colour: Colour) -> Result<()> {
        self.page.evaluate(&format!("show('{}')", colour.css())).await.map(drop)
    }
}
