//! The PROXY protocol (versions 1 and 2): believed from trusted proxies alone, and a listener that wants it takes nothing else.

use std::net::Ipv6Addr;
use std::time::Duration;

use tokio::time::sleep;

use crate::kit::gateway::{BROWSER, META, Place, request};
use crate::kit::wire::Wire;

use super::{Fort, HERE, THERE, tls};

/// An address of Meta's: a browser that comes from there gets what it asks for, and another one does not.
const META_V4: [u8; 4] = [157, 240, 1, 1];
const META_V6: Ipv6Addr = Ipv6Addr::new(0x2a03, 0x2880, 0, 0, 0, 0, 0, 1);
const NOBODY: [u8; 4] = [198, 51, 100, 7];

const LISTEN: &str = ", proxy_protocol = [\"public\"], trusted_proxies = [\"127.0.0.0/24\"]";
const SIGNATURE: &[u8] = b"\r\n\r\n\0\r\nQUIT\n";
const PROXY: u8 = 0x21;
const LOCAL: u8 = 0x20;
const TCP4: u8 = 0x11;
const TCP6: u8 = 0x21;
const UNIX: u8 = 0x31;

async fn fort(settings: &str) -> Fort {
    let place = Place { listen: LISTEN, settings: settings.to_owned(), ..Place::new() };
    Fort::at(place, None).await
}

/// Version 2, section 2.2 of the specification, with this family and payload.
fn v2(command: u8, family: u8, payload: &[u8]) -> Vec<u8> {
    let length = u16::try_from(payload.len()).unwrap().to_be_bytes();
    [SIGNATURE, &[command, family], &length, payload].concat()
}

/// The addresses of a connection over IPv4, and its ports.
fn v4_from(source: [u8; 4]) -> Vec<u8> {
    [&source[..], &[192, 0, 2, 1], &40_000_u16.to_be_bytes(), &443_u16.to_be_bytes()].concat()
}

fn v6_from(source: Ipv6Addr) -> Vec<u8> {
    let ports = [40_000_u16.to_be_bytes(), 443_u16.to_be_bytes()].concat();
    [&source.octets()[..], &Ipv6Addr::LOCALHOST.octets(), &ports].concat()
}

fn v1_from(source: [u8; 4]) -> Vec<u8> {
    let [a, b, c, d] = source;
    format!("PROXY TCP4 {a}.{b}.{c}.{d} 192.0.2.1 40000 443\r\n").into()
}

/// What an agent gets behind this header; `None` where the connection is closed without an answer.
async fn status(fort: &Fort, header: &[u8], agent: &str) -> Option<u16> {
    let mut wire = fort.wire(HERE).await;
    let agent = format!("User-Agent: {agent}");
    wire.send([header, request("GET", &fort.small.path, &[&agent]).as_bytes()].concat()).await;
    wire.try_answer(false).await.ok().map(|answer| answer.status)
}

#[tokio::test]
async fn the_client_is_whom_a_trusted_proxy_says() {
    let fort = fort("").await;
    let mapped: Ipv6Addr = "::ffff:157.240.1.1".parse().unwrap();
    let with_tlvs = [v4_from(META_V4), vec![0x20, 0, 3, 1, 2, 3], vec![0xee, 0, 0]].concat();
    for (what, header, browsers) in [
        ("v1, Meta", v1_from(META_V4), 200),
        ("v1, nobody", v1_from(NOBODY), 403),
        ("v1, Meta over IPv6", format!("PROXY TCP6 {META_V6} ::1 40000 443\r\n").into_bytes(), 200),
        ("v1, unknown", b"PROXY UNKNOWN\r\n".to_vec(), 403),
        ("v1, unknown with addresses, which mean nothing", b"PROXY UNKNOWN 157.240.1.1 ::1 1 2\r\n".to_vec(), 403),
        ("v2, Meta", v2(PROXY, TCP4, &v4_from(META_V4)), 200),
        ("v2, nobody", v2(PROXY, TCP4, &v4_from(NOBODY)), 403),
        ("v2, Meta over IPv6", v2(PROXY, TCP6, &v6_from(META_V6)), 200),
        ("v2, Meta's IPv4 within IPv6", v2(PROXY, TCP6, &v6_from(mapped)), 200),
        ("v2, with further fields", v2(PROXY, TCP4, &with_tlvs), 200),
        ("v2, the proxy itself", v2(LOCAL, 0, &[]), 403),
        ("v2, the proxy itself, with addresses that mean nothing", v2(LOCAL, TCP4, &v4_from(META_V4)), 403),
        ("v2, a family that is none of ours", v2(PROXY, 0, &[]), 403),
        ("v2, a socket of the proxy's machine", v2(PROXY, UNIX, &[0; 216]), 403),
    ] {
        assert_eq!(status(&fort, &header, BROWSER).await, Some(browsers), "{what}");
        assert_eq!(status(&fort, &header, META).await, Some(200), "{what}: Meta's agent is enough");
    }
    fort.refused("proxy-protocol", 0).await;
    let clients: Vec<_> = fort.gate.access_log().iter().map(|line| line["client"].to_string()).collect();
    for client in ["\"157.240.1.1\"", "\"198.51.100.7\"", "\"2a03:2880::1\"", "\"127.0.0.1\""] {
        assert!(clients.iter().any(|one| one == client), "{client} is not in the log: {clients:?}");
    }
}

