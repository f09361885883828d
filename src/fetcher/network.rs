//! The networks a fetcher comes from: a dated text file of CIDRs, and the question whether an address lies in one.
//!
//! The date is part of the list because a list that nobody renewed must not refuse anybody: past `stale_after` it is said to know nothing.
//! Networks become sorted, joined ranges at parsing, so that a lookup is one binary search and takes no lock and no memory.

use std::fmt::Write as _;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::time::Duration;

use ipnet::IpNet;

use crate::value::UnixTime;

/// A dated list of networks, as sorted ranges of addresses that do not overlap.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NetworkList {
    taken: UnixTime,
    /// First and last address of each range.
    v4: Box<[(Ipv4Addr, Ipv4Addr)]>,
    v6: Box<[(Ipv6Addr, Ipv6Addr)]>,
}

/// Where an address lies, as far as the profile's list can say.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum NetworkVerdict {
    /// In one of the listed networks.
    Inside,
    /// In none of them.
    Outside,
    /// The list is too old to say, or dated in the future.
    Unknown,
    /// The profile has no list, so its networks are no question.
    Unlisted,
}

/// Everything that is wrong with a network list.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the network list has {} faults:{}", .0.len(), listed(.0))]
pub struct BadNetworkList(pub Vec<NetworkFault>);

/// One fault and the line it is in.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("line {line}: {reason}")]
pub struct NetworkFault {
    /// The line, counted from 1; what concerns the list as a whole has the number of its last line.
    pub line: usize,
    /// What is wrong.
    pub reason: NetworkReason,
}

/// What can be wrong in a network list.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum NetworkReason {
    /// The line is neither empty, nor a comment, nor an address with a prefix length.
    #[error("{0:?} is not a network such as 192.0.2.0/24 or 2001:db8::/32")]
    NotANetwork(String),
    /// Bits past the prefix are set, which is more often a slip than meant.
    #[error("{0} has bits set past its prefix; the network is {network}", network = .0.trunc())]
    HostBits(IpNet),
    /// The network is larger than any one company's.
    #[error("{0} is too wide: a fetcher's network has a prefix of at least /8 (IPv4) or /16 (IPv6)")]
    TooWide(IpNet),
    /// An IPv4-mapped IPv6 network, which could never match: such addresses count as IPv4.
    #[error("{0} is an IPv4-mapped network: write it as IPv4")]
    Mapped(IpNet),
    /// The date is not one.
    #[error("{0:?} is not a date such as 2026-08-22")]
    BadDate(String),
    /// A second date.
    #[error("the date stands in two lines: keep one")]
    SecondDate,
    /// No line says when the list was taken.
    #[error("no line says when the list was taken: begin it with '# taken 2026-08-22'")]
    NoDate,
    /// No networks at all.
    #[error("the list is empty: name at least one network")]
    Empty,
}

impl NetworkList {
    /// Reads a list: a comment `# taken YYYY-MM-DD` (UTC), one network in each line, `#` before comments, empty lines.
    pub fn parse(text: &str) -> Result<Self, BadNetworkList> {
        let mut reading = Reading::default();
        for (index, line) in text.trim_start_matches('\u{feff}').lines().enumerate() {
            reading.take(index + 1, line);
        }
        reading.finish()
    }

    /// The day on which the list was taken, at its start in UTC.
    pub const fn taken(&self) -> UnixTime {
        self.taken
    }

    /// How old the list is; zero while its date lies ahead.
    pub fn age(&self, now: UnixTime) -> Duration {
        self.taken.until(now)
    }

    /// Whether `ip` lies in a listed network. An IPv4-mapped IPv6 address (RFC 4291 section 2.5.5.2) counts as IPv4.
    pub fn contains(&self, ip: IpAddr) -> bool {
        match ip.to_canonical() {
            IpAddr::V4(ip) => within(&self.v4, ip),
            IpAddr::V6(ip) => within(&self.v6, ip),
        }
    }

    /// Whether `ip` lies in a listed network, unless the list is older than `stale_after` or dated more than a day ahead.
    pub fn judge(&self, ip: IpAddr, now: UnixTime, stale_after: Duration) -> NetworkVerdict {
        if self.age(now) > stale_after || now.until(self.taken) > CLOCK_SLACK {
            NetworkVerdict::Unknown
        } else if self.contains(ip) {
            NetworkVerdict::Inside
        } else {
            NetworkVerdict::Outside
        }
    }
}

impl NetworkVerdict {
    /// The verdict as logs and metrics write it.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Inside => "inside",
            Self::Outside => "outside",
            Self::Unknown => "unknown",
            Self::Unlisted => "unlisted",
        }
    }
}

#[derive(Default)]
struct Reading {
    taken: Option<UnixTime>,
    dated: bool,
    networks: Vec<IpNet>,
    faults: Vec<NetworkFault>,
    lines: usize,
}

impl Reading {
    fn take(&mut self, number: usize, line: &str) {
        self.lines = number;
        let (entry, comment) = line.split_once('#').unwrap_or((line, ""));
        let outcome = match (entry.trim(), comment.trim().strip_prefix("taken ")) {
            ("", Some(date)) => self.take_date(date.trim()),
            ("", None) => Ok(()),
            (entry, _) => read_network(entry).map(|network| self.networks.push(network)),
        };
        if let Err(reason) = outcome {
            self.faults.push(NetworkFault { line: number, reason });
        }
    }

