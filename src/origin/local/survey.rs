//! Listing a directory and all below it, in pages.
//!
//! The order is that of the names at each level, so a page can begin behind any key without anything being remembered. Directories are opened
//! beneath the root like files. Symbolic links to files are objects, as they are when served; those to directories are not followed,
//! since two of them can lead into each other.

use std::ffi::CStr;
use std::sync::Arc;

use futures_util::FutureExt;
use futures_util::future::BoxFuture;
use rustix::fs::{Dir, FileType, OFlags};
use rustix::io::Errno;

use super::beneath::{Root, fault};
use super::{LocalOrigin, blocking};
use crate::origin::OriginError;
use crate::origin::survey::{Cursor, Exposure, Openness, Survey, SurveyEntry, SurveyObject, SurveyPage};
use crate::value::ObjectKey;

impl Survey for LocalOrigin {
    fn page<'a>(
        &'a self,
        prefix: &'a str,
        after: Option<&'a Cursor>,
    ) -> BoxFuture<'a, Result<SurveyPage, OriginError>> {
        let (root, prefix, after) = (Arc::clone(&self.root), prefix.to_owned(), after.map(|cursor| cursor.key.clone()));
        blocking(move || {
            let mut walk = Walk { root: &root, prefix: &prefix, page: SurveyPage::default() };
            walk.directory("", after.as_deref())?;
            Ok(walk.page)
        })
        .boxed()
    }

    fn holds_types(&self) -> bool {
        false
    }

    /// Who may read a directory is for the operating system to say, and no stranger reaches it from outside.
    fn exposure(&self) -> BoxFuture<'_, Vec<Exposure>> {
        async { Vec::new() }.boxed()
    }

    fn openness<'a>(&'a self, _key: &'a ObjectKey) -> BoxFuture<'a, Result<Openness, OriginError>> {
        async { Err(OriginError::Unaddressable("files have no access lists of the kind that lets strangers in")) }
            .boxed()
    }
}

struct Walk<'a> {
    root: &'a Root,
    prefix: &'a str,
    page: SurveyPage,
}

/// One name in a directory, as text.
struct Name {
    text: String,
    /// The bytes were UTF-8; if not, the text has replacements.
    exact: bool,
    kind: FileType,
}

impl Walk<'_> {
    /// Walks a directory, whose path is empty or ends in `/`, as far as the page has room. `after` is relative to it.
    fn directory(&mut self, path: &str, after: Option<&str>) -> Result<(), OriginError> {
        let (passed, deeper) = match after.map(|after| after.split_once('/').unwrap_or((after, ""))) {
            Some((name, rest)) => (Some(name), Some(rest).filter(|rest| !rest.is_empty())),
            None => (None, None),
        };
        for name in self.names(path)? {
            if passed.is_some_and(|passed| name.text.as_str() < passed) || self.page.next.is_some() {
                continue;
            }
            let here = passed == Some(name.text.as_str());
            let whole = format!("{path}{}", name.text);
            match name.kind {
                FileType::Directory if name.exact => {
                    let whole = format!("{whole}/");
                    let relevant = whole.starts_with(self.prefix) || self.prefix.starts_with(&whole);
                    if relevant {
                        self.directory(&whole, deeper.filter(|_| here))?;
                    }
                }
                _ if here && deeper.is_none() => {}
                _ => self.file(whole, &name),
            }
        }
        Ok(())
    }

    fn file(&mut self, key: String, name: &Name) {
        let odd = (!name.exact).then_some("its name is not UTF-8, so no link can name it; rename it");
        let is_object = match name.kind {
            FileType::RegularFile => true,
            FileType::Directory => odd.is_some(),
            FileType::Symlink | FileType::Unknown => {
                odd.is_some() || key.parse().is_ok_and(|key| self.root.file(&key).is_ok())
            }
            _ => false,
        };
        if is_object && key.starts_with(self.prefix) {
            self.add(SurveyEntry { key, current: Some(SurveyObject { version: None, length: None }), odd });
        }
    }

    fn add(&mut self, entry: SurveyEntry) {
        match self.page.entries.last() {
            Some(last) if self.page.entries.len() >= PAGE => {
                self.page.next = Some(Cursor { key: last.key.clone(), mark: None });
            }
            _ => self.page.entries.push(entry),
        }
    }

    /// The names in a directory, sorted. One that is gone by now has none; one that we may not read is told as odd.
    fn names(&mut self, path: &str) -> Result<Vec<Name>, OriginError> {
        let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        let opened = self.root.beneath(if path.is_empty() { "." } else { path.trim_end_matches('/') }, flags);
        let opened = match opened.and_then(Dir::new) {
            Ok(opened) => opened,
            Err(Errno::NOENT | Errno::NOTDIR | Errno::LOOP) if !path.is_empty() => return Ok(Vec::new()),
            Err(Errno::ACCESS | Errno::PERM) if !path.is_empty() => {
                let odd = Some("this directory may not be read by us, so nothing in it was looked at; grant it");
                self.add(SurveyEntry {
                    key: path.into(),
                    current: Some(SurveyObject { version: None, length: None }),
                    odd,
                });
                return Ok(Vec::new());
            }
            Err(errno) => return Err(fault(errno)),
        };
        let mut names = Vec::new();
        for entry in opened {
            let entry = entry.map_err(fault)?;
            names.extend(name(entry.file_name(), entry.file_type()));
        }
        names.sort_by(|a, b| a.text.cmp(&b.text));
        Ok(names)
    }
}

