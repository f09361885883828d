//! A fetcher profile: data that describes a fetcher, and the one function that judges a request by it.
//!
//! Which way doubt falls is the point of this file. A stale network list knows nothing: under `any` and `network` it admits, under `all`
//! the agent decides, so that a forgotten file stops no delivery. A profile *without* a list is no doubt but a choice: then the agent
//! decides under `any` and `all`, and `network` admits nobody. What a profile thinks never depends on its mode.

use std::sync::Arc;
use std::time::Duration;

use http::header::{AUTHORIZATION, COOKIE, USER_AGENT};
use http::{HeaderMap, HeaderName, HeaderValue, Method};

use super::{AgentClass, AgentRules, ClientAddr, NetworkList, NetworkVerdict, Refusal, Verdict};
use crate::value::{ProfileName, UnixTime};

/// What a fetcher looks like, and what happens to requests that do not.
#[derive(Clone, Debug)]
pub struct Profile {
    /// The name by which grants, logs and metrics know it.
    pub name: ProfileName,
    /// What its agents say.
    pub agents: AgentRules,
    /// Where it comes from; `None` when that is no question.
    pub networks: Option<Arc<NetworkList>>,
    /// The methods it uses.
    pub methods: Vec<Method>,
    /// Headers it never sends, besides `Cookie` and `Authorization`, which no profile allows.
    pub forbidden_headers: Vec<HeaderName>,
    /// What must be the fetcher's: agent, network, either, or both.
    pub require: Require,
    /// What a refusal does.
    pub mode: Mode,
    /// The age from which the network list is not believed.
    pub stale_after: Duration,
}

/// What must be the fetcher's for a request to be admitted.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, serde::Deserialize, serde::Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Require {
    /// Agent or network.
    #[default]
    Any,
    /// Agent and network.
    All,
    /// The agent.
    Agent,
    /// The network.
    Network,
}

/// What a refusal does.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, serde::Deserialize, serde::Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Mode {
    /// It refuses.
    #[default]
    Enforce,
    /// It is written down, and the request goes on.
    Observe,
    /// Nothing is judged; agent and network are still told apart for the logs.
    Off,
}

/// What a profile needs to know about a request.
#[derive(Clone, Copy, Debug)]
pub struct RequestFacts<'a> {
    /// The request's method.
    pub method: &'a Method,
    /// All its headers.
    pub headers: &'a HeaderMap,
    /// Where it comes from.
    pub client: ClientAddr,
}

/// A profile that contradicts itself; settings refuse it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Contradiction {
    /// The agent decides, but no pattern can match one.
    #[error("the profile requires the agent but names none: add agents, or require the network")]
    NoAgents,
    /// The network decides, but there is no list.
    #[error("the profile requires the network but has no list: add networks, or require the agent")]
    NoNetworks,
    /// Either would do, but there is neither.
    #[error("the profile names neither agents nor networks: add one of them, or set mode = \"off\"")]
    Nothing,
    /// No request could have an allowed method.
    #[error("the profile allows no method: add GET")]
    NoMethods,
}

impl Profile {
    /// The age from which a network list is not believed, unless a profile says otherwise: Meta's networks change often, though
    /// rarely within two weeks.
    pub const STALE_AFTER: Duration = Duration::from_hours(14 * 24);

    /// The same age for the list that ships with this program, which is renewed with releases alone: by 14 days it would mostly be stale, and
    /// the profile would then admit everybody. Whoever wants a list to be fresh keeps one as a file.
    pub const SHIPPED_STALE_AFTER: Duration = Duration::from_hours(180 * 24);

    /// The profile of Meta's media fetcher, with the network list that ships with this program: enforced, and either agent or
    /// network will do.
    ///
    /// # Panics
    /// Never: what it reads is part of the program, and a test reads it too.
    #[expect(clippy::expect_used, reason = "both texts are part of the program, and a test reads them")]
    pub fn meta() -> Self {
        Self {
            name: "meta".parse().expect("a profile name"),
            agents: AgentRules::meta(),
            networks: Some(Arc::new(NetworkList::parse(META_NETWORKS).expect("a network list"))),
            methods: vec![Method::GET, Method::HEAD],
            forbidden_headers: Vec::new(),
            require: Require::Any,
            mode: Mode::Enforce,
            stale_after: Self::SHIPPED_STALE_AFTER,
        }
    }

