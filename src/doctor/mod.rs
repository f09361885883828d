//! Fetches any HTTPS URL as Meta's fetcher would, and explains what would fail.
//!
//! Three halves that never meet in one function. *Gather* asks: one look-up of the name, an attempt at each address, three handshakes, a dozen
//! requests, each within a time and with a limit to what is read. *Check* judges: one small function from what was gathered to one
//! [`Finding`]. The [`Report`] is what people and programs read.
//! What always holds: a connection goes to an address that was judged, never to a name and never to where a redirect points; private
//! addresses are not asked unless the caller allows it; and no server can keep the doctor, fill its memory or write to a terminal through it.

mod address;
mod limits;
mod reach;
mod target;

mod exchange;
mod handshake;
mod kind;

mod facts;
mod gather;
mod robots;

mod checks;
mod report;

use std::time::Duration;

pub use gather::{META_AGENT, PATIENCE};
pub use report::{Check, Finding, Report, Verdict};

use crate::media::HeaderKind;
use crate::tls::Roots;
use crate::value::UnixTime;
use target::Target;

/// How to examine.
#[derive(Clone, Copy, Debug)]
pub struct Options<'a> {
    /// The header of a template that the content is for; where none is named, what the content shows decides.
    pub header: Option<HeaderKind>,
    /// Addresses may be asked that are not public.
    pub allow_private: bool,
    /// Whom to trust.
    pub roots: &'a Roots,
    /// How long everything may take together.
    pub timeout: Duration,
}

/// Examines the URL at `now`; `progress` is told, in a few words, what is being asked.
pub async fn examine(url: &str, options: &Options<'_>, now: UnixTime, progress: &dyn Fn(&'static str)) -> Report {
    match Target::read(url) {
        Ok(target) => {
            let facts = gather::gather(target, options, now, progress).await;
            let address = facts.chosen().map(|place| place.address);
            Report::of(facts.target.url(), address, checks::all(&facts))
        }
        Err(bad) => Report::of(report::quoted(&without_user(url)), None, checks::none(&bad)),
    }
}

/// The text without what stands before an `@` in its authority: it may be a password.
fn without_user(url: &str) -> String {
    let (scheme, rest) = url.split_once("://").map_or(("", url), |(scheme, rest)| (scheme, rest));
    let end = rest.find(['/', '?', '#']).unwrap_or(rest.len());
    let (authority, path) = rest.split_at(end);
    let host = authority.rsplit_once('@').map_or(authority, |(_, host)| host);
    if scheme.is_empty() { format!("{host}{path}") } else { format!("{scheme}://{host}{path}") }
}
