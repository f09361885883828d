//! What a shell may wish of a link, whether its asset lies in a store or is about to.

use std::io::Write;
use std::time::Duration;

use clap::Args;

use crate::link::CachePolicy;
use crate::media::HeaderKind;
use crate::mint::Minted;
use crate::value::{FileName, MediaType, ProfileName};

/// The options of a link.
#[derive(Clone, Debug, Args)]
pub(super) struct LinkWish {
    /// How long the link shall live, such as 20m.
    #[arg(long, value_parser = humantime::parse_duration)]
    pub(super) ttl: Option<Duration>,
    /// The template header that it is for: image, video or document.
    #[arg(long)]
    pub(super) header: Option<HeaderKind>,
    /// What the file shall be called.
    #[arg(long)]
    pub(super) filename: Option<FileName>,
    /// What the content is, where the bytes and the name do not tell.
    #[arg(long)]
    pub(super) content_type: Option<MediaType>,
    /// What caches may do: immutable, private or no-store.
    #[arg(long, default_value = CachePolicy::default().as_str())]
    pub(super) cache: CachePolicy,
    /// The fetcher profile.
    #[arg(long, default_value = "meta")]
    pub(super) fetcher: ProfileName,
    /// Make a link unlike every other.
    #[arg(long)]
    pub(super) unique: bool,
}

/// Says on standard error what may surprise.
pub(super) fn warn(minted: &Minted) -> std::io::Result<()> {
    for warning in &minted.warnings {
        writeln!(std::io::stderr(), "warning: {} ({})", warning.message, warning.code)?;
    }
    Ok(())
}
