//! Runs picture work on a fixed number of threads, each with a codec of its own. Streams take turns.
//! On Linux, these threads have a lower priority than all others.
//!
//! A thread cannot be ended from outside. A thread whose picture takes too long is abandoned and
//! replaced, but only [`MAX_REPLACED`] times: each abandoned thread may use a core and the memory of
//! a picture for ever. From then on the pool is [exhausted](Pool::exhausted), and shrinks with every
//! further thread that hangs. If an abandoned thread ends its job after all, it returns to the
//! pool.

mod queue;

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, OnceLock};
use std::thread;
use std::time::{Duration, Instant};

use parking_lot::{Mutex, MutexGuard};
use tokio::sync::{oneshot, watch};
use tokio_util::sync::CancellationToken;

use self::queue::JobQueue;
use crate::domain::StreamId;
use crate::picture::{Codec, Limits};

/// The maximum number of hung threads that are replaced.
pub(super) const MAX_REPLACED: usize = 4;

/// The work of a thread, and whether it was given up.
struct Job {
    work: Box<dyn FnOnce(&mut Codec) + Send>,
    /// Its `ended` and `given_up` change only while the pool's [`ThreadCounts`] are locked.
    progress: Arc<Progress>,
}

#[derive(Debug, Default)]
struct Progress {
    begun: OnceLock<Instant>,
    ended: AtomicBool,
    given_up: AtomicBool,
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

/// The niceness of the threads, in addition to that of the process.
#[cfg(target_os = "linux")]
const NICENESS: i32 = 10;

/// The state that the threads share.
#[derive(Debug, Clone)]
struct ThreadGroup {
    queue: Arc<JobQueue<Job>>,
    counts: Arc<watch::Sender<ThreadCounts>>,
    /// The number of threads while none hangs.
    size: usize,
    limits: Limits,
}

impl ThreadGroup {
    fn add_thread(&self) -> std::io::Result<()> {
        let group = self.clone();
        thread::Builder::new().name("picture".to_owned()).spawn(move || group.work())?;
        Ok(())
    }

