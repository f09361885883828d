//! Looking a whole store over before Hallpass serves from it: what is open to strangers, and which objects could not be delivered.
//!
//! [`scan`] lists the store twice: once to count and to find keys that could be taken for each other ([`Twins`]), once to look at every object by
//! a few ranges. What it finds goes into a [`Journal`] as it is found, so memory is bounded whatever the store holds, and a scan that was
//! interrupted goes on from its last mark. The rules ([`judge`]) are pure: from what was seen to findings. Nothing here changes a
//! store but [`fix`], which is asked for by name.
//!
//! It imports `value`, `media` and `origin`.

mod examine;
mod finding;
mod fix;
mod fold;
mod journal;
mod patience;
mod rules;
mod scan;
mod shown;
mod summary;
mod twins;

pub use finding::{Code, Finding, Retyping, Setting, SettingVerdict};
pub use fix::{FixOutcome, fix, fixes};
pub use journal::{Journal, JournalError, Origins, Record};
pub use rules::{Seen, judge};
pub use scan::{ScanEnd, ScanError, ScanOptions, ScanProgress, scan};
pub use shown::{harmless_cell, harmless_json, shown};
pub use summary::{Group, Summary};
pub use twins::Twins;
