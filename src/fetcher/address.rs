//! From the address of a socket to the address of the client behind the proxies.
//!
//! Anybody can write `X-Forwarded-For`; only its end, which our own proxies wrote, is worth anything. So it is walked from the right,
//! each entry believed only because the hop that wrote it is trusted. The two types keep one address from being taken for the other.

use std::fmt;
use std::net::{IpAddr, SocketAddr};

use ipnet::IpNet;

/// The other end of our socket: a proxy of ours, or the client itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct PeerAddr(SocketAddr);

impl PeerAddr {
    /// The address that `accept` gave.
    pub const fn new(socket: SocketAddr) -> Self {
        Self(socket)
    }

    /// The address without the port; an IPv4-mapped IPv6 address (RFC 4291 section 2.5.5.2) as IPv4.
    pub const fn ip(self) -> IpAddr {
        self.0.ip().to_canonical()
    }
}

/// The address of the client, as far as trusted hops vouch for it. Only [`client_address`] makes one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct ClientAddr(IpAddr);

impl ClientAddr {
    /// The address, never an IPv4-mapped one.
    pub const fn ip(self) -> IpAddr {
        self.0
    }
}

impl fmt::Display for ClientAddr {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// The network of a client, against which limits count: nobody gets around them by moving to the next address.
///
/// It is the /24 of an IPv4 address and the /48 of an IPv6 one, the smallest that the world's routing tables hold.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct ClientNetwork(u64);

impl ClientNetwork {
    /// The network of this address; an IPv4-mapped one (RFC 4291 section 2.5.5.2) counts as IPv4.
    pub fn of(ip: IpAddr) -> Self {
        match ip.to_canonical() {
            IpAddr::V4(ip) => Self(IS_IPV4 | u64::from(ip.to_bits() >> 8)),
            IpAddr::V6(ip) => Self(u64::try_from(ip.to_bits() >> 80).unwrap_or_default()),
        }
    }
}

/// Above the 48 bits of an IPv6 network.
const IS_IPV4: u64 = 1 << 63;

/// Walks the `X-Forwarded-For` lines, in the order they came, back from the peer to the first address that is not `trusted`.
///
/// An entry that is no address (an empty one as well) ends the walk at the last trusted hop: what stands left of it may be anything.
pub fn client_address<'a>(
    peer: PeerAddr,
    forwarded: impl DoubleEndedIterator<Item = &'a [u8]>,
    trusted: &[IpNet],
) -> ClientAddr {
    let is_trusted = |ip: IpAddr| trusted.iter().any(|network| network.contains(&ip));
    let mut believed = peer.ip();
    for entry in forwarded.rev().flat_map(|line| line.rsplit(|&byte| byte == b',')) {
        if !is_trusted(believed) {
            break;
        }
        match forwarded_entry(entry) {
            Some(ip) => believed = ip,
            None => break,
        }
    }
    ClientAddr(believed)
}

