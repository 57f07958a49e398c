//! Threads that decode and encode pictures.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::thread;

use parking_lot::Mutex;
use tokio::sync::mpsc;

use crate::picture::{Codec, Limits};

/// The number of jobs that may wait for each thread. Each holds a processed picture.
const WAITING_PER_THREAD: usize = 8;

/// A piece of work that needs a codec.
pub(super) type Job = Box<dyn FnOnce(&mut Codec) + Send>;

/// Threads that make pictures. They start with the first job.
#[derive(Debug)]
pub(super) struct CodecThreads {
    count: usize,
    limits: Limits,
    jobs: Mutex<Option<mpsc::Sender<Job>>>,
}

impl CodecThreads {
    pub(super) fn new(count: usize, limits: Limits) -> Self {
        Self { count, limits, jobs: Mutex::default() }
    }

    /// Reports whether the number of threads is zero.
    pub(super) fn is_empty(&self) -> bool {
        self.count == 0
    }

    /// Hands a job to the threads; returns `false` if too many jobs wait already or no thread could
    /// be started.
    pub(super) fn submit(&self, job: Job) -> bool {
        self.sender().is_some_and(|jobs| jobs.try_send(job).is_ok())
    }

    /// Returns the sender of jobs, and starts the threads if they do not run; `None` if no thread
    /// could be started.
    fn sender(&self) -> Option<mpsc::Sender<Job>> {
        let mut jobs = self.jobs.lock();
        if let Some(jobs) = &*jobs {
            return Some(jobs.clone());
        }
        let (sender, receiver) = mpsc::channel::<Job>(self.count * WAITING_PER_THREAD);
        let receiver = Arc::new(Mutex::new(receiver));
        for started in 0..self.count {
            let (receiver, limits) = (Arc::clone(&receiver), self.limits);
            let work = move || {
                let mut codec = Codec::new(limits);
                loop {
                    let job = receiver.lock().blocking_recv();
                    let Some(job) = job else { return };
                    if catch_unwind(AssertUnwindSafe(|| job(&mut codec))).is_err() {
                        codec = Codec::new(limits);
                    }
                }
            };
            if let Err(error) = thread::Builder::new().name("rendition".to_owned()).spawn(work) {
                tracing::error!(%error, started, "cannot start all rendition threads");
                if started == 0 {
                    return None;
                }
                break;
            }
        }
        Some(jobs.insert(sender).clone())
    }
}
