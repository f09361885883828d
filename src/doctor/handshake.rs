//! One TLS handshake, which accepts every certificate and keeps what it saw.
//!
//! The doctor sends no secret and believes no content, so it may talk to a server whose certificate is wrong: only so can it say what else is
//! wrong. The chain is judged afterwards, apart from the connection. The server's proof that it has the key is checked, and its outcome kept.

use std::io;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, PoisonError};

use rustls::client::Resumption;
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::crypto::{WebPkiSupportedAlgorithms, aws_lc_rs, verify_tls12_signature, verify_tls13_signature};
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use rustls::{
    AlertDescription, CertificateError, ClientConfig, DigitallySignedStruct, ProtocolVersion, SignatureScheme,
};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;

use super::limits::{HANDSHAKE, Patience};
use super::reach::{connect, reason};
use super::report::quoted;

/// What is offered in a handshake.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Hello {
    /// The server's name, and HTTP/1.1: as the fetches are made.
    Fetch,
    /// No name.
    Nameless,
    /// The server's name, HTTP/2 and HTTP/1.1, to see what the server picks.
    WithHttp2,
}

/// A handshake that came to its end.
#[derive(Clone, Debug, Default)]
pub(super) struct Session {
    /// As the server sent it, its own certificate first.
    pub(super) chain: Vec<CertificateDer<'static>>,
    /// The server sent an OCSP answer along.
    pub(super) is_stapled: bool,
    /// The server's proof that it has the key of its certificate does not hold.
    pub(super) is_disproved: bool,
    pub(super) version: Option<ProtocolVersion>,
    pub(super) suite: String,
    /// The protocol that the server picked, such as `h2`.
    pub(super) alpn: Option<String>,
}

/// Why there is no TLS connection.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub(super) enum NoSession {
    #[error("connecting failed: {0}")]
    NoConnection(String),
    #[error("the handshake did not end in time")]
    Silent,
    #[error("the server does not speak TLS here: {0}")]
    NotTls(String),
    #[error("no common protocol: {0}")]
    Version(String),
    #[error("the handshake failed: {0}")]
    Other(String),
}

/// Connects to `address` and shakes hands.
pub(super) async fn shake_hands(
    address: SocketAddr,
    name: &ServerName<'static>,
    hello: Hello,
    patience: Patience,
) -> Result<(TlsStream<TcpStream>, Session), NoSession> {
    let stream = connect(address, patience).await.map_err(NoSession::NoConnection)?;
    let recorder = Arc::new(Recorder::new());
    let connector = TlsConnector::from(Arc::new(config(&recorder, hello)?));
    let shaken = patience.wait(HANDSHAKE, connector.connect(name.clone(), stream)).await.ok_or(NoSession::Silent)?;
    let stream = shaken.map_err(|error| no_session(&error))?;
    let session = session(&stream, &recorder);
    Ok((stream, session))
}

fn config(recorder: &Arc<Recorder>, hello: Hello) -> Result<ClientConfig, NoSession> {
    let builder = ClientConfig::builder_with_provider(Arc::new(aws_lc_rs::default_provider()));
    let builder = builder.with_safe_default_protocol_versions().map_err(|error| NoSession::Other(error.to_string()))?;
    let verifier = Arc::clone(recorder) as Arc<dyn ServerCertVerifier>;
    let mut config = builder.dangerous().with_custom_certificate_verifier(verifier).with_no_client_auth();
    config.enable_sni = hello != Hello::Nameless;
    config.resumption = Resumption::disabled();
    config.alpn_protocols = match hello {
        Hello::WithHttp2 => vec![b"h2".to_vec(), b"http/1.1".to_vec()],
        Hello::Fetch | Hello::Nameless => vec![b"http/1.1".to_vec()],
    };
    Ok(config)
}

fn session(stream: &TlsStream<TcpStream>, recorder: &Recorder) -> Session {
    let (_, state) = stream.get_ref();
    let seen = recorder.seen.lock().unwrap_or_else(PoisonError::into_inner).clone();
    Session {
        version: state.protocol_version(),
        suite: state.negotiated_cipher_suite().and_then(|suite| suite.suite().as_str()).unwrap_or_default().to_owned(),
        alpn: state.alpn_protocol().map(|protocol| quoted(&String::from_utf8_lossy(protocol))),
        ..seen
    }
}

/// What went wrong, from the error that tokio-rustls wraps.
fn no_session(error: &io::Error) -> NoSession {
    let Some(tls) = error.get_ref().and_then(|inner| inner.downcast_ref::<rustls::Error>()) else {
        return NoSession::Other(reason(error));
    };
    match tls {
        rustls::Error::InvalidMessage(_) | rustls::Error::InappropriateMessage { .. } => {
            NoSession::NotTls("its first bytes are no TLS record".to_owned())
        }
        rustls::Error::AlertReceived(AlertDescription::ProtocolVersion) => {
            NoSession::Version("it refuses TLS 1.2 and 1.3".to_owned())
        }
        rustls::Error::PeerIncompatible(why) if format!("{why:?}").contains("Tls") => {
            NoSession::Version("it offers neither TLS 1.2 nor 1.3".to_owned())
        }
        rustls::Error::AlertReceived(AlertDescription::NoApplicationProtocol) => {
            NoSession::Version("it does not speak HTTP/1.1".to_owned())
        }
        rustls::Error::AlertReceived(alert) => NoSession::Other(format!("the server sent the alert {alert:?}")),
        other => NoSession::Other(quoted(&other.to_string())),
    }
}

/// A verifier that accepts every certificate and writes down what it saw.
#[derive(Debug)]
struct Recorder {
    seen: Mutex<Session>,
    algorithms: WebPkiSupportedAlgorithms,
}

impl Recorder {
    fn new() -> Self {
        Self { seen: Mutex::default(), algorithms: aws_lc_rs::default_provider().signature_verification_algorithms }
    }

    fn note(&self, write: impl FnOnce(&mut Session)) {
        write(&mut self.seen.lock().unwrap_or_else(PoisonError::into_inner));
    }

    /// Keeps whether the signature is wrong, and goes on either way. What else webpki refuses is judged with the chain.
    fn prove(&self, checked: &Result<HandshakeSignatureValid, rustls::Error>) -> HandshakeSignatureValid {
        let is_wrong = matches!(checked, Err(rustls::Error::InvalidCertificate(CertificateError::BadSignature)));
        self.note(|seen| seen.is_disproved = is_wrong);
        HandshakeSignatureValid::assertion()
    }
}

impl ServerCertVerifier for Recorder {
    fn verify_server_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        _server_name: &ServerName<'_>,
        ocsp_response: &[u8],
        _now: UnixTime,
    ) -> Result<ServerCertVerified, rustls::Error> {
        let chain = std::iter::once(end_entity).chain(intermediates).map(|one| one.clone().into_owned()).collect();
        self.note(|seen| (seen.chain, seen.is_stapled) = (chain, !ocsp_response.is_empty()));
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        Ok(self.prove(&verify_tls12_signature(message, cert, dss, &self.algorithms)))
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        Ok(self.prove(&verify_tls13_signature(message, cert, dss, &self.algorithms)))
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.algorithms.supported_schemes()
    }
}
