//! A TLS server whose answers are bytes that a test wrote: a function from the head of a request to what is sent before the connection ends.

use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::sync::Mutex;
use std::time::Duration;

use rustls::crypto::aws_lc_rs;
use rustls::sign::{CertifiedKey, SingleCertAndKey};
use rustls::version::{TLS12, TLS13};
use rustls::{ServerConfig, SupportedProtocolVersion};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinHandle;
use tokio_rustls::TlsAcceptor;

use super::pki::Identity;

/// What is sent to a request with this head.
pub type Script = Box<dyn Fn(&str) -> Vec<u8> + Send + Sync>;

/// A running server; it ends when dropped.
pub struct ScriptedTls {
    pub address: SocketAddr,
    heads: Arc<Mutex<Vec<String>>>,
    accepting: JoinHandle<()>,
}

impl ScriptedTls {
    /// Listens on a free port of 127.0.0.1, and speaks all versions of TLS.
    pub async fn start(identity: &Identity, script: Script) -> Self {
        Self::start_with(identity, script, &[&TLS13, &TLS12], &[b"h2", b"http/1.1"]).await
    }

    pub async fn start_with(
        identity: &Identity,
        script: Script,
        versions: &[&'static SupportedProtocolVersion],
        protocols: &[&[u8]],
    ) -> Self {
        let provider = Arc::new(aws_lc_rs::default_provider());
        let config = ServerConfig::builder_with_provider(provider).with_protocol_versions(versions).unwrap();
        // Not compared with its certificate: a test may want a server that has the wrong key.
        let key = aws_lc_rs::sign::any_supported_type(&identity.key()).unwrap();
        let resolver = SingleCertAndKey::from(CertifiedKey::new(identity.chain.clone(), key));
        let mut config = config.with_no_client_auth().with_cert_resolver(Arc::new(resolver));
        config.alpn_protocols = protocols.iter().map(|name| name.to_vec()).collect();
        let acceptor = TlsAcceptor::from(Arc::new(config));
        let socket = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
        let address = socket.local_addr().unwrap();
        let (heads, script) = (Arc::<Mutex<Vec<_>>>::default(), Arc::new(script));
        let seen = Arc::clone(&heads);
        let accepting = tokio::spawn(async move {
            while let Ok((client, _)) = socket.accept().await {
                tokio::spawn(answer(client, acceptor.clone(), Arc::clone(&script), Arc::clone(&seen)));
            }
        });
        Self { address, heads, accepting }
    }

    /// The heads of all requests so far.
    pub fn heads(&self) -> Vec<String> {
        self.heads.lock().unwrap().clone()
    }
}

impl Drop for ScriptedTls {
    fn drop(&mut self) {
        self.accepting.abort();
    }
}

/// One request, one answer; whatever fails fails as a connection that the client left.
async fn answer(client: TcpStream, tls: TlsAcceptor, script: Arc<Script>, seen: Arc<Mutex<Vec<String>>>) -> Option<()> {
    let mut stream = tls.accept(client).await.ok()?;
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        if stream.read_buf(&mut head).await.ok()? == 0 {
            return None;
        }
    }
    let head = String::from_utf8(head).ok()?;
    seen.lock().unwrap().push(head.clone());
    stream.write_all(&script(&head)).await.ok()?;
    stream.shutdown().await.ok()?;
    // What the client has not read yet must not be lost to a reset.
    let _ = tokio::time::timeout(Duration::from_secs(5), stream.read_to_end(&mut Vec::new())).await;
    Some(())
}
