//! Why a presigned URL is refused.
//!
//! No text here repeats anything of the request. What is wrong with the form is told precisely, for whoever wrote the signer needs it;
//! whether it was the key id, the signature or the scope is told to nobody but our metrics.

use std::time::Duration;

use crate::link::Revocation;
use crate::value::UnixTime;

/// Why a presigned URL is not obeyed.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum PresignDenial {
    /// It is signed in the way before Signature Version 4.
    #[error(
        "this URL is signed with Signature Version 2; sign with AWS4-HMAC-SHA256 instead (boto3: Config(signature_version='s3v4'))"
    )]
    OldSignature,
    /// Its form is not what we take.
    #[error("{0}")]
    Malformed(PresignFault),
    /// It asks for a shorter or longer life than we allow.
    #[error("X-Amz-Expires is {} here, from {} to {} are allowed; sign again with a lifetime between them", seconds(.asked), seconds(.min), seconds(.max))]
    Lifetime {
        /// What `X-Amz-Expires` says.
        asked: Duration,
        /// The shortest that is allowed.
        min: Duration,
        /// The longest that is allowed.
        max: Duration,
    },
    /// None of our access keys signed it, or not for this object. From outside all of these look alike.
    #[error("access denied")]
    Disbelieved(Disbelief),
    /// It ends later than any URL signed by now may.
    #[error("X-Amz-Date lies too far ahead; set the signer's clock")]
    TooFarAhead,
    /// Its time is over.
    #[error("request has expired")]
    Expired {
        /// When it ended.
        at: UnixTime,
    },
    /// It was ended early.
    #[error("this URL was revoked")]
    Revoked(Revocation),
}

/// Why none of our keys stands behind a URL: for our metrics, never for the fetcher.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Disbelief {
    /// Nobody has an access key of that id.
    Key,
    /// The signature is not that of its key over this request.
    Signature,
    /// The key may not sign for this object.
    Scope,
}

/// What is wrong with the form of a presigned URL, and what to do about it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum PresignFault {
    /// The path is not in the one spelling that is signed.
    #[error(
        "the path must be percent-encoded once: letters, digits, '-', '.', '_', '~' and '/' as they are, every other byte of its UTF-8 as %XX in upper case"
    )]
    Path,
    /// The path has a `.` or `..` segment.
    #[error(
        "the path has a segment '.' or '..', which clients and proxies remove; such keys cannot be fetched by a presigned URL"
    )]
    DotSegment,
    /// The path names no object.
    #[error("the path must name an object: /STORE/KEY with path-style addressing, /KEY on a host of its own")]
    NoKey,
    /// The key is one that no store can hold.
    #[error("an object key has at most 1024 bytes and no NUL character")]
    Key,
    /// The query is larger than any that is right.
    #[error("the query is too long, or has too many parameters")]
    TooLong,
    /// The query is not in the one spelling that is signed.
    #[error(
        "the query must be name=value pairs joined by '&', percent-encoded once: letters, digits, '-', '.', '_' and '~' as they are, every other byte of its UTF-8 as %XX in upper case (a space is %20, not '+')"
    )]
    Query,
    /// A parameter is there twice.
    #[error("a query parameter is there more than once")]
    Repeated,
    /// A parameter that is not of ours.
    #[error(
        "a query parameter is not supported here; supported are those of the signature, x-id, x-amz-checksum-mode, response-content-type, response-content-disposition and response-cache-control"
    )]
    Unsupported,
    /// A parameter of the signature is not there.
    #[error(
        "{0} is missing; a presigned URL has X-Amz-Algorithm, X-Amz-Credential, X-Amz-Date, X-Amz-Expires, X-Amz-SignedHeaders and X-Amz-Signature"
    )]
    Missing(&'static str),
    /// Credentials of a session.
    #[error(
        "X-Amz-Security-Token is not supported; sign with an access key from `hallpass keys presigner`, not with temporary credentials"
    )]
    SecurityToken,
    /// Another algorithm.
    #[error("X-Amz-Algorithm must be AWS4-HMAC-SHA256")]
    Algorithm,
    /// The credential is not made of its five parts.
    #[error("X-Amz-Credential must be ACCESS_KEY_ID/YYYYMMDD/REGION/s3/aws4_request")]
    Credential,
    /// Signed for another service.
    #[error("X-Amz-Credential must name the service s3")]
    Service,
    /// The credential is for another day than the URL.
    #[error("the date in X-Amz-Credential must be the date of X-Amz-Date")]
    ScopeDate,
    /// The date is not one.
    #[error("X-Amz-Date must be a time in UTC, written as 20261121T102000Z")]
    Date,
    /// The lifetime is not a number.
    #[error("X-Amz-Expires must be a number of seconds, in plain digits")]
    Expires,
    /// Something else than the host is signed.
    #[error("X-Amz-SignedHeaders must be host alone; leave out options that add signed headers")]
    SignedHeaders,
    /// The signature is not one.
    #[error("X-Amz-Signature must be 64 lower-case hexadecimal digits")]
    Signature,
    /// A signed payload.
    #[error("X-Amz-Content-Sha256 must be UNSIGNED-PAYLOAD")]
    Payload,
    /// Another operation.
    #[error("x-id must be GetObject or HeadObject")]
    Operation,
    /// Another mode.
    #[error("x-amz-checksum-mode must be ENABLED")]
    ChecksumMode,
    /// An override that no answer can carry.
    #[error("response-content-type must be a media type, such as image/jpeg")]
    ContentType,
    /// An override that no answer can carry.
    #[error(
        "response-content-disposition must be inline or attachment, with parameters behind ';', in visible ASCII; write other names as filename*=UTF-8''..."
    )]
    ContentDisposition,
    /// An override that we cannot keep to.
    #[error(
        "response-cache-control must be made of public, private, no-store, no-cache, no-transform, must-revalidate, proxy-revalidate, immutable, max-age=N and s-maxage=N, each once"
    )]
    CacheControl,
}

impl PresignFault {
    /// Whether a `response-*` parameter is wrong, which S3 calls an invalid argument, and not the signature's form.
    pub const fn is_of_override(self) -> bool {
        matches!(self, Self::ContentType | Self::ContentDisposition | Self::CacheControl)
    }
}

impl From<PresignFault> for PresignDenial {
    fn from(fault: PresignFault) -> Self {
        Self::Malformed(fault)
    }
}

impl PresignDenial {
    /// A metric label; that of a link's denial of the same kind is another one, for who migrates wants to tell them apart.
    pub const fn label(&self) -> &'static str {
        match self {
            Self::OldSignature => "presigned-old-signature",
            Self::Malformed(fault) if fault.is_of_override() => "presigned-override",
            Self::Malformed(_) => "presigned-malformed",
            Self::Lifetime { .. } => "presigned-lifetime",
            Self::Disbelieved(Disbelief::Key) => "presigned-key",
            Self::Disbelieved(Disbelief::Signature) => "presigned-signature",
            Self::Disbelieved(Disbelief::Scope) => "presigned-scope",
            Self::TooFarAhead => "presigned-too-far-ahead",
            Self::Expired { .. } => "presigned-expired",
            Self::Revoked(_) => "presigned-revoked",
        }
    }
}

fn seconds(span: &Duration) -> String {
    format!("{} s", span.as_secs())
}
