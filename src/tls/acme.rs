//! Certificates that come by themselves (RFC 8555), proven on the public listener's own port (TLS-ALPN-01, RFC 8737).
//!
//! `rustls-acme` holds the conversation and decides when to renew. Here is what it needs around it: a folder that only we can read, the
//! log and the metric of every event, and a limit on how long the directory may be silent, for the library has none.

use std::io;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use futures_util::StreamExt;
use rustls::ClientConfig;
use rustls::crypto::aws_lc_rs::default_provider;
use rustls::server::ClientHello;
use rustls::server::ResolvesServerCert;
use rustls::sign::CertifiedKey;
use rustls_acme::{AcmeConfig, AcmeState, EventError, EventOk, ResolvesServerCertAcme};

use super::certificate::CertificateFacts;
use super::folder::Folder;
use super::roots::Roots;
use super::server::TlsError;
use crate::telemetry::Metrics;
use crate::value::{Clock, Live};

/// What is certified, by whom, and where it is kept.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AcmeSettings {
    /// The host names, at least one, in lower case.
    pub domains: Vec<String>,
    /// Whom the authority may write to, as `mailto:` addresses.
    pub contact: Vec<String>,
    /// The address of the directory.
    pub directory: String,
    /// Where the account and the certificates are kept.
    pub folder: PathBuf,
}

/// ACME cannot be begun.
#[derive(Debug, thiserror::Error)]
pub enum AcmeError {
    /// The folder cannot be used.
    #[error("tls.acme.folder: {0}")]
    Folder(String),
    /// The client that asks the directory cannot be set up.
    #[error(transparent)]
    Tls(#[from] TlsError),
}

/// What a conversation with one directory needs. Clones are one and the same.
#[derive(Clone)]
pub struct Acme {
    settings: AcmeSettings,
    client: Arc<ClientConfig>,
    folder: Folder,
    certificates: AcmeCertificates,
    /// How long the directory may be silent where it should answer.
    silence: Duration,
}

type State = AcmeState<io::Error>;

/// What ACME gives to a listener: the certificate once there is one, and the proof while one is asked for. Clones share it.
#[derive(Clone, Debug)]
pub struct AcmeCertificates {
    domains: Arc<[String]>,
    /// `None` until the conversation has begun.
    resolver: Live<Option<Arc<ResolvesServerCertAcme>>>,
    facts: Live<Option<CertificateFacts>>,
}

impl Acme {
    /// Makes ready, and makes the folder where it is missing. It asks the directory nothing yet.
    pub fn open(settings: &AcmeSettings, roots: &Roots) -> Result<Self, AcmeError> {
        let facts = Live::new(None);
        let folder = Folder::open(&settings.folder, facts.clone()).map_err(AcmeError::Folder)?;
        let builder = ClientConfig::builder_with_provider(Arc::new(default_provider()));
        let builder = builder.with_safe_default_protocol_versions().map_err(TlsError::from)?;
        let client = Arc::new(builder.with_root_certificates(roots.store()).with_no_client_auth());
        let resolver = Live::new(None);
        let certificates = AcmeCertificates { domains: settings.domains.clone().into(), resolver, facts };
        Ok(Self { settings: settings.clone(), client, folder, certificates, silence: SILENCE_MAX })
    }

    /// What a listener serves from.
    pub fn certificates(&self) -> AcmeCertificates {
        self.certificates.clone()
    }

    /// Gets certificates and renews them, for ever. Failures are told, and tried again later and later.
    pub async fn run(self, metrics: Arc<Metrics>, clock: Clock) {
        let mut state = self.begin();
        let mut failures = 0;
        let mut wait = Duration::ZERO;
        loop {
            let event = tokio::time::timeout(wait + self.silence, state.next()).await;
            match event {
                Ok(Some(Ok(event))) => {
                    failures = 0;
                    tell(&event, &self.settings.domains, &metrics);
                    wait = self.until_renewal(&clock);
                }
                Ok(Some(Err(error))) => {
                    tell_failure(&error, &metrics);
                    failures += 1;
                    wait = Duration::from_secs(1 << failures.min(LONGEST_BACKOFF));
                }
                // The stream has no end by itself; a silent directory has.
                Ok(None) | Err(_) => {
                    metrics.acme_event("failed");
                    tracing::error!(
                        directory = self.settings.directory,
                        "the ACME directory stays silent; asking it anew"
                    );
                    state = self.begin();
                    wait = Duration::ZERO;
                }
            }
        }
    }

