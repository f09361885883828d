//! Any path, as a link: it opens only if it is one that we sealed, and nothing panics.
#![no_main]

use std::sync::LazyLock;

use hallpass::link::{Keyring, LinkPath, Seals};
use hallpass::value::UnixTime;
use libfuzzer_sys::fuzz_target;

/// A key that is not weak, so that paths with its id reach the cipher.
const KEYRING: &str = r#"
[[keys]]
id = "00000000"
state = "active"
since = "2026-11-21T00:00:00Z"
algorithm = "aes-256-gcm-siv"
secret = "8b1f4c02d97ae6355f0c81aa3bd6e94f17c26d083ee95ab4429d70f56c13be88"
"#;

static SEALS: LazyLock<Seals> = LazyLock::new(|| {
    let origin = "https://media.example.com".parse().unwrap();
    Seals::new(&Keyring::parse(KEYRING).unwrap(), origin).unwrap()
});

fuzz_target!(|path: &str| {
    let Ok(parsed) = LinkPath::parse(path) else { return };
    if let Ok(opened) = SEALS.open(&parsed, UnixTime::EPOCH) {
        let again = SEALS.seal(opened.grant()).unwrap();
        assert_eq!(again.url().strip_prefix("https://media.example.com"), Some(path));
    }
});
