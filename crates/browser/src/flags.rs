//! The browser's command line: every flag that we pass, and why. Pure.
//!
//! # Sizes (Chromium 156, measured)
//!
//! - Headless shell: `--window-size` is the page's inner size, in every tab, window and context. There is no browser
//!   window around it and hence no full screen: `window.outerWidth/Height` equal the inner ones always.
//! - Full Chromium: `--window-size` is the window's outer size, of which the tab strip and toolbar take
//!   [`BROWSER_UI_HEIGHT`]. `Browser.setContentsSize` would set the inner size of one window, but not that of the next.
//!   Windows narrower than 500 are made 500 wide.
//! - `--headless=new`: the screen is 800×600 unless `--screen-info` says otherwise, and a window larger than its screen
//!   gives a browser away. On an X display the screen is what it is; larger windows work.
//! - `--start-fullscreen` takes the size of the (headless) screen, for the first window only. On an X display without a
//!   window manager the browser's own bars go, but the window keeps its size.
//! - A warning bar ("unsupported command-line flag") takes another 56 from the first tab. `--test-type` hides it.
//!
//! # Extensions (Chromium 148, measured)
//!
//! - `--load-extension` works in Debian's full Chromium, with `--headless=new` and without; branded builds have dropped it. Beside
//!   `--disable-extensions` it loads nothing unless `--disable-extensions-except` names the same directories.
//! - `Extensions.loadUnpacked` works as well, with `--enable-unsafe-extension-debugging`, but gives every client the same right, and
//!   leaves the extension in the profile.
//! - A manifest that is wrong is reported nowhere. Pages of an extension that was not loaded are `net::ERR_BLOCKED_BY_CLIENT`.
//! - The headless shell has no extensions.
//!
//! # Popups (Chromium 148, measured)
//!
//! Full Chromium blocks what a page opens by itself, and `window.open` is null there; `--disable-popup-blocking` lets it through. The
//! headless shell lets it through whatever the flags say.
//!
//! # Crash handlers
//!
//! Full Chromium starts two whatever the flags say, each in a session of its own (see [`crate::process`]).
//! `--disable-crashpad-for-testing` would prevent them, but then the network service crashes at its start, again and
//! again: pages open, and none loads.
//!
//! # Speed
//!
//! None of these flags changes how fast the browser starts by more than the noise, nor did any of about forty others that
//! were tried (medians of 15, interleaved): `--disable-gpu`, `--in-process-gpu`, `--disable-extensions`, no field trials,
//! no spare renderer, no preloaded UI, and so on. `--disable-software-rasterizer` saves 5 ms and costs WebGL.

use crate::options::{Build, LaunchOptions};

/// How much of a window's height full Chromium's tab strip and toolbar take, in CSS pixels.
const BROWSER_UI_HEIGHT: u32 = 87;

/// What every browser of ours is started with.
const ALWAYS: &[(&str, &str)] = &[
    (
        "--remote-debugging-pipe",
        "the only way in: a port would be open to every local process and to DNS rebinding",
    ),
    ("--disable-background-networking", "no update checks, field trials or safe browsing downloads"),
    ("--disable-breakpad", "no crash dumps, which hold page memory"),
    ("--disable-client-side-phishing-detection", "no model downloads"),
    (
        "--disable-component-update",
        "no component downloads: what a session sees must not depend on when it runs",
    ),
    (
        "--disable-crash-reporter",
        "no crash handler in the headless shell; full Chromium has one all the same",
    ),
    ("--disable-default-apps", "nothing is installed into a fresh profile"),
    ("--disable-dev-shm-usage", "containers have a /dev/shm of 64 MB, which large pages overrun"),
    ("--disable-domain-reliability", "no reports to site operators' collectors"),
    (
        "--disable-extensions",
        "one that was installed could set a proxy of its own, before the command line's",
    ),
    (
        "--disable-features=NetworkTimeServiceQuerying",
        "no requests of its own, over the session's exit, for the time",
    ),
    ("--disable-hang-monitor", "a busy page must not be met by a question that nobody sees"),
    ("--disable-prompt-on-repost", "reloading a posted form must not wait for an answer that nobody gives"),
    ("--disable-quic", "UDP goes around the proxy"),
    ("--disable-search-engine-choice-screen", "no page of Chromium's own before the session's"),
    ("--disable-sync", "a profile is ours to carry, not an account's"),
    (
        "--enable-features=SplitCacheByNetworkIsolationKey",
        "full Chromium keys its HTTP cache by site, the headless shell does not: each would miss what the other kept",
    ),
    ("--hide-crash-restore-bubble", "a profile that was killed must not offer to bring its pages back"),
    ("--metrics-recording-only", "no usage reports"),
    ("--no-default-browser-check", "no question at start"),
    ("--no-first-run", "no welcome page"),
    ("--no-pings", "no hyperlink auditing requests"),
    ("--no-service-autorun", "nothing registers itself to run in the background"),
    (
        "--password-store=basic",
        "no keyring, and always the same store: cookies of another one cannot be read",
    ),
    ("--use-mock-keychain", "the same, where the system's store is not a keyring"),
];