    /// What makes the profile impossible to keep or void, if anything does; a profile that is off may be anything.
    pub fn contradiction(&self) -> Option<Contradiction> {
        let (no_agents, no_networks) = (self.agents.is_empty(), self.networks.is_none());
        match self.require {
            _ if self.mode == Mode::Off => None,
            _ if self.methods.is_empty() => Some(Contradiction::NoMethods),
            Require::Any if no_agents && no_networks => Some(Contradiction::Nothing),
            Require::Agent | Require::All if no_agents => Some(Contradiction::NoAgents),
            Require::Network | Require::All if no_networks => Some(Contradiction::NoNetworks),
            _ => None,
        }
    }

    /// Judges a request as of `now`.
    pub fn judge(&self, facts: &RequestFacts<'_>, now: UnixTime) -> Verdict {
        let lines = facts.headers.get_all(USER_AGENT);
        let agent = self.agents.classify(lines.iter().map(HeaderValue::as_bytes));
        let network = self.network(facts.client, now);
        let refusal = match self.mode {
            Mode::Off => None,
            Mode::Enforce | Mode::Observe => self.against(facts).or_else(|| self.require.against(agent, network)),
        };
        let enforced = self.mode == Mode::Enforce;
        Verdict { agent, network, admitted: !enforced || refusal.is_none(), refusal, enforced }
    }

    fn network(&self, client: ClientAddr, now: UnixTime) -> NetworkVerdict {
        match &self.networks {
            Some(list) => list.judge(client.ip(), now, self.stale_after),
            None => NetworkVerdict::Unlisted,
        }
    }

    /// What the request's head alone speaks against.
    fn against(&self, facts: &RequestFacts<'_>) -> Option<Refusal> {
        let forbidden = [COOKIE, AUTHORIZATION].iter().chain(&self.forbidden_headers);
        if !self.methods.contains(facts.method) {
            Some(Refusal::Method)
        } else if forbidden.into_iter().any(|name| facts.headers.contains_key(name)) {
            Some(Refusal::ForbiddenHeader)
        } else {
            None
        }
    }
}

impl Require {
    /// What agent and network speak against. An `Unknown` network never speaks against anything; an `Unlisted` one never for anything.
    fn against(self, agent: AgentClass, network: NetworkVerdict) -> Option<Refusal> {
        use NetworkVerdict::{Inside, Outside, Unknown, Unlisted};
        let matches = agent == AgentClass::Match;
        match self {
            Self::Agent | Self::All if !matches => Some(Refusal::Agent),
            Self::Agent => None,
            Self::All => (network == Outside).then_some(Refusal::Network),
            Self::Network => matches!(network, Outside | Unlisted).then_some(Refusal::Network),
            Self::Any => match network {
                Inside | Unknown => None,
                Outside => (!matches).then_some(Refusal::AgentAndNetwork),
                Unlisted => (!matches).then_some(Refusal::Agent),
            },
        }
    }
}

/// Meta's networks as of the date in the file's first line.
const META_NETWORKS: &str = include_str!("meta-networks.txt");

#[cfg(test)]
mod tests {
    use super::super::{PeerAddr, client_address};
    use super::*;

    const HIT: &str = "facebookexternalhit/1.1";
    const META_IP: &str = "157.240.1.1";
    const ELSEWHERE: &str = "198.51.100.7";

    fn client(ip: &str) -> ClientAddr {
        client_address(PeerAddr::new((ip.parse::<std::net::IpAddr>().unwrap(), 1).into()), [].into_iter(), &[])
    }

    fn taken() -> UnixTime {
        Profile::meta().networks.unwrap().taken()
    }

