//! A table for people: columns as wide as they must be, two spaces apart.

use std::io::{self, Write};

/// Writes `rows` below `head`, aligned to the left.
pub(super) fn write_table<const N: usize>(
    out: &mut dyn Write,
    head: [&str; N],
    rows: &[[String; N]],
) -> io::Result<()> {
    let mut widths = head.map(|cell| cell.chars().count());
    for row in rows {
        for (width, cell) in widths.iter_mut().zip(row) {
            *width = (*width).max(cell.chars().count());
        }
    }
    let mut line = |cells: &[&str]| {
        let padded: Vec<_> = cells.iter().zip(widths).map(|(cell, width)| format!("{cell:width$}")).collect();
        writeln!(out, "{}", padded.join("  ").trim_end())
    };
    line(&head)?;
    for row in rows {
        line(&row.each_ref().map(String::as_str))?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_are_as_wide_as_their_widest_cell() {
        let mut out = Vec::new();
        let rows = [["größe".to_owned(), "1".to_owned()], ["x".to_owned(), String::new()]];
        write_table(&mut out, ["name", "n"], &rows).unwrap();
        assert_eq!(String::from_utf8(out).unwrap(), "name   n\ngröße  1\nx\n");
    }
}
