//! Where a content can be read, and what it must turn out to be.

use std::sync::Arc;

use super::manifest::{block_count, block_length};
use super::memory::weight;
use super::{BLOCK, BlockKey, ContentId};
use crate::origin::Origin;
use crate::value::{ByteSpan, Fingerprint, ObjectKey, ObjectVersion, StoreName};

/// One version of one object, and what its content must turn out to be, where that is known.
#[derive(Clone)]
pub struct Source {
    /// Who reads it.
    pub origin: Arc<dyn Origin>,
    /// The store it lies in, for logs and to tell sources apart.
    pub store: StoreName,
    /// Where it lies there.
    pub key: ObjectKey,
    /// Which overwrite.
    pub version: ObjectVersion,
    /// The content's length in bytes.
    pub length: u64,
    /// What the content's BLAKE3 must be; or the version itself, where that is not known.
    pub content: ContentId,
}

/// Blocks next to each other, by number, both ends included.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Run {
    pub(super) first: u32,
    pub(super) last: u32,
}

impl Source {
    /// Whether it is the same version of the same object, so that one read can stand for both.
    pub(super) fn is(&self, other: &Self) -> bool {
        self.content == other.content
            && self.key == other.key
            && self.version == other.version
            && self.store == other.store
    }

    /// What the content's BLAKE3 must be; `None` where nobody knows it.
    pub(super) const fn fingerprint(&self) -> Option<Fingerprint> {
        match self.content {
            ContentId::Fingerprint(fingerprint) => Some(fingerprint),
            ContentId::Version(_) => None,
        }
    }

    pub(super) const fn block(&self, number: u32) -> BlockKey {
        BlockKey { content: self.content, number }
    }

    /// How long a block is, in bytes.
    pub(super) fn block_length(&self, number: u32) -> usize {
        block_length(self.length, number)
    }
}

impl Run {
    /// All blocks of a content of `length` bytes; `None` when there are none, or more than can be numbered.
    pub(super) fn all(length: u64) -> Option<Self> {
        let last = block_count(length)?.checked_sub(1)?;
        Some(Self { first: 0, last })
    }

    /// What these blocks count for, in a content of `length` bytes.
    pub(super) fn weight(self, length: u64) -> u64 {
        let others = u64::from(self.last - self.first);
        others * weight(BLOCK) + weight(block_length(length, self.last))
    }

    /// The blocks that a span of a content touches; `None` past what can be numbered.
    pub(super) fn touched(span: ByteSpan) -> Option<Self> {
        let number = |offset: u64| u32::try_from(offset / BLOCK as u64).ok();
        Some(Self { first: number(span.first())?, last: number(span.last())? })
    }

    /// The bytes of these blocks, in a content of `length` bytes.
    pub(super) fn span(self, length: u64) -> Option<ByteSpan> {
        let end = (u64::from(self.last) + 1).saturating_mul(BLOCK as u64).min(length);
        ByteSpan::within(u64::from(self.first) * BLOCK as u64, end.checked_sub(1)?, length)
    }

    pub(super) const fn contains(self, number: u32) -> bool {
        self.first <= number && number <= self.last
    }

    pub(super) fn blocks(self) -> impl Iterator<Item = u32> {
        self.first..=self.last
    }
}
