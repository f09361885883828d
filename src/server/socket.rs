//! An accepted socket, closed gently or hard.
//!
//! Closed in the ordinary way, a socket leaves what its client did not take to the kernel, which keeps it, megabytes at times, until it has tried
//! for minutes. A client that is cut for taking nothing would so hold more memory than before. Closed hard, with a reset, it is all
//! gone at once, and no body ends cleanly by it.

use std::io;
use std::ops::Deref;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Poll};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;

/// An accepted socket.
#[derive(Debug)]
pub(super) struct Socket {
    stream: TcpStream,
    closing: Closing,
    written: usize,
}

/// How a socket will be closed: gently, unless it is told otherwise. Clones speak of one socket.
#[derive(Clone, Debug, Default)]
pub(super) struct Closing(Arc<AtomicBool>);

impl Closing {
    /// Whatever happens from now on ends it hard, if nobody says that it is to be gentle.
    pub(super) fn be_hard(&self) {
        self.0.store(true, Ordering::Relaxed);
    }

    /// What was written is still to arrive.
    pub(super) fn be_gentle(&self) {
        self.0.store(false, Ordering::Relaxed);
    }
}

impl Socket {
    /// The socket, and the way to say how it is closed.
    pub(super) fn new(stream: TcpStream) -> (Self, Closing) {
        let closing = Closing::default();
        (Self { stream, closing: closing.clone(), written: 0 }, closing)
    }
}

impl Socket {
    /// How many bytes it has taken so far; a number that may begin anew.
    pub(super) const fn written(&self) -> usize {
        self.written
    }

    fn note(&mut self, written: Poll<io::Result<usize>>) -> Poll<io::Result<usize>> {
        if let Poll::Ready(Ok(bytes)) = &written {
            self.written = self.written.wrapping_add(*bytes);
        }
        written
    }
}

impl Drop for Socket {
    fn drop(&mut self) {
        if self.closing.0.load(Ordering::Relaxed) {
            // Where that fails, the kernel takes its time.
            let _ = self.stream.set_zero_linger();
        }
    }
}

impl Deref for Socket {
    type Target = TcpStream;

    fn deref(&self) -> &TcpStream {
        &self.stream
    }
}

impl AsyncRead for Socket {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_read(context, buffer)
    }
}

impl AsyncWrite for Socket {
    fn poll_write(mut self: Pin<&mut Self>, context: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        let written = Pin::new(&mut self.stream).poll_write(context, bytes);
        self.note(written)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        slices: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let written = Pin::new(&mut self.stream).poll_write_vectored(context, slices);
        self.note(written)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(context)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(context)
    }
}
