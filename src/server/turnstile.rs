//! Handshakes one at a time, others first.
//!
//! A step of a handshake takes a hundred times as long as a small answer. When many arrive at once, each answer would wait for all
//! of them. So only a few of them are in the run queue, each goes to its end before its step, and the rest wait their turn. A busy queue must not
//! starve them either: with one at a time, a round of a hundred downloads for each step is a handful of handshakes in a second.

use std::pin::pin;
use std::sync::Arc;
use std::task::Poll;

use futures_util::future::poll_fn;
use tokio::sync::Semaphore;
use tokio::task::yield_now;

/// Where handshakes wait for their turn. Clones are one turnstile.
#[derive(Clone, Debug)]
pub(super) struct Turnstile(Arc<Semaphore>);

impl Turnstile {
    /// One that lets through a few at once for each core.
    pub(super) fn new() -> Self {
        let cores = std::thread::available_parallelism().map_or(1, std::num::NonZero::get);
        Self(Arc::new(Semaphore::new(cores * AT_ONCE)))
    }

    /// Does `work`, step by step in turn with all others.
    pub(super) async fn through<F: Future>(&self, work: F) -> F::Output {
        let mut work = pin!(work);
        loop {
            let turn = self.0.acquire().await;
            yield_now().await;
            let step = poll_fn(|context| Poll::Ready(work.as_mut().poll(context))).await;
            drop(turn);
            if let Poll::Ready(done) = step {
                return done;
            }
            woken().await;
        }
    }
}

/// How many go in one round of a core. Together they hold up an answer by about a millisecond.
const AT_ONCE: usize = 4;

/// Waits until the task is woken, by whatever its last step waits for.
async fn woken() {
    let mut waited = false;
    poll_fn(|_| if std::mem::replace(&mut waited, true) { Poll::Ready(()) } else { Poll::Pending }).await;
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicUsize, Ordering};
    use std::time::Duration;

    use tokio::time::sleep;

    use super::*;

    #[tokio::test]
    async fn all_that_waits_gets_its_turns() {
        let (turnstile, done) = (Turnstile::new(), Arc::new(AtomicUsize::new(0)));
        let tasks: Vec<_> = (0..50)
            .map(|_| {
                let (turnstile, done) = (turnstile.clone(), Arc::clone(&done));
                tokio::spawn(async move {
                    let steps = async {
                        sleep(Duration::from_millis(5)).await;
                        yield_now().await;
                        sleep(Duration::from_millis(5)).await;
                    };
                    turnstile.through(steps).await;
                    done.fetch_add(1, Ordering::Relaxed);
                })
            })
            .collect();
        for task in tasks {
            task.await.unwrap();
        }
        assert_eq!(done.load(Ordering::Relaxed), 50);
    }

    #[tokio::test(flavor = "current_thread")]
    async fn whoever_is_ready_goes_before_a_crowd_of_handshakes() {
        let (turnstile, steps) = (Turnstile(Arc::new(Semaphore::new(1))), Arc::new(AtomicUsize::new(0)));
        for _ in 0..100 {
            let (turnstile, steps) = (turnstile.clone(), Arc::clone(&steps));
            tokio::spawn(async move { turnstile.through(async { steps.fetch_add(1, Ordering::Relaxed) }).await });
        }
        let answers = tokio::spawn(async {
            for _ in 0..10 {
                yield_now().await;
            }
        });
        answers.await.unwrap();
        assert!(steps.load(Ordering::Relaxed) <= 20, "{steps:?} handshakes went before ten answers");
    }
}
