//! What is meant to differ, each with its reason. To refuse one more command, add it here: the test says so if it is missing,
//! and if it is not needed any more. All that may differ is that something is refused here: a result is the same, or wrong.

/// The method or the name of a case (with a star at its end, of all that begin so), and why the answers differ.
pub const WANTED: &[(&str, &str)] = &[
    ("Target.exposeDevToolsProtocol", "it gives a page the whole protocol, past every rule"),
    ("a context with a proxy", "the session's proxy is the only way out"),
    ("}", WORDS),
    ("{\"a\":", WORDS),
    ("{\"a\":tru}", WORDS),
    ("{\"a\":[,]}", WORDS),
    ("an end that is missing", WORDS),
    ("the id 1e400", WORDS),
    ("the id -1e400", WORDS),
    ("{\"id\":1,\"id\"*", WORDS),
    ("{\"id\":1,\"method\":\"Browser.getVersion\",\"method\"*", WORDS),
    (
        "{\"id\":1,\"method\":\"Browser.getVersion\",\"params\":{},\"params\"*",
        "a place in the message as it was forwarded",
    ),
    ("/* a */ {}", COMMENTS),
    ("{} // a", COMMENTS),
    ("{\"a\":\"\u{7f}\"}", "the first of two mistakes is told"),
    (
        "299 lists deep",
        "one level less than the port takes: the nesting is checked before the message is forwarded",
    ),
    ("300 *", "as 299 lists"),
    ("301 *", "as 299 lists"),
    ("1000 *", "as 299 lists"),
    ("100000 *", "as 299 lists"),
    ("of another: no method", SESSION_FIRST),
    ("of another: params that are a *", SESSION_FIRST),
    ("unknown: no method", SESSION_FIRST),
    ("unknown: params that are a *", SESSION_FIRST),
    ("wrong: Target.exposeDevToolsProtocol", "as the right ones"),
    (
        "wrong: Target.setRemoteLocations",
        "full Chromium connects to them past its proxy, so it is refused whatever is in it",
    ),
    ("wrong: Target.createBrowserContext", "a proxy is refused whatever its type"),
    ("wrong: Target.sendMessageToTarget", "what is not clear to us may be clear to Chromium"),
    ("wrong: Tethering.*", "only a debugging port has it; over the pipe there is none"),
];

const WORDS: &str = "not JSON, or not twice the same member: refused as well, with other words";
const COMMENTS: &str = "comments are no JSON, and readers differ in where they end";
const SESSION_FIRST: &str = "whose session it is is looked at before the message's other members";
