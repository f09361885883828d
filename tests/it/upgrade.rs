//! Upgrades of a real process: SIGUSR2 puts a new one in its place, on the same sockets, and no client notices.

use std::fs;
use std::net::SocketAddr;
use std::os::unix::fs::PermissionsExt;
use std::process::Command;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process};
use serde_json::{Value, json};
use tokio::net::TcpStream;
use tokio::task::JoinSet;
use tokio::time::sleep;

use crate::kit::content;
use crate::kit::gateway::{META, Minted};
use crate::kit::shop::{Shop, body};
use crate::kit::wire::Wire;

/// A shop whose program is a link in its own directory, as where an upgrade changes what a link leads to.
fn open() -> (Shop, impl Fn() -> Command) {
    let shop = Shop::open();
    lead_to(&shop, env!("CARGO_BIN_EXE_hallpass"));
    shop.set("limits", "drain = \"25s\"\nrequests_per_second = 0");
    let (program, place) = (shop.file("hallpass"), shop.dir.path().to_owned());
    let command = move || {
        let mut command = Command::new(&program);
        command.args(["serve", "--config", "hallpass.toml"]).current_dir(&place).env_clear();
        command
    };
    (shop, command)
}

fn lead_to(shop: &Shop, program: &str) {
    std::os::unix::fs::symlink(program, shop.file("new")).unwrap();
    fs::rename(shop.file("new"), shop.file("hallpass")).unwrap();
}

/// Clients that ask all the time, half of them on a connection for each request, the others as long as theirs is kept.
struct Load {
    clients: JoinSet<Result<(), String>>,
    enough: Arc<AtomicBool>,
    served: Arc<AtomicUsize>,
}

impl Load {
    fn begin(shop: &Shop, link: &Minted, expected: &[u8]) -> Self {
        let mut load = Self { clients: JoinSet::new(), enough: Arc::default(), served: Arc::default() };
        let (public, request) = (shop.public, shop.request(&link.path, META));
        for number in 0..12 {
            let (enough, served) = (Arc::clone(&load.enough), Arc::clone(&load.served));
            let (request, expected) = (request.clone(), expected.to_vec());
            load.clients.spawn(async move {
                let mut kept = None;
                while !enough.load(Ordering::Relaxed) {
                    let wire = kept.take().filter(|_| number % 2 == 0);
                    kept = Some(ask(public, wire, &request, &expected).await?).flatten();
                    served.fetch_add(1, Ordering::Relaxed);
                    // Some ask in a row, some leave their connections idle for longer than a drain would.
                    sleep(Duration::from_millis([1, 1, 10, 10, 700, 100][number % 6])).await;
                }
                Ok(())
            });
        }
        load
    }

    /// Waits until so many more were served.
    async fn more(&self, requests: usize) {
        let (goal, begun) = (self.served.load(Ordering::Relaxed) + requests, Instant::now());
        while self.served.load(Ordering::Relaxed) < goal {
            assert!(begun.elapsed() < Duration::from_secs(20), "nothing is served any more");
            sleep(Duration::from_millis(10)).await;
        }
    }

    async fn end(mut self) {
        self.enough.store(true, Ordering::Relaxed);
        while let Some(client) = self.clients.join_next().await {
            client.unwrap().unwrap();
        }
    }
}

/// One request; gives the connection back if it is kept.
async fn ask(public: SocketAddr, kept: Option<Wire>, request: &str, expected: &[u8]) -> Result<Option<Wire>, String> {
    let mut wire = match kept {
        Some(wire) => wire,
        None => Wire::over(TcpStream::connect(public).await.map_err(|error| format!("refused: {error}"))?),
    };
    wire.send(request).await;
    let answer = wire.try_answer(false).await.map_err(|broken| format!("{broken:?}"))?;
    if answer.status != 200 || answer.body != expected {
        return Err(format!("{answer:?}"));
    }
    Ok((answer.field("connection") != Some("close")).then_some(wire))
}

async fn until_replaced(shop: &Shop, before: Option<Pid>) -> Pid {
    let begun = Instant::now();
    loop {
        match shop.successor() {
            Some(successor) if Some(successor) != before => return successor,
            _ => assert!(begun.elapsed() < Duration::from_secs(30), "{}", shop.text("stderr")),
        }
        sleep(Duration::from_millis(20)).await;
    }
}

