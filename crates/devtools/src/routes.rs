//! Who gets what: the multiplexer's tables, and nothing that waits.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use bytes::Bytes;
use serde_json::Value;
use tokio::sync::oneshot;
use tokio::time::Instant;

use crate::client::{ClientId, Queue};
use crate::mux::CallError;

/// Who asked for something, and waits for the reply.
#[derive(Debug)]
pub(crate) enum Asker {
    /// The server itself.
    Ourselves(oneshot::Sender<Result<Value, CallError>>),
    /// A client, which called its request `id`.
    Client { client: ClientId, id: Bytes, session: String },
    /// Nobody needs the reply.
    Nobody,
    /// Once it is here, no reply will come any more to what was asked in these CDP sessions.
    Fence(HashSet<String>),
}

/// Whose a CDP session is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Owner {
    Ourselves,
    Client(ClientId),
}

/// What a CDP session is attached to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Target {
    /// The browser.
    Browser,
    /// A page, by its target id.
    Page(String),
}

#[derive(Debug)]
struct Session {
    owner: Owner,
    parent: Option<String>,
    /// `None` for whatever else there is: workers, frames, tabs.
    target: Option<Target>,
    /// When its client last said the word that is listened for.
    said: Option<Instant>,
}

/// Where a client hears an event of the server's own.
#[derive(Debug)]
pub(crate) struct Ear {
    pub(crate) client: ClientId,
    pub(crate) queue: Arc<Queue>,
    pub(crate) label: Arc<str>,
    /// The CDP session; `None` for the client's root.
    pub(crate) session: Option<String>,
}

#[derive(Debug)]
struct Entry {
    root: String,
    /// What it was attached as.
    label: Arc<str>,
    queue: Arc<Queue>,
    sessions: HashSet<String>,
}

/// The tables. Each method leaves them consistent.
#[derive(Debug, Default)]
pub(crate) struct Routes {
    next_id: i32,
    next_client: u64,
    askers: HashMap<i32, Asker>,
    sessions: HashMap<String, Session>,
    clients: HashMap<ClientId, Entry>,
}

impl Routes {
    /// Notes who waits for a reply, under an id that no other request in flight has. Chromium's ids are positive
    /// 32-bit integers.
    pub(crate) fn expect(&mut self, asker: Asker) -> i32 {
        loop {
            self.next_id = self.next_id.checked_add(1).unwrap_or(1);
            if !self.askers.contains_key(&self.next_id) {
                self.askers.insert(self.next_id, asker);
                return self.next_id;
            }
        }
    }

    /// Returns who waits for a reply; nobody does after this.
    pub(crate) fn take_asker(&mut self, id: i32) -> Option<Asker> {
        self.askers.remove(&id)
    }

    /// Makes a client whose root is a CDP session that was ours until now. `None` if there is none: its event comes
    /// before the reply that names it, so it has ended since.
    pub(crate) fn add_client(&mut self, root: &str, label: Arc<str>, queue: Arc<Queue>) -> Option<ClientId> {
        let session = self.sessions.get_mut(root)?;
        self.next_client += 1;
        let id = ClientId(self.next_client);
        let sessions = HashSet::from([root.to_owned()]);
        session.owner = Owner::Client(id);
        self.clients.insert(id, Entry { root: root.to_owned(), label, queue, sessions });
        Some(id)
    }

    /// Forgets a client with its sessions and requests. Returns its root, if the client was known.
    pub(crate) fn remove_client(&mut self, id: ClientId) -> Option<String> {
        let entry = self.clients.remove(&id)?;
        for session in &entry.sessions {
            self.sessions.remove(session);
        }
        self.askers.retain(|_, asker| !matches!(asker, Asker::Client { client, .. } if *client == id));
        Some(entry.root)
    }

    /// Notes a CDP session with `target` that was attached in `parent` (`None`: at the pipe's own root).
    pub(crate) fn attached(&mut self, session: &str, parent: Option<&str>, target: Option<Target>) {
        let owner = match parent {
            None => Owner::Ourselves,
            Some(parent) => match self.sessions.get(parent) {
                Some(found) => found.owner,
                None => return,
            },
        };
        if let Owner::Client(client) = owner
            && let Some(entry) = self.clients.get_mut(&client)
        {
            entry.sessions.insert(session.to_owned());
        }
        let parent = parent.map(str::to_owned);
        // A root that its client has taken over already keeps its owner.
        let new = Session { owner, parent, target, said: None };
        self.sessions.entry(session.to_owned()).or_insert(new);
    }

