//! What is meant to differ, each with its reason. To refuse one more command, add it here: the test says so if it is missing,
//! and if it is not needed any more. All that may differ is a refusal: a result is the same, or wrong.
//!
//! An entry is the name of a case, or with a star at its end of all whose names begin so, and why the answers differ.

/// What the port does, and what is refused here.
pub const REFUSED_HERE: &[(&str, &str)] = &[
    ("Target.exposeDevToolsProtocol", "it gives a page the whole protocol, past every rule"),
    ("Target.setRemoteLocations", REMOTE_LOCATIONS),
    ("a context with a proxy", "the session's proxy is the only way out"),
    (
        "299 lists deep",
        "one level less than the port takes: the nesting is checked before the message is forwarded",
    ),
];

/// What both refuse, each with other words, another code, or from another place.
pub const REFUSED_OTHERWISE: &[(&str, &str)] = &[
    ("}", WORDS),
    ("{\"a\":", WORDS),
    ("{\"a\":tru}", WORDS),
    ("{\"a\":[,]}", WORDS),
    ("an end that is missing", WORDS),
    ("the id 1e400", NO_ID),
    ("the id -1e400", NO_ID),
    ("{\"id\":1,\"id\"*", TWICE),
    ("{\"id\":1,\"method\":\"Browser.getVersion\",\"method\"*", TWICE),
    (
        "{\"id\":1,\"method\":\"Browser.getVersion\",\"params\":{},\"params\"*",
        "a place in the message as it was forwarded",
    ),
    ("/* a */ {}", COMMENTS),
    ("{} // a", COMMENTS),
    ("{\"a\":\"\u{7f}\"}", "the first of two mistakes is told"),
    ("300 *", DEPTH),
    ("301 *", DEPTH),
    ("1000 *", DEPTH),
    ("100000 *", DEPTH),
    ("of another: no method", SESSION_FIRST),
    ("of another: params that are a *", SESSION_FIRST),
    ("unknown: no method", SESSION_FIRST),
    ("unknown: params that are a *", SESSION_FIRST),
    ("wrong: Target.exposeDevToolsProtocol", "refused whatever is in it, as a right one is"),
    ("wrong: Target.setRemoteLocations", REMOTE_LOCATIONS),
    ("wrong: Target.createBrowserContext", "a proxy is refused whatever its type"),
    ("wrong: Target.sendMessageToTarget", "what is not clear to us may be clear to Chromium"),
    ("wrong: Tethering.*", "only a debugging port has it; over the pipe there is none"),
    ("wrong: PWA.*", "only over the pipe there is one"),
];

/// Those of the entries above that are not needed where the browser is a headless shell.
pub const ONLY_IN_FULL: &[&str] = &["Target.setRemoteLocations", "wrong: PWA.*"];

const WORDS: &str = "the mistake is the same, and told with other words";
const NO_ID: &str = "a number that no id can be is refused as an id; to the port it is not even a number";
const TWICE: &str =
    "which of two members counts is not clear, so the answer has neither the id nor the place";
const COMMENTS: &str = "comments are no JSON, and readers differ in where they end";
const DEPTH: &str = "the nesting is checked here first, and the place is told in other words";
const SESSION_FIRST: &str = "whose session it is is looked at before the message's other members";
const REMOTE_LOCATIONS: &str =
    "full Chromium connects to them past its proxy, so it is refused whatever is in it";
