//! The browser's environment: a short list, none of it inherited unless named here.
//!
//! As measured, Chromium 156 needs no more to find its fonts, zone and language, and writes nothing outside its home and
//! user data dir: full Chromium makes an empty crash database in `XDG_CONFIG_HOME` and a directory for its lock's socket in
//! `TMPDIR`, which it removes unless it is killed; the headless shell makes nothing at all.

use std::env;
use std::ffi::OsString;

use crate::options::LaunchOptions;

/// Where temporary files go, below the home.
pub(crate) const TEMPORARY_DIR: &str = "tmp";

/// The home's [`TEMPORARY_DIR`], as the browser names it: it runs in its home. Full Chromium makes its lock's socket there
/// and crashes when the path is longer than the 107 bytes of a socket address, which a data dir of more than a dozen bytes
/// would bring about.
const SHORT_TEMPORARY_DIR: &str = "/proc/self/cwd/tmp";

/// What the machine's operator may have set for a good reason.
const INHERITED: &[&str] = &["TZ", "FONTCONFIG_FILE", "FONTCONFIG_PATH", "LD_LIBRARY_PATH"];

/// Returns the browser's whole environment.
pub(crate) fn environment(options: &LaunchOptions) -> Vec<(&'static str, OsString)> {
    let home = &options.home;
    let mut variables: Vec<(&str, OsString)> = vec![
        ("HOME", home.into()),
        ("TMPDIR", SHORT_TEMPORARY_DIR.into()),
        ("XDG_CONFIG_HOME", home.join("config").into()),
        ("XDG_CACHE_HOME", home.join("cache").into()),
        ("XDG_DATA_HOME", home.join("data").into()),
        ("XDG_RUNTIME_DIR", home.join("run").into()),
        ("PATH", "/usr/local/bin:/usr/bin:/bin".into()),
        // English whatever the server speaks: a profile's language must not depend on the machine.
        ("LANG", "C.UTF-8".into()),
        // The machine's power, network and Bluetooth services are none of a page's business.
        ("DBUS_SYSTEM_BUS_ADDRESS", "disabled:".into()),
        ("DBUS_SESSION_BUS_ADDRESS", "disabled:".into()),
        // No desktop settings, and no file for them.
        ("GSETTINGS_BACKEND", "memory".into()),
    ];
    variables.extend(INHERITED.iter().filter_map(|name| Some((*name, env::var_os(name)?))));
    if let Some(display) = &options.display {
        variables.push(("DISPLAY", display.into()));
        variables.extend(env::var_os("XAUTHORITY").map(|file| ("XAUTHORITY", file)));
    }
    variables
}
