//! What a link says, and what would be answered to a fetcher that came with it now.

use std::sync::Arc;

use crate::link::{Denial, LinkBounds, LinkId, LinkPath, OpenedGrant, Revocations, Seals};
use crate::origin::{OriginError, Stores};
use crate::value::UnixTime;

/// What became known of a link.
#[derive(Clone, Debug)]
pub struct Inspection {
    /// The link's id; also of a text that was never a link of ours.
    pub id: Option<LinkId>,
    /// Whether it would be believed.
    pub state: LinkState,
    /// What it says, where it opened.
    pub opened: Option<Arc<OpenedGrant>>,
    /// What the store says of the minted version: `Ok` where it is still the current one.
    pub object: Option<Result<(), OriginError>>,
}

/// Whether a link is believed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum LinkState {
    /// It is.
    Valid,
    /// It is not, and why.
    Denied(Denial),
    /// The text has not even the shape of one.
    NotALink,
}

/// Opens and judges `url` as a request at `now` would be, and asks the store for its object.
pub async fn inspect(
    url: &str,
    seals: &Seals,
    bounds: &LinkBounds,
    revocations: &Revocations,
    stores: &Stores,
    now: UnixTime,
) -> Inspection {
    let Ok(path) = LinkPath::parse_url(url, seals.origin()) else {
        return Inspection { id: None, state: LinkState::NotALink, opened: None, object: None };
    };
    let id = Some(path.id());
    let opened = match seals.open(&path, now) {
        Ok(opened) => Arc::new(opened),
        Err(denial) => return Inspection { id, state: LinkState::Denied(denial), opened: None, object: None },
    };
    let state = match revocations.ask(|set| opened.judge(now, bounds, set)) {
        Ok(_) => LinkState::Valid,
        Err(denial) => LinkState::Denied(denial),
    };
    let object = Some(probe(&opened, stores).await);
    Inspection { id, state, opened: Some(opened), object }
}

/// Whether the minted version can still be read: its first byte is asked for, pinned as a fetch would be.
async fn probe(opened: &OpenedGrant, stores: &Stores) -> Result<(), OriginError> {
    let grant = opened.grant();
    let store = stores.get(&grant.store).ok_or(OriginError::Failed("the store is no longer configured".to_owned()))?;
    match crate::value::ByteSpan::within(0, 0, grant.length) {
        Some(first) => store.read(&grant.key, &grant.version, first).await.map(drop),
        None => store.head(&grant.key).await.map(drop),
    }
}
