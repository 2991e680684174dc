//! What a request to the proxy asks for: a pure function of its head. Fuzzed.

use http::uri::Scheme;
use http::{HeaderMap, Method, Uri, header};

use crate::host::{InvalidAuthority, split_host_port};
use crate::{Destination, Host};

/// What a request asks for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Target {
    /// CONNECT: bytes both ways.
    Tunnel(Destination),
    /// A request of plain HTTP.
    Plain {
        /// Where it goes.
        destination: Destination,
        /// The absolute URI, its host in canonical form: what was checked is what is sent.
        uri: Uri,
    },
}

/// Why a request is none for a proxy.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum BadRequest {
    /// `GET /`: somebody takes the listener for a web server.
    #[error(
        "This is a browser's proxy, not a web server. It answers only requests with a whole URL, as clients send them to a proxy."
    )]
    NotForAProxy,
    /// https goes through CONNECT.
    #[error(
        "Only http URLs can be asked for in the clear. For https, the client has to open a tunnel with CONNECT."
    )]
    Scheme,
    /// `user:password@`.
    #[error(
        "A user name or password in the address is not accepted here; send an Authorization header instead."
    )]
    Userinfo,
    /// No name and no address.
    #[error("The host of this request is neither a name nor an address.")]
    Host,
    /// No number from 1 to 65535, or none at all where there has to be one.
    #[error("The port of this request is missing or is not a number from 1 to 65535.")]
    Port,
    /// A transfer encoding besides `chunked`. The next hop might read it differently.
    #[error("The only transfer encoding that is accepted here is \"chunked\", once.")]
    Encoding,
    /// CONNECT with a path, or with content.
    #[error("CONNECT takes host:port and nothing else: no scheme, no path and no content.")]
    Connect,
}

/// Reads what a request asks for. The `Host` header plays no part: the request's own URI says where it goes, and the header is
/// written anew from it.
pub fn parse(method: &Method, uri: &Uri, headers: &HeaderMap) -> Result<Target, BadRequest> {
    if method == Method::CONNECT {
        return parse_connect(uri, headers);
    }
    let (Some(scheme), Some(authority)) = (uri.scheme(), uri.authority()) else {
        return Err(BadRequest::NotForAProxy);
    };
    if *scheme != Scheme::HTTP {
        return Err(BadRequest::Scheme);
    }
    let mut encodings = headers.get_all(header::TRANSFER_ENCODING).iter();
    let chunked =
        encodings.next().is_none_or(|encoding| encoding.as_bytes().eq_ignore_ascii_case(b"chunked"));
    if !chunked || encodings.next().is_some() {
        return Err(BadRequest::Encoding);
    }
    let (host, port) = parse_authority(authority.as_str())?;
    let destination = Destination { host, port: port.unwrap_or(80) };
    let authority = match destination.port {
        80 => destination.host.to_string(),
        _ => destination.to_string(),
    };
    let path = uri.path_and_query().map_or("/", |path| path.as_str());
    let uri = Uri::builder().scheme(Scheme::HTTP).authority(authority).path_and_query(path).build();
    Ok(Target::Plain { destination, uri: uri.map_err(|_| BadRequest::Host)? })
}

fn parse_connect(uri: &Uri, headers: &HeaderMap) -> Result<Target, BadRequest> {
    let authority = uri.authority().ok_or(BadRequest::Connect)?;
    if uri.scheme().is_some() || uri.path_and_query().is_some_and(|path| !path.as_str().is_empty()) {
        return Err(BadRequest::Connect);
    }
    // Content would be taken for the tunnel's first bytes by one side, and not by the other.
    let empty = headers.get_all(header::CONTENT_LENGTH).iter().all(|length| length == "0");
    if !empty || headers.contains_key(header::TRANSFER_ENCODING) {
        return Err(BadRequest::Connect);
    }
    let (host, port) = parse_authority(authority.as_str())?;
    Ok(Target::Tunnel(Destination { host, port: port.ok_or(BadRequest::Port)? }))
}

fn parse_authority(text: &str) -> Result<(Host, Option<u16>), BadRequest> {
    if text.contains('@') {
        return Err(BadRequest::Userinfo);
    }
    let (host, port) = split_host_port(text).map_err(|error| match error {
        InvalidAuthority::Host => BadRequest::Host,
        InvalidAuthority::Port => BadRequest::Port,
    })?;
    Ok((Host::parse(host).map_err(|_| BadRequest::Host)?, port))
}

#[cfg(test)]
mod tests {
    use http::HeaderValue;

    use super::*;

