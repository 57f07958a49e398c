//! The resources that processes use before and after a fault, none of which may leak.

use std::time::{Duration, Instant};

use nix::unistd::Pid;

use crate::common::redis::RedisServer;
use crate::process::Process;

/// The maximum time until idle threads and connections are released.
const PATIENCE: Duration = Duration::from_secs(40);
/// The allowed growth: a tenth of the usage before, and what caches, pools and the allocator keep
/// for later.
const KEPT_MEMORY_KIB: u64 = 96 << 10;
const KEPT_DESCRIPTORS: u64 = 12;
const KEPT_THREADS: u64 = 12;
const KEPT_CLIENTS: u64 = 6;

/// The resources of some processes, including their children.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) struct Usage {
    pub(crate) memory_kib: u64,
    pub(crate) descriptors: u64,
    pub(crate) threads: u64,
    /// The connections that Redis counts.
    pub(crate) redis_clients: u64,
}

impl Usage {
    /// Returns the current usage; 0 for values that the system does not report.
    pub(crate) fn of(processes: &[&Process], redis: Option<&RedisServer>) -> Self {
        let mut usage = Self {
            redis_clients: redis.and_then(|redis| redis.info("clients", "connected_clients")).unwrap_or(0),
            ..Self::default()
        };
        for process in processes {
            for pid in process.children().into_iter().chain([process.pid()]) {
                usage.memory_kib += status(pid, "VmRSS:");
                usage.threads += status(pid, "Threads:");
                usage.descriptors +=
                    std::fs::read_dir(format!("/proc/{pid}/fd")).map_or(0, |list| list.count() as u64);
            }
        }
        usage
    }

    /// Reports whether `now` is not above this usage plus the allowed growth.
    fn holds(&self, now: &Self) -> bool {
        let within = |before: u64, now: u64, kept: u64| now <= before + before / 10 + kept;
        within(self.memory_kib, now.memory_kib, KEPT_MEMORY_KIB)
            && within(self.descriptors, now.descriptors, KEPT_DESCRIPTORS)
            && within(self.threads, now.threads, KEPT_THREADS)
            && within(self.redis_clients, now.redis_clients, KEPT_CLIENTS)
    }

    /// Waits until the usage of the processes is no higher than this.
    ///
    /// # Panics
    /// Panics if that does not happen in time.
    pub(crate) async fn returns(&self, processes: &[&Process], redis: Option<&RedisServer>) {
        let start = Instant::now();
        loop {
            let now = Self::of(processes, redis);
            if self.holds(&now) {
                return;
            }
            assert!(start.elapsed() < PATIENCE, "before: {self:?}\nafter: {now:?}");
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
    }
}

/// Returns a number in a process' status.
fn status(pid: Pid, name: &str) -> u64 {
    let status = std::fs::read_to_string(format!("/proc/{pid}/status")).unwrap_or_default();
    let found = status.lines().find_map(|line| line.strip_prefix(name)?.split_whitespace().next());
    found.and_then(|number| number.parse().ok()).unwrap_or(0)
}

#[test]
fn leaked_resources_are_noticed() {
    let before = Usage { memory_kib: 100 << 10, descriptors: 40, threads: 20, redis_clients: 15 };
    assert!(before.holds(&before));
    assert!(before.holds(&Usage { descriptors: 50, ..before }));
    assert!(!before.holds(&Usage { descriptors: 80, ..before }));
    assert!(!before.holds(&Usage { threads: 60, ..before }));
    assert!(!before.holds(&Usage { redis_clients: 40, ..before }));
    assert!(!before.holds(&Usage { memory_kib: 300 << 10, ..before }));
}
