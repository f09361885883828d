//! What a request says of itself in `User-Agent`, put into one of five classes.
//!
//! Agents are claims that anybody can copy, so the rules are plain text patterns without regard to case. Exclusions come first: the link
//! previews of phones carry Meta's own agent somewhere in the middle. Bytes are compared as bytes; nothing needs to be UTF-8.
//!
//! A fetcher says the same of itself every time, so the rules remember what they made of the last few lines: comparing one line with
//! one line takes a hundred instructions, matching all patterns five thousand.

use std::sync::Arc;

use arc_swap::ArcSwapOption;

/// The agent patterns of one profile.
#[derive(Clone, Debug, Default)]
pub struct AgentRules {
    include: Vec<Pattern>,
    exclude: Vec<Pattern>,
    seen: Seen,
}

/// What kind of agent a request claims to be.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum AgentClass {
    /// The profile's own fetcher.
    Match,
    /// An agent that the profile names as not its own, whatever else it says.
    Excluded,
    /// WhatsApp on a phone that previews a link: somebody pasted the URL into a chat.
    ChatPreview,
    /// Anything else.
    Other,
    /// No `User-Agent`, or an empty one.
    Absent,
}

/// A pattern that cannot be meant.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("an agent pattern is 1 to {max} printable ASCII characters, not all of them '*': {0:?}", max = AgentRules::MAX_PATTERN)]
pub struct BadAgentPattern(pub String);

impl AgentRules {
    /// The longest pattern, in bytes. Agents are matched in time of pattern times agent, so both have bounds.
    pub const MAX_PATTERN: usize = 200;

    /// Rules that match agents which begin with a text of `include`, unless a text of `exclude` is anywhere in them.
    ///
    /// A text with `*` is a pattern for the whole agent instead, in which `*` stands for any characters. ASCII case never matters.
    pub fn new<'a>(
        include: impl IntoIterator<Item = &'a str>,
        exclude: impl IntoIterator<Item = &'a str>,
    ) -> Result<Self, BadAgentPattern> {
        let include = include.into_iter().map(|text| Pattern::read(text, Pattern::Prefix)).collect::<Result<_, _>>()?;
        let exclude =
            exclude.into_iter().map(|text| Pattern::read(text, Pattern::Anywhere)).collect::<Result<_, _>>()?;
        Ok(Self { include, exclude, seen: Seen::default() })
    }

    /// The rules for Meta's fetchers, from field reports of what they send.
    pub(super) fn meta() -> Self {
        let lowered = |texts: &[&str], kind: fn(Vec<u8>) -> Pattern| {
            texts.iter().map(|text| kind(text.to_ascii_lowercase().into_bytes())).collect()
        };
        let include = lowered(&META_AGENTS, Pattern::Prefix);
        let exclude = lowered(&META_EXCLUSIONS, Pattern::Anywhere);
        Self { include, exclude, seen: Seen::default() }
    }

    /// Whether no agent can ever match.
    pub fn is_empty(&self) -> bool {
        self.include.is_empty()
    }

    /// Classes the `User-Agent` lines of one request.
    ///
    /// More than one line is not HTTP (RFC 9110 section 5.3) but arrives all the same: then one excluded line excludes, and all must match.
    pub fn classify<'a>(&self, lines: impl IntoIterator<Item = &'a [u8]>) -> AgentClass {
        lines.into_iter().map(|line| self.classify_line(line)).fold(AgentClass::Absent, AgentClass::joined)
    }

    fn classify_line(&self, line: &[u8]) -> AgentClass {
        let agent = line.get(..MAX_AGENT).unwrap_or(line).trim_ascii();
        if agent.is_empty() {
            AgentClass::Absent
        } else if line.len() > MAX_AGENT {
            AgentClass::Other
        } else {
            self.seen.class_of(line, || self.matched(agent))
        }
    }

    /// The class of an agent that is neither empty nor too long.
    fn matched(&self, agent: &[u8]) -> AgentClass {
        if self.exclude.iter().any(|pattern| pattern.matches(agent)) {
            AgentClass::Excluded
        } else if self.include.iter().any(|pattern| pattern.matches(agent)) {
            AgentClass::Match
        } else if starts_with(agent, CHAT_PREVIEW) {
            AgentClass::ChatPreview
        } else {
            AgentClass::Other
        }
    }
}

