//! SOCKS 5 as a client: RFC 1928, with the user name and password of RFC 1929.
//!
//! Our own because the libraries do the greeting and the request in one go, and a check of an exit needs the greeting
//! alone; and because what went wrong has to be told apart (credentials, the proxy, the site) in words of ours.

use std::net::IpAddr;

use tokio::io::{AsyncReadExt, AsyncWriteExt};

use crate::failure::{Trouble, words};
use crate::upstream::Credentials;
use crate::{Destination, Host, Stream};

const VERSION: u8 = 5;
const NO_AUTHENTICATION: u8 = 0;
const USERNAME_PASSWORD: u8 = 2;
const NO_METHOD: u8 = 0xff;
const CONNECT: u8 = 1;
const IPV4: u8 = 1;
const NAME: u8 = 3;
const IPV6: u8 = 4;

/// Greets a proxy, and logs in when it asks for that.
pub(crate) async fn greet(stream: &mut Stream, credentials: Option<&Credentials>) -> Result<(), Trouble> {
    let methods: &[u8] = match credentials {
        Some(_) => &[VERSION, 2, NO_AUTHENTICATION, USERNAME_PASSWORD],
        None => &[VERSION, 1, NO_AUTHENTICATION],
    };
    send(stream, methods).await?;
    match (receive(stream).await?, credentials) {
        ([VERSION, NO_AUTHENTICATION], _) => Ok(()),
        ([VERSION, USERNAME_PASSWORD], Some(credentials)) => log_in(stream, credentials).await,
        ([VERSION, NO_METHOD | USERNAME_PASSWORD], _) => Err(Trouble::Authentication),
        _ => Err(Trouble::Protocol("SOCKS 5")),
    }
}

async fn log_in(stream: &mut Stream, credentials: &Credentials) -> Result<(), Trouble> {
    let mut message = zeroize::Zeroizing::new(vec![1]);
    for text in [credentials.username(), credentials.password()] {
        message.push(u8::try_from(text.len()).map_err(|_| Trouble::Authentication)?);
        message.extend_from_slice(text.as_bytes());
    }
    send(stream, &message).await?;
    match receive(stream).await {
        Ok([_, 0]) => Ok(()),
        // Many hang up instead of answering.
        Ok(_) | Err(Trouble::HungUp(_)) => Err(Trouble::Authentication),
        Err(trouble) => Err(trouble),
    }
}

/// Asks a proxy that was greeted for a connection. Names go to it as they are.
pub(crate) async fn connect(stream: &mut Stream, destination: &Destination) -> Result<(), Trouble> {
    let mut message = vec![VERSION, CONNECT, 0];
    match &destination.host {
        Host::Address(IpAddr::V4(address)) => {
            message.push(IPV4);
            message.extend_from_slice(&address.octets());
        }
        Host::Address(IpAddr::V6(address)) => {
            message.push(IPV6);
            message.extend_from_slice(&address.octets());
        }
        Host::Name(name) => {
            let length = u8::try_from(name.len());
            message.extend_from_slice(&[
                NAME,
                length.map_err(|_| Trouble::Rejected("the name is too long".to_owned()))?,
            ]);
            message.extend_from_slice(name.as_bytes());
        }
    }
    message.extend_from_slice(&destination.port.to_be_bytes());
    send(stream, &message).await?;
    let [version, reply, _, kind] = receive(stream).await?;
    if version != VERSION {
        return Err(Trouble::Protocol("SOCKS 5"));
    }
    if reply != 0 {
        return Err(Trouble::Rejected(explain(reply).to_owned()));
    }
    // The address that it connected from, which nobody needs.
    match kind {
        IPV4 => receive::<6>(stream).await.map(drop),
        IPV6 => receive::<18>(stream).await.map(drop),
        NAME => {
            let [length] = receive(stream).await?;
            let mut rest = vec![0; usize::from(length) + 2];
            stream.read_exact(&mut rest).await.map(drop).map_err(|error| Trouble::HungUp(words(&error)))
        }
        _ => Err(Trouble::Protocol("SOCKS 5")),
    }
}

/// RFC 1928, section 6.
fn explain(reply: u8) -> &'static str {
    match reply {
        1 => "general failure",
        2 => "forbidden by its rules",
        3 => "network unreachable",
        4 => "host unreachable",
        5 => "connection refused",
        6 => "timed out",
        7 => "command not supported",
        8 => "address type not supported",
        _ => "unknown reply",
    }
}

async fn send(stream: &mut Stream, bytes: &[u8]) -> Result<(), Trouble> {
    let sent = async {
        stream.write_all(bytes).await?;
        stream.flush().await
    };
    sent.await.map_err(|error| Trouble::HungUp(words(&error)))
}

async fn receive<const N: usize>(stream: &mut Stream) -> Result<[u8; N], Trouble> {
    let mut bytes = [0; N];
    match stream.read_exact(&mut bytes).await {
        Ok(_) => Ok(bytes),
        Err(error) => Err(Trouble::HungUp(words(&error))),
    }
}
