//! What could go around the proxy: WebRTC, a browser context with a proxy of its own, names that the browser looks up itself.

use anyhow::{Result, ensure};
use serde_json::json;

use crate::ground::{Ground, source_addresses, start_with};

/// Gathers every address that WebRTC finds, with servers that would answer over UDP and over TCP.
const GATHER: &str = "(async (place) => {
    const found = [];
    const [host, port] = place.split(':');
    const connection = new RTCPeerConnection({ iceServers: [
        { urls: `stun:${place}` },
        { urls: `turn:${place}?transport=udp`, username: 'a', credential: 'b' },
    ] });
    connection.createDataChannel('leak');
    connection.onicecandidate = ({ candidate }) => candidate && found.push(candidate.candidate);
    await connection.setLocalDescription(await connection.createOffer());
    await new Promise((done) => {
        const look = () => connection.iceGatheringState === 'complete' && done();
        connection.onicegatheringstatechange = look;
        look();
    });
    return found.concat(connection.localDescription.sdp.match(/^a=candidate.*/gm) ?? []);
})";

async fn webrtc_finds_no_address(headless: bool) -> Result<()> {
    let ground = Ground::new().await?;
    // It hears whatever is sent to it past the proxy.
    let listener = tokio::net::UdpSocket::bind("127.0.0.1:0").await?;
    let program = ground.program(&source_addresses(&[("one", "127.0.0.31")])).await?;
    let body = json!({"session": {"proxy": {"exit": "one"}}, "browser": {"headless": {"active": headless}}});
    let mut session = start_with(&program, body).await?;
    session.require_seen_as(&ground.witness.url("/page"), "127.0.0.31").await?;
    let place = listener.local_addr()?.to_string();
    let found = session.page.evaluate(&format!("{GATHER}({})", json!(place))).await?;
    ensure!(found == json!([]), "{found}");
    let heard = listener.try_recv(&mut [0; 16]);
    ensure!(heard.is_err(), "a datagram went past the proxy");
    session.end(&program).await?;
    program.stop().await
}

#[tokio::test]
async fn webrtc_finds_no_address_in_the_headless_shell() -> Result<()> {
    webrtc_finds_no_address(true).await
}

#[tokio::test]
async fn webrtc_finds_no_address_in_full_chromium() -> Result<()> {
    webrtc_finds_no_address(false).await
}

async fn contexts_have_no_proxy_of_their_own(headless: bool) -> Result<()> {
    let ground = Ground::new().await?;
    let program = ground.program(&source_addresses(&[("one", "127.0.0.32")])).await?;
    let body = json!({"session": {"proxy": {"exit": "one"}}, "browser": {"headless": {"active": headless}}});
    let mut session = start_with(&program, body).await?;
    for proxy in [
        json!({"proxyServer": "direct://"}),
        json!({"proxyServer": "http://127.0.0.1:1", "proxyBypassList": "*"}),
        json!({"proxyBypassList": "127.0.0.1"}),
        // Chromium takes an empty one for the direct way.
        json!({"proxyServer": ""}),
    ] {
        let made = session.page.call_browser("Target.createBrowserContext", proxy.clone()).await;
        let why = made.err().map(|refusal| refusal.to_string()).unwrap_or_default();
        ensure!(why.contains("session.proxy"), "{proxy}: {why}");
    }
    let context = session.page.call_browser("Target.createBrowserContext", json!({})).await?;
    let url = ground.witness.url("/context");
    let target = json!({"url": url, "browserContextId": context["browserContextId"]});
    session.page.call_browser("Target.createTarget", target).await?;
    roadstead_testing::program::wait_until("the context's page is asked for", || {
        !ground.witness.who_asked("/context").is_empty()
    })
    .await?;
    ensure!(ground.witness.who_asked("/context") == ["127.0.0.32".parse::<std::net::IpAddr>()?]);
    session.end(&program).await?;
    program.stop().await
}

#[tokio::test]
async fn contexts_of_the_headless_shell_have_no_proxy_of_their_own() -> Result<()> {
    contexts_have_no_proxy_of_their_own(true).await
}

#[tokio::test]
async fn contexts_of_full_chromium_have_no_proxy_of_their_own() -> Result<()> {
    contexts_have_no_proxy_of_their_own(false).await
}

/// Policies come before the command line, so nobody may set any.
#[tokio::test]
async fn a_client_sets_no_policies_in_full_chromium() -> Result<()> {
    let ground = Ground::new().await?;
    let program = ground.program("allow = [\"127.0.0.0/8\"]").await?;
    let mut session = start_with(&program, json!({})).await?;
    session.page.visit("chrome://policy/test").await?;
    let title = session.page.evaluate("document.title").await?;
    ensure!(title == "Policies", "{title}");
    session.end(&program).await?;
    program.stop().await
}

/// A page with the whole protocol could do what its client may not.
#[tokio::test]
async fn a_page_gets_no_protocol_of_its_own() -> Result<()> {
    let ground = Ground::new().await?;
    let program = ground.program("allow = [\"127.0.0.0/8\"]").await?;
    let mut session = start_with(&program, json!({"browser": {"headless": {"active": true}}})).await?;
    let targets = session.page.call_browser("Target.getTargets", json!({})).await?;
    let expose = json!({"targetId": targets["targetInfos"][0]["targetId"], "bindingName": "cdp"});
    let exposed = session.page.call_browser("Target.exposeDevToolsProtocol", expose).await;
    ensure!(exposed.is_err_and(|why| why.to_string().contains("Not supported")));
    session.end(&program).await?;
    program.stop().await
}
