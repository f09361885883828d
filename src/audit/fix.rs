//! Giving objects the media types that their bytes prove, where an audit found others.
//!
//! What is done follows from the journal alone: the key, the version that was looked at, and the type. An object that is no longer that version is left
//! alone. What was done is written down, so that a second run does not count it again.

use futures_util::{StreamExt, stream};

use super::finding::{Finding, Retyping};
use super::journal::{Journal, JournalError, Record};
use crate::origin::{Retype, RetypeError};

/// What a fix would do: each object with its new type.
///
/// # Errors
/// As [`Journal::records`].
pub fn fixes(
    journal: &mut Journal,
) -> Result<impl Iterator<Item = std::io::Result<(String, Retyping)>> + use<>, JournalError> {
    let wanted = |finding: Finding| finding.key.zip(finding.retype);
    Ok(journal.findings()?.filter_map(move |finding| finding.map(wanted).transpose()))
}

/// What came of one object.
#[derive(Debug)]
pub struct FixOutcome {
    /// Which object.
    pub key: String,
    /// The type it was to get.
    pub to: String,
    /// Whether it got it.
    pub result: Result<(), RetypeError>,
}

/// Does it, some at a time, and tells `told` of each.
///
/// # Errors
/// [`JournalError::Io`] when what was done cannot be written down; nothing more is done then.
pub async fn fix(
    journal: &mut Journal,
    store: &dyn Retype,
    concurrency: usize,
    told: &mut (dyn FnMut(&FixOutcome) + Send),
) -> Result<(), JournalError> {
    let work = stream::iter(fixes(journal)?).map(|one| async { Ok::<_, std::io::Error>(try_one(store, one?).await) });
    let mut outcomes = std::pin::pin!(work.buffered(concurrency));
    while let Some(outcome) = outcomes.next().await {
        let outcome = outcome?;
        if outcome.result.is_ok() {
            journal.write(&Record::Fixed { key: outcome.key.clone() })?;
        }
        told(&outcome);
    }
    Ok(())
}

async fn try_one(store: &dyn Retype, (key, retype): (String, Retyping)) -> FixOutcome {
    let result = match (key.parse(), retype.version.parse(), retype.to.parse()) {
        (Ok(key), Ok(version), Ok(to)) => store.retype(&key, &version, retype.from.as_deref(), &to).await,
        _ => Err(RetypeError::Refused("the audit's state cannot be read here; run the audit again")),
    };
    FixOutcome { key, to: retype.to, result }
}
