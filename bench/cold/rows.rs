//! The rows of the table: each sets its stage, measures three times, and says what it found beside what was asked for.

use std::time::Duration;

use bytes::Bytes;

use crate::herd::{Herd, herd};
use crate::support::bucket::PLAIN;
use crate::support::gateway::{Gateway, Link, Store};
use crate::support::numbers::{mib, ms, share, spread, table};
use crate::support::origin::{Counted, Fault, Origin};
use crate::support::wire::{End, Pace, Wire, request};
use crate::support::{BLOCK, MIB, content};

const REPETITIONS: usize = 3;
const CLIENTS: usize = 500;

fn verdict(met: bool) -> String {
    if met { "**met**" } else { "**NOT MET**" }.to_owned()
}

/// One herd, and what the origin and the process's memory were like.
struct Measured {
    herd: Herd,
    origin: Counted,
    highest: u64,
}

/// Cold and hot: 500 clients at once for one object of 16 MiB.
pub async fn herds() -> bool {
    let origin = Origin::start();
    let bytes = content(1, 16 * MIB);
    origin.put(PLAIN, "banner.bin", bytes.clone());
    let gateway = Gateway::place(&origin, &[Store { name: "media", bucket: PLAIN }], "");
    gateway.start().await;
    let link = gateway.mint("media", "banner.bin").await;
    let (mut cold, mut hot, mut alone) = (Vec::new(), Vec::new(), Vec::new());
    for _ in 0..REPETITIONS {
        gateway.stop().await;
        gateway.start().await;
        for (clients, of) in [(CLIENTS, &mut cold), (CLIENTS, &mut hot), (1, &mut alone)] {
            let before = origin.counted();
            let herd = herd(gateway.public, &link.path, clients, &bytes).await;
            let (origin, highest) = (origin.counted().since(before), gateway.memory().highest);
            of.push(Measured { herd, origin, highest });
        }
    }
    println!("### One object of 16 MiB, fetched at once\n");
    println!("{}", herd_table(&[("cold, 500 clients", &cold), ("hot, 500 clients", &hot), ("hot, 1 client", &alone)]));
    let once = cold.iter().all(|one| one.origin.reads == 1);
    let median = cold.iter().all(|one| share(&one.herd.firsts(), 0.5) <= Duration::from_millis(100));
    let sound = [&cold, &hot, &alone].into_iter().flatten().all(|one| one.herd.is_sound());
    let rows = [
        ("exactly one origin read for the cold herd", once),
        ("median first byte of the cold herd at most 100 ms, in each repetition", median),
        ("every body whole and right", sound),
    ];
    println!("{}", table(&["asked for", "verdict"], &rows.map(|(asked, met)| vec![asked.to_owned(), verdict(met)])));
    for one in [&cold, &hot, &alone].into_iter().flatten().filter(|one| !one.herd.is_sound()) {
        println!("Not right: {}\n", one.herd.faults());
    }
    sound
}

fn herd_table(rows: &[(&str, &Vec<Measured>)]) -> String {
    let first = |one: &Measured, part| share(&one.herd.firsts(), part);
    let cells = |(name, of): &(&str, &Vec<Measured>)| {
        let each = |words: &dyn Fn(&Measured) -> String| of.iter().map(words).collect::<Vec<_>>().join(" / ");
        let times = |of_one: &dyn Fn(&Measured) -> Duration| spread(&of.iter().map(of_one).collect::<Vec<_>>(), ms);
        vec![
            (*name).to_owned(),
            each(&|one| one.origin.reads.to_string()),
            each(&|one| mib(one.origin.bytes)),
            each(&|one| format!("{} of {}", one.herd.right(), one.herd.all.len())),
            times(&|one| first(one, 0.5)),
            times(&|one| first(one, 0.99)),
            times(&|one| one.herd.took),
            each(&|one| mib(one.highest)),
            of.last().unwrap().herd.all[0].cache.clone(),
        ]
    };
    let heads = [
        "clients",
        "origin reads",
        "origin bytes",
        "whole and right",
        "first byte, median",
        "first byte, p99",
        "all done",
        "highest memory of the process",
        "`Cache-Status` of one",
    ];
    table(&heads, &rows.iter().map(cells).collect::<Vec<_>>())
}

