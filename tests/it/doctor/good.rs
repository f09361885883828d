//! Servers with nothing wrong about them: one by hand, and Hallpass itself.

use crate::kit::broken::Fault;

use super::{Clinic, doctor, photo, photo_of, video};

#[tokio::test]
async fn a_good_server_has_nothing_wrong() {
    let clinic = Clinic::open();
    for media in [photo(), photo_of(900_000), video()] {
        let server = clinic.server(media, Fault::Nothing).await;
        let told = clinic.examine(&server, &[]).await;
        // It is on this machine, and speaks no HTTP/2.
        told.is_well_but_for(&["address", "protocol"]);
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
