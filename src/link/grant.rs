//! What a link permits, and its one encoding.
//!
//! The encoding is canonical: fields in a fixed order, integers big-endian and of fixed width, texts behind their length, zeros up to a
//! multiple of 16 bytes. Its reader must end exactly, so two different grants never encode alike and no two encodings mean the same grant.
//! Undelimited fields that could be split in two ways were the hole in several signed-URL schemes.

use std::str::FromStr;

use super::{KeyId, LinkId, Revocable};
use crate::value::{
    ClientName, FileName, Fingerprint, MediaType, ObjectKey, ObjectVersion, ProfileName, StoreName, UnixTime,
};

/// What a link permits: these bytes, under this name, to this kind of fetcher, until then.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Grant {
    /// The store that holds the object.
    pub store: StoreName,
    /// Where the object lies in its store.
    pub key: ObjectKey,
    /// Which overwrite of the object was read at the mint.
    pub version: ObjectVersion,
    /// The content's length in bytes.
    pub length: u64,
    /// When the store says the object was written, at the mint.
    pub last_modified: UnixTime,
    /// BLAKE3-256 of the content that was read at the mint.
    pub fingerprint: Fingerprint,
    /// What `Content-Type` says.
    pub media_type: MediaType,
    /// What `Content-Disposition` says.
    pub name: FileName,
    /// What `Cache-Control` says.
    pub cache: CachePolicy,
    /// Which fetchers are admitted.
    pub profile: ProfileName,
    /// Who asked for the link.
    pub client: ClientName,
    /// When the window began in which the link was minted; for a unique link the mint itself.
    pub issued: UnixTime,
    /// The first second at which the link is over.
    pub expires: UnixTime,
    /// Makes a link unlike every other, where that was asked for.
    pub nonce: Option<[u8; 16]>,
}

/// What caches may do with the answer.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum CachePolicy {
    /// Anybody may keep it; shared caches until the link's expiry.
    #[default]
    Immutable,
    /// The fetcher alone may keep it, until the link's expiry.
    Private,
    /// Nobody may keep it.
    NoStore,
}

/// The text names nothing that caches may do.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("what caches may do is one of immutable, private, no-store")]
pub struct BadCachePolicy;

impl FromStr for CachePolicy {
    type Err = BadCachePolicy;

    fn from_str(text: &str) -> Result<Self, BadCachePolicy> {
        Self::ALL.into_iter().find(|policy| policy.as_str() == text).ok_or(BadCachePolicy)
    }
}

impl CachePolicy {
    /// The word that the API and the settings use.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Immutable => "immutable",
            Self::Private => "private",
            Self::NoStore => "no-store",
        }
    }

    const ALL: [Self; 3] = [Self::Immutable, Self::Private, Self::NoStore];

    const fn code(self) -> u8 {
        match self {
            Self::Immutable => 0,
            Self::Private => 1,
            Self::NoStore => 2,
        }
    }

    const fn from_code(code: u8) -> Option<Self> {
        match code {
            0 => Some(Self::Immutable),
            1 => Some(Self::Private),
            2 => Some(Self::NoStore),
            _ => None,
        }
    }
}

/// The bytes are not the encoding of any grant.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("these bytes are not a grant")]
pub struct MalformedGrant;

impl Grant {
    /// What of its link a revocation can name, once it is sealed with `key`.
    pub const fn revocable(&self, id: LinkId, key: KeyId) -> Revocable<'_> {
        Revocable {
            id,
            key: Some(key),
            store: &self.store,
            object: &self.key,
            fingerprint: Some(self.fingerprint),
            client: &self.client,
            issued: self.issued,
        }
    }

    /// Appends the canonical encoding to `out`. What it appends is a multiple of 16 bytes long, so that its length tells little of
    /// the names inside.
    pub fn encode(&self, out: &mut Vec<u8>) {
        let start = out.len();
        put_text(out, &self.store);
        put_text(out, &self.key);
        put_text(out, &self.version);
        out.extend(self.length.to_be_bytes());
        put_time(out, self.last_modified);
        out.extend(self.fingerprint.as_bytes());
        put_text(out, &self.media_type);
        put_text(out, &self.name);
        out.push(self.cache.code());
        put_text(out, &self.profile);
        put_text(out, &self.client);
        put_time(out, self.issued);
        put_time(out, self.expires);
        out.push(u8::from(self.nonce.is_some()));
        out.extend(self.nonce.iter().flatten());
        let length = out.len() - start;
        out.resize(start + length.next_multiple_of(BLOCK), 0);
    }

    /// Reads what [`Grant::encode`] wrote, and nothing else: not a byte more, not another padding.
    pub fn decode(bytes: &[u8]) -> Result<Self, MalformedGrant> {
        let mut reader = Reader(bytes);
        let grant = Self {
            store: reader.text()?,
            key: reader.text()?,
            version: reader.text()?,
            length: reader.integer()?,
            last_modified: reader.time()?,
            fingerprint: Fingerprint::from_bytes(reader.array()?),
            media_type: reader.text()?,
            name: reader.text()?,
            cache: CachePolicy::from_code(reader.byte()?).ok_or(MalformedGrant)?,
            profile: reader.text()?,
            client: reader.text()?,
            issued: reader.time()?,
            expires: reader.time()?,
            nonce: match reader.byte()? {
                0 => None,
                1 => Some(reader.array()?),
                _ => return Err(MalformedGrant),
            },
        };
        reader.end(bytes.len())?;
        Ok(grant)
    }
}

