//! The program itself over a container and over a bucket: checked, minted, fetched whole and in part, overwritten, gone; and no credential said.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::process::Output;

use serde_json::json;

use crate::kit::azurite::{self, Container};
use crate::kit::gateway::META;
use crate::kit::gcs::{self, BUCKET, Gcs};
use crate::kit::shop::{Shop, body};
use crate::kit::wire::{Answer, Wire};

/// A shop whose store `media` is this, with a file of credentials.
fn shop(store: &str, credentials: &str) -> Shop {
    let shop = Shop::open();
    fs::write(shop.file("credentials"), credentials).unwrap();
    fs::set_permissions(shop.file("credentials"), fs::Permissions::from_mode(0o600)).unwrap();
    let local = "kind = \"local\"\nroot = \"media\"\n";
    assert_eq!(shop.text("hallpass.toml").matches(local).count(), 1);
    fs::write(shop.file("hallpass.toml"), shop.text("hallpass.toml").replace(local, store)).unwrap();
    shop
}

fn azure(container: &Container, credential: &str) -> String {
    format!(
        "kind = \"azure\"\naccount = \"{0}\"\ncontainer = \"{1}\"\n{credential} = \"credentials\"\nendpoint = \"{2}/{0}\"\n",
        azurite::ACCOUNT,
        container.name,
        azurite::server()
    )
}

fn said(output: &Output) -> String {
    String::from_utf8_lossy(&output.stdout).into_owned() + &String::from_utf8_lossy(&output.stderr)
}

async fn part(shop: &Shop, path: &str) -> Answer {
    let mut wire = Wire::connect(shop.public).await;
    let range = "Range: bytes=2-5";
    wire.send(format!("GET {path} HTTP/1.1\r\nHost: {}\r\nUser-Agent: {META}\r\n{range}\r\n\r\n", shop.public)).await;
    wire.answer().await
}

/// All that a store is for. `overwrite` writes other bytes at the key.
async fn serves(shop: Shop, overwrite: impl AsyncFn(&str, &[u8])) {
    let (name, picture) = ("promo/winter sale+%=é.jpg", body("winter-sale.jpg"));
    overwrite(name, &picture).await;
    let checked = shop.output(&["check", "--config", "hallpass.toml"]);
    assert!(checked.status.success() && said(&checked).contains("can be reached and read"), "{}", said(&checked));
    shop.serve().await;
    let link = shop.mint(json!({ "store": "media", "key": name })).await;
    let whole = shop.fetch(&link.path, META).await;
    assert_eq!((whole.status, whole.field("content-type")), (200, Some("image/jpeg")));
    assert!(whole.body == picture);
    let some = part(&shop, &link.path).await;
    assert_eq!((some.status, some.body.as_slice()), (206, &picture[2..6]));
    let absent = json!({ "store": "media", "key": "promo/absent.jpg" });
    assert_eq!(shop.api(&shop.key, "POST", "/v1/links", &absent).await.status, 404);
    let odd = json!({ "store": "media", "key": "promo//absent.jpg" });
    let refused = shop.api(&shop.key, "POST", "/v1/links", &odd).await;
    assert!((400..500).contains(&refused.status), "{refused:?}");
    shop.said_no_secret().await;
    // The bytes of the old version lie in memory still, and are what the link is for.
    overwrite(name, &body("receipt.png")).await;
    assert_eq!(shop.status(&link).await, 200);
    shop.kill();
    shop.serve().await;
    assert_eq!(shop.status(&link).await, 410, "the old bytes are nowhere, and the new ones are not for this link");
    shop.said_no_secret().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_container_is_served_by_its_key_and_by_a_shared_access_signature() {
    for (setting, credential) in
        [("access_key_file", azurite::ACCESS_KEY.to_owned()), ("sas_token_file", azurite::sas_token())]
    {
        let container = Container::create().await;
        let shop = shop(&azure(&container, setting), &credential);
        let secret = credential.split_once("sig=").map_or(credential.as_str(), |(_, signature)| signature);
        shop.must_never_say(secret.to_owned());
        serves(shop, async |key, bytes| {
            container.put_with(key, bytes, &[("x-ms-blob-content-type", "image/jpeg")]).await;
        })
        .await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_bucket_of_google_is_served_by_a_service_account() {
    let bucket = Gcs::start().await;
    let store = format!(
        "kind = \"gcs\"\nbucket = \"{BUCKET}\"\nservice_account_file = \"credentials\"\nendpoint = \"{}\"\n",
        bucket.endpoint
    );
    let shop = shop(&store, &gcs::service_account());
    // The first line of the key, and how every token of it begins.
    let key = gcs::service_account();
    shop.must_never_say(key.split("\\n").nth(5).unwrap().to_owned());
    serves(shop, async |key, bytes| bucket.put_with(key, bytes, &[("content-type", b"image/jpeg")])).await;
    assert!(bucket.asked().iter().any(|asked| asked.contains("?generation=")));
}

#[tokio::test(flavor = "multi_thread")]
async fn check_tells_what_is_wrong_with_a_cloud() {
    let container = Container::create().await;
    let shop = shop(&azure(&container, "access_key_file"), "bm90IHRoZSBrZXk=");
    let checked = shop.output(&["check", "--config", "hallpass.toml"]);
    assert!(!checked.status.success() && said(&checked).contains("refuses our credentials"), "{}", said(&checked));
    assert!(!said(&checked).contains("bm90IHRoZSBrZXk"));
}

/// Google's usual chain, of which the metadata server is the last: it is asked, and its token used.
#[tokio::test(flavor = "multi_thread")]
async fn a_bucket_is_served_by_the_token_of_the_metadata_server() {
    let bucket = Gcs::start().await;
    let store = format!("kind = \"gcs\"\nbucket = \"{BUCKET}\"\nendpoint = \"{}\"\n", bucket.endpoint);
    let shop = shop(&store, "");
    for (answer, verdict) in [
        (
            format!(
                "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nConnection: close\r\n\r\n{{\"access_token\": \"{}\", \"expires_in\": 3600, \"token_type\": \"Bearer\"}}",
                gcs::token()
            ),
            "can be reached and read",
        ),
        (
            "HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\nConnection: close\r\n\r\n".to_owned(),
            "gives credentials answers 404",
        ),
    ] {
        let server = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let metadata = server.local_addr().unwrap().to_string();
        let answering = tokio::spawn(async move {
            while let Ok((mut client, _)) = server.accept().await {
                use tokio::io::{AsyncReadExt, AsyncWriteExt};
                let mut asked = Vec::new();
                while !asked.ends_with(b"\r\n\r\n") {
                    client.read_buf(&mut asked).await.unwrap();
                }
                assert!(String::from_utf8(asked).unwrap().to_lowercase().contains("metadata-flavor: google"));
                client.write_all(answer.as_bytes()).await.unwrap();
            }
        });
        let mut command = shop.command(&["check", "--config", "hallpass.toml"]);
        command.env("GCE_METADATA_HOST", &metadata).env("GCE_METADATA_IP", &metadata).env("HOME", shop.dir.path());
        let checked = tokio::task::spawn_blocking(move || command.output().unwrap()).await.unwrap();
        assert!(said(&checked).contains(verdict), "{}", said(&checked));
        assert!(!said(&checked).contains(&gcs::token()[..40]), "the token is said");
        answering.abort();
    }
}
