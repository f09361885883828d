//! The image: a recipe that a linter passes, a user without rights, a health check that the program understands, and a context that holds
//! everything that is built and no secret.

use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use rustix::process::Signal;
use tokio::time::sleep;

use crate::kit::shop::Shop;

use super::{at, is_a_command, run_well, text, tool};

/// The recipe's instructions, each on one line, without comments.
fn instructions() -> Vec<(String, String)> {
    let written = text("deploy/Dockerfile");
    let lines = written.lines().filter(|line| !line.trim_start().starts_with('#'));
    let joined = lines.collect::<Vec<_>>().join("\n").replace("\\\n", " ");
    let split = |line: &str| line.split_once(' ').map(|(name, rest)| (name.to_owned(), rest.trim().to_owned()));
    joined.lines().filter_map(split).collect()
}

/// What the last stage says with `name`.
fn last<'a>(instructions: &'a [(String, String)], name: &str) -> &'a str {
    let final_stage = instructions.iter().rposition(|(name, _)| name == "FROM").unwrap();
    let found = instructions[final_stage..].iter().rfind(|(found, _)| found == name);
    &found.unwrap_or_else(|| panic!("the last stage has {name}")).1
}

fn words(json: &str) -> Vec<String> {
    serde_json::from_str(json).unwrap()
}

#[test]
fn the_linter_has_nothing_to_say_of_the_image() {
    run_well(tool("hadolint").arg("--failure-threshold").arg("style").arg(at("deploy/Dockerfile")));
}

#[test]
fn the_image_runs_as_nobody_and_says_how_it_is() {
    let all = instructions();
    assert!(last(&all, "FROM").ends_with(":nonroot"), "{}", last(&all, "FROM"));
    let user = last(&all, "USER");
    let ids: Vec<u32> = user.split(':').map(|id| id.parse().unwrap()).collect();
    assert!(ids.len() == 2 && ids.iter().all(|&id| id > 0), "{user}");
    assert_eq!(words(last(&all, "VOLUME")), ["/var/lib/hallpass"]);
    let owned = all.iter().any(|(name, rest)| name == "COPY" && rest.contains("--chown=65532:65532"));
    assert!(owned, "its user owns the volume");

    let entry = words(last(&all, "ENTRYPOINT"));
    assert_eq!(entry, ["/usr/local/bin/hallpass"]);
    let healthy = last(&all, "HEALTHCHECK").split_once("CMD ").unwrap().1;
    for told in [words(last(&all, "CMD")), words(healthy).split_off(1)] {
        is_a_command(&told.iter().map(String::as_str).collect::<Vec<_>>());
    }
    assert_eq!(words(healthy)[..2], [entry[0].clone(), "health".to_owned()]);
    assert!(!all.iter().any(|(name, _)| name == "ADD"), "nothing is fetched by URL");
}

#[test]
fn the_image_is_built_by_the_rust_of_the_manifest_and_from_the_lock() {
    let manifest: toml::Table = text("Cargo.toml").parse().unwrap();
    let version = manifest["package"]["rust-version"].as_str().unwrap();
    let all = instructions();
    assert!(all.contains(&("ARG".to_owned(), format!("RUST_VERSION={version}"))), "the image's Rust is {version}");
    let build = all.iter().find(|(name, rest)| name == "RUN" && rest.contains("cargo build")).unwrap();
    for word in ["--release", "--locked", "--mount=type=cache,target=/usr/local/cargo/registry"] {
        assert!(build.1.contains(word), "{word}");
    }
}

/// Whether `.dockerignore` lets a file into the context.
struct Context(Vec<PathBuf>);

impl Context {
    fn read() -> Self {
        let written = text(".dockerignore");
        let mut rules = written.lines().filter(|line| !line.is_empty() && !line.starts_with('#'));
        assert_eq!(rules.next(), Some("*"), "everything is shut out first");
        Self(rules.map(|rule| rule.strip_prefix('!').unwrap_or_else(|| panic!("{rule}")).into()).collect())
    }

    fn has(&self, path: &Path) -> bool {
        self.0.iter().any(|allowed| path.starts_with(allowed))
    }
}

/// Every source file of the last build without tests, as rustc wrote them down.
fn what_the_library_is_made_from() -> String {
    let builds = Path::new(env!("CARGO_BIN_EXE_hallpass")).parent().unwrap().join("deps");
    let notes = std::fs::read_dir(builds).unwrap().map(|entry| entry.unwrap().path());
    let notes = notes.filter(|path| {
        let is_ours = path.file_name().unwrap().to_str().unwrap().starts_with("hallpass-");
        is_ours && path.extension().is_some_and(|extension| extension == "d")
    });
    let of_the_library = notes.filter_map(|path| {
        let text = std::fs::read_to_string(&path).unwrap();
        let of_a_library = |line: &&str| {
            let made = line.split_once(':').map(|(made, _)| Path::new(made));
            made.and_then(Path::extension).is_some_and(|extension| extension == "rlib")
        };
        let line = text.lines().find(of_a_library)?;
        let when = path.metadata().unwrap().modified().unwrap();
        Some((when, line.split_once(": ")?.1.to_owned()))
    });
    of_the_library.max().expect("cargo built the library for this test").1
}

