//! What one transaction writes.
//!
//! Fetches that differ in nothing but their times are one row with a count: a hot link is fetched thousands of times a second, and a row
//! for each would cost more than the fetches themselves.

use std::collections::HashMap;
use std::hash::{BuildHasher, RandomState};
use std::time::Instant;

use super::mints::QueuedMint;
use super::queue::{Queued, Record};
use super::record::FetchRecord;

/// Records on their way into one transaction.
#[derive(Debug, Default)]
pub(super) struct Batch {
    pub(super) records: Vec<Queued>,
    pub(super) mints: Vec<QueuedMint>,
    /// Where a fetch lies among the records, by the hash of what must be equal. Of two with one hash, the later is found.
    fetches: HashMap<u64, usize>,
    hasher: RandomState,
}

impl Batch {
    pub(super) const fn is_empty(&self) -> bool {
        self.records.is_empty() && self.mints.is_empty()
    }

    /// How many records it holds; a row may stand for several mints or fetches.
    pub(super) fn count(&self) -> u64 {
        let records: u64 = self.records.iter().map(|queued| queued.record.count()).sum();
        records + self.mints.iter().map(|mint| u64::from(mint.mints)).sum::<u64>()
    }

    /// Since when its oldest record waits.
    pub(super) fn oldest(&self) -> Option<Instant> {
        let (record, mint) = (self.records.first().map(|one| one.since), self.mints.first().map(|one| one.since));
        record.into_iter().chain(mint).min()
    }

    /// Takes a record in. One that an earlier row can stand for comes back: it holds no memory here.
    pub(super) fn add(&mut self, queued: Queued) -> Option<Queued> {
        let Record::Fetch(fetch) = &queued.record else {
            self.records.push(queued);
            return None;
        };
        let key = self.hasher.hash_one(identity(fetch));
        let earlier = self.fetches.get(&key).and_then(|place| self.records.get_mut(*place));
        if let Some(Queued { record: Record::Fetch(earlier), .. }) = earlier
            && identity(earlier) == identity(fetch)
        {
            earlier.fold(fetch);
            return Some(queued);
        }
        self.fetches.insert(key, self.records.len());
        self.records.push(queued);
        None
    }

    pub(super) fn clear(&mut self) {
        self.records.clear();
        self.mints.clear();
        self.fetches.clear();
    }
}

/// What is equal in fetches that one row stands for: everything but their times.
fn identity(fetch: &FetchRecord) -> impl Eq + std::hash::Hash {
    let who = (&fetch.client_address, &fetch.agent, &fetch.agent_class, &fetch.network_verdict);
    let what = (&fetch.link_id, &fetch.method, &fetch.http_version, &fetch.range);
    (what, who, fetch.status, &fetch.outcome, fetch.bytes, fetch.completed)
}

#[cfg(test)]
mod tests {
    use super::super::queue::Tally;
    use super::*;

    fn fetch(at_ms: u64) -> FetchRecord {
        FetchRecord {
            link_id: "lnk_a".into(),
            at_ms,
            times: 1,
            client_address: "192.0.2.1".into(),
            agent: "facebookexternalhit/1.1".into(),
            agent_class: "allowed".into(),
            network_verdict: "listed".into(),
            method: "GET".into(),
            http_version: "HTTP/1.1".into(),
            range: None,
            status: 200,
            outcome: "served".into(),
            bytes: 4096,
            first_byte_ms: Some(at_ms % 7),
            duration_ms: at_ms % 11,
            completed: true,
        }
    }

    fn rows(fetches: impl IntoIterator<Item = FetchRecord>) -> Vec<FetchRecord> {
        let (tally, mut batch) = (Tally::new(usize::MAX), Batch::default());
        let mut count = 0;
        for fetch in fetches {
            count += 1;
            batch.add(tally.admit(Record::Fetch(Box::new(fetch))).unwrap());
        }
        assert_eq!(batch.count(), count, "each is counted");
        let fetch = |queued: Queued| match queued.record {
            Record::Fetch(fetch) => *fetch,
            other => panic!("{other:?}"),
        };
        batch.records.into_iter().map(fetch).collect()
    }

    #[test]
    fn equal_fetches_are_one_row_that_keeps_the_first_time_and_the_longest() {
        let rows = rows((1..=1000).rev().map(fetch));
        let expected = FetchRecord { times: 1000, first_byte_ms: Some(6), duration_ms: 10, ..fetch(1) };
        assert_eq!(rows, [expected]);
    }

    #[test]
    fn what_differs_in_anything_but_its_times_has_a_row_of_its_own() {
        type Change = fn(&mut FetchRecord);
        let changes: [Change; 13] = [
            |_| {},
            |fetch| fetch.link_id.push('b'),
            |fetch| fetch.client_address.push('1'),
            |fetch| fetch.agent.push('1'),
            |fetch| fetch.agent_class = "other".into(),
            |fetch| fetch.network_verdict = "unknown".into(),
            |fetch| fetch.method = "HEAD".into(),
            |fetch| fetch.http_version = "HTTP/1.0".into(),
            |fetch| fetch.range = Some("bytes=0-".into()),
            |fetch| fetch.status = 206,
            |fetch| fetch.outcome = "fetcher-left".into(),
            |fetch| fetch.bytes -= 1,
            |fetch| fetch.completed = false,
        ];
        let with = |change: &Change| {
            let mut fetch = fetch(1);
            change(&mut fetch);
            fetch
        };
        let twice = changes.iter().chain(&changes).map(with);
        let rows = rows(twice);
        assert_eq!(rows.len(), changes.len());
        assert!(rows.iter().all(|row| row.times == 2));
    }
}
