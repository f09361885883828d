//! Where the ACME account and its certificates outlive the process: files that only their owner can read, each replaced as a whole.

use std::fs::{self, DirBuilder, File, OpenOptions};
use std::io::{self, ErrorKind, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};

use async_trait::async_trait;
use aws_lc_rs::digest::{Context, SHA256};
use data_encoding::HEXLOWER;
use rustls::pki_types::CertificateDer;
use rustls_acme::{AccountCache, CertCache};

use super::acme::AcmeSettings;
use super::certificate::CertificateFacts;
use super::pem::certificates_from_pem;
use crate::value::Live;

/// The folder. What the certificate in it says is told as soon as it is known.
#[derive(Clone, Debug)]
pub(super) struct Folder {
    path: PathBuf,
    facts: Live<Option<CertificateFacts>>,
}

impl Folder {
    /// Makes it if it is missing, with mode 0700. One that others can use is refused, in plain words.
    pub(super) fn open(path: &Path, facts: Live<Option<CertificateFacts>>) -> Result<Self, String> {
        let made = DirBuilder::new().recursive(true).mode(0o700).create(path);
        made.map_err(|error| unusable(path, &error))?;
        guarded(path)?;
        Ok(Self { path: path.to_owned(), facts })
    }

    /// Takes over what the first certificate of the text says.
    fn learn(&self, pem: &[u8]) {
        let chain = certificates_from_pem(pem).unwrap_or_default();
        if let Some(Ok(facts)) = chain.first().map(CertificateFacts::read) {
            self.facts.replace(Some(facts));
        }
    }

    async fn load(&self, name: String) -> io::Result<Option<Vec<u8>>> {
        match tokio::fs::read(self.path.join(name)).await {
            Ok(bytes) => Ok(Some(bytes)),
            Err(error) if error.kind() == ErrorKind::NotFound => Ok(None),
            Err(error) => Err(error),
        }
    }

    async fn store(&self, name: String, bytes: &[u8]) -> io::Result<()> {
        let (folder, bytes) = (self.path.clone(), bytes.to_vec());
        let written = tokio::task::spawn_blocking(move || replace(&folder, &name, &bytes)).await;
        written.map_err(io::Error::other)?
    }
}

/// The chain that ACME has left in the folder of `settings`; `None` where there is none yet. It changes nothing.
pub fn kept_by_acme(settings: &AcmeSettings) -> Result<Option<Vec<CertificateDer<'static>>>, String> {
    if !settings.folder.try_exists().unwrap_or(true) {
        return Ok(None);
    }
    guarded(&settings.folder)?;
    let file = settings.folder.join(file_name("certificate", &settings.domains, &settings.directory));
    match fs::read(&file) {
        Ok(pem) => certificates_from_pem(&pem).map(Some).map_err(|problem| format!("{} {problem}", file.display())),
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(None),
        Err(error) => Err(format!("{} cannot be read: {error}", file.display())),
    }
}

/// Refuses a folder that others can use, in plain words.
fn guarded(path: &Path) -> Result<(), String> {
    let shown = path.display();
    let found = fs::metadata(path).map_err(|error| unusable(path, &error))?;
    let mode = found.permissions().mode() & 0o7777;
    if mode & OTHERS == 0 {
        return Ok(());
    }
    Err(format!("{shown} can be used by others than its owner (mode {mode:04o}); run chmod 700 {shown}"))
}

fn unusable(path: &Path, error: &io::Error) -> String {
    format!("{} cannot be used: {error}; name a folder that this user can write to", path.display())
}

/// Writes beside the file and renames, so that a crash leaves the old one or the new one.
fn replace(folder: &Path, name: &str, bytes: &[u8]) -> io::Result<()> {
    let beside = folder.join(format!("{name}.new"));
    let mut file = OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(&beside)?;
    file.write_all(bytes)?;
    file.sync_all()?;
    fs::rename(&beside, folder.join(name))?;
    File::open(folder)?.sync_all()
}

/// A file for each set of names at each directory: whoever changes one of them gets a new one.
fn file_name(kind: &str, names: &[String], directory: &str) -> String {
    let mut digest = Context::new(&SHA256);
    for part in names.iter().map(String::as_str).chain([directory]) {
        digest.update(part.as_bytes());
        digest.update(&[0]);
    }
    let mut hex = HEXLOWER.encode(digest.finish().as_ref());
    hex.truncate(16);
    format!("{kind}-{hex}")
}

