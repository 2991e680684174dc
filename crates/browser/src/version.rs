//! Versions: the major one decides whether a browser may open another one's files.

use std::path::Path;
use std::process::Stdio;
use std::time::Duration;

use tokio::process::Command;
use tokio::time::timeout;

/// How long a browser may take to say its version. It takes 15 ms, and a second when the disk has yet to be read.
const PATIENCE: Duration = Duration::from_secs(10);

/// Reads the major version out of what a browser calls itself: `Chrome/156.0.8078.79`, `Chromium 156.0.8078.79 built on …`.
pub fn major_version(product: &str) -> Option<u32> {
    let version =
        product.split(['/', ' ']).find(|word| word.starts_with(|first: char| first.is_ascii_digit()))?;
    version.split('.').next()?.parse().ok()
}

/// Asks a binary for its major version, without starting a browser. `None` when it does not say.
pub async fn ask_version(executable: &Path) -> Option<u32> {
    let mut command = Command::new(executable);
    command.arg("--version").stdin(Stdio::null()).stderr(Stdio::null()).kill_on_drop(true);
    let output = timeout(PATIENCE, command.output()).await.ok()?.ok()?;
    major_version(&String::from_utf8_lossy(&output.stdout))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_major_version_is_read_from_whatever_names_it() {
        for (product, major) in [
            ("HeadlessChrome/156.0.8078.73", Some(156)),
            ("Chrome/9", Some(9)),
            ("Chromium 156.0.8078.79 built on Debian GNU/Linux 12 (bookworm)", Some(156)),
            ("Google Chrome for Testing 141.0.1", Some(141)),
            ("Something", None),
            ("", None),
        ] {
            assert_eq!(major_version(product), major, "{product}");
        }
    }
}
