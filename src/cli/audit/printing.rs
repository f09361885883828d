//! What an audit found, as a table for people, as one JSON document, or as CSV.
//!
//! Findings are read from the journal as they are written, so a million of them take no more memory than ten.

use std::io::Write;

use serde_json::json;

use super::broken;
use crate::audit::{
    Code, Finding, Group, Journal, Origins, SettingVerdict, Summary, harmless_cell, harmless_json, shown,
};
use crate::cli::Failure;
use crate::cli::table::write_table;

/// How the findings are written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Format {
    Table,
    Json,
    Csv,
}

impl Format {
    pub(super) fn of(json: bool, csv: bool) -> Self {
        match (json, csv) {
            (true, _) => Self::Json,
            (_, true) => Self::Csv,
            _ => Self::Table,
        }
    }
}

/// Prints everything that was found and is not fixed.
pub(super) fn print(format: Format, of: &Origins, journal: &mut Journal, out: &mut dyn Write) -> Result<(), Failure> {
    let summary = Summary::of(journal).map_err(broken)?;
    match format {
        Format::Table => table(&summary, of, out),
        Format::Json => document(&summary, of, journal, out),
        Format::Csv => csv(journal, out),
    }
}

fn table(summary: &Summary, of: &Origins, out: &mut dyn Write) -> Result<(), Failure> {
    let row = |one: &crate::audit::Setting| {
        let verdict = match one.verdict {
            SettingVerdict::Finding => "OPEN".to_owned(),
            other => other.to_string(),
        };
        [one.setting.clone(), verdict, shown(&one.detail)]
    };
    let settings: Vec<_> = summary.settings.iter().map(row).collect();
    if !settings.is_empty() {
        write_table(out, ["setting", "verdict", "detail"], &settings)?;
        writeln!(out)?;
    }
    for (code, group) in &summary.groups {
        write_group(*code, group, out)?;
    }
    let (findings, objects) = (summary.findings(), summary.objects);
    let place = shown(&format!("store {} ({})", of.store, of.place));
    let read = bytesize::ByteSize(summary.bytes).display().si();
    writeln!(out, "{objects} objects of {place} were looked at; {read} of them were read.")?;
    if summary.fixed > 0 {
        writeln!(out, "{} of them got the media type that their bytes prove.", summary.fixed)?;
    }
    match findings {
        0 => writeln!(out, "Nothing was found.")?,
        1 => writeln!(out, "1 finding.")?,
        _ => writeln!(out, "{findings} findings; --json and --csv name each.")?,
    }
    let unknown = summary.unknown().count();
    if unknown > 0 {
        writeln!(
            out,
            "{unknown} of the questions above could not be answered, so nobody knows whether all is well there."
        )?;
    }
    Ok(())
}

fn write_group(code: Code, group: &Group, out: &mut dyn Write) -> Result<(), Failure> {
    let (means, advice) = code.meaning();
    writeln!(out, "{code} ({}): {means}; {advice}", group.count)?;
    for finding in &group.examples {
        let key = finding.key.as_ref().map_or_else(|| "the store".to_owned(), |key| clipped(key));
        writeln!(out, "  {key}  {}", clipped(&finding.detail))?;
    }
    let more = group.count - group.examples.len() as u64;
    if more > 0 {
        writeln!(out, "  and {more} more")?;
    }
    writeln!(out)?;
    Ok(())
}

/// Text on one line, cut where it floods the terminal.
pub(super) fn clipped(text: &str) -> String {
    let mut safe = shown(text);
    if let Some((cut, _)) = safe.char_indices().nth(SHOWN_MAX) {
        safe.truncate(cut);
        safe.push_str("...");
    }
    safe
}

/// One document: what was looked at, the settings, the counts, and last the findings, one a line.
fn document(summary: &Summary, of: &Origins, journal: &mut Journal, out: &mut dyn Write) -> Result<(), Failure> {
    let counts: serde_json::Map<_, _> =
        summary.groups.iter().map(|(code, group)| (code.to_string(), json!(group.count))).collect();
    let head = json!({
        "store": of.store,
        "place": of.place,
        "prefix": of.prefix,
        "objects": summary.objects,
        "bytes_read": summary.bytes,
        "types_fixed": summary.fixed,
        "settings": summary.settings,
        "counts": counts,
    });
    let head = serde_json::to_string_pretty(&head).map_err(broken)?;
    let open = head.trim_end().trim_end_matches('}').trim_end();
    write!(out, "{},\n  \"findings\": [", harmless_json(open))?;
    let mut separator = "\n";
    for finding in journal.findings().map_err(broken)? {
        let line = serde_json::to_string(&finding.map_err(broken)?).map_err(broken)?;
        write!(out, "{separator}    {}", harmless_json(&line))?;
        separator = ",\n";
    }
    writeln!(out, "\n  ]\n}}")?;
    Ok(())
}

fn csv(journal: &mut Journal, out: &mut dyn Write) -> Result<(), Failure> {
    let mut rows = csv::Writer::from_writer(out);
    rows.write_record(["code", "key", "detail", "stored_type", "proven_type"]).map_err(broken)?;
    for finding in journal.findings().map_err(broken)? {
        rows.write_record(row(&finding.map_err(broken)?)).map_err(broken)?;
    }
    rows.flush()?;
    Ok(())
}

fn row(finding: &Finding) -> [String; 5] {
    let retype = finding.retype.as_ref();
    let from = retype.and_then(|retype| retype.from.as_deref()).unwrap_or_default();
    let to = retype.map_or("", |retype| retype.to.as_str());
    let key = finding.key.as_deref().unwrap_or_default();
    [&finding.code.to_string(), key, &finding.detail, from, to].map(harmless_cell)
}

/// How many characters of a key or a detail a line of the table shows.
const SHOWN_MAX: usize = 160;
