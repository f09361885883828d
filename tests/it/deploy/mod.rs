//! What lies in `deploy/`: each file is read by a parser or a linter of its own kind, and what it promises of security is asserted over what
//! was parsed.
//!
//! No Docker daemon, cluster, Terraform provider or cloud is asked: what those would say beyond the syntax is not seen here.

mod compose;
mod guide;
mod image;
mod kubernetes;
mod samples;
mod systemd;
mod terraform;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use std::time::Duration;

use hallpass::config::Settings;
use serde_json::Value;

use crate::kit::moto;

/// A file or folder of the repository.
fn at(path: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join(path)
}

fn text(path: &str) -> String {
    std::fs::read_to_string(at(path)).unwrap_or_else(|error| panic!("{path}: {error}"))
}

/// A program that was installed with `tests/requirements.txt`.
fn tool(name: &str) -> Command {
    let beside = Path::new(moto::python().get_program()).with_file_name(name);
    Command::new(if beside.is_absolute() { beside } else { name.into() })
}

/// Runs it; it must succeed. What it printed.
fn run_well(command: &mut Command) -> String {
    let Output { status, stdout, stderr } = command.output().unwrap_or_else(|error| panic!("{command:?}: {error}"));
    let [stdout, stderr] = [stdout, stderr].map(|bytes| String::from_utf8(bytes).unwrap());
    assert!(status.success(), "{command:?} ({status}):\n{stdout}{stderr}");
    stdout
}

/// What this product is told on the command line, without doing it: `--help` ends the reading, and everything before it must be right.
fn is_a_command(arguments: &[&str]) {
    run_well(Command::new(env!("CARGO_BIN_EXE_hallpass")).args(arguments).arg("--help"));
}

/// Every document of a YAML file.
fn yaml(file: &Path) -> Vec<Value> {
    const READ: &str = "import json, sys, yaml; print(json.dumps(list(yaml.safe_load_all(open(sys.argv[1])))))";
    serde_json::from_str(&run_well(moto::python().args(["-c", READ]).arg(file))).unwrap()
}

/// The files of a folder of `deploy/` that end in `ending`.
fn files(folder: &str, ending: &str) -> Vec<PathBuf> {
    let all = std::fs::read_dir(at(folder)).unwrap().map(|entry| entry.unwrap().path());
    let mut found: Vec<_> = all.filter(|path| path.to_str().unwrap().ends_with(ending)).collect();
    found.sort();
    assert!(!found.is_empty(), "{folder} has files that end in {ending}");
    found
}

fn list(value: &Value) -> &[Value] {
    value.as_array().map_or(&[], Vec::as_slice)
}

fn strings(value: &Value) -> Vec<&str> {
    list(value).iter().map(|one| one.as_str().unwrap()).collect()
}

/// Settings as they lie in /etc/hallpass, from their text alone.
fn settings(text: &str) -> Settings {
    let read = Settings::from_toml(text, &BTreeMap::new(), Path::new("/etc/hallpass"));
    read.unwrap_or_else(|faults| panic!("{faults}"))
}

/// What an orderly end may take: the grace, the running downloads, and 10 s for the rest.
fn longest_end(settings: &Settings) -> Duration {
    settings.limits.drain_grace + settings.limits.drain + Duration::from_secs(10)
}

#[test]
fn every_yaml_file_is_well_formed_and_tidy() {
    let config = at(".yamllint.yaml");
    run_well(tool("yamllint").arg("--strict").arg("-c").arg(&config).args([at("deploy"), config.clone()]));
}
