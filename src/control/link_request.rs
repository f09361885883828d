//! A request for a link, as JSON.

use std::sync::LazyLock;

use serde::Deserialize;
use utoipa::ToSchema;

use super::written::{Note, Ttl, optional_text, text};
use crate::link::CachePolicy;
use crate::media::HeaderKind;
use crate::mint::MintRequest;
use crate::value::{FileName, MediaType, ObjectKey, ProfileName, StoreName};

/// A request for one link. Only `store` and `key` are needed.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields, expecting = "an object with store and key")]
pub(super) struct LinkRequest {
    /// The store that holds the asset.
    #[schema(value_type = String, example = "media")]
    store: StoreName,
    /// The asset's key in its store, byte for byte.
    #[serde(deserialize_with = "text")]
    #[schema(value_type = String, min_length = 1, max_length = 1024, example = "promos/winter.jpg")]
    key: ObjectKey,
    /// How long the link shall live, with its unit; without it, the settings' default.
    #[serde(default)]
    #[schema(value_type = Option<String>, example = "20m")]
    ttl: Option<Ttl>,
    /// The template header that the asset is for: `WhatsApp`'s rules for it are checked before anything is minted.
    #[serde(default)]
    header: Option<Header>,
    /// What the file shall be called.
    #[serde(default, deserialize_with = "optional_text")]
    #[schema(value_type = Option<String>, max_length = 240, example = "winter.jpg")]
    filename: Option<FileName>,
    /// What the asset is; its bytes must not contradict it.
    #[serde(default, deserialize_with = "optional_text")]
    #[schema(value_type = Option<String>, example = "image/jpeg")]
    content_type: Option<MediaType>,
    /// What caches may do with the asset.
    #[serde(default)]
    cache: Option<Cache>,
    /// The fetcher profile that the link is for; without it, `meta`.
    #[serde(default)]
    #[schema(value_type = Option<String>, example = "meta")]
    fetcher: Option<ProfileName>,
    /// Whether the link shall be unlike every other.
    #[serde(default)]
    unique: bool,
    /// Your own reference for the link; it is kept in our records.
    #[serde(rename = "ref", default, deserialize_with = "optional_text")]
    #[schema(value_type = Option<String>, max_length = 200, example = "campaign-42")]
    reference: Option<Note>,
}

/// A template header.
#[derive(Clone, Copy, Debug, Deserialize, ToSchema)]
#[serde(rename_all = "kebab-case")]
pub(super) enum Header {
    /// JPEG or PNG, at most 5 MB.
    Image,
    /// MP4 or 3GP, at most 16 MB.
    Video,
    /// Any document, at most 100 MB.
    Document,
}

/// What caches may do.
#[derive(Clone, Copy, Debug, Deserialize, ToSchema)]
#[serde(rename_all = "kebab-case")]
pub(super) enum Cache {
    /// Anybody may keep it; shared caches until the link ends.
    Immutable,
    /// The fetcher alone may keep it, until the link ends.
    Private,
    /// Nobody may keep it.
    NoStore,
}

impl LinkRequest {
    /// The store that it names.
    pub(super) const fn store(&self) -> &StoreName {
        &self.store
    }

    /// The key that it names.
    pub(super) const fn key(&self) -> &ObjectKey {
        &self.key
    }

    /// The same as the minter takes it.
    pub(super) fn meant(self) -> MintRequest {
        let fetcher = self.fetcher.unwrap_or_else(|| DEFAULT_FETCHER.clone());
        MintRequest {
            ttl: self.ttl.map(|Ttl(ttl)| ttl),
            header: self.header.map(Header::meant),
            filename: self.filename,
            content_type: self.content_type,
            cache: self.cache.map(Cache::meant).unwrap_or_default(),
            unique: self.unique,
            reference: self.reference.map(|Note(text)| text),
            ..MintRequest::new(self.store, self.key, fetcher)
        }
    }
}

