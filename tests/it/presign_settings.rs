//! `[presigned]` as an operator writes it, and the access keys that `hallpass keys presigner` makes for it.

use std::collections::BTreeMap;
use std::fs::{self, Permissions};
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::Duration;

use hallpass::config::{Faults, PresignedSettings, Settings, load};
use hallpass::presign::PresignRules;
use hallpass::value::StoreName;

const ID: &str = "HPAKABCDEFGHIJKLMN22";
const SECRET: &str = "hps_k7x2mq4vnzb6yt3whjc5rdaflpg2soeiuxk7q4m3vzn6ybt5whja";

fn read(more: &str) -> Result<PresignedSettings, Faults> {
    let text = format!(
        "public_origin = 'https://media.example.com'\nstores.media = {{ kind = 'local', root = 'm' }}\n[presigned]\n{more}"
    );
    Settings::from_toml(&text, &BTreeMap::new(), Path::new("/etc/hallpass")).map(|settings| settings.presigned)
}

fn lines(faults: &Faults) -> Vec<String> {
    faults.to_string().lines().map(str::to_owned).collect()
}

/// A client's stanza with these lines in place of its own, and `more` behind them.
fn client(id: &str, secret: &str, more: &str) -> String {
    format!(
        "\n[[presigned.clients]]\nname = 'billing'\naccess_key_id = '{id}'\nsecret_access_key = '{secret}'\nstores = ['media']\n{more}"
    )
}

#[test]
fn nothing_written_is_off_with_the_defaults() {
    let settings = read("").unwrap();
    assert!(!settings.enabled && settings.clients.is_empty() && settings.virtual_hosts.is_empty());
    assert_eq!((settings.rules, settings.fetcher.as_str()), (PresignRules::default(), "meta"));
    let hour = Duration::from_secs(3600);
    let quarter = Duration::from_secs(900);
    assert_eq!((settings.rules.expires_min, settings.rules.expires_max), (quarter, hour));
    assert_eq!(settings.rules.longest_life(), hour + Duration::from_secs(60));
}

#[test]
fn what_is_written_is_meant() {
    let text = "enabled = true\nexpires_min = '1s'\nexpires_max = '7d'\nfetcher = 'meta'
        virtual_hosts = { 'promo.media.example.com' = 'media', 'localhost:9000' = 'media' }"
        .to_owned()
        + &client(ID, SECRET, "prefixes = ['promos/']")
        + &client("HPAKABCDEFGHIJKLMN33", SECRET, "");
    let settings = read(&text).unwrap();
    assert!(settings.enabled);
    assert_eq!(settings.rules.expires_max, Duration::from_secs(7 * 24 * 3600));
    let hosts: Vec<_> = settings.virtual_hosts.iter().map(|(host, store)| (host.as_str(), store.as_str())).collect();
    assert_eq!(hosts, [("localhost:9000", "media"), ("promo.media.example.com", "media")]);
    let [first, second] = &settings.clients[..] else { panic!("{settings:?}") };
    assert_eq!(
        (first.name.as_str(), first.access_key_id.as_str(), first.secret.expose().as_str()),
        ("billing", ID, SECRET)
    );
    assert_eq!((first.prefixes.as_slice(), second.prefixes.len()), (&["promos/".to_owned()][..], 0));
    assert!(!format!("{settings:?}").contains(&SECRET[4..]), "{settings:?}");
}

#[test]
fn a_host_that_our_own_links_have_is_no_stores_own() {
    let own = "enabled = false\nvirtual_hosts = { 'cdn.example' = 'media' }";
    let listening = |hosts: &str| read(&format!("{own}\n[listen]\nhosts = {hosts}"));
    let faults = listening("['other.example', 'cdn.example']").unwrap_err();
    let expected = "presigned.virtual_hosts.\"cdn.example\": is in listen.hosts too, where our own links are served; \
                    a host is for them or for one store, so remove it here or there";
    assert_eq!(lines(&faults), [expected]);
    for apart in ["['other.example']", "['cdn.example:8443']", "['*']", "[]"] {
        assert_eq!(listening(apart).unwrap().virtual_hosts.len(), 1, "{apart}");
    }
}

/// Each of these settings has this one fault.
fn have_faults<const N: usize>(cases: [(String, &str, &str); N]) {
    for (more, place, problem) in cases {
        let faults = read(&more).unwrap_err();
        assert_eq!(lines(&faults), [format!("presigned.{place}: {problem}")], "{more}");
        assert!(!faults.to_string().contains(&SECRET[4..40]));
    }
}

