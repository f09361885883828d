//! The steps of an asset request, in their order.

use std::sync::Arc;
use std::time::Duration;

use ::http::header::{IF_MATCH, IF_MODIFIED_SINCE, IF_NONE_MATCH, IF_UNMODIFIED_SINCE, RANGE};
use ::http::{HeaderMap, HeaderValue, Response};
use futures_util::future::join;
use tokio_util::sync::CancellationToken;

use super::believe::{Links, believe};
use super::locate::{Located, locate};
use super::open::{Opened, Opener};
use super::permit::admit;
use super::presigned::{self, Denied, Urls};
use super::reply::{Content, Reply};
use super::resolve::Ahead;
use super::warrant::Sight;
use super::{AssetBody, AssetError, Permit, Warrant};
use crate::cache::{Cache, ReadError};
use crate::fetcher::{ClientAddr, Profiles, Refusal, RequestFacts, Verdict};
use crate::http::{Decision, Multipart, Retrieval, decide};
use crate::link::{Denial, LinkBounds, LinkId, LinkPath, Revocations, Seals};
use crate::mint::{Heads, KnownObjects, MintPolicy};
use crate::origin::{Origin, OriginError, Stores};
use crate::presign::{Presigning, is_presigned};
use crate::value::{Clock, Live, StoreName, UnixTime};

/// Answers asset requests.
#[derive(Clone)]
pub struct Assets(Arc<Inner>);

struct Inner {
    parts: AssetParts,
    links: Links,
    urls: Urls,
}

/// What asset requests are answered with.
pub struct AssetParts {
    /// The clock.
    pub clock: Clock,
    /// The keys in force.
    pub seals: Live<Seals>,
    /// How long links live.
    pub bounds: LinkBounds,
    /// What is believed of presigned URLs.
    pub presigning: Live<Presigning>,
    /// Which links have ended early.
    pub revocations: Arc<Revocations>,
    /// The fetcher profiles in force.
    pub profiles: Live<Profiles>,
    /// The stores in force.
    pub stores: Live<Stores>,
    /// Which of them serve active content.
    pub policy: Live<MintPolicy>,
    /// What stores said of their objects lately.
    pub heads: Heads,
    /// What is known of objects' content.
    pub known: KnownObjects,
    /// The bytes.
    pub cache: Cache,
    /// How long a body may go on after its link has ended.
    pub body_max: Duration,
}

/// What a request for an asset says.
#[derive(Clone, Copy)]
pub struct AssetRequest<'a> {
    /// What it asks for, and by what right.
    pub target: Target<'a>,
    /// GET or HEAD.
    pub method: Retrieval,
    /// All header fields.
    pub headers: &'a HeaderMap,
    /// Where the fetcher is.
    pub client: ClientAddr,
    /// Cuts the connection that the request came on.
    pub cut: &'a CancellationToken,
}

/// What is asked for, and by what right.
#[derive(Clone, Copy)]
pub enum Target<'a> {
    /// A link of ours: its path, as it was sent.
    Link(&'a str),
    /// A URL in S3's query form.
    Presigned(PresignedTarget<'a>),
}

/// A URL in S3's query form. It has no `Debug`: whoever reads its query can fetch the asset.
#[derive(Clone, Copy)]
pub struct PresignedTarget<'a> {
    /// The host and port, as they were sent.
    pub authority: &'a str,
    /// The path, as it was sent.
    pub path: &'a str,
    /// The query, as it was sent, without its `?`.
    pub query: &'a str,
    /// The store whose own host it is; `None` where the path names the store.
    pub store: Option<&'a StoreName>,
}

/// What became known of a request on its way, for whoever accounts for it.
#[derive(Debug, Default)]
pub struct Story {
    /// The link's id, where it was sealed or signed with a key of ours.
    pub link: Option<LinkId>,
    /// The link, where it was believed.
    pub warrant: Option<Warrant>,
    /// What was thought of the fetcher.
    pub verdict: Option<Verdict>,
    /// Whether the link was sealed or signed with a key of ours, believed or not.
    pub ours: bool,
    /// Why the link was not believed, or its fetcher not admitted, as a metric label.
    pub denial: Option<&'static str>,
}

