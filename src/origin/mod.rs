//! Private stores behind one small contract: `head`, a pinned `read`, and a `probe`.
//!
//! Every read names the version it wants, so bytes of two overwrites are never joined; a body that is short, long or broken
//! ends in an error, never cleanly. [`LocalOrigin`], [`S3Origin`] and [`CloudOrigin`] speak to stores and try once; [`ReliableOrigin`] wraps
//! any of them and adds time limits, retries within a budget, and the resuming of broken bodies. The stores know nothing of
//! permission: whoever holds one may read it all, so only rooms that hold a permit may hold a store. Stores that take new objects
//! are [`Create`] too, which is create-only: nothing in this room overwrites or deletes anything.
//!
//! Imports `value` and nothing else.

mod clouds;
mod contract;
mod create;
mod error;
mod exact;
mod file_body;
mod local;
mod reliable;
mod s3;
mod span;
mod store_counters;
mod stores;
mod survey;

pub use clouds::{AzureCredentials, AzureSettings, CloudOrigin, GcsCredentials, GcsSettings};
pub use contract::{ByteStream, ObjectMeta, Origin};
pub use create::{Create, CreateError, NewObject};
pub use error::{OriginError, Waited};
pub use local::{LocalOrigin, LocalSettings};
pub use reliable::{OriginCounters, Outcome, ReliableCreate, ReliableOrigin, RetryPolicy};
pub use s3::{S3Origin, S3Settings, S3Survey};
pub use store_counters::StoreCounters;
pub use stores::Stores;
pub use survey::{
    Cursor, Exposure, ExposureState, Openness, Retype, RetypeError, StoreSetting, Survey, SurveyEntry, SurveyObject,
    SurveyPage,
};
