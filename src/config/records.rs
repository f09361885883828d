//! `[catalog]` and `[log]`: what is written down, and where.

use std::path::{Path, PathBuf};

use super::reading::{Reading, choice, count, text};
use super::section::Section;
use super::spelling::nearest;
use crate::catalog::CatalogSettings;

/// What is logged, and where to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LogSettings {
    /// Where the line for each request goes. Default standard output.
    pub access: AccessLog,
    /// How log lines are written. Default text.
    pub format: LogFormat,
}

/// Where the line for each request goes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum AccessLog {
    /// To standard output.
    Stdout,
    /// To standard error, among the process's own lines.
    Stderr,
    /// Nowhere.
    Off,
    /// To the end of this file.
    File(PathBuf),
}

/// How log lines are written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LogFormat {
    /// For people.
    Text,
    /// One JSON object per line.
    Json,
}

/// Reads `[catalog]`.
pub(super) fn catalog(mut section: Section<'_>) -> CatalogSettings {
    let base = section.base_dir();
    let url = section.read("url", |value| text(value).and_then(|url| database(url, base)));
    let url = url.unwrap_or_else(|| database(DEFAULT_URL, base).unwrap_or_default());
    let mut settings = CatalogSettings::new(url);
    settings.link_days = section.read("link_days", count(1..=3650)).unwrap_or(settings.link_days);
    settings.fetch_days = section.read("fetch_days", count(1..=3650)).unwrap_or(settings.fetch_days);
    section.end();
    settings
}

/// The database's URL, its path from the settings file's directory on.
fn database(url: &str, base: &Path) -> Reading<String> {
    let Some(rest) = url.strip_prefix("sqlite:") else {
        return Err(match url.split(':').next() {
            Some("postgres" | "postgresql") => "is PostgreSQL, which comes with a later release; write sqlite://PATH",
            _ => "is the database as sqlite://PATH, such as \"sqlite://hallpass.db\"",
        }
        .to_owned());
    };
    let path = rest.strip_prefix("//").unwrap_or(rest);
    if path == ":memory:" {
        return Ok("sqlite::memory:".to_owned());
    }
    let whole = base.join(path);
    match whole.to_str() {
        _ if path.is_empty() => Err("has no path; write sqlite://PATH, such as \"sqlite://hallpass.db\"".to_owned()),
        Some(whole) if !whole.contains('?') => Ok(format!("sqlite://{whole}")),
        Some(_) => Err("has a '?' in it, but takes no parameters; write sqlite://PATH".to_owned()),
        None => Err("lies under a directory whose name is not UTF-8; write an absolute path".to_owned()),
    }
}

/// Reads `[log]`.
pub(super) fn log(mut section: Section<'_>) -> LogSettings {
    let base = section.base_dir();
    let access = section.read("access", |value| text(value).and_then(|word| access_log(word, base)));
    let format = section.read("format", choice(&[("text", LogFormat::Text), ("json", LogFormat::Json)]));
    section.end();
    LogSettings { access: access.unwrap_or(AccessLog::Stdout), format: format.unwrap_or(LogFormat::Text) }
}

/// A word, or a path, which has a slash or a dot in it: a misspelt word must not become a file.
fn access_log(word: &str, base: &Path) -> Reading<AccessLog> {
    match word {
        "stdout" => Ok(AccessLog::Stdout),
        "stderr" => Ok(AccessLog::Stderr),
        "off" => Ok(AccessLog::Off),
        path if path.contains(['/', '.']) => Ok(AccessLog::File(base.join(path))),
        _ => Err(match nearest(word, &["stdout", "stderr", "off"]) {
            Some(meant) => format!("is \"stdout\", \"stderr\", \"off\" or a file's path; did you mean {meant:?}?"),
            None => "is \"stdout\", \"stderr\", \"off\" or a file's path, such as \"./access.log\"".to_owned(),
        }),
    }
}

const DEFAULT_URL: &str = "sqlite://hallpass.db";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_database_lies_from_the_settings_on() {
        let base = Path::new("/etc/hallpass");
        for (url, expected) in [
            ("sqlite://hallpass.db", "sqlite:///etc/hallpass/hallpass.db"),
            ("sqlite:hallpass.db", "sqlite:///etc/hallpass/hallpass.db"),
            ("sqlite:///var/lib/hallpass.db", "sqlite:///var/lib/hallpass.db"),
            ("sqlite::memory:", "sqlite::memory:"),
            ("sqlite://:memory:", "sqlite::memory:"),
        ] {
            assert_eq!(database(url, base).as_deref(), Ok(expected));
        }
        for bad in ["sqlite://", "sqlite://a?mode=ro", "postgres://me:pw@host/db", "hallpass.db", ""] {
            let said = database(bad, base).unwrap_err();
            assert!(!said.contains("pw"), "{said}");
        }
        assert_eq!(database("sqlite://a.db", Path::new("")).as_deref(), Ok("sqlite://a.db"));
    }

    #[test]
    fn a_misspelt_word_does_not_become_a_file() {
        let base = Path::new("/etc");
        assert_eq!(access_log("off", base), Ok(AccessLog::Off));
        assert_eq!(access_log("./a", base), Ok(AccessLog::File("/etc/./a".into())));
        assert_eq!(access_log("/var/log/a", base), Ok(AccessLog::File("/var/log/a".into())));
        assert!(access_log("stduot", base).unwrap_err().ends_with("did you mean \"stdout\"?"));
    }
}
