//! How the answer says where it ends, and how it is coded.

use ::http::header::{CONTENT_ENCODING, CONTENT_LENGTH, TRANSFER_ENCODING};

use super::super::exchange::Answer;
use super::super::facts::Facts;
use super::super::report::{Check, Finding, quoted};
use super::exchange::grouped;

/// Whether the head says how long the body is.
pub(super) fn length(facts: &Facts) -> Finding {
    let answer = match facts.fetched() {
        Ok(answer) => answer,
        Err(why) => return Finding::unknown(Check::Length, why),
    };
    let how = if is_chunked(answer) { "the body comes in chunks" } else { "the body ends where the connection does" };
    match answer.declared_length() {
        Some(length) => Finding::ok(Check::Length, format!("Content-Length: {}", grouped(length))),
        None => Finding::failure(
            Check::Length,
            format!(
                "no Content-Length: {how}; such answers are reported to fail, and nobody can see whether they came whole"
            ),
            "send Content-Length (nginx: no `gzip` for media, `proxy_buffering on`, a backend that knows the length; applications: send a file, not a stream; a CDN: keep the object cached)",
        ),
    }
}

/// Whether the body comes in chunks. A length beside them is read by some and not by others.
pub(super) fn chunked(facts: &Facts) -> Finding {
    let answer = match facts.fetched() {
        Ok(answer) => answer,
        Err(why) => return Finding::unknown(Check::Chunked, why),
    };
    match (is_chunked(answer), answer.fields.contains_key(CONTENT_LENGTH)) {
        (false, _) => Finding::ok(Check::Chunked, "no"),
        (true, false) => Finding::warning(
            Check::Chunked,
            "Transfer-Encoding: chunked",
            "send Content-Length instead, as said at length",
        ),
        (true, true) => Finding::failure(
            Check::Chunked,
            "both Transfer-Encoding and Content-Length, which RFC 9112 forbids (section 6.2): tiers may read different bodies",
            "send one of them: let the proxy or application that adds the second keep it out",
        ),
    }
}

/// Whether the content is coded, as with gzip.
pub(super) fn content_coding(facts: &Facts) -> Finding {
    let answer = match facts.fetched() {
        Ok(answer) => answer,
        Err(why) => return Finding::unknown(Check::ContentCoding, why),
    };
    let Some(value) = answer.fields.get(CONTENT_ENCODING) else {
        return Finding::ok(Check::ContentCoding, "none");
    };
    let coding = String::from_utf8_lossy(value.as_bytes()).trim().to_ascii_lowercase();
    let shown = quoted(&coding);
    let fix = "serve media as it is (nginx: keep image/*, video/* and application/pdf out of `gzip_types` and `brotli_types`; S3: remove the object's Content-Encoding metadata; a CDN: no compression for media)";
    match coding.as_str() {
        "identity" => Finding::ok(Check::ContentCoding, "identity"),
        "gzip" | "x-gzip" | "deflate" => Finding::warning(
            Check::ContentCoding,
            format!("{shown}; media is compressed already, and its length is not that of the file"),
            fix,
        ),
        "br" | "zstd" | "compress" | "x-compress" | "aws-chunked" => Finding::failure(
            Check::ContentCoding,
            format!("{shown}, which was not offered: Meta may not be able to read it"),
            fix,
        ),
        _ => Finding::warning(Check::ContentCoding, format!("`{shown}`, which is no content coding"), fix),
    }
}

fn is_chunked(answer: &Answer) -> bool {
    answer.fields.contains_key(TRANSFER_ENCODING)
}

#[cfg(test)]
mod tests {
    use super::super::super::report::Verdict;
    use super::super::sample::sound;
    use super::*;

    fn judged(judge: fn(&Facts) -> Finding, fields: &[(&'static str, &str)]) -> Verdict {
        let mut facts = sound();
        let answer = facts.get.as_mut().unwrap().as_mut().unwrap();
        answer.fields.remove(CONTENT_LENGTH);
        for (name, value) in fields {
            answer.fields.insert(*name, value.parse().unwrap());
        }
        judge(&facts).verdict
    }

    #[test]
    fn a_length_is_needed() {
        for (fields, of_length, of_chunked) in [
            (&[("content-length", "9")][..], Verdict::Ok, Verdict::Ok),
            (&[("transfer-encoding", "chunked")], Verdict::Failure, Verdict::Warning),
            (&[], Verdict::Failure, Verdict::Ok),
            (&[("transfer-encoding", "chunked"), ("content-length", "9")], Verdict::Ok, Verdict::Failure),
        ] {
            assert_eq!((judged(length, fields), judged(chunked, fields)), (of_length, of_chunked), "{fields:?}");
        }
    }

    #[test]
    fn codings_are_told_apart() {
        for (coding, verdict) in [
            ("identity", Verdict::Ok),
            ("gzip", Verdict::Warning),
            ("GZIP", Verdict::Warning),
            ("br", Verdict::Failure),
            ("aws-chunked", Verdict::Failure),
            ("utf-8", Verdict::Warning),
        ] {
            assert_eq!(judged(content_coding, &[("content-encoding", coding)]), verdict, "{coding}");
        }
        assert_eq!(judged(content_coding, &[]), Verdict::Ok);
    }
}
