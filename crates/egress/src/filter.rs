//! What a browser's requests are held against besides the policy: advertisements, for one.

use http::{HeaderMap, header};

use crate::target::Target;

/// Tells which requests are stopped. The policy is for what must not be reached; this is for what is not wanted.
pub trait Filter: Send + Sync + 'static {
    /// Whether a request is stopped. Of one through a tunnel only `https://host/` is known, with the port where it is another
    /// than 443, and no page; of one of plain HTTP the whole URL, and the page's or its origin where the browser tells it.
    fn stops(&self, url: &str, page: Option<&str>) -> bool;
}

/// Holds a request against a filter. Returns the host of one that is stopped.
pub(crate) fn stopped(filter: &dyn Filter, target: &Target, headers: &HeaderMap) -> Option<String> {
    let (stops, destination) = match target {
        Target::Tunnel(destination) if destination.port == 443 => {
            (filter.stops(&format!("https://{}/", destination.host), None), destination)
        }
        Target::Tunnel(destination) => (filter.stops(&format!("https://{destination}/"), None), destination),
        Target::Plain { destination, uri } => {
            let page = headers.get(header::REFERER).and_then(|page| page.to_str().ok());
            (filter.stops(&uri.to_string(), page), destination)
        }
    };
    stops.then(|| destination.host.to_string())
}
