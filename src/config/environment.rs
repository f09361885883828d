//! Settings from the environment: `HALLPASS_LISTEN__PUBLIC` is `listen.public`, and wins over the file.
//!
//! A value is read as TOML where it is TOML, else as text. A variable that names no setting ends up as an unknown key and so
//! is a fault: a misspelt override that is silently without effect is worse than a start that fails. Two kinds of variables
//! are not ours: `HALLPASS_LOG`, the log filter, and what Kubernetes adds by itself for a service named hallpass.

use std::collections::BTreeMap;

use toml::{Table, Value};

use super::fault::Fault;
use super::section::join;

/// Which key paths came from which variables.
pub(super) struct Overrides(Vec<(String, String)>);

impl Overrides {
    /// Puts every override in `environment` into `table`.
    pub(super) fn apply(environment: &BTreeMap<String, String>, table: &mut Table, faults: &mut Vec<Fault>) -> Self {
        let mut applied = Vec::new();
        for (variable, value) in environment {
            let Some(name) = setting(variable) else { continue };
            match insert(table, &name, value) {
                Ok(place) => applied.push((place, variable.clone())),
                Err(problem) => faults.push(Fault::new(variable.as_str(), problem)),
            }
        }
        Self(applied)
    }

    /// Adds to each fault of an overridden setting the variable that it came from.
    pub(super) fn name_sources(&self, faults: &mut [Fault]) {
        for fault in faults {
            if let Some(variable) = self.source(&fault.place) {
                fault.came_from(variable);
            }
        }
    }

    /// The variable that the setting at `place` came from, if it came from one.
    pub(super) fn source(&self, place: &str) -> Option<&str> {
        let within = |overridden: &str| match place.strip_prefix(overridden) {
            Some(rest) => rest.is_empty() || rest.starts_with(['.', '[']),
            None => false,
        };
        self.0.iter().find(|(overridden, _)| within(overridden)).map(|(_, variable)| variable.as_str())
    }
}

/// The variables that concern us, among all of the process's.
pub(super) fn is_ours(variable: &str) -> bool {
    setting(variable).is_some()
}

/// The key path that a variable names, in lower case; `None` for variables that are not settings.
fn setting(variable: &str) -> Option<Vec<String>> {
    let name = variable.strip_prefix("HALLPASS_")?;
    if name == "LOG" || is_service_link(name) {
        return None;
    }
    let mut path: Vec<_> = name.split("__").map(str::to_ascii_lowercase).collect();
    if let [table, named, ..] = path.as_mut_slice()
        && matches!(table.as_str(), "stores" | "fetchers")
    {
        // Those names have dashes, which most shells refuse in a variable, and never underscores.
        *named = named.replace('_', "-");
    }
    Some(path)
}

/// Whether Kubernetes made the variable: it gives every container such ones for every service of the namespace, and one
/// service may well be named `hallpass` or `hallpass-control`.
fn is_service_link(name: &str) -> bool {
    if name.contains("__") {
        return false;
    }
    let under = format!("_{name}");
    let port = under.rsplit_once("_PORT").is_some_and(|(_, rest)| rest.is_empty() || is_port_detail(rest));
    let detail = under.split("_PORT_").nth(1).is_some_and(|rest| is_port_detail(&format!("_{rest}")));
    port || detail || under.ends_with("_SERVICE_HOST") || under.contains("_SERVICE_PORT")
}

/// Such as `_8443_TCP` and `_8443_TCP_ADDR`.
fn is_port_detail(rest: &str) -> bool {
    let mut words = rest.split('_').skip(1);
    let number = words.next().is_some_and(|word| word.parse::<u16>().is_ok());
    number && words.next().is_some_and(|word| matches!(word, "TCP" | "UDP" | "SCTP"))
}

