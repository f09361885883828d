//! `hallpass publish FILE... STORE/PREFIX`: the same as `POST /v1/objects`, from a shell.
//!
//! One file after the other; what is wrong with one is said, and the others go on. Standard output has one line for each: its link, or with
//! `--json` an object that names the file.

use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use bytes::{Bytes, BytesMut};
use clap::Args;
use futures_util::{Stream, stream};
use indicatif::{ProgressBar, ProgressStyle};
use serde_json::json;
use tokio::fs::File;
use tokio::io::AsyncReadExt;

use super::Failure;
use super::link_wish::{LinkWish, warn};
use super::shell::{Place, close_rooms, open_rooms, shell_client};
use crate::control::ObjectAnswer;
use crate::publish::{KeyPrefix, PublishRequest, Published, Publisher, UploadError};
use crate::value::{ClientName, FileName, StoreName};

/// What to publish, and where to.
#[derive(Debug, Args)]
pub(super) struct PublishArgs {
    /// The files; each is called as it is, unless --filename says otherwise.
    #[arg(required = true, value_name = "FILE")]
    files: Vec<PathBuf>,
    /// Where to: a store, and the folders that the keys begin with, such as media/promos/.
    #[arg(value_name = "STORE/PREFIX")]
    target: String,
    #[command(flatten)]
    wish: LinkWish,
    #[command(flatten)]
    place: Place,
}

/// Publishes each file. Exit 1 when one of them failed.
pub(super) async fn run(args: &PublishArgs, out: &mut dyn Write) -> Result<ExitCode, Failure> {
    let request = args.request()?;
    if args.wish.filename.is_some() && args.files.len() > 1 {
        return Err(Failure::because("--filename names one file; publish several without it, or one by one"));
    }
    let rooms = open_rooms(&args.place.config).await?;
    let (client, mut failed) = (shell_client()?, 0);
    for file in &args.files {
        let published = publish(&rooms.publisher, &client, &request, file).await;
        failed += usize::from(published.is_err());
        tell(file, &published, args.place.json, out)?;
    }
    close_rooms(&rooms).await?;
    Ok(if failed == 0 { ExitCode::SUCCESS } else { ExitCode::from(1) })
}

async fn publish(
    publisher: &Publisher,
    client: &ClientName,
    request: &PublishRequest,
    path: &Path,
) -> Result<Published, Failure> {
    let cannot = |error: std::io::Error| Failure::because(format!("it cannot be read: {error}"));
    let file = File::open(path).await.map_err(cannot)?;
    let about = file.metadata().await.map_err(cannot)?;
    if about.is_dir() {
        return Err(Failure::because("it is a directory; name the files in it"));
    }
    let mut request = PublishRequest { length: about.is_file().then_some(about.len()), ..request.clone() };
    if request.filename.is_none() {
        request.filename = Some(own_name(path)?);
    }
    let bar = bar(request.length, path);
    let done = publisher.publish(client, &request, bytes(file, bar.clone())).await;
    bar.finish_and_clear();
    done.map_err(Failure::because)
}

fn own_name(path: &Path) -> Result<FileName, Failure> {
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    name.parse().map_err(|fault| Failure::because(format!("{fault}; say what it shall be called with --filename")))
}

/// The bytes of a file, as the bar sees them pass.
fn bytes(file: File, bar: ProgressBar) -> impl Stream<Item = Result<Bytes, UploadError>> {
    stream::try_unfold((file, bar), |(mut file, bar)| async {
        let mut piece = BytesMut::with_capacity(PIECE);
        // What broke it off matters less than that nothing was stored; it was readable a moment ago.
        let read = file.read_buf(&mut piece).await.map_err(|_| UploadError::Broken)?;
        bar.inc(u64::try_from(read).unwrap_or(0));
        Ok((read > 0).then(|| (piece.freeze(), (file, bar))))
    })
}

/// A bar on a terminal; nothing in a pipe.
fn bar(length: Option<u64>, path: &Path) -> ProgressBar {
    let (bar, template) = match length {
        Some(length) => (ProgressBar::new(length), "{msg} {wide_bar} {bytes}/{total_bytes} ({eta})"),
        None => (ProgressBar::new_spinner(), "{msg} {spinner} {bytes} ({elapsed})"),
    };
    if let Ok(style) = ProgressStyle::with_template(template) {
        bar.set_style(style);
    }
    bar.with_message(path.display().to_string())
}

fn tell(file: &Path, published: &Result<Published, Failure>, json: bool, out: &mut dyn Write) -> Result<(), Failure> {
    let name = file.display().to_string();
    match published {
        Ok(published) if json => {
            let answer = serde_json::to_value(ObjectAnswer::of(published)).map_err(Failure::because)?;
            let line = json!({ "file": name, "created": published.created, "object": answer });
            writeln!(out, "{line}")?;
        }
        Ok(published) => {
            writeln!(out, "{}", published.minted.link.url())?;
            warn(&published.minted)?;
        }
        Err(failure) => {
            if json {
                writeln!(out, "{}", json!({ "file": name, "error": failure.to_string() }))?;
            }
            writeln!(std::io::stderr(), "hallpass: {name}: {failure}")?;
        }
    }
    Ok(())
}

impl PublishArgs {
    fn request(&self) -> Result<PublishRequest, Failure> {
        let (store, prefix) = self.target.split_once('/').unwrap_or((&self.target, ""));
        let store: StoreName = store.parse().map_err(Failure::because)?;
        let prefix: KeyPrefix = prefix.parse().map_err(Failure::because)?;
        let LinkWish { ttl, header, filename, content_type, cache, fetcher, unique } = self.wish.clone();
        let least = PublishRequest::new(store, prefix, fetcher);
        Ok(PublishRequest { filename, content_type, ttl, header, cache, unique, ..least })
    }
}

/// How much of a file is read at a time, in bytes.
const PIECE: usize = 256 * 1024;
