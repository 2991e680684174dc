//! Real separate hosts: a site in a network namespace of its own, which sees this machine by the addresses of a real link.
//!
//! Namespaces need root and `ip`. Elsewhere the tests on loopback are all there is, and this one says so.

use std::fs::File;
use std::net::TcpListener;
use std::os::fd::AsFd as _;
use std::process::Command;
use std::thread;

use anyhow::{Context as _, Result, ensure};
use roadstead_testing::witness::Witness;
use rustix::thread::{LinkNameSpaceType, move_into_link_name_space};
use serde_json::json;

use crate::ground::{Ground, ip, start, sticky};

/// This machine's addresses on the link, and the other end's.
const OURS: [&str; 3] = ["10.213.77.1", "10.213.77.2", "10.213.77.3"];
const THEIRS: &str = "10.213.77.100";

/// A network namespace with one link to this machine. It goes, with the link, when dropped.
struct Host {
    name: String,
}

impl Host {
    /// Makes one; `None` where that is not allowed.
    fn make() -> Result<Option<Self>> {
        let name = format!("roadstead-{}", std::process::id());
        if !rustix::process::geteuid().is_root() || ip_command(&["netns", "add", &name]).is_err() {
            return Ok(None);
        }
        let host = Self { name };
        // An interface's name has 15 characters at most.
        let (ours, theirs) = (format!("rs{}", std::process::id()), "there");
        ip_command(&["link", "add", &ours, "type", "veth", "peer", "name", theirs, "netns", &host.name])?;
        for address in OURS {
            ip_command(&["address", "add", &format!("{address}/24"), "dev", &ours])?;
        }
        ip_command(&["link", "set", &ours, "up"])?;
        ip_command(&["-n", &host.name, "address", "add", &format!("{THEIRS}/24"), "dev", theirs])?;
        ip_command(&["-n", &host.name, "link", "set", theirs, "up"])?;
        Ok(Some(host))
    }

    /// Listens there. A socket stays in the namespace that it was made in, whoever uses it.
    fn listen(&self) -> Result<TcpListener> {
        let namespace = File::open(format!("/run/netns/{}", self.name))?;
        let listening = thread::spawn(move || {
            move_into_link_name_space(namespace.as_fd(), Some(LinkNameSpaceType::Network))?;
            let listener = TcpListener::bind((THEIRS, 0))?;
            listener.set_nonblocking(true)?;
            Ok(listener)
        });
        listening.join().expect("listening does not panic")
    }
}

impl Drop for Host {
    fn drop(&mut self) {
        drop(ip_command(&["netns", "delete", &self.name]));
    }
}

fn ip_command(arguments: &[&str]) -> Result<()> {
    let output = Command::new("ip").args(arguments).output().context("failed to run ip")?;
    ensure!(output.status.success(), "ip {arguments:?}: {}", String::from_utf8_lossy(&output.stderr));
    Ok(())
}

#[tokio::test]
#[expect(clippy::print_stderr, reason = "a test that proves nothing says so")]
async fn another_host_sees_the_reserved_address() -> Result<()> {
    let Some(host) = Host::make()? else {
        eprintln!("skipped: network namespaces need root and ip(8)");
        return Ok(());
    };
    let site = Witness::serve(tokio::net::TcpListener::from_std(host.listen()?)?)?;
    let ground = Ground::new().await?;
    let exits = OURS[1..].iter().map(|address| {
        format!(
            "[[egress.exits]]\nname = \"{address}\"\nkind = \"source_address\"\naddress = \"{address}\"\n"
        )
    });
    let egress = format!("allow = [\"10.213.77.0/24\"]\n{}", exits.collect::<String>());
    let program = ground.program(&egress).await?;
    let mut sessions = Vec::new();
    for name in ["a", "b"] {
        let address = sticky(&program, name).await?;
        let session = start(&program, json!({"name": name}), json!(null)).await?;
        sessions.push((address, session));
    }
    sessions.push((OURS[0].to_owned(), start(&program, json!(null), json!(null)).await?));
    for (address, session) in &mut sessions {
        let path = format!("/{address}");
        session.require_seen_as(&site.url(&path), address).await?;
        ensure!(site.who_asked(&path) == [ip(address)], "{:?}", site.seen());
    }
    for (_, session) in sessions {
        session.end(&program).await?;
    }
    program.stop().await
}