fn insert(table: &mut Table, path: &[String], value: &str) -> Result<String, String> {
    let (last, parents) = path.split_last().ok_or(SHAPE)?;
    if path.iter().any(String::is_empty) || path.len() > DEEPEST {
        return Err(SHAPE.to_owned());
    }
    let mut place = String::new();
    let mut inner = table;
    for name in parents {
        place = join(&place, name);
        let next = inner.entry(name.clone()).or_insert_with(|| Value::Table(Table::new()));
        inner = next.as_table_mut().ok_or_else(|| format!("{place} is not a section; set it as a whole"))?;
    }
    inner.insert(last.clone(), meant(value));
    Ok(join(&place, last))
}

fn meant(value: &str) -> Value {
    value.parse().unwrap_or_else(|_| Value::String(value.to_owned()))
}

const SHAPE: &str = "names no setting; write HALLPASS_SECTION__KEY, such as HALLPASS_LISTEN__PUBLIC";
/// No setting lies deeper; a bound keeps a hostile name from building a tower of tables.
const DEEPEST: usize = 5;

#[cfg(test)]
mod tests {
    use super::*;

    fn apply(file: &str, variables: &[(&str, &str)]) -> (Table, Vec<Fault>) {
        let mut table = file.parse().unwrap();
        let mut faults = Vec::new();
        let environment = variables.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
        Overrides::apply(&environment, &mut table, &mut faults);
        (table, faults)
    }

    #[test]
    fn values_are_toml_where_they_are_toml_and_text_otherwise() {
        let (table, faults) = apply(
            "[listen]\npublic = 'old'\nops = 'kept'",
            &[
                ("HALLPASS_LISTEN__PUBLIC", "127.0.0.1:80"),
                ("HALLPASS_LINKS__TTL_MAX", "30m"),
                ("HALLPASS_MINT__FIRST_READS", "3"),
                ("HALLPASS_LISTEN__HOSTS", "['a', 'b']"),
                ("HALLPASS_STORES__MY_MEDIA__KIND", "'s3'"),
                ("HALLPASS_PUBLIC_ORIGIN", "https://a"),
                ("PATH", "/bin"),
            ],
        );
        assert_eq!(faults, []);
        let expected =
            "public_origin = 'https://a'\nlinks.ttl_max = '30m'\nmint.first_reads = 3\nstores.my-media.kind = 's3'
            [listen]\npublic = '127.0.0.1:80'\nops = 'kept'\nhosts = ['a', 'b']";
        assert_eq!(table, expected.parse().unwrap());
    }

    #[test]
    fn what_is_not_ours_is_left_alone() {
        for name in [
            "HALLPASS_LOG",
            "HALLPASS_SERVICE_HOST",
            "HALLPASS_SERVICE_PORT",
            "HALLPASS_SERVICE_PORT_PUBLIC",
            "HALLPASS_PORT",
            "HALLPASS_PORT_8443_TCP",
            "HALLPASS_PORT_8443_TCP_ADDR",
            "HALLPASS_CONTROL_PORT_8081_TCP_PROTO",
            "HALLPASSPORT",
        ] {
            assert!(!is_ours(name), "{name}");
        }
        for name in
            ["HALLPASS_LISTEN__PORT", "HALLPASS_PUBLIC_ORIGIN", "HALLPASS_LOG__ACCESS", "HALLPASS_PORTS", "HALLPASS_"]
        {
            assert!(is_ours(name), "{name}");
        }
    }

    #[test]
    fn impossible_names_are_faults() {
        let deep = format!("HALLPASS_{}", "A__".repeat(100_000));
        for name in ["HALLPASS_", "HALLPASS_LISTEN__", "HALLPASS___PUBLIC", deep.as_str()] {
            let (table, faults) = apply("", &[(name, "1")]);
            assert_eq!((table.len(), faults.len()), (0, 1), "{name:.40}");
        }
        let (_, faults) = apply("links = 3", &[("HALLPASS_LINKS__WINDOW", "1m")]);
        assert_eq!(faults[0].to_string(), "HALLPASS_LINKS__WINDOW: links is not a section; set it as a whole");
    }
}
