//! Figures and tables.

use std::fmt::Write as _;
use std::time::Duration;

/// The value below which this share of all lies, by nearest rank. The values need not be sorted.
pub fn share<T: Copy + PartialOrd>(values: &[T], share: f64) -> T {
    let mut sorted = values.to_vec();
    sorted.sort_by(|a, b| a.partial_cmp(b).unwrap());
    let rank = (share * sorted.len() as f64).ceil() as usize;
    sorted[rank.clamp(1, sorted.len()) - 1]
}

/// Lowest, middle and highest.
pub fn three<T: Copy + PartialOrd>(values: &[T]) -> [T; 3] {
    [share(values, 0.0), share(values, 0.5), share(values, 1.0)]
}

/// Lowest / middle / highest, each in the same words.
pub fn spread<T: Copy + PartialOrd>(values: &[T], words: impl Fn(T) -> String) -> String {
    three(values).map(words).join(" / ")
}

/// In milliseconds; [`Duration::MAX`] is a thing that never came.
pub fn ms(time: Duration) -> String {
    if time == Duration::MAX {
        return "never".to_owned();
    }
    format!("{:.1} ms", time.as_secs_f64() * 1e3)
}

pub fn mib(bytes: u64) -> String {
    format!("{:.1} MiB", bytes as f64 / f64::from(1 << 20))
}

/// A markdown table.
pub fn table(heads: &[&str], rows: &[Vec<String>]) -> String {
    let mut text = format!("| {} |\n|{}\n", heads.join(" | "), "---|".repeat(heads.len()));
    for row in rows {
        writeln!(text, "| {} |", row.join(" | ")).unwrap();
    }
    text
}
