//! Finding keys that could be taken for each other among very many, without keeping the keys.
//!
//! The first listing leaves 16 bytes of each key; sorted, equal ones stand side by side. Only keys of such a class are written down in the second
//! listing. So 100,000 keys take 1.6 MB, and beyond [`Twins::KEYS_MAX`] keys (64 MB) the comparison is given up and said to be. The keys that were
//! written down are read back a few megabytes at a time, however many somebody made alike.

use std::collections::BTreeMap;
use std::io;

use super::finding::Finding;
use super::fold::{class, difference};
use super::journal::{Journal, Record};

/// The classes of all keys, as they are listed.
#[derive(Default)]
pub struct Twins {
    classes: Vec<u128>,
    counted: u64,
}

impl Twins {
    /// The most keys that are compared.
    pub const KEYS_MAX: u64 = 4_000_000;
    /// The most classes with more than one key that are told of.
    pub const CLASSES_MAX: usize = 10_000;

    /// Takes a key. Each is given once.
    pub fn add(&mut self, key: &str) {
        self.counted += 1;
        if self.counted <= Self::KEYS_MAX {
            self.classes.push(class(key));
        } else {
            self.classes = Vec::new();
        }
    }

    /// How many keys there were.
    pub fn counted(&self) -> u64 {
        self.counted
    }

    /// The classes with more than one key, sorted; `None` where there were too many keys, or too many such classes, to say.
    pub fn shared(mut self) -> Option<Vec<u128>> {
        if self.counted > Self::KEYS_MAX {
            return None;
        }
        self.classes.sort_unstable();
        let (mut shared, mut previous) = (Vec::new(), None);
        for class in self.classes {
            if previous == Some(class) && shared.last() != Some(&class) {
                shared.push(class);
            }
            previous = Some(class);
        }
        (shared.len() <= Self::CLASSES_MAX).then_some(shared)
    }
}

/// The class of a key, if it is among the `shared` ones.
pub(super) fn shared_class(key: &str, shared: &[u128]) -> Option<u128> {
    let class = class(key);
    shared.binary_search(&class).ok().map(|_| class)
}

/// The keys of one class.
#[derive(Default)]
struct Alike {
    /// The first of them.
    keys: Vec<String>,
    /// How many more there are.
    more: u64,
}

/// Tells of keys that could be taken for each other, now that all of them are written down.
pub(super) fn tell(journal: &mut Journal) -> io::Result<()> {
    let mut from = Some(String::new());
    while let Some(first) = from {
        let (classes, rest) = alike(journal, &first, KEPT_MAX)?;
        for Alike { keys, more } in classes.into_values() {
            for mut finding in findings(&keys) {
                if more > 0 {
                    finding.detail = format!("{}; {more} more keys are alike and not named", finding.detail);
                }
                journal.write(&Record::Finding(finding))?;
            }
        }
        from = rest;
    }
    Ok(())
}

/// The classes from this one on, as many as their keys have room for (in bytes; at least one class), and the first that had none.
fn alike(journal: &mut Journal, from: &str, room: usize) -> io::Result<(BTreeMap<String, Alike>, Option<String>)> {
    let (mut classes, mut held, mut rest) = (BTreeMap::<String, Alike>::new(), 0, None);
    for record in journal.records().map_err(io::Error::other)? {
        let Record::Twin { class, key } = record? else { continue };
        if class.as_str() < from || rest.as_ref().is_some_and(|rest| class >= *rest) {
            continue;
        }
        let alike = classes.entry(class).or_default();
        if alike.keys.len() < ALIKE_MAX {
            held += key.len();
            alike.keys.push(key);
        } else {
            alike.more += 1;
        }
        while held > room && classes.len() > 1 {
            let Some((class, dropped)) = classes.pop_last() else { break };
            held -= dropped.keys.iter().map(String::len).sum::<usize>();
            rest = Some(class);
        }
    }
    Ok((classes, rest))
}

