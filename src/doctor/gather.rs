//! The questions, in their order: each is asked once, on a connection of its own, and only if those before left something to ask.

use std::time::Duration;

use ::http::header::{CONTENT_ENCODING, ETAG, HeaderName, IF_MODIFIED_SINCE, IF_NONE_MATCH, LAST_MODIFIED, RANGE};
use ::http::uri::PathAndQuery;
use ::http::{Method, StatusCode};

use super::exchange::{Answer, FRONT, Line, Question, TAIL, Wanted, ask};
use super::facts::{Asked, Facts};
use super::handshake::{Hello, shake_hands};
use super::limits::Patience;
use super::reach::{connect_to_each, look_up};
use super::target::Target;
use super::{Options, robots};
use crate::tls;
use crate::value::UnixTime;

/// Asks everything about `target`; `progress` is told what is being asked.
pub(super) async fn gather(
    target: Target,
    options: &Options<'_>,
    now: UnixTime,
    progress: &dyn Fn(&'static str),
) -> Facts {
    let patience = Patience::of(options.timeout);
    let mut facts = Facts::about(target, options.header, options.allow_private);
    progress("looking the name up");
    match look_up(&facts.target, patience).await {
        Ok(addresses) => {
            progress("connecting to each address");
            facts.places = connect_to_each(&addresses, options.allow_private, patience).await;
        }
        Err(reason) => facts.looked_up = Err(reason),
    }
    if let Some(line) = line(&facts, patience) {
        progress("shaking hands");
        shake(&mut facts, &line, options, now).await;
        if matches!(facts.session, Some(Ok(_))) {
            fetch(&mut facts, &line, progress).await;
        }
    }
    facts.ran_out = patience.is_over();
    facts
}

/// Whom to ask, where a connection could be made.
fn line(facts: &Facts, patience: Patience) -> Option<Line> {
    let address = facts.chosen()?.address;
    Some(Line { address, name: facts.target.server_name()?, authority: facts.target.authority(), patience })
}

async fn shake(facts: &mut Facts, line: &Line, options: &Options<'_>, now: UnixTime) {
    let shaken = shake_hands(line.address, &line.name, Hello::Fetch, line.patience).await;
    facts.session = Some(shaken.map(|(_, session)| session));
    let Some(Ok(session)) = &facts.session else { return };
    facts.chain = Some(tls::examine(&session.chain, options.roots, now));
    for (hello, place) in [(Hello::WithHttp2, &mut facts.with_http2), (Hello::Nameless, &mut facts.nameless)] {
        if !line.patience.is_over() {
            let shaken = shake_hands(line.address, &line.name, hello, line.patience).await;
            *place = Some(shaken.map(|(_, session)| session));
        }
    }
}

async fn fetch(facts: &mut Facts, line: &Line, progress: &dyn Fn(&'static str)) {
    let whole = Question::of(&facts.target.path, Wanted::Media);
    progress("fetching, as Meta would");
    facts.get = put(line, &whole).await;
    let answer = facts.get.as_ref().and_then(|answer| answer.as_ref().ok()).cloned();
    if let Some(answer) = answer.as_ref().filter(|answer| answer.status == StatusCode::OK) {
        if answer.fields.contains_key(CONTENT_ENCODING) {
            progress("fetching without content codings");
            facts.plain = put(line, &Question { codings: "identity", ..whole.clone() }).await;
        }
        progress("asking for the head, parts, and what has changed");
        ask_further(facts, line, answer).await;
    }
    let glance = Question { wanted: Wanted::Head, ..whole };
    progress("asking as others would");
    facts.browser = put(line, &Question { agent: BROWSER_AGENT, ..glance.clone() }).await;
    if answer.is_some() {
        facts.chat = put(line, &Question { agent: CHAT_AGENT, ..glance.clone() }).await;
        facts.webhook = put(line, &Question { agent: WEBHOOK_AGENT, ..glance }).await;
        progress("reading robots.txt");
        let path = PathAndQuery::from_static("/robots.txt");
        facts.robots = put(line, &Question::of(&path, Wanted::Bytes(robots::FILE_MAX))).await;
    }
}

/// HEAD, ranges and conditions, of content that could be fetched.
async fn ask_further(facts: &mut Facts, line: &Line, answer: &Answer) {
    let path = &facts.target.path;
    let head = Question { method: Method::HEAD, ..Question::of(path, Wanted::Head) };
    facts.head = put(line, &head).await;
    let front = Question::plain(path, Wanted::Bytes(FRONT + 1)).with(RANGE, format!("bytes=0-{}", FRONT - 1));
    facts.range = put(line, &front).await;
    let end = Question::plain(path, Wanted::Bytes(TAIL + 1)).with(RANGE, format!("bytes=-{TAIL}"));
    facts.suffix = put(line, &end).await;
    if let Some(tag) = answer.field(&ETAG) {
        let question = Question::of(path, Wanted::Head).with(IF_NONE_MATCH, tag.to_owned());
        facts.by_tag = put(line, &question).await;
    }
    if let Some(date) = answer.field(&LAST_MODIFIED) {
        let question = Question::of(path, Wanted::Head).with(IF_MODIFIED_SINCE, date.to_owned());
        facts.by_date = put(line, &question).await;
    }
}

async fn put(line: &Line, question: &Question) -> Asked {
    if line.patience.is_over() { None } else { Some(ask(line, question).await) }
}

impl Question {
    /// The path as Meta's fetcher asks for it.
    fn of(path: &PathAndQuery, wanted: Wanted) -> Self {
        Self {
            method: Method::GET,
            path: path.clone(),
            agent: META_AGENT,
            codings: "deflate, gzip",
            fields: Vec::new(),
            wanted,
        }
    }

    /// The same without content codings, whose bytes could not be compared.
    fn plain(path: &PathAndQuery, wanted: Wanted) -> Self {
        Self { codings: "identity", ..Self::of(path, wanted) }
    }

    fn with(self, name: HeaderName, value: String) -> Self {
        Self { fields: vec![(name, value)], ..self }
    }
}

/// How Meta's fetcher calls itself.
pub const META_AGENT: &str = "facebookexternalhit/1.1 (+http://www.facebook.com/externalhit_uatext.php)";
/// A browser of the day.
const BROWSER_AGENT: &str =
    "Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/142.0.0.0 Safari/537.36";
/// WhatsApp on a phone, which previews links in chats.
const CHAT_AGENT: &str = "WhatsApp/2.25.30.73 A";
/// Meta's other agent.
const WEBHOOK_AGENT: &str = "facebookexternalua";
/// How long everything may take.
pub const PATIENCE: Duration = Duration::from_secs(90);
