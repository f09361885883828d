//! The one table from everything that can go wrong on the control API to the problem that a client is told.
//!
//! Every match is exhaustive, so a new error cannot leave without a decision about its status and code. What a store or the database
//! said stays in our log.

use std::time::Duration;

use ::http::StatusCode;
use ::http::header::WWW_AUTHENTICATE;
use axum::response::{IntoResponse, Response};
use serde_json::json;

use super::OutOfScope;
use super::caller::{CHALLENGE, Unauthorized};
use super::json_body::BodyFault;
use crate::catalog::CatalogError;
use crate::http::{Problem, ProblemKind};
use crate::link::{BadTtl, SealError};
use crate::media::Finding;
use crate::mint::{MintError, RevokeError};
use crate::origin::OriginError;
use crate::publish::{PublishError, UploadError};

/// Why a request was not done.
#[derive(Debug, thiserror::Error)]
pub(super) enum Failure {
    /// We do not know who asks.
    #[error(transparent)]
    Unauthorized(#[from] Unauthorized),
    /// The client's key has sent too many requests.
    #[error("this key sends too many requests; send them more slowly, or many wishes in one batch")]
    TooManyRequests,
    /// The client may not.
    #[error(transparent)]
    OutOfScope(#[from] OutOfScope),
    /// The body cannot be read.
    #[error(transparent)]
    Body(#[from] BodyFault),
    /// There is no such link, or it is another client's.
    #[error("there is no link of this id among yours")]
    NoSuchLink,
    /// There is no such revocation, or it is another client's.
    #[error("there is no revocation of this number among yours that is in force")]
    NoSuchRevocation,
    /// No link was minted.
    #[error(transparent)]
    Mint(#[from] MintError),
    /// Nothing was published.
    #[error(transparent)]
    Publish(#[from] PublishError),
    /// Nothing was revoked.
    #[error(transparent)]
    Revoke(#[from] RevokeError),
    /// The catalog did not answer.
    #[error(transparent)]
    Catalog(#[from] CatalogError),
    /// The answer could not be written.
    #[error("the answer could not be written: {0}")]
    Answer(#[from] serde_json::Error),
}

impl Failure {
    /// What the client is told.
    pub(super) fn problem(&self) -> Problem {
        match self {
            Self::Unauthorized(why) => UNAUTHORIZED.because(why.to_string()).with_field(WWW_AUTHENTICATE, CHALLENGE),
            Self::TooManyRequests => TOO_MANY_REQUESTS.because(self.to_string()).with_retry_after(REFILL),
            Self::OutOfScope(why) => NOT_ALLOWED.because(why.to_string()),
            Self::Body(fault) => body_problem(fault),
            Self::NoSuchLink => NO_SUCH_LINK.because(self.to_string()),
            Self::NoSuchRevocation => NO_SUCH_REVOCATION.because(self.to_string()),
            Self::Answer(_) => INTERNAL.because(self.to_string()),
            Self::Mint(error) => mint_problem(error),
            Self::Publish(error) => publish_problem(error),
            Self::Revoke(RevokeError::FutureTime) => INVALID_REQUEST.because(RevokeError::FutureTime.to_string()),
            Self::Revoke(RevokeError::Catalog(error)) | Self::Catalog(error) => catalog_problem(error),
            Self::Revoke(error @ (RevokeError::GivenUp | RevokeError::Unreadable { .. })) => {
                INTERNAL.because(error.to_string())
            }
        }
    }
}

impl IntoResponse for Failure {
    fn into_response(self) -> Response {
        if let Self::Catalog(error) | Self::Revoke(RevokeError::Catalog(error)) = &self {
            tracing::error!(%error, "the catalog could not do what a client asked for");
        }
        self.problem().into_answer().into_response()
    }
}

fn body_problem(fault: &BodyFault) -> Problem {
    let kind = match fault {
        BodyFault::NotJson | BodyFault::Encoded => UNSUPPORTED_MEDIA_TYPE,
        BodyFault::TooLarge => BODY_TOO_LARGE,
        BodyFault::TooSlow => REQUEST_TIMEOUT,
        BodyFault::Broken | BodyFault::Wrong(_) => INVALID_REQUEST,
    };
    kind.because(fault.to_string())
}

/// What a client is told when no link was minted.
fn mint_problem(error: &MintError) -> Problem {
    let said = error.to_string();
    match error {
        MintError::Ttl(BadTtl { .. }) => TTL_OUT_OF_BOUNDS.because(said),
        MintError::NoSuchFetcher(_) => NO_SUCH_FETCHER.because(said),
        MintError::NoSuchStore(_) => NO_SUCH_STORE.because(said),
        MintError::NoSuchObject => NO_SUCH_OBJECT.because(said),
        MintError::Unaddressable(_) => KEY_UNADDRESSABLE.because(said),
        MintError::Store(error) => store_problem(error, said),
        MintError::Changed => OBJECT_CHANGED.because(said),
        MintError::ContentEncoded(_) => asset_refused("content-encoded", said),
        MintError::TooLarge { length, limit } => {
            asset_refused("too-large", said).with_member("length", *length).with_member("limit", *limit)
        }
        MintError::StillReading { retry_after } => STILL_READING.because(said).with_retry_after(*retry_after),
        MintError::Busy { retry_after } => OVERLOADED.because(said).with_retry_after(*retry_after),
        MintError::Type(refusal) => asset_refused(refusal.code(), said),
        MintError::Preflight(findings) => ASSET_REFUSED.because(said).with_member("findings", listed(findings)),
        MintError::Revoked(revocation) => REVOKED.because(said).with_member("revoked", revocation.kind()),
        MintError::Seal(SealError::TooLong { length, limit }) => {
            LINK_TOO_LONG.because(said).with_member("length", *length).with_member("limit", *limit)
        }
        MintError::Seal(SealError::Cipher) | MintError::NoRandomness(_) | MintError::GivenUp => INTERNAL.because(said),
    }
}

/// What a client is told when nothing was published.
fn publish_problem(error: &PublishError) -> Problem {
    let said = error.to_string();
    match error {
        PublishError::Mint(error) => mint_problem(error),
        PublishError::ReadOnly(_) => STORE_READ_ONLY.because(said),
        PublishError::Upload(UploadError::Broken) => INVALID_REQUEST.because(said),
        PublishError::Upload(UploadError::TooSlow) => REQUEST_TIMEOUT.because(said),
        PublishError::TooLarge { limit } => BODY_TOO_LARGE.because(said).with_member("limit", *limit),
        PublishError::Busy { retry_after } => OVERLOADED.because(said).with_retry_after(*retry_after),
        PublishError::Spool(_) => SPOOL_FAILED.because(said).with_retry_after(RETRY_SPOOL),
        PublishError::Key(_) => KEY_UNADDRESSABLE.because(said),
        PublishError::KeyTaken(_) => KEY_TAKEN.because(said),
        PublishError::Store(error) => store_problem(error, said),
        PublishError::StoredOtherwise(_) => ORIGIN_FAILED.because(said),
        PublishError::Overtaken(_) => OBJECT_CHANGED.because(said),
        PublishError::GivenUp => INTERNAL.because(said),
    }
}

/// The same shape whatever refused the asset: a list of findings, each with a code.
fn asset_refused(code: &str, message: String) -> Problem {
    let findings = json!([{ "code": code, "message": message }]);
    ASSET_REFUSED.because(message).with_member("findings", findings)
}

fn listed(findings: &[Finding]) -> serde_json::Value {
    findings.iter().map(|finding| json!({ "code": finding.code, "message": finding.message })).collect()
}

/// The store's own words stay with us: `said` is the mint's.
fn store_problem(error: &OriginError, said: String) -> Problem {
    match error {
        OriginError::Timeout(_) => ORIGIN_TIMEOUT.because(said),
        OriginError::NotFound => NO_SUCH_OBJECT.because(said),
        OriginError::Changed => OBJECT_CHANGED.because(said),
        OriginError::Unaddressable(_) => KEY_UNADDRESSABLE.because(said),
        OriginError::Denied(_) | OriginError::Unavailable(_) | OriginError::Failed(_) => ORIGIN_FAILED.because(said),
    }
}

fn catalog_problem(error: &CatalogError) -> Problem {
    match error {
        CatalogError::TooLong { .. } => INVALID_REQUEST.because(error.to_string()),
        CatalogError::Late => CATALOG_FAILED
            .because("The catalog did not answer in time. The change may or may not be made; asking again is safe.")
            .with_retry_after(RETRY_CATALOG),
        CatalogError::Database(_) | CatalogError::Unreadable(_) | CatalogError::Closed => CATALOG_FAILED
            .because("The catalog failed. Asking again is safe; the gateway's log says more.")
            .with_retry_after(RETRY_CATALOG),
        CatalogError::Url(_)
        | CatalogError::CannotOpen { .. }
        | CatalogError::Damaged { .. }
        | CatalogError::TooNew { .. } => {
            INTERNAL.because("The catalog could not be opened; the gateway's log says more.")
        }
    }
}

/// The problem for an error that some layer answered without one.
pub(super) fn bare_problem(status: StatusCode) -> Problem {
    match status {
        StatusCode::NOT_FOUND => {
            NO_SUCH_ROUTE.because("There is nothing at this path. GET /v1/openapi.json lists what there is.")
        }
        StatusCode::METHOD_NOT_ALLOWED => {
            METHOD_NOT_ALLOWED.because("This path takes other methods; the field Allow lists them.")
        }
        StatusCode::PAYLOAD_TOO_LARGE => body_problem(&BodyFault::TooLarge),
        StatusCode::SERVICE_UNAVAILABLE => {
            TIMED_OUT.because("The answer took too long. Whether it was done is not known; asking again is safe.")
        }
        status if status.is_client_error() => INVALID_REQUEST.because("The request cannot be read."),
        _ => INTERNAL.because("Something failed on our side; the gateway's log says more."),
    }
}

const INVALID_REQUEST: ProblemKind =
    ProblemKind::new(StatusCode::BAD_REQUEST, "invalid-request", "The request is not valid");
const NO_SUCH_FETCHER: ProblemKind =
    ProblemKind::new(StatusCode::BAD_REQUEST, "no-such-fetcher", "There is no such fetcher profile");
const UNAUTHORIZED: ProblemKind = ProblemKind::new(StatusCode::UNAUTHORIZED, "unauthorized", "A client key is needed");
const NOT_ALLOWED: ProblemKind = ProblemKind::new(StatusCode::FORBIDDEN, "not-allowed", "The client may not do this");
const NO_SUCH_ROUTE: ProblemKind = ProblemKind::new(StatusCode::NOT_FOUND, "no-such-route", "There is nothing here");
const NO_SUCH_OBJECT: ProblemKind =
    ProblemKind::new(StatusCode::NOT_FOUND, "no-such-object", "There is no such object");
const NO_SUCH_LINK: ProblemKind = ProblemKind::new(StatusCode::NOT_FOUND, "no-such-link", "There is no such link");
const NO_SUCH_REVOCATION: ProblemKind =
    ProblemKind::new(StatusCode::NOT_FOUND, "no-such-revocation", "There is no such revocation");
const NO_SUCH_STORE: ProblemKind = ProblemKind::new(StatusCode::NOT_FOUND, "no-such-store", "There is no such store");
const METHOD_NOT_ALLOWED: ProblemKind =
    ProblemKind::new(StatusCode::METHOD_NOT_ALLOWED, "method-not-allowed", "The method is not allowed");
const REQUEST_TIMEOUT: ProblemKind =
    ProblemKind::new(StatusCode::REQUEST_TIMEOUT, "request-timeout", "The request came too slowly");
const REVOKED: ProblemKind = ProblemKind::new(StatusCode::CONFLICT, "revoked", "A revocation stands against this");
const KEY_TAKEN: ProblemKind =
    ProblemKind::new(StatusCode::CONFLICT, "key-taken", "Other bytes lie at this key already");
const STORE_READ_ONLY: ProblemKind =
    ProblemKind::new(StatusCode::UNPROCESSABLE_ENTITY, "store-read-only", "The store takes no new objects");
const SPOOL_FAILED: ProblemKind =
    ProblemKind::new(StatusCode::SERVICE_UNAVAILABLE, "spool-failed", "The upload could not be put by");
const OBJECT_CHANGED: ProblemKind =
    ProblemKind::new(StatusCode::CONFLICT, "object-changed", "The object changed while it was read");
const BODY_TOO_LARGE: ProblemKind =
    ProblemKind::new(StatusCode::PAYLOAD_TOO_LARGE, "body-too-large", "The request is too large");
const UNSUPPORTED_MEDIA_TYPE: ProblemKind =
    ProblemKind::new(StatusCode::UNSUPPORTED_MEDIA_TYPE, "unsupported-media-type", "The body is of another kind");
const ASSET_REFUSED: ProblemKind =
    ProblemKind::new(StatusCode::UNPROCESSABLE_ENTITY, "asset-refused", "The asset cannot be sent");
const KEY_UNADDRESSABLE: ProblemKind =
    ProblemKind::new(StatusCode::UNPROCESSABLE_ENTITY, "key-unaddressable", "The store cannot address this key");
const TTL_OUT_OF_BOUNDS: ProblemKind =
    ProblemKind::new(StatusCode::UNPROCESSABLE_ENTITY, "ttl-out-of-bounds", "The lifetime is out of bounds");
const LINK_TOO_LONG: ProblemKind =
    ProblemKind::new(StatusCode::UNPROCESSABLE_ENTITY, "link-too-long", "The link would be too long");
const TOO_MANY_REQUESTS: ProblemKind =
    ProblemKind::new(StatusCode::TOO_MANY_REQUESTS, "too-many-requests", "The key sends too many requests");
const INTERNAL: ProblemKind =
    ProblemKind::new(StatusCode::INTERNAL_SERVER_ERROR, "internal", "Something failed on our side");
const ORIGIN_FAILED: ProblemKind =
    ProblemKind::new(StatusCode::BAD_GATEWAY, "origin-failed", "The storage could not be used");
const ORIGIN_TIMEOUT: ProblemKind =
    ProblemKind::new(StatusCode::GATEWAY_TIMEOUT, "origin-timeout", "The storage did not answer in time");
const STILL_READING: ProblemKind =
    ProblemKind::new(StatusCode::SERVICE_UNAVAILABLE, "still-reading", "The object is being read");
const OVERLOADED: ProblemKind =
    ProblemKind::new(StatusCode::SERVICE_UNAVAILABLE, "overloaded", "A limit is reached for now");
const CATALOG_FAILED: ProblemKind =
    ProblemKind::new(StatusCode::SERVICE_UNAVAILABLE, "catalog-failed", "The catalog did not answer");
const TIMED_OUT: ProblemKind =
    ProblemKind::new(StatusCode::SERVICE_UNAVAILABLE, "timed-out", "The answer took too long");
/// How long it takes until half of a key's bucket is there again.
const REFILL: Duration = Duration::from_secs(1);
/// How long it may take until a disk has room again.
const RETRY_SPOOL: Duration = Duration::from_secs(30);
/// How long to leave a catalog alone that did not answer.
const RETRY_CATALOG: Duration = Duration::from_secs(5);

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::link::Revocation;
    use crate::media::TypeRefusal;
    use crate::origin::Waited;
    use crate::value::{NoRandomness, UnixTime};

    fn told(problem: &Problem) -> (u16, &'static str) {
        (problem.kind().status().as_u16(), problem.kind().code())
    }

    fn store(error: OriginError) -> MintError {
        MintError::Store(Arc::new(error))
    }

    #[test]
    fn every_mint_error_has_its_status_and_code() {
        let secs = Duration::from_secs;
        let finding = Finding { code: "image-cmyk", message: "It is CMYK.".to_owned() };
        for (error, expected) in [
            (BadTtl { asked: secs(1), min: secs(2), max: secs(3) }.into(), (422, "ttl-out-of-bounds")),
            (MintError::NoSuchFetcher("nobody".parse().unwrap()), (400, "no-such-fetcher")),
            (MintError::NoSuchStore("media".parse().unwrap()), (404, "no-such-store")),
            (MintError::NoSuchObject, (404, "no-such-object")),
            (MintError::Unaddressable("it has a dot segment"), (422, "key-unaddressable")),
            (store(OriginError::Timeout(Waited::Connection)), (504, "origin-timeout")),
            (store(OriginError::Denied("403".into())), (502, "origin-failed")),
            (store(OriginError::Unavailable("x".into())), (502, "origin-failed")),
            (store(OriginError::Failed("x".into())), (502, "origin-failed")),
            (store(OriginError::NotFound), (404, "no-such-object")),
            (store(OriginError::Changed), (409, "object-changed")),
            (MintError::Changed, (409, "object-changed")),
            (MintError::ContentEncoded("gzip".into()), (422, "asset-refused")),
            (MintError::TooLarge { length: 2, limit: 1 }, (422, "asset-refused")),
            (MintError::StillReading { retry_after: secs(5) }, (503, "still-reading")),
            (MintError::Busy { retry_after: secs(5) }, (503, "overloaded")),
            (MintError::GivenUp, (500, "internal")),
            (TypeRefusal::Pattern("image/x".parse().unwrap()).into(), (422, "asset-refused")),
            (MintError::Preflight(vec![finding]), (422, "asset-refused")),
            (MintError::Revoked(Revocation::IssuedBefore(UnixTime::EPOCH)), (409, "revoked")),
            (SealError::TooLong { length: 1500, limit: 1024 }.into(), (422, "link-too-long")),
            (SealError::Cipher.into(), (500, "internal")),
            (NoRandomness.into(), (500, "internal")),
        ] {
            let problem = mint_problem(&error);
            assert_eq!(told(&problem), expected, "{error}");
            let has_findings = problem.to_json()["findings"].is_array();
            assert_eq!(has_findings, expected.1 == "asset-refused", "{error}");
        }
        let still = mint_problem(&MintError::StillReading { retry_after: secs(5) }).into_answer().1;
        assert_eq!(still["retry-after"], "5");
    }

    #[test]
    fn every_publish_error_has_its_status_and_code() {
        let key = || "promos/a.0123.jpg".parse().unwrap();
        let origin = |error| PublishError::from(error);
        for (error, expected) in [
            (MintError::NoSuchStore("media".parse().unwrap()).into(), (404, "no-such-store")),
            (PublishError::ReadOnly("media".parse().unwrap()), (422, "store-read-only")),
            (UploadError::Broken.into(), (400, "invalid-request")),
            (UploadError::TooSlow.into(), (408, "request-timeout")),
            (PublishError::TooLarge { limit: 1 }, (413, "body-too-large")),
            (PublishError::Busy { retry_after: Duration::from_secs(5) }, (503, "overloaded")),
            (PublishError::Spool(Arc::new(std::io::Error::other("the-words"))), (503, "spool-failed")),
            (crate::value::BadObjectKey::TooLong(1100).into(), (422, "key-unaddressable")),
            (PublishError::KeyTaken(key()), (409, "key-taken")),
            (PublishError::StoredOtherwise(key()), (502, "origin-failed")),
            (PublishError::Overtaken(key()), (409, "object-changed")),
            (PublishError::GivenUp, (500, "internal")),
            (origin(OriginError::Denied("the-words".into())), (502, "origin-failed")),
            (origin(OriginError::Timeout(Waited::Taking(Duration::from_secs(30)))), (504, "origin-timeout")),
            (origin(OriginError::Unaddressable("it ends with '/'")), (422, "key-unaddressable")),
        ] {
            let problem = publish_problem(&error);
            assert_eq!(told(&problem), expected, "{error}");
            assert!(!problem.to_json().to_string().contains("the-words"), "{error}");
        }
    }

    #[test]
    fn what_a_store_or_the_database_said_stays_with_us() {
        let errors = [
            Failure::Mint(store(OriginError::Denied("the-words".into()))),
            Failure::Mint(store(OriginError::Unavailable("the-words".into()))),
            Failure::Catalog(CatalogError::Damaged { path: "/the-words".into(), reason: "the-words".into() }),
            Failure::Catalog(CatalogError::Unreadable("the-words")),
        ];
        for error in errors {
            let json = error.problem().to_json().to_string();
            assert!(!json.contains("the-words"), "{json}");
        }
    }

    #[test]
    fn what_layers_refuse_by_themselves_has_a_code_too() {
        for (status, code) in [
            (400, "invalid-request"),
            (404, "no-such-route"),
            (405, "method-not-allowed"),
            (413, "body-too-large"),
            (500, "internal"),
            (503, "timed-out"),
        ] {
            let problem = bare_problem(StatusCode::from_u16(status).unwrap());
            assert_eq!(told(&problem), (status, code));
        }
    }
}
