//! Test server, fake Chromium, demo site, and the integration tests.

pub mod answer;
pub mod cdp;
pub mod demo_site;
pub mod fake_browser;
pub mod program;
pub mod server;
pub mod torture;