/// Reads `192.0.2.1`, `192.0.2.1:80`, `2001:db8::1`, `[2001:db8::1]` or `[2001:db8::1]:80`.
fn forwarded_entry(entry: &[u8]) -> Option<IpAddr> {
    let text = std::str::from_utf8(entry).ok()?.trim_matches([' ', '\t']);
    let bare = text.strip_prefix('[').and_then(|rest| rest.strip_suffix(']')).filter(|inner| inner.contains(':'));
    let ip = bare.unwrap_or(text).parse().or_else(|_| text.parse().map(|socket: SocketAddr| socket.ip()));
    ip.ok().map(|ip| ip.to_canonical())
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn walk(peer: &str, lines: &[&str], trusted: &[&str]) -> String {
        let trusted: Vec<IpNet> = trusted.iter().map(|net| net.parse().unwrap()).collect();
        let peer = PeerAddr::new(SocketAddr::new(peer.parse().unwrap(), 1));
        client_address(peer, lines.iter().map(|line| line.as_bytes()), &trusted).to_string()
    }

    #[test]
    fn neighbours_share_a_network() {
        let of = |text: &str| ClientNetwork::of(text.parse().unwrap());
        for (one, other, same) in [
            ("192.0.2.1", "192.0.2.254", true),
            ("192.0.2.1", "192.0.3.1", false),
            ("192.0.2.1", "::ffff:192.0.2.9", true),
            ("2001:db8:1::1", "2001:db8:1:ffff::9", true),
            ("2001:db8:1::1", "2001:db8:2::1", false),
            ("0.0.0.0", "::", false),
            ("255.255.255.1", "ffff:ffff:ffff::1", false),
        ] {
            assert_eq!(of(one) == of(other), same, "{one} {other}");
        }
    }

    #[test]
    fn an_untrusted_peer_is_the_client_whatever_it_writes() {
        assert_eq!(walk("192.0.2.9", &["31.13.24.1"], &[]), "192.0.2.9");
        assert_eq!(walk("192.0.2.9", &["31.13.24.1", "10.0.0.1"], &["10.0.0.0/8"]), "192.0.2.9");
    }

    #[test]
    fn lines_are_joined_and_walked_from_the_right() {
        let ours = ["10.0.0.0/8", "2001:db8::/32"];
        for (lines, client) in [
            (vec![], "10.0.0.1"),
            (vec!["198.51.100.7"], "198.51.100.7"),
            (vec!["31.13.24.1, 198.51.100.7"], "198.51.100.7"),
            (vec!["31.13.24.1", "198.51.100.7,10.1.1.1 , 10.2.2.2"], "198.51.100.7"),
            (vec!["31.13.24.1,\t198.51.100.7", "10.1.1.1"], "198.51.100.7"),
            (vec!["10.3.3.3, 10.2.2.2"], "10.3.3.3"),
            (vec!["198.51.100.7:443, [2001:db8::5]:1234"], "198.51.100.7"),
            (vec!["[2a03:2880::1]"], "2a03:2880::1"),
            (vec!["2a03:2880::1"], "2a03:2880::1"),
            (vec!["::ffff:198.51.100.7"], "198.51.100.7"),
        ] {
            assert_eq!(walk("10.0.0.1", &lines, &ours), client, "{lines:?}");
        }
    }

    #[test]
    fn an_entry_that_is_no_address_ends_the_walk_at_the_last_trusted_hop() {
        for junk in
            ["unknown", "", "unix:", "[198.51.100.7]", "1.2.3.4:", "1.2.3", "fe80::1%eth0", "\"1.2.3.4\"", "[::1"]
        {
            let line = format!("31.13.24.1, {junk}, 10.5.5.5");
            assert_eq!(walk("10.0.0.1", &[&line], &["10.0.0.0/8"]), "10.5.5.5", "{junk:?}");
        }
        assert_eq!(walk("10.0.0.1", &["31.13.24.1", ""], &["10.0.0.0/8"]), "10.0.0.1");
    }

    #[test]
    fn a_mapped_peer_is_trusted_by_its_ipv4_network() {
        assert_eq!(walk("::ffff:10.0.0.1", &["198.51.100.7"], &["10.0.0.0/8"]), "198.51.100.7");
    }

    proptest! {
        #[test]
        fn what_an_untrusted_client_prepends_never_changes_the_answer(forged in "[ -~]{0,40}", bytes in any::<Vec<u8>>()) {
            let trusted: Vec<IpNet> = vec!["10.0.0.0/8".parse().unwrap()];
            let peer = PeerAddr::new("10.0.0.1:1".parse().unwrap());
            let honest = format!("{forged}, 198.51.100.7");
            let lines = [bytes.as_slice(), honest.as_bytes()];
            prop_assert_eq!(client_address(peer, lines.into_iter(), &trusted).to_string(), "198.51.100.7");
        }
    }
}