    fn begin(&self) -> State {
        let state = AcmeConfig::new_with_client_config(&self.settings.domains, Arc::clone(&self.client))
            .directory(&self.settings.directory)
            .contact(&self.settings.contact)
            .cache(self.folder.clone())
            .state();
        self.certificates.resolver.replace(Some(state.resolver()));
        state
    }

    /// How long nothing is expected to happen: until two thirds of the certificate's life are over.
    fn until_renewal(&self, clock: &Clock) -> Duration {
        let facts = self.certificates.facts.get();
        let left = facts.as_ref().as_ref().map(|facts| {
            let third = facts.not_before.until(facts.not_after) / 3;
            clock.now().until(facts.not_after).saturating_sub(third)
        });
        left.unwrap_or_default()
    }
}

impl AcmeCertificates {
    /// What the certificate says, once there is one.
    pub fn facts(&self) -> Option<CertificateFacts> {
        self.facts.get().as_ref().clone()
    }

    /// Whether a client that asks for `host` is to get this certificate.
    pub(super) fn covers(&self, host: &str) -> bool {
        self.domains.iter().any(|domain| domain.eq_ignore_ascii_case(host))
    }

    /// The proof for an authority that asks for it, else the certificate; none as long as there is none.
    pub(super) fn resolve(&self, hello: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        self.resolver.keep().as_ref().as_ref()?.resolve(hello)
    }
}

fn tell(event: &EventOk, domains: &[String], metrics: &Metrics) {
    let (word, text) = match event {
        EventOk::DeployedNewCert => ("issued", "a new certificate came by ACME, and is in force"),
        EventOk::DeployedCachedCert => ("loaded", "the certificate that ACME brought earlier is in force"),
        EventOk::CertCacheStore => ("stored", "the certificate is on disk"),
        EventOk::AccountCacheStore => ("stored", "the ACME account is on disk"),
    };
    metrics.acme_event(word);
    tracing::info!(domains = domains.join(", "), "{text}");
}

fn tell_failure(error: &EventError<io::Error, io::Error>, metrics: &Metrics) {
    let text = match error {
        EventError::CertCacheLoad(_) | EventError::AccountCacheLoad(_) | EventError::CachedCertParse(_) => {
            "what ACME brought earlier cannot be read from tls.acme.folder, and is asked for anew"
        }
        EventError::CertCacheStore(_) | EventError::AccountCacheStore(_) => {
            "what ACME brought cannot be kept in tls.acme.folder, and is lost at a restart"
        }
        EventError::Order(_) | EventError::NewCertParse(_) => "ACME brought no certificate; trying again",
    };
    metrics.acme_event("failed");
    let said: String = error.to_string().chars().take(LONGEST_ERROR).collect();
    tracing::error!(error = said, "{text}");
}

/// A directory's slow steps take a few minutes at most.
const SILENCE_MAX: Duration = Duration::from_secs(1800);
/// The library waits 2^n seconds after the nth failure, and never longer than this n says.
const LONGEST_BACKOFF: u32 = 16;
/// In characters; a directory's answer is part of it.
const LONGEST_ERROR: usize = 1000;

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_directory_that_never_answers_is_asked_anew() {
        let dir = tempfile::tempdir().unwrap();
        let silent = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let settings = AcmeSettings {
            domains: vec!["a.example".to_owned()],
            contact: vec![],
            directory: format!("https://localhost:{}/dir", silent.local_addr().unwrap().port()),
            folder: dir.path().join("acme"),
        };
        let acme = Acme { silence: Duration::from_millis(300), ..Acme::open(&settings, &Roots::public()).unwrap() };
        let metrics = Arc::new(Metrics::new());
        let running = tokio::spawn(acme.run(Arc::clone(&metrics), Clock::system()));
        let mut held = Vec::new();
        for _ in 0..3 {
            held.push(tokio::time::timeout(Duration::from_secs(30), silent.accept()).await.unwrap().unwrap());
        }
        assert!(metrics.encode().contains("hallpass_acme_events_total{event=\"failed\"}"));
        running.abort();
    }
}
