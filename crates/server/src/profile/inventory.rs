//! What a session's files hold, by kind: for the receipt, and for the size budget.
//!
//! It reads names and sizes alone, never a file. Names of files come from the browser's user and are nothing but text here.

use std::collections::{BTreeMap, BTreeSet};
use std::io;
use std::path::{Path, PathBuf};

use globset::GlobSet;
use roadstead_api::{Captured, CookieCounts};
use roadstead_browser::CACHES;

use super::portable::PortableState;

/// What is not of any kind that somebody would ask for by name.
const OTHER: &str = "other";

/// Which kind the files below a path are of; the first that fits counts. Paths are relative to the state's directory.
const KINDS: &[(&str, &str)] = &[
    ("user-data/Default/Cookies", "cookies"),
    ("user-data/Default/Network/Cookies", "cookies"),
    ("user-data/Default/Local Storage/", "local_storage"),
    ("user-data/Default/Session Storage/", "session_storage"),
    ("user-data/Default/IndexedDB/", "indexed_db"),
    ("user-data/Default/Service Worker/CacheStorage/", "cache_storage"),
    ("user-data/Default/Service Worker/", "service_workers"),
    ("user-data/Default/File System/", "file_system"),
    ("user-data/Default/Cache/", "http_cache"),
    ("user-data/Default/Code Cache/", "code_cache"),
];

/// Where Chromium keeps an origin's storage buckets, and in it the directory of each kind.
const BUCKETS: &str = "user-data/Default/WebStorage/";
const BUCKET_KINDS: &[(&str, &str)] = &[
    ("/IndexedDB/", "indexed_db"),
    ("/CacheStorage/", "cache_storage"),
    ("/FileSystem/", "file_system"),
    ("/Service Worker/", "service_workers"),
];

/// The files of one state.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Inventory {
    bytes: BTreeMap<String, u64>,
    databases: BTreeSet<PathBuf>,
    origins: BTreeSet<String>,
}

impl Inventory {
    /// Takes stock of a state's directory, without what `excluded` matches. A file that goes meanwhile does not count.
    pub fn take(state_dir: &Path, excluded: &GlobSet) -> io::Result<Self> {
        let mut inventory = Self::default();
        let mut rooms = vec![PathBuf::new()];
        while let Some(room) = rooms.pop() {
            let entries = match std::fs::read_dir(state_dir.join(&room)) {
                Err(error) if error.kind() == io::ErrorKind::NotFound && !room.as_os_str().is_empty() => {
                    continue;
                }
                entries => entries?,
            };
            for entry in entries {
                let entry = entry?;
                let path = room.join(entry.file_name());
                if excluded.is_match(&path) {
                    continue;
                }
                match entry.metadata() {
                    Ok(found) if found.is_dir() => rooms.push(path),
                    Ok(found) if found.is_file() => inventory.count(&path, found.len()),
                    Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
                    Ok(_) | Err(_) => {}
                }
            }
        }
        Ok(inventory)
    }

    /// Returns the size of everything, in bytes.
    pub fn total_bytes(&self) -> u64 {
        self.bytes.values().sum()
    }

    /// Returns the size of a kind, in bytes.
    pub fn bytes_of(&self, kind: &str) -> u64 {
        self.bytes.get(kind).copied().unwrap_or(0)
    }

    /// Leaves a kind out.
    pub fn leave_out(&mut self, kind: &str) {
        self.bytes.remove(kind);
    }

    /// Returns the kinds that are caches, the largest first.
    pub fn caches(&self) -> Vec<&'static str> {
        let mut kinds: Vec<_> =
            CACHES.iter().map(|cache| cache.kind).filter(|kind| self.bytes_of(kind) > 0).collect();
        kinds.sort_by_key(|kind| std::cmp::Reverse(self.bytes_of(kind)));
        kinds
    }

    /// Writes the sizes as a person reads them, the largest first.
    pub fn sizes(&self) -> String {
        let mut kinds: Vec<_> = self.bytes.iter().collect();
        kinds.sort_by_key(|(_, bytes)| std::cmp::Reverse(**bytes));
        kinds.iter().map(|(kind, bytes)| format!("{kind} {bytes}")).collect::<Vec<_>>().join(", ")
    }

    /// Says what is captured, together with the portable state that goes along.
    pub fn captured(&self, portable: Option<&PortableState>) -> Captured {
        let mut origins: BTreeSet<&str> = self.origins.iter().map(String::as_str).collect();
        let local = portable.map(|state| &state.contents.local_storage);
        let local: Vec<_> = local.into_iter().flatten().map(|(origin, _)| directory_name(origin)).collect();
        origins.extend(local.iter().map(String::as_str));
        Captured {
            cookies: portable.map_or_else(CookieCounts::default, PortableState::counts),
            tabs: portable.map_or(0, |state| state.contents.tabs.len() as u64),
            origins: origins.len() as u64,
            databases: self.databases.len() as u64,
            bytes: self.bytes.clone(),
        }
    }

    fn count(&mut self, path: &Path, bytes: u64) {
        let text = path.to_string_lossy();
        let kind = kind_of(&text);
        *self.bytes.entry(kind.to_owned()).or_default() += bytes;
        if kind == "indexed_db"
            && let Some(store) = path.ancestors().find(|parent| is_database(parent))
        {
            let name = store.file_name().unwrap_or_default().to_string_lossy().into_owned();
            self.origins.insert(name.trim_end_matches(DATABASE).to_owned());
            self.databases.insert(store.to_owned());
        }
    }
}

