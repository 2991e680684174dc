//! `[egress]`: where browsers may go, and the exits that they go over.

use std::net::IpAddr;
use std::path::PathBuf;
use std::sync::Arc;

use roadstead_api::session_create::Secret;
use roadstead_egress::{Deny, Echo, Exit, ExitName, Policy, PortRange, UpstreamProxy, Way};
use serde::Deserialize;

use crate::exits::choice::Place;

/// `[egress]`
#[derive(Clone, Debug, Deserialize)]
#[serde(try_from = "RawEgress")]
pub struct EgressConfig {
    /// Where browsers may go.
    pub policy: Policy,
    /// The exit of sessions that neither name one nor have a profile with one; the direct way when absent.
    pub default_exit: Option<ExitName>,
    /// The site that tells which address it sees, for the proxies of callers; each exit has its own.
    pub echo: Option<Echo>,
    /// The exits, in the order in which they are given away.
    pub exits: Vec<ExitConfig>,
}

impl Default for EgressConfig {
    fn default() -> Self {
        let raw = RawEgress::default();
        Self::try_from(raw).expect("the defaults contradict nothing")
    }
}

/// One of `[[egress.exits]]`.
#[derive(Clone, Debug)]
pub struct ExitConfig {
    /// What it is.
    pub exit: Arc<Exit>,
    /// Where it appears.
    pub place: Place,
    /// The address that sites must see.
    pub expect: Option<IpAddr>,
    /// The site that tells which address it sees.
    pub echo: Option<Echo>,
}

impl ExitConfig {
    /// Returns its name.
    pub fn name(&self) -> &ExitName {
        &self.exit.name
    }

    /// The wire's word for what it is.
    pub fn kind(&self) -> &'static str {
        match &self.exit.way {
            Way::SourceAddress(_) => SOURCE_ADDRESS,
            Way::Proxy(_) => PROXY,
        }
    }

    /// The address that sites should see, as far as the configuration says: what is expected, or the source address.
    pub fn presumed_address(&self) -> Option<IpAddr> {
        self.expect.or(self.source_address())
    }

    /// The address of this machine that its connections are made from.
    pub fn source_address(&self) -> Option<IpAddr> {
        match self.exit.way {
            Way::SourceAddress(address) => Some(address),
            Way::Proxy(_) => None,
        }
    }
}

const SOURCE_ADDRESS: &str = "source_address";
const PROXY: &str = "proxy";

/// The ports of mail servers: no page needs them, and spam does. Chromium itself refuses them in addresses.
const MAIL_PORTS: [u16; 3] = [25, 465, 587];

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields, default)]
struct RawEgress {
    allow: Vec<String>,
    deny: Vec<String>,
    allow_ports: Vec<Ports>,
    deny_ports: Vec<Ports>,
    default_exit: Option<String>,
    echo_url: Option<String>,
    exits: Vec<RawExit>,
}

impl Default for RawEgress {
    fn default() -> Self {
        Self {
            allow: Vec::new(),
            deny: Vec::new(),
            allow_ports: Vec::new(),
            deny_ports: MAIL_PORTS.map(Ports::One).to_vec(),
            default_exit: None,
            echo_url: None,
            exits: Vec::new(),
        }
    }
}

/// A port, or a range of them: `443` or `"8000-8999"`.
#[derive(Clone, Debug, Deserialize)]
#[serde(untagged, expecting = "a port is a number from 1 to 65535, or a range such as \"8000-8999\"")]
enum Ports {
    One(u16),
    Range(String),
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct RawExit {
    name: String,
    kind: String,
    address: Option<IpAddr>,
    url: Option<Secret>,
    username: Option<String>,
    password: Option<Secret>,
    password_file: Option<PathBuf>,
    ca_file: Option<PathBuf>,
    country_code: Option<String>,
    region: Option<String>,
    city: Option<String>,
    expect: Option<IpAddr>,
    echo_url: Option<String>,
}

impl TryFrom<RawEgress> for EgressConfig {
    type Error = String;

