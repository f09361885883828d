//! The scan itself: the store's settings, one listing to count and compare keys, one to look at every object.
//!
//! It can be dropped at any moment; the journal then holds everything up to its last mark, and the next scan over it goes on from there.

use std::io;
use std::time::{Duration, Instant};

use futures_util::{StreamExt, stream};
use tokio::sync::Semaphore;

use super::examine::{Examined, Listed, examine};
use super::finding::{Code, Finding, Setting, SettingVerdict, code_of};
use super::journal::{Journal, Record};
use super::patience;
use super::twins::{self, Twins, shared_class};
use crate::origin::{
    Cursor, Exposure, ExposureState, Openness, Origin, OriginError, StoreSetting, Survey, SurveyObject,
};
use crate::value::ObjectKey;

/// What to scan, and how hard.
#[derive(Clone, Debug)]
pub struct ScanOptions {
    /// Only keys that begin so.
    pub prefix: String,
    /// How many objects are looked at at a time.
    pub concurrency: usize,
}

/// Who is told how far a scan has come.
pub trait ScanProgress: Send + Sync {
    /// So many objects were counted by the first listing, so far.
    fn counted(&self, objects: u64);
    /// So many of so many were looked at.
    fn examined(&self, objects: u64, of: u64);
}

/// What a scan did.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ScanEnd {
    /// How many objects it looked at in all, earlier runs over the same journal included.
    pub objects: u64,
    /// How many bytes of them were read.
    pub bytes: u64,
}

