//! Looking at one object: its head, and as few ranges of it as tell what it is, all of one version.

use futures_util::StreamExt;
use tokio::sync::Semaphore;

use super::finding::{Code, Finding};
use super::rules::{Seen, judge};
use crate::media::Skim;
use crate::origin::{Origin, OriginError, Survey};
use crate::value::{ByteSpan, ObjectKey, ObjectVersion};

/// An object as it was listed.
#[derive(Clone, Debug)]
pub(super) struct Listed {
    pub(super) key: String,
    pub(super) version: Option<ObjectVersion>,
    pub(super) length: Option<u64>,
    /// How many versions of it were listed.
    pub(super) versions: u64,
    pub(super) odd: Option<&'static str>,
}

/// What looking at an object gave.
pub(super) struct Examined {
    pub(super) key: String,
    pub(super) findings: Vec<Finding>,
    /// Whether a listing can go on behind its key. One that is odd may not be what the store calls it.
    pub(super) resumable: bool,
    /// How many bytes of it were read.
    pub(super) bytes: u64,
}

/// Looks at one object. `heavy` bounds how many long spans are held at a time.
pub(super) async fn examine(survey: &dyn Survey, origin: &dyn Origin, listed: Listed, heavy: &Semaphore) -> Examined {
    let (mut bytes, resumable) = (0, listed.odd.is_none());
    let seen = seen(origin, &listed, heavy, &mut bytes).await;
    let findings = match seen.map(|seen| Seen { holds_types: survey.holds_types(), ..seen }) {
        Ok(seen) => judge(&seen),
        Err(why) => {
            vec![Finding { code: Code::Unreadable, key: Some(listed.key.clone()), detail: why, retype: None }]
        }
    };
    Examined { key: listed.key, findings, resumable, bytes }
}

async fn seen(origin: &dyn Origin, listed: &Listed, heavy: &Semaphore, read: &mut u64) -> Result<Seen, String> {
    if let Some(odd) = listed.odd {
        return Err(odd.to_owned());
    }
    let key: ObjectKey = listed.key.parse().map_err(|fault| format!("no link can name it: {fault}"))?;
    if let (Some(0), Some(version)) = (listed.length, &listed.version) {
        return Ok(empty(key, version.clone(), listed.versions));
    }
    let meta = origin.head(&key).await.map_err(|error| told(&error))?;
    if listed.version.as_ref().is_some_and(|version| contradict(version, &meta.version)) {
        return Err(CHANGED.to_owned());
    }
    let mut skim = Skim::new(meta.length);
    let mut permit = None;
    // What is coded says nothing by its bytes.
    while let Some(span) = skim.wants().filter(|_| meta.content_encoding.is_none()) {
        if span.len() > LONG && permit.is_none() {
            permit = heavy.acquire().await.ok();
        }
        let part = part(origin, &key, &meta.version, span).await.map_err(|error| told(&error))?;
        *read += span.len();
        skim.feed(&part);
    }
    Ok(Seen {
        version: meta.version,
        media_type: meta.media_type,
        holds_types: true,
        content_encoding: meta.content_encoding,
        versions: listed.versions,
        skimmed: skim.finish(),
        key,
    })
}

/// An object without bytes, of which nothing more is asked.
fn empty(key: ObjectKey, version: ObjectVersion, versions: u64) -> Seen {
    let skimmed = Skim::new(0).finish();
    Seen { key, version, media_type: None, holds_types: true, content_encoding: None, versions, skimmed }
}

/// Whether two versions are named in the same way and yet differ. A list that leaves version ids out names its objects by other means than
/// their heads do.
fn contradict(one: &ObjectVersion, other: &ObjectVersion) -> bool {
    let way = |version: &ObjectVersion| version.as_str().split(':').next().map(str::to_owned);
    way(one) == way(other) && one != other
}

async fn part(
    origin: &dyn Origin,
    key: &ObjectKey,
    version: &ObjectVersion,
    span: ByteSpan,
) -> Result<Vec<u8>, OriginError> {
    let mut stream = origin.read(key, version, span).await?;
    let mut bytes = Vec::with_capacity(usize::try_from(span.len()).unwrap_or_default());
    while let Some(chunk) = stream.next().await {
        bytes.extend_from_slice(&chunk?);
    }
    Ok(bytes)
}

fn told(error: &OriginError) -> String {
    match error {
        OriginError::NotFound | OriginError::Changed => CHANGED.to_owned(),
        other => other.to_string(),
    }
}

/// What is said of an object that was not the same from its listing to its last byte.
const CHANGED: &str = "it was overwritten or deleted while the audit looked at it; run the audit again";
/// A span that counts as long, in bytes.
const LONG: u64 = 256 * 1024;
