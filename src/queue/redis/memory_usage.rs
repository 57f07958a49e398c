//! Measures how much of its memory Redis uses. The command for it is sent together with others, a
//! few times a second while frames arrive.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use parking_lot::Mutex;
use redis::{RedisResult, Value};

use super::reply::{self, Info};
use crate::queue::{Budget, Memory};

/// The maximum age of the last measurement.
const LOOK_EVERY: Duration = Duration::from_millis(250);

/// The memory of one Redis.
#[derive(Debug)]
pub(super) struct MemoryUsage {
    budget: Budget,
    used_bytes: AtomicU64,
    /// Redis's own limit; 0 = none.
    maxmemory: AtomicU64,
    looked: Mutex<Option<Instant>>,
}

impl MemoryUsage {
    pub(super) fn new(budget: Budget) -> Self {
        Self { budget, used_bytes: AtomicU64::new(0), maxmemory: AtomicU64::new(0), looked: Mutex::default() }
    }

    /// Reports whether a measurement is due: then the caller adds [`MemoryUsage::question`] to its
    /// request, and passes the answer to [`MemoryUsage::answered`].
    pub(super) fn is_due(&self) -> bool {
        let mut looked = self.looked.lock();
        let due = looked.is_none_or(|at| at.elapsed() >= LOOK_EVERY);
        if due {
            *looked = Some(Instant::now());
        }
        due
    }

    pub(super) fn question() -> redis::Cmd {
        let mut info = redis::cmd("INFO");
        info.arg("memory");
        info
    }

    /// Notes the answer; an error changes nothing.
    pub(super) fn answered(&self, answer: RedisResult<Value>) {
        if let Ok(Ok(Some(text))) = answer.map(reply::text) {
            self.note(&Info::parse(&text));
        }
    }

    pub(super) fn note(&self, info: &Info<'_>) {
        for (field, place) in [("used_memory", &self.used_bytes), ("maxmemory", &self.maxmemory)] {
            if let Ok(bytes) = info.get(field).parse() {
                place.store(bytes, Ordering::Relaxed);
            }
        }
    }

    /// Returns the limit: that of Redis or that of the budget, whichever is less.
    fn max_bytes(&self) -> u64 {
        match self.maxmemory.load(Ordering::Relaxed) {
            0 => self.budget.max_bytes(),
            maxmemory => maxmemory.min(self.budget.max_bytes()),
        }
    }

    pub(super) fn memory(&self) -> Memory {
        Memory {
            used_bytes: self.used_bytes.load(Ordering::Relaxed),
            max_bytes: self.max_bytes(),
            split: self.budget.split,
        }
    }

    /// Returns the maximum bytes that may wait in a partition now.
    pub(super) fn work_bytes(&self) -> u64 {
        if self.memory().is_full() { 0 } else { self.budget.work_bytes }
    }
}
