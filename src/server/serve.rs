//! The accept loop: a place, a connection, a task; and at the drain, the wait for all of them.
//!
//! The loop ends by the drain alone. Whoever waited to be accepted when it began takes itself for connected, and is answered yet.

use std::net::SocketAddr;
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use http::{Request, Response};
use http_body::Body;
use hyper::body::Incoming;
use hyper::service::Service;
use ipnet::IpNet;
use tokio::net::TcpStream;
use tokio::task::JoinSet;
use tokio::time::{Instant, timeout, timeout_at};
use tokio_rustls::TlsAcceptor;
use tokio_util::sync::CancellationToken;

use super::connection::{Connection, Terms};
use super::drain::Schedule;
use super::opening::Opening;
use super::places::{Place, Places};
use super::turnstile::Turnstile;
use super::{ConnectionLimits, Drain, DrainReport, Ending, Listener};
use crate::telemetry::{ListenerMetrics, Metrics};
use crate::value::Live;

/// What a connection's service is made from: its two ends, and the way to cut it.
#[derive(Clone, Debug)]
pub struct PeerInfo {
    /// The other end of the socket: a proxy or the client. Only the fetcher room makes a client's address of it.
    pub peer: SocketAddr,
    /// Our end.
    pub local: SocketAddr,
    /// Cancelled, it drops the connection at once with all that is queued on it: no body ends cleanly by it.
    pub cut: CancellationToken,
}

/// Serves connections until the drain begins and the last one has ended or was cut. `make` makes the service of each connection.
/// Connections from `trusted_proxies` take no places, and they alone may begin with a PROXY header.
///
/// An axum router is served by `TowerToHyperService::new(router)`.
pub async fn serve<M, S, B>(
    listener: Listener,
    limits: ConnectionLimits,
    trusted_proxies: Live<Vec<IpNet>>,
    make: M,
    metrics: Arc<Metrics>,
    drain: Drain,
) -> DrainReport
where
    M: Fn(PeerInfo) -> S + Send + Sync + 'static,
    S: Service<Request<Incoming>, Response = Response<B>> + Send + 'static,
    S::Future: Send + 'static,
    S::Error: Into<BoxError> + Send,
    B: Body + Unpin + Send + 'static,
    B::Data: Send,
    B::Error: Into<BoxError>,
{
    let (metrics, make) = (Arc::new(metrics.listener(listener.name())), Arc::new(make));
    let places = Places::new(&limits, trusted_proxies);
    let opening = Opening {
        tls: listener.tls().map(TlsAcceptor::from),
        proxy_header: listener.proxy_header(),
        places: places.clone(),
        turnstile: Turnstile::new(),
        time_limit: limits.handshake_timeout,
        metrics: Arc::clone(&metrics),
    };
    let (arena, listens) = (listener.arena().cloned(), drain.clone());
    let terms = Arc::new(Terms { listener: listener.name(), opening, limits, arena, metrics, drain });
    let talk =
        |(socket, peer, place)| Connection::begin(Arc::clone(&terms), place).run(socket, peer, Arc::clone(&make));
    let mut open = JoinSet::new();
    let mut begun = pin!(listens.schedule());
    let schedule = loop {
        let next = tokio::select! {
            biased;
            schedule = &mut begun => break schedule,
            Some(_) = open.join_next() => continue,
            next = next_connection(&listener, &places, &terms.metrics) => next,
        };
        if let Some(next) = next {
            open.spawn(talk(next));
        }
    };
    // These ended before the drain did anything.
    while open.try_join_next().is_some() {}
    // Who waits in the queue takes itself for connected; closing the socket would reset it.
    while Instant::now() < schedule.empty_queue {
        match timeout(QUIET, next_connection(&listener, &places, &terms.metrics)).await {
            Ok(Some(next)) => _ = open.spawn(talk(next)),
            Ok(None) => {}
            Err(_) => break,
        }
    }
    drop(listener);
    last_connections(open, schedule).await
}

/// The next connection that may stay; `None` when the next one was over the limit.
async fn next_connection(
    listener: &Listener,
    places: &Places,
    metrics: &ListenerMetrics,
) -> Option<(TcpStream, SocketAddr, Place)> {
    let place = places.next(metrics).await;
    let (socket, peer) = listener.accept(metrics).await;
    let place = match place {
        _ if places.trusts(peer.ip()) => None,
        Some(place) => Some(place),
        None => {
            metrics.refused("connections");
            return None;
        }
    };
    Some((socket, peer, place))
}

/// Waits for the connections that were open at the drain. They end themselves by the schedule; a task that cannot, because it never
/// comes to its next await, is given up a little later.
async fn last_connections(mut open: JoinSet<Ending>, schedule: Schedule) -> DrainReport {
    let mut report = DrainReport::default();
    let mut given_up = false;
    loop {
        let next = if given_up {
            Ok(open.join_next().await)
        } else {
            timeout_at(schedule.cut + SLACK, open.join_next()).await
        };
        match next {
            Ok(None) => return report,
            Ok(Some(Ok(Ending::Cut) | Err(_))) => report.cut += 1,
            Ok(Some(Ok(_))) => report.ended += 1,
            Err(_) => {
                given_up = true;
                open.abort_all();
            }
        }
    }
}

/// An error of a service or a body, as hyper takes it.
pub(super) type BoxError = Box<dyn std::error::Error + Send + Sync>;

/// When no more connections come for so long, none waited.
const QUIET: Duration = Duration::from_millis(10);
const SLACK: Duration = Duration::from_secs(1);

#[cfg(test)]
mod over_tls;

#[cfg(test)]
mod tests;
