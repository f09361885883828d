//! Who calls, and the proof that they may.
//!
//! `May<Mint>` in a handler's arguments is both the check and its outcome: it is made from the request's head alone, before any of
//! the body is read, and there is no other way to a [`Client`] in this room.

use std::marker::PhantomData;
use std::ops::Deref;
use std::sync::{Arc, OnceLock};

use ::http::header::AUTHORIZATION;
use ::http::request::Parts;
use ::http::{HeaderMap, HeaderValue};
use axum::extract::FromRequestParts;

use super::Client;
use super::parts::Control;
use super::problems::Failure;
use crate::config::Action;
use crate::value::ClientName;

/// A client that was recognised by its key and has the action `A`.
pub(super) struct May<A> {
    client: Arc<Client>,
    action: PhantomData<A>,
}

/// An action as a type, so that a handler can ask for it.
pub(super) trait Wanted {
    /// The same as a value.
    const ACTION: Action;
}

macro_rules! wanted {
    ($($(#[$doc:meta])* $name:ident),+) => {
        $($(#[$doc])*
        pub(super) struct $name;

        impl Wanted for $name {
            const ACTION: Action = Action::$name;
        })+
    };
}

wanted!(
    /// Making links.
    Mint,
    /// Seeing links and their fetches.
    Read,
    /// Ending links early.
    Revoke,
    /// Storing new assets.
    Publish
);

/// Why a request has no client.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub(super) enum Unauthorized {
    /// There is no `Authorization` field, or another scheme than Bearer.
    #[error("send your client key in the field Authorization: Bearer hpk_...")]
    NoKey,
    /// No client has this key.
    #[error("no client has this key; keys are hpk_ and 52 characters of a-z and 2-7, in lower case")]
    WrongKey,
}

impl<A> Deref for May<A> {
    type Target = Client;

    fn deref(&self) -> &Client {
        &self.client
    }
}

impl<A: Wanted> FromRequestParts<Control> for May<A> {
    type Rejection = Failure;

    async fn from_request_parts(parts: &mut Parts, control: &Control) -> Result<Self, Failure> {
        let key = bearer(&parts.headers)?;
        let client = control.clients.get().holder_of(key).ok_or(Unauthorized::WrongKey)?;
        if let Some(who) = parts.extensions.get::<Who>() {
            who.tell(client.name());
        }
        if !client.admit() {
            control.metrics.overload_refusal(RATE);
            return Err(Failure::TooManyRequests);
        }
        client.may(A::ACTION)?;
        Ok(Self { client, action: PhantomData })
    }
}

/// A place where the caller's name is left for the log.
#[derive(Clone, Debug, Default)]
pub(super) struct Who(Arc<OnceLock<ClientName>>);

impl Who {
    fn tell(&self, name: &ClientName) {
        self.0.get_or_init(|| name.clone());
    }

    /// The caller's name; `-` when the key was not recognised, or none was asked for.
    pub(super) fn name(&self) -> &str {
        self.0.get().map_or("-", ClientName::as_str)
    }
}

/// The key of `Authorization: Bearer KEY` (RFC 6750 section 2.1). Two such fields say two things, and then they say nothing.
fn bearer(headers: &HeaderMap) -> Result<&str, Unauthorized> {
    let mut lines = headers.get_all(AUTHORIZATION).iter();
    let (Some(line), None) = (lines.next(), lines.next()) else { return Err(Unauthorized::NoKey) };
    let (scheme, key) = line.to_str().ok().and_then(|text| text.split_once(' ')).ok_or(Unauthorized::NoKey)?;
    scheme.eq_ignore_ascii_case("bearer").then_some(key.trim_matches(' ')).ok_or(Unauthorized::NoKey)
}

/// What metrics call the limit on requests; the setting is `limits.control_requests_per_second`.
const RATE: &str = "control-requests-per-second";

/// What a 401 says of itself (RFC 9110 section 11.6.1).
pub(super) const CHALLENGE: HeaderValue = HeaderValue::from_static("Bearer");

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_is_read_from_one_bearer_field_alone() {
        let headers = |lines: &[&'static str]| {
            let mut headers = HeaderMap::new();
            for line in lines {
                headers.append(AUTHORIZATION, HeaderValue::from_static(line));
            }
            headers
        };
        for line in ["Bearer hpk_x", "bearer hpk_x", "BEARER  hpk_x"] {
            assert_eq!(bearer(&headers(&[line])), Ok("hpk_x"), "{line}");
        }
        for lines in [&[][..], &["hpk_x"], &["Basic hpk_x"], &["Bearer"], &["Bearer a", "Bearer b"]] {
            assert_eq!(bearer(&headers(lines)), Err(Unauthorized::NoKey), "{lines:?}");
        }
    }
}
