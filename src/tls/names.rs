//! Which host names a certificate speaks for (RFC 6125, section 6.4): exact names, wildcards in the leftmost label, and addresses.
//!
//! Host names compare without regard to case, and a dot at the end of the asked one changes nothing. The subject's common name is
//! no name: browsers and Meta look at the alternative names alone.

use std::net::IpAddr;

/// Whether one of `names` stands for `host`, which is a host name or an IP address, the latter with or without brackets.
pub fn covers<'a>(names: impl IntoIterator<Item = &'a str>, host: &str) -> bool {
    let address = address(host);
    names.into_iter().any(|name| match address {
        Some(address) => name.parse() == Ok(address),
        None => stands_for(name, host),
    })
}

/// Whether `name`, which may begin with `*.`, stands for the host name `host`.
pub(super) fn stands_for(name: &str, host: &str) -> bool {
    let host = host.strip_suffix('.').unwrap_or(host);
    match name.strip_prefix("*.") {
        // The star is one whole label, and something must stand in its place.
        Some(zone) => host
            .split_once('.')
            .is_some_and(|(label, rest)| !label.is_empty() && label != "*" && rest.eq_ignore_ascii_case(zone)),
        None => !name.is_empty() && name.eq_ignore_ascii_case(host),
    }
}

fn address(host: &str) -> Option<IpAddr> {
    host.strip_prefix('[').and_then(|host| host.strip_suffix(']')).unwrap_or(host).parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_and_wildcards_stand_for_these_hosts_and_no_others() {
        for (name, host, expected) in [
            ("media.example.com", "media.example.com", true),
            ("media.example.com", "MEDIA.Example.com", true),
            ("Media.Example.COM", "media.example.com", true),
            ("media.example.com", "media.example.com.", true),
            ("media.example.com", "example.com", false),
            ("media.example.com", "xmedia.example.com", false),
            ("*.example.com", "media.example.com", true),
            ("*.EXAMPLE.com", "MEDIA.example.COM", true),
            ("*.example.com", "a.media.example.com", false),
            ("*.example.com", "example.com", false),
            ("*.example.com", ".example.com", false),
            ("*.example.com", "*.example.com", false),
            ("m*.example.com", "media.example.com", false),
            ("*", "media", false),
            ("", "", false),
            ("192.0.2.1", "192.0.2.1", true),
            ("192.0.2.1", "192.0.2.2", false),
            ("*.0.2.1", "192.0.2.1", false),
            ("2001:db8::1", "[2001:db8:0::1]", true),
            ("2001:db8::1", "2001:db8::1", true),
        ] {
            assert_eq!(covers([name], host), expected, "{name} for {host}");
        }
        assert!(covers(["a.example", "b.example"], "b.example"));
        assert!(!covers([], "b.example"));
    }
}
