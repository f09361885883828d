//! New objects: create-only, with their exact type, streaming from a file.

use std::path::PathBuf;

use hallpass::origin::{Create, CreateError, NewObject, Origin, OriginError};
use tempfile::TempDir;

use super::Cloud;
use crate::kit::{content, key};

fn object(dir: &TempDir, name: &str, bytes: &[u8]) -> NewObject {
    let file: PathBuf = dir.path().join(name);
    std::fs::write(&file, bytes).unwrap();
    NewObject { file, length: bytes.len() as u64, media_type: "text/plain; charset=UTF-8".parse().unwrap() }
}

#[tokio::test]
async fn an_object_is_stored_whole_with_its_exact_type() {
    let dir = tempfile::tempdir().unwrap();
    let large = content(3, 9 * 1024 * 1024 + 5);
    for cloud in Cloud::both().await {
        for (name, bytes) in [("a b+c/%2f=é😀.txt", &b"bytes"[..]), ("empty", b""), ("large", &large)] {
            cloud.origin().create(&key(name), &object(&dir, "new", bytes)).await.unwrap();
            let (kind, stored) = cloud.get(name).await;
            assert_eq!(kind, "text/plain; charset=UTF-8", "{name}");
            assert!(stored == bytes, "{name}: {} bytes", stored.len());
            assert_eq!(cloud.origin().head(&key(name)).await.unwrap().length, bytes.len() as u64);
        }
        cloud.under("deep/er").create(&key("x"), &object(&dir, "new", b"under")).await.unwrap();
        assert_eq!(cloud.get("deep/er/x").await.1, b"under");
    }
}

#[tokio::test]
async fn what_lies_there_stays_as_it_is() {
    let dir = tempfile::tempdir().unwrap();
    for cloud in Cloud::both().await {
        cloud.put("a", b"old").await;
        let said = cloud.origin().create(&key("a"), &object(&dir, "new", b"new")).await;
        assert_eq!(said, Err(CreateError::Exists));
        assert_eq!(cloud.get("a").await, ("image/test".to_owned(), b"old".to_vec()));
        let (one, two) = (object(&dir, "one", b"one"), object(&dir, "two", b"two"));
        let (origin, name) = (cloud.origin(), key("race"));
        let (first, second) = tokio::join!(origin.create(&name, &one), origin.create(&name, &two));
        let won: &[u8] = if first.is_ok() { b"one" } else { b"two" };
        assert_eq!([first, second].iter().filter(|said| **said == Err(CreateError::Exists)).count(), 1);
        assert_eq!(cloud.get("race").await.1, won);
    }
}

#[tokio::test]
async fn what_cannot_be_stored_is_told_and_leaves_nothing() {
    let dir = tempfile::tempdir().unwrap();
    for cloud in Cloud::both().await {
        let origin = cloud.origin();
        let said = origin.create(&key("a//b"), &object(&dir, "new", b"x")).await;
        assert!(matches!(said, Err(CreateError::Store(OriginError::Unaddressable(_)))), "{said:?}");
        let short = NewObject { length: 100_000, ..object(&dir, "short", b"only this") };
        let said = origin.create(&key("short"), &short).await;
        assert!(matches!(said, Err(CreateError::Store(_))), "{said:?}");
        assert_eq!(origin.head(&key("short")).await, Err(OriginError::NotFound));
        let huge = NewObject { length: (5 << 40) + 1, ..object(&dir, "new", b"x") };
        let said = origin.create(&key("huge"), &huge).await.unwrap_err().to_string();
        let max = if matches!(cloud, Cloud::Azure(_)) { "5242880000" } else { "5497558138880" };
        assert!(said.contains(max), "{said}");
        let absent = NewObject { file: dir.path().join("absent"), ..object(&dir, "new", b"x") };
        assert!(matches!(
            origin.create(&key("absent"), &absent).await,
            Err(CreateError::Store(OriginError::Failed(_)))
        ));
    }
}
