//! The way from a public bucket, as MIGRATE.md tells it: its commands exist, its shell can be read, what it does to a bucket is done to a real S3
//! server, and its presign calls make links of the right form.

use std::collections::BTreeSet;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::Command;

use aws_sdk_s3::types::PublicAccessBlockConfiguration;
use hallpass::config::Settings;

use super::{at, run_well, text, tool, what_is_wrong_with};
use crate::kit::gateway::META;
use crate::kit::moto::{self, Bucket};
use crate::kit::shop::Shop;

/// The code blocks of a language below the headings that begin with `heading`.
fn blocks(heading: &str, language: &str) -> Vec<String> {
    let guide = text("deploy/MIGRATE.md");
    let mut found = Vec::new();
    let (mut here, mut open): (bool, Option<String>) = (false, None);
    for line in guide.lines() {
        match &mut open {
            None if line.starts_with("## ") => here = line.starts_with(heading),
            None if line == format!("```{language}") => open = Some(String::new()),
            Some(block) if line == "```" => {
                if here {
                    found.push(std::mem::take(block));
                }
                open = None;
            }
            Some(block) => block.extend([line, "\n"]),
            None => {}
        }
    }
    found
}

/// The commands that begin with our name, as words; what another command gives them is one word.
fn our_commands(shell: &str) -> Vec<Vec<String>> {
    let mut text = shell.replace("\\\n", " ");
    while let Some(begin) = text.find("$(") {
        let mut depth = 0;
        let end = text[begin..].find(|c| {
            depth += i32::from(c == '(') - i32::from(c == ')');
            c == ')' && depth == 0
        });
        text.replace_range(begin..=begin + end.unwrap(), "VALUE");
    }
    let pieces = text.split(['\n', '|', ';', '&', '(', ')']);
    let mut found = Vec::new();
    for piece in pieces {
        let plain = piece.split('#').next().unwrap().split(['>', '<']).next().unwrap().trim();
        let plain = plain.strip_prefix("runuser -u hallpass -- ").unwrap_or(plain);
        if let Some(rest) = plain.strip_prefix("hallpass ") {
            found.push(rest.split_whitespace().map(|word| word.trim_matches('"').to_owned()).collect());
        }
    }
    found
}

