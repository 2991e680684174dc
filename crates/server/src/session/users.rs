//! A user of the operating system for each session, where the server is root: so that file permissions, `/proc` and signals
//! keep sessions apart too.
//!
//! The numbers come from `chromium.session_users`. They need no entry in any user database. One that a session has, or that
//! a process or a work dir of an earlier one still has, is given to nobody else.

use std::collections::HashSet;
use std::fs;
use std::os::unix::fs::MetadataExt as _;
use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};

use roadstead_browser::UserId;
use tracing::warn;

use crate::config::{ChromiumConfig, UserRange};

/// Debian's `nobody`.
const NOBODY: u32 = 65534;

/// The users that browsers run as; clones share them.
#[derive(Clone, Debug)]
pub enum Users {
    /// The server's own, who is not root.
    Ours,
    /// One for all browsers.
    Shared(UserId),
    /// One for each session.
    Own(Arc<Pool>),
}

/// The numbers, and who has which.
#[derive(Debug)]
pub struct Pool {
    range: UserRange,
    taken: Mutex<Taken>,
}

#[derive(Debug)]
struct Taken {
    numbers: HashSet<u32>,
    /// Where to look first. It goes round, so that a number rests for as long as possible.
    next: u32,
}

/// A session's user. One of its own is free again when this is dropped.
#[derive(Debug)]
pub struct SessionUser {
    id: Option<UserId>,
    pool: Option<Arc<Pool>>,
}

impl Users {
    /// Plans which users there are to be, as the configuration says and this process may.
    pub fn plan(config: &ChromiumConfig) -> Self {
        if !rustix::process::geteuid().is_root() {
            return Self::Ours;
        }
        if let Some(uid) = config.run_as_uid {
            return Self::Shared(UserId { uid, gid: config.run_as_gid.unwrap_or(uid) });
        }
        let range = config.session_users;
        if !(is_mapped("/proc/self/uid_map", range) && is_mapped("/proc/self/gid_map", range)) {
            warn!(
                "this container has no users {}-{}: all browsers share the user {NOBODY}; see chromium.session_users",
                range.numbers().start(),
                range.numbers().end()
            );
            return Self::Shared(UserId { uid: NOBODY, gid: NOBODY });
        }
        Self::Own(Arc::new(Pool::new(range)))
    }

    /// Returns somebody that browsers run as, where that is not the server's own user.
    pub fn stranger(&self) -> Option<UserId> {
        match self {
            Self::Ours => None,
            Self::Shared(user) => Some(*user),
            Self::Own(pool) => Some(user(*pool.range.numbers().start())),
        }
    }

    /// Takes a user for a session whose work dir is going to be in `work_root`. `None` when all are taken.
    pub fn take(&self, work_root: &Path) -> Option<SessionUser> {
        match self {
            Self::Ours => Some(SessionUser { id: None, pool: None }),
            Self::Shared(id) => Some(SessionUser { id: Some(*id), pool: None }),
            Self::Own(pool) => {
                let number = pool.take(&in_use(work_root))?;
                Some(SessionUser { id: Some(user(number)), pool: Some(Arc::clone(pool)) })
            }
        }
    }
}

impl SessionUser {
    /// Returns the user, if it is not the server's own.
    pub fn id(&self) -> Option<UserId> {
        self.id
    }
}

impl Drop for SessionUser {
    fn drop(&mut self) {
        if let (Some(id), Some(pool)) = (self.id, &self.pool) {
            pool.taken().numbers.remove(&id.uid);
        }
    }
}

impl Pool {
    fn new(range: UserRange) -> Self {
        let numbers = range.numbers();
        // Two servers on one machine should not walk side by side.
        let places = u64::from(numbers.end() - numbers.start()) + 1;
        let offset = getrandom::u64().unwrap_or_default() % places;
        let next = numbers.start() + u32::try_from(offset).unwrap_or_default();
        Self { range, taken: Mutex::new(Taken { numbers: HashSet::new(), next }) }
    }

