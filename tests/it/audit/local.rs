//! A directory as a store: what it can be wrong about, without types and without a bucket's settings.

use std::fs;
use std::os::unix::ffi::OsStrExt;

use super::{Desk, found, sample, set, text};

#[tokio::test]
async fn a_directory_is_audited_as_far_as_it_makes_sense() {
    let media = tempfile::tempdir().unwrap();
    let put = |name: &str, bytes: &[u8]| {
        let path = media.path().join(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, bytes).unwrap();
    };
    put("a/winter.jpg", &sample("winter-sale.jpg"));
    put("a/tour.mp4", &sample("tour.mp4"));
    put("a/Winter.jpg", &sample("winter-sale.jpg"));
    put("b/last.mp4", &sample("moov-last.mp4"));
    put("b/page.png", &sample("page.jpg"));
    put("b/empty.pdf", b"");
    fs::write(media.path().join(std::ffi::OsStr::from_bytes(b"b/\xff.jpg")), b"x").unwrap();
    rustix::fs::mkfifoat(rustix::fs::CWD, media.path().join("b/pipe"), rustix::fs::Mode::RUSR).unwrap();
    std::os::unix::fs::symlink("/etc", media.path().join("etc")).unwrap();
    let desk = Desk::over_directory(media.path());
    let said = desk.json(&[], 1).await;
    let expected = [
        "key-differs-in-case a/winter.jpg",
        "key-differs-in-case a/Winter.jpg",
        "video-moov-last b/last.mp4",
        "extension-wrong b/page.png",
        "empty b/empty.pdf",
        "unreadable b/\u{fffd}.jpg",
    ];
    assert_eq!(found(&said), set(&expected));
    assert_eq!(found(&desk.json(&["--prefix", "a/"], 1).await), set(&expected[..2]));
    let fix = desk.run(&["--fix-types"]).await;
    assert_eq!(fix.status.code(), Some(2), "{}", text(&fix));
}
