//! Certificates that Meta would not take: each is named at its own check, and the rest of the server is still examined.

use crate::kit::broken::{Broken, Fault};
use crate::kit::pki::{AIA, INTERMEDIATE, Identity};

use super::{Clinic, photo};

async fn examined(clinic: &Clinic, identity: &Identity) -> super::Told {
    let server = Broken::start(identity, photo(), Fault::Nothing).await;
    clinic.examine(&server, &[]).await
}

#[tokio::test]
async fn no_intermediate_is_named_with_the_place_where_to_get_it() {
    let clinic = Clinic::open();
    let told = examined(&clinic, &clinic.pki.leaf(&["localhost"]).without_intermediate().issue()).await;
    told.fails_at("chain", &[INTERMEDIATE], &[AIA]);
}

#[tokio::test]
async fn a_self_signed_certificate_is_called_so() {
    let clinic = Clinic::open();
    let told = examined(&clinic, &clinic.pki.leaf(&["localhost"]).self_signed().issue()).await;
    told.fails_at("chain", &["signed by itself"], &["certificate"]);
}

#[tokio::test]
async fn an_expired_certificate_and_one_of_tomorrow_are_told_by_their_dates() {
    let clinic = Clinic::open();
    let told = examined(&clinic, &clinic.pki.leaf(&["localhost"]).days(-90, -2).issue()).await;
    told.fails_at("expiry", &["expired"], &["renew"]);
    let told = examined(&clinic, &clinic.pki.leaf(&["localhost"]).days(2, 90).issue()).await;
    told.fails_at("expiry", &["not valid before"], &["clock"]);
}

#[tokio::test]
async fn a_certificate_for_another_name_is_told_by_both_names() {
    let clinic = Clinic::open();
    let told = examined(&clinic, &clinic.pki.leaf(&["cdn.example.net", "*.example.org"]).issue()).await;
    told.fails_at("names", &["localhost", "cdn.example.net"], &["localhost"]);
}

#[tokio::test]
async fn a_root_that_nobody_trusts_is_no_chain() {
    let (clinic, other) = (Clinic::open(), Clinic::open());
    let told = examined(&clinic, &other.sound()).await;
    assert_eq!(told.code, 1);
    assert_eq!(told.with("failure").into_iter().collect::<Vec<_>>(), ["chain"], "{told:#?}");
}
