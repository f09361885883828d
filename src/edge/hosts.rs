//! The host names that are ours.
//!
//! The host decides only whether we answer: it never reaches a key, a seal or a link.

use std::str::FromStr;

use crate::link::PublicOrigin;

/// The host names under which requests are for us.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Hosts {
    any: bool,
    /// Without the default port, in order and each once. They are few, so comparing beats hashing; and no request needs a text of its own.
    names: Vec<String>,
    default_port: &'static str,
}

/// The text is not a host.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("a host is written like media.example.com or media.example.com:8443, or * for any")]
pub struct BadHost;

impl Hosts {
    /// The public origin's own host and `further` ones; `*` among them means any.
    pub fn new(origin: &PublicOrigin, further: &[String]) -> Result<Self, BadHost> {
        let default_port = if origin.is_https() { ":443" } else { ":80" };
        let mut hosts = Self { any: false, names: Vec::new(), default_port };
        hosts.add(origin.authority());
        for host in further {
            if host == "*" {
                hosts.any = true;
            } else if PublicOrigin::from_str(&format!("https://{}", host.to_ascii_lowercase())).is_ok() {
                hosts.add(host);
            } else {
                return Err(BadHost);
            }
        }
        hosts.names.sort_unstable();
        hosts.names.dedup();
        Ok(hosts)
    }

    /// Whether a request for `authority` is for us. User information makes it nobody's.
    pub fn are_ours(&self, authority: &str) -> bool {
        !authority.contains('@') && (self.any || self.are_named(self.without_default_port(authority)))
    }

    fn add(&mut self, host: &str) {
        self.names.push(self.without_default_port(host).to_ascii_lowercase());
    }

    fn are_named(&self, host: &str) -> bool {
        self.names.iter().any(|name| name.eq_ignore_ascii_case(host))
    }

    fn without_default_port<'a>(&self, authority: &'a str) -> &'a str {
        authority.strip_suffix(self.default_port).unwrap_or(authority)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_host_is_ours_in_any_case_and_with_the_default_port() {
        let origin = "https://media.example.com".parse().unwrap();
        let hosts = Hosts::new(&origin, &["origin.cdn.example:8443".to_owned()]).unwrap();
        for ours in ["media.example.com", "MEDIA.example.com", "media.example.com:443", "origin.cdn.example:8443"] {
            assert!(hosts.are_ours(ours), "{ours}");
        }
        for other in [
            "",
            "example.com",
            "media.example.com.",
            "media.example.com:80",
            "x@media.example.com",
            "media.example.com:443:443",
            ":443",
            "origin.cdn.example",
        ] {
            assert!(!hosts.are_ours(other), "{other}");
        }
        assert!(Hosts::new(&origin, &["*".to_owned()]).unwrap().are_ours("anything"));
        assert_eq!(Hosts::new(&origin, &["a/b".to_owned()]), Err(BadHost));
    }
}
