//! What the tests share. Each module is one thing a test needs around the code under test; none knows a test.

pub mod azurite;
pub mod broken;
pub mod chaos;
pub mod gateway;
pub mod gcs;
pub mod h2_raw;
pub mod moto;
pub mod pki;
pub mod presigner;
pub mod presigner_clients;
pub mod program;
pub mod scripted;
pub mod scripted_tls;
pub mod secure;
pub mod shop;
pub mod tls_client;
pub mod trust;
pub mod wire;

use bytes::Bytes;
use futures_util::StreamExt;
use hallpass::origin::{ByteStream, Origin, OriginError};
use hallpass::value::{ByteSpan, ObjectKey, ObjectVersion};

/// Content that has no period a block or a chunk could hide in, and differs with its seed.
pub fn content(seed: u64, length: usize) -> Vec<u8> {
    let mut bytes = vec![0; length];
    let mut hasher = blake3::Hasher::new();
    hasher.update(&seed.to_le_bytes()).finalize_xof().fill(&mut bytes);
    bytes
}

pub fn key(text: &str) -> ObjectKey {
    text.parse().unwrap()
}

/// Everything a stream brings, and the error that ends it, if one does.
pub async fn drain(mut stream: ByteStream) -> (Vec<u8>, Option<OriginError>) {
    let mut bytes = Vec::new();
    while let Some(chunk) = stream.next().await {
        match chunk {
            Ok(chunk) => bytes.extend_from_slice(&chunk),
            Err(error) => {
                assert!(stream.next().await.is_none(), "a stream goes on after its error");
                return (bytes, Some(error));
            }
        }
    }
    (bytes, None)
}

/// The bytes `span` of a version, or the error that the opening or the body ended in.
pub async fn read(
    origin: &dyn Origin,
    key: &ObjectKey,
    version: &ObjectVersion,
    span: ByteSpan,
) -> Result<Bytes, OriginError> {
    let (bytes, error) = drain(origin.read(key, version, span).await?).await;
    match error {
        Some(error) => Err(error),
        None => Ok(bytes.into()),
    }
}

/// The object as it is now: one head, and one read of the whole.
pub async fn fetch(origin: &dyn Origin, key: &ObjectKey) -> Result<Bytes, OriginError> {
    let meta = origin.head(key).await?;
    match ByteSpan::whole(meta.length) {
        Some(span) => read(origin, key, &meta.version, span).await,
        None => Ok(Bytes::new()),
    }
}