impl AgentClass {
    /// The class as logs and metrics write it.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Match => "match",
            Self::Excluded => "excluded",
            Self::ChatPreview => "chat-preview",
            Self::Other => "other",
            Self::Absent => "absent",
        }
    }

    /// The class of a request with both lines: the one that is further from a match.
    fn joined(self, other: Self) -> Self {
        let weight = |class| match class {
            Self::Absent => 0,
            Self::Match => 1,
            Self::Other => 2,
            Self::ChatPreview => 3,
            Self::Excluded => 4,
        };
        if weight(other) > weight(self) { other } else { self }
    }
}

/// The last few lines, each with its class: only these very bytes have it. A line's length is its place, so that two fetchers that take
/// turns seldom drive each other out.
#[derive(Debug, Default)]
struct Seen([ArcSwapOption<SeenLine>; 16]);

#[derive(Debug)]
struct SeenLine {
    line: Box<[u8]>,
    class: AgentClass,
}

impl Seen {
    /// The class that is remembered for `line`; otherwise what `classify` says, which is remembered from now on.
    fn class_of(&self, line: &[u8], classify: impl FnOnce() -> AgentClass) -> AgentClass {
        let Some(place) = self.0.get(line.len() % self.0.len()) else { return classify() };
        if let Some(seen) = place.load().as_deref()
            && *seen.line == *line
        {
            return seen.class;
        }
        let class = classify();
        place.store(Some(Arc::new(SeenLine { line: line.into(), class })));
        class
    }
}

/// A copy of the rules sees for itself.
impl Clone for Seen {
    fn clone(&self) -> Self {
        Self::default()
    }
}

/// A pattern in lower case.
#[derive(Clone, Debug)]
enum Pattern {
    Prefix(Vec<u8>),
    Anywhere(Vec<u8>),
    /// With `*` for any run of bytes, over the whole agent.
    Glob(Vec<u8>),
}

impl Pattern {
    fn read(text: &str, plain: fn(Vec<u8>) -> Self) -> Result<Self, BadAgentPattern> {
        let printable = text.bytes().all(|byte| (0x20..0x7f).contains(&byte));
        let vague = text.bytes().all(|byte| byte == b'*' || byte == b' ');
        if text.len() > AgentRules::MAX_PATTERN || !printable || vague {
            return Err(BadAgentPattern(text.chars().take(40).collect()));
        }
        let lower = text.to_ascii_lowercase().into_bytes();
        Ok(if lower.contains(&b'*') { Self::Glob(lower) } else { plain(lower) })
    }

    fn matches(&self, agent: &[u8]) -> bool {
        match self {
            Self::Prefix(text) => starts_with(agent, text),
            Self::Anywhere(text) => anywhere(agent, text),
            Self::Glob(text) => glob(text, agent),
        }
    }
}

fn starts_with(agent: &[u8], lower: &[u8]) -> bool {
    agent.get(..lower.len()).is_some_and(|head| head.eq_ignore_ascii_case(lower))
}

/// Most places differ in the first letter already.
fn anywhere(agent: &[u8], lower: &[u8]) -> bool {
    let Some((first, rest)) = lower.split_first() else { return true };
    let begins = |(at, byte): (usize, &u8)| byte.eq_ignore_ascii_case(first).then_some(at + 1);
    let mut ends = agent.iter().enumerate().filter_map(begins);
    ends.any(|at| agent.get(at..).is_some_and(|tail| starts_with(tail, rest)))
}

