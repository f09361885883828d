//! A journal in short: the settings, and how many findings of each code with a few examples.

use std::collections::{BTreeMap, BTreeSet};

use super::finding::{Code, Finding, Setting, SettingVerdict};
use super::fold::exact;
use super::journal::{Journal, JournalError, Record};

/// What an audit found, in bounded memory.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Summary {
    /// What the store's settings say.
    pub settings: Vec<Setting>,
    /// The findings by their codes. Those that were fixed since do not count.
    pub groups: BTreeMap<Code, Group>,
    /// How many objects were looked at.
    pub objects: u64,
    /// How many bytes of them were read.
    pub bytes: u64,
    /// How many objects got another type since.
    pub fixed: u64,
}

/// The findings of one code.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Group {
    /// How many there are.
    pub count: u64,
    /// The first of them.
    pub examples: Vec<Finding>,
}

impl Summary {
    /// The summary of a journal.
    ///
    /// # Errors
    /// [`JournalError::Io`].
    pub fn of(journal: &mut Journal) -> Result<Self, JournalError> {
        let fixed = fixed(journal)?;
        let mut summary = Self { fixed: fixed.len() as u64, ..Self::default() };
        for record in journal.records()? {
            match record? {
                Record::Setting(setting) => summary.settings.push(setting),
                Record::Finding(finding) if !is_fixed(&finding, &fixed) => summary.add(finding),
                Record::Done { objects, bytes, .. } | Record::Finished { objects, bytes } => {
                    (summary.objects, summary.bytes) = (objects, bytes);
                }
                _ => {}
            }
        }
        Ok(summary)
    }

    fn add(&mut self, finding: Finding) {
        let group = self.groups.entry(finding.code).or_default();
        group.count += 1;
        if group.examples.len() < EXAMPLES {
            group.examples.push(finding);
        }
    }

    /// The settings that could not be read.
    pub fn unknown(&self) -> impl Iterator<Item = &Setting> {
        self.settings.iter().filter(|one| one.verdict == SettingVerdict::Unknown)
    }

    /// How many findings there are.
    pub fn findings(&self) -> u64 {
        self.groups.values().map(|group| group.count).sum()
    }
}

/// The objects that got another type since they were looked at, 16 bytes each.
pub(super) fn fixed(journal: &mut Journal) -> Result<BTreeSet<u128>, JournalError> {
    let mut fixed = BTreeSet::new();
    for record in journal.records()? {
        if let Record::Fixed { key } = record? {
            fixed.insert(exact(&key));
        }
    }
    Ok(fixed)
}

/// Whether a finding is of the type that an object no longer has.
pub(super) fn is_fixed(finding: &Finding, fixed: &BTreeSet<u128>) -> bool {
    finding.retype.is_some() && finding.key.as_ref().is_some_and(|key| fixed.contains(&exact(key)))
}

/// How many examples of each code a summary has.
const EXAMPLES: usize = 5;
