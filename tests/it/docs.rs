//! The documents keep their word: their links lead somewhere, the tests and commands they name exist, and what the project depends on is what
//! `deny.toml` allows. `cargo deny` checks more of that file; these tests need nothing but cargo.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::process::Command;

use serde_json::Value;
use toml::Table;

#[test]
fn every_dependency_may_be_used_under_a_licence_of_the_list() {
    let rules = Licences::from_deny_toml();
    let packages = packages_of_this_platform();
    let mut wrong = Vec::new();
    for package in &packages {
        let name = package["name"].as_str().unwrap();
        let licence = package["license"].as_str().unwrap_or("none");
        if !rules.accept(name, licence) {
            wrong.push(format!("{name}: {licence}"));
        }
    }
    assert!(wrong.is_empty(), "deny.toml does not allow these licences:\n{}", wrong.join("\n"));
    assert!(packages.len() > 100, "the packages were read: {}", packages.len());
}

#[test]
fn licence_expressions_mean_what_spdx_says() {
    let rules = Licences {
        allowed: ["MIT", "ISC", "Apache-2.0", "Apache-2.0 WITH LLVM-exception"].map(str::to_owned).into(),
        exceptions: vec![("special".to_owned(), "NCSA".to_owned())],
    };
    for (licence, accepted) in [
        ("MIT", true),
        ("GPL-3.0", false),
        ("GPL-3.0 OR MIT", true),
        ("GPL-3.0/MIT", true),
        ("GPL-3.0 / Apache-2.0", true),
        ("MIT AND GPL-3.0", false),
        ("GPL-3.0 OR MIT AND GPL-2.0", false),
        ("MIT OR GPL-3.0 AND GPL-2.0", true),
        ("(MIT OR GPL-3.0) AND ISC", true),
        ("(MIT OR GPL-3.0) AND NCSA", false),
        ("ISC AND (GPL-3.0 OR (MIT AND ISC))", true),
        ("Apache-2.0 WITH LLVM-exception", true),
        ("MIT WITH LLVM-exception", false),
        ("none", false),
        ("", false),
        ("MIT OR", false),
        ("(MIT", false),
        ("MIT ISC", false),
    ] {
        assert_eq!(rules.accept("any", licence), accepted, "{licence}");
    }
    assert!(rules.accept("special", "(MIT OR GPL-3.0) AND NCSA"));
}

