//! What can be wrong with a chain of certificates, in plain words, and what to do about it.

use std::fmt;

use crate::value::UnixTime;

/// One thing that is wrong with a chain, or that is worth saying about it. Certificates are named by their subjects.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ChainFault {
    /// There is no certificate.
    Empty,
    /// One of them, counted from 1, cannot be read.
    Unreadable(usize),
    /// The server's certificate was signed by itself.
    SelfSigned(String),
    /// The certificates are all there, and not in the order in which each signed the one before.
    WrongOrder(Vec<String>),
    /// The certificate that signed the server's is not there.
    MissingIntermediate {
        /// What it signed.
        subject: String,
        /// Its own name.
        issuer: String,
        /// Where it can be had.
        get_from: Option<String>,
    },
    /// The chain ends in an authority that is not trusted.
    UntrustedRoot {
        /// The last certificate of the chain.
        last: String,
        /// Who signed that.
        root: String,
        /// Where the signer's certificate can be had.
        get_from: Option<String>,
    },
    /// One that the chain needs has expired.
    Expired(String, UnixTime),
    /// One that the chain needs is not valid yet.
    NotYetValid(String, UnixTime),
    /// A key is too short, or of a kind that clients refuse.
    WeakKey(String, String),
    /// A signature is made with a broken digest.
    WeakSignature(String, &'static str),
    /// The chain is refused for another reason.
    Refused(String),
    /// Warning: the root is sent along, which only costs bytes.
    RootIncluded(String),
    /// Warning: this one has nothing to do with the others.
    Unneeded(String),
    /// Warning: the server's certificate expires in so many days.
    ExpiresSoon(i64, UnixTime),
}

impl ChainFault {
    /// Whether clients work in spite of it.
    pub const fn is_warning(&self) -> bool {
        matches!(self, Self::RootIncluded(_) | Self::Unneeded(_) | Self::ExpiresSoon(..))
    }

    /// Whether it is about time alone.
    pub const fn is_about_time(&self) -> bool {
        matches!(self, Self::Expired(..) | Self::NotYetValid(..) | Self::ExpiresSoon(..))
    }

    /// What to do about it.
    pub fn fix(&self) -> String {
        match self {
            Self::Empty => {
                "put the server's certificate, and after it its intermediates, into the file as PEM".to_owned()
            }
            Self::Unreadable(_) | Self::Refused(_) => "get the certificate anew from its authority".to_owned(),
            Self::SelfSigned(_) => "get a certificate from a public authority, such as Let's Encrypt".to_owned(),
            Self::WrongOrder(order) => format!("put them in this order: {}", order.join("; then ")),
            Self::MissingIntermediate { issuer, get_from: Some(url), .. } => {
                format!("append {issuer} to the chain; it can be had at {url}")
            }
            Self::MissingIntermediate { issuer, get_from: None, .. } => {
                format!("append {issuer} to the chain; its authority's site has it, often as \"full chain\"")
            }
            Self::UntrustedRoot { get_from, .. } => {
                let at = get_from.as_ref().map(|url| format!(" ({url} has it)")).unwrap_or_default();
                format!(
                    "if that is a further intermediate, append it{at}; if it is a private authority, use a public one"
                )
            }
            Self::Expired(..) | Self::ExpiresSoon(..) => {
                "renew the certificate, and see why that did not happen by itself".to_owned()
            }
            Self::NotYetValid(..) => "wait until then, or set the machine's clock right".to_owned(),
            Self::WeakKey(..) => "get a certificate for an ECDSA P-256 key, or RSA with at least 2048 bits".to_owned(),
            Self::WeakSignature(..) => "get a certificate that is signed with SHA-256 or better".to_owned(),
            Self::RootIncluded(root) => format!("{root} can be left out: clients have it"),
            Self::Unneeded(subject) => format!("{subject} can be left out"),
        }
    }
}

impl fmt::Display for ChainFault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Empty => write!(f, "there is no certificate"),
            Self::Unreadable(at) => write!(f, "certificate {at} of the chain cannot be read"),
            Self::SelfSigned(subject) => write!(f, "{subject} is signed by itself, so no client trusts it"),
            Self::WrongOrder(_) => {
                write!(f, "the certificates are not in order: each must have signed the one before it")
            }
            Self::MissingIntermediate { subject, issuer, .. } => {
                write!(f, "the intermediate certificate {issuer}, which signed {subject}, is missing in the chain")
            }
            Self::UntrustedRoot { last, root, .. } if last == root => {
                write!(f, "the chain ends in {root}, which is no authority that clients trust")
            }
            Self::UntrustedRoot { last, root, .. } => {
                write!(
                    f,
                    "the chain ends in {last}, signed by {root}, which is neither in the chain nor an authority that clients trust"
                )
            }
            Self::Expired(subject, when) => write!(f, "{subject} expired at {when}"),
            Self::NotYetValid(subject, when) => write!(f, "{subject} is not valid before {when}"),
            Self::WeakKey(subject, key) => write!(f, "{subject} has {key}, which clients refuse"),
            Self::WeakSignature(subject, with) => write!(f, "{subject} is signed with {with}, which clients refuse"),
            Self::Refused(why) => write!(f, "clients refuse the chain: {why}"),
            Self::RootIncluded(root) => write!(f, "the root {root} is in the chain"),
            Self::Unneeded(subject) => write!(f, "{subject} is in the chain, and signed nothing in it"),
            Self::ExpiresSoon(days, when) => write!(f, "the certificate expires in {days} days, at {when}"),
        }
    }
}
