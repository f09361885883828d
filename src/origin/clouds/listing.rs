//! A page of a list, read from the store's own XML.
//!
//! The library cannot be given such a page: one key with an empty segment makes it refuse all of them, slashes at an edge of a key it drops, and
//! of the generations that GCS names it takes none. So the page is read on the line, byte for byte and within limits, and goes up beside an
//! empty list that the library reads in its place.

use http_body_util::{BodyExt, LengthLimitError, Limited};
use object_store::client::{HttpError, HttpResponse};
use percent_encoding::percent_decode_str;
use quick_xml::Reader;
use quick_xml::errors::Error as XmlError;
use quick_xml::events::{BytesRef, BytesStart, Event};

use super::Cloud;
use super::faults::of_transport;
use super::pin::Pin;
use crate::origin::OriginError;
use crate::origin::survey::SurveyObject;

/// One page.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Listing {
    /// Whole keys as the store has them, and what it says of each.
    pub(super) objects: Vec<(String, SurveyObject)>,
    /// What the next page is asked for by; `None` at the end.
    pub(super) next: Option<String>,
}

/// Reads the page, and answers with an empty one that has it among its extensions.
pub(super) async fn read(cloud: Cloud, answered: HttpResponse) -> Result<HttpResponse, OriginError> {
    let (mut head, body) = answered.into_parts();
    let body = Limited::new(body, PAGE_BYTES).collect().await.map_err(|error| {
        if error.is::<LengthLimitError>() {
            return OriginError::Failed(format!("a page of its list is longer than {PAGE_BYTES} bytes"));
        }
        error.downcast_ref::<HttpError>().map_or_else(broke_off, of_transport)
    })?;
    head.extensions.insert(parse(cloud, &body.to_bytes())?);
    Ok(HttpResponse::from_parts(head, cloud.empty_list().to_owned().into()))
}

impl Cloud {
    const fn empty_list(self) -> &'static str {
        match self {
            Self::Gcs => "<ListBucketResult></ListBucketResult>",
            Self::Azure => "<EnumerationResults><Blobs></Blobs></EnumerationResults>",
        }
    }

    const fn list_name(self) -> &'static str {
        match self {
            Self::Gcs => "ListBucketResult",
            Self::Azure => "EnumerationResults",
        }
    }
}

/// The page that a document is: "List objects" of the XML API of GCS, "List Blobs" of Azure.
fn parse(cloud: Cloud, document: &[u8]) -> Result<Listing, OriginError> {
    let mut reader = Reader::from_reader(document);
    let mut page = Page::new(cloud);
    loop {
        match reader.read_event() {
            Ok(Event::Start(start)) => page.start(&start)?,
            Ok(Event::Empty(start)) => {
                page.start(&start)?;
                page.end()?;
            }
            Ok(Event::End(_)) => page.end()?,
            Ok(Event::Text(text)) => page.text.push_str(&text.decode().map_err(|_| not_utf8())?),
            Ok(Event::CData(text)) => page.text.push_str(&text.decode().map_err(|_| not_utf8())?),
            Ok(Event::GeneralRef(name)) => page.text.push(character(&name)?),
            Ok(Event::Eof) if page.ended => return page.finished(),
            // What ends before its end, or within a tag, was cut off.
            Ok(Event::Eof) | Err(XmlError::Syntax(_)) => return Err(broke_off()),
            Ok(_) => {}
            Err(_) => return Err(odd("what is no XML")),
        }
    }
}

/// A page while it is read.
struct Page {
    cloud: Cloud,
    /// The names of the open elements, from the outside.
    open: Vec<String>,
    /// The text of the innermost one.
    text: String,
    found: Found,
    /// GCS says so where more follows.
    cut: bool,
    ended: bool,
    listing: Listing,
}

/// What is known of the object that is being read.
#[derive(Default)]
struct Found {
    key: Option<String>,
    length: Option<u64>,
    generation: Option<String>,
    tag: Option<String>,
    /// Azure writes names so that XML cannot carry: percent-encoded.
    encoded: bool,
    /// A directory of a hierarchical namespace, which Azure lists beside the blobs in it. It is no object.
    directory: bool,
}

impl Page {
    fn new(cloud: Cloud) -> Self {
        let (open, text, found, listing) = (Vec::new(), String::new(), Found::default(), Listing::default());
        Self { cloud, open, text, found, cut: false, ended: false, listing }
    }

    fn start(&mut self, start: &BytesStart<'_>) -> Result<(), OriginError> {
        let name = String::from_utf8_lossy(start.local_name().as_ref()).into_owned();
        if self.open.is_empty() && (self.ended || name != self.cloud.list_name()) {
            return Err(odd("something else than a list"));
        }
        if self.open.len() >= DEPTH {
            return Err(odd("elements within elements without end"));
        }
        if name == "Name" {
            let encoded = start.try_get_attribute("Encoded").ok().flatten();
            self.found.encoded = encoded.is_some_and(|encoded| encoded.value.eq_ignore_ascii_case(b"true"));
        }
        self.open.push(name);
        self.text.clear();
        Ok(())
    }

