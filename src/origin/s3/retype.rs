//! Giving an object another media type: a copy onto itself that keeps everything else.
//!
//! S3 changes metadata only by a copy, and the copy takes all metadata from the request. So the head is read first and written back whole; what a
//! copy could not keep is refused before anything happens. The head must be of the version that was looked at, with the type that was seen then,
//! and both what is copied and what the copy replaces must still have its entity tag: else an upload during the copy would be lost.

use std::time::Duration;

use aws_sdk_s3::config::http::HttpResponse;
use aws_sdk_s3::error::{ProvideErrorMetadata, SdkError};
use aws_sdk_s3::operation::copy_object::CopyObjectError;
use aws_sdk_s3::operation::copy_object::builders::CopyObjectFluentBuilder;
use aws_sdk_s3::operation::head_object::HeadObjectOutput;
use aws_sdk_s3::primitives::{DateTime, DateTimeFormat};
use aws_sdk_s3::types::{
    MetadataDirective, ObjectLockLegalHoldStatus, ServerSideEncryption, StorageClass, TaggingDirective,
};
use futures_util::FutureExt;
use futures_util::future::BoxFuture;
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};

use super::faults::{self, Asked};
use super::survey::S3Survey;
use super::{S3Origin, meta};
use crate::origin::survey::{Retype, RetypeError};
use crate::origin::{OriginError, Waited};
use crate::value::{MediaType, ObjectKey, ObjectVersion};

impl Retype for S3Survey {
    fn retype<'a>(
        &'a self,
        key: &'a ObjectKey,
        version: &'a ObjectVersion,
        from: Option<&'a str>,
        to: &'a MediaType,
    ) -> BoxFuture<'a, Result<(), RetypeError>> {
        async move {
            let copy = within(PATIENCE, prepared(&self.store, key, version, from), RetypeError::Store).await?;
            within(PATIENCE, carried_out(copy.content_type(to.as_str())).boxed(), RetypeError::Unknown).await
        }
        .boxed()
    }
}

/// A step with an end; `late` is what it means to have reached it.
async fn within<T>(
    limit: Duration,
    step: impl Future<Output = Result<T, RetypeError>>,
    late: fn(OriginError) -> RetypeError,
) -> Result<T, RetypeError> {
    let waited = |_| Err(late(OriginError::Timeout(Waited::FirstByte(limit))));
    tokio::time::timeout(limit, step).await.unwrap_or_else(waited)
}

/// The copy that keeps everything but the type, of which nothing is said yet.
async fn prepared(
    store: &S3Origin,
    key: &ObjectKey,
    version: &ObjectVersion,
    from: Option<&str>,
) -> Result<CopyObjectFluentBuilder, RetypeError> {
    let full = store.full(key)?;
    let asked = store.client.head_object().bucket(&store.bucket).key(&full).send().await;
    let head = asked.map_err(|fault| match faults::meaning(Asked::Head, &fault) {
        OriginError::NotFound => RetypeError::Changed,
        other => RetypeError::Store(other),
    })?;
    let now = meta(&head)?;
    // A bucket without versions names the same bytes the same, whatever type somebody gave them since.
    if now.version != *version || now.media_type.as_deref() != from {
        return Err(RetypeError::Changed);
    }
    let expires = check(&head)?;
    let tag = head.e_tag().ok_or(RetypeError::Refused("it has no entity tag that a copy could be held to"))?;
    let source = format!("{}/{}", store.bucket, utf8_percent_encode(&full, LITERAL));
    let copy = store.client.copy_object().bucket(&store.bucket).key(&full).copy_source(source);
    let copy = copy.copy_source_if_match(tag).if_match(tag).set_expires(expires);
    Ok(kept(copy, &head))
}

async fn carried_out(copy: CopyObjectFluentBuilder) -> Result<(), RetypeError> {
    copy.send().await.map(|_| ()).map_err(|fault| failed(&fault))
}

/// What a failed copy leaves behind. Only an answer that refuses it says that nothing was done.
fn failed(fault: &SdkError<CopyObjectError, HttpResponse>) -> RetypeError {
    let status = fault.raw_response().map(|answer| answer.status().as_u16());
    let code = fault.as_service_error().and_then(ProvideErrorMetadata::code).unwrap_or_default();
    match (status, code) {
        (Some(412), _) | (_, "PreconditionFailed" | "ConditionalRequestConflict" | "NoSuchKey") => {
            return RetypeError::Changed;
        }
        (Some(501), _) | (_, "NotImplemented") => return RetypeError::Refused(NO_CONDITION),
        _ => {}
    }
    let error = denied_by_name(faults::meaning(Asked::List, fault));
    let refused = match fault {
        SdkError::ConstructionFailure(_) => true,
        // Without credentials, or with what cannot be sent, nothing was sent.
        SdkError::DispatchFailure(_) => matches!(error, OriginError::Denied(_) | OriginError::Failed(_)),
        _ => code == "SlowDown" || status.is_some_and(|status| (300..500).contains(&status)),
    };
    if refused { RetypeError::Store(error) } else { RetypeError::Unknown(error) }
}

