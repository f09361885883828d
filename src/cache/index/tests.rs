//! What the index promises, promise by promise.

use bytes::Bytes;

use super::*;
use crate::cache::{Blank, Ledger};

fn block(ledger: &Arc<Ledger>, length: usize) -> Block {
    let mut blank = Blank::take(ledger, length).unwrap();
    blank.fill(&mut Bytes::from(vec![7; length]));
    blank.share()
}

fn key(content: u64, number: u32) -> BlockKey {
    BlockKey { fingerprint: Fingerprint::of(&content.to_le_bytes()), number }
}

#[test]
fn a_kept_block_is_in_flight_no_more() {
    let (ledger, index) = (Ledger::new(1 << 20), Index::new(1 << 20, 1 << 19));
    let one = block(&ledger, 100);
    assert!(index.get(&key(1, 0)).is_none());
    assert!(index.keep(key(1, 0), &one));
    assert_eq!((ledger.used(), index.usage().probation), (0, Share { bytes: one.weight(), blocks: 1 }));
    assert_eq!(index.get(&key(1, 0)).unwrap().bytes(), one.bytes());
}
