//! Apache Traffic Server: `url_sig` (HMAC-SHA1, its scheme) before its RAM cache. Its configuration lies in `traffic_server/`.

use std::fs;
use std::path::Path;

use aws_lc_rs::hmac;
use data_encoding::HEXLOWER;

use super::{FORGED, Peer, Runs, cache, directory, expiry, filled, forged_hex, free, start, version, wait_for};

pub fn peer(under: &Path, origin: &str, keys: &[String]) -> Peer {
    let (dir, at, expires) = (directory(under, "traffic_server"), free(), expiry());
    for name in ["etc", "log", "run"] {
        directory(&dir, name);
    }
    let with = [
        ("PORT", at.port().to_string()),
        ("ORIGIN", origin.to_owned()),
        ("DIR", dir.display().to_string()),
        ("CACHE", cache("traffic_server")),
    ];
    let with = with.each_ref().map(|(name, value)| (*name, value.as_str()));
    for (name, template) in FILES {
        fs::write(dir.join(name), filled(template, &with)).unwrap();
    }
    let runroot = format!("--run-root={}", dir.join("runroot.yaml").display());
    let running = start("traffic_server", &[runroot], &dir);
    wait_for(at, "traffic_server", &dir);
    let link = |key: &String| (key.clone(), signed(&at.to_string(), key, expires));
    let good = signed(&at.to_string(), &keys[0], expires);
    let (before, signature) = good.rsplit_once('=').unwrap();
    let forged = |number| format!("{before}={}", forged_hex(signature, number));
    Peer {
        name: "Traffic Server",
        version: version("traffic_server", "-V").split(' ').take(3).collect::<Vec<_>>().join(" "),
        at,
        secure: None,
        links: keys.iter().map(link).collect(),
        forged: (0..FORGED).map(forged).collect(),
        has_store: true,
        runs: Runs::Processes(vec![running]),
    }
}

/// Algorithm 1 is HMAC-SHA1, key 0 the only one, and every part of the path is signed, behind the host and without the scheme.
fn signed(host: &str, key: &str, expires: u64) -> String {
    let path = format!("/m/{key}?E={expires}&A=1&K=0&P=1&S=");
    let secret = hmac::Key::new(hmac::HMAC_SHA1_FOR_LEGACY_USE_ONLY, SECRET.as_bytes());
    let signature = hmac::sign(&secret, format!("{host}{path}").as_bytes());
    format!("{path}{}", HEXLOWER.encode(signature.as_ref()))
}

const SECRET: &str = "a-secret-of-the-bench";
const FILES: [(&str, &str); 8] = [
    ("runroot.yaml", include_str!("traffic_server/runroot.yaml")),
    ("etc/records.config", include_str!("traffic_server/records.config")),
    ("etc/remap.config", include_str!("traffic_server/remap.config")),
    ("etc/url_sig.config", include_str!("traffic_server/url_sig.config")),
    ("etc/storage.config", include_str!("traffic_server/storage.config")),
    ("etc/cache.config", include_str!("traffic_server/cache.config")),
    ("etc/logging.yaml", include_str!("traffic_server/logging.yaml")),
    ("etc/ip_allow.yaml", include_str!("traffic_server/ip_allow.yaml")),
];