#[test]
fn each_fault_of_the_section_says_what_to_do() {
    let host = "is a lower-case host name with its port, if it is not the usual one, such as \"promo.example.com\"";
    have_faults([
        (
            "enabled = true".to_owned(),
            "clients",
            "is empty, so no URL could be believed; run `hallpass keys presigner NAME` and append what it prints",
        ),
        (
            "expires_max = '8d'".to_owned(),
            "expires_max",
            "is a time from 1s to 7days, with its unit and in quotes, such as \"90s\" or \"20m\"",
        ),
        ("expires_min = '1500ms'".to_owned(), "expires_min", "is in whole seconds"),
        (
            "expires_min = '2h'".to_owned(),
            "expires_min",
            "expires_min must be at most expires_max; with the defaults, they are 2h and 1h",
        ),
        (
            "expires_max = '10m'".to_owned(),
            "expires_max",
            "expires_min must be at most expires_max; with the defaults, they are 15m and 10m",
        ),
        (
            "fetcher = 'nobody'".to_owned(),
            "fetcher",
            "there is no fetcher profile of that name; add its [fetchers.NAME], or use \"meta\"",
        ),
        ("virtual_hosts = ['a']".to_owned(), "virtual_hosts", "is a table; write it in { }"),
        ("virtual_hosts = { 'A.example' = 'media' }".to_owned(), "virtual_hosts.\"A.example\"", host),
        ("virtual_hosts = { 'a.example:443' = 'media' }".to_owned(), "virtual_hosts.\"a.example:443\"", host),
        ("virtual_hosts = { 'a/b' = 'media' }".to_owned(), "virtual_hosts.\"a/b\"", host),
        (
            "virtual_hosts = { 'media.example.com' = 'media' }".to_owned(),
            "virtual_hosts.\"media.example.com\"",
            "is the host of public_origin, where stores are named in the path; use another",
        ),
        (
            "virtual_hosts = { 'a.example' = 'medai' }".to_owned(),
            "virtual_hosts.\"a.example\"",
            "there is no store of that name; add its [stores.NAME] or remove it here",
        ),
    ]);
}

#[test]
fn each_fault_of_a_client_says_what_to_do() {
    let short = "is HPAK and 16 characters of A-Z and 2-7, as `hallpass keys presigner NAME` prints it";
    let spelt = "is hps_ and 52 characters of a-z and 2-7, with nothing around them; make one with `hallpass keys presigner NAME`";
    let zeros = format!("hps_{}", "a".repeat(52));
    let upper = SECRET.to_uppercase();
    let cut = &SECRET[..55];
    have_faults([
        (client("AKIAIOSFODNN7EXAMPLE", SECRET, ""), "clients[0].access_key_id", short),
        (client("HPAKABCDEFGHIJKLMN2", SECRET, ""), "clients[0].access_key_id", short),
        (client(ID, "hunter2", ""), "clients[0].secret_access_key", spelt),
        (client(ID, &upper, ""), "clients[0].secret_access_key", spelt),
        (client(ID, cut, ""), "clients[0].secret_access_key", spelt),
        (client(ID, &format!("{SECRET} "), ""), "clients[0].secret_access_key", spelt),
        (
            client(ID, &zeros, ""),
            "clients[0].secret_access_key",
            "is weak: it is a pattern or was typed by hand; make one with `hallpass keys presigner NAME`",
        ),
        (
            client(ID, SECRET, "") + &client(ID, SECRET, ""),
            "clients[1].access_key_id",
            "is that of another client too; make each its own with `hallpass keys presigner NAME`",
        ),
        (
            client(ID, SECRET, "").replace("'media'", "'medai'"),
            "clients[0].stores[0]",
            "there is no store of that name; add its [stores.NAME] or remove it here",
        ),
        (
            client(ID, SECRET, "prefixes = ['promos']"),
            "clients[0].prefixes[0]",
            "is the beginning of object keys and ends with '/', such as \"promos/\"",
        ),
        (
            client(ID, SECRET, "prefixes = []"),
            "clients[0].prefixes",
            "is empty; remove it to allow every key of the stores, or name what is allowed",
        ),
        (
            client(ID, SECRET, "").replace("['media']", "[]"),
            "clients[0].stores",
            "is empty, so the client could do nothing; list the stores that it may use",
        ),
        (
            client(ID, SECRET, "").replace("['media']", "['Media']"),
            "clients[0].stores[0]",
            "store names are 3 to 40 characters of a-z, 0-9 and '-'",
        ),
        (
            client(ID, SECRET, "").replace("'billing'", "'shell'"),
            "clients[0].name",
            "is what records call whoever sits at the shell; choose another",
        ),
        (
            client(ID, SECRET, "actions = ['mint']"),
            "clients[0].actions",
            "is not a setting; here are known name, access_key_id, secret_access_key_file, secret_access_key, stores, prefixes",
        ),
    ]);
}

