//! `hallpass publish`: the same from a shell, file after file.

use std::process::Stdio;

use serde_json::Value;

use super::sample;
use crate::kit::content;
use crate::kit::gateway::META;
use crate::kit::program::find;
use crate::kit::shop::Shop;

fn lines(out: &[u8]) -> Vec<String> {
    String::from_utf8(out.to_vec()).unwrap().lines().map(str::to_owned).collect()
}

#[tokio::test]
async fn every_file_is_answered_and_one_that_fails_stops_no_other() {
    let shop = Shop::open();
    for name in ["winter-sale.jpg", "page.jpg", "tour.mp4"] {
        std::fs::write(shop.file(name), sample(name)).unwrap();
    }
    let to = ["media/new/", "--config", "hallpass.toml"];
    let files = ["winter-sale.jpg", "page.jpg", "no-such-file.jpg", "media", "tour.mp4"];
    let all = |more: &[&'static str]| [&["publish"], &files[..], &to, more].concat();

    let said = shop.output(&all(&[]));
    assert_eq!(said.status.code(), Some(1));
    let urls = lines(&said.stdout);
    assert_eq!(urls.len(), 2, "{said:?}");
    let errors = String::from_utf8(said.stderr).unwrap();
    for words in ["page.jpg: ", "no-such-file.jpg: it cannot be read", "media: it is a directory"] {
        assert!(errors.contains(words), "{words}: {errors}");
    }
    assert!(!errors.contains('\u{1b}') && !errors.contains("eta"), "no progress bar in a pipe: {errors}");

    shop.serve().await;
    for (url, name) in urls.iter().zip(["winter-sale.jpg", "tour.mp4"]) {
        let path = &url[url.find("/m/").unwrap()..];
        let got = shop.fetch(path, META).await;
        assert!(got.status == 200 && got.body == sample(name), "{name}: {got:?}");
        assert!(path.ends_with(&name[name.len() - 4..]), "{path}");
    }

    let again = shop.output(&all(&["--json"]));
    assert_eq!(again.status.code(), Some(1));
    let answers: Vec<Value> = lines(&again.stdout).iter().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert_eq!(answers.iter().map(|answer| answer["file"].as_str().unwrap()).collect::<Vec<_>>(), files);
    for (answer, good) in answers.iter().zip([true, false, false, false, true]) {
        assert_eq!(answer["error"].is_string(), !good, "{answer}");
        assert_eq!(
            (answer["created"].as_bool(), answer["object"]["url"].is_string()),
            (good.then_some(false), good),
            "{answer}"
        );
    }
    assert!(answers[0]["object"]["key"].as_str().unwrap().starts_with("new/winter-sale."));
    let stored = std::fs::read_dir(shop.file("media/new")).unwrap().count();
    assert_eq!(stored, 2);
}

#[tokio::test]
async fn options_reach_the_link_and_faults_of_the_command_are_told() {
    let shop = Shop::open();
    std::fs::write(shop.file("odd name.jpg"), sample("winter-sale.jpg")).unwrap();
    let config = ["--config", "hallpass.toml", "--json"];
    let options = ["--ttl", "16m", "--header", "image", "--filename", "winter.jpg", "--cache", "no-store", "--unique"];
    let said = shop.run(&[&["publish", "odd name.jpg", "media/"], &options[..], &config].concat());
    let answer: Value = serde_json::from_slice(&said.stdout).unwrap();
    assert_eq!(answer["created"], true);
    assert!(answer["object"]["key"].as_str().unwrap().starts_with("winter."), "{answer}");
    let id = answer["object"]["id"].as_str().unwrap();
    shop.serve().await;
    let story = shop.api(&shop.key, "GET", &format!("/v1/links/{id}"), &Value::Null).await;
    assert_eq!(story.status, 404, "it is the shell's link");

    for (arguments, words) in [
        (&["odd name.jpg", "media/promos"][..], "each followed by '/'"),
        (&["odd name.jpg", "m/"], "store names are 3 to 40"),
        (&["odd name.jpg", "nobody/"], "no store is called nobody"),
        (&["a.jpg", "b.jpg", "media/", "--filename", "c.jpg"], "--filename names one file"),
        (&["odd name.jpg", "media/", "--cache", "public"], "one of immutable, private, no-store"),
        (&["odd name.jpg", "media/", "--header", "video"], "WhatsApp would refuse"),
    ] {
        let said = shop.output(&[&["publish"], arguments, &config].concat());
        assert!(!said.status.success(), "{arguments:?}");
        let told = String::from_utf8(said.stderr).unwrap();
        assert!(told.contains(words), "{arguments:?}: {told}");
    }
}

#[tokio::test]
async fn a_disk_without_room_for_the_upload_is_told_and_nothing_is_stored() {
    let shop = Shop::open();
    std::fs::write(shop.file("big.bin"), content(1, 8 << 20)).unwrap();
    let publish = ["publish", "big.bin", "media/new/", "--config", "hallpass.toml"];
    let hallpass = shop.command(&publish);
    let mut limited = std::process::Command::new(find("sh", "dash"));
    // A file may have 4 MiB and no more; the signal that comes with it is left out, so the write fails as on a full disk.
    limited.args(["-c", "trap '' XFSZ; ulimit -f 8192; exec \"$0\" \"$@\""]).arg(hallpass.get_program()).args(publish);
    let said = limited.current_dir(shop.dir.path()).env_clear().stdin(Stdio::null()).output().unwrap();
    let told = String::from_utf8(said.stderr).unwrap();
    assert_eq!(said.status.code(), Some(1), "{told}");
    assert!(told.contains("publish.directory"), "{told}");
    assert!(!shop.file("media/new").exists());
    shop.run(&publish);
}

#[test]
fn a_check_says_whether_uploads_can_wait_where_the_settings_say() {
    let shop = Shop::open();
    shop.set("publish", "directory = \"spool\"");
    let row = || {
        let checked = shop.output(&["check", "--config", "hallpass.toml", "--json"]);
        let rows: Value = serde_json::from_slice(&checked.stdout).unwrap();
        let row = rows.as_array().unwrap().iter().find(|row| row["what"] == "publish.directory").unwrap().clone();
        (checked.status.code(), row["verdict"].as_str().unwrap().to_owned(), row["detail"].as_str().unwrap().to_owned())
    };
    let missing = row();
    assert_eq!((missing.0, missing.1.as_str()), (Some(0), "warning"), "no client may publish: {missing:?}");
    shop.add_client("press");
    std::fs::write(shop.file("hallpass.toml"), shop.text("hallpass.toml") + "\nactions = [\"publish\"]\n").unwrap();
    let missing = row();
    assert_eq!((missing.0, missing.1.as_str()), (Some(1), "fault"), "{missing:?}");
    assert!(missing.2.contains("spool (entity not found)") && missing.2.contains("may write to"), "{missing:?}");
    std::fs::write(shop.file("spool"), b"no directory").unwrap();
    assert_eq!(row().1, "fault");
    std::fs::remove_file(shop.file("spool")).unwrap();
    std::fs::create_dir(shop.file("spool")).unwrap();
    let there = row();
    assert_eq!((there.0, there.1.as_str()), (Some(0), "ok"), "{there:?}");
    assert_eq!(std::fs::read_dir(shop.file("spool")).unwrap().count(), 0, "nothing is left");
}
