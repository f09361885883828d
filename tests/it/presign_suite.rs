//! The signing test suite of AWS, as it ships in the sources of `aws-sigv4`, run on the verifier of presigned URLs.
//!
//! The suite is about no service in particular: its service is called `service`, its empty payloads are signed, its paths are partly
//! normalised, its clock stands in 2015. All of that is given to the verifier as rules. What the rules cannot change is refused by
//! its name: signed headers besides the host, and session tokens.

use std::path::{Path, PathBuf};
use std::time::Duration;

use hallpass::presign::{
    Claim, Disbelief, Parameters, Payload, PresignClient, PresignClients, PresignDenial, PresignFault, PresignRules,
    SigV4Rules, SignedRequest,
};
use hallpass::value::{Secret, UnixTime};
use percent_encoding::{AsciiSet, CONTROLS, utf8_percent_encode};
use serde_json::Value;

use crate::docs::packages_of_this_platform;

/// One case of the suite: a request that was signed in its query.
#[derive(Clone)]
struct Case {
    name: String,
    method: String,
    authority: String,
    path: String,
    query: String,
    /// The names of signed headers besides the host's.
    other_headers: usize,
    context: Value,
}

impl Case {
    /// The case in this folder; `None` where the suite signs it in headers alone.
    fn read(folder: &Path) -> Option<Self> {
        let text = std::fs::read_to_string(folder.join("query-signed-request.txt")).ok()?;
        let context = serde_json::from_str(&std::fs::read_to_string(folder.join("context.json")).unwrap()).unwrap();
        let head = text.split("\n\n").next().unwrap();
        let (line, fields) = head.split_once('\n').unwrap();
        let (method, target) = line.strip_suffix(" HTTP/1.1").unwrap().split_once(' ').unwrap();
        let (path, query) = target.split_once('?').unwrap();
        let authority = fields.lines().find_map(|field| field.strip_prefix("Host:")).unwrap().trim().to_owned();
        let other_headers = query.split('&').find_map(|pair| pair.strip_prefix("X-Amz-SignedHeaders=")).unwrap();
        Some(Self {
            name: folder.file_name().unwrap().to_str().unwrap().to_owned(),
            method: method.to_owned(),
            authority,
            path: sent(path),
            query: sent(query),
            other_headers: other_headers.split("%3B").filter(|name| *name != "host").count(),
            context,
        })
    }

    fn says(&self, name: &str) -> &str {
        self.context[name].as_str().unwrap()
    }

    fn clients(&self, secret: &str) -> PresignClients {
        let client = PresignClient {
            name: "suite".parse().unwrap(),
            access_key_id: self.context["credentials"]["access_key_id"].as_str().unwrap().parse().unwrap(),
            secret: Secret::new(secret.to_owned()),
            stores: [].into(),
            prefixes: Vec::new(),
        };
        [client].into_iter().collect()
    }

    fn secret(&self) -> &str {
        self.context["credentials"]["secret_access_key"].as_str().unwrap()
    }

    /// What the verifier makes of the case with this query, under the suite's rules and a client with this secret.
    fn verified(&self, query: &str, secret: &str) -> Result<(), PresignDenial> {
        let rules = SigV4Rules {
            service: self.says("service"),
            payload: Payload::Empty,
            normalize_path: self.context["normalize"].as_bool().unwrap(),
            parameters: Parameters::Any,
        };
        let (authority, path) = (self.authority.as_str(), self.path.as_str());
        let methods = [self.method.as_str()];
        let claim = Claim::parse(SignedRequest { methods: &methods, authority, path, query }, rules)?;
        claim.believe(&self.clients(secret))?;
        self.judge_time(&claim);
        Ok(())
    }