/// The findings of keys that are of one class.
fn findings(keys: &[String]) -> Vec<Finding> {
    let mut found = Vec::new();
    for key in keys {
        let mut others: Vec<_> = keys.iter().filter(|other| *other != key).collect();
        others.sort();
        others.dedup();
        let codes: std::collections::BTreeSet<_> = others.iter().map(|other| difference(key, other)).collect();
        for code in codes {
            let alike: Vec<_> = others.iter().filter(|other| difference(key, other) == code).collect();
            let named: Vec<_> = alike.iter().take(NAMED).map(|other| other.as_str()).collect();
            let more = alike.len() - named.len();
            let more = if more > 0 { format!(" and {more} more") } else { String::new() };
            let detail = format!("beside {}{more}", named.join(" , "));
            found.push(Finding { code, key: Some(key.clone()), detail, retype: None });
        }
    }
    found
}

/// How many keys of one class are told of; each is compared with each.
const ALIKE_MAX: usize = 10;
/// How many bytes of keys are held at a time.
const KEPT_MAX: usize = 8 * 1024 * 1024;
/// How many others a finding names.
const NAMED: usize = 3;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::audit::Origins;

    #[test]
    fn classes_of_one_key_are_dropped() {
        let mut twins = Twins::default();
        let keys = ["a", "B", "b", "c d", "c+d", "c%20d", "e"];
        for key in keys {
            twins.add(key);
        }
        assert_eq!(twins.counted(), 7);
        let shared = twins.shared().unwrap();
        assert_eq!(shared.len(), 2);
        let of: Vec<_> = keys.iter().filter(|key| shared_class(key, &shared).is_some()).collect();
        assert_eq!(of, [&"B", &"b", &"c d", &"c+d", &"c%20d"]);
    }

    #[test]
    fn keys_are_read_back_a_few_at_a_time() {
        let of = Origins { store: "media".into(), place: "bucket b".into(), prefix: String::new() };
        let mut journal = Journal::temporary(&of).unwrap();
        for number in 0..60 {
            let (class, key) = (format!("{:032x}", number % 4), format!("{number:010}"));
            journal.write(&Record::Twin { class, key }).unwrap();
        }
        for (room, passes) in [(0, 4), (200, 2), (399, 2), (400, 1)] {
            let (mut from, mut seen, mut made) = (Some(String::new()), Vec::new(), 0);
            while let Some(first) = from {
                let (classes, rest) = alike(&mut journal, &first, room).unwrap();
                let held: usize = classes.values().flat_map(|alike| &alike.keys).map(String::len).sum();
                assert!(held <= room.max(100), "{room}: {held} bytes are held");
                seen.extend(classes.into_iter().map(|(class, alike)| (class, alike.keys.len(), alike.more)));
                (from, made) = (rest, made + 1);
            }
            let expected: Vec<_> = (0..4).map(|class| (format!("{class:032x}"), 10, 5)).collect();
            assert_eq!((seen, made), (expected, passes), "{room}");
        }
        tell(&mut journal).unwrap();
        let told: Vec<_> = journal.findings().unwrap().map(Result::unwrap).collect();
        assert_eq!(told.len(), 40);
        assert!(told.iter().all(|finding| finding.detail.ends_with("; 5 more keys are alike and not named")));
    }

    #[test]
    fn each_key_is_told_once_for_each_difference() {
        let keys = ["a b", "A b", "a+b"].map(str::to_owned);
        let found = findings(&keys);
        let told: Vec<_> = found.iter().map(|f| format!("{} {}", f.key.as_deref().unwrap(), f.code)).collect();
        let expected = [
            "a b key-differs-in-case",
            "a b key-differs-in-encoding",
            "A b key-differs-in-case",
            "A b key-differs-in-encoding",
            "a+b key-differs-in-encoding",
        ];
        assert_eq!(told, expected);
    }
}
