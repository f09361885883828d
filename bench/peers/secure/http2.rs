//! As much of HTTP/2 as a load generator needs (RFC 9113): streams that ask for one thing again and again.
//!
//! Requests are one block of HPACK, made once, without the dynamic table; the windows are as large as they can be and never close. Of an answer's
//! head only its status is looked at, which all these servers send first, as the indexed field it is (RFC 7541, appendix A).

use std::sync::Arc;
use std::time::Instant;

use super::fleet::{Asked, Talk, Tally};
use crate::load::COMPARED;

pub struct Http2 {
    asked: Arc<Asked>,
    streams: Vec<Stream>,
    next: u32,
    /// A frame's header, and of all but DATA its content, as far as it came.
    frame: Vec<u8>,
    /// Of a frame of DATA: its stream, whether it is the last, and what is still to come of it.
    data: Option<(u32, bool, usize)>,
    /// How many bytes the server may send on the connection before it is told that it may send more.
    window: usize,
}

struct Stream {
    id: u32,
    since: Instant,
    left: usize,
    has_head: bool,
    compared: bool,
}

impl Http2 {
    /// So many streams at a time.
    pub fn new(asked: Arc<Asked>, streams: usize) -> Self {
        let (frame, next) = (Vec::new(), 1);
        Self { asked, streams: Vec::with_capacity(streams), next, frame, data: None, window: WINDOW }
    }

    /// What a client says first.
    pub fn opening() -> Vec<u8> {
        let mut out = PREFACE.to_vec();
        let mut settings = Vec::new();
        for (name, value) in [(ENABLE_PUSH, 0), (INITIAL_WINDOW_SIZE, WINDOW as u32)] {
            settings.extend_from_slice(&u16::to_be_bytes(name));
            settings.extend_from_slice(&u32::to_be_bytes(value));
        }
        frame(&mut out, SETTINGS, 0, 0, &settings);
        more(&mut out, WINDOW - 65_535);
        out
    }

    fn send(&mut self, since: Instant, out: &mut Vec<u8>) {
        let (id, left) = (self.next, self.asked.body.len());
        let compared = id == 1 || (id as usize / 2).is_multiple_of(COMPARED);
        self.streams.push(Stream { id, since, left, has_head: false, compared });
        self.next += 2;
        frame(out, HEADERS, END_HEADERS | END_STREAM, id, &self.asked.request);
    }

    fn stream(&mut self, id: u32) -> Result<(usize, &mut Stream), String> {
        let found = self.streams.iter_mut().enumerate().find(|(_, stream)| stream.id == id);
        found.ok_or_else(|| format!("something on stream {id}, which is not open"))
    }

    fn ended(&mut self, place: usize, tally: &mut Tally, out: &mut Vec<u8>) -> Result<(), String> {
        let stream = self.streams.swap_remove(place);
        if stream.left > 0 {
            return Err(format!("a body ended {} bytes too early", stream.left));
        }
        tally.answer(stream.since, stream.compared);
        if tally.asks {
            self.send(Instant::now(), out);
        }
        Ok(())
    }

    /// Takes some of a frame of DATA; gives how much of it.
    fn data(&mut self, plain: &[u8], tally: &mut Tally, out: &mut Vec<u8>) -> Result<usize, String> {
        let Some((id, last, left)) = self.data else { return Ok(0) };
        let piece = &plain[..left.min(plain.len())];
        let asked = Arc::clone(&self.asked);
        let (place, stream) = self.stream(id)?;
        if !stream.has_head {
            return Err("a body before its head".to_owned());
        }
        let at = asked.body.len() - stream.left;
        stream.left = stream.left.checked_sub(piece.len()).ok_or("more bytes came than belong there")?;
        if stream.compared && *piece != asked.body[at..at + piece.len()] {
            return Err("wrong bytes".to_owned());
        }
        tally.bytes(piece.len());
        self.window -= piece.len();
        if self.window < WINDOW / 2 {
            more(out, WINDOW - self.window);
            self.window = WINDOW;
        }
        self.data = Some((id, last, left - piece.len()));
        if left == piece.len() {
            self.data = None;
            if last {
                self.ended(place, tally, out)?;
            }
        }
        Ok(piece.len())
    }

    /// Takes a frame that came whole and is none of DATA.
    fn whole(&mut self, head: [u8; HEAD], tally: &mut Tally, out: &mut Vec<u8>) -> Result<(), String> {
        let (kind, flags, id) = (head[3], head[4], stream_of(head));
        match kind {
            HEADERS if flags & (END_HEADERS | PADDED | PRIORITY) == END_HEADERS => {
                let is_right =
                    self.frame[HEAD..].iter().find(|byte| **byte & 0xe0 != 0x20) == Some(&self.asked.status_field);
                let (place, stream) = self.stream(id)?;
                if !is_right || stream.has_head {
                    return Err("another status".to_owned());
                }
                stream.has_head = true;
                if flags & END_STREAM > 0 { self.ended(place, tally, out) } else { Ok(()) }
            }
            SETTINGS if flags & ACK == 0 => {
                frame(out, SETTINGS, ACK, 0, &[]);
                Ok(())
            }
            PING if flags & ACK == 0 => {
                frame(out, PING, ACK, 0, &self.frame[HEAD..]);
                Ok(())
            }
            SETTINGS | PING | WINDOW_UPDATE => Ok(()),
            _ => Err(format!("a frame of kind {kind} with {flags:#x} on stream {id}: {:?}", &self.frame[HEAD..])),
        }
    }
}

