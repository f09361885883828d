//! Fair writing: no connection keeps a core for itself while others wait.
//!
//! hyper writes to a connection for as long as its socket takes bytes, which on a fast network is for ever: a small answer then waits behind
//! many megabytes of a large one. Here a connection that has written its budget in a row goes to the end of the queue. A piece that fits
//! into the budget is not cut for it: a block leaves in one call, and a picture with its head in one turn.

use std::io::{self, IoSlice};
use std::pin::Pin;
use std::task::{Context, Poll};

use hyper::rt::{Read, ReadBufCursor, Write};

/// A connection's bytes, with a budget for writing in a row.
pub(super) struct Fair<I> {
    io: I,
    /// In bytes.
    budget: usize,
    /// Written since the connection last let others go first, in bytes.
    spent: usize,
}

impl<I> Fair<I> {
    /// Lets others go first after each `budget` bytes.
    pub(super) fn new(io: I, budget: u64) -> Self {
        Self { io, budget: usize::try_from(budget).unwrap_or(usize::MAX), spent: 0 }
    }

    /// How much may still be written before others go first, in bytes.
    const fn left(&self) -> usize {
        self.budget.saturating_sub(self.spent)
    }

    /// Whether others go first now. The task is woken at once, and so runs again after those that wait.
    fn gives_way(&mut self, context: &Context<'_>) -> bool {
        let gives_way = self.spent >= self.budget;
        if gives_way {
            self.spent = 0;
            context.waker().wake_by_ref();
        }
        gives_way
    }

    /// Whoever has to wait for its socket anyway has let others go first.
    fn note(&mut self, written: Poll<io::Result<usize>>) -> Poll<io::Result<usize>> {
        match written {
            Poll::Ready(Ok(bytes)) => self.spent = self.spent.saturating_add(bytes),
            Poll::Pending => self.spent = 0,
            Poll::Ready(Err(_)) => {}
        }
        written
    }
}

impl<I: Read + Unpin> Read for Fair<I> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: ReadBufCursor<'_>,
    ) -> Poll<io::Result<()>> {
        let read = Pin::new(&mut self.io).poll_read(context, buffer);
        if read.is_ready() {
            // Another request, and so another answer.
            self.spent = 0;
        }
        read
    }
}

impl<I: Write + Unpin> Write for Fair<I> {
    fn poll_write(mut self: Pin<&mut Self>, context: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        if self.gives_way(context) {
            return Poll::Pending;
        }
        let bytes = bytes.get(..self.left()).unwrap_or(bytes);
        let written = Pin::new(&mut self.io).poll_write(context, bytes);
        self.note(written)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        slices: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        if self.gives_way(context) {
            return Poll::Pending;
        }
        let mut fitting = [IoSlice::new(&[]); SLICES];
        let count = fit(slices, self.left(), self.budget, &mut fitting);
        let written = Pin::new(&mut self.io).poll_write_vectored(context, fitting.get(..count).unwrap_or_default());
        self.note(written)
    }

    fn is_write_vectored(&self) -> bool {
        self.io.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.io).poll_flush(context)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.io).poll_shutdown(context)
    }
}

/// Puts the first of `slices` into `fitting`, until they take up `left` bytes; how many they are. The last one may take more, but no
/// piece more than `most`.
fn fit<'a>(slices: &'a [IoSlice<'_>], mut left: usize, most: usize, fitting: &mut [IoSlice<'a>; SLICES]) -> usize {
    let mut count = 0;
    for (place, slice) in fitting.iter_mut().zip(slices) {
        if left == 0 {
            break;
        }
        let part = slice.get(..most).unwrap_or(slice);
        left = left.saturating_sub(part.len());
        *place = IoSlice::new(part);
        count += 1;
    }
    count
}

