//! The life of a real process: started from the example settings, killed, reloaded, rotated, drained; and what it never says.
//!
//! At the end of every test all that the process said is searched for every secret that was in play.

use std::fs;
use std::time::{Duration, Instant};

use serde_json::{Value, json};
use tokio::time::sleep;

use crate::kit::content;
use crate::kit::gateway::{BROWSER, META, Minted};
use crate::kit::shop::{Shop, body};
use crate::kit::wire::Wire;

#[tokio::test]
async fn what_was_promised_before_a_power_cut_holds_after_it() {
    let shop = Shop::open();
    shop.serve().await;
    let link = shop.mint(json!({"store": "media", "key": "winter-sale.jpg", "header": "image"})).await;
    let ended = shop.mint(json!({"store": "media", "key": "receipt.png", "header": "image"})).await;
    assert_eq!(shop.fetch(&link.path, META).await.body, body("winter-sale.jpg"));
    assert_eq!(shop.status(&ended).await, 200);
    shop.kill();
    shop.serve().await;
    assert_eq!(shop.fetch(&link.path, META).await.body, body("winter-sale.jpg"));
    assert_eq!(shop.fetch(&link.path, BROWSER).await.problem().1, "fetcher-refused");
    let answer = shop.api(&shop.key, "DELETE", &format!("/v1/links/{}", ended.id), &Value::Null).await;
    assert_eq!(answer.status, 200);
    shop.kill();
    shop.serve().await;
    assert_eq!(shop.fetch(&ended.path, META).await.problem(), (410, "link-revoked".to_owned()));
    assert_eq!(shop.status(&link).await, 200);
    shop.said_no_secret().await;
}

#[tokio::test]
async fn a_revocation_from_a_shell_reaches_the_running_gateway_within_three_seconds() {
    let shop = Shop::open();
    shop.serve().await;
    let link = shop.mint(json!({"store": "media", "key": "tour.mp4", "header": "video"})).await;
    let other = shop.mint(json!({"store": "media", "key": "price-list.pdf", "header": "document"})).await;
    assert_eq!((shop.status(&link).await, shop.status(&other).await), (200, 200));
    shop.run(&["revoke", "--config", "hallpass.toml", "link", &link.id]);
    let begun = Instant::now();
    while shop.status(&link).await != 410 {
        assert!(begun.elapsed() < Duration::from_secs(3));
        sleep(Duration::from_millis(50)).await;
    }
    assert_eq!(shop.fetch(&link.path, META).await.problem().1, "link-revoked");
    assert_eq!(shop.status(&other).await, 200);
    let listed = shop.run(&["revoke", "--config", "hallpass.toml", "--json", "list"]);
    let listed: Value = serde_json::from_slice(&listed.stdout).unwrap();
    assert_eq!((&listed[0]["kind"], &listed[0]["value"]), (&json!("link"), &json!(link.id)));
    let number = listed[0]["id"].to_string();
    shop.run(&["revoke", "--config", "hallpass.toml", "lift", &number]);
    let begun = Instant::now();
    while shop.status(&link).await != 200 {
        assert!(begun.elapsed() < Duration::from_secs(3));
        sleep(Duration::from_millis(50)).await;
    }
    shop.said_no_secret().await;
}

