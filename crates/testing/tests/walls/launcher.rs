//! What a program could do in a browser's place: the walls alone, without Chromium's own sandbox inside them. This is what is
//! left when a page has broken out of everything that Chromium has.

use std::collections::BTreeMap;
use std::net::TcpListener;
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;

use anyhow::{Result, bail, ensure};
use roadstead_browser::{Browser, LaunchError};

use crate::ground::{STRANGER, Walls, is_root, open_place, options};

/// Tries everything, and says on stderr what it could do.
const INTRUDER: &str = r#"#!/bin/bash
try() { local name=$1; shift; if "$@" >/dev/null 2>&1; then echo "$name=yes" >&2; else echo "$name=no" >&2; fi; }
connect() { (exec 3<>"/dev/tcp/127.0.0.1/$1"); }
try read_own test -r "$HOME"
try write_own touch "$HOME/file"
try read_outside cat "@OUTSIDE@/secret"
try list_outside ls "@OUTSIDE@"
try write_outside touch "@OUTSIDE@/new"
try write_tmp touch "@OUTSIDE@/tmp/new"
try write_shm touch "/dev/shm/@NAME@"
try read_shown cat "@SHOWN@/shown"
try write_shown bash -c 'echo more >> "@SHOWN@/shown"'
try add_to_shown touch "@SHOWN@/new"
try run_own bash -c 'cp /bin/true "$HOME/program" && "$HOME/program"'
try read_passwd cat /etc/passwd
try read_server_environment cat "/proc/@SERVER@/environ"
try signal_server kill -0 "@SERVER@"
try see_server test -e "/proc/@SERVER@/stat"
try connect_own connect "@OWN@"
try connect_other connect "@OTHER@"
try listen perl -MIO::Socket::INET -e 'exit !IO::Socket::INET->new(Listen => 1, LocalAddr => "127.0.0.1")'
echo "uid=$(id -u)" >&2
echo "groups=$(id -G)" >&2
echo "core=$(ulimit -Hc)" >&2
echo "files=$(ulimit -Hn)" >&2
echo "tasks=$(ulimit -Hu)" >&2
echo "privileges=$(grep NoNewPrivs /proc/self/status | tr -dc 0-9)" >&2
echo "environment=$(env | cut -d= -f1 | sort | tr '\n' ' ')" >&2
exit 1
"#;

/// Lets the intruder try, in a browser's place. Returns what it said.
async fn intrude(walls: Walls) -> Result<BTreeMap<String, String>> {
    let place = open_place()?;
    let outside = place.path().join("outside");
    std::fs::create_dir_all(outside.join("tmp"))?;
    std::fs::write(outside.join("secret"), "a secret")?;
    for (path, mode) in [("", 0o777), ("tmp", 0o1777), ("secret", 0o644)] {
        std::fs::set_permissions(outside.join(path), std::fs::Permissions::from_mode(mode))?;
    }
    let shown = place.path().join("shown");
    std::fs::create_dir(&shown)?;
    std::fs::write(shown.join("shown"), "a file for a file chooser")?;
    for (path, mode) in [("", 0o777), ("shown", 0o666)] {
        std::fs::set_permissions(shown.join(path), std::fs::Permissions::from_mode(mode))?;
    }
    let (own, other) = (TcpListener::bind("127.0.0.1:0")?, TcpListener::bind("127.0.0.1:0")?);
    let name = format!("roadstead-test-{}", fastrand::u64(..));
    let script = INTRUDER
        .replace("@OUTSIDE@", &outside.to_string_lossy())
        .replace("@SHOWN@", &shown.to_string_lossy())
        .replace("@NAME@", &name)
        .replace("@SERVER@", &std::process::id().to_string())
        .replace("@OWN@", &own.local_addr()?.port().to_string())
        .replace("@OTHER@", &other.local_addr()?.port().to_string());
    // Beside the outside, since a browser may read the directory that its binary is in.
    let program = place.path().join("program/intruder");
    install(&program, &script)?;
    let mut options = options(&place.path().join("browser"), program, walls)?;
    std::fs::create_dir(place.path().join("browser"))?;
    std::fs::set_permissions(place.path().join("browser"), std::fs::Permissions::from_mode(0o711))?;
    options.shown_dirs = vec![shown];
    options.proxy = Some(own.local_addr()?);
    let said = match Browser::launch(&options).await {
        Err(LaunchError::Exited { stderr_tail, .. }) => stderr_tail,
        other => bail!("the intruder should have come and gone: {other:?}"),
    };
    let _absent = std::fs::remove_file(Path::new("/dev/shm").join(name));
    let pairs = said.lines().filter_map(|line| line.split_once('='));
    Ok(pairs.map(|(key, value)| (key.to_owned(), value.trim().to_owned())).collect())
}

