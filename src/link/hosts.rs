//! The host names that are ours.
//!
//! The host decides whether we answer, and, where it is a store's own, which store a presigned URL leads to. It never reaches a seal or a link.

use std::collections::BTreeMap;
use std::str::FromStr;

use super::PublicOrigin;
use crate::value::StoreName;

/// The host names under which requests are for us.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Hosts {
    any: bool,
    /// Without the default port, in order and each once. They are few, so comparing beats hashing; and no request needs a text of its own.
    names: Vec<String>,
    /// Hosts that stand for a store each, written like `names`.
    of_stores: Vec<(String, StoreName)>,
    default_port: &'static str,
}

/// Whose a host is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Whose {
    /// The gateway's own.
    Ours,
    /// It stands for this store: presigned links name only the key.
    Store(StoreName),
    /// Nobody's here.
    Nobody,
}

/// The text is not a host.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("a host is written like media.example.com or media.example.com:8443, or * for any")]
pub struct BadHost;

impl Hosts {
    /// The public origin's own host and `further` ones; `*` among them means any. `of_stores` are the hosts of presigned links in S3's
    /// virtual-host style.
    pub fn new(
        origin: &PublicOrigin,
        further: &[String],
        of_stores: &BTreeMap<String, StoreName>,
    ) -> Result<Self, BadHost> {
        let default_port = if origin.is_https() { ":443" } else { ":80" };
        let mut hosts = Self { any: false, names: Vec::new(), of_stores: Vec::new(), default_port };
        hosts.add(origin.authority());
        for host in further {
            if host == "*" {
                hosts.any = true;
            } else if is_host(host) {
                hosts.add(host);
            } else {
                return Err(BadHost);
            }
        }
        for (host, store) in of_stores {
            if !is_host(host) {
                return Err(BadHost);
            }
            hosts.of_stores.push((hosts.without_default_port(host).to_ascii_lowercase(), store.clone()));
        }
        hosts.names.sort_unstable();
        hosts.names.dedup();
        Ok(hosts)
    }

    /// Whose `authority` is. User information makes it nobody's.
    pub fn whose(&self, authority: &str) -> Whose {
        if authority.contains('@') {
            return Whose::Nobody;
        }
        let host = self.without_default_port(authority);
        let store = self.of_stores.iter().find(|(name, _)| name.eq_ignore_ascii_case(host));
        match store {
            Some((_, store)) => Whose::Store(store.clone()),
            None if self.any || self.are_named(host) => Whose::Ours,
            None => Whose::Nobody,
        }
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

fn is_host(text: &str) -> bool {
    PublicOrigin::from_str(&format!("https://{}", text.to_ascii_lowercase())).is_ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_host_is_ours_in_any_case_and_with_the_default_port() {
        let origin = "https://media.example.com".parse().unwrap();
        let of_stores = BTreeMap::from([("promo.media.example.com:443".to_owned(), "promo".parse().unwrap())]);
        let hosts = Hosts::new(&origin, &["origin.cdn.example:8443".to_owned()], &of_stores).unwrap();
        for ours in ["media.example.com", "MEDIA.example.com", "media.example.com:443", "origin.cdn.example:8443"] {
            assert_eq!(hosts.whose(ours), Whose::Ours, "{ours}");
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
            assert_eq!(hosts.whose(other), Whose::Nobody, "{other}");
        }
        for promo in ["promo.media.example.com", "PROMO.media.example.com:443"] {
            assert_eq!(hosts.whose(promo), Whose::Store("promo".parse().unwrap()), "{promo}");
        }
        assert_eq!(hosts.whose("x@promo.media.example.com"), Whose::Nobody);
        let any = Hosts::new(&origin, &["*".to_owned()], &of_stores).unwrap();
        assert_eq!(any.whose("anything"), Whose::Ours);
        assert_eq!(any.whose("promo.media.example.com"), Whose::Store("promo".parse().unwrap()));
        let none = BTreeMap::new();
        assert_eq!(Hosts::new(&origin, &["a/b".to_owned()], &none), Err(BadHost));
        let bad = BTreeMap::from([("a/b".to_owned(), "promo".parse().unwrap())]);
        assert_eq!(Hosts::new(&origin, &[], &bad), Err(BadHost));
    }
}
