//! What is measured: one ordinary grant of 208 encoded bytes, keys of its own, and a store in memory that counts what it is asked.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use bytes::Bytes;
use futures_util::future::{BoxFuture, FutureExt, ready};
use futures_util::stream::{self, StreamExt};
use hallpass::link::{CachePolicy, Grant, Keyring, Link, Seals};
use hallpass::origin::{ByteStream, ObjectMeta, Origin, OriginError};
use hallpass::value::{ByteSpan, Clock, Fingerprint, ObjectKey, ObjectVersion, UnixTime};

pub const PUBLIC_ORIGIN: &str = "https://media.example.com";
pub const STORE: &str = "media";
pub const KEY: &str = "promos/2026/black-friday/hero-wide.jpg";
pub const VERSION: &str = "e:\"9e107d9d372bb6826bd81d3542a419d6\"";
pub const META_AGENT: &str = "facebookexternalhit/1.1 (+http://www.facebook.com/externalhit_uatext.php)";
pub const PICTURE: &[u8] = include_bytes!("../src/cli/demo_media/winter-sale.jpg");

/// The time at which everything here happens, save for requests over sockets.
pub fn now() -> UnixTime {
    UnixTime::from_secs(1_795_255_200).unwrap()
}

/// A clock that stands there, so that no link expires while it is measured.
pub fn clock() -> Clock {
    Clock::held_at(now())
}

/// A grant as an ordinary mint makes it: 208 bytes encoded, a little more than the 200 that the requirement names.
pub fn grant() -> Grant {
    let grant = Grant {
        store: STORE.parse().unwrap(),
        key: KEY.parse().unwrap(),
        version: VERSION.parse().unwrap(),
        length: u64::try_from(PICTURE.len()).unwrap(),
        last_modified: UnixTime::from_secs(1_795_000_000).unwrap(),
        fingerprint: Fingerprint::of(PICTURE),
        media_type: "image/jpeg".parse().unwrap(),
        name: "hero-wide.jpg".parse().unwrap(),
        cache: CachePolicy::Immutable,
        profile: "meta".parse().unwrap(),
        client: "billing".parse().unwrap(),
        issued: now(),
        expires: UnixTime::from_secs(1_795_256_400).unwrap(),
        nonce: None,
    };
    let mut encoded = Vec::new();
    grant.encode(&mut encoded);
    assert_eq!(encoded.len(), 208);
    grant
}

/// A fresh key, and what seals with it.
pub fn seals() -> Seals {
    Seals::new(&Keyring::generate(now()).unwrap(), PUBLIC_ORIGIN.parse().unwrap()).unwrap()
}

/// The path under which a fetcher asks for a link.
pub fn path_of(link: &Link) -> String {
    link.url().strip_prefix(PUBLIC_ORIGIN).unwrap().to_owned()
}

/// The path with its token changed.
pub fn with_token(path: &str, change: impl FnOnce(&str) -> String) -> String {
    let (token, name) = path.strip_prefix("/m/").unwrap().split_once('/').unwrap();
    format!("/m/{}/{name}", change(token))
}

/// The text with the digit at `at` replaced by another one of the alphabet.
pub fn tampered(token: &str, at: usize) -> String {
    let other = if token[at..].starts_with('a') { "b" } else { "a" };
    format!("{}{other}{}", &token[..at], &token[at + 1..])
}

/// A store that holds one object in memory, and answers for every key.
#[derive(Default)]
pub struct Memory {
    heads: AtomicU64,
    reads: AtomicU64,
}

impl Memory {
    /// How often it was asked for metadata, and for bytes.
    pub fn asked(&self) -> (u64, u64) {
        (self.heads.load(Ordering::Relaxed), self.reads.load(Ordering::Relaxed))
    }

    /// The same as stores are held.
    pub fn shared(self: &Arc<Self>) -> Arc<dyn Origin> {
        Arc::<Self>::clone(self)
    }
}

impl Origin for Memory {
    fn head<'a>(&'a self, _: &'a ObjectKey) -> BoxFuture<'a, Result<ObjectMeta, OriginError>> {
        self.heads.fetch_add(1, Ordering::Relaxed);
        ready(Ok(meta())).boxed()
    }

    fn read<'a>(
        &'a self,
        _: &'a ObjectKey,
        _: &'a ObjectVersion,
        span: ByteSpan,
    ) -> BoxFuture<'a, Result<ByteStream, OriginError>> {
        self.reads.fetch_add(1, Ordering::Relaxed);
        let (first, end) = (usize::try_from(span.first()).unwrap(), usize::try_from(span.end()).unwrap());
        let bytes = Bytes::from_static(&PICTURE[first..end]);
        ready(Ok(stream::once(ready(Ok(bytes))).boxed())).boxed()
    }

    fn probe(&self) -> BoxFuture<'_, Result<(), OriginError>> {
        ready(Ok(())).boxed()
    }
}

fn meta() -> ObjectMeta {
    ObjectMeta {
        version: VERSION.parse().unwrap(),
        length: u64::try_from(PICTURE.len()).unwrap(),
        last_modified: UnixTime::from_secs(1_795_000_000).unwrap(),
        media_type: Some("image/jpeg".to_owned()),
        content_encoding: None,
    }
}
