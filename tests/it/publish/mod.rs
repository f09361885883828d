//! Publishing over the control API's socket and from a shell: what is stored, what is refused, and what no upload can bring about.

mod good;
mod hostile;
mod large;
mod refused;
mod shell;

use std::path::Path;
use std::sync::Arc;

use hallpass::origin::{Create, Origin, Stores};
use hallpass::value::StoreName;

use crate::kit::gateway::{Gateway, Place};
use crate::kit::wire::{Answer, Wire};

/// A sample file by its name: those of the demo, and those of the tests.
fn sample(name: &str) -> Vec<u8> {
    let repository = Path::new(env!("CARGO_MANIFEST_DIR"));
    let places = ["src/cli/demo_media", "tests/media"].map(|folder| repository.join(folder).join(name));
    std::fs::read(places.iter().find(|path| path.is_file()).unwrap()).unwrap()
}

/// A gateway whose uploads wait in a directory of the test's own.
async fn gateway(more: &str) -> Gateway {
    let mut place = Place::new();
    std::fs::create_dir(place.dir.path().join("spool")).unwrap();
    place.settings = format!("[publish]\ndirectory = 'spool'\nstall = '1s'\n{more}");
    Box::pin(place.start()).await
}

/// The head of an upload of the client `press`.
fn head(gate: &Gateway, query: &str, lines: &[&str]) -> String {
    head_by(gate.place.press.expose(), query, lines)
}

fn head_by(key: &str, query: &str, lines: &[&str]) -> String {
    let (request, key) = (format!("POST /v1/objects?{query} HTTP/1.1"), format!("Authorization: Bearer {key}"));
    [&[request.as_str(), "Host: control", key.as_str()], lines].concat().join("\r\n") + "\r\n\r\n"
}

/// Publishes `bytes` as `press`.
async fn publish(gate: &Gateway, query: &str, lines: &[&str], bytes: &[u8]) -> Answer {
    let length = format!("Content-Length: {}", bytes.len());
    let head = head(gate, query, &[&[length.as_str()], lines].concat());
    sent(gate, &head, bytes).await
}

/// Sends head and body on a connection of its own.
async fn sent(gate: &Gateway, head: &str, bytes: &[u8]) -> Answer {
    let mut wire = Wire::connect(gate.addresses.control).await;
    wire.send(head).await;
    wire.send(bytes).await;
    wire.answer().await
}

/// Puts a store that takes new objects in the place of the store `media`.
fn replace(gate: &Gateway, store: impl Origin + Create) {
    let (media, store): (StoreName, _) = ("media".parse().unwrap(), Arc::new(store));
    let stores: Stores = [(media.clone(), Arc::clone(&store) as Arc<dyn Origin>)].into_iter().collect();
    gate.rooms.stores.replace(stores.creating([(media, store as Arc<dyn Create>)]));
}

/// Every file beneath a directory of the gateway's place, by its path in it.
fn files(gate: &Gateway, folder: &str) -> Vec<String> {
    let root = gate.place.dir.path().join(folder);
    let mut found = below(&root);
    found.sort();
    found.iter().map(|path| path.strip_prefix(&root).unwrap().to_str().unwrap().to_owned()).collect()
}

fn below(folder: &Path) -> Vec<std::path::PathBuf> {
    let entries = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
    entries.flat_map(|path| if path.is_dir() { below(&path) } else { vec![path] }).collect()
}

/// What lies at `key` in the local store.
fn stored(gate: &Gateway, key: &str) -> Vec<u8> {
    std::fs::read(gate.place.dir.path().join("media").join(key)).unwrap()
}
