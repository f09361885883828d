//! `/v1/links`: make links, one or many, look at one, end one.

use std::pin::Pin;
use std::time::Duration;

use ::http::StatusCode;
use ::http::header::{CONTENT_TYPE, LOCATION};
use axum::Json;
use axum::extract::{Path, State};
use axum::response::{IntoResponse, Response};
use futures_util::future::{Either, FutureExt, Ready, ready};
use futures_util::{StreamExt, stream};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use tokio::time::{Instant, timeout_at};
use utoipa::ToSchema;

use super::Client;
use super::caller::{May, Mint, Read, Revoke};
use super::json_body::{BodyFault, JsonBody, JsonText, read, read_item};
use super::link_answer::LinkAnswer;
use super::link_request::LinkRequest;
use super::link_story::LinkStory;
use super::openapi::{AskProblems, LookProblems, MintProblems, ProblemBody};
use super::parts::{Control, ControlParts};
use super::problems::Failure;
use super::revocation_words::RevocationAnswer;
use super::revocations::revoke_for;
use crate::catalog::{Catalog, LinkRecord};
use crate::link::{LinkId, Revocation};
use crate::mint::{MintError, Minted};

/// Mint a link.
///
/// The asset is read, hashed and checked first, so a link that is answered here can be fetched. The same request within one
/// window gives the same link again.
#[utoipa::path(
    post, path = "/v1/links", tag = "links", request_body = LinkRequest,
    responses((status = 201, description = "The link", body = LinkAnswer<'_>), MintProblems)
)]
pub(super) async fn mint(
    client: May<Mint>,
    State(control): State<Control>,
    JsonBody(request): JsonBody<LinkRequest>,
) -> Result<Response, Failure> {
    let minted = control.mint(&client, request).await?;
    let answer = LinkAnswer::of(&minted);
    Ok((StatusCode::CREATED, [(LOCATION, answer.location())], Json(answer)).into_response())
}

/// Requests for links, at most 1,000.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct Batch<R = Value> {
    /// The requests. Each is judged for itself.
    #[schema(value_type = Vec<LinkRequest>, max_items = 1000)]
    links: Vec<R>,
}

impl Batch {
    /// The requests, each read for itself. Nearly every batch can be read as a whole, which is several times as fast.
    fn items(text: &[u8]) -> Result<Vec<Result<LinkRequest, BodyFault>>, BodyFault> {
        if let Ok(good) = serde_json::from_slice::<Batch<LinkRequest>>(text) {
            return Ok(good.links.into_iter().map(Ok).collect());
        }
        Ok(read::<Self>(text)?.links.iter().map(read_item).collect())
    }
}

/// The answers to a batch.
#[derive(ToSchema)]
#[expect(dead_code, reason = "it describes what BatchText writes")]
pub(super) struct BatchAnswer<'a> {
    /// One answer for each request, in their order.
    links: Vec<ItemAnswer<'a>>,
}

/// A link, or the problem that stood in its way.
#[derive(Serialize, ToSchema)]
#[serde(untagged)]
enum ItemAnswer<'a> {
    /// The link.
    Link(LinkAnswer<'a>),
    /// The problem, with the status that the request alone would have had.
    #[schema(value_type = ProblemBody)]
    Problem(Value),
}

/// A [`BatchAnswer`], written answer by answer: so a batch holds the text alone, and no answer longer than it takes to write it.
struct BatchText(Vec<u8>);

impl BatchText {
    /// The beginning, with room for `count` answers of usual length.
    fn begin(count: usize) -> Self {
        let mut text = Vec::with_capacity(count * ANSWER_BYTES);
        text.extend_from_slice(b"{\"links\":[");
        Self(text)
    }

    fn push(&mut self, minted: &Result<Minted, Failure>) -> Result<(), Failure> {
        if !self.0.ends_with(b"[") {
            self.0.push(b',');
        }
        let answer = match minted {
            Ok(minted) => ItemAnswer::Link(LinkAnswer::of(minted)),
            Err(failure) => ItemAnswer::Problem(failure.problem().to_json()),
        };
        Ok(serde_json::to_writer(&mut self.0, &answer)?)
    }

    fn end(mut self) -> Vec<u8> {
        self.0.extend_from_slice(b"]}");
        self.0
    }
}

/// Mint many links.
///
/// There is an answer for each request, in order: the link, or a problem. One bad request spoils none.
#[utoipa::path(
    post, path = "/v1/links/batch", tag = "links", request_body = Batch,
    responses((status = 200, description = "The links and problems, in order", body = BatchAnswer<'_>), AskProblems)
)]
pub(super) async fn mint_batch(
    client: May<Mint>,
    State(control): State<Control>,
    JsonText(text): JsonText,
) -> Result<Response, Failure> {
    let items = Batch::items(&text)?;
    if items.len() > BATCH_MAX {
        let said = format!("links: a batch has at most {BATCH_MAX} requests, this one has {}", items.len());
        return Err(BodyFault::Wrong(said).into());
    }
    let deadline = Instant::now() + BATCH_TIME;
    let (mut text, mut spare) = (BatchText::begin(items.len()), None);
    let mints = stream::iter(items).map(|item| begun(control.mint_item(&client, item, deadline), &mut spare));
    let mut answers = mints.buffered(BATCH_AT_ONCE).enumerate();
    while let Some((number, minted)) = answers.next().await {
        text.push(&minted)?;
        // A thousand known objects are minted without a pause, and others share the core.
        if (number + 1) % BATCH_AT_ONCE == 0 {
            tokio::task::yield_now().await;
        }
    }
    Ok(([(CONTENT_TYPE, "application/json")], text.end()).into_response())
}

