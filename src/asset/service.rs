//! The steps of an asset request, in their order.

use std::sync::Arc;
use std::time::Duration;

use ::http::{HeaderMap, HeaderValue, Response};
use futures_util::future::join;
use tokio_util::sync::CancellationToken;

use super::believe::{Believed, believe};
use super::locate::{Located, locate};
use super::memo::Memo;
use super::open::{Opened, Opener};
use super::permit::admit;
use super::reply::{Content, Reply};
use super::{AssetBody, AssetError, Permit};
use crate::cache::{Cache, ReadError};
use crate::fetcher::{ClientAddr, Profiles, Refusal, RequestFacts, Verdict};
use crate::http::{Decision, Multipart, Retrieval, decide};
use crate::link::{Denial, LinkBounds, LinkPath, Revocations, Seals, VerifiedGrant};
use crate::mint::KnownObjects;
use crate::origin::{OriginError, Stores};
use crate::value::{Clock, Live, UnixTime};

/// Answers asset requests.
#[derive(Clone)]
pub struct Assets(Arc<Inner>);

struct Inner {
    parts: AssetParts,
    memo: Memo,
}

/// What asset requests are answered with.
pub struct AssetParts {
    /// The clock.
    pub clock: Clock,
    /// The keys in force.
    pub seals: Live<Seals>,
    /// How long links live.
    pub bounds: LinkBounds,
    /// Which links have ended early.
    pub revocations: Arc<Revocations>,
    /// The fetcher profiles in force.
    pub profiles: Live<Profiles>,
    /// The stores in force.
    pub stores: Live<Stores>,
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
    /// The path, as it was sent.
    pub path: &'a str,
    /// GET or HEAD.
    pub method: Retrieval,
    /// All header fields.
    pub headers: &'a HeaderMap,
    /// Where the fetcher is.
    pub client: ClientAddr,
    /// Cuts the connection that the request came on.
    pub cut: &'a CancellationToken,
}

/// What became known of a request on its way, for whoever accounts for it.
#[derive(Debug, Default)]
pub struct Story {
    /// The link's id, where it was sealed by us.
    pub link: Option<crate::link::LinkId>,
    /// The grant, where it was believed.
    pub grant: Option<VerifiedGrant>,
    /// What was thought of the fetcher.
    pub verdict: Option<Verdict>,
    /// Whether the link was sealed by us, believed or not.
    pub ours: bool,
    /// Why the link was not believed, or its fetcher not admitted, as a metric label.
    pub denial: Option<&'static str>,
}

impl Assets {
    /// Answers with these parts.
    pub fn new(parts: AssetParts) -> Self {
        Self(Arc::new(Inner { parts, memo: Memo::new() }))
    }

    /// Answers one request, and tells in `story` what became known on the way.
    pub async fn answer(
        &self,
        request: &AssetRequest<'_>,
        story: &mut Story,
    ) -> Result<Response<AssetBody>, AssetError> {
        let parts = &self.0.parts;
        let (now, changes) = (parts.clock.now(), parts.revocations.changes());
        let believed = self.believe(request, story, now)?;
        story.ours = true;
        story.grant = Some(believed.grant.clone());
        let permit = self.admit(believed, request, story, now)?;
        let mut answer = parts.deliver(&permit, request, now).await;
        if parts.revocations.changes() != changes {
            // Better told now than cut off after the head.
            answer = self.believe(request, story, now).and(answer);
        }
        if let Err(AssetError::Read(error)) = &answer {
            let grant = permit.grant();
            tracing::warn!(link = %permit.id(), store = %grant.store, key = ?grant.key, %error, "a link's bytes could not be read");
        }
        answer
    }

    fn believe(&self, request: &AssetRequest<'_>, story: &mut Story, now: UnixTime) -> Result<Believed, AssetError> {
        let judged = self.judge(request, story, now);
        judged.inspect_err(|error| {
            story.denial = Some(error.label());
            story.ours = error.is_of_ours();
        })
    }

    fn judge(&self, request: &AssetRequest<'_>, story: &mut Story, now: UnixTime) -> Result<Believed, AssetError> {
        let parts = &self.0.parts;
        let seals = parts.seals.get();
        let believed = believe(request.path, &self.0.memo, &seals, &parts.bounds, &parts.revocations, now);
        story.link = match &believed {
            Ok(believed) => Some(believed.grant.id()),
            // Nobody but the log wants the id of what is not ours, and it may not write this one down.
            Err(Denial::Invalid(_)) => None,
            // The id is a hash of the token.
            Err(_) => LinkPath::parse(request.path).ok().map(|path| path.id()),
        };
        believed.map_err(AssetError::Denied)
    }

    fn admit(
        &self,
        believed: Believed,
        request: &AssetRequest<'_>,
        story: &mut Story,
        now: UnixTime,
    ) -> Result<Permit, AssetError> {
        let profiles = self.0.parts.profiles.get();
        // A profile that a reload took away admits nobody.
        let Some(profile) = profiles.get(&believed.grant.grant().profile) else {
            story.denial = Some("no-profile");
            return Err(AssetError::Refused);
        };
        let facts =
            RequestFacts { method: request.method.as_method(), headers: request.headers, client: request.client };
        let (verdict, permit) = admit(believed, profile, &facts, now);
        if permit.is_none() {
            story.denial = verdict.refusal.map(Refusal::as_str);
        }
        story.verdict = Some(verdict);
        permit.ok_or(AssetError::Refused)
    }
}

impl AssetParts {
    async fn deliver(
        &self,
        permit: &Permit,
        request: &AssetRequest<'_>,
        now: UnixTime,
    ) -> Result<Response<AssetBody>, AssetError> {
        let located = locate(permit, now);
        let decision = decide(request.method, request.headers, &located.validators());
        let mut reply = Reply::new(permit, &located, now);
        match decision {
            Decision::NotModified => return Ok(reply.not_modified()),
            Decision::PreconditionFailed => return Err(AssetError::PreconditionFailed),
            Decision::RangeUnsatisfiable => return Err(AssetError::RangeUnsatisfiable { length: located.length }),
            Decision::Whole | Decision::Part(_) | Decision::Parts(_) => {}
        }
        let opener = Opener::new(permit.clone(), self, request.cut.clone(), now)?;
        if request.method == Retrieval::Head {
            reply.digest(located.digest(&self.known).await);
            let came = Box::pin(opener.probe(&located)).await?;
            return Ok(reply.content(&Content::Whole, Opened { body: AssetBody::empty(), came }));
        }
        open(decision, opener, &located, permit, &mut reply, &self.known).await
    }
}

async fn open(
    decision: Decision,
    opener: Opener,
    located: &Located<'_>,
    permit: &Permit,
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
            let grant = permit.grant();
            let boundary = grant.fingerprint.half();
            let frame =
                Multipart::new(&spans, located.length, &grant.media_type, &boundary).map_err(|_| impossible())?;
            told(&Content::Parts(&frame), join(digest, Box::pin(opener.parts(&frame))).await)
        }
        _ => told(&Content::Whole, join(digest, opener.whole(located)).await),
    }
}

/// A fingerprint's hexadecimal digits are always a boundary.
fn impossible() -> AssetError {
    AssetError::Read(ReadError::Origin(OriginError::Failed("a fingerprint could not be written".to_owned())))
}
