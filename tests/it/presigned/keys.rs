//! Object keys of every kind through the SDKs, over a real S3 server: each link leads to its own object and to no other.

use std::sync::Arc;

use hallpass::value::Clock;

use super::refusal;
use crate::kit::content;
use crate::kit::gateway::{Gateway, Place, request};
use crate::kit::moto::Bucket;
use crate::kit::presigner::{Presigner, place};
use crate::kit::presigner_clients::{Asked, SDKS, Sdk, Session};

/// What keys are made of: what SDKs, HTTP, S3 and XML each treat in some way of their own.
const PIECES: [&str; 48] = [
    " ", "+", "%", "=", "😀", "/", "//", "a", "Z", "0", "é", "e\u{301}", "日本", "&", "?", "#", "%2F", "%20", "%zz",
    "~", "'", "(", ")", "*", "!", "\"", "<", ">", ",", ";", ":", "@", "$", "\\", "|", "^", "`", "{", "}", "[", "]",
    "_", "-", "x.jpg", "folder/", " /", "/ ", "\u{202e}",
];
const KEYS: usize = 500;

/// So many different keys without `.` and `..` as segments, which HTTP clients take away.
fn random_keys() -> Vec<String> {
    let mut keys: Vec<String> =
        ["/", "//", "/lead", "trail/", "//x//", " ", "+", "%", "=", "😀", "m/x/y.jpg", "a b+c%20d=e"]
            .map(str::to_owned)
            .into();
    let dice = content(500, 64 * KEYS);
    for throw in dice.chunks(32) {
        let length = usize::from(throw[0]) % 14 + 1;
        let key: String = throw[1..=length].iter().map(|&byte| PIECES[usize::from(byte) % PIECES.len()]).collect();
        if !key.split('/').any(|segment| matches!(segment, "." | "..")) && !keys.contains(&key) {
            keys.push(key);
        }
    }
    keys.truncate(KEYS);
    assert_eq!(keys.len(), KEYS);
    keys
}

/// A gateway over a bucket that holds each of these keys, with the key itself as content.
async fn gate(keys: &[String], key: &Presigner) -> Gateway {
    let bucket = Bucket::create().await;
    for one in keys.iter().filter(|one| !is_blank(one)) {
        bucket.put(one, one.as_bytes()).await;
    }
    let gate = Place { clock: Clock::system(), ..place(&[key], "") }.start().await;
    gate.replace_store(Arc::new(bucket.origin()));
    gate
}

/// The AWS SDK for Rust, through which a bucket is read, takes such a key for none at all.
fn is_blank(key: &str) -> bool {
    key.trim().is_empty()
}

async fn each_key_is_its_own(sdk: Sdk) {
    let (key, keys) = (Presigner::new("billing"), random_keys());
    let gate = gate(&keys, &key).await;
    let endpoint = "https://media.example.com";
    let links: Vec<_> = keys.iter().map(|one| Asked::get(one)).collect();
    let urls = Session::new(sdk, endpoint, &key).presign(&links).await;
    let (mut wire, mut wrong) = (gate.public().await, Vec::new());
    for (url, one) in urls.iter().zip(&keys) {
        wire.send(request("GET", url.strip_prefix(endpoint).unwrap(), &[])).await;
        let answer = wire.answer().await;
        let is_right = match is_blank(one) {
            false => (answer.status, &*answer.body) == (200, one.as_bytes()),
            true => answer.status == 404 && refusal(&answer).1 == "NoSuchKey",
        };
        if !is_right {
            wrong.push(format!("{one:?}: {url}: {answer:?}"));
        }
    }
    assert!(wrong.is_empty(), "{} of {KEYS} are wrong:\n{}", wrong.len(), wrong.join("\n"));
}

#[tokio::test]
async fn five_hundred_keys_by_boto3_lead_each_to_its_own_object() {
    each_key_is_its_own(Sdk::Python).await;
}

#[tokio::test]
async fn five_hundred_keys_by_the_sdk_for_javascript_lead_each_to_its_own_object() {
    each_key_is_its_own(Sdk::JavaScript).await;
}

#[tokio::test]
async fn a_key_that_its_store_cannot_address_is_refused_and_never_another_object() {
    let key = Presigner::new("billing");
    let gate = Place { clock: Clock::system(), ..place(&[&key], "") }.start().await;
    for there in ["a.txt", "x/a.txt", "dir/b.txt"] {
        gate.place.put(there, b"another object");
    }
    for sdk in SDKS {
        let names = ["/a.txt", "//a.txt", "x//a.txt", "a.txt/", "dir", "dir/", "/", "a.txt ", "A.txt", "x\\a.txt"];
        let endpoint = "https://media.example.com";
        let links: Vec<_> = names.iter().map(|name| Asked::get(name)).collect();
        for (url, name) in Session::new(sdk, endpoint, &key).presign(&links).await.iter().zip(names) {
            let answer = gate.get(url.strip_prefix(endpoint).unwrap()).await;
            assert_eq!(refusal(&answer).1, "NoSuchKey", "{name:?}: {answer:?}");
        }
    }
}