/// Takes the first step of `work`. A link to a known object needs no other one: it is done then, and its place serves the next one.
fn begun<W: Future>(work: W, spare: &mut Option<Pin<Box<W>>>) -> Either<Ready<W::Output>, Pin<Box<W>>> {
    let mut place = match spare.take() {
        Some(mut place) => {
            place.set(work);
            place
        }
        None => Box::pin(work),
    };
    match place.as_mut().now_or_never() {
        Some(done) => {
            *spare = Some(place);
            Either::Left(ready(done))
        }
        None => Either::Right(place),
    }
}

/// Look at a link.
///
/// What it permits, how it stands, how often it was minted and who fetched it. Another client's link is not found, save for administrators.
#[utoipa::path(
    get, path = "/v1/links/{id}", tag = "links", params(("id" = String, Path, description = "The link's id, `lnk_...`")),
    responses((status = 200, description = "The link's story", body = LinkStory), LookProblems)
)]
pub(super) async fn look(
    client: May<Read>,
    State(control): State<Control>,
    Path(id): Path<String>,
) -> Result<Json<LinkStory>, Failure> {
    let id: LinkId = id.parse().map_err(|_| Failure::NoSuchLink)?;
    let record = recorded(&control.catalog, id).await?.ok_or(Failure::NoSuchLink)?;
    if !client.sees(&record.mint.client) {
        return Err(Failure::NoSuchLink);
    }
    let fetches = control.catalog.fetches_of(&id.to_string(), FETCHES_TOLD).await?;
    Ok(Json(LinkStory::told(id, record, fetches, &control.revocations, control.clock.now())?))
}

/// End a link.
///
/// When the answer comes, the revocation is on disk and in force. A link that our records do not know can be ended too; another
/// client's is not found, save for administrators.
#[utoipa::path(
    delete, path = "/v1/links/{id}", tag = "links", params(("id" = String, Path, description = "The link's id, `lnk_...`")),
    responses((status = 200, description = "The revocation", body = RevocationAnswer), LookProblems)
)]
pub(super) async fn end(
    client: May<Revoke>,
    State(control): State<Control>,
    Path(id): Path<String>,
) -> Result<Json<RevocationAnswer>, Failure> {
    let id: LinkId = id.parse().map_err(|_| Failure::NoSuchLink)?;
    may_end(&control.catalog, &client, id).await?;
    Ok(Json(revoke_for(&control, &client, Revocation::Link(id), None).await?))
}

impl ControlParts {
    async fn mint(&self, client: &Client, request: LinkRequest) -> Result<Minted, Failure> {
        client.may_touch(request.store(), request.key())?;
        Ok(self.minter.mint(client.name(), &request.meant()).await?)
    }

    async fn mint_item(
        &self,
        client: &Client,
        item: Result<LinkRequest, BodyFault>,
        deadline: Instant,
    ) -> Result<Minted, Failure> {
        let minted = async { self.mint(client, item?).await };
        let late = MintError::StillReading { retry_after: BATCH_RETRY };
        timeout_at(deadline, minted).await.unwrap_or(Err(late.into()))
    }
}

/// Whether `client` may end the link: its own, one that no record knows, or, for administrators, any.
pub(super) async fn may_end(catalog: &Catalog, client: &Client, id: LinkId) -> Result<(), Failure> {
    let record = recorded(catalog, id).await?;
    let hidden = record.is_some_and(|record| !client.sees(&record.mint.client));
    if hidden { Err(Failure::NoSuchLink) } else { Ok(()) }
}

/// The link's record. One that is still queued is written first, so that a link can be looked at as soon as it was minted, and
/// nobody takes it for an unknown one.
async fn recorded(catalog: &Catalog, id: LinkId) -> Result<Option<LinkRecord>, Failure> {
    let id = id.to_string();
    if let Some(record) = catalog.link(&id).await? {
        return Ok(Some(record));
    }
    catalog.flush().await?;
    Ok(catalog.link(&id).await?)
}

/// The most requests in a batch.
const BATCH_MAX: usize = 1000;
/// About how long an answer is, in bytes. More is no harm.
const ANSWER_BYTES: usize = 1280;
/// How many of a batch are minted at once: enough to hide a store's latency, few enough to leave room for others.
const BATCH_AT_ONCE: usize = 32;
/// How long a batch may take. What is not minted by then is answered with `still-reading`.
const BATCH_TIME: Duration = Duration::from_secs(60);
/// When to ask again for what a batch had no time for.
const BATCH_RETRY: Duration = Duration::from_secs(5);
/// How many fetches are told.
const FETCHES_TOLD: u32 = 100;
