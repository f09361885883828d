//! Attackers against a running gateway: each limit holds and says so in the metrics, and whoever behaves is served meanwhile.
//!
//! Attackers come from other loopback addresses than the well-behaved client, so that each limit per network meets the right one.

mod burst;
mod connections;
mod h2_floods;
mod h2_limits;
mod handshakes;
mod heads;
mod proxied;
mod rates;
mod slow_tools;
mod stalls;

use std::net::{IpAddr, Ipv4Addr};
use std::ops::RangeInclusive;
use std::time::Duration;

use bytes::Bytes;
use http::Request;
use tokio::net::TcpStream;
use tokio::time::{Instant, sleep, timeout};

use crate::kit::content;
use crate::kit::gateway::{BIG, Gateway, HOST, META, Minted, Place, request};
use crate::kit::h2_raw::{self, RawH2};
use crate::kit::pki::Pki;
use crate::kit::trust::{Trust, connect_from, connect_narrow_from};
use crate::kit::wire::Wire;

/// Where attackers come from: a network that nobody else is in.
const THERE: IpAddr = IpAddr::V4(Ipv4Addr::new(127, 0, 7, 1));
/// Another address of the same network.
const BESIDE_THERE: IpAddr = IpAddr::V4(Ipv4Addr::new(127, 0, 7, 200));
/// Where whoever behaves comes from.
const HERE: IpAddr = IpAddr::V4(Ipv4Addr::LOCALHOST);

/// A gateway with a link to a small picture and one to a large body.
struct Fort {
    gate: Gateway,
    small: Minted,
    large: Minted,
    /// `None` where it speaks plain HTTP.
    trust: Option<Trust>,
}

impl Fort {
    /// One that speaks plain HTTP, with these further settings.
    async fn plain(settings: &str) -> Self {
        Self::at(Place { settings: settings.to_owned(), ..Place::new() }, None).await
    }

    /// One that speaks TLS.
    async fn tls(settings: &str) -> Self {
        let (place, trust) = tls(Place::new(), settings);
        Self::at(place, Some(trust)).await
    }

    async fn at(place: Place, trust: Option<Trust>) -> Self {
        let gate = Box::pin(place.start()).await;
        let small = gate.link("small.txt", SMALL).await;
        let large = gate.link("large.bin", &content(1, LARGE)).await;
        Self { gate, small, large, trust }
    }

    async fn tcp(&self, from: IpAddr) -> TcpStream {
        connect_from(from, self.gate.addresses.public).await
    }

    /// A connection for HTTP/1.1, over TLS where the gateway speaks that.
    async fn wire(&self, from: IpAddr) -> Wire {
        let stream = self.tcp(from).await;
        match &self.trust {
            None => Wire::over(stream),
            Some(trust) => Wire::over(trust.connect(stream, HOST, &["http/1.1"]).await.unwrap()),
        }
    }

    /// An attacker's connection that agreed on HTTP/2, with these settings sent.
    async fn h2(&self, settings: &[(u16, u32)]) -> RawH2 {
        let stream = connect_narrow_from(THERE, self.gate.addresses.public, None).await;
        RawH2::open(self.trust.as_ref().unwrap().connect(stream, HOST, &["h2"]).await.unwrap(), settings).await
    }

    /// A request of Meta's fetcher for the small body, as HTTP/2 has it.
    fn block(&self) -> Vec<u8> {
        h2_raw::request("GET", HOST, &self.small.path, META, &[])
    }

    /// What the client that behaves asks for, which it gets.
    async fn serves(&self) {
        let mut wire = self.wire(HERE).await;
        for _ in 0..2 {
            wire.send(request("GET", &self.small.path, &[])).await;
            let answer = wire.answer().await;
            assert_eq!((answer.status, answer.body.as_slice()), (200, SMALL), "whoever behaves is served");
        }
        if self.trust.is_some() {
            self.serves_h2().await;
        }
    }

