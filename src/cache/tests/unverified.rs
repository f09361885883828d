//! Content whose fingerprint nobody knows: keyed by its version, believed, counted, and shared like any other.

use super::*;

/// A scene whose object has no known fingerprint.
async fn unknown(content: Vec<u8>) -> Scene {
    let mut scene = Scene::new(content, settings(64 * MIB, 16 * MIB)).await;
    let known = scene.source.as_ref();
    let version = VersionId::of(&known.store, &known.key, &known.version);
    scene.source = Arc::new(Source { content: ContentId::Version(version), ..known.clone() });
    scene
}

#[tokio::test]
async fn a_version_streams_while_it_is_read_and_is_kept() {
    let scene = unknown(content(20, 7)).await;
    scene.store.allow_blocks(5);
    let mut reader = scene.cache.open(&scene.source, scene.whole()).await.unwrap();
    for _ in 0..5 {
        assert!(reader.next().await.unwrap().is_some(), "nothing is held back until the end");
    }
    let follower = scene.cache.open(&scene.source, scene.whole()).await.unwrap();
    assert!(follower.is_collapsed());
    scene.store.open();
    let rest: Vec<_> = follower.into_stream().collect().await;
    assert!(rest.into_iter().map(Result::unwrap).collect::<Vec<_>>().concat() == scene.content);
    while reader.next().await.unwrap().is_some() {}
    assert_eq!((scene.store.reads(), scene.found()), (1, Found::All));
    scene.expect(scene.whole()).await;
    assert_eq!(scene.store.reads(), 1, "all of it was kept");
    assert!(scene.counted("hallpass_unverified_blocks_total 21"));
}

#[tokio::test]
async fn a_range_of_a_version_reads_the_blocks_it_touches_and_no_other() {
    let scene = unknown(content(20, 7)).await;
    scene.store.open();
    scene.expect(scene.span(3 * BLOCK - 1, 3 * BLOCK)).await;
    let read = scene.store.reads.lock().unwrap().first().copied().unwrap();
    assert_eq!((at(read.first()), at(read.end())), (2 * BLOCK, 4 * BLOCK));
    scene.expect(scene.span(2 * BLOCK, 4 * BLOCK - 1)).await;
    assert_eq!(scene.store.reads(), 1);
    scene.expect(scene.whole()).await;
    assert!(scene.counted("hallpass_unverified_blocks_total 21"), "no block was read twice");
}

#[tokio::test]
async fn neither_another_version_nor_the_proven_content_finds_what_was_believed() {
    let scene = unknown(content(2, 0)).await;
    scene.store.open();
    scene.expect(scene.whole()).await;
    let key = scene.source.key.clone();
    let other = VersionId::of(&scene.source.store, &key, &"2".parse().unwrap());
    for content in [ContentId::Version(other), ContentId::Fingerprint(Fingerprint::of(&scene.content))] {
        let source = Source { content, ..scene.source.as_ref().clone() };
        assert_eq!(scene.cache.look(&source, [scene.whole()]).found, Found::Nothing, "{content:?}");
    }
}

#[tokio::test]
async fn a_read_that_breaks_off_ends_in_an_error_and_leaves_what_came() {
    let scene = unknown(content(4, 0)).await;
    scene.store.allow_blocks(2);
    let mut reader = scene.cache.open(&scene.source, scene.whole()).await.unwrap();
    assert!(reader.next().await.unwrap().is_some());
    scene.store.content.lock().unwrap().truncate(3 * BLOCK);
    scene.store.open();
    let ended = loop {
        match reader.next().await {
            Ok(Some(_)) => {}
            Ok(None) => panic!("it ended cleanly"),
            Err(error) => break error,
        }
    };
    assert_eq!(ended, ReadError::Origin(OriginError::Changed));
    assert_ne!(scene.found(), Found::All);
}
