//! What a presigned request claims: its form is right, and nothing in it is believed yet.
//!
//! [`Claim::parse`] looks at the form alone, [`Claim::believe`] signs again and compares. Both take the rules of the service, so that
//! the test suite of Signature Version 4, which is about no service in particular, can be run on them.

use std::borrow::Cow;
use std::sync::Arc;
use std::time::Duration;

use super::canonical::decoded_path;
use super::credential::Credential;
use super::query::Query;
use super::sign::signature;
use super::{
    AccessKeyId, Disbelief, Lifetime, Parameters, PresignClient, PresignClients, PresignDenial, PresignFault,
    PresignRules, SigV4Rules,
};
use crate::value::{Secret, UnixTime};

/// The parts of a request that are signed.
#[derive(Clone, Copy)]
pub struct SignedRequest<'a> {
    /// The methods that the URL may have been signed for.
    pub methods: &'a [&'a str],
    /// The host and port that the request was sent to, as its `Host` field says.
    pub authority: &'a str,
    /// The path as it was sent.
    pub path: &'a str,
    /// The query as it was sent, without its `?`.
    pub query: &'a str,
}

/// A presigned request of the right form.
pub struct Claim<'a> {
    pub(super) request: SignedRequest<'a>,
    pub(super) rules: SigV4Rules<'a>,
    /// What the path says.
    pub(super) path: Cow<'a, str>,
    pub(super) query: Query<'a>,
    pub(super) key: AccessKeyId,
    pub(super) region: String,
    pub(super) date: UnixTime,
    pub(super) expires: Duration,
    pub(super) signature: String,
}

impl<'a> Claim<'a> {
    /// Checks the form: path and query canonical, every parameter known and there once, and what they say consistent.
    pub fn parse(request: SignedRequest<'a>, rules: SigV4Rules<'a>) -> Result<Self, PresignDenial> {
        let query = Query::parse(request.query)?;
        if !request.path.starts_with('/') || request.path.len() > LONGEST_PATH {
            return Err(PresignFault::Path.into());
        }
        let path = decoded_path(request.path).ok_or(PresignFault::Path)?;
        check_parameters(&query, rules.parameters)?;
        let need = |name| query.get(name).ok_or(PresignFault::Missing(name));
        if need(ALGORITHM)? != "AWS4-HMAC-SHA256" {
            return Err(PresignFault::Algorithm.into());
        }
        let credential = Credential::parse(need(CREDENTIAL)?)?;
        let written = need(DATE)?;
        let date = time(written).ok_or(PresignFault::Date)?;
        if credential.service != rules.service {
            return Err(PresignFault::Service.into());
        }
        if !written.starts_with(credential.date) || credential.date.len() != DAY_DIGITS {
            return Err(PresignFault::ScopeDate.into());
        }
        let expires = seconds(need(EXPIRES)?).ok_or(PresignFault::Expires)?;
        if need(SIGNED_HEADERS)? != "host" {
            return Err(PresignFault::SignedHeaders.into());
        }
        let signature = need(SIGNATURE)?;
        if signature.len() != 64 || !signature.bytes().all(|b| matches!(b, b'0'..=b'9' | b'a'..=b'f')) {
            return Err(PresignFault::Signature.into());
        }
        let (key, region) = (credential.id.clone(), credential.region.to_owned());
        let signature = signature.to_owned();
        Ok(Self { request, rules, path, query, key, region, date, expires, signature })
    }

    /// Signs the request again with the key that it names, and compares. A key that nobody has costs the same work.
    pub fn believe(&self, clients: &PresignClients) -> Result<Arc<PresignClient>, PresignDenial> {
        let client = clients.find(&self.key);
        let nobody = Secret::new(NOBODY.to_owned());
        let secret = client.map_or(&nobody, |client| &client.secret);
        let given = Secret::new(self.signature.as_str());
        let mut holds = false;
        for method in self.request.methods {
            let ours = signature(self, method, secret);
            holds |= ours.is_some_and(|ours| Secret::new(ours.as_str()).matches(&given));
        }
        match client {
            None => Err(PresignDenial::Disbelieved(Disbelief::Key)),
            Some(_) if !holds => Err(PresignDenial::Disbelieved(Disbelief::Signature)),
            Some(client) => Ok(Arc::clone(client)),
        }
    }

