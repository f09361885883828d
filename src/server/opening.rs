//! From an accepted socket to a connection that can be spoken on: the PROXY header, the client's place, the TLS handshake.
//!
//! All of it has one time limit. What comes out is plain HTTP/1.1, or TLS with the protocol that both sides chose by ALPN (RFC 7301).

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use rustls::HandshakeKind;
use tokio::time::timeout;
use tokio_rustls::TlsAcceptor;

use super::Ending;
use super::places::{NetworkPlace, Places};
use super::proxy_header::read_proxy_header;
use super::socket::Socket;
use super::tls_io::TlsIo;
use super::turnstile::Turnstile;
use crate::telemetry::ListenerMetrics;

/// How the connections of a listener are opened.
pub(super) struct Opening {
    pub(super) tls: Option<TlsAcceptor>,
    /// Whether every connection begins with a PROXY header.
    pub(super) proxy_header: bool,
    pub(super) places: Places,
    pub(super) turnstile: Turnstile,
    pub(super) time_limit: Duration,
    pub(super) metrics: Arc<ListenerMetrics>,
}

/// A connection that can be spoken on.
pub(super) struct Opened {
    pub(super) stream: Stream,
    /// For whom it is: the peer, or whom a proxy of ours speaks for.
    pub(super) client: SocketAddr,
    /// Our end.
    pub(super) local: SocketAddr,
    /// Its client's place; proxies of ours take none.
    pub(super) place: Option<NetworkPlace>,
}

/// What is spoken on it.
pub(super) enum Stream {
    Http1(Socket),
    TlsHttp1(TlsIo),
    TlsHttp2(TlsIo),
}

impl Opening {
    /// Opens the connection of `peer`, or says how it ended.
    pub(super) async fn open(&self, socket: Socket, peer: SocketAddr) -> Result<Opened, Ending> {
        // Answers are written whole; waiting to join small ones only delays the first byte.
        let local = socket.set_nodelay(true).and_then(|()| socket.local_addr()).map_err(|_| Ending::ClientLeft)?;
        if self.tls.is_none() && !self.proxy_header {
            let place = self.place_of(peer)?;
            return Ok(Opened { stream: Stream::Http1(socket), client: peer, local, place });
        }
        let opening = timeout(self.time_limit, Box::pin(self.negotiate(socket, peer)));
        let (stream, client, place) = opening.await.unwrap_or(Err(Ending::HandshakeLate))?;
        Ok(Opened { stream, client, local, place })
    }

    async fn negotiate(
        &self,
        mut socket: Socket,
        peer: SocketAddr,
    ) -> Result<(Stream, SocketAddr, Option<NetworkPlace>), Ending> {
        let client = if self.proxy_header { self.spoken_for(&mut socket, peer).await? } else { peer };
        let place = self.place_of(client)?;
        let Some(tls) = &self.tls else { return Ok((Stream::Http1(socket), client, place)) };
        let stream = self.turnstile.through(tls.accept(socket)).await.map_err(|_| Ending::HandshakeFailed)?;
        let (_, session) = stream.get_ref();
        self.metrics.handshake(session.handshake_kind().map_or("full", kind));
        let stream = match session.alpn_protocol() {
            Some(b"h2") => Stream::TlsHttp2(TlsIo::new(stream)),
            // The whole handshake was the answer to a challenge (RFC 8737 section 3).
            Some(b"acme-tls/1") => return Err(Ending::Done),
            _ => Stream::TlsHttp1(TlsIo::new(stream)),
        };
        Ok((stream, client, place))
    }

    /// Whom a proxy of ours speaks for. Nobody else may say such a thing.
    async fn spoken_for(&self, socket: &mut Socket, peer: SocketAddr) -> Result<SocketAddr, Ending> {
        if !self.places.trusts(peer.ip()) {
            self.metrics.refused("proxy-protocol");
            return Err(Ending::Refused);
        }
        read_proxy_header(socket, peer).await.map_err(|error| match error.kind() {
            io::ErrorKind::InvalidData => Ending::BadProxyHeader,
            _ => Ending::ClientLeft,
        })
    }

    fn place_of(&self, client: SocketAddr) -> Result<Option<NetworkPlace>, Ending> {
        if self.places.trusts(client.ip()) {
            return Ok(None);
        }
        let place = self.places.of_network(client.ip());
        if place.is_none() {
            self.metrics.refused("per-network");
        }
        place.map(Some).ok_or(Ending::Refused)
    }
}

const fn kind(kind: HandshakeKind) -> &'static str {
    match kind {
        HandshakeKind::Resumed => "resumed",
        HandshakeKind::Full | HandshakeKind::FullWithHelloRetryRequest => "full",
    }
}
