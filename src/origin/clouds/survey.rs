//! Listing a bucket of GCS or a container of Azure, page by page, in the store's own order.
//!
//! Within a listing each page names what the next one is asked for by. To go on in another run only a key is known. GCS begins behind any key. Azure
//! does not, so its list is asked for from the beginning and passed over up to that key. Whether it is reached is told by equality alone and never
//! by order: which of two names comes first is Azure's to say, and a wrong guess would leave blobs out.

use futures_util::FutureExt;
use futures_util::future::BoxFuture;
use object_store::list::{PaginatedListOptions, PaginatedListStore};

use super::faults::meaning;
use super::line::Asked;
use super::listing::{Listing, PAGE};
use super::{Client, Cloud, CloudOrigin, exposure};
use crate::origin::OriginError;
use crate::origin::survey::{Cursor, Exposure, Openness, Survey, SurveyEntry, SurveyObject, SurveyPage};
use crate::value::ObjectKey;

/// How the next page is asked for.
#[derive(Debug, Default, PartialEq, Eq)]
struct Way<'a> {
    /// What the page before named.
    token: Option<&'a str>,
    /// GCS: the key behind which it begins.
    behind: Option<&'a str>,
    /// Azure: everything up to this key, and it, was looked at by another run.
    passing: Option<&'a str>,
}

impl<'a> Way<'a> {
    fn on_from(cloud: Cloud, after: Option<&'a Cursor>) -> Result<Self, OriginError> {
        let Some(Cursor { key, mark }) = after else { return Ok(Self::default()) };
        let key = Some(key.as_str());
        match (cloud, mark.as_deref()) {
            (Cloud::Gcs, None) => Ok(Self { behind: key, ..Self::default() }),
            (Cloud::Azure, None) => Ok(Self { passing: key, ..Self::default() }),
            (_, Some(mark)) => match (mark.strip_prefix(ON), mark.strip_prefix(PASSING)) {
                (Some(token), _) => Ok(Self { token: Some(token), ..Self::default() }),
                (_, Some(token)) => Ok(Self { token: Some(token), passing: key, ..Self::default() }),
                _ => Err(OriginError::Failed("this is no place in a list of this store".into())),
            },
        }
    }
}

impl CloudOrigin {
    async fn listed(&self, prefix: &str, after: Option<&Cursor>) -> Result<SurveyPage, OriginError> {
        let way = Way::on_from(self.cloud, after)?;
        let prefix = format!("{}{prefix}", self.prefix);
        let Listing { objects, next } = self.list(&prefix, &way).await?;
        let mut entries = Vec::new();
        for (key, object) in objects {
            let within = key.strip_prefix(&self.prefix).filter(|_| key.starts_with(&prefix));
            let key = within.ok_or_else(|| odd("it lists a key outside of the prefix that was asked for"))?;
            // What consoles make to show the store's own directory.
            let placeholder = key.is_empty() && object.length == Some(0);
            if !placeholder {
                entries.push(entry(key, object));
            }
        }
        if way.behind.is_some_and(|behind| entries.first().is_some_and(|first| first.key.as_str() <= behind)) {
            return Err(odd("its list does not begin behind the key that was asked for"));
        }
        let passing = way.passing.filter(|passed| !pass(&mut entries, passed));
        if passing.is_some() && next.is_none() {
            return Err(odd(GONE));
        }
        let key = entries.last().map(|last| last.key.clone()).or_else(|| after.map(|after| after.key.clone()));
        let kind = if passing.is_some() { PASSING } else { ON };
        let cursor = |token: String| Cursor { key: key.unwrap_or_default(), mark: Some(format!("{kind}{token}")) };
        Ok(SurveyPage { next: next.map(cursor), entries })
    }

    /// What the store answers, with whole keys.
    async fn list(&self, prefix: &str, way: &Way<'_>) -> Result<Listing, OriginError> {
        let options = PaginatedListOptions {
            offset: way.behind.map(|key| format!("{}{key}", self.prefix)),
            max_keys: Some(PAGE),
            page_token: way.token.map(Into::into),
            extensions: Asked::Page.marked(),
            ..Default::default()
        };
        let prefix = Some(prefix).filter(|prefix| !prefix.is_empty());
        let answered = match &self.client {
            Client::Gcs(client) => client.list_paginated(prefix, options).await,
            Client::Azure(client) => client.list_paginated(prefix, options).await,
        };
        let mut answered = answered.map_err(|error| meaning(&error))?.result;
        answered.extensions.remove().ok_or_else(|| odd("its list was lost on the way"))
    }
}

impl Survey for CloudOrigin {
    fn page<'a>(
        &'a self,
        prefix: &'a str,
        after: Option<&'a Cursor>,
    ) -> BoxFuture<'a, Result<SurveyPage, OriginError>> {
        self.listed(prefix, after).boxed()
    }

    fn exposure(&self) -> BoxFuture<'_, Vec<Exposure>> {
        let said = match self.cloud {
            Cloud::Gcs => exposure::of_bucket(&self.place),
            Cloud::Azure => exposure::of_container(&self.uploads.account, &self.place),
        };
        async { said }.boxed()
    }

    fn openness<'a>(&'a self, _key: &'a ObjectKey) -> BoxFuture<'a, Result<Openness, OriginError>> {
        async { Err(OriginError::Unaddressable("its objects' access lists are not asked for")) }.boxed()
    }
}

fn entry(key: &str, object: SurveyObject) -> SurveyEntry {
    // A key that the library cannot address is not odd by its name: reading it says so.
    SurveyEntry { key: key.to_owned(), current: Some(object), odd: None }
}

/// Drops what lies up to the key, and it; all of them, and false, when it is not among them.
fn pass(entries: &mut Vec<SurveyEntry>, key: &str) -> bool {
    let at = entries.iter().position(|entry| entry.key == key);
    entries.drain(..at.map_or(entries.len(), |at| at + 1));
    at.is_some()
}

fn odd(what: &str) -> OriginError {
    OriginError::Failed(what.to_owned())
}

/// How a mark begins in a listing that goes on.
const ON: &str = "on ";
/// How it begins while the key of another run was not reached.
const PASSING: &str = "passing ";
/// What is said when it never is.
const GONE: &str = "the blob at which the audit stopped is listed no more, and Azure's list can be gone on with from nowhere else; \
                    delete the state file and begin anew";
