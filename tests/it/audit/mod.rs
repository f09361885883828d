//! `hallpass audit`, the program itself, over real servers: what it finds, what it leaves alone, and what it survives.

mod clouds;
mod copying;
mod fixing;
mod hostile;
mod local;
mod many;
mod odd;
mod planted;
mod question;
mod resuming;
mod rights;
mod vault;

use std::collections::BTreeSet;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};

use serde_json::Value;
use tempfile::TempDir;

/// Settings with one store, `media`, and a directory for what an audit writes.
pub struct Desk {
    pub dir: TempDir,
}

impl Desk {
    /// Before a bucket of an S3 server.
    pub fn over_bucket(endpoint: &str, bucket: &str, more: &str) -> Self {
        Self::over(&format!("kind = \"s3\"\nbucket = \"{bucket}\"\nendpoint = \"{endpoint}\"\n{more}"))
    }

    /// Before a directory.
    pub fn over_directory(root: &Path) -> Self {
        Self::over(&format!("kind = \"local\"\nroot = \"{}\"\n", root.display()))
    }

    fn over(store: &str) -> Self {
        let dir = tempfile::tempdir().unwrap();
        let retries = "[origin]\nfirst_byte = \"500ms\"\nstall = \"500ms\"\npatience = \"1s\"\nretries = 1\n";
        let text = format!("public_origin = \"https://media.example.com\"\n[stores.media]\n{store}{retries}");
        std::fs::write(dir.path().join("hallpass.toml"), text).unwrap();
        Self { dir }
    }

    /// With a file `credentials` that only its owner may read.
    fn with_credentials(self, text: &str) -> Self {
        std::fs::write(self.file("credentials"), text).unwrap();
        std::fs::set_permissions(self.file("credentials"), std::fs::Permissions::from_mode(0o600)).unwrap();
        self
    }

    pub fn file(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    pub fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_hallpass"));
        command.args(["audit", "media", "--config", "hallpass.toml"]).args(arguments);
        command.current_dir(self.dir.path()).env_clear().stdin(Stdio::null());
        command.env("AWS_ACCESS_KEY_ID", "AKIATESTTESTTESTTEST").env("AWS_SECRET_ACCESS_KEY", "secret-for-tests");
        command.env("AWS_EC2_METADATA_DISABLED", "true");
        command
    }

    /// Runs an audit to its end beside the test's own server.
    pub async fn run(&self, arguments: &[&str]) -> Output {
        let mut command = self.command(arguments);
        tokio::task::spawn_blocking(move || command.output().unwrap()).await.unwrap()
    }

    pub fn start(&self, arguments: &[&str]) -> Child {
        self.command(arguments).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap()
    }

    /// The JSON of an audit that ends with this exit code.
    pub async fn json(&self, arguments: &[&str], code: i32) -> Value {
        let mut all = vec!["--json"];
        all.extend(arguments);
        let output = self.run(&all).await;
        assert_eq!(output.status.code(), Some(code), "{}", text(&output));
        serde_json::from_slice(&output.stdout).unwrap_or_else(|fault| panic!("{fault}: {}", text(&output)))
    }
}

pub fn text(output: &Output) -> String {
    format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr))
}

/// The findings as `code key`; those of the store itself as `code`.
pub fn found(document: &Value) -> BTreeSet<String> {
    let all = document["findings"].as_array().unwrap();
    let told: BTreeSet<_> = all
        .iter()
        .map(|finding| {
            let (code, key) = (finding["code"].as_str().unwrap(), finding["key"].as_str());
            key.map_or_else(|| code.to_owned(), |key| format!("{code} {key}"))
        })
        .collect();
    assert_eq!(told.len(), all.len(), "nothing is told twice: {document:#}");
    told
}

/// What was said of a setting: its verdict and detail.
pub fn setting<'a>(document: &'a Value, name: &str) -> (&'a str, &'a str) {
    let all = document["settings"].as_array().unwrap();
    let one = all.iter().find(|one| one["setting"] == name).unwrap_or_else(|| panic!("{name}: {document:#}"));
    (one["verdict"].as_str().unwrap(), one["detail"].as_str().unwrap())
}

pub fn set(expected: &[&str]) -> BTreeSet<String> {
    expected.iter().map(|one| (*one).to_owned()).collect()
}

/// A file that the demo or the tests have.
pub fn sample(name: &str) -> Vec<u8> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let demo = std::fs::read(root.join("src/cli/demo_media").join(name));
    demo.unwrap_or_else(|_| std::fs::read(root.join("tests/media").join(name)).unwrap())
}
