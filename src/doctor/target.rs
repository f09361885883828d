//! The URL that is examined, taken apart once.
//!
//! What no fetcher could begin with ends the examination; what merely looks wrong is kept for the check, and the fetch goes on. User
//! information is dropped here, so that no password is sent or shown. Every port is asked: the doctor speaks TLS to it and nothing else.

use std::net::IpAddr;

use ::http::Uri;
use ::http::uri::PathAndQuery;
use rustls::pki_types::ServerName;

use super::report::quoted;

/// A URL that can be asked.
#[derive(Clone, Debug)]
pub(super) struct Target {
    pub(super) host: Host,
    pub(super) port: u16,
    /// The path and the query.
    pub(super) path: PathAndQuery,
    /// The user information was there, and was dropped.
    pub(super) had_user: bool,
}

/// Where the URL leads.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Host {
    Name(String),
    Address(IpAddr),
}

/// Why a text cannot be fetched as it stands.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub(super) enum BadTarget {
    #[error("the URL begins with http://")]
    PlainHttp,
    #[error("the URL does not begin with https://")]
    NotHttps,
    #[error("the URL contains {0}, which no URL may")]
    Character(String),
    #[error("the URL names no host and port that could be asked")]
    NoHost,
    #[error("the URL cannot be read")]
    NotAUrl,
}

impl BadTarget {
    /// What to do.
    pub(super) fn fix(&self) -> &'static str {
        match self {
            Self::PlainHttp => {
                "serve the file over TLS with a public certificate, and write https:// into the message; a redirect from http:// does not help"
            }
            Self::NotHttps => "write the whole URL, such as https://media.example.com/picture.jpg",
            Self::Character(_) => {
                "percent-encode spaces and everything beyond ASCII in the path and query, and write host names in Punycode (xn--...)"
            }
            Self::NoHost => "write a host name that the public DNS knows, and a port from 1 to 65535 or none",
            Self::NotAUrl => {
                "write the whole URL, such as https://media.example.com/picture.jpg, with special characters percent-encoded"
            }
        }
    }
}

impl Target {
    /// Reads a URL as it would stand in a message.
    pub(super) fn read(text: &str) -> Result<Self, BadTarget> {
        let has_scheme =
            |scheme: &str| text.get(..scheme.len()).is_some_and(|start| start.eq_ignore_ascii_case(scheme));
        match () {
            () if has_scheme("http://") => return Err(BadTarget::PlainHttp),
            () if !has_scheme("https://") => return Err(BadTarget::NotHttps),
            () => {}
        }
        if let Some(strange) = text.chars().find(|c| !c.is_ascii_graphic()) {
            return Err(BadTarget::Character(named(strange)));
        }
        let uri: Uri = text.parse().map_err(|_| BadTarget::NotAUrl)?;
        let authority = uri.authority().ok_or(BadTarget::NoHost)?;
        let (user, place) = match authority.as_str().rsplit_once('@') {
            Some((user, place)) => (Some(user), place),
            None => (None, authority.as_str()),
        };
        let (host, port) = split(place).ok_or(BadTarget::NoHost)?;
        let path = uri.path_and_query().cloned().unwrap_or_else(|| PathAndQuery::from_static("/"));
        Ok(Self { host, port, path, had_user: user.is_some() })
    }

    /// The URL, without user information.
    pub(super) fn url(&self) -> String {
        format!("https://{}{}", self.authority(), self.path)
    }

    /// What the field `Host` says: the port only where it is not 443.
    pub(super) fn authority(&self) -> String {
        let host = match &self.host {
            Host::Name(name) => name.clone(),
            Host::Address(IpAddr::V4(address)) => address.to_string(),
            Host::Address(IpAddr::V6(address)) => format!("[{address}]"),
        };
        if self.port == HTTPS { host } else { format!("{host}:{}", self.port) }
    }

    /// The name that the certificate must cover: a host name without the dot of the root, or an address.
    pub(super) fn server_name(&self) -> Option<ServerName<'static>> {
        match &self.host {
            Host::Name(name) => ServerName::try_from(name.trim_end_matches('.').to_owned()).ok(),
            Host::Address(address) => Some(ServerName::IpAddress((*address).into())),
        }
    }

    /// The last segment of the path, as written.
    pub(super) fn last_segment(&self) -> &str {
        self.path.path().rsplit('/').next().unwrap_or_default()
    }
}