#[test]
fn the_secret_may_lie_in_a_file_that_only_its_owner_can_read() {
    let home = tempfile::tempdir().unwrap();
    let dir = home.path();
    let put = |name: &str, text: &str, mode: u32| {
        fs::write(dir.join(name), text).unwrap();
        fs::set_permissions(dir.join(name), Permissions::from_mode(mode)).unwrap();
    };
    let inline = client(ID, SECRET, "");
    let stanza = inline.replace(&format!("secret_access_key = '{SECRET}'"), "secret_access_key_file = 'billing'");
    let start = "public_origin = 'https://a.example'\nstores.media = { kind = 'local', root = 'm' }\npresigned.enabled = true\n";
    put("hallpass.toml", &format!("{start}{stanza}"), 0o644);
    put("billing", &format!("{SECRET}\n"), 0o600);
    assert!(hallpass(dir, &["keys", "generate"]).0 == Some(0));
    let loaded = load(&dir.join("hallpass.toml")).unwrap();
    assert_eq!(loaded.settings.presigned.clients[0].secret.expose(), SECRET);
    assert!(loaded.files.contains(&dir.join("billing")), "a change of it is a change of the settings");
    let place = "presigned.clients[0].secret_access_key_file";
    let shown = dir.join("billing").display().to_string();
    let faults = || lines(&load(&dir.join("hallpass.toml")).unwrap_err());
    put("billing", SECRET, 0o640);
    let expected = format!("{place}: {shown} can be used by others than its owner (mode 0640); run chmod 600 {shown}");
    assert_eq!(faults(), [expected]);
    put("billing", "hunter2", 0o600);
    assert!(faults()[0].starts_with(&format!("{place}: is hps_ and 52 characters")), "{:?}", faults());
    fs::remove_file(dir.join("billing")).unwrap();
    assert_eq!(faults(), [format!("{place}: {shown} does not exist; make it, or name another file")]);
    put("billing", SECRET, 0o600);
    put("hallpass.toml", &format!("{start}{stanza}secret_access_key = '{SECRET}'\n"), 0o644);
    assert_eq!(faults(), [format!("{place}: says the same as secret_access_key; keep one of them")]);
}

#[test]
fn a_secret_in_settings_that_others_can_read_is_a_warning() {
    let home = tempfile::tempdir().unwrap();
    let dir = home.path();
    let settings = dir.join("hallpass.toml");
    let start = "public_origin = 'https://a.example'
        listen = { public = '127.0.0.1:0', control = '127.0.0.1:0', ops = '127.0.0.1:0' }
        stores.media = { kind = 'local', root = '.' }
        stores.cloud = { kind = 'azure', account = 'acme', container = 'media', sas_token = 'sv=1&sig=hunter2' }
        presigned.enabled = true\n";
    fs::write(&settings, format!("{start}{}", client(ID, SECRET, ""))).unwrap();
    assert_eq!(hallpass(dir, &["keys", "generate"]).0, Some(0));
    let places = || load(&settings).unwrap().warnings.iter().map(ToString::to_string).collect::<Vec<_>>();
    let shown = settings.display();
    let said = |place: &str, name: &str| {
        format!(
            "{place}: is a secret in {shown}, which others than its owner can read; run chmod 600 {shown}, or name a file \
             of its own in {name}"
        )
    };
    let secret = said("presigned.clients[0].secret_access_key", "secret_access_key_file");
    let token = said("stores.cloud.sas_token", "sas_token_file");
    for mode in [0o644, 0o640, 0o604, 0o660] {
        fs::set_permissions(&settings, Permissions::from_mode(mode)).unwrap();
        assert_eq!(places(), [token.as_str(), &secret], "{mode:o}");
    }
    let (code, table) = hallpass(dir, &["check"]);
    assert!(code != Some(64) && !table.contains(&SECRET[4..]) && !table.contains("hunter2"), "{table}");
    let row = table.lines().find(|line| line.starts_with("presigned.clients[0].secret_access_key ")).unwrap();
    assert!(row.contains("warning") && row.contains("chmod 600"), "{row}");
    fs::set_permissions(&settings, Permissions::from_mode(0o600)).unwrap();
    assert_eq!(places(), [""; 0]);
    // What the file does not hold, nobody reads in it.
    fs::write(&settings, start.replace("sas_token = 'sv=1&sig=hunter2'", "").replace("'media', }", "'media' }"))
        .unwrap();
    fs::set_permissions(&settings, Permissions::from_mode(0o644)).unwrap();
    let mut command = Command::new(env!("CARGO_BIN_EXE_hallpass"));
    command.args(["check", "--config", "hallpass.toml"]).current_dir(dir).env_clear().stdin(Stdio::null());
    command.env("HALLPASS_PRESIGNED__ENABLED", "false").env("HALLPASS_STORES__CLOUD__SAS_TOKEN", "'sv=1&sig=hunter2'");
    let table = String::from_utf8(command.output().unwrap().stdout).unwrap();
    assert!(table.contains("stores.cloud") && !table.contains("is a secret in"), "{table}");
}

