//! TLS: certificates with their keys, who gets which, and what is wrong with them.
//!
//! A certificate is chosen by the name that the client asks for and by what the client can verify; who asks for no name, or for one
//! that nobody knows, gets the default. What is served can be replaced while connections are open. The examination of a chain says
//! in plain words what a client would only refuse.
//!
//! Imports `value` and `telemetry`.

mod acme;
mod certificate;
mod certificates;
mod chain;
mod fault;
mod folder;
mod names;
mod pem;
mod resolver;
mod roots;
mod server;

pub use acme::{Acme, AcmeCertificates, AcmeError, AcmeSettings};
pub use certificate::{CertificateFacts, KeyKind, NotACertificate};
pub use certificates::Certificates;
pub use chain::{ChainReport, examine};
pub use fault::ChainFault;
pub use folder::kept_by_acme;
pub use names::covers;
pub use pem::{BadPair, BadPem, Certificate, certificates_from_pem, key_from_pem};
pub use resolver::Resolver;
pub use roots::Roots;
pub use server::{Offer, TlsError, server_config};

#[cfg(test)]
#[path = "../../tests/it/kit/pki.rs"]
#[allow(
    clippy::disallowed_methods,
    dead_code,
    missing_docs,
    unreachable_pub,
    reason = "the tests' kit, of which the unit tests need a part"
)]
pub(crate) mod pki;
