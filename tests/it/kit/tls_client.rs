//! A TLS client that trusts one root, and shows what was agreed on.

use std::net::SocketAddr;
use std::sync::Arc;

use rustls::client::Resumption;
use rustls::crypto::aws_lc_rs::default_provider;
use rustls::pki_types::{CertificateDer, ServerName};
use rustls::{ClientConfig, HandshakeKind, RootCertStore};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;

use super::wire::Wire;

/// A client with its own memory of sessions.
#[derive(Clone)]
pub struct TlsClient(Arc<ClientConfig>);

impl TlsClient {
    /// A client that trusts `root` alone, speaks TLS 1.3 and 1.2, and offers these protocols.
    pub fn new(root: CertificateDer<'static>, protocols: &[&str]) -> Self {
        let mut roots = RootCertStore::empty();
        roots.add(root).unwrap();
        let builder = ClientConfig::builder_with_provider(Arc::new(default_provider()));
        let builder = builder.with_safe_default_protocol_versions().unwrap();
        let mut config = builder.with_root_certificates(roots).with_no_client_auth();
        config.alpn_protocols = protocols.iter().map(|protocol| protocol.as_bytes().to_vec()).collect();
        config.resumption = Resumption::in_memory_sessions(8);
        config.enable_early_data = true;
        Self(Arc::new(config))
    }

    pub async fn connect(&self, address: SocketAddr, name: &str) -> std::io::Result<TlsStream<TcpStream>> {
        let socket = TcpStream::connect(address).await?;
        let name = ServerName::try_from(name.to_owned()).unwrap();
        TlsConnector::from(Arc::clone(&self.0)).connect(name, socket).await
    }

    /// A connection for HTTP/1.1, with the server's certificate and how the handshake went.
    pub async fn wire(&self, address: SocketAddr, name: &str) -> (Wire, CertificateDer<'static>, HandshakeKind) {
        let stream = self.connect(address, name).await.unwrap();
        let (_, agreed) = stream.get_ref();
        let certificate = agreed.peer_certificates().unwrap()[0].clone().into_owned();
        let kind = agreed.handshake_kind().unwrap();
        (Wire::over(stream), certificate, kind)
    }
}
