//! A bucket of GCS and a container of Azure: planted faults, lists of several pages, interruptions, and stores that refuse or break off.

use std::time::Duration;

use futures_util::{StreamExt, stream};
use serde_json::Value;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;

use super::resuming::{signal, wait_for};
use super::{Desk, found, sample, set, setting, text};
use crate::kit::azurite::{self, Container};
use crate::kit::chaos::{Chaos, Fault};
use crate::kit::gcs::{self, BUCKET, Gcs};
use rustix::process::Signal;

/// A bucket or a container.
enum Cloud {
    Azure(Container),
    Gcs(Gcs),
}

impl Cloud {
    async fn both() -> [Self; 2] {
        [Self::Azure(Container::create().await), Self::Gcs(Gcs::start().await)]
    }

    fn server(&self) -> &str {
        match self {
            Self::Azure(_) => azurite::server(),
            Self::Gcs(bucket) => &bucket.endpoint,
        }
    }

    /// Settings before it, by whatever way.
    fn desk(&self, server: &str, more: &str) -> Desk {
        match self {
            Self::Azure(container) => {
                let (account, name) = (azurite::ACCOUNT, &container.name);
                let store = format!(
                    "kind = \"azure\"\naccount = \"{account}\"\ncontainer = \"{name}\"\naccess_key_file = \"credentials\"\n\
                     endpoint = \"{server}/{account}\"\n{more}"
                );
                Desk::over(&store).with_credentials(azurite::ACCESS_KEY)
            }
            Self::Gcs(_) => gcs_desk(server, more),
        }
    }

    async fn put(&self, key: &str, stored: &str, bytes: &[u8]) {
        match self {
            Self::Azure(container) => container.put_with(key, bytes, &[("x-ms-blob-content-type", stored)]).await,
            Self::Gcs(bucket) => bucket.put_with(key, bytes, &[("content-type", stored.as_bytes())]),
        }
    }

    /// Keys that the client cannot address, of those that the server takes.
    fn unaddressable(&self) -> &'static [&'static str] {
        match self {
            Self::Azure(_) => &["odd/a//b.png"],
            Self::Gcs(_) => {
                &["/odd.png", "odd/a//b.png", "odd/a/../b.png", "odd/tab\there.png", "odd/trail.png/", "odd/./x.png"]
            }
        }
    }
}

fn gcs_desk(server: &str, more: &str) -> Desk {
    let store = format!(
        "kind = \"gcs\"\nbucket = \"{BUCKET}\"\nservice_account_file = \"credentials\"\nendpoint = \"{server}\"\n{more}"
    );
    Desk::over(&store).with_credentials(&gcs::service_account())
}

const SOUND: &[(&str, &str, &str)] = &[
    ("sound/winter-sale.jpg", "image/jpeg", "winter-sale.jpg"),
    ("sound/tour.mp4", "video/mp4", "tour.mp4"),
    ("sound/price-list.pdf", "application/pdf", "price-list.pdf"),
    ("sound/größe 日本+😀%20&<>'.jpg", "image/jpeg", "winter-sale.jpg"),
    ("sound/ space at both ends ", "image/png", "receipt.png"),
    ("sound/folder/", "application/x-directory", "empty.jpg"),
];

const BAD: &[(&str, &str, &str)] = &[
    ("bad/any-bytes.pdf", "application/octet-stream", "price-list.pdf"),
    ("bad/mistyped.jpg", "image/png", "winter-sale.jpg"),
    ("bad/misnamed.png", "image/jpeg", "winter-sale.jpg"),
    ("bad/moov-last.mp4", "video/mp4", "moov-last.mp4"),
    ("bad/hevc.mp4", "video/mp4", "hevc.mp4"),
    ("bad/cmyk.jpg", "image/jpeg", "cmyk.jpg"),
    ("bad/empty.jpg", "image/jpeg", "empty.jpg"),
    ("case/Photo.jpg", "image/jpeg", "winter-sale.jpg"),
    ("case/photo.jpg", "image/jpeg", "winter-sale.jpg"),
    ("spelt/a b.jpg", "image/jpeg", "winter-sale.jpg"),
    ("spelt/a%20b.jpg", "image/jpeg", "winter-sale.jpg"),
];

