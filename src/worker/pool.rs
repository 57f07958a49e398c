//! A fixed number of threads for picture work, each with a codec of its own.
//!
//! Nobody can end a thread from outside. One whose picture takes too long is given up and another takes its place, but only
//! [`MOST_REPLACED`] times: each of them may burn a core and hold a picture's memory for good. From then on the pool is worn
//! ([`Pool::worn`]), and shrinks with every further one. A thread that comes to an end after all takes its place again.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use tokio::sync::{mpsc, oneshot, watch};
use tokio_util::sync::CancellationToken;

use crate::picture::{Codec, Limits};

/// Threads that hang at the same time and are replaced.
pub(super) const MOST_REPLACED: usize = 4;

/// What a thread is to do, and whether it was given up meanwhile.
struct Job {
    work: Box<dyn FnOnce(&mut Codec) + Send>,
    /// Changes with the pool's [`Threads`] locked only.
    progress: Arc<Progress>,
}

#[derive(Debug, Default)]
struct Progress {
    begun: OnceLock<Instant>,
    ended: AtomicBool,
    given_up: AtomicBool,
}

/// Why a job has no result.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum JobError {
    /// It took too long; its thread is given up.
    TimedOut,
    /// It panicked.
    Panicked,
    /// All threads are given up: nobody would take it.
    NoThreads,
}

/// The threads there are.
#[derive(Debug, Clone, Copy)]
struct Threads {
    /// At work, or ready for it.
    able: usize,
    /// Given up, and not at an end yet.
    hung: usize,
}

#[derive(Debug)]
pub(super) struct Pool {
    jobs: mpsc::Sender<Job>,
    crew: Crew,
    worn: CancellationToken,
    orphans: Mutex<Vec<Orphan>>,
}

/// A job whose caller is gone, because its lease was lost: its thread may hang all the same.
#[derive(Debug)]
struct Orphan {
    progress: Arc<Progress>,
    timeout: Duration,
}

/// Makes a job an orphan if its caller goes before it has an answer.
struct Caller<'a> {
    pool: &'a Pool,
    orphan: Option<Orphan>,
}

impl Drop for Caller<'_> {
    fn drop(&mut self) {
        self.pool.orphans().extend(self.orphan.take());
    }
}

/// What the threads share.
#[derive(Debug, Clone)]
struct Crew {
    queue: Arc<Mutex<mpsc::Receiver<Job>>>,
    threads: Arc<watch::Sender<Threads>>,
    /// As many as there are without faults.
    size: usize,
    limits: Limits,
}

impl Crew {
    fn add_thread(&self) -> std::io::Result<()> {
        let crew = self.clone();
        thread::Builder::new().name("picture".to_owned()).spawn(move || crew.work())?;
        Ok(())
    }

    fn work(self) {
        let mut codec = Codec::new(self.limits);
        loop {
            // One thread waits for a job, the others for the lock.
            let job = self.queue.lock().unwrap_or_else(PoisonError::into_inner).blocking_recv();
            let Some(Job { work, progress }) = job else { return };
            let _first = progress.begun.set(Instant::now());
            if catch_unwind(AssertUnwindSafe(|| work(&mut codec))).is_err() {
                codec = Codec::new(self.limits);
            }
            if !self.goes_on(&progress) {
                return; // Another has taken this one's place.
            }
        }
    }

    /// A thread has come to the end of its job: whether it takes another.
    fn goes_on(&self, progress: &Progress) -> bool {
        let mut goes_on = true;
        self.threads.send_if_modified(|threads| {
            progress.ended.store(true, Ordering::Relaxed);
            if !progress.given_up.load(Ordering::Relaxed) {
                return false;
            }
            threads.hung -= 1;
            goes_on = threads.able < self.size;
            threads.able += usize::from(goes_on);
            true
        });
        goes_on
    }