/// Why a scan could not be finished. The journal holds what was found until then.
#[derive(Debug, thiserror::Error)]
pub enum ScanError {
    /// The store could not be listed.
    #[error("the store could not be listed: {0}")]
    Store(#[from] OriginError),
    /// The journal could not be written.
    #[error("what was found could not be written down: {0}")]
    Journal(#[from] io::Error),
}

/// Scans a store from where `journal` stands to the end.
///
/// # Errors
/// As [`ScanError`] says. What fails for one object alone is a finding of that object.
pub async fn scan(
    survey: &dyn Survey,
    origin: &dyn Origin,
    journal: &mut Journal,
    options: &ScanOptions,
    progress: &dyn ScanProgress,
) -> Result<ScanEnd, ScanError> {
    if !journal.progress.finished {
        if !journal.progress.looked {
            look_at_settings(survey, journal, options).await?;
        }
        if journal.progress.counted.is_none() {
            count(survey, journal, options, progress).await?;
        }
        look_at_objects(survey, origin, journal, options, progress).await?;
        twins::tell(journal)?;
        let (objects, bytes) = (journal.progress.objects, journal.progress.bytes);
        journal.write(&Record::Finished { objects, bytes })?;
        journal.progress.finished = true;
    }
    Ok(ScanEnd { objects: journal.progress.objects, bytes: journal.progress.bytes })
}

/// The store's settings, and the access lists of a sample of its objects.
async fn look_at_settings(survey: &dyn Survey, journal: &mut Journal, options: &ScanOptions) -> Result<(), ScanError> {
    let exposure = survey.exposure().await;
    for Exposure { setting, state } in &exposure {
        let (verdict, detail) = match (state, code_of(*setting)) {
            (ExposureState::Closed(detail), _) => (SettingVerdict::Ok, detail),
            (ExposureState::Open(detail), Some(code)) => {
                journal.write(&Record::Finding(Finding { code, key: None, detail: detail.clone(), retype: None }))?;
                (SettingVerdict::Finding, detail)
            }
            (ExposureState::Open(detail) | ExposureState::Unknown(detail), _) => (SettingVerdict::Unknown, detail),
        };
        let setting = serde_json::to_value(setting).map_err(io::Error::from)?;
        let setting = setting.as_str().unwrap_or_default().to_owned();
        journal.write(&Record::Setting(Setting { setting, verdict, detail: detail.clone() }))?;
    }
    let told = exposure.iter().any(|one| one.setting == StoreSetting::ObjectAcls);
    if !exposure.is_empty() && !told {
        sample_access_lists(survey, journal, options).await?;
    }
    journal.write(&Record::Looked {})?;
    journal.progress.looked = true;
    Ok(())
}

/// Asks for the access lists of the first objects. Each is a request of its own, so not all are asked.
async fn sample_access_lists(
    survey: &dyn Survey,
    journal: &mut Journal,
    options: &ScanOptions,
) -> Result<(), ScanError> {
    let page = patience::page(survey, &options.prefix, None).await?;
    let current = page.entries.iter().filter(|entry| entry.current.is_some() && entry.odd.is_none());
    let keys: Vec<ObjectKey> = current.filter_map(|entry| entry.key.parse().ok()).take(SAMPLE).collect();
    let asked = stream::iter(&keys).map(|key| survey.openness(key)).buffered(options.concurrency);
    let said: Vec<_> = asked.collect().await;
    let (mut public, mut unknown) = (0, Vec::new());
    for (key, said) in keys.iter().zip(said) {
        match said {
            Ok(Openness::Private) => {}
            Ok(Openness::Public) => {
                public += 1;
                let detail = "the object's own access list lets strangers in".to_owned();
                let key = Some(key.as_str().to_owned());
                journal.write(&Record::Finding(Finding { code: Code::AclPublic, key, detail, retype: None }))?;
            }
            Err(error) => unknown.push(error),
        }
    }
    let (looked, all) = (keys.len() - unknown.len(), keys.len());
    let sampled = format!("a sample: {looked} of the first {all} objects were looked at");
    let (verdict, detail) = match unknown.first() {
        _ if public > 0 => (SettingVerdict::Finding, format!("{sampled}, {public} let strangers in")),
        Some(error) => (SettingVerdict::Unknown, format!("{sampled}; {error}; grant s3:GetObjectAcl")),
        None => (SettingVerdict::Ok, format!("{sampled}, none lets strangers in")),
    };
    journal.write(&Record::Setting(Setting { setting: "object-acls".into(), verdict, detail }))?;
    Ok(())
}

/// The first listing.
async fn count(
    survey: &dyn Survey,
    journal: &mut Journal,
    options: &ScanOptions,
    progress: &dyn ScanProgress,
) -> Result<(), ScanError> {
    let mut twins = Twins::default();
    let mut listing = Listing::behind(survey, &options.prefix, None);
    while let Some(page) = listing.next().await? {
        for listed in &page {
            twins.add(&listed.key);
        }
        progress.counted(twins.counted());
    }
    let (objects, shared) = (twins.counted(), twins.shared());
    if shared.is_none() {
        let detail =
            format!("there are {objects} keys, or too many alike, to compare them all; use --prefix for a part");
        let setting = Setting { setting: "keys".into(), verdict: SettingVerdict::Unknown, detail };
        journal.write(&Record::Setting(setting))?;
    }
    let written = shared.as_ref().map(|all| all.iter().map(|class| format!("{class:032x}")).collect());
    journal.write(&Record::Counted { objects, shared: written })?;
    journal.progress.counted = Some((objects, shared));
    Ok(())
}

/// The second listing, from where the journal stands.
async fn look_at_objects(
    survey: &dyn Survey,
    origin: &dyn Origin,
    journal: &mut Journal,
    options: &ScanOptions,
    progress: &dyn ScanProgress,
) -> Result<(), ScanError> {
    let (total, shared) = journal.progress.counted.clone().unwrap_or_default();
    let shared = shared.unwrap_or_default();
    let heavy = Semaphore::new(HEAVY);
    let after = journal.progress.after.clone().map(|key| Cursor { key, mark: None });
    let mut listing = Listing::behind(survey, &options.prefix, after);
    let mut marks = Marks::default();
    while let Some(page) = listing.next().await? {
        // In order, so that a mark can say "up to here".
        let looks =
            stream::iter(page).map(|listed| examine(survey, origin, listed, &heavy)).buffered(options.concurrency);
        let mut looks = std::pin::pin!(looks);
        while let Some(examined) = looks.next().await {
            note(journal, &examined, &shared)?;
            marks.take(journal, examined)?;
            progress.examined(journal.progress.objects, total.max(journal.progress.objects));
        }
        marks.set(journal)?;
    }
    Ok(())
}

fn note(journal: &mut Journal, examined: &Examined, shared: &[u128]) -> io::Result<()> {
    for finding in &examined.findings {
        journal.write(&Record::Finding(finding.clone()))?;
    }
    if let Some(class) = shared_class(&examined.key, shared) {
        journal.write(&Record::Twin { class: format!("{class:032x}"), key: examined.key.clone() })?;
    }
    Ok(())
}

/// When the journal is marked: every so many objects, and every so often.
#[derive(Default)]
struct Marks {
    pending: Option<(String, Instant, u32)>,
}

impl Marks {
    fn take(&mut self, journal: &mut Journal, examined: Examined) -> io::Result<()> {
        journal.progress.objects += 1;
        journal.progress.bytes += examined.bytes;
        if !examined.resumable {
            // Neither here nor before it, or its findings would be told twice.
            self.pending = None;
            return Ok(());
        }
        let (since, count) = self.pending.take().map_or((Instant::now(), 1), |(_, since, count)| (since, count + 1));
        self.pending = Some((examined.key, since, count));
        if count >= MARK_OBJECTS || since.elapsed() >= MARK_EVERY { self.set(journal) } else { Ok(()) }
    }

    fn set(&mut self, journal: &mut Journal) -> io::Result<()> {
        let Some((after, ..)) = self.pending.take() else { return Ok(()) };
        let (objects, bytes) = (journal.progress.objects, journal.progress.bytes);
        journal.write(&Record::Done { after, objects, bytes })
    }
}

/// A listing of objects: the versions of one are folded into one entry.
struct Listing<'a> {
    survey: &'a dyn Survey,
    prefix: &'a str,
    after: Option<Cursor>,
    /// The last key of the page before, whose versions may go on.
    pending: Option<Folded>,
    ended: bool,
}

struct Folded {
    key: String,
    current: Option<Listed>,
    versions: u64,
}

impl<'a> Listing<'a> {
    fn behind(survey: &'a dyn Survey, prefix: &'a str, after: Option<Cursor>) -> Self {
        Self { survey, prefix, after, pending: None, ended: false }
    }

