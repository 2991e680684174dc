//! Reading what strace(1) wrote: which process did what to which file, in the order in which it took effect.
//!
//! Calls of threads overlap: strace cuts such a call in two lines. A write counts when it has ended, since it may be that
//! late; a flush covers what had been written when it began, and counts when it has ended.

use std::collections::HashMap;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result, ensure};

/// Something that was done to a file, or promised to a client.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Operation {
    /// A file was made.
    Created { path: PathBuf },
    /// A directory was made.
    DirectoryMade { path: PathBuf },
    /// A file's contents changed.
    Written { path: PathBuf },
    /// A file's contents, or a directory's names, were flushed.
    Flushed { path: PathBuf },
    /// A file got another name.
    Renamed { from: PathBuf, to: PathBuf },
    /// A file or directory was removed.
    Removed { path: PathBuf },
    /// An answer that says `durable` was sent.
    Receipt,
}

/// A call as strace shows it.
struct Call<'a> {
    name: &'a str,
    arguments: String,
    result: String,
    /// How many calls had ended when it began.
    began: usize,
}

/// Reads a whole log.
pub fn read(log: &str) -> Result<Vec<Operation>> {
    let mut open: HashMap<&str, (&str, String, usize)> = HashMap::new();
    let mut operations: Vec<Operation> = Vec::new();
    // Where each was done for the first time: one that is done again after a flush is not a new one for the next.
    let mut first: Vec<usize> = Vec::new();
    for line in log.lines() {
        let (process, rest) = line.split_once(' ').context("a line begins with a process")?;
        let rest = rest.trim_start();
        if let Some(begun) = rest.strip_suffix(" <unfinished ...>") {
            if let Some((name, arguments)) = begun.split_once('(') {
                open.insert(process, (name, arguments.to_owned(), operations.len()));
            }
            continue;
        }
        let call = if let Some(resumed) = rest.strip_prefix("<... ") {
            let Some((name, mut arguments, began)) = open.remove(process) else { continue };
            let (_, end) = resumed.split_once(" resumed>").context("a resumed call")?;
            arguments.push_str(end);
            split_result(name, &arguments, began)
        } else {
            let Some((name, arguments)) = rest.split_once('(') else { continue };
            split_result(name, arguments, operations.len())
        };
        let Some(call) = call else { continue };
        let Some(operation) = call.operation() else { continue };
        first.push(operations.len());
        operations.push(operation);
        let Some(Operation::Flushed { path }) = operations.last().cloned() else { continue };
        // A flush does not cover what other threads wrote to its file while it ran: that is done again after it.
        for at in call.began..operations.len() {
            if first[at] >= call.began
                && matches!(&operations[at], Operation::Written { path: of } if *of == path)
            {
                first.push(first[at]);
                operations.push(operations[at].clone());
            }
        }
    }
    ensure!(!operations.is_empty(), "the trace is empty: is strace allowed to trace here (ptrace)?");
    Ok(operations)
}

fn split_result<'a>(name: &'a str, text: &str, began: usize) -> Option<Call<'a>> {
    let (arguments, result) = text.rsplit_once(") = ").or_else(|| {
        let (arguments, result) = text.rsplit_once(" = ")?;
        Some((arguments.trim_end().strip_suffix(')')?, result))
    })?;
    Some(Call {
        name,
        arguments: arguments.trim_end_matches(' ').to_owned(),
        result: result.to_owned(),
        began,
    })
}

