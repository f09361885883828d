//! A real S3 server of its own: moto, one process per test process, one bucket per test.
//!
//! `MOTO_PYTHON` names a Python with `tests/requirements.txt` installed; else it is `python3`. A test that needs it
//! fails without it: a skipped test would say that all is well.

use std::io::{BufRead, BufReader};
use std::process::{Child, Command, Stdio};
use std::sync::OnceLock;
use std::sync::atomic::{AtomicU32, Ordering};

use aws_sdk_s3::Client;
use aws_sdk_s3::config::{BehaviorVersion, Credentials, Region};
use aws_sdk_s3::types::{BucketVersioningStatus, VersioningConfiguration};
use hallpass::origin::{S3Origin, S3Settings};

struct Moto {
    endpoint: String,
    /// Held for its standard input: when the test process ends, that pipe closes, and the server ends itself.
    _process: Child,
}

/// `http://127.0.0.1:{port}` of the running server.
pub fn endpoint() -> &'static str {
    static MOTO: OnceLock<Moto> = OnceLock::new();
    &MOTO.get_or_init(start).endpoint
}

pub fn credentials() -> Credentials {
    Credentials::new("AKIATESTTESTTESTTEST", "secret-for-tests", None, None, "test")
}

/// The Python that has `tests/requirements.txt`.
pub fn python() -> Command {
    Command::new(std::env::var_os("MOTO_PYTHON").unwrap_or_else(|| "python3".into()))
}

fn start() -> Moto {
    let mut process = python()
        .args(["-c", include_str!("moto_server.py")])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap_or_else(|error| panic!("Python cannot be started: {error}; {HOW}"));
    let mut port = String::new();
    BufReader::new(process.stdout.take().unwrap()).read_line(&mut port).unwrap();
    let port: u16 = port.trim().parse().unwrap_or_else(|_| panic!("moto did not start; {HOW}"));
    Moto { endpoint: format!("http://127.0.0.1:{port}"), _process: process }
}

/// A bucket of one test.
pub struct Bucket {
    pub name: String,
    pub client: Client,
}

impl Bucket {
    pub async fn create() -> Self {
        static NUMBER: AtomicU32 = AtomicU32::new(0);
        let name = format!("bucket-{}", NUMBER.fetch_add(1, Ordering::Relaxed));
        let settings = aws_sdk_s3::Config::builder()
            .behavior_version(BehaviorVersion::latest())
            .region(Region::new("us-east-1"))
            .credentials_provider(credentials())
            .endpoint_url(endpoint())
            .force_path_style(true);
        let client = Client::from_conf(settings.build());
        client.create_bucket().bucket(&name).send().await.unwrap();
        Self { name, client }
    }

    pub async fn create_versioned() -> Self {
        let bucket = Self::create().await;
        let enabled = VersioningConfiguration::builder().status(BucketVersioningStatus::Enabled).build();
        let request = bucket.client.put_bucket_versioning().bucket(&bucket.name).versioning_configuration(enabled);
        request.send().await.unwrap();
        bucket
    }

    pub async fn put(&self, key: &str, bytes: &[u8]) {
        let request = self.client.put_object().bucket(&self.name).key(key).content_type("image/test");
        request.body(bytes.to_vec().into()).send().await.unwrap_or_else(|error| panic!("put {key:?}: {error:?}"));
    }

    pub async fn delete(&self, key: &str) {
        self.client.delete_object().bucket(&self.name).key(key).send().await.unwrap();
    }

    pub fn settings(&self) -> S3Settings {
        S3Settings {
            bucket: self.name.clone(),
            region: None,
            endpoint: Some(endpoint().into()),
            path_style: true,
            prefix: None,
        }
    }

    pub fn origin(&self) -> S3Origin {
        S3Origin::open_with(&self.settings(), credentials()).unwrap()
    }

    pub fn origin_under(&self, prefix: &str) -> S3Origin {
        let settings = S3Settings { prefix: Some(prefix.into()), ..self.settings() };
        S3Origin::open_with(&settings, credentials()).unwrap()
    }

    /// The same bucket, reached by another way such as a proxy.
    pub fn origin_through(&self, endpoint: &str) -> S3Origin {
        let settings = S3Settings { endpoint: Some(endpoint.into()), ..self.settings() };
        S3Origin::open_with(&settings, credentials()).unwrap()
    }
}

const HOW: &str = "install tests/requirements.txt and set MOTO_PYTHON to that Python";
