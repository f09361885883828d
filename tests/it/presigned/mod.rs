//! Presigned links from outside: the presign calls of real SDKs against a whole gateway, and whatever else can be made of such a link.

mod agreement;
mod bursts;
mod clients;
mod errors;
mod fetchers;
mod forms;
mod hosts;
mod keys;
mod mutations;
mod overrides;
mod refusals;
mod reloading;
mod revoking;
mod stores;
mod times;
mod versions;

use std::sync::Arc;

use crate::kit::gateway::Gateway;
use crate::kit::presigner::{Presigner, place};
use crate::kit::scripted::Scripted;
use crate::kit::wire::Answer;

/// Status, code and message of an error as S3 writes it, which it must be in every respect.
fn refusal(answer: &Answer) -> (u16, String, String) {
    assert_eq!(answer.field("content-type"), Some("application/xml"), "{answer:?}");
    assert_eq!(answer.field("cache-control"), Some("no-store"), "{answer:?}");
    assert_eq!(answer.field("x-content-type-options"), Some("nosniff"), "{answer:?}");
    assert_eq!(answer.length(), Some(answer.body.len()), "{answer:?}");
    for asset_field in ["etag", "last-modified", "cache-status", "accept-ranges", "content-disposition"] {
        assert_eq!(answer.field(asset_field), None, "{answer:?}");
    }
    let text = std::str::from_utf8(&answer.body).unwrap();
    let inside = |text: &str| {
        let rest = text.strip_prefix("<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<Error><Code>")?;
        let (code, rest) = rest.split_once("</Code><Message>")?;
        let message = rest.strip_suffix("</Message></Error>")?;
        Some((code.to_owned(), message.to_owned()))
    };
    let (code, message) = inside(text.trim_end()).unwrap_or_else(|| panic!("not an error of S3: {text}"));
    assert!(code.bytes().all(|byte| byte.is_ascii_alphanumeric()), "{text}");
    assert!(!message.is_empty() && !message.contains(['<', '>']), "{text}");
    (answer.status, code, message)
}

/// Status and code of such an error.
fn code(answer: &Answer) -> (u16, String) {
    let (status, code, _) = refusal(answer);
    (status, code)
}

fn denied() -> (u16, String) {
    (403, "AccessDenied".to_owned())
}

fn bad_query() -> (u16, String) {
    (400, "AuthorizationQueryParametersError".to_owned())
}

/// A gateway over a scripted store whose one object is `a.bin`.
async fn scripted(settings: &str, bytes: &[u8]) -> (Gateway, String, Scripted) {
    let key = Presigner::new("billing");
    let mut place = place(&[&key], "");
    place.settings.push_str(settings);
    let store = Scripted::new();
    store.put("a.bin", bytes.to_vec());
    let gate = place.start().await;
    gate.replace_store(Arc::new(store.clone()));
    let link = key.link(gate.rooms.clock.now(), "a.bin");
    (gate, link, store)
}
