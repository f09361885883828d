//! How connections end, each way with a name that logs and metrics use.

use std::error::Error;

/// How a connection ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Ending {
    /// Closed by either side between two answers.
    Done,
    /// The parser refused the request's head, and hyper answered 400; over HTTP/2, a frame that no peer may send.
    BadHead,
    /// The head or its target was too long, and hyper answered 431 or 414.
    HeadTooLarge,
    /// It was over a limit of connections, or its peer may not speak for others.
    Refused,
    /// It did not begin with a PROXY header, as its listener requires.
    BadProxyHeader,
    /// PROXY header and TLS handshake took too long.
    HandshakeLate,
    /// There was no TLS that both sides speak, or what came was none.
    HandshakeFailed,
    /// A head had begun and did not end in time.
    HeadLate,
    /// Nothing was asked for too long.
    TimedOut,
    /// The client took too little of an answer for too long.
    WriteStalled,
    /// HTTP/2: too many requests given up, or too many frames that ask for nothing.
    Flooded,
    /// The client left within a request or an answer.
    ClientLeft,
    /// The service or its body ended in an error, so the answer was broken off.
    BrokenOff,
    /// The service or its body panicked.
    Panicked,
    /// Its reader was too slow while memory was short, so the answer was broken off.
    TooSlow,
    /// The drain's deadline came first, or the whole server was dropped.
    Cut,
}

impl Ending {
    /// The ending as logs and metrics write it.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Done => "done",
            Self::BadHead => "bad-head",
            Self::HeadTooLarge => "head-too-large",
            Self::Refused => "refused",
            Self::BadProxyHeader => "bad-proxy-header",
            Self::HandshakeLate => "handshake-late",
            Self::HandshakeFailed => "handshake-failed",
            Self::HeadLate => "head-late",
            Self::TimedOut => "timed-out",
            Self::WriteStalled => "write-stalled",
            Self::Flooded => "flooded",
            Self::ClientLeft => "client-left",
            Self::BrokenOff => "broken-off",
            Self::Panicked => "panicked",
            Self::TooSlow => "too-slow",
            Self::Cut => "cut",
        }
    }

    /// Whether what was written is still to arrive. Whoever is cut, or takes nothing, has no claim to it.
    pub(super) const fn is_gentle(self) -> bool {
        use Ending::{BadHead, BrokenOff, ClientLeft, Done, HeadTooLarge, TimedOut};
        matches!(self, Done | BadHead | HeadTooLarge | TimedOut | ClientLeft | BrokenOff)
    }

    /// What hyper's end of the connection means.
    pub(super) fn of(result: Result<(), hyper::Error>) -> Self {
        match result {
            Ok(()) => Self::Done,
            Err(error) if error.is_parse_too_large() => Self::HeadTooLarge,
            Err(error) if error.is_parse() => Self::BadHead,
            Err(error) if error.is_user() => Self::BrokenOff,
            Err(error) => h2_reason(&error).map_or(Self::ClientLeft, Self::of_reason),
        }
    }

    /// What the end of an HTTP/2 connection means by its reason (RFC 9113 section 7).
    fn of_reason(reason: h2::Reason) -> Self {
        match reason {
            h2::Reason::NO_ERROR | h2::Reason::CANCEL => Self::Done,
            h2::Reason::ENHANCE_YOUR_CALM => Self::Flooded,
            _ => Self::BadHead,
        }
    }
}

fn h2_reason(error: &hyper::Error) -> Option<h2::Reason> {
    error.source()?.downcast_ref::<h2::Error>()?.reason()
}
