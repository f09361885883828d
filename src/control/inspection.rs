//! `/v1/inspect`: what a link or a presigned URL says, and what a fetcher that came with it now would be answered.
//!
//! The link itself is never repeated: it is a credential, and an answer may be pasted into a ticket.

use axum::Json;
use axum::extract::State;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use utoipa::ToSchema;

use super::caller::{May, Read};
use super::json_body::JsonBody;
use super::link_story::GrantStory;
use super::openapi::{AskProblems, LookProblems};
use super::parts::Control;
use super::problems::Failure;
use crate::asset::{AssetError, NOT_FOUND};
use crate::http::Problem;
use crate::link::{Denial, InvalidReason, LinkId, LinkPath, PublicOrigin};
use crate::mint::{Inspected, Inspection, Judge, LinkState, inspect};
use crate::presign::{OpenedUrl, PresignDenial};
use crate::value::{ClientName, ObjectKey, StoreName, UnixTime};

/// A link to inspect.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields, expecting = "an object with url")]
pub(super) struct InspectRequest {
    /// The whole URL.
    url: String,
}

/// What a link says.
#[derive(Serialize, ToSchema)]
pub struct InspectAnswer {
    /// The link's id; null where the text is no link.
    #[schema(value_type = Option<String>, example = "lnk_b4k7abcdefgh2345")]
    id: Option<LinkId>,
    /// Whether it would be believed.
    state: Believed,
    /// Why it would not, in our own metrics' words; administrators alone are told.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<String>, example = "seal")]
    reason: Option<&'static str>,
    /// What it says; null where it did not open, or is presigned.
    grant: Option<GrantStory>,
    /// What a presigned URL says; absent where it is none of ours.
    #[serde(skip_serializing_if = "Option::is_none")]
    presigned: Option<PresignedStory>,
    /// What a fetcher that its profile admits would be answered; null where the URL is not even for our host.
    answer: Option<WouldBe>,
}

/// What a presigned URL says.
#[derive(Serialize, ToSchema)]
struct PresignedStory {
    /// The store.
    #[schema(value_type = String)]
    store: StoreName,
    /// The object's key in it.
    #[schema(value_type = String)]
    key: ObjectKey,
    /// Who signed it.
    #[schema(value_type = String)]
    client: ClientName,
    /// When, by its own account.
    #[schema(value_type = String, format = DateTime)]
    issued_at: UnixTime,
    /// The first second at which it is over.
    #[schema(value_type = String, format = DateTime)]
    expires_at: UnixTime,
    /// What it was signed for: GET and HEAD, or HEAD alone.
    #[schema(value_type = Vec<String>)]
    methods: &'static [&'static str],
}

/// Whether a link would be believed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "kebab-case")]
enum Believed {
    /// It would.
    Valid,
    /// It did not open, or says what we never wrote.
    Invalid,
    /// Its time is over.
    Expired,
    /// It was ended early.
    Revoked,
    /// It has not even the shape of a link of ours.
    NotALink,
}

/// An answer to a fetcher.
#[derive(Serialize, ToSchema)]
struct WouldBe {
    /// Its status.
    status: u16,
    /// The problem's code; null where the asset would be served.
    #[schema(value_type = Option<String>, example = "link-expired")]
    code: Option<&'static str>,
    /// The problem in words.
    detail: Option<String>,
}

/// Inspect a link.
///
/// What it says, whether it would be believed, and what a fetcher would be answered now. Another client's link is not found, save for
/// administrators.
#[utoipa::path(
    post, path = "/v1/inspect", tag = "links", request_body = InspectRequest,
    responses((status = 200, description = "What the link says", body = InspectAnswer), LookProblems, AskProblems)
)]
pub(super) async fn inspect_link(
    client: May<Read>,
    State(control): State<Control>,
    JsonBody(InspectRequest { url }): JsonBody<InspectRequest>,
) -> Result<Json<InspectAnswer>, Failure> {
    let (seals, profiles, stores) = (control.seals.keep(), control.profiles.keep(), control.stores.keep());
    let (presigning, hosts) = (control.presigning.keep(), control.hosts.keep());
    let (bounds, revocations) = (&control.bounds, &*control.revocations);
    let judge =
        Judge { seals: &seals, bounds, revocations, profiles: &profiles, presigning: &presigning, hosts: &hosts };
    let found = inspect(&url, &judge, control.clock.now());
    let owner = found.opened.as_ref().map(|opened| match opened {
        Inspected::Link(opened) => &opened.grant().client,
        Inspected::Presigned(opened, _) => opened.client(),
    });
    if owner.is_some_and(|owner| !client.sees(owner)) {
        return Err(Failure::NoSuchLink);
    }
    let mut answer = InspectAnswer::of(&found.probe(&stores).await);
    if answer.state == Believed::NotALink {
        answer.answer = not_a_link(&url, seals.origin());
    }
    answer.reason = answer.reason.filter(|_| client.is_admin());
    Ok(Json(answer))
}

impl InspectAnswer {
    /// What is answered for `found`.
    pub fn of(found: &Inspection) -> Self {
        let (mut grant, mut presigned) = (None, None);
        match &found.opened {
            Some(Inspected::Link(opened)) => grant = Some(GrantStory::new(opened.grant(), opened.key())),
            Some(Inspected::Presigned(opened, methods)) => presigned = Some(PresignedStory::of(opened, methods)),
            None => {}
        }
        Self {
            id: found.id,
            state: Believed::of(&found.state),
            reason: reason(&found.state),
            grant,
            presigned,
            answer: would_be(found),
        }
    }