    /// From when to when it lives, if that is as long as `rules` allow.
    pub fn lifetime(&self, rules: &PresignRules) -> Result<Lifetime, PresignDenial> {
        Lifetime::new(self.date, self.expires, rules)
    }
}

/// Every parameter is known, and those without a say of their own have the only value that they can have.
fn check_parameters(query: &Query<'_>, accepted: Parameters) -> Result<(), PresignFault> {
    for parameter in query.iter() {
        let value: &str = &parameter.value;
        match parameter.name {
            ALGORITHM | CREDENTIAL | DATE | EXPIRES | SIGNED_HEADERS | SIGNATURE => {}
            "X-Amz-Security-Token" => return Err(PresignFault::SecurityToken),
            _ if accepted == Parameters::Any => {}
            CONTENT_TYPE | CONTENT_DISPOSITION | CACHE_CONTROL => {}
            "X-Amz-Content-Sha256" if value != "UNSIGNED-PAYLOAD" => return Err(PresignFault::Payload),
            "x-id" if value != "GetObject" && value != "HeadObject" => return Err(PresignFault::Operation),
            "x-amz-checksum-mode" if value != "ENABLED" => return Err(PresignFault::ChecksumMode),
            "X-Amz-Content-Sha256" | "x-id" | "x-amz-checksum-mode" => {}
            _ => return Err(PresignFault::Unsupported),
        }
    }
    Ok(())
}

/// `20261121T102000Z`, and nothing that only reads like it.
fn time(text: &str) -> Option<UnixTime> {
    let digits = |b: &u8| b.is_ascii_digit();
    let (day, clock) = text.strip_suffix('Z')?.split_once('T')?;
    if day.len() != DAY_DIGITS || clock.len() != 6 || !day.bytes().chain(clock.bytes()).all(|b| digits(&b)) {
        return None;
    }
    let (year, month, of_month) = (day.get(..4)?, day.get(4..6)?, day.get(6..)?);
    let (hour, minute, second) = (clock.get(..2)?, clock.get(2..4)?, clock.get(4..)?);
    let rfc3339 = format!("{year}-{month}-{of_month}T{hour}:{minute}:{second}Z");
    // A leap second would be read as the second after it, and be signed as that.
    UnixTime::parse_rfc3339(&rfc3339).filter(|time| time.to_string() == rfc3339)
}

/// A number of seconds in its shortest spelling.
fn seconds(text: &str) -> Option<Duration> {
    let shortest = text == "0" || !text.starts_with('0');
    let digits = (1..=MOST_DIGITS).contains(&text.len()) && text.bytes().all(|b| b.is_ascii_digit());
    if shortest && digits { text.parse().ok().map(Duration::from_secs) } else { None }
}

pub(super) const ALGORITHM: &str = "X-Amz-Algorithm";
pub(super) const CREDENTIAL: &str = "X-Amz-Credential";
pub(super) const DATE: &str = "X-Amz-Date";
pub(super) const EXPIRES: &str = "X-Amz-Expires";
pub(super) const SIGNED_HEADERS: &str = "X-Amz-SignedHeaders";
pub(super) const SIGNATURE: &str = "X-Amz-Signature";
pub(super) const CONTENT_TYPE: &str = "response-content-type";
pub(super) const CONTENT_DISPOSITION: &str = "response-content-disposition";
pub(super) const CACHE_CONTROL: &str = "response-cache-control";

/// What requests are signed with whose key nobody has; whatever comes of it is not believed.
const NOBODY: &str = "hps_aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa";
const DAY_DIGITS: usize = 8;
/// No lifetime has more; a number of them always fits.
const MOST_DIGITS: usize = 10;
/// The longest key with every byte escaped, and a store before it.
const LONGEST_PATH: usize = 3 * 1024 + 64;