#[tokio::test]
async fn what_is_no_header_is_no_connection() {
    let fort = fort("").await;
    let long = format!("PROXY TCP4 157.240.1.1 192.0.2.1 40000 443{}\r\n", " ".repeat(200)).into_bytes();
    let endless = [b"PROXY ".to_vec(), vec![b'A'; 100_000]].concat();
    let malformed = [
        Vec::new(),
        b"PROXY\r\n".to_vec(),
        b"PROXY TCP4 157.240.1.1 192.0.2.1 40000\r\n".to_vec(),
        b"PROXY TCP4 157.240.1.256 192.0.2.1 40000 443\r\n".to_vec(),
        b"PROXY TCP4 157.240.1.1 192.0.2.1 65536 443\r\n".to_vec(),
        b"PROXY TCP4 157.240.1.1 192.0.2.1 40000 443 1\r\n".to_vec(),
        b"PROXY TCP4 ::1 ::1 40000 443\r\n".to_vec(),
        b"PROXY TCP6 157.240.1.1 192.0.2.1 40000 443\r\n".to_vec(),
        b"PROXY TCP4 157.240.1.1 192.0.2.1 40000 443\n".to_vec(),
        b"proxy TCP4 157.240.1.1 192.0.2.1 40000 443\r\n".to_vec(),
        b"PROXY UDP4 157.240.1.1 192.0.2.1 40000 443\r\n".to_vec(),
        b" PROXY TCP4 157.240.1.1 192.0.2.1 40000 443\r\n".to_vec(),
        long,
        endless,
        v2(0x11, TCP4, &v4_from(META_V4)),
        v2(0x22, TCP4, &v4_from(META_V4)),
        v2(PROXY, TCP4, &v4_from(META_V4)[..8]),
        v2(PROXY, TCP6, &v4_from(META_V4)),
        v2(PROXY, 0x41, &v4_from(META_V4)),
        [&SIGNATURE[..11], b"\r", &v2(PROXY, TCP4, &v4_from(META_V4))[12..]].concat(),
        v2(PROXY, TCP4, &[v4_from(META_V4), vec![0; 60_000]].concat()),
    ];
    for header in &malformed {
        let shown = String::from_utf8_lossy(&header[..header.len().min(80)]).into_owned();
        assert_eq!(status(&fort, header, META).await, None, "{shown:?}");
    }
    fort.ended("bad-proxy-header", malformed.len() as u64).await;
    assert_eq!(status(&fort, &v1_from(META_V4), BROWSER).await, Some(200), "and the next one is served");
}

#[tokio::test]
async fn a_header_from_an_untrusted_peer_is_believed_by_nobody() {
    let fort = fort("").await;
    for header in [v1_from(META_V4), v2(PROXY, TCP4, &v4_from(META_V4)), v2(LOCAL, 0, &[]), Vec::new()] {
        let mut wire = fort.wire(THERE).await;
        wire.send([&header[..], request("GET", &fort.small.path, &[]).as_bytes()].concat()).await;
        assert!(wire.try_answer(false).await.is_err(), "nobody but a proxy speaks here");
    }
    fort.refused("proxy-protocol", 4).await;
    // Where the listener does not want it, it is no header but a bad request.
    let plain = Fort::plain("").await;
    let mut wire = plain.wire(HERE).await;
    wire.send([&v1_from(META_V4)[..], request("GET", &plain.small.path, &[]).as_bytes()].concat()).await;
    assert_eq!(wire.answer().await.status, 400);
}

#[tokio::test]
async fn a_header_may_come_in_pieces_and_must_come_in_time() {
    let fort = fort("[limits]\nhandshake_timeout = \"2s\"\nhead_timeout = \"10m\"\nidle_timeout = \"10m\"").await;
    for header in [v1_from(META_V4), v2(PROXY, TCP6, &v6_from(META_V6))] {
        let mut wire = fort.wire(HERE).await;
        for byte in &header {
            wire.send([*byte]).await;
            tokio::task::yield_now().await;
        }
        wire.send(request("GET", &fort.small.path, &[&format!("User-Agent: {BROWSER}")])).await;
        assert_eq!(wire.answer().await.status, 200);
        let mut slow = fort.wire(HERE).await;
        for byte in &header[..header.len() - 1] {
            slow.send([*byte]).await;
            sleep(Duration::from_millis(100)).await;
            if slow.has_ended().await {
                break;
            }
        }
        assert!(slow.is_closed().await);
    }
    let mut silent: Wire = fort.wire(HERE).await;
    assert!(silent.is_closed().await);
    fort.ended("handshake-late", 3).await;
}

/// The header comes before the handshake, and the limits per network are those of the client that it names.
#[tokio::test]
async fn a_header_stands_before_tls_and_its_client_is_the_one_that_is_limited() {
    let (place, trust) = tls(Place::new(), "[limits]\nconnections_per_network = 3");
    let fort = Fort::at(Place { listen: LISTEN, ..place }, Some(trust.clone())).await;
    let open = async |header: Vec<u8>| {
        let mut stream = fort.tcp(HERE).await;
        tokio::io::AsyncWriteExt::write_all(&mut stream, &header).await.unwrap();
        let mut wire = Wire::over(trust.connect(stream, super::HOST, &["http/1.1"]).await.ok()?);
        let agent = format!("User-Agent: {BROWSER}");
        wire.send(request("GET", &fort.small.path, &[&agent])).await;
        let status = wire.try_answer(false).await.ok()?.status;
        Some((status, wire))
    };
    let mut held = Vec::new();
    for last in [1, 2, 200] {
        let (status, wire) = open(v2(PROXY, TCP4, &v4_from([157, 240, 1, last]))).await.expect("it is served");
        assert_eq!(status, 200);
        held.push(wire);
    }
    assert!(open(v1_from(META_V4)).await.is_none(), "a fourth of one network");
    fort.refused("per-network", 1).await;
    let (status, _wire) = open(v1_from([157, 240, 2, 1])).await.expect("another network is another matter");
    assert_eq!(status, 200);
}
