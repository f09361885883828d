//! Any text as settings, and after NULs an override's name and value: it is settings or faults, each fault one line with a place.
#![no_main]

use std::collections::BTreeMap;
use std::path::Path;

use hallpass::config::Settings;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|input: &str| {
    let mut parts = input.splitn(3, '\0').chain(["", ""]);
    let mut next = || parts.next().unwrap_or_default();
    let (text, name, value) = (next(), next(), next());
    let environment = BTreeMap::from([(format!("HALLPASS_{name}"), value.to_owned())]);
    let Err(faults) = Settings::from_toml(text, &environment, Path::new("/etc/hallpass")) else { return };
    assert!(faults.iter().count() > 0);
    assert!(faults.iter().all(|fault| !fault.place.is_empty() && !fault.problem.is_empty()));
    assert_eq!(faults.to_string().lines().count(), faults.iter().count(), "one line for each fault");
});
