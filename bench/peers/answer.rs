//! As much of an answer's head as must be known to find its end: the status and the Content-Length. Of bytes, without allocating.

pub struct Head {
    pub status: u16,
    pub length: u64,
    /// How many bytes the head itself has.
    pub bytes: usize,
}

/// Reads a head, which need not be there whole yet.
pub fn read(bytes: &[u8]) -> Result<Option<Head>, &'static str> {
    let Some(end) = bytes.windows(4).position(|window| window == b"\r\n\r\n") else {
        return if bytes.len() > MOST { Err("a head without an end") } else { Ok(None) };
    };
    let mut lines = bytes[..end].split(|&byte| byte == b'\n');
    let first = lines.next().unwrap_or_default();
    let status = first.get(9..12).and_then(number).ok_or("a head without a status")?;
    for line in lines {
        let is_length = line.get(..NAME.len()).is_some_and(|name| name.eq_ignore_ascii_case(NAME));
        if is_length {
            let length = number(line[NAME.len()..].trim_ascii()).ok_or("a Content-Length that is no number")?;
            return Ok(Some(Head { status: status as u16, length, bytes: end + 4 }));
        }
    }
    Err("an answer without a Content-Length")
}

fn number(digits: &[u8]) -> Option<u64> {
    std::str::from_utf8(digits).ok()?.parse().ok()
}

const NAME: &[u8] = b"content-length:";
const MOST: usize = 16 * 1024;
