//! The selected tab's page on paper.

use std::time::Duration;

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use roadstead_devtools::CallError;
use serde_json::Value;

use super::pointer::Pointer;
use super::tab::Tab;
use super::{Act, failed};
use crate::error::{Error, Result};

/// How long a page may take to be printed.
const PRINT_TIMEOUT: Duration = Duration::from_secs(30);
/// Chromium's code for parameters that it does not take, and for what it cannot do with them.
const REFUSALS: [i64; 2] = [-32602, -32000];

/// Prints a page as PDF, with the parameters of DevTools' `Page.printToPDF`.
#[derive(Clone, Debug)]
pub struct Print(pub Value);

impl Act for Print {
    type Done = Vec<u8>;

    async fn perform(self, tab: &Tab, _pointer: &mut Pointer) -> Result<Vec<u8>> {
        let answer = match tab.call("Page.printToPDF", self.0, PRINT_TIMEOUT).await {
            Err(CallError::Refused(code, words)) if REFUSALS.contains(&code) => {
                return Err(Error::InvalidRequest(format!("The browser does not print it so: {words}.")));
            }
            answer => answer.map_err(failed)?,
        };
        BASE64_STANDARD
            .decode(answer["data"].as_str().unwrap_or_default())
            .map_err(|error| Error::internal("The browser's PDF was not understood.", error))
    }
}
