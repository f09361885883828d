//! Faults by decoration: any store, with bodies that go wrong by script and without a network.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex};

use bytes::Bytes;
use futures_util::future::BoxFuture;
use futures_util::{FutureExt, StreamExt, stream};
use hallpass::origin::{ByteStream, ObjectMeta, Origin, OriginError};
use hallpass::value::{ByteSpan, ObjectKey, ObjectVersion};

/// What happens to one read.
#[derive(Clone, Debug)]
pub enum Mishap {
    None,
    /// The read is not even opened.
    Refuse(OriginError),
    /// The body ends in this error after so many bytes.
    BreakAfter(usize, OriginError),
    /// The body just ends after so many bytes.
    EndAfter(usize),
    /// The body stops after so many bytes and never goes on.
    StallAfter(usize),
    /// After the whole body come these bytes.
    Surplus(&'static [u8]),
}

/// A store whose reads go wrong; heads do not.
pub struct FaultyOrigin {
    inner: Arc<dyn Origin>,
    script: Mutex<VecDeque<Mishap>>,
    lasting: Mishap,
    reads: Mutex<Vec<ByteSpan>>,
}

impl FaultyOrigin {
    pub fn new(inner: Arc<dyn Origin>, script: impl IntoIterator<Item = Mishap>) -> Self {
        let script = Mutex::new(script.into_iter().collect());
        Self { inner, script, lasting: Mishap::None, reads: Mutex::default() }
    }

    /// What happens to every read after the script.
    pub fn then_always(self, lasting: Mishap) -> Self {
        Self { lasting, ..self }
    }

    /// The span of every read so far.
    pub fn reads(&self) -> Vec<ByteSpan> {
        self.reads.lock().unwrap().clone()
    }
}

impl Origin for FaultyOrigin {
    fn head<'a>(&'a self, key: &'a ObjectKey) -> BoxFuture<'a, Result<ObjectMeta, OriginError>> {
        self.inner.head(key)
    }

    fn read<'a>(
        &'a self,
        key: &'a ObjectKey,
        version: &'a ObjectVersion,
        span: ByteSpan,
    ) -> BoxFuture<'a, Result<ByteStream, OriginError>> {
        self.reads.lock().unwrap().push(span);
        let mishap = self.script.lock().unwrap().pop_front().unwrap_or_else(|| self.lasting.clone());
        async move {
            if let Mishap::Refuse(error) = mishap {
                return Err(error);
            }
            let body = self.inner.read(key, version, span).await?;
            Ok(marred(body, mishap))
        }
        .boxed()
    }

    fn probe(&self) -> BoxFuture<'_, Result<(), OriginError>> {
        self.inner.probe()
    }
}

fn marred(body: ByteStream, mishap: Mishap) -> ByteStream {
    match mishap {
        Mishap::None | Mishap::Refuse(_) => body,
        Mishap::Surplus(more) => body.chain(stream::iter([Ok(Bytes::from_static(more))])).boxed(),
        Mishap::EndAfter(n) => cut(body, n),
        Mishap::BreakAfter(n, error) => cut(body, n).chain(stream::iter([Err(error)])).boxed(),
        Mishap::StallAfter(n) => cut(body, n).chain(stream::pending()).boxed(),
    }
}

/// The first `n` bytes of a body.
fn cut(body: ByteStream, n: usize) -> ByteStream {
    body.scan(n, |left, chunk| {
        let chunk = chunk.map(|chunk| chunk.slice(..chunk.len().min(*left)));
        *left -= chunk.as_ref().map_or(0, Bytes::len);
        futures_util::future::ready((chunk.is_err() || chunk.as_ref().is_ok_and(|c| !c.is_empty())).then_some(chunk))
    })
    .boxed()
}