#[test]
fn the_context_has_every_file_that_is_built_and_no_secret() {
    let context = Context::read();
    let told = what_the_library_is_made_from();
    let sources: Vec<_> = told.split_whitespace().map(Path::new).collect();
    assert!(sources.len() > 100, "they were read: {}", sources.len());
    for source in sources {
        let path = source.strip_prefix(at("")).unwrap_or(source);
        assert!(context.has(path), "{} is needed, and not in the context", path.display());
    }
    let manifest: toml::Table = text("Cargo.toml").parse().unwrap();
    let members = manifest["workspace"]["members"].as_array().unwrap();
    for member in members.iter().map(|member| member.as_str().unwrap()) {
        let manifest = Path::new(member.trim_start_matches('.')).join("Cargo.toml");
        assert!(context.has(&manifest), "cargo reads {}", manifest.display());
    }
    assert!(context.has(Path::new("Cargo.lock")));
    for kept_out in ["keys.toml", "hallpass.db", "deploy/secrets/s3", "deploy/hallpass.toml", "target/x", ".git/config"]
    {
        assert!(!context.has(Path::new(kept_out)), "{kept_out}");
    }
}

#[tokio::test]
async fn the_health_check_says_yes_of_a_gateway_that_serves_and_no_of_every_other() {
    let shop = Shop::open();
    shop.set("limits", "drain_grace = \"5m\"");
    let asked = |more: &[&str]| {
        let output = shop.output(&[&["health", "--config", "hallpass.toml"], more].concat());
        let [out, err] = [output.stdout, output.stderr].map(|bytes| String::from_utf8(bytes).unwrap());
        (output.status.code().unwrap(), out + &err)
    };
    let (code, said) = asked(&[]);
    assert_eq!(code, 1, "nobody is there: {said}");
    assert!(said.contains("does the gateway run"), "{said}");

    shop.serve().await;
    assert_eq!(asked(&[]), (0, "200 OK: ok\n".to_owned()));
    let (code, said) = asked(&["--ready"]);
    assert!(code == 0 && said.contains("\"ready\":true"), "{code}: {said}");

    // New settings with faults change nothing of the gateway that runs, however bad they are, and so nothing of its health.
    let good = shop.text("hallpass.toml");
    for bad in [
        good.clone() + "\n[publish]\nat_once = \"many\"\n",
        good.clone() + "\n[[presigned.clients]]\nsecret_access_key_file = \"gone\"\n",
        good.clone() + "\n[mint\nobject_max = 2GiB\n",
        good.replacen("public_origin = \"", "public_origin = ", 1),
    ] {
        assert_ne!(bad, good);
        std::fs::write(shop.file("hallpass.toml"), bad).unwrap();
        assert_eq!(shop.output(&["check", "--config", "hallpass.toml"]).status.code(), Some(64), "they are faults");
        for more in [&[][..], &["--ready"]] {
            let (code, said) = asked(more);
            assert_eq!(code, 0, "{said}");
        }
    }
    // Without any settings it is asked where it is said to be, else at the default address, and told why.
    std::fs::remove_file(shop.file("hallpass.toml")).unwrap();
    let ops = shop.ops.to_string();
    assert!(shop.output(&["health", "--ops", &ops]).status.success());
    let (code, said) = asked(&[]);
    assert!(code == 0 || said.contains("127.0.0.1:8082") && said.contains("hallpass.toml does not exist"), "{said}");
    for wrong in
        [&["health"][..], &["health", "--ops", &ops, "--config", "hallpass.toml"], &["health", "--ops", "here"]]
    {
        assert_eq!(shop.output(wrong).status.code(), Some(2), "{wrong:?}");
    }
    std::fs::write(shop.file("hallpass.toml"), good).unwrap();

    // The end has begun, and until the grace is over it goes on serving.
    shop.signal(Signal::TERM);
    let begun = Instant::now();
    while asked(&["--ready"]).0 == 0 {
        assert!(begun.elapsed() < Duration::from_secs(60), "it goes on being ready");
        sleep(Duration::from_millis(50)).await;
    }
    let (code, said) = asked(&["--ready"]);
    assert!(code == 1 && said.contains("draining"), "{code}: {said}");
    assert_eq!(asked(&[]).0, 0, "it lives all the same");
}
