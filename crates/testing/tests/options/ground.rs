//! What every test here stands on: a program, and sites with TLS and without.

use std::net::SocketAddr;
use std::sync::Arc;

use anyhow::{Context as _, Result, bail};
use axum::Router;
use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, DnType, IsCa, KeyPair, KeyUsagePurpose};
use reqwest::Method;
use reqwest::header::CONTENT_TYPE;
use roadstead_testing::cdp::Page;
use roadstead_testing::form;
use roadstead_testing::ground::text;
use roadstead_testing::place::Place;
use roadstead_testing::program::{API_KEY, Program, ProgramOptions};
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpListener;
use tokio::task::JoinSet;
use tokio_rustls::TlsAcceptor;
use tokio_rustls::rustls::ServerConfig;
use tokio_rustls::rustls::crypto::ring;
use tokio_rustls::rustls::pki_types::PrivateKeyDer;

/// A running program, and whatever sites a test starts.
pub struct Ground {
    pub program: Program,
    pub place: Place,
    http: reqwest::Client,
    servers: JoinSet<std::io::Result<()>>,
}

impl Ground {
    /// Starts a program with a configuration.
    pub async fn new(config: &str) -> Result<Self> {
        let place = Place::new()?;
        let options = ProgramOptions { config: config.to_owned(), ..ProgramOptions::default() };
        let program = Program::start(&place.data(), &options).await?;
        Ok(Self { program, place, http: reqwest::Client::new(), servers: JoinSet::new() })
    }

    /// Stops the program, and requires that nothing of its sessions is left.
    pub async fn stop(self) -> Result<()> {
        self.program.stop().await?;
        self.place.require_no_files().await
    }

    /// Starts a site. Returns its URL, without a slash at the end.
    pub async fn site(&mut self, routes: Router) -> Result<String> {
        let listener = TcpListener::bind("127.0.0.1:0").await?;
        let address = listener.local_addr()?;
        self.serve(listener, routes);
        Ok(format!("http://{address}"))
    }

    /// Starts a site where somebody listens.
    pub fn serve(&mut self, listener: TcpListener, routes: Router) {
        self.servers.spawn(async move { axum::serve(listener, routes).await });
    }

    /// Starts a site whose certificate, for `localhost`, an authority has signed. Returns its address.
    pub async fn tls_site(&mut self, authority: &CertifiedIssuer<'static, KeyPair>) -> Result<SocketAddr> {
        let key = KeyPair::generate()?;
        let leaf = CertificateParams::new(vec!["localhost".to_owned()])?.signed_by(&key, authority)?;
        let key = PrivateKeyDer::Pkcs8(key.serialize_der().into());
        let config = ServerConfig::builder_with_provider(Arc::new(ring::default_provider()))
            .with_safe_default_protocol_versions()?
            .with_no_client_auth()
            .with_single_cert(vec![leaf.der().clone()], key)?;
        let acceptor = TlsAcceptor::from(Arc::new(config));
        let listener = TcpListener::bind("127.0.0.1:0").await?;
        let address = listener.local_addr()?;
        self.servers.spawn(async move {
            loop {
                let (stream, _) = listener.accept().await?;
                let acceptor = acceptor.clone();
                tokio::spawn(async move {
                    let Ok(mut stream) = acceptor.accept(stream).await else { return };
                    let mut head = [0; 4096];
                    drop(stream.read(&mut head).await);
                    let body = "<!doctype html><title>trusted</title>";
                    let answer = format!(
                        "HTTP/1.1 200 OK\r\ncontent-type: text/html\r\ncontent-length: {}\r\nconnection: close\r\n\r\n{body}",
                        body.len()
                    );
                    drop(stream.write_all(answer.as_bytes()).await);
                    drop(stream.shutdown().await);
                });
            }
        });
        Ok(address)
    }

    /// Starts a session, and attaches to its page.
    pub async fn session(&self, browser: Value) -> Result<(String, Page)> {
        let created =
            self.program.data(Method::POST, "/v1/sessions", Some(json!({"browser": browser}))).await?;
        Ok((text(&created["id"]).to_owned(), Page::open(text(&created["cdp_url"])).await?))
    }

    /// Ends a session, so that its profile, if it has one, is saved.
    pub async fn end(&self, session: &str) -> Result<()> {
        self.program.data(Method::DELETE, &format!("/v1/sessions/{session}"), None).await.map(drop)
    }

    /// Uploads a form with a name and a file. Returns the answer's `data`.
    pub async fn upload(&self, path: &str, name: &str, file: (&str, &[u8])) -> Result<Value> {
        let body = form::named(name, file.0, file.1);
        let request =
            self.http.post(format!("{}{path}", self.program.url())).header("anchor-api-key", API_KEY);
        let response = request.header(CONTENT_TYPE, form::CONTENT_TYPE).body(body).send().await?;
        let (status, mut answer) = (response.status(), response.json::<Value>().await?);
        if status != 200 {
            bail!("{status} {answer}");
        }
        Ok(answer["data"].take())
    }
}

/// Makes an authority.
pub fn authority(name: &str) -> Result<CertifiedIssuer<'static, KeyPair>> {
    let mut params = CertificateParams::new(Vec::new())?;
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
    params.distinguished_name.push(DnType::CommonName, name);
    CertifiedIssuer::self_signed(params, KeyPair::generate()?).context("an authority signs itself")
}
