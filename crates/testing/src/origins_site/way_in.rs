//! How a browser finds the site's names: a proxy that sends every name's port 443 to one listener and all else to the other.

use std::io;
use std::net::SocketAddr;

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _, copy_bidirectional};
use tokio::net::{TcpListener, TcpStream};

/// A request head is shorter: cookies are the most of it.
const MAX_HEAD_BYTES: usize = 256 << 10;

/// Where the names lead.
#[derive(Clone, Copy, Debug)]
pub(super) struct WayIn {
    pub(super) http: SocketAddr,
    pub(super) https: SocketAddr,
}

impl WayIn {
    /// Serves whoever connects.
    pub(super) async fn serve(self, listener: TcpListener) -> io::Result<()> {
        loop {
            let (client, _) = listener.accept().await?;
            // A connection that fails is the client's to notice.
            tokio::spawn(async move { drop(self.lead(client).await) });
        }
    }

    async fn lead(self, mut client: TcpStream) -> io::Result<()> {
        client.set_nodelay(true)?;
        let head = read_head(&mut client).await?;
        let tunnel = head.starts_with(b"CONNECT ");
        let Ok(mut site) = TcpStream::connect(if tunnel { self.https } else { self.http }).await else {
            return client.write_all(b"HTTP/1.1 502 Bad Gateway\r\ncontent-length: 0\r\n\r\n").await;
        };
        site.set_nodelay(true)?;
        if tunnel {
            client.write_all(b"HTTP/1.1 200 OK\r\n\r\n").await?;
        } else {
            // The site takes the request as it is, with the whole address in its first line.
            site.write_all(&head).await?;
        }
        copy_bidirectional(&mut client, &mut site).await.map(drop)
    }
}

/// Reads until the blank line, or what came with it. Nobody sends more before the answer to a CONNECT.
async fn read_head(client: &mut TcpStream) -> io::Result<Vec<u8>> {
    let mut head = Vec::new();
    while !head.windows(4).any(|four| four == b"\r\n\r\n") {
        if head.len() > MAX_HEAD_BYTES || client.read_buf(&mut head).await? == 0 {
            return Err(io::ErrorKind::InvalidData.into());
        }
    }
    Ok(head)
}
