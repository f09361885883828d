//! Servers that would rather harm whoever examines them: the doctor ends in time, takes little, and says what it met.

use std::net::TcpListener;

use crate::kit::broken::{Fault, Media};

use super::{Clinic, Told, photo, video};

/// Examines a server that does this, with little patience.
async fn met(fault: Fault) -> (Told, u64) {
    let clinic = Clinic::open();
    let server = clinic.server(photo(), fault).await;
    let told = clinic.examine(&server, &["--timeout", "2"]).await;
    (told, server.sent())
}

#[tokio::test]
async fn silence_is_told_where_it_began() {
    for (fault, checks) in [
        (Fault::SilentInHandshake, &["tls"][..]),
        (Fault::SilentInHead, &["get", "status"]),
        (Fault::SilentInBody(1000), &["get"]),
        (Fault::Drips, &["get"]),
    ] {
        let (told, _) = met(fault.clone()).await;
        assert_eq!(told.code, 1, "{fault:?}: {told:#?}");
        let failures = told.with("failure");
        assert!(checks.iter().any(|check| failures.contains(*check)), "{fault:?}: {told:#?}");
    }
}

#[tokio::test]
async fn garbage_in_place_of_a_handshake_is_a_failure_of_tls() {
    for garbage in [&b"SSH-2.0-OpenSSH_9.2\r\n"[..], b"HTTP/1.1 400 Bad Request\r\n\r\n", &[0; 4096], &[0x16, 3, 1]] {
        let (told, _) = met(Fault::Garbage(garbage)).await;
        told.fails_at("tls", &[], &[]);
    }
}

#[tokio::test]
async fn a_gigabyte_is_told_and_not_taken() {
    for fault in [Fault::Vast(1 << 30), Fault::EndlessChunks, Fault::EndlessHead] {
        let (told, sent) = met(fault.clone()).await;
        assert_eq!(told.code, 1, "{fault:?}: {told:#?}");
        assert!(sent < 400_000_000, "{fault:?}: {sent} bytes were taken");
    }
    let (told, _) = met(Fault::Vast(1 << 30)).await;
    assert!(told.with("failure").contains("size"), "{told:#?}");
}

#[tokio::test]
async fn a_redirect_leads_the_doctor_nowhere() {
    let (clinic, trap) = (Clinic::open(), TcpListener::bind("127.0.0.1:0").unwrap());
    trap.set_nonblocking(true).unwrap();
    let place = trap.local_addr().unwrap();
    for scheme in ["http", "https"] {
        let server = clinic.server(photo(), Fault::Redirect(format!("{scheme}://{place}/admin"))).await;
        let told = clinic.examine(&server, &[]).await;
        told.fails_at("redirect", &["302", &place.to_string()], &[]);
        assert_eq!(trap.accept().unwrap_err().kind(), std::io::ErrorKind::WouldBlock, "somebody came");
    }
}

#[tokio::test]
async fn what_a_server_says_cannot_forge_the_table() {
    let clinic = Clinic::open();
    for forged in ["https://a.example/\u{1b}[2J\u{1b}[31m", "https://a.example/\u{202e}gpj.exe", "/\u{7f}\u{8}\u{8}ok"]
    {
        let server = clinic.server(photo(), Fault::Redirect(forged.to_owned())).await;
        let root = clinic.root.to_str().unwrap();
        let told = super::doctor(clinic.dir.path(), &server.url(), &["--allow-private", "--roots", root]).await;
        assert_eq!(told.code, 1, "{told:?}");
        let wrong = |c: char| (c.is_control() && c != '\n') || ('\u{202a}'..='\u{202e}').contains(&c);
        assert!(!told.stdout.contains(wrong), "{:?}", told.stdout);
    }
}

#[tokio::test]
async fn bytes_that_lie_about_themselves_are_no_harm() {
    let clinic = Clinic::open();
    let picture = crate::doctor::file("tests/media/huge-dimensions.png");
    for (media, header) in [
        (Media { kind: "image/png", bytes: picture, ..photo() }, "image"),
        (Media { bytes: crate::doctor::file("tests/media/truncated.mp4"), ..video() }, "video"),
        (Media { bytes: crate::doctor::file("tests/media/page-behind-magic.jpg"), ..photo() }, "image"),
        (Media { bytes: Vec::new(), ..photo() }, "image"),
    ] {
        let server = clinic.server(media, Fault::Nothing).await;
        let told = clinic.examine(&server, &["--header", header]).await;
        assert!((0..=1).contains(&told.code), "{told:#?}");
        assert!(!told.stderr.contains("panicked"), "{told:#?}");
    }
}
