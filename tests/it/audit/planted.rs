//! A prepared bucket with every fault that an audit knows, beside sound objects: it finds every planted fault and nothing else.

use aws_sdk_s3::types::{
    BucketCannedAcl, IndexDocument, ObjectCannedAcl, ObjectOwnership, OwnershipControls, OwnershipControlsRule,
    PublicAccessBlockConfiguration, WebsiteConfiguration,
};

use super::{Desk, found, sample, set, setting, text};
use crate::kit::moto::{self, Bucket};

/// Puts an object with this type; `None`: without one, for which S3 says `binary/octet-stream`.
pub async fn put(bucket: &Bucket, key: &str, stored: Option<&str>, bytes: Vec<u8>) {
    let request = bucket.client.put_object().bucket(&bucket.name).key(key).set_content_type(stored.map(Into::into));
    request.body(bytes.into()).send().await.unwrap_or_else(|error| panic!("put {key:?}: {error:?}"));
}

/// Closes everything that a bucket of moto leaves open.
pub async fn close(bucket: &Bucket) {
    let block = PublicAccessBlockConfiguration::builder().block_public_acls(true).ignore_public_acls(true);
    let block = block.block_public_policy(true).restrict_public_buckets(true).build();
    let request = bucket.client.put_public_access_block().bucket(&bucket.name);
    request.public_access_block_configuration(block).send().await.unwrap();
}

/// Sound objects of every kind, under their right names and types.
async fn put_sound_objects(bucket: &Bucket) {
    for (key, stored, file) in [
        ("sound/winter-sale.jpg", "image/jpeg", "winter-sale.jpg"),
        ("sound/receipt.png", "image/png", "receipt.png"),
        ("sound/tour.mp4", "video/mp4", "tour.mp4"),
        ("sound/price-list.pdf", "application/pdf", "price-list.pdf"),
        ("sound/letter.docx", "application/vnd.openxmlformats-officedocument.wordprocessingml.document", "letter.docx"),
        ("sound/letter.txt", "text/plain; charset=utf-8", "letter.txt"),
        ("sound/plain.3gp", "video/3gpp", "plain.3gp"),
        ("sound/song.mp3", "audio/mpeg", "sound.mp3"),
        ("sound/größe 日本+😀.jpg", "image/jpeg", "winter-sale.jpg"),
        ("sound//odd/../key", "image/png", "receipt.png"),
    ] {
        put(bucket, key, Some(stored), sample(file)).await;
    }
    put(bucket, "sound/folder/", Some("application/x-directory"), Vec::new()).await;
}

/// A film of 20 MB whose index stands behind its frames.
fn long_film() -> Vec<u8> {
    let film = sample("moov-last.mp4");
    let at = film.windows(4).position(|part| part == b"moov").unwrap() - 4;
    let frames = [&20_000_008_u32.to_be_bytes()[..], b"mdat", &vec![7; 20_000_000]].concat();
    let kind = [&24_u32.to_be_bytes()[..], b"ftypisom\0\0\0\0isommp42"].concat();
    [&kind, &frames, &film[at..]].concat()
}

