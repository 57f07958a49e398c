//! Bounds the pictures that are fetched and not yet processed.

use std::collections::HashMap;
use std::sync::Arc;

use parking_lot::Mutex;
use tokio::sync::oneshot;

use super::turns::Turns;
use crate::domain::StreamId;

/// The number of pictures fetched for each thread: one is processed, one is ready, one is being
/// fetched.
const FETCHED_A_THREAD: usize = 3;

/// The number of further pictures for each thread, for streams that have none. So such a stream does
/// not wait until a picture of a busy one is processed.
const RESERVED_A_THREAD: usize = 1;

/// The bound, and the frames that wait to be fetched. Streams take turns.
#[derive(Debug)]
pub(super) struct Fetches {
    state: Mutex<State>,
    threads: usize,
}

#[derive(Debug, Default)]
struct State {
    fetched: usize,
    /// The number of fetched pictures by stream.
    by_stream: HashMap<StreamId, usize>,
    waiting: Turns<oneshot::Sender<Fetch>>,
}

/// The right to fetch a picture, until it is dropped.
#[derive(Debug)]
pub(super) struct Fetch {
    stream: StreamId,
    /// `None` once it is given back.
    of: Option<Arc<Fetches>>,
}

impl Drop for Fetch {
    fn drop(&mut self) {
        if let Some(fetches) = self.of.take() {
            let mut state = fetches.state.lock();
            state.give_back(&self.stream);
            fetches.grant(&mut state);
        }
    }
}

impl State {
    fn give_back(&mut self, stream: &StreamId) {
        self.fetched -= 1;
        if let Some(fetched) = self.by_stream.get_mut(stream) {
            *fetched -= 1;
            if *fetched == 0 {
                self.by_stream.remove(stream);
            }
        }
    }
}

impl Fetches {
    pub(super) fn new(threads: usize) -> Arc<Self> {
        Arc::new(Self { state: Mutex::default(), threads })
    }

    /// Waits until a picture of the stream may be fetched.
    pub(super) async fn turn(self: &Arc<Self>, stream: &StreamId) -> Option<Fetch> {
        let (grant, granted) = oneshot::channel();
        {
            let mut state = self.state.lock();
            state.waiting.push(stream, grant);
            self.grant(&mut state);
        }
        // A sender is only dropped after its receiver.
        granted.await.ok()
    }

    fn grant(self: &Arc<Self>, state: &mut State) {
        let bound = FETCHED_A_THREAD * self.threads;
        let reserved = RESERVED_A_THREAD * self.threads;
        loop {
            let State { fetched, by_stream, waiting } = &mut *state;
            let may_fetch = |stream: &StreamId| {
                *fetched < bound || *fetched < bound + reserved && !by_stream.contains_key(stream)
            };
            let Some((stream, waiter)) = waiting.next(may_fetch) else { return };
            *fetched += 1;
            *by_stream.entry(stream.clone()).or_default() += 1;
            if let Err(mut unwanted) = waiter.send(Fetch { stream, of: Some(Arc::clone(self)) }) {
                // Its frame was given up. The state is locked, so dropping it must not lock again.
                unwanted.of = None;
                state.give_back(&unwanted.stream);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::LazyLock;

    use futures::FutureExt as _;

    use super::*;

    static BUSY: LazyLock<StreamId> = LazyLock::new(|| "busy".parse().unwrap());
    static QUIET: LazyLock<StreamId> = LazyLock::new(|| "quiet".parse().unwrap());

    #[tokio::test]
    async fn a_stream_that_has_none_does_not_wait_for_one_that_has_many() {
        let fetches = Fetches::new(2);
        let mut busy = Vec::new();
        for _ in 0..6 {
            busy.push(fetches.turn(&BUSY).now_or_never().expect("below the bound"));
        }
        let mut seventh = Box::pin(fetches.turn(&BUSY));
        assert!(seventh.as_mut().now_or_never().is_none());
        let quiet = fetches.turn(&QUIET).now_or_never().expect("it has none");
        assert!(fetches.turn(&QUIET).now_or_never().is_none(), "it has one");
        // One that gave up does not count.
        drop(busy.pop());
        assert!(seventh.as_mut().now_or_never().is_none(), "the other is above the bound");
        drop(quiet);
        assert!(seventh.now_or_never().is_some());
        drop(busy);
        assert_eq!(fetches.state.lock().fetched, 0);
        assert!(fetches.state.lock().by_stream.is_empty());
    }

    #[tokio::test]
    async fn a_right_that_nobody_takes_is_given_back() {
        let fetches = Fetches::new(1);
        let held: Vec<_> =
            (0..3).map(|_| fetches.turn(&BUSY).now_or_never().expect("below the bound")).collect();
        let mut waits = Box::pin(fetches.turn(&BUSY));
        assert!(waits.as_mut().now_or_never().is_none());
        let gone = Box::pin(fetches.turn(&BUSY));
        drop(held);
        drop((waits, gone));
        assert_eq!(fetches.state.lock().fetched, 0);
    }
}
