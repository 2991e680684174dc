//! Asking a browser whether it has loaded an extension. There is no call for that without rights that no client is to have, so a page of
//! the extension's own is opened, in a tab of its own that nobody has seen yet.

use std::time::Duration;

use roadstead_devtools::{CallError, Mux};
use serde_json::{Value, json};

/// How long the browser may take for one call.
const CALL_TIMEOUT: Duration = Duration::from_secs(10);

/// Tells whether full Chromium has loaded the extension of an id of its own (32 letters).
pub(crate) async fn has_extension(mux: &Mux, id: &str) -> Result<bool, CallError> {
    let call = async |method, params| mux.call(method, params, CALL_TIMEOUT).await;
    let made = call("Target.createTarget", json!({"url": "about:blank", "background": true})).await?;
    let target = &made["targetId"];
    let attached = call("Target.attachToTarget", json!({"targetId": target, "flatten": true})).await?;
    let session = attached["sessionId"].as_str().unwrap_or_default();
    let url = format!("chrome-extension://{id}/manifest.json");
    let shown = mux.call_in(session, "Page.navigate", json!({"url": url}), CALL_TIMEOUT).await;
    mux.see_page_out(target.as_str().unwrap_or_default(), CALL_TIMEOUT).await?;
    Ok(shown?.get("errorText").is_none_or(Value::is_null))
}