/// Returns the arguments for a launch. The last is the first page's URL: without it full Chromium opens its new tab page.
pub(crate) fn plan_args(options: &LaunchOptions) -> Vec<String> {
    let mut args: Vec<String> = ALWAYS.iter().map(|(flag, _why)| (*flag).to_owned()).collect();
    args.push(format!("--user-data-dir={}", options.user_data_dir.display()));
    args.extend(plan_window(options));
    args.extend(plan_network(options));
    args.extend(plan_extensions(options));
    if options.disable_web_security {
        args.push("--disable-web-security".to_owned());
    }
    if options.allow_popups {
        args.push("--disable-popup-blocking".to_owned());
    }
    if !options.sandbox {
        args.push("--no-sandbox".to_owned());
    }
    if options.disable_web_security || !options.sandbox || options.proxy.is_some() {
        args.push("--test-type".to_owned());
    }
    for extra in &options.extra_args {
        add(&mut args, extra);
    }
    if options.restore_tabs {
        // An address would be one more tab.
        args.push("--restore-last-session".to_owned());
    } else {
        args.push("about:blank".to_owned());
    }
    args
}

/// Switches whose value is a list. Of two of them Chromium takes the last alone, which would undo ours.
const LISTS: &[&str] = &["--enable-features=", "--disable-features="];

/// Adds an argument, or its values where a list of the same name is there already.
fn add(args: &mut Vec<String>, extra: &str) {
    let list = LISTS.iter().find_map(|list| Some((*list, extra.strip_prefix(list)?)));
    if let Some((list, values)) = list
        && let Some(ours) = args.iter_mut().find(|arg| arg.starts_with(list))
    {
        ours.push(',');
        ours.push_str(values);
        return;
    }
    args.push(extra.to_owned());
}

fn plan_window(options: &LaunchOptions) -> Vec<String> {
    let (width, inner) = (options.viewport.width, options.viewport.height);
    if options.build == Build::HeadlessShell {
        return vec![format!("--window-size={width},{inner}")];
    }
    let height = if options.fullscreen { inner } else { inner.saturating_add(BROWSER_UI_HEIGHT) };
    let mut args = vec![format!("--window-size={width},{height}"), "--window-position=0,0".to_owned()];
    if options.display.is_none() {
        args.push("--headless=new".to_owned());
        args.push(format!("--screen-info={{{width}x{height}}}"));
    }
    if options.fullscreen {
        args.push("--start-fullscreen".to_owned());
    }
    args
}

/// Loads these extensions, and leaves `--disable-extensions` to hold for all others: of those that a profile brings none is
/// loaded.
fn plan_extensions(options: &LaunchOptions) -> Vec<String> {
    if options.extensions.is_empty() || options.build == Build::HeadlessShell {
        return Vec::new();
    }
    let dirs: Vec<_> = options.extensions.iter().map(|dir| dir.display().to_string()).collect();
    let dirs = dirs.join(",");
    vec![format!("--load-extension={dirs}"), format!("--disable-extensions-except={dirs}")]
}

