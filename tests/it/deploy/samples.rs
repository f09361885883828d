//! The sample settings, read by the reader of the settings themselves, with the secrets in files where the samples name them.

use std::path::Path;
use std::process::Command;

use hallpass::config::{Settings, StorePlace, load_settings};

use super::{at, files, run_well};

/// A directory like /etc/hallpass, with a sample and the secrets that it names.
fn read(sample: &Path) -> Settings {
    let home = tempfile::tempdir().unwrap();
    let secrets = home.path().join("secrets");
    std::fs::create_dir(&secrets).unwrap();
    for (name, secret) in [
        ("azure", "c2VjcmV0LWZvci10ZXN0cw=="),
        ("billing", presigner_secret().as_str()),
        (
            "gcs.json",
            r#"{"type":"service_account","private_key":"x","private_key_id":"x","client_email":"hallpass@acme.iam.gserviceaccount.com"}"#,
        ),
    ] {
        let file = secrets.join(name);
        std::fs::write(&file, secret).unwrap();
        std::fs::set_permissions(&file, std::os::unix::fs::PermissionsExt::from_mode(0o600)).unwrap();
    }
    let settings = home.path().join("hallpass.toml");
    std::fs::copy(sample, &settings).unwrap();
    load_settings(&settings).unwrap_or_else(|faults| panic!("{}:\n{faults}", sample.display()))
}

/// What `hallpass keys presigner` makes, by the program itself.
fn presigner_secret() -> String {
    let said = run_well(Command::new(env!("CARGO_BIN_EXE_hallpass")).args(["keys", "presigner", "billing"]));
    let secret = said.split(|c: char| !(c.is_ascii_alphanumeric() || c == '_')).find(|word| word.starts_with("hps_"));
    secret.unwrap_or_else(|| panic!("{said}")).to_owned()
}

#[test]
fn every_sample_is_whole_and_has_the_store_that_it_is_for() {
    let mut kinds = Vec::new();
    for sample in files("deploy/settings", ".toml") {
        let settings = read(&sample);
        let name = sample.file_stem().unwrap().to_str().unwrap().to_owned();
        assert_eq!(
            settings.catalog.url, "sqlite:///var/lib/hallpass/hallpass.db",
            "{name}: where the units and images have it"
        );
        assert!(settings.listen.control.ip().is_loopback() && settings.listen.ops.ip().is_loopback(), "{name}");
        assert!(settings.public_origin.is_https() || name == "compose");
        let proxied = !settings.listen.trusted_proxies.is_empty();
        assert!(settings.tls.is_some() || proxied || name == "compose", "{name}: TLS ends here or in front");
        let store = &settings.stores[&"media".parse().unwrap()];
        let kind = match &store.place {
            StorePlace::S3(_) => "s3",
            StorePlace::Local(_) => "local",
            StorePlace::Gcs(_) => "gcs",
            StorePlace::Azure(_) => "azure",
        };
        assert!(!store.allow_active_content, "{name}");
        assert_eq!(settings.presigned.enabled, name == "presigned", "{name}");
        kinds.push((name, kind));
    }
    let expected =
        [("azure", "azure"), ("compose", "s3"), ("gcs", "gcs"), ("local", "local"), ("presigned", "s3"), ("s3", "s3")];
    assert_eq!(kinds, expected.map(|(name, kind)| (name.to_owned(), kind)));
}

#[test]
fn the_presigned_sample_lets_one_system_sign_for_one_prefix() {
    let settings = read(&at("deploy/settings/presigned.toml"));
    let [client] = settings.presigned.clients.as_slice() else { panic!("one client") };
    assert_eq!(client.name.to_string(), "billing");
    assert_eq!(client.prefixes, ["promos/"]);
}
