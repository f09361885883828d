//! Settings as an operator writes them: good ones mean what the design says, bad ones tell every fault at once.

#![expect(clippy::unwrap_used, reason = "what builds a test's values is part of the test")]

use std::collections::BTreeMap;
use std::fs::{self, Permissions};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::time::Duration;

use hallpass::cache::CacheSettings;
use hallpass::config::{
    AccessLog, Action, CertificateFiles, ClientKey, Faults, HostNames, LogFormat, SecretAccessKey, Settings,
    StorePlace, load,
};
use hallpass::fetcher::{Mode, Profile, Require};
use hallpass::link::{Keyring, LinkBounds};
use hallpass::presign::{AccessKeyId, PresignRules};
use hallpass::value::{Clock, StoreName};
use proptest::prelude::*;

fn read(text: &str) -> Result<Settings, Faults> {
    Settings::from_toml(text, &BTreeMap::new(), Path::new("/etc/hallpass"))
}

fn read_with(text: &str, variables: &[(&str, &str)]) -> Result<Settings, Faults> {
    let environment = variables.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
    Settings::from_toml(text, &environment, Path::new("/etc/hallpass"))
}

fn lines(faults: &Faults) -> Vec<String> {
    faults.to_string().lines().map(str::to_owned).collect()
}

fn places(result: Result<Settings, Faults>) -> Vec<String> {
    result.unwrap_err().iter().map(|fault| fault.place.clone()).collect()
}

/// The shortest settings that are whole, and then `more`.
fn with(more: &str) -> String {
    format!("public_origin = 'https://media.example.com'\nstores.media = {{ kind = 'local', root = 'm' }}\n{more}")
}

/// The example of the design, save for its TLS section, which is of a later release.
const SPECIFIED: &str = r#"
public_origin = "https://media.example.com"
[listen]
public  = "0.0.0.0:8443"
control = "127.0.0.1:8081"
ops     = "127.0.0.1:8082"
trusted_proxies = []
hosts = []
[keyring]
file = "keys.toml"
[[control.clients]]
name = "billing"
key_blake3 = "8f2a1c9d0e3b4a568f2a1c9d0e3b4a568f2a1c9d0e3b4a568f2a1c9d0e3b4a56"
stores = ["media"]
actions = ["mint", "read", "revoke"]
[stores.media]
kind = "s3"
bucket = "acme-media"
region = "eu-central-1"
[stores.samples]
kind = "local"
root = "./media"
[links]
ttl_min = "15m"
ttl_default = "20m"
ttl_max = "30m"
window = "5m"
[cache]
memory = "512MiB"
in_flight = "128MiB"
[catalog]
url = "sqlite://hallpass.db"
"#;

#[test]
fn the_designs_example_means_what_the_design_says() {
    let settings = read(SPECIFIED).unwrap();
    assert_eq!(settings.public_origin.as_str(), "https://media.example.com");
    assert_eq!(settings.keyring_file, PathBuf::from("/etc/hallpass/keys.toml"));
    assert_eq!(settings.links, LinkBounds::default());
    let client = &settings.clients[0];
    assert_eq!((client.name.as_str(), client.key_hash.expose()[0]), ("billing", 0x8f));
    assert!(client.actions.iter().eq(&[Action::Mint, Action::Read, Action::Revoke]));
    let store = |name: &str| settings.stores[&name.parse::<StoreName>().unwrap()].clone();
    let StorePlace::S3(s3) = store("media").place else { panic!("not S3") };
    assert_eq!((s3.bucket.as_str(), s3.region.as_deref(), s3.path_style), ("acme-media", Some("eu-central-1"), false));
    let StorePlace::Local(local) = store("samples").place else { panic!("not local") };
    assert_eq!(local.root, PathBuf::from("/etc/hallpass/./media"));
    assert_eq!(settings.catalog.url, "sqlite:///etc/hallpass/hallpass.db");
}