    /// Forgets a CDP session and what descends from it. Returns the client whose root it was, and all that is forgotten.
    pub(crate) fn detached(&mut self, session: &str) -> (Option<ClientId>, HashSet<String>) {
        let mut gone = HashSet::new();
        let mut ended = None;
        let mut next = vec![session.to_owned()];
        while let Some(session) = next.pop() {
            let Some(found) = self.sessions.remove(&session) else {
                continue;
            };
            let below = self.sessions.iter().filter(|(_, other)| other.parent.as_ref() == Some(&session));
            next.extend(below.map(|(id, _)| id.clone()));
            if let Owner::Client(client) = found.owner
                && let Some(entry) = self.clients.get_mut(&client)
            {
                entry.sessions.remove(&session);
                if entry.root == session {
                    ended = Some(client);
                }
            }
            gone.insert(session);
        }
        (ended, gone)
    }

    /// Says whether anything that was asked in these CDP sessions has no reply yet.
    pub(crate) fn have_requests(&self, sessions: &HashSet<String>) -> bool {
        self.askers.values().any(|asker| asked_in(asker, sessions))
    }

    /// Forgets what was asked in these CDP sessions.
    pub(crate) fn forget_requests(&mut self, sessions: &HashSet<String>) {
        self.askers.retain(|_, asker| !asked_in(asker, sessions));
    }

    /// Returns whose a CDP session is.
    pub(crate) fn owner(&self, session: &str) -> Option<Owner> {
        self.sessions.get(session).map(|session| session.owner)
    }

    /// Notes that the word that is listened for was said in a CDP session.
    pub(crate) fn note_said(&mut self, session: &str, at: Instant) {
        if let Some(session) = self.sessions.get_mut(session) {
            session.said = Some(at);
        }
    }

    /// Returns when a client last said the word that is listened for to a page.
    pub(crate) fn last_said(&self, page: &str) -> Option<Instant> {
        let with = |session: &&Session| matches!(&session.target, Some(Target::Page(id)) if id == page);
        self.sessions.values().filter(with).filter_map(|session| session.said).max()
    }

    /// Returns where clients hear of what concerns some pages (`None`: any): in their CDP sessions with the browser, and with those pages.
    pub(crate) fn ears(&self, pages: Option<&[String]>) -> Vec<Ear> {
        let hears = |session: &Session| match &session.target {
            Some(Target::Browser) => true,
            Some(Target::Page(id)) => pages.is_none_or(|pages| pages.contains(id)),
            None => false,
        };
        let mut ears = Vec::new();
        for (client, entry) in &self.clients {
            let hearing = entry.sessions.iter().filter(|id| self.sessions.get(*id).is_some_and(hears));
            ears.extend(hearing.map(|id| Ear {
                client: *client,
                queue: Arc::clone(&entry.queue),
                label: Arc::clone(&entry.label),
                session: (*id != entry.root).then(|| id.clone()),
            }));
        }
        ears
    }

    /// Returns the topmost CDP session that one descends from, step by step.
    #[cfg(any(test, feature = "fuzzing"))]
    pub(crate) fn root_of(&self, session: &str) -> Option<&str> {
        let (mut id, mut found) = self.sessions.get_key_value(session)?;
        while let Some(parent) = &found.parent {
            (id, found) = self.sessions.get_key_value(parent)?;
        }
        Some(id)
    }

    /// Returns a client's root and queue.
    pub(crate) fn client(&self, id: ClientId) -> Option<(&str, &Arc<Queue>)> {
        self.clients.get(&id).map(|entry| (entry.root.as_str(), &entry.queue))
    }

    /// Returns every client's queue.
    pub(crate) fn queues(&self) -> impl Iterator<Item = &Arc<Queue>> {
        self.clients.values().map(|entry| &entry.queue)
    }

