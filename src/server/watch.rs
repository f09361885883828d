//! The bytes of one connection, with an eye on them: the pulse is told of each read and write.

use std::io::{self, IoSlice};
use std::pin::Pin;
use std::task::{Context, Poll};

use hyper::rt::{Read, ReadBufCursor, Write};

use super::pulse::Pulse;

/// A connection's bytes, whose pulse is kept.
pub(super) struct Watch<I> {
    io: I,
    pulse: Pulse,
    /// Whether what is read is the beginning of a head. Over HTTP/2 it may be anything.
    reads_heads: bool,
}

impl<I> Watch<I> {
    pub(super) fn new(io: I, pulse: Pulse, reads_heads: bool) -> Self {
        Self { io, pulse, reads_heads }
    }

    fn note(&self, written: Poll<io::Result<usize>>) -> Poll<io::Result<usize>> {
        match written {
            Poll::Ready(Ok(bytes)) => self.pulse.wrote(Some(bytes)),
            Poll::Pending => self.pulse.wrote(None),
            Poll::Ready(Err(_)) => {}
        }
        written
    }
}

impl<I: Read + Unpin> Read for Watch<I> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: ReadBufCursor<'_>,
    ) -> Poll<io::Result<()>> {
        let read = Pin::new(&mut self.io).poll_read(context, buffer);
        if self.reads_heads && read.is_ready() {
            self.pulse.read();
        }
        read
    }
}

impl<I: Write + Unpin> Write for Watch<I> {
    fn poll_write(mut self: Pin<&mut Self>, context: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        let written = Pin::new(&mut self.io).poll_write(context, bytes);
        self.note(written)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        slices: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let written = Pin::new(&mut self.io).poll_write_vectored(context, slices);
        self.note(written)
    }

    fn is_write_vectored(&self) -> bool {
        self.io.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        let flushed = Pin::new(&mut self.io).poll_flush(context);
        if flushed.is_pending() {
            self.pulse.wrote(None);
        }
        flushed
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.io).poll_shutdown(context)
    }
}