#[test]
fn what_is_not_written_has_the_designs_defaults() {
    let settings = read(&with("")).unwrap();
    assert_eq!(settings.links, LinkBounds::default());
    assert_eq!(settings.links.ttl(None), Ok(Duration::from_secs(1200)));
    assert_eq!(settings.listen.public.to_string(), "0.0.0.0:8443");
    assert_eq!(settings.listen.control.to_string(), "127.0.0.1:8081");
    assert_eq!(settings.listen.ops.to_string(), "127.0.0.1:8082");
    assert_eq!(settings.listen.hosts, HostNames::Only(vec![]));
    assert!(settings.listen.trusted_proxies.is_empty() && settings.clients.is_empty() && settings.fetchers.is_empty());
    let cache = settings.cache;
    assert_eq!((cache.memory, cache.in_flight, cache.prewarm), (512 << 20, 128 << 20, 256 << 20));
    assert_eq!((cache.min_rate, cache.manifest_wait), (32 << 10, Duration::from_secs(10)));
    assert_eq!(
        (settings.mint.mint_timeout, settings.mint.fresh_for),
        (Duration::from_secs(10), Duration::from_secs(2))
    );
    assert_eq!((settings.mint.object_max, settings.mint.first_reads), (2 << 30, 8));
    assert_eq!(settings.limits.body_max, Duration::from_secs(600));
    assert_eq!(settings.limits.connections.write_budget, 256 << 10);
    assert_eq!((settings.limits.drain_grace, settings.limits.drain), (Duration::ZERO, Duration::from_secs(30)));
    assert_eq!((settings.limits.requests_per_second, settings.limits.control_requests_per_second), (5000, 5000));
    assert_eq!((settings.catalog.link_days, settings.catalog.fetch_days), (30, 90));
    assert_eq!((settings.log.access, settings.log.format), (AccessLog::Stdout, LogFormat::Text));
    assert_eq!(settings.origin, hallpass::origin::RetryPolicy::default());
}

#[test]
fn the_cache_is_as_large_and_as_patient_as_it_is_written() {
    let text =
        "[cache]\nmemory = '4MiB'\nin_flight = 4194304\nmin_rate = '64KiB'\nmanifest_wait = '1s'\nzero_copy = false";
    let cache = read(&with(text)).unwrap().cache;
    let (memory, prewarm) = (4 << 20, 2 << 20);
    let manifest_wait = Duration::from_secs(1);
    assert_eq!(
        cache,
        CacheSettings { memory, in_flight: memory, prewarm, min_rate: 64 << 10, zero_copy: false, manifest_wait }
    );
    let patient = read(&with("cache = { min_rate = 0, prewarm = 0, manifest_wait = '5m' }")).unwrap().cache;
    assert_eq!((patient.min_rate, patient.prewarm, patient.manifest_wait), (0, 0, Duration::from_secs(300)));
}

/// A fault in every section, and more.
const BAD: &str = r#"
public_origin = "http://media.example.com"
colour = "red"
[listen]
publik = "0.0.0.0:80"
control = "0.0.0.0:8081"
ops = "here"
trusted_proxies = ["10.0.0.0/8", "10.0.0.1/8", 7]
hosts = ["Upper.example.com"]
[tls]
certificates = []
[keyring]
file = 7
[[control.clients]]
name = "Billing"
stores = ["media", "medai"]
prefixes = ["promos/", "promos"]
actions = ["mint", "fly"]
[[control.clients]]
name = "shop"
key_blake3 = "hpk_abc"
[stores.media]
kind = "s3"
endpoint = "https://me:secret@minio"
[stores.m]
kind = "local"
[stores.cloud]
kind = "gcp"
bucket = "acme"
[links]
window = "20m"
[cache]
memory = "lots"
[catalog]
url = "postgres://me:secret@db/hallpass"
[mint]
first_reads = 0
[limits]
body_max = 600
[fetchers.other]
require = "network"
[presigned]
enabled = "yes"
expires_max = "8d"
fetcher = "nobody"
virtual_hosts = { "Promo.example.com" = "media", "b.example.com" = "medai" }
[[presigned.clients]]
access_key_id = "AKIAIOSFODNN7EXAMPLE"
secret_access_key = "hps_secret"
[log]
access = "stduot"
format = "xml"
[origin]
first_byte = "9s"
"#;

/// Where they are, in the order in which they are told.
const FAULTS_OF_BAD: [&str; 39] = [
    "public_origin",
    "listen.ops",
    "listen.trusted_proxies[1]",
    "listen.trusted_proxies[2]",
    "listen.hosts[0]",
    "listen.publik",
    "tls",
    "keyring.file",
    "stores.cloud.kind",
    "stores.m",
    "stores.media.bucket",
    "stores.media.endpoint",
    "control.clients[0].name",
    "control.clients[0].key_blake3",
    "control.clients[0].stores[1]",
    "control.clients[0].prefixes[1]",
    "control.clients[0].actions[1]",
    "control.clients[1].key_blake3",
    "control.clients[1].stores",
    "listen.control",
    "origin.first_byte",
    "links.window",
    "cache.memory",
    "catalog.url",
    "mint.first_reads",
    "limits.body_max",
    "fetchers.other.networks_file",
    "presigned.enabled",
    "presigned.expires_max",
    "presigned.fetcher",
    "presigned.virtual_hosts.\"Promo.example.com\"",
    "presigned.virtual_hosts.\"b.example.com\"",
    "presigned.clients[0].name",
    "presigned.clients[0].access_key_id",
    "presigned.clients[0].secret_access_key",
    "presigned.clients[0].stores",
    "log.access",
    "log.format",
    "colour",
];

