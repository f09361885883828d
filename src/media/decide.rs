//! Which media type an asset is served with: what the request declares, else what the bytes show, else what the extension or the
//! store says.
//!
//! The bytes have a veto: a declared type that they contradict is an error, and active content is refused by whichever witness
//! calls it so, because a browser may believe any of them. A store's type is the last witness: buckets say
//! `binary/octet-stream` of everything, which is never believed.

use super::facts::Facts;
use super::naming::{canonical, promised_by};
use crate::value::MediaType;

/// The media type to serve.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TypeDecision {
    /// What `Content-Type` will say.
    pub media_type: MediaType,
    /// A browser would run it: it may leave only as an attachment in a sandbox.
    pub active: bool,
}

/// Why no media type can be given.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum TypeRefusal {
    /// The request's claim and the bytes contradict each other.
    #[error("the request says {declared}, but the content is {found}; declare what it is, or leave the type out")]
    Contradiction {
        /// What the request says.
        declared: MediaType,
        /// What the bytes are: the name of the format.
        found: &'static str,
    },
    /// The claim is a pattern such as `image/*`.
    #[error("{0} is a pattern, not a media type; declare one type, such as image/jpeg, or leave it out")]
    Pattern(MediaType),
    /// Browsers would run the content, and the store does not allow that.
    #[error(
        "{witness} says that this is active content ({what}), which this store does not serve; \
         allow it in its settings, or convert the file"
    )]
    Active {
        /// Who says so: the content, the request, the extension or the store.
        witness: &'static str,
        /// What it is said to be.
        what: String,
    },
}

impl TypeRefusal {
    /// The stable code for this refusal.
    pub fn code(&self) -> &'static str {
        match self {
            Self::Contradiction { .. } => "type-contradiction",
            Self::Pattern(_) => "type-pattern",
            Self::Active { .. } => "active-content",
        }
    }
}

/// Decides the media type of content with these facts.
///
/// `declared` is the request's claim, `extension` that of the file name or else of the key (without a dot), `store_type` what the
/// store says. `allow_active` is the store's setting.
pub fn decide_type(
    facts: &Facts,
    declared: Option<&MediaType>,
    extension: Option<&str>,
    store_type: Option<&MediaType>,
    allow_active: bool,
) -> Result<TypeDecision, TypeRefusal> {
    let declared = declared.filter(|claim| claim.essence() != NOT_A_TYPE);
    if let Some(claim) = declared {
        check_claim(facts, claim)?;
    }
    let promised = extension.and_then(promised_by);
    let media_type = match declared {
        Some(claim) => with_registered_name(claim),
        None => undeclared(facts, promised, store_type),
    };
    let active = active_by(facts, declared, promised, &media_type);
    match active {
        Some(refusal) if !allow_active => Err(refusal),
        active => Ok(TypeDecision { media_type, active: active.is_some() }),
    }
}

fn check_claim(facts: &Facts, claim: &MediaType) -> Result<(), TypeRefusal> {
    let essence = canonical(claim.essence());
    if essence.contains('*') {
        Err(TypeRefusal::Pattern(claim.clone()))
    } else if essence == ANY_BYTES || facts.format.agrees(essence) {
        Ok(())
    } else {
        Err(TypeRefusal::Contradiction { declared: claim.clone(), found: facts.format.name() })
    }
}

/// The type of content for which the request declares none.
fn undeclared(facts: &Facts, promised: Option<&'static str>, store_type: Option<&MediaType>) -> MediaType {
    let shown = facts.essence();
    let finer = promised.filter(|essence| facts.format.is_loose() && facts.format.agrees(essence));
    let stored = store_type.filter(|claim| is_believed(facts, claim));
    match (finer, stored, shown) {
        (Some(essence), _, _) => known(essence),
        (None, Some(claim), _) => with_registered_name(claim),
        (None, None, essence) => known(essence.unwrap_or(ANY_BYTES)),
    }
}

/// Whether a store's type adds to what the bytes show without contradicting them.
fn is_believed(facts: &Facts, claim: &MediaType) -> bool {
    let essence = canonical(claim.essence());
    let says_something = essence != NOT_A_TYPE && essence != ANY_BYTES && !essence.contains('*');
    // Text that the store calls HTML, though no markup was found, is text: buckets are full of such labels.
    let is_better_known = facts.essence().is_some() && is_active_essence(essence);
    says_something && facts.format.is_loose() && facts.format.agrees(essence) && !is_better_known
}

/// Whether a browser would run content of this type: it may leave only as an attachment in a sandbox.
pub fn is_active(media_type: &MediaType) -> bool {
    is_active_essence(media_type.essence())
}

