//! The cache from outside: whole gateways over a scripted store, and bytes on the wire.
//!
//! What every test here may rely on: a body is compared with the content byte by byte, as far as it came; and what the store was asked
//! for is known to the byte. Bodies are never printed.

mod bounds;
mod keeping;
mod lane;
mod lies;
mod losses;
mod sharing;
mod strangers;

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use hallpass::origin::{Origin, OriginCounters, ReliableOrigin, RetryPolicy};
use serde_json::json;

use crate::cache_memory::support::zero_copy;
use crate::kit::gateway::{Gateway, Minted, Place, request};
use crate::kit::scripted::Scripted;
use crate::kit::wire::{Answer, End, Wire};

/// A block of the cache, in bytes.
pub const BLOCK: usize = 256 * 1024;
const MIB: usize = 1 << 20;

/// What stands between the gateway and the store.
type Around = fn(Scripted) -> Arc<dyn Origin>;

/// Nothing: each fault is the gateway's own to bear.
fn bare(store: Scripted) -> Arc<dyn Origin> {
    Arc::new(store)
}

/// Time limits, retries and resuming, as in every real gateway, with little patience.
fn reliable(store: Scripted) -> Arc<dyn Origin> {
    let quick = RetryPolicy {
        first_byte: Duration::from_millis(300),
        stall: Duration::from_millis(300),
        patience: Duration::from_millis(900),
        retries: 2,
        backoff: Duration::from_millis(5),
        backoff_max: Duration::from_millis(20),
        budget_burst: 1000.0,
        ..RetryPolicy::default()
    };
    Arc::new(ReliableOrigin::new(Arc::new(store), quick, Arc::new(OriginCounters::default())))
}

/// A gateway over a scripted store.
pub struct Stage {
    pub gate: Gateway,
    pub store: Scripted,
    around: Around,
}

impl Stage {
    /// A gateway with these members of `[cache]`, on the lane that this run of the tests is for.
    pub async fn new(around: Around, cache: &str) -> Self {
        Self::exactly(around, &on_this_runs_lane(cache)).await
    }

    /// A gateway with exactly these members of `[cache]`.
    pub async fn exactly(around: Around, cache: &str) -> Self {
        Self::at(Place::new(), around, Scripted::new(), cache).await
    }

    async fn at(mut place: Place, around: Around, store: Scripted, cache: &str) -> Self {
        // Few first reads at once, so that a batch of mints has room beneath the lowest ceiling of what is in flight.
        let mint = "mint_timeout = \"2m\"\nfresh_for = \"0s\"\nfirst_reads = 2";
        place.settings =
            format!("[cache]\n{cache}\n[mint]\n{mint}\n[limits]\nidle_timeout = \"2m\"\nwrite_stall = \"20m\"");
        let gate = Box::pin(place.start()).await;
        gate.replace_store(around(store.clone()));
        Self { gate, store, around }
    }

    /// Puts `bytes` at `key` and mints a link for it.
    pub async fn link(&self, key: &str, bytes: &[u8]) -> Minted {
        self.store.put(key, bytes.to_vec());
        self.gate.mint(json!({ "key": key })).await
    }

    /// The same catalog and the same keys after a restart: manifests are known, and no block is held. Reads so far are forgotten.
    pub async fn cold(self) -> Self {
        let Self { gate, store, around } = self;
        gate.rooms.catalog.flush().await.unwrap();
        let place = Box::pin(gate.stop()).await;
        let gate = Box::pin(place.start()).await;
        gate.replace_store(around(store.clone()));
        store.until_quiet().await;
        store.forget_reads();
        Self { gate, store, around }
    }

    /// Another node: the same keys and the same store, and a catalog that knows nothing.
    pub async fn stranger(&self, cache: &str) -> Self {
        let place = Place { keyring: self.gate.place.keyring.clone(), ..Place::new() };
        let stranger = Self::at(place, self.around, self.store.clone(), &on_this_runs_lane(cache)).await;
        self.store.until_quiet().await;
        self.store.forget_reads();
        stranger
    }

    pub async fn get(&self, link: &Minted, lines: &[&str]) -> Came {
        let mut client = Client::ask(&self.gate, &link.path, lines).await;
        client.rest().await
    }

    /// The value of one of the metrics of which each name begins with `hallpass_`.
    pub async fn counted(&self, series: &str) -> u64 {
        self.gate.counted(&format!("hallpass_{series}")).await
    }
}

/// One request on a connection of its own, whose answer is read bit by bit.
pub struct Client {
    wire: Wire,
    head: Option<Answer>,
    body: Vec<u8>,
}

