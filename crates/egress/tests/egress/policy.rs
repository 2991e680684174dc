//! The policy at work: tricky hosts, names whose answers change, and the server's own listeners.

use std::collections::HashMap;
use std::io;
use std::net::{IpAddr, SocketAddr, TcpListener};
use std::sync::{Arc, Mutex};

use async_trait::async_trait;
use roadstead_egress::{
    ConnectError, Destination, Egress, Host, Limits, Network, Policy, Stream, SystemNetwork,
};

use crate::fixtures::*;

/// A resolver with a script: each name has its answers, one a lookup, the last one for ever. Connections are real, and noted.
#[derive(Clone, Default)]
struct Scripted(Arc<Mutex<Script>>);

#[derive(Default)]
struct Script {
    answers: HashMap<String, Vec<Vec<IpAddr>>>,
    lookups: Vec<String>,
    connections: Vec<SocketAddr>,
}

impl Scripted {
    fn new(name: &str, answers: &[&[&str]]) -> Self {
        let this = Self::default();
        let answers = answers.iter().map(|ips| ips.iter().map(|ip| ip.parse().unwrap()).collect());
        this.0.lock().unwrap().answers.insert(name.to_owned(), answers.collect());
        this
    }

    fn lookups(&self) -> usize {
        self.0.lock().unwrap().lookups.len()
    }

    fn connections(&self) -> Vec<SocketAddr> {
        self.0.lock().unwrap().connections.clone()
    }
}

#[async_trait]
impl Network for Scripted {
    async fn resolve(&self, name: &str) -> io::Result<Vec<IpAddr>> {
        let mut script = self.0.lock().unwrap();
        script.lookups.push(name.to_owned());
        let answers = script.answers.get_mut(name).ok_or(io::ErrorKind::NotFound)?;
        Ok(if answers.len() > 1 { answers.remove(0) } else { answers[0].clone() })
    }

    async fn connect(&self, to: SocketAddr, from: Option<IpAddr>) -> io::Result<Stream> {
        self.0.lock().unwrap().connections.push(to);
        SystemNetwork::default().connect(to, from).await
    }
}

/// Only these loopback addresses are let through; to the policy, the others are as bad as any.
fn scripted(network: &Scripted, allow: &[&str]) -> Egress {
    let allow = allow.iter().map(|range| range.parse().unwrap()).collect();
    Egress::with_network(Policy { allow, ..Policy::default() }, network.clone(), Limits::default())
}

#[tokio::test]
async fn hosts_in_disguise_are_refused() {
    let site = hello("127.0.0.1").await;
    let port = site.address.port();
    let egress = Egress::new(Policy::default());
    let listener = direct(&egress).await;
    for host in [
        "127.0.0.1",
        "127.1",
        "0x7f.1",
        "2130706433",
        "017700000001",
        "0177.0.0.1",
        "127.0.0.1.",
        "0",
        "0.0.0.0",
        "[::1]",
        "[::]",
        "[::ffff:127.0.0.1]",
        "[::ffff:7f00:1]",
        "[::127.0.0.1]",
        "[64:ff9b::127.0.0.1]",
        "[2002:7f00:1::]",
        "localhost",
        "LocalHost.",
        "a.localhost",
        "169.254.169.254",
        "metadata.google.internal",
        "10.0.0.1",
        "[fd00:ec2::254]",
    ] {
        let mut browser = Browser::connect(&listener).await;
        let answered = browser.get(&format!("http://{host}:{port}/")).await;
        assert_eq!(answered.status(), 403, "{host}: {}", answered.body);
        assert!(answered.body.contains("egress.allow"), "{host}: {}", answered.body);
        let mut browser = Browser::connect(&listener).await;
        let answered = browser.ask(&format!("CONNECT {host}:{port} HTTP/1.1\r\nHost: {host}\r\n\r\n")).await;
        assert_eq!(answered.status(), 403, "{host}");
    }
    assert!(site.seen().is_empty());
    let problem = listener.traffic().last_problem.unwrap();
    assert!(problem.starts_with("fd00:ec2::254 is where clouds serve"), "{problem}");
    assert!(listener.traffic().domains.is_empty());
}

