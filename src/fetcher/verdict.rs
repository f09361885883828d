//! What a profile says of a request, and by which reason it refused.
//!
//! The verdict keeps apart what the profile thinks (`refusal`) and what happens (`admitted`): a profile that only observes thinks the
//! same, and admits. So operators can read in logs and metrics what enforcing would do before they switch it on.

use super::{AgentClass, NetworkVerdict};

/// The judgement of one request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Verdict {
    /// What the request says of itself.
    pub agent: AgentClass,
    /// Where it comes from.
    pub network: NetworkVerdict,
    /// Whether it may go on.
    pub admitted: bool,
    /// What the profile has against it; also set for an admitted request when the profile only observes.
    pub refusal: Option<Refusal>,
    /// Whether the profile's refusals count. `false` when it observes or is off.
    pub enforced: bool,
}

/// What a profile has against a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Refusal {
    /// The profile's fetcher does not use this method.
    Method,
    /// A header that a clean-slate client never sends.
    ForbiddenHeader,
    /// The agent is not the fetcher's, and it decides.
    Agent,
    /// The network is not the fetcher's, and it decides.
    Network,
    /// Neither agent nor network is the fetcher's, and either would do.
    AgentAndNetwork,
}

impl Verdict {
    /// The verdict as metrics write it: `admitted`, `refused`, or `observed` for what enforcing would have refused.
    pub const fn as_str(&self) -> &'static str {
        match (self.admitted, self.refusal) {
            (false, _) => "refused",
            (true, Some(_)) => "observed",
            (true, None) => "admitted",
        }
    }
}

impl Refusal {
    /// The reason as logs and metrics write it.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Method => "method",
            Self::ForbiddenHeader => "forbidden-header",
            Self::Agent => "agent",
            Self::Network => "network",
            Self::AgentAndNetwork => "agent-and-network",
        }
    }
}
