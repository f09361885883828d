//! Keys and what stores say, made harmless for where they are shown.
//!
//! Anybody who may upload chooses a key, so a key can hold the escape sequences of a terminal, line breaks that forge a row, characters that turn
//! the direction of text, or a formula that a spreadsheet would run. JSON keeps every key exact; tables and CSV show such characters as
//! `\u{1b}`.

use std::fmt::Write;

/// Text on one line of a terminal.
pub fn shown(text: &str) -> String {
    let mut safe = String::with_capacity(text.len());
    for c in text.chars() {
        if is_harmful(c) {
            safe.extend(c.escape_unicode());
        } else {
            safe.push(c);
        }
    }
    safe
}

/// Text in a cell of a CSV file that a spreadsheet may open: what would be read as a formula gets an apostrophe before it (OWASP, "CSV Injection").
pub fn harmless_cell(text: &str) -> String {
    let safe = shown(text);
    if safe.trim_start().starts_with(['=', '+', '-', '@', '＝', '＋', '－', '＠']) {
        format!("'{safe}")
    } else {
        safe
    }
}

/// JSON whose every harmful character is written as an escape: the same values, fit for a terminal.
pub fn harmless_json(json: &str) -> String {
    let mut safe = String::with_capacity(json.len());
    for c in json.chars() {
        // Outside of strings, JSON has no such characters but line breaks; within, `serde_json` escapes those itself.
        if is_harmful(c) && c != '\n' {
            let mut units = [0; 2];
            for unit in c.encode_utf16(&mut units) {
                // Writing into a text does not fail.
                let _ = write!(safe, "\\u{unit:04x}");
            }
        } else {
            safe.push(c);
        }
    }
    safe
}

/// Controls, and what hides or reorders text (UAX #9, and characters without width).
fn is_harmful(c: char) -> bool {
    c.is_control()
        || matches!(c, '\u{61c}' | '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{206f}' | '\u{feff}' | '\u{e0000}'..='\u{e007f}')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_cannot_play_with_the_terminal() {
        assert_eq!(shown("\x1b[31mred\r\nx\u{202e}y\u{9b}"), "\\u{1b}[31mred\\u{d}\\u{a}x\\u{202e}y\\u{9b}");
        assert_eq!(shown("größe/日本 😀"), "größe/日本 😀");
    }

    #[test]
    fn a_key_is_no_formula() {
        for text in ["=1+1", "+1", "-1", "@SUM(A1)", " =1", "＝1"] {
            assert_eq!(harmless_cell(text), format!("'{text}"));
        }
        assert_eq!(harmless_cell("\t=1"), "\\u{9}=1", "and a tab before it is no white space any more");
        assert_eq!(harmless_cell("a=1"), "a=1");
    }

    #[test]
    fn json_keeps_its_values() {
        let key = "\u{9b}31m\u{202e}\n\u{e0041}\"";
        let json = serde_json::to_string(key).unwrap();
        let safe = harmless_json(&json);
        assert!(!safe.chars().any(is_harmful), "{safe}");
        assert_eq!(serde_json::from_str::<String>(&safe).unwrap(), key);
    }
}
