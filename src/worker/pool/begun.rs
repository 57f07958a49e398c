//! The time that a job has used. On a busy machine, a thread waits for a processor. That is not the
//! fault of the picture, so this time does not count.

use std::path::PathBuf;
use std::time::{Duration, Instant};

/// The maximum multiple of its time that a job takes while its thread waits for processors.
const MAX_STRETCH: u32 = 6;

/// Where the system tells how long the current thread has waited for processors; `None` if it does
/// not.
#[derive(Debug, Clone)]
pub(super) struct Waits(Option<PathBuf>);

impl Waits {
    pub(super) fn of_this_thread() -> Self {
        // Linux: a link to `PID/task/TID`.
        let thread = std::fs::read_link("/proc/thread-self").ok();
        Self(thread.map(|thread| PathBuf::from("/proc").join(thread).join("schedstat")))
    }

    /// Returns the time for which the thread has waited since its start, 0 if it is unknown.
    fn total(&self) -> Duration {
        let text = self.0.as_ref().and_then(|path| std::fs::read_to_string(path).ok());
        text.and_then(|text| waited(&text)).unwrap_or_default()
    }
}

/// Returns the time in a `schedstat` of Linux: nanoseconds on a processor, nanoseconds of waiting
/// for one, number of time slices.
fn waited(schedstat: &str) -> Option<Duration> {
    let nanos = schedstat.split_ascii_whitespace().nth(1)?.parse().ok()?;
    Some(Duration::from_nanos(nanos))
}

/// The begin of a job.
#[derive(Debug)]
pub(super) struct Begun {
    at: Instant,
    waits: Waits,
    /// The time for which the thread had waited before.
    waited: Duration,
}

impl Begun {
    pub(super) fn now(waits: &Waits) -> Self {
        Self { at: Instant::now(), waits: waits.clone(), waited: waits.total() }
    }

    /// Returns the time that the job has used.
    pub(super) fn used(&self) -> Duration {
        used(self.at.elapsed(), self.waits.total().saturating_sub(self.waited))
    }
}

fn used(elapsed: Duration, waited: Duration) -> Duration {
    elapsed.saturating_sub(waited).max(elapsed / MAX_STRETCH)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn waiting_for_a_processor_does_not_count_but_sleeping_does() {
        let seconds = Duration::from_secs;
        assert_eq!(used(seconds(10), seconds(0)), seconds(10));
        assert_eq!(used(seconds(10), seconds(7)), seconds(3));
        assert_eq!(used(seconds(60), seconds(60)), seconds(10));
        let begun = Begun::now(&Waits::of_this_thread());
        std::thread::sleep(Duration::from_millis(30));
        // This thread wakes up late if the machine is busy.
        assert!(begun.used() >= Duration::from_millis(30) / MAX_STRETCH);
        assert!(begun.used() <= begun.at.elapsed());
    }

    #[test]
    fn the_waiting_is_read_from_the_line_of_the_system() {
        assert_eq!(waited("705118356 6961459399 1189\n"), Some(Duration::from_nanos(6_961_459_399)));
        assert_eq!(waited(""), None);
        assert_eq!(waited("1 x 2"), None);
        #[cfg(target_os = "linux")]
        {
            let path = Waits::of_this_thread().0.expect("a path");
            assert!(path.starts_with("/proc"), "{}", path.display());
        }
    }
}
