//! One accepted connection that can be made to end in a reset.
//!
//! A socket that is closed with a linger time of zero sends RST instead of FIN. So whoever holds the switch of a line decides, before
//! the server drops it, how its other end learns of that.

use std::io;
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Poll};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;

/// How a line ends: cleanly, unless it was switched.
#[derive(Clone, Debug, Default)]
pub struct Switch {
    resets: Arc<AtomicBool>,
    /// How `/proc/net/tcp` names the connection.
    name: String,
}

impl Switch {
    fn of(stream: &TcpStream) -> Self {
        let port = |address: io::Result<SocketAddr>| address.map_or(0, |address| address.port());
        // Both ends are 127.0.0.1, which stands there as a number of this machine's byte order.
        let host = u32::from_ne_bytes([127, 0, 0, 1]);
        let name = format!("{host:08X}:{:04X} {host:08X}:{:04X}", port(stream.local_addr()), port(stream.peer_addr()));
        Self { resets: Arc::default(), name }
    }

    pub fn reset_when_dropped(&self) {
        self.resets.store(true, Ordering::SeqCst);
    }

    /// Whether everything that was written has reached the other end's kernel. What has not would be lost in a reset.
    pub fn is_drained(&self) -> bool {
        let table = std::fs::read_to_string("/proc/net/tcp").unwrap_or_default();
        let queues = table.lines().find_map(|line| line.split_once(&self.name)?.1.split_whitespace().nth(1));
        queues.is_none_or(|queues| queues.starts_with("00000000:"))
    }
}

pub struct Line {
    stream: TcpStream,
    switch: Switch,
}

impl Line {
    pub fn new(stream: TcpStream) -> (Self, Switch) {
        let switch = Switch::of(&stream);
        (Self { stream, switch: switch.clone() }, switch)
    }
}

impl Drop for Line {
    fn drop(&mut self) {
        if self.switch.resets.load(Ordering::SeqCst) {
            let _ = self.stream.set_zero_linger();
        }
    }
}

impl AsyncRead for Line {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_read(cx, buf)
    }
}

impl AsyncWrite for Line {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write(cx, bytes)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        // A shutdown would send FIN before the reset.
        if self.switch.resets.load(Ordering::SeqCst) {
            return Poll::Ready(Ok(()));
        }
        Pin::new(&mut self.stream).poll_shutdown(cx)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        slices: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write_vectored(cx, slices)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }
}
