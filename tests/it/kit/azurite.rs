//! A real Azure Blob server of its own: Azurite, one process per test process, one container per test.
//!
//! `NODE_TOOLS` names a folder with `tests/node/package.json` installed. A test that needs it fails without it: a skipped test would say that
//! all is well. What changes the container writes its own requests, and borrows the store's client for their signatures alone.

use std::io::{BufRead, BufReader};
use std::process::{Child, ChildStdout, Command, Stdio};
use std::sync::OnceLock;
use std::sync::atomic::{AtomicU32, Ordering};

use aws_lc_rs::hmac;
use data_encoding::BASE64;
use hallpass::origin::{AzureCredentials, AzureSettings, CloudOrigin};
use hallpass::value::Secret;
use http::Method;
use object_store::azure::{AzureAccessKey, AzureAuthorizer, AzureCredential};
use object_store::client::{HttpRequest, HttpRequestBody};
use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};

struct Azurite {
    endpoint: String,
    /// Held for its standard input: when the test process ends, that pipe closes, and the server ends itself.
    _process: Child,
    /// Held, for a server that cannot write ends too.
    _said: BufReader<ChildStdout>,
}

/// Azurite's well-known account and key.
pub const ACCOUNT: &str = "devstoreaccount1";
pub const ACCESS_KEY: &str = "Eby8vdM02xNOcqFlqUwJPLlmEtlCDXJ1OUzFT50uSRZ6IFsuFq2UVErCz4I6tq/K1SZFPTOtr/KBHBeksoGMGw==";

/// `http://127.0.0.1:{port}` of the running server; the account follows as the first segment of every path.
pub fn server() -> &'static str {
    static AZURITE: OnceLock<Azurite> = OnceLock::new();
    &AZURITE.get_or_init(start).endpoint
}

fn start() -> Azurite {
    let tools = std::env::var_os("NODE_TOOLS").unwrap_or_else(|| panic!("no NODE_TOOLS; {HOW}"));
    let flags = ["--silent", "--inMemoryPersistence", "--disableTelemetry", "--skipApiVersionCheck"];
    let mut process = Command::new("node")
        .args(["-e", include_str!("azurite_server.js"), "--", "azurite", "--blobPort", "0"])
        .args(flags)
        .env("NODE_TOOLS", tools)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap_or_else(|error| panic!("node cannot be started: {error}; {HOW}"));
    let mut said = BufReader::new(process.stdout.take().unwrap());
    let endpoint = loop {
        let mut line = String::new();
        assert!(said.read_line(&mut line).unwrap() > 0, "Azurite did not start; {HOW}");
        if let Some((_, endpoint)) = line.split_once("successfully listens on ") {
            break endpoint.trim().to_owned();
        }
    };
    Azurite { endpoint, _process: process, _said: said }
}

/// A container of one test.
pub struct Container {
    pub name: String,
}

impl Container {
    pub async fn create() -> Self {
        static NUMBER: AtomicU32 = AtomicU32::new(0);
        let container = Self { name: format!("container-{}", NUMBER.fetch_add(1, Ordering::Relaxed)) };
        container.ask(Method::PUT, "?restype=container", &[], &[]).await;
        container
    }

    pub async fn put(&self, key: &str, bytes: &[u8]) {
        self.put_with(key, bytes, &[("x-ms-blob-content-type", "image/test")]).await;
    }

    pub async fn put_with(&self, key: &str, bytes: &[u8], head: &[(&'static str, &str)]) {
        let head = [&[("x-ms-blob-type", "BlockBlob")], head].concat();
        self.ask(Method::PUT, &blob(key), &head, bytes).await;
    }

    pub async fn delete(&self, key: &str) {
        self.ask(Method::DELETE, &blob(key), &[], &[]).await;
    }

    /// The type and the bytes that lie at a key.
    pub async fn get(&self, key: &str) -> (String, Vec<u8>) {
        let said = self.ask(Method::GET, &blob(key), &[], &[]).await;
        let kind = said.headers()["content-type"].to_str().unwrap().to_owned();
        (kind, said.bytes().await.unwrap().to_vec())
    }

    async fn ask(&self, method: Method, rest: &str, head: &[(&'static str, &str)], bytes: &[u8]) -> reqwest::Response {
        let url = format!("{}/{ACCOUNT}/{}{rest}", server(), self.name);
        let mut request = HttpRequest::new(HttpRequestBody::empty());
        *request.method_mut() = method.clone();
        *request.uri_mut() = url.parse().unwrap();
        for (name, value) in head {
            request.headers_mut().insert(*name, value.parse().unwrap());
        }
        request.headers_mut().insert("content-length", bytes.len().into());
        let key = AzureCredential::AccessKey(AzureAccessKey::try_new(ACCESS_KEY).unwrap());
        AzureAuthorizer::new(&key, ACCOUNT).try_authorize(&mut request).unwrap();
        let head = std::mem::take(request.headers_mut());
        let sent = reqwest::Client::new().request(method, &url).headers(head).body(bytes.to_vec()).send().await;
        let said = sent.unwrap();
        assert!(said.status().is_success(), "{url}: {said:?}");
        said
    }

    pub fn settings(&self) -> AzureSettings {
        AzureSettings {
            account: ACCOUNT.to_owned(),
            container: self.name.clone(),
            credentials: AzureCredentials::AccessKey(Secret::new(ACCESS_KEY.to_owned())),
            endpoint: Some(format!("{}/{ACCOUNT}", server())),
            prefix: None,
        }
    }

    pub fn origin(&self) -> CloudOrigin {
        CloudOrigin::open_azure(&self.settings()).unwrap()
    }

    pub fn origin_under(&self, prefix: &str) -> CloudOrigin {
        CloudOrigin::open_azure(&AzureSettings { prefix: Some(prefix.to_owned()), ..self.settings() }).unwrap()
    }

    /// The same container, reached by another way such as a proxy.
    pub fn origin_through(&self, server: &str) -> CloudOrigin {
        let endpoint = Some(format!("{server}/{ACCOUNT}"));
        CloudOrigin::open_azure(&AzureSettings { endpoint, ..self.settings() }).unwrap()
    }
}

/// "Create an account SAS": reading and listing of all containers for some hours.
pub fn sas_token() -> String {
    let (version, expiry) = ("2022-11-02", "2099-01-01T00:00:00Z");
    let signed = format!("{ACCOUNT}\nrl\nb\nco\n\n{expiry}\n\n\n{version}\n\n");
    let key = hmac::Key::new(hmac::HMAC_SHA256, &BASE64.decode(ACCESS_KEY.as_bytes()).unwrap());
    let signature = BASE64.encode(hmac::sign(&key, signed.as_bytes()).as_ref());
    let signature = utf8_percent_encode(&signature, NON_ALPHANUMERIC);
    format!("sv={version}&ss=b&srt=co&sp=rl&se={}&sig={signature}", expiry.replace(':', "%3A"))
}

fn blob(key: &str) -> String {
    format!(
        "/{}",
        key.split('/')
            .map(|segment| utf8_percent_encode(segment, NON_ALPHANUMERIC).to_string())
            .collect::<Vec<_>>()
            .join("/")
    )
}

const HOW: &str = "install tests/node/package.json with npm ci and set NODE_TOOLS to that folder";
