//! One of the operator's own Chromium arguments: taken as it is, unless it would break what the server promises.
//!
//! Refused when the configuration is read, not when a session starts: an operator is there to read the reason.

use serde::Deserialize;

/// A Chromium switch, `--name` or `--name=value`, that contradicts nothing the server needs.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(try_from = "String")]
pub struct ExtraArg(String);

/// Switches that are not the operator's to set, and why. Chromium takes the last of two, so each would undo one of ours.
const REFUSED: &[(&str, &str)] = &[
    ("remote-debugging-port", "a port lets every local process in; clients connect through this server"),
    ("remote-debugging-address", "a port lets others in; clients connect through this server"),
    ("remote-debugging-pipe", "the server sets it, and is the only one at the other end"),
    ("remote-debugging-io-pipes", "the server's pipe is where it expects it"),
    ("user-data-dir", "each session has its own, and is saved from there"),
    ("profile-directory", "a profile is the directory Default of its session's user data dir"),
    ("disk-cache-dir", "the HTTP cache is saved with the profile, so it stays in the user data dir"),
    ("incognito", "nothing of such a session could be saved"),
    ("guest", "nothing of such a session could be saved"),
    ("password-store", "cookies written under another store cannot be read again"),
    ("headless", "each session says by browser.headless.active which browser it wants"),
    ("single-process", "it has no sandbox; set chromium.sandbox = false if that is what you want"),
    ("proxy-server", PROXY),
    ("proxy-bypass-list", PROXY),
    ("proxy-pac-url", PROXY),
    ("proxy-auto-detect", PROXY),
    ("no-proxy-server", PROXY),
    ("host-resolver-rules", PROXY),
    ("host-rules", PROXY),
    ("webrtc-ip-handling-policy", PROXY),
    ("force-webrtc-ip-handling-policy", PROXY),
    ("enable-quic", PROXY),
    ("no-sandbox", SANDBOX),
    ("no-zygote-sandbox", SANDBOX),
    ("disable-namespace-sandbox", SANDBOX),
    ("disable-seccomp-filter-sandbox", SANDBOX),
    ("disable-setuid-sandbox", SANDBOX),
];
const PROXY: &str =
    "everything goes through the server's own proxy; see [egress] for exits and what may be reached";
const SANDBOX: &str = "set chromium.sandbox = false instead, which warns at every start";

impl ExtraArg {
    /// Returns the argument as Chromium gets it.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl TryFrom<String> for ExtraArg {
    type Error = String;

    fn try_from(text: String) -> Result<Self, Self::Error> {
        let refuse = |why: &str| format!("chromium.extra_args must not hold {text:?}: {why}");
        let Some(switch) = text.strip_prefix("--") else {
            return Err(refuse("an argument starts with \"--\"; anything else is a page to open"));
        };
        let name = switch.split_once('=').map_or(switch, |(name, _value)| name);
        if name.is_empty() {
            return Err(refuse("it names no switch, and Chromium ignores every switch after it"));
        }
        if text.contains('\0') {
            return Err(refuse("no program can be given a NUL"));
        }
        match REFUSED.iter().find(|(refused, _why)| *refused == name) {
            Some((_name, why)) => Err(refuse(why)),
            None => Ok(Self(text)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn refusal(text: &str) -> String {
        ExtraArg::try_from(text.to_owned()).unwrap_err()
    }

    #[test]
    fn what_breaks_a_promise_is_refused_with_its_name_and_the_reason() {
        for (name, why) in REFUSED {
            for text in [format!("--{name}"), format!("--{name}=9222")] {
                let refusal = refusal(&text);
                assert!(refusal.contains(&text) && refusal.contains(why), "{refusal}");
            }
        }
        assert!(refusal("--no-sandbox").contains("chromium.sandbox"));
    }

    #[test]
    fn what_is_no_switch_is_refused() {
        for text in ["", "-headless", "https://harbour.example/", "--", "--=x", "--lang=d\0e", " --lang=de"] {
            assert!(refusal(text).contains("chromium.extra_args"), "{text:?}");
        }
    }

    #[test]
    fn anything_else_is_passed_on_unchanged() {
        for text in ["--lang=de", "--headless-looking", "--proxy-looking"] {
            assert_eq!(ExtraArg::try_from(text.to_owned()).unwrap().as_str(), text);
        }
    }
}
