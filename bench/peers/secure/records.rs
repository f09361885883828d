//! TLS 1.3 records as a load generator needs them (RFC 8446, section 5): its own, in place, without an allocation.
//!
//! The handshake is rustls's; from there on its keys are used here. That way a record whose content nobody looks at is not decrypted at all: its
//! header tells how long its plaintext is, and its number is counted. A client that decrypts everything costs as much as the server that
//! encrypts it, and would be measured instead of it.

use aws_lc_rs::aead::{AES_128_GCM, Aad, LessSafeKey, NONCE_LEN, Nonce, UnboundKey};
use rustls::{ConnectionTrafficSecrets, ExtractedSecrets};

/// Both ways of one connection.
pub struct Records {
    ours: Way,
    theirs: Way,
}

struct Way {
    key: LessSafeKey,
    iv: [u8; NONCE_LEN],
    number: u64,
}

impl Records {
    pub fn new(secrets: ExtractedSecrets) -> Result<Self, &'static str> {
        Ok(Self { ours: Way::new(secrets.tx)?, theirs: Way::new(secrets.rx)? })
    }

    /// Appends this plaintext, of any length, as records.
    pub fn seal(&mut self, plain: &[u8], into: &mut Vec<u8>) {
        for piece in plain.chunks(MOST) {
            let header = header(piece.len() + OVERHEAD);
            into.extend_from_slice(&header);
            let from = into.len();
            into.extend_from_slice(piece);
            into.push(Kind::Data as u8);
            let nonce = self.ours.nonce();
            let tag = self.ours.key.seal_in_place_separate_tag(nonce, Aad::from(header), &mut into[from..]).unwrap();
            into.extend_from_slice(tag.as_ref());
        }
    }

    /// Decrypts what follows a record's header, where it lies.
    pub fn open<'a>(&mut self, sealed: &'a mut [u8]) -> Result<(Kind, &'a [u8]), &'static str> {
        let (nonce, header) = (self.theirs.nonce(), header(sealed.len()));
        let opened = self.theirs.key.open_in_place(nonce, Aad::from(header), sealed);
        let opened: &[u8] = opened.map_err(|_| "a record that its tag does not fit")?;
        // Padding, which none of these servers sends, would be zeros behind the kind.
        let (kind, plain) = opened.split_last().ok_or("a record without a kind")?;
        match *kind {
            23 => Ok((Kind::Data, plain)),
            22 => Ok((Kind::Handshake, plain)),
            21 => Ok((Kind::Alert, plain)),
            _ => Err("a record of a kind that does not belong here"),
        }
    }

    /// Lets one record be.
    pub fn pass(&mut self) {
        self.theirs.number += 1;
    }
}

impl Way {
    fn new((number, secrets): (u64, ConnectionTrafficSecrets)) -> Result<Self, &'static str> {
        let ConnectionTrafficSecrets::Aes128Gcm { key, iv } = secrets else { return Err("another cipher suite") };
        let key = LessSafeKey::new(UnboundKey::new(&AES_128_GCM, key.as_ref()).unwrap());
        Ok(Self { key, iv: iv.as_ref().try_into().unwrap(), number })
    }

    fn nonce(&mut self) -> Nonce {
        let mut nonce = self.iv;
        for (byte, number) in nonce[NONCE_LEN - 8..].iter_mut().zip(self.number.to_be_bytes()) {
            *byte ^= number;
        }
        self.number += 1;
        Nonce::assume_unique_for_key(nonce)
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    Alert = 21,
    Handshake = 22,
    Data = 23,
}

fn header(length: usize) -> [u8; HEADER] {
    let [high, low] = (length as u16).to_be_bytes();
    [Kind::Data as u8, 3, 3, high, low]
}

pub const HEADER: usize = 5;
/// The kind and the tag.
pub const OVERHEAD: usize = 17;
/// The most plaintext of one record.
pub const MOST: usize = 16 * 1024;