#[async_trait]
impl CertCache for Folder {
    type EC = io::Error;

    async fn load_cert(&self, domains: &[String], directory: &str) -> io::Result<Option<Vec<u8>>> {
        let found = self.load(file_name("certificate", domains, directory)).await?;
        if let Some(pem) = &found {
            self.learn(pem);
        }
        Ok(found)
    }

    async fn store_cert(&self, domains: &[String], directory: &str, pem: &[u8]) -> io::Result<()> {
        self.learn(pem);
        self.store(file_name("certificate", domains, directory), pem).await
    }
}

#[async_trait]
impl AccountCache for Folder {
    type EA = io::Error;

    async fn load_account(&self, contact: &[String], directory: &str) -> io::Result<Option<Vec<u8>>> {
        self.load(file_name("account", contact, directory)).await
    }

    async fn store_account(&self, contact: &[String], directory: &str, key: &[u8]) -> io::Result<()> {
        self.store(file_name("account", contact, directory), key).await
    }
}

/// The mode bits of group and world.
const OTHERS: u32 = 0o077;

#[cfg(test)]
mod tests {
    use super::super::pki::Pki;
    use super::*;

    #[tokio::test]
    async fn what_is_stored_is_there_again_for_its_owner_alone() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("deep/acme");
        let facts = Live::new(None);
        let folder = Folder::open(&path, facts.clone()).unwrap();
        let (names, directory) = (["a.example".to_owned()], "https://ca.example/dir");
        assert_eq!(folder.load_cert(&names, directory).await.unwrap(), None);
        let identity = Pki::new().leaf(&["a.example"]).issue();
        let pem = format!("{}{}", identity.key_pem(), identity.chain_pem());
        folder.store_cert(&names, directory, b"old").await.unwrap();
        folder.store_cert(&names, directory, pem.as_bytes()).await.unwrap();
        folder.store_account(&[], directory, b"account").await.unwrap();
        assert_eq!(facts.get().as_ref().as_ref().unwrap().names, ["a.example"]);
        let again = Folder::open(&path, Live::new(None)).unwrap();
        assert_eq!(again.load_cert(&names, directory).await.unwrap().unwrap(), pem.as_bytes());
        let settings = |names: &[String]| AcmeSettings {
            domains: names.to_vec(),
            contact: vec![],
            directory: directory.to_owned(),
            folder: path.clone(),
        };
        assert_eq!(kept_by_acme(&settings(&names)), Ok(Some(identity.chain)));
        assert_eq!(kept_by_acme(&settings(&["b.example".to_owned()])), Ok(None));
        assert_eq!(again.load_account(&[], directory).await.unwrap().unwrap(), b"account");
        assert_eq!(again.facts.get().as_ref().as_ref().unwrap().names, ["a.example"]);
        for (other, directory) in [("b.example", directory), ("a.example", "https://other.example/dir")] {
            assert_eq!(again.load_cert(&[other.to_owned()], directory).await.unwrap(), None);
        }
        let mode = |path: &Path| fs::metadata(path).unwrap().permissions().mode() & 0o777;
        assert_eq!(mode(&path), 0o700);
        let files: Vec<_> = fs::read_dir(&path).unwrap().map(|entry| entry.unwrap().path()).collect();
        assert_eq!(files.len(), 2, "{files:?}");
        assert!(files.iter().all(|file| mode(file) == 0o600), "{files:?}");
    }

    #[test]
    fn a_folder_that_others_can_use_is_refused() {
        let dir = tempfile::tempdir().unwrap();
        for (mode, fits) in [(0o755, false), (0o710, false), (0o700, true), (0o500, true)] {
            fs::set_permissions(dir.path(), fs::Permissions::from_mode(mode)).unwrap();
            assert_eq!(Folder::open(dir.path(), Live::new(None)).is_ok(), fits, "{mode:o}");
        }
        let file = dir.path().join("file");
        fs::set_permissions(dir.path(), fs::Permissions::from_mode(0o700)).unwrap();
        fs::write(&file, "").unwrap();
        assert!(Folder::open(&file, Live::new(None)).unwrap_err().contains("cannot be used"));
    }
}