/// Matches greedily and goes back to the last `*` only, which is enough for globs and bounds the time by the product of the lengths.
fn glob(pattern: &[u8], agent: &[u8]) -> bool {
    let (mut p, mut a) = (0, 0);
    let mut retry = None;
    while let Some(byte) = agent.get(a) {
        match pattern.get(p) {
            Some(b'*') => {
                retry = Some((p + 1, a));
                p += 1;
            }
            Some(want) if *want == byte.to_ascii_lowercase() => (p, a) = (p + 1, a + 1),
            _ => match retry {
                Some((star, from)) => {
                    retry = Some((star, from + 1));
                    (p, a) = (star, from + 1);
                }
                None => return false,
            },
        }
    }
    pattern.iter().skip(p).all(|byte| *byte == b'*')
}

/// Agents longer than this, in bytes, are nobody's we know; real ones stay below 400.
const MAX_AGENT: usize = 2048;

const CHAT_PREVIEW: &[u8] = b"whatsapp/";

/// The first is the best guess for template media, which Meta does not document; the others were seen on its other products.
const META_AGENTS: [&str; 5] =
    ["facebookexternalhit", "facebookexternalua", "facebookplatform", "facebookcatalog", "meta-externalfetcher"];

/// Link previews of iMessage (the first two), Kakao, LINE and Naver send an agent with `facebookexternalhit` in it.
const META_EXCLUSIONS: [&str; 5] = ["Facebot", "Twitterbot", "kakaotalk", "line-poker", "naver"];

#[cfg(test)]
mod tests {
    use super::*;

    fn class(lines: &[&[u8]]) -> AgentClass {
        AgentRules::meta().classify(lines.iter().copied())
    }

    #[test]
    fn agents_seen_in_the_field_find_their_class() {
        for (agent, expected) in [
            ("facebookexternalhit/1.1 (+http://www.facebook.com/externalhit_uatext.php)", AgentClass::Match),
            ("FacebookExternalHit/1.1", AgentClass::Match),
            ("facebookexternalua", AgentClass::Match),
            ("facebookplatform/1.0 (+http://developers.facebook.com)", AgentClass::Match),
            ("facebookcatalog/1.0", AgentClass::Match),
            ("meta-externalfetcher/1.1", AgentClass::Match),
            (
                "Mozilla/5.0 (Macintosh; Intel Mac OS X 10_11_1) AppleWebKit/601.2.4 (KHTML, like Gecko) Version/9.0.1 \
                 Safari/601.2.4 facebookexternalhit/1.1 Facebot Twitterbot/1.0",
                AgentClass::Excluded,
            ),
            ("facebookexternalhit/1.1; kakaotalk-scrap/1.0; +https://devtalk.kakao.com/", AgentClass::Excluded),
            ("facebookexternalhit/1.1;line-poker/1.0", AgentClass::Excluded),
            ("facebookexternalhit/1.1 (compatible; NAVER Blog Rssbot)", AgentClass::Excluded),
            ("WhatsApp/2.23.20.0 A", AgentClass::ChatPreview),
            ("WhatsApp/2.23.20.0 Twitterbot", AgentClass::Excluded),
            ("curl/8.5.0", AgentClass::Other),
            ("not facebookexternalhit/1.1", AgentClass::Other),
            ("facebookexternalhi", AgentClass::Other),
            ("", AgentClass::Absent),
            (" \t", AgentClass::Absent),
        ] {
            assert_eq!(class(&[agent.as_bytes()]), expected, "{agent}");
        }
        assert_eq!(class(&[]), AgentClass::Absent);
    }

    #[test]
    fn several_agent_lines_count_as_their_worst() {
        let (hit, bot, curl, chat): (&[u8], &[u8], &[u8], &[u8]) =
            (b"facebookexternalhit/1.1", b"Facebot", b"curl/8", b"WhatsApp/2");
        for (lines, expected) in [
            ([hit, hit], AgentClass::Match),
            ([hit, b""], AgentClass::Match),
            ([hit, curl], AgentClass::Other),
            ([curl, hit], AgentClass::Other),
            ([hit, chat], AgentClass::ChatPreview),
            ([bot, hit], AgentClass::Excluded),
            ([b"", b""], AgentClass::Absent),
        ] {
            assert_eq!(class(&lines), expected, "{lines:?}");
        }
    }

