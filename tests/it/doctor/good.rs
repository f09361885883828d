//! Servers with nothing wrong about them: one by hand, and Hallpass itself.

use serde_json::json;

use crate::kit::broken::Fault;
use crate::kit::gateway::{HOST, Place};

use super::{Clinic, doctor, photo, photo_of, video};

#[tokio::test]
async fn a_good_server_has_nothing_wrong() {
    let clinic = Clinic::open();
    for media in [photo(), photo_of(900_000), video()] {
        let server = clinic.server(media, Fault::Nothing).await;
        let told = clinic.examine(&server, &[]).await;
        // It is on this machine, where Meta does not come.
        told.is_well_but_for(&["address"]);
        let heads = server.heads();
        let agents = heads.iter().filter(|head| head.contains("facebookexternalhit")).count();
        assert!(agents > 3, "it asks as Meta does: {heads:?}");
        assert!(heads.iter().any(|head| head.starts_with("HEAD ")), "{heads:?}");
    }
}

#[tokio::test]
async fn the_table_for_people_says_what_the_json_says() {
    let clinic = Clinic::open();
    let server = clinic.server(photo(), Fault::Declared("application/octet-stream")).await;
    let json = clinic.examine(&server, &[]).await;
    let root = clinic.root.to_str().unwrap();
    let told = doctor(clinic.dir.path(), &server.url(), &["--allow-private", "--roots", root]).await;
    assert_eq!(told.code, 1);
    for finding in json.findings() {
        assert!(told.stdout.contains(&finding.check), "{} is missing in\n{}", finding.check, told.stdout);
    }
    assert!(told.stdout.contains("image/jpeg"), "{}", told.stdout);
}

/// Our own media, over TLS, with the defaults: no failure, and nothing to warn of but that the test's gateway is on this machine.
#[tokio::test]
async fn hallpass_itself_has_nothing_wrong() {
    let clinic = Clinic::open();
    let (chain, key) = clinic.pki.leaf(&[HOST, "localhost"]).issue().write(clinic.dir.path(), "media");
    let tls = format!(
        "[tls]\nroots = \"{}\"\ncertificates = [{{ chain = \"{}\", key = \"{}\" }}]",
        clinic.root.display(),
        chain.display(),
        key.display()
    );
    let gate = Box::pin(Place { settings: tls, listen: ", hosts = [\"*\"]", ..Place::new() }.start()).await;
    let port = gate.addresses.public.port();
    for (file, header) in
        [("winter-sale.jpg", "image"), ("receipt.png", "image"), ("tour.mp4", "video"), ("price-list.pdf", "document")]
    {
        gate.place.put(file, &super::file(&format!("src/cli/demo_media/{file}")));
        let link = gate.mint(json!({ "key": file, "header": header })).await;
        let url = format!("https://localhost:{port}{}", link.path);
        let root = clinic.root.to_str().unwrap();
        for more in [&[][..], &["--header", header]] {
            let usual = ["--json", "--allow-private", "--roots", root];
            let told = doctor(clinic.dir.path(), &url, &[&usual[..], more].concat()).await;
            told.is_well_but_for(&["address"]);
        }
    }
}
