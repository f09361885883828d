//! Text, and markup that a browser would run, however it is disguised (WHATWG MIME Sniffing section 7.1, made stricter).
//!
//! Markup is looked for before text and whatever follows it: a browser that meets `<html` reads on as HTML even if bytes of a
//! picture come next. White space, a byte order mark and comments may stand before it, and it may be written in UTF-16.

use std::borrow::Cow;

use super::format::Format;

/// Markup or plain text; nothing if the content is neither. `cut`: the content goes on behind `head`.
pub(super) fn read(head: &[u8], cut: bool) -> Option<Format> {
    let text = without_mark(head);
    markup(&text).or_else(|| is_text(&text, cut).then_some(Format::Text))
}

/// Whether there is markup anywhere in `head`: for content whose beginning promises a format that the rest does not keep.
pub(super) fn is_hidden_in(head: &[u8]) -> bool {
    HIDDEN.iter().any(|mark| contains(head, mark))
}

/// The content as bytes of UTF-8 without a byte order mark, where it has one; as it is otherwise.
fn without_mark(head: &[u8]) -> Cow<'_, [u8]> {
    let units: fn([u8; 2]) -> u16 = match head {
        [0xef, 0xbb, 0xbf, rest @ ..] => return Cow::Borrowed(rest),
        [0xfe, 0xff, ..] => u16::from_be_bytes,
        [0xff, 0xfe, ..] => u16::from_le_bytes,
        _ => return Cow::Borrowed(head),
    };
    let pairs = head.as_chunks::<2>().0.iter().skip(1).map(|pair| units(*pair));
    let text: String = char::decode_utf16(pairs).map(|c| c.unwrap_or(char::REPLACEMENT_CHARACTER)).collect();
    Cow::Owned(text.into_bytes())
}

fn markup(text: &[u8]) -> Option<Format> {
    if text.starts_with(b"#!") {
        return Some(Format::Script);
    }
    let (start, before) = past_preamble(text);
    let name = tag_name(start);
    let first_tag = start.split(|&b| b == b'>').next().unwrap_or_default();
    match name.as_slice() {
        b"?php" | b"?=" => Some(Format::Script),
        b"svg" => Some(Format::Svg),
        name if HTML_TAGS.iter().any(|tag| tag.as_bytes() == name) => Some(Format::Html),
        b"!doctype" if contains(first_tag, b"html") => Some(Format::Html),
        b"!doctype" if contains(first_tag, b"svg") => Some(Format::Svg),
        name if before.xml || name == b"!doctype" || contains(first_tag, b"xmlns") => Some(dialect(start)),
        _ => before.comment.then_some(Format::Html),
    }
}

/// Which XML it is.
fn dialect(start: &[u8]) -> Format {
    if contains(start, b"http://www.w3.org/2000/svg") || contains(start, b"<svg") {
        Format::Svg
    } else if contains(start, b"http://www.w3.org/1999/xhtml") || contains(start, b"<html") {
        Format::Html
    } else {
        Format::Xml
    }
}

/// What stood before the first tag.
#[derive(Default)]
struct Before {
    xml: bool,
    comment: bool,
}

/// Skips white space, comments and the XML declaration.
fn past_preamble(mut text: &[u8]) -> (&[u8], Before) {
    let mut before = Before::default();
    loop {
        text = text.trim_ascii_start();
        let (end, found): (&[u8], _) = if text.starts_with(b"<!--") {
            (b"-->", &mut before.comment)
        } else if tag_name(text) == b"?xml" {
            (b"?>", &mut before.xml)
        } else {
            return (text, before);
        };
        *found = true;
        let after = text.windows(end.len()).position(|part| part == end).map(|at| at + end.len());
        text = after.and_then(|at| text.get(at..)).unwrap_or_default();
    }
}

/// The name of the tag that begins here, in lower case; empty if none does.
fn tag_name(text: &[u8]) -> Vec<u8> {
    let Some(rest) = text.strip_prefix(b"<") else { return Vec::new() };
    let ends = |b: &u8| b.is_ascii_whitespace() || matches!(b, b'>' | b'/');
    rest.iter().take(TAG_MAX).take_while(|b| !ends(b)).map(u8::to_ascii_lowercase).collect()
}