#[test]
fn all_faults_of_bad_settings_are_told_at_once() {
    let faults = read(BAD).unwrap_err();
    let found: Vec<_> = faults.iter().map(|fault| fault.place.as_str()).collect();
    assert_eq!(found, FAULTS_OF_BAD);
    assert_eq!(lines(&faults).len(), FAULTS_OF_BAD.len(), "one line each");
    for secret in ["hpk_abc", "hps_secret", "me:secret", "minio"] {
        assert!(!faults.to_string().contains(secret), "{secret} in {faults}");
    }
}

#[test]
fn each_fault_says_what_to_do() {
    for (more, expected) in [
        ("listen.publik = ''", "listen.publik: is not a setting; did you mean public?"),
        (
            "listen.control = '0.0.0.0:81'",
            "listen.control: is off loopback, where client keys would travel in the clear; name control.certificates, or use 127.0.0.1 or [::1]",
        ),
        ("listen.ops = '127.0.0.1:8081'", "listen.ops: is the address of another listener too; give each its own port"),
        (
            "links.ttl_max = '10m'",
            "links.ttl_max: ttl_min must be at most ttl_default, and that at most ttl_max; with the defaults, the settings are ttl_min 15m, ttl_default 20m, ttl_max 10m, window 5m",
        ),
        (
            "links.ttl_min = '25m'",
            "links.ttl_min: ttl_min must be at most ttl_default, and that at most ttl_max; with the defaults, the settings are ttl_min 25m, ttl_default 20m, ttl_max 30m, window 5m",
        ),
        (
            "links.ttl_default = '40m'",
            "links.ttl_default: ttl_min must be at most ttl_default, and that at most ttl_max; with the defaults, the settings are ttl_min 15m, ttl_default 40m, ttl_max 30m, window 5m",
        ),
        (
            "links.window = '16m'",
            "links.window: the window must be at most ttl_max - ttl_min, so that rounding keeps within both; with the defaults, the settings are ttl_min 15m, ttl_default 20m, ttl_max 30m, window 16m",
        ),
        ("links.window = '1500ms'", "links.window: is in whole seconds"),
        (
            "cache.prewarm = '1GiB'",
            "cache.prewarm: is more than memory, of which it is a part; make it smaller, or memory larger",
        ),
        ("cache.memory = '3MiB'", "cache.memory: is a size from 4.0 MiB to 16.0 TiB, such as \"512MiB\""),
        ("cache.in_flight = 4194303", "cache.in_flight: is a size from 4.0 MiB to 16.0 TiB, such as \"512MiB\""),
        ("cache.min_rate = '2GiB'", "cache.min_rate: is a size from 0 B to 1.0 GiB, such as \"512MiB\""),
        (
            "cache.manifest_wait = '999ms'",
            "cache.manifest_wait: is a time from 1s to 5m, with its unit and in quotes, such as \"90s\" or \"20m\"",
        ),
        (
            "cache.manifest_wait = '301s'",
            "cache.manifest_wait: is a time from 1s to 5m, with its unit and in quotes, such as \"90s\" or \"20m\"",
        ),
        ("stores.bad = { kind = 'ftp' }", "stores.bad.kind: is one of \"s3\", \"gcs\", \"azure\", \"local\""),
        ("stores.bad = { kind = 'gcs' }", "stores.bad.bucket: is missing; write the bucket's name"),
        (
            "stores.bad = { kind = 'gcs', bucket = 'b', prefix = 'a//b' }",
            "stores.bad.prefix: has an empty segment, '.' or '..' in it, which this kind of store cannot address",
        ),
        (
            "stores.bad = { kind = 'azure', account = 'Acme', container = 'docs' }",
            "stores.bad.account: is a storage account's name: 3 to 24 of a-z and 0-9",
        ),
        (
            "stores.bad = { kind = 'azure', account = 'acme', container = 'd' }",
            "stores.bad.container: is a container's name: 3 to 63 of a-z, 0-9 and -",
        ),
        (
            "stores.bad = { kind = 'azure', account = 'acme', container = 'docs', access_key = 'aHVudGVyMg==', sas_token = 'sig=x' }",
            "stores.bad.sas_token: is a second kind of credential beside access_key; keep one of them",
        ),
        (
            "stores.bad = { kind = 'azure', account = 'acme', container = 'docs', access_key = 'hunter2!' }",
            "stores.bad.access_key: is a key of the storage account, in base64 as the portal shows it",
        ),
        (
            "stores.bad = { kind = 'azure', account = 'acme', container = 'docs', sas_token = 'hunter2' }",
            "stores.bad.sas_token: is a shared access signature, such as \"sv=...&sig=...\"",
        ),
        ("stores.bad = { kind = 'local' }", "stores.bad.root: is missing; write the directory that holds the objects"),
        (
            "fetchers.x.mode = 'observe'",
            "fetchers.x.agents: the profile names neither agents nor networks: add one of them, or set mode = \"off\"",
        ),
        ("insecure_public_origin = 1", "insecure_public_origin: is true or false, without quotes"),
    ] {
        assert_eq!(lines(&read(&with(more)).unwrap_err()), [expected], "{more}");
    }
}

