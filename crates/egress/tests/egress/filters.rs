//! A filter: what it is asked, and what becomes of what it stops.

use std::sync::{Arc, Mutex};

use roadstead_egress::Filter;

use crate::fixtures::*;

/// Stops what has a word in its URL, and notes what it was asked.
#[derive(Default)]
struct Noting(Mutex<Vec<(String, Option<String>)>>);

impl Filter for Noting {
    fn stops(&self, url: &str, page: Option<&str>) -> bool {
        self.0.lock().unwrap().push((url.to_owned(), page.map(str::to_owned)));
        url.contains("127.0.0.9") || url.contains("banner")
    }
}

#[tokio::test]
async fn what_a_filter_stops_goes_nowhere_and_is_no_trouble() {
    let (egress, site, tunneled) = (loopback_egress(), hello("127.0.0.2").await, echo("127.0.0.3").await);
    let listener = direct(&egress).await;
    let filter = Arc::new(Noting::default());
    listener.set_filter(Arc::clone(&filter) as Arc<dyn Filter>);
    let mut browser = Browser::connect(&listener).await;
    let answered = browser.get(&format!("http://{}/banner/1", site.address)).await;
    assert_eq!(answered.status(), 403);
    assert!(answered.body.contains("127.0.0.2 is on a list"), "{}", answered.body);
    assert!(answered.head.contains("roadstead; error=http_request_denied"), "{}", answered.head);
    for port in [443, 8443] {
        let to = format!("127.0.0.9:{port}");
        let answered = browser.ask(&format!("CONNECT {to} HTTP/1.1\r\nHost: {to}\r\n\r\n")).await;
        assert_eq!(answered.status(), 403, "{answered:?}");
    }
    assert!(site.seen().is_empty());
    let traffic = listener.traffic();
    assert_eq!((traffic.requests, traffic.last_problem), (0, None));
    // Everything else goes on, over the same connection.
    let request = format!(
        "GET http://{}/a HTTP/1.1\r\nHost: {}\r\nReferer: http://page.test/\r\n\r\n",
        site.address, site.address
    );
    assert_eq!(browser.ask(&request).await.status(), 200);
    let mut tunnel = Browser::tunnel(&listener, tunneled.address).await;
    tunnel.send("hello").await;
    assert_eq!(tunnel.exactly(5).await, b"hello");
    assert_eq!(listener.traffic().requests, 2);
    let asked = std::mem::take(&mut *filter.0.lock().unwrap());
    let asked: Vec<_> = asked.iter().map(|(url, page)| (url.as_str(), page.as_deref())).collect();
    assert_eq!(
        asked,
        [
            (format!("http://{}/banner/1", site.address).as_str(), None),
            ("https://127.0.0.9/", None),
            ("https://127.0.0.9:8443/", None),
            (format!("http://{}/a", site.address).as_str(), Some("http://page.test/")),
            (format!("https://{}/", tunneled.address).as_str(), None),
        ]
    );
}
