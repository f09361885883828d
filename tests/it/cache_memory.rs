//! The ceiling of memory under all faults at once, as the kernel sees it: the real program, with little memory, before an S3 server
//! that resets, truncates, stalls, lies and refuses, while objects are overwritten, hundreds of connections are open, readers take a
//! kilobyte a second and a scan passes through.
//!
//! Every byte that comes is compared; a fetch may be refused or aborted, but neither wrong nor cleanly short.

#[path = "../../bench/support/mod.rs"]
pub mod support;

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use bytes::Bytes;
use tokio::net::TcpStream;
use tokio::task::JoinSet;

use self::support::bucket::PLAIN;
use self::support::gateway::{Gateway, Link, Memory, Store};
use self::support::origin::{Asked, Fault, Origin};
use self::support::wire::{End, Pace, Wire, request};
use self::support::{Dice, KIB, MIB, content, zero_copy};

const MEMORY: u64 = 32 * MIB;
const IN_FLIGHT: u64 = 16 * MIB;
const LASTS: Duration = Duration::from_secs(15);
const SLOW: usize = 160;
const QUICK: usize = 32;
const IDLE: usize = 100;
/// Two for the overwriter and for us, who look.
const CONNECTIONS: u64 = (SLOW + QUICK + IDLE + 2) as u64;

/// What the process may take besides its blocks and its connections is 64 MiB. Of these, 16 are left to the program's own code, which
/// is not counted here: a build for tests has twice as much of it as one that is shipped.
const BESIDES: u64 = 48 * MIB;

struct Object {
    link: Link,
    bytes: Bytes,
}

struct Scene {
    /// The process's memory before anything was asked of it.
    idle: Memory,
    gateway: Gateway,
    origin: Origin,
    large: Vec<Object>,
    medium: Vec<Object>,
    once: Vec<Object>,
    ends: Mutex<Instant>,
    is_over: AtomicBool,
    whole: AtomicU64,
    aborted: AtomicU64,
    refused: AtomicU64,
}

impl Scene {
    async fn build() -> Self {
        let origin = Origin::start();
        let settings = format!(
            "cache = {{ memory = \"{MEMORY}B\", in_flight = \"{IN_FLIGHT}B\", zero_copy = {} }}\n\
             origin = {{ first_byte = \"1s\", stall = \"1s\", patience = \"3s\" }}\n",
            zero_copy()
        );
        let gateway = Gateway::place(&origin, &[Store { name: "media", bucket: PLAIN }], &settings);
        gateway.start().await;
        let idle = gateway.memory();
        // Larger than a quarter of the memory, so never kept; kept; and more of them than there is room for.
        let large = minted(&gateway, &origin, "large", 4, |_| 12 * MIB).await;
        let medium = minted(&gateway, &origin, "medium", 10, |n| 3 * MIB + n).await;
        let once = minted(&gateway, &origin, "once", 150, |n| 64 * KIB + 4001 * n).await;
        let (ends, is_over) = (Mutex::new(Instant::now()), AtomicBool::default());
        let [whole, aborted, refused] = [(); 3].map(|()| AtomicU64::default());
        Self { idle, gateway, origin, large, medium, once, ends, is_over, whole, aborted, refused }
    }

    fn is_over(&self) -> bool {
        self.is_over.load(Ordering::SeqCst)
    }

    /// Fetches what lies from `first` to `last` of an object, on a connection of its own, and judges it.
    async fn fetch(&self, object: &Object, (first, last): (u64, u64), pace: Pace) {
        let range = format!("Range: bytes={first}-{last}");
        let mut wire = match pace.speed {
            0 => Wire::connect(self.gateway.public).await.unwrap(),
            _ => Wire::connect_narrow(self.gateway.public).await.unwrap(),
        };
        wire.patience = Duration::from_secs(60);
        wire.send(&request("GET", &object.link.path, self.gateway.public, &[range])).await.unwrap();
        // A body that breaks off at once can take its head with it.
        let Ok(head) = wire.head().await else {
            self.aborted.fetch_add(1, Ordering::SeqCst);
            return;
        };
        if head.status != 206 {
            assert!([410, 502, 503, 504].contains(&head.status), "{}", head.text);
            self.refused.fetch_add(1, Ordering::SeqCst);
            return;
        }
        assert_eq!(head.length, last - first + 1, "{}", head.text);
        let right = |offset: u64, piece: &[u8]| {
            let at = usize::try_from(first + offset).unwrap();
            object.bytes[at..at + piece.len()] == *piece
        };
        match wire.body(head.length, pace, right).await.end {
            End::Whole => self.whole.fetch_add(1, Ordering::SeqCst),
            End::Closed | End::Reset => self.aborted.fetch_add(1, Ordering::SeqCst),
            End::Left => 0,
            end @ (End::Wrong | End::Silent) => panic!("{end:?} from {first} to {last} of {}", object.link.path),
        };
    }
}