#[tokio::test]
async fn an_upgrade_under_load_refuses_resets_and_fails_no_request() {
    let (shop, command) = open();
    let huge = content(8, 16 << 20);
    fs::write(shop.file("media/huge.bin"), &huge).unwrap();
    shop.serve_by(command()).await;
    let link = shop.mint(json!({"store": "media", "key": "winter-sale.jpg"})).await;
    let ended = shop.mint(json!({"store": "media", "key": "receipt.png"})).await;
    let whole = shop.mint(json!({"store": "media", "key": "huge.bin"})).await;
    assert_eq!(shop.api(&shop.key, "DELETE", &format!("/v1/links/{}", ended.id), &Value::Null).await.status, 200);
    let load = Load::begin(&shop, &link, &body("winter-sale.jpg"));
    load.more(50).await;
    let mut slow = Wire::connect_narrow(shop.public).await;
    slow.send(shop.request(&whole.path, META)).await;
    assert_eq!(slow.head().await.unwrap().length(), Some(huge.len()));
    shop.signal(Signal::USR2);
    let successor = until_replaced(&shop, None).await;
    load.more(200).await;
    // The body in progress is the old process's, which waits for it.
    assert!(slow.body(huge.len()).await.unwrap() == huge);
    drop(slow);
    assert_eq!(shop.ended().await.code(), Some(0));
    load.more(50).await;
    assert_eq!(shop.ops("/readyz").await.status, 200);
    // What the old one promised and wrote holds in the new one.
    assert_eq!(shop.status(&ended).await, 410);
    let story = shop.api(&shop.key, "GET", &format!("/v1/links/{}", whole.id), &Value::Null).await.json();
    assert!(story.to_string().contains(&format!("\"bytes\":{}", huge.len())), "{story}");
    let environment = fs::read(format!("/proc/{}/environ", successor.as_raw_nonzero())).unwrap();
    assert!(!String::from_utf8_lossy(&environment).contains("LISTEN_"));
    // And once more, from the new one.
    kill_process(successor, Signal::USR2).unwrap();
    let third = until_replaced(&shop, Some(successor)).await;
    load.more(200).await;
    load.end().await;
    assert_eq!(shop.status(&link).await, 200);
    let late = shop.mint(json!({"store": "media", "key": "price-list.pdf"})).await;
    assert_eq!(shop.api(&shop.key, "DELETE", &format!("/v1/links/{}", late.id), &Value::Null).await.status, 200);
    kill_process(third, Signal::TERM).unwrap();
    let begun = Instant::now();
    while fs::read_to_string(format!("/proc/{}/stat", third.as_raw_nonzero())).is_ok_and(|stat| !stat.contains(") Z "))
    {
        assert!(begun.elapsed() < Duration::from_secs(20), "{}", shop.text("stderr"));
        sleep(Duration::from_millis(20)).await;
    }
    assert!(std::net::TcpStream::connect(shop.public).is_err(), "nobody has the socket any more");
    shop.serve().await;
    assert_eq!((shop.status(&late).await, shop.status(&ended).await, shop.status(&link).await), (410, 410, 200));
}

#[tokio::test]
async fn an_upgrade_that_fails_leaves_the_old_process_serving() {
    let (shop, command) = open();
    shop.serve_by(command()).await;
    let link = shop.mint(json!({"store": "media", "key": "winter-sale.jpg"})).await;
    let load = Load::begin(&shop, &link, &body("winter-sale.jpg"));
    let good = shop.text("hallpass.toml");
    fs::write(shop.file("broken"), "#!/bin/sh\nexit 3\n").unwrap();
    fs::set_permissions(shop.file("broken"), PermissionsExt::from_mode(0o755)).unwrap();
    let failures = |text: &str| text.matches("the upgrade failed").count();
    let elsewhere = crate::kit::shop::free();
    let moved = good.replace(&format!("public = \"{}\"", shop.public), &format!("public = \"{elsewhere}\""));
    for (number, (program, settings, words)) in [
        ("/nowhere/hallpass", good.clone(), "could not be started"),
        (shop.file("broken").to_str().unwrap(), good.clone(), "exit status: 3"),
        (env!("CARGO_BIN_EXE_hallpass"), good.clone() + "\nnonsense = 1\n", "exit status: 64"),
        (env!("CARGO_BIN_EXE_hallpass"), moved, "write the same in both places"),
    ]
    .into_iter()
    .enumerate()
    {
        lead_to(&shop, program);
        fs::write(shop.file("hallpass.toml"), settings).unwrap();
        shop.signal(Signal::USR2);
        let begun = Instant::now();
        while failures(&shop.text("stderr")) <= number {
            assert!(begun.elapsed() < Duration::from_secs(20), "{words}: {}", shop.text("stderr"));
            sleep(Duration::from_millis(20)).await;
        }
        assert!(shop.text("stderr").contains(words), "{words}: {}", shop.text("stderr"));
        load.more(30).await;
    }
    let metrics = String::from_utf8(shop.ops("/metrics").await.body).unwrap();
    assert!(metrics.contains("\nhallpass_upgrades_failed_total 4\n"), "{metrics}");
    // What was wrong is mended.
    fs::write(shop.file("hallpass.toml"), good).unwrap();
    shop.signal(Signal::USR2);
    until_replaced(&shop, None).await;
    load.more(100).await;
    load.end().await;
    assert_eq!(shop.ended().await.code(), Some(0));
}

#[tokio::test]
async fn a_stop_during_an_upgrade_ends_both_processes() {
    let (shop, command) = open();
    shop.serve_by(command()).await;
    fs::write(shop.file("slow"), "#!/bin/sh\necho $$ > slow.pid\nexec sleep 60\n").unwrap();
    fs::set_permissions(shop.file("slow"), PermissionsExt::from_mode(0o755)).unwrap();
    lead_to(&shop, shop.file("slow").to_str().unwrap());
    shop.signal(Signal::USR2);
    let begun = Instant::now();
    while !shop.file("slow.pid").exists() || shop.text("slow.pid").is_empty() {
        assert!(begun.elapsed() < Duration::from_secs(20), "{}", shop.text("stderr"));
        sleep(Duration::from_millis(20)).await;
    }
    shop.signal(Signal::TERM);
    assert_eq!(shop.ended().await.code(), Some(0));
    let slow = Pid::from_raw(shop.text("slow.pid").trim().parse().unwrap()).unwrap();
    assert!(rustix::process::test_kill_process(slow).is_err(), "it was ended and waited for");
}
