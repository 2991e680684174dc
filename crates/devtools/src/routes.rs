//! Who gets what: the multiplexer's tables, and nothing that waits.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use bytes::Bytes;
use serde_json::Value;
use tokio::sync::oneshot;

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

#[derive(Debug)]
struct Session {
    owner: Owner,
    parent: Option<String>,
}

#[derive(Debug)]
struct Entry {
    root: String,
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
    pub(crate) fn add_client(&mut self, root: &str, queue: Arc<Queue>) -> Option<ClientId> {
        let session = self.sessions.get_mut(root)?;
        self.next_client += 1;
        let id = ClientId(self.next_client);
        let sessions = HashSet::from([root.to_owned()]);
        session.owner = Owner::Client(id);
        self.clients.insert(id, Entry { root: root.to_owned(), queue, sessions });
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

    /// Notes a CDP session that was attached in `parent` (`None`: at the pipe's own root).
    pub(crate) fn attached(&mut self, session: &str, parent: Option<&str>) {
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
        self.sessions.entry(session.to_owned()).or_insert(Session { owner, parent });
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
        routes.attached("A", None);
        routes.attached("B", None);
        let one = routes.add_client("A", Arc::default()).unwrap();
        let other = routes.add_client("B", Arc::default()).unwrap();
        routes.attached("A1", Some("A"));
        routes.attached("A2", Some("A1"));
        routes.attached("stray", Some("unknown"));
        assert_eq!(routes.owner("A2"), Some(Owner::Client(one)));
        assert_eq!(routes.owner("B"), Some(Owner::Client(other)));
        assert_eq!(routes.owner("stray"), None);
        assert_eq!(routes.detached("A1").0, None);
        assert_eq!(routes.owner("A2"), None);
        assert_eq!(routes.detached("B").0, Some(other));
        assert_eq!(routes.add_client("B", Arc::default()), None);
        routes.attached("A3", Some("A"));
        assert_eq!(routes.remove_client(one).as_deref(), Some("A"));
        routes.remove_client(other);
        assert_eq!(routes.counts(), (0, 0, 0));
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