    fn try_from(raw: RawEgress) -> Result<Self, String> {
        let policy = Policy {
            allow: raw.allow.iter().map(|range| allowed(range)).collect::<Result<_, _>>()?,
            deny: raw.deny.iter().map(|what| denied(what)).collect::<Result<_, _>>()?,
            allow_ports: ports("egress.allow_ports", &raw.allow_ports)?,
            deny_ports: ports("egress.deny_ports", &raw.deny_ports)?,
        };
        let echo = raw.echo_url.as_deref().map(|url| echo("egress.echo_url", url)).transpose()?;
        let mut exits: Vec<ExitConfig> = Vec::with_capacity(raw.exits.len());
        for exit in raw.exits {
            let exit = exit.read(echo.as_ref())?;
            if exits.iter().any(|other| other.name() == exit.name()) {
                return Err(format!("egress.exits: two are named {:?}", exit.name().as_str()));
            }
            // A profile's own address would be another profile's own address too.
            if let Some(address) = exit.source_address()
                && exits.iter().any(|other| other.source_address() == Some(address))
            {
                return Err(format!("egress.exits: two have the address {address}"));
            }
            exits.push(exit);
        }
        let default_exit = raw.default_exit.map(|name| default_exit(&name, &exits)).transpose()?;
        Ok(Self { policy, default_exit, echo, exits })
    }
}

impl RawExit {
    /// Reads an exit; `usual` is the echo of exits that name none.
    fn read(self, usual: Option<&Echo>) -> Result<ExitConfig, String> {
        let place = format!("egress.exits, the one named {:?}", self.name);
        let wrong = |why: &dyn std::fmt::Display| format!("{place}: {why}");
        let name = ExitName::new(self.name.clone()).map_err(|why| wrong(&why))?;
        let own = self.echo_url.as_deref().map(|url| echo(&format!("{place}: echo_url"), url)).transpose()?;
        let way = self.way().map_err(|why| wrong(&why))?;
        let echo = own.or_else(|| usual.cloned());
        if self.expect.is_some() && echo.is_none() {
            return Err(wrong(&"expect needs an echo_url, which tells the address that sites see"));
        }
        let (country_code, region, city) = (self.country_code, self.region, self.city);
        Ok(ExitConfig {
            exit: Arc::new(Exit { name, way }),
            place: Place { country_code, region, city },
            expect: self.expect,
            echo,
        })
    }

    fn way(&self) -> Result<Way, String> {
        match (self.kind.as_str(), self.address, &self.url) {
            (SOURCE_ADDRESS, Some(address), None) if self.has_no_proxy_keys() => {
                Ok(Way::SourceAddress(address))
            }
            (SOURCE_ADDRESS, ..) => {
                Err("a source_address has an address of this machine, and nothing of a proxy".to_owned())
            }
            (PROXY, None, Some(url)) => self.proxy(&url.0).map(Way::Proxy),
            (PROXY, ..) => Err("a proxy has a url, and no address".to_owned()),
            (kind, ..) => Err(format!("kind must be {SOURCE_ADDRESS:?} or {PROXY:?}, not {kind:?}")),
        }
    }

    fn has_no_proxy_keys(&self) -> bool {
        let Self { username, password, password_file, ca_file, .. } = self;
        username.is_none() && password.is_none() && password_file.is_none() && ca_file.is_none()
    }

    fn proxy(&self, url: &str) -> Result<UpstreamProxy, String> {
        let mut proxy = UpstreamProxy::parse(url).map_err(|why| format!("url: {why}"))?.trusted();
        if let Some(ca_file) = &self.ca_file {
            proxy = proxy.with_ca_file(ca_file.clone());
        }
        let password = self.read_password()?;
        match (&self.username, password) {
            (None, None) => Ok(proxy),
            (None, Some(_)) => Err("a password needs a username".to_owned()),
            (Some(username), password) => {
                let password = password.unwrap_or_else(|| Secret(String::new()));
                proxy.with_credentials(username, &password.0).map_err(|why| why.to_string())
            }
        }
    }

