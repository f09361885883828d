//! From a name to connections: one look-up, every address judged, one attempt at each that may be asked.
//!
//! The name is looked up once and never again. All that follows is given a `SocketAddr` from this list, so a name server that changes its answer
//! between the judgement and the connection moves nothing.

use std::io;
use std::net::{IpAddr, Ipv6Addr, SocketAddr};
use std::time::Duration;

use futures_util::future::join_all;
use tokio::net::{TcpStream, lookup_host};
use tokio::time::Instant;

use super::address::{Unfit, unfit};
use super::limits::{CONNECT, LOOK_UP, Patience};
use super::report::quoted;
use super::target::{Host, Target};

/// What the name led to.
#[derive(Clone, Debug)]
pub(super) struct Place {
    pub(super) address: SocketAddr,
    /// Why Meta cannot reach it, if so.
    pub(super) unfit: Option<Unfit>,
    pub(super) attempt: Attempt,
}

/// How connecting ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Attempt {
    /// The address is not public, so nobody tried; or there were too many.
    NotTried,
    /// It took so long.
    Connected(Duration),
    /// It failed, for this reason.
    Failed(String),
    /// This machine has no way to IPv6 addresses, which says nothing about the server.
    NoRoute,
}

/// Looks the name up; the reason if it leads nowhere.
pub(super) async fn look_up(target: &Target, patience: Patience) -> Result<Vec<SocketAddr>, String> {
    let name = match &target.host {
        Host::Address(address) => return Ok(vec![SocketAddr::new(*address, target.port)]),
        Host::Name(name) => name,
    };
    let Some(answer) = patience.wait(LOOK_UP, lookup_host((name.as_str(), target.port))).await else {
        return Err("no answer in time".to_owned());
    };
    let mut addresses = Vec::new();
    for address in answer.map_err(|error| quoted(&error.to_string()))? {
        if !addresses.contains(&address) {
            addresses.push(address);
        }
    }
    if addresses.is_empty() { Err("the name has no address".to_owned()) } else { Ok(addresses) }
}

/// Judges every address, and tries to connect to those that are public (with `allow_private`, to all): the first few of each family, at once.
pub(super) async fn connect_to_each(addresses: &[SocketAddr], allow_private: bool, patience: Patience) -> Vec<Place> {
    let mut tried = [0, 0];
    let places = addresses.iter().map(|&address| {
        let [v4, v6] = &mut tried;
        let count = if address.is_ipv4() { v4 } else { v6 };
        let unfit = unfit(address.ip());
        let may = (unfit.is_none() || allow_private) && *count < TRIED_PER_FAMILY;
        *count += usize::from(may);
        async move {
            let attempt = if may { attempt(address, patience).await } else { Attempt::NotTried };
            Place { address, unfit, attempt }
        }
    });
    join_all(places.collect::<Vec<_>>()).await
}

async fn attempt(address: SocketAddr, patience: Patience) -> Attempt {
    let begun = Instant::now();
    match connect(address, patience).await {
        Ok(_) => Attempt::Connected(begun.elapsed()),
        Err(_) if matches!(address.ip(), IpAddr::V6(v6) if !has_route_to(v6)) => Attempt::NoRoute,
        Err(reason) => Attempt::Failed(reason),
    }
}

/// A connection to exactly this address.
pub(super) async fn connect(address: SocketAddr, patience: Patience) -> Result<TcpStream, String> {
    let connected = patience.wait(CONNECT, TcpStream::connect(address)).await;
    let stream = connected.ok_or("no answer in time")?.map_err(|error| reason(&error))?;
    let _ = stream.set_nodelay(true);
    Ok(stream)
}

/// What an error of the network is called.
pub(super) fn reason(error: &io::Error) -> String {
    match error.kind() {
        io::ErrorKind::ConnectionRefused => "refused".to_owned(),
        io::ErrorKind::TimedOut => "no answer in time".to_owned(),
        io::ErrorKind::ConnectionReset | io::ErrorKind::BrokenPipe => "reset by the server".to_owned(),
        io::ErrorKind::UnexpectedEof => "closed by the server".to_owned(),
        io::ErrorKind::NetworkUnreachable | io::ErrorKind::HostUnreachable => "unreachable".to_owned(),
        _ => quoted(&error.to_string()),
    }
}

/// Whether this machine knows a way to the address: connecting a datagram socket asks its routes and sends nothing.
fn has_route_to(address: Ipv6Addr) -> bool {
    std::net::UdpSocket::bind((Ipv6Addr::UNSPECIFIED, 0)).and_then(|socket| socket.connect((address, 9))).is_ok()
}

/// How many addresses of each family are tried.
const TRIED_PER_FAMILY: usize = 4;

#[cfg(test)]
mod tests {
    use super::*;

    fn patience() -> Patience {
        Patience::of(Duration::from_secs(30))
    }

    #[tokio::test]
    async fn private_addresses_are_not_connected_to_unless_allowed() {
        let socket = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = socket.local_addr().unwrap();
        let refused = connect_to_each(&[address], false, patience()).await;
        assert_eq!((refused[0].unfit, &refused[0].attempt), (Some("loopback"), &Attempt::NotTried));
        let none = tokio::time::timeout(Duration::from_millis(50), socket.accept()).await;
        assert!(none.is_err(), "nobody came");
        let allowed = connect_to_each(&[address], true, patience()).await;
        assert!(matches!(allowed[0].attempt, Attempt::Connected(_)), "{allowed:?}");
    }

    #[tokio::test]
    async fn names_that_are_numbers_in_disguise_are_judged_by_where_they_lead() {
        for host in ["localhost", "2130706433", "0x7f000001", "0177.0.0.1", "127.1"] {
            let target = Target::read(&format!("https://{host}/")).unwrap();
            let Ok(addresses) = look_up(&target, patience()).await else { continue };
            let places = connect_to_each(&addresses, false, patience()).await;
            assert!(places.iter().all(|place| place.unfit.is_some()), "{host}: {places:?}");
            assert!(places.iter().all(|place| place.attempt == Attempt::NotTried), "{host}: {places:?}");
        }
    }

    #[tokio::test]
    async fn no_more_than_a_few_addresses_are_tried() {
        let addresses: Vec<SocketAddr> = (1..40).map(|n| SocketAddr::from(([127, 0, 0, n], 1))).collect();
        let places = connect_to_each(&addresses, true, patience()).await;
        let tried = places.iter().filter(|place| place.attempt != Attempt::NotTried).count();
        assert_eq!((places.len(), tried), (39, TRIED_PER_FAMILY));
    }

    #[tokio::test]
    async fn a_closed_port_is_refused() {
        let socket = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let address = socket.local_addr().unwrap();
        drop(socket);
        assert_eq!(connect(address, patience()).await.unwrap_err(), "refused");
    }
}
