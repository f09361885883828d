//! Links: what a grant says, how it is sealed into a URL, and when that URL is believed.
//!
//! The way in is `Grant` -> [`Seals::seal`] -> [`Link`]. The way out is a request path -> [`LinkPath::parse`] ->
//! [`Seals::open`] -> [`OpenedGrant`] -> [`OpenedGrant::judge`] -> [`VerifiedGrant`]. Each step is the only maker of the type
//! that the next one takes, so a link cannot be obeyed before its seal, its time and its revocation were checked, in
//! this order.
//!
//! This room is pure: time and revocations are arguments. It imports `value` only.

mod grant;
mod hosts;
mod keyring;
mod keyring_file;
mod origin;
mod path;
mod revocation;
mod seal;
mod verify;
mod window;

pub use grant::{CachePolicy, Grant, MalformedGrant};
pub use hosts::{BadHost, Hosts, Whose};
pub use keyring::{Key, KeyFault, KeyId, KeyState, Keyring, Rotation, RotationError};
pub use keyring_file::KeyringFault;
pub use origin::{BadPublicOrigin, PublicOrigin};
pub use path::{Link, LinkId, LinkPath, NameSegment, NotALink, NotALinkId, RawToken};
pub use revocation::{Revocable, Revocation, RevocationSet, Revocations};
pub use seal::{OpenedGrant, SealError, Seals};
pub use verify::{Denial, InvalidReason, VerifiedGrant};
pub use window::{BadBounds, BadTtl, LinkBounds, Validity};
