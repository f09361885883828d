//! `response-*`: what the signer wants the answer to say instead.

use super::claim::{CACHE_CONTROL, CONTENT_DISPOSITION, CONTENT_TYPE};
use super::query::Query;
use super::{CacheControlOverride, DispositionOverride, PresignFault};
use crate::value::MediaType;

/// What the answer is to say instead of what it would. Whether the bytes agree with the type is decided where they are known.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Overrides {
    /// `response-content-type`.
    pub content_type: Option<MediaType>,
    /// `response-content-disposition`.
    pub disposition: Option<DispositionOverride>,
    /// `response-cache-control`.
    pub cache_control: Option<CacheControlOverride>,
}

impl Overrides {
    pub(super) fn of(query: &Query<'_>) -> Result<Self, PresignFault> {
        let content_type = query.get(CONTENT_TYPE).map(str::parse).transpose();
        let disposition = query.get(CONTENT_DISPOSITION).map(str::parse).transpose();
        let cache_control = query.get(CACHE_CONTROL).map(str::parse).transpose();
        Ok(Self {
            content_type: content_type.map_err(|_| PresignFault::ContentType)?,
            disposition: disposition.map_err(|_| PresignFault::ContentDisposition)?,
            cache_control: cache_control.map_err(|_| PresignFault::CacheControl)?,
        })
    }
}
