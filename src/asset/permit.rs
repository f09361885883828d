//! The proof that grant and fetcher were both accepted.

use super::believe::Believed;
use super::face::Face;
use crate::fetcher::{Profile, RequestFacts, Verdict};
use crate::link::{Grant, LinkId, Revocations};
use crate::value::UnixTime;

/// A verified grant in the hands of an admitted fetcher. Only `admit` makes one, and nothing reads bytes without it.
#[derive(Clone, Debug)]
pub struct Permit(Believed);

/// Judges the fetcher by the grant's profile. The verdict is for the log, whatever it says.
pub(super) fn admit(
    believed: Believed,
    profile: &Profile,
    facts: &RequestFacts<'_>,
    now: UnixTime,
) -> (Verdict, Option<Permit>) {
    let verdict = profile.judge(facts, now);
    let permit = verdict.admitted.then_some(Permit(believed));
    (verdict, permit)
}

impl Permit {
    /// What the link says.
    pub fn grant(&self) -> &Grant {
        self.0.grant.grant()
    }

    /// The link's id.
    pub fn id(&self) -> LinkId {
        self.0.grant.id()
    }

    /// What answers about it say.
    pub(super) fn face(&self) -> &Face {
        &self.0.face
    }

    /// Whether the link has been revoked since.
    pub(super) fn is_revoked(&self, revocations: &Revocations) -> bool {
        revocations.ask(|set| self.0.grant.is_revoked_by(set))
    }
}
