//! Runs picture work on a fixed number of threads, each with a codec of its own. Streams take turns.
//!
//! A thread cannot be ended from outside. A thread whose picture takes too long is abandoned and
//! replaced, but only [`MAX_REPLACED`] times: each abandoned thread may use a core and the memory of
//! a picture for ever. From then on the pool is [exhausted](Pool::exhausted), and shrinks with every
//! further thread that hangs. If an abandoned thread ends its job after all, it returns to the
//! pool.

mod begun;
mod queue;

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, OnceLock};
use std::thread;
use std::time::Duration;

use parking_lot::{Mutex, MutexGuard};
use tokio::sync::{oneshot, watch};
use tokio_util::sync::CancellationToken;

use self::begun::{Begun, Waits};
use self::queue::JobQueue;
use crate::domain::StreamId;
use crate::metrics::Gauge;
use crate::picture::{Codec, Limits};

/// The maximum number of hung threads that are replaced.
pub(super) const MAX_REPLACED: usize = 4;

/// The work of a thread, and whether it was given up.
struct Job {
    work: Box<dyn FnOnce(&mut Codec) + Send>,
    /// Its `ended` and `given_up` change only while the pool's [`ThreadCounts`] are locked.
    progress: Arc<Progress>,
}

#[derive(Debug)]
struct Progress {
    stream: StreamId,
    begun: OnceLock<Begun>,
    ended: AtomicBool,
    given_up: AtomicBool,
}

impl Progress {
    fn new(stream: &StreamId) -> Self {
        Self {
            stream: stream.clone(),
            begun: OnceLock::new(),
            ended: AtomicBool::new(false),
            given_up: AtomicBool::new(false),
        }
    }

    /// Returns the time that the job has used, 0 before its start.
    fn used(&self) -> Duration {
        self.begun.get().map(Begun::used).unwrap_or_default()
    }
}

/// The reason for which a job has no result.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum JobError {
    /// It took too long; its thread was given up.
    TimedOut,
    /// It panicked.
    Panicked,
    /// All threads were given up: no thread would take it.
    NoThreads,
}

/// The numbers of threads.
#[derive(Debug, Clone, Copy)]
struct ThreadCounts {
    /// Threads that work or are ready to.
    usable: usize,
    /// Threads that were given up and have not ended their job.
    hung: usize,
}

#[derive(Debug)]
pub(super) struct Pool {
    threads: ThreadGroup,
    exhausted: CancellationToken,
    abandoned: Mutex<Vec<AbandonedJob>>,
}

/// A job whose caller was dropped, because its lease was lost: its thread may hang nevertheless.
#[derive(Debug)]
struct AbandonedJob {
    progress: Arc<Progress>,
    timeout: Duration,
}

/// Remembers a job as abandoned if its caller is dropped before it has a result.
struct Caller<'a> {
    pool: &'a Pool,
    job: Option<AbandonedJob>,
}

impl Drop for Caller<'_> {
    fn drop(&mut self) {
        self.pool.abandoned().extend(self.job.take());
    }
}

/// The state that the threads share.
#[derive(Debug, Clone)]
struct ThreadGroup {
    queue: Arc<JobQueue<Job>>,
    counts: Arc<watch::Sender<ThreadCounts>>,
    /// The number of threads while none hangs.
    size: usize,
    limits: Limits,
    /// The number of threads that hang.
    hung: Gauge,
}

impl ThreadGroup {
    fn add_thread(&self) -> std::io::Result<()> {
        let group = self.clone();
        thread::Builder::new().name("picture".to_owned()).spawn(move || group.work())?;
        Ok(())
    }

    fn work(self) {
        let waits = Waits::of_this_thread();
        let mut codec = Codec::new(self.limits);
        loop {
            let Some(Job { work, progress }) = self.queue.next() else { return };
            let _first = progress.begun.set(Begun::now(&waits));
            if catch_unwind(AssertUnwindSafe(|| work(&mut codec))).is_err() {
                codec = Codec::new(self.limits);
            }
            if !self.takes_another(&progress) {
                return; // It was replaced.
            }
        }
    }

    /// Notes that a thread has ended its job; returns whether it takes another.
    fn takes_another(&self, progress: &Progress) -> bool {
        let mut takes_another = true;
        self.counts.send_if_modified(|counts| {
            progress.ended.store(true, Ordering::Relaxed);
            if !progress.given_up.load(Ordering::Relaxed) {
                self.queue.ended(&progress.stream);
                return false;
            }
            counts.hung -= 1;
            self.hung.dec();
            takes_another = counts.usable < self.size;
            counts.usable += usize::from(takes_another);
            true
        });
        takes_another
    }

