//! Exits: the ways out to the network that the operator configured, and whether each works.
//!
//! What is here: which exits there are ([`Exits`]), which of them a session or a profile may have ([`choice`]), and the check
//! that an exit is up and shows the address that it should, which every session waits for before its first page. What is
//! not: who holds which, which the database decides, and the proxy itself, which is `roadstead-egress`.

pub mod choice;

use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::time::{Duration, Instant};

use jiff::Timestamp;
use metrics::gauge;
use roadstead_egress::{Checked, Egress, Exit, ExitName, Listener, Route, UpstreamProxy, Way as ExitWay};
use tracing::{error, warn};

use self::choice::{Choice, Way, Wish};
use crate::clock;
use crate::config::{EgressConfig, ExitConfig};
use crate::db::{Db, Reservation};
use crate::error::{Error, Result};

/// All exits of a server; clones share them.
#[derive(Clone)]
pub struct Exits(Arc<Parts>);

struct Parts {
    egress: Egress,
    config: EgressConfig,
    db: Db,
}

/// What a check of an exit found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ExitCheck {
    /// When it was made.
    pub at: Timestamp,
    /// The address that was observed, if one was.
    pub address: Option<IpAddr>,
    /// What is wrong; `None` when nothing is.
    pub problem: Option<String>,
    /// How long it took.
    pub took: Duration,
}

/// An exit, and everything known of it.
#[derive(Clone, Debug)]
pub struct ExitOverview {
    /// As it is configured.
    pub exit: ExitConfig,
    /// Whether sessions use it that name no other.
    pub default: bool,
    /// Who holds it.
    pub reservation: Option<Reservation>,
    /// What the last check found.
    pub last_check: Option<ExitCheck>,
}

impl ExitOverview {
    /// Returns the address that sites see, as well as it is known.
    pub fn address(&self) -> Option<IpAddr> {
        let observed = self.last_check.as_ref().and_then(|check| check.address);
        observed.or_else(|| self.exit.presumed_address())
    }
}

/// A way out that works.
#[derive(Debug)]
pub struct Opened {
    /// What a listener goes over from now on.
    pub route: Route,
    /// The address that sites see: observed, or as the configuration says.
    pub address: Option<IpAddr>,
    /// The address that was observed just now, if one was.
    pub observed: Option<IpAddr>,
}

impl Exits {
    /// Makes the room. `egress` is the proxy that every browser uses.
    pub fn new(egress: Egress, config: EgressConfig, db: Db) -> Self {
        Self(Arc::new(Parts { egress, config, db }))
    }

    /// Names a listener of the server's own, which no browser may reach.
    pub fn refuse_always(&self, listener: SocketAddr) {
        self.0.egress.refuse_always(listener);
    }

    /// Returns an exit by its name.
    pub fn find(&self, name: &str) -> Option<&ExitConfig> {
        self.0.config.exits.iter().find(|exit| exit.name().as_str() == name)
    }

    /// Opens a listener for one browser.
    pub async fn listen(&self) -> Result<Listener> {
        let opened = self.0.egress.listen().await;
        opened.map_err(|problem| Error::internal("The session's way out could not be opened.", problem))
    }

    /// Finds what a session may have of what it wishes for. What is taken is the database's to know.
    pub fn choice(&self, wish: &Wish) -> Result<Choice> {
        choice::choose(wish, &self.0.config)
    }

    /// Makes sure that a way out works, and shows the address that it should: the configured one, or else `pinned`, which the
    /// profile's sessions have seen so far. [`Error::WayOutFailed`] when it does not.
    pub async fn open(
        &self,
        way: &Way,
        custom: Option<&Arc<UpstreamProxy>>,
        pinned: Option<IpAddr>,
    ) -> Result<Opened> {
        match (way, custom) {
            (Way::Exit { name, .. }, _) => self.open_exit(name, pinned).await,
            (Way::Custom, Some(proxy)) => self.open_custom(proxy).await,
            (Way::Direct | Way::Custom, _) => {
                Ok(Opened { route: Route::Direct, address: None, observed: None })
            }
        }
    }

