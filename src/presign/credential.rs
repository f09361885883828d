//! `X-Amz-Credential`: which access key signed, and for which day, region and service.

use std::fmt;
use std::str::FromStr;

use super::PresignFault;
use crate::value::{BASE32, NoRandomness, random_bytes};

/// The public half of an access key: what URLs name it by. It is no secret.
#[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct AccessKeyId(Box<str>);

/// The text is not an access key id.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("an access key id is 1 to 128 letters, digits and '_'")]
pub struct NotAnAccessKeyId;

impl AccessKeyId {
    /// A fresh id: `HPAK` and 16 characters of `A-Z` and `2-7`, as long as Amazon's.
    pub fn generate() -> Result<Self, NoRandomness> {
        let bytes: [u8; 10] = random_bytes()?;
        Ok(Self(format!("{PREFIX}{}", BASE32.encode(&bytes).to_ascii_uppercase()).into()))
    }

    /// Whether it looks like one that we made.
    pub fn is_ours(&self) -> bool {
        let digits = self.0.strip_prefix(PREFIX).filter(|digits| digits.len() == DIGITS);
        digits.is_some_and(|digits| digits.bytes().all(|b| matches!(b, b'A'..=b'Z' | b'2'..=b'7')))
    }

    /// The id as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for AccessKeyId {
    type Err = NotAnAccessKeyId;

    fn from_str(text: &str) -> Result<Self, NotAnAccessKeyId> {
        let fits = (1..=LONGEST_ID).contains(&text.len());
        let plain = text.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_');
        if fits && plain { Ok(Self(text.into())) } else { Err(NotAnAccessKeyId) }
    }
}

impl fmt::Display for AccessKeyId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Debug for AccessKeyId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?}", &*self.0)
    }
}

/// The five parts of a credential, of which the last is always `aws4_request`.
pub(super) struct Credential<'a> {
    pub(super) id: AccessKeyId,
    /// `YYYYMMDD`, as it was written.
    pub(super) date: &'a str,
    pub(super) region: &'a str,
    pub(super) service: &'a str,
}

impl<'a> Credential<'a> {
    pub(super) fn parse(text: &'a str) -> Result<Self, PresignFault> {
        let mut parts = text.split('/');
        let mut next = || parts.next().ok_or(PresignFault::Credential);
        let (id, date, region, service, end) = (next()?, next()?, next()?, next()?, next()?);
        let id = id.parse().map_err(|_| PresignFault::Credential)?;
        let named = (1..=LONGEST_REGION).contains(&region.len());
        let plain = region.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_'));
        if end == "aws4_request" && parts.next().is_none() && named && plain {
            Ok(Self { id, date, region, service })
        } else {
            Err(PresignFault::Credential)
        }
    }
}

const PREFIX: &str = "HPAK";
/// Ten bytes are exactly sixteen digits of base32.
const DIGITS: usize = 16;
/// Amazon's own limit for access key ids.
const LONGEST_ID: usize = 128;
/// Far longer than any region's name; ours can be called as one likes.
const LONGEST_REGION: usize = 64;
