//! The account of one request, closed at its true end.
//!
//! It travels with the request and then inside the body. When it is dropped, because the last byte was handed to the socket or because the
//! fetcher has left (also before there was an answer), it is closed: into the metrics, the access log and the catalog, none of which
//! is waited for.

use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use std::time::{Duration, Instant};

use ::http::header::{RANGE, USER_AGENT};
use ::http::{Request, StatusCode, Uri, Version};
use bytes::Bytes;
use http_body::{Body, Frame, SizeHint};

use super::front::EdgeParts;
use crate::asset::{AssetBody, DeliveryError, Story};
use crate::catalog::FetchRecord;
use crate::fetcher::ClientAddr;
use crate::link::LinkPath;
use crate::telemetry::{AccessRecord, AgentText, MethodText, RangeText, address_text};

/// What is known of a request when it comes in.
pub(super) struct Account {
    parts: Arc<EdgeParts>,
    began: Instant,
    at_ms: u64,
    client: ClientAddr,
    method: MethodText,
    http_version: &'static str,
    range: Option<RangeText>,
    agent: Option<AgentText>,
    pub(super) story: Story,
    /// Where the request went, if it was answered with a problem: its link's id is reckoned only when it is written down.
    pub(super) asked: Option<Uri>,
    status: u16,
    outcome: &'static str,
    expected: u64,
    sent: u64,
    first_byte: Option<Duration>,
}

impl Account {
    /// Opens an account for `request`.
    pub(super) fn open<B>(parts: &Arc<EdgeParts>, request: &Request<B>, client: ClientAddr) -> Self {
        let headers = request.headers();
        Self {
            parts: Arc::clone(parts),
            began: Instant::now(),
            at_ms: parts.clock.now_millis(),
            client,
            method: MethodText::of_method(request.method().as_str()),
            http_version: version_text(request.version()),
            range: headers.get(RANGE).map(|value| RangeText::of(value.as_bytes())),
            agent: headers.get(USER_AGENT).map(|value| AgentText::of(value.as_bytes())),
            story: Story::default(),
            asked: None,
            status: CLIENT_CLOSED_REQUEST,
            outcome: LEFT,
            expected: u64::MAX,
            sent: 0,
            first_byte: None,
        }
    }

    /// Puts the account into the answer's body.
    pub(super) fn enter(mut self, status: StatusCode, outcome: &'static str, body: AssetBody) -> AccountedBody {
        self.status = status.as_u16();
        self.outcome = outcome;
        // HTTP/1.1 leaves it out by itself; over HTTP/2 it would be sent.
        let body = if self.method.as_str() == "HEAD" { AssetBody::empty() } else { body };
        self.expected = body.left();
        AccountedBody { body, account: self }
    }

    fn count(&mut self, bytes: &Bytes) {
        self.first_byte.get_or_insert_with(|| self.began.elapsed());
        self.sent = self.sent.saturating_add(u64::try_from(bytes.len()).unwrap_or(u64::MAX));
    }

    fn completed(&self) -> bool {
        self.sent >= self.expected
    }

    fn close(&mut self) {
        if !self.completed() && self.outcome == SERVED {
            self.outcome = LEFT;
        }
        self.count_metrics();
        // Read and written once for both records.
        let total = self.began.elapsed();
        let link = self.story.link.map(|link| link.to_string());
        if let Some(link) = &link
            && self.story.ours
        {
            self.record(link.clone(), total);
        }
        self.log(link, total);
    }

    fn count_metrics(&self) {
        let metrics = &self.parts.metrics;
        metrics.request(self.outcome);
        metrics.body_bytes(self.sent);
        if let Some(first_byte) = self.first_byte {
            metrics.first_byte(first_byte);
        }
        if let Some(denial) = self.story.denial {
            metrics.denial(denial);
        }
        if let (Some(verdict), Some(warrant)) = (&self.story.verdict, &self.story.warrant) {
            let profile = warrant.profile().as_str();
            metrics.profile(profile).verdict(verdict.agent.as_str(), verdict.network.as_str(), verdict.as_str());
        }
    }