fn name(raw: &CStr, kind: FileType) -> Option<Name> {
    let text = raw.to_string_lossy();
    let exact = matches!(text, std::borrow::Cow::Borrowed(_));
    (text != "." && text != "..").then(|| Name { text: text.into_owned(), exact, kind })
}

/// How many objects one page has. Reading a large directory anew for each page must stay cheap.
const PAGE: usize = 10_000;

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;
    use crate::origin::LocalSettings;

    async fn keys(root: &std::path::Path, prefix: &str, after: Option<&str>) -> Vec<String> {
        let store = LocalOrigin::open(&LocalSettings { root: root.into() }).unwrap();
        let cursor = after.map(|key| Cursor { key: key.into(), mark: None });
        let page = store.page(prefix, cursor.as_ref()).await.unwrap();
        page.entries.into_iter().map(|entry| entry.key).collect()
    }

    #[tokio::test]
    async fn files_come_in_an_order_that_any_key_can_continue() {
        let dir = tempfile::tempdir().unwrap();
        let all = ["a/1", "a/b/2", "a/b/3", "a/c", "a.txt", "b", "ü/x"];
        for name in all {
            fs::create_dir_all(dir.path().join(name).parent().unwrap()).unwrap();
            fs::write(dir.path().join(name), b"x").unwrap();
        }
        fs::create_dir(dir.path().join("empty")).unwrap();
        std::os::unix::fs::symlink("b", dir.path().join("link")).unwrap();
        std::os::unix::fs::symlink("/etc/passwd", dir.path().join("out")).unwrap();
        std::os::unix::fs::symlink(".", dir.path().join("round")).unwrap();
        let expected = ["a/1", "a/b/2", "a/b/3", "a/c", "a.txt", "b", "link", "ü/x"];
        assert_eq!(keys(dir.path(), "", None).await, expected);
        for (at, key) in expected.iter().enumerate() {
            assert_eq!(keys(dir.path(), "", Some(key)).await, expected[at + 1..], "{key}");
        }
        assert_eq!(keys(dir.path(), "a/b", None).await, ["a/b/2", "a/b/3"]);
        assert_eq!(keys(dir.path(), "a", None).await, ["a/1", "a/b/2", "a/b/3", "a/c", "a.txt"]);
    }
}
