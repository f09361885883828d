//! nginx: `secure_link` before `proxy_cache` on tmpfs, sent with sendfile. Why each line is as it is, says `nginx.conf`.

use std::fs;
use std::io::Write;
use std::path::Path;
use std::process::{Command, Stdio};

use data_encoding::{BASE64URL_NOPAD, HEXLOWER};

use crate::secure::Papers;

use super::{FORGED, Peer, Runs, cache, directory, expiry, filled, free, start, version, wait_for};

pub fn peer(under: &Path, origin: &str, keys: &[String], papers: &Papers) -> Peer {
    let (dir, at, secure, expires) = (directory(under, "nginx"), free(), free(), expiry());
    let with = [
        ("AT", at.to_string()),
        ("ORIGIN", origin.to_owned()),
        ("DIR", dir.display().to_string()),
        ("CACHE", cache("nginx")),
        ("SECURE", secure.to_string()),
        ("CHAIN", papers.chain.display().to_string()),
        ("KEY", papers.key.display().to_string()),
    ];
    let with = with.each_ref().map(|(name, value)| (*name, value.as_str()));
    let config = dir.join("nginx.conf");
    fs::write(&config, filled(include_str!("nginx.conf"), &with)).unwrap();
    let arguments = ["-p", &dir.display().to_string(), "-c", &config.display().to_string()].map(str::to_owned);
    let running = start("nginx", &arguments, &dir);
    wait_for(at, "nginx", &dir);
    let link = |key: &String| (key.clone(), link(key, expires));
    let good = md5("nothing that was ever asked for");
    let forged = |number: usize| {
        let mut letters = good.clone();
        letters.replace_range(..4, &format!("{number:04}"));
        format!("/m/{}?md5={letters}&expires={expires}", keys[0])
    };
    Peer {
        name: "nginx",
        version: version("nginx", "-v").replace("nginx version: ", ""),
        at,
        secure: Some(secure),
        links: keys.iter().map(link).collect(),
        forged: (0..FORGED).map(forged).collect(),
        has_store: true,
        runs: Runs::Processes(vec![running]),
    }
}

/// One byte of a large object is asked for where nginx reads by slices, which makes every other answer slower.
fn link(key: &str, expires: u64) -> String {
    let way = if key.starts_with("long") { "sliced" } else { "m" };
    let path = format!("/{way}/{key}");
    format!("{path}?md5={}&expires={expires}", md5(&format!("{expires}{path} {SECRET}")))
}

/// As `secure_link` wants it. No crate here knows MD5, and one is not needed for forty links.
fn md5(text: &str) -> String {
    let mut sum = Command::new("md5sum").stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
    sum.stdin.take().unwrap().write_all(text.as_bytes()).unwrap();
    let output = sum.wait_with_output().unwrap();
    BASE64URL_NOPAD.encode(&HEXLOWER.decode(&output.stdout[..32]).unwrap())
}

const SECRET: &str = "a-secret-of-the-bench";
