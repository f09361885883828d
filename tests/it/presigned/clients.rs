//! Links that real SDKs made without a call to us, fetched as S3's are: whole, by ranges, conditionally, by curl and by rclone.

use std::process::Command;

use hallpass::fetcher::{Mode, Profile};
use hallpass::value::Clock;
use serde_json::json;

use super::{code, denied};
use crate::kit::content;
use crate::kit::gateway::{BIG, Gateway, HOST, META, Place};
use crate::kit::presigner::{Presigner, place};
use crate::kit::presigner_clients::{AWS_CONFIG, Asked, SDKS, Session, alone, aws_cli};
use crate::kit::program::{find, run, run_well};
use crate::kit::secure::Secure;

const JPEG: &[u8] = include_bytes!("../../../src/cli/demo_media/winter-sale.jpg");
/// What an SDK is given as our endpoint.
const ENDPOINT: &str = "https://media.example.com";

/// A gateway by the real clock, since the SDKs sign by it, with two objects that are not in memory.
async fn gate(key: &Presigner) -> (Gateway, Vec<u8>) {
    let big = content(1, BIG);
    let place = Place { clock: Clock::system(), ..place(&[key], "") };
    place.put("promo/winter sale+.jpg", JPEG);
    place.put("big.bin", &big);
    (place.start().await, big)
}

fn target(url: &str) -> &str {
    url.strip_prefix(ENDPOINT).unwrap_or_else(|| panic!("{url} is not on our endpoint"))
}

/// All that a client may ask of one link.
async fn serves(gate: &Gateway, link: &str, bytes: &[u8]) {
    let whole = gate.get(link).await;
    assert_eq!((whole.status, whole.body == bytes), (200, true), "{link}: {whole:?}");
    let etag = whole.field("etag").unwrap();
    let head = gate.ask("HEAD", link, &[]).await;
    assert_eq!((head.status, head.length()), (200, Some(bytes.len())), "a link for GET answers HEAD: {head:?}");
    assert_eq!(head.field("etag"), Some(etag));
    let part = gate.ask("GET", link, &["Range: bytes=1000-1999"]).await;
    assert_eq!((part.status, part.body == bytes[1000..2000]), (206, true), "{part:?}");
    assert_eq!(part.field("content-range"), Some(&*format!("bytes 1000-1999/{}", bytes.len())));
    let tail = gate.ask("GET", link, &["Range: bytes=-7"]).await;
    assert_eq!((tail.status, tail.body == bytes[bytes.len() - 7..]), (206, true), "{tail:?}");
    let parts = gate.ask("GET", link, &["Range: bytes=0-0,5-5"]).await;
    assert_eq!(parts.status, 206);
    let same = gate.ask("GET", link, &[&format!("If-None-Match: {etag}")]).await;
    assert_eq!((same.status, same.field("etag"), same.body.len()), (304, Some(etag), 0), "{same:?}");
    let good = gate.ask("GET", link, &["Range: bytes=0-9", &format!("If-Range: {etag}")]).await;
    assert_eq!((good.status, good.body.len()), (206, 10));
    let other = gate.ask("GET", link, &["Range: bytes=0-9", "If-Range: \"v-00000000000000000000000000000000\""]).await;
    assert_eq!((other.status, other.body == bytes), (200, true), "an If-Range of another version gets the whole");
    let past = gate.ask("GET", link, &["Range: bytes=99999999-"]).await;
    assert_eq!(code(&past), (416, "InvalidRange".to_owned()));
    assert_eq!(past.field("content-range"), Some(&*format!("bytes */{}", bytes.len())));
    let other = gate.ask("GET", link, &["If-Match: \"v-00000000000000000000000000000000\""]).await;
    assert_eq!(code(&other), (412, "PreconditionFailed".to_owned()));
}

#[tokio::test]
async fn links_of_every_sdk_and_of_the_aws_cli_are_served() {
    let key = Presigner::new("billing");
    let (gate, big) = gate(&key).await;
    let objects = [("promo/winter sale+.jpg", JPEG), ("big.bin", &*big)];
    for sdk in SDKS {
        let urls = Session::new(sdk, ENDPOINT, &key).presign(&objects.map(|(name, _)| Asked::get(name))).await;
        for (url, (_, bytes)) in urls.iter().zip(objects) {
            serves(&gate, target(url), bytes).await;
        }
    }
    for (name, bytes) in objects {
        let url = aws_cli(&key, ENDPOINT, &format!("media/{name}"), AWS_CONFIG).await;
        serves(&gate, target(&url), bytes).await;
    }
}

