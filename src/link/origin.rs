//! The configured public origin: what links begin with, and what every seal is bound to.

use std::fmt;
use std::str::FromStr;
use std::sync::Arc;

/// A web origin such as `https://media.example.com` (RFC 6454): scheme, host and, where it is not the usual one, port.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct PublicOrigin {
    text: Arc<str>,
    /// Where the authority begins in `text`.
    authority_at: usize,
}

/// Why a text cannot be a public origin.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum BadPublicOrigin {
    /// Neither `https://` nor `http://`.
    #[error("begin it with https:// (or, for tests on this machine, http://)")]
    Scheme,
    /// The host has upper case, a path, user information, or characters that no host has.
    #[error(
        "after the scheme, write a lower-case host name and nothing else but a port, such as media.example.com:8443"
    )]
    Authority,
    /// Too long to be bound into a seal.
    #[error("use at most {max} characters, this origin has {0}", max = PublicOrigin::MAX_BYTES)]
    TooLong(usize),
}

impl PublicOrigin {
    /// The longest origin, in bytes: a host name has at most 253.
    pub const MAX_BYTES: usize = 270;

    /// The whole text, with no slash at its end.
    pub fn as_str(&self) -> &str {
        &self.text
    }

    /// Host and, where given, port: what a request for us has in `Host`.
    pub fn authority(&self) -> &str {
        self.text.get(self.authority_at..).unwrap_or_default()
    }

    /// The host alone, an IPv6 address without its brackets: what a certificate must name.
    pub fn host(&self) -> &str {
        let authority = self.authority();
        let host = match authority.rsplit_once(':') {
            Some((host, port)) if !port.ends_with(']') => host,
            _ => authority,
        };
        host.trim_start_matches('[').trim_end_matches(']')
    }

    /// Whether links begin with `https://`.
    pub fn is_https(&self) -> bool {
        self.text.starts_with("https://")
    }
}

impl FromStr for PublicOrigin {
    type Err = BadPublicOrigin;

    fn from_str(text: &str) -> Result<Self, BadPublicOrigin> {
        let authority =
            text.strip_prefix("https://").or_else(|| text.strip_prefix("http://")).ok_or(BadPublicOrigin::Scheme)?;
        if text.len() > Self::MAX_BYTES {
            return Err(BadPublicOrigin::TooLong(text.len()));
        }
        if !is_authority(authority) {
            return Err(BadPublicOrigin::Authority);
        }
        Ok(Self { text: text.into(), authority_at: text.len() - authority.len() })
    }
}

fn is_authority(text: &str) -> bool {
    let (host, port) = match text.rsplit_once(':') {
        Some((host, port)) if !port.ends_with(']') => (host, Some(port)),
        _ => (text, None),
    };
    let named = !host.is_empty() && host.bytes().all(|b| matches!(b, b'a'..=b'z' | b'0'..=b'9' | b'-' | b'.'));
    let v6 = host
        .strip_prefix('[')
        .and_then(|h| h.strip_suffix(']'))
        .is_some_and(|h| h.parse::<std::net::Ipv6Addr>().is_ok());
    (named || v6) && port.is_none_or(|p| p.parse::<u16>().is_ok_and(|n| n > 0 && n.to_string() == p))
}

impl fmt::Display for PublicOrigin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn origins_are_scheme_host_and_port() {
        for (text, authority, host) in [
            ("https://media.example.com", "media.example.com", "media.example.com"),
            ("https://media.example.com:8443", "media.example.com:8443", "media.example.com"),
            ("http://127.0.0.1:8080", "127.0.0.1:8080", "127.0.0.1"),
            ("http://[::1]:8080", "[::1]:8080", "::1"),
            ("http://[::1]", "[::1]", "::1"),
        ] {
            let origin: PublicOrigin = text.parse().unwrap();
            assert_eq!((origin.as_str(), origin.authority()), (text, authority));
            assert_eq!(origin.host(), host);
        }
    }

    #[test]
    fn everything_else_is_refused() {
        for text in ["", "media.example.com", "ftp://a", "HTTPS://a"] {
            assert_eq!(text.parse::<PublicOrigin>(), Err(BadPublicOrigin::Scheme), "{text}");
        }
        for text in [
            "https://",
            "https://a/",
            "https://a/b",
            "https://A",
            "https://u@a",
            "https://a:0",
            "https://a:080",
            "https://a:x",
            "https://a?b",
            "https://[::1",
            "https://[zz]",
        ] {
            assert_eq!(text.parse::<PublicOrigin>(), Err(BadPublicOrigin::Authority), "{text}");
        }
        assert_eq!(format!("https://{}", "a".repeat(300)).parse::<PublicOrigin>(), Err(BadPublicOrigin::TooLong(308)));
    }
}
