//! Clients of TLS, and where a connection comes from: any loopback address, a receive buffer of any size.

use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;

use rustls::client::Resumption;
use rustls::crypto::aws_lc_rs;
use rustls::pki_types::ServerName;
use rustls::{ClientConfig, RootCertStore};
use tokio::net::{TcpSocket, TcpStream};
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;

use super::pki::Pki;

/// Clients that trust one root alone, and remember no session: each handshake is a whole one.
#[derive(Clone)]
pub struct Trust(ClientConfig);

impl Trust {
    pub fn in_root_of(pki: &Pki) -> Self {
        let mut roots = RootCertStore::empty();
        roots.add(pki.root()).unwrap();
        let provider = Arc::new(aws_lc_rs::default_provider());
        let config = ClientConfig::builder_with_provider(provider).with_safe_default_protocol_versions().unwrap();
        let mut config = config.with_root_certificates(roots).with_no_client_auth();
        config.resumption = Resumption::disabled();
        Self(config)
    }

    /// A handshake for this name, offering these protocols.
    pub async fn connect(
        &self,
        stream: TcpStream,
        name: &str,
        protocols: &[&str],
    ) -> std::io::Result<TlsStream<TcpStream>> {
        let mut config = self.0.clone();
        config.alpn_protocols = protocols.iter().map(|protocol| protocol.as_bytes().to_vec()).collect();
        let name = ServerName::try_from(name.to_owned()).unwrap();
        TlsConnector::from(Arc::new(config)).connect(name, stream).await
    }
}

/// A connection from `from`, which must be an address of this machine: on Linux, all of 127.0.0.0/8 are.
pub async fn connect_from(from: impl Into<IpAddr>, to: SocketAddr) -> TcpStream {
    connect_narrow_from(from, to, None).await
}

/// The same, whose end takes about so many bytes before anybody reads them.
pub async fn connect_narrow_from(from: impl Into<IpAddr>, to: SocketAddr, buffer: Option<u32>) -> TcpStream {
    let from = from.into();
    let socket = if from.is_ipv4() { TcpSocket::new_v4() } else { TcpSocket::new_v6() }.unwrap();
    if let Some(bytes) = buffer {
        socket.set_recv_buffer_size(bytes).unwrap();
    }
    socket.bind(SocketAddr::new(from, 0)).unwrap();
    let stream = socket.connect(to).await.unwrap();
    stream.set_nodelay(true).unwrap();
    stream
}