#[tokio::test]
async fn allowed_ranges_are_reached_in_any_spelling() {
    let site = hello("127.0.0.1").await;
    let port = site.address.port();
    let egress = loopback_egress();
    let listener = direct(&egress).await;
    for host in ["127.1", "0x7f.0.0.1", "[::ffff:127.0.0.1]", "localhost", "x.localhost"] {
        let answered = Browser::connect(&listener).await.get(&format!("http://{host}:{port}/")).await;
        assert_eq!(answered.status(), 200, "{host}: {}", answered.body);
    }
}

#[tokio::test]
async fn a_name_that_changes_its_mind_is_connected_to_as_it_was_checked() {
    let (good, bad) = (hello("127.0.0.2").await, hello("127.0.0.3").await);
    let network = Scripted::new("rebind.test", &[&["127.0.0.2"], &["127.0.0.3"]]);
    let egress = scripted(&network, &["127.0.0.2/32"]);
    let listener = direct(&egress).await;
    let url = format!("http://rebind.test:{}/", good.address.port());
    // Checked and connected to with one lookup.
    assert_eq!(Browser::connect(&listener).await.get(&url).await.status(), 200);
    assert_eq!((network.lookups(), network.connections()), (1, vec![good.address]));
    // The next connection looks it up anew, and is refused.
    let mut browser = Browser::connect(&listener).await;
    let to = format!("rebind.test:{}", bad.address.port());
    let answered = browser.ask(&format!("CONNECT {to} HTTP/1.1\r\nHost: {to}\r\n\r\n")).await;
    assert_eq!(answered.status(), 403);
    assert_eq!((network.lookups(), network.connections().len()), (2, 1));
    assert!(bad.seen().is_empty());
}

#[tokio::test]
async fn of_mixed_answers_only_the_allowed_are_connected_to() {
    let site = hello("127.0.0.3").await;
    let port = site.address.port();
    // Nobody listens on the first that is allowed: the next one is tried, and never the others.
    let answers: &[&str] =
        &["10.0.0.1", "127.0.0.1", "::1", "127.0.0.2", "::ffff:127.0.0.1", "127.0.0.3", "169.254.169.254"];
    let network = Scripted::new("mixed.test", &[answers]);
    let egress = scripted(&network, &["127.0.0.2/31"]);
    let listener = direct(&egress).await;
    let answered = Browser::connect(&listener).await.get(&format!("http://mixed.test:{port}/")).await;
    assert_eq!(answered.status(), 200);
    let allowed: Vec<SocketAddr> = [2, 3].map(|last| SocketAddr::from(([127, 0, 0, last], port))).into();
    assert_eq!(network.connections(), allowed);
}

#[tokio::test]
async fn names_without_answers() {
    let network = Scripted::new("empty.test", &[&[]]);
    let egress = scripted(&network, &[]);
    let listener = direct(&egress).await;
    for name in ["empty.test", "unknown.test"] {
        let answered = Browser::connect(&listener).await.get(&format!("http://{name}/")).await;
        assert_eq!(answered.status(), 502);
        assert!(answered.head.contains("error=dns_error"), "{}", answered.head);
    }
    // Without a lookup, for no lookup may say otherwise.
    let answered = Browser::connect(&listener).await.get("http://localhost/").await;
    assert_eq!((answered.status(), network.lookups()), (403, 2));
}

#[tokio::test]
async fn the_servers_own_listeners_are_never_reached() {
    let policy =
        Policy { allow: vec!["0.0.0.0/0".parse().unwrap(), "::/0".parse().unwrap()], ..Policy::default() };
    let egress = Egress::new(policy);
    let here = TcpListener::bind("127.0.0.1:0").unwrap();
    let everywhere = TcpListener::bind("0.0.0.0:0").unwrap();
    for own in [&here, &everywhere] {
        egress.refuse_always(own.local_addr().unwrap());
    }
    let (listener, other) = (direct(&egress).await, direct(&egress).await);
    let ports = [&here, &everywhere].map(|own| own.local_addr().unwrap().port());
    let mut refused = vec![format!("127.0.0.9:{}", ports[1]), format!("127.255.255.254:{}", ports[1])];
    for port in [ports[0], ports[1], listener.address().port(), other.address().port()] {
        for host in [
            "127.0.0.1",
            "0x7f.1",
            "0.0.0.0",
            "0",
            "[::]",
            "[::ffff:127.0.0.1]",
            "[::ffff:0:0]",
            "[64:ff9b::7f00:1]",
        ] {
            refused.push(format!("{host}:{port}"));
        }
    }
    for to in refused {
        let mut browser = Browser::connect(&listener).await;
        let answered = browser.ask(&format!("CONNECT {to} HTTP/1.1\r\nHost: {to}\r\n\r\n")).await;
        assert_eq!(answered.status(), 403, "{to}");
        assert!(answered.body.contains("listener of the Roadstead server itself"), "{to}: {}", answered.body);
    }
    // A name that has an own address and another one gets the other one, where nobody listens here.
    let to = format!("localhost:{}", ports[0]);
    let mut browser = Browser::connect(&listener).await;
    let answered = browser.ask(&format!("CONNECT {to} HTTP/1.1\r\nHost: {to}\r\n\r\n")).await;
    assert_eq!(answered.status(), 502, "{to}");
    // Another address with the same port is somebody else's.
    let neighbour = TcpListener::bind(("127.0.0.2", ports[0])).unwrap();
    drop(Browser::tunnel(&listener, neighbour.local_addr().unwrap()).await);
    // A listener that is closed is nobody's any more.
    let address = other.address();
    within("closing", other.close()).await;
    let successor = TcpListener::bind(address).unwrap();
    drop(Browser::tunnel(&listener, successor.local_addr().unwrap()).await);
}

