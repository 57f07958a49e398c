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
    /// The number of partitions that this Redis holds, and of all.
    part: Mutex<(u64, u64)>,
    looked: Mutex<Option<Instant>>,
}

impl MemoryUsage {
    pub(super) fn new(budget: Budget) -> Self {
        Self {
            budget,
            used_bytes: AtomicU64::new(0),
            maxmemory: AtomicU64::new(0),
            part: Mutex::new((1, 1)),
            looked: Mutex::default(),
        }
    }

    /// Notes how many of all partitions this Redis holds.
    pub(super) fn hold(&self, partitions: u64, of: u64) {
        *self.part.lock() = (partitions, of.max(1));
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
        let (partitions, of) = *self.part.lock();
        let limit = scaled(self.budget.max_bytes(), partitions, of);
        match self.maxmemory.load(Ordering::Relaxed) {
            0 => limit,
            maxmemory => maxmemory.min(limit),
        }
    }

    pub(super) fn memory(&self) -> Memory {
        Memory {
            used_bytes: self.used_bytes.load(Ordering::Relaxed),
            max_bytes: self.max_bytes(),
            split: self.budget.split,
        }
    }

    /// Returns the memory of the whole store if all its partitions used as much as those here.
    pub(super) fn memory_of_all(&self) -> Memory {
        let (partitions, of) = *self.part.lock();
        let memory = self.memory();
        let all = |bytes| scaled(bytes, of, partitions.max(1));
        Memory { used_bytes: all(memory.used_bytes), max_bytes: all(memory.max_bytes), split: memory.split }
    }

    /// Returns the maximum bytes that may wait in a partition now.
    pub(super) fn work_bytes(&self) -> u64 {
        if self.memory().is_full() { 0 } else { self.budget.work_bytes }
    }
}

/// Returns `bytes` times `times` by `by`.
fn scaled(bytes: u64, times: u64, by: u64) -> u64 {
    u64::try_from(u128::from(bytes) * u128::from(times) / u128::from(by)).unwrap_or(u64::MAX)
}
