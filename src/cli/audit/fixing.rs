//! `--fix-types`: what would be done, the question whether it shall be, and the doing.

use std::io::{BufRead, IsTerminal, Write};

use futures_util::{StreamExt, stream};

use super::broken;
use super::printing::clipped;
use crate::audit::{FixOutcome, Journal, fix, fixes};
use crate::cli::Failure;
use crate::origin::{Openness, Retype, RetypeError, Survey};

/// Prints what a fix would do, and what follows from it; how many objects it is about.
pub(super) async fn plan(
    survey: &dyn Survey,
    journal: &mut Journal,
    concurrency: usize,
    out: &mut dyn Write,
) -> Result<u64, Failure> {
    let wanted = fixes(journal).map_err(broken)?;
    let looked = stream::iter(wanted).map(|one| async {
        let (key, retype) = one?;
        let openness = match key.parse() {
            Ok(key) => survey.openness(&key).await.ok(),
            Err(_) => None,
        };
        Ok::<_, std::io::Error>((key, retype, openness))
    });
    let mut looked = std::pin::pin!(looked.buffered(concurrency));
    let (mut count, mut public, mut unknown) = (0_u64, 0_u64, 0_u64);
    while let Some(one) = looked.next().await {
        let (key, retype, openness) = one.map_err(broken)?;
        if count == 0 {
            writeln!(out, "\nmedia types that the bytes prove:\n{:28}  {:28}  {:8}  key", "from", "to", "acl")?;
        }
        count += 1;
        let acl = match openness {
            Some(Openness::Private) => "private",
            Some(Openness::Public) => "PUBLIC",
            None => "unknown",
        };
        public += u64::from(openness == Some(Openness::Public));
        unknown += u64::from(openness.is_none());
        let from = retype.from.as_deref().map_or_else(|| "(none)".to_owned(), clipped);
        writeln!(out, "{from:28}  {:28}  {acl:8}  {}", retype.to, clipped(&key))?;
    }
    if count == 0 {
        writeln!(out, "\nNo object has a media type that its bytes prove wrong.")?;
    } else {
        consequences(count, public, unknown, out)?;
    }
    Ok(count)
}

fn consequences(count: u64, public: u64, unknown: u64, out: &mut dyn Write) -> Result<(), Failure> {
    writeln!(
        out,
        "\nEach of these {count} objects is copied onto itself, which keeps its metadata, tags and storage class. The copy is a new version:\n\
         links to them that are live now end in 410 Gone where the bucket keeps no versions. Mint new links afterwards."
    )?;
    writeln!(
        out,
        "It keeps its encryption, under the same KMS key where it has one, but not an encryption context, of which S3 does not tell. Its access\n\
         list becomes private. A copy is held to what it replaces (If-Match): a server that ignores this without a word may lose an upload\n\
         at the same time, so let nothing be uploaded to it meanwhile."
    )?;
    if public > 0 {
        writeln!(out, "{public} of them have an access list that lets strangers in: their public URLs stop working.")?;
    }
    if unknown > 0 {
        writeln!(out, "Of {unknown} of them the access list could not be read; if it lets others in, that ends.")?;
    }
    Ok(())
}

/// Asks at a terminal; elsewhere nobody can answer, so the answer is no. On a thread of its own, for reading from a terminal cannot be
/// interrupted, and the audit must.
pub(super) async fn confirmed(count: u64) -> Result<bool, Failure> {
    tokio::task::spawn_blocking(move || ask(count)).await.map_err(broken)?
}

fn ask(count: u64) -> Result<bool, Failure> {
    let (input, mut output) = (std::io::stdin(), std::io::stderr());
    if !input.is_terminal() || !output.is_terminal() {
        return Ok(false);
    }
    write!(output, "To do it, type the number of objects ({count}): ")?;
    output.flush()?;
    let mut line = String::new();
    input.lock().read_line(&mut line)?;
    Ok(line.trim() == count.to_string())
}

/// Does it, and prints what could not be done, and what nobody knows of.
pub(super) async fn carry_out(
    store: &dyn Retype,
    journal: &mut Journal,
    concurrency: usize,
    out: &mut dyn Write,
) -> Result<(), Failure> {
    let (mut done, mut refused, mut unknown) = (0_u64, Vec::new(), Vec::new());
    writeln!(out)?;
    let mut told = |outcome: &FixOutcome| match &outcome.result {
        Ok(()) => done += 1,
        Err(why @ RetypeError::Unknown(_)) => {
            unknown.push(format!("nobody knows whether it was done: {}: {why}", clipped(&outcome.key)));
        }
        Err(why) => refused.push(format!("left as it is: {}: {why}", clipped(&outcome.key))),
    };
    fix(journal, store, concurrency, &mut told).await.map_err(broken)?;
    for line in refused.iter().chain(&unknown) {
        writeln!(out, "{line}")?;
    }
    writeln!(out, "{done} objects got their media type, {} were left as they are.", refused.len())?;
    if !unknown.is_empty() {
        writeln!(out, "Of {} nobody knows: the store did not say what came of the copy.", unknown.len())?;
    }
    Ok(())
}
