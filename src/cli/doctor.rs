//! `hallpass doctor URL`: what Meta's fetcher would meet there, and how to mend it.

use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::Duration;

use clap::Args;

use super::Failure;
use super::shell::spinner;
use super::table::write_table;
use crate::config::Faults;
use crate::doctor::{Finding, Options, PATIENCE, Report, Verdict, examine};
use crate::media::HeaderKind;
use crate::tls::Roots;
use crate::value::Clock;

/// Which URL, and how to look at it.
#[derive(Debug, Args)]
pub(super) struct DoctorArgs {
    /// The whole URL, as it would stand in the message.
    url: String,
    /// Print JSON.
    #[arg(long)]
    json: bool,
    /// Trust the certificates in this PEM file too.
    #[arg(long, value_name = "FILE")]
    roots: Option<PathBuf>,
    /// Ask addresses that are not public too, such as those of your own network.
    #[arg(long)]
    allow_private: bool,
    /// The header of the template that the file is for: image, video or document.
    #[arg(long, value_name = "KIND")]
    header: Option<HeaderKind>,
    /// How many seconds everything may take together.
    #[arg(long, value_name = "SECONDS", default_value_t = PATIENCE.as_secs(), value_parser = clap::value_parser!(u64).range(1..=3600))]
    timeout: u64,
}

/// Prints what was found; exit 1 when a fetch would fail.
pub(super) async fn run(args: &DoctorArgs, out: &mut dyn Write) -> Result<ExitCode, Failure> {
    let mut roots = Roots::public();
    if let Some(file) = &args.roots {
        add_roots(&mut roots, file)?;
    }
    let options = Options {
        header: args.header,
        allow_private: args.allow_private,
        roots: &roots,
        timeout: Duration::from_secs(args.timeout),
    };
    let spinner = spinner("examining the URL");
    let report = examine(&args.url, &options, Clock::system().now(), &|what| spinner.set_message(what)).await;
    spinner.finish_and_clear();
    if args.json {
        writeln!(out, "{}", serde_json::to_string_pretty(&report).map_err(Failure::because)?)?;
    } else {
        write_report(out, &report)?;
    }
    Ok(if report.would_fail() { ExitCode::FAILURE } else { ExitCode::SUCCESS })
}

/// Trusts every certificate of a PEM file.
fn add_roots(roots: &mut Roots, file: &Path) -> Result<(), Failure> {
    let wrong = |why: String| Failure { text: format!("--roots {}: {why}", file.display()), code: Faults::EXIT_CODE };
    let pem = std::fs::read(file).map_err(|error| wrong(error.to_string()))?;
    roots.add_pem(&pem).map_err(|error| wrong(error.to_string()))
}

/// The table: what was asked, and below it what could not be.
fn write_report(out: &mut dyn Write, report: &Report) -> Result<(), Failure> {
    let is_known = |finding: &&Finding| finding.verdict != Verdict::Unknown;
    let rows: Vec<_> = report.findings.iter().filter(is_known).flat_map(rows).collect();
    write_table(out, ["check", "verdict", "evidence", "fix"], &rows)?;
    let unknown: Vec<_> =
        unknown_by_reason(report).into_iter().flat_map(|(why, checks)| rows_of_unknown(why, &checks)).collect();
    if !unknown.is_empty() {
        writeln!(out)?;
        write_table(out, ["unknown", "why"], &unknown)?;
    }
    let asked = report.address.map_or(String::new(), |address| format!(" (asked at {address})"));
    let conclusion = match report.verdict {
        Verdict::Ok | Verdict::Unknown => "Meta's fetch would succeed.",
        Verdict::Warning => "Meta's fetch would succeed; the warnings above may bite.",
        Verdict::Failure if report.findings.iter().all(|finding| finding.verdict != Verdict::Failure) => {
            "Nothing could be fetched from here, so nobody can say whether Meta's fetch would succeed."
        }
        Verdict::Failure => "Meta's fetch would fail.",
    };
    writeln!(out, "\n{}{asked}\n{conclusion}", report.url)?;
    Ok(())
}

/// A finding in as many lines as its longest cell needs.
fn rows(finding: &Finding) -> Vec<[String; 4]> {
    let fix = finding.fix.as_deref().unwrap_or_default();
    let (check, verdict) = (vec![finding.check.to_string()], vec![finding.verdict.to_string()]);
    side_by_side(&[check, verdict, wrapped(&finding.evidence, COLUMN), wrapped(fix, COLUMN)])
}

/// Why checks could not be asked, each reason with its checks.
fn unknown_by_reason(report: &Report) -> Vec<(&str, Vec<String>)> {
    let mut reasons: Vec<(&str, Vec<String>)> = Vec::new();
    for finding in report.findings.iter().filter(|finding| finding.verdict == Verdict::Unknown) {
        let name = finding.check.to_string();
        match reasons.iter_mut().find(|(why, _)| *why == finding.evidence) {
            Some((_, checks)) => checks.push(name),
            None => reasons.push((&finding.evidence, vec![name])),
        }
    }
    reasons
}

fn rows_of_unknown(why: &str, checks: &[String]) -> Vec<[String; 2]> {
    side_by_side(&[wrapped(&checks.join(" "), COLUMN), wrapped(why, COLUMN)])
}

/// Cells of several lines as rows of a table.
fn side_by_side<const N: usize>(cells: &[Vec<String>; N]) -> Vec<[String; N]> {
    let lines = cells.iter().map(Vec::len).max().unwrap_or_default();
    (0..lines).map(|line| cells.each_ref().map(|cell| cell.get(line).cloned().unwrap_or_default())).collect()
}

/// The text in lines of at most `width` characters, broken at spaces; a longer word is broken where it must be.
fn wrapped(text: &str, width: usize) -> Vec<String> {
    let mut lines = vec![String::new()];
    let mut used = 0;
    for word in text.split(' ') {
        for piece in pieces(word, width) {
            let length = piece.chars().count();
            if used > 0 && used + 1 + length > width {
                lines.push(String::new());
                used = 0;
            }
            if let Some(line) = lines.last_mut() {
                let space = if used > 0 { " " } else { "" };
                used += space.len() + length;
                line.push_str(space);
                line.push_str(&piece);
            }
        }
    }
    lines
}

fn pieces(word: &str, width: usize) -> Vec<String> {
    word.chars().collect::<Vec<_>>().chunks(width).map(|piece| piece.iter().collect()).collect()
}

/// The characters of one column of prose.
const COLUMN: usize = 56;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn prose_is_wrapped_at_spaces() {
        assert_eq!(wrapped("a bc def", 4), ["a bc", "def"]);
        assert_eq!(wrapped("größer als", 6), ["größer", "als"]);
        assert_eq!(wrapped("abcdefgh i", 3), ["abc", "def", "gh", "i"]);
        assert_eq!(wrapped("", 3), [""]);
    }
}
