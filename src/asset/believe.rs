//! From a request path to a grant that is believed: seal, time, revocation, in this order.

use std::sync::Arc;

use crate::link::{Denial, LinkBounds, LinkPath, Revocations, Seals, VerifiedGrant};
use crate::value::UnixTime;

/// Opens and judges the link of `path`.
pub(super) fn believe(
    path: &LinkPath<'_>,
    seals: &Seals,
    bounds: &LinkBounds,
    revocations: &Revocations,
    now: UnixTime,
) -> Result<VerifiedGrant, Denial> {
    let opened = Arc::new(seals.open(path, now)?);
    revocations.ask(|set| opened.judge(now, bounds, set))
}
