//! What in a user data dir is a cache: worth having, and nothing is lost without it.

/// One cache of a browser.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Cache {
    /// What it holds: `http_cache` or `code_cache`.
    pub kind: &'static str,
    /// Its directory, relative to the user data dir.
    pub path: &'static str,
}

/// The caches that a site's state does not depend on. `Service Worker/CacheStorage` is none of them, whatever its name: a
/// page put there what it needs offline.
pub const CACHES: &[Cache] = &[
    Cache { kind: "http_cache", path: "Default/Cache" },
    Cache { kind: "code_cache", path: "Default/Code Cache" },
];
