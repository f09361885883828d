//! A small public key infrastructure: a root, an intermediate, and leaves with every fault that certificates of the field have.
//!
//! It stands alone (no room of the product, nothing of the kit), so that unit tests of the product can include it too. Times are
//! seconds since 1970, as arguments.

use std::fs;
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::sync::LazyLock;
use std::time::{Duration, SystemTime};

use rcgen::{
    BasicConstraints, CertificateParams, CertifiedIssuer, CustomExtension, DnType, ExtendedKeyUsagePurpose, IsCa,
    KeyPair, KeyUsagePurpose, PKCS_ECDSA_P256_SHA256, PKCS_RSA_SHA256, RsaKeySize,
};
use rustls::pki_types::{CertificateDer, PrivateKeyDer, PrivatePkcs8KeyDer};

/// Where every leaf says that its issuer's certificate can be had (RFC 5280, section 4.2.2.1).
pub const AIA: &str = "http://pki.example/intermediate.crt";
pub const ROOT: &str = "Hallpass Test Root";
pub const INTERMEDIATE: &str = "Hallpass Test Intermediate";

/// A root that nobody in the world trusts, and an intermediate that it signed. Both are valid for more than ten years, of which one has passed.
pub struct Pki {
    root: CertifiedIssuer<'static, KeyPair>,
    intermediate: CertifiedIssuer<'static, KeyPair>,
    now: u64,
}

/// A certificate with what belongs to it: as it would be served, leaf first.
pub struct Identity {
    pub chain: Vec<CertificateDer<'static>>,
    /// PKCS #8, DER.
    pub key: Vec<u8>,
}

/// A leaf to be issued.
pub struct Leaf<'a> {
    pki: &'a Pki,
    names: Vec<String>,
    rsa: bool,
    days: (i64, i64),
    is_self_signed: bool,
    has_intermediate: bool,
    aia: Option<&'static str>,
}

impl Pki {
    /// One that counts its days from an hour ago, so that no test stands on the edge between two of them.
    pub fn new() -> Self {
        let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap();
        Self::at(now.as_secs() - 3600)
    }

    /// The same for a clock that is held at `now`.
    pub fn at(now: u64) -> Self {
        let root = CertifiedIssuer::self_signed(authority(ROOT, now), ecdsa()).unwrap();
        let mut params = authority(INTERMEDIATE, now);
        params.use_authority_key_identifier_extension = true;
        let intermediate = CertifiedIssuer::signed_by(params, ecdsa(), &root).unwrap();
        Self { root, intermediate, now }
    }

    pub fn root(&self) -> CertificateDer<'static> {
        self.root.der().clone()
    }

    pub fn intermediate(&self) -> CertificateDer<'static> {
        self.intermediate.der().clone()
    }

    /// Writes the root alone, as trust anchors are written.
    pub fn write_root(&self, dir: &Path) -> PathBuf {
        let file = dir.join("root.pem");
        fs::write(&file, self.root.pem()).unwrap();
        file
    }

    /// A leaf for these names: ECDSA P-256, valid from yesterday for 90 days, with its intermediate.
    pub fn leaf(&self, names: &[&str]) -> Leaf<'_> {
        let names = names.iter().map(ToString::to_string).collect();
        Leaf {
            pki: self,
            names,
            rsa: false,
            days: (-1, 90),
            is_self_signed: false,
            has_intermediate: true,
            aia: Some(AIA),
        }
    }
}

