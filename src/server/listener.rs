//! A bound socket with a name, and how connections come out of it.
//!
//! Accepting fails for reasons of one connection (it left again) and for reasons of ours (no file descriptors). Neither ends the
//! loop: the first is skipped, the second is waited out, since an accept that fails at once would otherwise spin.

use std::io::{self, ErrorKind};
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use rustls::ServerConfig;
use tokio::net::{TcpListener, TcpStream};

use crate::arena::Arena;
use crate::telemetry::ListenerMetrics;

/// A listening socket and what logs and metrics call it.
#[derive(Debug)]
pub struct Listener {
    name: &'static str,
    socket: TcpListener,
    arena: Option<Arena>,
    tls: Option<Arc<ServerConfig>>,
    proxy_header: bool,
}

impl Listener {
    /// Binds `addr`; port 0 lets the system choose one.
    pub async fn bind(name: &'static str, addr: SocketAddr) -> io::Result<Self> {
        Ok(Self::new(name, TcpListener::bind(addr).await?))
    }

    /// Takes over a socket that listens already, such as one inherited from a supervisor. Must be called within a runtime.
    pub fn from_std(name: &'static str, socket: std::net::TcpListener) -> io::Result<Self> {
        socket.set_nonblocking(true)?;
        Ok(Self::new(name, TcpListener::from_std(socket)?))
    }

    fn new(name: &'static str, socket: TcpListener) -> Self {
        Self { name, socket, arena: None, tls: None, proxy_header: false }
    }

    /// The same, speaking TLS by this configuration, which decides certificates and protocols; `None`: plain HTTP/1.1.
    #[must_use]
    pub fn with_tls(self, tls: Option<Arc<ServerConfig>>) -> Self {
        Self { tls, ..self }
    }

    /// The same, where every connection must begin with a PROXY header from a trusted proxy, if `required`.
    #[must_use]
    pub fn with_proxy_header(self, required: bool) -> Self {
        Self { proxy_header: required, ..self }
    }

    /// The same, and what of its answers lies in `arena` is sent without a copy.
    #[must_use]
    pub fn sending_from(self, arena: Option<Arena>) -> Self {
        Self { arena, ..self }
    }

    pub(super) const fn arena(&self) -> Option<&Arena> {
        self.arena.as_ref()
    }

    pub(super) fn tls(&self) -> Option<Arc<ServerConfig>> {
        self.tls.clone()
    }

    pub(super) const fn proxy_header(&self) -> bool {
        self.proxy_header
    }

    /// What logs and metrics call it.
    pub const fn name(&self) -> &'static str {
        self.name
    }

    /// The address it listens on, with the port that the system chose.
    pub fn local_addr(&self) -> io::Result<SocketAddr> {
        self.socket.local_addr()
    }

    /// The next connection, however many attempts fail before it.
    pub(super) async fn accept(&self, metrics: &ListenerMetrics) -> (TcpStream, SocketAddr) {
        let mut pause = FIRST_PAUSE;
        loop {
            let error = match self.socket.accept().await {
                Ok(connection) => return connection,
                Err(error) => error,
            };
            metrics.accept_failed();
            if !is_of_one_connection(&error) {
                tracing::warn!(listener = self.name, %error, "cannot accept connections, trying again");
                tokio::time::sleep(pause).await;
                pause = (pause * 2).min(LAST_PAUSE);
            }
        }
    }
}

/// Whether the connection to be accepted is at fault, so that the next one may be accepted at once.
fn is_of_one_connection(error: &io::Error) -> bool {
    matches!(error.kind(), ErrorKind::ConnectionAborted | ErrorKind::ConnectionReset | ErrorKind::ConnectionRefused)
}

const FIRST_PAUSE: Duration = Duration::from_millis(10);
const LAST_PAUSE: Duration = Duration::from_secs(1);

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_listener_tells_its_port_and_takes_over_a_socket() {
        let bound = Listener::bind("public", "127.0.0.1:0".parse().unwrap()).await.unwrap();
        assert_ne!(bound.local_addr().unwrap().port(), 0);
        assert_eq!(bound.name(), "public");
        assert!(Listener::bind("again", bound.local_addr().unwrap()).await.is_err());
        let inherited = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let addr = inherited.local_addr().unwrap();
        assert_eq!(Listener::from_std("ops", inherited).unwrap().local_addr().unwrap(), addr);
    }

    #[test]
    fn only_faults_of_one_connection_are_skipped_without_a_pause() {
        assert!(is_of_one_connection(&ErrorKind::ConnectionAborted.into()));
        // EMFILE and ENFILE.
        assert!(!is_of_one_connection(&io::Error::from_raw_os_error(24)));
        assert!(!is_of_one_connection(&io::Error::from_raw_os_error(23)));
    }
}
