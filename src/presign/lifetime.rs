//! From when to when a presigned URL lives, by its own account, and what we think of that.

use std::time::Duration;

use super::rules::CLOCK_SKEW;
use super::{PresignDenial, PresignRules};
use crate::value::UnixTime;

/// The time of a presigned URL whose length is within the bounds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Lifetime {
    issued: UnixTime,
    expires: UnixTime,
}

impl Lifetime {
    /// `X-Amz-Date` and `X-Amz-Expires`, of which the latter must keep to the bounds. Both bounds are allowed.
    pub(super) fn new(issued: UnixTime, asked: Duration, rules: &PresignRules) -> Result<Self, PresignDenial> {
        let (min, max) = (rules.expires_min, rules.expires_max);
        if asked < min || asked > max {
            return Err(PresignDenial::Lifetime { asked, min, max });
        }
        Ok(Self { issued, expires: issued.plus(asked) })
    }

    /// Whether it goes on at `now`, and was signed by then. One from the future would go on after "all that was issued before now is revoked",
    /// for it names its time itself. A signer's clock may run a minute ahead; the end is then within the longest life by itself, but rules may
    /// have become shorter since it was opened.
    pub fn judge(&self, now: UnixTime, rules: &PresignRules) -> Result<(), PresignDenial> {
        if now >= self.expires {
            return Err(PresignDenial::Expired { at: self.expires });
        }
        if self.issued > now.plus(CLOCK_SKEW) || self.expires > now.plus(rules.longest_life()) {
            return Err(PresignDenial::TooFarAhead);
        }
        Ok(())
    }

    /// When it was signed, by its own account.
    pub const fn issued(&self) -> UnixTime {
        self.issued
    }

    /// The first second at which it is over.
    pub const fn expires(&self) -> UnixTime {
        self.expires
    }
}