    fn judged(profile: &Profile, method: &Method, headers: &[(&str, &str)], ip: &str, now: UnixTime) -> Verdict {
        let headers: HeaderMap =
            headers.iter().map(|(name, value)| (name.parse::<HeaderName>().unwrap(), value.parse().unwrap())).collect();
        profile.judge(&RequestFacts { method, headers: &headers, client: client(ip) }, now)
    }

    fn fetched(profile: &Profile, agent: &str, ip: &str, now: UnixTime) -> Verdict {
        judged(profile, &Method::GET, &[("user-agent", agent)], ip, now)
    }

    #[test]
    fn the_built_in_profile_reads_and_does_not_contradict_itself() {
        let meta = Profile::meta();
        assert_eq!(meta.contradiction(), None);
        assert_eq!(taken().to_string(), "2026-08-22T00:00:00Z");
        let list = meta.networks.unwrap();
        for (ip, inside) in [
            ("31.13.24.0", true),
            ("57.147.255.255", true),
            ("57.148.0.0", false),
            ("204.15.23.255", true),
            ("204.15.24.0", false),
            ("2a03:2881:ffff::1", true),
            ("2a03:2882::", false),
            ("2620:10d:c09f::1", true),
            ("::ffff:157.240.1.1", true),
            ("8.8.8.8", false),
        ] {
            assert_eq!(list.contains(ip.parse().unwrap()), inside, "{ip}");
        }
    }

    #[test]
    fn the_whole_truth_table_of_requirements_holds() {
        use NetworkVerdict::{Inside, Outside, Unknown, Unlisted};
        use Refusal::{Agent, AgentAndNetwork, Network};
        for (require, matches, inside, outside, unknown, unlisted) in [
            (Require::Any, true, None, None, None, None),
            (Require::Any, false, None, Some(AgentAndNetwork), None, Some(Agent)),
            (Require::All, true, None, Some(Network), None, None),
            (Require::All, false, Some(Agent), Some(Agent), Some(Agent), Some(Agent)),
            (Require::Agent, true, None, None, None, None),
            (Require::Agent, false, Some(Agent), Some(Agent), Some(Agent), Some(Agent)),
            (Require::Network, true, None, Some(Network), None, Some(Network)),
            (Require::Network, false, None, Some(Network), None, Some(Network)),
        ] {
            let agents: &[AgentClass] = if matches {
                &[AgentClass::Match]
            } else {
                &[AgentClass::Excluded, AgentClass::ChatPreview, AgentClass::Other, AgentClass::Absent]
            };
            for &agent in agents {
                for (network, refusal) in
                    [(Inside, inside), (Outside, outside), (Unknown, unknown), (Unlisted, unlisted)]
                {
                    assert_eq!(require.against(agent, network), refusal, "{require:?} {agent:?} {network:?}");
                }
            }
        }
    }

    #[test]
    fn the_default_admits_agent_or_network_and_refuses_when_neither_is_metas() {
        let meta = Profile::meta();
        for (agent, ip, class, network, refusal) in [
            (HIT, META_IP, AgentClass::Match, NetworkVerdict::Inside, None),
            (HIT, ELSEWHERE, AgentClass::Match, NetworkVerdict::Outside, None),
            ("curl/8", "2a03:2880::1", AgentClass::Other, NetworkVerdict::Inside, None),
            ("curl/8", ELSEWHERE, AgentClass::Other, NetworkVerdict::Outside, Some(Refusal::AgentAndNetwork)),
            ("x Facebot", META_IP, AgentClass::Excluded, NetworkVerdict::Inside, None),
            (
                "WhatsApp/2.2",
                ELSEWHERE,
                AgentClass::ChatPreview,
                NetworkVerdict::Outside,
                Some(Refusal::AgentAndNetwork),
            ),
            ("", ELSEWHERE, AgentClass::Absent, NetworkVerdict::Outside, Some(Refusal::AgentAndNetwork)),
        ] {
            let verdict = fetched(&meta, agent, ip, taken());
            let expected = Verdict { agent: class, network, admitted: refusal.is_none(), refusal, enforced: true };
            assert_eq!(verdict, expected, "{agent} {ip}");
        }
    }

