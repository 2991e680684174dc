//! News of profiles: somebody who waits for a revision, or for the right to write, looks again when it is told.
//!
//! Only that something changed is told, never what: whoever listens reads the database, which alone knows. Changes by
//! another process (a command line beside the server) are not told, so whoever waits looks by himself now and then.

use std::time::Duration;

use roadstead_api::ProfileId;
use tokio::sync::broadcast;
use tokio::time::{Instant, timeout_at};

/// How many changes a listener may fall behind. One that falls further just looks.
const BACKLOG: usize = 256;
/// How often a listener looks although it was told nothing.
const LOOK_EVERY: Duration = Duration::from_secs(5);

/// Where changes are told; clones share it.
#[derive(Clone, Debug)]
pub struct News(broadcast::Sender<ProfileId>);

/// Somebody who is told of every change from its making on.
#[derive(Debug)]
pub struct Listener(broadcast::Receiver<ProfileId>);

impl Default for News {
    fn default() -> Self {
        Self(broadcast::Sender::new(BACKLOG))
    }
}

impl News {
    /// Tells that a profile has changed: its head, its status, or who writes to it.
    pub fn tell(&self, profile: ProfileId) {
        // Nobody listening is fine.
        let _listeners = self.0.send(profile);
    }

    /// Listens from now on. To be called before looking, so that nothing falls between.
    pub fn listen(&self) -> Listener {
        Listener(self.0.subscribe())
    }
}

impl Listener {
    /// Waits until there may be news of a profile (of any, when `None`), `deadline` at most; returns false when it has passed.
    pub async fn wait(&mut self, profile: Option<ProfileId>, deadline: Instant) -> bool {
        let look = (Instant::now() + LOOK_EVERY).min(deadline);
        loop {
            match timeout_at(look, self.0.recv()).await {
                Err(_) => return Instant::now() < deadline,
                Ok(Ok(told)) if profile.is_some_and(|profile| profile != told) => {}
                // Having missed some is news as well.
                Ok(Ok(_) | Err(_)) => return true,
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn a_listener_hears_of_its_own_profile_and_of_the_deadline() {
        let news = News::default();
        let (one, other) = (ProfileId::random(), ProfileId::random());
        let mut listener = news.listen();
        let began = Instant::now();
        news.tell(other);
        news.tell(one);
        assert!(listener.wait(Some(one), began + Duration::from_mins(1)).await);
        assert_eq!(Instant::now(), began);
        assert!(listener.wait(Some(one), began + Duration::from_mins(1)).await, "it looks by itself");
        assert_eq!(Instant::now(), began + LOOK_EVERY);
        news.tell(other);
        assert!(!listener.wait(Some(one), Instant::now() + Duration::from_secs(1)).await);
    }
}
