//! A cloud that lies, breaks off, stalls, refuses or never ends.

use std::time::Duration;

use hallpass::origin::{Origin, OriginError, Outcome, RetryPolicy, Waited};
use hallpass::value::ByteSpan;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;

use super::{Cloud, Scene};
use crate::kit::chaos::{Fault, with_header};
use crate::kit::{content, drain, key, read};

const MIB: usize = 1024 * 1024;

fn quick() -> RetryPolicy {
    RetryPolicy {
        stall: Duration::from_millis(500),
        first_byte: Duration::from_secs(5),
        backoff: Duration::from_millis(1),
        ..RetryPolicy::default()
    }
}

#[tokio::test]
async fn an_answer_that_does_not_fit_is_found_before_a_byte_of_it_is_passed_on() {
    for scene in Scene::both(b"0123456789", quick()).await {
        let span = ByteSpan::within(2, 5, 10).unwrap();
        let lies: [fn(&str) -> String; 8] = [
            |head| with_header(head, "content-range", Some("bytes 3-6/10")),
            |head| with_header(head, "content-range", Some("bytes 2-4/10")),
            |head| with_header(head, "content-range", Some("bytes 2-18446744073709551615/10")),
            |head| with_header(head, "content-range", None),
            |head| with_header(head, "content-length", Some("3")),
            |head| with_header(head, "content-length", Some("5")),
            |head| head.replacen("206 Partial Content", "200 OK", 1),
            |head| with_header(&with_header(head, "etag", None), "x-goog-generation", None),
        ];
        for (number, lie) in lies.into_iter().enumerate() {
            scene.chaos.then([Fault::Lie(lie)]);
            let said = scene.bare.read(&key("a"), &scene.meta.version, span).await.map(|_| "a stream");
            assert!(matches!(said, Err(OriginError::Failed(_))), "lie {number}: {said:?}");
        }
        let other: fn(&str) -> String = |head| {
            let head = with_header(head, "etag", Some("\"0x8D0000000000000\""));
            with_header(&head, "x-goog-generation", Some("1700000000000001"))
        };
        scene.chaos.then([Fault::Lie(other)]);
        let said = scene.bare.read(&key("a"), &scene.meta.version, span).await.map(|_| "a stream");
        assert!(matches!(said, Err(OriginError::Changed)), "{} of another version: {said:?}", scene.cloud.pin());
        assert_eq!(
            read(&scene.bare, &key("a"), &scene.meta.version, span).await.unwrap(),
            "2345",
            "the truth is believed"
        );
    }
}

#[tokio::test]
async fn a_server_that_ignores_the_range_is_found_out() {
    for scene in Scene::both(b"0123456789", quick()).await {
        // Azure's signature covers the range, so its server cannot be made to.
        if let Cloud::Gcs(_) = scene.cloud {
            scene.chaos.then([Fault::IgnoreRange]);
            let span = ByteSpan::within(2, 5, 10).unwrap();
            let said = scene.bare.read(&key("a"), &scene.meta.version, span).await.map(|_| "a stream");
            assert!(matches!(said, Err(OriginError::Failed(_))), "{said:?}");
        }
    }
}