async fn minted(gateway: &Gateway, origin: &Origin, name: &str, many: u64, length: fn(u64) -> u64) -> Vec<Object> {
    let mut objects = Vec::new();
    for number in 0..many {
        let (key, bytes) = (format!("{name}-{number}.bin"), content(length(number) + number, length(number)));
        origin.put(PLAIN, &key, bytes.clone());
        objects.push(Object { link: gateway.mint("media", &key).await, bytes });
    }
    objects
}

/// Every other read fails in one way or another.
fn storm(dice: &mut Dice, asked: Asked) -> Fault {
    let place = dice.below(MIB);
    match (asked, dice.below(12)) {
        (Asked::Read, 0) => Fault::ResetAfter(place),
        (Asked::Read, 1) => Fault::CloseAfter(place),
        (Asked::Read, 2) => Fault::StallAfter(place),
        (Asked::Read, 3) => Fault::Flip(place),
        (_, 4) => Fault::Unavailable,
        (_, 5) => Fault::HangUp,
        _ => Fault::None,
    }
}

/// A kilobyte a second, each from a place of its own, so that none can live on another's window.
async fn slow(scene: Arc<Scene>, seed: u64) {
    let mut dice = Dice::new(seed);
    while !scene.is_over() {
        let objects = if dice.once_in(3) { &scene.medium } else { &scene.large };
        let object = dice.pick(objects);
        let left = scene.ends.lock().unwrap().saturating_duration_since(Instant::now());
        let pace = Pace { speed: 1000, leave_after: None, leave_within: Some(left) };
        scene.fetch(object, (dice.below(object.link.length), object.link.length - 1), pace).await;
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
}

/// Whole objects, single bytes, and everything that is there for one fetch, again and again.
async fn quick(scene: Arc<Scene>, seed: u64) {
    let mut dice = Dice::new(seed);
    while !scene.is_over() {
        let (object, single) = match dice.below(4) {
            0 => (dice.pick(&scene.large), false),
            1 => (dice.pick(&scene.medium), false),
            2 => (dice.pick(&scene.large), true),
            _ => (dice.pick(&scene.once), false),
        };
        let place = dice.below(object.link.length);
        let span = if single { (place, place) } else { (0, object.link.length - 1) };
        scene.fetch(object, span, Pace::default()).await;
    }
}

async fn overwriter(scene: Arc<Scene>) {
    let mut number = 0;
    while !scene.is_over() {
        tokio::time::sleep(Duration::from_millis(500)).await;
        scene.origin.put(PLAIN, &format!("once-{number}.bin"), content(9_000_000 + number, 100 * KIB));
        number += 1;
    }
}

#[tokio::test]
async fn memory_stays_below_its_ceiling_under_all_faults_at_once() {
    let scene = Arc::new(Scene::build().await);
    let mut dice = Dice::new(7);
    scene.origin.weather(move |asked, _| storm(&mut dice, asked));
    *scene.ends.lock().unwrap() = Instant::now() + LASTS;
    let mut idle = Vec::new();
    for _ in 0..IDLE {
        idle.push(TcpStream::connect(scene.gateway.public).await.unwrap());
    }
    let mut actors = JoinSet::new();
    for seed in 0..SLOW {
        actors.spawn(slow(Arc::clone(&scene), seed as u64));
    }
    for seed in 0..QUICK {
        actors.spawn(quick(Arc::clone(&scene), 1000 + seed as u64));
    }
    actors.spawn(overwriter(Arc::clone(&scene)));
    tokio::time::sleep(LASTS).await;
    scene.is_over.store(true, Ordering::SeqCst);
    actors.join_all().await;
    drop(idle);
    assert!(scene.gateway.is_running());
    let [whole, aborted, refused] =
        [&scene.whole, &scene.aborted, &scene.refused].map(|count| count.load(Ordering::SeqCst));
    assert!(whole > 100 && aborted + refused > 10, "{whole} whole, {aborted} aborted, {refused} refused");
    let highest = scene.gateway.memory().highest - scene.idle.code;
    let ceiling = MEMORY + IN_FLIGHT + BESIDES + 32 * KIB * CONNECTIONS;
    assert!(highest <= ceiling, "{highest} bytes besides the program's code are above {ceiling}");
    scene.origin.fair_weather();
    let begun = Instant::now();
    while scene.gateway.metrics().await.of("hallpass_cache_bytes", "in-flight") != Some(0.0) {
        assert!(begun.elapsed() < Duration::from_secs(60), "bytes stay in flight after their readers");
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}