    /// Whether a fetcher that its profile admits would get the asset.
    pub fn would_be_served(&self) -> bool {
        self.answer.as_ref().is_some_and(|answer| answer.code.is_none())
    }
}

impl PresignedStory {
    fn of(opened: &OpenedUrl, methods: &'static [&'static str]) -> Self {
        Self {
            store: opened.store().clone(),
            key: opened.key().clone(),
            client: opened.client().clone(),
            methods,
            issued_at: opened.issued(),
            expires_at: opened.expires(),
        }
    }
}

impl Believed {
    const fn of(state: &LinkState) -> Self {
        match state {
            LinkState::Valid | LinkState::NoProfile => Self::Valid,
            LinkState::Denied(Denial::Expired { .. }) | LinkState::UrlDenied(PresignDenial::Expired { .. }) => {
                Self::Expired
            }
            LinkState::Denied(Denial::Revoked(_)) | LinkState::UrlDenied(PresignDenial::Revoked(_)) => Self::Revoked,
            LinkState::Denied(Denial::Invalid(_)) | LinkState::UrlDenied(_) => Self::Invalid,
            LinkState::NotALink => Self::NotALink,
        }
    }
}

const fn reason(state: &LinkState) -> Option<&'static str> {
    match state {
        LinkState::Denied(denial) => Some(denial.label()),
        LinkState::UrlDenied(denial) => Some(denial.label()),
        LinkState::NoProfile => Some("no-profile"),
        LinkState::Valid | LinkState::NotALink => None,
    }
}

/// The public listener's own table says what would be answered.
fn would_be(found: &Inspection) -> Option<WouldBe> {
    let problem = match (&found.state, &found.object) {
        (LinkState::Denied(denial), _) => AssetError::Denied(denial.clone()).problem(),
        (LinkState::UrlDenied(denial), _) => AssetError::UrlDenied(denial.clone()).s3_problem(),
        (LinkState::Valid, Some(Err(error))) if matches!(found.opened, Some(Inspected::Presigned(..))) => {
            AssetError::of_head(error.clone()).s3_problem()
        }
        (LinkState::Valid, Some(Err(error))) => AssetError::Read(error.clone().into()).problem(),
        (LinkState::Valid, Some(Ok(())) | None) => return Some(WouldBe { status: 200, code: None, detail: None }),
        (LinkState::NoProfile, _) => AssetError::Refused.problem(),
        (LinkState::NotALink, _) => return None,
    };
    Some(WouldBe::from(&problem))
}

/// Under `/m/` every malformed link has the one face of those that did not open; elsewhere at our host there is nothing.
fn not_a_link(url: &str, origin: &PublicOrigin) -> Option<WouldBe> {
    let path = url.strip_prefix(origin.as_str()).filter(|path| path.is_empty() || path.starts_with(['/', '?', '#']))?;
    let problem = if LinkPath::is_meant_by(path) {
        AssetError::Denied(Denial::Invalid(InvalidReason::Shape)).problem()
    } else {
        NOT_FOUND.because("There is nothing at this path.")
    };
    Some(WouldBe::from(&problem))
}

impl From<&Problem> for WouldBe {
    fn from(problem: &Problem) -> Self {
        let kind = problem.kind();
        let detail = problem.to_json().get("detail").and_then(Value::as_str).map(ToOwned::to_owned);
        Self { status: kind.status().as_u16(), code: Some(kind.code()), detail }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::link::Revocation;
    use crate::origin::OriginError;

    #[test]
    fn the_would_be_answer_is_the_public_listeners() {
        let revoked = Denial::Revoked(Revocation::IssuedBefore(UnixTime::EPOCH));
        for (state, object, expected) in [
            (LinkState::Valid, Some(Ok(())), Some((200, None))),
            (LinkState::Valid, Some(Err(OriginError::Changed)), Some((410, Some("content-changed")))),
            (LinkState::Valid, Some(Err(OriginError::Failed("x".into()))), Some((502, Some("origin-failed")))),
            (LinkState::Denied(Denial::Invalid(InvalidReason::Seal)), None, Some((403, Some("link-invalid")))),
            (
                LinkState::Denied(Denial::Expired { at: UnixTime::EPOCH }),
                Some(Ok(())),
                Some((410, Some("link-expired"))),
            ),
            (LinkState::Denied(revoked), Some(Ok(())), Some((410, Some("link-revoked")))),
            (LinkState::NotALink, None, None),
        ] {
            let answer = InspectAnswer::of(&Inspection { id: None, state, opened: None, object });
            assert_eq!(answer.would_be_served(), expected == Some((200, None)));
            assert_eq!(answer.answer.map(|answer| (answer.status, answer.code)), expected);
        }
    }

    #[test]
    fn what_is_no_link_is_told_from_what_is_not_even_ours() {
        let origin = "https://media.example.com".parse().unwrap();
        for (url, expected) in [
            ("https://media.example.com/", Some((404, Some("not-found")))),
            ("https://media.example.com", Some((404, Some("not-found")))),
            ("https://media.example.com/m/", Some((403, Some("link-invalid")))),
            ("https://media.example.com.evil/m/a/b", None),
            ("https://elsewhere.example/m/a/b", None),
            ("", None),
        ] {
            let answer = not_a_link(url, &origin);
            assert_eq!(answer.map(|answer| (answer.status, answer.code)), expected, "{url}");
        }
    }
}
