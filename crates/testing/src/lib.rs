//! Test server, fake Chromium, test sites, and the integration tests.

pub mod answer;
pub mod cdp;
pub mod demo_site;
pub mod fake_browser;
pub mod form;
pub mod ground;
pub mod load;
pub mod origins_site;
pub mod place;
pub mod processes;
pub mod program;
pub mod receiver;
pub mod server;
pub mod torture;
pub mod upstream;
pub mod witness;
