//! Stub.
use std::sync::Arc;
use std::collections::HashMap;
use std::sync::Mutex;
use super::Manifest;
use crate::catalog::Catalog;
use crate::value::Fingerprint;
/// x
#[derive(Clone)]
pub struct Manifests(Arc<Mutex<HashMap<Fingerprint, Arc<Manifest>>>>);
impl Manifests {
    /// x
    pub fn new(_c: Catalog) -> Self { Self(Arc::default()) }
    /// x
    pub async fn find(&self, length: u64, f: Fingerprint) -> Option<Arc<Manifest>> { if let Some(m)=Manifest::of_one_block(length,f) {return Some(Arc::new(m));} self.0.lock().unwrap().get(&f).cloned() }
    /// x
    pub async fn keep(&self, m: Arc<Manifest>) { self.0.lock().unwrap().insert(m.fingerprint(), m); }
}
