//! `/v1/batch-sessions`.

mod change;
mod secrets;
mod start;

use roadstead_testing::answer::Client;
use roadstead_testing::server::{TestServer, TestServerOptions};
use serde_json::{Value, json};

/// A server with a few places, and nobody waits for one for long.
async fn server_with(config: &'static str) -> TestServer {
    TestServer::start_with(TestServerOptions { config, ..TestServerOptions::default() }).await
}

/// Orders a batch, and returns its path.
async fn order(client: &Client, count: u64, configuration: Value) -> String {
    let body = json!({"count": count, "configuration": configuration});
    let batch = client.post("/v1/batch-sessions", body).await.data();
    format!("/v1/batch-sessions/{}", batch["batch_id"].as_str().unwrap())
}

/// Waits until nothing of a batch is left to be started.
async fn settled(client: &Client, batch: &str) -> Value {
    client.wait_for(batch, |data| data["status"] != "pending" && data["status"] != "processing").await
}

/// Returns how many of a batch's sessions are pending, processing, completed, failed and cancelled.
fn counts(batch: &Value) -> [u64; 5] {
    ["pending", "processing", "completed", "failed", "cancelled"]
        .map(|state| batch[format!("{state}_requests")].as_u64().unwrap())
}

/// Ends the first session of a batch that runs.
async fn end_one(client: &Client, batch: &Value) {
    let mut items = batch["sessions"].as_array().unwrap().iter();
    let running = items.find(|item| item["cdp_url"].is_string()).unwrap();
    let id = running["session_id"].as_str().unwrap();
    client.delete(&format!("/v1/sessions/{id}")).await.data();
}