    /// Forgets every request in flight: there will be no replies.
    pub(crate) fn clear_askers(&mut self) {
        self.askers.clear();
    }

    /// Counts clients, CDP sessions, and requests in flight.
    pub(crate) fn counts(&self) -> (usize, usize, usize) {
        (self.clients.len(), self.sessions.len(), self.askers.len())
    }
}

fn asked_in(asker: &Asker, sessions: &HashSet<String>) -> bool {
    matches!(asker, Asker::Client { session, .. } if sessions.contains(session))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_client_owns_what_descends_from_its_root_and_nothing_else() {
        let mut routes = Routes::default();
        routes.attached("A", None, None);
        routes.attached("B", None, None);
        let one = routes.add_client("A", "".into(), Arc::default()).unwrap();
        let other = routes.add_client("B", "".into(), Arc::default()).unwrap();
        routes.attached("A1", Some("A"), None);
        routes.attached("A2", Some("A1"), None);
        routes.attached("stray", Some("unknown"), None);
        assert_eq!(routes.owner("A2"), Some(Owner::Client(one)));
        assert_eq!(routes.owner("B"), Some(Owner::Client(other)));
        assert_eq!(routes.owner("stray"), None);
        assert_eq!(routes.detached("A1").0, None);
        assert_eq!(routes.owner("A2"), None);
        assert_eq!(routes.detached("B").0, Some(other));
        assert_eq!(routes.add_client("B", "".into(), Arc::default()), None);
        routes.attached("A3", Some("A"), None);
        assert_eq!(routes.remove_client(one).as_deref(), Some("A"));
        routes.remove_client(other);
        assert_eq!(routes.counts(), (0, 0, 0));
    }

    #[test]
    fn what_concerns_a_page_is_heard_with_the_browser_and_with_that_page() {
        let page = |id: &str| Some(Target::Page(id.to_owned()));
        let mut routes = Routes::default();
        routes.attached("OURS", None, page("one"));
        routes.attached("A", None, Some(Target::Browser));
        routes.attached("B", None, page("two"));
        routes.add_client("A", "a".into(), Arc::default()).unwrap();
        routes.add_client("B", "b".into(), Arc::default()).unwrap();
        routes.attached("A1", Some("A"), page("one"));
        routes.attached("A2", Some("A"), page("two"));
        routes.attached("A3", Some("A"), None);
        let heard = |pages: Option<&[&str]>| {
            let pages = pages.map(|pages| pages.iter().map(|id| (*id).to_owned()).collect::<Vec<_>>());
            let ears = routes.ears(pages.as_deref());
            let mut heard: Vec<_> = ears
                .into_iter()
                .map(|ear| format!("{} {}", ear.label, ear.session.unwrap_or_default()))
                .collect();
            heard.sort();
            heard
        };
        assert_eq!(heard(Some(&["one"])), ["a ", "a A1"]);
        assert_eq!(heard(Some(&["two"])), ["a ", "a A2", "b "]);
        assert_eq!(heard(Some(&[])), ["a "]);
        assert_eq!(heard(None), ["a ", "a A1", "a A2", "b "]);
    }

    #[test]
    fn a_word_is_remembered_for_the_page_that_it_was_said_to() {
        let mut routes = Routes::default();
        routes.attached("A", None, Some(Target::Browser));
        routes.attached("A1", Some("A"), Some(Target::Page("one".to_owned())));
        let now = Instant::now();
        for session in ["A", "A1", "unknown"] {
            routes.note_said(session, now);
        }
        assert_eq!((routes.last_said("one"), routes.last_said("two")), (Some(now), None));
        routes.detached("A1");
        assert_eq!(routes.last_said("one"), None);
    }

    #[test]
    fn ids_wrap_and_pass_over_those_in_flight() {
        let mut routes = Routes { next_id: i32::MAX - 1, ..Routes::default() };
        let asker = || Asker::Client { client: ClientId(1), id: Bytes::new(), session: String::new() };
        assert_eq!([0; 3].map(|_: i32| routes.expect(asker())), [i32::MAX, 1, 2]);
        routes.next_id = i32::MAX;
        assert_eq!(routes.expect(asker()), 3);
    }
}
