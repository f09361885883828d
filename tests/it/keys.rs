//! `hallpass keys` as an operator uses it: the files it leaves, their modes, and what it prints.

#![expect(clippy::unwrap_used, reason = "what builds a test's values is part of the test")]

use std::collections::BTreeMap;
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::time::Duration;

use clap::Parser;
use hallpass::cli::keys::{KeysArgs, KeysError, run};
use hallpass::config::{ClientKey, Settings, read_keyring};
use hallpass::link::{KeyState, Keyring};
use hallpass::value::{Clock, UnixTime};

#[derive(Parser)]
struct Hallpass {
    #[command(flatten)]
    keys: KeysArgs,
}

/// A directory to make keyrings in, and a clock that stands still.
struct Desk {
    home: tempfile::TempDir,
    clock: Clock,
}

impl Desk {
    fn new() -> Self {
        let now = UnixTime::parse_rfc3339("2026-11-21T10:00:00Z").unwrap();
        Self { home: tempfile::tempdir().unwrap(), clock: Clock::held_at(now) }
    }

    fn path(&self, name: &str) -> PathBuf {
        self.home.path().join(name)
    }

    fn keyring(&self) -> Keyring {
        read_keyring(&self.path("keys.toml")).unwrap()
    }

    fn run(&self, words: &[&str]) -> Result<String, KeysError> {
        let args = Hallpass::parse_from([&["keys"], words].concat()).keys;
        let mut out = Vec::new();
        run(&args, &self.clock, &mut out)?;
        Ok(String::from_utf8(out).unwrap())
    }

    /// The same, of the keyring `keys.toml` in the directory.
    fn on_file(&self, words: &[&str]) -> Result<String, KeysError> {
        let file = self.path("keys.toml");
        self.run(&[words, &["--file", file.to_str().unwrap()]].concat())
    }

    /// Every secret that the keyring's file holds.
    fn secrets(&self) -> Vec<String> {
        let text = fs::read_to_string(self.path("keys.toml")).unwrap();
        let secrets = text.lines().filter_map(|line| line.strip_prefix("secret = "));
        secrets.map(|secret| secret.trim_matches('"').to_owned()).collect()
    }

    fn states(&self) -> Vec<&'static str> {
        self.keyring().keys().iter().map(|key| key.state.as_str()).collect()
    }
}

fn mode(path: &Path) -> u32 {
    fs::metadata(path).unwrap().permissions().mode() & 0o7777
}

fn minutes(n: u64) -> Duration {
    Duration::from_secs(n * 60)
}

#[test]
fn a_keyring_is_made_for_its_owner_alone_and_never_overwritten() {
    let desk = Desk::new();
    let said = desk.on_file(&["generate"]).unwrap();
    let path = desk.path("keys.toml");
    assert_eq!(mode(&path), 0o600);
    assert_eq!(desk.states(), ["active"]);
    assert!(said.contains(&desk.keyring().keys()[0].id.to_string()), "{said}");
    let before = fs::read(&path).unwrap();
    let refused = desk.on_file(&["generate"]).unwrap_err();
    assert!(matches!(refused, KeysError::Exists(_)), "{refused}");
    assert_eq!((refused.exit_code(), fs::read(&path).unwrap()), (1, before));
    let link = desk.path("dangling.toml");
    std::os::unix::fs::symlink(desk.path("nowhere.toml"), &link).unwrap();
    let refused = desk.run(&["generate", "--file", link.to_str().unwrap()]).unwrap_err();
    assert!(matches!(refused, KeysError::Exists(_)), "O_EXCL follows no link: {refused}");
}

#[test]
fn a_rotation_takes_two_steps_and_loses_no_link() {
    let desk = Desk::new();
    desk.on_file(&["generate"]).unwrap();
    let old = desk.keyring().keys()[0].id;
    let said = desk.on_file(&["rotate"]).unwrap();
    assert!(said.contains("again at 2026-11-21T10:05:00Z or later"), "{said}");
    assert_eq!(desk.states(), ["active", "next"]);
    let before = fs::read(desk.path("keys.toml")).unwrap();
    let early = desk.on_file(&["rotate"]).unwrap_err();
    assert!(early.to_string().contains("can become active at 2026-11-21T10:05:00Z"), "{early}");
    assert_eq!((early.exit_code(), fs::read(desk.path("keys.toml")).unwrap()), (1, before));
    desk.clock.advance(minutes(5));
    let said = desk.on_file(&["rotate"]).unwrap();
    assert!(said.contains(&format!("Key {old} still opens links until 2026-11-28T10:06:00Z")), "{said}");
    assert_eq!(desk.states(), ["accept", "active"]);
    desk.clock.advance(minutes(7 * 24 * 60 + 1));
    desk.on_file(&["rotate"]).unwrap();
    assert_eq!(desk.states(), ["retired", "active", "next"]);
    assert_eq!(desk.secrets().len(), 2, "a retired key has none");
    assert_eq!(mode(&desk.path("keys.toml")), 0o600);
    let names: Vec<_> = fs::read_dir(desk.home.path()).unwrap().map(|entry| entry.unwrap().file_name()).collect();
    assert_eq!(names, ["keys.toml"], "nothing is left beside it");
}

