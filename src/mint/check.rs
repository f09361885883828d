//! From what is known of an asset to what its link will say of it: media type, name, header, warnings; or why there is none.

use super::{Known, MintError, MintRequest, MintWarning};
use crate::media::{self, HeaderKind};
use crate::value::{FileName, MediaType};

/// What the checks of an asset's content settled.
#[derive(Clone, Debug)]
pub struct Judged {
    /// What it is served as.
    pub media_type: MediaType,
    /// What it is called.
    pub name: FileName,
    /// Which header of a template it fits.
    pub header: HeaderKind,
    /// What is not wrong, and yet may surprise.
    pub warnings: Vec<MintWarning>,
}

/// Decides the media type, of which the store says `stored`, and the name, and asks WhatsApp's rules, where the request names a header. No byte is read for it.
pub(super) fn check(
    request: &MintRequest,
    stored: Option<&str>,
    known: &Known,
    allow_active: bool,
) -> Result<Judged, MintError> {
    let key_name: Option<FileName> = request.key.last_segment().parse().ok();
    let called = request.filename.as_ref().or(key_name.as_ref());
    let stored = stored.and_then(|text| text.parse().ok());
    let extension = called.and_then(FileName::extension);
    let declared = request.content_type.as_ref();
    let media_type = media::decide_type(&known.facts, declared, extension, stored.as_ref(), allow_active)?.media_type;
    let name = file_name(request.filename.as_ref(), key_name.as_ref(), &media_type);
    let findings = media::preflight(&known.facts, request.header, &media_type, name.extension());
    if !findings.refusals.is_empty() {
        return Err(MintError::Preflight(findings.refusals));
    }
    let warnings = findings.warnings.into_iter().map(|w| MintWarning { code: w.code, message: w.message }).collect();
    let header = request.header.unwrap_or_else(|| HeaderKind::fitting(&media_type));
    Ok(Judged { media_type, name, header, warnings })
}

/// The name as the client wishes; else a plain one of the media kind, so that the URL does not tell how our storage is laid out. The
/// extension is the wish's, else the media type's, else the key's.
fn file_name(wish: Option<&FileName>, key_name: Option<&FileName>, media_type: &MediaType) -> FileName {
    let kind = media::stem_for(media_type);
    let stem = wish.map_or(kind, FileName::stem);
    let ext = wish
        .and_then(FileName::extension)
        .or_else(|| media::extension_for(media_type))
        .or_else(|| key_name.and_then(FileName::extension))
        .unwrap_or("bin");
    // A wish that is too long to be given an extension keeps its own text.
    let named = format!("{stem}.{ext}").parse().ok();
    named.or_else(|| wish.cloned()).unwrap_or_else(FileName::nameless)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_is_the_wish_and_else_tells_nothing_of_the_key() {
        for (wish, key, media_type, expected) in [
            (Some("winter.jpg"), "a.png", "image/jpeg", "winter.jpg"),
            (Some("winter"), "a.png", "image/jpeg", "winter.jpg"),
            (None, "customer-4711.png", "image/jpeg", "image.jpg"),
            (None, "customer-4711.pdf", "application/pdf", "document.pdf"),
            (None, "data.xyz", "application/octet-stream", "file.xyz"),
            (None, "data", "application/octet-stream", "file.bin"),
        ] {
            let wish: Option<FileName> = wish.map(|wish| wish.parse().unwrap());
            let name = file_name(wish.as_ref(), Some(&key.parse().unwrap()), &media_type.parse().unwrap());
            assert_eq!(name.as_str(), expected, "{key}");
        }
        let long: FileName = "x".repeat(FileName::MAX_BYTES).parse().unwrap();
        assert_eq!(file_name(Some(&long), None, &"image/png".parse().unwrap()), long);
    }
}
