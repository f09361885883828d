//! From a presigned URL to a warrant: form, signature, scope, time, revocation, in this order.

use std::sync::Arc;

use super::memo::Memo;
use super::resolve::Place;
use super::{PresignedTarget, Warrant};
use crate::http::Retrieval;
use crate::link::{LinkId, Revocations};
use crate::presign::{Addressing, OpenedUrl, PresignDenial, PresignedRequest, Presigning, open};
use crate::value::{StoreName, UnixTime};

/// URLs that have opened lately.
pub(super) type Urls = Memo<Presigning, Opened>;

/// What a URL opened to, and what it led to last.
#[derive(Clone)]
pub(super) struct Opened {
    url: Arc<OpenedUrl>,
    place: Arc<Place>,
}

/// Why a URL is not believed, and its id, where a key of ours signed it.
pub(super) struct Denied {
    pub(super) denial: PresignDenial,
    pub(super) id: Option<LinkId>,
}

/// Opens and judges a presigned URL. The memo spares the signing and nothing else.
pub(super) fn believe(
    target: &PresignedTarget<'_>,
    method: Retrieval,
    memo: &Urls,
    presigning: &Arc<Presigning>,
    revocations: &Revocations,
    now: UnixTime,
) -> Result<Warrant, Denied> {
    // The store is a part of the name, for which host is whose changes by a reload of its own.
    let store = target.store.map_or("", StoreName::as_str);
    let (name, tag) = ([target.authority, target.path, target.query, store], signature(target.query));
    let (opened, is_memorable) = match memo.recall(name, tag, presigning) {
        Some(opened) => (opened, false),
        None => first(target, method, presigning).map_err(|denial| Denied { denial, id: None })?,
    };
    let judged = revocations.ask(|set| opened.url.judge(now, &presigning.rules, set));
    let url = judged.map_err(|denial| Denied { denial, id: Some(opened.url.id()) })?;
    if is_memorable {
        memo.remember(name, tag, presigning, opened.clone());
    }
    Ok(Warrant::of_url(url, opened.place, presigning.fetcher.clone()))
}

/// Opens a URL that is not remembered. What was signed for GET opens for GET and HEAD alike, so it may be.
fn first(
    target: &PresignedTarget<'_>,
    method: Retrieval,
    presigning: &Presigning,
) -> Result<(Opened, bool), PresignDenial> {
    let open = |method| {
        let PresignedTarget { authority, path, query, store } = *target;
        let addressing = store.map_or(Addressing::Path, Addressing::VirtualHost);
        let request = PresignedRequest { method, authority, path, query, addressing };
        let url = Arc::new(open(&request, &presigning.clients, &presigning.rules)?);
        Ok(Opened { url, place: Arc::default() })
    };
    match (open(Retrieval::Get), method) {
        (Ok(opened), _) => Ok((opened, true)),
        (Err(_), Retrieval::Head) => open(Retrieval::Head).map(|opened| (opened, false)),
        (Err(denial), Retrieval::Get) => Err(denial),
    }
}

/// The signature in a query: any text where there is none.
fn signature(query: &str) -> &str {
    let value = query.find(SIGNATURE).and_then(|at| query.get(at + SIGNATURE.len()..));
    value.map_or("", |value| value.split('&').next().unwrap_or_default())
}

const SIGNATURE: &str = "X-Amz-Signature=";
