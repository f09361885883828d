//! Virtual hosts: for the hosts that the settings name a path is a key and nothing else; every other host is what it was.

use hallpass::value::Clock;

use super::{code, denied};
use crate::kit::gateway::{Gateway, META, Place, request};
use crate::kit::presigner::{Presigner, place};
use crate::kit::presigner_clients::{Asked, SDKS, Session};
use crate::kit::wire::Answer;

const VIRTUAL: &str = "promo.media.example.com";

async fn gate(key: &Presigner) -> Gateway {
    let place = place(&[key], &format!("virtual_hosts = {{ \"{VIRTUAL}\" = \"media\" }}"));
    for (name, bytes) in [
        ("a.txt", "hello"),
        ("x/b c.txt", "other"),
        ("media/a.txt", "below"),
        ("m/x/y.txt", "a key"),
        ("robots.txt", "robots"),
    ] {
        place.put(name, bytes.as_bytes());
    }
    Place { clock: Clock::system(), ..place }.start().await
}

async fn on(gate: &Gateway, host: &str, target: &str) -> Answer {
    gate.raw(request("GET", target, &[]).replace("Host: media.example.com", &format!("Host: {host}"))).await
}

#[tokio::test]
async fn sdks_presign_for_a_configured_host_as_for_a_bucket_of_amazons() {
    let key = Presigner::new("billing");
    let gate = gate(&key).await;
    for sdk in SDKS {
        // The bucket is the first label of the host.
        let session = Session { addressing: "virtual", ..Session::new(sdk, "https://media.example.com", &key) };
        let names = ["a.txt", "x/b c.txt", "m/x/y.txt", "media/a.txt", "robots.txt"];
        let links = names.map(|name| Asked { bucket: "promo", ..Asked::get(name) });
        let urls = session.presign(&links).await;
        for (url, bytes) in urls.iter().zip(["hello", "other", "a key", "below", "robots"]) {
            let target = url.strip_prefix(&format!("https://{VIRTUAL}")).unwrap_or_else(|| panic!("{url}"));
            let answer = on(&gate, VIRTUAL, target).await;
            assert_eq!((answer.status, &*answer.body), (200, bytes.as_bytes()), "{url}: {answer:?}");
            // The host is signed: the same link is good nowhere else.
            let elsewhere = on(&gate, "media.example.com", target).await;
            assert!(matches!(elsewhere.status, 400 | 403), "{url}: {elsewhere:?}");
        }
    }
}

#[tokio::test]
async fn every_other_host_is_misdirected_and_path_style_stays_on_our_own() {
    let key = Presigner::new("billing");
    let gate = gate(&key).await;
    let wish = key.wish(gate.rooms.clock.now(), "a.txt");
    assert_eq!(on(&gate, "media.example.com", &wish.signed(&key)).await.body, b"hello");
    for host in [
        "other.media.example.com",
        "media.media.example.com",
        "evil.example",
        "promo.media.example.com.evil.example",
        "promo.media.example.com:8443",
        "xpromo.media.example.com",
        "promo.media.example.co",
    ] {
        let link = wish.clone().on(host, "/a.txt").signed(&key);
        let answer = on(&gate, host, &link).await;
        assert_eq!(answer.status, 421, "{host}: {answer:?}");
    }
    // On the virtual host the first segment is part of the key.
    let path_style = wish.clone().on(VIRTUAL, "/media/a.txt").signed(&key);
    assert_eq!(on(&gate, VIRTUAL, &path_style).await.body, b"below");
    // And on our own host a key without its store is no key.
    let virtual_style = wish.on("media.example.com", "/a.txt").signed(&key);
    let answer = on(&gate, "media.example.com", &virtual_style).await;
    assert!(matches!(answer.status, 400 | 403), "{answer:?}");
    code(&answer);
}

#[tokio::test]
async fn our_own_links_do_not_work_on_a_virtual_host() {
    let key = Presigner::new("billing");
    let gate = gate(&key).await;
    let minted = gate.link("a.txt", b"hello").await;
    let asked = gate.origin_calls();
    assert_eq!(on(&gate, "media.example.com", &minted.path).await.body, b"hello");
    for (what, target) in [
        ("one of our own links", minted.path.clone()),
        ("the same with a query", format!("{}?x=1", minted.path)),
        ("a key without a signature", "/a.txt".to_owned()),
        ("nothing", "/".to_owned()),
        ("a listing", "/?list-type=2".to_owned()),
    ] {
        let answer = on(&gate, VIRTUAL, &target).await;
        assert!(matches!(answer.status, 400..=499), "{what}: {answer:?}");
        assert_ne!(answer.body, b"hello");
        assert!(!String::from_utf8_lossy(&answer.body).contains(minted.token()), "{answer:?}");
    }
    assert_eq!(gate.origin_calls(), asked, "no store was asked");
}

#[tokio::test]
async fn the_scope_of_a_client_holds_on_a_virtual_host_too() {
    let key = Presigner { prefixes: &["x/"], ..Presigner::new("billing") };
    let gate = gate(&key).await;
    let wish = |path: &str| key.wish(gate.rooms.clock.now(), "").on(VIRTUAL, path).signed(&key);
    assert_eq!(on(&gate, VIRTUAL, &wish("/x/b c.txt")).await.body, b"other");
    for outside in ["/a.txt", "/xa.txt", "//x/b c.txt", "/media/x/b c.txt"] {
        assert_eq!(code(&on(&gate, VIRTUAL, &wish(outside)).await), denied(), "{outside}");
    }
    // A host is compared without regard to case, as everywhere; what is signed is what SDKs sign, which is lower case.
    let link = wish("/x/b c.txt");
    let shouting = on(&gate, &VIRTUAL.to_uppercase(), &link).await;
    assert!(matches!(shouting.status, 200 | 403), "{shouting:?}");
    let absolute = format!("GET http://{VIRTUAL}{link} HTTP/1.1\r\nHost: evil.example\r\nUser-Agent: {META}\r\n\r\n");
    assert_eq!(gate.raw(absolute).await.body, b"other", "the target's authority is the one that counts");
    let absolute = format!("GET http://evil.example{link} HTTP/1.1\r\nHost: {VIRTUAL}\r\nUser-Agent: {META}\r\n\r\n");
    assert_eq!(gate.raw(absolute).await.status, 421);
}
