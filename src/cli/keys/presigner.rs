//! `hallpass keys presigner`: an access key with which one of our own systems presigns S3 URLs, without a call to us.

use std::io::Write;

use super::KeysError;
use super::client::{ClientArgs, listed};
use crate::config::SecretAccessKey;
use crate::presign::AccessKeyId;

/// Makes the access key and prints it once, with the stanza for the settings, which names a file for the secret.
pub(super) fn make(args: &ClientArgs, out: &mut dyn Write) -> Result<(), KeysError> {
    let stores = args.scope()?;
    let (id, secret) = (AccessKeyId::generate()?, SecretAccessKey::generate()?);
    let (name, text) = (&args.name, secret.expose());
    let file = format!("secrets/{name}");
    if args.json {
        let json = serde_json::json!({
            "name": name,
            "access_key_id": id.as_str(),
            "secret_access_key": text,
            "stores": stores,
        });
        writeln!(out, "{json:#}")?;
        return Ok(());
    }
    writeln!(out, "The access key of {name}, shown this once, for any S3 client that signs with AWS4-HMAC-SHA256:\n")?;
    writeln!(out, "    access_key_id     = {id}\n    secret_access_key = {text}\n")?;
    writeln!(
        out,
        "Checking a signature takes the secret, so keep it beside the settings too, readable by the gateway alone:"
    )?;
    writeln!(out, "\n    (umask 077; mkdir -p secrets; cat > {file})\n")?;
    writeln!(out, "Append this to the settings, and set enabled = true in [presigned]:\n")?;
    writeln!(out, "[[presigned.clients]]\nname = \"{name}\"\naccess_key_id = \"{id}\"")?;
    writeln!(out, "secret_access_key_file = \"{file}\"\nstores = [{}]", listed(&stores))?;
    Ok(())
}
