//! A fixed number of threads for picture work, each with a codec of its own.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;
use std::time::Duration;

use tokio::sync::{mpsc, oneshot};

use crate::picture::{Codec, Limits};

/// What a thread is to do, and whether it was given up meanwhile.
struct Job {
    work: Box<dyn FnOnce(&mut Codec) + Send>,
    given_up: Arc<AtomicBool>,
}

/// Why a job has no result.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum JobError {
    /// It took too long; its thread is given up, another takes its place.
    TimedOut,
    /// It panicked.
    Panicked,
}

#[derive(Debug)]
pub(super) struct Pool {
    jobs: mpsc::Sender<Job>,
    queue: Arc<Mutex<mpsc::Receiver<Job>>>,
    limits: Limits,
}

impl Pool {
    pub(super) fn new(threads: usize, limits: &Limits) -> std::io::Result<Self> {
        let (jobs, queue) = mpsc::channel::<Job>(threads);
        let pool = Self { jobs, queue: Arc::new(Mutex::new(queue)), limits: *limits };
        for _ in 0..threads {
            pool.add_thread()?;
        }
        Ok(pool)
    }

    fn add_thread(&self) -> std::io::Result<()> {
        let queue = Arc::clone(&self.queue);
        let limits = self.limits;
        thread::Builder::new().name("picture".to_owned()).spawn(move || {
            let mut codec = Codec::new(limits);
            loop {
                // One thread waits for a job, the others for the lock.
                let job = queue.lock().unwrap_or_else(PoisonError::into_inner).blocking_recv();
                let Some(Job { work, given_up }) = job else { return };
                if catch_unwind(AssertUnwindSafe(|| work(&mut codec))).is_err() {
                    codec = Codec::new(limits);
                }
                if given_up.load(Ordering::Relaxed) {
                    return; // Another has taken this one's place.
                }
            }
        })?;
        Ok(())
    }

    /// Runs `work` on one of the threads. The time counts from when it starts.
    pub(super) async fn run<T: Send + 'static>(
        &self,
        timeout: Duration,
        work: impl FnOnce(&mut Codec) -> T + Send + 'static,
    ) -> Result<T, JobError> {
        let (started, start) = oneshot::channel();
        let (done, result) = oneshot::channel();
        let given_up = Arc::new(AtomicBool::new(false));
        let job = Job {
            work: Box::new(move |codec| {
                let _ = started.send(());
                let _ = done.send(work(codec));
            }),
            given_up: Arc::clone(&given_up),
        };
        // The threads live as long as the pool, so there is always a receiver.
        self.jobs.send(job).await.map_err(|_| JobError::Panicked)?;
        start.await.map_err(|_| JobError::Panicked)?;
        match tokio::time::timeout(timeout, result).await {
            Ok(Ok(value)) => Ok(value),
            Ok(Err(_)) => Err(JobError::Panicked),
            Err(_) => {
                tracing::error!(?timeout, "a picture took too long; its thread is given up");
                match self.add_thread() {
                    Ok(()) => given_up.store(true, Ordering::Relaxed),
                    Err(error) => tracing::error!(%error, "no thread to take its place"),
                }
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
}