const PLANTED: &[&str] = &[
    "type-missing bad/any-bytes.pdf",
    "type-wrong bad/mistyped.jpg",
    "extension-wrong bad/misnamed.png",
    "video-moov-last bad/moov-last.mp4",
    "video-codec bad/hevc.mp4",
    "image-unsupported bad/cmyk.jpg",
    "empty bad/empty.jpg",
    "key-differs-in-case case/Photo.jpg",
    "key-differs-in-case case/photo.jpg",
    "key-differs-in-encoding spelt/a b.jpg",
    "key-differs-in-encoding spelt/a%20b.jpg",
];

#[tokio::test]
async fn every_planted_fault_is_found_in_a_cloud_and_nothing_else() {
    for cloud in Cloud::both().await {
        for (key, stored, file) in SOUND {
            cloud.put(key, stored, &sample(file)).await;
        }
        let desk = cloud.desk(cloud.server(), "");
        let clean = desk.json(&[], 3).await;
        assert_eq!((found(&clean), &clean["objects"]), (set(&[]), &SOUND.len().into()), "{clean:#}");
        for (key, stored, file) in BAD {
            cloud.put(key, stored, &sample(file)).await;
        }
        let mut expected = set(PLANTED);
        for key in cloud.unaddressable() {
            cloud.put(key, "image/png", &sample("receipt.png")).await;
            expected.insert(format!("unreadable {key}"));
        }
        let said = desk.json(&["--concurrency", "3"], 1).await;
        assert_eq!(found(&said), expected);
        assert_eq!(said["objects"], SOUND.len() + BAD.len() + cloud.unaddressable().len());
        for finding in said["findings"].as_array().unwrap().iter().filter(|one| one["code"] == "unreadable") {
            assert!(finding["detail"].as_str().unwrap().contains("cannot address this key"), "{finding}");
        }
        let part = desk.json(&["--prefix", "bad/m"], 1).await;
        let within = PLANTED.iter().filter(|one| one.contains(" bad/m")).copied().collect::<Vec<_>>();
        assert_eq!(found(&part), set(&within));
        // Only what lies below the store's own prefix, and keys without it.
        for (key, file) in [("bad", "receipt.png"), ("bad-not/x.jpg", "receipt.png"), ("bad/", "empty.jpg")] {
            cloud.put(key, "image/jpeg", &sample(file)).await;
        }
        let below = cloud.desk(cloud.server(), "prefix = \"bad\"\n").json(&[], 1).await;
        let within = PLANTED.iter().filter(|one| one.contains(" bad/")).map(|one| one.replace("bad/", ""));
        assert_eq!(found(&below), within.collect());
        let refused = desk.run(&["--fix-types", "--yes"]).await;
        assert_eq!(refused.status.code(), Some(2), "{}", text(&refused));
        assert!(text(&refused).contains("--fix-types is for S3") && refused.stdout.is_empty(), "{}", text(&refused));
    }
}

#[tokio::test]
async fn what_a_cloud_is_open_to_is_unknown_and_a_command_says_where_to_look() {
    for cloud in Cloud::both().await {
        // An empty store is the one where "none of the objects is open" would come easily.
        let said = cloud.desk(cloud.server(), "").json(&[], 3).await;
        let (program, place) = match &cloud {
            Cloud::Azure(container) => ("`az storage ", container.name.as_str()),
            Cloud::Gcs(_) => ("`gcloud storage ", BUCKET),
        };
        for name in ["public-access-block", "policy", "acl", "website", "versions", "object-acls"] {
            let (verdict, detail) = setting(&said, name);
            assert!(verdict == "unknown" && detail.contains(program), "{name}: {verdict} {detail}");
        }
        assert!(setting(&said, "acl").1.contains(place), "{said:#}");
        assert_eq!(said["settings"].as_array().unwrap().len(), 6, "each is told once: {said:#}");
    }
}

