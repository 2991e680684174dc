//! `roadstead doctor`: says what is missing on this machine, and how to mend each.

use std::net::UdpSocket;
use std::path::Path;
use std::process::ExitCode;
use std::time::Duration;

use anyhow::Context as _;
use roadstead_api::SessionId;
use roadstead_browser::{
    Browser, Build, Cgroups, Graces, LandlockSupport, LaunchOptions, Viewport, landlock_support,
};

use super::print;
use crate::adblock::lists::Lists;
use crate::app::DataDir;
use crate::config::{AdblockConfig, Config, EgressConfig, TlsConfig};
use crate::serving::tls;
use crate::session::{BrowserSetup, Users, WorkRoot, walls};

/// Below this much free disk, saves are about to fail: a large profile and its copy in the vault.
const LITTLE_DISK_BYTES: u64 = 2 << 30;
/// How long the trial browser may take to close.
const GRACES: Graces = Graces { close: Duration::from_secs(5), term: Duration::from_secs(5) };

/// One finding: fine, or what is wrong and how to mend it.
enum Finding {
    Fine(String),
    Note(String),
    Wrong { what: String, mend: String },
}

pub(super) async fn run(config: &Config, data_dir: &Path) -> anyhow::Result<ExitCode> {
    let mut browsers = BrowserSetup::find(config);
    let confined = confinement(&mut browsers, config);
    let mut findings = vec![
        confined,
        users(&browsers),
        cgroup(config),
        user_namespaces(),
        data(data_dir, browsers.users.stranger().is_some()),
        disk(data_dir),
        root_key(&DataDir::existing(data_dir).with_root_key(config.root_key_file.clone())),
    ];
    findings.extend(builds(&browsers));
    findings.extend(source_addresses(&config.egress));
    findings.extend(config.server.tls.as_ref().map(certificate));
    findings.extend((!config.adblock.lists.is_empty()).then(|| filter_lists(&config.adblock)));
    for (build, path) in [
        (Build::Full, &browsers.executables.full),
        (Build::HeadlessShell, &browsers.executables.headless_shell),
    ] {
        if let Some(path) = path {
            findings.push(trial(&browsers, build, path).await);
        }
    }
    let mut wrong = 0;
    for finding in findings {
        match finding {
            Finding::Fine(what) => print(format_args!("ok     {what}"))?,
            Finding::Note(what) => print(format_args!("note   {what}"))?,
            Finding::Wrong { what, mend } => {
                wrong += 1;
                print(format_args!("wrong  {what}\n       mend: {mend}"))?;
            }
        }
    }
    Ok(if wrong == 0 { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

/// How far the kernel keeps a browser to its files and its port.
fn confinement(browsers: &mut BrowserSetup, config: &Config) -> Finding {
    match walls(&config.chromium) {
        Ok(walls) => browsers.confinement = walls,
        Err(error) => {
            return Finding::Wrong {
                what: format!("{error:#}"),
                mend: "a newer kernel, lsm=landlock,… on its command line, or chromium.confine = \"best_effort\"".to_owned(),
            };
        }
    }
    if browsers.confinement.is_none() {
        return Finding::Note("browsers are not confined: chromium.confine is off".to_owned());
    }
    match landlock_support() {
        LandlockSupport::Full => {
            Finding::Fine("Landlock: each browser is kept to its own files and its own port".to_owned())
        }
        support @ LandlockSupport::Partial(abi) if support.suffices() => Finding::Fine(format!(
            "Landlock {abi}: each browser is kept to its own files and its own port; signals and abstract sockets are not (Linux 6.12)"
        )),
        LandlockSupport::Partial(abi) => Finding::Note(format!(
            "Landlock {abi}: each browser is kept to its own files, but not to its own port (Linux 6.7)"
        )),
        LandlockSupport::None => Finding::Note(
            "no Landlock: a browser that breaks its own sandbox reaches whatever its user may (Linux 6.7, and landlock among \
             the kernel's lsm=)"
                .to_owned(),
        ),
    }
}

/// Whose users browsers run as.
fn users(browsers: &BrowserSetup) -> Finding {
    match &browsers.users {
        Users::Own(_) => Finding::Fine("a user of its own for each session".to_owned()),
        Users::Shared(user) => Finding::Note(format!(
            "all browsers run as the user {}: file permissions do not keep sessions apart; see chromium.session_users",
            user.uid
        )),
        Users::Ours => Finding::Note(
            "browsers run as the server's own user: a server that is started as root gives each session a user of its own".to_owned(),
        ),
    }
}

/// Whether browsers' memory is bounded. Asking moves this process into a group of its own, as serving does.
fn cgroup(config: &Config) -> Finding {
    match Cgroups::open(config.chromium.cgroup.as_deref()) {
        Ok(Some(found)) => {
            Finding::Fine(format!("memory and tasks are bounded by control groups below {}", found.path().display()))
        }
        Ok(None) => Finding::Note(
            "no control group is delegated to this program: browsers' memory is not bounded (systemd: Delegate=yes)".to_owned(),
        ),
        Err(error) => Finding::Wrong {
            what: format!("chromium.cgroup cannot be used: {error}"),
            mend: "name a cgroup v2 directory that this user may write, or leave it out".to_owned(),
        },
    }
}

fn builds(browsers: &BrowserSetup) -> Vec<Finding> {
    let found = &browsers.executables;
    let full = match &found.full {
        Some(path) => Finding::Fine(format!("full Chromium: {}", path.display())),
        None => Finding::Wrong {
            what: "full Chromium is not installed: sessions need browser.headless.active: true".to_owned(),
            mend: "apt-get install chromium, or set chromium.executable in the configuration".to_owned(),
        },
    };
    let shell = match &found.headless_shell {
        Some(path) => Finding::Fine(format!("headless shell: {}", path.display())),
        None => Finding::Note(
            "no headless shell: headless sessions use full Chromium, which starts about 2.5 times slower. \
             apt-get install chromium-headless-shell"
                .to_owned(),
        ),
    };
    vec![full, shell]
}

/// An exit whose address this machine does not have, or no longer, lets no session start.
fn source_addresses(egress: &EgressConfig) -> Vec<Finding> {
    let found = egress.exits.iter().filter_map(|exit| Some((exit.name().as_str(), exit.source_address()?)));
    found
        .map(|(name, address)| match UdpSocket::bind((address, 0)) {
            Ok(_) => Finding::Fine(format!("exit {name:?}: {address} is an address of this machine")),
            Err(_) => Finding::Wrong {
                what: format!("exit {name:?}: {address} is not an address of this machine"),
                mend: format!("ip address add {address} dev INTERFACE, or correct egress.exits"),
            },
        })
        .collect()
}

/// A certificate that the server could not start with.
fn certificate(config: &TlsConfig) -> Finding {
    match tls::read(config) {
        Ok(_) => Finding::Fine(format!("TLS certificate and key: {}", config.certificate.display())),
        Err(error) => Finding::Wrong {
            what: format!("{error:#}"),
            mend: "correct [server] tls, or the files that it names".to_owned(),
        },
    }
}

/// Filter lists that the server could not start with.
fn filter_lists(config: &AdblockConfig) -> Finding {
    match Lists::open(config.clone()) {
        Ok(_) => Finding::Fine(format!("filter lists: {}", config.lists.len())),
        Err(error) => Finding::Wrong {
            what: format!("{error:#}"),
            mend: "correct adblock.lists, or leave it out for the list that ships".to_owned(),
        },
    }
}

/// Chromium's sandbox builds on unprivileged user namespaces, which some systems switch off.
fn user_namespaces() -> Finding {
    let switches = [
        ("/proc/sys/kernel/unprivileged_userns_clone", "0", "sysctl -w kernel.unprivileged_userns_clone=1"),
        ("/proc/sys/user/max_user_namespaces", "0", "sysctl -w user.max_user_namespaces=10000"),
        (
            "/proc/sys/kernel/apparmor_restrict_unprivileged_userns",
            "1",
            "sysctl -w kernel.apparmor_restrict_unprivileged_userns=0, or an AppArmor profile for the browser",
        ),
    ];
    for (file, off, mend) in switches {
        if std::fs::read_to_string(file).is_ok_and(|value| value.trim() == off) {
            return Finding::Wrong {
                what: format!(
                    "unprivileged user namespaces are off ({file} is {off}): Chromium's sandbox needs them"
                ),
                mend: mend.to_owned(),
            };
        }
    }
    Finding::Fine("unprivileged user namespaces".to_owned())
}

fn data(path: &Path, walkable: bool) -> Finding {
    let opened = DataDir::open(path, walkable).and_then(|dir| {
        tempfile::tempfile_in(dir.path())?;
        Ok(dir)
    });
    match opened {
        Ok(dir) => Finding::Fine(format!("data directory: {}", dir.path().display())),
        Err(error) => Finding::Wrong {
            what: format!("the data directory cannot be used: {error:#}"),
            mend: "name one that this user may write, with --data-dir".to_owned(),
        },
    }
}

fn root_key(data_dir: &DataDir) -> Finding {
    let path = data_dir.root_key();
    match roadstead_vault::has_root_key(&path, &data_dir.vault_path()) {
        Ok(true) => Finding::Fine(format!("root key: {}", path.display())),
        Ok(false) => Finding::Note(format!("no root key yet: the server makes {}", path.display())),
        Err(problem) => Finding::Wrong {
            what: format!("failed to {problem}"),
            mend: "without the right key no profile opens; restore it from a backup if it is lost".to_owned(),
        },
    }
}

fn disk(path: &Path) -> Finding {
    let Ok(found) = rustix::fs::statvfs(path) else {
        return Finding::Note("free disk could not be read".to_owned());
    };
    let free = found.f_bavail.saturating_mul(found.f_frsize);
    let free_mib = free >> 20;
    if free < LITTLE_DISK_BYTES {
        return Finding::Wrong {
            what: format!("only {free_mib} MiB of disk are free below the data directory"),
            mend: "free some, or move the data directory".to_owned(),
        };
    }
    Finding::Fine(format!("free disk: {free_mib} MiB"))
}

/// Starts the browser for real, the way a session does, on an empty profile.
async fn trial(browsers: &BrowserSetup, build: Build, executable: &Path) -> Finding {
    let name = match build {
        Build::Full => "full Chromium",
        Build::HeadlessShell => "headless shell",
    };
    match try_launch(browsers, build, executable).await {
        Ok(version) => Finding::Fine(format!("{name} starts: {version}")),
        Err(error) => Finding::Wrong {
            what: format!("{name} does not start: {error:#}"),
            mend: "the message above is Chromium's; \"No usable sandbox\" means user namespaces, a missing library its package".to_owned(),
        },
    }
}

async fn try_launch(browsers: &BrowserSetup, build: Build, executable: &Path) -> anyhow::Result<String> {
    let place = tempfile::tempdir()?;
    let root = WorkRoot::open(place.path(), browsers.users.stranger())?;
    let user = browsers.users.take(root.path()).context("all users of chromium.session_users are taken")?;
    let work = root.of(SessionId::random());
    work.create(user.id())?;
    work.hand_over(user.id())?;
    let options = LaunchOptions {
        executable: executable.to_owned(),
        build,
        user_data_dir: work.user_data(),
        home: work.home(),
        viewport: Viewport { width: 1440, height: 900 },
        fullscreen: false,
        disable_web_security: false,
        allow_popups: false,
        open_pdf_externally: false,
        display: None,
        sandbox: browsers.sandbox,
        run_as: user.id(),
        name: "doctor".to_owned(),
        own_dirs: Vec::new(),
        shown_dirs: Vec::new(),
        extensions: Vec::new(),
        confinement: browsers.confinement.clone(),
        proxy: None,
        restore_tabs: false,
        extra_args: browsers.extra_args.clone(),
        launch_timeout: browsers.launch_timeout,
    };
    let launched = Browser::launch(&options).await;
    let tried = match launched {
        Ok(browser) => {
            let version = browser.version().product.clone();
            browser.end(GRACES).await;
            Ok(version)
        }
        Err(error) => {
            let stderr = error.stderr_tail().trim().to_owned();
            Err(anyhow::Error::from(error).context(stderr))
        }
    };
    work.remove()?;
    tried
}
