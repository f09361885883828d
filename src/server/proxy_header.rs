//! The PROXY header: whom a proxy of ours speaks for, told before the first byte of TLS or HTTP (versions 1 and 2 of
//! `proxy-protocol.txt`, as `HAProxy` ships it).
//!
//! It is read to its exact end and not a byte further, for what follows belongs to TLS. Whether the peer may say such a thing is decided
//! before anything is read.

use std::io;
use std::net::SocketAddr;

use ppp::{HeaderResult, v1, v2};
use tokio::io::{AsyncRead, AsyncReadExt};

/// Reads the header that `stream` begins with, and tells for whom the connection is: the source that it names, or `socket`, the peer
/// itself, where it names none (a health check of the proxy's own).
///
/// Whatever is no PROXY header is [`io::ErrorKind::InvalidData`].
pub(super) async fn read_proxy_header(
    stream: &mut (impl AsyncRead + Unpin),
    socket: SocketAddr,
) -> io::Result<SocketAddr> {
    let mut header = [0; MOST];
    let mut length = read_more(stream, &mut header, 0, SURE).await?;
    if header.starts_with(v2::PROTOCOL_PREFIX) {
        length = read_more(stream, &mut header, length, FIXED_OF_V2).await?;
        let [.., high, low] = header.first_chunk::<FIXED_OF_V2>().copied().unwrap_or_default();
        let whole = FIXED_OF_V2 + usize::from(u16::from_be_bytes([high, low]));
        length = read_more(stream, &mut header, length, whole).await?;
    } else if header.starts_with(v1::PROTOCOL_PREFIX.as_bytes()) {
        while !header.get(..length).is_some_and(|read| read.ends_with(b"\n")) && length < MOST_OF_V1 {
            length = read_more(stream, &mut header, length, length + 1).await?;
        }
    }
    source(header.get(..length).unwrap_or_default(), socket)
}

/// Reads until `header` holds `whole` bytes; how many it holds then.
async fn read_more(
    stream: &mut (impl AsyncRead + Unpin),
    header: &mut [u8; MOST],
    held: usize,
    whole: usize,
) -> io::Result<usize> {
    let missing = header.get_mut(held..whole).ok_or_else(no_header)?;
    stream.read_exact(missing).await?;
    Ok(whole)
}

fn source(header: &[u8], socket: SocketAddr) -> io::Result<SocketAddr> {
    Ok(match HeaderResult::parse(header) {
        HeaderResult::V1(Ok(header)) => match header.addresses {
            v1::Addresses::Tcp4(of) => (of.source_address, of.source_port).into(),
            v1::Addresses::Tcp6(of) => (of.source_address, of.source_port).into(),
            v1::Addresses::Unknown => socket,
        },
        HeaderResult::V2(Ok(header)) => match (header.command, header.addresses) {
            (v2::Command::Proxy, v2::Addresses::IPv4(of)) => (of.source_address, of.source_port).into(),
            (v2::Command::Proxy, v2::Addresses::IPv6(of)) => (of.source_address, of.source_port).into(),
            // LOCAL is the proxy's own check; neither a Unix socket nor an unknown family is an address to judge anything by.
            _ => socket,
        },
        HeaderResult::V1(Err(_)) | HeaderResult::V2(Err(_)) => return Err(no_header()),
    })
}

fn no_header() -> io::Error {
    io::ErrorKind::InvalidData.into()
}

/// Every header has at least so many bytes: `PROXY UNKNOWN` and its line end has 15, version 2 begins with 12 fixed ones.
const SURE: usize = v2::PROTOCOL_PREFIX.len();
/// What every header of version 2 begins with: its prefix, what it is about, and the length of the rest (section 2.2).
const FIXED_OF_V2: usize = 16;
/// The longest line of version 1, with its end (section 2.1).
const MOST_OF_V1: usize = 107;
/// Addresses and what proxies add to them, such as a client's certificate; longer ones are refused.
const MOST: usize = 4096;

#[cfg(test)]
mod tests {
    use super::*;

    const PEER: &str = "10.0.0.1:5000";