/// Host and port of an authority without user information.
fn split(place: &str) -> Option<(Host, u16)> {
    let (host, port) = if let Some(rest) = place.strip_prefix('[') {
        let (address, port) = rest.split_once(']')?;
        (Host::Address(IpAddr::V6(address.parse().ok()?)), port)
    } else {
        let (name, port) = place.find(':').map_or((place, ""), |at| place.split_at(at));
        let address = name.parse().map(IpAddr::V4);
        (address.map_or_else(|_| Host::Name(name.to_ascii_lowercase()), Host::Address), port)
    };
    let port = match port.strip_prefix(':') {
        None | Some("") => HTTPS,
        Some(digits) => digits.parse().ok().filter(|port| *port > 0)?,
    };
    let is_named = !matches!(&host, Host::Name(name) if name.trim_matches('.').is_empty());
    is_named.then_some((host, port))
}

fn named(c: char) -> String {
    match c {
        ' ' => "a space".to_owned(),
        c if c.is_control() => format!("the control character U+{:04X}", c as u32),
        c => format!("`{}` (U+{:04X})", quoted(c.encode_utf8(&mut [0; 4])), c as u32),
    }
}

/// The port of HTTPS.
pub(super) const HTTPS: u16 = 443;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn urls_are_taken_apart() {
        for (text, url, host, port) in [
            ("https://a.example/x.jpg", "https://a.example/x.jpg", "a.example", 443),
            ("HTTPS://A.Example:443/x?y=1&z", "https://a.example/x?y=1&z", "a.example", 443),
            ("https://a.example", "https://a.example/", "a.example", 443),
            ("https://a.example:8443/#part", "https://a.example:8443/", "a.example", 8443),
            ("https://a.example:/x", "https://a.example/x", "a.example", 443),
            ("https://user:secret@a.example/x", "https://a.example/x", "a.example", 443),
            ("https://192.0.2.1/x", "https://192.0.2.1/x", "192.0.2.1", 443),
            ("https://[2001:db8::1]:444/x", "https://[2001:db8::1]:444/x", "2001:db8::1", 444),
        ] {
            let target = Target::read(text).unwrap();
            let shown = match &target.host {
                Host::Name(name) => name.clone(),
                Host::Address(address) => address.to_string(),
            };
            assert_eq!((target.url().as_str(), shown.as_str(), target.port), (url, host, port));
            assert_eq!(target.had_user, text.contains('@'));
            assert!(target.server_name().is_some());
        }
    }

    #[test]
    fn what_cannot_be_fetched_is_refused_with_a_reason() {
        for (text, reason) in [
            ("http://a.example/x", BadTarget::PlainHttp),
            ("a.example/x", BadTarget::NotHttps),
            ("ftp://a.example/x", BadTarget::NotHttps),
            ("file:///etc/passwd", BadTarget::NotHttps),
            ("", BadTarget::NotHttps),
            ("https://a.example/a b", BadTarget::Character("a space".to_owned())),
            ("https://a.example/a\r\nHost: b", BadTarget::Character("the control character U+000D".to_owned())),
            ("https://gr\u{f6}\u{df}e.example/", BadTarget::Character("`\u{f6}` (U+00F6)".to_owned())),
            ("https://", BadTarget::NotAUrl),
            ("https:///x", BadTarget::NotAUrl),
            ("https://a.example:99999/", BadTarget::NoHost),
            ("https://a.example:0/", BadTarget::NoHost),
            ("https://[fe80::1%25eth0]/", BadTarget::NoHost),
            ("https://./x", BadTarget::NoHost),
        ] {
            assert_eq!(Target::read(text).unwrap_err(), reason, "{text:?}");
            assert!(!reason.fix().is_empty());
        }
    }

    #[test]
    fn a_final_dot_is_no_part_of_the_servers_name() {
        let target = Target::read("https://a.example./x").unwrap();
        assert_eq!(target.authority(), "a.example.");
        assert_eq!(target.server_name(), ServerName::try_from("a.example").ok());
    }
}
