//! `hallpass health`: whether the gateway of these settings answers, for health checks in images that hold no other program.
//!
//! It asks the ops listener, as a probe from outside would. That needs no key, and works where that listener is on loopback. Of the settings it
//! reads that address alone: a gateway runs on by its old settings where the new ones have faults, and must not be killed for them.

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
use crate::config::{ListenSettings, load_ops_address};

/// Which gateway, and what about it.
#[derive(Debug, Args)]
pub(super) struct HealthArgs {
    /// The settings of the gateway. Only listen.ops is read, whatever is wrong with the rest.
    #[arg(long, value_name = "FILE", required_unless_present = "ops")]
    config: Option<PathBuf>,
    /// Where its ops listener is, in place of the settings.
    #[arg(long, value_name = "ADDR", conflicts_with = "config")]
    ops: Option<SocketAddr>,
    /// Ask whether it is ready for requests, that is, whether a store answers and no stop has begun.
    #[arg(long)]
    ready: bool,
}

/// Prints what the gateway says; exit 1 when it does not answer, or says no.
pub(super) async fn run(args: &HealthArgs, out: &mut dyn Write) -> Result<ExitCode, Failure> {
    let (ops, hint) = listener(args);
    let ops = local(ops);
    let path = if args.ready { "/readyz" } else { "/livez" };
    let answer = timeout(PATIENCE, ask(ops, path)).await;
    let (status, body) = answer
        .unwrap_or_else(|_| Err(format!("no answer within {} s", PATIENCE.as_secs())))
        .map_err(|why| Failure::because(format!("http://{ops}{path} cannot be asked: {why}; {hint}")))?;
    writeln!(out, "{status}: {}", String::from_utf8_lossy(&body))?;
    Ok(if status == StatusCode::OK { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

/// Where the ops listener is, and what to say if nobody answers there. Settings that do not tell leave the default.
fn listener(args: &HealthArgs) -> (SocketAddr, String) {
    let known = args.ops.map_or_else(|| args.config.as_deref().map(load_ops_address), |ops| Some(Ok(ops)));
    let default = ListenSettings::default().ops;
    match known.unwrap_or(Ok(default)) {
        Ok(ops) => (ops, "does the gateway run, with these settings?".to_owned()),
        Err(problem) => {
            let hint = format!(
                "that is the default, for the settings do not say where to ask: {problem}; --ops ADDR says it too"
            );
            (default, hint)
        }
    }
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
