//! Addresses that are nobody's business: refused before any connection is made, unless they are allowed.

use std::net::TcpListener;

use crate::kit::broken::Fault;

use super::{Clinic, doctor, photo};

#[tokio::test]
async fn a_name_that_leads_to_a_private_address_is_refused_before_any_connection() {
    let clinic = Clinic::open();
    let server = clinic.server(photo(), Fault::Nothing).await;
    let root = clinic.root.to_str().unwrap();
    let told = doctor(clinic.dir.path(), &server.url(), &["--json", "--roots", root]).await;
    told.fails_at("address", &["127.0.0.1"], &["--allow-private"]);
    assert_eq!(server.accepted(), 0, "somebody connected");
    assert_eq!(clinic.examine(&server, &[]).await.code, 0, "it is reached where that is allowed");
    assert!(server.accepted() > 0);
}

#[tokio::test]
async fn no_spelling_of_a_private_address_gets_through() {
    let clinic = Clinic::open();
    let trap = TcpListener::bind("127.0.0.1:0").unwrap();
    trap.set_nonblocking(true).unwrap();
    let port = trap.local_addr().unwrap().port();
    for host in [
        "127.0.0.1",
        "127.1",
        "2130706433",
        "0x7f000001",
        "0177.0.0.1",
        "0.0.0.0",
        "[::1]",
        "[::]",
        "[::ffff:127.0.0.1]",
        "[::127.0.0.1]",
        "[64:ff9b::7f00:1]",
        "[2002:7f00:1::]",
        "10.0.0.1",
        "172.16.0.1",
        "192.168.0.1",
        "100.64.0.1",
        "169.254.169.254",
        "[fd00:ec2::254]",
        "[fe80::1]",
        "224.0.0.1",
        "255.255.255.255",
    ] {
        let told =
            doctor(clinic.dir.path(), &format!("https://{host}:{port}/a.jpg"), &["--json", "--timeout", "2"]).await;
        // A spelling that is no address for the program may be a fault of the URL; none is ever connected to.
        assert_ne!(told.code, 0, "{host}: {told:#?}");
        assert_eq!(trap.accept().unwrap_err().kind(), std::io::ErrorKind::WouldBlock, "{host}: somebody came");
        assert!(!told.stderr.contains("panicked"), "{host}: {told:#?}");
    }
}

#[tokio::test]
async fn what_is_no_https_url_is_no_url() {
    let clinic = Clinic::open();
    for url in [
        "",
        "media.example.com",
        "http://media.example.com/a.jpg",
        "ftp://x/",
        "https://",
        "https:///a",
        "https://a b/",
    ] {
        let told = doctor(clinic.dir.path(), url, &["--json"]).await;
        assert!([1, 2, 64].contains(&told.code), "{url:?}: {told:#?}");
        assert!(!told.stderr.contains("panicked"), "{url:?}: {told:#?}");
    }
}
