//! Which keys the library can address, and how they are written for it.
//!
//! Its paths are segments between slashes. Empty, `.` and `..` segments and control characters do not exist for it, slashes at an edge it drops.
//! Such keys are refused with a text, since another object would be meant. All others pass byte for byte: `Path::parse` takes a text as it is,
//! where `Path::from` would percent-encode it.

use object_store::path::Path;

use super::Cloud;
use crate::origin::OriginError;
use crate::value::ObjectKey;

/// The whole name of the object in its bucket or container.
pub(super) fn path(cloud: Cloud, directory: &str, key: &ObjectKey) -> Result<Path, OriginError> {
    addressable(cloud, key.as_str()).map_err(OriginError::Unaddressable)?;
    let full = format!("{directory}{key}");
    if full.len() > ObjectKey::MAX_BYTES {
        return Err(OriginError::Unaddressable("with the store's prefix it is longer than 1,024 bytes"));
    }
    let path = Path::parse(&full).ok().filter(|path| path.as_ref() == full);
    path.ok_or(OriginError::Unaddressable("the store's client would write it otherwise"))
}

/// The prefix as it is put before a key: empty, or ending in `/`.
pub(super) fn directory(cloud: Cloud, prefix: Option<&str>) -> Result<String, OriginError> {
    let Some(prefix) = prefix.filter(|prefix| !prefix.is_empty()) else { return Ok(String::new()) };
    let bare = prefix.strip_suffix('/').unwrap_or(prefix);
    addressable(cloud, bare).map_err(|why| OriginError::Failed(format!("the prefix cannot be addressed: {why}")))?;
    Ok(format!("{bare}/"))
}

fn addressable(cloud: Cloud, text: &str) -> Result<(), &'static str> {
    if text.bytes().any(|b| b.is_ascii_control()) {
        return Err("it has control characters");
    }
    for segment in text.split('/') {
        match segment {
            "" => return Err("it begins or ends with '/', or has two of them in a row"),
            "." | ".." => return Err("one of its segments is '.' or '..'"),
            // Of these two, Azure makes another name, by which another blob would answer.
            dotted if cloud == Cloud::Azure && dotted.ends_with('.') => {
                return Err("one of its segments ends with '.', which Azure drops");
            }
            slashed if cloud == Cloud::Azure && slashed.contains('\\') => {
                return Err("it has a '\\', which Azure takes for '/'");
            }
            _ => {}
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn full(cloud: Cloud, prefix: Option<&str>, key: &str) -> Option<String> {
        let directory = directory(cloud, prefix).unwrap();
        path(cloud, &directory, &key.parse().unwrap()).ok().map(|path| path.as_ref().to_owned())
    }

    #[test]
    fn what_can_be_addressed_stays_as_it_is() {
        let long = "x".repeat(1024);
        for key in
            ["a", "a b/c+d", "%2e%2e%2f", "100%", "a=b&c#d?e", " x ", "größe/😀", "e\u{301}", "~[]{}^`|\"<>*", &long]
        {
            for cloud in [Cloud::Gcs, Cloud::Azure] {
                assert_eq!(full(cloud, None, key).as_deref(), Some(key), "{key}");
            }
        }
    }

    #[test]
    fn what_cannot_is_refused_and_nothing_leaves_the_prefix() {
        for key in
            ["/a", "a/", "/", "a//b", ".", "..", "a/../b", "../a", "a/.", "./a", "tab\there", "a\nb", "del\u{7f}"]
        {
            for cloud in [Cloud::Gcs, Cloud::Azure] {
                for prefix in [None, Some("deep/er")] {
                    assert_eq!(full(cloud, prefix, key), None, "{prefix:?} {key:?}");
                }
            }
        }
        for dotted in ["a.", "...", "a./b", "a /b...", "a\\b", "..\\secret"] {
            assert_eq!(full(Cloud::Azure, None, dotted), None, "{dotted}");
            assert_eq!(full(Cloud::Gcs, None, dotted).as_deref(), Some(dotted));
        }
    }

    #[test]
    fn a_prefix_is_a_directory() {
        for prefix in ["promo", "promo/"] {
            assert_eq!(full(Cloud::Gcs, Some(prefix), "-secret/x").as_deref(), Some("promo/-secret/x"));
            assert_eq!(full(Cloud::Gcs, Some(prefix), &"x".repeat(1019)), None);
        }
        assert_eq!(full(Cloud::Gcs, Some(""), "a").as_deref(), Some("a"));
        for bad in ["/", "/a", "a//", "a//b", "..", "a/./b", "a\u{1}"] {
            assert!(matches!(directory(Cloud::Gcs, Some(bad)), Err(OriginError::Failed(_))), "{bad:?}");
        }
    }
}
