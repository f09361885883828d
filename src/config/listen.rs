//! `public_origin` and `[listen]`: what the world calls us, and where we listen.

use std::collections::BTreeMap;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};

use ipnet::IpNet;
use toml::de::DeTable;
use toml::{Table, Value};

use super::environment::Overrides;
use super::reading::{Reading, address, choice, flag, network, parsed, text};
use super::section::Section;
use crate::link::PublicOrigin;

/// Where the three listeners listen, and whom they believe.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ListenSettings {
    /// What the world sees. Default 0.0.0.0:8443.
    pub public: SocketAddr,
    /// The API for our own systems; off loopback only with `control.certificates`. Default 127.0.0.1:8081.
    pub control: SocketAddr,
    /// Liveness, readiness and metrics. Default 127.0.0.1:8082.
    pub ops: SocketAddr,
    /// Peers whose `X-Forwarded-For` is believed. Default none.
    pub trusted_proxies: Vec<IpNet>,
    /// The listeners whose connections begin with a PROXY header. Default none.
    pub proxy_protocol: Vec<ListenerName>,
    /// Which Host names are ours besides the public origin's. Default none.
    pub hosts: HostNames,
}

/// A listener that proxies may stand in front of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ListenerName {
    /// What the world sees.
    Public,
    /// The API for our own systems.
    Control,
}

/// Host names that a request may carry besides the public origin's.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum HostNames {
    /// Any: `hosts = ["*"]`.
    Any,
    /// Only these, each a lower-case host with its port where it has one.
    Only(Vec<String>),
}

impl Default for ListenSettings {
    fn default() -> Self {
        let on = |ip: Ipv4Addr, port| SocketAddr::new(IpAddr::V4(ip), port);
        Self {
            public: on(Ipv4Addr::UNSPECIFIED, 8443),
            control: on(Ipv4Addr::LOCALHOST, 8081),
            ops: on(Ipv4Addr::LOCALHOST, 8082),
            trusted_proxies: Vec::new(),
            proxy_protocol: Vec::new(),
            hosts: HostNames::Only(Vec::new()),
        }
    }
}

/// Reads `public_origin`, and `insecure_public_origin` which allows plain HTTP to a name that the world can reach.
pub(super) fn public_origin(root: &mut Section<'_>) -> Option<PublicOrigin> {
    let insecure = root.read("insecure_public_origin", flag).unwrap_or(false);
    let hint = "write what links begin with, such as \"https://media.example.com\"";
    let origin = root.need("public_origin", hint, parsed::<PublicOrigin>)?;
    if !origin.is_https() && root.has("tls") {
        root.fault("public_origin", "begins with http://, but with [tls] listen.public speaks TLS; use https://");
    } else if !origin.is_https() && !insecure && !is_loopback(&origin) {
        root.fault(
            "public_origin",
            "begins with http://, so anybody on the way could read and reuse links; use https://, or say \
             insecure_public_origin = true for a private test",
        );
    }
    Some(origin)
}

fn is_loopback(origin: &PublicOrigin) -> bool {
    let host = origin.host();
    let address = host.parse::<IpAddr>();
    address.map_or_else(|_| host == "localhost" || host.ends_with(".localhost"), |ip| ip.is_loopback())
}

/// Reads `[listen]`.
pub(super) fn read(mut section: Section<'_>) -> ListenSettings {
    let default = ListenSettings::default();
    let public = section.read("public", address).unwrap_or(default.public);
    let control = section.read("control", address).unwrap_or(default.control);
    let ops = section.read("ops", address).unwrap_or(default.ops);
    for (name, address, others) in [("control", control, &[public][..]), ("ops", ops, &[public, control])] {
        if others.iter().any(|other| collide(address, *other)) {
            section.fault(name, "is the address of another listener too; give each its own port");
        }
    }
    let trusted_proxies = section.list("trusted_proxies", network).unwrap_or_default();
    let listener = choice(&[("public", ListenerName::Public), ("control", ListenerName::Control)]);
    let proxy_protocol = section.list("proxy_protocol", listener).unwrap_or_default();
    if !proxy_protocol.is_empty() && trusted_proxies.is_empty() {
        section.fault(
            "proxy_protocol",
            "needs trusted_proxies: a PROXY header is believed from nobody else; name the networks of your proxies there",
        );
    }
    let hosts = section.list("hosts", host).unwrap_or_default();
    section.end();
    ListenSettings {
        public,
        control,
        ops,
        trusted_proxies: trusted_proxies.into_iter().map(|(_, network)| network).collect(),
        proxy_protocol: proxy_protocol.into_iter().map(|(_, listener)| listener).collect(),
        hosts: host_names(hosts.into_iter().map(|(_, host)| host)),
    }
}