    /// The objects of the next page; `None` at the end.
    async fn next(&mut self) -> Result<Option<Vec<Listed>>, OriginError> {
        if self.ended {
            return Ok(self.flush().map(|last| vec![last]));
        }
        let page = patience::page(self.survey, self.prefix, self.after.as_ref()).await?;
        let mut objects = Vec::new();
        for entry in page.entries {
            if self.pending.as_ref().is_some_and(|pending| pending.key != entry.key) {
                objects.extend(self.flush());
            }
            let pending =
                self.pending.get_or_insert_with(|| Folded { key: entry.key.clone(), current: None, versions: 0 });
            pending.versions += 1;
            if let Some(current) = entry.current {
                let SurveyObject { version, length } = current;
                pending.current = Some(Listed { key: entry.key, version, length, versions: 1, odd: entry.odd });
            }
        }
        self.ended = page.next.is_none();
        self.after = page.next;
        Ok(Some(objects))
    }

    fn flush(&mut self) -> Option<Listed> {
        let folded = self.pending.take()?;
        folded.current.map(|listed| Listed { versions: folded.versions, ..listed })
    }
}

/// How many objects' access lists are asked for.
const SAMPLE: usize = 100;
/// How many long spans are held at a time: 8 MiB each, and the inspector's copy.
const HEAVY: usize = 2;
/// How many objects a mark is behind at most, and how long.
const MARK_OBJECTS: u32 = 100;
const MARK_EVERY: Duration = Duration::from_secs(1);

#[cfg(test)]
mod tests {
    use super::*;
    use crate::audit::Origins;

    #[test]
    fn no_mark_is_set_at_a_key_that_no_listing_can_begin_behind() {
        let of = Origins { store: "media".into(), place: "bucket b".into(), prefix: String::new() };
        let mut journal = Journal::temporary(&of).unwrap();
        let mut marks = Marks::default();
        for (key, resumable) in [("a", true), ("caf%E9", false), ("-", false), ("z", true)] {
            let examined = Examined { key: key.into(), findings: Vec::new(), resumable, bytes: 0 };
            marks.take(&mut journal, examined).unwrap();
            if !resumable {
                marks.set(&mut journal).unwrap();
            }
        }
        marks.set(&mut journal).unwrap();
        let records: Vec<_> = journal.records().unwrap().map(Result::unwrap).skip(1).collect();
        assert_eq!(records, [Record::Done { after: "z".into(), objects: 4, bytes: 0 }]);
    }
}