/// How many pieces are written at once; hyper queues no more.
const SLICES: usize = 16;

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::sync::atomic::{AtomicUsize, Ordering};
    use std::task::{Wake, Waker};

    use super::*;

    /// A socket that takes this much at a time, for ever, or nothing.
    struct Sink(Option<usize>);

    impl Write for Sink {
        fn poll_write(self: Pin<&mut Self>, _: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
            self.0.map_or(Poll::Pending, |most| Poll::Ready(Ok(bytes.len().min(most))))
        }

        fn poll_write_vectored(
            self: Pin<&mut Self>,
            _: &mut Context<'_>,
            slices: &[IoSlice<'_>],
        ) -> Poll<io::Result<usize>> {
            let bytes: usize = slices.iter().map(|slice| slice.len()).sum();
            self.0.map_or(Poll::Pending, |most| Poll::Ready(Ok(bytes.min(most))))
        }

        fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
            Poll::Ready(Ok(()))
        }

        fn poll_shutdown(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
            Poll::Ready(Ok(()))
        }
    }

    #[derive(Default)]
    struct Bell(AtomicUsize);

    impl Wake for Bell {
        fn wake(self: Arc<Self>) {
            self.0.fetch_add(1, Ordering::Relaxed);
        }
    }

    /// Writes as long as it can, at most so often; how many bytes went.
    fn run(fair: &mut Fair<Sink>, bell: &Arc<Bell>) -> usize {
        let waker = Waker::from(Arc::clone(bell));
        let mut context = Context::from_waker(&waker);
        let mut sum = 0;
        for turn in 0..1000 {
            let written = if turn % 2 == 0 {
                Pin::new(&mut *fair).poll_write(&mut context, &[0; 100])
            } else {
                Pin::new(&mut *fair).poll_write_vectored(&mut context, &[IoSlice::new(&[0; 100])])
            };
            match written {
                Poll::Ready(Ok(bytes)) => sum += bytes,
                _ => break,
            }
        }
        sum
    }

    #[test]
    fn after_its_budget_a_connection_lets_others_go_first_and_comes_again() {
        let (mut fair, bell) = (Fair::new(Sink(Some(60)), 300), Arc::new(Bell::default()));
        assert_eq!(run(&mut fair, &bell), 300);
        assert_eq!(bell.0.load(Ordering::Relaxed), 1, "it is woken at once");
        assert_eq!(run(&mut fair, &bell), 300);
        assert_eq!(bell.0.load(Ordering::Relaxed), 2);
    }

    #[test]
    fn waiting_for_the_socket_counts_as_letting_others_go_first() {
        let (mut fair, bell) = (Fair::new(Sink(Some(60)), 300), Arc::new(Bell::default()));
        fair.spent = 240;
        fair.io = Sink(None);
        assert_eq!(run(&mut fair, &bell), 0);
        fair.io = Sink(Some(60));
        assert_eq!(run(&mut fair, &bell), 300);
        assert_eq!(bell.0.load(Ordering::Relaxed), 1);
    }

    #[test]
    fn a_turn_ends_with_the_piece_that_passes_the_budget() {
        const BUDGET: usize = 1000;
        let (mut fair, bell) = (Fair::new(Sink(Some(usize::MAX)), BUDGET as u64), Arc::new(Bell::default()));
        let waker = Waker::from(Arc::clone(&bell));
        for (lengths, turn) in [
            (&[10, BUDGET, BUDGET][..], 10 + BUDGET),
            (&[BUDGET, 10], BUDGET),
            (&[10, 20], 30),
            (&[10, 5 * BUDGET], 10 + BUDGET),
            (&[5 * BUDGET], BUDGET),
        ] {
            let pieces: Vec<Vec<u8>> = lengths.iter().map(|length| vec![0; *length]).collect();
            let slices: Vec<IoSlice<'_>> = pieces.iter().map(|piece| IoSlice::new(piece)).collect();
            fair.spent = 0;
            let mut write = || Pin::new(&mut fair).poll_write_vectored(&mut Context::from_waker(&waker), &slices);
            assert_eq!(write().map(Result::unwrap), Poll::Ready(turn), "{lengths:?}");
            assert_eq!(write().is_pending(), turn >= BUDGET, "{lengths:?}");
        }
    }

    #[test]
    fn of_many_pieces_as_many_are_written_as_fit() {
        let pieces: Vec<Vec<u8>> = (0..20).map(|length| vec![0; length]).collect();
        let slices: Vec<IoSlice<'_>> = pieces.iter().map(|piece| IoSlice::new(piece)).collect();
        for (left, expected) in [(0, vec![]), (1, vec![0, 1]), (5, vec![0, 1, 2, 3]), (1000, (0..16).collect())] {
            let mut fitting = [IoSlice::new(&[]); SLICES];
            let count = fit(&slices, left, 1000, &mut fitting);
            let lengths: Vec<usize> = fitting[..count].iter().map(|slice| slice.len()).collect();
            assert_eq!(lengths, expected, "{left}");
        }
    }
}
