//! What every store that takes new objects promises, and what a hostile one cannot bring about.

use std::io::Write;
use std::os::unix::fs::symlink;
use std::path::Path;
use std::sync::Arc;

use futures_util::future::join_all;
use hallpass::origin::{
    Create, CreateError, LocalOrigin, LocalSettings, NewObject, Origin, OriginError, ReliableCreate, RetryPolicy,
};

use crate::kit::chaos::{Chaos, Fault, header};
use crate::kit::moto::{self, Bucket};
use crate::kit::{content, fetch, key};

/// The object that these bytes are to become, in a file without a name.
pub fn spooled(bytes: &[u8]) -> NewObject {
    let mut file = tempfile::tempfile().unwrap();
    file.write_all(bytes).unwrap();
    let media_type = "video/mp4; codecs=\"avc1.42E01E\"".parse().unwrap();
    NewObject { file: Arc::new(file), length: bytes.len() as u64, media_type }
}

/// The same, of one byte that cannot be read.
pub fn unreadable() -> NewObject {
    let place = tempfile::NamedTempFile::new().unwrap();
    let file = std::fs::File::options().write(true).open(place.path()).unwrap();
    NewObject { file: Arc::new(file), length: 1, ..spooled(b"") }
}

/// What every store that takes new objects promises; `keeps_types`: also that it holds their media types.
pub async fn keeps_its_promises(store: &(impl Origin + Create), keeps_types: bool) {
    for (name, length) in
        [("plain.mp4", 100_000), ("a/new/folder/b.mp4", 3 << 20), ("größe/é +%=&.mp4", 1), ("empty", 0)]
    {
        let bytes = content(length as u64, length);
        let (name, new) = (key(name), spooled(&bytes));
        store.create(&name, &new).await.unwrap_or_else(|error| panic!("{name}: {error}"));
        let meta = store.head(&name).await.unwrap();
        assert_eq!(meta.length, length as u64, "{name}");
        assert_eq!(meta.content_encoding, None, "{name}");
        if keeps_types {
            assert_eq!(meta.media_type.as_deref(), Some(new.media_type.as_str()), "{name}");
        }
        assert!(fetch(store, &name).await.unwrap() == bytes, "{name} holds other bytes");

        let other = spooled(&content(99, length + 1));
        assert_eq!(store.create(&name, &other).await, Err(CreateError::Exists), "{name}");
        assert_eq!(store.head(&name).await.unwrap(), meta, "{name} is another version");
        assert!(fetch(store, &name).await.unwrap() == bytes, "{name} was overwritten");
    }

    let crowd: Vec<_> = (0..10).map(|seed| spooled(&content(seed, 300_000))).collect();
    let at = key("crowd.mp4");
    let ended = join_all(crowd.iter().map(|new| store.create(&at, new))).await;
    let created: Vec<_> =
        ended.iter().enumerate().filter(|(_, end)| end.is_ok()).map(|(seed, _)| seed as u64).collect();
    assert!(ended.iter().all(|end| matches!(end, Ok(()) | Err(CreateError::Exists))), "{ended:?}");
    assert_eq!(created.len(), 1, "one of ten is first: {ended:?}");
    assert!(fetch(store, &at).await.unwrap() == content(created[0], 300_000));

    let said = store.create(&key("gone.mp4"), &unreadable()).await;
    assert!(matches!(said, Err(CreateError::Store(OriginError::Failed(_)))), "{said:?}");
    assert_eq!(store.head(&key("gone.mp4")).await, Err(OriginError::NotFound));
}

fn directory() -> (tempfile::TempDir, LocalOrigin) {
    let dir = tempfile::tempdir().unwrap();
    let store = LocalOrigin::open(&LocalSettings { root: dir.path().into() }).unwrap();
    (dir, store)
}

/// Every name in a directory and beneath it.
fn names(dir: &Path) -> Vec<String> {
    let mut all = Vec::new();
    for entry in std::fs::read_dir(dir).unwrap().map(Result::unwrap) {
        all.push(entry.file_name().into_string().unwrap());
        if entry.file_type().unwrap().is_dir() {
            all.extend(names(&entry.path()));
        }
    }
    all.sort();
    all
}

#[tokio::test(flavor = "multi_thread")]
async fn a_directory_keeps_them_and_nothing_is_left_beside_the_objects() {
    let (dir, store) = directory();
    keeps_its_promises(&store, false).await;
    let partial: Vec<_> = names(dir.path()).into_iter().filter(|name| name.contains("partial")).collect();
    assert_eq!(partial, Vec::<String>::new());
}

#[tokio::test]
async fn a_bucket_keeps_them() {
    keeps_its_promises(&Bucket::create().await.origin(), true).await;
}

#[tokio::test]
async fn a_bucket_with_versions_keeps_them_under_a_prefix_too() {
    keeps_its_promises(&Bucket::create_versioned().await.origin_under("outbound"), true).await;
}