    fn take_date(&mut self, text: &str) -> Result<(), NetworkReason> {
        if std::mem::replace(&mut self.dated, true) {
            return Err(NetworkReason::SecondDate);
        }
        let date = UnixTime::parse_rfc3339(&format!("{text}T00:00:00Z"));
        self.taken = Some(date.ok_or_else(|| NetworkReason::BadDate(quoted(text)))?);
        Ok(())
    }

    fn finish(mut self) -> Result<NetworkList, BadNetworkList> {
        let last = self.lines.max(1);
        if !self.dated {
            self.faults.push(NetworkFault { line: last, reason: NetworkReason::NoDate });
        }
        if self.networks.is_empty() && self.faults.iter().all(|fault| fault.reason.is_about_dates()) {
            self.faults.push(NetworkFault { line: last, reason: NetworkReason::Empty });
        }
        match self.taken {
            Some(taken) if self.faults.is_empty() => Ok(joined(taken, &self.networks)),
            _ => Err(BadNetworkList(self.faults)),
        }
    }
}

impl NetworkReason {
    const fn is_about_dates(&self) -> bool {
        matches!(self, Self::BadDate(_) | Self::SecondDate | Self::NoDate)
    }
}

fn read_network(entry: &str) -> Result<IpNet, NetworkReason> {
    let network: IpNet = entry.parse().map_err(|_| NetworkReason::NotANetwork(quoted(entry)))?;
    let (least, mapped) = match network {
        IpNet::V4(_) => (8, false),
        IpNet::V6(v6) => (16, v6.addr().to_ipv4_mapped().is_some()),
    };
    if mapped {
        Err(NetworkReason::Mapped(network))
    } else if network.prefix_len() < least {
        Err(NetworkReason::TooWide(network))
    } else if network.trunc() != network {
        Err(NetworkReason::HostBits(network))
    } else {
        Ok(network)
    }
}

/// The list with its networks sorted and joined: `IpNet::aggregate` keeps prefixes, of which no two overlap.
fn joined(taken: UnixTime, networks: &[IpNet]) -> NetworkList {
    let (mut v4, mut v6) = (Vec::new(), Vec::new());
    for network in IpNet::aggregate(&networks.to_vec()) {
        match network {
            IpNet::V4(net) => v4.push((net.network(), net.broadcast())),
            IpNet::V6(net) => v6.push((net.network(), net.broadcast())),
        }
    }
    v4.sort_unstable();
    v6.sort_unstable();
    NetworkList { taken, v4: v4.into(), v6: v6.into() }
}

/// Whether one of the sorted `ranges` holds `ip`: only the last that begins at or before it can.
fn within<Ip: Copy + Ord>(ranges: &[(Ip, Ip)], ip: Ip) -> bool {
    let after = ranges.partition_point(|(first, _)| *first <= ip);
    after.checked_sub(1).and_then(|at| ranges.get(at)).is_some_and(|(_, last)| ip <= *last)
}

fn quoted(text: &str) -> String {
    text.chars().take(MAX_QUOTE).collect()
}

fn listed(faults: &[NetworkFault]) -> String {
    let mut text = String::new();
    for fault in faults {
        let _ = write!(text, "\n  {fault}");
    }
    text
}

/// A list that was taken today where the day begins earlier is not from the future.
const CLOCK_SLACK: Duration = Duration::from_hours(24);