#[test]
fn every_dependency_comes_from_the_registry_that_deny_toml_names() {
    let allowed = strings(&deny_toml()["sources"]["allow-registry"]);
    let mut wrong = Vec::new();
    for package in locked() {
        let name = package["name"].as_str().unwrap();
        match package.get("source").map(|source| source.as_str().unwrap()) {
            Some(source) if source.strip_prefix("registry+").is_some_and(|url| allowed.contains(url)) => {}
            None if ["hallpass", "hallpass-fuzz"].contains(&name) => {}
            other => wrong.push(format!("{name}: {other:?}")),
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn no_banned_crate_is_built() {
    let deny = deny_toml();
    let bans = deny["bans"]["deny"].as_array().unwrap();
    let built = built_here();
    assert!(bans.len() > 3 && built.len() > 100, "both were read");
    for ban in bans {
        assert!(ban["reason"].as_str().is_some_and(|reason| reason.len() > 10), "{ban} says why");
        let (name, below) = match ban["crate"].as_str().unwrap().split_once(":<") {
            Some((name, below)) => (name, Some(numbers(below))),
            None => (ban["crate"].as_str().unwrap(), None),
        };
        for (_, version) in built.iter().filter(|(built, _)| built == name) {
            assert!(below.as_ref().is_some_and(|below| numbers(version) >= *below), "{name} {version} is banned");
        }
    }
}

#[test]
fn every_relative_link_leads_to_a_file_and_a_heading() {
    let mut wrong = Vec::new();
    let mut seen = 0;
    for page in markdown_below(&root()) {
        let text = std::fs::read_to_string(&page).unwrap();
        for link in links_of(&text).into_iter().filter(|link| !link.contains("://") && !link.starts_with("mailto:")) {
            seen += 1;
            let (path, heading) = link.split_once('#').map_or((link, None), |(path, heading)| (path, Some(heading)));
            let goal = if path.is_empty() { page.clone() } else { page.parent().unwrap().join(path) };
            let found = match heading {
                None => goal.exists(),
                Some(heading) => std::fs::read_to_string(&goal).is_ok_and(|text| headings_of(&text).contains(heading)),
            };
            if !found {
                wrong.push(format!("{}: {link}", page.display()));
            }
        }
    }
    assert!(wrong.is_empty(), "these links lead nowhere:\n{}", wrong.join("\n"));
    assert!(seen > 20, "the links were read: {seen}");
}

#[test]
fn the_readmes_commands_are_those_of_the_help() {
    let help = Command::new(env!("CARGO_BIN_EXE_hallpass")).arg("--help").output().unwrap();
    let help = String::from_utf8(help.stdout).unwrap();
    let listed = help.split("Commands:\n").nth(1).unwrap().split("\n\n").next().unwrap();
    let mut offered: BTreeSet<_> = listed.lines().filter_map(|line| line.split_whitespace().next()).collect();
    assert!(offered.remove("help") && offered.len() > 4, "the help was read: {offered:?}");

    let readme = std::fs::read_to_string(root().join("README.md")).unwrap();
    let rows = readme.lines().filter_map(|line| line.strip_prefix("| `hallpass "));
    let told: BTreeSet<_> = rows.filter_map(|row| row.split([' ', '`']).next()).collect();
    assert_eq!(told, offered);
}

#[test]
fn every_test_that_a_document_names_exists() {
    let known = functions_below(&["src", "tests"].map(|folder| root().join(folder)));
    for document in ["SECURITY.md", "ARCHITECTURE.md"] {
        let text = std::fs::read_to_string(root().join(document)).unwrap();
        let named = tests_named_in(&text);
        let missing: Vec<_> = named.iter().filter(|name| !known.contains(**name)).collect();
        assert!(missing.is_empty(), "{document} names tests that do not exist: {missing:?}");
        assert!(named.len() > 10, "the tests of {document} were read: {}", named.len());
    }
}

/// What `deny.toml` says of licences.
struct Licences {
    allowed: BTreeSet<String>,
    /// Crate and licence.
    exceptions: Vec<(String, String)>,
}

impl Licences {
    fn from_deny_toml() -> Self {
        let deny = deny_toml();
        let mut exceptions = Vec::new();
        for exception in deny["licenses"]["exceptions"].as_array().unwrap() {
            let name = exception["crate"].as_str().unwrap();
            exceptions.extend(strings(&exception["allow"]).into_iter().map(|licence| (name.to_owned(), licence)));
        }
        Self { allowed: strings(&deny["licenses"]["allow"]), exceptions }
    }

    /// Whether `expression` (SPDX 2.3 annex D, and the older `/` for OR) leaves a way to use `package`.
    fn accept(&self, package: &str, expression: &str) -> bool {
        let spaced = expression.replace('/', " OR ").replace('(', " ( ").replace(')', " ) ");
        let mut words = spaced.split_whitespace().peekable();
        let fits = |licence: &str| {
            let excepted = |(name, one): &(String, String)| name == package && one == licence;
            self.allowed.contains(licence) || self.exceptions.iter().any(excepted)
        };
        any_of(&mut words, &fits).is_some_and(|accepted| accepted && words.next().is_none())
    }
}

type Words<'a> = std::iter::Peekable<std::str::SplitWhitespace<'a>>;

/// Terms joined by OR; `None` where there is no expression.
fn any_of(words: &mut Words<'_>, fits: &dyn Fn(&str) -> bool) -> Option<bool> {
    let mut accepted = all_of(words, fits)?;
    while words.next_if_eq(&"OR").is_some() {
        accepted |= all_of(words, fits)?;
    }
    Some(accepted)
}

/// Terms joined by AND, which binds tighter.
fn all_of(words: &mut Words<'_>, fits: &dyn Fn(&str) -> bool) -> Option<bool> {
    let mut accepted = one_of(words, fits)?;
    while words.next_if_eq(&"AND").is_some() {
        accepted &= one_of(words, fits)?;
    }
    Some(accepted)
}

fn one_of(words: &mut Words<'_>, fits: &dyn Fn(&str) -> bool) -> Option<bool> {
    let word = words.next()?;
    if word == "(" {
        let inner = any_of(words, fits)?;
        return words.next_if_eq(&")").map(|_| inner);
    }
    if words.next_if_eq(&"WITH").is_some() {
        return Some(fits(&format!("{word} WITH {}", words.next()?)));
    }
    Some(fits(word))
}

fn root() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR"))
}

fn deny_toml() -> Table {
    std::fs::read_to_string(root().join("deny.toml")).unwrap().parse().unwrap()
}

fn locked() -> Vec<toml::Value> {
    let lock: Table = std::fs::read_to_string(root().join("Cargo.lock")).unwrap().parse().unwrap();
    lock["package"].as_array().unwrap().clone()
}

fn strings(list: &toml::Value) -> BTreeSet<String> {
    list.as_array().unwrap().iter().map(|one| one.as_str().unwrap().to_owned()).collect()
}

fn numbers(version: &str) -> Vec<u64> {
    let plain = version.split(['-', '+']).next().unwrap();
    plain.split('.').map(|number| number.parse().unwrap()).collect()
}

/// What cargo prints. It asks the network only for what was never downloaded.
fn cargo(args: &[&str]) -> String {
    let mut cargo = Command::new(option_env!("CARGO").unwrap_or("cargo"));
    let answer = cargo.args(args).arg("--locked").current_dir(root()).output().unwrap();
    assert!(answer.status.success(), "{}", String::from_utf8_lossy(&answer.stderr));
    String::from_utf8(answer.stdout).unwrap()
}

/// Name and version of every package that is linked into anything here; Cargo.lock names some that no feature asks for.
fn built_here() -> BTreeSet<(String, String)> {
    let tree = cargo(&["tree", "--workspace", "--prefix", "none", "--format", "{p}"]);
    let packages = tree.lines().filter_map(|line| line.split_once(" v"));
    packages.map(|(name, rest)| (name.to_owned(), rest.split(' ').next().unwrap().to_owned())).collect()
}

/// What cargo knows of every package that could be built on this platform.
pub fn packages_of_this_platform() -> Vec<Value> {
    let rustc = Command::new("rustc").arg("-vV").current_dir(root()).output().unwrap();
    let told = String::from_utf8(rustc.stdout).unwrap();
    let host = told.lines().find_map(|line| line.strip_prefix("host: ")).unwrap();
    let told: Value =
        serde_json::from_str(&cargo(&["metadata", "--format-version", "1", "--filter-platform", host])).unwrap();
    told["packages"].as_array().unwrap().clone()
}

fn markdown_below(folder: &Path) -> Vec<PathBuf> {
    let skipped = |name: &str| name.starts_with('.') || name == "target";
    files_below(folder, "md", &skipped)
}

fn files_below(folder: &Path, extension: &str, skipped: &dyn Fn(&str) -> bool) -> Vec<PathBuf> {
    let mut files = Vec::new();
    for entry in std::fs::read_dir(folder).unwrap() {
        let entry = entry.unwrap();
        let path = entry.path();
        if skipped(&entry.file_name().to_string_lossy()) {
            continue;
        }
        if entry.file_type().unwrap().is_dir() {
            files.extend(files_below(&path, extension, skipped));
        } else if path.extension().is_some_and(|ext| ext == extension) {
            files.push(path);
        }
    }
    files
}

/// The lines that are no code.
fn prose(text: &str) -> impl Iterator<Item = &str> {
    let mut fenced = false;
    text.lines().filter(move |line| {
        let fence = line.trim_start().starts_with("```");
        fenced ^= fence;
        !fenced && !fence
    })
}

fn links_of(text: &str) -> Vec<&str> {
    prose(text).flat_map(|line| line.split("](").skip(1)).filter_map(|rest| rest.split(')').next()).collect()
}

/// The anchors that a page's headings have where it is shown.
fn headings_of(text: &str) -> BTreeSet<String> {
    let anchor = |line: &str| {
        let title = line.trim_start_matches('#').trim().to_lowercase();
        let kept = title.chars().filter(|c| c.is_alphanumeric() || matches!(c, ' ' | '-' | '_'));
        kept.map(|c| if c == ' ' { '-' } else { c }).collect()
    };
    prose(text).filter(|line| line.starts_with('#')).map(anchor).collect()
}

/// What stands in backticks in the last column of tables whose last heading begins with "Test".
fn tests_named_in(text: &str) -> BTreeSet<&str> {
    let mut named = BTreeSet::new();
    let mut in_table = false;
    for line in prose(text) {
        let Some(cells) = line.strip_prefix('|').and_then(|line| line.trim_end().strip_suffix('|')) else {
            in_table = false;
            continue;
        };
        let last = cells.rsplit('|').next().unwrap().trim();
        if in_table {
            named.extend(last.split('`').skip(1).step_by(2));
        }
        in_table |= last.starts_with("Test");
    }
    named
}

fn functions_below(folders: &[PathBuf]) -> BTreeSet<String> {
    let mut names = BTreeSet::new();
    for file in folders.iter().flat_map(|folder| files_below(folder, "rs", &|name| name == "target")) {
        let text = std::fs::read_to_string(file).unwrap();
        for after in text.split("fn ").skip(1) {
            names.extend(after.split_once('(').map(|(name, _)| name.to_owned()));
        }
    }
    names
}