#[tokio::test]
async fn a_broken_body_is_resumed_from_there_and_pinned_by_us_alone() {
    let bytes = content(7, 5 * MIB);
    for fault in [Fault::ResetAfter, Fault::CloseAfter, Fault::TruncateCleanly, Fault::StallAfter] {
        for scene in Scene::both(&bytes, quick()).await {
            scene.chaos.then([fault(3 * MIB)]);
            let span = ByteSpan::whole(scene.meta.length).unwrap();
            let got = read(&scene.reliable, &key("a"), &scene.meta.version, span).await.unwrap();
            assert!(got == bytes, "{} bytes arrived, and they differ", got.len());
            assert_eq!(scene.reliable.counters().resumed(), 1);
            let last = 5 * MIB - 1;
            let ranges = scene.chaos.seen_header("range");
            let resumed = format!("bytes={}-{last}", 3 * MIB);
            assert_eq!(ranges[0], Some(format!("bytes=0-{last}")));
            // A reset may overtake the bytes before it.
            let reset = matches!(fault(0), Fault::ResetAfter(_));
            assert!(ranges.len() == 2 && (reset || ranges[1] == Some(resumed)), "nothing is read twice: {ranges:?}");
            let (_, pin) = scene.meta.version.as_str().split_once(':').unwrap();
            for asked in scene.chaos.seen() {
                let (line, tag) = (asked.lines().next().unwrap(), format!("\r\nif-match: {pin}\r\n"));
                assert!(
                    line.contains(&format!("?generation={pin} ")) || asked.to_lowercase().contains(&tag.to_lowercase()),
                    "{asked}"
                );
            }
            // The bare store resumes nothing.
            scene.chaos.then([fault(MIB)]);
            let said =
                tokio::time::timeout(Duration::from_secs(2), read(&scene.bare, &key("a"), &scene.meta.version, span))
                    .await;
            assert!(matches!(said, Err(_) | Ok(Err(OriginError::Unavailable(_)))), "a broken body ends well");
            assert_eq!(scene.chaos.seen().len(), 3);
        }
    }
}

#[tokio::test]
async fn an_overwrite_during_a_break_is_changed_and_never_mixed() {
    let bytes = content(8, 5 * MIB);
    for scene in Scene::both(&bytes, quick()).await {
        scene.chaos.then([Fault::StallAfter(MIB)]);
        let span = ByteSpan::whole(scene.meta.length).unwrap();
        let stream = scene.reliable.read(&key("a"), &scene.meta.version, span).await.unwrap();
        scene.cloud.put("a", &content(9, 5 * MIB)).await;
        let (got, error) = drain(stream).await;
        assert_eq!(error, Some(OriginError::Changed));
        assert!(bytes.starts_with(&got));
    }
}

#[tokio::test]
async fn a_status_is_what_it_means_and_is_asked_again_only_where_that_helps() {
    for scene in Scene::both(b"bytes", quick()).await {
        let span = ByteSpan::whole(5).unwrap();
        for status in [401, 403, 404, 410, 412, 416, 400, 501, 302] {
            scene.chaos.then([Fault::Status(status), Fault::Status(status)]);
            let before = scene.chaos.seen().len();
            let read = scene.reliable.read(&key("a"), &scene.meta.version, span).await.map(|_| "a stream");
            let head = scene.reliable.head(&key("a")).await;
            assert_eq!(scene.chaos.seen().len(), before + 2, "{status} is not asked again");
            let fits = match status {
                401 | 403 => matches!((&read, &head), (Err(OriginError::Denied(_)), Err(OriginError::Denied(_)))),
                404 => matches!((&read, &head), (Err(OriginError::Changed), Err(OriginError::NotFound))),
                410 | 412 | 416 => matches!((&read, &head), (Err(OriginError::Changed), Err(OriginError::Failed(_)))),
                _ => matches!((&read, &head), (Err(OriginError::Failed(_)), Err(OriginError::Failed(_)))),
            };
            assert!(fits, "{status}: {read:?} {head:?}");
        }
        scene.chaos.then([Fault::Status(503), Fault::Status(500), Fault::Status(429)]);
        assert_eq!(read(&scene.reliable, &key("a"), &scene.meta.version, span).await.unwrap(), "bytes");
        scene.chaos.always(Fault::Status(503));
        assert_eq!(scene.reliable.head(&key("a")).await, Err(OriginError::Unavailable("503".into())));
        assert_eq!(scene.bare.probe().await, Err(OriginError::Unavailable("503".into())));
    }
}

#[tokio::test]
async fn a_redirect_is_not_followed() {
    for scene in Scene::both(b"bytes", quick()).await {
        let away: fn(&str) -> String =
            |_| "HTTP/1.1 307 Moved\r\nLocation: /elsewhere\r\nContent-Length: 0\r\nConnection: close\r\n\r\n".into();
        for asked in 1..=3 {
            scene.chaos.then([Fault::Lie(away)]);
            let said = match asked {
                1 => scene.bare.head(&key("a")).await.map(|_| ()),
                2 => scene.bare.probe().await,
                _ => scene.bare.read(&key("a"), &scene.meta.version, ByteSpan::whole(5).unwrap()).await.map(|_| ()),
            };
            assert!(matches!(&said, Err(OriginError::Failed(why)) if why.contains("redirect")), "{said:?}");
            assert_eq!(scene.chaos.seen().len(), asked);
        }
    }
}

