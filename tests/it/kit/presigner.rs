//! Whoever may presign: access keys as the settings have them, and a signer of our own, so that a test can sign what no SDK would.
//!
//! The signer is written from Amazon's description of Signature Version 4 in query parameters ("Authenticating Requests: Using Query
//! Parameters") and shares nothing with the code under test. It signs what S3 would make of a request: path and query decoded and
//! encoded again. So the target that goes over the wire can be written in another spelling, and would still be right for S3.

use std::fmt::Write as _;
use std::time::Duration;

use aws_lc_rs::digest::{SHA256, digest};
use aws_lc_rs::hmac::{HMAC_SHA256, Key, sign};
use data_encoding::{BASE32_NOPAD, HEXLOWER};
use hallpass::value::UnixTime;

use super::gateway::{Gateway, HOST, Place, now};

/// One access key of ours, with what it may presign for.
#[derive(Clone, Debug)]
pub struct Presigner {
    pub name: &'static str,
    pub id: String,
    pub secret: String,
    pub stores: &'static [&'static str],
    pub prefixes: &'static [&'static str],
}

impl Presigner {
    /// A new access key for all of the store `media`.
    pub fn new(name: &'static str) -> Self {
        let random = |bytes: usize| {
            let mut filled = vec![0; bytes];
            aws_lc_rs::rand::fill(&mut filled).unwrap();
            BASE32_NOPAD.encode(&filled)
        };
        let id = format!("HPAK{}", random(10));
        Self { name, id, secret: format!("hps_{}", random(32).to_lowercase()), stores: &["media"], prefixes: &[] }
    }

    /// Its section of the settings.
    pub fn stanza(&self) -> String {
        let Self { name, id, secret, stores, prefixes } = self;
        let prefixes = if prefixes.is_empty() { String::new() } else { format!("prefixes = {prefixes:?}") };
        format!(
            "[[presigned.clients]]\nname = \"{name}\"\naccess_key_id = \"{id}\"\nsecret_access_key = \"{secret}\"\n\
             stores = {stores:?}\n{prefixes}\n"
        )
    }

    /// What can be presigned now for this object: whatever a test wants otherwise, it changes before it signs.
    pub fn wish(&self, at: UnixTime, key: &str) -> Wish {
        let date = timestamp(at);
        Wish {
            method: "GET",
            host: HOST.to_owned(),
            path: format!("/media/{key}"),
            credential: format!("{}/{}/eu-central-1/s3/aws4_request", self.id, &date[..8]),
            date,
            expires: "3600".to_owned(),
            more: Vec::new(),
        }
    }

    /// A link to this object that was signed at this moment and works for an hour.
    pub fn link(&self, at: UnixTime, key: &str) -> String {
        self.wish(at, key).signed(self)
    }
}

/// The time as `X-Amz-Date` has it.
pub fn timestamp(at: UnixTime) -> String {
    at.to_string().replace(['-', ':'], "")
}

/// What is to be signed.
#[derive(Clone, Debug)]
pub struct Wish {
    pub method: &'static str,
    pub host: String,
    /// The path, decoded: `/store/key` or, on a virtual host, `/key`.
    pub path: String,
    pub credential: String,
    pub date: String,
    pub expires: String,
    /// Further parameters, decoded; one with the name of a parameter of the signature takes its place.
    pub more: Vec<(String, String)>,
}

impl Wish {
    pub fn with(mut self, name: &str, value: &str) -> Self {
        self.more.push((name.to_owned(), value.to_owned()));
        self
    }

    pub fn lasting(self, expires: &str) -> Self {
        Self { expires: expires.to_owned(), ..self }
    }

    pub fn on(self, host: &str, path: &str) -> Self {
        Self { host: host.to_owned(), path: path.to_owned(), ..self }
    }

    /// The same at another time.
    pub fn at(self, time: UnixTime) -> Self {
        let date = timestamp(time);
        Self { credential: self.credential.replace(&self.date[..8], &date[..8]), date, ..self }
    }

    /// The path and query of the link, signed with this secret.
    pub fn signed(&self, by: &Presigner) -> String {
        let query = self.query();
        let signature = self.signature(&query, &by.secret);
        format!("{}?{query}&X-Amz-Signature={signature}", encoded(&self.path, "/"))
    }

    /// The canonical query without the signature.
    fn query(&self) -> String {
        let own = [
            ("X-Amz-Algorithm", "AWS4-HMAC-SHA256"),
            ("X-Amz-Credential", &*self.credential),
            ("X-Amz-Date", &*self.date),
            ("X-Amz-Expires", &*self.expires),
            ("X-Amz-SignedHeaders", "host"),
        ];
        let own = own.into_iter().filter(|(name, _)| self.more.iter().all(|(other, _)| other != name));
        let more = self.more.iter().map(|(name, value)| (&**name, &**value));
        let mut pairs: Vec<_> = own.chain(more).map(|(name, value)| (encoded(name, ""), encoded(value, ""))).collect();
        pairs.sort();
        pairs.iter().map(|(name, value)| format!("{name}={value}")).collect::<Vec<_>>().join("&")
    }

    fn signature(&self, query: &str, secret: &str) -> String {
        let (path, host) = (encoded(&self.path, "/"), &self.host);
        let request = format!("{}\n{path}\n{query}\nhost:{host}\n\nhost\nUNSIGNED-PAYLOAD", self.method);
        let (_, scope) = self.credential.split_once('/').unwrap_or_default();
        let hashed = HEXLOWER.encode(digest(&SHA256, request.as_bytes()).as_ref());
        let text = format!("AWS4-HMAC-SHA256\n{}\n{scope}\n{hashed}", self.date);
        let key = scope.split('/').fold(format!("AWS4{secret}").into_bytes(), |key, part| mac(&key, part));
        HEXLOWER.encode(&mac(&key, &text))
    }
}

fn mac(key: &[u8], text: &str) -> Vec<u8> {
    sign(&Key::new(HMAC_SHA256, key), text.as_bytes()).as_ref().to_vec()
}

/// `text` with everything encoded but the unreserved characters and these.
pub fn encoded(text: &str, kept: &str) -> String {
    let mut out = String::new();
    for byte in text.bytes() {
        if byte.is_ascii_alphanumeric() || b"-._~".contains(&byte) || kept.as_bytes().contains(&byte) {
            out.push(char::from(byte));
        } else {
            write!(out, "%{byte:02X}").unwrap();
        }
    }
    out
}

/// A place where presigned links are on, for these access keys. `more` are further lines of `[presigned]`.
pub fn place(keys: &[&Presigner], more: &str) -> Place {
    let stanzas: String = keys.iter().map(|key| key.stanza()).collect();
    Place { settings: format!("[presigned]\nenabled = true\n{more}\n{stanzas}"), ..Place::held() }
}

/// A gateway with a held clock and one access key for all of the store `media`.
pub async fn gate() -> (Gateway, Presigner) {
    let key = Presigner::new("billing");
    (place(&[&key], "").start().await, key)
}

/// So many seconds before the present.
pub fn ago(secs: u64) -> UnixTime {
    now().minus(Duration::from_secs(secs))
}
