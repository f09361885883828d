//! Tokens: a good one from path to verified grant, and what it costs to send us others. Sealing, too.
//!
//! A hostile token that names our key gets as far as the cipher. Anybody who was ever sent a link can make one.

use std::hint::black_box;
use std::sync::Arc;

use criterion::measurement::WallTime;
use criterion::{BenchmarkGroup, Criterion};
use hallpass::link::{
    Denial, Grant, InvalidReason, Link, LinkBounds, LinkPath, OpenedGrant, Revocation, RevocationSet, Seals,
    VerifiedGrant,
};
use hallpass::value::UnixTime;

use crate::samples::{grant, now, path_of, seals, tampered, with_token};

pub fn bench(criterion: &mut Criterion) {
    let seals = seals();
    let path = path_of(&seals.seal(&grant()).unwrap());
    open(criterion, &seals, &path);
    believe(criterion, &seals, &path);
    seal(criterion, &seals);
}

/// From text to an opened grant: the step that the requirement names.
fn open(criterion: &mut Criterion, seals: &Seals, path: &str) {
    let longest = path_of(&seals.seal(&longest(seals)).unwrap());
    let mut group = criterion.benchmark_group("open");
    for (name, path) in [("good", path), ("good, the longest link", &longest)] {
        assert!(try_open(seals, path).is_ok(), "{name}");
        group.bench_function(name, |b| b.iter(|| try_open(seals, black_box(path))));
    }
    for (name, path, reason) in hostile(path) {
        assert_eq!(try_open(seals, &path).err(), Some(Denial::Invalid(reason)), "{name}");
        group.bench_function(format!("hostile, {name}"), |b| b.iter(|| try_open(seals, black_box(&path))));
    }
}

/// Paths that do not open, and why they do not.
fn hostile(path: &str) -> Vec<(&'static str, String, InvalidReason)> {
    let (token_at, middle) = ("/m/".len(), path.len() / 2);
    let last_digit = path.rfind('/').unwrap() - token_at - 1;
    let elsewhere = path_of(&seals().seal(&grant()).unwrap());
    let ours = &path[token_at..token_at + HEAD_DIGITS];
    let long = format!("{ours}{}", "a".repeat(Link::TOO_LONG - HEAD_DIGITS));
    let name_at = path.rfind('/').unwrap() + 1;
    let renamed = format!("{}z{}", &path[..name_at], &path[name_at + 1..]);
    let with = |change: &dyn Fn(&str) -> String| with_token(path, change);
    vec![
        ("seal tampered with", with(&|token| tampered(token, middle - token_at)), InvalidReason::Seal),
        ("renamed", renamed, InvalidReason::Seal),
        ("unknown key", elsewhere, InvalidReason::Key),
        ("another format", with(&|token| format!("aa{}", &token[2..])), InvalidReason::Format),
        ("upper case", with(&str::to_uppercase), InvalidReason::Spelling),
        ("wrong alphabet at the end", with(&|token| format!("{}1", &token[..last_digit])), InvalidReason::Spelling),
        ("1,024 characters", with(&|_| "a".repeat(Link::TOO_LONG)), InvalidReason::Format),
        ("1,024 characters under our key", with(&|_| long.clone()), InvalidReason::Seal),
        ("16,000 characters", with(&|_| "a".repeat(16_000)), InvalidReason::Shape),
        ("no link at all", "/m/".to_owned(), InvalidReason::Shape),
        ("our shortest", with(&|_| ours.to_owned()), InvalidReason::Seal),
    ]
}

/// From text to a verified grant: what every request does before anything else.
fn believe(criterion: &mut Criterion, seals: &Seals, path: &str) {
    let none = RevocationSet::default();
    let others: RevocationSet = others().collect();
    let ours: RevocationSet = others_and(Revocation::Fingerprint(grant().fingerprint));
    let by_id: RevocationSet = others_and(Revocation::Link(LinkPath::parse(path).unwrap().id()));
    let expires = grant().expires;
    let mut group = criterion.benchmark_group("believe");
    let mut case = |name: &str, now: UnixTime, set: &RevocationSet, expected: Option<&Denial>| {
        assert_eq!(try_believe(seals, path, now, set).err().as_ref(), expected, "{name}");
        judged(&mut group, name, seals, path, now, set);
    };
    case("good", now(), &none, None);
    case("good, beside 10,000 revocations", now(), &others, None);
    case("expired", expires, &none, Some(&Denial::Expired { at: expires }));
    let revoked = Denial::Revoked(Revocation::Fingerprint(grant().fingerprint));
    case("revoked by fingerprint", now(), &ours, Some(&revoked));
    let revoked = Denial::Revoked(Revocation::Link(LinkPath::parse(path).unwrap().id()));
    case("revoked by link id", now(), &by_id, Some(&revoked));
}

fn judged(
    group: &mut BenchmarkGroup<'_, WallTime>,
    name: &str,
    seals: &Seals,
    path: &str,
    now: UnixTime,
    set: &RevocationSet,
) {
    group.bench_function(name, |b| b.iter(|| try_believe(seals, black_box(path), black_box(now), set)));
}

fn seal(criterion: &mut Criterion, seals: &Seals) {
    let (ordinary, longest) = (grant(), longest(seals));
    let too_long = with_key(4 * Link::TOO_LONG / 5);
    assert!(seals.seal(&too_long).is_err());
    let mut group = criterion.benchmark_group("seal");
    group.bench_function("good", |b| b.iter(|| seals.seal(black_box(&ordinary))));
    group.bench_function("good, the longest link", |b| b.iter(|| seals.seal(black_box(&longest))));
    group.bench_function("hostile, too long", |b| b.iter(|| seals.seal(black_box(&too_long))));
}

fn try_open(seals: &Seals, path: &str) -> Result<OpenedGrant, Denial> {
    let path = LinkPath::parse(path).map_err(|_| Denial::Invalid(InvalidReason::Shape))?;
    seals.open(&path, now())
}

fn try_believe(seals: &Seals, path: &str, now: UnixTime, set: &RevocationSet) -> Result<VerifiedGrant, Denial> {
    Arc::new(try_open(seals, path)?).judge(now, &LinkBounds::default(), set)
}

/// The longest grant that `seals` makes a link for.
fn longest(seals: &Seals) -> Grant {
    (1..Link::TOO_LONG).rev().map(with_key).find(|grant| seals.seal(grant).is_ok()).unwrap()
}

fn with_key(length: usize) -> Grant {
    Grant { key: "k".repeat(length).parse().unwrap(), ..grant() }
}

fn others() -> impl Iterator<Item = Revocation> {
    (0..10_000_u32).map(|n| Revocation::Object("media".parse().unwrap(), format!("gone/{n}.jpg").parse().unwrap()))
}

fn others_and(one: Revocation) -> RevocationSet {
    others().chain([one]).collect()
}

/// The part of a token that names its format and its key, in digits of base32.
const HEAD_DIGITS: usize = 8;