    fn read(method: &str, uri: &str, headers: &[(&str, &str)]) -> Result<String, BadRequest> {
        let uri: Uri = uri.parse().unwrap_or_else(|_| panic!("{uri} is a URI"));
        let mut map = HeaderMap::new();
        for (name, value) in headers {
            map.append(
                http::HeaderName::from_bytes(name.as_bytes()).unwrap(),
                HeaderValue::from_str(value).unwrap(),
            );
        }
        parse(&method.parse().unwrap(), &uri, &map).map(|target| match target {
            Target::Tunnel(destination) => format!("tunnel {destination}"),
            Target::Plain { destination, uri } => format!("{destination} {uri}"),
        })
    }

    #[test]
    fn plain_requests() {
        use BadRequest as B;
        for (uri, expected) in [
            ("http://example.com/", Ok("example.com:80 http://example.com/")),
            ("http://example.com", Ok("example.com:80 http://example.com/")),
            ("HTTP://Example.COM:80/a?b", Ok("example.com:80 http://example.com/a?b")),
            (
                "http://example.com:8080/a%2Fb|c^?[`{}]|\\",
                Ok("example.com:8080 http://example.com:8080/a%2Fb|c^?[`{}]|\\"),
            ),
            ("http://example.com?q=1", Ok("example.com:80 http://example.com/?q=1")),
            ("http://0x7f.1/", Ok("127.0.0.1:80 http://127.0.0.1/")),
            ("http://2130706433:81/", Ok("127.0.0.1:81 http://127.0.0.1:81/")),
            ("http://[0:0::1]:81/", Ok("[::1]:81 http://[::1]:81/")),
            ("http://example.com./", Ok("example.com.:80 http://example.com./")),
            ("/", Err(B::NotForAProxy)),
            ("*", Err(B::NotForAProxy)),
            ("example.com:80", Err(B::NotForAProxy)),
            ("https://example.com/", Err(B::Scheme)),
            ("ws://example.com/", Err(B::Scheme)),
            ("ftp://example.com/", Err(B::Scheme)),
            ("http://user:pass@example.com/", Err(B::Userinfo)),
            ("http://@example.com/", Err(B::Userinfo)),
            ("http://example.com:0/", Err(B::Port)),
            ("http://example.com:99999/", Err(B::Port)),
            ("http://example.com:/", Err(B::Port)),
            ("http://a.1.2.3.4/", Err(B::Host)),
            ("http://1.2.3.4.5/", Err(B::Host)),
            ("http://256.256.256.256/", Err(B::Host)),
        ] {
            assert_eq!(read("GET", uri, &[]), expected.map(str::to_owned), "{uri}");
        }
    }

    #[test]
    fn transfer_encodings() {
        let lines = |values: &[&str]| {
            let headers: Vec<_> = values.iter().map(|value| ("transfer-encoding", *value)).collect();
            read("POST", "http://example.com/", &headers).err()
        };
        assert_eq!(lines(&["chunked"]), None);
        assert_eq!(lines(&["Chunked"]), None);
        for bad in [
            &["gzip, chunked"][..],
            &["gzip", "chunked"],
            &["chunked", "chunked"],
            &["chunked, chunked"],
            &["x"],
            &[""],
        ] {
            assert_eq!(lines(bad), Some(BadRequest::Encoding), "{bad:?}");
        }
    }

    #[test]
    fn tunnels() {
        use BadRequest as B;
        for (uri, expected) in [
            ("example.com:443", Ok("tunnel example.com:443")),
            ("EXAMPLE.com:443", Ok("tunnel example.com:443")),
            ("[::1]:443", Ok("tunnel [::1]:443")),
            ("0177.0.0.1:443", Ok("tunnel 127.0.0.1:443")),
            ("example.com", Err(B::Port)),
            ("[::1]", Err(B::Port)),
            ("example.com:0", Err(B::Port)),
            ("example.com:99999", Err(B::Port)),
            ("user@example.com:443", Err(B::Userinfo)),
            ("user:pass@example.com:443", Err(B::Userinfo)),
            ("http://example.com:443", Err(B::Connect)),
            ("/", Err(B::Connect)),
            ("*", Err(B::Connect)),
        ] {
            assert_eq!(read("CONNECT", uri, &[]), expected.map(str::to_owned), "{uri}");
        }
        let to = "example.com:443";
        assert!(read("CONNECT", to, &[("content-length", "0")]).is_ok());
        assert_eq!(read("CONNECT", to, &[("content-length", "1")]), Err(B::Connect));
        assert_eq!(read("CONNECT", to, &[("content-length", "0"), ("content-length", "9")]), Err(B::Connect));
        assert_eq!(read("CONNECT", to, &[("transfer-encoding", "chunked")]), Err(B::Connect));
    }
}
