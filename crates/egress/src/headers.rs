//! Which headers of a message go on to the next hop, and in what shape.

use http::header::{
    CONNECTION, CONTENT_LENGTH, HOST, HeaderMap, HeaderName, HeaderValue, TE, TRANSFER_ENCODING, UPGRADE,
};

/// How many headers a message may have. Chromium itself has no limit but the head's size.
pub(crate) const MAX_HEADERS: usize = 512;

/// About one connection only (RFC 9110, section 7.6.1, and what older clients sent).
const HOP_BY_HOP: [&str; 3] = ["keep-alive", "http2-settings", "proxy-connection"];

/// Makes a request's headers fit for the next hop: what is about this connection or for a proxy goes, and `Host` is the URI's.
/// Order is kept, for it is part of what a site sees of a browser; so map entries are copied, since removing reorders.
pub(crate) fn for_request(
    headers: &HeaderMap,
    host: &HeaderValue,
    upgrade: Option<&HeaderValue>,
) -> HeaderMap {
    let mut kept = keep(headers, upgrade, |name, value| {
        // What a browser sends to a proxy instead of `Connection`, which is what the site would see without one.
        let keeps_alive = name == "proxy-connection" && value.as_bytes().eq_ignore_ascii_case(b"keep-alive");
        (keeps_alive && upgrade.is_none()).then_some(CONNECTION)
    });
    // Inserting in the place that it has.
    kept.insert(HOST, host.clone());
    kept
}

/// Makes an answer's headers fit for the browser.
pub(crate) fn for_response(headers: &HeaderMap, upgrade: Option<&HeaderValue>) -> HeaderMap {
    keep(headers, upgrade, |_, _| None)
}

/// The protocol that a message asks to change to, if it does.
pub(crate) fn upgrade(headers: &HeaderMap) -> Option<HeaderValue> {
    let asks = connection_options(headers).any(|option| option.eq_ignore_ascii_case("upgrade"));
    if asks { headers.get(UPGRADE).cloned() } else { None }
}

fn keep(
    headers: &HeaderMap,
    upgrade: Option<&HeaderValue>,
    rename: impl Fn(&HeaderName, &HeaderValue) -> Option<HeaderName>,
) -> HeaderMap {
    // The encoding's framing wins over a length, which then is a lie, or an attempt at smuggling.
    let chunked = headers.contains_key(TRANSFER_ENCODING);
    let named: Vec<&str> = connection_options(headers).collect();
    let mut kept = HeaderMap::with_capacity(headers.len() + 1);
    for (name, value) in headers {
        let own = [CONNECTION, TE, UPGRADE].contains(name) || HOP_BY_HOP.contains(&name.as_str());
        let own = own || name.as_str().starts_with("proxy-") || (chunked && name == CONTENT_LENGTH);
        // The framing is written anew, and by our own rules, so naming it takes nothing away.
        let framing = name == TRANSFER_ENCODING || name == CONTENT_LENGTH || name == HOST;
        if upgrade.is_some() && (name == CONNECTION || name == UPGRADE) {
            // Written below, in the place that is taken here.
            kept.insert(name.clone(), value.clone());
        } else if let Some(name) = rename(name, value) {
            kept.append(name, value.clone());
        } else if !own && (framing || !named.iter().any(|named| name.as_str().eq_ignore_ascii_case(named))) {
            kept.append(name.clone(), value.clone());
        }
    }
    if let Some(protocol) = upgrade {
        kept.insert(CONNECTION, HeaderValue::from_static("Upgrade"));
        kept.insert(UPGRADE, protocol.clone());
    }
    kept
}

fn connection_options(headers: &HeaderMap) -> impl Iterator<Item = &str> {
    let lines = headers.get_all(CONNECTION).iter().filter_map(|line| line.to_str().ok());
    lines.flat_map(|line| line.split(',')).map(str::trim).filter(|option| !option.is_empty())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn map(lines: &[(&'static str, &'static str)]) -> HeaderMap {
        let mut map = HeaderMap::new();
        for (name, value) in lines {
            map.append(HeaderName::from_static(name), HeaderValue::from_static(value));
        }
        map
    }

    fn lines(map: &HeaderMap) -> Vec<String> {
        map.iter().map(|(name, value)| format!("{name}: {}", value.to_str().unwrap())).collect()
    }

    #[test]
    fn a_request_is_as_if_there_were_no_proxy() {
        let headers = map(&[
            ("host", "lie.example"),
            ("proxy-connection", "keep-alive"),
            ("proxy-authorization", "Basic hush"),
            ("user-agent", "x"),
            ("keep-alive", "300"),
            ("te", "trailers"),
            ("x-hop", "gone"),
            ("cookie", "a=b"),
            ("connection", "x-hop, close, host, content-length"),
            ("upgrade", "h2c"),
            ("cookie", "c=d"),
            ("content-length", "3"),
        ]);
        let kept = for_request(&headers, &HeaderValue::from_static("example.com"), None);
        let expected = [
            "host: example.com",
            "connection: keep-alive",
            "user-agent: x",
            "cookie: a=b",
            "cookie: c=d",
            "content-length: 3",
        ];
        assert_eq!(lines(&kept), expected);
    }

    #[test]
    fn an_upgrade_goes_on() {
        let headers = map(&[
            ("connection", "keep-alive, Upgrade"),
            ("upgrade", "websocket"),
            ("sec-websocket-key", "x"),
        ]);
        let protocol = upgrade(&headers);
        let kept = for_request(&headers, &HeaderValue::from_static("example.com"), protocol.as_ref());
        assert_eq!(
            lines(&kept),
            ["connection: Upgrade", "upgrade: websocket", "sec-websocket-key: x", "host: example.com"]
        );
        assert_eq!(upgrade(&map(&[("upgrade", "websocket")])), None);
    }

    #[test]
    fn an_encoding_wins_over_a_length() {
        let headers =
            map(&[("content-length", "3"), ("transfer-encoding", "chunked"), ("proxy-status", "x")]);
        assert_eq!(lines(&for_response(&headers, None)), ["transfer-encoding: chunked"]);
    }
}
