//! The signer of these tests against those of the field: where they agree, a refusal of what ours signs is a refusal of what theirs would.

use std::collections::BTreeMap;

use percent_encoding::percent_decode_str;
use serde_json::json;

use crate::kit::gateway::now;
use crate::kit::presigner::{Presigner, Wish};
use crate::kit::presigner_clients::{AWS_CONFIG, Asked, SDKS, Session, aws_cli};

const ENDPOINT: &str = "http://127.0.0.1:8099";
const KEYS: [&str; 5] = ["a.txt", "winter sale+100%.jpg", "//x=/", "größe/絵😀.png", "'(!*)'/$&,;:@?#~"];

/// What our signer makes of the decoded parts of this URL.
fn signed_again(url: &str, method: &'static str, key: &Presigner) -> String {
    let decoded = |text: &str| percent_decode_str(text).decode_utf8().unwrap().into_owned();
    let target = url.strip_prefix(ENDPOINT).unwrap();
    let (path, query) = target.split_once('?').unwrap();
    let pairs = query.split('&').map(|pair| pair.split_once('=').unwrap());
    let mut values: BTreeMap<_, _> = pairs.map(|(name, value)| (decoded(name), decoded(value))).collect();
    let mut take = |name: &str| values.remove(name).unwrap_or_else(|| panic!("no {name} in {url}"));
    let signature = take("X-Amz-Signature");
    let wish = Wish {
        method,
        host: ENDPOINT.strip_prefix("http://").unwrap().to_owned(),
        path: decoded(path),
        credential: take("X-Amz-Credential"),
        date: take("X-Amz-Date"),
        expires: take("X-Amz-Expires"),
        more: Vec::new(),
    };
    assert_eq!((&*take("X-Amz-Algorithm"), &*take("X-Amz-SignedHeaders")), ("AWS4-HMAC-SHA256", "host"));
    let again = Wish { more: values.into_iter().collect(), ..wish }.signed(key);
    assert!(again.ends_with(&format!("&X-Amz-Signature={signature}")), "{url}\nis ours as\n{again}");
    assert_eq!(again.split('?').next(), Some(path), "and they spell the path as we do");
    again
}

#[tokio::test]
async fn the_signer_of_these_tests_signs_as_boto3_the_sdk_for_javascript_and_the_aws_cli_do() {
    let key = Presigner::new("billing");
    for sdk in SDKS {
        let mut links: Vec<_> = KEYS.into_iter().map(Asked::get).collect();
        let disposition = "attachment; filename=\"a b.txt\"";
        links.push(Asked::get("a.txt").with(json!({ "ResponseContentDisposition": disposition })));
        links.push(Asked { operation: "HeadObject", ..Asked::get("a.txt") });
        let urls = Session::new(sdk, ENDPOINT, &key).presign(&links).await;
        assert_eq!(urls.len(), links.len());
        for (url, link) in urls.iter().zip(&links) {
            signed_again(url, if link.operation == "HeadObject" { "HEAD" } else { "GET" }, &key);
        }
    }
    for name in [KEYS[1], KEYS[3]] {
        let url = aws_cli(&key, ENDPOINT, &format!("media/{name}"), AWS_CONFIG).await;
        signed_again(&url, "GET", &key);
    }
    // And it is a signature: it depends on all that is signed.
    let wish = key.wish(now(), "a.txt");
    let plain = wish.signed(&key);
    let others = [
        Wish { method: "HEAD", ..wish.clone() },
        wish.clone().on("127.0.0.1", "/media/a.txt"),
        wish.clone().lasting("3599"),
        wish.clone().with("x-id", "GetObject"),
    ];
    let signature = |target: &str| target.rsplit_once('=').unwrap().1.to_owned();
    assert!(others.iter().all(|other| signature(&other.signed(&key)) != signature(&plain)));
}