impl Assets {
    /// Answers with these parts.
    pub fn new(parts: AssetParts) -> Self {
        Self(Arc::new(Inner { parts, links: Links::new(), urls: Urls::new() }))
    }

    /// Whether a request with this query is one for a presigned URL, right or wrong.
    pub fn are_presigned_by(&self, query: &str) -> bool {
        is_presigned(query) && self.0.parts.presigning.get().is_enabled
    }

    /// Answers one request, and tells in `story` what became known on the way.
    pub async fn answer(
        &self,
        request: &AssetRequest<'_>,
        story: &mut Story,
    ) -> Result<Response<AssetBody>, AssetError> {
        let parts = &self.0.parts;
        let (now, changes) = (parts.clock.now(), parts.revocations.changes());
        let warrant = self.believe(request, story, now)?;
        story.ours = true;
        story.warrant = Some(warrant.clone());
        let permit = self.admit(warrant, request, story, now)?;
        let mut answer = parts.deliver(&permit, request, now).await;
        if answer.as_ref().is_err_and(AssetError::is_overtaken) && parts.forget(&permit).await {
            // What the store said a moment ago is not true any more; once, it is asked again.
            answer = Box::pin(parts.deliver(&permit, request, now)).await;
        }
        if parts.revocations.changes() != changes {
            // Better told now than cut off after the head.
            answer = self.believe(request, story, now).and(answer);
        }
        if let Err(AssetError::Read(error)) = &answer {
            let warrant = permit.warrant();
            tracing::warn!(link = %warrant.id(), store = %warrant.store(), key = ?warrant.key(), %error, "a link's bytes could not be read");
        }
        answer
    }

    fn believe(&self, request: &AssetRequest<'_>, story: &mut Story, now: UnixTime) -> Result<Warrant, AssetError> {
        let judged = match request.target {
            Target::Link(path) => self.believe_link(path, story, now),
            Target::Presigned(target) => self.believe_url(&target, request.method, story, now),
        };
        judged.inspect_err(|error| story.denial = Some(error.label()))
    }

    fn believe_link(&self, path: &str, story: &mut Story, now: UnixTime) -> Result<Warrant, AssetError> {
        let parts = &self.0.parts;
        let seals = parts.seals.get();
        let believed = believe(path, &self.0.links, &seals, &parts.bounds, &parts.revocations, now);
        story.link = match &believed {
            Ok(warrant) => Some(warrant.id()),
            // Nobody but the log wants the id of what is not ours, and it may not write this one down.
            Err(Denial::Invalid(_)) => None,
            // The id is a hash of the token.
            Err(_) => LinkPath::parse(path).ok().map(|path| path.id()),
        };
        story.ours = !matches!(believed, Err(Denial::Invalid(_)));
        believed.map_err(AssetError::Denied)
    }

    fn believe_url(
        &self,
        target: &PresignedTarget<'_>,
        method: Retrieval,
        story: &mut Story,
        now: UnixTime,
    ) -> Result<Warrant, AssetError> {
        let presigning = self.0.parts.presigning.get();
        let believed = presigned::believe(target, method, &self.0.urls, &presigning, &self.0.parts.revocations, now);
        story.link = believed.as_ref().map_or_else(|denied| denied.id, |warrant| Some(warrant.id()));
        story.ours = story.link.is_some();
        believed.map_err(|Denied { denial, .. }| AssetError::UrlDenied(denial))
    }

    fn admit(
        &self,
        warrant: Warrant,
        request: &AssetRequest<'_>,
        story: &mut Story,
        now: UnixTime,
    ) -> Result<Permit, AssetError> {
        let profiles = self.0.parts.profiles.get();
        // A profile that a reload took away admits nobody.
        let Some(profile) = profiles.get(warrant.profile()) else {
            story.denial = Some("no-profile");
            return Err(AssetError::Refused);
        };
        let facts =
            RequestFacts { method: request.method.as_method(), headers: request.headers, client: request.client };
        let (verdict, permit) = admit(warrant, profile, &facts, now);
        if permit.is_none() {
            story.denial = verdict.refusal.map(Refusal::as_str);
        }
        story.verdict = Some(verdict);
        permit.ok_or(AssetError::Refused)
    }
}