/// Texts in a grant are at most [`ObjectKey::MAX_BYTES`] or so long, far below what two bytes can count.
fn put_text(out: &mut Vec<u8>, field: &impl Text) {
    let text = field.text();
    let length = u16::try_from(text.len()).unwrap_or(u16::MAX);
    out.extend(length.to_be_bytes());
    out.extend(text.as_bytes().iter().take(usize::from(length)));
}

fn put_time(out: &mut Vec<u8>, time: UnixTime) {
    out.extend(time.as_secs().to_be_bytes());
}

/// Takes fields off the front of an encoding.
struct Reader<'a>(&'a [u8]);

impl Reader<'_> {
    fn array<const N: usize>(&mut self) -> Result<[u8; N], MalformedGrant> {
        let (head, rest) = self.0.split_first_chunk::<N>().ok_or(MalformedGrant)?;
        self.0 = rest;
        Ok(*head)
    }

    fn byte(&mut self) -> Result<u8, MalformedGrant> {
        self.array::<1>().map(|[byte]| byte)
    }

    fn integer(&mut self) -> Result<u64, MalformedGrant> {
        self.array().map(u64::from_be_bytes)
    }

    fn time(&mut self) -> Result<UnixTime, MalformedGrant> {
        UnixTime::from_secs(self.integer()?).ok_or(MalformedGrant)
    }

    /// A text that its own type accepts as it stands: one that the type would write differently has another spelling.
    fn text<T: Text>(&mut self) -> Result<T, MalformedGrant> {
        let length = usize::from(u16::from_be_bytes(self.array()?));
        let (head, rest) = self.0.split_at_checked(length).ok_or(MalformedGrant)?;
        self.0 = rest;
        let text = std::str::from_utf8(head).map_err(|_| MalformedGrant)?;
        let read: T = text.parse().map_err(|_| MalformedGrant)?;
        if read.text() == text { Ok(read) } else { Err(MalformedGrant) }
    }

    fn end(&self, total: usize) -> Result<(), MalformedGrant> {
        let shortest = total.is_multiple_of(BLOCK) && self.0.len() < BLOCK;
        if shortest && self.0.iter().all(|&byte| byte == 0) { Ok(()) } else { Err(MalformedGrant) }
    }
}

/// A field that is written as text.
trait Text: FromStr {
    fn text(&self) -> &str;
}

macro_rules! texts {
    ($($field:ty),+) => {
        $(impl Text for $field {
            fn text(&self) -> &str {
                self.as_str()
            }
        })+
    };
}

texts!(StoreName, ObjectKey, ObjectVersion, MediaType, FileName, ProfileName, ClientName);

/// Grants are padded to a multiple of this many bytes.
const BLOCK: usize = 16;

#[cfg(test)]
pub(super) mod tests {
    use proptest::prelude::*;

    use super::*;

    /// A grant as an ordinary mint makes it.
    pub(in crate::link) fn sample() -> Grant {
        Grant {
            store: "media".parse().unwrap(),
            key: "promo/hero.jpg".parse().unwrap(),
            version: "e:\"9e107d9d372bb6826bd81d3542a419d6\"".parse().unwrap(),
            length: 123_456,
            last_modified: UnixTime::from_secs(1_795_000_000).unwrap(),
            fingerprint: Fingerprint::of(b"hero"),
            media_type: "image/jpeg".parse().unwrap(),
            name: "hero.jpg".parse().unwrap(),
            cache: CachePolicy::Immutable,
            profile: "meta".parse().unwrap(),
            client: "billing".parse().unwrap(),
            issued: UnixTime::from_secs(1_795_255_200).unwrap(),
            expires: UnixTime::from_secs(1_795_256_400).unwrap(),
            nonce: None,
        }
    }

