//! What operators see: metrics, the access log, and the program's own log.
//!
//! This room knows no domain types but names: others tell it plain numbers and short words. None of it ever waits: a full queue drops and
//! counts. Its labels come from the program or the settings, never from a request, so the number of series has a bound.
//!
//! **Never logged, in any form, at any level:** tokens and link URLs (a link's id stands for it), client keys and master keys, `Authorization`
//! and `Cookie`, presigned URLs, query strings, request paths, bodies, and the payload of a panic. Secrets live in `value::Secret`, which
//! prints as a placeholder; requests become an `AccessRecord`, which has no field for the rest; the crates below us are held to
//! `INFO`, since at lower levels some print heads and signatures.

mod access;
mod book;
mod clip;
mod counters;
mod denials;
mod handles;
mod histogram;
mod json;
mod logging;
mod metrics;
mod record;

pub use access::{AccessLog, Sink};
pub use clip::{AgentText, MethodText, RangeText};
pub use denials::DenialLimiter;
pub use handles::{ListenerMetrics, ProfileMetrics, StoreMetrics};
pub use json::{address_text, push_json_text};
pub use logging::{BadLogging, init_logging, quiet_panics};
pub use metrics::{CONTENT_TYPE, Metrics};
pub use record::AccessRecord;
