//! Test server, fake Chromium, demo site, and the integration tests.

pub mod cdp;
pub mod demo_site;
pub mod program;