async fn plant(bucket: &Bucket) {
    for (key, stored, file) in [
        ("bad/untyped.jpg", None, "winter-sale.jpg"),
        ("bad/any-bytes.pdf", Some("application/octet-stream"), "price-list.pdf"),
        ("bad/mistyped.jpg", Some("image/png"), "winter-sale.jpg"),
        ("bad/nonsense.png", Some("nonsense"), "receipt.png"),
        ("bad/page.jpg", Some("image/jpeg"), "page.jpg"),
        ("bad/misnamed.png", Some("image/jpeg"), "winter-sale.jpg"),
        ("bad/moov-last.mp4", Some("video/mp4"), "moov-last.mp4"),
        ("bad/fragmented.mp4", Some("video/mp4"), "fragmented.mp4"),
        ("bad/hevc.mp4", Some("video/mp4"), "hevc.mp4"),
        ("bad/cut.mp4", Some("video/mp4"), "truncated.mp4"),
        ("bad/cmyk.jpg", Some("image/jpeg"), "cmyk.jpg"),
        ("bad/deep.png", Some("image/png"), "sixteen-bit.png"),
        ("bad/picture.webp", Some("image/webp"), "picture.webp"),
        ("bad/empty.jpg", Some("image/jpeg"), "empty.jpg"),
        ("case/Photo.jpg", Some("image/jpeg"), "winter-sale.jpg"),
        ("case/photo.jpg", Some("image/jpeg"), "winter-sale.jpg"),
        ("spelt/caf\u{e9}.jpg", Some("image/jpeg"), "winter-sale.jpg"),
        ("spelt/cafe\u{301}.jpg", Some("image/jpeg"), "winter-sale.jpg"),
        ("spelt/a b.jpg", Some("image/jpeg"), "winter-sale.jpg"),
        ("spelt/a%20b.jpg", Some("image/jpeg"), "winter-sale.jpg"),
        ("spelt/a+b.jpg", Some("image/jpeg"), "winter-sale.jpg"),
    ] {
        put(bucket, key, stored, sample(file)).await;
    }
    let mut large = sample("winter-sale.jpg");
    large.resize(5_000_001, 0);
    put(bucket, "bad/large.jpg", Some("image/jpeg"), large).await;
    put(bucket, "bad/long.mp4", Some("video/mp4"), long_film()).await;
    let coded = bucket.client.put_object().bucket(&bucket.name).key("bad/coded.jpg").content_encoding("gzip");
    coded.content_type("image/jpeg").body(b"\x1f\x8bnot read".to_vec().into()).send().await.unwrap();
}

const PLANTED: &[&str] = &[
    "type-missing bad/untyped.jpg",
    "type-missing bad/any-bytes.pdf",
    "type-wrong bad/mistyped.jpg",
    "type-wrong bad/nonsense.png",
    "type-wrong bad/page.jpg",
    "extension-wrong bad/page.jpg",
    "extension-wrong bad/misnamed.png",
    "video-moov-last bad/moov-last.mp4",
    "video-fragmented bad/fragmented.mp4",
    "video-codec bad/hevc.mp4",
    "video-damaged bad/cut.mp4",
    "image-unsupported bad/cmyk.jpg",
    "image-unsupported bad/deep.png",
    "image-unsupported bad/picture.webp",
    "empty bad/empty.jpg",
    "key-differs-in-case case/Photo.jpg",
    "key-differs-in-case case/photo.jpg",
    "key-differs-in-encoding spelt/caf\u{e9}.jpg",
    "key-differs-in-encoding spelt/cafe\u{301}.jpg",
    "key-differs-in-encoding spelt/a b.jpg",
    "key-differs-in-encoding spelt/a%20b.jpg",
    "key-differs-in-encoding spelt/a+b.jpg",
    "too-large bad/large.jpg",
    "too-large bad/long.mp4",
    "video-moov-last bad/long.mp4",
    "content-encoded bad/coded.jpg",
];

#[tokio::test]
async fn every_planted_fault_is_found_and_nothing_else() {
    let bucket = Bucket::create().await;
    close(&bucket).await;
    put_sound_objects(&bucket).await;
    let desk = Desk::over_bucket(moto::endpoint(), &bucket.name, "");
    let clean = desk.json(&[], 0).await;
    assert_eq!((found(&clean), &clean["objects"]), (set(&[]), &11.into()), "{clean:#}");
    for name in ["public-access-block", "policy", "acl", "website", "versions", "object-acls"] {
        assert_eq!(setting(&clean, name).0, "ok", "{clean:#}");
    }
    plant(&bucket).await;
    let said = desk.json(&["--concurrency", "3"], 1).await;
    assert_eq!(found(&said), set(PLANTED));
    let read = said["bytes_read"].as_u64().unwrap();
    assert!(read < 3_000_000, "of 28 MB, {read} bytes were read");
    assert_eq!(said["counts"]["type-missing"], 2);
    let part = desk.json(&["--prefix", "bad/m"], 1).await;
    let expected = PLANTED.iter().filter(|one| one.contains(" bad/m")).copied().collect::<Vec<_>>();
    assert_eq!(found(&part), set(&expected));
    let table = text(&desk.run(&[]).await);
    for words in ["type-missing (2): ", "  bad/untyped.jpg  ", "26 findings", "public-access-block  ok "] {
        assert!(table.contains(words), "{words}: {table}");
    }
}

