//! What content is, learned while its bytes pass by once: its SHA-256 and the facts that the checks go by.

use super::Known;
use crate::media::Inspector;
use crate::value::{Fingerprint, Sha256};

/// Content of which some bytes have passed by. It takes milliseconds per megabyte, so it belongs beside the serving threads.
pub struct Examination {
    sha256: aws_lc_rs::digest::Context,
    inspector: Inspector,
    length: u64,
}

impl Examination {
    /// Content of which no byte was seen yet.
    pub fn new() -> Self {
        let sha256 = aws_lc_rs::digest::Context::new(&aws_lc_rs::digest::SHA256);
        Self { sha256, inspector: Inspector::new(), length: 0 }
    }

    /// The next bytes.
    pub fn update(&mut self, bytes: &[u8]) {
        self.sha256.update(bytes);
        self.inspector.update(bytes);
        self.length += u64::try_from(bytes.len()).unwrap_or(u64::MAX);
    }

    /// What was learned, now that all bytes were seen, whose fingerprint is this one.
    pub fn finish(self, fingerprint: Fingerprint) -> Known {
        let mut sha = [0; 32];
        for (to, from) in sha.iter_mut().zip(self.sha256.finish().as_ref()) {
            *to = *from;
        }
        let facts = self.inspector.finish(self.length);
        Known { fingerprint, sha256: Sha256::from_bytes(sha), length: self.length, facts }
    }
}

impl Default for Examination {
    fn default() -> Self {
        Self::new()
    }
}