#[test]
fn every_command_of_ours_exists_with_every_option_that_is_named() {
    let mut seen = BTreeSet::new();
    let mut commands: Vec<_> = blocks("## ", "sh").iter().flat_map(|block| our_commands(block)).collect();
    // Those in the text, in the settings and in the heads of the other files.
    for file in
        ["MIGRATE.md", "hallpass.service", "compose.yaml", "kubernetes/secret.example.yaml", "settings/presigned.toml"]
    {
        let written = text(&format!("deploy/{file}"));
        commands
            .extend(written.split('`').skip(1).step_by(2).filter(|code| code.contains(" --")).flat_map(our_commands));
        let comments = written.lines().filter_map(|line| line.strip_prefix("#     "));
        commands.extend(comments.flat_map(our_commands));
    }
    let mut wrong = Vec::new();
    for command in &commands {
        let words: Vec<_> = command.iter().map(String::as_str).collect();
        wrong.extend(what_is_wrong_with(&words).map(|fault| format!("hallpass {}: {fault}", words.join(" "))));
        seen.insert(words[0].to_owned());
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    for named in ["audit", "check", "doctor", "health", "keys", "mint", "publish"] {
        assert!(seen.contains(named), "{named} is part of the way: {seen:?}");
    }
    assert!(commands.len() > 15, "they were read: {commands:?}");
}

#[test]
fn the_commands_are_found_in_what_people_write() {
    let shell = "(umask 077; hallpass keys client a > b.txt)\nrunuser -u hallpass -- hallpass check \\\n --config x | tee y\n\
                 hallpass doctor \"$(grep -o 'x(y)' z | head)\"\n# hallpass nothing\ninstall hallpass /bin\n";
    let expected = [&["keys", "client", "a"][..], &["check", "--config", "x"], &["doctor", "VALUE"]];
    let found = our_commands(shell);
    assert_eq!(found, expected.map(|words| words.iter().map(|word| (*word).to_owned()).collect::<Vec<_>>()));
}

#[test]
fn the_shell_can_be_read_and_the_metrics_exist() {
    let all = blocks("## ", "sh");
    assert!(all.len() > 25, "they were read: {}", all.len());
    let (dir, mut metrics) = (tempfile::tempdir().unwrap(), 0);
    for block in &all {
        let file = dir.path().join("block");
        std::fs::write(&file, block).unwrap();
        run_well(Command::new("bash").arg("-n").arg(&file));
    }
    let known = names_of_metrics();
    for word in text("deploy/MIGRATE.md").split(|c: char| !(c.is_alphanumeric() || c == '_')) {
        if let Some(name) = word.strip_prefix("hallpass_").filter(|name| !name.is_empty()) {
            metrics += 1;
            assert!(known.iter().any(|known| known == name.trim_end_matches("_total")), "{word} is no metric");
        }
    }
    assert!(metrics > 1, "they were read: {metrics}");
}

/// Every name of a metric in the sources, without what all have in common.
fn names_of_metrics() -> Vec<String> {
    let mut found = Vec::new();
    for file in std::fs::read_dir(at("src/telemetry/metrics")).unwrap().map(|entry| entry.unwrap().path()) {
        found.extend(quoted(&std::fs::read_to_string(file).unwrap()));
    }
    found.extend(quoted(&text("src/telemetry/metrics.rs")));
    found
}

fn quoted(source: &str) -> Vec<String> {
    source.split('"').skip(1).step_by(2).map(|name| name.trim_start_matches("hallpass_").to_owned()).collect()
}

#[test]
fn the_settings_of_the_audit_are_whole() {
    let first = blocks("## 1", "sh").remove(0);
    let written = first.split("<<EOF\n").nth(1).unwrap().split("EOF\n").next().unwrap();
    let written = written.replace("$BUCKET", "acme-media").replace("$REGION", "eu-central-1");
    Settings::from_toml(&written, &std::collections::BTreeMap::new(), Path::new("/")).unwrap();
}

/// A directory with the venv's tools, and with programs of the clouds that do nothing.
fn path_with_stubs(dir: &Path) -> std::ffi::OsString {
    for name in ["gcloud", "az"] {
        let file = dir.join(name);
        std::fs::write(&file, "#!/bin/sh\nexit 0\n").unwrap();
        std::fs::set_permissions(&file, std::fs::Permissions::from_mode(0o755)).unwrap();
    }
    let tools = PathBuf::from(tool("aws").get_program()).parent().unwrap().to_owned();
    let known = std::env::var_os("PATH").unwrap();
    std::env::join_paths([dir.to_owned(), tools].into_iter().chain(std::env::split_paths(&known))).unwrap()
}

/// Runs blocks of the guide with the AWS CLI against the S3 server of the tests, on `bucket`.
async fn follow(home: &Path, bucket: &str, heading: &str, which: impl Fn(&str) -> bool) {
    let picked: Vec<_> = blocks(heading, "sh").into_iter().filter(|block| which(block)).collect();
    assert!(!picked.is_empty(), "{heading} has such a block");
    for block in picked {
        let key = moto::credentials();
        let mut bash = Command::new("bash");
        bash.args(["-euo", "pipefail", "-c", &block]).current_dir(home).env("HOME", home);
        bash.env("PATH", path_with_stubs(home)).env("BUCKET", bucket).env("REGION", "us-east-1");
        bash.env("AWS_DEFAULT_REGION", "us-east-1").env("AWS_ENDPOINT_URL", moto::endpoint());
        bash.env("AWS_ACCESS_KEY_ID", key.access_key_id()).env("AWS_SECRET_ACCESS_KEY", key.secret_access_key());
        tokio::task::spawn_blocking(move || run_well(&mut bash)).await.unwrap();
    }
}

fn block([acls, ignored, policy, restricted]: [bool; 4]) -> PublicAccessBlockConfiguration {
    let config = PublicAccessBlockConfiguration::builder().block_public_acls(acls).ignore_public_acls(ignored);
    config.block_public_policy(policy).restrict_public_buckets(restricted).build()
}

/// What the ways back at the other clouds would do after `kept` was kept in step 1.
fn told_to_the_clouds(kept: &[(&str, &str)]) -> String {
    let home = tempfile::tempdir().unwrap();
    std::fs::create_dir(home.path().join("migrate")).unwrap();
    for (name, text) in kept {
        std::fs::write(home.path().join("migrate").join(name), text).unwrap();
    }
    let path = path_with_stubs(home.path());
    for name in ["gcloud", "az"] {
        std::fs::write(home.path().join(name), format!("#!/bin/sh\necho {name} \"$@\"\n")).unwrap();
    }
    let back = blocks("## 8", "sh").into_iter().find(|block| block.starts_with("grep ")).unwrap();
    let mut bash = Command::new("bash");
    run_well(bash.args(["-euo", "pipefail", "-c", &back]).current_dir(home.path()).env("PATH", path).env("BUCKET", "a"))
}

#[test]
fn the_way_back_at_other_clouds_opens_nothing_that_was_closed() {
    let kept = |gcs: &str, azure: &str| {
        told_to_the_clouds(&[
            ("bucket.json", &format!("{{\n  \"public_access_prevention\": \"{gcs}\"\n}}\n")),
            ("account.json", &format!("{{\n  \"allowBlobPublicAccess\": {azure},\n}}\n")),
        ])
    };
    let (gcloud, az) = ("--no-public-access-prevention", "--allow-blob-public-access true");
    let told = kept("inherited", "true");
    assert!(told.contains(gcloud) && told.contains(az), "{told}");
    assert_eq!(kept("enforced", "false"), "");
}

/// The four switches, and whether there are any.
async fn switches(bucket: &Bucket) -> Option<[bool; 4]> {
    let found = bucket.client.get_public_access_block().bucket(&bucket.name).send().await.ok()?;
    let on = found.public_access_block_configuration?;
    Some(
        [on.block_public_acls, on.ignore_public_acls, on.block_public_policy, on.restrict_public_buckets]
            .map(|on| on.unwrap()),
    )
}

#[tokio::test]
async fn the_bucket_is_closed_opened_and_tidied_by_the_commands_as_they_stand() {
    let bucket = Bucket::create().await;
    let home = tempfile::tempdir().unwrap();
    std::fs::create_dir(home.path().join("migrate")).unwrap();
    let policy = format!(
        r#"{{"Version":"2012-10-17","Statement":[{{"Effect":"Allow","Principal":"*","Action":"s3:GetObject","Resource":"arn:aws:s3:::{}/*"}}]}}"#,
        bucket.name
    );
    bucket.client.put_bucket_policy().bucket(&bucket.name).policy(&policy).send().await.unwrap();

    let name = bucket.name.clone();
    follow(home.path(), &name, "## 1", |block| block.starts_with("aws ")).await;
    let kept = std::fs::read_to_string(home.path().join("migrate/policy.json")).unwrap();
    assert!(kept.contains("s3:GetObject"), "what there was is kept: {kept}");
    follow(home.path(), &name, "## 2", |block| block.contains("put-bucket-versioning")).await;
    let put = bucket.client.put_object().bucket(&name).key("a").body(b"a".to_vec().into()).send().await.unwrap();
    assert!(put.version_id().is_some(), "the bucket has versions");

    let closes = |block: &str| block.starts_with("aws ");
    // Whatever there was, and nothing else, is there again on the way back.
    for before in [Some([true, false, false, false]), None] {
        let (client, name) = (&bucket.client, &name);
        let done = match before {
            Some(on) => client
                .put_public_access_block()
                .bucket(name)
                .public_access_block_configuration(block(on))
                .send()
                .await
                .is_ok(),
            None => client.delete_public_access_block().bucket(name).send().await.is_ok(),
        };
        assert!(done, "{before:?}");
        assert_eq!(switches(&bucket).await, before);
        follow(home.path(), name, "## 1", |block| block.contains("get-public-access-block")).await;
        follow(home.path(), name, "## 8", closes).await;
        assert_eq!(switches(&bucket).await, Some([true; 4]));
        follow(home.path(), name, "## 8", |block| block.contains("delete-public-access-block")).await;
        assert_eq!(switches(&bucket).await, before, "the way back");
    }
    follow(home.path(), &name, "## 8", closes).await;

    follow(home.path(), &name, "## 10", |block| block.starts_with("aws ")).await;
    assert!(bucket.client.get_bucket_policy().bucket(&name).send().await.is_err(), "the policy is gone");
}

/// The three ways of the guide to presign, as commands in `home` with what differs from place to place replaced.
fn presigners(home: &Path, replaced: &[(&str, &str)]) -> [(&'static str, Command); 3] {
    let ours = |text: String| {
        replaced.iter().fold(text, |text, (from, to)| {
            assert!(text.contains(from), "{from} in {text}");
            text.replace(from, to)
        })
    };
    let [python] = blocks("## 6", "python").try_into().unwrap();
    let mut boto3 = moto::python();
    boto3.args(["-c", &ours(python)]);

    let [js] = blocks("## 6", "js").try_into().unwrap();
    let tools = PathBuf::from(std::env::var_os("NODE_TOOLS").expect("NODE_TOOLS: see tests/run"));
    std::os::unix::fs::symlink(tools.join("node_modules"), home.join("node_modules")).unwrap();
    std::fs::write(home.join("link.mjs"), ours(js)).unwrap();
    let mut node = Command::new("node");
    node.arg("link.mjs").current_dir(home);

    let shell = blocks("## 6", "sh").into_iter().find(|block| block.contains("s3 presign")).unwrap();
    let mut bash = Command::new("bash");
    bash.args(["-euc", &ours(shell)]).env("HOME", home).env("PATH", path_with_stubs(home));
    for name in ["AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_ENDPOINT_URL", "AWS_PROFILE"] {
        bash.env_remove(name);
    }
    [("boto3", boto3), ("SDK v3", node), ("the AWS CLI", bash)]
}

/// Runs a program of the guide; the link that it printed.
fn printed(command: &mut Command) -> String {
    let said = run_well(command);
    said.lines().rfind(|line| line.starts_with("http")).unwrap_or_else(|| panic!("{said}")).trim().to_owned()
}

fn of_our_form(link: &str, who: &str) {
    let (path, query) = link.split_once('?').unwrap();
    assert_eq!(path, "https://media.example.com/media/promos/winter.jpg", "{who}: path style, at our endpoint");
    assert!(hallpass::presign::is_presigned(query), "{who}: {query}");
    for part in [
        "X-Amz-Algorithm=AWS4-HMAC-SHA256",
        "X-Amz-Credential=HPAKAAAAAAAAAAAAAAAA%2F",
        "us-east-1%2Fs3%2Faws4_request",
        "X-Amz-Expires=1800",
        "X-Amz-SignedHeaders=host",
    ] {
        assert!(query.contains(part), "{who}: {part} in {query}");
    }
}

#[test]
fn the_presign_calls_make_links_of_the_form_that_is_served() {
    let home = tempfile::tempdir().unwrap();
    for (who, mut presigner) in presigners(home.path(), &[]) {
        of_our_form(&printed(&mut presigner), who);
    }
}

#[tokio::test]
async fn the_presign_calls_of_the_guide_are_answered_with_the_asset() {
    let shop = Shop::open();
    let said =
        String::from_utf8(shop.run(&["keys", "presigner", "billing", "--config", "hallpass.toml"]).stdout).unwrap();
    let word = |prefix: &str| {
        let words = said.split(|c: char| !(c.is_ascii_alphanumeric() || c == '_'));
        words.into_iter().find(|word| word.starts_with(prefix)).unwrap().to_owned()
    };
    let (id, secret) = (word("HPAK"), word("hps_"));
    std::fs::create_dir(shop.file("secrets")).unwrap();
    std::fs::write(shop.file("secrets/billing"), &secret).unwrap();
    std::fs::set_permissions(shop.file("secrets/billing"), std::fs::Permissions::from_mode(0o600)).unwrap();
    let stanza = &said[said.find("[[presigned.clients]]").unwrap()..];
    let settings = shop.text("hallpass.toml") + "\n[presigned]\nenabled = true\n\n" + stanza;
    std::fs::write(shop.file("hallpass.toml"), settings).unwrap();
    shop.serve().await;

    let endpoint = format!("http://{}", shop.public);
    let home = tempfile::tempdir().unwrap();
    let replaced = [
        ("https://media.example.com", endpoint.as_str()),
        ("HPAKAAAAAAAAAAAAAAAA", &id),
        ("hps_...", &secret),
        ("promos/winter.jpg", "winter-sale.jpg"),
    ];
    // The CLI's line has bucket and key in one word.
    for (who, mut presigner) in presigners(home.path(), &replaced) {
        let link = printed(&mut presigner);
        let path = link.strip_prefix(&endpoint).unwrap_or_else(|| panic!("{who}: {link}"));
        let answer = shop.fetch(path, META).await;
        assert_eq!((answer.status, answer.field("content-type")), (200, Some("image/jpeg")), "{who}: {answer:?}");
        assert_eq!(shop.fetch(path, "Mozilla/5.0").await.status, 403, "{who}");
    }
}
