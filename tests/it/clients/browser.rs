//! Chromium shows the picture, pixel by pixel.

use std::path::Path;
use std::process::Command;

use aws_lc_rs::digest::{SHA256, digest};
use data_encoding::BASE64;
use x509_parser::prelude::{FromDer, X509Certificate};

use crate::kit::program::{find, run_well};
use crate::kit::secure::Secure;

#[tokio::test]
async fn chromium_shows_the_picture() {
    let secure = Secure::start().await;
    let link = secure.gate.link("winter-sale.jpg", PICTURE).await;
    let shot = secure.gate.place.dir.path().join("shot.png");
    let page = String::from_utf8(run_well(chromium(&secure, &["--dump-dom", &link.url])).await).unwrap();
    assert!(page.contains("1200×628"), "the title tells the size of a picture that was read: {page}");
    run_well(chromium(&secure, &[&format!("--screenshot={}", shot.display()), &link.url])).await;
    let differing = difference(&shot);
    assert!(differing < 3.0, "a pixel differs from the picture's by {differing} on average");
    let lines = secure.gate.access_log();
    let own: Vec<_> = lines.iter().filter(|line| line["link"] == link.id.as_str()).collect();
    assert!(own.len() == 2 && own.iter().all(|line| line["http"] == "HTTP/2" && line["completed"] == true), "{own:?}");
}

/// It trusts the certificate by the digest of its key, resolves our name alone, and asks nobody else anything.
fn chromium(secure: &Secure, options: &[&str]) -> Command {
    // An empty one each time: the picture may be kept for as long as its link lives.
    let profile = tempfile::tempdir_in(secure.gate.place.dir.path()).unwrap().keep();
    let mut chromium = Command::new(find("chromium", "chromium"));
    chromium.args(["--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--disable-dev-shm-usage"]);
    chromium.args([
        "--no-first-run",
        "--disable-background-networking",
        "--disable-component-update",
        "--disable-sync",
    ]);
    chromium.args(["--hide-scrollbars", "--force-device-scale-factor=1", "--window-size=1200,800"]);
    chromium.arg(format!("--user-data-dir={}", profile.display()));
    chromium.arg(format!("--ignore-certificate-errors-spki-list={}", key_digest(&secure.leaf)));
    let port = secure.port();
    chromium.arg(format!("--host-resolver-rules=MAP media.example.com:443 127.0.0.1:{port}, MAP * ~NOTFOUND"));
    chromium.args(options);
    chromium
}

/// SHA-256 of the public key's description, in base 64.
fn key_digest(leaf: &[u8]) -> String {
    let (_, leaf) = X509Certificate::from_der(leaf).unwrap();
    BASE64.encode(digest(&SHA256, leaf.public_key().raw).as_ref())
}

/// By how much a pixel of the screenshot differs from the picture's on average, of 255. The picture is as wide as the window, and stands
/// somewhere in its height.
fn difference(shot: &Path) -> f64 {
    let mut reader =
        png::Decoder::new(std::io::BufReader::new(std::fs::File::open(shot).unwrap())).read_info().unwrap();
    let mut shown = vec![0; reader.output_buffer_size().unwrap()];
    let info = reader.next_frame(&mut shown).unwrap();
    let channels = info.color_type.samples();
    let mut decoder = jpeg_decoder::Decoder::new(PICTURE);
    let picture = decoder.decode().unwrap();
    let (width, height) = (1200, picture.len() / 3 / 1200);
    assert_eq!(info.width, 1200);
    let above = (info.height as usize).saturating_sub(height);
    let differs = |top: usize| -> f64 {
        let pixels = (0..height).step_by(7).flat_map(|y| (0..width).step_by(7).map(move |x| (x, y)));
        let (mut sum, mut count) = (0.0, 0.0);
        for (x, y) in pixels {
            for channel in 0..3 {
                let a = shown[((y + top) * width + x) * channels + channel];
                let b = picture[(y * width + x) * 3 + channel];
                sum += f64::from(a.abs_diff(b));
                count += 1.0;
            }
        }
        sum / count
    };
    (0..=above).map(differs).fold(f64::MAX, f64::min)
}

const PICTURE: &[u8] = include_bytes!("../../../src/cli/demo_media/winter-sale.jpg");
