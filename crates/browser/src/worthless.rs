//! What in a user data dir is not worth keeping in a revision.

/// Paths relative to the user data dir, as globs: `*` is any run of characters without a slash, `**/` any depth.
const WORTHLESS: &[&str] = &[
    // Rebuilt from the GPU and its driver, which the next machine may not have.
    "**/GPUCache",
    "**/Dawn*Cache",
    "**/GPUPersistentCache",
    "ShaderCache",
    "GrShaderCache",
    "GraphiteDawnCache",
    // About the process that wrote it, not about the profile.
    "Crashpad",
    "BrowserMetrics*",
    "Singleton*",
    "DevToolsActivePort",
    "lockfile",
    // Downloaded models and components of Chromium's own.
    "**/segmentation_platform",
    "component_crx_cache",
    "extensions_crx_cache",
    // Half-written files, and LevelDB's logs for people. Its data is in `*.log`, `*.ldb` and `MANIFEST-*`.
    "**/*.tmp",
    "**/LOG",
    "**/LOG.old",
];

/// Returns globs, relative to the user data dir, of what a revision leaves out: caches that belong to a machine, and
/// traces of the process that wrote them. A browser that starts without them makes them anew.
pub fn worthless_paths() -> &'static [&'static str] {
    WORTHLESS
}
