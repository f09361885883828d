//! What only a bucket does: its prefix, its odder keys, and settings that are wrong.

use aws_config::profile::ProfileFileCredentialsProvider;
use hallpass::origin::{Origin, OriginError, S3Origin, S3Settings};
use hallpass::value::ByteSpan;

use crate::kit::chaos::{Chaos, Fault, with_header};
use crate::kit::moto::{self, Bucket};
use crate::kit::{fetch, key, read};

#[tokio::test]
async fn keys_that_no_directory_could_hold_round_trip() {
    let bucket = Bucket::create().await;
    let odd = ["/lead", "trail/", "a//b", "//", "///x", "a/./b", "a/../b", "..", "./c", "a/b", "b", &"x".repeat(1024)];
    for key in odd {
        bucket.put(key, format!("content of {key}").as_bytes()).await;
    }
    let origin = bucket.origin();
    for name in odd {
        let got = fetch(&origin, &key(name)).await;
        assert_eq!(got.unwrap_or_else(|error| panic!("{name:?}: {error}")), format!("content of {name}"));
    }
}

#[tokio::test]
async fn a_prefix_holds_everything_in() {
    let bucket = Bucket::create().await;
    for name in ["secret", "promo-secret", "promo", "promo/../secret", "other/x"] {
        bucket.put(name, b"secret").await;
    }
    bucket.put("promo/x", b"inside").await;
    for prefix in ["promo", "promo/"] {
        let origin = bucket.origin_under(prefix);
        assert_eq!(fetch(&origin, &key("x")).await.unwrap(), "inside");
        for name in ["../secret", "-secret", "promo", "secret", "/../../secret", "../other/x", "%2e%2e/secret", "/x"] {
            let said = fetch(&origin, &key(name)).await;
            assert!(matches!(said, Err(OriginError::NotFound | OriginError::Unaddressable(_))), "{name}: {said:?}");
        }
        assert!(matches!(origin.head(&key(&"x".repeat(1020))).await, Err(OriginError::Unaddressable(_))));
    }
}

#[tokio::test]
async fn the_stored_media_type_and_coding_are_told_as_they_are() {
    let bucket = Bucket::create().await;
    bucket.put("a", b"bytes").await;
    let request =
        bucket.client.put_object().bucket(&bucket.name).key("b").content_encoding("gzip").content_type("x/Y; z");
    request.body(b"bytes".to_vec().into()).send().await.unwrap();
    let (a, b) = (bucket.origin().head(&key("a")).await.unwrap(), bucket.origin().head(&key("b")).await.unwrap());
    assert_eq!((a.media_type.as_deref(), a.content_encoding), (Some("image/test"), None));
    assert_eq!((b.media_type.as_deref(), b.content_encoding.as_deref()), (Some("x/Y; z"), Some("gzip")));
}

#[tokio::test]
async fn a_version_is_pinned_by_id_or_by_tag() {
    let (plain, versioned) = (Bucket::create().await, Bucket::create_versioned().await);
    for (bucket, begins) in [(&plain, "e:\""), (&versioned, "v:")] {
        bucket.put("a", b"bytes").await;
        let version = bucket.origin().head(&key("a")).await.unwrap().version;
        assert!(version.as_str().starts_with(begins), "{version}");
    }
}

#[tokio::test]
async fn links_from_before_versioning_stay_readable() {
    let bucket = Bucket::create().await;
    bucket.put("a", b"bytes").await;
    let old = bucket.origin().head(&key("a")).await.unwrap();
    let status = aws_sdk_s3::types::BucketVersioningStatus::Enabled;
    let enabled = aws_sdk_s3::types::VersioningConfiguration::builder().status(status).build();
    let request = bucket.client.put_bucket_versioning().bucket(&bucket.name).versioning_configuration(enabled);
    request.send().await.unwrap();
    let span = ByteSpan::whole(5).unwrap();
    assert_eq!(read(&bucket.origin(), &key("a"), &old.version, span).await.unwrap(), "bytes");
    bucket.put("a", b"other").await;
    assert_eq!(read(&bucket.origin(), &key("a"), &old.version, span).await, Err(OriginError::Changed));
}

#[tokio::test]
async fn an_absent_bucket_is_ours_to_mend_and_never_gone() {
    let bucket = Bucket::create().await;
    let settings = S3Settings { bucket: "no-such-bucket".into(), ..bucket.settings() };
    let origin = S3Origin::open_with(&settings, moto::credentials()).unwrap();
    let failed = OriginError::Failed("the bucket does not exist".into());
    assert_eq!(origin.probe().await, Err(failed.clone()));
    let version = "e:\"abc\"".parse().unwrap();
    assert_eq!(read(&origin, &key("a"), &version, ByteSpan::whole(5).unwrap()).await, Err(failed));
}

