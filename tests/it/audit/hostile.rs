//! Keys that somebody chose in order to harm whoever reads the audit.

use super::vault::Vault;
use super::{Desk, found, sample, text};

const KEYS: &[&str] = &[
    "=cmd|' /C calc'!A0.jpg",
    "+1+1.jpg",
    "-2+3.jpg",
    "@SUM(A1).jpg",
    "\t=1.jpg",
    "line\nunreadable (9): forged.jpg",
    "carriage\rreturn.jpg",
    "\u{1b}]0;owned\u{7}\u{1b}[2J.jpg",
    "c1\u{9b}31m.jpg",
    "turned\u{202e}gpj.exe",
    "quote\",\"comma.jpg",
    "%zz%.jpg",
    "%ff%fe.jpg",
    "100%.jpg",
    "%2e%2e%2fetc.jpg",
    "😀\u{e0041}.jpg",
];

fn is_harmful(c: char) -> bool {
    (c.is_control() && c != '\n') || matches!(c, '\u{202a}'..='\u{202e}' | '\u{e0000}'..='\u{e007f}')
}

#[tokio::test]
async fn no_key_harms_who_reads_of_it() {
    let vault = Vault::open();
    let long = format!("{}.jpg", "ü".repeat(510));
    assert_eq!(long.len(), 1024);
    let jpeg = sample("winter-sale.jpg");
    let keys: Vec<&str> = KEYS.iter().copied().chain([long.as_str()]).collect();
    for key in &keys {
        vault.put(key, None, jpeg.clone());
    }
    let desk = Desk::over_bucket(&vault.endpoint, "vault", "");
    let json = desk.json(&[], 1).await;
    let expected = keys.iter().map(|key| format!("type-missing {key}")).collect();
    let extension_wrong = "extension-wrong turned\u{202e}gpj.exe".to_owned();
    let mut told = found(&json);
    told.remove(&extension_wrong);
    assert_eq!(told, expected, "JSON has every key exactly");
    for format in [&["--json"][..], &["--csv"], &[]] {
        let output = desk.run(format).await;
        let printed = text(&output);
        assert!(!printed.chars().any(is_harmful), "{format:?}: {printed:?}");
    }
    let table = text(&desk.run(&[]).await);
    assert!(!table.lines().any(|line| line.starts_with("unreadable")), "no line is forged: {table}");
    let csv = desk.run(&["--csv"]).await.stdout;
    let mut rows = csv::Reader::from_reader(&csv[..]);
    let mut cells = 0;
    for row in rows.records() {
        let row = row.unwrap();
        assert_eq!(row.len(), 5);
        for cell in &row {
            assert!(!cell.starts_with(['=', '+', '-', '@', '\t', '\r']), "{cell:?}");
            cells += usize::from(cell.starts_with('\''));
        }
    }
    assert_eq!(cells, 4, "the formulas are still readable behind an apostrophe");
}