#[tokio::test]
async fn new_settings_come_into_force_while_it_runs_and_broken_ones_do_not() {
    let shop = Shop::open();
    shop.serve().await;
    let wish = json!({"store": "media", "key": "winter-sale.jpg"});
    let link = shop.mint(wish.clone()).await;
    // By a signal.
    let second = shop.add_client("crm");
    shop.signal(rustix::process::Signal::HUP);
    shop.says("new settings are in force").await;
    let answer = shop.api(&second, "POST", "/v1/links", &wish).await;
    assert_eq!(answer.status, 201, "{answer:?}");
    shop.remember(Minted::of(&answer.json()));
    // Broken ones leave the old in force.
    let good = shop.text("hallpass.toml");
    fs::write(shop.file("hallpass.toml"), good.replace("kind = \"local\"", "kind = \"lokal\"") + "\nnonsense = 1\n")
        .unwrap();
    shop.signal(rustix::process::Signal::HUP);
    shop.says("the old ones stay in force").await;
    shop.says("stores.media.kind").await;
    for key in [&shop.key, &second] {
        assert_eq!(shop.api(key, "POST", "/v1/links", &wish).await.status, 201);
    }
    assert_eq!(shop.status(&link).await, 200);
    // By a changed file alone, and a client that is gone is refused.
    let without = &good[..good.rfind("[[control.clients]]").unwrap()];
    fs::write(shop.file("hallpass.toml"), without).unwrap();
    let begun = Instant::now();
    while shop.api(&second, "POST", "/v1/links", &wish).await.status != 401 {
        assert!(begun.elapsed() < Duration::from_secs(8), "{}", shop.text("stderr"));
        sleep(Duration::from_millis(50)).await;
    }
    assert_eq!(shop.api(&shop.key, "POST", "/v1/links", &wish).await.status, 201);
    assert_eq!(shop.status(&link).await, 200);
    let metrics = String::from_utf8(shop.ops("/metrics").await.body).unwrap();
    assert!(metrics.contains("hallpass_reloads_total{result=\"done\"} 2"), "{metrics}");
    assert!(metrics.contains("hallpass_reloads_total{result=\"refused\"} 1"), "{metrics}");
    shop.said_no_secret().await;
}

#[tokio::test]
async fn a_rotation_while_it_runs_loses_no_link() {
    let shop = Shop::open();
    shop.serve().await;
    let wish = json!({"store": "media", "key": "winter-sale.jpg", "unique": true});
    let mut links = vec![shop.mint(wish.clone()).await];
    let reloads = |text: String| text.matches("new settings are in force").count();
    for step in 1..=2 {
        shop.run(&["keys", "rotate", "--config", "hallpass.toml"]);
        shop.remember_master_keys();
        shop.signal(rustix::process::Signal::HUP);
        while reloads(shop.text("stderr")) < step {
            for link in &links {
                assert_eq!(shop.status(link).await, 200);
            }
            links.push(shop.mint(wish.clone()).await);
            sleep(Duration::from_millis(20)).await;
        }
        links.push(shop.mint(wish.clone()).await);
        for link in &links {
            assert_eq!(shop.status(link).await, 200, "after step {step}");
        }
        // The next key has waited long enough.
        let text = shop.text("keys.toml");
        let at = text.find("\"next\"").map(|at| at + text[at..].find("since").unwrap());
        if let Some(at) = at {
            let from = at + text[at..].find(['\"', '=']).unwrap();
            let line_end = from + text[from..].find('\n').unwrap();
            let old = chrono_back(&text[from..line_end]);
            fs::write(shop.file("keys.toml"), format!("{}{old}{}", &text[..from], &text[line_end..])).unwrap();
        }
    }
    let listed = String::from_utf8(shop.run(&["keys", "list", "--config", "hallpass.toml"]).stdout).unwrap();
    assert!(listed.contains("active") && listed.contains("accept"), "{listed}");
    let heads: std::collections::HashSet<_> = links.iter().map(|link| link.token()[..8].to_owned()).collect();
    assert_eq!(heads.len(), 2, "two keys have sealed");
    shop.said_no_secret().await;
}

/// The rest of a line that holds a time, with that time an hour earlier.
fn chrono_back(rest: &str) -> String {
    let digit = rest.find(|c: char| c.is_ascii_digit()).unwrap();
    let time = &rest[digit..digit + "2026-11-21T10:20:00Z".len()];
    let earlier = hallpass::value::UnixTime::parse_rfc3339(time).unwrap().minus(Duration::from_secs(3600));
    rest.replace(time, &earlier.to_string())
}

#[tokio::test]
async fn a_stop_lets_running_bodies_finish_and_exits_0() {
    let shop = Shop::open();
    let huge = content(8, 16 << 20);
    fs::write(shop.file("media/huge.bin"), &huge).unwrap();
    shop.serve().await;
    let link = shop.mint(json!({"store": "media", "key": "huge.bin"})).await;
    let mut slow = Wire::connect_narrow(shop.public).await;
    slow.send(shop.request(&link.path, META)).await;
    assert_eq!(slow.head().await.unwrap().length(), Some(huge.len()));
    assert!(slow.body(1000).await.unwrap() == huge[..1000]);
    shop.signal(rustix::process::Signal::TERM);
    shop.says("stopping").await;
    // Longer than idle connections are left open for.
    sleep(Duration::from_millis(900)).await;
    assert!(std::net::TcpStream::connect(shop.public).is_err(), "nothing more is accepted");
    assert!(slow.body(huge.len() - 1000).await.unwrap() == huge[1000..]);
    let status = shop.ended().await;
    assert_eq!(status.code(), Some(0), "{status:?}");
    let last = shop.text("stdout");
    let logged: Value = serde_json::from_str(last.lines().last().unwrap()).unwrap();
    assert_eq!(
        (&logged["bytes"], &logged["completed"]),
        (&json!(huge.len()), &json!(true)),
        "the last line is written too"
    );
    shop.serve().await;
    assert_eq!(shop.status(&link).await, 200);
    shop.said_no_secret().await;
}

