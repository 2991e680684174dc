//! The program's parts, put together. The only place that picks concrete backends.

use std::os::unix::fs::{DirBuilderExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use anyhow::{Context as _, bail};
use metrics_exporter_prometheus::{Matcher, PrometheusBuilder, PrometheusHandle};
use rustix::fs::{FlockOperation, flock};
use tokio_util::task::TaskTracker;

use roadstead_egress::Egress;
use roadstead_vault::{RootKey, Vault};

use crate::caller::Caller;
use crate::config::Config;
use crate::db::Db;
use crate::error::Result;
use crate::exits::Exits;
use crate::lifecycle::Lifecycle;
use crate::profile::Profiles;
use crate::session::{BrowserSetup, Sessions, WorkRoot};

/// Buckets of every duration that `/metrics` shows, in seconds: from a warm start to a very slow save.
const SECONDS: &[f64] = &[0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0];

/// The files under the data dir.
#[derive(Clone, Debug)]
pub struct DataDir {
    path: PathBuf,
}

impl DataDir {
    /// Finds or makes the data dir. What is in it is for its owner alone; the dir itself can be walked through by the
    /// browser's user when that is another one.
    pub fn open(path: &Path, walkable: bool) -> anyhow::Result<Self> {
        let mode = if walkable { 0o711 } else { 0o700 };
        create_durably(path, mode)
            .with_context(|| format!("failed to create the data directory {}", path.display()))?;
        std::fs::set_permissions(path, std::fs::Permissions::from_mode(mode))
            .with_context(|| format!("failed to close the data directory {} to others", path.display()))?;
        Ok(Self { path: path.to_owned() })
    }

    /// Names a data dir that exists already, as it is.
    pub fn existing(path: &Path) -> Self {
        Self { path: path.to_owned() }
    }

    /// Returns the directory's path.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Takes the data dir for one server. A second one on the same files would take the first one's sessions for dead.
    pub fn lock(&self) -> anyhow::Result<std::fs::File> {
        let path = self.path.join("lock");
        let file =
            std::fs::File::create(&path).with_context(|| format!("failed to create {}", path.display()))?;
        if flock(&file, FlockOperation::NonBlockingLockExclusive).is_err() {
            bail!(
                "another roadstead server uses the data directory {}; stop it, or name another one with --data-dir",
                self.path.display()
            );
        }
        Ok(file)
    }

    /// Opens the database, readable by its owner alone.
    pub async fn database(&self) -> anyhow::Result<Db> {
        let path = self.path.join("roadstead.db");
        // SQLite gives its side files the mode of the main one, so that one exists, closed, before it is opened.
        let file = std::fs::OpenOptions::new().create(true).append(true).open(&path);
        let file = file.with_context(|| format!("failed to create the database {}", path.display()))?;
        file.set_permissions(std::fs::Permissions::from_mode(0o600))?;
        drop(file);
        Db::open(&path).await
    }

    /// Opens the vault on local disk, with the root key beside it.
    pub fn vault(&self) -> anyhow::Result<Vault> {
        let root_key = RootKey::load_or_create(&self.path.join("root.key"))?;
        let path = self.path.join("vault");
        std::fs::DirBuilder::new().recursive(true).mode(0o700).create(&path)?;
        Ok(Vault::local(&path, root_key)?)
    }
}

/// Makes a directory and the parents that it lacks. Their names are on disk when this returns: whatever is flushed inside
/// later would be lost with a name on the way to it.
fn create_durably(path: &Path, mode: u32) -> std::io::Result<()> {
    let there = |path: &&Path| !path.as_os_str().is_empty() && !path.exists();
    let missing: Vec<_> = path.ancestors().take_while(there).collect();
    std::fs::DirBuilder::new().recursive(true).mode(mode).create(path)?;
    for made in missing {
        let parent = made.parent().filter(|parent| !parent.as_os_str().is_empty());
        std::fs::File::open(parent.unwrap_or(Path::new(".")))?.sync_all()?;
    }
    Ok(())
}

/// The parts of a running server; clones share them.
#[derive(Clone)]
pub struct App(Arc<Parts>);

struct Parts {
    config: Config,
    db: Db,
    sessions: Sessions,
    exits: Exits,
    profiles: Profiles,
    lifecycle: Lifecycle,
    metrics: PrometheusHandle,
    data_dir: DataDir,
    /// Held, with its lock, as long as the server lives.
    _lock: std::fs::File,
}

impl App {
    /// Puts the parts together and recovers what an earlier server left.
    pub async fn build(config: Config, data_dir: &Path, lifecycle: Lifecycle) -> anyhow::Result<Self> {
        let mut browsers = BrowserSetup::find(&config);
        browsers.confine(&config.chromium)?;
        let stranger = browsers.users.stranger();
        let data_dir = DataDir::open(data_dir, stranger.is_some())?;
        let lock = data_dir.lock()?;
        let db = data_dir.database().await?;
        let profiles =
            Profiles::new(db.clone(), data_dir.vault()?, config.profile.clone(), lifecycle.clone());
        let egress = Egress::new(config.egress.policy.clone());
        let exits = Exits::new(egress, config.egress.clone(), db.clone());
        let work = WorkRoot::open(data_dir.path(), stranger)?;
        let sessions = Sessions::new(
            db.clone(),
            profiles.clone(),
            lifecycle.clone(),
            work,
            browsers,
            exits.clone(),
            config.sessions.clone(),
        );
        sessions.recover().await.context("failed to recover what an earlier server left")?;
        let metrics = recorder()?;
        Ok(Self(Arc::new(Parts {
            config,
            db,
            sessions,
            exits,
            profiles,
            lifecycle,
            metrics,
            data_dir,
            _lock: lock,
        })))
    }

    /// Returns the configuration.
    pub fn config(&self) -> &Config {
        &self.0.config
    }

    /// Returns the database.
    pub fn db(&self) -> &Db {
        &self.0.db
    }

    /// Returns the registry of sessions.
    pub fn sessions(&self) -> &Sessions {
        &self.0.sessions
    }

    /// Returns the ways out to the network.
    pub fn exits(&self) -> &Exits {
        &self.0.exits
    }

    /// Returns what may be done with profiles.
    pub fn profiles(&self) -> &Profiles {
        &self.0.profiles
    }

    /// Returns the metrics.
    pub fn metrics(&self) -> &PrometheusHandle {
        &self.0.metrics
    }

    /// Returns how the program stops.
    pub fn lifecycle(&self) -> &Lifecycle {
        &self.0.lifecycle
    }

    /// Returns the tracker for tasks that the program must wait for, relays of WebSockets for example.
    pub fn tracker(&self) -> &TaskTracker {
        self.0.lifecycle.tracker()
    }

    /// Finds out whose key this is; a wrong key is [`crate::error::Error::Unauthenticated`].
    pub async fn authenticate(&self, key: &str) -> Result<Caller> {
        self.0.db.authenticate(key).await
    }

    /// Lists why a session cannot be started now; nothing when it can.
    pub async fn unready(&self) -> Vec<String> {
        let mut reasons = Vec::new();
        if self.0.lifecycle.soft().is_cancelled() {
            reasons.push("the server is shutting down".to_owned());
        }
        let browsers = &self.0.sessions.browsers().executables;
        if browsers.full.is_none() && browsers.headless_shell.is_none() {
            reasons.push("no browser is installed; run `roadstead doctor`".to_owned());
        }
        if self.0.db.keys().await.is_err() {
            reasons.push("the database does not answer".to_owned());
        }
        reasons
    }

    /// Returns the data dir.
    pub fn data_dir(&self) -> &DataDir {
        &self.0.data_dir
    }
}

/// Installs the metrics recorder, once per process: tests start several servers in one.
fn recorder() -> anyhow::Result<PrometheusHandle> {
    static HANDLE: std::sync::Mutex<Option<PrometheusHandle>> = std::sync::Mutex::new(None);
    let mut handle = HANDLE.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
    if handle.is_none() {
        let builder = PrometheusBuilder::new()
            .set_buckets_for_metric(Matcher::Suffix("_seconds".to_owned()), SECONDS)?;
        *handle = Some(builder.install_recorder()?);
        roadstead_egress::describe_metrics();
    }
    Ok(handle.clone().expect("it was installed just now or before"))
}
