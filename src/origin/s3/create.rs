//! A new object in a bucket: one `PutObject` that the bucket refuses when something lies at the key.
//!
//! `If-None-Match: *` makes the bucket decide, so of two who come at once one is told. Servers that ignore it would overwrite, so we ask first
//! whether anything is there. What remains is the moment between the two questions, and only with such a server; those that know the field and
//! cannot do it answer 501, which is an error. The file goes out as one plain body with its length: no chunked signature and no
//! trailing checksum, which many compatible servers do not take.

use aws_sdk_s3::primitives::ByteStream as SdkStream;
use futures_util::FutureExt;
use futures_util::future::BoxFuture;

use super::S3Origin;
use super::faults::{self, Asked};
use crate::origin::{Create, CreateError, NewObject, OriginError};
use crate::value::ObjectKey;

impl Create for S3Origin {
    fn create<'a>(&'a self, key: &'a ObjectKey, object: &'a NewObject) -> BoxFuture<'a, Result<(), CreateError>> {
        async move {
            match self.ask_head(key).await {
                Ok(_) => Err(CreateError::Exists),
                Err(OriginError::NotFound) => self.put_new(key, object).await,
                Err(error) => Err(error.into()),
            }
        }
        .boxed()
    }
}

impl S3Origin {
    async fn put_new(&self, key: &ObjectKey, object: &NewObject) -> Result<(), CreateError> {
        let length = i64::try_from(object.length).unwrap_or(i64::MAX);
        let request = self
            .client
            .put_object()
            .bucket(&self.bucket)
            .key(self.full(key)?)
            .if_none_match("*")
            .content_type(object.media_type.as_str())
            .content_length(length)
            .body(SdkStream::from_body_1_x(object.body()));
        let Err(fault) = request.send().await else { return Ok(()) };
        match fault.raw_response().map(|answered| answered.status().as_u16()) {
            // 409: somebody else's write of this key came to its end while ours was under way.
            Some(409 | 412) => Err(CreateError::Exists),
            _ => Err(faults::meaning(Asked::Create, &fault).into()),
        }
    }
}
