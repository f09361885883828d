//! Every change of one character, hostile input, and any key at all.

use std::collections::BTreeSet;

use proptest::prelude::*;

use super::super::super::samples::{Presigner, Signed, clients, encode, opened};
use super::fault;
use crate::http::Retrieval;
use crate::presign::{Addressing, PresignFault, PresignRules, PresignedRequest, is_presigned, open};

/// What may be put in place of a character: its neighbours in meaning, and what parsers stumble over.
const OTHERS: &str = "a0Z/%&=+.~- ;#?\0é";

/// Every text that is one change away from `text`.
fn mutations(text: &str) -> BTreeSet<String> {
    let chars: Vec<char> = text.chars().collect();
    let built = |parts: [&[char]; 3]| parts.concat().into_iter().collect::<String>();
    let mut all = BTreeSet::new();
    for at in 0..=chars.len() {
        let (front, back) = chars.split_at(at);
        for other in OTHERS.chars() {
            all.insert(built([front, &[other], back]));
            all.insert(built([front, &[other], back.get(1..).unwrap_or_default()]));
        }
        if let [first, second, rest @ ..] = back {
            all.insert(built([front, &[*second, *first], rest]));
        }
        if let [first, rest @ ..] = back {
            all.insert(built([front, &[], rest]));
            let turned =
                if first.is_ascii_lowercase() { first.to_ascii_uppercase() } else { first.to_ascii_lowercase() };
            all.insert(built([front, &[turned], rest]));
        }
    }
    all.remove(text);
    all
}

#[test]
fn every_change_of_one_character_refuses() {
    let signed = Presigner::of("p/w +%=/").with("response-content-type", "image/png").sign();
    assert!(signed.open().is_ok());
    let paths = mutations(&signed.path);
    let queries = mutations(&signed.query);
    assert!(paths.len() > 500 && queries.len() > 5000, "{} and {}", paths.len(), queries.len());
    for path in paths {
        let denied = Signed { path: path.clone(), ..signed.clone() }.open_for(Retrieval::Head);
        assert!(denied.is_err(), "{path:?}");
    }
    for query in queries {
        let denied = Signed { query: query.clone(), ..signed.clone() }.open_for(Retrieval::Head);
        assert!(denied.is_err(), "{query:?}");
    }
}

#[test]
fn hostile_requests_are_refused_by_their_size() {
    let query = Presigner::of("a.jpg").sign().query;
    let asked = |path: &str, query: &str| fault(opened(Retrieval::Get, "media.example.com", path, query));
    let many = (0..10_000).fold(String::new(), |all, n| all + &format!("&p{n}=1"));
    let some = (0..40).fold(String::new(), |all, n| all + &format!("&p{n}=1"));
    for (tail, expected) in [
        (format!("&a={}", "x".repeat(10_240)), PresignFault::TooLong),
        (many, PresignFault::TooLong),
        (some, PresignFault::TooLong),
        ("&".repeat(7000), PresignFault::Query),
        ("&a=%".to_owned(), PresignFault::Query),
        ("&a=%00".to_owned(), PresignFault::Unsupported),
        ("&a=%C0%80".to_owned(), PresignFault::Query),
        ("&a=%F8%88%80%80%80".to_owned(), PresignFault::Query),
        ("&a=%FF".to_owned(), PresignFault::Query),
        ("&a=%u0041".to_owned(), PresignFault::Query),
    ] {
        assert_eq!(asked("/media/a.jpg", &format!("{query}{tail}")), expected, "{}", &tail[..tail.len().min(40)]);
    }
    assert_eq!(asked(&"/".repeat(1_000_000), &query), PresignFault::Path);
    assert_eq!(asked(&format!("/media/{}", "%2E".repeat(1000)), &query), PresignFault::Path);
}

/// Keys as people have them, and worse: no `.` or `..` segment, which clients remove.
fn any_key() -> impl Strategy<Value = String> {
    let wild = prop::collection::vec(
        prop::sample::select(vec![
            "a", " ", "+", "%", "=", "&", "?", "#", "/", "//", "%2F", "é", "😀", "'", "(", "*", "~", ".", "\\",
            "\u{202e}", "\t",
        ]),
        1..20,
    );
    prop_oneof![wild.prop_map(|parts| parts.concat()), "[^\0]{1,60}"]
        .prop_filter("no dot segments", |key| !key.split('/').any(|segment| matches!(segment, "." | "..")))
}

proptest! {
    #[test]
    fn any_key_that_was_signed_opens_as_itself(key in any_key(), virtual_host in any::<bool>()) {
        let mut presigner = Presigner::of(&key);
        if virtual_host {
            presigner.path = format!("/{}", encode(&key, true));
        }
        let store = "media".parse().unwrap();
        let Signed { authority, path, query } = &presigner.sign();
        let addressing = if virtual_host { Addressing::VirtualHost(&store) } else { Addressing::Path };
        let request = PresignedRequest { method: Retrieval::Get, authority, path, query, addressing };
        let url = open(&request, &clients(), &PresignRules::default()).unwrap();
        prop_assert_eq!(url.key().as_str(), key);
        prop_assert_eq!(url.store(), &store);
    }

    #[test]
    fn nothing_panics_and_nothing_unsigned_opens(path in "(/media/)?\\PC{0,30}", query in "((X-Amz-[A-Za-z]{4,9}|x-id|[a-z]{0,3})=[a-zA-Z0-9%/]{0,12}&){0,8}\\PC{0,9}", authority in "\\PC{0,9}") {
        prop_assert!(opened(Retrieval::Head, &authority, &path, &query).is_err());
        let _ = is_presigned(&query);
    }
}
