//! A real process with presigned links: clients that come and go while it runs, and what it never says of them.
//!
//! It is set up as the command line says, and runs with `HALLPASS_LOG=trace`. At the end all that it said is searched for secret keys and
//! signatures.

use std::fs;
use std::io::Write as _;
use std::os::unix::fs::OpenOptionsExt as _;
use std::time::{Duration, Instant};

use hallpass::value::UnixTime;
use rustix::process::Signal;
use tokio::time::sleep;

use super::{bad_query, code, denied, refusal};
use crate::kit::gateway::{BROWSER, META, now};
use crate::kit::presigner::Presigner;
use crate::kit::presigner_clients::{Asked, SDKS, Session};
use crate::kit::shop::{Shop, body};

/// A shop whose settings switch presigned links on.
fn open() -> Shop {
    let shop = Shop::open();
    write(&shop, &format!("{}\n[presigned]\nenabled = true\n", shop.text("hallpass.toml")));
    shop
}

fn write(shop: &Shop, settings: &str) {
    fs::write(shop.file("hallpass.toml"), settings).unwrap();
}

/// Does what `keys presigner` says: the secret goes to a file of its own, the stanza to the settings.
fn add(shop: &Shop, name: &'static str) -> Presigner {
    let said = String::from_utf8(shop.run(&["keys", "presigner", name]).stdout).unwrap();
    let word = |begin: &str| said.split_whitespace().find(|word| word.starts_with(begin)).unwrap().to_owned();
    let key = Presigner { id: word("HPAK"), secret: word("hps_"), ..Presigner::new(name) };
    assert_eq!((key.id.len(), key.secret.len()), (20, 56), "{said}");
    shop.remember_secret(&key.secret);
    fs::create_dir_all(shop.file("secrets")).unwrap();
    let mut file = fs::OpenOptions::new();
    let mut file = file.write(true).create_new(true).mode(0o600).open(shop.file(&format!("secrets/{name}"))).unwrap();
    file.write_all(key.secret.as_bytes()).unwrap();
    let stanza = &said[said.find("[[presigned.clients]]").unwrap()..];
    assert!(!stanza.contains(&key.secret), "the settings name the file: {stanza}");
    write(shop, &format!("{}\n{stanza}", shop.text("hallpass.toml")));
    key
}

fn link(shop: &Shop, key: &Presigner, at: UnixTime, object: &str) -> String {
    let link = key.wish(at, "").on(&shop.public.to_string(), &format!("/media/{object}")).signed(key);
    remember(shop, &link);
    link
}

/// Its signature must never be said.
fn remember(shop: &Shop, link: &str) {
    let (_, rest) = link.split_once("X-Amz-Signature=").unwrap();
    shop.remember_secret(&rest[..64]);
}

/// Tells the process to read its settings anew, and waits until it has.
async fn reload(shop: &Shop, told: &str) {
    let times = shop.text("stderr").matches(told).count();
    shop.signal(Signal::HUP);
    let begun = Instant::now();
    while shop.text("stderr").matches(told).count() == times {
        assert!(begun.elapsed() < Duration::from_secs(20), "{told:?} is not said:\n{}", shop.text("stderr"));
        sleep(Duration::from_millis(20)).await;
    }
}

const IN_FORCE: &str = "new settings are in force";

