//! `--fix-types` on a store where things happen during the copy: nothing that somebody else did is undone, and what is not known is not claimed.

use super::vault::{CopyTrouble, Encryption, Vault};
use super::{Desk, sample, text};

const FIX: [&str; 4] = ["--fix-types", "--yes", "--state", "state"];

/// A vault with one object whose type is wrong, and a desk before it.
fn one() -> (Vault, Desk) {
    let vault = Vault::open();
    vault.put("a.jpg", Some("image/png"), sample("winter-sale.jpg"));
    let desk = Desk::over_bucket(&vault.endpoint, "vault", "");
    (vault, desk)
}

#[tokio::test]
async fn an_upload_during_the_copy_is_not_lost() {
    let (vault, desk) = one();
    vault.trouble_copies(CopyTrouble::Upload);
    let said = text(&desk.run(&FIX).await);
    assert_eq!(&vault.get("a.jpg").1[..], b"uploaded meanwhile", "{said}");
    assert!(said.contains("left as it is: a.jpg: it changed since it was looked at"), "{said}");
}

#[tokio::test]
async fn a_store_that_cannot_hold_a_copy_to_what_it_replaces_is_refused() {
    let (vault, desk) = one();
    vault.trouble_copies(CopyTrouble::NoCondition);
    let said = text(&desk.run(&FIX).await);
    assert!(said.contains("left as it is: a.jpg: the store does not implement") && said.contains("If-Match"), "{said}");
    assert_eq!(vault.get("a.jpg").0.as_deref(), Some("image/png"), "and it is not done without the condition");
}

#[tokio::test]
async fn a_type_that_was_mended_meanwhile_stays() {
    let (vault, desk) = one();
    desk.json(&["--state", "state"], 1).await;
    vault.put("a.jpg", Some("image/x-ours"), sample("winter-sale.jpg"));
    let said = text(&desk.run(&FIX).await);
    assert!(said.contains("left as it is: a.jpg: it changed since it was looked at"), "{said}");
    assert_eq!(vault.get("a.jpg").0.as_deref(), Some("image/x-ours"));
}

#[tokio::test]
async fn a_copy_of_which_nothing_is_heard_is_neither_done_nor_left() {
    for trouble in [CopyTrouble::DoneAndBroken, CopyTrouble::DoneAndSilent] {
        let (vault, desk) = one();
        vault.trouble_copies(trouble);
        let said = text(&desk.run(&FIX).await);
        assert_eq!(vault.get("a.jpg").0.as_deref(), Some("image/jpeg"), "{trouble:?}: it was done");
        for words in [
            "nobody knows whether it was done: a.jpg: the store is not available",
            "run the audit again",
            "0 objects got their media type, 0 were left as they are.",
            "Of 1 nobody knows",
        ] {
            assert!(said.contains(words), "{trouble:?}: {words}: {said}");
        }
        assert!(!said.contains("left as it is: a.jpg"), "{trouble:?}: {said}");
    }
    let (vault, desk) = one();
    vault.trouble_copies(CopyTrouble::Denied);
    let said = text(&desk.run(&FIX).await);
    assert!(said.contains("left as it is: a.jpg") && said.contains("kms:GenerateDataKey"), "{said}");
    assert!(!said.contains("nobody knows whether it was done"), "what is refused is known: {said}");
}

#[tokio::test]
async fn a_copy_keeps_the_encryption_of_its_object() {
    let key = || Some("arn:aws:kms:eu-west-1:111122223333:key/own".to_owned());
    let of = |method: &str, key, bucket_key| Encryption { method: Some(method.into()), key, bucket_key };
    for (encryption, after) in [
        (Encryption::default(), None),
        (of("AES256", None, None), None),
        (of("aws:kms", key(), Some(true)), None),
        // Said, for the bucket's own setting may be another.
        (of("aws:kms", key(), None), Some(of("aws:kms", key(), Some(false)))),
        (of("aws:kms:dsse", key(), None), None),
    ] {
        let (vault, desk) = one();
        vault.encrypt("a.jpg", encryption.clone());
        let said = text(&desk.run(&FIX).await);
        assert!(said.contains("1 objects got their media type") && said.contains("keeps its encryption"), "{said}");
        let (media_type, _, kept) = vault.get("a.jpg");
        assert_eq!((media_type.as_deref(), kept), (Some("image/jpeg"), after.unwrap_or(encryption)));
    }
    let (vault, desk) = one();
    vault.encrypt("a.jpg", of("aws:kms", None, None));
    let said = text(&desk.run(&FIX).await);
    assert!(said.contains("left as it is: a.jpg: the store does not say under which KMS key"), "{said}");
    assert_eq!(vault.get("a.jpg").0.as_deref(), Some("image/png"));
}