    /// Whom the bytes speak for, and what of them was left unread.
    async fn read(bytes: &[u8]) -> (Result<String, io::ErrorKind>, Vec<u8>) {
        let mut stream = tokio_test_stream(bytes);
        let found = read_proxy_header(&mut stream, PEER.parse().unwrap()).await;
        let mut rest = Vec::new();
        stream.read_to_end(&mut rest).await.unwrap();
        (found.map(|address| address.to_string()).map_err(|error| error.kind()), rest)
    }

    /// A stream that gives one byte at a time.
    fn tokio_test_stream(bytes: &[u8]) -> impl AsyncRead + Unpin + use<> {
        let parts: Vec<_> = bytes.iter().map(|&byte| Ok::<_, io::Error>(bytes::Bytes::from(vec![byte]))).collect();
        Box::pin(tokio_util::io::StreamReader::new(futures_util::stream::iter(parts)))
    }

    fn v2(command: u8, family: u8, payload: &[u8]) -> Vec<u8> {
        let length = u16::try_from(payload.len()).unwrap().to_be_bytes();
        [v2::PROTOCOL_PREFIX, &[0x20 | command, family], &length, payload].concat()
    }

    #[tokio::test]
    async fn a_header_is_read_to_its_end_and_no_further() {
        let v4 = [192, 0, 2, 7, 10, 0, 0, 1, 0x1F, 0x90, 0, 80];
        let mut v6 = [0; 36];
        v6[..2].copy_from_slice(&[0x20, 0x01]);
        v6[15] = 9;
        v6[33] = 5;
        let with_more = [&v4[..], &[4, 0, 3, 1, 2, 3]].concat();
        for (header, source) in [
            (b"PROXY TCP4 192.0.2.7 10.0.0.1 8080 80\r\n".to_vec(), "192.0.2.7:8080"),
            (b"PROXY TCP6 2001:db8::9 ::1 5 80\r\n".to_vec(), "[2001:db8::9]:5"),
            (b"PROXY UNKNOWN\r\n".to_vec(), PEER),
            (b"PROXY UNKNOWN ff::1 ff::1 1 1\r\n".to_vec(), PEER),
            (v2(1, 0x11, &v4), "192.0.2.7:8080"),
            (v2(1, 0x11, &with_more), "192.0.2.7:8080"),
            (v2(1, 0x21, &v6), "[2001::9]:5"),
            (v2(0, 0x11, &v4), PEER),
            (v2(0, 0, &[]), PEER),
            (v2(1, 0, &[]), PEER),
            (v2(1, 0x31, &[0; 216]), PEER),
        ] {
            let sent = [&header[..], b"\x16\x03\x01 more"].concat();
            let (found, rest) = read(&sent).await;
            assert_eq!(found.as_deref(), Ok(source), "{:?}", String::from_utf8_lossy(&header));
            assert_eq!(rest, b"\x16\x03\x01 more");
        }
    }

    #[tokio::test]
    async fn what_is_no_header_is_refused() {
        let long = [b"PROXY TCP4 ".to_vec(), vec![b'1'; 200], b"\r\n".to_vec()].concat();
        let mut huge = v2(1, 0x11, &[0; 12]);
        huge[14] = 0xFF;
        huge.resize(70_000, 0);
        let mut other_version = v2(1, 0x11, &[0; 12]);
        other_version[12] = 0x31;
        for bytes in [
            &b"GET / HTTP/1.1\r\nHost: x\r\n\r\n"[..],
            b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03\x00\x00\x00",
            b"PROXY TCP4 192.0.2.7\r\n",
            b"PROXY TCP4 192.0.2.7 10.0.0.1 8080 99999\r\n",
            b"PROXY TCP4 2001:db8::9 ::1 5 80\r\n",
            b"proxy tcp4 192.0.2.7 10.0.0.1 1 2\r\n",
            b"PROXY TCP4 192.0.2.7 10.0.0.1 8080 80\nxxxxxxxxxxxxxxx",
            &long,
            &huge,
            &other_version,
            &v2(1, 0x11, &[1, 2, 3]),
            &v2(7, 0x11, &[0; 12]),
        ] {
            assert_eq!(read(bytes).await.0, Err(io::ErrorKind::InvalidData), "{:?}", String::from_utf8_lossy(bytes));
        }
        assert_eq!(read(b"PROXY TCP4 192").await.0, Err(io::ErrorKind::UnexpectedEof));
    }
}