/// Text is free of the control characters that no text has, and is UTF-8 or at least half ASCII (older code pages).
fn is_text(text: &[u8], cut: bool) -> bool {
    let is_control = |b: &u8| matches!(b, 0..=8 | 0x0b | 0x0e..=0x1a | 0x1c..=0x1f);
    let is_utf8 = std::str::from_utf8(text).map_or_else(|fault| cut && fault.error_len().is_none(), |_| true);
    let ascii = text.iter().filter(|b| b.is_ascii()).count();
    !text.iter().any(is_control) && (is_utf8 || ascii * 2 >= text.len())
}

/// Whether `part`, written in lower case, occurs in any case.
fn contains(text: &[u8], part: &[u8]) -> bool {
    text.windows(part.len()).any(|window| window.eq_ignore_ascii_case(part))
}

/// The longest tag name that is read, in bytes.
const TAG_MAX: usize = 16;

/// Markup that gives a page away wherever it stands, in lower case.
const HIDDEN: &[&[u8]] = &[b"<html", b"<script", b"<!doctype html", b"<body", b"<iframe", b"<svg", b"<?php"];

/// Tags that make a browser take content for HTML (WHATWG MIME Sniffing section 7.1), and others with which pages begin.
const HTML_TAGS: &[&str] = &[
    "html", "head", "script", "iframe", "h1", "h2", "h3", "div", "font", "table", "a", "style", "title", "b", "body",
    "br", "p", "meta", "link", "img", "object", "embed", "form", "base", "video", "audio", "input", "button", "span",
    "center", "math", "template", "noscript", "frameset",
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn markup_is_found_behind_its_disguises() {
        let utf16: Vec<u8> = [0xfeff].into_iter().chain(" <HTML>".encode_utf16()).flat_map(u16::to_le_bytes).collect();
        for (head, format) in [
            (&b"<html>"[..], Format::Html),
            (b"\xef\xbb\xbf \r\n\t<HtMl lang=en>", Format::Html),
            (b"<!-- jpeg --> <!-- more --><html>", Format::Html),
            (b"<!-- never closed", Format::Html),
            (b"<!DOCTYPE  html>", Format::Html),
            (b"<script>alert(1)</script>", Format::Html),
            (b"<img/src=x onerror=alert(1)>", Format::Html),
            (b"<html>\0\x01\xff\xd8\xff", Format::Html),
            (b"<?xml version='1.0'?><html xmlns='http://www.w3.org/1999/xhtml'/>", Format::Html),
            (b"<?xml version='1.0'?>\n<!-- c --><svg xmlns='http://www.w3.org/2000/svg'/>", Format::Svg),
            (b"<s:svg xmlns:s='http://www.w3.org/2000/svg'/>", Format::Svg),
            (b"<!DOCTYPE svg PUBLIC '-//W3C//DTD SVG 1.1//EN'>", Format::Svg),
            (b"<SVG onload=alert(1)>", Format::Svg),
            (b"<?xml version='1.0'?><note/>", Format::Xml),
            (b"<rss xmlns:a='b'>", Format::Xml),
            (b"#!/bin/sh\n", Format::Script),
            (b" <?php echo 1;", Format::Script),
            (&utf16, Format::Html),
        ] {
            assert_eq!(read(head, false), Some(format), "{}", String::from_utf8_lossy(head));
        }
    }

    #[test]
    fn text_is_text_and_bytes_are_not() {
        for (head, cut, format) in [
            (&b"plain, <not a tag> and 1 < 2"[..], false, Some(Format::Text)),
            (b"a,b\r\n1,2\r\n", false, Some(Format::Text)),
            ("grüße".as_bytes(), false, Some(Format::Text)),
            (b"gr\xfc\xdfe aus K\xf6ln", false, Some(Format::Text)),
            (b"abc \xf0\x9f\x98", true, Some(Format::Text)),
            (b"\xf0\x9f\x98", true, Some(Format::Text)),
            (b"\xf0\x9f\x98", false, None),
            (b"abc\0", false, None),
            (b"\xff\xfea\0b\0", false, Some(Format::Text)),
            (b"<hello> world", false, Some(Format::Text)),
        ] {
            assert_eq!(read(head, cut), format, "{head:?}");
        }
    }

    #[test]
    fn hidden_markup_is_found_anywhere() {
        assert!(is_hidden_in(b"\xff\xd8\xff\xe0 ... <ScRiPt src=x>"));
        assert!(!is_hidden_in(b"\xff\xd8\xff\xe0 1 < 2"));
        assert!(!is_hidden_in(b""));
    }
}
