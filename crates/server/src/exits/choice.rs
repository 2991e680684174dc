//! Which way out a session may have: what it wishes for, what the configuration offers, what it got. Pure.

use std::sync::Arc;

use roadstead_egress::{ExitName, UpstreamProxy};

use crate::config::{EgressConfig, ExitConfig};
use crate::error::{Error, Result};

/// What a session wishes for.
#[derive(Clone, Debug, Default)]
pub enum Wish {
    /// The profile's own exit; without one the server's default exit; without that the direct way.
    #[default]
    Usual,
    /// No exit, whatever the profile has.
    Direct,
    /// A proxy of the caller's own.
    Custom(Arc<UpstreamProxy>),
    /// Any exit that appears at a place.
    At(Place),
    /// An exit by its name.
    Named(String),
}

impl Wish {
    /// Returns the caller's own proxy.
    pub fn custom(&self) -> Option<&Arc<UpstreamProxy>> {
        match self {
            Self::Custom(proxy) => Some(proxy),
            Self::Usual | Self::Direct | Self::At(_) | Self::Named(_) => None,
        }
    }
}

/// Where an exit appears; what is `None` may be anything.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Place {
    /// The country, two letters.
    pub country_code: Option<String>,
    /// The region.
    pub region: Option<String>,
    /// The city.
    pub city: Option<String>,
}

impl Place {
    /// Tells whether an exit at `other` is at this place, whatever the case of the words.
    fn has(&self, other: &Self) -> bool {
        let agree = |wanted: &Option<String>, found: &Option<String>| match (wanted, found) {
            (None, _) => true,
            (Some(wanted), Some(found)) => wanted.eq_ignore_ascii_case(found),
            (Some(_), None) => false,
        };
        agree(&self.country_code, &other.country_code)
            && agree(&self.region, &other.region)
            && agree(&self.city, &other.city)
    }
}

/// What the database may give a session.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Choice {
    /// The profile's own exit, or else this one, or else the direct way.
    Usual(Option<ExitName>),
    /// The direct way.
    Direct,
    /// The caller's own proxy.
    Custom,
    /// Whichever of these is not reserved for another profile.
    Among(Vec<ExitName>, ChosenBy),
}

/// What a session got.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Way {
    /// The direct way.
    #[default]
    Direct,
    /// The caller's own proxy.
    Custom,
    /// An exit of the configuration.
    Exit {
        /// Its name.
        name: ExitName,
        /// Why this one.
        by: ChosenBy,
    },
}

/// Why a session goes over an exit.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ChosenBy {
    /// It is reserved for the session's profile.
    Profile,
    /// It appears where the session wants to.
    Place,
    /// The session names it.
    Name,
    /// The session has no wish, and the server this default.
    Default,
}

impl Way {
    /// The wire's word for how it was chosen; `None` for the direct way.
    pub const fn proxy_type(&self) -> Option<&'static str> {
        match self {
            Self::Direct => None,
            Self::Custom => Some("custom"),
            Self::Exit { by: ChosenBy::Profile, .. } => Some("dedicated_sticky_ip"),
            Self::Exit { by: ChosenBy::Place, .. } => Some("anchor_proxy"),
            Self::Exit { by: ChosenBy::Name, .. } => Some("exit"),
            Self::Exit { by: ChosenBy::Default, .. } => Some("default_exit"),
        }
    }

    /// Reads what [`Self::proxy_type`] and [`Self::exit`] say.
    pub fn parse(proxy_type: &str, exit: Option<ExitName>) -> Option<Self> {
        let by = match proxy_type {
            "custom" => return Some(Self::Custom),
            "dedicated_sticky_ip" => ChosenBy::Profile,
            "anchor_proxy" => ChosenBy::Place,
            "exit" => ChosenBy::Name,
            "default_exit" => ChosenBy::Default,
            _ => return None,
        };
        exit.map(|name| Self::Exit { name, by })
    }

    /// The exit's name.
    pub const fn exit(&self) -> Option<&ExitName> {
        match self {
            Self::Exit { name, .. } => Some(name),
            Self::Direct | Self::Custom => None,
        }
    }
}

/// Which exits a profile may reserve.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Reserve {
    /// The first of these that is free.
    AnyOf(Vec<ExitName>),
    /// This one and no other.
    This(ExitName),
}

const NO_EXITS: &str =
    "this server has no exits; its operator adds them as [[egress.exits]] in roadstead.toml.";

/// Finds what fits a wish. A place or a name that no exit has is [`Error::InvalidRequest`]; without any exit,
/// [`Error::NotImplemented`].
pub fn choose(wish: &Wish, config: &EgressConfig) -> Result<Choice> {
    Ok(match wish {
        Wish::Usual => Choice::Usual(config.default_exit.clone()),
        Wish::Direct => Choice::Direct,
        Wish::Custom(_) => Choice::Custom,
        Wish::At(place) => {
            require_any("session.proxy", config)?;
            let found: Vec<_> =
                config.exits.iter().filter(|exit| place.has(&exit.place)).map(name_of).collect();
            if found.is_empty() {
                let why =
                    "no exit of this server has that country_code, region and city; GET /v1/exits lists them";
                return Err(Error::invalid("session.proxy", why));
            }
            Choice::Among(found, ChosenBy::Place)
        }
        Wish::Named(name) => {
            require_any("session.proxy.exit", config)?;
            Choice::Among(vec![named("session.proxy.exit", name, config)?], ChosenBy::Name)
        }
    })
}

/// Finds what a profile may reserve: any but the default exit, or the one it names. Errors as in [`choose`]; the default exit
/// is [`Error::Conflict`].
pub fn reserve(wanted: Option<&str>, config: &EgressConfig) -> Result<Reserve> {
    require_any("dedicated_sticky_ip", config)?;
    let is_default = |name: &ExitName| config.default_exit.as_ref() == Some(name);
    let Some(wanted) = wanted else {
        return Ok(Reserve::AnyOf(
            config.exits.iter().map(name_of).filter(|name| !is_default(name)).collect(),
        ));
    };
    let name = named("exit", wanted, config)?;
    if is_default(&name) {
        return Err(Error::Conflict(format!(
            "The exit {wanted:?} is the server's default one, which all sessions share; choose another."
        )));
    }
    Ok(Reserve::This(name))
}

fn require_any(field: &str, config: &EgressConfig) -> Result<()> {
    if config.exits.is_empty() { Err(Error::NotImplemented(format!("{field}: {NO_EXITS}"))) } else { Ok(()) }
}

fn named(field: &str, wanted: &str, config: &EgressConfig) -> Result<ExitName> {
    let found = config.exits.iter().map(name_of).find(|name| name.as_str() == wanted);
    found.ok_or_else(|| {
        Error::invalid(field, "this server has no exit of that name; GET /v1/exits lists them")
    })
}

fn name_of(exit: &ExitConfig) -> ExitName {
    exit.name().clone()
}
