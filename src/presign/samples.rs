//! A presigner for tests, written from the description of Signature Version 4 alone: what it signs owes nothing to the code it tests.

use std::fmt::Write as _;

use aws_lc_rs::{digest, hmac};
use data_encoding::HEXLOWER;

use super::{
    Addressing, OpenedUrl, PresignClient, PresignClients, PresignDenial, PresignRules, PresignedRequest, open,
};
use crate::http::Retrieval;
use crate::value::{Secret, UnixTime};

/// Whose access key the samples are signed with.
pub(super) const ID: &str = "HPAKABCDEFGHIJKLMN22";
pub(super) const SECRET: &str = "hps_k7x2mq4vnzb6yt3whjc5rdaflpg2soeiuxk7q4m3vzn6ybt5whjc";

/// One presigned URL in the making. What it does not say is said as S3 clients say it.
#[derive(Clone, Debug)]
pub(super) struct Presigner {
    pub(super) method: &'static str,
    pub(super) authority: String,
    /// As it is sent.
    pub(super) path: String,
    pub(super) id: String,
    pub(super) secret: String,
    /// `YYYYMMDD`.
    pub(super) scope_date: String,
    pub(super) region: String,
    pub(super) service: String,
    pub(super) date: String,
    pub(super) expires: String,
    /// Further parameters, as they mean.
    pub(super) more: Vec<(String, String)>,
}

/// A URL that was signed: its parts as they are sent.
#[derive(Clone, Debug)]
pub(super) struct Signed {
    pub(super) authority: String,
    pub(super) path: String,
    pub(super) query: String,
}

impl Presigner {
    /// A GET of this key of the store `media`, for an hour from [`signed_at`] on.
    pub(super) fn of(key: &str) -> Self {
        Self {
            method: "GET",
            authority: "media.example.com".to_owned(),
            path: format!("/media/{}", encode(key, true)),
            id: ID.to_owned(),
            secret: SECRET.to_owned(),
            scope_date: "20261121".to_owned(),
            region: "eu-central-1".to_owned(),
            service: "s3".to_owned(),
            date: "20261121T102000Z".to_owned(),
            expires: "3600".to_owned(),
            more: Vec::new(),
        }
    }

    pub(super) fn with(mut self, name: &str, value: &str) -> Self {
        self.more.push((name.to_owned(), value.to_owned()));
        self
    }

    /// The URL, its parameters in the order in which SDKs send them: sorted, the signature last.
    pub(super) fn sign(&self) -> Signed {
        let scope = format!("{}/{}/{}/aws4_request", self.scope_date, self.region, self.service);
        let mut pairs = vec![
            ("X-Amz-Algorithm".to_owned(), "AWS4-HMAC-SHA256".to_owned()),
            ("X-Amz-Credential".to_owned(), format!("{}/{scope}", self.id)),
            ("X-Amz-Date".to_owned(), self.date.clone()),
            ("X-Amz-Expires".to_owned(), self.expires.clone()),
            ("X-Amz-SignedHeaders".to_owned(), "host".to_owned()),
        ];
        pairs.extend(self.more.iter().cloned());
        let mut encoded: Vec<_> = pairs.iter().map(|(n, v)| (encode(n, false), encode(v, false))).collect();
        encoded.sort();
        let query: Vec<_> = encoded.iter().map(|(name, value)| format!("{name}={value}")).collect();
        let query = query.join("&");
        let Self { method, path, authority, .. } = self;
        let canonical = format!("{method}\n{path}\n{query}\nhost:{authority}\n\nhost\nUNSIGNED-PAYLOAD");
        let hashed = HEXLOWER.encode(digest::digest(&digest::SHA256, canonical.as_bytes()).as_ref());
        let to_sign = format!("AWS4-HMAC-SHA256\n{}\n{scope}\n{hashed}", self.date);
        let mut key = format!("AWS4{}", self.secret).into_bytes();
        for part in [&*self.scope_date, &*self.region, &*self.service, "aws4_request", &*to_sign] {
            key = hmac::sign(&hmac::Key::new(hmac::HMAC_SHA256, &key), part.as_bytes()).as_ref().to_vec();
        }
        let query = format!("{query}&X-Amz-Signature={}", HEXLOWER.encode(&key));
        Signed { authority: authority.clone(), path: path.clone(), query }
    }
}

impl Signed {
    /// Opens it as a GET under the sample client and the default rules.
    pub(super) fn open(&self) -> Result<OpenedUrl, PresignDenial> {
        self.open_for(Retrieval::Get)
    }

    pub(super) fn open_for(&self, method: Retrieval) -> Result<OpenedUrl, PresignDenial> {
        opened(method, &self.authority, &self.path, &self.query)
    }
}

pub(super) fn opened(method: Retrieval, authority: &str, path: &str, query: &str) -> Result<OpenedUrl, PresignDenial> {
    let request = PresignedRequest { method, authority, path, query, addressing: Addressing::Path };
    open(&request, &clients(), &PresignRules::default())
}

/// The sample client alone, who may sign for everything in `media`.
pub(super) fn clients() -> PresignClients {
    [client()].into_iter().collect()
}

pub(super) fn client() -> PresignClient {
    PresignClient {
        name: "billing".parse().unwrap(),
        access_key_id: ID.parse().unwrap(),
        secret: Secret::new(SECRET.to_owned()),
        stores: ["media".parse().unwrap()].into(),
        prefixes: Vec::new(),
    }
}

/// What the samples' `X-Amz-Date` says.
pub(super) fn signed_at() -> UnixTime {
    UnixTime::parse_rfc3339("2026-11-21T10:20:00Z").unwrap()
}

/// `UriEncode` of the description.
pub(super) fn encode(text: &str, keep_slash: bool) -> String {
    let mut out = String::new();
    for &byte in text.as_bytes() {
        if byte.is_ascii_alphanumeric() || b"-._~".contains(&byte) || (keep_slash && byte == b'/') {
            out.push(char::from(byte));
        } else {
            let _ = write!(out, "%{byte:02X}");
        }
    }
    out
}
