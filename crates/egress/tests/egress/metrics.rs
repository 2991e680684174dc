//! What the metrics say.

use metrics_exporter_prometheus::PrometheusBuilder;
use roadstead_egress::{Egress, Exit, ExitName, Policy, UpstreamProxy, Way};

use crate::fixtures::*;
use crate::proxies::*;

#[tokio::test]
async fn exits_and_refusals_are_counted() {
    let recorder = PrometheusBuilder::new().build_recorder();
    let handle = recorder.handle();
    // For this thread, and the test's runtime has no other.
    let _guard = metrics::set_default_local_recorder(&recorder);
    roadstead_egress::describe_metrics();
    let site = echo("127.0.0.2").await;
    let listener = direct(&loopback_egress()).await;
    let mut browser = Browser::tunnel(&listener, site.address).await;
    browser.send("hello").await;
    browser.exactly(5).await;
    within("the count", listener.wait_until(|listener| listener.traffic().received == 5)).await;
    let proxy = http_proxy("127.0.0.4", Behind { site: site.address, wants_password: true }).await;
    let server = UpstreamProxy::parse(&proxy.address.to_string()).unwrap();
    let fails = through(&loopback_egress(), exit(server.clone())).await;
    assert_eq!(Browser::connect(&fails).await.get("http://site.test/").await.status(), 502);
    let custom = Exit { name: ExitName::custom(), way: Way::Proxy(server) };
    let refused = through(&Egress::new(Policy::default()), custom).await;
    assert_eq!(Browser::connect(&refused).await.get("http://site.test/").await.status(), 403);
    assert_eq!(Browser::connect(&refused).await.get("http://10.0.0.1/").await.status(), 403);
    let text = handle.render();
    for line in [
        "roadstead_exit_bytes_total{exit=\"direct\",direction=\"sent\"} 5",
        "roadstead_exit_bytes_total{exit=\"direct\",direction=\"received\"} 5",
        "roadstead_exit_requests_total{exit=\"direct\"} 1",
        "roadstead_exit_connections{exit=\"direct\"} 1",
        "roadstead_exit_requests_total{exit=\"fra-1\"} 1",
        "roadstead_exit_failures_total{exit=\"fra-1\"} 1",
        "roadstead_exit_requests_total{exit=\"custom\"} 2",
        "roadstead_egress_refusals_total{rule=\"loopback\"} 1",
        "roadstead_egress_refusals_total{rule=\"private\"} 1",
    ] {
        assert!(text.lines().any(|found| found == line), "{line}\n{text}");
    }
    drop(browser);
    within("the end", listener.wait_until(|listener| listener.connections() == 0)).await;
    assert!(handle.render().contains("roadstead_exit_connections{exit=\"direct\"} 0"));
}