#[test]
fn each_fault_of_tls_says_what_to_do() {
    for (more, expected) in [
        (
            "tls = {}",
            "tls: names no certificate; write certificates = [{ chain = \"...\", key = \"...\" }], or [tls.acme]",
        ),
        (
            "tls.certificates = [{ key = 'a.key' }]",
            "tls.certificates[0].chain: is missing; write the PEM file of the certificate and its intermediates",
        ),
        ("tls.certificates = 'a.pem'", "tls.certificates: is a list of tables; write each as [[tls.certificates]]"),
        ("tls.chains = []\ntls.acme = {}", "tls.chains: is not a setting; here are known certificates, roots, acme"),
        (
            "tls.acme.domains = ['*.example.com']",
            "tls.acme.domains[0]: is a lower-case host name, such as \"media.example.com\"; ACME proves neither wildcards nor addresses here",
        ),
        (
            "tls.acme.domains = []",
            "tls.acme.domains: is empty; remove it for the host of public_origin, or name what is to be certified",
        ),
        ("tls.acme.contact = ['ops']", "tls.acme.contact[0]: is an e-mail address, such as \"ops@example.com\""),
        (
            "tls.acme.directory = 'http://ca.example/dir'",
            "tls.acme.directory: is the https:// address of an ACME directory, such as \"https://acme-v02.api.letsencrypt.org/directory\"",
        ),
        ("limits.requests_per_second = -1", "limits.requests_per_second: is a number from 0 to 1000000"),
        (
            "limits.control_requests_per_second = 1000001",
            "limits.control_requests_per_second: is a number from 0 to 1000000",
        ),
        (
            "limits.drain_grace = 5",
            "limits.drain_grace: is a time from 0s to 1h, with its unit and in quotes, such as \"90s\" or \"20m\"",
        ),
    ] {
        assert_eq!(lines(&read(&with(more)).unwrap_err()), [expected], "{more}");
    }
}

#[test]
fn a_setting_that_cannot_be_read_is_not_blamed_for_contradictions_too() {
    assert_eq!(places(read(&with("links.ttl_max = 'soon'\nlinks.ttl_default = '1h'"))), ["links.ttl_max"]);
    assert_eq!(places(read(&with("cache.memory = 'x'\ncache.prewarm = '1GiB'"))), ["cache.memory"]);
}

#[test]
fn two_clients_share_neither_name_nor_key() {
    let (one, two) = ("ab".repeat(32), "AB".repeat(32));
    let client = |name: &str, key: &str| {
        format!("[[control.clients]]\nname = '{name}'\nkey_blake3 = '{key}'\nstores = ['media']\n")
    };
    let twice = format!("{}{}", client("billing", &one), client("billing", &two));
    assert_eq!(places(read(&with(&twice))), ["control.clients[1].name", "control.clients[1].key_blake3"]);
    let other = format!("{}{}", client("billing", &one), client("shop", &"cd".repeat(32)));
    assert_eq!(read(&with(&other)).unwrap().clients.len(), 2);
}

#[test]
fn a_client_of_a_store_that_has_faults_is_not_blamed_for_them() {
    let text = "public_origin = 'https://a'\nstores.media = { kind = 's3' }\n[[control.clients]]\nname = 'a'\nstores = ['media']\nkey_blake3 = '"
        .to_owned() + &"ab".repeat(32) + "'";
    assert_eq!(places(read(&text)), ["stores.media.bucket"]);
}

