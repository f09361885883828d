//! Varnish: malloc storage, and its log written by `varnishncsa`. Debian packages no module for signed links, so its links are bare:
//! what checking them would cost is missing from its numbers.

use std::fs;
use std::path::Path;

use super::{Peer, Runs, directory, filled, free, start, version, wait_for};

pub fn peer(under: &Path, origin: &str, keys: &[String]) -> Peer {
    let (dir, at) = (directory(under, "varnish"), free());
    let (host, port) = origin.split_once(':').unwrap();
    let vcl = dir.join("bench.vcl");
    fs::write(&vcl, filled(include_str!("varnish.vcl"), &[("HOST", host), ("PORT", port)])).unwrap();
    let name = dir.join("instance").display().to_string();
    let owned = |words: &[&str]| words.iter().map(|&word| word.to_owned()).collect::<Vec<_>>();
    let mut arguments = owned(&["-F", "-j", "none", "-n", &name, "-f", &vcl.display().to_string()]);
    arguments.extend(owned(&["-a", &at.to_string(), "-s", "default=malloc,2G", "-s", "Transient=malloc,256M"]));
    // One core: one pool. A thread serves one connection while its answer goes out, so 500 at once need as many.
    for parameter in ["thread_pools=1", "thread_pool_min=200", "thread_pool_max=2000", "timeout_idle=600"] {
        arguments.extend(owned(&["-p", parameter]));
    }
    let server = start("varnishd", &arguments, &dir);
    wait_for(at, "varnishd", &dir);
    let log = dir.join("access.log").display().to_string();
    let logger = start("varnishncsa", &owned(&["-n", &name, "-w", &log]), &dir);
    Peer {
        name: "Varnish",
        version: version("varnishd", "-V").trim_start_matches("varnishd (").split(' ').next().unwrap().to_owned(),
        at,
        secure: None,
        links: keys.iter().map(|key| (key.clone(), format!("/m/{key}"))).collect(),
        forged: Vec::new(),
        has_store: true,
        runs: Runs::Processes(vec![server, logger]),
    }
}