    #[test]
    fn a_stale_list_admits_under_any_and_network_and_leaves_all_to_the_agent() {
        let late = taken().plus(Profile::SHIPPED_STALE_AFTER).plus(Duration::from_secs(1));
        for (require, curl_refused) in
            [(Require::Any, false), (Require::Network, false), (Require::All, true), (Require::Agent, true)]
        {
            let profile = Profile { require, ..Profile::meta() };
            let curl = fetched(&profile, "curl/8", ELSEWHERE, late);
            assert_eq!((curl.network, curl.admitted), (NetworkVerdict::Unknown, !curl_refused), "{require:?}");
            assert!(fetched(&profile, HIT, ELSEWHERE, late).admitted, "{require:?}");
        }
    }

    #[test]
    fn observing_admits_and_says_what_enforcing_would_do() {
        for (headers, method, refusal) in [
            (("user-agent", "curl"), Method::GET, Refusal::AgentAndNetwork),
            (("cookie", "a=b"), Method::GET, Refusal::ForbiddenHeader),
            (("user-agent", HIT), Method::POST, Refusal::Method),
        ] {
            let mut profile = Profile::meta();
            let strict = judged(&profile, &method, &[headers], ELSEWHERE, taken());
            assert_eq!((strict.admitted, strict.refusal, strict.as_str()), (false, Some(refusal), "refused"));
            profile.mode = Mode::Observe;
            let seen = judged(&profile, &method, &[headers], ELSEWHERE, taken());
            assert_eq!(seen, Verdict { admitted: true, enforced: false, ..strict });
            assert_eq!(seen.as_str(), "observed");
            profile.mode = Mode::Off;
            let off = judged(&profile, &method, &[headers], ELSEWHERE, taken());
            assert_eq!(off, Verdict { refusal: None, ..seen });
        }
    }

    #[test]
    fn cookies_credentials_and_named_headers_refuse_even_metas_fetcher() {
        let mut profile = Profile::meta();
        profile.forbidden_headers = vec![HeaderName::from_static("x-amz-date")];
        for name in ["Cookie", "Authorization", "X-Amz-Date"] {
            let verdict = judged(&profile, &Method::GET, &[("user-agent", HIT), (name, "")], META_IP, taken());
            assert_eq!((verdict.admitted, verdict.refusal), (false, Some(Refusal::ForbiddenHeader)), "{name}");
        }
        assert!(judged(&profile, &Method::HEAD, &[("user-agent", HIT), ("x-other", "")], META_IP, taken()).admitted);
    }

    #[test]
    fn an_agent_in_two_lines_is_judged_as_a_whole() {
        let agents = [("user-agent", HIT), ("user-agent", "Facebot")];
        let verdict = judged(&Profile::meta(), &Method::GET, &agents, ELSEWHERE, taken());
        assert_eq!((verdict.agent, verdict.admitted), (AgentClass::Excluded, false));
    }

    #[test]
    fn profiles_that_cannot_be_kept_are_named() {
        let bare = Profile { agents: AgentRules::default(), networks: None, ..Profile::meta() };
        for (require, expected) in [
            (Require::Any, Contradiction::Nothing),
            (Require::All, Contradiction::NoAgents),
            (Require::Agent, Contradiction::NoAgents),
            (Require::Network, Contradiction::NoNetworks),
        ] {
            let profile = Profile { require, ..bare.clone() };
            assert_eq!(profile.contradiction(), Some(expected));
            assert_eq!(Profile { mode: Mode::Off, ..profile }.contradiction(), None);
        }
        let no_list = Profile { networks: None, ..Profile::meta() };
        assert_eq!(no_list.contradiction(), None);
        assert!(!fetched(&no_list, "curl", META_IP, taken()).admitted);
        assert!(fetched(&no_list, HIT, ELSEWHERE, taken()).admitted);
        let mute = Profile { methods: vec![], ..Profile::meta() };
        assert_eq!(mute.contradiction(), Some(Contradiction::NoMethods));
    }
}