impl Call<'_> {
    fn operation(&self) -> Option<Operation> {
        if self.result.starts_with('-') || self.result.starts_with('?') {
            return None;
        }
        let path = || self.path_at(0);
        match self.name {
            "openat" | "creat" => self.opened(),
            "mkdir" | "mkdirat" => Some(Operation::DirectoryMade { path: path()? }),
            "write" | "writev" | "sendto" | "sendmsg" if self.is_receipt() => Some(Operation::Receipt),
            "write" | "writev" | "pwrite64" | "pwritev" | "pwritev2" | "ftruncate" | "fallocate" => {
                Some(Operation::Written { path: self.file()? })
            }
            "copy_file_range" => Some(Operation::Written { path: self.descriptors().nth(1)? }),
            "sendfile" => Some(Operation::Written { path: self.file()? }),
            "fsync" | "fdatasync" => Some(Operation::Flushed { path: self.file()? }),
            "rename" | "renameat" | "renameat2" => {
                Some(Operation::Renamed { from: path()?, to: self.path_at(1)? })
            }
            "link" | "linkat" => Some(Operation::Created { path: self.path_at(1)? }),
            "unlink" | "unlinkat" | "rmdir" => Some(Operation::Removed { path: path()? }),
            _ => None,
        }
    }

    /// An opening that makes a file, or empties one. Which of the two it does is not shown; both must be flushed.
    fn opened(&self) -> Option<Operation> {
        let path = between(&self.result, '<', '>').map(PathBuf::from).filter(|path| path.is_absolute())?;
        if self.arguments.contains("O_TMPFILE") {
            return None;
        }
        if self.arguments.contains("O_TRUNC") && !self.arguments.contains("O_CREAT") {
            return Some(Operation::Written { path });
        }
        self.arguments.contains("O_CREAT").then_some(Operation::Created { path })
    }

    fn is_receipt(&self) -> bool {
        let socket = self
            .arguments
            .split(',')
            .next()
            .is_some_and(|first| first.contains("TCP") || first.contains("socket"));
        socket && self.arguments.contains(r#"\"durable\":true"#)
    }

    /// The file behind the first descriptor.
    fn file(&self) -> Option<PathBuf> {
        self.descriptors().next()
    }

    fn descriptors(&self) -> impl Iterator<Item = PathBuf> {
        let numbered = self
            .arguments
            .split(", ")
            .filter(|argument| argument.starts_with(|first: char| first.is_ascii_digit()));
        numbered.filter_map(|argument| {
            let path = argument.split_once('<')?.1.rsplit_once('>')?.0;
            path.starts_with('/').then(|| PathBuf::from(path))
        })
    }

    /// The path at a place among the arguments that are paths, with the directory that it is relative to.
    fn path_at(&self, place: usize) -> Option<PathBuf> {
        let mut directory: Option<PathBuf> = None;
        let mut paths = Vec::new();
        for argument in self.arguments.split(", ") {
            if let Some(quoted) = argument.strip_prefix('"') {
                let name = Path::new(quoted.strip_suffix('"')?).to_owned();
                paths.push(if name.is_absolute() { name } else { directory.clone()?.join(name) });
            } else if let Some((_, named)) = argument.split_once('<') {
                directory = Some(PathBuf::from(named.strip_suffix('>')?));
            }
        }
        paths.into_iter().nth(place)
    }
}

fn between(text: &str, open: char, close: char) -> Option<&str> {
    Some(text.split_once(open)?.1.rsplit_once(close)?.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn calls_are_read_also_when_they_are_cut_in_two() {
        let log = r#"7 openat(AT_FDCWD</>, "/d/a#1", O_RDWR|O_CREAT|O_EXCL|O_CLOEXEC, 0666) = 9</d/a#1>
7 write(9</d/a#1>, "x"..., 1) = 1
7 fsync(9</d/a#1> <unfinished ...>
8 write(9</d/a#1>, "y"..., 1) = 1
7 <... fsync resumed>)            = 0
7 rename("/d/a#1", "/d/a") = 0
7 openat(AT_FDCWD</>, "/d/none", O_RDONLY) = -1 ENOENT (No such file or directory)
7 unlinkat(5</d/b>, "c", 0) = 0
8 writev(3<TCP:[127.0.0.1:1->127.0.0.1:2]>, [{iov_base="{\"durable\":true}", iov_len=16}], 1) = 16
7 +++ exited with 0 +++
"#;
        let path = |text: &str| PathBuf::from(text);
        let expected = [
            Operation::Created { path: path("/d/a#1") },
            Operation::Written { path: path("/d/a#1") },
            Operation::Written { path: path("/d/a#1") },
            Operation::Flushed { path: path("/d/a#1") },
            Operation::Written { path: path("/d/a#1") },
            Operation::Renamed { from: path("/d/a#1"), to: path("/d/a") },
            Operation::Removed { path: path("/d/b/c") },
            Operation::Receipt,
        ];
        assert_eq!(read(log).unwrap(), expected);
    }

    /// Flushes of two files that overlap say nothing about one another, and one that began after a write covers it, however
    /// long another has been running.
    #[test]
    fn flushes_that_overlap_are_told_apart() {
        let log = r#"7 fsync(9</d/a> <unfinished ...>
8 write(5</d/b>, "x"..., 1) = 1
8 write(6</d/a>, "y"..., 1) = 1
8 fsync(5</d/b> <unfinished ...>
9 fsync(6</d/a> <unfinished ...>
7 <... fsync resumed>)            = 0
8 <... fsync resumed>)            = 0
9 <... fsync resumed>)            = 0
"#;
        let file = |name: &str| PathBuf::from("/d").join(name);
        let expected = [
            Operation::Written { path: file("b") },
            Operation::Written { path: file("a") },
            Operation::Flushed { path: file("a") },
            // The first flush of a began before it was written.
            Operation::Written { path: file("a") },
            Operation::Flushed { path: file("b") },
            Operation::Flushed { path: file("a") },
        ];
        assert_eq!(read(log).unwrap(), expected);
    }
}
