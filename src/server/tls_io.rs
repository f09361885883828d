//! TLS with full records, and with as few calls of the kernel as one turn of a connection needs.
//!
//! hyper flushes after each HTTP/2 frame: each would become a record of its own, or two, since a frame with its head is nine bytes longer than the longest
//! record; and each record a packet on its way. Here small pieces are gathered, large ones encrypted from where they lie into records of
//! full length, and all of it goes to the socket when there is much of it, or when the connection's turn is over.

use std::io::{self, IoSlice};
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, ready};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio_rustls::server::TlsStream;

use super::socket::Socket;

/// A TLS connection. Clones are one connection: hyper has one, and who drives hyper has another, to [push](Self::push).
#[derive(Clone)]
pub(super) struct TlsIo(Arc<Mutex<Records>>);

struct Records {
    tls: TlsStream<Socket>,
    /// Plain text of less than one record.
    gathered: Vec<u8>,
    /// About how much encrypted text waits for the socket, in bytes.
    waiting: usize,
}

impl TlsIo {
    pub(super) fn new(mut tls: TlsStream<Socket>) -> Self {
        // What waits is bounded here.
        tls.get_mut().1.set_buffer_limit(None);
        Self(Arc::new(Mutex::new(Records { tls, gathered: Vec::new(), waiting: 0 })))
    }

    /// Sends what waits, as far as the socket takes it: how many bytes that were, and whether all is gone. To be called when the connection's
    /// turn is over.
    pub(super) fn push(&self, context: &mut Context<'_>) -> (usize, Poll<io::Result<()>>) {
        let mut records = self.records();
        let before = records.tls.get_ref().0.written();
        let pushed = records.push(context);
        (records.tls.get_ref().0.written().wrapping_sub(before), pushed)
    }

    fn records(&self) -> MutexGuard<'_, Records> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Records {
    /// Sends what waits, as far as the socket takes it.
    fn push(&mut self, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        if !self.gathered.is_empty() {
            let gathered = std::mem::take(&mut self.gathered);
            self.encrypt(&[IoSlice::new(&gathered)])?;
        }
        if self.waiting > 0 {
            ready!(Pin::new(&mut self.tls).poll_flush(context))?;
            self.waiting = 0;
        }
        Poll::Ready(Ok(()))
    }

    /// Takes what it can of `slices`.
    fn write(&mut self, context: &mut Context<'_>, slices: &[IoSlice<'_>]) -> Poll<io::Result<usize>> {
        if self.waiting >= AT_ONCE {
            ready!(self.push(context))?;
        }
        let held = self.gathered.len();
        let offered = slices.iter().map(|slice| slice.len()).sum::<usize>().min(AT_ONCE);
        let whole = (held + offered) / RECORD * RECORD;
        let now = whole.saturating_sub(held);
        if whole > 0 {
            let gathered = std::mem::take(&mut self.gathered);
            let mut pieces = Vec::with_capacity(slices.len() + 1);
            pieces.push(IoSlice::new(&gathered));
            pieces.extend(parts(slices, 0, now).map(IoSlice::new));
            self.encrypt(&pieces)?;
        }
        if now < offered {
            parts(slices, now, offered).for_each(|part| self.gathered.extend_from_slice(part));
        }
        if self.waiting >= AT_ONCE
            && let Poll::Ready(Err(error)) = self.push(context)
        {
            return Poll::Ready(Err(error));
        }
        Poll::Ready(Ok(offered))
    }

    /// Encrypts all of it. Without a limit of its own, rustls takes everything.
    fn encrypt(&mut self, slices: &[IoSlice<'_>]) -> io::Result<()> {
        self.waiting += io::Write::write_vectored(&mut self.tls.get_mut().1.writer(), slices)?;
        Ok(())
    }
}

/// The parts of `slices` that lie from `begin` to `end` of them all.
fn parts<'a>(slices: &'a [IoSlice<'_>], begin: usize, end: usize) -> impl Iterator<Item = &'a [u8]> {
    let mut at = 0;
    slices.iter().filter_map(move |slice| {
        let (first, last) = (begin.saturating_sub(at).min(slice.len()), end.saturating_sub(at).min(slice.len()));
        at += slice.len();
        slice.get(first..last).filter(|part| !part.is_empty())
    })
}

impl AsyncRead for TlsIo {
    fn poll_read(self: Pin<&mut Self>, context: &mut Context<'_>, buffer: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.records().tls).poll_read(context, buffer)
    }
}

impl AsyncWrite for TlsIo {
    fn poll_write(self: Pin<&mut Self>, context: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        self.records().write(context, &[IoSlice::new(bytes)])
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
        slices: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        self.records().write(context, slices)
    }

    fn is_write_vectored(&self) -> bool {
        true
    }

    /// What was written leaves at the end of the turn.
    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        let mut records = self.records();
        ready!(records.push(context))?;
        Pin::new(&mut records.tls).poll_shutdown(context)
    }
}

/// The longest plain text of a record (RFC 8446 section 5.1).
const RECORD: usize = 16 * 1024;
/// How much waits at most before it goes to the socket.
const AT_ONCE: usize = 4 * RECORD;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parts_are_cut_across_slices() {
        let slices = [IoSlice::new(b"abc"), IoSlice::new(b""), IoSlice::new(b"defgh")];
        for (begin, end, expected) in
            [(0, 8, "abcdefgh"), (0, 0, ""), (1, 4, "bcd"), (3, 5, "de"), (7, 8, "h"), (8, 8, ""), (2, 100, "cdefgh")]
        {
            let found: Vec<u8> = parts(&slices, begin, end).flatten().copied().collect();
            assert_eq!(String::from_utf8(found).unwrap(), expected, "{begin}..{end}");
        }
    }
}
