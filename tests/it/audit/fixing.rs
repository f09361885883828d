//! `--fix-types`: what it shows, what it keeps, and what it leaves alone.

use std::collections::HashMap;

use aws_sdk_s3::primitives::{DateTime, DateTimeFormat};

use super::planted::{close, put};
use super::{Desk, found, sample, set, text};
use crate::kit::moto::{self, Bucket};

const EXPIRES: &str = "Wed, 21 Oct 2026 07:28:00 GMT";

/// An object with everything that a copy could lose.
async fn put_rich(bucket: &Bucket, key: &str) {
    let metadata =
        HashMap::from([("owner".to_owned(), "billing".to_owned()), ("odd-value".to_owned(), "a, b; c".into())]);
    let request = bucket.client.put_object().bucket(&bucket.name).key(key).set_metadata(Some(metadata));
    let request = request.cache_control("max-age=60").content_disposition("inline; filename=\"x.jpg\"");
    let request = request.content_language("de").storage_class(aws_sdk_s3::types::StorageClass::StandardIa);
    let request = request.expires(DateTime::from_str(EXPIRES, DateTimeFormat::HttpDate).unwrap());
    let request = request.tagging("team=promo&year=2026").content_type("binary/octet-stream");
    request.body(sample("winter-sale.jpg").into()).send().await.unwrap();
}

async fn stored_type(bucket: &Bucket, key: &str) -> Option<String> {
    let head = bucket.client.head_object().bucket(&bucket.name).key(key).send().await.unwrap();
    head.content_type().map(Into::into)
}

#[tokio::test]
async fn nothing_is_done_unasked_and_then_only_the_type_changes() {
    for bucket in [Bucket::create().await, Bucket::create_versioned().await] {
        close(&bucket).await;
        put_rich(&bucket, "rich/ä +%2F.jpg").await;
        put(&bucket, "text.txt", Some("binary/octet-stream"), sample("letter.txt")).await;
        put(&bucket, "wrong.mp4", Some("image/png"), sample("tour.mp4")).await;
        put(&bucket, "right.png", Some("image/png"), sample("receipt.png")).await;
        let desk = Desk::over_bucket(moto::endpoint(), &bucket.name, "");
        let dry = desk.run(&["--fix-types", "--state", "state"]).await;
        assert_eq!(dry.status.code(), Some(1));
        let said = text(&dry);
        let words = ["rich/ä +%2F.jpg", "image/jpeg", "410 Gone", "Nothing was changed", "2 objects"];
        assert!(words.iter().all(|words| said.contains(words)), "{said}");
        assert_eq!(stored_type(&bucket, "wrong.mp4").await.as_deref(), Some("image/png"), "a dry run changes nothing");

        let done = desk.run(&["--fix-types", "--yes", "--state", "state"]).await;
        assert!(text(&done).contains("2 objects got their media type, 0 were left"), "{}", text(&done));
        assert_eq!(done.status.code(), Some(1), "the text without a type is still found");
        assert_eq!(stored_type(&bucket, "wrong.mp4").await.as_deref(), Some("video/mp4"));
        assert_eq!(stored_type(&bucket, "right.png").await.as_deref(), Some("image/png"));
        assert_eq!(stored_type(&bucket, "text.txt").await.as_deref(), Some("binary/octet-stream"), "nothing proves it");
        assert_kept(&bucket, "rich/ä +%2F.jpg").await;

        let again = desk.json(&["--fix-types", "--yes", "--state", "state"], 1).await;
        assert_eq!(found(&again), set(&["type-missing text.txt"]));
        assert_eq!(again["types_fixed"], 2);
        let anew = found(&desk.json(&[], 1).await);
        let left: Vec<_> = anew.iter().filter(|one| !one.starts_with("overwritten")).collect();
        assert_eq!(left, ["type-missing text.txt"]);
    }
}

async fn assert_kept(bucket: &Bucket, key: &str) {
    let head = bucket.client.head_object().bucket(&bucket.name).key(key).send().await.unwrap();
    assert_eq!(head.content_type(), Some("image/jpeg"));
    assert_eq!(head.cache_control(), Some("max-age=60"));
    assert_eq!(head.content_disposition(), Some("inline; filename=\"x.jpg\""));
    assert_eq!(head.content_language(), Some("de"));
    assert_eq!(head.expires_string(), Some(EXPIRES));
    assert_eq!(head.storage_class().map(|class| class.as_str().to_owned()).as_deref(), Some("STANDARD_IA"));
    let metadata = head.metadata().unwrap();
    assert_eq!((metadata["owner"].as_str(), metadata["odd-value"].as_str()), ("billing", "a, b; c"));
    let tags = bucket.client.get_object_tagging().bucket(&bucket.name).key(key).send().await.unwrap();
    let mut tags: Vec<_> = tags.tag_set().iter().map(|tag| format!("{}={}", tag.key(), tag.value())).collect();
    tags.sort();
    assert_eq!(tags, ["team=promo", "year=2026"]);
    let got = bucket.client.get_object().bucket(&bucket.name).key(key).send().await.unwrap();
    assert!(got.body.collect().await.unwrap().to_vec() == sample("winter-sale.jpg"), "the bytes are what they were");
}

#[tokio::test]
async fn what_changed_meanwhile_is_left_alone() {
    for bucket in [Bucket::create().await, Bucket::create_versioned().await] {
        close(&bucket).await;
        for key in ["same.jpg", "changed.jpg", "gone.jpg"] {
            put(&bucket, key, Some("image/png"), sample("winter-sale.jpg")).await;
        }
        let desk = Desk::over_bucket(moto::endpoint(), &bucket.name, "");
        desk.json(&["--state", "state"], 1).await;
        put(&bucket, "changed.jpg", Some("text/plain"), sample("letter.txt")).await;
        bucket.delete("gone.jpg").await;
        let said = text(&desk.run(&["--fix-types", "--yes", "--state", "state"]).await);
        for key in ["changed.jpg", "gone.jpg"] {
            assert!(said.contains(&format!("left as it is: {key}: it changed since it was looked at")), "{said}");
        }
        assert!(said.contains("1 objects got their media type, 2 were left"), "{said}");
        assert_eq!(stored_type(&bucket, "changed.jpg").await.as_deref(), Some("text/plain"));
        assert_eq!(stored_type(&bucket, "same.jpg").await.as_deref(), Some("image/jpeg"));
    }
}

#[tokio::test]
async fn a_public_access_list_is_told_before_it_is_lost() {
    let bucket = Bucket::create().await;
    let rule = aws_sdk_s3::types::OwnershipControlsRule::builder()
        .object_ownership(aws_sdk_s3::types::ObjectOwnership::ObjectWriter)
        .build()
        .unwrap();
    let controls = aws_sdk_s3::types::OwnershipControls::builder().rules(rule).build().unwrap();
    let request = bucket.client.put_bucket_ownership_controls().bucket(&bucket.name);
    request.ownership_controls(controls).send().await.unwrap();
    put(&bucket, "open.jpg", Some("image/png"), sample("winter-sale.jpg")).await;
    let acl = bucket.client.put_object_acl().bucket(&bucket.name).key("open.jpg");
    acl.acl(aws_sdk_s3::types::ObjectCannedAcl::PublicRead).send().await.unwrap();
    let desk = Desk::over_bucket(moto::endpoint(), &bucket.name, "");
    let said = text(&desk.run(&["--fix-types"]).await);
    assert!(said.contains("PUBLIC") && said.contains("their public URLs stop working"), "{said}");
}