const OBJECTS: usize = 1130;

/// More objects than a page, every third with a fault, and twins far apart.
async fn fill(cloud: &Cloud) {
    let (jpeg, png) = (sample("winter-sale.jpg")[..3000].to_vec(), sample("receipt.png"));
    let mut puts = Vec::new();
    for number in 0..OBJECTS - 2 {
        puts.push(match number % 3 {
            0 => (format!("{number:05}.txt"), "text/plain", &jpeg),
            _ => (format!("{number:05}.png"), "image/png", &png),
        });
    }
    puts.push(("00000-TWIN.png".to_owned(), "image/png", &png));
    puts.push(("00000-twin.png".to_owned(), "image/png", &png));
    let puts = stream::iter(puts).map(|(key, stored, bytes)| async move { cloud.put(&key, stored, bytes).await });
    puts.buffer_unordered(8).collect::<Vec<()>>().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_audit_of_a_cloud_goes_on_after_kill_9_on_the_second_page() {
    for cloud in Cloud::both().await {
        fill(&cloud).await;
        let chaos = Chaos::before(cloud.server()).await;
        let desk = cloud.desk(&chaos.endpoint, "");
        let whole = desk.json(&[], 1).await;
        let expected = found(&whole);
        assert_eq!(whole["objects"], OBJECTS);
        assert!(expected.len() > OBJECTS / 3 && expected.contains("key-differs-in-case 00000-twin.png"));
        let arguments = ["--state", "state", "--concurrency", "4"];
        // Once within the first page, once within the second.
        for stop in [300, 1020] {
            chaos.always(Fault::Delay(Duration::from_millis(5)));
            let mut child = desk.start(&arguments);
            wait_for(&desk, stop);
            signal(&child, Signal::KILL);
            child.wait().unwrap();
        }
        chaos.always(Fault::Pass);
        let before = chaos.seen().len();
        let said = desk.json(&arguments, 1).await;
        assert_eq!(found(&said), expected, "{before}");
        assert_eq!(said["objects"], OBJECTS);
        let asked = chaos.seen().split_off(before);
        let heads = asked.iter().filter(|head| head.starts_with("HEAD ")).count();
        assert!(heads <= OBJECTS - 1020, "{heads} objects were looked at again");
    }
}

#[tokio::test]
async fn a_resumed_audit_whose_last_blob_is_gone_says_so() {
    let container = Container::create().await;
    for key in ["a.png", "b.png", "c.png"] {
        container.put_with(key, &sample("receipt.png"), &[("x-ms-blob-content-type", "image/png")]).await;
    }
    let cloud = Cloud::Azure(container);
    let desk = cloud.desk(cloud.server(), "");
    desk.json(&["--state", "state"], 3).await;
    // As if it had been stopped behind `b.png`.
    let state = std::fs::read_to_string(desk.file("state")).unwrap();
    let mut kept: Vec<_> =
        state.lines().filter(|line| !line.contains("\"done\"") && !line.contains("\"finished\"")).collect();
    kept.push(r#"{"done":{"after":"b.png","objects":2,"bytes":0}}"#);
    let kept = kept.join("\n") + "\n";
    std::fs::write(desk.file("state"), &kept).unwrap();
    assert_eq!(desk.json(&["--state", "state"], 3).await["objects"], 3, "it goes on behind it");
    std::fs::write(desk.file("state"), &kept).unwrap();
    let Cloud::Azure(container) = &cloud else { unreachable!() };
    container.delete("b.png").await;
    let output = desk.run(&["--state", "state"]).await;
    assert_eq!(output.status.code(), Some(69), "{}", text(&output));
    assert!(text(&output).contains("delete the state file"), "{}", text(&output));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_cloud_that_refuses_or_breaks_off_is_never_said_to_be_well() {
    for cloud in Cloud::both().await {
        for (key, stored, file) in BAD {
            cloud.put(key, stored, &sample(file)).await;
        }
        let chaos = Chaos::before(cloud.server()).await;
        let desk = cloud.desk(&chaos.endpoint, "");
        let right = match &cloud {
            Cloud::Azure(_) => "Storage Blob Data Reader",
            Cloud::Gcs(_) => "roles/storage.objectViewer",
        };
        for (fault, words) in [
            (Fault::Status(403), right),
            (Fault::Status(404), "does not exist"),
            (Fault::Status(302), "a redirect, which is not followed"),
            (Fault::Status(503), "not available"),
            (Fault::ResetAfter(700), "not available"),
            (Fault::CloseAfter(700), "not available"),
            (Fault::TruncateCleanly(700), "not available"),
        ] {
            chaos.always(fault.clone());
            let output = desk.run(&["--json"]).await;
            let said = text(&output);
            assert_eq!(output.status.code(), Some(69), "{fault:?}: {said}");
            assert!(said.contains("could not be listed") && said.contains(words), "{fault:?}: {said}");
            assert!(output.stdout.is_empty(), "{fault:?}: {said}");
        }
        // What breaks off once is asked for again, and nothing is told twice or left out.
        chaos.always(Fault::Pass).then([Fault::CloseAfter(700), Fault::TruncateCleanly(900), Fault::Status(503)]);
        assert_eq!(found(&desk.json(&[], 1).await), set(PLANTED));
    }
}

/// Answers every request with this head, and with the chunk again and again until the client leaves; how much it sent.
async fn endless(chunk: &'static str) -> (String, std::sync::Arc<std::sync::atomic::AtomicUsize>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let endpoint = format!("http://{}", listener.local_addr().unwrap());
    let sent = std::sync::Arc::new(std::sync::atomic::AtomicUsize::new(0));
    let count = std::sync::Arc::clone(&sent);
    tokio::spawn(async move {
        while let Ok((mut client, _)) = listener.accept().await {
            let count = std::sync::Arc::clone(&count);
            tokio::spawn(async move {
                client.read_buf(&mut Vec::with_capacity(64 * 1024)).await.unwrap();
                let head =
                    "HTTP/1.1 200 OK\r\nContent-Type: application/xml\r\nConnection: close\r\n\r\n<ListBucketResult>";
                client.write_all(head.as_bytes()).await.unwrap();
                let chunk = chunk.repeat(64 * 1024 / chunk.len());
                while client.write_all(chunk.as_bytes()).await.is_ok() {
                    count.fetch_add(chunk.len(), std::sync::atomic::Ordering::SeqCst);
                }
            });
        }
    });
    (endpoint, sent)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_list_without_end_is_left_at_its_limit() {
    for chunk in ["<Contents><Key>a</Key></Contents>", "<Key>", "aaaaaaaaaaaaaaaa"] {
        let (endpoint, sent) = endless(chunk).await;
        let output = gcs_desk(&endpoint, "").run(&[]).await;
        assert_eq!(output.status.code(), Some(69), "{}", text(&output));
        assert!(text(&output).contains("is longer than 16777216 bytes"), "{}", text(&output));
        let sent = sent.load(std::sync::atomic::Ordering::SeqCst);
        // What the sockets hold comes on top.
        assert!(sent < 32 << 20, "{sent} bytes were taken");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_hundred_thousand_objects_of_a_cloud_take_little_memory() {
    const MANY: u64 = 100_000;
    let bucket = Gcs::start().await;
    for number in 0..MANY {
        bucket.put_with(&format!("{}/{number:06}.png", "a-rather-long-directory-name/".repeat(4)), b"", &[]);
    }
    let desk = gcs_desk(&bucket.endpoint, "");
    let (said, peak): (Value, u64) = super::many::audited(&desk, 1).await;
    assert_eq!((&said["objects"], &said["counts"]["empty"]), (&MANY.into(), &MANY.into()));
    assert!(peak > 0 && peak < super::many::MOST_KIB, "at most {peak} KiB");
    let lists = bucket.asked().iter().filter(|asked| asked.contains("list-type=2")).count();
    assert_eq!(lists, 200, "two listings of a hundred pages");
}
