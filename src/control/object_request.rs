//! A request to publish: everything but the bytes stands in the query and the head, so the body can be the bytes and nothing else.

use ::http::HeaderMap;
use ::http::header::{CONTENT_ENCODING, CONTENT_LENGTH, CONTENT_TYPE};
use ::http::request::Parts;
use axum::extract::{FromRequestParts, Query};
use serde::Deserialize;
use utoipa::IntoParams;

use super::json_body::{BodyFault, plain};
use super::link_request::{Cache, DEFAULT_FETCHER, Header};
use super::problems::Failure;
use super::written::{Note, Ttl, optional_text, text};
use crate::publish::{KeyPrefix, PublishRequest};
use crate::value::{FileName, MediaType, ProfileName, StoreName};

/// What the query of a publish says. Only `store` is needed.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(super) struct ObjectQuery {
    /// The store that shall hold the asset.
    #[param(value_type = String, example = "media")]
    store: StoreName,
    /// What the asset's key begins with: nothing, or folders, each followed by `/`.
    #[serde(default, deserialize_with = "text")]
    #[param(value_type = Option<String>, max_length = 700, example = "promos/")]
    prefix: KeyPrefix,
    /// What the file shall be called; the key carries its stem and its extension.
    #[serde(default, deserialize_with = "optional_text")]
    #[param(value_type = Option<String>, max_length = 240, example = "winter.jpg")]
    filename: Option<FileName>,
    /// How long the link shall live, with its unit; without it, the settings' default.
    #[serde(default)]
    #[param(value_type = Option<String>, example = "20m")]
    ttl: Option<Ttl>,
    /// The template header that the asset is for: `WhatsApp`'s rules for it are checked before anything is stored.
    #[serde(default)]
    #[param(inline)]
    header: Option<Header>,
    /// What caches may do with the asset.
    #[serde(default)]
    #[param(inline)]
    cache: Option<Cache>,
    /// The fetcher profile that the link is for; without it, `meta`.
    #[serde(default)]
    #[param(value_type = Option<String>, example = "meta")]
    fetcher: Option<ProfileName>,
    /// Whether the link shall be unlike every other.
    #[serde(default)]
    unique: bool,
    /// Your own reference for the link; it is kept in our records.
    #[serde(rename = "ref", default, deserialize_with = "optional_text")]
    #[param(value_type = Option<String>, max_length = 200, example = "campaign-42")]
    reference: Option<Note>,
}

/// A request to publish, read from query and head.
pub(super) struct ObjectRequest(pub(super) PublishRequest);

impl<S: Send + Sync> FromRequestParts<S> for ObjectRequest {
    type Rejection = Failure;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Failure> {
        let query = Query::<ObjectQuery>::try_from_uri(&parts.uri);
        let Query(query) = query.map_err(|fault| BodyFault::Wrong(plain(&fault.body_text())))?;
        if parts.headers.contains_key(CONTENT_ENCODING) {
            return Err(BodyFault::Encoded.into());
        }
        Ok(Self(PublishRequest {
            content_type: declared(&parts.headers)?,
            // hyper has read it already, and ends a body that is shorter with an error.
            length: parts.headers.get(CONTENT_LENGTH).and_then(|length| length.to_str().ok()?.parse().ok()),
            ..query.meant()
        }))
    }
}

fn declared(headers: &HeaderMap) -> Result<Option<MediaType>, BodyFault> {
    let Some(said) = headers.get(CONTENT_TYPE) else { return Ok(None) };
    let read = said.to_str().map_err(|fault| fault.to_string());
    let read = read.and_then(|text| text.parse().map_err(|fault: crate::value::BadMediaType| fault.to_string()));
    read.map(Some).map_err(|fault| BodyFault::Wrong(format!("Content-Type: {fault}")))
}

impl ObjectQuery {
    fn meant(self) -> PublishRequest {
        let fetcher = self.fetcher.unwrap_or_else(|| DEFAULT_FETCHER.clone());
        PublishRequest {
            filename: self.filename,
            ttl: self.ttl.map(|Ttl(ttl)| ttl),
            header: self.header.map(Header::meant),
            cache: self.cache.map(Cache::meant).unwrap_or_default(),
            unique: self.unique,
            reference: self.reference.map(|Note(text)| text),
            ..PublishRequest::new(self.store, self.prefix, fetcher)
        }
    }
}

#[cfg(test)]
mod tests {
    use ::http::Request;

    use super::*;

    async fn read(query: &str, fields: &[(&'static str, &'static str)]) -> Result<PublishRequest, String> {
        let mut request = Request::post(format!("/v1/objects?{query}"));
        for (name, value) in fields {
            request = request.header(*name, *value);
        }
        let (mut parts, ()) = request.body(()).unwrap().into_parts();
        let read = ObjectRequest::from_request_parts(&mut parts, &()).await;
        read.map(|ObjectRequest(request)| request).map_err(|fault| fault.to_string())
    }

    #[tokio::test]
    async fn a_store_is_enough_and_the_rest_has_defaults() {
        let least = read("store=media", &[]).await.unwrap();
        assert_eq!((least.prefix.as_str(), least.fetcher.as_str(), least.unique), ("", "meta", false));
        assert!(least.filename.is_none() && least.content_type.is_none() && least.length.is_none());
        let all = "store=media&prefix=gr%C3%B6%C3%9Fe/a+b/&filename=winter%20sale.jpg&ttl=20m&header=image&cache=no-store&fetcher=any&unique=true&ref=c-42";
        let all = read(all, &[("content-type", "Image/JPEG"), ("content-length", "17")]).await.unwrap();
        assert_eq!((all.prefix.as_str(), all.filename.unwrap().as_str()), ("größe/a b/", "winter sale.jpg"));
        assert_eq!((all.ttl.unwrap().as_secs(), all.length, all.unique), (1200, Some(17), true));
        assert_eq!(
            (all.fetcher.as_str(), all.cache.as_str(), all.reference.as_deref()),
            ("any", "no-store", Some("c-42"))
        );
        assert_eq!((all.header.unwrap().as_str(), all.content_type.unwrap().as_str()), ("image", "image/jpeg"));
    }

    #[tokio::test]
    async fn faults_name_the_field_and_say_what_it_should_be() {
        for (query, said) in [
            ("", "missing field `store`"),
            ("store=M", "store: store names are 3 to 40 characters"),
            ("store=media&prefix=promos", "prefix: a prefix names folders, each followed by '/'"),
            ("store=media&prefix=../", "prefix: a prefix names folders"),
            ("store=media&filename=a/b", "filename: a file name cannot contain U+002F"),
            ("store=media&ttl=20", "ttl: write it as a text with its unit"),
            (
                "store=media&header=sticker",
                "header: unknown variant `sticker`, expected one of `image`, `video`, `document`",
            ),
            ("store=media&unique=yes", "unique: provided string was not `true` or `false`"),
            ("store=media&store=media", "duplicate field `store`"),
            ("store=media&key=a", "key: unknown field `key`, expected one of `store`, `prefix`"),
        ] {
            let found = read(query, &[]).await.unwrap_err();
            assert!(found.starts_with(said), "{query}: {found}");
        }
        for (field, value, said) in [
            ("content-encoding", "gzip", "send the bytes as they are"),
            ("content-type", "jpeg", "Content-Type: a media type is written type/subtype"),
        ] {
            let found = read("store=media", &[(field, value)]).await.unwrap_err();
            assert!(found.starts_with(said), "{field}: {found}");
        }
    }
}
