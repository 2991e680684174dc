//! A session's way out to the network: the one listener that its browser knows, and what that goes over now.
//!
//! The browser is started with its listener's address and nothing else, so what is behind it can be chosen late, and changed
//! while the browser runs. What a browser asks for before there is a route waits at its listener, and only a way that was
//! found to work becomes one.

use std::net::{IpAddr, SocketAddr};
use std::sync::{Arc, Mutex, PoisonError};

use roadstead_egress::{Filter, Listener, Route, Traffic};

use super::record::SessionRecord;
use crate::error::Result;
use crate::exits::choice::Way;
use crate::exits::{Exits, Opened};

/// What the listener says once the session ends.
const OVER: &str = "The session is ending.";

/// One browser's way out. Dropping it closes the listener, and with it every connection.
#[derive(Debug)]
pub struct WayOut {
    listener: Listener,
    now: Mutex<Now>,
    /// Held by whoever changes the way, from the plan to the last step.
    changing: tokio::sync::Mutex<()>,
}

#[derive(Clone, Debug, Default)]
struct Now {
    way: Way,
    address: Option<IpAddr>,
}

impl WayOut {
    /// Opens a listener that leads nowhere yet, and holds what is asked for against a filter.
    pub(super) async fn open(exits: &Exits, filter: Option<Arc<dyn Filter>>) -> Result<Self> {
        let listener = exits.listen().await?;
        if let Some(filter) = filter {
            listener.set_filter(filter);
        }
        Ok(Self { listener, now: Mutex::default(), changing: tokio::sync::Mutex::new(()) })
    }

    /// Returns the address that the browser is told.
    pub(super) fn listener(&self) -> SocketAddr {
        self.listener.address()
    }

    /// Goes over another way from now on. Connections over the one before are cut.
    pub(super) fn switch(&self, way: Way, opened: Opened) {
        let mut now = self.now.lock().unwrap_or_else(PoisonError::into_inner);
        *now = Now { way, address: opened.address };
        self.listener.set_route(opened.route);
    }

    /// Waits for the right to change the way.
    pub(super) async fn begin_change(&self) -> tokio::sync::MutexGuard<'_, ()> {
        self.changing.lock().await
    }

    /// Lets nothing out any more.
    pub(super) fn close(&self) {
        self.listener.set_route(Route::Closed { why: OVER.to_owned() });
    }

    /// Returns what went over it so far.
    pub(super) fn traffic(&self) -> Traffic {
        self.listener.traffic()
    }

    /// Puts what is known here, and newer than the database, into a record.
    pub(super) fn describe(&self, record: &mut SessionRecord) {
        let now = self.now.lock().unwrap_or_else(PoisonError::into_inner).clone();
        let Traffic { sent, received, requests, domains, last_problem } = self.listener.traffic();
        (record.way, record.address) = (now.way, now.address);
        (record.proxy_bytes, record.requests) = (sent + received, requests);
        (record.domains, record.last_problem) = (domains, last_problem);
    }
}
