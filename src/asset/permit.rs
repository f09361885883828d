//! The proof that a link and its fetcher were both accepted.

use super::Warrant;
use crate::fetcher::{Profile, RequestFacts, Verdict};
use crate::value::UnixTime;

/// A believed link in the hands of an admitted fetcher. Only `admit` makes one, and nothing reads bytes without it.
#[derive(Clone, Debug)]
pub struct Permit(Warrant);

/// Judges the fetcher by the link's profile. The verdict is for the log, whatever it says.
pub(super) fn admit(
    warrant: Warrant,
    profile: &Profile,
    facts: &RequestFacts<'_>,
    now: UnixTime,
) -> (Verdict, Option<Permit>) {
    let verdict = profile.judge(facts, now);
    let permit = verdict.admitted.then_some(Permit(warrant));
    (verdict, permit)
}

impl Permit {
    /// What was believed.
    pub const fn warrant(&self) -> &Warrant {
        &self.0
    }
}
