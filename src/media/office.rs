//! Which Office file a ZIP archive is, by the names of its parts (ECMA-376 part 2).
//!
//! Names are looked for at the headers in the first and last bytes of the archive. Nothing is unpacked, and no length in a header
//! is followed, so an archive cannot lead the reader anywhere.

use super::format::Format;

/// The Office format of an archive, or plain ZIP.
pub(super) fn of_zip(head: &[u8], tail: &[u8]) -> Format {
    let mut has_types = false;
    let mut format = Format::Zip;
    for name in part_names(head).chain(part_names(tail)) {
        has_types |= name.starts_with(b"[Content_Types].xml");
        format = FOLDERS.iter().find(|(folder, _)| name.starts_with(folder)).map_or(format, |row| row.1);
    }
    if has_types { format } else { Format::Zip }
}

/// Whether the end of the archive's directory is there (APPNOTE.TXT section 4.3.16).
pub(super) fn is_whole_zip(tail: &[u8]) -> bool {
    tail.windows(4).any(|part| part == b"PK\x05\x06")
}

/// The bytes that follow where the name of a part begins, for each header that stands in these bytes.
fn part_names(bytes: &[u8]) -> impl Iterator<Item = &[u8]> {
    bytes.windows(4).enumerate().filter_map(|(at, part)| match part {
        b"PK\x03\x04" => bytes.get(at + 30..),
        b"PK\x01\x02" => bytes.get(at + 46..),
        _ => None,
    })
}

/// The folder in which each kind of Office file keeps its main part.
const FOLDERS: &[(&[u8], Format)] = &[(b"word/", Format::Docx), (b"xl/", Format::Xlsx), (b"ppt/", Format::Pptx)];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn office_files_are_told_apart() {
        for (archive, format) in [
            (&include_bytes!("../../tests/media/letter.docx")[..], Format::Docx),
            (include_bytes!("../../tests/media/table.xlsx"), Format::Xlsx),
            (include_bytes!("../../tests/media/plain.zip"), Format::Zip),
            (b"PK\x03\x04", Format::Zip),
        ] {
            assert_eq!(of_zip(archive, b""), format);
            assert_eq!(of_zip(b"", archive), format);
        }
        assert!(is_whole_zip(include_bytes!("../../tests/media/plain.zip")));
        assert!(!is_whole_zip(b"PK\x03\x04"));
    }
}
