//! Why a store gave no bytes: one variant for each thing a caller does about it.
//!
//! The texts are for our own logs. They name the store's answer, never a credential, a header or a body; what a store says of
//! itself passes through [`plain`] first, so it cannot forge a line of a log.

use std::time::Duration;

/// Why a store could not do what was asked.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum OriginError {
    /// No object lies at this key. Only a `head` says so.
    #[error("the store has no object at this key")]
    NotFound,
    /// The version that was asked for can no longer be read: overwritten, deleted, or changed while it was being read.
    #[error("this version of the object is no longer readable: it was overwritten or deleted")]
    Changed,
    /// The store refuses *us*; an operator has to mend it.
    #[error("the store refuses our credentials or our rights: {0}")]
    Denied(String),
    /// The store has no way to address this key.
    #[error("this store cannot address this key: {0}")]
    Unaddressable(&'static str),
    /// The store kept us waiting too long.
    #[error("the store kept us waiting for {0}")]
    Timeout(Waited),
    /// The store is out of reach, overloaded, or its answer broke off. Asking again may help.
    #[error("the store is not available: {0}")]
    Unavailable(String),
    /// The store's answer, or our settings for it, make no sense. Asking again does not help.
    #[error("the store cannot be used: {0}")]
    Failed(String),
}

/// What was waited for, and how long.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Waited {
    /// The answer's head did not come.
    #[error("an answer, for {}", humantime::format_duration(*.0))]
    FirstByte(Duration),
    /// The answer's body stopped coming.
    #[error("the next bytes of a body, for {}", humantime::format_duration(*.0))]
    Stall(Duration),
    /// An object that was to be stored was not taken.
    #[error("it to take an object, for {}", humantime::format_duration(*.0))]
    Taking(Duration),
    /// The store's client gave up by its own limits, such as the one for opening a connection.
    #[error("a connection")]
    Connection,
}

impl OriginError {
    /// Whether the same request may succeed a moment later.
    pub const fn is_transient(&self) -> bool {
        match self {
            Self::Timeout(_) | Self::Unavailable(_) => true,
            Self::NotFound | Self::Changed | Self::Denied(_) | Self::Unaddressable(_) | Self::Failed(_) => false,
        }
    }
}

/// Text from outside, made harmless for a log: visible ASCII and spaces only, at most [`PLAIN_MAX`] characters.
pub(super) fn plain(text: &str) -> String {
    text.chars().take(PLAIN_MAX).map(|c| if c == ' ' || c.is_ascii_graphic() { c } else { '?' }).collect()
}

/// An error and its causes on one line, in the words of their own `Display`.
///
/// Never their `Debug`: the SDK's holds whole requests, with the headers that sign them.
pub(super) fn causes(error: &(dyn std::error::Error + 'static)) -> String {
    let mut said = Vec::new();
    let mut next = Some(error);
    while let Some(error) = next.filter(|_| said.len() < CAUSES_MAX) {
        said.push(error.to_string());
        next = error.source();
    }
    said.dedup();
    plain(&said.join(": "))
}

/// How much of a foreign text one of our log lines carries, in characters.
const PLAIN_MAX: usize = 300;
/// How many causes one of our log lines names. The SDK's deepest chain has seven.
const CAUSES_MAX: usize = 10;

/// What an error is, in a word, for tables of tests.
#[cfg(test)]
pub(super) const fn kind(error: &OriginError) -> &'static str {
    match error {
        OriginError::NotFound => "not found",
        OriginError::Changed => "changed",
        OriginError::Denied(_) => "denied",
        OriginError::Unavailable(_) => "unavailable",
        OriginError::Failed(_) => "failed",
        OriginError::Timeout(_) | OriginError::Unaddressable(_) => "?",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_may_pass_by_itself_is_transient() {
        let waited = Waited::Stall(Duration::from_millis(1500));
        for (error, transient) in [
            (OriginError::NotFound, false),
            (OriginError::Changed, false),
            (OriginError::Denied("403".into()), false),
            (OriginError::Unaddressable("..."), false),
            (OriginError::Failed("x".into()), false),
            (OriginError::Timeout(waited), true),
            (OriginError::Unavailable("503".into()), true),
        ] {
            assert_eq!(error.is_transient(), transient, "{error}");
        }
        let said = OriginError::Timeout(waited).to_string();
        assert_eq!(said, "the store kept us waiting for the next bytes of a body, for 1s 500ms");
    }

    #[test]
    fn foreign_text_cannot_forge_a_log_line() {
        assert_eq!(plain("SlowDown\r\n\u{1b}[31mfake\u{202e}"), "SlowDown???[31mfake?");
        assert_eq!(plain(&"x".repeat(10_000)).len(), PLAIN_MAX);
    }
}