    fn read_password(&self) -> Result<Option<Secret>, String> {
        match (&self.password, &self.password_file) {
            (Some(_), Some(_)) => Err("password and password_file contradict each other".to_owned()),
            (password, None) => Ok(password.clone()),
            (None, Some(path)) => {
                let text = std::fs::read_to_string(path)
                    .map_err(|why| format!("password_file {} cannot be read: {why}", path.display()))?;
                Ok(Some(Secret(text.trim_end_matches(['\r', '\n']).to_owned())))
            }
        }
    }
}

fn allowed(range: &str) -> Result<ipnet::IpNet, String> {
    let address = || range.parse::<IpAddr>().map(ipnet::IpNet::from);
    range.parse().or_else(|_| address()).map_err(|_| {
        format!("egress.allow: {range:?} is no range of addresses such as \"127.0.0.0/8\" or \"fd00::/8\"")
    })
}

fn denied(what: &str) -> Result<Deny, String> {
    what.parse().map_err(|why| format!("egress.deny: {what:?} is {why}"))
}

fn ports(key: &str, ports: &[Ports]) -> Result<Vec<PortRange>, String> {
    ports
        .iter()
        .map(|ports| {
            let (first, last) = match ports {
                Ports::One(port) => (*port, *port),
                Ports::Range(text) => text
                    .split_once('-')
                    .and_then(|(first, last)| Some((first.trim().parse().ok()?, last.trim().parse().ok()?)))
                    .ok_or_else(|| format!("{key}: {text:?} is no range such as \"8000-8999\""))?,
            };
            if first == 0 || first > last {
                return Err(format!("{key}: a range goes from a port of at least 1 up to a later one"));
            }
            Ok(first..=last)
        })
        .collect()
}

fn echo(key: &str, url: &str) -> Result<Echo, String> {
    Echo::new(url).map_err(|why| format!("{key}: {why}"))
}

fn default_exit(name: &str, exits: &[ExitConfig]) -> Result<ExitName, String> {
    let found = exits.iter().map(ExitConfig::name).find(|exit| exit.as_str() == name);
    found
        .cloned()
        .ok_or_else(|| format!("egress.default_exit: there is no exit named {name:?} in egress.exits"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::Config;

    fn read(egress: &str) -> Result<EgressConfig, String> {
        let config = Config::parse(&format!("[egress]\n{egress}"));
        config.map(|config| config.egress).map_err(|error| format!("{error:#}"))
    }

    fn exit(keys: &str) -> Result<ExitConfig, String> {
        let config = read(&format!("[[egress.exits]]\nname = \"one\"\n{keys}"))?;
        Ok(config.exits.into_iter().next().expect("there is one"))
    }

    #[test]
    fn nothing_is_the_public_internet_without_mail() {
        let config = read("").unwrap();
        assert!(config.exits.is_empty() && config.default_exit.is_none() && config.echo.is_none());
        assert!(config.policy.check_port(443).is_ok() && config.policy.check_port(25).is_err());
        for refused in ["127.0.0.1", "10.0.0.1", "169.254.169.254", "::1"] {
            assert!(config.policy.check_address(refused.parse().unwrap()).is_err(), "{refused}");
        }
        assert!(config.policy.check_address("1.1.1.1".parse().unwrap()).is_ok());
    }

    #[test]
    fn a_policy_is_read() {
        let config = read(
            "allow = [\"10.1.0.0/16\", \"127.0.0.1\", \"fd00::/8\"]\ndeny = [\"ads.example\", \"10.1.2.3\"]\n\
             allow_ports = [80, \"8000-8999\"]\ndeny_ports = [8080]",
        );
        let policy = config.unwrap().policy;
        for (address, allowed) in
            [("10.1.9.9", true), ("10.2.0.1", false), ("127.0.0.1", true), ("127.0.0.2", false)]
        {
            assert_eq!(policy.check_address(address.parse().unwrap()).is_ok(), allowed, "{address}");
        }
        assert!(policy.check_address("10.1.2.3".parse().unwrap()).is_err());
        assert!(policy.check_name("www.ads.example").is_err());
        for (port, allowed) in
            [(80, true), (443, false), (8000, true), (8080, false), (8999, true), (9000, false)]
        {
            assert_eq!(policy.check_port(port).is_ok(), allowed, "{port}");
        }
    }

    #[test]
    fn exits_are_read_with_what_the_server_adds() {
        let config = read(
            "default_exit = \"two\"\necho_url = \"https://echo.example/\"\n\
             [[egress.exits]]\nname = \"one\"\nkind = \"source_address\"\naddress = \"192.0.2.1\"\ncountry_code = \"de\"\n\
             [[egress.exits]]\nname = \"two\"\nkind = \"proxy\"\nurl = \"socks5://proxy.example\"\nusername = \"a\"\npassword = \"b\"\n\
             echo_url = \"http://other.example/ip\"\nexpect = \"203.0.113.7\"",
        );
        let config = config.unwrap();
        let [one, two] = &config.exits[..] else { panic!("two exits") };
        assert_eq!(one.presumed_address(), Some("192.0.2.1".parse().unwrap()));
        assert_eq!((one.kind(), two.kind()), ("source_address", "proxy"));
        assert_eq!(one.echo, config.echo);
        assert_eq!(two.echo.as_ref().map(Echo::url), Some("http://other.example/ip"));
        assert_eq!(two.presumed_address(), Some("203.0.113.7".parse().unwrap()));
        let Way::Proxy(proxy) = &two.exit.way else { panic!("a proxy") };
        assert!(proxy.trusted && proxy.credentials.is_some());
        assert_eq!(proxy.to_string(), "socks5://proxy.example:1080");
    }

    #[test]
    fn a_password_may_be_in_a_file() {
        let file = tempfile::NamedTempFile::new().unwrap();
        std::fs::write(file.path(), "from a file\n").unwrap();
        let keys = |path: &str| {
            format!("kind = \"proxy\"\nurl = \"http://x:1\"\nusername = \"a\"\npassword_file = \"{path}\"")
        };
        let expected = UpstreamProxy::parse("http://x:1")
            .unwrap()
            .trusted()
            .with_credentials("a", "from a file")
            .unwrap();
        assert_eq!(exit(&keys(&file.path().to_string_lossy())).unwrap().exit.way, Way::Proxy(expected));
        assert!(exit(&keys("/nowhere")).unwrap_err().contains("/nowhere cannot be read"));
    }

    #[test]
    fn what_is_wrong_is_named_and_no_password_is_told() {
        for (keys, why) in [
            ("kind = \"vpn\"", "kind must be \"source_address\" or \"proxy\""),
            ("kind = \"source_address\"", "a source_address has an address"),
            (
                "kind = \"source_address\"\naddress = \"192.0.2.1\"\nurl = \"http://a:hunter2@x:1\"",
                "a source_address has an address",
            ),
            (
                "kind = \"source_address\"\naddress = \"192.0.2.1\"\npassword = \"hunter2\"",
                "nothing of a proxy",
            ),
            ("kind = \"source_address\"\naddress = \"here\"", "line 5 (address)"),
            ("kind = \"proxy\"", "a proxy has a url"),
            ("kind = \"proxy\"\nurl = \"ftp://a:hunter2@x:1\"", "url: the proxy's scheme"),
            ("kind = \"proxy\"\nurl = \"http://x:1\"\npassword = \"hunter2\"", "a password needs a username"),
            ("kind = \"proxy\"\nurl = \"http://a:hunter2@x:1", "line 5 (url)"),
            ("kind = \"proxy\"\nurl = 5\npassword = \"hunter2\"", "line 5 (url)"),
            ("kind = \"proxy\"\nurl = \"http://x:1\"\npassword \"hunter2=x\"", "line 6 (password)"),
            ("kind = \"proxy\"\nurl = \"http://x:1\"\n\"hunter2=x\"", "line 6"),
            ("kind = \"proxy\"\nurl = \"http://x:1\"\npassword = \"a\nhunter2\"", "line"),
            ("kind = \"proxy\"\nurl = \"http://x:1\"\npassword = \"a\nhunter2 = 1\"", "line"),
            ("kind = \"proxy\"\nurl = \"http://x:1\"\npassword = [\"hunter2\"]", "line 6 (password)"),
            (
                "kind = \"proxy\"\nurl = \"http://x:1\"\nusername = \"a\"\npassword = \"hunter2\"\npassword_file = \"/x\"",
                "contradict each other",
            ),
            ("kind = \"proxy\"\nurl = \"http://x:1\"\nexpect = \"192.0.2.1\"", "expect needs an echo_url"),
            ("kind = \"proxy\"\nurl = \"http://x:1\"\necho_url = \"x\"", "echo_url: the echo is not"),
            (
                "kind = \"proxy\"\nurl = \"http://a:hunter2@x:1\"\n[[egress.exits]]\nname = \"one\"\nkind = \"proxy\"\nurl = \"http://x:1\"",
                "two are named \"one\"",
            ),
            (
                "kind = \"source_address\"\naddress = \"192.0.2.1\"\n[[egress.exits]]\nname = \"b\"\nkind = \"source_address\"\naddress = \"192.0.2.1\"",
                "two have the address 192.0.2.1",
            ),
        ] {
            let error = exit(keys).unwrap_err();
            assert!(error.contains(why), "{keys}: {error}");
            assert!(!error.contains("hunter2"), "{error}");
        }
        for (egress, why) in [
            ("allow = [\"private\"]", "egress.allow: \"private\""),
            ("deny = [\"a b\"]", "egress.deny: \"a b\""),
            ("allow_ports = [0]", "egress.allow_ports"),
            ("deny_ports = [\"9-1\"]", "egress.deny_ports"),
            ("deny_ports = [\"http\"]", "egress.deny_ports: \"http\""),
            ("deny_ports = [70000]", "a port is a number from 1 to 65535"),
            ("default_exit = \"x\"", "there is no exit named \"x\""),
            ("echo_url = \"ftp://x\"", "egress.echo_url"),
        ] {
            let error = read(egress).unwrap_err();
            assert!(error.contains(why), "{egress}: {error}");
        }
        let number =
            read("exits = [{ name = \"one\", kind = \"proxy\", url = \"http://x:1\", password = 31337 }]");
        assert!(!number.as_ref().unwrap_err().contains("31337"), "{number:?}");
        let kept = exit("kind = \"proxy\"\nurl = \"http://a:hunter2@x:1\"").unwrap();
        assert!(!format!("{kept:?}").contains("hunter2"));
    }
}
