//! Revocations, as JSON.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::json_body::BodyFault;
use super::written::{Note, optional_text, optional_time, text};
use crate::catalog::RevocationRecord;
use crate::link::{KeyId, LinkId, Revocation};
use crate::value::{ClientName, Fingerprint, ObjectKey, StoreName, UnixTime};

/// What to revoke: exactly one of the first six fields.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields, expecting = "an object that names what to revoke")]
pub(super) struct RevocationRequest {
    /// One link, by its id.
    #[serde(default, deserialize_with = "optional_text")]
    #[schema(value_type = Option<String>, example = "lnk_b4k7abcdefgh2345")]
    link: Option<LinkId>,
    /// Every link to an object. It also forbids new ones until it is lifted.
    #[serde(default)]
    object: Option<ObjectWords>,
    /// Every link to these bytes, whatever they are called; administrators only. It also forbids new ones.
    #[serde(default, deserialize_with = "optional_text")]
    #[schema(value_type = Option<String>, pattern = "^[0-9a-f]{64}$")]
    fingerprint: Option<Fingerprint>,
    /// Every link sealed with a key; administrators only. It also forbids new ones.
    #[serde(default, deserialize_with = "optional_text")]
    #[schema(value_type = Option<String>, pattern = "^[0-9a-f]{8}$")]
    key_id: Option<KeyId>,
    /// Every link that a client minted; administrators only. It also forbids new ones.
    #[serde(default)]
    #[schema(value_type = Option<String>, example = "billing")]
    client: Option<ClientName>,
    /// Every link issued before a time that has passed; administrators only.
    #[serde(default, deserialize_with = "optional_time")]
    #[schema(value_type = Option<String>, format = DateTime)]
    issued_before: Option<UnixTime>,
    /// Why; it is kept with the revocation.
    #[serde(default, deserialize_with = "optional_text")]
    #[schema(value_type = Option<String>, max_length = 200)]
    reason: Option<Note>,
}

/// An object in a store.
#[derive(Debug, Deserialize, Serialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct ObjectWords {
    /// The store that holds it.
    #[schema(value_type = String, example = "media")]
    store: StoreName,
    /// Its key there.
    #[serde(deserialize_with = "text")]
    #[schema(value_type = String, example = "promos/winter.jpg")]
    key: ObjectKey,
}

impl RevocationRequest {
    /// The one revocation that is asked for, and why.
    pub(super) fn meant(self) -> Result<(Revocation, Option<String>), BodyFault> {
        let named = [
            self.link.map(Revocation::Link),
            self.object.map(|object| Revocation::Object(object.store, object.key)),
            self.fingerprint.map(Revocation::Fingerprint),
            self.key_id.map(Revocation::Key),
            self.client.map(Revocation::Client),
            self.issued_before.map(Revocation::IssuedBefore),
        ];
        let mut named = named.into_iter().flatten();
        match (named.next(), named.next()) {
            (Some(one), None) => Ok((one, self.reason.map(|Note(text)| text))),
            _ => Err(BodyFault::Wrong(EXACTLY_ONE.to_owned())),
        }
    }
}

/// A revocation in force.
#[derive(Serialize, ToSchema)]
pub(super) struct RevocationAnswer {
    /// Its number; lift it with `DELETE /v1/revocations/{id}`.
    id: u64,
    /// What it ends.
    revokes: Ended,
    /// Why.
    reason: Option<String>,
    /// The client that asked for it first.
    #[schema(value_type = String)]
    by: ClientName,
    /// When it was committed first.
    #[schema(value_type = String, format = DateTime)]
    created_at: UnixTime,
    /// When it lapses by itself; null stands until it is lifted.
    #[schema(value_type = Option<String>, format = DateTime)]
    expires_at: Option<UnixTime>,
}

/// What a revocation ends.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "snake_case")]
enum Ended {
    /// One link.
    #[schema(value_type = String)]
    Link(LinkId),
    /// Every link to an object.
    Object(ObjectWords),
    /// Every link to these bytes.
    #[schema(value_type = String)]
    Fingerprint(Fingerprint),
    /// Every link sealed with a key.
    #[schema(value_type = String)]
    KeyId(String),
    /// Every link that a client minted.
    #[schema(value_type = String)]
    Client(ClientName),
    /// Every link issued before a time.
    #[schema(value_type = String, format = DateTime)]
    IssuedBefore(UnixTime),
}