#[test]
fn plain_http_is_for_this_machine_or_said_aloud() {
    let origin = |text: &str| format!("public_origin = '{text}'\nstores.media = {{ kind = 'local', root = 'm' }}\n");
    assert!(read(&origin("http://127.0.0.1:8080")).is_ok());
    assert!(read(&origin("http://localhost:8080")).is_ok());
    assert_eq!(places(read(&origin("http://10.0.0.1"))), ["public_origin"]);
    assert!(read(&(origin("http://10.0.0.1") + "insecure_public_origin = true")).is_ok());
}

#[test]
fn tls_is_files_or_acme_and_the_control_listener_has_its_own() {
    let tls = |more: &str| read(&with(more)).unwrap().tls;
    assert_eq!(tls(""), None);
    let files = tls("tls = { certificates = [{ chain = 'tls/a.pem', key = '/k/a.key' }], roots = 'ca.pem' }").unwrap();
    let of = |chain: &str, key: &str| CertificateFiles { chain: chain.into(), key: key.into() };
    assert_eq!(files.certificates, [of("/etc/hallpass/tls/a.pem", "/k/a.key")]);
    assert_eq!((files.roots, files.acme), (Some("/etc/hallpass/ca.pem".into()), None));
    let acme = tls("tls.acme = {}").unwrap().acme.unwrap();
    assert_eq!((acme.domains, acme.contact), (vec!["media.example.com".to_owned()], vec![]));
    assert_eq!(acme.directory, "https://acme-v02.api.letsencrypt.org/directory");
    assert_eq!(acme.folder, Path::new("/etc/hallpass/acme"));
    let written = "tls.acme = { domains = ['a.example', 'b.example'], contact = ['ops@a.example'], folder = 'x', roots = 'ca.pem' }";
    let written = tls(written).unwrap();
    assert_eq!(written.acme_roots, Some("/etc/hallpass/ca.pem".into()));
    let acme = written.acme.unwrap();
    assert_eq!((acme.domains.len(), acme.contact), (2, vec!["mailto:ops@a.example".to_owned()]));
    let away = "listen.control = '0.0.0.0:81'\ncontrol.certificates = [{ chain = 'c.pem', key = 'c.key' }]";
    let away = read(&with(away)).unwrap();
    assert_eq!(away.control_certificates, [of("/etc/hallpass/c.pem", "/etc/hallpass/c.key")]);
    let address = "public_origin = 'https://192.0.2.1'\nstores.media = { kind = 'local', root = 'm' }\n";
    assert_eq!(places(read(&format!("{address}tls.acme = {{}}"))), ["tls.acme.domains"]);
    let plain = "public_origin = 'http://localhost'\nstores.media = { kind = 'local', root = 'm' }\ntls.acme = {}";
    assert_eq!(places(read(plain)), ["public_origin"]);
}

#[test]
fn what_is_not_toml_is_named_by_its_line_and_not_shown() {
    let faults = read("a = 1\nkey_blake3 = s3cr3t\nb = = 'x'\n").unwrap_err();
    assert!(faults.iter().all(|fault| fault.place.starts_with("line ")), "{faults}");
    assert_eq!(faults.iter().next().unwrap().place, "line 2");
    assert!(!faults.to_string().contains("s3cr3t"), "{faults}");
    assert_eq!(faults.iter().nth(1).unwrap().place, "line 3");
    let empty = read("").unwrap_err();
    assert_eq!(empty.iter().map(|fault| fault.place.as_str()).collect::<Vec<_>>(), ["public_origin", "stores"]);
}