impl Talk for Http2 {
    fn ask(&mut self, due: Instant, out: &mut Vec<u8>) {
        if self.next == 1 {
            out.extend_from_slice(&Self::opening());
        }
        while self.streams.len() < self.streams.capacity() {
            self.send(due, out);
        }
    }

    fn is_busy(&self) -> bool {
        !self.streams.is_empty()
    }

    fn skips(&mut self, _: usize, _: &mut Tally, _: &mut Vec<u8>) -> Result<bool, String> {
        Ok(false)
    }

    fn take(&mut self, mut plain: &[u8], tally: &mut Tally, out: &mut Vec<u8>) -> Result<(), String> {
        while !plain.is_empty() {
            if self.data.is_some() {
                let taken = self.data(plain, tally, out)?;
                plain = &plain[taken..];
                continue;
            }
            let wanted = self.frame.first_chunk::<HEAD>().map_or(HEAD, |head| HEAD + length_of(*head));
            let taken = plain.len().min(wanted - self.frame.len());
            self.frame.extend_from_slice(&plain[..taken]);
            plain = &plain[taken..];
            let Some(&head) = self.frame.first_chunk::<HEAD>() else { continue };
            let last = head[4] & END_STREAM > 0;
            if head[3] == DATA && length_of(head) > 0 {
                if head[4] & PADDED > 0 {
                    return Err("padding, which these servers do not send".to_owned());
                }
                self.data = Some((stream_of(head), last, length_of(head)));
                self.frame.clear();
            } else if head[3] == DATA {
                self.frame.clear();
                let (place, _) = self.stream(stream_of(head))?;
                if last {
                    self.ended(place, tally, out)?;
                }
            } else if self.frame.len() == HEAD + length_of(head) {
                self.whole(head, tally, out)?;
                self.frame.clear();
            }
        }
        Ok(())
    }
}

/// A GET in HPACK: fields that the static table has by their numbers, the others as literals that are never indexed.
pub fn get(authority: &str, path: &str, agent: &str) -> Vec<u8> {
    // :method GET, :scheme https
    let mut block = vec![0x82, 0x87];
    for (name, value) in [(1, authority), (4, path), (58, agent)] {
        number(&mut block, 0, 4, name);
        number(&mut block, 0, 7, value.len());
        block.extend_from_slice(value.as_bytes());
    }
    block
}

/// An integer with a prefix of so many bits (RFC 7541, section 5.1).
fn number(into: &mut Vec<u8>, flags: u8, prefix: u32, value: usize) {
    let most = (1 << prefix) - 1;
    if value < most {
        return into.push(flags | value as u8);
    }
    into.push(flags | most as u8);
    let mut rest = value - most;
    while rest >= 128 {
        into.push(rest as u8 | 0x80);
        rest >>= 7;
    }
    into.push(rest as u8);
}

pub fn frame(into: &mut Vec<u8>, kind: u8, flags: u8, stream: u32, content: &[u8]) {
    let [_, a, b, c] = (content.len() as u32).to_be_bytes();
    into.extend_from_slice(&[a, b, c, kind, flags]);
    into.extend_from_slice(&stream.to_be_bytes());
    into.extend_from_slice(content);
}

/// So many bytes more on the connection.
fn more(into: &mut Vec<u8>, bytes: usize) {
    frame(into, WINDOW_UPDATE, 0, 0, &u32::to_be_bytes(bytes as u32));
}

fn length_of(head: [u8; HEAD]) -> usize {
    u32::from_be_bytes([0, head[0], head[1], head[2]]) as usize
}

fn stream_of(head: [u8; HEAD]) -> u32 {
    u32::from_be_bytes([head[5], head[6], head[7], head[8]]) & (u32::MAX >> 1)
}

const PREFACE: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";
const HEAD: usize = 9;
pub const DATA: u8 = 0;
pub const HEADERS: u8 = 1;
pub const RST_STREAM: u8 = 3;
pub const SETTINGS: u8 = 4;
pub const PING: u8 = 6;
pub const WINDOW_UPDATE: u8 = 8;
pub const CONTINUATION: u8 = 9;
pub const END_STREAM: u8 = 1;
pub const ACK: u8 = 1;
pub const END_HEADERS: u8 = 4;
const PADDED: u8 = 8;
const PRIORITY: u8 = 0x20;
const ENABLE_PUSH: u16 = 2;
const INITIAL_WINDOW_SIZE: u16 = 4;
/// The largest that there is.
const WINDOW: usize = (1 << 31) - 1;
