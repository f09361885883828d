//! The directory store against links, special files and hands that change files while they are read.

use std::os::unix::fs::symlink;
use std::os::unix::net::UnixListener;
use std::path::Path;
use std::time::Duration;

use futures_util::StreamExt;
use hallpass::origin::{LocalOrigin, LocalSettings, Origin, OriginError};
use hallpass::value::ByteSpan;
use rustix::fs::{CWD, FileType, Mode, mknodat};

use crate::kit::{content, drain, fetch, key};

/// A root with a neighbour that holds what must never be served.
struct Yard {
    dir: tempfile::TempDir,
    origin: LocalOrigin,
}

impl Yard {
    fn new() -> Self {
        let dir = tempfile::tempdir().unwrap();
        std::fs::create_dir_all(dir.path().join("root/sub")).unwrap();
        std::fs::create_dir_all(dir.path().join("outside")).unwrap();
        std::fs::write(dir.path().join("outside/secret"), "secret").unwrap();
        std::fs::write(dir.path().join("root/sub/file"), "inside").unwrap();
        let origin = LocalOrigin::open(&LocalSettings { root: dir.path().join("root") }).unwrap();
        Self { dir, origin }
    }

    fn root(&self, path: &str) -> std::path::PathBuf {
        self.dir.path().join("root").join(path)
    }

    async fn head(&self, name: &str) -> Result<u64, OriginError> {
        self.origin.head(&key(name)).await.map(|meta| meta.length)
    }
}

fn refused(said: &Result<u64, OriginError>) -> bool {
    matches!(said, Err(OriginError::Unaddressable(_)))
}

#[tokio::test]
async fn a_link_out_of_the_root_is_refused() {
    let yard = Yard::new();
    let secret = yard.dir.path().join("outside/secret");
    symlink(&secret, yard.root("absolute")).unwrap();
    symlink("../outside/secret", yard.root("relative")).unwrap();
    symlink("../outside", yard.root("directory")).unwrap();
    symlink("../../outside", yard.root("sub/deep")).unwrap();
    symlink("sub/deep/secret", yard.root("second")).unwrap();
    symlink("/proc/self/root/etc/passwd", yard.root("magic")).unwrap();
    // It comes back in again, but on the way it was out.
    symlink("../root/sub/file", yard.root("around")).unwrap();
    for name in ["absolute", "relative", "directory/secret", "sub/deep/secret", "second", "magic", "around"] {
        let said = yard.head(name).await;
        assert!(refused(&said), "{name}: {said:?}");
    }
}

#[tokio::test]
async fn a_link_that_stays_inside_is_followed() {
    let yard = Yard::new();
    symlink("sub/file", yard.root("to-file")).unwrap();
    symlink("sub", yard.root("to-dir")).unwrap();
    symlink("../sub/file", yard.root("sub/up-and-down")).unwrap();
    for name in ["to-file", "to-dir/file", "sub/up-and-down"] {
        assert_eq!(fetch(&yard.origin, &key(name)).await.unwrap(), "inside", "{name}");
    }
}

#[tokio::test]
async fn a_link_that_leads_nowhere_is_not_found_and_a_circle_is_refused() {
    let yard = Yard::new();
    symlink("gone", yard.root("dangling")).unwrap();
    symlink("circle", yard.root("circle")).unwrap();
    assert_eq!(yard.head("dangling").await, Err(OriginError::NotFound));
    assert!(refused(&yard.head("circle").await));
}

/// Not a `tokio::test`: the end of such a runtime would wait for the open that hangs, and nothing would be reported.
#[test]
fn what_is_no_regular_file_is_refused_at_once() {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let yard = Yard::new();
    mknodat(CWD, yard.root("fifo"), FileType::Fifo, Mode::RUSR | Mode::WUSR, 0).unwrap();
    let _socket = UnixListener::bind(yard.root("socket")).unwrap();
    symlink("fifo", yard.root("link-to-fifo")).unwrap();
    let names = ["fifo", "socket", "sub", "link-to-fifo"];
    let heads = names.map(|name| {
        let name = key(name);
        runtime.block_on(async { tokio::time::timeout(Duration::from_secs(5), yard.origin.head(&name)).await })
    });
    runtime.shutdown_background();
    for (name, said) in names.iter().zip(heads) {
        assert!(matches!(said, Ok(Err(OriginError::Unaddressable(_)))), "{name}: {said:?}");
    }
}

#[tokio::test]
async fn keys_that_are_no_paths_are_refused() {
    let yard = Yard::new();
    for name in [
        "../outside/secret",
        "sub/../../outside/secret",
        "sub/../sub/file",
        "./sub/file",
        "/sub/file",
        "sub/",
        "sub//file",
        "/",
    ] {
        let said = yard.head(name).await;
        assert!(refused(&said), "{name}: {said:?}");
    }
    let absolute = yard.dir.path().join("outside/secret");
    assert!(refused(&yard.head(absolute.to_str().unwrap()).await));
}

#[tokio::test]
async fn a_file_rewritten_in_place_while_it_is_read_ends_in_an_error() {
    let (old, new) = (content(1, 4 << 20), content(2, 4 << 20));
    let (bytes, error) = read_while(&old, |path| std::fs::write(path, &new).unwrap()).await;
    assert_eq!(error, Some(OriginError::Changed));
    assert!(old.starts_with(&bytes), "a new byte left under the old version");
}

#[tokio::test]
async fn a_file_cut_while_it_is_read_ends_in_an_error() {
    let old = content(1, 4 << 20);
    let cut = |path: &Path| std::fs::OpenOptions::new().write(true).open(path).unwrap().set_len(600_000).unwrap();
    let (bytes, error) = read_while(&old, cut).await;
    assert_eq!(error, Some(OriginError::Changed));
    assert!(old.starts_with(&bytes));
}

#[tokio::test]
async fn a_file_appended_to_while_it_is_read_ends_in_an_error() {
    let old = content(1, 4 << 20);
    let grow = |path: &Path| std::fs::OpenOptions::new().write(true).open(path).unwrap().set_len(5 << 20).unwrap();
    assert_eq!(read_while(&old, grow).await.1, Some(OriginError::Changed));
}

#[tokio::test]
async fn a_file_replaced_while_it_is_read_stays_readable_to_the_end() {
    let old = content(1, 4 << 20);
    let (bytes, error) = read_while(&old, |path| {
        let beside = path.with_extension("new");
        std::fs::write(&beside, content(2, 4 << 20)).unwrap();
        std::fs::rename(beside, path).unwrap();
    })
    .await;
    assert_eq!(error, None);
    assert!(bytes == old);
}

/// Reads a file of these bytes, and lets `meddle` at it after the first chunk.
async fn read_while(old: &[u8], meddle: impl FnOnce(&Path)) -> (Vec<u8>, Option<OriginError>) {
    let yard = Yard::new();
    std::fs::write(yard.root("file"), old).unwrap();
    let meta = yard.origin.head(&key("file")).await.unwrap();
    let span = ByteSpan::whole(meta.length).unwrap();
    let mut stream = yard.origin.read(&key("file"), &meta.version, span).await.unwrap();
    let mut bytes = stream.next().await.unwrap().unwrap().to_vec();
    tokio::time::sleep(Duration::from_millis(20)).await;
    meddle(&yard.root("file"));
    let (rest, error) = drain(stream).await;
    bytes.extend(rest);
    (bytes, error)
}