/// The first witness who calls the content active.
fn active_by(
    facts: &Facts,
    declared: Option<&MediaType>,
    promised: Option<&str>,
    decided: &MediaType,
) -> Option<TypeRefusal> {
    let active = |witness, what: &str| TypeRefusal::Active { witness, what: what.to_owned() };
    let named = |witness, essence: Option<&str>| essence.filter(|e| is_active_essence(e)).map(|e| active(witness, e));
    let shown = facts.format.is_active().then(|| active("the content", facts.format.name()));
    shown
        .or_else(|| named("the request", declared.map(MediaType::essence)))
        .or_else(|| named("the extension", promised))
        .or_else(|| named("the store", Some(decided.essence())))
}

/// Whether a browser would run content of this type (or, for the last ones, a computer on which it is saved).
fn is_active_essence(essence: &str) -> bool {
    let (kind, subtype) = essence.split_once('/').unwrap_or((essence, ""));
    subtype.ends_with("+xml")
        || kind == "multipart"
        || ACTIVE.contains(&subtype)
        || subtype.contains("javascript")
        || subtype.contains("ecmascript")
}

fn with_registered_name(claim: &MediaType) -> MediaType {
    let essence = claim.essence();
    let parameters = claim.as_str().get(essence.len()..).unwrap_or_default();
    format!("{}{parameters}", canonical(essence)).parse().unwrap_or_else(|_| claim.clone())
}

/// A media type from one of our own tables or from `mime_guess`.
fn known(essence: &'static str) -> MediaType {
    #[expect(clippy::expect_used, reason = "constants of this program, all of which a test reads")]
    essence.parse().expect("a media type in a table is one")
}

/// What S3 says of an object for which nobody gave a type. No such type is registered.
const NOT_A_TYPE: &str = "binary/octet-stream";
/// The type that says nothing (RFC 2046 section 4.5.1).
const ANY_BYTES: &str = "application/octet-stream";
/// Subtypes of active content, beside those that end in `+xml` and the many names of JavaScript.
const ACTIVE: [&str; 18] = [
    "html",
    "xml",
    "xsl",
    "xml-dtd",
    "xml-external-parsed-entity",
    "jscript",
    "livescript",
    "vbscript",
    "x-sh",
    "x-csh",
    "x-shellscript",
    "x-php",
    "x-httpd-php",
    "hta",
    "x-shockwave-flash",
    "cache-manifest",
    "wasm",
    "rfc822",
];

#[cfg(test)]
mod tests {
    use super::super::samples::facts;
    use super::super::{Detail, Format};
    use super::*;

    fn of(format: Format) -> Facts {
        Facts { length: 9, format, detail: Detail::None }
    }

    fn decide(facts: &Facts, claims: [&str; 3], allow: bool) -> Result<(String, bool), TypeRefusal> {
        let [declared, extension, store] = claims;
        let parse = |text: &str| (!text.is_empty()).then(|| text.parse::<MediaType>().unwrap());
        let extension = (!extension.is_empty()).then_some(extension);
        decide_type(facts, parse(declared).as_ref(), extension, parse(store).as_ref(), allow)
            .map(|decision| (decision.media_type.to_string(), decision.active))
    }

    #[test]
    fn the_first_witness_who_knows_decides() {
        for (format, claims, expected) in [
            (Format::Jpeg, ["", "", ""], "image/jpeg"),
            (Format::Jpeg, ["image/jpg", "png", "image/png"], "image/jpeg"),
            (Format::Jpeg, ["Image/JPEG; a=b", "", ""], "image/jpeg; a=b"),
            (Format::Png, ["", "jpg", "image/jpeg"], "image/png"),
            (Format::Jpeg, ["binary/octet-stream", "", ""], "image/jpeg"),
            (Format::Jpeg, ["application/octet-stream", "", ""], "application/octet-stream"),
            (Format::Mp4, ["", "3gp", ""], "video/mp4"),
            (Format::Mp4, ["video/3gpp", "", ""], "video/3gpp"),
            (Format::Text, ["", "", ""], "text/plain"),
            (Format::Text, ["", "csv", ""], "text/csv"),
            (Format::Text, ["", "jpg", ""], "text/plain"),
            (Format::Text, ["", "", "text/csv; charset=utf-8"], "text/csv; charset=utf-8"),
            (Format::Text, ["", "", "text/html"], "text/plain"),
            (Format::Text, ["text/plain; charset=utf-8", "csv", ""], "text/plain; charset=utf-8"),
            (Format::Ole, ["", "doc", ""], "application/msword"),
            (Format::Ole, ["", "XLS", ""], "application/vnd.ms-excel"),
            (Format::Ole, ["", "", ""], "application/x-ole-storage"),
            (Format::Zip, ["", "epub", ""], "application/epub+zip"),
            (Format::Zip, ["", "docx", ""], "application/zip"),
            (Format::Unknown, ["", "woff2", ""], "font/woff2"),
            (Format::Unknown, ["", "jpg", ""], "application/octet-stream"),
            (Format::Unknown, ["", "", "image/x-own"], "image/x-own"),
            (Format::Unknown, ["", "", "image/jpeg"], "application/octet-stream"),
            (Format::Unknown, ["", "", "binary/octet-stream"], "application/octet-stream"),
            (Format::Unknown, ["", "", "*/*"], "application/octet-stream"),
            (Format::Empty, ["", "jpg", ""], "image/jpeg"),
            (Format::Empty, ["", "", ""], "application/octet-stream"),
        ] {
            assert_eq!(decide(&of(format), claims, false), Ok((expected.to_owned(), false)), "{format:?} {claims:?}");
        }
    }