#[test]
fn the_environment_wins_and_its_faults_name_the_variable() {
    let settings = read_with(
        &with("listen.public = '0.0.0.0:1'"),
        &[
            ("HALLPASS_LISTEN__PUBLIC", "127.0.0.1:9000"),
            ("HALLPASS_LINKS__TTL_MAX", "1h"),
            ("HALLPASS_STORES__MEDIA__ROOT", "/srv"),
            ("HALLPASS_STORES__MORE_MEDIA", "{ kind = 's3', bucket = 'b', endpoint = 'http://minio:9000' }"),
            ("HALLPASS_LISTEN__HOSTS", "['*']"),
            ("HALLPASS_LOG", "debug"),
            ("HALLPASS_SERVICE_HOST", "10.0.0.1"),
        ],
    )
    .unwrap();
    assert_eq!(settings.listen.public.to_string(), "127.0.0.1:9000");
    assert_eq!(settings.links.ttl_max(), Duration::from_secs(3600));
    assert_eq!(settings.listen.hosts, HostNames::Any);
    let StorePlace::S3(s3) = &settings.stores[&"more-media".parse().unwrap()].place else { panic!("not S3") };
    assert!(s3.path_style, "a compatible server is asked in path style");
    let faults =
        read_with(&with(""), &[("HALLPASS_LISTEN__PUBLIK", "1"), ("HALLPASS_LINKS__WINDOW", "soon")]).unwrap_err();
    assert_eq!(
        lines(&faults),
        [
            "listen.publik: is not a setting; did you mean public? (it comes from HALLPASS_LISTEN__PUBLIK)",
            "links.window: is a time from 1s to 7days, with its unit and in quotes, such as \"90s\" or \"20m\" (it comes from \
             HALLPASS_LINKS__WINDOW)",
        ]
    );
}

#[test]
fn the_example_that_ships_parses_and_a_printed_stanza_can_be_appended() {
    let text = example();
    let here = Path::new("deploy");
    let settings = Settings::from_toml(&text, &BTreeMap::new(), here).unwrap();
    assert_eq!(settings.public_origin.as_str(), "http://127.0.0.1:8080");
    assert_eq!(settings.keyring_file, Path::new("deploy/../keys.toml"));
    assert_eq!(settings.catalog.url, "sqlite://deploy/../hallpass.db");
    assert!(settings.clients.is_empty(), "no client key is known from an example");
    let stanza = format!(
        "\n[[control.clients]]\nname = \"billing\"\nkey_blake3 = \"{}\"\nstores = [\"media\"]\n",
        "ab".repeat(32)
    );
    assert_eq!(Settings::from_toml(&(text + &stanza), &BTreeMap::new(), here).unwrap().clients.len(), 1);
}

/// The example with the settings that stand in its comments switched on, those of sections in comments only where `stanzas` says so.
fn uncommented(text: &str, stanzas: bool) -> String {
    let is_setting = |line: &str| match line.split_once(" = ") {
        Some((name, _)) => name.bytes().all(|b| b.is_ascii_lowercase() || matches!(b, b'0'..=b'9' | b'_')),
        None => line.starts_with('['),
    };
    let mut inside = false;
    let mut on = String::new();
    for line in text.lines() {
        let bare = line.strip_prefix("# ").unwrap_or(line);
        if bare.starts_with('[') {
            inside = line.starts_with('#');
        }
        let switched = is_setting(bare) && (stanzas || !inside);
        on.extend([if switched { bare } else { line }, "\n"]);
    }
    on
}

#[test]
fn the_examples_comments_show_the_defaults() {
    let text = example();
    let read = |text: &str| Settings::from_toml(text, &BTreeMap::new(), Path::new("deploy")).unwrap();
    let on = uncommented(&text, false);
    assert!(on.contains("\nttl_min = \"15m\"") && !on.contains("\nbucket = "));
    assert_eq!(format!("{:#?}", read(&on)), format!("{:#?}", read(&text)));
}

#[test]
fn the_examples_stanzas_in_comments_are_settings_too() {
    let on = uncommented(&example(), true).replace("64 hexadecimal digits", &"ab".repeat(32));
    let secret = SecretAccessKey::generate().unwrap();
    let on = on.replace("HPAK and 16 of A-Z, 2-7", AccessKeyId::generate().unwrap().as_str());
    let on = on.replace("hps_ and 52 of a-z, 2-7", secret.expose());
    let on =
        on.replace("\npublic_origin = \"http://127.0.0.1:8080\"", "\npublic_origin = \"https://media.example.com\"");
    let settings = Settings::from_toml(&on, &BTreeMap::new(), Path::new("deploy")).unwrap();
    assert_eq!((settings.clients.len(), settings.stores.len(), settings.fetchers.len()), (1, 2, 1));
    let presigned = &settings.presigned;
    assert_eq!((presigned.enabled, presigned.virtual_hosts.len(), presigned.clients.len()), (true, 1, 1));
    assert_eq!((presigned.rules, presigned.fetcher.as_str()), (PresignRules::default(), "meta"));
    let tls = settings.tls.unwrap();
    assert_eq!(
        (tls.certificates.len(), settings.control_certificates.len(), tls.acme.unwrap().contact.len()),
        (1, 1, 1)
    );
    let meta = &settings.fetchers[&"meta".parse().unwrap()].profile;
    let built_in = Profile::meta();
    assert_eq!((meta.require, meta.mode, meta.stale_after), (built_in.require, built_in.mode, built_in.stale_after));
    assert_eq!((&meta.methods, &meta.forbidden_headers), (&built_in.methods, &built_in.forbidden_headers));
}