#[test]
fn a_rotation_keeps_to_the_longest_life_that_the_settings_allow() {
    let desk = Desk::new();
    let config = desk.path("hallpass.toml");
    let text = "public_origin = 'https://a'\nstores.media = { kind = 'local', root = 'm' }\nlinks.ttl_max = '2h'\nkeyring.file = 'keys.toml'\n";
    fs::write(&config, text).unwrap();
    let config = config.to_str().unwrap();
    desk.run(&["generate", "--config", config]).unwrap();
    desk.run(&["rotate", "--config", config]).unwrap();
    desk.clock.advance(minutes(5));
    desk.run(&["rotate", "--config", config]).unwrap();
    let until = desk.clock.now().plus(minutes(121));
    assert_eq!(desk.keyring().keys()[0].state, KeyState::Accept { until });
}

#[test]
fn two_rotations_at_once_do_not_undo_each_other() {
    let desk = Desk::new();
    desk.on_file(&["generate"]).unwrap();
    fs::write(desk.path("keys.toml.new"), "").unwrap();
    let busy = desk.on_file(&["rotate"]).unwrap_err();
    assert!(matches!(busy, KeysError::Busy(_)), "{busy}");
    assert!(desk.path("keys.toml.new").exists(), "the other rotation's file is not ours to remove");
    fs::remove_file(desk.path("keys.toml.new")).unwrap();
    desk.on_file(&["rotate"]).unwrap();
}

#[test]
fn a_rotation_follows_a_link_to_the_file_itself() {
    let desk = Desk::new();
    desk.on_file(&["generate"]).unwrap();
    let link = desk.path("link.toml");
    std::os::unix::fs::symlink(desk.path("keys.toml"), &link).unwrap();
    desk.run(&["rotate", "--file", link.to_str().unwrap()]).unwrap();
    assert!(fs::symlink_metadata(&link).unwrap().is_symlink());
    assert_eq!(desk.states(), ["active", "next"]);
}

#[test]
fn a_list_names_keys_and_never_their_secrets() {
    let desk = Desk::new();
    desk.on_file(&["generate"]).unwrap();
    desk.on_file(&["rotate"]).unwrap();
    desk.clock.advance(minutes(5));
    desk.on_file(&["rotate"]).unwrap();
    let (table, json) = (desk.on_file(&["list"]).unwrap(), desk.on_file(&["list", "--json"]).unwrap());
    let [old, new] = [0, 1].map(|at| desk.keyring().keys()[at].id);
    let expected = format!(
        "ID        STATE    SINCE                 UNTIL\n\
         {old}  accept   2026-11-21T10:05:00Z  2026-11-28T10:06:00Z\n\
         {new}  active   2026-11-21T10:05:00Z  -\n"
    );
    assert_eq!(table, expected);
    let rows: serde_json::Value = serde_json::from_str(&json).unwrap();
    assert_eq!(rows[0]["until"], "2026-11-28T10:06:00Z");
    assert_eq!(
        rows[1],
        serde_json::json!({ "id": new.to_string(), "state": "active", "since": "2026-11-21T10:05:00Z", "until": null })
    );
    let secrets = desk.secrets();
    assert_eq!(secrets.len(), 2);
    for secret in secrets {
        assert!(!table.contains(&secret) && !json.contains(&secret));
    }
}

#[test]
fn a_keyring_that_others_can_read_is_neither_listed_nor_rotated() {
    let desk = Desk::new();
    desk.on_file(&["generate"]).unwrap();
    fs::set_permissions(desk.path("keys.toml"), fs::Permissions::from_mode(0o644)).unwrap();
    for command in ["list", "rotate"] {
        let refused = desk.on_file(&[command]).unwrap_err();
        assert!(refused.to_string().contains("run chmod 600"), "{refused}");
        assert!(!desk.path("keys.toml.new").exists());
    }
}

#[test]
fn a_client_key_is_printed_with_a_stanza_that_fits_it() {
    let desk = Desk::new();
    let said = desk.run(&["client", "billing"]).unwrap();
    let key = said.lines().find_map(|line| line.trim().strip_prefix("hpk_")).unwrap();
    let key = ClientKey::parse(&format!("hpk_{key}")).unwrap();
    let (prose, stanza) = said.split_at(said.find("[[control.clients]]").unwrap());
    assert!(!stanza.contains(key.expose()) && prose.contains(key.expose()));
    let text = format!("public_origin = 'https://a'\nstores.media = {{ kind = 'local', root = 'm' }}\n{stanza}");
    let settings = Settings::from_toml(&text, &BTreeMap::new(), Path::new("")).unwrap();
    assert_eq!(settings.clients[0].name.as_str(), "billing");
    assert!(settings.clients[0].key_hash.matches(&key.hash()));
    let json = desk.run(&["client", "billing", "--store", "one", "--store", "two", "--json"]).unwrap();
    let json: serde_json::Value = serde_json::from_str(&json).unwrap();
    let again = ClientKey::parse(json["key"].as_str().unwrap()).unwrap();
    assert!(!again.hash().matches(&key.hash()));
    assert_eq!(json["stores"], serde_json::json!(["one", "two"]));
}

#[test]
fn faults_of_the_settings_exit_with_64() {
    let desk = Desk::new();
    let config = desk.path("hallpass.toml");
    fs::write(&config, "colour = 'red'").unwrap();
    let refused = desk.run(&["generate", "--config", config.to_str().unwrap()]).unwrap_err();
    assert_eq!((refused.exit_code(), refused.to_string().lines().count()), (64, 3), "{refused}");
    assert!(!desk.path("keys.toml").exists());
}