/// Refuses what a copy would lose; gives the date that it must be given anew.
fn check(head: &HeadObjectOutput) -> Result<Option<DateTime>, RetypeError> {
    let refused = |why| Err(RetypeError::Refused(why));
    if head.content_length().is_some_and(|length| length > COPY_MAX) {
        return refused("it is larger than 5 GB, which S3 copies only in parts; upload it again with the right type");
    }
    if head.missing_meta().unwrap_or_default() > 0 {
        return refused("it has metadata that S3 cannot show, which a copy would lose; change it by hand");
    }
    let locked = head.object_lock_legal_hold_status() == Some(&ObjectLockLegalHoldStatus::On);
    if locked || head.object_lock_mode().is_some() {
        return refused("it is under Object Lock, which a copy would not have; change it by hand");
    }
    if head.sse_customer_algorithm().is_some() {
        return refused("it is encrypted with a key of your own (SSE-C); change it by hand");
    }
    if under_kms(head) && head.ssekms_key_id().is_none() {
        return refused(
            "the store does not say under which KMS key it is, so a copy could not keep it; change it by hand",
        );
    }
    match head.expires_string().map(|text| DateTime::from_str(text, DateTimeFormat::HttpDate)) {
        None => Ok(None),
        Some(Ok(date)) => Ok(Some(date)),
        Some(Err(_)) => refused("its Expires is no HTTP date, so a copy could not keep it; change it by hand"),
    }
}

/// Whether the object is encrypted under a key of KMS, once or twice.
fn under_kms(head: &HeadObjectOutput) -> bool {
    matches!(head.server_side_encryption(), Some(ServerSideEncryption::AwsKms | ServerSideEncryption::AwsKmsDsse))
}

/// The copy with everything that the object has, its encryption too: the bucket's own may be under a key that fewer or more may use.
fn kept(copy: CopyObjectFluentBuilder, head: &HeadObjectOutput) -> CopyObjectFluentBuilder {
    // Without a word, the copy would take the bucket's setting. Only simple KMS encryption has bucket keys.
    let simple = head.server_side_encryption() == Some(&ServerSideEncryption::AwsKms);
    let bucket_key = simple.then(|| head.bucket_key_enabled() == Some(true));
    copy.metadata_directive(MetadataDirective::Replace)
        .tagging_directive(TaggingDirective::Copy)
        .set_metadata(head.metadata().cloned())
        .set_cache_control(head.cache_control().map(Into::into))
        .set_content_disposition(head.content_disposition().map(Into::into))
        .set_content_encoding(head.content_encoding().map(Into::into))
        .set_content_language(head.content_language().map(Into::into))
        .set_website_redirect_location(head.website_redirect_location().map(Into::into))
        .set_storage_class(head.storage_class().map(|class| StorageClass::from(class.as_str())))
        .set_server_side_encryption(head.server_side_encryption().cloned())
        .set_ssekms_key_id(head.ssekms_key_id().map(Into::into))
        .set_bucket_key_enabled(bucket_key)
}

/// A copy needs other rights than reading does.
fn denied_by_name(error: OriginError) -> OriginError {
    match error {
        OriginError::Denied(_) => OriginError::Denied(
            "grant s3:PutObject and s3:GetObject, for objects with tags s3:GetObjectTagging and s3:PutObjectTagging, and for \
             objects under a KMS key kms:Decrypt and kms:GenerateDataKey on it"
                .into(),
        ),
        other => other,
    }
}

/// The largest object that one copy takes, in bytes (Amazon S3 API Reference, "CopyObject": 5 GB, which is 5 GiB).
const COPY_MAX: i64 = 5 * 1024 * 1024 * 1024;
/// What is said where a server answers 501. Going on without the condition could lose what somebody uploads meanwhile.
const NO_CONDITION: &str = "the store does not implement a copy that is held to what it replaces (If-Match), so an upload at the same time could \
                            be lost; change it by hand";
/// How long the head of one object may take, and how long its copy.
const PATIENCE: Duration = Duration::from_secs(120);
/// What stands in `x-amz-copy-source` as it is.
const LITERAL: &AsciiSet = &NON_ALPHANUMERIC.remove(b'/').remove(b'-').remove(b'.').remove(b'_').remove(b'~');

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_step_without_an_answer_means_what_it_says() {
        let limit = Duration::from_millis(5);
        let waited = || OriginError::Timeout(Waited::FirstByte(limit));
        let head = within(limit, std::future::pending::<Result<(), _>>(), RetypeError::Store).await;
        assert_eq!(head, Err(RetypeError::Store(waited())));
        let copy = within(limit, std::future::pending::<Result<(), _>>(), RetypeError::Unknown).await;
        assert_eq!(copy, Err(RetypeError::Unknown(waited())));
    }
}
