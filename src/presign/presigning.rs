//! What is believed of presigned URLs, as the settings in force have it.

use super::{PresignClients, PresignRules};
use crate::value::ProfileName;

/// What is believed of presigned URLs. A reload makes another one.
#[derive(Clone, Debug)]
pub struct Presigning {
    /// Whether they are served at all.
    pub is_enabled: bool,
    /// Who may presign.
    pub clients: PresignClients,
    /// How long a URL may live.
    pub rules: PresignRules,
    /// The profile of their fetchers.
    pub fetcher: ProfileName,
}