impl Client {
    pub async fn ask(gate: &Gateway, path: &str, lines: &[&str]) -> Self {
        Self::send(gate.public().await, path, lines).await
    }

    /// The same through a connection that takes little at a time.
    pub async fn ask_narrowly(gate: &Gateway, path: &str, lines: &[&str]) -> Self {
        Self::send(Wire::connect_narrow(gate.addresses.public).await, path, lines).await
    }

    async fn send(mut wire: Wire, path: &str, lines: &[&str]) -> Self {
        wire.send(request("GET", path, lines)).await;
        Self { wire, head: None, body: Vec::new() }
    }

    /// Reads until so many bytes of the body are there.
    pub async fn read_to(&mut self, wanted: usize) -> Result<&[u8], End> {
        if self.head.is_none() {
            self.head = Some(self.wire.head().await.map_err(|broken| broken.how)?);
        }
        let missing = wanted.saturating_sub(self.body.len());
        match self.wire.body(missing).await {
            Ok(more) => self.body.extend(more),
            Err((some, how)) => {
                self.body.extend(some);
                return Err(how);
            }
        }
        Ok(&self.body)
    }

    /// What of the body was read.
    pub fn so_far(&self) -> &[u8] {
        &self.body
    }

    /// Reads all that is still to come.
    pub async fn rest(&mut self) -> Came {
        let mut end = self.read_to(0).await.err();
        let promised = self.head.as_ref().and_then(Answer::length).unwrap_or(0);
        if end.is_none() {
            end = self.read_to(promised).await.err();
        }
        let head = self.head.clone();
        Came { head, body: std::mem::take(&mut self.body), promised, end }
    }
}

/// What came of a request.
#[derive(Clone)]
pub struct Came {
    pub head: Option<Answer>,
    pub body: Vec<u8>,
    /// The Content-Length.
    pub promised: usize,
    /// How the connection ended before all of it had come; `None` when all had.
    pub end: Option<End>,
}

impl fmt::Debug for Came {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (status, said) = (self.head.as_ref().map(|head| &head.status_line), self.cache_status());
        let (came, promised, end) = (self.body.len(), self.promised, self.end);
        write!(out, "{status:?}, Cache-Status {said:?}, {came} of {promised} bytes, ended by {end:?}")
    }
}

impl Came {
    pub fn status(&self) -> Option<u16> {
        self.head.as_ref().map(|head| head.status)
    }

    pub fn cache_status(&self) -> Option<&str> {
        self.head.as_ref()?.field("cache-status")
    }

    /// Status and code of a problem.
    pub fn problem(&self) -> (u16, String) {
        let head = self.head.clone().unwrap_or_else(|| panic!("no head came: {self:?}"));
        assert!(matches!(self.status(), Some(400..)), "no problem: {self:?}");
        Answer { body: self.body.clone(), ..head }.problem()
    }

    /// It is all of `wanted`, with this status.
    #[track_caller]
    pub fn is_right(&self, status: u16, wanted: &[u8]) {
        assert_eq!((self.status(), self.end), (Some(status), None), "{self:?}");
        self.begins_rightly(wanted);
        assert_eq!(self.body.len(), wanted.len(), "{self:?}");
    }

    /// As far as it came it is `wanted`.
    #[track_caller]
    pub fn begins_rightly(&self, wanted: &[u8]) {
        let wrong = self.body.iter().zip(wanted).position(|(got, want)| got != want);
        assert_eq!(wrong, None, "a wrong byte came: {self:?}");
        assert!(self.body.len() <= wanted.len(), "more came than there is: {self:?}");
    }

    /// It is broken off, with no byte that is not `wanted`; or it is a problem of one of these codes. It is never a success.
    #[track_caller]
    pub fn is_refused_or_broken(&self, wanted: &[u8], codes: &[&str]) {
        if let Some(400..) = self.status() {
            let (_, code) = self.problem();
            assert!(codes.contains(&code.as_str()), "{code} is not one of {codes:?}: {self:?}");
        } else {
            assert!(matches!(self.end, Some(End::Closed | End::Reset)), "it must be broken off: {self:?}");
            self.begins_rightly(wanted);
            assert!(self.body.len() < wanted.len(), "all of it came, and then it broke: {self:?}");
        }
    }
}

fn on_this_runs_lane(cache: &str) -> String {
    format!("{cache}\nzero_copy = {}", zero_copy())
}

/// `Range: bytes=first-last`, both included.
pub fn range(first: usize, last: usize) -> String {
    format!("Range: bytes={first}-{last}")
}
