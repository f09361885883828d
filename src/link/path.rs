//! A link as text: building the URL, and taking a request's path apart.
//!
//! `https://{public host}/m/{token}/{stem}.{16 hex of the fingerprint}.{ext}`, in the alphabet `A-Z a-z 0-9 - . /` alone: no query
//! and nothing to escape, because middle tiers turn `&`, `_`, `%` and `+` into something else.

use std::fmt;
use std::str::FromStr;

use super::{Grant, PublicOrigin};
use crate::value::{BASE32, FileName};

/// A link that was sealed: the whole URL and its id. Whoever holds the URL can fetch the asset, so `Debug` prints the id alone.
#[derive(Clone, PartialEq, Eq)]
pub struct Link {
    url: String,
    id: LinkId,
}

impl Link {
    /// Above this many characters a link draws a warning: some middle tiers cut there.
    pub const LONG: usize = 512;
    /// Above this many characters no link is made.
    pub const TOO_LONG: usize = 1024;

    pub(super) fn new(origin: &PublicOrigin, token: &str, name: &NameSegment) -> Self {
        let url = format!("{origin}{PREFIX}{token}/{name}", name = name.as_str());
        Self { url, id: LinkId::of(token) }
    }

    /// The whole URL. It is a credential: it belongs in the answer to a mint, and in no log.
    pub fn url(&self) -> &str {
        &self.url
    }

    /// What logs, metrics and revocations call this link.
    pub const fn id(&self) -> LinkId {
        self.id
    }
}

impl fmt::Debug for Link {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Link({})", self.id)
    }
}

/// The last segment of a link's path: `{stem}.{16 hex of the fingerprint}.{ext}`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NameSegment(String);

impl NameSegment {
    /// The name under which `grant` is fetched.
    pub fn of(grant: &Grant) -> Self {
        let stem = plain_stem(&grant.name);
        let ext = grant.name.extension().unwrap_or("bin");
        Self(format!("{stem}.{}.{ext}", grant.fingerprint.short()))
    }

    /// The segment as text: letters, digits, `-` and `.`.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// The file name's stem in letters, digits and `-`, at most 40 of them.
fn plain_stem(name: &FileName) -> String {
    let mut stem = String::with_capacity(LONGEST_STEM);
    for c in name.stem().chars() {
        let plain = if c.is_ascii_alphanumeric() { c } else { '-' };
        if plain != '-' || (!stem.is_empty() && !stem.ends_with('-')) {
            stem.push(plain);
        }
        if stem.len() == LONGEST_STEM {
            break;
        }
    }
    stem.truncate(stem.trim_end_matches('-').len());
    if stem.is_empty() { "file".to_owned() } else { stem }
}

/// A request path that has the shape of a link. Nothing in it is believed yet.
#[derive(Clone, Copy)]
pub struct LinkPath<'a> {
    /// The sealed grant as text.
    pub(super) token: RawToken<'a>,
    /// The name segment, to which the seal is bound.
    pub(super) name: &'a str,
}

/// A token that nobody has checked. It has no `Debug` and no `Display`, so it cannot reach a log.
#[derive(Clone, Copy)]
pub struct RawToken<'a>(pub(super) &'a str);

/// The path or URL is not shaped like a link.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("this is not a link; one looks like https://.../m/{{token}}/{{name}}")]
pub struct NotALink;

impl<'a> LinkPath<'a> {
    /// Whether `path` is meant as a link, well formed or not.
    pub fn is_meant_by(path: &str) -> bool {
        path.starts_with(PREFIX)
    }

    /// Takes `/m/{token}/{name}` apart; every other shape, length or character is refused.
    pub fn parse(path: &'a str) -> Result<Self, NotALink> {
        // The length comes first: a path of many thousand characters is not even searched for its slash.
        let rest = path.strip_prefix(PREFIX).filter(|rest| rest.len() <= LONGEST_REST).ok_or(NotALink)?;
        let (token, name) = rest.split_once('/').ok_or(NotALink)?;
        let fits = |text: &str, longest| (1..=longest).contains(&text.len());
        if fits(token, Link::TOO_LONG) && fits(name, LONGEST_NAME) && is_plain(token) && is_plain(name) {
            Ok(Self { token: RawToken(token), name })
        } else {
            Err(NotALink)
        }
    }

    /// The same from a whole URL, as people paste it: an appended query or fragment changes nothing.
    pub fn parse_url(url: &'a str, origin: &PublicOrigin) -> Result<Self, NotALink> {
        let path = url.strip_prefix(origin.as_str()).ok_or(NotALink)?;
        Self::parse(path.split(['?', '#']).next().unwrap_or_default())
    }

    /// What logs and revocations would call this link, if it were one of ours.
    pub fn id(&self) -> LinkId {
        LinkId::of(self.token.0)
    }
}

/// Whether all of `text` is in the alphabet of links.
///
/// It looks at every character even after a wrong one: without an early exit the compiler compares many at once, which is ten times
/// as fast. This scan used to be most of what a long hostile token cost us.
fn is_plain(text: &str) -> bool {
    text.bytes().fold(true, |plain, b| plain & (b.is_ascii_alphanumeric() || matches!(b, b'-' | b'.')))
}

/// What logs, metrics, revocations and webhooks call a link: `lnk_` and base32 of the first 10 bytes of the token's BLAKE3.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct LinkId([u8; 10]);

