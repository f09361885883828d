//! Which addresses are not on the Internet that Meta fetches from.
//!
//! The doctor connects to what it is told, perhaps by somebody who wants it to look into its own network. So every address is judged here before
//! a connection is made, whatever name led to it, and the connection goes to the very address that was judged. The rows are those of IANA's
//! special-purpose registries (RFC 6890), and of the ways in which an IPv6 address can carry an IPv4 one.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

/// Why an address is not public: what is said of it, such as `loopback`.
pub(super) type Unfit = &'static str;

/// Why Meta could not reach this address, or why nobody should; `None` for a public one.
pub(super) fn unfit(address: IpAddr) -> Option<Unfit> {
    match address {
        IpAddr::V4(address) => unfit_v4(address),
        IpAddr::V6(address) => unfit_v6(address),
    }
}

fn unfit_v4(address: Ipv4Addr) -> Option<Unfit> {
    let bits = address.to_bits();
    V4.iter().find(|row| bits >> (32 - row.1) == row.0.to_bits() >> (32 - row.1)).map(|row| row.2)
}

/// A NAT64 address is judged by the IPv4 address within it: that is where it leads, and on networks without IPv4 the resolver answers
/// with nothing else. The other ways to embed an IPv4 address lead nowhere on the Internet, or should not.
fn unfit_v6(address: Ipv6Addr) -> Option<Unfit> {
    let bits = address.to_bits();
    if let Some(embedded) = nat64(address) {
        return unfit_v4(embedded).map(|_| "NAT64 for an address that is not public");
    }
    let listed = V6.iter().find(|row| bits >> (128 - row.1) == row.0.to_bits() >> (128 - row.1)).map(|row| row.2);
    let is_global_unicast = bits >> 125 == 0b001;
    listed.or((!is_global_unicast).then_some("reserved"))
}

/// The IPv4 address that the well-known prefix carries (RFC 6052 section 2.1).
fn nat64(address: Ipv6Addr) -> Option<Ipv4Addr> {
    let bits = address.to_bits();
    let low = u32::try_from(bits & u128::from(u32::MAX)).ok()?;
    (bits >> 32 == WELL_KNOWN.to_bits() >> 32).then(|| Ipv4Addr::from_bits(low))
}

/// `64:ff9b::/96` (RFC 6052 section 2.1).
const WELL_KNOWN: Ipv6Addr = Ipv6Addr::new(0x64, 0xff9b, 0, 0, 0, 0, 0, 0);

/// IANA's special-purpose addresses of IPv4, and multicast; prefixes of 1 to 32 bits.
const V4: &[(Ipv4Addr, u32, Unfit)] = &[
    (Ipv4Addr::UNSPECIFIED, 8, "this host (0.0.0.0/8)"),
    (Ipv4Addr::new(10, 0, 0, 0), 8, "private"),
    (Ipv4Addr::new(100, 64, 0, 0), 10, "shared behind a carrier's NAT"),
    (Ipv4Addr::new(127, 0, 0, 0), 8, "loopback"),
    (Ipv4Addr::new(169, 254, 0, 0), 16, "link-local"),
    (Ipv4Addr::new(168, 63, 129, 16), 32, "the host of a machine at Azure"),
    (Ipv4Addr::new(172, 16, 0, 0), 12, "private"),
    (Ipv4Addr::new(192, 0, 0, 0), 24, "reserved for protocols"),
    (Ipv4Addr::new(192, 0, 2, 0), 24, "for documentation"),
    (Ipv4Addr::new(192, 88, 99, 0), 24, "reserved (6to4 relays)"),
    (Ipv4Addr::new(192, 168, 0, 0), 16, "private"),
    (Ipv4Addr::new(198, 18, 0, 0), 15, "for benchmarks"),
    (Ipv4Addr::new(198, 51, 100, 0), 24, "for documentation"),
    (Ipv4Addr::new(203, 0, 113, 0), 24, "for documentation"),
    (Ipv4Addr::new(224, 0, 0, 0), 4, "multicast"),
    (Ipv4Addr::new(240, 0, 0, 0), 4, "reserved"),
];