#[tokio::test]
async fn nothing_is_created_outside_of_a_directory_or_in_the_place_of_anything() {
    let (dir, store) = directory();
    let outside = tempfile::tempdir().unwrap();
    symlink(outside.path(), dir.path().join("out")).unwrap();
    symlink("/nonexistent/target", dir.path().join("dangling.mp4")).unwrap();
    symlink(outside.path().join("new.mp4"), dir.path().join("leads-out.mp4")).unwrap();
    std::fs::create_dir(dir.path().join("folder")).unwrap();
    std::fs::write(dir.path().join("file"), b"x").unwrap();
    let before = names(dir.path());
    let new = spooled(b"bytes");
    for (name, exists) in [
        ("out/a.mp4", false),
        ("out/deep/a.mp4", false),
        ("../a.mp4", false),
        ("a//b.mp4", false),
        ("file/a.mp4", false),
        ("file/deep/a.mp4", false),
        (&"x".repeat(256), false),
        ("dangling.mp4", true),
        ("leads-out.mp4", true),
        ("folder", true),
        ("file", true),
    ] {
        let said = store.create(&key(name), &new).await.unwrap_err();
        let right = match &said {
            CreateError::Exists => exists,
            CreateError::Store(error) => !exists && matches!(error, OriginError::Unaddressable(_)),
        };
        assert!(right, "{name}: {said:?}");
    }
    assert_eq!(names(dir.path()), before);
    assert_eq!(names(outside.path()), Vec::<String>::new());
}

#[tokio::test]
async fn a_file_that_is_not_whole_never_gets_its_name() {
    let (dir, store) = directory();
    let new = spooled(b"five!");
    let longer = NewObject { length: 6, ..new.clone() };
    assert!(matches!(store.create(&key("a.mp4"), &longer).await, Err(CreateError::Store(_))));
    assert_eq!(names(dir.path()), Vec::<String>::new());
}

/// Who created and left has closed its file; its work may only then begin, when the number of the descriptor is another file's.
#[test]
fn bytes_come_from_the_file_that_was_given_even_when_its_owner_has_left() {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_time().max_blocking_threads(1).build().unwrap();
    let (dir, store) = directory();
    let (right, wrong) = (content(1, 300_000), content(2, 300_000));
    runtime.block_on(async {
        let (release, held) = std::sync::mpsc::channel::<()>();
        let busy = tokio::task::spawn_blocking(move || held.recv());
        {
            let (new, at) = (spooled(&right), key("a.mp4"));
            let mut creating = store.create(&at, &new);
            assert!(futures_util::poll!(&mut creating).is_pending());
        }
        // One of these has the number that was the first file's, if that was closed.
        let others: Vec<_> = (0..50).map(|_| spooled(&wrong)).collect();
        release.send(()).unwrap();
        busy.await.unwrap().unwrap();
        for _ in 0..500 {
            if dir.path().join("a.mp4").exists() {
                break;
            }
            tokio::time::sleep(std::time::Duration::from_millis(20)).await;
        }
        drop(others);
    });
    assert!(std::fs::read(dir.path().join("a.mp4")).unwrap() == right, "another file was stored");
}

#[tokio::test]
async fn a_server_that_ignores_the_condition_overwrites_nothing_that_is_there() {
    let (bucket, chaos) = (Bucket::create().await, Chaos::before(moto::endpoint()).await);
    chaos.always(Fault::IgnorePin);
    bucket.put("a.mp4", b"what lies there").await;
    let store = bucket.origin_through(&chaos.endpoint);
    assert_eq!(store.create(&key("a.mp4"), &spooled(b"other")).await, Err(CreateError::Exists));
    assert_eq!(&fetch(&bucket.origin(), &key("a.mp4")).await.unwrap()[..], b"what lies there");
    store.create(&key("b.mp4"), &spooled(b"new")).await.unwrap();
    assert_eq!(&fetch(&bucket.origin(), &key("b.mp4")).await.unwrap()[..], b"new");
}

#[tokio::test]
async fn a_put_is_plain_and_conditional() {
    let (bucket, chaos) = (Bucket::create().await, Chaos::before(moto::endpoint()).await);
    let store = bucket.origin_through(&chaos.endpoint);
    store.create(&key("a.mp4"), &spooled(&content(1, 3 << 20))).await.unwrap();
    let put = chaos.seen().into_iter().find(|head| head.starts_with("PUT ")).unwrap();
    for (name, value) in [
        ("if-none-match", Some("*")),
        ("content-length", Some("3145728")),
        ("content-type", Some("video/mp4; codecs=\"avc1.42E01E\"")),
        ("x-amz-content-sha256", Some("UNSIGNED-PAYLOAD")),
        ("content-encoding", None),
        ("transfer-encoding", None),
        ("x-amz-trailer", None),
        ("x-amz-sdk-checksum-algorithm", None),
        ("expect", None),
    ] {
        assert_eq!(header(&put, name), value, "{name}: {put}");
    }
}

#[tokio::test]
async fn what_a_bucket_answers_to_a_put_means_what_a_publisher_does_about_it() {
    let (bucket, chaos) = (Bucket::create().await, Chaos::before(moto::endpoint()).await);
    let store = bucket.origin_through(&chaos.endpoint);
    let new = spooled(b"x");
    for (status, exists, transient) in [
        (412, true, false),
        (409, true, false),
        (403, false, false),
        (501, false, false),
        (400, false, false),
        (503, false, true),
    ] {
        chaos.then([Fault::Pass, Fault::Status(status)]);
        match store.create(&key("a.mp4"), &new).await {
            Err(CreateError::Exists) => assert!(exists, "{status}"),
            Err(CreateError::Store(error)) => {
                assert!(!exists && error.is_transient() == transient, "{status}: {error}");
            }
            Ok(()) => panic!("{status} is no success"),
        }
    }
    chaos.then([Fault::Pass, Fault::Status(503), Fault::Pass]);
    let reliable = ReliableCreate::new(Arc::new(store), RetryPolicy::default());
    let long = content(5, 3 << 20);
    assert_eq!(reliable.create(&key("a.mp4"), &spooled(&long)).await, Ok(()));
    assert!(fetch(&bucket.origin(), &key("a.mp4")).await.unwrap() == long, "the second try sends all of it");
}