#[tokio::test]
async fn a_link_that_an_sdk_signed_for_head_answers_head_alone() {
    let key = Presigner::new("billing");
    let (gate, big) = gate(&key).await;
    for sdk in SDKS {
        let asked = Asked { operation: "HeadObject", ..Asked::get("big.bin") };
        let urls = Session::new(sdk, ENDPOINT, &key).presign(&[asked]).await;
        let head = gate.ask("HEAD", target(&urls[0]), &[]).await;
        assert_eq!((head.status, head.length()), (200, Some(big.len())), "{sdk:?}");
        assert_eq!(code(&gate.get(target(&urls[0])).await), denied(), "{sdk:?}");
    }
}

#[tokio::test]
async fn the_overrides_of_every_sdk_are_obeyed() {
    let key = Presigner::new("billing");
    let (gate, _) = gate(&key).await;
    let more = json!({
        "ResponseContentType": "image/jpeg",
        "ResponseContentDisposition": "attachment; filename=\"winter sale.jpg\"",
        "ResponseCacheControl": "private, max-age=60",
    });
    for sdk in SDKS {
        let asked = Asked::get("promo/winter sale+.jpg").with(more.clone());
        let urls = Session::new(sdk, ENDPOINT, &key).presign(&[asked]).await;
        let answer = gate.get(target(&urls[0])).await;
        assert_eq!((answer.status, answer.body == JPEG), (200, true), "{sdk:?}: {answer:?}");
        assert_eq!(answer.field("content-type"), Some("image/jpeg"));
        assert_eq!(answer.field("content-disposition"), Some("attachment; filename=\"winter sale.jpg\""));
        assert_eq!(answer.field("cache-control"), Some("private, max-age=60"));
    }
}

#[tokio::test]
async fn what_an_sdk_signs_besides_a_reading_of_an_object_is_refused() {
    let key = Presigner::new("billing");
    let (gate, _) = gate(&key).await;
    let asked = gate.origin_calls();
    for sdk in SDKS {
        let links = [
            Asked { operation: "PutObject", ..Asked::get("new.txt") },
            Asked { operation: "DeleteObject", ..Asked::get("big.bin") },
            Asked::get("big.bin").with(json!({ "VersionId": "null" })),
            Asked::get("big.bin").with(json!({ "PartNumber": 1 })),
            Asked::get("big.bin").with(json!({ "ResponseContentLanguage": "de" })),
        ];
        for url in Session::new(sdk, ENDPOINT, &key).presign(&links).await {
            for method in ["GET", "HEAD", "PUT", "DELETE", "POST"] {
                let answer = gate.ask(method, target(&url), &["Content-Length: 0"]).await;
                assert!(matches!(answer.status, 400 | 403 | 405), "{sdk:?} {method} {url}: {answer:?}");
                if method != "HEAD" {
                    code(&answer);
                }
            }
        }
        let session = Session { token: Some("temporary-canary-5b1c"), ..Session::new(sdk, ENDPOINT, &key) };
        let urls = session.presign(&[Asked::get("big.bin")]).await;
        assert!(urls[0].contains("X-Amz-Security-Token="));
        let answer = gate.get(target(&urls[0])).await;
        assert_eq!(code(&answer), super::bad_query());
        assert!(!String::from_utf8(answer.body).unwrap().contains("canary"));
    }
    assert_eq!(gate.origin_calls(), asked);
    assert!(!gate.place.dir.path().join("media/new.txt").exists());
}

#[tokio::test]
async fn the_old_signature_is_refused_with_an_error_that_says_what_to_set() {
    let key = Presigner::new("billing");
    let (gate, _) = gate(&key).await;
    let session = Session { signature: "s3", ..Session::new(SDKS[0], ENDPOINT, &key) };
    let boto3 = session.presign(&[Asked::get("big.bin")]).await.remove(0);
    // Without a configuration of its own, this is what the AWS CLI does for the oldest region.
    let cli = aws_cli(&key, ENDPOINT, "media/big.bin", "[default]\nregion = us-east-1\n").await;
    for url in [boto3, cli] {
        assert!(url.contains("AWSAccessKeyId=") && !url.contains("X-Amz-"), "{url}");
        let (status, code, message) = super::refusal(&gate.get(target(&url)).await);
        assert_eq!((status, &*code), (400, "InvalidRequest"));
        assert!(message.contains("s3v4") && message.contains("AWS4-HMAC-SHA256"), "{message}");
    }
    assert_eq!(gate.origin_calls(), 0);
}

