//! The API's own description (OpenAPI 3.1), generated from the types and handlers that do the work.

use std::collections::BTreeMap;
use std::sync::LazyLock;

use ::http::HeaderName;
use ::http::header::CONTENT_TYPE;
use axum::body::Bytes;
use utoipa::openapi::security::{HttpAuthScheme, HttpBuilder, SecurityScheme};
use utoipa::openapi::{ContentBuilder, OpenApi as Document, Ref, RefOr, Response, ResponseBuilder};
use utoipa::{IntoResponses, Modify, OpenApi, ToSchema};

use super::router::routes;

/// Describe this API.
///
/// No key is needed.
#[utoipa::path(
    get, path = "/v1/openapi.json", tag = "description", security(()),
    responses((status = 200, description = "This document", body = serde_json::Value))
)]
pub(super) async fn describe() -> ([(HeaderName, &'static str); 1], Bytes) {
    ([(CONTENT_TYPE, "application/json")], DOCUMENT.clone())
}

static DOCUMENT: LazyLock<Bytes> = LazyLock::new(|| {
    let document = routes().into_openapi();
    serde_json::to_vec(&document).map(Bytes::from).unwrap_or_default()
});

/// The document that the routes are added to.
pub(super) fn skeleton() -> Document {
    Skeleton::openapi()
}

#[derive(OpenApi)]
#[openapi(
    info(
        title = "Hallpass control API",
        description = "Publish private media; mint, inspect and revoke links to it. Errors are problem details (RFC 9457) with a stable `code`; \
                       unknown fields are errors.",
    ),
    components(schemas(ProblemBody)),
    modifiers(&BearerKey),
    security(("client_key" = [])),
    tags(
        (name = "links", description = "Make links, look at them, end them."),
        (name = "objects", description = "Store new assets, and never overwrite one."),
        (name = "revocations", description = "End links early, and take that back."),
        (name = "description", description = "What this API takes and gives."),
    ),
)]
struct Skeleton;

struct BearerKey;

impl Modify for BearerKey {
    fn modify(&self, document: &mut Document) {
        let scheme = HttpBuilder::new()
            .scheme(HttpAuthScheme::Bearer)
            .bearer_format("hpk_ and 52 characters of a-z and 2-7")
            .description(Some("A client key, as `hallpass keys client NAME` prints it."))
            .build();
        document.components.get_or_insert_default().add_security_scheme("client_key", SecurityScheme::Http(scheme));
    }
}

/// Why a request was not done (RFC 9457). Some codes bring further members, such as `findings`, `length` or `limit`.
#[derive(ToSchema)]
#[expect(dead_code, reason = "it describes what http::Problem writes")]
pub(super) struct ProblemBody {
    /// Always `about:blank`: the code says it all.
    #[schema(example = "about:blank")]
    r#type: String,
    /// The code in words.
    title: String,
    /// The answer's status.
    #[schema(minimum = 400, maximum = 599)]
    status: u16,
    /// What went wrong: stable, made for programs.
    #[schema(example = "asset-refused")]
    code: String,
    /// What went wrong and what to do: for people.
    detail: String,
    /// With `asset-refused`: everything that is wrong with the asset.
    findings: Option<Vec<FindingBody>>,
}

/// One thing that is wrong with an asset.
#[derive(ToSchema)]
#[expect(dead_code, reason = "it describes what the table of problems writes")]
pub(super) struct FindingBody {
    /// A stable code.
    code: String,
    /// The same for people.
    message: String,
}

/// What every route may answer.
const EVERY: [Row; 6] = [
    ("401", "`unauthorized`: no client has this key"),
    ("403", "`not-allowed`: the client's actions, stores or prefixes do not cover this"),
    ("405", "`method-not-allowed`"),
    ("429", "`too-many-requests`: this key sends too many; ask again after `Retry-After`"),
    ("500", "`internal`: something failed on our side"),
    ("503", "`catalog-failed`, `timed-out`: ask again after `Retry-After`"),
];
/// What a route that takes a body may answer.
const ASKED: [Row; 4] = [
    ("400", "`invalid-request`: the body cannot be read; `detail` names the field"),
    ("408", "`request-timeout`: the body came too slowly"),
    ("413", "`body-too-large`: more than 1 MiB"),
    ("415", "`unsupported-media-type`: the body is not sent as application/json"),
];
/// What a route that names one thing may answer.
const LOOKED: [Row; 1] = [("404", "`no-such-link`, `no-such-revocation`: there is none among yours")];
/// What a mint may answer.
const MINTED: [Row; 6] = [
    ("404", "`no-such-store`, `no-such-object`"),
    ("409", "`revoked`: a revocation stands against this; `object-changed`: it was overwritten while it was read"),
    ("422", "`asset-refused` with `findings`, `ttl-out-of-bounds`, `link-too-long`, `key-unaddressable`"),
    ("502", "`origin-failed`: the store could not be read"),
    ("503", "`still-reading`: the first read goes on, ask again after `Retry-After`; `catalog-failed`, `timed-out`"),
    ("504", "`origin-timeout`: the store did not answer in time"),
];

/// What a publish may answer besides what a mint may.
const PUBLISHED: [Row; 8] = [
    ("400", "`invalid-request`: the query cannot be read, or the body broke off; `detail` says which"),
    ("408", "`request-timeout`: the body came too slowly"),
    (
        "409",
        "`key-taken`: other bytes lie at the key; `revoked`; `object-changed`: it was overwritten or deleted at once",
    ),
    ("413", "`body-too-large`: more than `mint.object_max`"),
    ("415", "`unsupported-media-type`: the body has a Content-Encoding"),
    (
        "422",
        "`asset-refused` with `findings`, `ttl-out-of-bounds`, `link-too-long`, `key-unaddressable`, `store-read-only`",
    ),
    ("502", "`origin-failed`: the store did not take the object, or holds other bytes than it was given"),
    ("503", "`overloaded`, `spool-failed`, `still-reading`, `catalog-failed`: ask again after `Retry-After`"),
];

/// A status and what it means.
type Row = (&'static str, &'static str);

macro_rules! problem_rows {
    ($($(#[$doc:meta])* $name:ident = $($rows:ident)+;)+) => {
        $($(#[$doc])*
        pub(super) struct $name;

        impl IntoResponses for $name {
            fn responses() -> BTreeMap<String, RefOr<Response>> {
                [$($rows.as_slice()),+].concat().into_iter().map(described).collect()
            }
        })+
    };
}

problem_rows!(
    /// The problems of a route that takes a body.
    AskProblems = EVERY ASKED;
    /// The problems of a route that names one thing.
    LookProblems = EVERY LOOKED;
    /// The problems of a mint.
    MintProblems = EVERY ASKED MINTED;
    /// The problems of a publish.
    PublishProblems = EVERY MINTED PUBLISHED;
);

fn described((status, meaning): Row) -> (String, RefOr<Response>) {
    let content = ContentBuilder::new().schema(Some(Ref::from_schema_name("ProblemBody"))).build();
    let response = ResponseBuilder::new().description(meaning).content("application/problem+json", content);
    (status.to_owned(), response.build().into())
}
