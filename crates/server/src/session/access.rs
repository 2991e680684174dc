//! Who is let into a running session without a project's key: whoever holds its first token, or one that was minted.
//!
//! A session starts with one token that opens everything, for `cdp_url`. The first token that is minted makes the session
//! *token-only*: the first one opens nothing any more, and each minted one opens what its [`Scope`] says until it is revoked,
//! expires, or the session ends. Of a minted token only the digest is kept. Connections that are open stay open.
//!
//! A download has a token of its own, which opens nothing else and is part of what clients are told of it. It is computed, so that there
//! may be any number; it lasts as long as the session, whatever is minted or revoked meanwhile.
//!
//! It all lives in memory, as long as the session's browser: there is nothing to open after a restart.

use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use jiff::Timestamp;
use ring::hmac;
use roadstead_api::DownloadId;
use subtle::ConstantTimeEq as _;
use tokio::time::Instant;
use uuid::Uuid;

use crate::clock;
use crate::error::{Error, Result};
use crate::keys::{self, KeyDigest};

/// How many tokens a session may have at once: more than anybody shares, and few enough to compare one by one.
const MAX_TOKENS: usize = 1_000;
/// A token has 256 random bits.
const TOKEN_BYTES: usize = 32;

/// What a token opens.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Scope {
    /// DevTools: full power over the browser.
    Cdp,
    /// To see it, and to use its mouse and keyboard.
    LiveView,
    /// To see it.
    LiveViewReadOnly,
}

impl Scope {
    /// All of them.
    pub const ALL: [Self; 3] = [Self::Cdp, Self::LiveView, Self::LiveViewReadOnly];

    /// Returns the wire's word.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Cdp => "cdp",
            Self::LiveView => "live_view",
            Self::LiveViewReadOnly => "live_view_read_only",
        }
    }

    /// Reads the wire's word.
    pub fn parse(word: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|scope| scope.as_str() == word)
    }

    /// Tells whether a token of this scope opens what needs `wanted`. DevTools can do more than a view, but is not one.
    const fn opens(self, wanted: Self) -> bool {
        match wanted {
            Self::Cdp => matches!(self, Self::Cdp),
            Self::LiveView => matches!(self, Self::LiveView),
            Self::LiveViewReadOnly => matches!(self, Self::LiveView | Self::LiveViewReadOnly),
        }
    }
}

/// A token as it may be shown.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TokenInfo {
    /// Its id, which is no secret.
    pub id: Uuid,
    /// What it opens.
    pub scope: Scope,
    /// When it expires; `None` when it lives as long as the session.
    pub expires_at: Option<Timestamp>,
}

/// A token that was just minted. It holds the secret, so it has no `Debug`.
pub struct NewToken {
    /// What may be shown of it.
    pub info: TokenInfo,
    /// The token.
    pub secret: String,
}

/// A token as it is kept.
struct Kept {
    info: TokenInfo,
    digest: KeyDigest,
    deadline: Option<Instant>,
}

impl Kept {
    fn lives(&self) -> bool {
        self.deadline.is_none_or(|deadline| Instant::now() < deadline)
    }
}

/// One session's tokens.
pub struct Access {
    tokens: Mutex<Tokens>,
    /// What the tokens of downloads are computed with.
    downloads: hmac::Key,
}

struct Tokens {
    /// The token that the session started with; `None` once it is token-only. It is kept as it is, since `cdp_url` is shown
    /// again and again.
    first: Option<String>,
    minted: Vec<Kept>,
}

impl Access {
    /// Makes the tokens of a new session: a first one, or none when it is token-only from the start.
    pub fn new(token_only: bool) -> Self {
        let first = (!token_only).then(keys::random_hex::<16>);
        let secret = keys::random_hex::<TOKEN_BYTES>();
        Self {
            tokens: Mutex::new(Tokens { first, minted: Vec::new() }),
            downloads: hmac::Key::new(hmac::HMAC_SHA256, secret.as_bytes()),
        }
    }

    /// Returns the first token while it opens anything.
    pub fn first(&self) -> Option<String> {
        self.tokens().first.clone()
    }

    /// Tells whether a token opens what needs `wanted`.
    pub fn opens(&self, token: &str, wanted: Scope) -> bool {
        let tokens = self.tokens();
        if let Some(first) = &tokens.first {
            return first.as_bytes().ct_eq(token.as_bytes()).into();
        }
        let digest = KeyDigest::of(token);
        let found = tokens.minted.iter().find(|kept| kept.digest.is(&digest));
        found.is_some_and(|kept| kept.lives() && kept.info.scope.opens(wanted))
    }

    /// Returns the token that opens one download.
    pub fn download_token(&self, id: DownloadId) -> String {
        keys::hex(hmac::sign(&self.downloads, id.to_string().as_bytes()).as_ref())
    }

    /// Tells whether a token opens a download: its own does, and so does every one that opens DevTools.
    pub fn opens_download(&self, token: &str, id: DownloadId) -> bool {
        let own: bool = self.download_token(id).as_bytes().ct_eq(token.as_bytes()).into();
        own || self.opens(token, Scope::Cdp)
    }

    /// Mints a token for each scope; from now on the session is token-only.
    pub fn mint(&self, scopes: &[Scope], lifetime: Option<Duration>) -> Result<Vec<NewToken>> {
        let mut tokens = self.tokens();
        tokens.minted.retain(Kept::lives);
        if tokens.minted.len() + scopes.len() > MAX_TOKENS {
            return Err(Error::Conflict(format!(
                "A session has at most {MAX_TOKENS} tokens; revoke some with DELETE /v1/sessions/{{id}}/tokens/{{token}}."
            )));
        }
        tokens.first = None;
        Ok(scopes.iter().map(|scope| tokens.add(*scope, lifetime)).collect())
    }

