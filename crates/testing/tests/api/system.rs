//! `/healthz`, `/readyz`, `/metrics`, `/`.

use roadstead_testing::server::TestServer;

#[tokio::test]
async fn an_operator_needs_no_key() {
    let server = TestServer::start().await;
    let stranger = server.stranger();
    assert_eq!(stranger.get("/healthz").await.data()["status"], "ok");
    assert_eq!(stranger.get("/readyz").await.data()["status"], "ready");
    let metrics = stranger.get("/metrics").await;
    assert_eq!(metrics.status, 200);
    assert!(metrics.text.contains("roadstead_http_requests_total"), "{}", metrics.text);
    assert_eq!(stranger.get("/").await.data()["name"], "roadstead");
    let http2 = stranger.request(reqwest::Method::GET, "/").header("upgrade", "h2c");
    assert_eq!(stranger.send(http2).await.data()["name"], "roadstead");
}
