//! When it goes wrong.

use std::fmt;

/// Where a session is in its life when the fault strikes. Within it, chance chooses.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Moment {
    /// From the request to create the session until a little after its browser answers.
    BeforeLogin,
    /// Within 100 ms after the site answered the login.
    JustAfterLogin,
    /// From the request to end the session until about when it is answered.
    WhileSaving,
    /// The same, while another process removes old revisions of every profile.
    WhilePruning,
}

impl Moment {
    /// Every moment.
    pub const ALL: [Self; 4] =
        [Self::BeforeLogin, Self::JustAfterLogin, Self::WhileSaving, Self::WhilePruning];

    /// Tells whether the session is logged in for good and being ended when the fault strikes.
    pub const fn is_late(self) -> bool {
        matches!(self, Self::WhileSaving | Self::WhilePruning)
    }
}

impl fmt::Display for Moment {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::BeforeLogin => "before login",
            Self::JustAfterLogin => "just after login",
            Self::WhileSaving => "while saving",
            Self::WhilePruning => "while pruning",
        })
    }
}
