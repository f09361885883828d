//! Who may fetch: profiles of fetchers, and the judgement of a request against one.
//!
//! A link's token authorises; the profile only narrows, by what the request says of itself (its agent) and where it comes from
//! (its network). Agents can be forged and networks age, so the default asks for either, and a list that is too old is said to know
//! nothing instead of refusing everybody. This room is pure: it awaits nothing, opens nothing, and takes the time as an argument.
//! It imports `value` only.

mod address;
mod agent;
mod network;
mod profile;
mod verdict;

pub use address::{ClientAddr, ClientNetwork, PeerAddr, client_address};
pub use agent::{AgentClass, AgentRules, BadAgentPattern};
pub use network::{BadNetworkList, NetworkFault, NetworkList, NetworkReason, NetworkVerdict};
pub use profile::{Contradiction, Mode, Profile, RequestFacts, Require};
pub use verdict::{Refusal, Verdict};

/// All profiles of a gateway, by the name that grants carry.
pub type Profiles = std::collections::BTreeMap<crate::value::ProfileName, Profile>;
