//! Jobs that wait for a thread.

use std::fmt;

use parking_lot::{Condvar, Mutex};

use super::super::turns::Turns;
use crate::domain::StreamId;

/// A queue in which streams take turns. Threads block until there is a job.
pub(super) struct JobQueue<T> {
    state: Mutex<State<T>>,
    /// Notified for each job, and when the queue is closed.
    changed: Condvar,
}

struct State<T> {
    waiting: Turns<T>,
    closed: bool,
}

impl<T> fmt::Debug for JobQueue<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("JobQueue").finish_non_exhaustive()
    }
}

impl<T> Default for JobQueue<T> {
    fn default() -> Self {
        let state = State { waiting: Turns::default(), closed: false };
        Self { state: Mutex::new(state), changed: Condvar::new() }
    }
}

impl<T> JobQueue<T> {
    pub(super) fn push(&self, stream: &StreamId, job: T) {
        self.state.lock().waiting.push(stream, job);
        self.changed.notify_one();
    }

    /// Waits for a job; returns `None` once the queue is closed and empty.
    pub(super) fn next(&self) -> Option<T> {
        let mut state = self.state.lock();
        loop {
            if let Some((_, job)) = state.waiting.next(|_| true) {
                return Some(job);
            }
            if state.closed {
                return None;
            }
            self.changed.wait(&mut state);
        }
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