impl Leaf<'_> {
    /// With an RSA key of 2048 bits, which all RSA leaves share: making one takes long.
    pub fn rsa(self) -> Self {
        Self { rsa: true, ..self }
    }

    /// Valid from this many days after now, until this many days after now.
    pub fn days(self, from: i64, until: i64) -> Self {
        Self { days: (from, until), ..self }
    }

    pub fn self_signed(self) -> Self {
        Self { is_self_signed: true, ..self }
    }

    pub fn without_intermediate(self) -> Self {
        Self { has_intermediate: false, ..self }
    }

    /// What it says of where its issuer's certificate can be had.
    pub fn aia(self, url: Option<&'static str>) -> Self {
        Self { aia: url, ..self }
    }

    pub fn issue(self) -> Identity {
        let key = if self.rsa { rsa() } else { ecdsa() };
        let mut params = CertificateParams::new(self.names.clone()).unwrap();
        params.distinguished_name = rcgen::DistinguishedName::new();
        if let Some(first) = self.names.first() {
            params.distinguished_name.push(DnType::CommonName, first.as_str());
        }
        valid(&mut params, self.pki.now, self.days);
        params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
        params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
        params.is_ca = IsCa::ExplicitNoCa;
        params.use_authority_key_identifier_extension = true;
        params.custom_extensions = self.aia.map(authority_information).into_iter().collect();
        let chain = if self.is_self_signed {
            vec![params.self_signed(&key).unwrap().into()]
        } else {
            let leaf = params.signed_by(&key, &self.pki.intermediate).unwrap().into();
            if self.has_intermediate { vec![leaf, self.pki.intermediate()] } else { vec![leaf] }
        };
        Identity { chain, key: key.serialize_der() }
    }
}

impl Identity {
    pub fn key(&self) -> PrivateKeyDer<'static> {
        PrivatePkcs8KeyDer::from(self.key.clone()).into()
    }

    pub fn chain_pem(&self) -> String {
        self.chain.iter().map(|der| pem("CERTIFICATE", der)).collect()
    }

    pub fn key_pem(&self) -> String {
        pem("PRIVATE KEY", &self.key)
    }

    /// Writes `NAME.pem` and `NAME.key`, which only its owner may read, and gives both paths.
    pub fn write(&self, dir: &Path, name: &str) -> (PathBuf, PathBuf) {
        let (chain, key) = (dir.join(format!("{name}.pem")), dir.join(format!("{name}.key")));
        fs::write(&chain, self.chain_pem()).unwrap();
        let mut options = fs::OpenOptions::new();
        let opened = options.write(true).create(true).truncate(true).mode(0o600).open(&key);
        std::io::Write::write_all(&mut opened.unwrap(), self.key_pem().as_bytes()).unwrap();
        (chain, key)
    }
}

fn authority(name: &str, now: u64) -> CertificateParams {
    let mut params = CertificateParams::default();
    params.distinguished_name = rcgen::DistinguishedName::new();
    params.distinguished_name.push(DnType::CommonName, name);
    valid(&mut params, now, (-400, 3650));
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
    params
}

fn ecdsa() -> KeyPair {
    KeyPair::generate_for(&PKCS_ECDSA_P256_SHA256).unwrap()
}

fn rsa() -> KeyPair {
    static DER: LazyLock<Vec<u8>> =
        LazyLock::new(|| KeyPair::generate_rsa_for(&PKCS_RSA_SHA256, RsaKeySize::_2048).unwrap().serialize_der());
    KeyPair::from_pkcs8_der_and_sign_algo(&PrivatePkcs8KeyDer::from(DER.as_slice()), &PKCS_RSA_SHA256).unwrap()
}

/// Sets the days between which it is valid, counted from now.
fn valid(params: &mut CertificateParams, now: u64, days: (i64, i64)) {
    let epoch = rcgen::date_time_ymd(1970, 1, 1);
    let at = |days: i64| epoch + Duration::from_secs(now.saturating_add_signed(days * 86_400));
    (params.not_before, params.not_after) = (at(days.0), at(days.1));
}

fn authority_information(url: &str) -> CustomExtension {
    const CA_ISSUERS: [u8; 10] = [0x06, 0x08, 0x2b, 0x06, 0x01, 0x05, 0x05, 0x07, 0x30, 0x02];
    let location = der(0x86, url.as_bytes());
    let description = der(0x30, &[&CA_ISSUERS[..], &location].concat());
    CustomExtension::from_oid_content(&[1, 3, 6, 1, 5, 5, 7, 1, 1], der(0x30, &description))
}

/// A short DER value.
fn der(tag: u8, content: &[u8]) -> Vec<u8> {
    let length = u8::try_from(content.len()).ok().filter(|length| *length < 128).unwrap();
    [&[tag, length], content].concat()
}

fn pem(label: &str, der: &[u8]) -> String {
    let text = data_encoding::BASE64.encode(der);
    let lines: Vec<_> = text.as_bytes().chunks(64).map(|line| str::from_utf8(line).unwrap()).collect();
    format!("-----BEGIN {label}-----\n{}\n-----END {label}-----\n", lines.join("\n"))
}