impl RevocationAnswer {
    /// `record`, which is of `revocation`.
    pub(super) fn new(record: RevocationRecord, revocation: Revocation) -> Self {
        Self {
            id: record.id,
            revokes: revocation.into(),
            reason: record.reason,
            by: record.client,
            created_at: record.created_at,
            expires_at: record.expires_at,
        }
    }
}

impl From<Revocation> for Ended {
    fn from(revocation: Revocation) -> Self {
        match revocation {
            Revocation::Link(id) => Self::Link(id),
            Revocation::Object(store, key) => Self::Object(ObjectWords { store, key }),
            Revocation::Fingerprint(fingerprint) => Self::Fingerprint(fingerprint),
            Revocation::Key(id) => Self::KeyId(id.to_string()),
            Revocation::Client(name) => Self::Client(name),
            Revocation::IssuedBefore(time) => Self::IssuedBefore(time),
        }
    }
}

/// All revocations that a client sees.
#[derive(Serialize, ToSchema)]
pub(super) struct RevocationList {
    /// The revocations in force, oldest first.
    pub(super) revocations: Vec<RevocationAnswer>,
}

const EXACTLY_ONE: &str = "name exactly one of link, object, fingerprint, key_id, client, issued_before";

#[cfg(test)]
mod tests {
    use super::*;
    use crate::control::json_body;

    fn read(json: &str) -> Result<(Revocation, Option<String>), String> {
        let read = json_body::read::<RevocationRequest>(json.as_bytes()).map_err(|fault| fault.to_string())?;
        read.meant().map_err(|fault| fault.to_string())
    }

    #[test]
    fn every_kind_is_read_and_told_in_the_same_words() {
        let digits = "ab".repeat(32);
        for (named, kind) in [
            (r#"{"link":"lnk_b4k7abcdefgh2345"}"#.to_owned(), "link"),
            (r#"{"object":{"store":"media","key":"a/b c.jpg"}}"#.to_owned(), "object"),
            (format!(r#"{{"fingerprint":"{digits}"}}"#), "fingerprint"),
            (r#"{"key_id":"01020304"}"#.to_owned(), "key"),
            (r#"{"client":"billing"}"#.to_owned(), "client"),
            (r#"{"issued_before":"2026-11-21T10:20:00Z"}"#.to_owned(), "issued_before"),
        ] {
            let (revocation, reason) = read(&named).unwrap();
            assert_eq!((revocation.kind(), reason), (kind, None));
            assert_eq!(serde_json::to_string(&Ended::from(revocation)).unwrap(), named);
        }
        assert_eq!(read(r#"{"client":"a","reason":"why"}"#).unwrap().1.as_deref(), Some("why"));
    }

    #[test]
    fn none_two_and_unreadable_ones_are_refused() {
        for (json, said) in [
            ("{}", EXACTLY_ONE),
            (r#"{"reason":"x"}"#, EXACTLY_ONE),
            (r#"{"link":null}"#, EXACTLY_ONE),
            (r#"{"client":"a","key_id":"01020304"}"#, EXACTLY_ONE),
            (r#"{"link":"LNK_B4K7ABCDEFGH2345"}"#, "link: a link id is lnk_"),
            (r#"{"link":"https://m.example/m/token/a.jpg"}"#, "link: a link id is lnk_"),
            (r#"{"object":"media/a"}"#, "object: invalid type: a text, expected struct ObjectWords"),
            (r#"{"object":{"store":"media"}}"#, "object: missing field `key`"),
            (
                r#"{"object":{"store":"media","key":"a","version":"x"}}"#,
                "object.version: unknown field `version`, expected `store` or `key`",
            ),
            (r#"{"issued_before":"now"}"#, "issued_before: a time is written like"),
            (r#"{"everything":true}"#, "everything: unknown field `everything`, expected one of `link`, `object`"),
        ] {
            let found = read(json).unwrap_err();
            assert!(found.starts_with(said), "{json}: {found}");
        }
    }
}
