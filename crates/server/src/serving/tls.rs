//! TLS: a certificate and its key, read at the start and again on SIGHUP.

use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use std::sync::{Arc, PoisonError, RwLock};

use anyhow::{Context as _, Result, bail};
use tokio::signal::unix::{SignalKind, signal};
use tokio_rustls::TlsAcceptor;
use tokio_rustls::rustls::crypto::ring;
use tokio_rustls::rustls::pki_types::pem::{self, PemObject as _};
use tokio_rustls::rustls::pki_types::{CertificateDer, PrivateKeyDer};
use tokio_rustls::rustls::server::{ClientHello, ResolvesServerCert};
use tokio_rustls::rustls::sign::CertifiedKey;
use tokio_rustls::rustls::{self, ServerConfig};
use tracing::{error, info};

use crate::config::TlsConfig;

/// The permission bits that a key file must not have: those of everybody but its owner and group.
const OTHERS: u32 = 0o007;

/// The certificate that is shown to clients; it can be replaced while the server runs.
#[derive(Debug)]
struct Identity(RwLock<Arc<CertifiedKey>>);

impl ResolvesServerCert for Identity {
    fn resolve(&self, _hello: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        Some(Arc::clone(&self.0.read().unwrap_or_else(PoisonError::into_inner)))
    }
}

/// Reads the certificate and the key, and makes what accepts TLS connections with them. From now on SIGHUP reads them again: if
/// they are wrong then, the ones before stay.
pub fn acceptor(config: &TlsConfig) -> Result<TlsAcceptor> {
    let identity = Arc::new(Identity(RwLock::new(Arc::new(read(config)?))));
    let mut server = ServerConfig::builder_with_provider(Arc::new(ring::default_provider()))
        .with_safe_default_protocol_versions()
        .context("failed to set TLS up")?
        .with_no_client_auth()
        .with_cert_resolver(Arc::clone(&identity) as Arc<dyn ResolvesServerCert>);
    server.alpn_protocols = vec![b"http/1.1".to_vec()];
    reload_on_hangup(config.clone(), identity)?;
    Ok(TlsAcceptor::from(Arc::new(server)))
}

fn reload_on_hangup(config: TlsConfig, identity: Arc<Identity>) -> Result<()> {
    let mut hangup = signal(SignalKind::hangup()).context("failed to listen to SIGHUP")?;
    // Not tracked: it outlives everything on purpose, and holds nothing that needs a teardown.
    tokio::spawn(async move {
        while hangup.recv().await.is_some() {
            match read(&config) {
                Ok(read) => {
                    *identity.0.write().unwrap_or_else(PoisonError::into_inner) = Arc::new(read);
                    info!("SIGHUP: new connections get the certificate that was read now");
                }
                Err(error) => error!(error = format!("{error:#}"), "SIGHUP: the certificate before stays"),
            }
        }
    });
    Ok(())
}

/// Reads the certificate and the key, and checks that they belong together. No error holds a piece of the key.
pub fn read(config: &TlsConfig) -> Result<CertifiedKey> {
    let TlsConfig { certificate, key } = config;
    let wrong = |path: &Path| format!("failed to read the TLS file {}", path.display());
    let chain = CertificateDer::pem_file_iter(certificate)
        .and_then(Iterator::collect::<Result<Vec<_>, _>>)
        .map_err(|error| readable(error, "certificate"))
        .with_context(|| wrong(certificate))?;
    if chain.is_empty() {
        bail!("{}: it has no certificate in PEM form", wrong(certificate));
    }
    refuse_open_key(key)?;
    let secret = PrivateKeyDer::from_pem_file(key);
    let secret = secret.map_err(|error| readable(error, "private key")).with_context(|| wrong(key))?;
    CertifiedKey::from_der(chain, secret, &ring::default_provider()).map_err(|error| match error {
        rustls::Error::InconsistentKeys(_) => anyhow::anyhow!(
            "the TLS key {} does not belong to the first certificate of {}",
            key.display(),
            certificate.display()
        ),
        error => anyhow::anyhow!(
            "the TLS certificate {} and key {} cannot be used: {error}",
            certificate.display(),
            key.display()
        ),
    })
}

/// Refuses a key that anybody on the machine could read.
fn refuse_open_key(key: &Path) -> Result<()> {
    let found =
        std::fs::metadata(key).with_context(|| format!("failed to read the TLS file {}", key.display()))?;
    let mode = found.permissions().mode() & 0o777;
    if mode & OTHERS != 0 {
        bail!(
            "the TLS key {path} is open to everybody (mode {mode:04o}): chmod o= {path}",
            path = key.display()
        );
    }
    Ok(())
}

/// Says what is wrong with a file. The library's own words may quote a line of it.
fn readable(error: pem::Error, wanted: &str) -> anyhow::Error {
    match error {
        pem::Error::Io(error) => error.into(),
        pem::Error::NoItemsFound => anyhow::anyhow!("it has no {wanted} in PEM form"),
        _ => anyhow::anyhow!("it is not valid PEM"),
    }
}
