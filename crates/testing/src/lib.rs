//! Test server, fake Chromium, demo site, and the integration tests.
