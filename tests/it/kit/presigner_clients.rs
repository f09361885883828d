//! The presign calls of others: boto3, the AWS SDK for JavaScript and the AWS CLI, each cut off from whatever this machine is.
//!
//! `NODE_TOOLS` names a folder whose `node_modules` has what `tests/node/package.json` pins, as `MOTO_PYTHON` names a Python with
//! `tests/requirements.txt`. A test that needs them fails without them. Each SDK is started once for many links.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::Command;

use serde_json::{Value, json};
use tempfile::TempDir;

use super::moto;
use super::presigner::Presigner;
use super::program::{find, run_well};
use super::wire::Answer;

/// An SDK that presigns.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Sdk {
    /// boto3, by `presigner.py`.
    Python,
    /// `@aws-sdk/s3-request-presigner`, by `presigner.mjs`.
    JavaScript,
}

pub const SDKS: [Sdk; 2] = [Sdk::Python, Sdk::JavaScript];

/// What an SDK is told; each test changes what it is about.
#[derive(Clone, Debug)]
pub struct Session {
    pub sdk: Sdk,
    pub endpoint: String,
    pub key: Presigner,
    pub token: Option<&'static str>,
    /// botocore's name of the signature; the other SDK knows only one.
    pub signature: &'static str,
    pub addressing: &'static str,
}

/// One link: an operation such as `GetObject`, a bucket, a key, a lifetime, and further parameters.
pub struct Asked {
    pub operation: &'static str,
    pub bucket: &'static str,
    pub key: String,
    pub expires: u32,
    pub more: Value,
}

impl Asked {
    /// A link to read this object for an hour, which is what boto3 and the AWS CLI do by default.
    pub fn get(key: &str) -> Self {
        Self { operation: "GetObject", bucket: "media", key: key.to_owned(), expires: 3600, more: json!({}) }
    }

    pub fn with(self, more: Value) -> Self {
        Self { more, ..self }
    }
}

/// What a client makes of an answer: status, code and message, or nothing where it finds no fault.
pub type Understood = Option<(u16, String, String)>;

impl Session {
    pub fn new(sdk: Sdk, endpoint: &str, key: &Presigner) -> Self {
        let (endpoint, key) = (endpoint.to_owned(), key.clone());
        Self { sdk, endpoint, key, token: None, signature: "s3v4", addressing: "path" }
    }

    /// The URLs that the SDK makes of these.
    pub async fn presign(&self, links: &[Asked]) -> Vec<String> {
        let links: Vec<_> = links.iter().map(|link| self.told(link)).collect();
        serde_json::from_value(self.ask(&json!(links), &json!([])).await["urls"].take()).unwrap()
    }

    /// What the SDK makes of these answers, as if they came to its own requests.
    pub async fn understand(&self, answers: &[Answer]) -> Vec<Understood> {
        let told = |answer: &Answer| {
            let headers: BTreeMap<_, _> = answer.fields.iter().cloned().collect();
            json!({ "status": answer.status, "headers": headers, "body": String::from_utf8(answer.body.clone()).unwrap() })
        };
        let answers: Vec<_> = answers.iter().map(told).collect();
        serde_json::from_value(self.ask(&json!([]), &json!(answers)).await["errors"].take()).unwrap()
    }

    fn told(&self, link: &Asked) -> Value {
        let operation = match self.sdk {
            Sdk::JavaScript => format!("{}Command", link.operation),
            // get_object
            Sdk::Python => {
                let snake =
                    |c: char| if c.is_ascii_uppercase() { format!("_{}", c.to_ascii_lowercase()) } else { c.into() };
                link.operation.chars().map(snake).collect::<String>().trim_start_matches('_').to_owned()
            }
        };
        json!({ "operation": operation, "bucket": link.bucket, "key": link.key, "expires": link.expires, "more": link.more })
    }

    async fn ask(&self, links: &Value, answers: &Value) -> Value {
        let home = tempfile::tempdir().unwrap();
        let file = home.path().join("wish.json");
        let wish = json!({
            "endpoint": self.endpoint, "id": self.key.id, "secret": self.key.secret, "token": self.token,
            "region": "eu-central-1", "signature": self.signature, "addressing": self.addressing,
            "links": links, "answers": answers,
        });
        std::fs::write(&file, wish.to_string()).unwrap();
        let kit = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/it/kit");
        let mut program = match self.sdk {
            Sdk::Python => {
                let mut python = moto::python();
                python.arg(kit.join("presigner.py"));
                python
            }
            Sdk::JavaScript => {
                let mut node = Command::new(find("node", "nodejs"));
                node.arg(kit.join("presigner.mjs")).arg(tools());
                node
            }
        };
        program.arg(&file);
        let told = run_well(alone(&program, &home, &[])).await;
        serde_json::from_slice(&told).unwrap_or_else(|error| panic!("{error}: {}", String::from_utf8_lossy(&told)))
    }
}

/// What `aws s3 presign` prints for `s3://{object}`. `config` is its configuration file.
pub async fn aws_cli(key: &Presigner, endpoint: &str, object: &str, config: &str) -> String {
    let home = tempfile::tempdir().unwrap();
    let file = home.path().join("config");
    std::fs::write(&file, config).unwrap();
    let mut aws = moto::python();
    aws.args(["-c", "import sys, awscli.clidriver; sys.exit(awscli.clidriver.main())"]);
    aws.args(["s3", "presign", &format!("s3://{object}"), "--expires-in", "3600", "--endpoint-url", endpoint]);
    let environment = [
        ("AWS_CONFIG_FILE", file.to_str().unwrap()),
        ("AWS_ACCESS_KEY_ID", &key.id),
        ("AWS_SECRET_ACCESS_KEY", &key.secret),
    ];
    let told = String::from_utf8(run_well(alone(&aws, &home, &environment)).await).unwrap();
    told.trim_end().to_owned()
}

/// The configuration that `aws s3 presign` needs for us.
pub const AWS_CONFIG: &str =
    "[default]\nregion = eu-central-1\ns3 =\n    signature_version = s3v4\n    addressing_style = path\n";

/// The command with an environment of its own: nobody's home, nobody's credentials, and no machine that gives any.
pub fn alone(command: &Command, home: &TempDir, environment: &[(&str, &str)]) -> Command {
    let mut alone = Command::new(find("env", "coreutils"));
    let home = home.path().to_str().unwrap();
    let path = std::env::var("PATH").unwrap_or_default();
    let always = [("HOME", home), ("PATH", &*path), ("AWS_EC2_METADATA_DISABLED", "true"), ("LC_ALL", "C.UTF-8")];
    alone.arg("-i").args(always.iter().chain(environment).map(|(name, value)| format!("{name}={value}")));
    alone.arg(command.get_program()).args(command.get_args());
    alone
}

fn tools() -> PathBuf {
    let tools = std::env::var_os("NODE_TOOLS").map(PathBuf::from).unwrap_or_else(|| ".".into());
    assert!(
        tools.join("node_modules/@aws-sdk/s3-request-presigner").is_dir(),
        "NODE_TOOLS does not name a folder with node_modules: npm ci with tests/node/package.json (tests/run does it)"
    );
    tools
}
