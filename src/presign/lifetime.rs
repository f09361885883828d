//! From when to when a presigned URL lives, by its own account, and what we think of that.

use std::time::Duration;

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

    /// Whether it goes on at `now`, and does not end later than any URL that was signed by then may.
    pub fn judge(&self, now: UnixTime, rules: &PresignRules) -> Result<(), PresignDenial> {
        if now >= self.expires {
            return Err(PresignDenial::Expired { at: self.expires });
        }
        if self.expires > now.plus(rules.longest_life()) {
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