#[tokio::test]
async fn check_mint_and_inspect_say_what_the_gateway_would_and_exit_by_the_table() {
    let shop = Shop::open();
    let config = ["--config", "hallpass.toml"];
    let with = |arguments: &[&'static str]| [arguments, &config].concat();
    let well = shop.run(&with(&["check"]));
    assert!(!String::from_utf8(well.stdout).unwrap().contains("FAULT"));
    // A mint from the shell is a link of the running gateway.
    let minted = shop.run(&with(&["mint", "media/winter-sale.jpg", "--header", "image", "--json"]));
    let link = shop.remember(Minted::of(&serde_json::from_slice(&minted.stdout).unwrap()));
    let plain = shop.run(&with(&["mint", "media/winter-sale.jpg", "--unique"]));
    let url = String::from_utf8(plain.stdout).unwrap().trim().to_owned();
    assert!(url.starts_with(&format!("http://{}/m/", shop.public)) && url.rsplit('.').next() == Some("jpg"), "{url}");
    shop.serve().await;
    assert_eq!(shop.fetch(&link.path, META).await.body, body("winter-sale.jpg"));
    shop.run(&["inspect", &link.url, "--config", "hallpass.toml"]);
    shop.run(&["revoke", "--config", "hallpass.toml", "link", &link.id]);
    let code = |arguments: &[&str]| shop.output(arguments).status.code();
    assert_eq!(code(&["inspect", &link.url, "--config", "hallpass.toml"]), Some(1), "it would not be served");
    assert_eq!(code(&["inspect", "https://elsewhere.example/a.jpg", "--config", "hallpass.toml"]), Some(1));
    assert_eq!(code(&["mint", "media/nothing.jpg", "--config", "hallpass.toml"]), Some(1));
    assert_eq!(code(&["mint", "media/receipt.png", "--header", "video", "--config", "hallpass.toml"]), Some(1));
    assert_eq!(code(&["mint", "nowhere/receipt.png", "--config", "hallpass.toml"]), Some(1));
    assert_eq!(code(&["keys", "generate", "--config", "hallpass.toml"]), Some(1), "there is a keyring");
    assert_eq!(code(&["check", "--config", "no-such-file.toml"]), Some(64));
    let second = shop.output(&["serve", "--config", "hallpass.toml"]);
    assert_eq!(second.status.code(), Some(1), "the port is taken: {second:?}");
    shop.said_no_secret().await;
    // Settings with faults: all of them at once, for every command that reads them.
    let text = shop.text("hallpass.toml");
    fs::write(
        shop.file("bad.toml"),
        text.replace("kind = \"local\"", "kind = \"lokal\"").replace("[links]", "[links]\nttl_min = \"x\"\nfoo = 1"),
    )
    .unwrap();
    for command in [&["check"][..], &["serve"], &["mint", "media/a.jpg"], &["keys", "list"]] {
        let output = shop.output(&[command, &["--config", "bad.toml"]].concat());
        assert_eq!(output.status.code(), Some(64), "{command:?}");
        let told = String::from_utf8(output.stderr).unwrap();
        for fault in ["stores.media.kind", "links.ttl_min", "links.foo"] {
            assert!(told.contains(fault), "{command:?}: {told}");
        }
    }
    // A store that is not there is a fault of the check, not of the settings.
    fs::rename(shop.file("media"), shop.file("moved")).unwrap();
    let checked = shop.output(&["check", "--config", "hallpass.toml"]);
    assert_eq!(checked.status.code(), Some(1));
    assert!(String::from_utf8(checked.stdout).unwrap().contains("FAULT"));
    // A keyring that others can read stops the start.
    fs::rename(shop.file("moved"), shop.file("media")).unwrap();
    fs::set_permissions(shop.file("keys.toml"), std::os::unix::fs::PermissionsExt::from_mode(0o640)).unwrap();
    assert_eq!(code(&["check", "--config", "hallpass.toml"]), Some(64));
    fs::remove_file(shop.file("keys.toml")).unwrap();
    assert_eq!(code(&["serve", "--config", "hallpass.toml"]), Some(64), "no keys, no start");
}

#[tokio::test]
async fn nothing_that_a_process_says_at_trace_holds_a_secret() {
    let shop = Shop::open();
    shop.serve().await;
    let link = shop.mint(json!({"store": "media", "key": "winter-sale.jpg", "ref": "campaign-42"})).await;
    let other = shop.mint(json!({"store": "media", "key": "receipt.png", "unique": true})).await;
    // Good, refused, changed, hostile, ended, overwritten.
    shop.fetch(&link.path, META).await;
    shop.fetch(&link.path, BROWSER).await;
    shop.fetch(&format!("{}?fbclid=1", link.path), META).await;
    shop.fetch(&format!("/m/{}a/{}", link.token(), link.name()), META).await;
    shop.fetch(&format!("/elsewhere/{}", link.token()), META).await;
    // Not tried: a link in User-Agent. Whoever has the link may write it there, and the log keeps agents as they were sent.
    let mut wire = Wire::connect(shop.public).await;
    wire.send(format!("GET {}\0 HTTP/1.1\r\n\r\n", link.path)).await;
    let _ = wire.try_answer(false).await;
    let mut wire = Wire::connect(shop.public).await;
    wire.send(format!("{} {} HTTP/1.1\r\nHost: x\r\nRange: bytes={}\r\n\r\n", link.token(), link.path, link.url)).await;
    let _ = wire.try_answer(false).await;
    fs::write(shop.file("media/receipt.png"), b"overwritten").unwrap();
    assert_eq!(shop.status(&other).await, 200, "the minted bytes lie in memory");
    // Ended in peace, so that all its records are there for the search of the catalog.
    shop.signal(rustix::process::Signal::TERM);
    assert!(shop.ended().await.success());
    shop.serve().await;
    assert_eq!(shop.status(&other).await, 410);
    // The API, with the secret in every place where it may or may not belong.
    for (method, path, body) in [
        ("GET", format!("/v1/links/{}", link.id), Value::Null),
        ("GET", format!("/v1/links/{}", link.token()), Value::Null),
        ("GET", format!("/v1/{}", shop.key), Value::Null),
        ("POST", "/v1/inspect".to_owned(), json!({"url": link.url})),
        ("POST", "/v1/inspect".to_owned(), json!({"uri": link.url})),
        ("POST", "/v1/links".to_owned(), json!({"store": "media", "key": link.url})),
        ("POST", "/v1/links".to_owned(), json!({"store": shop.key, "key": "a"})),
        ("POST", "/v1/revocations".to_owned(), json!({"link": link.url})),
        ("DELETE", format!("/v1/links/{}", link.id), Value::Null),
    ] {
        shop.api(&shop.key, method, &path, &body).await;
        shop.api(&format!("{}a", shop.key), method, &path, &body).await;
    }
    shop.fetch(&link.path, META).await;
    shop.signal(rustix::process::Signal::HUP);
    shop.says("new settings are in force").await;
    fs::write(shop.file("hallpass.toml"), shop.text("hallpass.toml") + &format!("\nkey = \"{}\" = x\n", shop.key))
        .unwrap();
    shop.signal(rustix::process::Signal::HUP);
    shop.says("the old ones stay in force").await;
    sleep(Duration::from_millis(200)).await;
    shop.said_no_secret().await;
    // Nor does the catalog keep a token or a link.
    shop.kill();
    let kept: Vec<u8> = ["hallpass.db", "hallpass.db-wal"]
        .iter()
        .flat_map(|name| fs::read(shop.file(name)).unwrap_or_default())
        .collect();
    assert!(kept.len() > 4096);
    for secret in [link.token(), &link.url, other.token(), &shop.key] {
        assert!(!kept.windows(secret.len()).any(|window| window == secret.as_bytes()), "the catalog keeps a secret");
    }
}
