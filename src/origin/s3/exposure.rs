//! What a bucket's settings say about who may read it.
//!
//! What cannot be read is unknown, never fine: a right that we lack, or a server that does not implement the question, says nothing about the
//! bucket. Only the answers by which S3 says "there is none" count as such.

use aws_sdk_s3::config::http::HttpResponse;
use aws_sdk_s3::error::{ProvideErrorMetadata, SdkError};
use aws_sdk_s3::types::{Grant, PolicyStatus};

use super::S3Origin;
use super::faults::{self, Asked};
use crate::origin::error::{causes, plain};
use crate::origin::survey::{Exposure, ExposureState, Openness, StoreSetting};
use crate::origin::{OriginError, Waited};
use crate::value::ObjectKey;

/// Every setting of the bucket.
pub(super) async fn of_bucket(store: &S3Origin) -> Vec<Exposure> {
    let of = |setting, state| Exposure { setting, state };
    let (block, policy) = (within(access_block(store)).await, within(policy(store)).await);
    let (acl, website) = (within(acl(store)).await, within(website(store)).await);
    vec![
        of(StoreSetting::PublicAccessBlock, block),
        of(StoreSetting::Policy, policy),
        of(StoreSetting::Acl, acl),
        of(StoreSetting::Website, website),
    ]
}

/// Whom an object's own access list lets in.
pub(super) async fn of_object(store: &S3Origin, key: &ObjectKey) -> Result<Openness, OriginError> {
    let request = store.client.get_object_acl().bucket(&store.bucket).key(store.full(key)?).send();
    let late = |_| OriginError::Timeout(Waited::FirstByte(PATIENCE));
    let said = tokio::time::timeout(PATIENCE, request).await.map_err(late)?;
    let said = said.map_err(|fault| faults::meaning(Asked::Head, &fault))?;
    Ok(if said.grants().iter().any(|grant| stranger(grant).is_some()) { Openness::Public } else { Openness::Private })
}

async fn access_block(store: &S3Origin) -> ExposureState {
    let said = match store.client.get_public_access_block().bucket(&store.bucket).send().await {
        Ok(said) => said,
        Err(fault) if code(&fault) == Some("NoSuchPublicAccessBlockConfiguration") => {
            return ExposureState::Open("the bucket has no public access block".into());
        }
        Err(fault) => return unknown(&fault, "s3:GetBucketPublicAccessBlock"),
    };
    let Some(block) = said.public_access_block_configuration() else {
        return ExposureState::Open("the bucket has no public access block".into());
    };
    let switches = [
        ("BlockPublicAcls", block.block_public_acls()),
        ("IgnorePublicAcls", block.ignore_public_acls()),
        ("BlockPublicPolicy", block.block_public_policy()),
        ("RestrictPublicBuckets", block.restrict_public_buckets()),
    ];
    let off: Vec<_> = switches.into_iter().filter(|(_, on)| *on != Some(true)).map(|(name, _)| name).collect();
    if off.is_empty() {
        ExposureState::Closed("all four switches are on".into())
    } else {
        ExposureState::Open(format!("off: {}", off.join(", ")))
    }
}

async fn policy(store: &S3Origin) -> ExposureState {
    match store.client.get_bucket_policy_status().bucket(&store.bucket).send().await {
        Ok(said) => match said.policy_status().and_then(PolicyStatus::is_public) {
            Some(true) => ExposureState::Open("the bucket's policy lets everybody in".into()),
            Some(false) => ExposureState::Closed("there is one, and it lets no strangers in".into()),
            None => ExposureState::Unknown("the store answers without saying it".into()),
        },
        Err(fault) if code(&fault) == Some("NoSuchBucketPolicy") => ExposureState::Closed("there is none".into()),
        Err(fault) => unknown(&fault, "s3:GetBucketPolicyStatus"),
    }
}

async fn acl(store: &S3Origin) -> ExposureState {
    let said = match store.client.get_bucket_acl().bucket(&store.bucket).send().await {
        Ok(said) => said,
        Err(fault) => return unknown(&fault, "s3:GetBucketAcl"),
    };
    let told = |grant: &Grant| {
        let right = grant.permission().map_or("a right", |right| right.as_str());
        stranger(grant).map(|who| format!("{} for {who}", plain(right)))
    };
    let open: Vec<_> = said.grants().iter().filter_map(told).collect();
    if open.is_empty() {
        ExposureState::Closed("it names only accounts".into())
    } else {
        ExposureState::Open(format!("it grants {}", open.join(", ")))
    }
}

async fn website(store: &S3Origin) -> ExposureState {
    match store.client.get_bucket_website().bucket(&store.bucket).send().await {
        Ok(_) => ExposureState::Open("the bucket is served as a web site".into()),
        Err(fault) if code(&fault) == Some("NoSuchWebsiteConfiguration") => ExposureState::Closed("it is off".into()),
        Err(fault) => unknown(&fault, "s3:GetBucketWebsite"),
    }
}

/// The group of strangers that a grant names, if it does.
fn stranger(grant: &Grant) -> Option<&'static str> {
    match grant.grantee()?.uri()?.rsplit('/').next()? {
        "AllUsers" => Some("everybody"),
        "AuthenticatedUsers" => Some("everybody with an AWS account"),
        _ => None,
    }
}

/// A question with an end.
async fn within(question: impl Future<Output = ExposureState>) -> ExposureState {
    let late = |_| ExposureState::Unknown(format!("no answer within {} s", PATIENCE.as_secs()));
    tokio::time::timeout(PATIENCE, question).await.unwrap_or_else(late)
}

/// What the store said instead of an answer, and which right the question needs.
fn unknown<E>(fault: &SdkError<E, HttpResponse>, right: &str) -> ExposureState
where
    E: ProvideErrorMetadata + std::error::Error + 'static,
{
    ExposureState::Unknown(without(fault, right))
}

/// The same as text.
pub(super) fn without<E>(fault: &SdkError<E, HttpResponse>, right: &str) -> String
where
    E: ProvideErrorMetadata + std::error::Error + 'static,
{
    let denied = fault.raw_response().is_some_and(|answer| matches!(answer.status().as_u16(), 401 | 403));
    let advice = if denied { format!("; grant {right}") } else { String::new() };
    format!("{}{advice}", brief(fault))
}

/// What the store said instead of an answer, in a few words.
fn brief<E>(fault: &SdkError<E, HttpResponse>) -> String
where
    E: ProvideErrorMetadata + std::error::Error + 'static,
{
    match fault.raw_response().map(|answer| answer.status().as_u16()) {
        Some(200..=299) => format!("the store's answer cannot be read: {}", causes(fault)),
        Some(status) => {
            format!("the store answers {status} {}", plain(code(fault).unwrap_or_default())).trim_end().into()
        }
        None => format!("the store does not answer: {}", causes(fault)),
    }
}

fn code<E: ProvideErrorMetadata>(fault: &SdkError<E, HttpResponse>) -> Option<&str> {
    fault.as_service_error().and_then(ProvideErrorMetadata::code)
}

/// How long one question may take.
pub(super) const PATIENCE: std::time::Duration = std::time::Duration::from_secs(15);
