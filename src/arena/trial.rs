//! The trial at the start: does a reader that stalls get what was sent to it, whatever becomes of the memory it was sent from?
//!
//! What leaves without a copy lies in the sender's memory until the other end has it. Whether memory that is given back and filled anew is other
//! memory depends on the kernel and on the size of its pages, so it is tried out, over a real socket, before anything relies on it.

use std::io::{self, Read};
use std::net::{TcpListener, TcpStream};
use std::os::fd::AsFd;
use std::time::Duration;

use super::Arena;

/// Fills a block, sends it to a reader that stalls, frees it, fills the same memory with another, and compares what the reader gets.
///
/// # Errors
/// The kernel refused a step, or the reader got other bytes than were sent.
pub(super) fn stalled_reader(arena: &Arena) -> io::Result<()> {
    let listener = TcpListener::bind(("127.0.0.1", 0))?;
    let mut reader = TcpStream::connect_timeout(&listener.local_addr()?, PATIENCE)?;
    reader.set_read_timeout(Some(PATIENCE))?;
    let (sender, peer) = listener.accept()?;
    if peer != reader.local_addr()? {
        return Err(io::Error::other("a stranger came to the trial"));
    }
    sender.set_nonblocking(true)?;
    let none = || io::Error::other("there is no slot for the trial");
    let first = arena.take(LENGTH).ok_or_else(none)?.fill(&vec![SENT; LENGTH])?;
    let sent = arena.send(sender.as_fd(), first.bytes()).ok_or_else(none)??;
    drop(first);
    // The list of free slots gives back the last one first.
    let second = arena.take(LENGTH).ok_or_else(none)?.fill(&vec![LATER; LENGTH])?;
    drop(sender);
    let mut got = Vec::with_capacity(sent);
    reader.read_to_end(&mut got)?;
    if got.len() != sent || sent == 0 {
        return Err(io::Error::other(format!("{sent} bytes were sent and {} came", got.len())));
    }
    drop(second);
    match got.iter().filter(|byte| **byte != SENT).count() {
        0 => Ok(()),
        wrong => Err(io::Error::other(format!("{wrong} of {sent} bytes changed after they were sent"))),
    }
}

/// As much as a block has.
const LENGTH: usize = 256 * 1024;
/// How long each step over the loopback may take.
const PATIENCE: Duration = Duration::from_secs(2);
const SENT: u8 = b'a';
const LATER: u8 = b'b';

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_trial_sees_whether_memory_is_emptied_before_it_is_used_again() {
        stalled_reader(&Arena::map(1 << 20, true).unwrap()).unwrap();
        let said = stalled_reader(&Arena::map(1 << 20, false).unwrap()).unwrap_err();
        assert!(said.to_string().contains("changed after they were sent"), "{said}");
    }
}
