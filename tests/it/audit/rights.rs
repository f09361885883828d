//! Stores that do not tell, objects that cannot be read, and answers that come late: said, and never taken for "fine".

use std::time::Duration;

use super::vault::{Trouble, Vault};
use super::{Desk, found, sample, set, setting, text};

#[tokio::test]
async fn what_a_store_does_not_tell_is_unknown() {
    let vault = Vault::open();
    vault.put("a.jpg", Some("image/jpeg"), sample("winter-sale.jpg"));
    let desk = Desk::over_bucket(&vault.endpoint, "vault", "");
    let said = desk.json(&[], 3).await;
    for name in ["public-access-block", "policy", "website", "versions"] {
        let (verdict, detail) = setting(&said, name);
        assert!(verdict == "unknown" && detail.contains("NotImplemented"), "{name}: {verdict} {detail}");
    }
    let (verdict, detail) = setting(&said, "acl");
    assert_eq!(verdict, "unknown");
    assert!(detail.contains("403 AccessDenied") && detail.contains("grant s3:GetBucketAcl"), "{detail}");
    let (verdict, detail) = setting(&said, "object-acls");
    assert!(verdict == "unknown" && detail.contains("0 of the first 1"), "{verdict} {detail}");
    let table = text(&desk.run(&[]).await);
    assert!(table.contains("6 of the questions above could not be answered"), "{table}");
    let csv = desk.run(&["--csv"]).await;
    assert_eq!(csv.status.code(), Some(3), "no finding, but nobody knows");
    let aside = String::from_utf8_lossy(&csv.stderr);
    assert!(aside.contains("nobody knows") && aside.contains("public-access-block, policy, acl"), "{aside}");
    vault.put("b.jpg", None, sample("winter-sale.jpg"));
    desk.json(&[], 1).await;
}

#[tokio::test]
async fn an_object_that_cannot_be_read_does_not_end_the_audit() {
    let vault = Vault::open();
    let jpeg = sample("winter-sale.jpg");
    for (key, trouble) in [
        ("a.jpg", Trouble::None),
        ("changing.jpg", Trouble::Changing),
        ("denied.jpg", Trouble::Denied),
        ("broken.jpg", Trouble::Broken),
        ("slow.jpg", Trouble::Slow(Duration::from_secs(60))),
        ("late.jpg", Trouble::Slow(Duration::from_millis(20))),
        ("z.jpg", Trouble::None),
    ] {
        vault.put_in_trouble(key, Some("image/png"), jpeg.clone(), trouble);
    }
    let desk = Desk::over_bucket(&vault.endpoint, "vault", "");
    let said = desk.json(&[], 1).await;
    let expected = [
        "type-wrong a.jpg",
        "unreadable changing.jpg",
        "unreadable denied.jpg",
        "unreadable broken.jpg",
        "unreadable slow.jpg",
        "type-wrong late.jpg",
        "type-wrong z.jpg",
    ];
    assert_eq!(found(&said), set(&expected));
    for (key, words) in [
        ("changing.jpg", "overwritten or deleted while the audit looked"),
        ("denied.jpg", "grant s3:GetObject"),
        ("broken.jpg", "not available"),
        ("slow.jpg", "kept us waiting"),
    ] {
        let all = said["findings"].as_array().unwrap();
        let detail = all.iter().find(|one| one["key"] == key).unwrap()["detail"].as_str().unwrap();
        assert!(detail.contains(words), "{key}: {detail}");
    }
}

#[tokio::test]
async fn an_audit_that_cannot_list_says_so_and_never_that_all_is_well() {
    let vault = Vault::open();
    vault.refuse_lists();
    let desk = Desk::over_bucket(&vault.endpoint, "vault", "");
    let output = desk.run(&[]).await;
    assert_eq!(output.status.code(), Some(69), "{}", text(&output));
    assert!(text(&output).contains("s3:ListBucket") && output.stdout.is_empty(), "{}", text(&output));
}

#[tokio::test]
async fn misuse_is_told_by_its_exit_code() {
    let vault = Vault::open();
    let desk = Desk::over_bucket(&vault.endpoint, "vault", "");
    for (arguments, words) in [
        (&["--json", "--csv"][..], "cannot be used with"),
        (&["--yes"], "--fix-types"),
        (&["--concurrency", "0"], "0"),
        (&["--state", "/no/such/folder/state"], "--state"),
    ] {
        let output = desk.run(arguments).await;
        assert_eq!(output.status.code(), Some(2), "{arguments:?}: {}", text(&output));
        assert!(text(&output).contains(words), "{arguments:?}: {}", text(&output));
    }
    let mut named = std::process::Command::new(env!("CARGO_BIN_EXE_hallpass"));
    named.args(["audit", "nowhere", "--config", "hallpass.toml"]).current_dir(desk.dir.path()).env_clear();
    let output = tokio::task::spawn_blocking(move || named.output().unwrap()).await.unwrap();
    assert_eq!(output.status.code(), Some(2));
    assert!(text(&output).contains("no store `nowhere`; they have media"), "{}", text(&output));
}
