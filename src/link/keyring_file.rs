//! The keyring as text: what `hallpass keys` writes and `hallpass serve` reads.
//!
//! All faults are found at once and named by their place; none of them repeats a secret.

use std::fmt;

use data_encoding::HEXLOWER_PERMISSIVE;
use toml::{Table, Value};

use super::{Key, KeyFault, KeyId, KeyState, Keyring};
use crate::value::{Secret, UnixTime};

/// One fault of a keyring file, and where it is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KeyringFault {
    /// Such as `keys[1].secret`; empty where the fault is the whole file's.
    pub place: String,
    /// What is wrong, and what to do.
    pub problem: String,
}

impl fmt::Display for KeyringFault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.place.is_empty() { f.write_str(&self.problem) } else { write!(f, "{}: {}", self.place, self.problem) }
    }
}

impl Keyring {
    /// Reads a keyring file's text.
    pub fn parse(text: &str) -> Result<Self, Vec<KeyringFault>> {
        let fault = |place: String, problem: String| KeyringFault { place, problem };
        // The parser's own message would show the line, and the line may be a secret.
        let table: Table = text.parse().map_err(|_| vec![fault(String::new(), "this is not TOML".to_owned())])?;
        let mut faults: Vec<_> = (table.keys().filter(|name| *name != "keys"))
            .map(|name| fault(name.clone(), "is not a setting of a keyring; only [[keys]] is".to_owned()))
            .collect();
        let none = Vec::new();
        let written = table.get("keys").and_then(Value::as_array).unwrap_or(&none);
        let mut keys = Vec::new();
        for (at, value) in written.iter().enumerate() {
            let mut fields = Fields { table: value.as_table(), place: format!("keys[{at}]"), faults: &mut faults };
            keys.extend(fields.key());
        }
        if !faults.is_empty() {
            return Err(faults);
        }
        Self::new(keys).map_err(|all| all.iter().map(|one| fault(String::new(), one.to_string())).collect())
    }

    /// The text that [`Keyring::parse`] reads. It holds every secret.
    pub fn to_toml(&self) -> Secret<String> {
        let mut text = HEAD.to_owned();
        for key in self.keys() {
            write_key(&mut text, key);
        }
        Secret::new(text)
    }
}

fn write_key(text: &mut String, key: &Key) {
    let mut line = |name: &str, value: &str| text.extend([name, " = \"", value, "\"\n"]);
    line("\n[[keys]]\nid", &key.id.to_string());
    line("state", key.state.as_str());
    line("since", &key.since.to_string());
    if let KeyState::Accept { until } = key.state {
        line("until", &until.to_string());
    }
    if let Some(secret) = &key.secret {
        line("algorithm", ALGORITHM);
        line("secret", &HEXLOWER_PERMISSIVE.encode(secret.expose()));
    }
}

/// The fields of one `[[keys]]` stanza.
struct Fields<'a> {
    table: Option<&'a Table>,
    place: String,
    faults: &'a mut Vec<KeyringFault>,
}