/// `listen.ops` alone, whatever else is wrong with these settings, for whoever asks a gateway that runs on by its old ones. An error where they cannot
/// say it.
pub(super) fn ops_alone(text: &str, environment: &BTreeMap<String, String>) -> Reading<SocketAddr> {
    // Of a text that is not TOML, what could be read of it.
    let (read, faults) = DeTable::parse_recoverable(text);
    let listen = read.get_ref().get("listen").and_then(|listen| listen.get_ref().as_table());
    let written = listen.and_then(|listen| listen.get("ops")).and_then(|ops| ops.get_ref().as_str());
    let ops = written.map(|ops| Table::from_iter([("ops".to_owned(), Value::from(ops))]));
    let mut table = Table::from_iter(ops.map(|ops| ("listen".to_owned(), Value::from(ops))));
    Overrides::apply(environment, &mut table, &mut Vec::new());
    match table.get("listen").and_then(|listen| listen.get("ops")) {
        Some(ops) => address(ops).map_err(|problem| format!("listen.ops {problem}")),
        None if faults.is_empty() => Ok(ListenSettings::default().ops),
        None => Err("they are not TOML".to_owned()),
    }
}

/// Client keys travel on the control listener: off loopback it must speak TLS.
pub(super) fn guard_control(root: &mut Section<'_>, listen: &ListenSettings, speaks_tls: bool) {
    if !listen.control.ip().is_loopback() && !speaks_tls {
        root.fault_at(
            "listen.control",
            "is off loopback, where client keys would travel in the clear; name control.certificates, or use 127.0.0.1 \
             or [::1]",
        );
    }
}

/// Port 0 is a free port each time, and so never in the way.
fn collide(one: SocketAddr, other: SocketAddr) -> bool {
    let same = one.ip() == other.ip() || one.ip().is_unspecified() || other.ip().is_unspecified();
    same && one.port() == other.port() && one.port() != 0
}

/// A host name as requests carry it; `*` stands for any.
fn host(value: &Value) -> Reading<String> {
    let host = text(value)?;
    if host == "*" || format!("https://{host}").parse::<PublicOrigin>().is_ok() {
        return Ok(host.to_owned());
    }
    Err("is a lower-case host name with its port, if any, such as \"cdn.example.com\", or \"*\" for any".to_owned())
}

fn host_names(hosts: impl Iterator<Item = String>) -> HostNames {
    let hosts: Vec<_> = hosts.collect();
    if hosts.iter().any(|host| host == "*") { HostNames::Any } else { HostNames::Only(hosts) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn loopback_names_are_known() {
        for (origin, expected) in [
            ("http://127.0.0.1:8080", true),
            ("http://127.9.9.9", true),
            ("http://[::1]:80", true),
            ("http://[::1]", true),
            ("http://localhost:8080", true),
            ("http://a.localhost", true),
            ("http://notlocalhost", false),
            ("http://10.0.0.1", false),
            ("http://media.example.com", false),
            ("http://127.0.0.1.example.com", false),
        ] {
            assert_eq!(is_loopback(&origin.parse().unwrap()), expected, "{origin}");
        }
    }

    #[test]
    fn the_ops_listener_is_found_in_whatever_there_is() {
        for (text, variable, expected) in [
            ("[listen]\nops = '127.0.0.1:9'", None, Some("127.0.0.1:9")),
            ("listen = { ops = '[::1]:9', public = 7 }\nstores = 'none'", None, Some("[::1]:9")),
            // Not TOML before it, not TOML behind it, and cut off.
            ("public_origin = https://a\n[listen]\nops = '127.0.0.1:9'", None, Some("127.0.0.1:9")),
            ("[listen]\nops = '127.0.0.1:9'\npublic = \n[[[", None, Some("127.0.0.1:9")),
            ("[listen]\nops = '127.0.0.1:9'\npublic = '0.0.", None, Some("127.0.0.1:9")),
            ("[listen]\nops = '127.0.0.1:9'", Some("127.0.0.1:8"), Some("127.0.0.1:8")),
            ("", Some("127.0.0.1:8"), Some("127.0.0.1:8")),
            ("not TOML", Some("127.0.0.1:8"), Some("127.0.0.1:8")),
            ("", None, Some("127.0.0.1:8082")),
            ("[listen]\npublic = '127.0.0.1:9'", None, Some("127.0.0.1:8082")),
            ("not TOML", None, None),
            ("[listen]\nops = 'nowhere'", None, None),
            ("[listen]\nops = '127.0.0.1:9'", Some("nowhere"), None),
        ] {
            let named = variable.map(|value| ("HALLPASS_LISTEN__OPS".to_owned(), value.to_owned()));
            let found = ops_alone(text, &named.into_iter().collect());
            assert_eq!(found.ok(), expected.map(|at| at.parse().unwrap()), "{text}, {variable:?}");
        }
    }

    #[test]
    fn listeners_collide_on_one_port_of_one_address() {
        let at = |text: &str| text.parse::<SocketAddr>().unwrap();
        assert!(collide(at("0.0.0.0:80"), at("127.0.0.1:80")));
        assert!(collide(at("127.0.0.1:80"), at("127.0.0.1:80")));
        assert!(!collide(at("127.0.0.1:80"), at("127.0.0.2:80")));
        assert!(!collide(at("127.0.0.1:0"), at("127.0.0.1:0")));
        assert!(!collide(at("127.0.0.1:80"), at("127.0.0.1:81")));
    }
}
