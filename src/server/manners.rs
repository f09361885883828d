//! How an HTTP/1.1 connection behaves: it says when it is about to close, and lets others go first when it has much to answer.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};

use http::header::CONNECTION;
use http::{HeaderValue, Request, Response};
use http_body::Body;
use hyper::body::Incoming;
use hyper::service::{Service, service_fn};
use tokio::task::yield_now;

use super::serve::BoxError;

/// How an HTTP/1.1 connection behaves to its client and to others. Only its own task uses it, so no two cores share it.
#[derive(Default)]
pub(super) struct Manners {
    /// Answers announce the end of the connection.
    leaving: AtomicBool,
    /// How many requests were taken up in this turn.
    answered: AtomicU32,
}

impl Manners {
    /// From now on, answers announce the end of the connection.
    pub(super) fn leave(&self) {
        self.leaving.store(true, Ordering::Relaxed);
    }

    /// A turn of the connection begins.
    pub(super) fn begin_turn(&self) {
        self.answered.store(0, Ordering::Relaxed);
    }

    /// Lets others go first when there were many requests in this turn: a client can send thousands of them at once.
    async fn give_way(&self) {
        if self.answered.fetch_add(1, Ordering::Relaxed) >= REQUESTS_IN_A_ROW {
            yield_now().await;
        }
    }
}

/// The service, with manners.
pub(super) fn watched<S, B>(
    service: S,
    manners: Arc<Manners>,
) -> impl Service<Request<Incoming>, Response = Response<B>, Error = S::Error, Future: Send>
where
    S: Service<Request<Incoming>, Response = Response<B>>,
    S::Future: Send,
    S::Error: Into<BoxError>,
    B: Body,
{
    service_fn(move |request| {
        // On the heap while there is one: a connection that waits for a request needs no room for it.
        let (answer, manners) = (Box::pin(service.call(request)), Arc::clone(&manners));
        async move {
            manners.give_way().await;
            let mut answer = answer.await?;
            if manners.leaving.load(Ordering::Relaxed) {
                answer.headers_mut().insert(CONNECTION, HeaderValue::from_static("close"));
            }
            Ok(answer)
        }
    })
}

/// How many pipelined requests are answered before others go first.
const REQUESTS_IN_A_ROW: u32 = 4;
