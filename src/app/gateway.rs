//! A gateway on its sockets: three listeners, what ticks beside them, and an orderly end.

use std::convert::Infallible;
use std::io;
use std::net::{SocketAddr, TcpListener};
use std::sync::Arc;
use std::time::Duration;

use hyper::service::service_fn;
use tokio::task::JoinHandle;

use super::ticks::{follow_revocations, tend_cache};
use super::{Inherited, Rooms, StartError, sockets};
use crate::config::{ListenSettings, ListenerName, Settings};
use crate::control;
use crate::ops::{self, OpsParts, Readiness};
use crate::server::{Drain, DrainReport, Listener, PeerInfo, TowerToHyperService, serve};
use crate::telemetry::Metrics;

/// A running gateway.
pub struct Gateway {
    addresses: Addresses,
    rooms: Rooms,
    readiness: Readiness,
    /// The sockets once more, for a successor. Gone when the end begins: a socket that nobody accepts from must be closed.
    sockets: [TcpListener; 3],
    drain: Drain,
    /// The public and the control listener.
    listeners: Vec<JoinHandle<DrainReport>>,
    /// Ends last, so that readiness can be seen to be gone and the metrics of the end can be read.
    ops_drain: Drain,
    ops_listener: JoinHandle<DrainReport>,
    ticks: Vec<JoinHandle<()>>,
}

/// Where a gateway listens.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Addresses {
    /// What the world sees.
    pub public: SocketAddr,
    /// The API for our own systems.
    pub control: SocketAddr,
    /// Liveness, readiness, metrics.
    pub ops: SocketAddr,
}

/// How a gateway ended.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Stopped {
    /// Connections that ended by themselves.
    pub ended: usize,
    /// Connections that were cut because their time was over.
    pub cut: usize,
}

impl Gateway {
    /// The three sockets that the settings name: those that were handed over, and fresh ones for the rest.
    pub fn bind(listen: &ListenSettings, inherited: Inherited) -> Result<[TcpListener; 3], StartError> {
        sockets::bind(listen, inherited)
    }

    /// Starts to serve on the public, the control and the ops socket, in this order.
    pub fn start(rooms: &Rooms, sockets: [TcpListener; 3], settings: &Settings) -> Result<Self, io::Error> {
        let [public, control, ops] = &sockets;
        let kept = [public.try_clone()?, control.try_clone()?, ops.try_clone()?];
        let [public, control, ops] = sockets;
        let addresses =
            Addresses { public: public.local_addr()?, control: control.local_addr()?, ops: ops.local_addr()? };
        let limits = settings.limits.connections;
        let behind_proxy = |listener| settings.listen.proxy_protocol.contains(&listener);
        let trusted = || rooms.trusted_proxies.clone();
        let (drain, ops_drain, readiness) = (Drain::new(), Drain::new(), Readiness::new());
        let start = |name, socket| Listener::from_std(name, socket);
        let metrics = || Arc::clone(&rooms.metrics);
        let control_api = TowerToHyperService::new(control::router(rooms.control_parts()));
        let ops_pages = TowerToHyperService::new(ops::router(ops_parts(rooms, &readiness)));
        let edge = rooms.edge.clone();
        let front = move |info: PeerInfo| {
            let edge = edge.clone();
            service_fn(move |request| {
                let (edge, info) = (edge.clone(), info.clone());
                async move { Ok::<_, Infallible>(edge.handle(request, info.peer, &info.cut).await) }
            })
        };
        let listeners = vec![
            tokio::spawn(serve(
                start("public", public)?
                    .with_tls(rooms.tls.public())
                    .sending_from(rooms.arena.clone())
                    .with_proxy_header(behind_proxy(ListenerName::Public)),
                limits,
                trusted(),
                front,
                metrics(),
                drain.clone(),
            )),
            tokio::spawn(serve(
                start("control", control)?
                    .with_tls(rooms.tls.control())
                    .with_proxy_header(behind_proxy(ListenerName::Control)),
                limits,
                trusted(),
                move |_| control_api.clone(),
                metrics(),
                drain.clone(),
            )),
        ];
        let ops_listener = tokio::spawn(serve(
            start("ops", ops)?,
            limits,
            trusted(),
            move |_| ops_pages.clone(),
            metrics(),
            ops_drain.clone(),
        ));
        let mut ticks = vec![tokio::spawn(follow_revocations(rooms.clone())), tokio::spawn(tend_cache(rooms.clone()))];
        ticks.extend(rooms.tls.acme().map(|acme| tokio::spawn(acme.run(metrics(), rooms.clock.clone()))));
        Ok(Self {
            addresses,
            rooms: rooms.clone(),
            readiness,
            sockets: kept,
            drain,
            listeners,
            ops_drain,
            ops_listener,
            ticks,
        })
    }

    /// Where it listens.
    pub const fn addresses(&self) -> Addresses {
        self.addresses
    }

    /// The sockets, for a successor.
    pub(super) const fn sockets(&self) -> &[TcpListener; 3] {
        &self.sockets
    }

    /// What is counted.
    pub(super) fn metrics(&self) -> &Metrics {
        &self.rooms.metrics
    }

    /// Readiness says no from now on, and everything else goes on.
    pub fn say_not_ready(&self) {
        self.readiness.stop();
    }

    /// Stops: readiness says no, nothing more is accepted, running answers get `patience` to finish, records are written.
    pub async fn stop(self, patience: Duration) -> Stopped {
        self.say_not_ready();
        self.drain.begin(IDLE_GRACE, patience);
        self.end().await
    }

    /// Leaves everything that comes from now on to a successor, which has the sockets and serves already. Nothing hurries, so idle connections
    /// are left to their clients: each is closed after its next answer, or when its time is over.
    pub async fn give_way(self, patience: Duration) -> Stopped {
        self.drain.begin_handed_over(patience, patience);
        self.ops_drain.begin(OPS_END_MAX, OPS_END_MAX);
        self.end().await
    }

    async fn end(self) -> Stopped {
        drop(self.sockets);
        let mut stopped = Stopped::default();
        for listener in self.listeners {
            if let Ok(report) = listener.await {
                stopped.ended += report.ended;
                stopped.cut += report.cut;
            }
        }
        self.ops_drain.begin(Duration::ZERO, OPS_END_MAX);
        let _ = self.ops_listener.await;
        self.ticks.iter().for_each(JoinHandle::abort);
        if let Err(error) = self.rooms.catalog.close().await {
            tracing::error!(%error, "the catalog could not be closed; what was queued may be lost");
        }
        let log = self.rooms.access_log.clone();
        let _ = tokio::task::spawn_blocking(move || log.flush(LOG_FLUSH_MAX)).await;
        stopped
    }
}

fn ops_parts(rooms: &Rooms, readiness: &Readiness) -> OpsParts {
    OpsParts {
        metrics: Arc::clone(&rooms.metrics),
        readiness: readiness.clone(),
        catalog: rooms.catalog.clone(),
        cache: rooms.cache.clone(),
        stores: rooms.stores.clone(),
        store_counters: rooms.store_counters.clone(),
        profiles: rooms.profiles.clone(),
        serving: rooms.tls.resolvers(),
        clock: rooms.clock.clone(),
    }
}

/// How long idle connections stay open after a stop was asked for, so that requests already on their way are answered.
const IDLE_GRACE: Duration = Duration::from_millis(500);
/// How long the last lines of the access log may take.
const LOG_FLUSH_MAX: Duration = Duration::from_secs(2);
/// How long pages of the ops listener may take at the very end.
const OPS_END_MAX: Duration = Duration::from_millis(500);
