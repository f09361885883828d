//! A published asset, as JSON: what is answered for its link, and where it lies.

use serde::Serialize;
use utoipa::ToSchema;

use super::LinkAnswer;
use crate::publish::Published;
use crate::value::ObjectKey;

/// A published asset and the link to it.
#[derive(Serialize, ToSchema)]
pub struct ObjectAnswer<'a> {
    /// Where the asset lies in its store: prefix, name, fingerprint, extension.
    #[schema(value_type = String, example = "promos/winter.8f2a1c9d0e3b4a568f2a1c9d0e3b4a56.jpg")]
    key: &'a ObjectKey,
    /// The link, as `POST /v1/links` would answer.
    #[serde(flatten)]
    link: LinkAnswer<'a>,
}

impl<'a> ObjectAnswer<'a> {
    /// What is answered for `published`.
    pub fn of(published: &'a Published) -> Self {
        Self { key: &published.key, link: LinkAnswer::of(&published.minted) }
    }

    /// Where the link is told of.
    pub(super) fn location(&self) -> String {
        self.link.location()
    }
}