fn example() -> String {
    fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("deploy/hallpass.example.toml")).unwrap()
}

/// What holds for any settings at all: they are good, or have faults that are one line each and have a place.
fn is_told(text: &str, variable: &str, value: &str) {
    let Err(faults) = read_with(text, &[(variable, value)]) else { return };
    assert!(faults.iter().count() > 0);
    assert!(faults.iter().all(|fault| !fault.place.is_empty() && !fault.problem.is_empty()), "{faults}");
    assert_eq!(lines(&faults).len(), faults.iter().count(), "{faults}");
    assert!(lines(&faults).iter().all(|line| line.len() < 3000));
}

#[test]
fn towers_and_floods_are_faults_not_crashes() {
    for text in ["a = ".to_owned() + &"[".repeat(100_000), "[".repeat(100_000), "a.".repeat(100_000) + "b = 1"] {
        is_told(&text, "HALLPASS_A", "1");
        is_told("", "HALLPASS_LISTEN__HOSTS", &text);
    }
    is_told(&"x = = 1\n".repeat(10_000), &format!("HALLPASS_{}", "A__".repeat(100_000)), "");
    is_told(&format!("\"{}\" = 1", "\\n\\u0085\\u2028".repeat(1000)), "HALLPASS_A\nB", "a\nb");
}

proptest! {
    #[test]
    fn any_settings_are_settings_or_faults(
        cuts in proptest::collection::vec((any::<prop::sample::Index>(), 0..40_usize, "[a-z\"'\\[\\]{}=.\n 0-9-]{0,6}"), 0..6),
        name in "HALLPASS_[A-Z_0-9]{0,12}(__[A-Z_]{0,8}){0,3}",
        value in "[ -~]{0,12}",
    ) {
        let mut text: Vec<char> = SPECIFIED.chars().collect();
        for (at, long, with) in cuts {
            let from = at.index(text.len());
            let to = (from + long).min(text.len());
            text.splice(from..to, with.chars());
        }
        is_told(&text.into_iter().collect::<String>(), &name, &value);
    }
}

/// A directory with settings, a keyring of mode 0600 and whatever else a test puts there.
struct Home(tempfile::TempDir);

impl Home {
    fn new(settings: &str) -> Self {
        let home = Self(tempfile::tempdir().unwrap());
        home.put("hallpass.toml", settings, 0o644);
        let keyring = Keyring::generate(Clock::system().now()).unwrap();
        home.put("keys.toml", keyring.to_toml().expose(), 0o600);
        home
    }

    fn put(&self, name: &str, text: &str, mode: u32) {
        let path = self.0.path().join(name);
        fs::write(&path, text).unwrap();
        fs::set_permissions(&path, Permissions::from_mode(mode)).unwrap();
    }

    fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    fn faults(&self) -> Vec<String> {
        lines(&load(&self.path("hallpass.toml")).unwrap_err())
    }
}

#[test]
fn a_keyring_that_others_can_read_stops_the_start() {
    let home = Home::new(&with(""));
    assert_eq!(load(&home.path("hallpass.toml")).unwrap().keyring.keys().len(), 1);
    let keyring = home.path("keys.toml");
    for mode in [0o640, 0o604, 0o660, 0o777] {
        fs::set_permissions(&keyring, Permissions::from_mode(mode)).unwrap();
        let shown = keyring.display();
        let expected = format!(
            "keyring.file: {shown} can be used by others than its owner (mode {mode:04o}); run chmod 600 {shown}"
        );
        assert_eq!(home.faults(), [expected]);
    }
}

#[test]
fn faults_of_the_files_come_with_those_of_the_text() {
    let home =
        Home::new(&with("links.window = '1h'\nkeyring.file = 'gone.toml'\nfetchers.other.networks_file = 'nets.txt'"));
    let (gone, nets) = (home.path("gone.toml"), home.path("nets.txt"));
    let found = home.faults();
    assert!(found[0].starts_with("links.window: "), "{found:?}");
    assert_eq!(
        found[1],
        format!("keyring.file: {0} does not exist; make it with `hallpass keys generate --file {0}`", gone.display())
    );
    assert_eq!(
        found[2],
        format!("fetchers.other.networks_file: {} does not exist; make it, or name another file", nets.display())
    );
    assert_eq!(found.len(), 3);
    let missing = load(&home.path("none.toml")).unwrap_err();
    assert!(missing.to_string().ends_with("none.toml does not exist; make it, or name another file"), "{missing}");
}

