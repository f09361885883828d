//! The requests of an HTTP/2 connection: each a task of its own, of which the connection's pulse and its flood guard hear.

use std::panic::AssertUnwindSafe;
use std::pin::Pin;
use std::task::{Context, Poll};

use futures_util::FutureExt;
use http::{Request, Response};
use http_body::{Body, Frame, SizeHint};
use hyper::body::Incoming;
use hyper::rt::Executor;
use hyper::service::{Service, service_fn};

use super::flood::FloodGuard;
use super::pulse::Pulse;
use super::serve::BoxError;

/// Runs the streams of one connection. A panic in one resets that stream and nothing else.
#[derive(Clone, Debug)]
pub(super) struct StreamTasks {
    pub(super) listener: &'static str,
}

impl<F> Executor<F> for StreamTasks
where
    F: Future<Output = ()> + Send + 'static,
{
    fn execute(&self, stream: F) {
        let listener = self.listener;
        tokio::spawn(async move {
            if AssertUnwindSafe(stream).catch_unwind().await.is_err() {
                tracing::error!(listener, "a request panicked; its stream was reset");
            }
        });
    }
}

/// One request under way.
#[derive(Debug)]
struct Stream {
    pulse: Pulse,
    guard: FloodGuard,
    waits_for_us: bool,
    /// Whether it ended otherwise than by the client's giving it up.
    ended: bool,
}

impl Stream {
    fn open(pulse: &Pulse, guard: &FloodGuard, head: usize) -> Self {
        guard.request(head);
        pulse.stream_opened();
        Self { pulse: pulse.clone(), guard: guard.clone(), waits_for_us: true, ended: false }
    }

    fn waits_for_us(&mut self, waits_for_us: bool) {
        match (self.waits_for_us, waits_for_us) {
            (true, false) => self.pulse.stream_waits_for_client(),
            (false, true) => self.pulse.stream_waits_for_us(),
            _ => {}
        }
        self.waits_for_us = waits_for_us;
    }
}

impl Drop for Stream {
    fn drop(&mut self) {
        self.waits_for_us(false);
        self.pulse.stream_closed();
        if !self.ended {
            self.guard.gave_up();
        }
    }
}

/// The service, of whose requests pulse and guard hear.
pub(super) fn accounted<S, B>(
    service: S,
    pulse: Pulse,
    guard: FloodGuard,
) -> impl Service<Request<Incoming>, Response = Response<StreamBody<B>>, Error = S::Error, Future: Send + 'static>
where
    S: Service<Request<Incoming>, Response = Response<B>>,
    S::Future: Send + 'static,
    S::Error: Into<BoxError>,
    B: Body + Unpin,
{
    service_fn(move |request: Request<Incoming>| {
        let mut stream = Stream::open(&pulse, &guard, length(&request));
        // Once on the heap, it is not copied at each step from here into a task.
        let answer = Box::pin(service.call(request));
        async move {
            let answer = answer.await.inspect_err(|_| stream.ended = true)?;
            stream.waits_for_us(false);
            stream.ended = answer.body().is_end_stream();
            Ok(answer.map(|body| StreamBody { body, stream }))
        }
    })
}

/// How long a head is, in bytes, unpacked.
fn length(request: &Request<Incoming>) -> usize {
    let target = request.uri().path_and_query().map_or(0, |target| target.as_str().len());
    request.headers().iter().fold(target, |sum, (name, value)| sum + name.as_str().len() + value.len())
}

/// An answer's body with its stream, which is over when both are dropped.
pub(super) struct StreamBody<B: Body> {
    body: B,
    stream: Stream,
}

impl<B: Body> Body for StreamBody<B>
where
    B: Unpin,
{
    type Data = B::Data;
    type Error = B::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Self::Data>, Self::Error>>> {
        let next = Pin::new(&mut self.body).poll_frame(context);
        self.stream.waits_for_us(next.is_pending());
        if matches!(next, Poll::Ready(None | Some(Err(_)))) || self.body.is_end_stream() {
            self.stream.ended = true;
        }
        next
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}
