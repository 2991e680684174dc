//! The browser's command line: every flag that we pass, and why. Pure.

use crate::options::{Build, LaunchOptions};

/// What every browser of ours is started with.
const ALWAYS: &[(&str, &str)] = &[
    (
        "--remote-debugging-pipe",
        "the only way in: a port would be open to every local process and to DNS rebinding",
    ),
    ("--disable-background-networking", "no update checks, field trials or safe browsing downloads"),
    (
        "--disable-component-update",
        "no component downloads: what a session sees must not depend on when it runs",
    ),
    ("--disable-sync", "a profile is ours to carry, not an account's"),
    ("--disable-quic", "UDP goes around the proxy"),
    ("--disable-breakpad", "no crash dumps, which hold page memory"),
    ("--disable-crash-reporter", "no crash handler process, which outlives the browser"),
    ("--disable-client-side-phishing-detection", "no model downloads"),
    ("--disable-default-apps", "nothing is installed into a fresh profile"),
    ("--disable-domain-reliability", "no reports to site operators' collectors"),
    ("--disable-hang-monitor", "a busy page must not be met by a dialog that nobody sees"),
    ("--disable-prompt-on-repost", "reloading a posted form must not wait for a dialog that nobody sees"),
    ("--disable-search-engine-choice-screen", "no page of Chromium's own before the session's"),
    ("--metrics-recording-only", "no usage reports"),
    ("--no-default-browser-check", "no question at start"),
    ("--no-first-run", "no welcome page"),
    ("--no-pings", "no hyperlink auditing requests from the browser itself"),
    ("--no-service-autorun", "nothing starts in the background"),
    ("--hide-crash-restore-bubble", "a profile that was killed must not offer to bring its pages back"),
    (
        "--password-store=basic",
        "no keyring, and always the same store: cookies of another one cannot be read",
    ),
    ("--use-mock-keychain", "the same, where the system keychain is not a keyring"),
    ("--disable-dev-shm-usage", "containers have a /dev/shm of 64 MB, which large pages overrun"),
];

/// Returns the arguments for a launch.
pub(crate) fn plan_args(options: &LaunchOptions) -> Vec<String> {
    let mut args: Vec<String> = ALWAYS.iter().map(|(flag, _why)| (*flag).to_owned()).collect();
    args.push(format!("--user-data-dir={}", options.user_data_dir.display()));
    let (width, height) = (options.viewport.width, options.viewport.height);
    args.push(format!("--window-size={width},{height}"));
    if options.build == Build::Full && options.display.is_none() {
        args.push("--headless=new".to_owned());
    }
    if options.fullscreen {
        args.push("--start-fullscreen".to_owned());
    }
    if options.disable_web_security {
        args.push("--disable-web-security".to_owned());
    }
    if !options.sandbox {
        args.push("--no-sandbox".to_owned());
    }
    args.extend(options.extra_args.iter().cloned());
    args.push("about:blank".to_owned());
    args
}
