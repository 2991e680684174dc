//! The direct route: plain requests and tunnels.

use roadstead_egress::Route;
use tokio::io::AsyncWriteExt;

use crate::fixtures::*;

#[tokio::test]
async fn a_plain_request_goes_to_its_site() {
    let (egress, site) = (loopback_egress(), hello("127.0.0.2").await);
    let listener = direct(&egress).await;
    let mut browser = Browser::connect(&listener).await;
    for path in ["/one?a=b|c", "/two"] {
        let answered = browser.get(&format!("http://{}{path}", site.address)).await;
        assert_eq!((answered.status(), answered.body), (200, format!("{path} from 127.0.0.1")));
    }
    let traffic = listener.traffic();
    assert_eq!((traffic.requests, traffic.domains), (2, vec!["127.0.0.2".to_owned()]));
    assert!(traffic.sent > 40 && traffic.received > 40, "{:?}", (traffic.sent, traffic.received));
    within("closing", listener.close()).await;
}

#[tokio::test]
async fn a_tunnel_carries_bytes_both_ways_and_keeps_half_closes() {
    let (egress, site) = (loopback_egress(), echo("127.0.0.3").await);
    let listener = direct(&egress).await;
    let mut browser = Browser::tunnel(&listener, site.address).await;
    browser.send("hello").await;
    assert_eq!(browser.exactly(5).await, b"hello");
    browser.send("last words").await;
    browser.io.shutdown().await.unwrap();
    assert_eq!(browser.rest().await.unwrap(), b"last words");
    within("the tunnel's end", listener.wait_until(|listener| listener.connections() == 0)).await;
    let traffic = listener.traffic();
    assert_eq!((traffic.sent, traffic.received, traffic.requests), (15, 15, 1));
}

#[tokio::test]
async fn a_closed_route_says_why() {
    let (egress, site) = (loopback_egress(), hello("127.0.0.2").await);
    let listener = egress.listen().await.unwrap();
    listener.set_route(Route::Closed { why: "The session's exit <is> being chosen.".to_owned() });
    let mut browser = Browser::connect(&listener).await;
    let answered = browser.get(&format!("http://{}/", site.address)).await;
    assert_eq!(answered.status(), 503);
    assert!(answered.body.contains("exit &lt;is&gt; being chosen."), "{}", answered.body);
    assert!(
        answered.head.contains("roadstead; error=destination_unavailable; details=\"The session's exit <is>")
    );
    let answered = browser.ask("CONNECT example.com:443 HTTP/1.1\r\nHost: example.com:443\r\n\r\n").await;
    assert_eq!(answered.status(), 503);
    assert_eq!(listener.traffic().last_problem.as_deref(), Some("The session's exit <is> being chosen."));
    assert!(site.seen().is_empty());
}

#[tokio::test]
async fn what_is_asked_for_before_there_is_a_route_waits_for_it() {
    let (egress, site) = (loopback_egress(), hello("127.0.0.2").await);
    let listener = egress.listen().await.unwrap();
    let mut browser = Browser::connect(&listener).await;
    let url = format!("http://{}/", site.address);
    let (answered, ()) = tokio::join!(browser.get(&url), async {
        // A second browser's refusal shows that the first one's request could have been answered by now.
        let closed = egress.listen().await.unwrap();
        closed.set_route(Route::Closed { why: "No.".to_owned() });
        Browser::connect(&closed).await.get(&url).await;
        assert!(site.seen().is_empty());
        listener.set_route(Route::Direct);
    });
    assert_eq!(answered.status(), 200);
    assert_eq!(site.seen().len(), 1);
}