    #[test]
    fn bytes_veto_a_claim_and_both_are_named() {
        for (format, declared) in [
            (Format::Png, "image/jpeg"),
            (Format::Html, "image/jpeg"),
            (Format::Jpeg, "application/pdf"),
            (Format::Text, "image/png"),
            (Format::Unknown, "video/mp4"),
            (Format::QuickTime, "video/mp4"),
            (Format::Zip, "application/vnd.openxmlformats-officedocument.wordprocessingml.document"),
            (Format::Pdf, "text/plain"),
        ] {
            let refusal = decide(&of(format), [declared, "", ""], true).unwrap_err();
            assert_eq!(refusal.code(), "type-contradiction");
            let text = refusal.to_string();
            assert!(text.contains(declared) && text.contains(format.name()), "{text}");
        }
        assert_eq!(decide(&of(Format::Jpeg), ["image/*", "", ""], true).unwrap_err().code(), "type-pattern");
    }

    #[test]
    fn active_content_is_refused_by_every_witness_unless_allowed() {
        for (format, claims, allowed) in [
            (Format::Html, ["", "", ""], "text/html"),
            (Format::Html, ["text/plain", "txt", ""], "text/plain"),
            (Format::Svg, ["image/svg+xml", "", ""], "image/svg+xml"),
            (Format::Xml, ["", "xml", ""], "text/xml"),
            (Format::Script, ["", "sh", ""], "application/x-sh"),
            (Format::Text, ["text/html", "", ""], "text/html"),
            (Format::Text, ["", "js", ""], "text/javascript"),
            (Format::Text, ["application/x-javascript", "", ""], "application/x-javascript"),
            (Format::Text, ["", "svg", ""], "text/plain"),
            (Format::Jpeg, ["", "html", ""], "image/jpeg"),
            (Format::Unknown, ["", "xhtml", ""], "application/xhtml+xml"),
            (Format::Unknown, ["", "", "text/html"], "text/html"),
            (Format::Unknown, ["multipart/x-mixed-replace", "", ""], "multipart/x-mixed-replace"),
        ] {
            let refusal = decide(&of(format), claims, false).unwrap_err();
            assert_eq!(refusal.code(), "active-content", "{format:?} {claims:?}");
            assert_eq!(decide(&of(format), claims, true), Ok((allowed.to_owned(), true)), "{format:?} {claims:?}");
        }
    }

    #[test]
    fn samples_get_their_types() {
        for (name, extension, expected) in [
            ("winter-sale.jpg", "jpg", "image/jpeg"),
            ("tour.mp4", "mp4", "video/mp4"),
            ("plain.3gp", "3gp", "video/3gpp"),
            ("price-list.pdf", "pdf", "application/pdf"),
            ("letter.docx", "docx", "application/vnd.openxmlformats-officedocument.wordprocessingml.document"),
            ("old.doc", "doc", "application/msword"),
            ("sound.m4a", "", "audio/mp4"),
            ("sound.ogg", "", "audio/ogg"),
            ("letter.txt", "txt", "text/plain"),
            ("plain.zip", "", "application/zip"),
        ] {
            assert_eq!(
                decide(&facts(name), ["", extension, "binary/octet-stream"], false),
                Ok((expected.to_owned(), false))
            );
        }
        assert_eq!(decide(&facts("page.jpg"), ["", "jpg", "image/jpeg"], false).unwrap_err().code(), "active-content");
    }

    #[test]
    fn every_type_in_a_table_is_one() {
        let extensions: Vec<_> = mime_guess::get_mime_extensions_str("*/*").unwrap().to_vec();
        assert!(extensions.len() > 1000);
        for essence in extensions.into_iter().filter_map(promised_by) {
            assert_eq!(known(essence).essence(), essence.to_ascii_lowercase());
        }
        for format in Format::ALL {
            format.types().iter().for_each(|essence| assert_eq!(known(essence).as_str(), *essence));
        }
    }
}
