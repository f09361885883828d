//! What a client asks for, and what it gets.

use std::time::Duration;

use crate::link::{CachePolicy, Grant, Link};
use crate::media::HeaderKind;
use crate::value::{ClientName, FileName, MediaType, ObjectKey, ProfileName, Sha256, StoreName};

/// A request for one link. Only the store and the key are needed; [`MintRequest::new`] fills in the rest.
#[derive(Clone, Debug)]
pub struct MintRequest {
    /// The store that holds the asset.
    pub store: StoreName,
    /// Where it lies there.
    pub key: ObjectKey,
    /// How long the link shall live; the settings' default where nothing is said.
    pub ttl: Option<Duration>,
    /// The template header that the asset is for: its rules are checked before anything is minted.
    pub header: Option<HeaderKind>,
    /// What the file shall be called.
    pub filename: Option<FileName>,
    /// What the client says the content is; the bytes must not contradict it.
    pub content_type: Option<MediaType>,
    /// What caches may do.
    pub cache: CachePolicy,
    /// Which fetchers are admitted.
    pub fetcher: ProfileName,
    /// Whether the link shall be unlike every other.
    pub unique: bool,
    /// The client's own reference, for its records and ours.
    pub reference: Option<String>,
}

impl MintRequest {
    /// A request that says no more than it must.
    pub fn new(store: StoreName, key: ObjectKey, fetcher: ProfileName) -> Self {
        Self {
            store,
            key,
            ttl: None,
            header: None,
            filename: None,
            content_type: None,
            cache: CachePolicy::default(),
            fetcher,
            unique: false,
            reference: None,
        }
    }
}

/// A minted link, and what is worth knowing of it.
#[derive(Clone, Debug)]
pub struct Minted {
    /// The link.
    pub link: Link,
    /// What it permits.
    pub grant: Grant,
    /// SHA-256 of the content.
    pub sha256: Sha256,
    /// Which header of a template the asset fits.
    pub header: HeaderKind,
    /// What is not wrong, and yet may surprise.
    pub warnings: Vec<MintWarning>,
}

/// Something that is not wrong, and yet may surprise.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MintWarning {
    /// A stable code, such as `image-greyscale`.
    pub code: &'static str,
    /// The same for people.
    pub message: String,
}

/// Who asks: the client's name goes into the grant, so two clients never share a link.
pub(super) struct Asker<'a> {
    pub(super) client: &'a ClientName,
    pub(super) request: &'a MintRequest,
}