    /// A job takes too long: gives its thread up, unless it has just come to an end. Answers how many hang then.
    fn give_up(&self, progress: &Progress) -> Option<usize> {
        let mut hung = None;
        self.threads.send_if_modified(|threads| {
            if progress.ended.load(Ordering::Relaxed) {
                return false;
            }
            progress.given_up.store(true, Ordering::Relaxed);
            threads.able -= 1;
            threads.hung += 1;
            hung = Some(threads.hung);
            if threads.hung <= MOST_REPLACED {
                match self.add_thread() {
                    Ok(()) => threads.able += 1,
                    Err(error) => tracing::error!(%error, "no thread to take its place"),
                }
            }
            true
        });
        hung
    }
}

impl Pool {
    pub(super) fn new(size: usize, limits: &Limits) -> std::io::Result<Self> {
        let (jobs, queue) = mpsc::channel::<Job>(size);
        let (threads, _) = watch::channel(Threads { able: size, hung: 0 });
        let crew =
            Crew { queue: Arc::new(Mutex::new(queue)), threads: Arc::new(threads), size, limits: *limits };
        for _ in 0..size {
            crew.add_thread()?;
        }
        Ok(Self { jobs, crew, worn: CancellationToken::new(), orphans: Mutex::default() })
    }

    fn orphans(&self) -> MutexGuard<'_, Vec<Orphan>> {
        self.orphans.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Gives up the threads of jobs that nobody waits for any more, once their time is over. To be called now and then.
    pub(super) fn look_after_orphans(&self) {
        self.orphans().retain(|Orphan { progress, timeout }| {
            let is_over = progress.begun.get().is_some_and(|begun| begun.elapsed() >= *timeout);
            if is_over {
                self.give_up(progress);
            }
            !is_over && !progress.ended.load(Ordering::Relaxed)
        });
    }

    fn give_up(&self, progress: &Progress) {
        let Some(hung) = self.crew.give_up(progress) else { return };
        tracing::error!(hung, "a picture took too long; its thread is given up");
        if hung >= MOST_REPLACED {
            self.worn.cancel();
        }
    }

    /// Cancelled when as many threads hang as are replaced: the process should be started anew.
    pub(super) fn worn(&self) -> &CancellationToken {
        &self.worn
    }