/// One byte of an object of 95 MiB that nobody has asked for yet.
pub async fn one_byte() -> bool {
    let origin = Origin::start();
    let bytes = content(2, 95 * MIB);
    origin.put(PLAIN, "video.bin", bytes.clone());
    let gateway = Gateway::place(&origin, &[Store { name: "media", bucket: PLAIN }], "");
    gateway.start().await;
    let link = gateway.mint("media", "video.bin").await;
    let last = 95 * MIB - 1;
    let (mut rows, mut sound, mut met) = (Vec::new(), true, true);
    for place in [0, 50_000_001, last] {
        let mut found = Vec::new();
        for _ in 0..REPETITIONS {
            gateway.stop().await;
            gateway.start().await;
            let before = origin.counted();
            let begun = std::time::Instant::now();
            let byte = byte_of(&gateway, &link, place).await;
            let counted = origin.counted().since(before);
            sound &= byte == Some(bytes[usize::try_from(place).unwrap()]);
            met &= counted.bytes <= BLOCK && counted.reads == 1;
            found.push((counted, begun.elapsed()));
        }
        let times: Vec<_> = found.iter().map(|(_, time)| *time).collect();
        let each = |words: &dyn Fn(Counted) -> u64| {
            found.iter().map(|(counted, _)| words(*counted).to_string()).collect::<Vec<_>>().join(" / ")
        };
        rows.push(vec![place.to_string(), each(&|c| c.reads), each(&|c| c.bytes), spread(&times, ms)]);
    }
    println!("### One byte of a cold object of 95 MiB\n");
    println!("{}", table(&["offset", "origin reads", "origin bytes", "answered within"], &rows));
    let asked = vec!["at most one block (262,144 bytes) of origin traffic, and the right byte".to_owned()];
    println!("{}", table(&["asked for", "verdict"], &[[asked, vec![verdict(met && sound)]].concat()]));
    sound
}

async fn byte_of(gateway: &Gateway, link: &Link, place: u64) -> Option<u8> {
    let mut wire = Wire::connect(gateway.public).await.ok()?;
    let range = format!("Range: bytes={place}-{place}");
    wire.send(&request("GET", &link.path, gateway.public, &[range])).await.ok()?;
    let answer = wire.answer(false).await.ok()?;
    (answer.status == 206 && answer.body.len() == 1).then(|| answer.body[0])
}

/// A store has a budget of retries, so that one in trouble is not asked ever more often; 100 breaks within seconds would spend it.
/// Two objects for each of ten stores stay within it.
const STORES: usize = 10;
const OBJECTS: usize = 20;

/// Twenty cold objects of 16 MiB from an origin that resets every connection after 3 MiB of body.
pub async fn resumed() -> bool {
    let origin = Origin::start();
    let names: Vec<_> = (0..STORES).map(|number| format!("media-{number}")).collect();
    let stores: Vec<_> = names.iter().map(|name| Store { name, bucket: PLAIN }).collect();
    let gateway = Gateway::place(&origin, &stores, "");
    gateway.start().await;
    let mut objects = Vec::new();
    for number in 0..OBJECTS {
        let (key, bytes) = (format!("{number}.bin"), content(100 + number as u64, 16 * MIB));
        origin.put(PLAIN, &key, bytes.clone());
        objects.push((gateway.mint(&names[number % STORES], &key).await, bytes));
    }
    let (mut rights, mut reads, mut ratios, mut times) = (Vec::new(), Vec::new(), Vec::new(), Vec::new());
    for _ in 0..REPETITIONS {
        origin.fair_weather();
        gateway.stop().await;
        gateway.start().await;
        origin.weather(|_, _| Fault::ResetAfter(3 * MIB));
        let (before, begun) = (origin.counted(), std::time::Instant::now());
        let mut right = 0;
        for (link, bytes) in &objects {
            right += usize::from(is_right(&gateway, link, bytes).await);
        }
        let counted = origin.counted().since(before);
        rights.push(right);
        reads.push(counted.reads);
        ratios.push(counted.bytes as f64 / (OBJECTS as u64 * 16 * MIB) as f64);
        times.push(begun.elapsed() / OBJECTS as u32);
    }
    println!("### Twenty cold objects of 16 MiB, from an origin that resets after every 3 MiB\n");
    let row = vec![
        rights.iter().map(|right| format!("{right} of {OBJECTS}")).collect::<Vec<_>>().join(" / "),
        spread(&reads, |reads| reads.to_string()),
        spread(&ratios, |ratio| format!("{ratio:.4}")),
        spread(&times, ms),
    ];
    println!(
        "{}",
        table(&["whole and right", "origin reads", "origin bytes / bytes of the objects", "per object"], &[row])
    );
    let sound = rights.iter().all(|&right| right == OBJECTS);
    let frugal = ratios.iter().all(|&ratio| ratio <= 1.1);
    let rows = [("every body right", sound), ("origin bytes at most 1.1 x the objects", frugal)];
    println!("{}", table(&["asked for", "verdict"], &rows.map(|(asked, met)| vec![asked.to_owned(), verdict(met)])));
    sound
}

async fn is_right(gateway: &Gateway, link: &Link, bytes: &Bytes) -> bool {
    let Ok(mut wire) = Wire::connect(gateway.public).await else { return false };
    if wire.send(&request("GET", &link.path, gateway.public, &[])).await.is_err() {
        return false;
    }
    let Ok(head) = wire.head().await else { return false };
    let mut hasher = blake3::Hasher::new();
    let hash = |_, piece: &[u8]| {
        hasher.update(piece);
        true
    };
    let came = wire.body(head.length, Pace::default(), hash).await;
    let whole = head.status == 200 && came.end == End::Whole && came.bytes == bytes.len() as u64;
    whole && hasher.finalize().to_hex().as_str() == link.fingerprint
}
