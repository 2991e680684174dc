//! TLS with proxies and echoes: the system's roots, read once when they are first needed, and an exit's own.

use std::path::Path;
use std::sync::Arc;

use tokio::sync::OnceCell;
use tokio_rustls::TlsConnector;
use tokio_rustls::rustls::crypto::ring;
use tokio_rustls::rustls::pki_types::pem::PemObject;
use tokio_rustls::rustls::pki_types::{CertificateDer, ServerName};
use tokio_rustls::rustls::{ClientConfig, RootCertStore};

use crate::{Host, Stream};

/// The system's roots.
#[derive(Debug, Default)]
pub(crate) struct Roots(OnceCell<RootCertStore>);

impl Roots {
    /// Makes a connector that trusts the system's roots, and those in `ca_file`. An error is in words.
    pub async fn connector(&self, ca_file: Option<&Path>) -> Result<TlsConnector, String> {
        let mut roots = self.0.get_or_init(read_system_roots).await.clone();
        if let Some(path) = ca_file {
            let path = path.to_owned();
            let read = tokio::task::spawn_blocking(move || read_ca_file(&path)).await;
            for certificate in read.map_err(|error| error.to_string())?? {
                roots.add(certificate).map_err(|error| format!("a certificate of the ca_file: {error}"))?;
            }
        }
        let config = ClientConfig::builder_with_provider(Arc::new(ring::default_provider()))
            .with_safe_default_protocol_versions()
            .map_err(|error| error.to_string())?;
        let mut config = config.with_root_certificates(roots).with_no_client_auth();
        config.alpn_protocols = vec![b"http/1.1".to_vec()];
        Ok(TlsConnector::from(Arc::new(config)))
    }
}

async fn read_system_roots() -> RootCertStore {
    let read = tokio::task::spawn_blocking(|| {
        let found = rustls_native_certs::load_native_certs();
        for error in &found.errors {
            tracing::warn!(%error, "a root certificate of the system cannot be read");
        }
        let mut roots = RootCertStore::empty();
        // Systems carry a few that are malformed.
        roots.add_parsable_certificates(found.certs);
        roots
    });
    read.await.unwrap_or_else(|_| RootCertStore::empty())
}

fn read_ca_file(path: &Path) -> Result<Vec<CertificateDer<'static>>, String> {
    let unreadable = |error: &dyn std::fmt::Display| format!("the exit's ca_file cannot be read: {error}");
    let certificates = CertificateDer::pem_file_iter(path).map_err(|error| unreadable(&error))?;
    let certificates: Vec<_> = certificates.collect::<Result<_, _>>().map_err(|error| unreadable(&error))?;
    if certificates.is_empty() {
        Err("the exit's ca_file has no certificate".to_owned())
    } else {
        Ok(certificates)
    }
}

/// Begins TLS as a client. An error is in words.
pub(crate) async fn handshake(
    connector: &TlsConnector,
    host: &Host,
    stream: Stream,
) -> Result<Stream, String> {
    let name = match host {
        Host::Address(address) => ServerName::from(*address),
        Host::Name(name) => ServerName::try_from(name.trim_end_matches('.').to_owned())
            .map_err(|_| "no certificate can name this host".to_owned())?,
    };
    match connector.connect(name, stream).await {
        Ok(stream) => Ok(Stream::other(stream)),
        // rustls says what is wrong with the certificate; the kind alone would not.
        Err(error) => Err(error.get_ref().map_or_else(|| error.kind().to_string(), ToString::to_string)),
    }
}