    /// Runs `work` on one of the threads. The time counts from when it starts.
    pub(super) async fn run<T: Send + 'static>(
        &self,
        timeout: Duration,
        work: impl FnOnce(&mut Codec) -> T + Send + 'static,
    ) -> Result<T, JobError> {
        let (started, start) = oneshot::channel();
        let (done, result) = oneshot::channel();
        let progress = Arc::<Progress>::default();
        let job = Job {
            work: Box::new(move |codec| {
                // Nobody waits for what was left in the queue when there were no threads.
                if started.send(()).is_ok() {
                    let _ = done.send(work(codec));
                }
            }),
            progress: Arc::clone(&progress),
        };
        let orphan = Orphan { progress: Arc::clone(&progress), timeout };
        let mut caller = Caller { pool: self, orphan: Some(orphan) };
        let mut threads = self.crew.threads.subscribe();
        let begun = async {
            // The queue lives as long as the pool.
            self.jobs.send(job).await.map_err(|_| JobError::Panicked)?;
            start.await.map_err(|_| JobError::Panicked)
        };
        tokio::select! {
            biased;
            begun = begun => begun?,
            _none = threads.wait_for(|threads| threads.able == 0) => return Err(JobError::NoThreads),
        }
        let ended = tokio::time::timeout(timeout, result).await;
        caller.orphan = None;
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
    use super::*;

    #[tokio::test]
    async fn a_panic_costs_only_its_own_job() {
        let pool = Pool::new(1, &Limits::default()).unwrap();
        let second = Duration::from_secs(1);
        assert_eq!(pool.run(second, |_| -> u8 { panic!("on purpose") }).await, Err(JobError::Panicked));
        assert_eq!(pool.run(second, |_| 7).await, Ok(7));
    }

    #[tokio::test]
    async fn a_hung_job_does_not_hold_the_next() {
        let pool = Pool::new(1, &Limits::default()).unwrap();
        let (release, held) = std::sync::mpsc::channel::<()>();
        let hung = pool.run(Duration::from_millis(20), move |_| held.recv()).await;
        assert_eq!(hung, Err(JobError::TimedOut));
        assert_eq!(pool.run(Duration::from_secs(5), |_| 7).await, Ok(7));
        drop(release);
    }

    /// A thread that comes to an end has its time for it; nothing else is waited for.
    async fn until(pool: &Pool, is_so: impl FnMut(&Threads) -> bool) {
        let mut threads = pool.crew.threads.subscribe();
        let waited = tokio::time::timeout(Duration::from_secs(20), threads.wait_for(is_so)).await;
        assert!(waited.is_ok(), "{:?}", pool.crew.threads.borrow());
    }

    #[tokio::test]
    async fn threads_that_hang_are_replaced_a_few_times_and_come_back() {
        let pool = Pool::new(2, &Limits::default()).unwrap();
        let (brief, long) = (Duration::from_millis(20), Duration::from_secs(20));
        let mut releases = Vec::new();
        for hung in 1..=MOST_REPLACED + 2 {
            let (release, held) = std::sync::mpsc::channel::<()>();
            releases.push(release);
            assert_eq!(pool.run(brief, move |_| held.recv().is_ok()).await, Err(JobError::TimedOut));
            let threads = *pool.crew.threads.borrow();
            assert_eq!(threads.hung, hung);
            assert_eq!(threads.able, 2 - hung.saturating_sub(MOST_REPLACED));
            assert_eq!(pool.worn().is_cancelled(), hung >= MOST_REPLACED);
            if threads.able > 0 {
                assert_eq!(pool.run(long, |_| 7).await, Ok(7), "with {hung} hung");
            }
        }
        // More than there were never are, and nobody waits for one.
        assert_eq!(pool.run(long, |_| 7).await, Err(JobError::NoThreads));
        drop(releases.pop());
        until(&pool, |threads| threads.able == 1).await;
        assert_eq!(pool.run(long, |_| 8).await, Ok(8));
        drop(releases);
        until(&pool, |threads| (threads.able, threads.hung) == (2, 0)).await;
        assert_eq!(pool.run(long, |_| 9).await, Ok(9));
    }

    #[tokio::test]
    async fn a_job_that_hangs_is_found_though_its_caller_is_gone() {
        let pool = Pool::new(1, &Limits::default()).unwrap();
        let (release, held) = std::sync::mpsc::channel::<()>();
        let (started, start) = oneshot::channel();
        let hangs = pool.run(Duration::from_millis(20), move |_| {
            let _ = started.send(());
            let _ = held.recv();
        });
        tokio::select! {
            biased;
            _ = start => {}
            ended = hangs => panic!("{ended:?}"),
        }
        let found = async {
            while pool.crew.threads.borrow().hung == 0 {
                pool.look_after_orphans();
                tokio::task::yield_now().await;
            }
        };
        assert!(tokio::time::timeout(Duration::from_secs(20), found).await.is_ok());
        assert_eq!(pool.run(Duration::from_secs(20), |_| 7).await, Ok(7));
        assert!(pool.orphans().is_empty());
        drop(release);
    }

    #[tokio::test]
    async fn those_who_wait_for_a_thread_hear_that_there_is_none_left() {
        let pool = Pool::new(1, &Limits::default()).unwrap();
        let (brief, long) = (Duration::from_millis(20), Duration::from_secs(20));
        let mut releases = Vec::new();
        for _ in 0..MOST_REPLACED {
            let (release, held) = std::sync::mpsc::channel::<()>();
            releases.push(release);
            assert_eq!(pool.run(brief, move |_| held.recv().is_ok()).await, Err(JobError::TimedOut));
        }
        let (release, held) = std::sync::mpsc::channel::<()>();
        let last = pool.run(brief, move |_| held.recv().is_ok());
        let (last, waiting) = tokio::join!(last, pool.run(long, |_| 7));
        assert_eq!((last, waiting), (Err(JobError::TimedOut), Err(JobError::NoThreads)));
        drop((release, releases));
    }
}
