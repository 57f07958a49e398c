//! Processor time. Other programs on the machine change it little, unlike the time on a clock.

use std::time::Duration;

use nix::sys::resource::{UsageWho, getrusage};
use nix::sys::time::TimeVal;
use nix::time::{ClockId, clock_gettime};

/// Returns the processor time of this thread.
pub(super) fn of_thread() -> Duration {
    clock_gettime(ClockId::CLOCK_THREAD_CPUTIME_ID).map(Duration::from).unwrap_or_default()
}

/// Returns the processor time of all child processes that have ended, and of theirs.
pub(super) fn of_ended_children() -> Duration {
    let time = |value: TimeVal| {
        let micros = value.tv_sec() * 1_000_000 + value.tv_usec();
        Duration::from_micros(u64::try_from(micros).unwrap_or_default())
    };
    let usage = getrusage(UsageWho::RUSAGE_CHILDREN);
    usage.map(|usage| time(usage.user_time()) + time(usage.system_time())).unwrap_or_default()
}
