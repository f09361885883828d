//! What is wrong with the settings: every fault with its place, all of them at once.
//!
//! A fault names a key path and says what to do. It never repeats a text that was written as a value, because that may be a secret,
//! also one that stands under the wrong key. It is one line of bounded length, however hostile the keys are.

use std::fmt;

/// One fault, and where it is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fault {
    /// The key path, such as `control.clients[1].key_blake3`; a file's or variable's name where there is no key.
    pub place: String,
    /// What is wrong, and what to do.
    pub problem: String,
}

impl Fault {
    pub(super) fn new(place: impl Into<String>, problem: impl Into<String>) -> Self {
        Self { place: shown(place.into(), LONGEST_PLACE), problem: shown(problem.into(), LONGEST_PROBLEM) }
    }

    /// Adds where the setting came from.
    pub(super) fn came_from(&mut self, variable: &str) {
        let problem = format!("{} (it comes from {variable})", self.problem);
        self.problem = shown(problem, LONGEST_PROBLEM);
    }
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.place, self.problem)
    }
}

/// All faults of the settings, at least one. Printed, each has a line of its own.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Faults(Vec<Fault>);

impl Faults {
    /// What a process that was given such settings exits with (`EX_USAGE` of BSD's sysexits.h).
    pub const EXIT_CODE: u8 = 64;

    /// The value, if there were no faults.
    pub(super) fn none_or<T>(faults: Vec<Fault>, value: Option<T>) -> Result<T, Self> {
        match value {
            Some(value) if faults.is_empty() => Ok(value),
            _ => Err(Self(faults)),
        }
    }

    /// Each of them, in the order in which they were found.
    pub fn iter(&self) -> impl Iterator<Item = &Fault> {
        self.0.iter()
    }
}

impl fmt::Display for Faults {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (at, fault) in self.0.iter().enumerate() {
            let end = if at == 0 { "" } else { "\n" };
            write!(f, "{end}{fault}")?;
        }
        Ok(())
    }
}

impl std::error::Error for Faults {}

/// The text as one line of bounded length, whatever keys, paths and variables it was made of.
fn shown(text: String, longest: usize) -> String {
    let breaks = |c: char| c.is_control() || matches!(c, '\u{2028}' | '\u{2029}');
    if text.len() <= longest && !text.contains(breaks) {
        return text;
    }
    let mut line = String::new();
    for c in text.chars() {
        if line.len() >= longest {
            line.push_str("...");
            break;
        }
        if breaks(c) { line.extend(c.escape_unicode()) } else { line.push(c) }
    }
    line
}

/// In bytes: every key path of ours is shorter.
const LONGEST_PLACE: usize = 200;
/// In bytes: room for two of the longest paths that Linux knows would be 8 KiB; nobody reads those.
const LONGEST_PROBLEM: usize = 2000;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_fault_is_one_line_of_bounded_length() {
        let mut fault = Fault::new("a\nb", "x\u{2028}y\rz");
        fault.came_from("HALLPASS_A\nB");
        assert_eq!(fault.to_string(), "a\\u{a}b: x\\u{2028}y\\u{d}z (it comes from HALLPASS_A\\u{a}B)");
        assert_eq!(Fault::new("ä".repeat(1000), "").place, format!("{}...", "ä".repeat(100)));
    }
}