/// The same of IPv6; what lies outside of `2000::/3` and is not listed is reserved.
const V6: &[(Ipv6Addr, u32, Unfit)] = &[
    (Ipv6Addr::UNSPECIFIED, 128, "unspecified"),
    (Ipv6Addr::LOCALHOST, 128, "loopback"),
    (Ipv6Addr::new(0, 0, 0, 0, 0, 0xffff, 0, 0), 96, "an IPv4 address mapped into IPv6"),
    (Ipv6Addr::new(0, 0, 0, 0, 0xffff, 0, 0, 0), 96, "an IPv4 address translated into IPv6"),
    (Ipv6Addr::UNSPECIFIED, 96, "an IPv4-compatible address"),
    (Ipv6Addr::new(0x64, 0xff9b, 1, 0, 0, 0, 0, 0), 48, "NAT64 of a local network"),
    (Ipv6Addr::new(0x100, 0, 0, 0, 0, 0, 0, 0), 64, "discarded"),
    (Ipv6Addr::new(0x2001, 0, 0, 0, 0, 0, 0, 0), 32, "Teredo"),
    (Ipv6Addr::new(0x2001, 0, 0, 0, 0, 0, 0, 0), 23, "reserved for protocols"),
    (Ipv6Addr::new(0x2001, 0xdb8, 0, 0, 0, 0, 0, 0), 32, "for documentation"),
    (Ipv6Addr::new(0x2002, 0, 0, 0, 0, 0, 0, 0), 16, "6to4"),
    (Ipv6Addr::new(0x3fff, 0, 0, 0, 0, 0, 0, 0), 20, "for documentation"),
    (Ipv6Addr::new(0xfc00, 0, 0, 0, 0, 0, 0, 0), 7, "private (unique local)"),
    (Ipv6Addr::new(0xfe80, 0, 0, 0, 0, 0, 0, 0), 10, "link-local"),
    (Ipv6Addr::new(0xfec0, 0, 0, 0, 0, 0, 0, 0), 10, "private (site-local)"),
    (Ipv6Addr::new(0xff00, 0, 0, 0, 0, 0, 0, 0), 8, "multicast"),
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_edges_of_every_row_hold() {
        for (text, expected) in [
            ("0.0.0.0", Some("this host (0.0.0.0/8)")),
            ("0.255.255.255", Some("this host (0.0.0.0/8)")),
            ("1.0.0.0", None),
            ("9.255.255.255", None),
            ("10.0.0.0", Some("private")),
            ("10.255.255.255", Some("private")),
            ("11.0.0.0", None),
            ("100.63.255.255", None),
            ("100.64.0.0", Some("shared behind a carrier's NAT")),
            ("100.127.255.255", Some("shared behind a carrier's NAT")),
            ("100.128.0.0", None),
            ("126.255.255.255", None),
            ("127.0.0.1", Some("loopback")),
            ("127.255.255.254", Some("loopback")),
            ("128.0.0.0", None),
            ("169.253.255.255", None),
            ("169.254.169.254", Some("link-local")),
            ("168.63.129.16", Some("the host of a machine at Azure")),
            ("168.63.129.17", None),
            ("169.255.0.0", None),
            ("172.15.255.255", None),
            ("172.16.0.0", Some("private")),
            ("172.31.255.255", Some("private")),
            ("172.32.0.0", None),
            ("191.255.255.255", None),
            ("192.0.0.8", Some("reserved for protocols")),
            ("192.0.1.0", None),
            ("192.0.2.1", Some("for documentation")),
            ("192.88.99.1", Some("reserved (6to4 relays)")),
            ("192.88.100.0", None),
            ("192.168.0.1", Some("private")),
            ("192.169.0.0", None),
            ("198.17.255.255", None),
            ("198.18.0.0", Some("for benchmarks")),
            ("198.19.255.255", Some("for benchmarks")),
            ("198.20.0.0", None),
            ("198.51.100.7", Some("for documentation")),
            ("203.0.113.7", Some("for documentation")),
            ("223.255.255.255", None),
            ("224.0.0.1", Some("multicast")),
            ("239.255.255.255", Some("multicast")),
            ("240.0.0.1", Some("reserved")),
            ("255.255.255.255", Some("reserved")),
            ("8.8.8.8", None),
            ("157.240.0.1", None),
        ] {
            assert_eq!(unfit(text.parse().unwrap()), expected, "{text}");
        }
    }

    #[test]
    fn no_way_of_writing_ipv4_into_ipv6_leads_inside() {
        let inside = Some("NAT64 for an address that is not public");
        for (text, expected) in [
            ("::", Some("unspecified")),
            ("::1", Some("loopback")),
            ("::2", Some("an IPv4-compatible address")),
            ("::127.0.0.1", Some("an IPv4-compatible address")),
            ("::8.8.8.8", Some("an IPv4-compatible address")),
            ("::ffff:127.0.0.1", Some("an IPv4 address mapped into IPv6")),
            ("::ffff:8.8.8.8", Some("an IPv4 address mapped into IPv6")),
            ("::ffff:0:10.0.0.1", Some("an IPv4 address translated into IPv6")),
            ("64:ff9b::8.8.8.8", None),
            ("64:ff9b::10.0.0.1", inside),
            ("64:ff9b::127.0.0.1", inside),
            ("64:ff9b::169.254.169.254", inside),
            ("64:ff9b::100.64.0.1", inside),
            ("64:ff9b::192.0.2.1", inside),
            ("64:ff9b:0:0:0:1:808:808", Some("reserved")),
            ("64:ff9b:1::8.8.8.8", Some("NAT64 of a local network")),
            ("64:ff9b:1:ffff::1", Some("NAT64 of a local network")),
            ("64:ff9b:2::1", Some("reserved")),
            ("2001::1", Some("Teredo")),
            ("2001:0:4136:e378:8000:63bf:3fff:fdd2", Some("Teredo")),
            ("2001:1::1", Some("reserved for protocols")),
            ("2001:1ff:ffff::1", Some("reserved for protocols")),
            ("2001:200::1", None),
            ("2002:7f00:1::1", Some("6to4")),
            ("2002:808:808::1", Some("6to4")),
        ] {
            assert_eq!(unfit(text.parse().unwrap()), expected, "{text}");
        }
    }

    #[test]
    fn ipv6_that_is_not_global_unicast_is_refused() {
        for (text, expected) in [
            ("100::1", Some("discarded")),
            ("100:0:0:1::1", Some("reserved")),
            ("1fff:ffff::1", Some("reserved")),
            ("2000::1", None),
            ("2001:db7:ffff::1", None),
            ("2001:db8::1", Some("for documentation")),
            ("2001:db9::1", None),
            ("2003::1", None),
            ("2a03:2880:f003::1", None),
            ("3ffe:ffff::1", None),
            ("3fff:fff:ffff::1", Some("for documentation")),
            ("3fff:1000::1", None),
            ("4000::1", Some("reserved")),
            ("5f00::1", Some("reserved")),
            ("fbff:ffff::1", Some("reserved")),
            ("fc00::1", Some("private (unique local)")),
            ("fdff::1", Some("private (unique local)")),
            ("fe80::1", Some("link-local")),
            ("febf::1", Some("link-local")),
            ("fec0::1", Some("private (site-local)")),
            ("ff02::1", Some("multicast")),
        ] {
            assert_eq!(unfit(text.parse().unwrap()), expected, "{text}");
        }
    }
}
