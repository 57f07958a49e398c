//! Jobs that wait for a thread.

use std::collections::HashMap;
use std::fmt;
use std::time::{Duration, Instant};

use parking_lot::{Condvar, Mutex};

use super::super::turns::Turns;
use crate::domain::StreamId;

/// The time for which a thread is kept free for other streams after one of them had a job.
const KEPT_FREE_FOR: Duration = Duration::from_secs(60);

/// A queue in which streams take turns. Threads block until there is a job.
///
/// While several streams have jobs, and for a minute afterwards, each of them runs on all threads but
/// one. So a stream with many jobs leaves a thread to the others, and theirs need not wait until a
/// picture is done.
pub(super) struct JobQueue<T> {
    state: Mutex<State<T>>,
    /// Notified for each job that arrives or ends, and when the queue is closed.
    changed: Condvar,
    threads: usize,
}

struct State<T> {
    waiting: Turns<T>,
    /// The number of running jobs by stream.
    running: HashMap<StreamId, usize>,
    latest: Latest,
    closed: bool,
}

/// The two streams that had jobs most recently, and when.
#[derive(Default)]
struct Latest {
    first: Option<(StreamId, Instant)>,
    second: Option<(StreamId, Instant)>,
}

impl Latest {
    fn note(&mut self, stream: &StreamId) {
        if self.first.as_ref().is_some_and(|(first, _)| first != stream) {
            self.second = self.first.take();
        }
        self.first = Some((stream.clone(), Instant::now()));
    }

    /// Returns whether another stream had a job lately.
    fn is_shared(&self, stream: &StreamId) -> bool {
        let other = self.first.as_ref().filter(|(first, _)| first != stream).or(self.second.as_ref());
        other.is_some_and(|(_, at)| at.elapsed() < KEPT_FREE_FOR)
    }
}

impl<T> fmt::Debug for JobQueue<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("JobQueue").finish_non_exhaustive()
    }
}

impl<T> State<T> {
    /// Starts the first job of the next stream that may use a further thread.
    fn start(&mut self, threads: usize) -> Option<T> {
        let Self { waiting, running, latest, closed } = self;
        let (stream, job) = waiting.next(|stream| {
            let used = running.get(stream).copied().unwrap_or_default();
            used == 0 || *closed || used + usize::from(latest.is_shared(stream)) < threads
        })?;
        *running.entry(stream).or_default() += 1;
        Some(job)
    }
}

impl<T> JobQueue<T> {
    /// Returns an empty queue for a number of threads.
    pub(super) fn new(threads: usize) -> Self {
        let (waiting, latest) = (Turns::default(), Latest::default());
        let state = State { waiting, running: HashMap::new(), latest, closed: false };
        Self { state: Mutex::new(state), changed: Condvar::new(), threads }
    }

    pub(super) fn push(&self, stream: &StreamId, job: T) {
        let mut state = self.state.lock();
        state.latest.note(stream);
        state.waiting.push(stream, job);
        self.changed.notify_one();
    }

    /// Waits for a job; returns `None` once the queue is closed and empty. The caller must say when
    /// the job has [ended](Self::ended).
    pub(super) fn next(&self) -> Option<T> {
        let mut state = self.state.lock();
        loop {
            if let Some(job) = state.start(self.threads) {
                return Some(job);
            }
            if state.closed {
                return None;
            }
            self.changed.wait(&mut state);
        }
    }

    /// Notes that a job of the stream has ended, or that its thread was given up.
    pub(super) fn ended(&self, stream: &StreamId) {
        let mut state = self.state.lock();
        if let Some(running) = state.running.get_mut(stream) {
            *running -= 1;
            if *running == 0 {
                state.running.remove(stream);
            }
        }
        self.changed.notify_one();
    }

    pub(super) fn close(&self) {
        self.state.lock().closed = true;
        self.changed.notify_all();
    }

    #[cfg(test)]
    pub(super) fn len(&self) -> usize {
        self.state.lock().waiting.len()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn id(name: &str) -> StreamId {
        name.parse().unwrap()
    }

    /// Starts every job that may start, for `threads` threads.
    fn start_all(queue: &JobQueue<u32>) -> Vec<u32> {
        std::iter::from_fn(|| queue.state.lock().start(queue.threads)).collect()
    }

    #[test]
    fn a_stream_alone_uses_all_threads() {
        let queue = JobQueue::new(3);
        (1..=4).for_each(|job| queue.push(&id("a"), job));
        assert_eq!(start_all(&queue), [1, 2, 3]);
        queue.ended(&id("a"));
        assert_eq!(start_all(&queue), [4]);
    }

    #[test]
    fn beside_others_a_stream_leaves_a_thread_free() {
        let queue = JobQueue::new(3);
        queue.push(&id("quiet"), 10);
        (1..=4).for_each(|job| queue.push(&id("flood"), job));
        assert_eq!(start_all(&queue), [10, 1, 2]);
        queue.ended(&id("quiet"));
        assert!(start_all(&queue).is_empty(), "the thread is kept for the quiet stream");
        queue.push(&id("quiet"), 11);
        assert_eq!(start_all(&queue), [11]);
        queue.ended(&id("flood"));
        assert_eq!(start_all(&queue), [3]);
    }

    #[test]
    fn a_single_thread_serves_all_streams() {
        let queue = JobQueue::new(1);
        queue.push(&id("quiet"), 10);
        queue.push(&id("flood"), 1);
        queue.push(&id("flood"), 2);
        assert_eq!(queue.next(), Some(10));
        queue.ended(&id("quiet"));
        assert_eq!(queue.next(), Some(1));
        queue.ended(&id("flood"));
        assert_eq!(queue.next(), Some(2));
    }

    #[test]
    fn a_closed_queue_gives_out_what_waits() {
        let queue = JobQueue::new(2);
        queue.push(&id("quiet"), 10);
        (1..=3).for_each(|job| queue.push(&id("flood"), job));
        queue.close();
        assert_eq!(std::iter::from_fn(|| queue.next()).collect::<Vec<_>>(), [10, 1, 2, 3]);
    }
}
