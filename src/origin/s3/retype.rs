//! Giving an object another media type: a copy onto itself that keeps everything else.
//!
//! S3 changes metadata only by a copy, and the copy takes all metadata from the request. So the head is read first and written back whole; what a
//! copy could not keep is refused before anything happens. The copy holds only if the source still has the entity tag of that head, which
//! in turn must be of the version that was looked at.

use aws_sdk_s3::error::ProvideErrorMetadata;
use aws_sdk_s3::operation::copy_object::builders::CopyObjectFluentBuilder;
use aws_sdk_s3::operation::head_object::HeadObjectOutput;
use aws_sdk_s3::primitives::{DateTime, DateTimeFormat};
use aws_sdk_s3::types::{MetadataDirective, ObjectLockLegalHoldStatus, StorageClass, TaggingDirective};
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
        media_type: &'a MediaType,
    ) -> BoxFuture<'a, Result<(), RetypeError>> {
        async move {
            let late = |_| RetypeError::Store(OriginError::Timeout(Waited::FirstByte(PATIENCE)));
            tokio::time::timeout(PATIENCE, retype(&self.store, key, version, media_type))
                .await
                .unwrap_or_else(|e| Err(late(e)))
        }
        .boxed()
    }
}

async fn retype(
    store: &S3Origin,
    key: &ObjectKey,
    version: &ObjectVersion,
    media_type: &MediaType,
) -> Result<(), RetypeError> {
    let full = store.full(key)?;
    let asked = store.client.head_object().bucket(&store.bucket).key(&full).send().await;
    let head = asked.map_err(|fault| match faults::meaning(Asked::Head, &fault) {
        OriginError::NotFound => RetypeError::Changed,
        other => RetypeError::Store(other),
    })?;
    if meta(&head)?.version != *version {
        return Err(RetypeError::Changed);
    }
    let expires = check(&head)?;
    let tag = head.e_tag().ok_or(RetypeError::Refused("it has no entity tag that a copy could be held to"))?;
    let source = format!("{}/{}", store.bucket, utf8_percent_encode(&full, LITERAL));
    let copy = store.client.copy_object().bucket(&store.bucket).key(&full).copy_source(source);
    let copy = copy.copy_source_if_match(tag).content_type(media_type.as_str()).set_expires(expires);
    match kept(copy, &head).send().await {
        Ok(_) => Ok(()),
        Err(fault) if fault.raw_response().is_some_and(|answer| answer.status().as_u16() == 412) => {
            Err(RetypeError::Changed)
        }
        Err(fault) if fault.as_service_error().and_then(ProvideErrorMetadata::code) == Some("NoSuchKey") => {
            Err(RetypeError::Changed)
        }
        Err(fault) => Err(RetypeError::Store(denied_by_name(faults::meaning(Asked::List, &fault)))),
    }
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
    match head.expires_string().map(|text| DateTime::from_str(text, DateTimeFormat::HttpDate)) {
        None => Ok(None),
        Some(Ok(date)) => Ok(Some(date)),
        Some(Err(_)) => refused("its Expires is no HTTP date, so a copy could not keep it; change it by hand"),
    }
}

/// The copy with everything that the object has. The encryption is that of the bucket, as for any new object.
fn kept(copy: CopyObjectFluentBuilder, head: &HeadObjectOutput) -> CopyObjectFluentBuilder {
    copy.metadata_directive(MetadataDirective::Replace)
        .tagging_directive(TaggingDirective::Copy)
        .set_metadata(head.metadata().cloned())
        .set_cache_control(head.cache_control().map(Into::into))
        .set_content_disposition(head.content_disposition().map(Into::into))
        .set_content_encoding(head.content_encoding().map(Into::into))
        .set_content_language(head.content_language().map(Into::into))
        .set_website_redirect_location(head.website_redirect_location().map(Into::into))
        .set_storage_class(head.storage_class().map(|class| StorageClass::from(class.as_str())))
}

/// A copy needs other rights than reading does.
fn denied_by_name(error: OriginError) -> OriginError {
    match error {
        OriginError::Denied(_) => OriginError::Denied(
            "grant s3:PutObject and s3:GetObject, and for objects with tags s3:GetObjectTagging and s3:PutObjectTagging"
                .into(),
        ),
        other => other,
    }
}

/// The largest object that one copy takes, in bytes (Amazon S3 API Reference, "CopyObject": 5 GB, which is 5 GiB).
const COPY_MAX: i64 = 5 * 1024 * 1024 * 1024;
/// How long one object may take.
const PATIENCE: std::time::Duration = std::time::Duration::from_secs(120);
/// What stands in `x-amz-copy-source` as it is.
const LITERAL: &AsciiSet = &NON_ALPHANUMERIC.remove(b'/').remove(b'-').remove(b'.').remove(b'_').remove(b'~');
