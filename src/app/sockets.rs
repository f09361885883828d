//! The listening sockets: those that were handed over, and those that are bound because nobody handed one over.
//!
//! A supervisor (systemd's socket activation, `sd_listen_fds(3)`) or the process that this one replaces may hand sockets over. Each is for one
//! listener: by its name (`FileDescriptorName=public`, `control` or `ops`), else by the address that it is bound to. A socket that
//! is not where the settings say is an error and not a warning: the settings are what was checked, for instance that control is on loopback.

use std::ffi::OsStr;
use std::io;
use std::net::{SocketAddr, TcpListener};

use listenfd::ListenFd;
use rustix::net::sockopt::socket_acceptconn;

use super::StartError;
use crate::config::ListenSettings;

/// The names of the listeners, in the order in which [`bind`] gives their sockets.
pub(super) const NAMES: [&str; 3] = ["public", "control", "ops"];

/// Sockets that were handed over to this process.
#[derive(Debug, Default)]
pub struct Inherited(Vec<Offer>);

/// One socket, and what it was called.
#[derive(Debug)]
struct Offer {
    name: String,
    socket: TcpListener,
}

/// Why sockets that were handed over cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum BadSockets {
    /// It is a file, a UNIX socket, a datagram socket, or closed.
    #[error(
        "descriptor {number} of those handed over (LISTEN_FDS) is no TCP socket: {fault}; use ListenStream= with a port"
    )]
    NotTcp {
        /// Its number.
        number: usize,
        /// What is wrong with it.
        fault: io::Error,
    },
    /// It takes no connections.
    #[error("the socket handed over for {address} does not listen; a socket unit needs ListenStream= and Accept=no")]
    NotListening {
        /// What it is bound to.
        address: SocketAddr,
    },
    /// Its name and its address say two things.
    #[error(
        "the socket handed over as {name} is bound to {bound}, and listen.{name} is {wanted}; write the same in both places"
    )]
    Elsewhere {
        /// Whose it is by its name.
        name: &'static str,
        /// Where it is.
        bound: SocketAddr,
        /// Where the settings say.
        wanted: SocketAddr,
    },
    /// There is no listener for it, or another socket is that listener's already.
    #[error(
        "no listener is left for the socket handed over as {name:?}, which is bound to {bound}; hand over one socket each for public, \
         control and ops, named so (FileDescriptorName=) or bound to the address that the settings say"
    )]
    NoPlace {
        /// What it was called.
        name: String,
        /// Where it is.
        bound: SocketAddr,
    },
    /// The process that this one replaces did not hand its sockets over.
    #[error("the sockets of the running process did not arrive: {0}")]
    NotReceived(io::Error),
}

impl Inherited {
    /// Those of a supervisor, by `LISTEN_PID`, `LISTEN_FDS` and `LISTEN_FDNAMES`; none if they are meant for another process.
    ///
    /// It takes the first two out of the environment, so it is to be called before there are other threads.
    pub fn from_supervisor() -> Result<Self, BadSockets> {
        // Without a process id `listenfd` takes any descriptors for ours; the protocol does not.
        if std::env::var_os("LISTEN_PID").is_none() {
            return Ok(Self::default());
        }
        let names = std::env::var_os("LISTEN_FDNAMES");
        let names: Vec<_> = names.as_deref().and_then(OsStr::to_str).unwrap_or_default().split(':').collect();
        let mut given = ListenFd::from_env();
        let mut offers = Vec::new();
        for index in 0..given.len() {
            let number = index + FIRST_DESCRIPTOR;
            let socket = given.take_tcp_listener(index).map_err(|fault| BadSockets::NotTcp { number, fault })?;
            let name = names.get(index).copied().unwrap_or_default().to_owned();
            offers.extend(socket.map(|socket| Offer { name, socket }));
        }
        Ok(Self(offers))
    }

    /// Those of the process that this one replaces, in the order of [`NAMES`].
    pub(super) fn from_predecessor(sockets: impl IntoIterator<Item = TcpListener>) -> Self {
        let offer = |(name, socket): (&str, TcpListener)| Offer { name: name.to_owned(), socket };
        Self(NAMES.into_iter().zip(sockets).map(offer).collect())
    }
}

/// A socket for each listener, in the order of [`NAMES`]: one that was handed over, else a fresh one at the address of the settings.
pub(super) fn bind(listen: &ListenSettings, inherited: Inherited) -> Result<[TcpListener; 3], StartError> {
    let wanted = [listen.public, listen.control, listen.ops];
    let [public, control, ops] = assign(wanted, inherited)?;
    let open = |setting, address, socket: Option<TcpListener>| match socket {
        Some(socket) => Ok(socket),
        None => listen_at(address).map_err(|fault| StartError::Listen { setting, address, fault }),
    };
    Ok([
        open("listen.public", listen.public, public)?,
        open("listen.control", listen.control, control)?,
        open("listen.ops", listen.ops, ops)?,
    ])
}

/// A socket that listens at `address`, with room for a burst of connections that wait to be accepted: std has room for 128, and whoever
/// comes past them hears nothing for a second.
fn listen_at(address: SocketAddr) -> io::Result<TcpListener> {
    let socket = TcpListener::bind(address)?;
    // Listening again changes nothing but that room, which the kernel bounds by net.core.somaxconn.
    rustix::net::listen(&socket, QUEUE)?;
    Ok(socket)
}