impl Fields<'_> {
    fn key(&mut self) -> Option<Key> {
        let unknown = self.table.into_iter().flat_map(Table::keys).filter(|name| !FIELDS.contains(&name.as_str()));
        for name in unknown.cloned().collect::<Vec<_>>() {
            self.fault(&name, "is not a field of a key");
        }
        let id = self
            .read("id", |text| text.parse::<KeyId>().map_err(|_: KeyFault| "is 8 hexadecimal digits in lower case"));
        let since = self.read("since", time);
        let state = self.read("state", |word| Ok(word.to_owned())).and_then(|word| self.state(&word));
        let secret = if state == Some(KeyState::Retired) { None } else { self.secret() };
        Some(Key { id: id?, state: state?, since: since?, secret })
    }

    fn state(&mut self, word: &str) -> Option<KeyState> {
        match word {
            "next" => Some(KeyState::Next),
            "active" => Some(KeyState::Active),
            "accept" => self.read("until", time).map(|until| KeyState::Accept { until }),
            "retired" => Some(KeyState::Retired),
            _ => {
                self.fault("state", "is one of next, active, accept, retired");
                None
            }
        }
    }

    fn secret(&mut self) -> Option<Secret<[u8; 32]>> {
        self.read("algorithm", |word| if word == ALGORITHM { Ok(()) } else { Err("is aes-256-gcm-siv") });
        self.read("secret", |text| {
            let bytes = HEXLOWER_PERMISSIVE.decode(text.as_bytes()).ok();
            bytes.and_then(|bytes| bytes.try_into().ok()).map(Secret::new).ok_or("is 64 hexadecimal digits (256 bits)")
        })
    }

    fn read<T>(&mut self, name: &str, parse: impl Fn(&str) -> Result<T, &'static str>) -> Option<T> {
        let text = self.table.and_then(|table| table.get(name)).and_then(Value::as_str);
        let read = text.map_or(Err("is missing, or is not a text"), parse);
        read.map_err(|problem| self.fault(name, problem)).ok()
    }

    fn fault(&mut self, name: &str, problem: &str) {
        self.faults.push(KeyringFault { place: format!("{}.{name}", self.place), problem: problem.to_owned() });
    }
}

fn time(text: &str) -> Result<UnixTime, &'static str> {
    UnixTime::parse_rfc3339(text).ok_or("is a time such as 2026-11-21T10:20:00Z")
}

const FIELDS: [&str; 6] = ["id", "state", "since", "until", "algorithm", "secret"];
/// The only algorithm so far (RFC 8452). The key decides it, never the token.
const ALGORITHM: &str = "aes-256-gcm-siv";
const HEAD: &str = "\
# The keyring of a Hallpass gateway. Whoever can read it can make links: keep its mode at 0600.
# Written by `hallpass keys generate` and `hallpass keys rotate`; every node needs the same one.
";

#[cfg(test)]
mod tests {
    use super::super::keyring::tests::key;
    use super::*;

    fn sample() -> Keyring {
        let accept = KeyState::Accept { until: UnixTime::from_secs(1_800_000_000).unwrap() };
        let retired = Key { secret: None, ..key(4, KeyState::Retired) };
        Keyring::new(vec![key(1, KeyState::Active), key(2, KeyState::Next), key(3, accept), retired]).unwrap()
    }

    #[test]
    fn a_keyring_reads_back_as_it_was_written() {
        let text = sample().to_toml();
        let again = Keyring::parse(text.expose()).unwrap();
        assert_eq!(again.to_toml().expose(), text.expose());
        assert_eq!(again.keys().len(), 4);
    }

    #[test]
    fn all_faults_are_found_at_once_and_none_repeats_a_secret() {
        let text = r#"
            colour = "red"
            [[keys]]
            id = "XYZ"
            state = "asleep"
            since = "yesterday"
            algorithm = "rot13"
            secret = "deadbeef"
            note = "hi"
            [[keys]]
        "#;
        let faults = Keyring::parse(text).unwrap_err();
        let places: Vec<_> = faults.iter().map(|fault| fault.place.as_str()).collect();
        for place in [
            "colour",
            "keys[0].id",
            "keys[0].state",
            "keys[0].since",
            "keys[0].algorithm",
            "keys[0].secret",
            "keys[0].note",
            "keys[1].id",
        ] {
            assert!(places.contains(&place), "{place} in {places:?}");
        }
        assert!(!format!("{faults:?}").contains("deadbeef"));
    }

    #[test]
    fn an_empty_or_broken_file_is_no_keyring() {
        assert_eq!(Keyring::parse("").unwrap_err()[0].problem, KeyFault::NoActive.to_string());
        let broken = format!("secret = {}", "ab".repeat(32));
        let said = format!("{:?}", Keyring::parse(&broken).unwrap_err());
        assert!(said.contains("not TOML") && !said.contains("abab"), "{said}");
    }
}
