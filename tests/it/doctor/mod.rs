//! `hallpass doctor` as a process, against real servers: what it finds wrong, and that it finds nothing else.

mod bodies;
mod certificates;
mod good;
mod hostile;
mod private;

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use serde_json::Value;
use tempfile::TempDir;

use crate::kit::broken::{Broken, Fault, Media};
use crate::kit::pki::{Identity, Pki};

/// What an examination came to.
#[derive(Debug)]
struct Told {
    code: i32,
    stdout: String,
    stderr: String,
}

/// One row of it.
#[derive(Debug)]
struct Finding {
    check: String,
    verdict: String,
    evidence: String,
    fix: Option<String>,
}

/// A root that the doctor is told to trust, in a directory of its own.
struct Clinic {
    dir: TempDir,
    pki: Pki,
    root: PathBuf,
}

impl Clinic {
    fn open() -> Self {
        let (dir, pki) = (tempfile::tempdir().unwrap(), Pki::new());
        let root = pki.write_root(dir.path());
        Self { dir, pki, root }
    }

    /// A certificate with nothing wrong about it.
    fn sound(&self) -> Identity {
        self.pki.leaf(&["localhost"]).issue()
    }

    /// A server whose certificate is sound.
    async fn server(&self, media: Media, fault: Fault) -> Broken {
        Broken::start(&self.sound(), media, fault).await
    }

    /// Examines a server on this machine, as if it could be reached from outside.
    async fn examine(&self, server: &Broken, more: &[&str]) -> Told {
        let root = self.root.to_str().unwrap();
        let usual = ["--json", "--allow-private", "--roots", root];
        doctor(self.dir.path(), &server.url(), &[&usual[..], more].concat()).await
    }
}

/// Runs `hallpass doctor` to its end.
async fn doctor(dir: &Path, url: &str, arguments: &[&str]) -> Told {
    let mut command = Command::new(env!("CARGO_BIN_EXE_hallpass"));
    command.args(["doctor", url]).args(arguments).current_dir(dir).env_clear().stdin(Stdio::null());
    let ran = tokio::task::spawn_blocking(move || command.output().unwrap()).await.unwrap();
    let text = |bytes| String::from_utf8(bytes).unwrap();
    Told { code: ran.status.code().unwrap(), stdout: text(ran.stdout), stderr: text(ran.stderr) }
}

impl Told {
    fn json(&self) -> Value {
        serde_json::from_str(&self.stdout).unwrap_or_else(|error| panic!("{error}: {self:?}"))
    }

    fn findings(&self) -> Vec<Finding> {
        let json = self.json();
        let all = json["findings"].as_array().unwrap().iter();
        all.map(|one| {
            let text = |name: &str| one[name].as_str().map(str::to_owned);
            let needed = |name: &str| text(name).unwrap_or_else(|| panic!("no {name} in {one}"));
            Finding {
                check: needed("check"),
                verdict: needed("verdict"),
                evidence: needed("evidence"),
                fix: text("fix"),
            }
        })
        .collect()
    }

    /// The checks with this verdict.
    fn with(&self, verdict: &str) -> BTreeSet<String> {
        self.findings().into_iter().filter(|one| one.verdict == verdict).map(|one| one.check).collect()
    }

    /// Asserts that a fetch would fail for this one reason, and that it is told with its evidence and its fix.
    fn fails_at(&self, check: &str, evidence: &[&str], fix: &[&str]) {
        assert_eq!((self.code, self.json()["verdict"].as_str()), (1, Some("failure")), "{self:?}");
        assert_eq!(self.with("failure"), BTreeSet::from([check.to_owned()]), "{self:#?}");
        self.says(check, evidence, fix);
    }

    /// Asserts that a check has these words in its evidence and in its fix.
    fn says(&self, check: &str, evidence: &[&str], fix: &[&str]) {
        let found = self.findings().into_iter().find(|one| one.check == check && one.verdict != "ok");
        let found = found.unwrap_or_else(|| panic!("nothing is wrong with {check}: {self:#?}"));
        let mended = found.fix.clone().unwrap_or_else(|| panic!("no fix: {found:?}"));
        for (text, words) in [(&found.evidence, evidence), (&mended, fix)] {
            for word in words {
                assert!(text.to_lowercase().contains(&word.to_lowercase()), "{word:?} is not said: {found:?}");
            }
        }
    }

    /// Asserts that a fetch would succeed, and that nothing is worth a warning but these checks.
    fn is_well_but_for(&self, warnings: &[&str]) {
        assert_eq!(self.code, 0, "{self:#?}");
        assert_eq!(self.with("failure"), BTreeSet::new(), "{self:#?}");
        assert_eq!(self.with("warning"), warnings.iter().map(ToString::to_string).collect(), "{self:#?}");
        let verdict = if warnings.is_empty() { "ok" } else { "warning" };
        assert_eq!(self.json()["verdict"], verdict, "{self:?}");
    }
}

fn file(path: &str) -> Vec<u8> {
    std::fs::read(Path::new(env!("CARGO_MANIFEST_DIR")).join(path)).unwrap()
}

/// A picture that a header takes.
fn photo() -> Media {
    Media { path: "/promo/winter-sale.jpg", kind: "image/jpeg", bytes: file("src/cli/demo_media/winter-sale.jpg") }
}

/// The same picture, with remarks between its header and its pixels, until it is this long.
fn photo_of(length: usize) -> Media {
    let photo = photo();
    let (start, rest) = photo.bytes.split_at(start_of_scan(&photo.bytes));
    let mut bytes = start.to_vec();
    while bytes.len() + rest.len() < length {
        let remark = (length - bytes.len() - rest.len()).clamp(4, 60_000);
        bytes.extend([0xff, 0xfe]);
        bytes.extend(u16::try_from(remark - 2).unwrap().to_be_bytes());
        bytes.extend((0..remark - 4).map(|at| u8::try_from(at % 251).unwrap()));
    }
    bytes.extend(rest);
    Media { bytes, ..photo }
}

/// Where the first scan of a JPEG picture begins: behind its start, segments follow each other, each with its length.
fn start_of_scan(bytes: &[u8]) -> usize {
    let mut at = 2;
    while bytes[at + 1] != 0xda {
        at += 2 + usize::from(u16::from_be_bytes([bytes[at + 2], bytes[at + 3]]));
    }
    at
}

/// A video that a header takes.
fn video() -> Media {
    Media { path: "/promo/tour.mp4", kind: "video/mp4", bytes: file("src/cli/demo_media/tour.mp4") }
}

#[test]
fn a_long_photo_is_as_long_as_was_asked_for_and_still_a_photo() {
    for length in [photo().bytes.len() + 4, 700_000, 5_000_001] {
        let bytes = photo_of(length).bytes;
        assert_eq!(bytes.len(), length);
        assert_eq!(bytes[start_of_scan(&bytes)..], photo().bytes[start_of_scan(&photo().bytes)..]);
    }
}
