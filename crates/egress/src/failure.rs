//! Why a request failed: the sentence that the user reads, and the status that the browser gets.

use std::error::Error;
use std::io;

use http::StatusCode;

use crate::target::BadRequest;
use crate::{ExitName, Refusal, Rule};

/// Why a request failed. `Display` is one or two whole sentences, with nothing secret in them.
#[derive(Clone, Debug, thiserror::Error)]
pub(crate) enum Failure {
    #[error(transparent)]
    BadRequest(#[from] BadRequest),
    #[error("{0}")]
    Closed(String),
    #[error(transparent)]
    Refused(#[from] Refusal),
    #[error("{0} is on a list of what this session does not load (browser.adblock).")]
    Filtered(String),
    #[error("The name {name} cannot be resolved{}.", because(why))]
    Unresolved { name: String, why: String },
    #[error("Resolving the name {0} took too long.")]
    ResolveTimeout(String),
    #[error("{target} has no {family} address, and the exit \"{exit}\" can reach no others.")]
    Family { target: String, family: &'static str, exit: ExitName },
    #[error("{target} cannot be reached{}{}.", through(exit.as_ref()), because(why))]
    Unreachable { target: String, exit: Option<ExitName>, why: String },
    #[error("{target} did not answer in time{}.", through(exit.as_ref()))]
    ConnectTimeout { target: String, exit: Option<ExitName> },
    #[error("{hop}")]
    Hop {
        exit: ExitName,
        #[source]
        hop: Box<HopFailure>,
    },
    #[error("{target} broke off{}{}.", through(exit.as_ref()), because(why))]
    BrokeOff { target: String, exit: Option<ExitName>, why: String },
    #[error("The way out was changed while this request was under way. Reload the page to send it again.")]
    Cut,
}

/// What is wrong with the proxy of an exit.
#[derive(Clone, Debug, thiserror::Error)]
#[error("The exit \"{exit}\" failed: {trouble}.")]
pub(crate) struct HopFailure {
    pub exit: ExitName,
    #[source]
    pub trouble: Trouble,
}

/// What is wrong with a proxy; reads after a colon.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum Trouble {
    #[error("its name cannot be resolved")]
    Unresolved,
    #[error("its proxy cannot be connected to ({0})")]
    Unreachable(String),
    #[error("its proxy did not answer in time")]
    TimedOut,
    #[error("its proxy hung up ({0})")]
    HungUp(String),
    #[error("the policy refuses its proxy's address: {}", .0.to_string().trim_end_matches('.'))]
    Refused(Refusal),
    #[error("TLS with its proxy failed ({0})")]
    Tls(String),
    #[error("its proxy refuses the user name and password, or wants some that are not configured")]
    Authentication,
    #[error("its proxy does not speak {0}")]
    Protocol(&'static str),
    #[error("its proxy could not reach the site ({0})")]
    Rejected(String),
}

fn because(why: &str) -> String {
    if why.is_empty() { String::new() } else { format!(": {why}") }
}

fn through(exit: Option<&ExitName>) -> String {
    exit.map_or_else(String::new, |exit| format!(" through the exit \"{exit}\""))
}

/// An I/O error in words, without numbers and paths.
pub(crate) fn words(error: &io::Error) -> String {
    error.kind().to_string()
}

impl Failure {
    pub fn hop(exit: &ExitName, trouble: Trouble) -> Self {
        Self::Hop { exit: exit.clone(), hop: Box::new(HopFailure { exit: exit.clone(), trouble }) }
    }

    /// Finds one among the causes of an error.
    pub fn among(error: &(dyn Error + 'static)) -> Option<Self> {
        let mut next = Some(error);
        while let Some(error) = next {
            if let Some(failure) = error.downcast_ref::<Self>() {
                return Some(failure.clone());
            }
            next = error.source();
        }
        None
    }

    /// The answer's status.
    pub fn status(&self) -> StatusCode {
        match self {
            Self::BadRequest(_) => StatusCode::BAD_REQUEST,
            Self::Closed(_) => StatusCode::SERVICE_UNAVAILABLE,
            Self::Refused(_) | Self::Filtered(_) => StatusCode::FORBIDDEN,
            Self::ResolveTimeout(_) | Self::ConnectTimeout { .. } => StatusCode::GATEWAY_TIMEOUT,
            Self::Hop { hop, .. } if hop.trouble == Trouble::TimedOut => StatusCode::GATEWAY_TIMEOUT,
            Self::Hop { hop, .. } if matches!(hop.trouble, Trouble::Refused(_)) => StatusCode::FORBIDDEN,
            Self::Unresolved { .. }
            | Self::Family { .. }
            | Self::Unreachable { .. }
            | Self::Hop { .. }
            | Self::BrokeOff { .. }
            | Self::Cut => StatusCode::BAD_GATEWAY,
        }
    }

    /// The error type of RFC 9209, section 2.3.
    pub fn proxy_error(&self) -> &'static str {
        match self {
            Self::BadRequest(_) => "http_request_error",
            Self::Closed(_) => "destination_unavailable",
            Self::Refused(refusal) => match refusal.rule() {
                Rule::Port | Rule::DeniedDomain => "http_request_denied",
                _ => "destination_ip_prohibited",
            },
            Self::Filtered(_) => "http_request_denied",
            Self::Unresolved { .. } => "dns_error",
            Self::ResolveTimeout(_) => "dns_timeout",
            Self::Family { .. } => "destination_ip_unroutable",
            Self::Unreachable { .. } => "connection_refused",
            Self::ConnectTimeout { .. } => "connection_timeout",
            Self::BrokeOff { .. } | Self::Cut => "connection_terminated",
            Self::Hop { hop, .. } => match hop.trouble {
                Trouble::Unresolved => "dns_error",
                Trouble::Unreachable(_) => "connection_refused",
                Trouble::TimedOut => "connection_timeout",
                Trouble::HungUp(_) => "connection_terminated",
                Trouble::Refused(_) => "destination_ip_prohibited",
                Trouble::Tls(_) => "tls_protocol_error",
                Trouble::Authentication | Trouble::Protocol(_) => "proxy_configuration_error",
                Trouble::Rejected(_) => "destination_unavailable",
            },
        }
    }

    /// What the user may do about it; empty when the sentence says it already.
    pub fn advice(&self) -> &'static str {
        match self {
            Self::BadRequest(_) | Self::Closed(_) | Self::Refused(_) | Self::Cut => "",
            Self::Filtered(_) => "A session with browser.adblock.active: false loads it.",
            Self::Unresolved { .. } | Self::ResolveTimeout(_) => {
                "Check the address for typing errors, and the name servers of the machine that runs Roadstead."
            }
            Self::Family { .. } => "Use an exit with an address of the other family.",
            Self::Unreachable { .. } | Self::ConnectTimeout { .. } | Self::BrokeOff { .. } => {
                "The site may be down. Try again later, or with another exit."
            }
            Self::Hop { hop, .. } => match hop.trouble {
                Trouble::Authentication => "Check the user name and the password of the exit.",
                Trouble::Rejected(_) => "The site may be down. Try again later, or with another exit.",
                Trouble::Refused(_) => {
                    "A proxy that the operator configures as an exit may be on such an address."
                }
                _ => {
                    "Check that the exit's proxy runs and is reachable from the machine that runs Roadstead."
                }
            },
        }
    }
}