/// Sends everything through the proxy. Chromium would leave loopback addresses out, look names up itself for some of its own
/// needs, and let WebRTC find a way of its own over UDP, which tells a page the machine's addresses besides.
fn plan_network(options: &LaunchOptions) -> Vec<String> {
    let Some(proxy) = options.proxy else {
        return Vec::new();
    };
    vec![
        format!("--proxy-server=http://{proxy}"),
        "--proxy-bypass-list=<-loopback>".to_owned(),
        format!("--host-resolver-rules=MAP * ~NOTFOUND, EXCLUDE {}", proxy.ip()),
        // Full Chromium knows this switch by one name and the headless shell by the other alone (156, measured).
        "--webrtc-ip-handling-policy=disable_non_proxied_udp".to_owned(),
        "--force-webrtc-ip-handling-policy=disable_non_proxied_udp".to_owned(),
    ]
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::options::Viewport;

    fn options(build: Build) -> LaunchOptions {
        LaunchOptions {
            executable: "/usr/bin/browser".into(),
            build,
            user_data_dir: "/data/user data".into(),
            home: "/data/home".into(),
            viewport: Viewport { width: 1440, height: 900 },
            fullscreen: false,
            disable_web_security: false,
            allow_popups: false,
            open_pdf_externally: false,
            display: None,
            sandbox: true,
            run_as: None,
            name: String::new(),
            own_dirs: Vec::new(),
            shown_dirs: Vec::new(),
            extensions: Vec::new(),
            confinement: None,
            proxy: None,
            restore_tabs: false,
            extra_args: Vec::new(),
            launch_timeout: Duration::from_secs(1),
        }
    }

    fn has(args: &[String], flag: &str) -> bool {
        args.iter().any(|arg| arg == flag)
    }

    #[test]
    fn no_browser_opens_a_port_or_leaves_its_sandbox_unasked() {
        for build in [Build::Full, Build::HeadlessShell] {
            let args = plan_args(&options(build));
            assert!(has(&args, "--remote-debugging-pipe"));
            assert!(has(&args, "--user-data-dir=/data/user data"));
            let forbidden = ["--remote-debugging-port", "--no-sandbox"];
            assert!(!args.iter().any(|arg| forbidden.iter().any(|flag| arg.starts_with(flag))), "{args:?}");
            assert_eq!(args.last().unwrap(), "about:blank");
        }
    }

    #[test]
    fn full_chromium_gets_room_for_its_bars() {
        let args = plan_args(&options(Build::Full));
        assert!(has(&args, "--window-size=1440,987") && has(&args, "--screen-info={1440x987}"), "{args:?}");
        let args = plan_args(&LaunchOptions { fullscreen: true, ..options(Build::Full) });
        assert!(has(&args, "--window-size=1440,900") && has(&args, "--start-fullscreen"), "{args:?}");
        let args = plan_args(&options(Build::HeadlessShell));
        assert!(has(&args, "--window-size=1440,900") && !has(&args, "--headless=new"), "{args:?}");
    }

    #[test]
    fn popups_are_let_through_only_when_asked() {
        let flag = "--disable-popup-blocking";
        assert!(!has(&plan_args(&options(Build::Full)), flag));
        assert!(has(&plan_args(&LaunchOptions { allow_popups: true, ..options(Build::Full) }), flag));
    }

    #[test]
    fn the_named_extensions_are_loaded_and_no_others() {
        let extensions = vec!["/data/a".into(), "/data/b".into()];
        let args = plan_args(&LaunchOptions { extensions: extensions.clone(), ..options(Build::Full) });
        assert!(has(&args, "--load-extension=/data/a,/data/b"), "{args:?}");
        assert!(has(&args, "--disable-extensions-except=/data/a,/data/b"), "{args:?}");
        assert!(has(&args, "--disable-extensions"), "{args:?}");
        let args = plan_args(&LaunchOptions { extensions, ..options(Build::HeadlessShell) });
        assert!(!args.iter().any(|arg| arg.contains("-extension=")), "{args:?}");
    }

    #[test]
    fn an_x_display_means_a_real_window() {
        let args = plan_args(&LaunchOptions { display: Some(":7".to_owned()), ..options(Build::Full) });
        assert!(!has(&args, "--headless=new"), "{args:?}");
    }

    #[test]
    fn a_warning_bar_never_takes_room_from_the_page() {
        for wild in [
            LaunchOptions { sandbox: false, ..options(Build::Full) },
            LaunchOptions { disable_web_security: true, ..options(Build::Full) },
            LaunchOptions { proxy: Some(([127, 0, 0, 1], 1).into()), ..options(Build::Full) },
        ] {
            assert!(has(&plan_args(&wild), "--test-type"));
        }
    }

    #[test]
    fn the_callers_flags_come_after_ours() {
        let args = plan_args(&LaunchOptions { extra_args: vec!["--x".to_owned()], ..options(Build::Full) });
        assert_eq!(args[args.len() - 2..], ["--x", "about:blank"]);
    }

    #[test]
    fn the_callers_features_do_not_undo_ours() {
        let extra_args = ["--enable-features=A,B", "--disable-features=C", "--disable-features=D"];
        let extra_args = extra_args.map(str::to_owned).to_vec();
        let args = plan_args(&LaunchOptions { extra_args, ..options(Build::Full) });
        assert!(has(&args, "--enable-features=SplitCacheByNetworkIsolationKey,A,B"), "{args:?}");
        assert!(has(&args, "--disable-features=NetworkTimeServiceQuerying,C,D"), "{args:?}");
    }
}