/// Which socket is whose. Those with a name come first, so that none of the others takes their place.
fn assign(wanted: [SocketAddr; 3], inherited: Inherited) -> Result<[Option<TcpListener>; 3], BadSockets> {
    let mut places = [None, None, None];
    let (named, others): (Vec<_>, Vec<_>) =
        inherited.0.into_iter().partition(|offer| NAMES.contains(&offer.name.as_str()));
    for Offer { name, socket } in named.into_iter().chain(others) {
        let bound = address_of(&socket)?;
        let mut listeners = NAMES.into_iter().zip(wanted).zip(&mut places);
        let place = listeners.find(|((listener, wanted), place)| {
            if NAMES.contains(&name.as_str()) { *listener == name } else { place.is_none() && is_at(bound, *wanted) }
        });
        let Some(((listener, wanted), place)) = place else { return Err(BadSockets::NoPlace { name, bound }) };
        if !is_at(bound, wanted) {
            return Err(BadSockets::Elsewhere { name: listener, bound, wanted });
        }
        if place.replace(socket).is_some() {
            return Err(BadSockets::NoPlace { name, bound });
        }
    }
    Ok(places)
}

fn address_of(socket: &TcpListener) -> Result<SocketAddr, BadSockets> {
    let address = socket.local_addr().map_err(BadSockets::NotReceived)?;
    if socket_acceptconn(socket).unwrap_or(false) { Ok(address) } else { Err(BadSockets::NotListening { address }) }
}

/// Port 0 in the settings is any port.
fn is_at(bound: SocketAddr, wanted: SocketAddr) -> bool {
    bound.ip() == wanted.ip() && (bound.port() == wanted.port() || wanted.port() == 0)
}

/// How many connections may wait to be accepted; Linux's own limit, unless somebody has changed it.
const QUEUE: i32 = 4096;
/// `SD_LISTEN_FDS_START`: standard input, output and error come before.
const FIRST_DESCRIPTOR: usize = 3;

#[cfg(test)]
mod tests {
    use std::os::fd::OwnedFd;

    use rustix::net::{AddressFamily, SocketType, socket};

    use super::*;

    #[test]
    fn hundreds_of_connections_may_wait_to_be_accepted() {
        let socket = listen_at("127.0.0.1:0".parse().unwrap()).unwrap();
        let address = socket.local_addr().unwrap();
        let patience = std::time::Duration::from_millis(900);
        let waiting: Vec<_> =
            (0..500).map(|_| std::net::TcpStream::connect_timeout(&address, patience).unwrap()).collect();
        assert_eq!(waiting.len(), 500);
    }

    fn free() -> TcpListener {
        TcpListener::bind("127.0.0.1:0").unwrap()
    }

    /// Which of `offers` (names and sockets) each listener gets, by address.
    fn assigned(
        wanted: [&TcpListener; 3],
        offers: &[(&str, &TcpListener)],
    ) -> Result<[Option<SocketAddr>; 3], BadSockets> {
        let at = |socket: &TcpListener| socket.local_addr().unwrap();
        let offer = |(name, socket): &(&str, &TcpListener)| Offer {
            name: (*name).to_owned(),
            socket: socket.try_clone().unwrap(),
        };
        let places = assign(wanted.map(at), Inherited(offers.iter().map(offer).collect()))?;
        Ok(places.map(|place| place.map(|socket| at(&socket))))
    }

    #[test]
    fn a_socket_is_whose_its_name_says_or_else_its_address() {
        let [p, c, o, other] = [free(), free(), free(), free()];
        let at = |socket: &TcpListener| Some(socket.local_addr().unwrap());
        let all = [&p, &c, &o];
        for (offers, expected) in [
            (vec![], [None, None, None]),
            (vec![("ops", &o), ("public", &p), ("control", &c)], [at(&p), at(&c), at(&o)]),
            (vec![("hallpass.socket", &o), ("hallpass.socket", &p)], [at(&p), None, at(&o)]),
            (vec![("unknown", &c), ("public", &p)], [at(&p), at(&c), None]),
            (vec![("", &c)], [None, at(&c), None]),
        ] {
            assert_eq!(assigned(all, &offers).unwrap(), expected, "{offers:?}");
        }
        let told = |offers: &[(&str, &TcpListener)]| assigned(all, offers).unwrap_err().to_string();
        for (offers, words) in [
            (vec![("public", &c)], "handed over as public is bound to"),
            (vec![("control", &other)], "write the same in both places"),
            (vec![("x", &other)], "no listener is left"),
            (vec![("public", &p), ("public", &p)], "no listener is left"),
            (vec![("public", &p), ("x", &p)], "no listener is left"),
        ] {
            assert!(told(&offers).contains(words), "{}", told(&offers));
        }
    }

    #[test]
    fn port_0_is_any_port_of_its_address() {
        let at = |text: &str| text.parse::<SocketAddr>().unwrap();
        assert!(is_at(at("127.0.0.1:81"), at("127.0.0.1:0")));
        assert!(!is_at(at("127.0.0.1:81"), at("127.0.0.1:82")));
        assert!(!is_at(at("0.0.0.0:81"), at("127.0.0.1:81")), "control would be off loopback");
        assert!(!is_at(at("[::]:81"), at("0.0.0.0:81")));
    }

    #[test]
    fn a_socket_that_does_not_listen_is_refused() {
        let idle: OwnedFd = socket(AddressFamily::INET, SocketType::STREAM, None).unwrap();
        let offers = Inherited(vec![Offer { name: "public".into(), socket: idle.into() }]);
        let fault = assign([([127, 0, 0, 1], 0).into(); 3], offers).unwrap_err();
        assert!(fault.to_string().contains("does not listen"), "{fault}");
    }
}