/// How much of a broken line an error repeats, in characters.
const MAX_QUOTE: usize = 60;

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn list(networks: &str) -> NetworkList {
        NetworkList::parse(&format!("# taken 2026-08-22\n{networks}")).unwrap()
    }

    fn faults(text: &str) -> Vec<(usize, NetworkReason)> {
        let BadNetworkList(faults) = NetworkList::parse(text).unwrap_err();
        faults.into_iter().map(|fault| (fault.line, fault.reason)).collect()
    }

    #[test]
    fn a_list_is_read_with_comments_blank_lines_and_any_line_ends() {
        let read =
            NetworkList::parse("\u{feff}# taken 2026-08-22\r\n\r\n# more\r\n 192.0.2.0/24 # ours\r\n2001:db8::/32")
                .unwrap();
        assert_eq!(read.taken().to_string(), "2026-08-22T00:00:00Z");
        for (ip, inside) in [
            ("192.0.1.255", false),
            ("192.0.2.0", true),
            ("192.0.2.255", true),
            ("192.0.3.0", false),
            ("::ffff:192.0.2.7", true),
            ("::192.0.2.7", false),
            ("2001:db7:ffff::1", false),
            ("2001:db8::", true),
            ("2001:db8:ffff:ffff:ffff:ffff:ffff:ffff", true),
            ("2001:db9::", false),
            ("0.0.0.0", false),
            ("255.255.255.255", false),
        ] {
            assert_eq!(read.contains(ip.parse().unwrap()), inside, "{ip}");
        }
    }

    #[test]
    fn networks_that_overlap_or_touch_are_joined() {
        let read = list("10.0.0.0/8\n10.1.0.0/16\n11.0.0.0/8\n192.0.2.0/24\n192.0.2.0/24");
        assert_eq!(read.v4.len(), 2);
        assert!(read.contains("10.1.2.3".parse().unwrap()));
        assert!(read.contains("10.255.255.255".parse().unwrap()));
        assert!(read.contains("11.255.255.255".parse().unwrap()));
        assert!(!read.contains("12.0.0.0".parse().unwrap()));
    }

    #[test]
    fn every_fault_is_listed_with_its_line() {
        let text = "# taken 2026-02-30\n192.0.2.1\n0.0.0.0/0\n10.0.0.0/7\n::/0\n192.0.2.1/24\n\n::ffff:1.2.3.0/120\n\
                    300.1.1.0/24\nhttp://x/\n# taken 2026-01-01\n192.0.2.0/24 192.0.3.0/24";
        let found = faults(text);
        let lines: Vec<_> = found.iter().map(|(line, _)| *line).collect();
        assert_eq!(lines, [1, 2, 3, 4, 5, 6, 8, 9, 10, 11, 12]);
        assert!(matches!(found[0].1, NetworkReason::BadDate(_)));
        assert!(matches!(found[1].1, NetworkReason::NotANetwork(_)));
        assert!(matches!(found[2].1, NetworkReason::TooWide(_)));
        assert!(matches!(found[5].1, NetworkReason::HostBits(_)));
        assert!(matches!(found[6].1, NetworkReason::Mapped(_)));
        assert_eq!(found[9].1, NetworkReason::SecondDate);
        let said = NetworkList::parse(text).unwrap_err().to_string();
        assert!(said.starts_with("the network list has 11 faults:\n  line 1: \"2026-02-30\" is not a date"), "{said}");
        assert!(
            said.contains("line 6: 192.0.2.1/24 has bits set past its prefix; the network is 192.0.2.0/24"),
            "{said}"
        );
    }

    #[test]
    fn a_list_without_date_or_networks_is_an_error() {
        assert_eq!(faults(""), [(1, NetworkReason::NoDate), (1, NetworkReason::Empty)]);
        assert_eq!(faults("# taken 2026-08-22\n# none\n"), [(2, NetworkReason::Empty)]);
        assert_eq!(faults("192.0.2.0/24"), [(1, NetworkReason::NoDate)]);
        assert_eq!(faults("192.0.2.0/24 # taken 2026-08-22"), [(1, NetworkReason::NoDate)]);
        for date in ["", "today", "2026-8-22", "22.08.2026", "2026-08-22T00:00:00Z", "1969-12-31", "99999-01-01"] {
            assert_eq!(faults(&format!("# taken {date} \n192.0.2.0/24")).len(), 1, "{date}");
        }
    }

    #[test]
    fn a_list_past_its_time_or_from_the_future_knows_nothing() {
        let (read, ip) = (list("192.0.2.0/24"), "192.0.2.1".parse().unwrap());
        let stale_after = Duration::from_secs(1000);
        for (now, expected) in [
            (read.taken().plus(stale_after), NetworkVerdict::Inside),
            (read.taken().plus(Duration::from_secs(1001)), NetworkVerdict::Unknown),
            (read.taken().minus(CLOCK_SLACK), NetworkVerdict::Inside),
            (read.taken().minus(Duration::from_secs(86_401)), NetworkVerdict::Unknown),
        ] {
            assert_eq!(read.judge(ip, now, stale_after), expected, "{now}");
        }
        assert_eq!(read.judge("192.0.3.1".parse().unwrap(), read.taken(), stale_after), NetworkVerdict::Outside);
    }

    proptest! {
        #[test]
        fn a_lookup_agrees_with_asking_each_network(
            nets in prop::collection::vec((any::<u32>(), 8_u8..=32), 1..40),
            wide in prop::collection::vec((any::<u128>(), 16_u8..=128), 0..40),
            probes in prop::collection::vec(any::<u32>(), 20),
        ) {
            let mut networks: Vec<IpNet> = nets.iter().map(|(ip, len)| IpNet::new(Ipv4Addr::from(*ip).into(), *len).unwrap().trunc()).collect();
            networks.extend(wide.iter().map(|(ip, len)| IpNet::new(Ipv6Addr::from(*ip | 1 << 127).into(), *len).unwrap().trunc()));
            let text = networks.iter().map(ToString::to_string).collect::<Vec<_>>().join("\n");
            let read = list(&text);
            let mut ips: Vec<IpAddr> = networks.iter().flat_map(|net| [net.network(), net.broadcast()]).collect();
            ips.extend(probes.into_iter().map(|ip| IpAddr::from(Ipv4Addr::from(ip))));
            for ip in ips {
                prop_assert_eq!(read.contains(ip), networks.iter().any(|net| net.contains(&ip)), "{}", ip);
            }
        }

        #[test]
        fn no_text_makes_the_reader_panic(text in any::<String>()) {
            let _ = NetworkList::parse(&text);
        }
    }
}
