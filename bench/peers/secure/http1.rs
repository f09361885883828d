//! HTTP/1.1 on one connection that stays open: a request, its whole answer, the next one.

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Instant;

use super::fleet::{Asked, Talk, Tally};
use crate::answer;
use crate::load::COMPARED;

pub struct Http1 {
    asked: Arc<Asked>,
    state: State,
    head: Vec<u8>,
    /// When the request under way was due.
    since: Instant,
    /// When further ones are: only where requests come at their own pace.
    due: VecDeque<Instant>,
    /// How many requests this connection has sent, from a beginning of its own.
    sent: usize,
    first: usize,
}

enum State {
    Idle,
    Head,
    Body { left: usize, compared: bool },
}

impl Http1 {
    pub fn new(asked: Arc<Asked>, number: usize) -> Self {
        let (state, first) = (State::Idle, number * 5);
        let (head, due, since) = (Vec::new(), VecDeque::new(), Instant::now());
        Self { asked, state, head, since, due, sent: first, first }
    }

    fn send(&mut self, due: Instant, out: &mut Vec<u8>) {
        (self.state, self.since) = (State::Head, due);
        self.sent += 1;
        out.extend_from_slice(&self.asked.request);
    }

    /// So many bytes of the body came, of which some may be known.
    fn body(
        &mut self,
        length: usize,
        known: Option<&[u8]>,
        tally: &mut Tally,
        out: &mut Vec<u8>,
    ) -> Result<(), String> {
        let State::Body { left, compared } = &mut self.state else { return Err("a body out of turn".to_owned()) };
        let whole = &self.asked.body;
        let at = whole.len() - *left;
        *left = left.checked_sub(length).ok_or("more bytes came than were promised")?;
        if known.is_some_and(|known| known != &whole[at..at + length]) {
            return Err("wrong bytes".to_owned());
        }
        tally.bytes(length);
        if *left > 0 {
            return Ok(());
        }
        tally.answer(self.since, *compared);
        self.state = State::Idle;
        if let Some(due) = self.due.pop_front() {
            self.send(due, out);
        } else if tally.asks {
            self.send(Instant::now(), out);
        }
        Ok(())
    }
}

impl Talk for Http1 {
    fn ask(&mut self, due: Instant, out: &mut Vec<u8>) {
        match self.state {
            State::Idle => self.send(due, out),
            _ => self.due.push_back(due),
        }
    }

    fn is_busy(&self) -> bool {
        !matches!(self.state, State::Idle)
    }

    fn skips(&mut self, plain: usize, tally: &mut Tally, out: &mut Vec<u8>) -> Result<bool, String> {
        let skips = matches!(self.state, State::Body { compared: false, .. });
        if skips {
            self.body(plain, None, tally, out)?;
        }
        Ok(skips)
    }

    fn take(&mut self, plain: &[u8], tally: &mut Tally, out: &mut Vec<u8>) -> Result<(), String> {
        match self.state {
            State::Idle => Err("bytes came that nobody asked for".to_owned()),
            State::Body { .. } => self.body(plain.len(), Some(plain), tally, out),
            State::Head => {
                let before = self.head.len();
                self.head.extend_from_slice(plain);
                let Some(head) = answer::read(&self.head)? else { return Ok(()) };
                self.head.clear();
                let length = self.asked.body.len();
                if head.status != self.asked.status || head.length != length as u64 {
                    return Err(format!("answered {} with {} bytes", head.status, head.length));
                }
                // The first answer is compared, so that whatever else comes in the beginning, tickets, is seen.
                let compared = self.sent == self.first + 1 || self.sent.is_multiple_of(COMPARED);
                self.state = State::Body { left: length, compared };
                let rest = &plain[head.bytes - before..];
                self.body(rest.len(), Some(rest), tally, out)
            }
        }
    }
}