    fn end(&mut self) -> Result<(), OriginError> {
        let (Some(name), text) = (self.open.pop(), std::mem::take(&mut self.text)) else { return Ok(()) };
        let within = self.open.last().map(String::as_str);
        self.ended = within.is_none();
        match (within.unwrap_or_default(), name.as_str()) {
            ("Contents", "Key") | ("Blob", "Name") => self.found.key = Some(text),
            ("Contents", "Size") | ("Properties", "Content-Length") => self.found.length = text.parse().ok(),
            ("Contents", "Generation") => self.found.generation = Some(text),
            ("Properties", "Etag") => self.found.tag = Some(quoted(text)),
            ("Properties", "ResourceType") => self.found.directory = text == "directory",
            ("ListBucketResult", "IsTruncated") => self.cut = text == "true",
            ("ListBucketResult", "NextContinuationToken") | ("EnumerationResults", "NextMarker") => {
                self.listing.next = Some(text).filter(|next| !next.is_empty());
            }
            ("ListBucketResult", "Contents") | ("Blobs", "Blob") => self.object()?,
            _ => {}
        }
        Ok(())
    }

    fn object(&mut self) -> Result<(), OriginError> {
        let Found { key, length, generation, tag, encoded, directory } = std::mem::take(&mut self.found);
        let key = key.ok_or_else(|| odd("an object without a key"))?;
        let key = if encoded { decoded(&key)? } else { key };
        let version = Pin::answered(self.cloud, generation.as_deref(), tag.as_deref()).ok();
        if self.listing.objects.len() >= PAGE {
            return Err(odd("more objects than were asked for"));
        }
        if !directory {
            self.listing.objects.push((key, SurveyObject { version, length }));
        }
        Ok(())
    }

    fn finished(self) -> Result<Listing, OriginError> {
        if self.cut && self.listing.next.is_none() {
            return Err(odd("no word about where it goes on"));
        }
        Ok(self.listing)
    }
}

/// An entity tag as a head has it. Azure's lists leave the quotes out.
fn quoted(tag: String) -> String {
    if tag.starts_with('"') { tag } else { format!("\"{tag}\"") }
}

fn decoded(name: &str) -> Result<String, OriginError> {
    percent_decode_str(name).decode_utf8().map(std::borrow::Cow::into_owned).map_err(|_| not_utf8())
}

/// The character that a reference such as `&amp;` or `&#x9;` stands for.
fn character(name: &BytesRef<'_>) -> Result<char, OriginError> {
    let named = match &name[..] {
        b"amp" => Some('&'),
        b"lt" => Some('<'),
        b"gt" => Some('>'),
        b"quot" => Some('"'),
        b"apos" => Some('\''),
        _ => name.resolve_char_ref().ok().flatten(),
    };
    named.ok_or_else(|| odd("a character that XML does not have"))
}

fn odd(what: &str) -> OriginError {
    OriginError::Failed(format!("its list holds {what}"))
}

fn not_utf8() -> OriginError {
    odd("text that is not UTF-8")
}

fn broke_off() -> OriginError {
    OriginError::Unavailable("its list broke off".into())
}

/// How many objects one page has: the most that GCS gives.
pub(super) const PAGE: usize = 1000;
/// How long a page may be. A name takes 9 KiB at most, where each of 1,024 characters is percent-encoded; most have 1 KiB with all that is said of them.
const PAGE_BYTES: usize = 16 << 20;
/// How deep the elements of a list may lie in each other.
const DEPTH: usize = 8;

#[cfg(test)]
mod tests {
    use super::*;

    fn gcs(inner: &str) -> Result<Listing, OriginError> {
        let xmlns = "xmlns='http://doc.s3.amazonaws.com/2006-03-01'";
        parse(
            Cloud::Gcs,
            format!("<?xml version='1.0'?><ListBucketResult {xmlns}>{inner}</ListBucketResult>").as_bytes(),
        )
    }

    fn azure(inner: &str) -> Result<Listing, OriginError> {
        parse(
            Cloud::Azure,
            format!("\u{feff}<?xml version=\"1.0\"?><EnumerationResults>{inner}</EnumerationResults>").as_bytes(),
        )
    }

    fn object(key: &str, version: &str, length: u64) -> (String, SurveyObject) {
        (key.into(), SurveyObject { version: Some(version.parse().unwrap()), length: Some(length) })
    }

