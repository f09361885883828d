//! Any request as a presigned one: the authority, the path and the query, a line each.
//!
//! The seeds were signed by a key that the target knows. Nothing panics, and whatever opens is one of them, but for the order of its
//! parameters: a changed request that opens would be a forgery.
#![no_main]

use std::collections::BTreeSet;
use std::sync::{Arc, LazyLock};

use hallpass::http::Retrieval;
use hallpass::link::RevocationSet;
use hallpass::presign::{
    Addressing, PresignClient, PresignClients, PresignRules, PresignedRequest, is_presigned, open,
};
use hallpass::value::{Secret, UnixTime};
use libfuzzer_sys::fuzz_target;

/// What was signed: see `corpus/presign`.
const SEEDS: [&str; 3] = [
    include_str!("../corpus/presign/plain"),
    include_str!("../corpus/presign/overrides"),
    include_str!("../corpus/presign/odd-key"),
];

static CLIENTS: LazyLock<PresignClients> = LazyLock::new(|| {
    let client = PresignClient {
        name: "billing".parse().unwrap(),
        access_key_id: "HPAKABCDEFGHIJKLMN22".parse().unwrap(),
        secret: Secret::new("hps_k7x2mq4vnzb6yt3whjc5rdaflpg2soeiuxk7q4m3vzn6ybt5whjc".to_owned()),
        stores: ["media".parse().unwrap()].into(),
        prefixes: Vec::new(),
    };
    vec![client].into()
});

/// The parts of a request, its parameters in no order.
type Parts<'a> = (&'a str, &'a str, BTreeSet<&'a str>);

fn parts(input: &str) -> Option<Parts<'_>> {
    let (authority, rest) = input.split_once('\n')?;
    let (path, query) = rest.split_once('\n')?;
    Some((authority, path, query.trim_end_matches('\n').split('&').collect()))
}

static SIGNED: LazyLock<Vec<Parts<'static>>> = LazyLock::new(|| SEEDS.iter().filter_map(|seed| parts(seed)).collect());

fuzz_target!(|input: &str| {
    let Some((authority, rest)) = input.split_once('\n') else { return };
    let Some((path, query)) = rest.split_once('\n') else { return };
    let query = query.trim_end_matches('\n');
    let request = PresignedRequest { method: Retrieval::Head, authority, path, query, addressing: Addressing::Path };
    let rules = PresignRules::default();
    if let Ok(url) = open(&request, &CLIENTS, &rules) {
        assert!(is_presigned(query));
        assert!(parts(input).is_some_and(|parts| SIGNED.contains(&parts)), "a forgery opened");
        assert!(Arc::new(url).judge(UnixTime::EPOCH, &rules, &RevocationSet::default()).is_err());
    }
});
