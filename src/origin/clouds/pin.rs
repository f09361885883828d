//! How a read is held to one version: by generation in GCS, by entity tag in Azure.
//!
//! Which of the two a version is stands in its text (`g:` or `e:`). A generation names one overwrite, and an older one is readable while the
//! bucket keeps it. An entity tag of Azure changes with every write, and is compared by `If-Match`.

use http::HeaderMap;
use http::header::ETAG;
use object_store::GetOptions;

use super::Cloud;
use crate::origin::OriginError;
use crate::value::{BadVersion, ObjectVersion};

/// What a read is held to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Pin {
    /// A generation, in decimal digits.
    Generation(String),
    /// A strong entity tag with its quotes.
    EntityTag(String),
}

impl Pin {
    /// The pin that a version of ours stands for. A version that another kind of store made is readable here no more.
    pub(super) fn of(cloud: Cloud, version: &ObjectVersion) -> Result<Self, OriginError> {
        match (cloud, version.as_str().split_once(':')) {
            (Cloud::Gcs, Some(("g", generation))) if is_generation(generation) => {
                Ok(Self::Generation(generation.to_owned()))
            }
            (Cloud::Azure, Some(("e", tag))) if is_strong(tag) => Ok(Self::EntityTag(tag.to_owned())),
            _ => Err(OriginError::Changed),
        }
    }

    /// The version that the store says it has.
    pub(super) fn answered(
        cloud: Cloud,
        generation: Option<&str>,
        tag: Option<&str>,
    ) -> Result<ObjectVersion, OriginError> {
        let text = match (cloud, generation, tag) {
            (Cloud::Gcs, Some(generation), _) if is_generation(generation) => format!("g:{generation}"),
            (Cloud::Azure, _, Some(tag)) if is_strong(tag) => format!("e:{tag}"),
            _ => return Err(OriginError::Failed(format!("it gives no {} to pin reads to", cloud.pin_name()))),
        };
        text.parse().map_err(|bad: BadVersion| OriginError::Failed(bad.to_string()))
    }

    /// Options of a read of this version alone.
    pub(super) fn options(&self) -> GetOptions {
        match self.clone() {
            Self::Generation(generation) => GetOptions { version: Some(generation), ..GetOptions::default() },
            Self::EntityTag(tag) => GetOptions { if_match: Some(tag), ..GetOptions::default() },
        }
    }

    /// Whether an answer is of the version that was asked for.
    pub(super) fn held(&self, head: &HeaderMap) -> Result<(), OriginError> {
        let (asked, answered) = match self {
            Self::Generation(asked) => (asked, head.get("x-goog-generation")),
            Self::EntityTag(asked) => (asked, head.get(ETAG)),
        };
        match answered {
            Some(answered) if answered == asked => Ok(()),
            Some(_) => Err(OriginError::Changed),
            None => Err(OriginError::Failed("it answers a pinned read without saying which version it sends".into())),
        }
    }
}

/// A positive number of 64 bits with its sign, as GCS counts them.
fn is_generation(text: &str) -> bool {
    text.bytes().all(|b| b.is_ascii_digit()) && text.parse::<i64>().is_ok_and(|number| number > 0)
}

/// RFC 9110 section 8.8.3: a strong entity tag is quoted and has no `W/`. `If-Match` never matches a weak one.
fn is_strong(tag: &str) -> bool {
    let inner = tag.strip_prefix('"').and_then(|rest| rest.strip_suffix('"'));
    inner.is_some_and(|inner| !inner.is_empty() && inner.bytes().all(|b| b.is_ascii_graphic() && b != b'"'))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_pin_is_read_back_from_a_version_of_its_own_cloud_only() {
        for (cloud, text, pin) in [
            (Cloud::Gcs, "g:1700000000000000", Some(Pin::Generation("1700000000000000".into()))),
            (Cloud::Azure, "e:\"0x8D\"", Some(Pin::EntityTag("\"0x8D\"".into()))),
            (Cloud::Gcs, "e:\"0x8D\"", None),
            (Cloud::Azure, "g:17", None),
            (Cloud::Gcs, "v:17", None),
            (Cloud::Gcs, "g:", None),
            (Cloud::Gcs, "g:0", None),
            (Cloud::Gcs, "g:-1", None),
            (Cloud::Gcs, "g:+1", None),
            (Cloud::Gcs, "g:9223372036854775808", None),
            (Cloud::Gcs, "g:1&x=y", None),
            (Cloud::Azure, "e:*", None),
            (Cloud::Azure, "e:W/\"a\"", None),
            (Cloud::Azure, "e:\"a\", \"b\"", None),
            (Cloud::Azure, "e:\"\"", None),
            (Cloud::Azure, "f:1-2-3", None),
        ] {
            assert_eq!(Pin::of(cloud, &text.parse().unwrap()).ok(), pin, "{cloud:?} {text}");
        }
    }

    #[test]
    fn a_store_that_ignores_the_pin_is_found_out() {
        let head =
            |name: &'static str, value: &str| HeaderMap::from_iter([(name.parse().unwrap(), value.parse().unwrap())]);
        for (pin, name, said, held) in [
            (Pin::Generation("7".into()), "x-goog-generation", "7", Ok(())),
            (Pin::Generation("7".into()), "x-goog-generation", "8", Err(OriginError::Changed)),
            (Pin::EntityTag("\"a\"".into()), "etag", "\"a\"", Ok(())),
            (Pin::EntityTag("\"a\"".into()), "etag", "\"b\"", Err(OriginError::Changed)),
            (Pin::EntityTag("\"a\"".into()), "etag", "W/\"a\"", Err(OriginError::Changed)),
        ] {
            assert_eq!(pin.held(&head(name, said)), held, "{pin:?} {said}");
        }
        for pin in [Pin::Generation("7".into()), Pin::EntityTag("\"a\"".into())] {
            assert!(matches!(pin.held(&HeaderMap::new()), Err(OriginError::Failed(_))));
        }
    }
}
