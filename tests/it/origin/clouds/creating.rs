//! New objects: create-only, with their exact type, streaming from a file.

use hallpass::origin::{Create, CreateError, NewObject, Origin, OriginError};

use super::Cloud;
use crate::kit::{content, key};
use crate::origin::creating::{keeps_its_promises, spooled};

fn object(bytes: &[u8]) -> NewObject {
    NewObject { media_type: "text/plain; charset=UTF-8".parse().unwrap(), ..spooled(bytes) }
}

#[tokio::test]
async fn a_cloud_keeps_the_promises_of_every_store_that_takes_new_objects() {
    for cloud in Cloud::both().await {
        keeps_its_promises(&cloud.origin(), true).await;
        keeps_its_promises(&cloud.under("outbound"), true).await;
    }
}

#[tokio::test]
async fn an_object_is_stored_whole_with_its_exact_type() {
    let large = content(3, 9 * 1024 * 1024 + 5);
    for cloud in Cloud::both().await {
        for (name, bytes) in [("a b+c/%2f=é😀.txt", &b"bytes"[..]), ("empty", b""), ("large", &large)] {
            cloud.origin().create(&key(name), &object(bytes)).await.unwrap();
            let (kind, stored) = cloud.get(name).await;
            assert_eq!(kind, "text/plain; charset=UTF-8", "{name}");
            assert!(stored == bytes, "{name}: {} bytes", stored.len());
            assert_eq!(cloud.origin().head(&key(name)).await.unwrap().length, bytes.len() as u64);
        }
        cloud.under("deep/er").create(&key("x"), &object(b"under")).await.unwrap();
        assert_eq!(cloud.get("deep/er/x").await.1, b"under");
    }
}

#[tokio::test]
async fn what_lies_there_stays_as_it_is() {
    for cloud in Cloud::both().await {
        cloud.put("a", b"old").await;
        let said = cloud.origin().create(&key("a"), &object(b"new")).await;
        assert_eq!(said, Err(CreateError::Exists));
        assert_eq!(cloud.get("a").await, ("image/test".to_owned(), b"old".to_vec()));
        let (one, two) = (object(b"one"), object(b"two"));
        let (origin, name) = (cloud.origin(), key("race"));
        let (first, second) = tokio::join!(origin.create(&name, &one), origin.create(&name, &two));
        let won: &[u8] = if first.is_ok() { b"one" } else { b"two" };
        assert_eq!([first, second].iter().filter(|said| **said == Err(CreateError::Exists)).count(), 1);
        assert_eq!(cloud.get("race").await.1, won);
    }
}

#[tokio::test]
async fn what_cannot_be_stored_is_told_and_leaves_nothing() {
    for cloud in Cloud::both().await {
        let origin = cloud.origin();
        let said = origin.create(&key("a//b"), &object(b"x")).await;
        assert!(matches!(said, Err(CreateError::Store(OriginError::Unaddressable(_)))), "{said:?}");
        let short = NewObject { length: 100_000, ..object(b"only this") };
        let said = origin.create(&key("short"), &short).await;
        assert!(matches!(said, Err(CreateError::Store(OriginError::Failed(_)))), "{said:?}");
        assert_eq!(origin.head(&key("short")).await, Err(OriginError::NotFound));
        let huge = NewObject { length: (5 << 40) + 1, ..object(b"x") };
        let said = origin.create(&key("huge"), &huge).await.unwrap_err().to_string();
        let max = if matches!(cloud, Cloud::Azure(_)) { "5242880000" } else { "5497558138880" };
        assert!(said.contains(max), "{said}");
    }
}
