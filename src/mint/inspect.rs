//! What a link says, and what would be answered to a fetcher that came with it now.

use std::sync::Arc;

use crate::fetcher::Profiles;
use crate::link::{Denial, LinkBounds, LinkId, LinkPath, OpenedGrant, Revocations, Seals};
use crate::origin::{OriginError, Stores};
use crate::value::{ByteSpan, UnixTime};

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
    /// It would be, but its fetcher profile is gone, and so nobody is admitted.
    NoProfile,
    /// The text has not even the shape of one.
    NotALink,
}

/// What links are judged by.
pub struct Judge<'a> {
    /// The keys in force.
    pub seals: &'a Seals,
    /// How long links live.
    pub bounds: &'a LinkBounds,
    /// Which links have ended early.
    pub revocations: &'a Revocations,
    /// The fetcher profiles in force.
    pub profiles: &'a Profiles,
}

/// Opens and judges `url` as a request at `now` would be. It asks no store; [`Inspection::probe`] does.
pub fn inspect(url: &str, judge: &Judge<'_>, now: UnixTime) -> Inspection {
    let Ok(path) = LinkPath::parse_url(url, judge.seals.origin()) else {
        return Inspection { id: None, state: LinkState::NotALink, opened: None, object: None };
    };
    let id = Some(path.id());
    let opened = match judge.seals.open(&path, now) {
        Ok(opened) => Arc::new(opened),
        Err(denial) => return Inspection { id, state: LinkState::Denied(denial), opened: None, object: None },
    };
    let state = match judge.revocations.ask(|set| opened.judge(now, judge.bounds, set)) {
        Ok(_) if judge.profiles.contains_key(&opened.grant().profile) => LinkState::Valid,
        Ok(_) => LinkState::NoProfile,
        Err(denial) => LinkState::Denied(denial),
    };
    Inspection { id, state, opened: Some(opened), object: None }
}

impl Inspection {
    /// The same, and whether the store still has the minted version: its first byte is asked for, pinned as a fetch would be. Of a link
    /// that is not believed no store is asked.
    #[must_use]
    pub async fn probe(mut self, stores: &Stores) -> Self {
        if let (LinkState::Valid, Some(opened)) = (&self.state, &self.opened) {
            self.object = Some(read_first_byte(opened, stores).await);
        }
        self
    }
}

async fn read_first_byte(opened: &OpenedGrant, stores: &Stores) -> Result<(), OriginError> {
    let grant = opened.grant();
    let store = stores.get(&grant.store).ok_or(OriginError::Failed("the store is no longer configured".to_owned()))?;
    match ByteSpan::within(0, 0, grant.length) {
        Some(first) => store.read(&grant.key, &grant.version, first).await.map(drop),
        None => Ok(()),
    }
}
