//! How a read is held to one version: by version id where the bucket keeps versions, else by entity tag.
//!
//! Which of the two a version is stands in its text (`v:` or `e:`), so that links made before a bucket was given versions
//! stay readable after. The id `null` is what S3 calls objects written without versioning: it names whatever was written so
//! last, and pins nothing.

use crate::origin::OriginError;
use crate::value::{BadVersion, ObjectVersion};

/// What a read is held to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Pin<'a> {
    /// A version id, as `versionId` takes it.
    Version(&'a str),
    /// A strong entity tag with its quotes, as `If-Match` takes it.
    EntityTag(&'a str),
}

impl<'a> Pin<'a> {
    /// The pin that a version of ours stands for. A version that another kind of store made is readable here no more.
    pub(super) fn of(version: &'a ObjectVersion) -> Result<Self, OriginError> {
        match version.as_str().split_once(':') {
            Some(("v", id)) => Ok(Self::Version(id)),
            Some(("e", tag)) => Ok(Self::EntityTag(tag)),
            _ => Err(OriginError::Changed),
        }
    }

    /// The version that an answer names.
    pub(super) fn answered(id: Option<&str>, tag: Option<&str>) -> Result<ObjectVersion, OriginError> {
        let text = match (id, tag) {
            (Some(id), _) if names_one_version(id) => format!("v:{id}"),
            (_, Some(tag)) if is_strong(tag) => format!("e:{tag}"),
            _ => {
                return Err(OriginError::Failed(
                    "it gives neither a version id nor a strong ETag to pin reads to".into(),
                ));
            }
        };
        text.parse().map_err(|bad: BadVersion| OriginError::Failed(bad.to_string()))
    }

    /// Whether an answer is of the version that was asked for.
    pub(super) fn held(self, id: Option<&str>, tag: Option<&str>) -> Result<(), OriginError> {
        let (asked, answered) = match self {
            Self::Version(asked) => (asked, id),
            Self::EntityTag(asked) => (asked, tag),
        };
        match answered {
            Some(answered) if answered == asked => Ok(()),
            Some(_) => Err(OriginError::Changed),
            None => Err(OriginError::Failed("it answers a pinned read without saying which version it sends".into())),
        }
    }
}

fn names_one_version(id: &str) -> bool {
    !id.is_empty() && id != "null"
}

/// RFC 9110 section 8.8.3: a strong entity tag is quoted and has no `W/`. `If-Match` never matches a weak one.
fn is_strong(tag: &str) -> bool {
    tag.len() > 2 && tag.starts_with('"') && tag.ends_with('"')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_version_id_goes_before_an_entity_tag_unless_it_is_null() {
        for (id, tag, version) in [
            (Some("3sL4k"), Some("\"abc\""), Some("v:3sL4k")),
            (Some("null"), Some("\"abc\""), Some("e:\"abc\"")),
            (Some(""), Some("\"abc-2\""), Some("e:\"abc-2\"")),
            (None, Some("\"abc\""), Some("e:\"abc\"")),
            (Some("null"), None, None),
            (None, Some("W/\"abc\""), None),
            (None, Some("abc"), None),
            (None, Some("\"\""), None),
        ] {
            let said = Pin::answered(id, tag);
            assert_eq!(said.as_ref().ok().map(ObjectVersion::as_str), version, "{id:?} {tag:?}");
        }
    }

    #[test]
    fn a_pin_is_read_back_from_its_version() {
        let of = |text: &str| text.parse().ok();
        let (id, tag, other): (Option<ObjectVersion>, _, _) = (of("v:a:b"), of("e:\"x:y\""), of("f:1-2-3"));
        assert_eq!(Pin::of(&id.unwrap()), Ok(Pin::Version("a:b")));
        assert_eq!(Pin::of(&tag.unwrap()), Ok(Pin::EntityTag("\"x:y\"")));
        assert_eq!(Pin::of(&other.unwrap()), Err(OriginError::Changed));
    }

    #[test]
    fn a_store_that_ignores_the_pin_is_found_out() {
        let pin = Pin::EntityTag("\"old\"");
        assert_eq!(pin.held(None, Some("\"old\"")), Ok(()));
        assert_eq!(pin.held(None, Some("\"new\"")), Err(OriginError::Changed));
        assert!(matches!(pin.held(Some("id"), None), Err(OriginError::Failed(_))));
        assert_eq!(Pin::Version("1").held(Some("2"), Some("\"old\"")), Err(OriginError::Changed));
        assert!(matches!(Pin::Version("1").held(None, Some("\"old\"")), Err(OriginError::Failed(_))));
    }
}
