//! `hallpass mint STORE/KEY`: the same as `POST /v1/links`, from a shell.

use std::io::Write;

use clap::Args;

use super::Failure;
use super::link_wish::{LinkWish, warn};
use super::shell::{Place, close_rooms, open_rooms, shell_client, spinner};
use crate::control::LinkAnswer;
use crate::mint::{MintError, MintRequest, Minted, Minter};
use crate::value::{ClientName, ObjectKey, StoreName};

/// What to mint.
#[derive(Debug, Args)]
pub(super) struct MintArgs {
    /// The asset, as STORE/KEY.
    asset: String,
    #[command(flatten)]
    wish: LinkWish,
    #[command(flatten)]
    place: Place,
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
        warn(&minted)?;
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
        let LinkWish { ttl, header, filename, content_type, cache, fetcher, unique } = self.wish.clone();
        Ok(MintRequest { ttl, header, filename, content_type, cache, unique, ..MintRequest::new(store, key, fetcher) })
    }
}