#[tokio::test]
async fn ports_are_checked() {
    let site = hello("127.0.0.2").await;
    let policy = Policy { deny_ports: vec![site.address.port()..=site.address.port()], ..loopback_policy() };
    let listener = direct(&Egress::new(policy)).await;
    let answered = Browser::connect(&listener).await.get(&format!("http://{}/", site.address)).await;
    assert_eq!(answered.status(), 403);
    assert!(
        answered.body.contains("egress.deny_ports") && answered.head.contains("http_request_denied"),
        "{answered:?}"
    );
}

#[tokio::test]
async fn the_list_of_domains_is_bounded() {
    let site = hello("127.0.0.2").await;
    let network = Scripted::default();
    {
        let mut script = network.0.lock().unwrap();
        for n in 0..1_100 {
            script.answers.insert(format!("n{n}.test"), vec![vec![site.address.ip()]]);
        }
    }
    let listener = direct(&scripted(&network, &["127.0.0.2/32"])).await;
    let mut browser = Browser::connect(&listener).await;
    for n in 0..1_100 {
        browser.get(&format!("http://n{n}.test:{}/", site.address.port())).await;
    }
    let traffic = listener.traffic();
    assert_eq!((traffic.requests, traffic.domains.len()), (1_100, 1_000));
    // So many hosts, and no descriptor for most of them.
    within("closing", listener.wait_until(|listener| listener.connections() <= 64)).await;
    assert!(traffic.domains.is_sorted());
}

#[tokio::test]
async fn the_servers_own_connections_go_where_the_policy_lets_them_and_names_are_looked_up_once() {
    let site = TcpListener::bind("127.0.0.2:0").unwrap();
    let port = site.local_addr().unwrap().port();
    let network = Scripted::new("hook.test", &[&["10.0.0.1", "127.0.0.2"], &["127.0.0.3"]]);
    let egress = scripted(&network, &["127.0.0.2/32"]);
    let at = |host: &str| Destination { host: Host::parse(host).unwrap(), port };
    drop(egress.connect(&at("hook.test"), false).await.unwrap_or_else(|error| panic!("{error}")));
    assert_eq!((network.lookups(), network.connections()), (1, vec![site.local_addr().unwrap()]));
    // The name means another address now.
    let refused = egress.connect(&at("hook.test"), false).await.err().unwrap();
    assert!(matches!(refused, ConnectError::Refused(_)), "{refused}");
    for literal in
        ["127.0.0.1", "0x7f.1", "[::ffff:127.0.0.1]", "10.1.2.3", "169.254.169.254", "224.0.0.1", "localhost"]
    {
        let refused = egress.connect(&at(literal), false).await.err().unwrap();
        assert!(matches!(refused, ConnectError::Refused(_)), "{literal}: {refused}");
        assert!(egress.check_destination(&at(literal)).is_err(), "{literal}");
    }
    assert_eq!(network.connections().len(), 1, "nothing else was connected to");
    // Nothing lifts the refusal of the server's own listeners, whichever policy it came with.
    egress.refuse_always(site.local_addr().unwrap());
    let other =
        egress.with_policy(Policy { allow: vec!["127.0.0.0/8".parse().unwrap()], ..Policy::default() });
    assert!(matches!(other.connect(&at("127.0.0.2"), false).await.err(), Some(ConnectError::Refused(_))));
}
