//! Looking a whole store over: every object in it, and what the store itself is open to.
//!
//! It stands apart from [`Origin`](super::Origin), which serving needs, since it takes rights that serving must not have: listing, and reading
//! a bucket's settings. A survey changes nothing; what does is [`Retype`], which only some stores have.

use futures_util::future::BoxFuture;

use super::OriginError;
use crate::value::{MediaType, ObjectKey, ObjectVersion};

/// A store whose objects can be listed.
pub trait Survey: Send + Sync + 'static {
    /// The next page of what lies under `prefix`, in the store's own order; from the beginning without a cursor.
    ///
    /// # Errors
    /// As [`OriginError`] says; asking again for the same page is safe.
    fn page<'a>(&'a self, prefix: &'a str, after: Option<&'a Cursor>)
    -> BoxFuture<'a, Result<SurveyPage, OriginError>>;

    /// Whether the store holds a media type with each object.
    fn holds_types(&self) -> bool {
        true
    }

    /// What the store's own settings say about who may read it, and which of them could not be read. None where a store has no such settings.
    fn exposure(&self) -> BoxFuture<'_, Vec<Exposure>>;

    /// Whom an object's own access list lets in.
    ///
    /// # Errors
    /// [`OriginError::Denied`] without the right to read it, [`OriginError::Unaddressable`] where the store has no such lists.
    fn openness<'a>(&'a self, key: &'a ObjectKey) -> BoxFuture<'a, Result<Openness, OriginError>>;
}

/// A store that can give an object another media type, and leave all else as it is.
pub trait Retype: Send + Sync + 'static {
    /// Gives the object at `key` the type `to`, if it is still that `version` and the store still says `from` of it.
    ///
    /// # Errors
    /// [`RetypeError::Changed`] when it is not; the others as their docs say. Nothing was changed then, unless it is
    /// [`RetypeError::Unknown`].
    fn retype<'a>(
        &'a self,
        key: &'a ObjectKey,
        version: &'a ObjectVersion,
        from: Option<&'a str>,
        to: &'a MediaType,
    ) -> BoxFuture<'a, Result<(), RetypeError>>;
}

/// Where a listing goes on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Cursor {
    /// Behind this key, relative to the store.
    pub key: String,
    /// The store's own mark of the place, where its listing goes on by one: in S3 the version of that key, in GCS and Azure what the page
    /// before it named. It is good within one listing only. Without it, behind all that lies at that key.
    pub mark: Option<String>,
}

/// A part of a listing.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct SurveyPage {
    /// What lies there, in order.
    pub entries: Vec<SurveyEntry>,
    /// Where the next page begins; `None` at the end.
    pub next: Option<Cursor>,
}

/// One line of a listing.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SurveyEntry {
    /// The name, relative to the store, as the store spells it; not always one that an [`ObjectKey`] can be made of.
    pub key: String,
    /// What lies there now; `None` for what is no more: an older version, or a marker of deletion.
    pub current: Option<SurveyObject>,
    /// Why this cannot be an object of ours, where that is known from its name.
    pub odd: Option<&'static str>,
}

/// An object as a listing tells it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SurveyObject {
    /// Which overwrite this is, as [`Origin::head`](super::Origin::head) would name it. `None` where the listing does not tell.
    pub version: Option<ObjectVersion>,
    /// The length in bytes. `None` where the listing does not tell.
    pub length: Option<u64>,
}

/// What one setting of a store says about who may read it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Exposure {
    /// Which setting.
    pub setting: StoreSetting,
    /// What it says.
    pub state: ExposureState,
}

/// The settings that are looked at.
#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum StoreSetting {
    /// The block that keeps a bucket private whatever else is set.
    PublicAccessBlock,
    /// The bucket's policy.
    Policy,
    /// The bucket's own access list.
    Acl,
    /// Serving as a web site.
    Website,
    /// Whether overwritten objects are kept, and so can be listed.
    Versions,
    /// The objects' own access lists. A store that tells of them here is not asked for those of a sample.
    ObjectAcls,
}

/// What a setting says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ExposureState {
    /// It keeps strangers out; with a word about how.
    Closed(String),
    /// It lets strangers in, or would not stop them; with what it says.
    Open(String),
    /// It could not be read, so nothing is known; with the reason.
    Unknown(String),
}

/// Whom an access list lets in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Openness {
    /// Its owner, and accounts that are named.
    Private,
    /// Everybody, or everybody with any account.
    Public,
}

/// Why an object did not get another type. But for [`RetypeError::Unknown`], it is as it was.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum RetypeError {
    /// It was overwritten, deleted or given another type since it was looked at.
    #[error("it changed since it was looked at; run the audit again")]
    Changed,
    /// It cannot be done so that all else stays as it is.
    #[error("{0}")]
    Refused(&'static str),
    /// The store could not do it.
    #[error(transparent)]
    Store(#[from] OriginError),
    /// It was asked for, and no answer says what came of it.
    #[error("{0}; it may have been done, or be done yet: run the audit again")]
    Unknown(OriginError),
}
