//! What is asked of a presigned URL: how long it may live, and how the signature of its service is made.

use std::time::Duration;

/// How long presigned URLs may live. Both bounds belong to what is allowed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PresignRules {
    /// The shortest `X-Amz-Expires`.
    pub expires_min: Duration,
    /// The longest `X-Amz-Expires`.
    pub expires_max: Duration,
}

impl PresignRules {
    /// Amazon's own limit for `X-Amz-Expires`: seven days.
    pub const LONGEST: Duration = Duration::from_secs(7 * 24 * 60 * 60);

    /// How far ahead of our clock a URL may end: the longest life, and a minute for a signer's clock that runs ahead.
    pub const fn longest_life(&self) -> Duration {
        self.expires_max.saturating_add(CLOCK_SKEW)
    }

    /// The same for URLs of which nobody knows the rules: the longest that any settings allow.
    pub const fn longest_life_of_any() -> Duration {
        Self::LONGEST.saturating_add(CLOCK_SKEW)
    }
}

impl Default for PresignRules {
    /// A quarter of an hour to an hour; an hour is what boto3 and the AWS CLI ask for where nothing is said.
    fn default() -> Self {
        Self { expires_min: Duration::from_secs(15 * 60), expires_max: Duration::from_secs(60 * 60) }
    }
}

/// How the Signature Version 4 of a service is made, as far as services differ.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SigV4Rules<'a> {
    /// The service's name in the credential's scope.
    pub service: &'a str,
    /// What stands for the payload in what is signed.
    pub payload: Payload,
    /// Whether `.` and `..` segments and repeated slashes are resolved before the path is signed.
    pub normalize_path: bool,
    /// Which parameters are accepted.
    pub parameters: Parameters,
}

impl SigV4Rules<'static> {
    /// Amazon S3 for `GetObject` and `HeadObject`: the path is signed as it was sent, the payload is not.
    pub const S3: Self =
        Self { service: "s3", payload: Payload::Unsigned, normalize_path: false, parameters: Parameters::OfGetObject };
}

/// What stands for the payload in what is signed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Payload {
    /// `UNSIGNED-PAYLOAD`.
    Unsigned,
    /// The SHA-256 of no bytes.
    Empty,
}

/// Which query parameters a service has, beside those of the signature.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Parameters {
    /// Those of `GetObject` and `HeadObject` that we obey or that change nothing. All others are refused.
    OfGetObject,
    /// Any.
    Any,
}

pub(super) const CLOCK_SKEW: Duration = Duration::from_secs(60);
