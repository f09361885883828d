//! What a link or a presigned URL says, and what would be answered to a fetcher that came with it now.

use std::sync::Arc;

use crate::fetcher::Profiles;
use crate::http::Retrieval;
use crate::link::{Denial, Hosts, LinkBounds, LinkId, LinkPath, OpenedGrant, Revocations, Seals, Whose};
use crate::origin::{OriginError, Stores};
use crate::presign::{Addressing, OpenedUrl, PresignDenial, PresignedRequest, Presigning, is_presigned, open};
use crate::value::{ByteSpan, UnixTime};

/// What became known of a link.
#[derive(Clone, Debug)]
pub struct Inspection {
    /// The link's id; also of a text that was never a link of ours.
    pub id: Option<LinkId>,
    /// Whether it would be believed.
    pub state: LinkState,
    /// What it says, where it opened.
    pub opened: Option<Inspected>,
    /// What the store says: `Ok` where it still has the minted version, or, of a presigned URL, anything.
    pub object: Option<Result<(), OriginError>>,
}

/// What a text opened to.
#[derive(Clone, Debug)]
pub enum Inspected {
    /// A link of ours.
    Link(Arc<OpenedGrant>),
    /// A presigned URL, and the methods that it was signed for.
    Presigned(Arc<OpenedUrl>, &'static [&'static str]),
}

/// Whether a link is believed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum LinkState {
    /// It is.
    Valid,
    /// It is not, and why.
    Denied(Denial),
    /// It is presigned, and not believed.
    UrlDenied(PresignDenial),
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
    /// What is believed of presigned URLs.
    pub presigning: &'a Presigning,
    /// Whose each host is.
    pub hosts: &'a Hosts,
}

/// Opens and judges `url` as a request at `now` would be. It asks no store; [`Inspection::probe`] does.
pub fn inspect(url: &str, judge: &Judge<'_>, now: UnixTime) -> Inspection {
    let Ok(path) = LinkPath::parse_url(url, judge.seals.origin()) else {
        return inspect_presigned(url, judge, now);
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
    Inspection { id, state, opened: Some(Inspected::Link(opened)), object: None }
}

fn inspect_presigned(url: &str, judge: &Judge<'_>, now: UnixTime) -> Inspection {
    let told = |state| Inspection { id: None, state, opened: None, object: None };
    let uri = url.parse::<http::Uri>().ok();
    let parts = uri.as_ref().and_then(|uri| Some((uri.authority()?.as_str(), uri.path(), uri.query()?)));
    let presigning = judge.presigning;
    let Some((authority, path, query)) = parts.filter(|(.., query)| presigning.is_enabled && is_presigned(query))
    else {
        return told(LinkState::NotALink);
    };
    let whose = judge.hosts.whose(authority);
    let addressing = match &whose {
        Whose::Ours => Addressing::Path,
        Whose::Store(store) => Addressing::VirtualHost(store),
        Whose::Nobody => return told(LinkState::NotALink),
    };
    let open = |method| {
        let request = PresignedRequest { method, authority, path, query, addressing };
        open(&request, &presigning.clients, &presigning.rules).map(Arc::new)
    };
    let (opened, methods): (_, &[_]) = match (open(Retrieval::Get), open(Retrieval::Head)) {
        (Ok(opened), _) => (opened, &["GET", "HEAD"]),
        (_, Ok(opened)) => (opened, &["HEAD"]),
        (Err(denial), _) => return told(LinkState::UrlDenied(denial)),
    };
    let state = match judge.revocations.ask(|set| opened.judge(now, &presigning.rules, set)) {
        Ok(_) if judge.profiles.contains_key(&presigning.fetcher) => LinkState::Valid,
        Ok(_) => LinkState::NoProfile,
        Err(denial) => LinkState::UrlDenied(denial),
    };
    Inspection { id: Some(opened.id()), state, opened: Some(Inspected::Presigned(opened, methods)), object: None }
}

impl Inspection {
    /// The same, and whether the store still has the minted version: its first byte is asked for, pinned as a fetch would be. Of a presigned
    /// URL, whether it has anything there; what its bytes are is judged at a fetch. Of a link that is not believed no store is asked.
    #[must_use]
    pub async fn probe(mut self, stores: &Stores) -> Self {
        if let (LinkState::Valid, Some(opened)) = (&self.state, &self.opened) {
            self.object = Some(match opened {
                Inspected::Link(opened) => read_first_byte(opened, stores).await,
                Inspected::Presigned(opened, _) => ask_head(opened, stores).await,
            });
        }
        self
    }
}

async fn read_first_byte(opened: &OpenedGrant, stores: &Stores) -> Result<(), OriginError> {
    let grant = opened.grant();
    let store = stores.get(&grant.store).ok_or_else(store_is_gone)?;
    match ByteSpan::within(0, 0, grant.length) {
        Some(first) => store.read(&grant.key, &grant.version, first).await.map(drop),
        None => Ok(()),
    }
}

async fn ask_head(opened: &OpenedUrl, stores: &Stores) -> Result<(), OriginError> {
    let store = stores.get(opened.store()).ok_or_else(store_is_gone)?;
    store.head(opened.key()).await.map(drop)
}

fn store_is_gone() -> OriginError {
    OriginError::Failed("the store is no longer configured".to_owned())
}
