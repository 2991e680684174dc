//! What is logged, and what never is, whatever `RUST_LOG` asks for.

use std::io::IsTerminal as _;

use tracing::{Level, Metadata};
use tracing_subscriber::filter::filter_fn;
use tracing_subscriber::layer::SubscriberExt as _;
use tracing_subscriber::util::SubscriberInitExt as _;
use tracing_subscriber::{EnvFilter, fmt};

/// What is logged when `RUST_LOG` says nothing: our own news, and only the troubles of the vault's library.
const DEFAULT_LOG: &str = "info,rustic_core=warn";
/// Libraries that log what goes through them: at trace level, the WebSocket library tells every message, cookies and pages included.
const TELLTALES: [&str; 2] = ["tungstenite", "tokio_tungstenite"];

/// Starts to log, to standard error.
pub(super) fn start() {
    let wanted = EnvFilter::try_from_default_env().unwrap_or_else(|_| EnvFilter::new(DEFAULT_LOG));
    let lines = fmt::layer().with_ansi(std::io::stderr().is_terminal()).with_writer(std::io::stderr);
    tracing_subscriber::registry()
        .with(wanted)
        .with(filter_fn(|event| !tells_secrets(event)))
        .with(lines)
        .init();
}

fn tells_secrets(event: &Metadata<'_>) -> bool {
    let library = event.target().split("::").next().unwrap_or_default();
    *event.level() > Level::INFO && TELLTALES.contains(&library)
}