    #[test]
    fn a_page_is_read_as_the_references_show_it() {
        let said = gcs(
            "<Name>b</Name><Prefix/><IsTruncated>true</IsTruncated><NextContinuationToken>t&amp;1</NextContinuationToken>\n\
            <Contents><Key>a.jpg</Key><Generation>1360887697105000</Generation><MetaGeneration>1</MetaGeneration>\
            <LastModified>2013-02-15T00:21:37.123Z</LastModified><ETag>\"b1\"</ETag><Size>11</Size></Contents>",
        );
        let objects = vec![object("a.jpg", "g:1360887697105000", 11)];
        assert_eq!(said, Ok(Listing { objects, next: Some("t&1".into()) }));
        let blob = |name: &str, more: &str| {
            format!(
                "<Blob>{name}<Properties><Creation-Time>x</Creation-Time><Last-Modified>x</Last-Modified><Etag>0x8D</Etag>{more}\
                 <Content-Length>7</Content-Length><Content-Type>image/png</Content-Type></Properties><OrMetadata/></Blob>"
            )
        };
        let said = azure(&format!(
            "<MaxResults>3</MaxResults><Blobs>{}{}{}</Blobs><NextMarker />",
            blob("<Name>a</Name>", ""),
            blob("<Name>d</Name>", "<ResourceType>directory</ResourceType>"),
            blob("<Name Encoded=\"true\">x%EF%BF%BE%25</Name>", "<ResourceType>file</ResourceType>"),
        ));
        let objects = vec![object("a", "e:\"0x8D\"", 7), object("x\u{fffe}%", "e:\"0x8D\"", 7)];
        assert_eq!(said, Ok(Listing { objects, next: None }));
    }

    #[test]
    fn every_key_comes_byte_for_byte() {
        for (written, key) in [
            (" a  b ", " a  b "),
            ("a&amp;amp;b&lt;&gt;&quot;&apos;", "a&amp;b<>\"'"),
            ("100%25+%2F", "100%25+%2F"),
            ("a//b", "a//b"),
            ("/a/", "/a/"),
            ("../a/.", "../a/."),
            ("tab\there&#x9;&#1;&#xD;", "tab\there\t\u{1}\r"),
            ("\r\n", "\r\n"),
            ("größe/😀&#x1F600;", "größe/😀😀"),
            ("<![CDATA[<Key>]]>", "<Key>"),
            ("", ""),
        ] {
            for (said, close) in [
                (gcs(&format!("<Contents><Key>{written}</Key></Contents>")), "gcs"),
                (azure(&format!("<Blobs><Blob><Name>{written}</Name></Blob></Blobs>")), "azure"),
            ] {
                let listing = said.unwrap_or_else(|error| panic!("{close} {written}: {error}"));
                assert_eq!(
                    listing.objects,
                    [(key.to_owned(), SurveyObject { version: None, length: None })],
                    "{close}"
                );
            }
        }
    }

    #[test]
    fn a_page_that_is_cut_off_anywhere_is_no_page() {
        let whole = "<?xml version='1.0'?><ListBucketResult><Contents><Key>a&amp;b</Key><Size>1</Size></Contents></ListBucketResult>";
        assert!(parse(Cloud::Gcs, whole.as_bytes()).is_ok());
        for cut in 0..whole.len() {
            let said = parse(Cloud::Gcs, &whole.as_bytes()[..cut]);
            assert!(said.is_err(), "{}: {said:?}", &whole[..cut]);
        }
    }

    #[test]
    fn what_is_no_list_is_refused() {
        let many = "<Contents><Key>a</Key></Contents>".repeat(PAGE + 1);
        let deep = "<a>".repeat(100);
        for bad in [
            "<Contents><Size>1</Size></Contents>",
            "<IsTruncated>true</IsTruncated>",
            "<Contents><Key>&nbsp;</Key></Contents>",
            "<Contents><Key>&#0;</Key></Contents>",
            "<Contents><Key>a</Name></Contents>",
            &many,
            &deep,
        ] {
            assert!(matches!(gcs(bad), Err(OriginError::Failed(_))), "{:.60}: {:?}", bad, gcs(bad).map(|_| ()));
        }
        for (cloud, bad) in [
            (Cloud::Gcs, &b"<html><body>sign in</body></html>"[..]),
            (Cloud::Gcs, b"<EnumerationResults></EnumerationResults>"),
            (Cloud::Azure, b"<ListBucketResult></ListBucketResult>"),
            (Cloud::Gcs, b"<ListBucketResult><Contents><Key>\xff</Key></Contents></ListBucketResult>"),
            (Cloud::Gcs, b"<ListBucketResult/><ListBucketResult/>"),
        ] {
            let said = parse(cloud, bad);
            assert!(matches!(said, Err(OriginError::Failed(_))), "{}: {said:?}", String::from_utf8_lossy(bad));
        }
        for cut in [&b""[..], b"no XML at all", b"{}"] {
            assert!(parse(Cloud::Gcs, cut).is_err());
        }
    }
}