    /// The clock of the suite, at the edges of the request's life and of the bounds.
    fn judge_time(&self, claim: &Claim<'_>) {
        let life = Duration::from_secs(self.context["expiration_in_seconds"].as_u64().unwrap());
        let exactly = PresignRules { expires_min: life, expires_max: life };
        let lifetime = claim.lifetime(&exactly).unwrap();
        let signed = UnixTime::parse_rfc3339(self.says("timestamp")).unwrap();
        let second = Duration::from_secs(1);
        assert_eq!((lifetime.issued(), lifetime.expires()), (signed, signed.plus(life)), "{}", self.name);
        assert_eq!(lifetime.judge(signed, &exactly), Ok(()));
        assert_eq!(lifetime.judge(signed.plus(life).minus(second), &exactly), Ok(()));
        let at = signed.plus(life);
        assert_eq!(lifetime.judge(at, &exactly), Err(PresignDenial::Expired { at }));
        let early = signed.minus(Duration::from_secs(61));
        assert_eq!(lifetime.judge(early, &exactly), Err(PresignDenial::TooFarAhead));
        for bounds in [(life + second, life + second), (second, life.saturating_sub(second))] {
            let (expires_min, expires_max) = bounds;
            let refused = claim.lifetime(&PresignRules { expires_min, expires_max });
            assert!(matches!(refused, Err(PresignDenial::Lifetime { .. })), "{}", self.name);
        }
    }

    /// What keeps our rules from believing the case, if anything does.
    fn refusal(&self) -> Option<PresignFault> {
        if self.query.contains("X-Amz-Security-Token") {
            Some(PresignFault::SecurityToken)
        } else {
            (self.other_headers > 0).then_some(PresignFault::SignedHeaders)
        }
    }
}

/// The suite has raw spaces and UTF-8 in its request lines, which every HTTP client escapes.
fn sent(text: &str) -> String {
    const ESCAPED: &AsciiSet = &CONTROLS.add(b' ');
    utf8_percent_encode(text, ESCAPED).to_string()
}

/// Where the sources of `aws-sigv4` lie on this machine.
fn suite() -> PathBuf {
    let packages = packages_of_this_platform();
    let package = packages.iter().find(|package| package["name"] == "aws-sigv4").expect("it is a dependency");
    let manifest = Path::new(package["manifest_path"].as_str().unwrap());
    manifest.with_file_name("aws-signing-test-suite").join("v4")
}

fn cases() -> Vec<Case> {
    let mut folders: Vec<_> = std::fs::read_dir(suite()).unwrap().map(|entry| entry.unwrap().path()).collect();
    folders.sort();
    folders.iter().filter_map(|folder| Case::read(folder)).collect()
}

#[test]
fn every_request_of_the_suite_is_believed_or_refused_by_name() {
    let (mut believed, mut refused) = (0, 0);
    for case in cases() {
        let verified = case.verified(&case.query, case.secret());
        if let Some(fault) = case.refusal() {
            assert_eq!(verified, Err(PresignDenial::Malformed(fault)), "{}", case.name);
            refused += 1;
            continue;
        }
        assert_eq!(verified, Ok(()), "{}", case.name);
        believed += 1;
        let other_secret = case.verified(&case.query, "another");
        assert_eq!(other_secret, Err(PresignDenial::Disbelieved(Disbelief::Signature)), "{}", case.name);
        let last = case.query.chars().next_back().unwrap();
        let forged = format!("{}{}", &case.query[..case.query.len() - 1], if last == '0' { '1' } else { '0' });
        assert_eq!(
            case.verified(&forged, case.secret()),
            Err(PresignDenial::Disbelieved(Disbelief::Signature)),
            "{}",
            case.name
        );
    }
    assert_eq!((believed, refused), (27, 11), "the suite has as many cases as it had");
}

#[test]
fn the_rules_that_are_given_are_the_ones_that_count() {
    let cases = cases();
    let case = |name: &str| cases.iter().find(|case| case.name == name).unwrap();
    for name in ["get-relative-normalized", "get-slashes-normalized", "get-slash-pointless-dot-normalized"] {
        let mut plain = case(name).clone();
        plain.context["normalize"] = Value::Bool(false);
        let denied = plain.verified(&plain.query, plain.secret());
        assert_eq!(denied, Err(PresignDenial::Disbelieved(Disbelief::Signature)), "{name}");
    }
    let mut other = case("get-vanilla").clone();
    other.context["service"] = Value::String("s3".to_owned());
    assert_eq!(other.verified(&other.query, other.secret()), Err(PresignDenial::Malformed(PresignFault::Service)));
}
