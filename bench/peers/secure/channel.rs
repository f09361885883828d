//! One TLS connection of the load generator: connected and shaken hands with by waiting, then driven by whoever polls its socket.

use std::io::{self, Write};
use std::net::{Ipv4Addr, SocketAddr, TcpStream};
use std::sync::Arc;
use std::time::Duration;

use rustix::net::{AddressFamily, RecvFlags, SocketType, bind, connect, recv, socket};
use rustls::pki_types::ServerName;
use rustls::{ClientConfig, ClientConnection, HandshakeKind, NamedGroup, ProtocolVersion};

use super::records::{HEADER, Kind, MOST, OVERHEAD, Records};

/// What takes the plaintext that comes.
pub trait Reader {
    /// Whether the next record, which has so much plaintext, need not be decrypted: then it counts as taken.
    fn skips(&mut self, plain: usize) -> Result<bool, String>;
    fn take(&mut self, plain: &[u8]) -> Result<(), String>;
}

pub struct Channel {
    pub socket: TcpStream,
    records: Records,
    /// A record that has not come whole.
    part: Vec<u8>,
    /// How much is still to come of one that is passed over.
    passing: usize,
    out: Vec<u8>,
    written: usize,
}

impl Channel {
    /// Connects, from an address of one's own where one is given, and shakes hands.
    pub fn open(at: SocketAddr, from: Option<Ipv4Addr>, config: &Arc<ClientConfig>) -> io::Result<Self> {
        Self::on(dial(at, from)?, config)
    }

    /// Shakes hands on a socket that waits.
    pub fn on(mut socket: TcpStream, config: &Arc<ClientConfig>) -> io::Result<Self> {
        let mut tls = shaken(&mut socket, config)?;
        check(&tls)?;
        while tls.wants_write() {
            tls.write_tls(&mut socket)?;
        }
        let secrets = tls.dangerous_extract_secrets().map_err(io::Error::other)?;
        let records = Records::new(secrets).map_err(io::Error::other)?;
        Ok(Self { socket, records, part: Vec::new(), passing: 0, out: Vec::new(), written: 0 })
    }

    /// Sends this, after what waits already; whether all of it went.
    pub fn send(&mut self, plain: &[u8]) -> io::Result<bool> {
        self.records.seal(plain, &mut self.out);
        self.flush()
    }

    pub fn flush(&mut self) -> io::Result<bool> {
        while self.written < self.out.len() {
            match self.socket.write(&self.out[self.written..]) {
                Ok(written) => self.written += written,
                Err(fault) if fault.kind() == io::ErrorKind::WouldBlock => return Ok(false),
                Err(fault) => return Err(fault),
            }
        }
        self.out.clear();
        self.written = 0;
        Ok(true)
    }

    /// Reads once, as much as lies ready. `buffer` has room for it, and for one record.
    pub fn read(&mut self, buffer: &mut [u8], reader: &mut impl Reader) -> Result<(), String> {
        let had = self.part.len();
        buffer[..had].copy_from_slice(&self.part);
        let got = match recv(&self.socket, &mut buffer[had..], RecvFlags::empty()) {
            Ok((_, 0)) => return Err("the server closed the connection".to_owned()),
            Ok((_, got)) => got,
            Err(rustix::io::Errno::AGAIN | rustix::io::Errno::INTR) => return Ok(()),
            Err(fault) => return Err(format!("reading: {fault}")),
        };
        let end = had + got;
        let mut at = self.passing.min(got);
        self.passing -= at;
        while let Some(header) = buffer[at..end].first_chunk::<HEADER>() {
            let length = record(*header)?;
            let body = at + HEADER;
            if reader.skips(length - OVERHEAD)? {
                self.records.pass();
                self.passing = (body + length).saturating_sub(end);
                at = (body + length).min(end);
                continue;
            }
            if body + length > end {
                break;
            }
            match self.records.open(&mut buffer[body..body + length])? {
                (Kind::Data, plain) => reader.take(plain)?,
                // Tickets. A change of keys would show with the next record.
                (Kind::Handshake, _) => {}
                (Kind::Alert, plain) => return Err(format!("the alert {plain:?}")),
            }
            at = body + length;
        }
        self.part.clear();
        self.part.extend_from_slice(&buffer[at..end]);
        Ok(())
    }
}

/// A connected socket that waits.
pub fn dial(at: SocketAddr, from: Option<Ipv4Addr>) -> io::Result<TcpStream> {
    let stream = match from {
        None => TcpStream::connect(at)?,
        Some(from) => {
            let socket = socket(AddressFamily::INET, SocketType::STREAM, None)?;
            bind(&socket, &SocketAddr::from((from, 0)))?;
            connect(&socket, &at)?;
            TcpStream::from(socket)
        }
    };
    stream.set_nodelay(true)?;
    stream.set_read_timeout(Some(PATIENCE))?;
    stream.set_write_timeout(Some(PATIENCE))?;
    Ok(stream)
}

/// Shakes hands on a socket that waits.
pub fn shaken(socket: &mut TcpStream, config: &Arc<ClientConfig>) -> io::Result<ClientConnection> {
    let mut tls = begun(config);
    while tls.is_handshaking() {
        tls.complete_io(socket)?;
    }
    Ok(tls)
}

/// A connection that has said nothing yet.
pub fn begun(config: &Arc<ClientConfig>) -> ClientConnection {
    ClientConnection::new(Arc::clone(config), ServerName::try_from(super::NAME).unwrap()).unwrap()
}

/// Whether it is what all servers are to be compared with; how it was made.
pub fn check(tls: &ClientConnection) -> io::Result<HandshakeKind> {
    let suite = tls.negotiated_cipher_suite().map(|suite| suite.suite());
    let group = tls.negotiated_key_exchange_group().map(rustls::crypto::SupportedKxGroup::name);
    let right = tls.protocol_version() == Some(ProtocolVersion::TLSv1_3)
        && suite == Some(rustls::CipherSuite::TLS13_AES_128_GCM_SHA256)
        && group == Some(NamedGroup::X25519);
    let kind = tls.handshake_kind().filter(|_| right);
    kind.ok_or_else(|| io::Error::other(format!("another handshake: {suite:?} {group:?} {:?}", tls.protocol_version())))
}

/// How many bytes follow this header.
fn record(header: [u8; HEADER]) -> Result<usize, String> {
    let length = usize::from(u16::from_be_bytes([header[3], header[4]]));
    let right = header[0] == Kind::Data as u8 && (OVERHEAD..=MOST + 256).contains(&length);
    right.then_some(length).ok_or_else(|| format!("no record of data: {header:?}"))
}

const PATIENCE: Duration = Duration::from_secs(20);
