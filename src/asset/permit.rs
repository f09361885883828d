//! The proof that grant and fetcher were both accepted.

use crate::fetcher::{Profile, RequestFacts, Verdict};
use crate::link::{Grant, LinkId, Revocations, VerifiedGrant};
use crate::value::UnixTime;

/// A verified grant in the hands of an admitted fetcher. Only [`admit`] makes one, and nothing reads bytes without it.
#[derive(Clone, Debug)]
pub struct Permit(VerifiedGrant);

/// Judges the fetcher by the grant's profile. The verdict is for the log, whatever it says.
pub(super) fn admit(
    grant: VerifiedGrant,
    profile: &Profile,
    facts: &RequestFacts<'_>,
    now: UnixTime,
) -> (Verdict, Option<Permit>) {
    let verdict = profile.judge(facts, now);
    let permit = verdict.admitted.then_some(Permit(grant));
    (verdict, permit)
}

impl Permit {
    /// What the link says.
    pub fn grant(&self) -> &Grant {
        self.0.grant()
    }

    /// The link's id.
    pub fn id(&self) -> LinkId {
        self.0.id()
    }

    /// Whether the link has been revoked since.
    pub(super) fn is_revoked(&self, revocations: &Revocations) -> bool {
        revocations.ask(|set| self.0.is_revoked_by(set))
    }
}