const DATABASE: &str = ".indexeddb.leveldb";

fn is_database(path: &Path) -> bool {
    path.file_name().is_some_and(|name| name.to_string_lossy().ends_with(DATABASE))
}

fn kind_of(path: &str) -> &'static str {
    if let Some((_, kind)) = KINDS.iter().find(|(prefix, _)| path.starts_with(prefix)) {
        return kind;
    }
    let in_bucket =
        path.strip_prefix(BUCKETS).and_then(|rest| BUCKET_KINDS.iter().find(|(dir, _)| rest.contains(dir)));
    in_bucket.map_or(OTHER, |(_, kind)| kind)
}

/// Writes an origin as Chromium names its directory: `https_a.example_0`, where 0 is the scheme's own port.
fn directory_name(origin: &str) -> String {
    let Some((scheme, host)) = origin.split_once("://") else {
        return origin.to_owned();
    };
    match host.rsplit_once(':') {
        Some((name, port)) if !port.is_empty() && port.bytes().all(|byte| byte.is_ascii_digit()) => {
            format!("{scheme}_{name}_{port}")
        }
        _ => format!("{scheme}_{host}_0"),
    }
}

#[cfg(test)]
mod tests {
    use globset::{Glob, GlobSetBuilder};

    use super::*;

    #[test]
    fn files_are_counted_by_kind_and_what_is_excluded_is_not() {
        let dir = tempfile::tempdir().unwrap();
        for (path, bytes) in [
            ("user-data/Default/Cookies", 10),
            ("user-data/Default/Cookies-journal", 1),
            ("user-data/Default/IndexedDB/https_a.example_0.indexeddb.leveldb/000003.log", 5),
            ("user-data/Default/IndexedDB/https_a.example_0.indexeddb.blob/1/00/5", 7),
            ("user-data/Default/WebStorage/3/IndexedDB/indexeddb.leveldb/000003.log", 9),
            ("user-data/Default/Service Worker/CacheStorage/x/index", 2),
            ("user-data/Default/Service Worker/Database/LOCK", 3),
            ("user-data/Default/Cache/Cache_Data/index", 100),
            ("user-data/Default/Code Cache/js/index", 50),
            ("user-data/ShaderCache/data_1", 1000),
            ("portable.json", 4),
        ] {
            let path = dir.path().join(path);
            std::fs::create_dir_all(path.parent().unwrap()).unwrap();
            std::fs::write(path, vec![0; bytes]).unwrap();
        }
        let excluded =
            GlobSetBuilder::new().add(Glob::new("user-data/ShaderCache").unwrap()).build().unwrap();
        let mut inventory = Inventory::take(dir.path(), &excluded).unwrap();
        for (kind, bytes) in
            [("cookies", 11), ("indexed_db", 21), ("cache_storage", 2), ("service_workers", 3), ("other", 4)]
        {
            assert_eq!(inventory.bytes_of(kind), bytes, "{kind}");
        }
        assert_eq!(inventory.total_bytes(), 191);
        assert_eq!(inventory.caches(), ["http_cache", "code_cache"]);
        assert_eq!(inventory.captured(None).databases, 1);
        assert_eq!(inventory.captured(None).origins, 1);
        inventory.leave_out("http_cache");
        assert_eq!(inventory.total_bytes(), 91);
        assert!(inventory.sizes().starts_with("code_cache 50, indexed_db 21"), "{}", inventory.sizes());
    }

    #[test]
    fn an_origin_is_named_as_chromium_names_its_directory() {
        assert_eq!(directory_name("https://a.example"), "https_a.example_0");
        assert_eq!(directory_name("http://127.0.0.1:8080"), "http_127.0.0.1_8080");
    }
}