fn install(program: &Path, script: &str) -> Result<()> {
    let dir = program.parent().unwrap_or(program);
    std::fs::create_dir(dir)?;
    std::fs::set_permissions(dir, std::fs::Permissions::from_mode(0o755))?;
    std::fs::write(program, script)?;
    Ok(std::fs::set_permissions(program, std::fs::Permissions::from_mode(0o755))?)
}

/// What no browser may do, whoever the server is.
const OUTSIDE: [&str; 13] = [
    "read_outside",
    "list_outside",
    "write_outside",
    "write_tmp",
    "write_shm",
    "write_shown",
    "add_to_shown",
    "run_own",
    "read_passwd",
    "read_server_environment",
    "signal_server",
    "connect_other",
    "listen",
];

#[tokio::test]
async fn a_program_in_a_browsers_place_reaches_its_own_things_alone() -> Result<()> {
    let inside = intrude(Walls::Up).await?;
    for own in ["read_own", "write_own", "read_shown", "connect_own"] {
        ensure!(inside.get(own).is_some_and(|tried| tried == "yes"), "{own}: {inside:#?}");
    }
    for outside in OUTSIDE {
        ensure!(inside.get(outside).is_some_and(|tried| tried == "no"), "{outside}: {inside:#?}");
    }
    for (what, value) in [("core", "0"), ("files", "1234"), ("privileges", "1")] {
        ensure!(inside[what] == value, "{what}: {inside:#?}");
    }
    if is_root() {
        for (what, value) in [("see_server", "no"), ("tasks", "2345")] {
            ensure!(inside[what] == value, "{what}: {inside:#?}");
        }
        let stranger = STRANGER.uid.to_string();
        ensure!(inside["uid"] == stranger && inside["groups"] == stranger, "{inside:#?}");
    }
    Ok(())
}

#[tokio::test]
async fn with_the_walls_down_the_same_attempts_succeed() -> Result<()> {
    let inside = intrude(Walls::Down).await?;
    let mut open = vec!["read_outside", "list_outside", "write_outside", "write_tmp", "write_shm", "run_own"];
    open.extend(["write_shown", "add_to_shown", "read_passwd", "see_server", "connect_other", "listen"]);
    if !is_root() {
        open.extend(["signal_server", "read_server_environment"]);
    }
    for outside in open {
        ensure!(inside.get(outside).is_some_and(|tried| tried == "yes"), "{outside}: {inside:#?}");
    }
    ensure!(inside["privileges"] == "0" && inside["files"] != "1234", "{inside:#?}");
    Ok(())
}

#[tokio::test]
async fn the_environment_is_a_short_list() -> Result<()> {
    let inside = intrude(Walls::Up).await?;
    let allowed = [
        "HOME",
        "TMPDIR",
        "XDG_CONFIG_HOME",
        "XDG_CACHE_HOME",
        "XDG_DATA_HOME",
        "XDG_RUNTIME_DIR",
        "PATH",
        "LANG",
        "DBUS_SYSTEM_BUS_ADDRESS",
        "DBUS_SESSION_BUS_ADDRESS",
        "GSETTINGS_BACKEND",
        "TZ",
        "FONTCONFIG_FILE",
        "FONTCONFIG_PATH",
        "LD_LIBRARY_PATH",
    ];
    // What the shell itself adds.
    let shell = ["PWD", "SHLVL", "_"];
    let strange: Vec<_> = inside["environment"]
        .split_whitespace()
        .filter(|name| !allowed.contains(name) && !shell.contains(name))
        .collect();
    ensure!(strange.is_empty(), "{strange:?}");
    Ok(())
}

#[tokio::test]
async fn a_launcher_that_cannot_build_a_wall_starts_nothing() -> Result<()> {
    let place = open_place()?;
    let program = place.path().join("program/intruder");
    install(&program, "#!/bin/bash\ntouch \"$HOME/started\"\n")?;
    let mut options = options(&place.path().join("browser"), program, Walls::Up)?;
    std::fs::create_dir(place.path().join("browser"))?;
    let mut walls = options.confinement.take().expect("the walls are up");
    walls.launcher = "/bin/false".into();
    options.confinement = Some(walls);
    let failed = Browser::launch(&options).await;
    ensure!(matches!(failed, Err(LaunchError::Exited { .. })), "{failed:?}");
    ensure!(!options.home.join("started").exists());
    // Nor does the launcher do anything for whoever calls it by hand.
    for arguments in
        [&["confine"][..], &["confine", "{}", "/bin/true"], &["confine", "nonsense", "/bin/true"]]
    {
        let by_hand =
            std::process::Command::new(roadstead_testing::program::binary()?).args(arguments).output()?;
        ensure!(by_hand.status.code() == Some(125), "{arguments:?}: {by_hand:?}");
    }
    Ok(())
}
