//! The OpenAPI document: its snapshot is the contract, and a change of it belongs into the same commit.

use roadstead_testing::server::TestServer;

#[tokio::test]
async fn the_document_is_what_it_was() {
    let server = TestServer::start().await;
    let document = server.stranger().get("/openapi.json").await.json();
    insta::assert_json_snapshot!("openapi", document);
}