impl Header {
    pub(super) const fn meant(self) -> HeaderKind {
        match self {
            Self::Image => HeaderKind::Image,
            Self::Video => HeaderKind::Video,
            Self::Document => HeaderKind::Document,
        }
    }
}

impl Cache {
    pub(super) const fn meant(self) -> CachePolicy {
        match self {
            Self::Immutable => CachePolicy::Immutable,
            Self::Private => CachePolicy::Private,
            Self::NoStore => CachePolicy::NoStore,
        }
    }
}

/// The profile that ships with us.
#[expect(clippy::expect_used, reason = "the name is a constant; the tests below read it")]
pub(super) static DEFAULT_FETCHER: LazyLock<ProfileName> = LazyLock::new(|| "meta".parse().expect("a profile name"));

#[cfg(test)]
mod tests {
    use super::*;
    use crate::control::json_body;

    fn read(json: &serde_json::Value) -> Result<MintRequest, String> {
        let read = json_body::read::<LinkRequest>(json.to_string().as_bytes()).map_err(|fault| fault.to_string())?;
        Ok(read.meant())
    }

    #[test]
    fn a_request_needs_a_store_and_a_key_and_the_rest_has_defaults() {
        let least = read(&serde_json::json!({"store": "media", "key": "a.jpg"})).unwrap();
        assert_eq!((least.fetcher.as_str(), least.cache, least.unique), ("meta", CachePolicy::Immutable, false));
        assert!(least.ttl.is_none() && least.header.is_none() && least.filename.is_none() && least.reference.is_none());
        let all = read(&serde_json::json!({
            "store": "media", "key": "a.jpg", "ttl": "20m", "header": "image", "filename": "winter.jpg", "content_type": "image/jpeg",
            "cache": "no-store", "fetcher": "any", "unique": true, "ref": "campaign-42"
        }))
        .unwrap();
        assert_eq!(all.ttl.unwrap().as_secs(), 1200);
        assert!(matches!(all.header, Some(HeaderKind::Image)));
        assert_eq!((all.fetcher.as_str(), all.cache, all.unique), ("any", CachePolicy::NoStore, true));
        assert_eq!(all.reference.as_deref(), Some("campaign-42"));
        let nulls = serde_json::json!({"store": "media", "key": "a", "ttl": null, "header": null, "filename": null, "ref": null});
        assert!(read(&nulls).is_ok());
    }

    #[test]
    fn faults_name_the_field_and_say_what_it_should_be() {
        for (field, value, said) in [
            (
                "ttl",
                serde_json::json!(20),
                "ttl: invalid type: integer `20`, expected a text with its unit, such as \"20m\"",
            ),
            ("ttl", serde_json::json!("20"), "ttl: write it as a text with its unit, such as \"20m\" or \"1200s\""),
            ("store", serde_json::json!("M"), "store: store names are 3 to 40 characters"),
            ("key", serde_json::json!(""), "key: an object key cannot be empty"),
            (
                "header",
                serde_json::json!("sticker"),
                "header: unknown variant `sticker`, expected one of `image`, `video`, `document`",
            ),
            (
                "cache",
                serde_json::json!("public"),
                "cache: unknown variant `public`, expected one of `immutable`, `private`, `no-store`",
            ),
            ("filename", serde_json::json!("a/b"), "filename: a file name cannot contain U+002F"),
            ("content_type", serde_json::json!("jpeg"), "content_type: a media type is written type/subtype"),
            ("ref", serde_json::json!("a\nb"), "ref: use at most 200 characters"),
            ("unique", serde_json::json!("yes"), "unique: invalid type: a text, expected a boolean"),
            (
                "TTL",
                serde_json::json!("20m"),
                "TTL: unknown field `TTL`, expected one of `store`, `key`, `ttl`, `header`, `filename`",
            ),
        ] {
            let mut json = serde_json::json!({"store": "media", "key": "a"});
            json[field] = value;
            let found = read(&json).unwrap_err();
            assert!(found.starts_with(said), "{field}: {found}");
        }
    }
}