    fn encoded(grant: &Grant) -> Vec<u8> {
        let mut out = Vec::new();
        grant.encode(&mut out);
        out
    }

    prop_compose! {
        pub(in crate::link) fn any_grant()(
            store in "[a-z0-9-]{3,6}",
            key in "[^\0]{1,30}",
            version in "[a-z:\"]{1,12}",
            (length, last_modified, issued, expires) in (any::<u64>(), 0..2_000_000_000_u64, 0..2_000_000_000_u64, 0..2_000_000_000_u64),
            fingerprint in any::<[u8; 32]>(),
            media_type in "[a-z]{1,5}/[a-z]{1,5}",
            name in "[a-z .]{1,8}[a-z]",
            (cache, nonce) in (0..3_u8, any::<Option<[u8; 16]>>()),
            (profile, client) in ("[a-z0-9-]{1,6}", "[a-z0-9-]{1,6}"),
        ) -> Grant {
            let time = |secs| UnixTime::from_secs(secs).unwrap();
            Grant {
                store: store.parse().unwrap(),
                key: key.parse().unwrap(),
                version: version.parse().unwrap(),
                length,
                last_modified: time(last_modified),
                fingerprint: Fingerprint::from_bytes(fingerprint),
                media_type: media_type.parse().unwrap(),
                name: name.parse().unwrap(),
                cache: CachePolicy::from_code(cache).unwrap(),
                profile: profile.parse().unwrap(),
                client: client.parse().unwrap(),
                issued: time(issued),
                expires: time(expires),
                nonce,
            }
        }
    }

    /// Moves the border between two neighbouring texts, which an undelimited encoding cannot see.
    fn resplit(grant: &Grant) -> Option<Grant> {
        let joined = format!("{}{}", grant.key, grant.version);
        let at = joined.char_indices().nth(1)?.0;
        let (key, version) = joined.split_at(at);
        Some(Grant { key: key.parse().ok()?, version: version.parse().ok()?, ..grant.clone() })
    }

    proptest! {
        #[test]
        fn a_grant_reads_back_as_it_was_written(grant in any_grant()) {
            let bytes = encoded(&grant);
            prop_assert_eq!(bytes.len() % BLOCK, 0);
            prop_assert_eq!(Grant::decode(&bytes), Ok(grant));
        }

        #[test]
        fn two_different_grants_never_encode_alike(a in any_grant(), b in any_grant()) {
            prop_assert_eq!(a == b, encoded(&a) == encoded(&b));
            if let Some(moved) = resplit(&a) {
                prop_assert_eq!(moved == a, encoded(&moved) == encoded(&a));
            }
        }

        #[test]
        fn what_reads_as_a_grant_is_its_only_encoding(grant in any_grant(), at in any::<prop::sample::Index>(), to in any::<u8>()) {
            let mut bytes = encoded(&grant);
            let at = at.index(bytes.len());
            bytes[at] = to;
            if let Ok(read) = Grant::decode(&bytes) {
                prop_assert_eq!(encoded(&read), bytes);
            }
        }
    }

    #[test]
    fn tails_padding_and_truncation_are_refused() {
        let good = encoded(&sample());
        assert!(Grant::decode(&good).is_ok());
        let with = |change: &dyn Fn(&mut Vec<u8>)| {
            let mut bytes = good.clone();
            change(&mut bytes);
            Grant::decode(&bytes)
        };
        assert!(with(&|b| b.push(0)).is_err(), "a tail");
        assert!(with(&|b| b.extend([0; 16])).is_err(), "a block of padding too many");
        assert!(with(&|b| *b.last_mut().unwrap() = 1).is_err(), "padding that is not zero");
        assert!(with(&|b| b.truncate(b.len() - 16)).is_err(), "a truncation");
        assert!(Grant::decode(&[]).is_err());
        let at = good.windows(5).position(|w| w == b"image").unwrap();
        assert!(with(&|b| b[at] = b'I').is_err(), "another spelling of the media type");
    }
}
