//! Keys and what a head tells.

use hallpass::origin::{Origin, OriginError};

use super::Cloud;
use crate::kit::{fetch, key};

#[tokio::test]
async fn the_longest_key_round_trips_and_one_byte_more_is_refused() {
    for cloud in Cloud::both().await {
        let long = "é".repeat(512);
        cloud.put(&long, b"long").await;
        assert_eq!(fetch(&cloud.origin(), &key(&long)).await.unwrap(), "long");
        let said = cloud.under("p").head(&key(&long)).await;
        assert!(matches!(said, Err(OriginError::Unaddressable(_))), "{said:?}");
    }
}

#[tokio::test]
async fn a_key_that_cannot_be_addressed_is_refused_and_the_store_is_not_asked() {
    for cloud in Cloud::both().await {
        // What they would become.
        for near in ["a", "b", "a/b", "deep/a", "deep/er/a"] {
            cloud.put(near, b"another object").await;
        }
        for origin in [cloud.origin(), cloud.under("deep/er")] {
            for odd in ["/a", "a/", "a//b", "./a", "a/../b", "../a", "..", ".", "a/.", "a\nb", "a\u{7f}"] {
                let said = origin.head(&key(odd)).await;
                assert!(matches!(said, Err(OriginError::Unaddressable(_))), "{odd:?}: {said:?}");
            }
        }
        if let Cloud::Gcs(bucket) = &cloud {
            assert_eq!(bucket.asked(), [""; 0]);
        }
    }
}

#[tokio::test]
async fn nothing_leaves_the_prefix() {
    for cloud in Cloud::both().await {
        cloud.put("promo-secret/a", b"secret").await;
        cloud.put("secret", b"secret").await;
        cloud.put("promo/a", b"public").await;
        for prefix in ["promo", "promo/"] {
            let origin = cloud.under(prefix);
            assert_eq!(fetch(&origin, &key("a")).await.unwrap(), "public");
            for outside in ["secret", "-secret/a", "%2e%2e/secret", "..%2fsecret"] {
                assert_eq!(origin.head(&key(outside)).await, Err(OriginError::NotFound), "{outside}");
            }
            for outside in ["../secret", "/secret", "x/../../secret"] {
                let said = origin.head(&key(outside)).await;
                assert!(matches!(said, Err(OriginError::Unaddressable(_))), "{outside}: {said:?}");
            }
        }
    }
}

#[tokio::test]
async fn a_head_tells_type_and_coding_as_they_are_stored() {
    for cloud in Cloud::both().await {
        match &cloud {
            Cloud::Azure(container) => {
                container.put_with("plain", b"x", &[("x-ms-blob-content-type", "image/jpeg")]).await;
                let coded = [("x-ms-blob-content-type", "text/css"), ("x-ms-blob-content-encoding", "gzip")];
                container.put_with("coded", b"packed", &coded).await;
            }
            Cloud::Gcs(bucket) => {
                bucket.put_with(
                    "plain",
                    b"x",
                    &[("content-type", b"image/jpeg"), ("x-goog-meta-title", "größe".as_bytes())],
                );
                bucket.put_with("coded", b"packed", &[("content-type", b"text/css"), ("content-encoding", b"gzip")]);
                bucket.put_with("typeless", b"x", &[]);
                assert_eq!(cloud.origin().head(&key("typeless")).await.unwrap().media_type, None);
            }
        }
        let plain = cloud.origin().head(&key("plain")).await.unwrap();
        assert_eq!((plain.media_type.as_deref(), plain.content_encoding), (Some("image/jpeg"), None));
        let coded = cloud.origin().head(&key("coded")).await.unwrap();
        assert_eq!((coded.media_type.as_deref(), coded.content_encoding.as_deref()), (Some("text/css"), Some("gzip")));
        assert_eq!(coded.length, 6, "the length of what is stored");
        assert_eq!(fetch(&cloud.origin(), &key("coded")).await.unwrap(), "packed");
    }
}