    /// Gives up the thread of a job that takes too long, unless it has just ended. Returns how many
    /// threads hang then.
    fn give_up(&self, progress: &Progress) -> Option<usize> {
        let mut hung = None;
        self.counts.send_if_modified(|counts| {
            if progress.ended.load(Ordering::Relaxed) {
                return false;
            }
            progress.given_up.store(true, Ordering::Relaxed);
            self.queue.ended(&progress.stream);
            counts.usable -= 1;
            counts.hung += 1;
            self.hung.inc();
            hung = Some(counts.hung);
            if counts.hung <= MAX_REPLACED {
                match self.add_thread() {
                    Ok(()) => counts.usable += 1,
                    Err(error) => tracing::error!(%error, "cannot start a replacement thread"),
                }
            }
            true
        });
        hung
    }
}

impl Drop for Pool {
    fn drop(&mut self) {
        self.threads.queue.close();
    }
}

impl Pool {
    pub(super) fn new(size: usize, limits: &Limits, hung: Gauge) -> std::io::Result<Self> {
        let (counts, _) = watch::channel(ThreadCounts { usable: size, hung: 0 });
        let threads = ThreadGroup {
            queue: Arc::new(JobQueue::new(size)),
            counts: Arc::new(counts),
            size,
            limits: *limits,
            hung,
        };
        for _ in 0..size {
            threads.add_thread()?;
        }
        Ok(Self { threads, exhausted: CancellationToken::new(), abandoned: Mutex::default() })
    }

    fn abandoned(&self) -> MutexGuard<'_, Vec<AbandonedJob>> {
        self.abandoned.lock()
    }

    /// Gives up the threads of abandoned jobs whose time is over. Must be called regularly.
    pub(super) fn give_up_overdue(&self) {
        self.abandoned().retain(|AbandonedJob { progress, timeout }| {
            let is_over = progress.used() >= *timeout;
            if is_over {
                self.give_up(progress);
            }
            !is_over && !progress.ended.load(Ordering::Relaxed)
        });
    }

    fn give_up(&self, progress: &Progress) {
        let Some(hung) = self.threads.give_up(progress) else { return };
        tracing::error!(hung, "picture timed out; abandoning its thread");
        if hung >= MAX_REPLACED {
            self.exhausted.cancel();
        }
    }

    /// Returns a token that is cancelled when no further thread is replaced: the process should be
    /// restarted.
    pub(super) fn exhausted(&self) -> &CancellationToken {
        &self.exhausted
    }

    /// Runs `work` for a frame of the stream on one of the threads. Its time starts when the work
    /// does, and does not count while the thread waits for a processor.
    pub(super) async fn run<T: Send + 'static>(
        &self,
        stream: &StreamId,
        timeout: Duration,
        work: impl FnOnce(&mut Codec) -> T + Send + 'static,
    ) -> Result<T, JobError> {
        let (started, start) = oneshot::channel();
        let (done, mut result) = oneshot::channel();
        let progress = Arc::new(Progress::new(stream));
        let job = Job {
            work: Box::new(move |codec| {
                // Not done for a job whose caller is gone.
                if started.send(()).is_ok() {
                    let _ = done.send(work(codec));
                }
            }),
            progress: Arc::clone(&progress),
        };
        let abandoned = AbandonedJob { progress: Arc::clone(&progress), timeout };
        let mut caller = Caller { pool: self, job: Some(abandoned) };
        let mut counts = self.threads.counts.subscribe();
        let begun = async {
            self.threads.queue.push(stream, job);
            start.await.map_err(|_| JobError::Panicked)
        };
        tokio::select! {
            biased;
            // First, so that no job is left in the queue if there are no threads.
            _none = counts.wait_for(|counts| counts.usable == 0) => return Err(JobError::NoThreads),
            begun = begun => begun?,
        }
        let ended = loop {
            let left = timeout.saturating_sub(progress.used());
            match tokio::time::timeout(left, &mut result).await {
                Ok(ended) => break Some(ended),
                Err(_) if progress.used() >= timeout => break None,
                Err(_) => {}
            }
        };
        caller.job = None;
        match ended {
            Some(Ok(value)) => Ok(value),
            Some(Err(_)) => Err(JobError::Panicked),
            None => {
                self.give_up(&progress);
                Err(JobError::TimedOut)
            }
        }
    }
}

#[cfg(test)]
mod tests;