#[tokio::test]
async fn a_gateway_that_starts_with_a_secret_for_others_to_read_says_so() {
    let shop = crate::kit::shop::Shop::open();
    let text = shop.text("hallpass.toml") + "\n[presigned]\nenabled = true\n" + &client(ID, SECRET, "");
    fs::write(shop.file("hallpass.toml"), text).unwrap();
    fs::set_permissions(shop.file("hallpass.toml"), Permissions::from_mode(0o644)).unwrap();
    shop.must_never_say(SECRET.to_owned());
    shop.serve().await;
    shop.says("is a secret in hallpass.toml, which others than its owner can read").await;
}

/// Runs the program in `dir`; gives its exit code and what it printed.
fn hallpass(dir: &Path, words: &[&str]) -> (Option<i32>, String) {
    let mut command = Command::new(env!("CARGO_BIN_EXE_hallpass"));
    command.args(words).args(["--config", "hallpass.toml"]).current_dir(dir).env_clear().stdin(Stdio::null());
    let ran = command.output().unwrap();
    (ran.status.code(), String::from_utf8([ran.stdout, ran.stderr].concat()).unwrap())
}

#[test]
fn a_printed_access_key_fits_its_stanza_and_check_tells_what_is_on() {
    let home = tempfile::tempdir().unwrap();
    let dir = home.path();
    fs::create_dir(dir.join("m")).unwrap();
    let start = "public_origin = 'https://a.example'
        listen = { public = '127.0.0.1:0', control = '127.0.0.1:0', ops = '127.0.0.1:0' }
        [stores]\nmedia = { kind = 'local', root = 'm' }\ndocs = { kind = 'local', root = 'm' }\n";
    let settings = dir.join("hallpass.toml");
    fs::write(&settings, start).unwrap();
    assert_eq!(hallpass(dir, &["keys", "generate"]).0, Some(0));
    let row = || {
        let (code, said) = hallpass(dir, &["check"]);
        (code, said.lines().find(|line| line.starts_with("presigned ")).unwrap_or_default().to_owned())
    };
    let (code, off) = row();
    assert!(code == Some(0) && off.contains(" ok ") && off.ends_with("off"), "{off}");

    let (code, said) = hallpass(dir, &["keys", "presigner", "billing", "--store", "media"]);
    assert_eq!(code, Some(0), "{said}");
    let value = |name: &str| {
        let line = said.lines().find(|line| line.trim_start().starts_with(name)).unwrap();
        line.split('=').nth(1).unwrap().trim().to_owned()
    };
    let (id, secret) = (value("access_key_id"), value("secret_access_key"));
    let stanza = &said[said.find("[[presigned.clients]]").unwrap()..];
    assert_eq!(said.matches(&secret).count(), 1, "shown once: {said}");
    assert!(!stanza.contains(&secret) && stanza.contains(&id));
    fs::write(&settings, format!("{start}{stanza}")).unwrap();
    fs::create_dir(dir.join("secrets")).unwrap();
    fs::write(dir.join("secrets/billing"), secret.clone() + "\n").unwrap();
    fs::set_permissions(dir.join("secrets/billing"), Permissions::from_mode(0o600)).unwrap();
    let (code, dormant) = row();
    assert!(code == Some(0) && dormant.contains("warning") && dormant.contains("access keys (1)"), "{dormant}");
    fs::write(&settings, format!("{start}{stanza}\n[presigned]\nenabled = true\n")).unwrap();
    let client = &load(&settings).unwrap().settings.presigned.clients[0];
    assert_eq!((client.access_key_id.as_str(), client.secret.expose().as_str()), (&*id, &*secret));
    assert!(client.stores.iter().map(StoreName::as_str).eq(["media"]));
    let (code, on) = row();
    assert!(code == Some(0) && on.contains("URLs live for 15m to 1h") && on.contains("meta"), "{on}");

    let (_, json) = hallpass(dir, &["keys", "presigner", "shop", "--json"]);
    let json: serde_json::Value = serde_json::from_str(&json).unwrap();
    assert_eq!(json["stores"], serde_json::json!(["docs", "media"]), "all stores of the settings");
    let (other_id, other) = (json["access_key_id"].as_str().unwrap(), json["secret_access_key"].as_str().unwrap());
    assert!(other_id != id && other != secret);
    assert!(read(&self::client(other_id, other, "")).is_ok());
}
