//! Lists with what does not belong there: a key that no request can name is a finding, and a list that breaks off is no end.

use super::vault::{Lists, Vault};
use super::{Desk, found, sample, set, text};

/// What the vault lists as a byte that is no UTF-8.
const ODD: &str = "caf\u{f8ff}.jpg";

fn filled(keys: &[&str], how: Lists) -> Vault {
    let vault = Vault::open();
    for key in keys {
        vault.put(key, Some("image/png"), sample("winter-sale.jpg"));
    }
    vault.list(how);
    vault
}

#[tokio::test]
async fn a_key_that_is_not_utf8_is_one_finding() {
    let expected = ["type-wrong a.jpg", "unreadable caf%E9.jpg", "type-wrong z.jpg"];
    for versions in [false, true] {
        for most in [0, 1, 2, 3] {
            // A page of one with nothing but such a key has no end that a list of versions could go on from.
            if versions && most == 1 {
                continue;
            }
            let vault = filled(&["a.jpg", ODD, "z.jpg"], Lists { versions, most, ..Lists::default() });
            let desk = Desk::over_bucket(&vault.endpoint, "vault", "");
            let said = desk.json(&["--state", "state"], 1).await;
            assert_eq!((found(&said), &said["objects"]), (set(&expected), &3.into()), "{versions} {most}");
            let detail = said["findings"].as_array().unwrap().iter().find(|one| one["code"] == "unreadable").unwrap();
            assert!(detail["detail"].as_str().unwrap().contains("not UTF-8"), "{detail}");
        }
    }
}

#[tokio::test]
async fn a_key_outside_of_the_store_is_one_finding() {
    for versions in [false, true] {
        let how = Lists { versions, ignores_prefix: true, ..Lists::default() };
        let vault = filled(&["other/x.jpg", "promo/a.jpg"], how);
        let desk = Desk::over_bucket(&vault.endpoint, "vault", "prefix = \"promo\"\n");
        let said = desk.json(&[], 1).await;
        assert_eq!(found(&said), set(&["type-wrong a.jpg", "unreadable other/x.jpg"]));
    }
}

#[tokio::test]
async fn a_list_that_breaks_off_is_no_end() {
    let lost = Lists { most: 1, is_lost: true, ..Lists::default() };
    let stuck = Lists { most: 1, versions: true, ..Lists::default() };
    for (how, key, words) in [
        (lost, "b.jpg", "does not say where"),
        (Lists { versions: true, ..lost }, "b.jpg", "does not say where"),
        (stuck, ODD, "many keys together that are not UTF-8"),
    ] {
        let vault = filled(&["a.jpg", key, "z.jpg"], how);
        let output = Desk::over_bucket(&vault.endpoint, "vault", "").run(&[]).await;
        assert_eq!(output.status.code(), Some(69), "{how:?}: {}", text(&output));
        assert!(text(&output).contains(words), "{how:?}: {}", text(&output));
    }
}
