//! Everything that was asked and answered about one URL, before anybody judges it.

use ::http::StatusCode;

use super::exchange::{Answer, Ending, NoAnswer};
use super::handshake::{NoSession, Session};
use super::kind;
use super::reach::{Attempt, Place};
use super::target::Target;
use crate::media::{self, HeaderKind};
use crate::tls::ChainReport;

/// An answer; `None` where nobody asked.
pub(super) type Asked = Option<Result<Answer, NoAnswer>>;

/// What is known about one URL.
#[derive(Debug)]
pub(super) struct Facts {
    pub(super) target: Target,
    /// The header that the caller named.
    pub(super) header: Option<HeaderKind>,
    pub(super) allow_private: bool,
    /// The addresses of the name; why there are none.
    pub(super) looked_up: Result<(), String>,
    pub(super) places: Vec<Place>,
    /// The handshake as Meta would make it.
    pub(super) session: Option<Result<Session, NoSession>>,
    /// What its certificates are worth.
    pub(super) chain: Option<ChainReport>,
    pub(super) nameless: Option<Result<Session, NoSession>>,
    pub(super) with_http2: Option<Result<Session, NoSession>>,
    /// The fetch as Meta would make it.
    pub(super) get: Asked,
    /// The same without content codings, where the first came coded.
    pub(super) plain: Asked,
    pub(super) head: Asked,
    pub(super) range: Asked,
    pub(super) suffix: Asked,
    pub(super) by_tag: Asked,
    pub(super) by_date: Asked,
    pub(super) robots: Asked,
    /// The fetch as a browser makes it.
    pub(super) browser: Asked,
    /// The fetch as WhatsApp makes it for a preview in a chat.
    pub(super) chat: Asked,
    /// The fetch by Meta's other agent.
    pub(super) webhook: Asked,
    /// The time in all was up before everything had been asked.
    pub(super) ran_out: bool,
}

impl Facts {
    /// Facts about a URL of which nothing was asked yet.
    pub(super) fn about(target: Target, header: Option<HeaderKind>, allow_private: bool) -> Self {
        Self {
            target,
            header,
            allow_private,
            looked_up: Ok(()),
            places: Vec::new(),
            session: None,
            chain: None,
            nameless: None,
            with_http2: None,
            get: None,
            plain: None,
            head: None,
            range: None,
            suffix: None,
            by_tag: None,
            by_date: None,
            robots: None,
            browser: None,
            chat: None,
            webhook: None,
            ran_out: false,
        }
    }

    /// The place that is asked: the first that took a connection, IPv4 before IPv6.
    pub(super) fn chosen(&self) -> Option<&Place> {
        let connected = || self.places.iter().filter(|place| matches!(place.attempt, Attempt::Connected(_)));
        connected().find(|place| place.address.is_ipv4()).or_else(|| connected().next())
    }

    /// The handshake; why there is none.
    pub(super) fn shaken(&self) -> Result<&Session, String> {
        match &self.session {
            Some(session) => session.as_ref().map_err(|_| "not asked, since there is no TLS connection".to_owned()),
            None if self.looked_up.is_err() => Err("not asked, since the name leads nowhere".to_owned()),
            None if self.chosen().is_none() => Err("not asked, since nothing could be connected to".to_owned()),
            None => Err(TIME_WAS_UP.to_owned()),
        }
    }

    /// The answer to Meta's fetcher, whatever it is; why there is none.
    pub(super) fn answered(&self) -> Result<&Answer, String> {
        self.shaken()?;
        match &self.get {
            Some(answer) => answer.as_ref().map_err(|_| "not asked, since there was no answer to the fetch".to_owned()),
            None => Err(TIME_WAS_UP.to_owned()),
        }
    }

    /// The answer to Meta's fetcher, if it is a 200; why there is none.
    pub(super) fn fetched(&self) -> Result<&Answer, String> {
        let answer = self.answered()?;
        if answer.status == StatusCode::OK {
            Ok(answer)
        } else {
            Err(format!("not asked, since the fetch was answered with {}", answer.status.as_u16()))
        }
    }

    /// An answer of 200 whose body is the content as it is, not coded; why there is none.
    pub(super) fn content(&self) -> Result<&Answer, String> {
        let fetched = self.fetched()?;
        match &self.plain {
            None => Ok(fetched),
            Some(Ok(plain)) if plain.status == StatusCode::OK => Ok(plain),
            Some(_) => Err("not asked, since the content comes coded only".to_owned()),
        }
    }

    /// An answer to a further question; why there is none.
    pub(super) fn further<'a>(&self, asked: &'a Asked) -> Result<&'a Answer, String> {
        match asked {
            Some(Ok(answer)) => Ok(answer),
            Some(Err(why)) => Err(format!("no answer: {why}")),
            None if self.ran_out => Err(TIME_WAS_UP.to_owned()),
            None => Err("not asked".to_owned()),
        }
    }

    /// The header that the content is for: as the caller said, else as the content shows.
    pub(super) fn kind(&self, answer: &Answer) -> HeaderKind {
        let by_content = |facts: &media::Facts| kind::shown(&answer.fields, facts);
        let guessed = || answer.body.facts.as_ref().map_or_else(|| kind::declared(&answer.fields), by_content);
        self.header.unwrap_or_else(guessed)
    }
}

impl Answer {
    /// The length of the whole content: as it came, else as the head declares it.
    pub(super) fn content_length(&self) -> Option<u64> {
        match self.body.ending {
            Ending::Whole => Some(self.body.length),
            _ => self.declared_length(),
        }
    }

    /// Whether all of the content was read.
    pub(super) fn is_whole(&self) -> bool {
        self.body.ending == Ending::Whole
    }
}

/// Why something was not asked when all else went well.
const TIME_WAS_UP: &str = "not asked, since the time was up; allow more with --timeout";
