//! Handshakes that never end, that are none, or that are begun by the hundred; and sessions that change their keys for ever.

use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::time::{sleep, timeout};

use crate::kit::gateway::HOST;

use super::{Fort, PATIENCE, THERE};

/// The first bytes of what OpenSSL and others send; a whole one is 517 bytes long.
fn client_hello() -> Vec<u8> {
    let mut hello = vec![0x16, 3, 1, 2, 0, 1, 0, 1, 0xfc, 3, 3];
    hello.extend([7; 32]);
    hello.resize(517, 0);
    hello
}

/// Reads to the end, which must come.
async fn until_closed(mut stream: TcpStream) -> Vec<u8> {
    let mut said = Vec::new();
    let _ = timeout(PATIENCE, stream.read_to_end(&mut said)).await.expect("it is closed");
    said
}

#[tokio::test]
async fn a_handshake_that_does_not_come_to_its_end_is_cut_off_at_its_time() {
    let fort = Fort::tls("[limits]\nhandshake_timeout = \"1s\"\nidle_timeout = \"10m\"\nhead_timeout = \"10m\"").await;
    fort.while_serving(async {
        let silent = fort.tcp(THERE).await;
        let mut half = fort.tcp(THERE).await;
        half.write_all(&client_hello()[..200]).await.unwrap();
        let mut dripping = fort.tcp(THERE).await;
        for byte in client_hello() {
            if dripping.write_all(&[byte]).await.is_err() {
                break;
            }
            sleep(Duration::from_millis(50)).await;
        }
        tokio::join!(until_closed(silent), until_closed(half), until_closed(dripping));
    })
    .await;
    fort.ended("handshake-late", 3).await;
    fort.is_left_alone().await;
}

#[tokio::test]
async fn what_is_no_handshake_is_closed_at_once() {
    let fort = Fort::tls("[limits]\nhandshake_timeout = \"10m\"").await;
    let plain = format!("GET {} HTTP/1.1\r\nHost: {HOST}\r\n\r\n", fort.small.path);
    let mut old = client_hello();
    old[9] = 3;
    old[10] = 0;
    let begins: [&[u8]; 6] = [
        plain.as_bytes(),
        b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
        &[0x80, 0x2e, 1, 3, 0, 0, 0x15, 0, 0, 0, 0x10],
        &[0x16, 3, 1, 0xff, 0xff, 1],
        &[0xff; 64],
        &old,
    ];
    fort.while_serving(async {
        for begin in begins {
            let mut stream = fort.tcp(THERE).await;
            stream.write_all(begin).await.unwrap();
            let said = until_closed(stream).await;
            assert!(said.len() < 100 && !said.starts_with(b"HTTP"), "{said:?}");
        }
    })
    .await;
    fort.ended("handshake-failed", 6).await;
}

#[tokio::test]
async fn hundreds_of_handshakes_that_are_begun_and_left_harm_nobody() {
    let fort = Fort::tls("[limits]\nhandshake_timeout = \"2s\"").await;
    let trust = fort.trust.clone().unwrap();
    fort.while_serving(async {
        let mut silent = Vec::new();
        for _ in 0..200 {
            silent.push(fort.tcp(THERE).await);
            let mut left = fort.tcp(THERE).await;
            left.write_all(&client_hello()[..100]).await.unwrap();
        }
        // Our client does not trust this name, and leaves when it has seen the certificate.
        for _ in 0..50 {
            assert!(trust.connect(fort.tcp(THERE).await, "other.example", &["h2"]).await.is_err());
        }
        for stream in silent {
            until_closed(stream).await;
        }
    })
    .await;
    fort.ended("handshake-late", 200).await;
    fort.is_left_alone().await;
}

#[tokio::test]
async fn a_client_that_changes_its_keys_for_ever_is_closed() {
    let fort = Fort::tls("").await;
    fort.while_serving(async {
        let stream = fort.tcp(THERE).await;
        let mut stream = fort.trust.as_ref().unwrap().connect(stream, HOST, &["http/1.1"]).await.unwrap();
        for _ in 0..1000 {
            stream.get_mut().1.refresh_traffic_keys().unwrap();
            if stream.flush().await.is_err() {
                return;
            }
        }
        let _ = timeout(PATIENCE, stream.read_to_end(&mut Vec::new())).await.expect("a thousand changes are borne");
    })
    .await;
    fort.is_left_alone().await;
}
