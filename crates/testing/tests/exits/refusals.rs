//! Where browsers may not go, as a page sees it: the refusal is a page of its own, and tricks do not help.

use anyhow::{Context as _, Result, ensure};
use roadstead_testing::ground::text;
use roadstead_testing::witness::Witness;
use serde_json::{Value, json};

use crate::ground::{Ground, start};

#[tokio::test]
async fn a_refusal_says_which_rule_and_how_to_lift_it() -> Result<()> {
    let ground = Ground::new().await?;
    let other = Witness::start("127.0.0.2:0".parse()?).await?;
    let program =
        ground.program("allow = [\"127.0.0.2\"]\ndeny = [\"denied.example\"]\ndeny_ports = [81]").await?;
    let mut session = start(&program, Value::Null, Value::Null).await?;
    let port = ground.witness.address().port();
    for (url, words) in [
        (format!("http://127.0.0.1:{port}/"), ["127.0.0.1 is a loopback address", "egress.allow"]),
        (format!("http://localhost:{port}/"), ["localhost is this machine's loopback", "egress.allow"]),
        (format!("http://[::ffff:127.0.0.1]:{port}/"), ["127.0.0.1", "egress.allow"]),
        (format!("http://2130706433:{port}/"), ["127.0.0.1 is a loopback address", "egress.allow"]),
        (format!("http://0:{port}/"), ["reaches this machine", "egress.allow"]),
        ("http://169.254.169.254/latest/meta-data/".to_owned(), ["metadata", "egress.allow"]),
        ("http://10.1.2.3/".to_owned(), ["a private address", "egress.allow"]),
        ("http://www.denied.example/".to_owned(), ["denied.example", "egress.deny"]),
        ("http://127.0.0.2:81/".to_owned(), ["Port 81", "egress.deny_ports"]),
        // One that may be reached sends on to one that may not.
        (
            other.url(&format!("/redirect?to=http://127.0.0.1:{port}/")),
            ["127.0.0.1 is a loopback address", "egress.allow"],
        ),
    ] {
        let said = session.read(&url).await?;
        ensure!(words.iter().all(|word| said.contains(word)), "{url}: {said}");
    }
    ensure!(ground.witness.seen().is_empty(), "{:?}", ground.witness.seen());
    // Also in a tunnel, where Chromium shows a page of its own.
    let tunnel = session.page.goto(&format!("https://127.0.0.1:{port}/")).await;
    ensure!(tunnel.is_err_and(|why| why.to_string().contains("ERR_TUNNEL_CONNECTION_FAILED")));
    let shown = session.show(&program).await?;
    ensure!(text(&shown["proxy"]["last_problem"]).contains("127.0.0.1 is a loopback address"), "{shown}");
    session.end(&program).await?;
    program.stop().await
}

#[tokio::test]
async fn the_servers_own_listeners_are_never_reached() -> Result<()> {
    let ground = Ground::new().await?;
    let program = ground.program("allow = [\"0.0.0.0/0\", \"::/0\"]").await?;
    let (mut one, mut two) =
        (start(&program, Value::Null, Value::Null).await?, start(&program, Value::Null, Value::Null).await?);
    one.require_seen_as(&ground.witness.url("/allowed"), "127.0.0.1").await?;
    let api: u16 = program.url().rsplit_once(':').context("a port")?.1.parse()?;
    for host in ["127.0.0.1", "0.0.0.0", "[::ffff:127.0.0.1]", "0x7f000001"] {
        let said = one.read(&format!("http://{host}:{api}/healthz")).await?;
        ensure!(said.contains("Roadstead server itself"), "{host}: {said}");
    }
    // A name with several addresses has the others tried.
    let said = one.read(&format!("http://localhost:{api}/healthz")).await?;
    ensure!(said.contains("cannot be reached") || said.contains("Roadstead server itself"), "{said}");
    // The other session's listener, which would lend its way out.
    let listeners = listening_ports(program.pid()?.as_raw_nonzero().get())?;
    ensure!(listeners.len() >= 3, "{listeners:?}");
    for port in listeners {
        for session in [&mut one, &mut two] {
            let said = session.read(&format!("http://127.0.0.1:{port}/")).await?;
            ensure!(said.contains("Roadstead server itself"), "{port}: {said}");
        }
    }
    one.end(&program).await?;
    two.end(&program).await?;
    program.stop().await
}

/// Lists the TCP ports that a process listens on, from `/proc`.
fn listening_ports(pid: i32) -> Result<Vec<u16>> {
    const LISTEN: &str = "0A";
    let mut sockets = Vec::new();
    for fd in std::fs::read_dir(format!("/proc/{pid}/fd"))? {
        let Ok(target) = std::fs::read_link(fd?.path()) else { continue };
        let target = target.to_string_lossy().into_owned();
        if let Some(inode) = target.strip_prefix("socket:[").and_then(|rest| rest.strip_suffix(']')) {
            sockets.push(inode.to_owned());
        }
    }
    let table = std::fs::read_to_string("/proc/net/tcp")?;
    let mut ports = Vec::new();
    for line in table.lines().skip(1) {
        let fields: Vec<_> = line.split_whitespace().collect();
        let (Some(local), Some(state), Some(inode)) = (fields.get(1), fields.get(3), fields.get(9)) else {
            continue;
        };
        if *state == LISTEN && sockets.iter().any(|socket| socket == inode) {
            ports.push(u16::from_str_radix(local.rsplit_once(':').context("a port")?.1, 16)?);
        }
    }
    Ok(ports)
}

/// A page cannot reach what a browser cannot, also not by a script, a frame or a worker.
#[tokio::test]
async fn a_page_reads_nothing_of_the_host_by_script() -> Result<()> {
    let ground = Ground::new().await?;
    let other = Witness::start("127.0.0.2:0".parse()?).await?;
    let program = ground.program("allow = [\"127.0.0.2\"]").await?;
    let mut session = start(&program, Value::Null, Value::Null).await?;
    session.page.visit(&other.url("/page")).await?;
    let script = "(async (target) => {
        await fetch(target, { mode: 'no-cors' }).catch(() => null);
        const frame = document.createElement('iframe');
        await new Promise((done) => { frame.onload = done; frame.src = target; document.body.append(frame); });
        const worker = new Worker(URL.createObjectURL(new Blob([`
            fetch('${target}', { mode: 'no-cors' }).catch(() => null).then(() => postMessage('done'))`])));
        await new Promise((done) => { worker.onmessage = done; });
        return true;
    })";
    let done = session.page.evaluate(&format!("{script}({})", json!(ground.witness.url("/secret")))).await?;
    ensure!(done == true, "{done}");
    ensure!(ground.witness.seen().is_empty(), "{:?}", ground.witness.seen());
    session.end(&program).await?;
    program.stop().await
}
