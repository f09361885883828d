//! `hallpass health`: whether the gateway of these settings answers, for health checks in images that hold no other program.
//!
//! It asks the ops listener, as a probe from outside would. That needs no key, and works where that listener is on loopback.

use std::io::Write;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;

use ::http::header::HOST;
use ::http::{Request, StatusCode};
use bytes::Bytes;
use clap::Args;
use http_body_util::{BodyExt, Empty, Limited};
use hyper_util::rt::TokioIo;
use tokio::net::TcpStream;
use tokio::time::timeout;

use super::Failure;
use crate::config::load_settings;

/// Which gateway, and what about it.
#[derive(Debug, Args)]
pub(super) struct HealthArgs {
    /// The settings of the gateway.
    #[arg(long, value_name = "FILE")]
    config: PathBuf,
    /// Ask whether it is ready for requests, that is, whether a store answers and no stop has begun.
    #[arg(long)]
    ready: bool,
}

/// Prints what the gateway says; exit 1 when it does not answer, or says no.
pub(super) async fn run(args: &HealthArgs, out: &mut dyn Write) -> Result<ExitCode, Failure> {
    let ops = local(load_settings(&args.config)?.listen.ops);
    let path = if args.ready { "/readyz" } else { "/livez" };
    let answer = timeout(PATIENCE, ask(ops, path)).await;
    let (status, body) =
        answer.unwrap_or_else(|_| Err(format!("no answer within {} s", PATIENCE.as_secs()))).map_err(|why| {
            Failure::because(format!(
                "http://{ops}{path} cannot be asked: {why}; does the gateway run, with these settings?"
            ))
        })?;
    writeln!(out, "{status}: {}", String::from_utf8_lossy(&body))?;
    Ok(if status == StatusCode::OK { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

/// Where this machine reaches a listener: one on every address is on loopback too.
const fn local(listener: SocketAddr) -> SocketAddr {
    let ip = match listener.ip() {
        IpAddr::V4(ip) if ip.is_unspecified() => IpAddr::V4(Ipv4Addr::LOCALHOST),
        IpAddr::V6(ip) if ip.is_unspecified() => IpAddr::V6(Ipv6Addr::LOCALHOST),
        ip => ip,
    };
    SocketAddr::new(ip, listener.port())
}

async fn ask(ops: SocketAddr, path: &str) -> Result<(StatusCode, Bytes), String> {
    let socket = TcpStream::connect(ops).await.map_err(|error| error.to_string())?;
    let shaken = hyper::client::conn::http1::handshake(TokioIo::new(socket)).await;
    let (mut sender, connection) = shaken.map_err(|error| error.to_string())?;
    tokio::spawn(connection);
    let request = Request::get(path).header(HOST, ops.to_string()).body(Empty::<Bytes>::new());
    let request = request.map_err(|error| error.to_string())?;
    let answer = sender.send_request(request).await.map_err(|error| error.to_string())?;
    let (head, body) = answer.into_parts();
    let body = Limited::new(body, LARGEST_ANSWER).collect().await.map_err(|error| error.to_string())?;
    Ok((head.status, body.to_bytes()))
}

/// Readiness itself waits 2 s for a store.
const PATIENCE: Duration = Duration::from_secs(5);
/// A line for each store.
const LARGEST_ANSWER: usize = 1 << 20;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_listener_on_every_address_is_asked_on_loopback() {
        for (listener, asked) in [
            ("0.0.0.0:8082", "127.0.0.1:8082"),
            ("[::]:8082", "[::1]:8082"),
            ("127.0.0.1:8082", "127.0.0.1:8082"),
            ("10.0.0.7:9", "10.0.0.7:9"),
        ] {
            assert_eq!(local(listener.parse().unwrap()), asked.parse().unwrap(), "{listener}");
        }
    }
}