    /// Requests without a link that is believed are many when somebody tries, so only some of them are written; all are counted.
    fn log(&mut self, link: Option<String>, total: Duration) {
        let parts = Arc::clone(&self.parts);
        if self.story.warrant.is_none() {
            parts.access_log.write_denial(parts.clock.now(), || self.line(link, total));
        } else {
            parts.access_log.write(self.line(link, total));
        }
    }

    /// The id of a link that did not open.
    fn asked_link(&self) -> Option<String> {
        LinkPath::parse(self.asked.as_ref()?.path()).ok().map(|path| path.id().to_string())
    }

    /// What is written down, and not kept here any longer.
    fn line(&mut self, link: Option<String>, total: Duration) -> AccessRecord {
        let link = link.or_else(|| self.asked_link());
        let warrant = self.story.warrant.as_ref();
        let verdict = self.story.verdict.as_ref();
        AccessRecord {
            time_millis: self.at_ms,
            link: link.map(String::into_boxed_str),
            store: warrant.map(|warrant| warrant.store().clone()),
            minted_by: warrant.map(|warrant| warrant.client().clone()),
            status: self.status,
            outcome: self.outcome,
            denial: self.story.denial,
            suppressed: 0,
            method: self.method.clone(),
            http: self.http_version,
            range: self.range.take(),
            agent: self.agent.take(),
            agent_class: verdict.map(|verdict| verdict.agent.as_str()),
            network: verdict.map(|verdict| verdict.network.as_str()),
            client: self.client.ip(),
            bytes: self.sent,
            first_byte: self.first_byte,
            total,
            completed: self.completed(),
        }
    }

    fn record(&self, link_id: String, total: Duration) {
        let verdict = self.story.verdict.as_ref();
        self.parts.catalog.record_fetch(FetchRecord {
            link_id,
            at_ms: self.at_ms,
            times: 1,
            client_address: address_text(self.client.ip()),
            agent: self.agent.as_ref().map(|agent| agent.as_str().to_owned()).unwrap_or_default(),
            agent_class: verdict.map_or("", |verdict| verdict.agent.as_str()).into(),
            network_verdict: verdict.map_or("", |verdict| verdict.network.as_str()).into(),
            method: self.method.to_text(),
            http_version: self.http_version.into(),
            range: self.range.as_ref().map(|range| range.as_str().to_owned()),
            status: self.status,
            outcome: self.outcome.into(),
            bytes: self.sent,
            first_byte_ms: self.first_byte.map(millis),
            duration_ms: millis(total),
            completed: self.completed(),
        });
    }
}

/// A body with its request's account, which is closed when both are dropped.
pub struct AccountedBody {
    body: AssetBody,
    account: Account,
}

impl Body for AccountedBody {
    type Data = Bytes;
    type Error = DeliveryError;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, DeliveryError>>> {
        let next = ready!(Pin::new(&mut self.body).poll_frame(context));
        match &next {
            Some(Ok(frame)) => {
                if let Some(bytes) = frame.data_ref() {
                    self.account.count(bytes);
                }
            }
            Some(Err(error)) => {
                self.account.outcome = error.label();
                tracing::warn!(link = ?self.account.story.link, %error, "a body was aborted");
            }
            None => {}
        }
        Poll::Ready(next)
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}

impl Drop for Account {
    fn drop(&mut self) {
        self.close();
    }
}

const fn version_text(version: Version) -> &'static str {
    match version {
        Version::HTTP_10 => "HTTP/1.0",
        Version::HTTP_2 => "HTTP/2",
        _ => "HTTP/1.1",
    }
}

fn millis(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}

/// The outcome of a request whose fetcher left before all of the answer was handed to the socket.
const LEFT: &str = "fetcher-left";
/// What is written down for a request that got no status; nobody is sent it. nginx writes the same.
const CLIENT_CLOSED_REQUEST: u16 = 499;
/// The outcome of a request that was answered with an asset.
pub(super) const SERVED: &str = "served";
