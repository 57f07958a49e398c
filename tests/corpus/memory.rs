//! Measures the peak memory and the time of a function.

use std::fs;
use std::time::{Duration, Instant};

use crate::HEAP;

/// Runs `work` and returns its result with its peak memory in bytes: by the allocator, and by the
/// growth of the resident memory (`None` if the system does not report it).
pub(crate) fn measured<T>(work: impl FnOnce() -> T) -> (T, u64, Option<u64>) {
    HEAP.reset_peak_usage();
    let before = HEAP.current_usage();
    let resident = reset_resident_peak();
    let result = work();
    let heap = HEAP.peak_usage().saturating_sub(before) as u64;
    let growth = resident.and_then(|before| Some(peak_resident()?.saturating_sub(before)));
    (result, heap, growth)
}

/// Runs `work` and returns its result with the processor time, since elapsed time says little on a
/// loaded machine. Returns the elapsed time if the system does not report processor time.
pub(crate) fn timed<T>(work: impl FnOnce() -> T) -> (T, Duration) {
    let (start, busy) = (Instant::now(), busy_time());
    let result = work();
    let taken = busy.and_then(|before| busy_time()?.checked_sub(before));
    (result, taken.unwrap_or_else(|| start.elapsed()))
}

/// Returns the processor time of this thread.
fn busy_time() -> Option<Duration> {
    let nanos = fs::read_to_string("/proc/thread-self/schedstat").ok()?;
    nanos.split(' ').next()?.parse().ok().map(Duration::from_nanos)
}

/// Resets the peak of the resident memory and returns the current value.
fn reset_resident_peak() -> Option<u64> {
    fs::write("/proc/self/clear_refs", "5").ok()?;
    status("VmRSS:")
}

/// Returns the peak of the resident memory since [`reset_resident_peak`].
pub(crate) fn peak_resident() -> Option<u64> {
    status("VmHWM:")
}

fn status(field: &str) -> Option<u64> {
    let status = fs::read_to_string("/proc/self/status").ok()?;
    let line = status.lines().find_map(|line| line.strip_prefix(field))?;
    line.trim().trim_end_matches(" kB").parse::<u64>().ok().map(|kib| kib * 1024)
}
