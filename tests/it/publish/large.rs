//! A large upload through the real program: memory does not grow with it, and nothing is left when the program is killed in the middle.

use serde_json::Value;

use crate::kit::content;
use crate::kit::gateway::META;
use crate::kit::shop::Shop;
use crate::kit::wire::Wire;

const SIZE: usize = 200 << 20;

/// The most memory that the gateway had, in bytes.
fn peak(shop: &Shop) -> u64 {
    let status = std::fs::read_to_string(format!("/proc/{}/status", shop.pid())).unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).unwrap();
    line.trim().trim_end_matches(" kB").parse::<u64>().unwrap() * 1024
}

fn shop() -> (Shop, String) {
    let shop = Shop::open();
    std::fs::create_dir(shop.file("spool")).unwrap();
    let key = shop.add_client("press");
    // The stanza of the client stands last.
    let text = shop.text("hallpass.toml") + "\nactions = [\"publish\"]\n";
    std::fs::write(shop.file("hallpass.toml"), text).unwrap();
    shop.set("cache", "memory = \"8MiB\"\nin_flight = \"8MiB\"");
    shop.set("mint", "first_reads = 2");
    shop.set("publish", "directory = \"spool\"");
    (shop, key)
}

fn head(key: &str, length: usize) -> String {
    format!(
        "POST /v1/objects?store=media&filename=big.bin HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {key}\r\nContent-Length: {length}\r\n\r\n"
    )
}

#[tokio::test]
async fn memory_does_not_grow_with_an_upload() {
    let (shop, key) = shop();
    shop.serve().await;
    let bytes = content(7, SIZE);
    let upload = async |bytes: &[u8]| {
        let mut wire = Wire::connect(shop.control).await;
        wire.send(head(&key, bytes.len())).await;
        wire.send(bytes).await;
        loop {
            match wire.try_answer(false).await {
                Ok(answer) => return answer,
                Err(broken) => assert_eq!(broken.how, crate::kit::wire::End::Silent, "{broken:?}"),
            }
        }
    };
    let small = upload(&bytes[..1 << 20]).await;
    assert_eq!(small.status, 201, "{small:?}");
    let before = peak(&shop);
    let large = upload(&bytes).await;
    assert_eq!(large.status, 201, "{large:?}");
    let grown = peak(&shop) - before;
    assert!(grown < 32 << 20, "an upload of {SIZE} bytes took {grown} bytes of memory");
    let url = large.json()["url"].as_str().unwrap().to_owned();
    let got = shop.fetch(&url[url.find("/m/").unwrap()..], META).await;
    assert!(got.status == 200 && got.body == bytes, "{got:?}");
    assert_eq!(std::fs::read_dir(shop.file("spool")).unwrap().count(), 0);
}

#[tokio::test]
async fn a_gateway_that_is_killed_in_an_upload_leaves_nothing() {
    let (shop, key) = shop();
    shop.serve().await;
    let mut wire = Wire::connect(shop.control).await;
    wire.send(head(&key, SIZE)).await;
    wire.send(content(7, 8 << 20)).await;
    tokio::time::sleep(std::time::Duration::from_millis(200)).await;
    shop.kill();
    assert_eq!(std::fs::read_dir(shop.file("spool")).unwrap().count(), 0);
    assert!(!std::fs::read_dir(shop.file("media")).unwrap().any(|entry| {
        let name = entry.unwrap().file_name().into_string().unwrap();
        name.starts_with("big.") || name.contains("partial")
    }));
    shop.serve().await;
    assert_eq!(shop.api(&shop.key, "GET", "/v1/revocations", &Value::Null).await.status, 200);
}
