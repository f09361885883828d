//! `hallpass mint STORE/KEY`: the same as `POST /v1/links`, from a shell.

use std::io::Write;
use std::time::Duration;

use clap::{Args, ValueEnum};

use super::Failure;
use super::shell::{Place, close_rooms, open_rooms, shell_client, spinner};
use crate::control::LinkAnswer;
use crate::link::CachePolicy;
use crate::media::HeaderKind;
use crate::mint::{MintError, MintRequest, Minted, Minter};
use crate::value::{ClientName, FileName, MediaType, ObjectKey, ProfileName, StoreName};

/// What to mint.
#[derive(Debug, Args)]
pub(super) struct MintArgs {
    /// The asset, as STORE/KEY.
    asset: String,
    /// How long the link shall live, such as 20m.
    #[arg(long, value_parser = humantime::parse_duration)]
    ttl: Option<Duration>,
    /// The template header that it is for: image, video or document.
    #[arg(long)]
    header: Option<HeaderKind>,
    /// What the file shall be called.
    #[arg(long)]
    filename: Option<FileName>,
    /// What the content is, where the bytes and the name do not tell.
    #[arg(long)]
    content_type: Option<MediaType>,
    /// What caches may do.
    #[arg(long, value_enum, default_value = "immutable")]
    cache: Cache,
    /// The fetcher profile.
    #[arg(long, default_value = "meta")]
    fetcher: ProfileName,
    /// Make a link unlike every other.
    #[arg(long)]
    unique: bool,
    #[command(flatten)]
    place: Place,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
enum Cache {
    Immutable,
    Private,
    NoStore,
}

/// Mints, and prints the URL, or with `--json` what the API would answer.
pub(super) async fn run(args: &MintArgs, out: &mut dyn Write) -> Result<(), Failure> {
    let request = args.request()?;
    let rooms = open_rooms(&args.place.config).await?;
    let spinner = spinner("reading the asset");
    let minted = mint_patiently(&rooms.minter, &shell_client()?, &request).await;
    spinner.finish_and_clear();
    close_rooms(&rooms).await?;
    let minted = minted.map_err(Failure::because)?;
    if args.place.json {
        let answer = serde_json::to_string_pretty(&LinkAnswer::of(&minted)).map_err(Failure::because)?;
        writeln!(out, "{answer}")?;
    } else {
        writeln!(out, "{}", minted.link.url())?;
        for warning in &minted.warnings {
            writeln!(std::io::stderr(), "warning: {} ({})", warning.message, warning.code)?;
        }
    }
    Ok(())
}

/// A shell waits for a first read, however long it takes.
async fn mint_patiently(minter: &Minter, client: &ClientName, request: &MintRequest) -> Result<Minted, MintError> {
    loop {
        match minter.mint(client, request).await {
            Err(MintError::StillReading { retry_after } | MintError::Busy { retry_after }) => {
                tokio::time::sleep(retry_after).await;
            }
            settled => return settled,
        }
    }
}

impl MintArgs {
    fn request(&self) -> Result<MintRequest, Failure> {
        let (store, key) = self.asset.split_once('/').ok_or_else(|| Failure::because("name the asset as STORE/KEY"))?;
        let store: StoreName = store.parse().map_err(Failure::because)?;
        let key: ObjectKey = key.parse().map_err(Failure::because)?;
        Ok(MintRequest {
            ttl: self.ttl,
            header: self.header,
            filename: self.filename.clone(),
            content_type: self.content_type.clone(),
            cache: match self.cache {
                Cache::Immutable => CachePolicy::Immutable,
                Cache::Private => CachePolicy::Private,
                Cache::NoStore => CachePolicy::NoStore,
            },
            unique: self.unique,
            ..MintRequest::new(store, key, self.fetcher.clone())
        })
    }
}