    async fn open_exit(&self, name: &ExitName, pinned: Option<IpAddr>) -> Result<Opened> {
        let which = format!("The exit {:?}", name.as_str());
        let exit = self
            .find(name.as_str())
            .ok_or_else(|| failed(&which, "it is not in this server's configuration any more"))?;
        let check = self.check(exit, pinned).await;
        match check.problem {
            Some(problem) => Err(failed(&which, &problem)),
            None => Ok(Opened {
                route: Route::Exit(Arc::clone(&exit.exit)),
                address: check.address.or_else(|| exit.presumed_address()),
                observed: check.address,
            }),
        }
    }

    async fn open_custom(&self, proxy: &Arc<UpstreamProxy>) -> Result<Opened> {
        let way = ExitWay::Proxy(UpstreamProxy::clone(proxy));
        let exit = Arc::new(Exit { name: ExitName::custom(), way });
        let found = self.0.egress.check(&exit, self.0.config.echo.as_ref()).await;
        let Checked { address, .. } =
            found.map_err(|problem| failed(&format!("The proxy {proxy}"), &problem.to_string()))?;
        Ok(Opened { route: Route::Exit(exit), address, observed: address })
    }

    /// Checks an exit now, and puts what was found on record.
    pub async fn check(&self, exit: &ExitConfig, pinned: Option<IpAddr>) -> ExitCheck {
        let name = exit.name();
        let began = Instant::now();
        let found = self.0.egress.check(&exit.exit, exit.echo.as_ref()).await;
        let (address, problem) = match found {
            Ok(Checked { address, .. }) => (address, wrong_address(address, exit.expect, pinned)),
            Err(problem) => (None, Some(problem.to_string())),
        };
        gauge!("roadstead_exit_up", "exit" => name.to_string()).set(if problem.is_none() {
            1.0
        } else {
            0.0
        });
        if let Some(problem) = &problem {
            warn!(exit.name = name.as_str(), problem, "an exit cannot be used");
        }
        let check = ExitCheck { at: clock::now(), address, problem, took: began.elapsed() };
        if let Err(error) = self.0.db.record_exit_check(name, &check).await {
            // The check stands, whoever may read of it later.
            error!(exit.name = name.as_str(), error = ?error, "failed to record the check of an exit");
        }
        check
    }

    /// Lists every exit with everything known of it, in the order of the configuration.
    pub async fn overview(&self) -> Result<Vec<ExitOverview>> {
        let mut reservations = self.0.db.reservations().await?;
        let mut checks = self.0.db.exit_checks().await?;
        let mut overview = Vec::with_capacity(self.0.config.exits.len());
        for exit in &self.0.config.exits {
            let held = reservations.iter().position(|held| held.exit == *exit.name());
            let checked = checks.iter().position(|(name, _)| name == exit.name());
            overview.push(ExitOverview {
                default: self.0.config.default_exit.as_ref() == Some(exit.name()),
                reservation: held.map(|place| reservations.swap_remove(place)),
                last_check: checked.map(|place| checks.swap_remove(place).1),
                exit: exit.clone(),
            });
        }
        Ok(overview)
    }
}

/// Says what is wrong with an address that was observed, if anything is.
fn wrong_address(
    observed: Option<IpAddr>,
    expected: Option<IpAddr>,
    pinned: Option<IpAddr>,
) -> Option<String> {
    let (observed, expected_by_config) = (observed?, expected.is_some());
    let expected = expected.or(pinned)?;
    if observed == expected {
        return None;
    }
    Some(if expected_by_config {
        format!("sites see {observed}, and {expected} is expected")
    } else {
        format!(
            "sites see {observed}, and this profile's sessions have seen {expected} so far; if the change is wanted, set the exit's expect to {observed} in roadstead.toml"
        )
    })
}

fn failed(which: &str, problem: &str) -> Error {
    Error::WayOutFailed(format!("{which} cannot be used: {problem}. Nothing goes out another way instead."))
}