    async fn serves_h2(&self) {
        let stream = self.tcp(HERE).await;
        let stream = self.trust.as_ref().unwrap().connect(stream, HOST, &["h2"]).await.unwrap();
        let (mut client, connection) = h2::client::handshake(stream).await.unwrap();
        let driving = tokio::spawn(connection);
        let url = format!("https://{HOST}{}", self.small.path);
        let ask = Request::get(url).header("user-agent", META).body(()).unwrap();
        let (answer, _) = client.send_request(ask, true).unwrap();
        let answer = timeout(PATIENCE, answer).await.expect("in time").unwrap();
        assert_eq!(answer.status(), 200, "whoever behaves is served");
        let (mut body, mut came) = (answer.into_body(), Vec::new());
        while let Some(bytes) = timeout(PATIENCE, body.data()).await.expect("in time") {
            let bytes: Bytes = bytes.unwrap();
            body.flow_control().release_capacity(bytes.len()).unwrap();
            came.extend(bytes);
        }
        assert_eq!(came, SMALL);
        drop(client);
        driving.abort();
    }

    /// Does `attack`, and serves whoever behaves meanwhile, at least once.
    async fn while_serving<T>(&self, attack: impl Future<Output = T>) -> T {
        let mut attack = std::pin::pin!(attack);
        let mut done = None;
        loop {
            let serving = async {
                self.serves().await;
                sleep(Duration::from_millis(20)).await;
            };
            let mut serving = std::pin::pin!(serving);
            while done.is_none() {
                tokio::select! {
                    came = &mut attack => done = Some(came),
                    () = &mut serving => break,
                }
            }
            if let Some(came) = done {
                self.serves().await;
                return came;
            }
        }
    }

    /// Waits until connections of the public listener ended like that exactly so often.
    async fn ended(&self, ending: &str, times: u64) {
        self.until(&endings(ending), &(times..=times)).await;
    }

    /// Waits until they ended like that at least so often.
    async fn ended_often(&self, ending: &str, times: u64) {
        self.until(&endings(ending), &(times..=u64::MAX)).await;
    }

    /// Waits until connections were refused for this reason so often.
    async fn refused(&self, limit: &str, times: u64) {
        self.counts(&format!("hallpass_connection_refusals_total{{listener=\"public\",limit=\"{limit}\"}}"), times)
            .await;
    }

    /// Waits until this is counted exactly so often.
    async fn counts(&self, series: &str, times: u64) {
        self.until(series, &(times..=times)).await;
    }

    async fn until(&self, series: &str, wanted: &RangeInclusive<u64>) {
        let begun = Instant::now();
        loop {
            let counted = self.gate.counted(series).await;
            if wanted.contains(&counted) {
                return;
            }
            if begun.elapsed() > PATIENCE {
                let page = self.gate.metrics().await;
                let lines = page.lines().filter(|line| line.starts_with("hallpass_connection"));
                panic!("{series} is {counted} and not {wanted:?}:\n{}", lines.collect::<Vec<_>>().join("\n"));
            }
            sleep(Duration::from_millis(20)).await;
        }
    }

    /// Waits until no connection of the public listener is open.
    async fn is_left_alone(&self) {
        self.counts("hallpass_connections{listener=\"public\"}", 0).await;
    }
}

fn endings(ending: &str) -> String {
    format!("hallpass_connection_endings_total{{listener=\"public\",ending=\"{ending}\"}}")
}

/// A place whose public listener speaks TLS with a certificate for [`HOST`], and who trusts it.
fn tls(place: Place, settings: &str) -> (Place, Trust) {
    let pki = Pki::new();
    let root = pki.write_root(place.dir.path());
    let (chain, key) = pki.leaf(&[HOST]).issue().write(place.dir.path(), "media");
    let settings = format!(
        "[tls]\nroots = \"{}\"\ncertificates = [{{ chain = \"{}\", key = \"{}\" }}]\n{settings}",
        root.display(),
        chain.display(),
        key.display()
    );
    let trust = Trust::in_root_of(&pki);
    (Place { settings, ..place }, trust)
}

const SMALL: &[u8] = b"a small body that everybody asks for";
/// More than any socket's buffers take.
const LARGE: usize = 16 * BIG;
/// How long anything may take that has no reason to take long, on a machine that has other things to do.
const PATIENCE: Duration = Duration::from_secs(20);
