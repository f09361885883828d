//! Finding keys that could be taken for each other among very many, without keeping the keys.
//!
//! The first listing leaves 16 bytes of each key; sorted, equal ones stand side by side. Only keys of such a class are kept in the second listing. So
//! 100,000 keys take 1.6 MB, and beyond [`Twins::KEYS_MAX`] keys (64 MB) the comparison is given up and said to be.

use super::finding::Finding;
use super::fold::{class, difference};

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

/// The findings of keys that are of one class.
pub(super) fn findings(keys: &[String]) -> Vec<Finding> {
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

/// How many others a finding names.
const NAMED: usize = 3;

#[cfg(test)]
mod tests {
    use super::*;

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