    #[test]
    fn agents_of_any_bytes_are_classed() {
        assert_eq!(class(&[b"\xff\xfe\x80"]), AgentClass::Other);
        assert_eq!(class(&[b"facebookexternalhit/1.1 \xff"]), AgentClass::Match);
        assert_eq!(class(&[b"\xfffacebot\xff"]), AgentClass::Excluded);
        let mut long = b"facebookexternalhit/".repeat(10_000);
        assert_eq!(class(&[&long]), AgentClass::Other);
        long.truncate(MAX_AGENT);
        assert_eq!(class(&[&long]), AgentClass::Match);
    }

    #[test]
    fn a_line_that_was_seen_before_has_the_class_of_its_own_bytes() {
        let rules = AgentRules::meta();
        // All of one length, so that they share a place.
        let lines: [(&[u8], AgentClass); 6] = [
            (b"facebookexternalhit/1.1", AgentClass::Match),
            (b"FACEBOOKEXTERNALHIT/1.1", AgentClass::Match),
            (b"facebookexternalhix/1.1", AgentClass::Other),
            (b"facebookexternalfacebot", AgentClass::Excluded),
            (b"WhatsApp/2.23.20.0 A   ", AgentClass::ChatPreview),
            (b"                       ", AgentClass::Absent),
        ];
        assert!(lines.iter().all(|(line, _)| line.len() == lines[0].0.len()));
        for _ in 0..3 {
            for (line, expected) in lines {
                for _ in 0..2 {
                    assert_eq!(rules.classify([line]), expected, "{line:?}");
                }
            }
        }
        for ((one, _), (two, _)) in lines.iter().zip(lines.iter().skip(1)) {
            assert_eq!(rules.classify([*one, *two]), class(&[*one, *two]), "{one:?} {two:?}");
        }
        assert_eq!(rules.classify([&lines[0].0[..22]]), AgentClass::Match, "one byte shorter");
        assert_eq!(rules.classify([&lines[0].0[..18]]), AgentClass::Other, "shorter than the pattern");
    }

    #[test]
    fn what_one_rule_set_saw_means_nothing_to_another() {
        let line: &[u8] = b"facebookexternalhit/1.1";
        let rules = AgentRules::meta();
        assert_eq!(rules.classify([line]), AgentClass::Match);
        let mut changed = rules.clone();
        changed.include.clear();
        assert_eq!(changed.classify([line]), AgentClass::Other);
        assert_eq!(AgentRules::default().classify([line]), AgentClass::Other);
        assert_eq!(AgentRules::new(["other"], ["hit"]).unwrap().classify([line]), AgentClass::Excluded);
        assert_eq!(rules.classify([line]), AgentClass::Match);
    }

    #[test]
    fn globs_match_the_whole_agent() {
        for (pattern, agent, matches) in [
            ("*bot*", "a Bot here", true),
            ("*bot", "a bot here", false),
            ("Mozilla/* (compatible; *fetch/1)", "mozilla/5.0 (compatible; x-fetch/0 fetch/1)", true),
            ("a*b*c", "aXbXbXc", true),
            ("a*b*c", "aXcXb", false),
            ("x*", "x", true),
            ("x*", "y", false),
        ] {
            let rules = AgentRules::new([pattern], []).unwrap();
            let class = rules.classify([agent.as_bytes()]);
            assert_eq!(class == AgentClass::Match, matches, "{pattern} {agent}");
        }
    }

    #[test]
    fn a_glob_that_backtracks_ends_in_bounded_time() {
        let rules = AgentRules::new(["*a*a*a*a*a*a*a*a*a*a*a*ab"], []).unwrap();
        assert_eq!(rules.classify(["a".repeat(MAX_AGENT).as_bytes()]), AgentClass::Other);
    }

    #[test]
    fn patterns_that_cannot_be_meant_are_errors() {
        for text in ["", "*", "* *", "  ", "gr\u{f6}\u{df}e", "a\nb", &"a".repeat(201)] {
            assert!(AgentRules::new([text], []).is_err(), "{text:?}");
            assert!(AgentRules::new([], [text]).is_err(), "{text:?}");
        }
    }
}
