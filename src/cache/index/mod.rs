//! Stub.
#![allow(missing_docs, clippy::all, clippy::pedantic, clippy::unwrap_used)]
use std::collections::HashMap;
use std::sync::{Arc, Mutex};
use super::Block;
use crate::link::{Grant, KeyId, LinkId};
use crate::value::{Fingerprint, UnixTime};
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub struct BlockKey { pub fingerprint: Fingerprint, pub number: u32 }
#[derive(Clone)]
pub struct Index(Arc<Mutex<HashMap<BlockKey, Block>>>);
#[derive(Clone, Debug)]
pub struct Claim { pub expires: UnixTime, pub link: Option<ClaimLink> }
#[derive(Clone, Debug)]
pub struct ClaimLink { pub id: LinkId, pub key: KeyId, pub grant: Arc<Grant> }
#[derive(Clone, Copy, Debug)]
pub struct Usage { pub kept: u64 }
pub struct Hoard { index: Index, blocks: Vec<Option<Block>> }
impl Index {
    pub fn new(_m: u64, _p: u64) -> Self { Self(Arc::default()) }
    pub fn get(&self, key: &BlockKey) -> Option<Block> { self.0.lock().unwrap().get(key).cloned() }
    pub fn has(&self, key: &BlockKey) -> bool { self.0.lock().unwrap().contains_key(key) }
    pub fn keep(&self, key: BlockKey, block: &Block) -> bool { block.settle(); self.0.lock().unwrap().entry(key).or_insert(block.clone()); true }
    pub fn hoard(&self) -> Hoard { Hoard { index: self.clone(), blocks: vec![] } }
    pub fn claim(&self, _f: &Fingerprint, _c: impl FnOnce() -> Claim) -> bool { true }
    pub fn fetched(&self, _f: &Fingerprint) {}
    pub fn lapse(&self, _over: impl Fn(&Claim) -> bool) {}
    pub fn usage(&self) -> Usage { Usage { kept: 0 } }
}
impl Hoard {
    pub fn add(&mut self, _number: u32, block: &Block) -> bool { block.settle(); self.blocks.push(Some(block.clone())); true }
    pub fn keep(self, fingerprint: Fingerprint) { for (n, b) in self.blocks.into_iter().enumerate() { self.index.keep(BlockKey { fingerprint, number: n as u32 }, &b.unwrap()); } }
    pub fn hold(self, fingerprint: Fingerprint, _claim: Claim) { self.keep(fingerprint) }
}