/// The text is not a link id.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("a link id is lnk_ and 16 characters of a-z and 2-7, such as lnk_b4k7abcdefgh2345")]
pub struct NotALinkId;

impl LinkId {
    /// The id of the link with this token: of ours the sealed grant, of a presigned one its signature.
    pub fn of(token: &str) -> Self {
        let hash = blake3::hash(token.as_bytes());
        let mut first = [0; 10];
        for (to, from) in first.iter_mut().zip(hash.as_bytes()) {
            *to = *from;
        }
        Self(first)
    }
}

impl fmt::Display for LinkId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut text = *b"lnk_----------------";
        if let Some((_, digits)) = text.split_at_mut_checked(ID_PREFIX.len()) {
            BASE32.encode_mut(&self.0, digits);
        }
        f.write_str(std::str::from_utf8(&text).unwrap_or(ID_PREFIX))
    }
}

impl fmt::Debug for LinkId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl FromStr for LinkId {
    type Err = NotALinkId;

    fn from_str(text: &str) -> Result<Self, NotALinkId> {
        let digits = text.strip_prefix(ID_PREFIX).ok_or(NotALinkId)?;
        let bytes = BASE32.decode(digits.as_bytes()).map_err(|_| NotALinkId)?;
        bytes.try_into().map(Self).map_err(|_| NotALinkId)
    }
}

impl serde::Serialize for LinkId {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

/// What every link's path begins with. No store can be called `m`.
const PREFIX: &str = "/m/";
const ID_PREFIX: &str = "lnk_";
/// The longest stem, in characters.
const LONGEST_STEM: usize = 40;
/// The longest name segment: stem, 16 digits, an extension of 10, two dots.
const LONGEST_NAME: usize = LONGEST_STEM + 1 + 16 + 1 + 10;
/// The longest token and name, and the slash between them.
const LONGEST_REST: usize = Link::TOO_LONG + 1 + LONGEST_NAME;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::link::grant::tests::sample;

    #[test]
    fn names_are_plain_and_fingerprinted() {
        let long = "x".repeat(60) + ".jpg";
        let x40 = "x".repeat(40);
        for (name, stem, ext) in [
            ("winter sale.JPG", "winter-sale", "JPG"),
            ("größe_&=(1).pdf", "gr-e-1", "pdf"),
            ("日本.png", "file", "png"),
            ("--a--", "a", "bin"),
            (&*long, &*x40, "jpg"),
        ] {
            let grant = Grant { name: name.parse().unwrap(), ..sample() };
            assert_eq!(NameSegment::of(&grant).as_str(), format!("{stem}.{}.{ext}", grant.fingerprint.short()));
        }
    }

    #[test]
    fn only_two_plain_segments_after_m_are_a_link() {
        let link = LinkPath::parse("/m/abc/a.b.jpg").ok().unwrap();
        assert_eq!((link.token.0, link.name), ("abc", "a.b.jpg"));
        for path in [
            "",
            "/",
            "/m",
            "/m/",
            "/m/abc",
            "/m/abc/",
            "/m//a.jpg",
            "/m/abc/a.jpg/",
            "/m/abc/a/b.jpg",
            "/M/abc/a.jpg",
            "m/abc/a.jpg",
            "/m/abc/a%2ejpg",
            "/m/a_c/a.jpg",
            "/m/abc/a;b.jpg",
            "/m/abc/a\\b.jpg",
            "/m/abc/a\0.jpg",
            "/m/../abc/a.jpg",
            "/m/äbc/a.jpg",
            "/m/abc/a~b",
            "/m/abc/a+b",
            "/m/abc/a&b",
            "/m/abc/a=b",
            "//m/abc/a.jpg",
            "/m/abc/./a.jpg",
        ] {
            assert!(LinkPath::parse(path).is_err(), "{path}");
        }
        let sized = |token, name| format!("/m/{}/{}", "a".repeat(token), "a".repeat(name));
        assert!(LinkPath::parse(&sized(1024, 68)).is_ok());
        for (token, name) in [(10_000, 5), (1025, 5), (3, 69), (1025, 68), (1024, 69)] {
            assert!(LinkPath::parse(&sized(token, name)).is_err(), "{token}, {name}");
        }
    }

    #[test]
    fn a_pasted_url_may_carry_a_query_but_not_another_host() {
        let origin: PublicOrigin = "https://media.example.com".parse().unwrap();
        assert!(LinkPath::parse_url("https://media.example.com/m/abc/a.jpg?fbclid=1#x", &origin).is_ok());
        for url in
            ["https://media.example.com.evil/m/abc/a.jpg", "http://media.example.com/m/abc/a.jpg", "/m/abc/a.jpg"]
        {
            assert!(LinkPath::parse_url(url, &origin).is_err(), "{url}");
        }
    }

    #[test]
    fn link_ids_have_one_spelling() {
        let id = LinkPath::parse("/m/abc/a.jpg").ok().unwrap().id();
        let text = id.to_string();
        assert_eq!(text.len(), 20);
        assert_eq!(text.parse(), Ok(id));
        for bad in
            ["", "lnk_", "lnk_ABCDEFGH23456789", &text.to_uppercase(), &text[..19], &format!("{text}a"), "../../x"]
        {
            assert_eq!(bad.parse::<LinkId>(), Err(NotALinkId), "{bad}");
        }
    }
}
