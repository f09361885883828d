//! The query of a presigned URL as a list of parameters: each canonical, each there once, in any order.

use std::borrow::Cow;

use percent_encoding::percent_decode_str;

use super::canonical::decoded_part;
use super::{PresignDenial, PresignFault};

/// Whether a query is meant as S3's query form of a signature, however wrong it is: Signature Version 4, or the one before it.
pub fn is_presigned(query: &str) -> bool {
    names(query).any(|name| is_of_v4(&name) || is_of_v2(&name))
}

/// The names in a query as it may mean them, whatever their spelling.
fn names(query: &str) -> impl Iterator<Item = Cow<'_, [u8]>> {
    query.split('&').map(|pair| percent_decode_str(pair.split('=').next().unwrap_or_default()).into())
}

fn is_of_v4(name: &[u8]) -> bool {
    name.get(..V4_PREFIX.len()).is_some_and(|start| start.eq_ignore_ascii_case(V4_PREFIX))
}

fn is_of_v2(name: &[u8]) -> bool {
    V2_NAMES.iter().any(|one| name.eq_ignore_ascii_case(one))
}

/// The parameters of a canonical query.
pub(super) struct Query<'a>(Vec<Parameter<'a>>);

/// One parameter.
pub(super) struct Parameter<'a> {
    /// The name as it was written, which is the only way to write it.
    pub(super) name: &'a str,
    /// The value as it was written.
    pub(super) raw: &'a str,
    /// What the value says.
    pub(super) value: Cow<'a, str>,
}

impl<'a> Query<'a> {
    /// Takes a query apart. Its length and the number of its parameters are bounded first.
    pub(super) fn parse(query: &'a str) -> Result<Self, PresignDenial> {
        if query.len() > LONGEST {
            return Err(PresignFault::TooLong.into());
        }
        // Temporary credentials add a parameter of the new kind to the old one, so the algorithm decides.
        if names(query).any(|name| is_of_v2(&name)) && !names(query).any(|name| name.eq_ignore_ascii_case(V4_MARK)) {
            return Err(PresignDenial::OldSignature);
        }
        let mut parameters: Vec<Parameter<'a>> = Vec::new();
        for pair in query.split('&') {
            let (name, raw) = pair.split_once('=').filter(|(name, _)| !name.is_empty()).ok_or(PresignFault::Query)?;
            decoded_part(name).ok_or(PresignFault::Query)?;
            let value = decoded_part(raw).ok_or(PresignFault::Query)?;
            if parameters.iter().any(|other| other.name == name) {
                return Err(PresignFault::Repeated.into());
            }
            if parameters.len() == MOST {
                return Err(PresignFault::TooLong.into());
            }
            parameters.push(Parameter { name, raw, value });
        }
        Ok(Self(parameters))
    }

    /// What the parameter says, if it is there.
    pub(super) fn get(&self, name: &str) -> Option<&str> {
        self.0.iter().find(|one| one.name == name).map(|one| &*one.value)
    }

    /// All parameters, in their order.
    pub(super) fn iter(&self) -> impl Iterator<Item = &Parameter<'a>> {
        self.0.iter()
    }
}

/// More bytes than a right query has: its overrides are the only parameters of any length.
const LONGEST: usize = 8 * 1024;
/// More parameters than there are names.
const MOST: usize = 32;
const V4_MARK: &[u8] = b"X-Amz-Algorithm";
const V4_PREFIX: &[u8] = b"X-Amz-";
const V2_NAMES: [&[u8]; 2] = [b"AWSAccessKeyId", b"Signature"];
