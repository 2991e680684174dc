//! The multiplexer without its two tasks, for the fuzz target: what the browser says is handed in, what it is told is taken
//! out, and nothing waits.

use std::sync::Arc;

use bytes::BytesMut;
use tokio::sync::mpsc;

use super::{Mux, Outgoing};
use crate::client::{Client, ClientReceiver, ClientSender, Queue};

/// A multiplexer whose browser is the caller.
pub(crate) struct Bench {
    mux: Mux,
    outgoing: mpsc::UnboundedReceiver<Outgoing>,
}

impl Bench {
    pub(crate) fn new() -> Self {
        let (mux, outgoing) = Mux::unstarted();
        Self { mux, outgoing }
    }

    /// Attaches a client whose root is the CDP session `root`.
    pub(crate) fn attach(&self, root: &str) -> (ClientSender, ClientReceiver) {
        let queue = Arc::new(Queue::default());
        let mut routes = self.mux.routes();
        routes.attached(root, None, None);
        let id = routes.add_client(root, "".into(), Arc::clone(&queue)).expect("the root was just attached");
        drop(routes);
        self.mux.0.clients.send_modify(|count| *count += 1);
        Client::new(self.mux.clone(), id, queue).split()
    }

    /// Hands in what the browser says.
    pub(crate) fn deliver(&self, text: &[u8]) {
        self.mux.0.deliver(BytesMut::from(text));
    }

    /// Takes out the next message for the browser.
    pub(crate) fn taken(&mut self) -> Option<Vec<u8>> {
        self.outgoing.try_recv().ok().map(|outgoing| outgoing.message)
    }

    /// Returns the root that a CDP session descends from.
    pub(crate) fn root_of(&self, session: &str) -> Option<String> {
        self.mux.routes().root_of(session).map(str::to_owned)
    }
}