#[test]
fn a_broken_keyring_tells_its_faults_and_no_secret() {
    let home = Home::new(&with(""));
    home.put("keys.toml", "[[keys]]\nid = 'x'\nsecret = 'deadbeef'\n", 0o600);
    let found = home.faults();
    assert!(found.len() >= 3 && found.iter().all(|line| line.starts_with("keyring.file: ")), "{found:?}");
    assert!(!found.join("").contains("deadbeef"));
}

#[test]
fn a_secret_can_lie_in_a_file_of_its_own() {
    let client = "[[control.clients]]\nname = 'a'\nstores = ['media']\nkey_blake3_file = 'billing.b3'\n";
    let home = Home::new(&with(client));
    let hash = ClientKey::generate().unwrap().hash();
    let hex = data_encoding::HEXLOWER.encode(hash.expose());
    home.put("billing.b3", &format!("{hex}\n"), 0o600);
    let loaded = load(&home.path("hallpass.toml")).unwrap();
    assert!(loaded.settings.clients[0].key_hash.matches(&hash));
    assert!(loaded.files.contains(&home.path("billing.b3")), "a change of it is a change of the settings");
    home.put("billing.b3", "not a hash", 0o600);
    assert!(home.faults()[0].starts_with("control.clients[0].key_blake3_file: is the BLAKE3 "));
    home.put("hallpass.toml", &with(&format!("{client}key_blake3 = '{hex}'\n")), 0o600);
    assert_eq!(home.faults()[0], "control.clients[0].key_blake3_file: says the same as key_blake3; keep one of them");
    assert_eq!(places(read(&with(client))), ["control.clients[0].key_blake3_file"], "the pure core opens nothing");
}

#[test]
fn debug_output_of_settings_shows_no_client_hash() {
    let hex = "ab".repeat(32);
    let settings =
        read(&with(&format!("[[control.clients]]\nname = 'a'\nstores = ['media']\nkey_blake3 = '{hex}'\n"))).unwrap();
    let shown = format!("{settings:?}");
    assert!(shown.contains("Secret(..)") && !shown.contains("171, 171") && !shown.contains(&hex), "{shown}");
}

#[test]
fn a_changed_built_in_profile_needs_to_say_only_what_changes() {
    let settings =
        read(&with("fetchers.meta = { mode = 'observe', forbid_headers = ['Referer'], methods = ['GET'] }")).unwrap();
    let meta = &settings.fetchers[&"meta".parse().unwrap()].profile;
    assert_eq!((meta.mode, meta.require, meta.methods.len()), (Mode::Observe, Require::Any, 1));
    assert_eq!(meta.forbidden_headers, ["referer"]);
    assert!(!meta.agents.is_empty() && meta.networks.is_some());
    let half = read(&with("fetchers.meta.agents = ['facebookexternalhit']")).unwrap_err();
    let expected =
        "fetchers.meta.agents: replaces the built-in rules of this profile as a whole; write exclude_agents too";
    assert_eq!(lines(&half), [expected]);
    assert!(read(&with("fetchers.meta = { agents = ['a'], exclude_agents = [] }")).is_ok());
}

#[test]
fn profiles_have_their_networks_from_files() {
    let home = Home::new(&with("fetchers.other = { require = 'network', networks_file = 'nets.txt' }"));
    home.put("nets.txt", "# taken 2026-11-01\n192.0.2.0/24\n", 0o644);
    let loaded = load(&home.path("hallpass.toml")).unwrap();
    let names: Vec<_> = loaded.profiles.keys().map(ToString::to_string).collect();
    assert_eq!(names, ["meta", "other"]);
    let list = loaded.profiles[&"other".parse().unwrap()].networks.clone().unwrap();
    assert!(list.contains("192.0.2.7".parse().unwrap()) && !list.contains("192.0.3.7".parse().unwrap()));
    assert!(loaded.files.contains(&home.path("nets.txt")));
    home.put("nets.txt", &"secret = 'deadbeef'\n".repeat(9), 0o644);
    let found = home.faults();
    assert_eq!(found.len(), 6, "{found:?}");
    assert!(found.iter().all(|line| line.starts_with("fetchers.other.networks_file: ")));
    assert!(!found.join("").contains("deadbeef"), "a wrong file's lines are not shown: {found:?}");
}