#[tokio::test]
async fn the_stores_own_403_is_denied_and_says_what_to_grant() {
    let (bucket, chaos) = (Bucket::create().await, Chaos::before(moto::endpoint()).await);
    let origin = bucket.origin_through(&chaos.endpoint);
    for status in [401, 403] {
        chaos.always(Fault::Status(status));
        let version = "e:\"abc\"".parse().unwrap();
        let read = read(&origin, &key("a"), &version, ByteSpan::whole(5).unwrap()).await.unwrap_err();
        for said in [read, origin.head(&key("a")).await.unwrap_err(), origin.probe().await.unwrap_err()] {
            assert!(matches!(&said, OriginError::Denied(text) if text.contains("s3:GetObjectVersion")), "{said}");
        }
    }
}

#[tokio::test]
async fn a_412_is_changed_although_a_head_has_no_body_to_say_so() {
    let (bucket, chaos) = (Bucket::create().await, Chaos::before(moto::endpoint()).await);
    chaos.always(Fault::Status(412));
    let version = "e:\"abc\"".parse().unwrap();
    let said = read(&bucket.origin_through(&chaos.endpoint), &key("a"), &version, ByteSpan::whole(5).unwrap()).await;
    assert_eq!(said, Err(OriginError::Changed));
}

#[tokio::test]
async fn without_credentials_a_store_is_denied() {
    let bucket = Bucket::create().await;
    let nobody = ProfileFileCredentialsProvider::builder().profile_name("no-such-profile-of-hallpass").build();
    let origin = S3Origin::open_with(&bucket.settings(), nobody).unwrap();
    let said = origin.probe().await;
    assert!(matches!(&said, Err(OriginError::Denied(text)) if text.contains("credential")), "{said:?}");
}

#[tokio::test]
async fn a_server_that_is_not_there_is_unavailable() {
    let bucket = Bucket::create().await;
    let closed = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let said = bucket.origin_through(&format!("http://{closed}")).head(&key("a")).await.unwrap_err();
    assert!(matches!(&said, OriginError::Unavailable(text) if text.contains("refused")), "{said}");
}

#[tokio::test]
async fn a_server_that_ignores_the_range_or_the_pin_or_lies_is_found_out() {
    let (bucket, chaos) = (Bucket::create().await, Chaos::before(moto::endpoint()).await);
    bucket.put("a", b"0123456789").await;
    let origin = bucket.origin_through(&chaos.endpoint);
    let meta = bucket.origin().head(&key("a")).await.unwrap();
    let span = ByteSpan::within(2, 5, 10).unwrap();
    let lies: [fn(&str) -> String; 6] = [
        |head| with_header(head, "content-range", Some("bytes 3-6/10")),
        |head| with_header(head, "content-range", Some("bytes 2-9/10")),
        |head| with_header(head, "content-range", None),
        |head| with_header(head, "content-length", Some("3")),
        |head| with_header(head, "content-length", Some("5")),
        |head| with_header(head, "etag", None),
    ];
    for (number, fault) in lies.map(Fault::Lie).into_iter().chain([Fault::IgnoreRange]).enumerate() {
        chaos.then([fault]);
        let said = read(&origin, &key("a"), &meta.version, span).await;
        assert!(matches!(said, Err(OriginError::Failed(_))), "lie {number}: {said:?}");
    }
    assert_eq!(read(&origin, &key("a"), &meta.version, span).await.unwrap(), "2345", "and the truth is believed");
    bucket.put("a", b"9876543210").await;
    chaos.then([Fault::IgnorePin]);
    assert_eq!(read(&origin, &key("a"), &meta.version, span).await, Err(OriginError::Changed));
}

#[tokio::test]
async fn no_error_names_a_secret() {
    let (bucket, chaos) = (Bucket::create().await, Chaos::before(moto::endpoint()).await);
    let origin = bucket.origin_through(&chaos.endpoint);
    for fault in
        [Fault::Status(403), Fault::Status(500), Fault::ResetAfter(0), Fault::Lie(|_| "nonsense\r\n\r\n".into())]
    {
        chaos.then([fault.clone()]);
        let said = origin.head(&key("a")).await.unwrap_err();
        let said = format!("{said} {said:?} {origin:?}");
        assert!(!said.contains("secret-for-tests") && !said.contains("AKIATEST"), "{fault:?}: {said}");
    }
}

#[test]
fn settings_that_make_no_sense_are_refused() {
    let good = S3Settings {
        bucket: "b".into(),
        region: Some("eu-central-1".into()),
        endpoint: None,
        path_style: false,
        prefix: None,
    };
    assert!(S3Origin::open_with(&good, moto::credentials()).is_ok());
    for bad in [
        S3Settings { bucket: String::new(), ..good.clone() },
        S3Settings { region: None, ..good.clone() },
        S3Settings { endpoint: Some("http://user:password@host".into()), ..good.clone() },
        S3Settings { endpoint: Some("host".into()), ..good },
    ] {
        let said = S3Origin::open_with(&bad, moto::credentials()).map(|_| ());
        assert!(matches!(said, Err(OriginError::Failed(_))), "{bad:?}");
    }
}