#[tokio::test]
async fn clients_come_and_go_while_it_runs_and_nothing_secret_is_said() {
    let shop = open();
    let billing = add(&shop, "billing");
    shop.serve().await;
    let (mine, photo) = (link(&shop, &billing, now(), "winter-sale.jpg"), body("winter-sale.jpg"));
    let session = Session::new(SDKS[0], &format!("http://{}", shop.public), &billing);
    let by_sdk = session.presign(&[Asked::get("winter-sale.jpg")]).await.remove(0);
    remember(&shop, &by_sdk);
    let by_sdk = by_sdk.strip_prefix(&session.endpoint).unwrap();
    for link in [&*mine, by_sdk, &*mine] {
        assert!(shop.fetch(link, META).await.body == photo);
    }
    every_refusal(&shop, &billing, &mine).await;
    // Another one comes.
    let before = shop.text("hallpass.toml");
    let crm = add(&shop, "crm");
    let theirs = link(&shop, &crm, now(), "winter-sale.jpg");
    assert_eq!(code(&shop.fetch(&theirs, META).await), denied(), "not yet");
    reload(&shop, IN_FORCE).await;
    assert!(shop.fetch(&theirs, META).await.body == photo && shop.fetch(&mine, META).await.body == photo);
    // The first one goes, and with it what it signed, however hot.
    let stanza = &before[before.find("\n[[presigned.clients]]").unwrap()..];
    write(&shop, &shop.text("hallpass.toml").replace(stanza, "\n"));
    reload(&shop, IN_FORCE).await;
    for link in [&*mine, by_sdk] {
        assert_eq!(code(&shop.fetch(link, META).await), denied());
    }
    assert!(shop.fetch(&theirs, META).await.body == photo);
    // A key that was replaced signs no more.
    fs::write(shop.file("secrets/crm"), Presigner::new("crm").secret).unwrap();
    reload(&shop, IN_FORCE).await;
    assert_eq!(code(&shop.fetch(&theirs, META).await), denied());
    fs::write(shop.file("secrets/crm"), &crm.secret).unwrap();
    reload(&shop, IN_FORCE).await;
    assert!(shop.fetch(&theirs, META).await.body == photo);
    shop.said_no_secret().await;
}

/// One request for each way to be refused, since each is told and logged by itself.
async fn every_refusal(shop: &Shop, key: &Presigner, good: &str) {
    let long_ago = link(shop, key, now().minus(Duration::from_secs(9000)), "winter-sale.jpg");
    let absent = link(shop, key, now(), "absent.jpg");
    for (link, agent, status) in [
        (good.replace("winter-sale", "receipt"), META, 403),
        (good.to_owned(), BROWSER, 403),
        (long_ago, META, 403),
        (absent, META, 404),
        (format!("{good}&fbclid=x"), META, 400),
        (good.replace("X-Amz-Expires=3600", "X-Amz-Expires=60"), META, 400),
        (good.replace("X-Amz-Algorithm=AWS4", "X-Amz-Algorithm=AWS5"), META, 400),
    ] {
        let answer = shop.fetch(&link, agent).await;
        assert_eq!(refusal(&answer).0, status, "{link}: {answer:?}");
    }
}

#[tokio::test]
async fn rules_and_the_switch_are_reloaded_and_broken_settings_change_nothing() {
    let shop = open();
    let billing = add(&shop, "billing");
    shop.serve().await;
    let mine = link(&shop, &billing, now(), "winter-sale.jpg");
    assert_eq!(shop.fetch(&mine, META).await.status, 200);
    let good = shop.text("hallpass.toml");
    for broken in [
        good.replace("enabled = true", "enabled = true\nexpires_max = \"8d\""),
        good.replace("enabled = true", "enabled = true\nfetcher = \"nobody\""),
        good.replace("secrets/billing", "secrets/absent"),
        good.clone() + &good[good.find("[[presigned.clients]]").unwrap()..],
    ] {
        write(&shop, &broken);
        reload(&shop, "the old ones stay in force").await;
        assert_eq!(shop.fetch(&mine, META).await.status, 200);
    }
    write(&shop, &good.replace("enabled = true", "enabled = true\nexpires_max = \"30m\""));
    reload(&shop, IN_FORCE).await;
    assert_eq!(code(&shop.fetch(&mine, META).await), bad_query(), "what is remembered is judged by the rules in force");
    write(&shop, &good.replace("enabled = true", "enabled = false"));
    reload(&shop, IN_FORCE).await;
    let off = shop.fetch(&mine, META).await;
    assert_eq!((off.status, off.face()), (404, shop.fetch("/media/winter-sale.jpg", META).await.face()));
    write(&shop, &good);
    reload(&shop, IN_FORCE).await;
    assert_eq!(shop.fetch(&mine, META).await.status, 200);
    shop.said_no_secret().await;
}
