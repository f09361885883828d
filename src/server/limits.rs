//! What bounds the connections of one listener: every limit with its unit and its default.

use std::time::Duration;

/// What bounds the connections of one listener.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ConnectionLimits {
    /// How many may be open at once; at least 1.
    pub max_connections: usize,
    /// How many of them may come from one client network.
    pub connections_per_network: u32,
    /// How long PROXY header and TLS handshake may take together.
    pub handshake_timeout: Duration,
    /// HTTP/1.1: how long a request's head may take from its first byte on. Over HTTP/2 it is part of the idle time.
    pub head_timeout: Duration,
    /// How long a connection may be open without a request.
    pub idle_timeout: Duration,
    /// How long a client may take next to nothing of its answer: less than 1 KiB, as far as the socket tells.
    pub write_stall: Duration,
    /// How long a request's head may be, in bytes; hyper's least is 8,192.
    pub head_bytes: usize,
    /// How many header lines a request may have.
    pub head_lines: usize,
    /// HTTP/2: how many requests may be under way at once.
    pub streams_per_connection: u32,
    /// HTTP/2: how many requests a client may give up in a second.
    pub resets_per_second: u32,
    /// How many bytes a connection writes in a row before others go first.
    pub write_budget: u64,
}

impl Default for ConnectionLimits {
    fn default() -> Self {
        Self {
            max_connections: 10_000,
            connections_per_network: 5_000,
            handshake_timeout: Duration::from_secs(10),
            head_timeout: Duration::from_secs(10),
            idle_timeout: Duration::from_secs(15),
            write_stall: Duration::from_secs(60),
            head_bytes: 16 * 1024,
            head_lines: 100,
            streams_per_connection: 100,
            resets_per_second: 100,
            write_budget: 256 * 1024,
        }
    }
}
