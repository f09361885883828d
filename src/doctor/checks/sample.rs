//! A sound server as the checks' tests see it, to be broken in one place at a time.

use std::net::SocketAddr;
use std::time::Duration;

use ::http::{HeaderMap, HeaderName, StatusCode, Version};
use rustls::ProtocolVersion;

use super::super::exchange::{Answer, Body, Ending, FRONT, TAIL};
use super::super::facts::Facts;
use super::super::handshake::Session;
use super::super::reach::{Attempt, Place};
use super::super::target::Target;
use crate::media::Inspector;
use crate::tls::pki::Pki;
use crate::tls::{Roots, examine};
use crate::value::UnixTime;

/// 1,000 bytes without a period.
pub(super) fn content() -> Vec<u8> {
    let mut bytes = vec![0; 1000];
    blake3::Hasher::new().finalize_xof().fill(&mut bytes);
    bytes
}

/// A server that serves a JPEG as it should.
pub(super) fn sound() -> Facts {
    sound_at("https://media.example.com/picture.jpg")
}

/// The same at another URL. Its picture is real; the bytes for comparisons are [`content`].
pub(super) fn sound_at(url: &str) -> Facts {
    serving_at(url, "winter-sale.jpg", "image/jpeg")
}

/// A server that serves this sample file as this type.
pub(super) fn serving(file: &str, media_type: &str) -> Facts {
    serving_at(&format!("https://media.example.com/{file}"), file, media_type)
}

pub(super) fn serving_at(url: &str, file: &str, media_type: &str) -> Facts {
    let root = concat!(env!("CARGO_MANIFEST_DIR"), "/");
    let paths = ["src/cli/demo_media/", "tests/media/"].map(|folder| format!("{root}{folder}{file}"));
    let bytes = paths.iter().find_map(|path| std::fs::read(path).ok()).unwrap();
    let mut facts = Facts::about(Target::read(url).unwrap(), None, false);
    facts.places = vec![
        place("192.0.2.1:443", Attempt::Connected(Duration::from_millis(5))),
        place("[2a03:2880::1]:443", Attempt::Connected(Duration::from_millis(5))),
    ];
    secure(&mut facts);
    let whole = described(answer(200, &content()), &bytes, media_type);
    facts.get = Some(Ok(whole.clone()));
    for asked in [&mut facts.head, &mut facts.browser, &mut facts.chat, &mut facts.webhook] {
        *asked = Some(Ok(whole.clone()));
    }
    let part = with(answer(206, &content()), "content-range", "bytes 0-999/1000");
    (facts.range, facts.suffix) = (Some(Ok(part.clone())), Some(Ok(part)));
    (facts.by_tag, facts.by_date) = (Some(Ok(answer(304, b""))), Some(Ok(answer(304, b""))));
    facts.robots = Some(Ok(answer(404, b"")));
    facts
}

fn secure(facts: &mut Facts) {
    let pki = Pki::at(NOW);
    let mut roots = Roots::public();
    roots.add(&pki.root()).unwrap();
    let chain = pki.leaf(&["media.example.com"]).issue().chain;
    facts.chain = Some(examine(&chain, &roots, UnixTime::from_secs(NOW).unwrap()));
    let session = Session {
        chain,
        is_stapled: false,
        is_disproved: false,
        version: Some(ProtocolVersion::TLSv1_3),
        suite: "TLS13_AES_128_GCM_SHA256".to_owned(),
        alpn: Some("h2".to_owned()),
    };
    for place in [&mut facts.session, &mut facts.nameless, &mut facts.with_http2] {
        *place = Some(Ok(session.clone()));
    }
}

/// The head of a sound answer, with the facts about these bytes.
fn described(mut answer: Answer, bytes: &[u8], media_type: &str) -> Answer {
    let mut inspector = Inspector::new();
    inspector.update(bytes);
    answer.body.facts = Some(inspector.finish(bytes.len() as u64));
    if bytes.is_empty() {
        answer.body = Body { length: 0, ..answer.body };
    }
    if !media_type.is_empty() {
        answer = with(answer, "content-type", media_type);
    }
    let answer = with(answer, "content-length", "1000");
    let answer = with(answer, "etag", "\"one\"");
    let answer = with(answer, "last-modified", "Sat, 21 Nov 2026 10:20:00 GMT");
    with(answer, "cache-control", "public, max-age=31536000, immutable")
}

/// An answer with this status and body, and no fields.
pub(super) fn answer(code: u16, body: &[u8]) -> Answer {
    let body = Body {
        length: body.len() as u64,
        ending: Ending::Whole,
        took: Duration::from_millis(3),
        front: body.get(..FRONT.min(body.len())).unwrap().to_vec(),
        tail: body.get(body.len().saturating_sub(TAIL)..).unwrap().to_vec(),
        facts: None,
    };
    let status = StatusCode::from_u16(code).unwrap();
    Answer { status, version: Version::HTTP_11, fields: HeaderMap::new(), waited: Duration::from_millis(9), body }
}

/// The same with a further field.
pub(super) fn with(mut answer: Answer, name: &'static str, value: &str) -> Answer {
    answer.fields.insert(HeaderName::from_static(name), value.parse().unwrap());
    answer
}

/// An address and how connecting to it ended.
pub(super) fn place(address: &str, attempt: Attempt) -> Place {
    let address: SocketAddr = address.parse().unwrap();
    Place { address, unfit: None, attempt }
}

const NOW: u64 = 1_800_000_000;
