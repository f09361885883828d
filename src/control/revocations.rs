//! `/v1/revocations`: end links early, and take that back.
//!
//! Clients end what is theirs: their links, and objects in their scope. What reaches further needs an administrator. They see
//! and lift only what they asked for themselves, so nobody can undo a take-down that an administrator made.

use ::http::StatusCode;
use axum::Json;
use axum::extract::{Path, State};

use super::caller::{May, Read, Revoke};
use super::json_body::JsonBody;
use super::links::may_end;
use super::openapi::{AskProblems, LookProblems};
use super::parts::Control;
use super::problems::Failure;
use super::revocation_words::{RevocationAnswer, RevocationList, RevocationRequest};
use super::{Client, OutOfScope};
use crate::catalog::{Catalog, RevocationRecord};
use crate::config::Action;
use crate::link::Revocation;

/// Revoke.
///
/// When the answer comes, the revocation is on disk and in force. Revoking the same again changes nothing.
#[utoipa::path(
    post, path = "/v1/revocations", tag = "revocations", request_body = RevocationRequest,
    responses(
        (status = 201, description = "The revocation", body = RevocationAnswer),
        LookProblems, AskProblems
    )
)]
pub(super) async fn revoke(
    client: May<Revoke>,
    State(control): State<Control>,
    JsonBody(request): JsonBody<RevocationRequest>,
) -> Result<(StatusCode, Json<RevocationAnswer>), Failure> {
    let (revocation, reason) = request.meant()?;
    may_revoke(&control.catalog, &client, &revocation).await?;
    let answer = revoke_for(&control, &client, revocation, reason).await?;
    Ok((StatusCode::CREATED, Json(answer)))
}

/// List revocations.
///
/// Those in force that this client asked for; for administrators, all of them.
#[utoipa::path(
    get, path = "/v1/revocations", tag = "revocations",
    responses((status = 200, description = "The revocations in force", body = RevocationList), AskProblems)
)]
pub(super) async fn list(client: May<Read>, State(control): State<Control>) -> Result<Json<RevocationList>, Failure> {
    let seen = control.revoker.list().await?.into_iter().filter(|record| client.sees(&record.client));
    Ok(Json(RevocationList { revocations: seen.filter_map(told).collect() }))
}

/// Lift a revocation.
///
/// Its links are believed again until they expire. Clients lift what they asked for themselves; administrators any.
#[utoipa::path(
    delete, path = "/v1/revocations/{id}", tag = "revocations",
    params(("id" = u64, Path, description = "The revocation's number")),
    responses((status = 200, description = "The revocation that was lifted", body = RevocationAnswer), LookProblems)
)]
pub(super) async fn lift(
    client: May<Revoke>,
    State(control): State<Control>,
    Path(id): Path<String>,
) -> Result<Json<RevocationAnswer>, Failure> {
    let id: u64 = id.parse().map_err(|_| Failure::NoSuchRevocation)?;
    let mut in_force = control.revoker.list().await?.into_iter();
    in_force.find(|record| record.id == id && client.sees(&record.client)).ok_or(Failure::NoSuchRevocation)?;
    let lifted = control.revoker.lift(client.name(), id).await?;
    lifted.and_then(told).map(Json).ok_or(Failure::NoSuchRevocation)
}

/// Revokes, and tells what is then in force.
pub(super) async fn revoke_for(
    control: &Control,
    client: &Client,
    revocation: Revocation,
    reason: Option<String>,
) -> Result<RevocationAnswer, Failure> {
    let record = control.revoker.revoke(client.name(), revocation.clone(), reason).await?;
    Ok(RevocationAnswer::new(record, revocation))
}

async fn may_revoke(catalog: &Catalog, client: &Client, revocation: &Revocation) -> Result<(), Failure> {
    match revocation {
        // A take-down must not wait for somebody to widen an administrator's scope.
        _ if client.is_admin() => Ok(()),
        Revocation::Link(id) => may_end(catalog, client, *id).await,
        Revocation::Object(store, key) => Ok(client.may_touch(store, key)?),
        Revocation::Fingerprint(_) | Revocation::Key(_) | Revocation::Client(_) | Revocation::IssuedBefore(_) => {
            Err(OutOfScope::Action(Action::Admin).into())
        }
    }
}

/// A record of a kind that this release does not know is not in force, and so not told.
fn told(record: RevocationRecord) -> Option<RevocationAnswer> {
    let revocation = Revocation::parse(&record.kind, &record.value).ok()?;
    Some(RevocationAnswer::new(record, revocation))
}