impl AssetRequest<'_> {
    /// Whether, as far as its head can tell, all of the content will be sent.
    fn wants_whole(&self) -> bool {
        let conditions = [RANGE, IF_MATCH, IF_NONE_MATCH, IF_MODIFIED_SINCE, IF_UNMODIFIED_SINCE];
        self.method == Retrieval::Get && !conditions.iter().any(|name| self.headers.contains_key(name))
    }
}

impl AssetParts {
    /// A store of the settings in force.
    pub(super) fn store(&self, name: &StoreName) -> Result<Arc<dyn Origin>, AssetError> {
        let gone = || OriginError::Failed("the link's store is no longer in the settings".to_owned());
        self.stores.get().get(name).cloned().ok_or_else(|| AssetError::Read(ReadError::Origin(gone())))
    }

    async fn deliver(
        &self,
        permit: &Permit,
        request: &AssetRequest<'_>,
        now: UnixTime,
    ) -> Result<Response<AssetBody>, AssetError> {
        let (located, ahead) = locate(self, permit, request.wants_whole(), now).await?;
        let located = Arc::new(located);
        let decision = decide(request.method, request.headers, &located.validators());
        let mut reply = Reply::new(&located, now);
        match decision {
            Decision::NotModified => return Ok(reply.not_modified()),
            Decision::PreconditionFailed => return Err(AssetError::PreconditionFailed),
            Decision::RangeUnsatisfiable => {
                return Err(AssetError::RangeUnsatisfiable { length: located.representation.length });
            }
            Decision::Whole | Decision::Part(_) | Decision::Parts(_) => {}
        }
        let opener = Opener::new(&located, self, request.cut.clone(), now)?;
        if request.method == Retrieval::Head {
            reply.digest(located.digest(&self.known).await);
            let came = Box::pin(opener.probe()).await?;
            return Ok(reply.content(&Content::Whole, Opened { body: AssetBody::empty(), came }));
        }
        open(decision, opener, ahead, &located, &mut reply, &self.known).await
    }

    /// Believes no longer what the store said of a presigned URL's object. What a grant says stands: there is nothing to ask again.
    async fn forget(&self, permit: &Permit) -> bool {
        let Sight::InStore(url, place) = permit.warrant().sight() else { return false };
        place.forget();
        self.heads.forget(url.store(), url.key()).await;
        true
    }
}

async fn open(
    decision: Decision,
    opener: Opener,
    ahead: Option<Ahead>,
    located: &Located,
    reply: &mut Reply<'_>,
    known: &KnownObjects,
) -> Result<Response<AssetBody>, AssetError> {
    let digest = located.digest(known);
    let mut told = |content: &Content<'_>, (digest, opened): (Option<HeaderValue>, Result<Opened, AssetError>)| {
        reply.digest(digest);
        Ok(reply.content(content, opened?))
    };
    // The digest is looked up and the bytes are opened at once, for neither needs the other.
    match decision {
        Decision::Part(span) => told(&Content::Part(span), join(digest, opener.part(span)).await),
        Decision::Parts(spans) => {
            let representation = &located.representation;
            let boundary = representation.boundary();
            let frame = Multipart::new(&spans, representation.length, &representation.media_type, &boundary)
                .map_err(|_| impossible())?;
            told(&Content::Parts(&frame), join(digest, Box::pin(opener.parts(&frame))).await)
        }
        _ => told(&Content::Whole, join(digest, opener.whole(ahead)).await),
    }
}

/// Hexadecimal digits are always a boundary.
fn impossible() -> AssetError {
    AssetError::Read(ReadError::Origin(OriginError::Failed("a boundary could not be written".to_owned())))
}
