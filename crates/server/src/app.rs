//! The program's parts, put together. The only place that picks concrete backends.

use std::net::IpAddr;
use std::os::unix::fs::{DirBuilderExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use anyhow::{Context as _, bail};
use metrics_exporter_prometheus::{Matcher, PrometheusBuilder, PrometheusHandle};
use rustix::fs::{FlockOperation, flock};
use tokio_util::task::TaskTracker;

use roadstead_egress::Egress;
use roadstead_vault::{Rotation, Vault, VaultError, finish_rotation, rotate_root_key};
use tracing::{info, warn};

use crate::adblock::lists::Lists;
use crate::audit::{self, Origin};
use crate::batch::Batches;
use crate::caller::Caller;
use crate::config::Config;
use crate::db::Db;
use crate::error::Result;
use crate::events::Events;
use crate::exits::Exits;
use crate::http;
use crate::identities::Identities;
use crate::lifecycle::Lifecycle;
use crate::limits::Limits;
use crate::profile::Profiles;
use crate::session::downloads::KeptRoot;
use crate::session::extensions::ExtensionRoot;
use crate::session::recordings::RecordingRoot;
use crate::session::{BrowserSetup, Roots, Sessions, WorkRoot};
use crate::webhooks::Webhooks;

/// Buckets of every duration that `/metrics` shows, in seconds: from a warm start to a very slow save.
const SECONDS: &[f64] = &[0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0];

/// The files under the data dir.
#[derive(Clone, Debug)]
pub struct DataDir {
    path: PathBuf,
    /// Where the root key is, if not in the data dir.
    root_key: Option<PathBuf>,
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
        Ok(Self::existing(path))
    }

    /// Names a data dir that exists already, as it is.
    pub fn existing(path: &Path) -> Self {
        Self { path: path.to_owned(), root_key: None }
    }

    /// Says where the root key is, if not in the data dir.
    #[must_use]
    pub fn with_root_key(self, root_key: Option<PathBuf>) -> Self {
        Self { root_key, ..self }
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

    /// Opens the vault on local disk, with its root key, which is made with it.
    pub fn vault(&self) -> anyhow::Result<Vault> {
        Ok(Vault::open(&self.vault_path(), &self.root_key())?)
    }

    /// Returns where the vault is.
    pub fn vault_path(&self) -> PathBuf {
        self.path.join("vault")
    }

    /// Returns where the root key is.
    pub fn root_key(&self) -> PathBuf {
        self.root_key.clone().unwrap_or_else(|| self.path.join("root.key"))
    }

    /// Rotates the root key: to the one in the file `wanted`, or to a random one. Nobody may have the vault open.
    pub async fn rotate_root_key(&self, wanted: Option<PathBuf>) -> anyhow::Result<Rotation> {
        let (vault, key) = (self.vault_path(), self.root_key());
        let rotated =
            tokio::task::spawn_blocking(move || rotate_root_key(&vault, &key, wanted.as_deref())).await;
        Ok(rotated.expect("rotating the root key does not panic")?)
    }

    /// Finishes a rotation of the root key that was interrupted. While a command has the vault open it is left for the next
    /// start: until then both keys are known.
    async fn finish_rotation(&self) -> anyhow::Result<Option<Rotation>> {
        let (vault, key) = (self.vault_path(), self.root_key());
        let finished = tokio::task::spawn_blocking(move || finish_rotation(&vault, &key)).await;
        match finished.expect("rotating the root key does not panic") {
            Err(VaultError::InUse) => {
                warn!(
                    "a rotation of the root key was interrupted, and a command uses the vault: the next start finishes it"
                );
                Ok(None)
            }
            finished => Ok(finished?),
        }
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
    batches: Batches,
    events: Events,
    exits: Exits,
    identities: Identities,
    profiles: Profiles,
    webhooks: Webhooks,
    limits: Limits,
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
        let data_dir = data_dir.with_root_key(config.root_key_file.clone());
        let lock = data_dir.lock()?;
        let db = data_dir.database().await?;
        if let Some(rotation) = data_dir.finish_rotation().await? {
            audit::root_key_rotated(&db, Origin::Server, rotation).await?;
            info!(
                repositories = rotation.rewrapped,
                "finished a rotation of the root key that was interrupted"
            );
        }
        let vault = data_dir.vault()?;
        let profiles = Profiles::new(db.clone(), vault.clone(), config.profile.clone(), lifecycle.clone());
        let egress = Egress::new(config.egress.policy.clone());
        let of_webhooks = egress.with_policy(config.webhooks.policy(&config.egress.policy));
        let exits = Exits::new(egress, config.egress.clone(), db.clone());
        let roots = Roots {
            work: WorkRoot::open(data_dir.path(), stranger)?,
            kept: KeptRoot::open(data_dir.path(), config.files.keep_downloads())?,
            reels: RecordingRoot::open(data_dir.path(), config.recordings.keep(), vault.clone())?,
            extensions: ExtensionRoot::open(data_dir.path())?,
        };
        let of_lists = config.adblock.clone();
        let lists = tokio::task::spawn_blocking(move || Lists::open(of_lists));
        let lists = lists.await.expect("reading the filter lists does not panic")?;
        let sessions = Sessions::new(
            db.clone(),
            profiles.clone(),
            lifecycle.clone(),
            roots,
            browsers,
            (exits.clone(), lists),
            (config.sessions.clone(), config.files.clone(), config.recordings.clone()),
        );
        sessions.recover().await.context("failed to recover what an earlier server left")?;
        sessions.keep_downloads_swept().await.context("failed to look through what is kept of downloads")?;
        let webhooks = Webhooks::open(
            db.clone(),
            vault.clone(),
            of_webhooks,
            config.webhooks.clone(),
            lifecycle.clone(),
        );
        let webhooks =
            webhooks.await.context("failed to take up the events that an earlier server was posting")?;
        lifecycle.tracker().spawn(webhooks.clone().run());
        sessions
            .keep_recordings_swept()
            .await
            .context("failed to look through what is kept of recordings")?;
        sessions.clear_extensions().await.context("failed to look through the extensions")?;
        let identities = Identities::new(db.clone(), vault.clone());
        let events = Events::new(db.clone(), vault.clone(), lifecycle.clone());
        let batches =
            Batches::open(db.clone(), sessions.clone(), vault, lifecycle.clone(), http::read_session_request);
        let batches = batches.await.context("failed to take up the batches that an earlier server left")?;
        lifecycle.tracker().spawn(batches.clone().run());
        let metrics = recorder()?;
        let retention = audit::keep(db.clone(), config.audit.keep_days, lifecycle.soft().clone());
        lifecycle.tracker().spawn(retention);
        let limits = Limits::new(&config.limits);
        Ok(Self(Arc::new(Parts {
            limits,
            config,
            db,
            sessions,
            batches,
            events,
            exits,
            identities,
            profiles,
            webhooks,
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

    /// Returns the sessions that are started later.
    pub fn batches(&self) -> &Batches {
        &self.0.batches
    }

    /// Returns what clients wait for and signal.
    pub fn events(&self) -> &Events {
        &self.0.events
    }

    /// Returns the ways out to the network.
    pub fn exits(&self) -> &Exits {
        &self.0.exits
    }

    /// Returns what may be done with profiles.
    pub fn profiles(&self) -> &Profiles {
        &self.0.profiles
    }

    /// Returns who logs in where.
    pub fn identities(&self) -> &Identities {
        &self.0.identities
    }

    /// Returns who is told of what happens.
    pub fn webhooks(&self) -> &Webhooks {
        &self.0.webhooks
    }

    /// Returns what counts how often callers do what.
    pub fn limits(&self) -> &Limits {
        &self.0.limits
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

    /// Finds out whose key this is, which came from an address; a wrong key is [`crate::error::Error::Unauthenticated`].
    pub async fn authenticate(&self, key: &str, address: IpAddr) -> Result<Caller> {
        self.0.db.authenticate(key, address).await
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
