//! The browsers of a data dir, as the kernel lists them. Nothing here asks the server: it may be the one that is wrong.

use std::fs;
use std::path::Path;

use rustix::process::Pid;

/// One process that runs; zombies do not.
#[derive(Clone, Debug)]
pub struct Process {
    /// Its id.
    pub pid: Pid,
    /// The id of the process that started it.
    pub parent: i32,
    /// The id of its group, which is that of the browser's main process.
    pub group: i32,
    /// Its command line, separated by spaces.
    pub command: String,
}

impl Process {
    fn read(pid: i32) -> Option<Self> {
        let stat = fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
        // The program's name, in parentheses, may hold anything.
        let (_, rest) = stat.rsplit_once(')')?;
        let mut fields = rest.split_ascii_whitespace();
        let state = fields.next()?;
        let parent = fields.next()?.parse().ok()?;
        let group = fields.next()?.parse().ok()?;
        let command = String::from_utf8_lossy(&fs::read(format!("/proc/{pid}/cmdline")).ok()?)
            .trim_end_matches('\0')
            .replace('\0', " ");
        (!matches!(state, "Z" | "X")).then_some(Self { pid: Pid::from_raw(pid)?, parent, group, command })
    }

    fn is_main(&self) -> bool {
        self.command.contains("--remote-debugging-pipe") && !self.command.contains("--type=")
    }
}

fn all() -> impl Iterator<Item = Process> {
    let entries = fs::read_dir("/proc").into_iter().flatten().flatten();
    entries.filter_map(|entry| Process::read(entry.file_name().to_str()?.parse().ok()?))
}

/// Lists the main processes of the browsers whose files are below `work`.
pub fn browsers(work: &Path) -> Vec<Process> {
    let work = format!("{}/", work.display());
    all().filter(|process| process.is_main() && process.command.contains(&work)).collect()
}

/// Lists the renderers of a browser.
pub fn renderers(browser: &Process) -> Vec<Process> {
    all()
        .filter(|process| process.group == browser.group && process.command.contains("--type=renderer"))
        .collect()
}

/// Lists what still runs of the given groups, or with files below `work`.
pub fn left(work: &Path, groups: &[i32]) -> Vec<Process> {
    let work = format!("{}/", work.display());
    all().filter(|process| groups.contains(&process.group) || process.command.contains(&work)).collect()
}

/// Lists what a process has started, and what those have, at every depth.
pub fn descendants(of: Pid) -> Vec<Process> {
    let mut others: Vec<_> = all().collect();
    let mut found = Vec::new();
    let mut parents = vec![of.as_raw_nonzero().get()];
    while !parents.is_empty() {
        let children: Vec<_> = others.extract_if(.., |process| parents.contains(&process.parent)).collect();
        parents = children.iter().map(|process| process.pid.as_raw_nonzero().get()).collect();
        found.extend(children);
    }
    found
}

/// Tells whether a server runs on the data dir.
pub fn is_served(data: &Path) -> bool {
    let named = format!("--data-dir {}", data.display());
    all().any(|process| process.command.contains(" serve ") && process.command.contains(&named))
}
