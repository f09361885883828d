//! HTTP dates (RFC 9110 section 5.6.7): read in all three formats, written in the one that is not obsolete.
//!
//! The weekday must be the right one. A two-digit year lies between 1970 and 2069, because this room has no clock to
//! reckon the RFC's fifty years from. Years before 1970 and leap seconds count as no date: no asset of ours is that old.

use std::fmt;
use std::str::FromStr;

use ::http::HeaderValue;

use super::field::written;
use crate::value::UnixTime;

/// A time as HTTP fields carry it, to the second: `Sat, 21 Nov 2026 10:20:00 GMT`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct HttpDate(pub UnixTime);

/// The text is not an HTTP date.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("an HTTP date is written like this: Sat, 21 Nov 2026 10:20:00 GMT")]
pub struct BadHttpDate;

impl HttpDate {
    /// Reads an IMF-fixdate, an RFC 850 date or an asctime date.
    pub fn parse(text: &[u8]) -> Result<Self, BadHttpDate> {
        let text = std::str::from_utf8(text).map_err(|_| BadHttpDate)?;
        let time = httpdate::parse_http_date(text).map_err(|_| BadHttpDate)?;
        Ok(Self(UnixTime::from_system(time)))
    }

    /// The value of a field such as Last-Modified or Date.
    pub fn to_header_value(self) -> HeaderValue {
        written(self)
    }
}

impl FromStr for HttpDate {
    type Err = BadHttpDate;

    fn from_str(text: &str) -> Result<Self, BadHttpDate> {
        Self::parse(text.as_bytes())
    }
}

impl fmt::Display for HttpDate {
    /// IMF-fixdate.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        httpdate::HttpDate::from(self.0.to_system()).fmt(f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn all_three_formats_are_read_and_one_is_written() {
        // RFC 9110 section 5.6.7.
        let time = UnixTime::from_secs(784_111_777).unwrap();
        for text in ["Sun, 06 Nov 1994 08:49:37 GMT", "Sunday, 06-Nov-94 08:49:37 GMT", "Sun Nov  6 08:49:37 1994"] {
            assert_eq!(text.parse(), Ok(HttpDate(time)), "{text}");
        }
        assert_eq!(HttpDate(time).to_string(), "Sun, 06 Nov 1994 08:49:37 GMT");
        assert_eq!(HttpDate(time).to_header_value(), "Sun, 06 Nov 1994 08:49:37 GMT");
    }

    #[test]
    fn the_edges_of_time_can_be_written_and_read() {
        for (time, text) in
            [(UnixTime::EPOCH, "Thu, 01 Jan 1970 00:00:00 GMT"), (UnixTime::MAX, "Fri, 31 Dec 9999 23:59:59 GMT")]
        {
            assert_eq!(HttpDate(time).to_string(), text);
            assert_eq!(text.parse(), Ok(HttpDate(time)));
        }
    }

    #[test]
    fn what_is_no_date_is_refused() {
        for text in [
            "",
            "0",
            "784111777",
            "1994-11-06T08:49:37Z",
            "Mon, 06 Nov 1994 08:49:37 GMT",
            "Sun, 06 Nov 1994 08:49:37 UTC",
            "Sun, 06 Nov 1994 08:49:37 +0000",
            "Sun, 6 Nov 1994 08:49:37 GMT",
            "sun, 06 nov 1994 08:49:37 gmt",
            "Wed, 30 Feb 1994 08:49:37 GMT",
            "Sun, 06 Nov 1994 24:00:00 GMT",
            "Sun, 06 Nov 1994 08:49:37 GMT, Sun, 06 Nov 1994 08:49:37 GMT",
            "Wednesday, ",
            "Sun, 06 Nov 199\u{664} 08:49:37 GMT",
        ] {
            assert_eq!(text.parse::<HttpDate>(), Err(BadHttpDate), "{text:?}");
        }
        assert_eq!(HttpDate::parse(b"\xff"), Err(BadHttpDate));
    }
}