#[tokio::test]
async fn a_store_that_never_answers_is_a_timeout() {
    let policy = RetryPolicy {
        first_byte: Duration::from_millis(300),
        patience: Duration::from_millis(800),
        ..RetryPolicy::default()
    };
    for scene in Scene::both(b"bytes", policy).await {
        scene.chaos.always(Fault::NoAnswer);
        let span = ByteSpan::whole(5).unwrap();
        let said = [
            scene.reliable.read(&key("a"), &scene.meta.version, span).await.map(|_| ()),
            scene.reliable.head(&key("a")).await.map(|_| ()),
            scene.reliable.probe().await,
        ];
        for said in said {
            assert!(matches!(said, Err(OriginError::Timeout(Waited::FirstByte(_)))), "{said:?}");
        }
        assert_eq!(scene.reliable.counters().reads(Outcome::Timeout), 1);
    }
}

#[tokio::test]
async fn nobody_there_is_unavailable() {
    let gone = TcpListener::bind("127.0.0.1:0").await.unwrap().local_addr().unwrap();
    for cloud in Cloud::both().await {
        let said = cloud.through(&format!("http://{gone}")).head(&key("a")).await;
        assert!(matches!(said, Err(OriginError::Unavailable(_))), "{said:?}");
    }
}

/// Answers every request with this head, and then with bytes for as long as the client takes them; gives its URL.
async fn endless(head: String) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    tokio::spawn(async move {
        while let Ok((mut client, _)) = listener.accept().await {
            let head = head.clone();
            tokio::spawn(async move {
                let mut asked = Vec::new();
                while !asked.ends_with(b"\r\n\r\n") {
                    client.read_buf(&mut asked).await.ok()?;
                }
                client.write_all(head.as_bytes()).await.ok()?;
                while client.write_all(&[b'x'; 64 * 1024]).await.is_ok() {}
                Some(())
            });
        }
    });
    url
}

#[tokio::test]
async fn an_endless_answer_is_not_read_to_its_end() {
    for cloud in Cloud::both().await {
        cloud.put("a", b"0123456789").await;
        let meta = cloud.origin().head(&key("a")).await.unwrap();
        let patience = Duration::from_secs(30);
        let failing = cloud.through(&endless("HTTP/1.1 503 Busy\r\n\r\n".to_owned()).await);
        let span = ByteSpan::within(2, 5, 10).unwrap();
        let name = key("a");
        let asked = failing.read(&name, &meta.version, span);
        let said = tokio::time::timeout(patience, asked).await.expect("it reads on and on").map(|_| ());
        assert_eq!(said, Err(OriginError::Unavailable("503".into())));
        let listing = cloud.through(&endless("HTTP/1.1 200 OK\r\n\r\n".to_owned()).await);
        let said = tokio::time::timeout(patience, listing.probe()).await.expect("it reads on and on");
        assert!(matches!(said, Err(OriginError::Failed(_))), "{said:?}");
        let (_, pin) = meta.version.as_str().split_once(':').unwrap();
        let tag = if cloud.pin() == "etag" { pin } else { "\"a\"" };
        let head = format!(
            "HTTP/1.1 206 Partial Content\r\nContent-Range: bytes 2-5/10\r\nETag: {tag}\r\nx-goog-generation: {pin}\r\n\
             Last-Modified: Sat, 01 Nov 2025 08:00:00 GMT\r\n\r\n"
        );
        let origin = cloud.through(&endless(head).await);
        let (bytes, error) = drain(origin.read(&key("a"), &meta.version, span).await.unwrap()).await;
        assert!(bytes.len() <= 4, "{} bytes of 4", bytes.len());
        assert!(matches!(error, Some(OriginError::Failed(_))), "{error:?}");
    }
}