/// The same, where whoever wants to may fetch, and the host is whatever the address is.
async fn for_anybody(key: &Presigner) -> (Gateway, String) {
    let mut place = Place { listen: ", hosts = [\"*\"]", clock: Clock::system(), ..place(&[key], "") };
    place.profiles.values_mut().for_each(|profile| profile.mode = Mode::Off);
    place.put("promo/winter sale+.jpg", JPEG);
    let gate = place.start().await;
    let endpoint = format!("http://{}", gate.addresses.public);
    (gate, endpoint)
}

#[tokio::test]
async fn rclone_copies_what_a_link_leads_to_and_nothing_where_it_is_refused() {
    let key = Presigner::new("billing");
    let (gate, endpoint) = for_anybody(&key).await;
    let home = tempfile::tempdir().unwrap();
    let copy = async |url: &str, name: &str| {
        let mut rclone = Command::new(find("rclone", "rclone"));
        rclone
            .args(["copyurl", "--config", "", "--retries", "1", "--low-level-retries", "1", url])
            .arg(home.path().join(name));
        run(alone(&rclone, &home, &[])).await
    };
    for (at, sdk) in SDKS.into_iter().enumerate() {
        let links = [Asked::get("promo/winter sale+.jpg"), Asked::get("promo/absent.jpg")];
        let urls = Session::new(sdk, &endpoint, &key).presign(&links).await;
        let copied = copy(&urls[0], &format!("{at}.jpg")).await;
        assert!(copied.status.success(), "{}", String::from_utf8_lossy(&copied.stderr));
        assert!(std::fs::read(home.path().join(format!("{at}.jpg"))).unwrap() == JPEG);
        for (url, said) in [(urls[1].clone(), "404 Not Found"), (format!("{}0", urls[0]), "400 Bad Request")] {
            let refused = copy(&url, "refused.jpg").await;
            let told = String::from_utf8_lossy(&refused.stderr).into_owned();
            assert!(!refused.status.success() && told.contains(said), "{said}: {told}");
            assert!(!home.path().join("refused.jpg").exists());
        }
    }
    drop(gate);
}

#[tokio::test]
async fn curl_reads_a_link_over_tls_and_both_protocols_with_an_agent_and_a_range() {
    let (key, bytes) = (Presigner::new("billing"), content(2, BIG));
    let place = Place { clock: Clock::system(), listen: ", hosts = [\"*\"]", ..place(&[&key], "") };
    place.put("big.bin", &bytes);
    let secure = Secure::start_in(place).await;
    let enforced = Profile::meta();
    secure.gate.rooms.profiles.replace([(enforced.name.clone(), enforced)].into());
    let url = Session::new(SDKS[1], &format!("https://{HOST}"), &key).presign(&[Asked::get("big.bin")]).await.remove(0);
    let body = secure.gate.place.dir.path().join("curl.out");
    let curl = async |options: &[&str]| {
        let mut curl = Command::new(find("curl", "curl"));
        curl.args(["--silent", "--show-error", "--max-time", "60", "--connect-to"]);
        curl.arg(format!("::127.0.0.1:{}", secure.port())).args(["--write-out", "%{http_version} %{response_code}"]);
        curl.arg("--cacert").arg(&secure.root).arg("--output").arg(&body).args(options).arg(&url);
        let told = String::from_utf8(run_well(curl).await).unwrap();
        (told, std::fs::read(&body).unwrap())
    };
    for (option, version) in [("--http1.1", "1.1"), ("--http2", "2")] {
        assert!(curl(&[option, "--user-agent", META]).await == (format!("{version} 200"), bytes.clone()));
        let part = curl(&[option, "--user-agent", META, "--range", "300000-300999"]).await;
        assert!(part == (format!("{version} 206"), bytes[300_000..301_000].to_vec()));
        let (told, _) = curl(&[option, "--user-agent", META, "--head"]).await;
        assert_eq!(told, format!("{version} 200"));
        let (told, body) = curl(&[option]).await;
        assert_eq!(told, format!("{version} 403"), "curl's own agent is not Meta's");
        assert!(String::from_utf8(body).unwrap().contains("<Code>AccessDenied</Code>"));
    }
}