    fn take(&self, in_use: &HashSet<u32>) -> Option<u32> {
        let mut taken = self.taken();
        let numbers = self.range.numbers();
        let free = |number: &u32| !taken.numbers.contains(number) && !in_use.contains(number);
        let found = (taken.next..=*numbers.end()).chain(*numbers.start()..taken.next).find(free)?;
        taken.numbers.insert(found);
        taken.next = if found == *numbers.end() { *numbers.start() } else { found + 1 };
        Some(found)
    }

    fn taken(&self) -> std::sync::MutexGuard<'_, Taken> {
        self.taken.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

const fn user(number: u32) -> UserId {
    UserId { uid: number, gid: number }
}

/// Returns the users that processes run as, and that own sessions' files.
fn in_use(work_root: &Path) -> HashSet<u32> {
    let entries = |path: &Path| fs::read_dir(path).into_iter().flatten().flatten();
    let owner = |path: &Path| fs::symlink_metadata(path).ok().map(|found| found.uid());
    let processes = entries(Path::new("/proc")).filter_map(|entry| owner(&entry.path()));
    // The session's own directory is the server's; its group is the session's.
    let files = entries(work_root).filter_map(|entry| Some(fs::symlink_metadata(entry.path()).ok()?.gid()));
    processes.chain(files).collect()
}

/// Tells whether a user namespace has all of these users, by its map (user_namespaces(7)): lines of first inside, first
/// outside, count.
fn is_mapped(map: &str, range: UserRange) -> bool {
    let map = fs::read_to_string(map).unwrap_or_default();
    let numbers = range.numbers();
    map.lines().any(|line| {
        let mut fields = line.split_whitespace().map(str::parse::<u64>);
        let (Some(Ok(first)), Some(Ok(_)), Some(Ok(count))) = (fields.next(), fields.next(), fields.next())
        else {
            return false;
        };
        first <= u64::from(*numbers.start()) && u64::from(*numbers.end()) < first + count
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn range(text: &str) -> UserRange {
        text.to_owned().try_into().unwrap()
    }

    #[test]
    fn a_number_is_given_to_one_session_at_a_time() {
        let users = Users::Own(Arc::new(Pool::new(range("1900000000-1900000002"))));
        let nothing = tempfile::tempdir().unwrap();
        let take = || users.take(nothing.path());
        let all = [take().unwrap(), take().unwrap(), take().unwrap()];
        let numbers: HashSet<_> = all.iter().map(|user| user.id().unwrap().uid).collect();
        assert_eq!(numbers, (1_900_000_000..=1_900_000_002).collect());
        assert!(take().is_none());
        let [first, ..] = all;
        let freed = first.id();
        drop(first);
        assert_eq!(take().unwrap().id(), freed);
    }

    #[test]
    fn numbers_go_round() {
        let pool = Pool::new(range("10-13"));
        let nobody = HashSet::new();
        let mut seen: Vec<_> = (0..4)
            .map(|_| {
                let number = pool.take(&nobody).unwrap();
                pool.taken().numbers.remove(&number);
                number
            })
            .collect();
        seen.sort_unstable();
        assert_eq!(seen, [10, 11, 12, 13]);
    }

    #[test]
    fn a_number_that_processes_or_files_have_is_passed_over() {
        let dir = tempfile::tempdir().unwrap();
        fs::create_dir(dir.path().join("session")).unwrap();
        let in_use = in_use(dir.path());
        assert!(in_use.contains(&rustix::process::getuid().as_raw()));
        assert!(in_use.contains(&fs::metadata(dir.path()).unwrap().gid()));
        let pool = Pool::new(range("10-11"));
        assert_eq!(pool.take(&HashSet::from([10])), Some(11));
        assert_eq!(pool.take(&HashSet::from([10])), None);
    }

    #[test]
    fn a_containers_map_is_read() {
        let dir = tempfile::tempdir().unwrap();
        let map = dir.path().join("map");
        let mapped = |text: &str| {
            fs::write(&map, text).unwrap();
            is_mapped(map.to_str().unwrap(), range("1000-1999"))
        };
        assert!(mapped("         0          0 4294967295\n"));
        assert!(mapped("0 100000 1000\n1000 200000 1000\n"));
        assert!(!mapped("0 100000 1999\n"));
        assert!(!mapped(""));
    }
}
