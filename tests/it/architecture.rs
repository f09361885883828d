//! The walls of the house: `src/lib.rs` lists the rooms from the ground up, and a room imports only rooms listed above it.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

/// The rooms in the order of `src/lib.rs`, lowest first.
fn rooms() -> Vec<String> {
    let lib = std::fs::read_to_string(source().join("lib.rs")).unwrap();
    lib.lines().filter_map(|line| line.strip_prefix("pub mod ")?.strip_suffix(';')).map(str::to_owned).collect()
}

fn source() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("src")
}

fn files_below(folder: &Path) -> Vec<PathBuf> {
    let mut files = Vec::new();
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            files.extend(files_below(&path));
        } else if path.extension().is_some_and(|ext| ext == "rs") {
            files.push(path);
        }
    }
    files
}

/// Every source file of every room, by room.
fn files_by_room() -> BTreeMap<String, Vec<(PathBuf, String)>> {
    rooms()
        .into_iter()
        .map(|room| {
            let files = files_below(&source().join(&room)).into_iter();
            let read = files.map(|path| (path.clone(), std::fs::read_to_string(path).unwrap())).collect();
            (room, read)
        })
        .collect()
}

/// The rooms that a text names after `crate::`, also inside `crate::{...}`.
fn named_rooms(text: &str, rooms: &[String]) -> Vec<String> {
    let mut named = Vec::new();
    for after in text.split("crate::").skip(1) {
        let list = match after.strip_prefix('{') {
            Some(group) => group.split('}').next().unwrap_or_default(),
            None => after.split(|c: char| !c.is_alphanumeric() && c != '_').next().unwrap_or_default(),
        };
        let words = list.split(|c: char| !c.is_alphanumeric() && c != '_');
        named.extend(words.filter(|word| rooms.iter().any(|room| room == word)).map(str::to_owned));
    }
    named
}

#[test]
fn every_import_points_down() {
    let rooms = rooms();
    let floor = |room: &str| rooms.iter().position(|one| one == room).unwrap();
    let mut wrong = Vec::new();
    for (room, files) in files_by_room() {
        for (path, text) in files {
            for other in named_rooms(&text, &rooms) {
                if other != room && floor(&other) > floor(&room) {
                    wrong.push(format!("{}: {room} imports {other}, which stands above it", path.display()));
                }
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    assert!(rooms.len() >= 10 && rooms[0] == "value", "the list was read: {rooms:?}");
}

#[test]
fn every_folder_of_the_source_is_a_room_of_the_list() {
    let rooms = rooms();
    for entry in std::fs::read_dir(source()).unwrap() {
        let name = entry.unwrap().file_name().into_string().unwrap();
        assert!(["lib.rs", "main.rs"].contains(&&*name) || rooms.contains(&name), "src/{name} is not listed in lib.rs");
    }
}

/// Whether the room's face declares the file for tests alone.
fn is_for_tests(path: &Path) -> bool {
    let face = std::fs::read_to_string(path.with_file_name("mod.rs")).unwrap_or_default();
    let stem = path.file_stem().unwrap().to_str().unwrap();
    path.ends_with("tests.rs") || face.contains(&format!("#[cfg(test)]\nmod {stem};"))
}

#[test]
fn pure_rooms_await_nothing_and_open_nothing() {
    let forbidden =
        ["async ", ".await", "tokio", "std::fs", "std::process", "TcpStream", "UdpSocket", "Instant::now", "std::env"];
    let files = files_by_room();
    for room in ["value", "http", "link", "presign", "fetcher", "media"] {
        for (path, text) in files[room].iter().filter(|(path, _)| !is_for_tests(path)) {
            let product = text.split("#[cfg(test)]").next().unwrap();
            let code: String = product.lines().filter(|line| !line.trim_start().starts_with("//")).collect();
            for word in forbidden {
                assert!(!code.contains(word), "{} holds `{word}`", path.display());
            }
        }
    }
}

#[test]
fn every_file_opens_with_an_essay() {
    for path in files_below(&source()) {
        let text = std::fs::read_to_string(&path).unwrap();
        assert!(text.starts_with("//! "), "{} does not say what it is", path.display());
    }
}

#[test]
fn unsafe_code_appears_once_and_has_its_proof() {
    for path in files_below(&source()) {
        let text = std::fs::read_to_string(&path).unwrap();
        let is_the_one = path.ends_with("arena/slots.rs");
        assert_eq!(text.matches("unsafe {").count(), usize::from(is_the_one), "{}", path.display());
        assert!(!is_the_one || text.contains("// SAFETY: "));
        assert!(!text.contains("unsafe fn") && !text.contains("unsafe impl"), "{}", path.display());
    }
}