#[tokio::test]
async fn versions_are_listed_where_they_are_kept() {
    let bucket = Bucket::create_versioned().await;
    close(&bucket).await;
    for (key, times) in [("once.jpg", 1), ("thrice.jpg", 3), ("deleted.jpg", 2)] {
        for _ in 0..times {
            put(&bucket, key, Some("image/jpeg"), sample("winter-sale.jpg")).await;
        }
    }
    bucket.delete("deleted.jpg").await;
    let desk = Desk::over_bucket(moto::endpoint(), &bucket.name, "");
    let said = desk.json(&[], 1).await;
    assert_eq!(found(&said), set(&["overwritten thrice.jpg"]));
    assert_eq!(said["findings"][0]["detail"], "3 versions of it are kept");
    assert_eq!(said["objects"], 2, "what is deleted is no object");
}

#[tokio::test]
async fn a_prefix_of_the_store_is_all_that_is_looked_at() {
    let bucket = Bucket::create().await;
    close(&bucket).await;
    for key in ["a.jpg", "inside/b.jpg", "inside-not/c.jpg"] {
        put(&bucket, key, None, sample("winter-sale.jpg")).await;
    }
    let desk = Desk::over_bucket(moto::endpoint(), &bucket.name, "prefix = \"inside\"\n");
    assert_eq!(found(&desk.json(&[], 1).await), set(&["type-missing b.jpg"]));
}

#[tokio::test]
async fn what_is_open_to_strangers_is_told() {
    let bucket = Bucket::create().await;
    let (client, name) = (&bucket.client, &bucket.name);
    let rule = OwnershipControlsRule::builder().object_ownership(ObjectOwnership::ObjectWriter).build().unwrap();
    let controls = OwnershipControls::builder().rules(rule).build().unwrap();
    client.put_bucket_ownership_controls().bucket(name).ownership_controls(controls).send().await.unwrap();
    put(&bucket, "private.jpg", Some("image/jpeg"), sample("winter-sale.jpg")).await;
    put(&bucket, "public.jpg", Some("image/jpeg"), sample("winter-sale.jpg")).await;
    let acl = client.put_object_acl().bucket(name).key("public.jpg").acl(ObjectCannedAcl::PublicRead);
    acl.send().await.unwrap();
    client.put_bucket_acl().bucket(name).acl(BucketCannedAcl::PublicRead).send().await.unwrap();
    let policy = format!(
        r#"{{"Version":"2012-10-17","Statement":[{{"Effect":"Allow","Principal":"*","Action":"s3:GetObject","Resource":"arn:aws:s3:::{name}/*"}}]}}"#
    );
    client.put_bucket_policy().bucket(name).policy(policy).send().await.unwrap();
    let index = IndexDocument::builder().suffix("index.html").build().unwrap();
    let website = WebsiteConfiguration::builder().index_document(index).build();
    client.put_bucket_website().bucket(name).website_configuration(website).send().await.unwrap();
    let desk = Desk::over_bucket(moto::endpoint(), name, "");
    let said = desk.json(&[], 1).await;
    let expected = ["public-access-block-off", "policy-public", "acl-public", "acl-public public.jpg", "website-on"];
    assert_eq!(found(&said), set(&expected));
    let (verdict, detail) = setting(&said, "object-acls");
    assert_eq!(verdict, "finding");
    assert!(detail.contains("2 of the first 2") && detail.contains("1 let"), "{detail}");
    let part = PublicAccessBlockConfiguration::builder().block_public_acls(true).ignore_public_acls(true).build();
    let block = client.put_public_access_block().bucket(name).public_access_block_configuration(part);
    block.send().await.unwrap();
    let said = desk.json(&[], 1).await;
    assert_eq!(setting(&said, "public-access-block"), ("finding", "off: BlockPublicPolicy, RestrictPublicBuckets"));
}