    /// Revokes a token, by itself or by its id; tells its id if there was one. Nobody is disconnected.
    pub fn revoke(&self, token_or_id: &str) -> Option<Uuid> {
        let mut tokens = self.tokens();
        tokens.minted.retain(Kept::lives);
        let digest = KeyDigest::of(token_or_id);
        let id = token_or_id.parse::<Uuid>().ok();
        let found = tokens.minted.iter().position(|kept| kept.digest.is(&digest) || Some(kept.info.id) == id);
        found.map(|index| tokens.minted.swap_remove(index).info.id)
    }

    /// Lists the minted tokens; `None` while the session is not token-only.
    pub fn list(&self) -> Option<Vec<TokenInfo>> {
        let tokens = self.tokens();
        if tokens.first.is_some() {
            return None;
        }
        Some(tokens.minted.iter().filter(|kept| kept.lives()).map(|kept| kept.info).collect())
    }

    /// Locks the tokens: plain data, which a panic elsewhere cannot leave half-changed.
    fn tokens(&self) -> MutexGuard<'_, Tokens> {
        self.tokens.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Tokens {
    fn add(&mut self, scope: Scope, lifetime: Option<Duration>) -> NewToken {
        let secret = keys::random_hex::<TOKEN_BYTES>();
        let expires_at = lifetime.and_then(|lifetime| clock::now().checked_add(lifetime).ok());
        let info = TokenInfo { id: Uuid::new_v4(), scope, expires_at };
        let deadline = lifetime.map(|lifetime| Instant::now() + lifetime);
        self.minted.push(Kept { info, digest: KeyDigest::of(&secret), deadline });
        NewToken { info, secret }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn mint(access: &Access, scope: Scope, lifetime: Option<Duration>) -> NewToken {
        access.mint(&[scope], lifetime).unwrap().remove(0)
    }

    #[test]
    fn a_token_opens_what_its_scope_says_and_a_view_never_devtools() {
        use Scope::{Cdp, LiveView, LiveViewReadOnly};
        let access = Access::new(true);
        for (scope, opened) in [
            (Cdp, &[Cdp] as &[Scope]),
            (LiveView, &[LiveView, LiveViewReadOnly]),
            (LiveViewReadOnly, &[LiveViewReadOnly]),
        ] {
            let token = mint(&access, scope, None).secret;
            for wanted in Scope::ALL {
                assert_eq!(access.opens(&token, wanted), opened.contains(&wanted), "{scope:?} {wanted:?}");
            }
            assert_eq!(Scope::parse(scope.as_str()), Some(scope));
        }
        assert!(!access.opens("", Cdp) && Scope::parse("all").is_none());
    }

    #[test]
    fn the_first_minted_token_shuts_the_sessions_own_out() {
        let access = Access::new(false);
        let first = access.first().unwrap();
        assert!(access.opens(&first, Scope::Cdp) && !access.opens("wrong", Scope::Cdp));
        assert_eq!(access.list(), None);
        let minted = mint(&access, Scope::Cdp, None);
        assert!(!access.opens(&first, Scope::Cdp) && access.opens(&minted.secret, Scope::Cdp));
        assert_eq!((access.first(), access.list()), (None, Some(vec![minted.info])));
        assert!(minted.secret.len() * 4 >= 256);
    }

    #[test]
    fn a_token_is_revoked_by_itself_or_by_its_id_and_once() {
        let access = Access::new(true);
        let (one, two) = (mint(&access, Scope::Cdp, None), mint(&access, Scope::Cdp, None));
        assert_eq!(access.revoke(&one.secret), Some(one.info.id));
        assert_eq!(access.revoke(&two.info.id.to_string()), Some(two.info.id));
        for token in [&one, &two] {
            assert!(!access.opens(&token.secret, Scope::Cdp) && access.revoke(&token.secret).is_none());
        }
        // Nothing left is not the same as nothing yet: the session stays token-only.
        assert_eq!((access.first(), access.list()), (None, Some(Vec::new())));
    }

    #[tokio::test(start_paused = true)]
    async fn a_token_ends_with_its_time() {
        let access = Access::new(true);
        let token = mint(&access, Scope::Cdp, Some(Duration::from_secs(5)));
        assert!(token.info.expires_at.is_some() && access.opens(&token.secret, Scope::Cdp));
        tokio::time::advance(Duration::from_secs(5)).await;
        assert!(!access.opens(&token.secret, Scope::Cdp) && access.revoke(&token.secret).is_none());
        assert_eq!(access.list(), Some(Vec::new()));
    }

    #[test]
    fn a_downloads_token_opens_that_download_and_nothing_else() {
        let (access, other) = (Access::new(false), Access::new(false));
        let (one, two) = (DownloadId::random(), DownloadId::random());
        let token = access.download_token(one);
        assert!(access.opens_download(&token, one) && !access.opens_download(&token, two));
        assert!(!other.opens_download(&token, one) && !access.opens(&token, Scope::Cdp));
        let minted = mint(&access, Scope::Cdp, None).secret;
        let view = mint(&access, Scope::LiveView, None).secret;
        assert!(access.opens_download(&minted, two) && !access.opens_download(&view, two));
        assert!(access.opens_download(&token, one) && !access.opens_download("", one));
    }

    #[test]
    fn tokens_are_bounded() {
        let access = Access::new(true);
        let many = vec![Scope::Cdp; MAX_TOKENS];
        access.mint(&many, None).unwrap();
        assert!(matches!(access.mint(&[Scope::Cdp], None), Err(Error::Conflict(_))));
    }
}
