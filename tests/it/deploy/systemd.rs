//! The units: what systemd itself says of them, how little they may do, and that their times and addresses are those of the sample settings.

use std::collections::BTreeMap;
use std::process::Command;
use std::time::Duration;

use super::{at, longest_end, run_well, settings, text};
use crate::kit::program;

/// Every line `name=value` of a unit; the values of a name that is written more than once are listed.
fn unit(name: &str) -> BTreeMap<String, Vec<String>> {
    let mut found: BTreeMap<String, Vec<String>> = BTreeMap::new();
    let written = text(&format!("deploy/{name}"));
    let lines = written.lines().filter(|line| !line.starts_with('#'));
    for (name, value) in lines.filter_map(|line| line.split_once('=')) {
        found.entry(name.to_owned()).or_default().push(value.to_owned());
    }
    found
}

fn analyze() -> Command {
    Command::new(program::find("systemd-analyze", "systemd"))
}

#[test]
fn systemd_takes_the_units_without_a_word() {
    let dir = tempfile::tempdir().unwrap();
    // It looks whether the program is there.
    let here = env!("CARGO_BIN_EXE_hallpass");
    let service = text("deploy/hallpass.service").replace("/usr/local/bin/hallpass serve", &format!("{here} serve"));
    assert!(service.contains(here));
    std::fs::write(dir.path().join("hallpass.service"), service).unwrap();
    std::fs::copy(at("deploy/hallpass.socket"), dir.path().join("hallpass.socket")).unwrap();
    for name in ["hallpass.service", "hallpass.socket"] {
        let mut verify = analyze();
        let verified = verify.args(["verify", "--man=no"]).arg(dir.path().join(name)).output().unwrap();
        let said = String::from_utf8_lossy(&verified.stderr);
        let ours: Vec<_> = said.lines().filter(|line| line.contains("hallpass")).collect();
        assert!(verified.status.success() && ours.is_empty(), "{name}: {said}");
    }
}

#[test]
fn the_service_may_do_next_to_nothing() {
    // 1.0 of 10, where 10 may do everything: what is left is the network and a socket to systemd.
    let mut security = analyze();
    security.args(["security", "--offline=true", "--threshold=11", "--no-pager"]);
    run_well(security.arg(at("deploy/hallpass.service")));
    let unit = unit("hallpass.service");
    for (name, value) in [
        ("User", "hallpass"),
        ("CapabilityBoundingSet", ""),
        ("AmbientCapabilities", ""),
        ("NoNewPrivileges", "yes"),
        ("ProtectSystem", "strict"),
        ("PrivateUsers", "yes"),
        ("MemoryDenyWriteExecute", "yes"),
        ("LimitCORE", "0"),
        ("StateDirectoryMode", "0700"),
    ] {
        assert_eq!(unit[name], [value], "{name}");
    }
    assert!(!unit.contains_key("ReadWritePaths"), "the state directory is all that it writes to");
}

#[test]
fn the_service_speaks_with_systemd_as_the_program_does() {
    let unit = unit("hallpass.service");
    for (name, value) in [
        ("Type", "notify"),
        ("NotifyAccess", "main"),
        ("KillMode", "mixed"),
        ("ExecReload", "/bin/kill -HUP $MAINPID"),
        ("ExecStart", "/usr/local/bin/hallpass serve --config /etc/hallpass/hallpass.toml"),
        ("Requires", "hallpass.socket"),
        ("StateDirectory", "hallpass"),
        ("RestartPreventExitStatus", "64"),
    ] {
        assert_eq!(unit[name], [value], "{name}");
    }
    let seconds = |name: &str| {
        Duration::from_secs(unit[name][0].strip_suffix('s').unwrap_or_else(|| panic!("{name}")).parse().unwrap())
    };
    assert!(seconds("WatchdogSec") >= Duration::from_secs(10));
    assert_eq!(unit["LoadCredential"].len(), 3, "a credential for each cloud");
    let named = unit["Environment"].iter().filter_map(|line| line.split_once("=%d/")).map(|(_, name)| name);
    assert!(named.into_iter().all(|name| unit["LoadCredential"].iter().any(|loaded| loaded == name)));

    let sample = settings(&text("deploy/settings/s3.toml"));
    assert!(seconds("TimeoutStopSec") > longest_end(&sample), "{:?}", longest_end(&sample));
    let files: u64 = unit["LimitNOFILE"][0].parse().unwrap();
    assert!(files > sample.limits.connections.max_connections as u64 + 1024);
}

#[test]
fn the_socket_is_where_the_sample_settings_listen() {
    let socket = unit("hallpass.socket");
    for sample in ["s3", "gcs", "azure", "presigned"] {
        let written: toml::Table = text(&format!("deploy/settings/{sample}.toml")).parse().unwrap();
        assert_eq!(written["listen"]["public"].as_str(), Some(socket["ListenStream"][0].as_str()), "{sample}");
    }
    assert_eq!(socket["FileDescriptorName"], ["public"]);
    assert!(!socket.contains_key("Accept"), "one process takes all connections");
}