    fn work(self) {
        yield_to_other_threads();
        let mut codec = Codec::new(self.limits);
        loop {
            let Some(Job { work, progress }) = self.queue.next() else { return };
            let _first = progress.begun.set(Instant::now());
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
                return false;
            }
            counts.hung -= 1;
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
            counts.usable -= 1;
            counts.hung += 1;
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

/// Lowers the priority of the current thread. The threads that move frames need little time and
/// must not wait until a picture is done.
fn yield_to_other_threads() {
    // On other systems, a process has one priority.
    #[cfg(target_os = "linux")]
    if let Err(error) = rustix::process::nice(NICENESS) {
        tracing::debug!(%error, "cannot lower the priority of a picture thread");
    }
}

impl Drop for Pool {
    fn drop(&mut self) {
        self.threads.queue.close();
    }
}

impl Pool {
    pub(super) fn new(size: usize, limits: &Limits) -> std::io::Result<Self> {
        let (counts, _) = watch::channel(ThreadCounts { usable: size, hung: 0 });
        let threads = ThreadGroup { queue: Arc::default(), counts: Arc::new(counts), size, limits: *limits };
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
            let is_over = progress.begun.get().is_some_and(|begun| begun.elapsed() >= *timeout);
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
    /// does.
    pub(super) async fn run<T: Send + 'static>(
        &self,
        stream: &StreamId,
        timeout: Duration,
        work: impl FnOnce(&mut Codec) -> T + Send + 'static,
    ) -> Result<T, JobError> {
        let (started, start) = oneshot::channel();
        let (done, result) = oneshot::channel();
        let progress = Arc::<Progress>::default();
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
        let ended = tokio::time::timeout(timeout, result).await;
        caller.job = None;
        match ended {
            Ok(Ok(value)) => Ok(value),
            Ok(Err(_)) => Err(JobError::Panicked),
            Err(_) => {
                self.give_up(&progress);
                Err(JobError::TimedOut)
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::LazyLock;

    use super::*;

    static CAM: LazyLock<StreamId> = LazyLock::new(|| "cam".parse().unwrap());

    #[tokio::test]
    async fn a_panic_costs_only_its_own_job() {
        let pool = Pool::new(1, &Limits::default()).unwrap();
        let second = Duration::from_secs(1);
        assert_eq!(pool.run(&CAM, second, |_| -> u8 { panic!("on purpose") }).await, Err(JobError::Panicked));
        assert_eq!(pool.run(&CAM, second, |_| 7).await, Ok(7));
    }

    #[tokio::test]
    async fn a_hung_job_does_not_block_the_next() {
        let pool = Pool::new(1, &Limits::default()).unwrap();
        let (release, held) = std::sync::mpsc::channel::<()>();
        let hung = pool.run(&CAM, Duration::from_millis(20), move |_| held.recv()).await;
        assert_eq!(hung, Err(JobError::TimedOut));
        assert_eq!(pool.run(&CAM, Duration::from_secs(5), |_| 7).await, Ok(7));
        drop(release);
    }

    /// Waits until the numbers of threads are as expected.
    async fn until(pool: &Pool, is_so: impl FnMut(&ThreadCounts) -> bool) {
        let mut counts = pool.threads.counts.subscribe();
        let waited = tokio::time::timeout(Duration::from_secs(20), counts.wait_for(is_so)).await;
        assert!(waited.is_ok(), "{:?}", pool.threads.counts.borrow());
    }

    #[tokio::test]
    async fn hung_threads_are_replaced_up_to_a_limit_and_can_return() {
        let pool = Pool::new(2, &Limits::default()).unwrap();
        let (brief, long) = (Duration::from_millis(20), Duration::from_secs(20));
        let mut releases = Vec::new();
        for hung in 1..=MAX_REPLACED + 2 {
            let (release, held) = std::sync::mpsc::channel::<()>();
            releases.push(release);
            assert_eq!(pool.run(&CAM, brief, move |_| held.recv().is_ok()).await, Err(JobError::TimedOut));
            let counts = *pool.threads.counts.borrow();
            assert_eq!(counts.hung, hung);
            assert_eq!(counts.usable, 2 - hung.saturating_sub(MAX_REPLACED));
            assert_eq!(pool.exhausted().is_cancelled(), hung >= MAX_REPLACED);
            if counts.usable > 0 {
                assert_eq!(pool.run(&CAM, long, |_| 7).await, Ok(7), "with {hung} hung");
            }
        }
        // No thread is left, and no caller waits for one.
        assert_eq!(pool.run(&CAM, long, |_| 7).await, Err(JobError::NoThreads));
        drop(releases.pop());
        until(&pool, |counts| counts.usable == 1).await;
        assert_eq!(pool.run(&CAM, long, |_| 8).await, Ok(8));
        drop(releases);
        until(&pool, |counts| (counts.usable, counts.hung) == (2, 0)).await;
        assert_eq!(pool.run(&CAM, long, |_| 9).await, Ok(9));
    }

    #[tokio::test]
    async fn a_hung_job_is_found_even_if_its_caller_is_gone() {
        let pool = Pool::new(1, &Limits::default()).unwrap();
        let (release, held) = std::sync::mpsc::channel::<()>();
        let (started, start) = oneshot::channel();
        let hangs = pool.run(&CAM, Duration::from_millis(20), move |_| {
            let _ = started.send(());
            let _ = held.recv();
        });
        tokio::select! {
            biased;
            _ = start => {}
            ended = hangs => panic!("{ended:?}"),
        }
        let found = async {
            while pool.threads.counts.borrow().hung == 0 {
                pool.give_up_overdue();
                tokio::task::yield_now().await;
            }
        };
        assert!(tokio::time::timeout(Duration::from_secs(20), found).await.is_ok());
        assert_eq!(pool.run(&CAM, Duration::from_secs(20), |_| 7).await, Ok(7));
        assert!(pool.abandoned().is_empty());
        drop(release);
    }

    #[tokio::test]
    async fn waiting_callers_fail_when_no_thread_is_left() {
        let pool = Pool::new(1, &Limits::default()).unwrap();
        let (brief, long) = (Duration::from_millis(20), Duration::from_secs(20));
        let mut releases = Vec::new();
        for _ in 0..MAX_REPLACED {
            let (release, held) = std::sync::mpsc::channel::<()>();
            releases.push(release);
            assert_eq!(pool.run(&CAM, brief, move |_| held.recv().is_ok()).await, Err(JobError::TimedOut));
        }
        let (release, held) = std::sync::mpsc::channel::<()>();
        let last = pool.run(&CAM, brief, move |_| held.recv().is_ok());
        let (last, waiting) = tokio::join!(last, pool.run(&CAM, long, |_| 7));
        assert_eq!((last, waiting), (Err(JobError::TimedOut), Err(JobError::NoThreads)));
        drop((release, releases));
    }

    #[tokio::test]
    async fn a_job_does_not_wait_for_all_those_of_another_stream() {
        let pool = Pool::new(1, &Limits::default()).unwrap();
        let (release, held) = std::sync::mpsc::channel::<()>();
        let (long, ended) = (Duration::from_secs(20), Mutex::new(Vec::new()));
        let (started, start) = oneshot::channel();
        let first = pool.run(&CAM, long, move |_| {
            let _ = started.send(());
            let _ = held.recv();
        });
        let run = async |stream: &str, number: u32| {
            let stream = stream.parse().unwrap();
            pool.run(&stream, long, |_| ()).await.unwrap();
            ended.lock().push(number);
        };
        let rest = async {
            start.await.unwrap();
            let (flood, quiet) = ((1..=3).map(|number| run("cam", number)), run("quiet", 100));
            let release = async {
                while pool.threads.queue.len() < 4 {
                    tokio::task::yield_now().await;
                }
                drop(release);
            };
            tokio::join!(futures::future::join_all(flood), quiet, release);
        };
        let (first, ()) = tokio::join!(first, rest);
        assert_eq!(first, Ok(()));
        assert_eq!(*ended.lock(), [100, 1, 2, 3]);
    }
}
