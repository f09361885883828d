//! What TLS a listener speaks: TLS 1.3 and 1.2 with forward secrecy and authenticated ciphers alone, tickets whose keys rotate, no early data.
//!
//! The order of the ciphers is ours: AES-128-GCM first, which servers' processors have instructions for.

use std::sync::Arc;

use rustls::crypto::CryptoProvider;
use rustls::crypto::aws_lc_rs::{Ticketer, cipher_suite, default_provider};
use rustls::server::{NoServerSessionStorage, ResolvesServerCert};
use rustls::version::{TLS12, TLS13};
use rustls::{ServerConfig, SupportedCipherSuite};

/// Protocols that a listener offers (RFC 7301).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Offer {
    /// HTTP/2, else HTTP/1.1.
    Both,
    /// The same, and the proof that an ACME authority asks for.
    BothAndProof,
    /// HTTP/1.1 alone.
    Http1,
}

/// TLS cannot be set up: the system gives no random bytes for tickets' keys, or the crypto library lacks what it must have.
#[derive(Debug, thiserror::Error)]
#[error("TLS cannot be set up: {0}")]
pub struct TlsError(#[from] rustls::Error);

/// The configuration of a listener. It lasts as long as the listener; what `resolver` holds may change.
pub fn server_config(resolver: Arc<dyn ResolvesServerCert>, offer: Offer) -> Result<Arc<ServerConfig>, TlsError> {
    let builder =
        ServerConfig::builder_with_provider(Arc::new(provider())).with_protocol_versions(&[&TLS13, &TLS12])?;
    let mut config = builder.with_no_client_auth().with_cert_resolver(resolver);
    let protocols: &[&[u8]] = match offer {
        Offer::Both => &[b"h2", b"http/1.1"],
        Offer::BothAndProof => &[b"h2", b"http/1.1", b"acme-tls/1"],
        Offer::Http1 => &[b"http/1.1"],
    };
    config.alpn_protocols = protocols.iter().map(|protocol| protocol.to_vec()).collect();
    config.ignore_client_order = true;
    // A ticket holds the session, sealed with a key that is replaced every 6 hours, so that the server keeps nothing for it.
    config.ticketer = Ticketer::new()?;
    config.session_storage = Arc::new(NoServerSessionStorage {});
    config.send_tls13_tickets = 1;
    // What came early can be sent again by whoever saw it (RFC 8446, section 8).
    config.max_early_data_size = 0;
    Ok(Arc::new(config))
}

fn provider() -> CryptoProvider {
    CryptoProvider { cipher_suites: SUITES.to_vec(), ..default_provider() }
}

/// Ours first. Each of TLS 1.2 has a fresh key exchange and an authenticated cipher.
const SUITES: &[SupportedCipherSuite] = &[
    cipher_suite::TLS13_AES_128_GCM_SHA256,
    cipher_suite::TLS13_AES_256_GCM_SHA384,
    cipher_suite::TLS13_CHACHA20_POLY1305_SHA256,
    cipher_suite::TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256,
    cipher_suite::TLS_ECDHE_ECDSA_WITH_AES_256_GCM_SHA384,
    cipher_suite::TLS_ECDHE_ECDSA_WITH_CHACHA20_POLY1305_SHA256,
    cipher_suite::TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256,
    cipher_suite::TLS_ECDHE_RSA_WITH_AES_256_GCM_SHA384,
    cipher_suite::TLS_ECDHE_RSA_WITH_CHACHA20_POLY1305_SHA256,
];

#[cfg(test)]
mod tests {
    use rustls::client::Resumption;
    use rustls::pki_types::{CertificateDer, ServerName};
    use rustls::{CipherSuite, ClientConfig, ClientConnection, HandshakeKind, ProtocolVersion, RootCertStore};
    use rustls::{ServerConnection, SupportedProtocolVersion};

    use super::super::pem::Certificate;
    use super::super::pki::{Leaf, Pki};
    use super::super::{Certificates, Resolver};
    use super::*;
    use crate::value::Live;

    fn set<'a>(leaves: impl IntoIterator<Item = Leaf<'a>>) -> Certificates {
        let pair = |leaf: Leaf<'_>| {
            let identity = leaf.issue();
            Certificate::pair(identity.chain.clone(), &identity.key()).unwrap()
        };
        leaves.into_iter().map(pair).collect()
    }

    fn server(live: &Live<Certificates>, offer: Offer) -> Arc<ServerConfig> {
        server_config(Arc::new(Resolver::new(live.clone(), None)), offer).unwrap()
    }

    fn client(pki: &Pki, versions: &[&'static SupportedProtocolVersion]) -> ClientConfig {
        let mut roots = RootCertStore::empty();
        roots.add(pki.root()).unwrap();
        let builder = ClientConfig::builder_with_provider(Arc::new(default_provider()));
        let mut config =
            builder.with_protocol_versions(versions).unwrap().with_root_certificates(roots).with_no_client_auth();
        config.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
        config
    }

    /// Both sides of a connection, after the bytes went to and fro until nobody had any more.
    fn shake(server: &Arc<ServerConfig>, client: &Arc<ClientConfig>, name: &str) -> Result<Pair, rustls::Error> {
        let name = ServerName::try_from(name.to_owned()).unwrap();
        let (mut ours, mut theirs) =
            (ServerConnection::new(Arc::clone(server))?, ClientConnection::new(Arc::clone(client), name)?);
        loop {
            let (mut there, mut back) = (Vec::new(), Vec::new());
            while theirs.wants_write() {
                theirs.write_tls(&mut there).unwrap();
            }
            let mut rest = there.as_slice();
            let mut said = Ok(());
            while !rest.is_empty() {
                ours.read_tls(&mut rest).unwrap();
                said = said.and(ours.process_new_packets().map(|_| ()));
            }
            while ours.wants_write() {
                ours.write_tls(&mut back).unwrap();
            }
            let mut rest = back.as_slice();
            while !rest.is_empty() {
                theirs.read_tls(&mut rest).unwrap();
                theirs.process_new_packets()?;
            }
            said?;
            if there.is_empty() && back.is_empty() {
                return Ok(Pair { ours, theirs });
            }
        }
    }

    struct Pair {
        ours: ServerConnection,
        theirs: ClientConnection,
    }

    impl Pair {
        fn leaf(&self) -> CertificateDer<'_> {
            self.theirs.peer_certificates().unwrap()[0].clone()
        }
    }

    #[test]
    fn both_versions_are_spoken_with_our_order_of_ciphers_and_the_offered_protocol() {
        let pki = Pki::new();
        let live = Live::new(set([pki.leaf(&["a.example"])]));
        for (version, expected, suite) in [
            (&TLS13, ProtocolVersion::TLSv1_3, CipherSuite::TLS13_AES_128_GCM_SHA256),
            (&TLS12, ProtocolVersion::TLSv1_2, CipherSuite::TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256),
        ] {
            let client = Arc::new(client(&pki, &[version]));
            for (offer, protocol) in [(Offer::Both, &b"h2"[..]), (Offer::Http1, b"http/1.1")] {
                let pair = shake(&server(&live, offer), &client, "a.example").unwrap();
                assert_eq!(pair.ours.protocol_version(), Some(expected));
                assert_eq!(pair.ours.negotiated_cipher_suite().unwrap().suite(), suite);
                assert_eq!(pair.ours.alpn_protocol(), Some(protocol));
            }
        }
    }

    #[test]
    fn a_second_connection_resumes_by_its_ticket_and_none_may_send_early() {
        let pki = Pki::new();
        let live = Live::new(set([pki.leaf(&["a.example"])]));
        let server = server(&live, Offer::Both);
        for version in [&TLS13, &TLS12] {
            let mut client = client(&pki, &[version]);
            client.resumption = Resumption::in_memory_sessions(8);
            client.enable_early_data = true;
            let client = Arc::new(client);
            let kinds: Vec<_> = (0..2)
                .map(|_| {
                    let mut pair = shake(&server, &client, "a.example").unwrap();
                    assert!(!pair.theirs.is_early_data_accepted() && pair.ours.early_data().is_none());
                    pair.ours.handshake_kind().unwrap()
                })
                .collect();
            assert_eq!(kinds, [HandshakeKind::Full, HandshakeKind::Resumed], "{version:?}");
            let mut next = ClientConnection::new(Arc::clone(&client), "a.example".try_into().unwrap()).unwrap();
            assert!(next.early_data().is_none(), "the ticket allows early data");
        }
    }

    #[test]
    fn what_is_served_follows_what_is_in_force_and_open_connections_keep_theirs() {
        let pki = Pki::new();
        let (old, new) = (pki.leaf(&["a.example"]).issue(), pki.leaf(&["a.example"]).issue());
        let one = |identity: &super::super::pki::Identity| -> Certificates {
            [Certificate::pair(identity.chain.clone(), &identity.key()).unwrap()].into_iter().collect()
        };
        let live = Live::new(one(&old));
        let (server, client) = (server(&live, Offer::Both), Arc::new(client(&pki, &[&TLS13])));
        let first = shake(&server, &client, "a.example").unwrap();
        live.replace(one(&new));
        let mut fresh = ClientConfig::clone(&client);
        fresh.resumption = Resumption::disabled();
        let second = shake(&server, &Arc::new(fresh), "a.example").unwrap();
        assert_eq!((first.leaf(), second.leaf()), (old.chain[0].clone(), new.chain[0].clone()));
    }

    #[test]
    fn without_any_certificate_the_handshake_fails_and_nothing_else() {
        let pki = Pki::new();
        let live = Live::new(Certificates::default());
        assert!(shake(&server(&live, Offer::Both), &Arc::new(client(&pki, &[&TLS13])), "a.example").is_err());
    }
}
