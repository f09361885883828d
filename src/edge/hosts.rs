//! The host names that are ours.
//!
//! The host decides only whether we answer: it never reaches a key, a seal or a link.

use std::collections::HashSet;
use std::str::FromStr;

use crate::link::PublicOrigin;

/// The host names under which requests are for us.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Hosts {
    any: bool,
    /// In lower case, without the default port.
    names: HashSet<String>,
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
        let mut hosts = Self { any: false, names: HashSet::new(), default_port };
        hosts.names.insert(hosts.plain(origin.authority()));
        for host in further {
            if host == "*" {
                hosts.any = true;
            } else if PublicOrigin::from_str(&format!("https://{}", host.to_ascii_lowercase())).is_ok() {
                hosts.names.insert(hosts.plain(host));
            } else {
                return Err(BadHost);
            }
        }
        Ok(hosts)
    }

    /// Whether a request for `authority` is for us. User information makes it nobody's.
    pub fn are_ours(&self, authority: &str) -> bool {
        !authority.contains('@') && (self.any || self.names.contains(&self.plain(authority)))
    }

    fn plain(&self, authority: &str) -> String {
        let lower = authority.to_ascii_lowercase();
        match lower.strip_suffix(self.default_port) {
            Some(host) => host.to_owned(),
            None => lower,
        }
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
            "origin.cdn.example",
        ] {
            assert!(!hosts.are_ours(other), "{other}");
        }
        assert!(Hosts::new(&origin, &["*".to_owned()]).unwrap().are_ours("anything"));
        assert_eq!(Hosts::new(&origin, &["a/b".to_owned()]), Err(BadHost));
    }
}
