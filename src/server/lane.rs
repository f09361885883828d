//! The zero-copy lane: what lies in the arena goes to the socket by `sendfile`, all else is written.
//!
//! hyper hands over its queue as it is: the head first, then the body's pieces. What stands before a piece of the arena is written with
//! `MSG_MORE`, so that it leaves together with it. It all depends on `is_write_vectored`: a wrapper that forgets it would make
//! hyper copy everything into one buffer, which nothing but speed would show; so what is sent is counted.

use std::io::{self, IoSlice};
use std::os::fd::AsFd;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use hyper::rt::{Read, ReadBufCursor, Write};
use hyper_util::rt::TokioIo;
use rustix::net::{SendAncillaryBuffer, SendFlags, sendmsg};
use tokio::io::Interest;
use tokio::net::TcpStream;

use super::socket::Socket;
use crate::arena::Arena;
use crate::telemetry::ListenerMetrics;

/// A socket that sends from an arena.
pub(super) struct Lane {
    io: TokioIo<Socket>,
    /// Without one, everything is written.
    arena: Option<Arena>,
    metrics: Arc<ListenerMetrics>,
}

impl Lane {
    pub(super) fn new(stream: Socket, arena: Option<Arena>, metrics: Arc<ListenerMetrics>) -> Self {
        Self { io: TokioIo::new(stream), arena, metrics }
    }

    /// Does `send` as soon as the socket takes anything.
    fn poll_send(
        &self,
        context: &mut Context<'_>,
        mut send: impl FnMut(&TcpStream) -> io::Result<usize>,
    ) -> Poll<io::Result<usize>> {
        let stream: &TcpStream = self.io.inner();
        loop {
            ready!(stream.poll_write_ready(context))?;
            match stream.try_io(Interest::WRITABLE, || send(stream)) {
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                done => return Poll::Ready(done),
            }
        }
    }
}

impl Write for Lane {
    fn poll_write(mut self: Pin<&mut Self>, context: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.io).poll_write(context, bytes)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        slices: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let first = self.arena.as_ref().and_then(|arena| {
            let place = slices.iter().position(|slice| slice.len() >= WORTH_IT && arena.holds(slice))?;
            Some((arena, slices.split_at_checked(place)?))
        });
        match first {
            None => Pin::new(&mut self.io).poll_write_vectored(context, slices),
            Some((arena, ([], [piece, ..]))) => {
                let not_there = || Err(io::ErrorKind::InvalidInput.into());
                let sent =
                    self.poll_send(context, |stream| arena.send(stream.as_fd(), piece).unwrap_or_else(not_there));
                if let Poll::Ready(Ok(bytes)) = sent {
                    self.metrics.sent_without_copy(bytes as u64);
                }
                sent
            }
            Some((_, (before, _))) => self.poll_send(context, |stream| {
                let flags = SendFlags::MORE | SendFlags::NOSIGNAL;
                Ok(sendmsg(stream, before, &mut SendAncillaryBuffer::default(), flags)?)
            }),
        }
    }

    fn is_write_vectored(&self) -> bool {
        true
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.io).poll_flush(context)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.io).poll_shutdown(context)
    }
}

impl Read for Lane {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: ReadBufCursor<'_>,
    ) -> Poll<io::Result<()>> {
        Pin::new(&mut self.io).poll_read(context, buffer)
    }
}

/// Fewer bytes than this are copied: a call for each of them would cost more.
const WORTH_IT: usize = 16 * 1024;
