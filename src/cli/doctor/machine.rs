//! Reads and judges the machine: limits of the process and the kernel, memory, cores.

use std::fs;

use sysinfo::{MemoryRefreshKind, RefreshKind, System};

use super::finding::Finding;
use crate::config::{Backend, Config, Role};
use crate::console::output::bytes;

const PAGE: &str = "docs/operating.md#frameway-doctor";
/// The descriptors that a server needs besides its connections: Redis, files, its worker process.
const OTHER_DESCRIPTORS: u64 = 64;
/// The length of the listen queue that a server asks for.
const LISTEN_QUEUE: u64 = 1024;
/// The socket buffer below which a connection over a long path is slow: the bytes that are on a
/// path of 100 Mbit/s and 80 ms.
const MIN_SOCKET_BUFFER: u64 = 1 << 20;

/// The facts that the system reports about the machine. `None` = not known here.
#[derive(Debug, Clone, Default)]
pub(super) struct Machine {
    /// The maximum number of open descriptors of a process started from here.
    descriptors: Option<u64>,
    listen_queue: Option<u64>,
    /// The maximum buffers of a TCP connection, in bytes.
    receive_buffer: Option<u64>,
    send_buffer: Option<u64>,
    overcommit: Option<u64>,
    /// The mode of transparent huge pages.
    huge_pages: Option<String>,
    cores: usize,
    /// Bytes; of the container, if it has a limit.
    total_memory: u64,
    available_memory: u64,
}

/// The settings that the judgement depends on.
#[derive(Debug, Clone, Copy)]
pub(super) struct Wanted {
    /// `None` for a worker, which has no callers.
    connections: Option<u64>,
    /// The memory of the embedded queue; `None` with Redis.
    embedded_memory: Option<u64>,
    worker_threads: Option<usize>,
    /// Redis runs on this machine.
    redis_is_local: bool,
}

impl Wanted {
    pub(super) fn new(config: &Config) -> Self {
        let (serves, works) = match config.server.role {
            Role::All => (true, true),
            Role::Api => (true, false),
            Role::Worker => (false, true),
        };
        let (embedded_memory, redis_is_local) = match &config.queue.backend {
            Backend::Memory => (Some(config.queue.budget.max_bytes()), false),
            Backend::Redis(redis) => (None, redis.url.is_local()),
        };
        Self {
            connections: serves.then_some(u64::from(config.server.max_connections)),
            embedded_memory,
            worker_threads: works.then(|| config.worker.threads()),
            redis_is_local,
        }
    }
}

impl Machine {
    /// Asks the system.
    pub(super) fn read() -> Self {
        let memory = RefreshKind::nothing().with_memory(MemoryRefreshKind::nothing().with_ram());
        let system = System::new_with_specifics(memory);
        let (mut total, mut available) = (system.total_memory(), system.available_memory());
        if let Some(container) = system.cgroup_limits() {
            total = total.min(container.total_memory);
            available = available.min(container.free_memory);
        }
        let number = |path: &str| fs::read_to_string(path).ok()?.trim().parse().ok();
        // Three numbers: minimum, default, maximum.
        let maximum = |path: &str| fs::read_to_string(path).ok()?.split_whitespace().nth(2)?.parse().ok();
        Self {
            descriptors: fs::read_to_string("/proc/self/limits").ok().as_deref().and_then(descriptors),
            listen_queue: number("/proc/sys/net/core/somaxconn"),
            receive_buffer: maximum("/proc/sys/net/ipv4/tcp_rmem"),
            send_buffer: maximum("/proc/sys/net/ipv4/tcp_wmem"),
            overcommit: number("/proc/sys/vm/overcommit_memory"),
            huge_pages: fs::read_to_string("/sys/kernel/mm/transparent_hugepage/enabled")
                .ok()
                .as_deref()
                .and_then(selected),
            cores: std::thread::available_parallelism().map_or(1, usize::from),
            total_memory: total,
            available_memory: available,
        }
    }

    /// Judges the machine. `disables_huge_pages`: Redis turns transparent huge pages off for itself.
    pub(super) fn judge(&self, wanted: Wanted, disables_huge_pages: bool) -> Vec<Finding> {
        let mut findings = Vec::new();
        if let Some(connections) = wanted.connections {
            findings.push(self.judge_descriptors(connections));
            findings.push(self.judge_listen_queue(connections));
            findings.push(self.judge_buffers());
        }
        findings.push(self.judge_memory(wanted.embedded_memory));
        findings.extend(wanted.worker_threads.map(|threads| self.judge_threads(threads)));
        if wanted.redis_is_local {
            findings.extend(self.judge_overcommit());
            findings.extend(self.judge_huge_pages(disables_huge_pages));
        }
        findings
    }

    fn judge_descriptors(&self, connections: u64) -> Finding {
        let needed = connections + OTHER_DESCRIPTORS;
        let Some(limit) = self.descriptors else { return unknown("descriptors", "the limit of open files") };
        let count = if limit == u64::MAX { "unlimited".to_owned() } else { limit.to_string() };
        let found = format!("{count} open files per process; --max-connections {connections} needs {needed}");
        if limit >= needed {
            return Finding::ok("descriptors", found);
        }
        let limit = limit.saturating_sub(OTHER_DESCRIPTORS);
        Finding::warning(
            "descriptors",
            format!("{found}: only about {limit} callers can connect"),
            format!("ulimit -n {needed}, or LimitNOFILE={needed} in the systemd unit"),
        )
        .page(PAGE)
    }

    fn judge_listen_queue(&self, connections: u64) -> Finding {
        let Some(length) = self.listen_queue else { return unknown("listen queue", "net.core.somaxconn") };
        let found = format!("net.core.somaxconn is {length}");
        if length >= LISTEN_QUEUE.min(connections) {
            return Finding::ok("listen queue", found);
        }
        Finding::warning(
            "listen queue",
            format!("{found}: callers that connect at the same time may have to try again"),
            format!("sysctl -w net.core.somaxconn={LISTEN_QUEUE}"),
        )
        .page(PAGE)
    }

    fn judge_buffers(&self) -> Finding {
        let (Some(receive), Some(send)) = (self.receive_buffer, self.send_buffer) else {
            return unknown("socket buffers", "net.ipv4.tcp_rmem and tcp_wmem");
        };
        let found = format!("up to {} to receive and {} to send per connection", bytes(receive), bytes(send));
        if receive.min(send) >= MIN_SOCKET_BUFFER {
            return Finding::ok("socket buffers", found);
        }
        Finding::warning(
            "socket buffers",
            format!("{found}: pictures to and from distant callers are slow"),
            "sysctl -w net.ipv4.tcp_rmem='4096 131072 6291456' net.ipv4.tcp_wmem='4096 16384 4194304'",
        )
        .page(PAGE)
    }

    fn judge_memory(&self, embedded: Option<u64>) -> Finding {
        let (available, total) = (self.available_memory, self.total_memory);
        let found = format!("{} of {} are available", bytes(available), bytes(total));
        let Some(needed) = embedded else { return Finding::ok("memory", found) };
        let found = format!("{found}; the embedded queue may use {}", bytes(needed));
        if available >= needed {
            return Finding::ok("memory", found);
        }
        let change = format!("--memory-budget {} or less, or more memory", available / 4 * 3);
        if total < needed {
            return Finding::error(
                "memory",
                format!("{found}: the system kills the server before it is full"),
                change,
            )
            .page(PAGE);
        }
        Finding::warning("memory", found, change).page(PAGE)
    }

    fn judge_threads(&self, threads: usize) -> Finding {
        let cores = self.cores;
        let found = format!("{threads} worker threads on {cores} cores");
        if threads <= cores {
            return Finding::ok("cores", found);
        }
        let change = format!("--worker-threads {cores}, or leave it out");
        Finding::warning("cores", format!("{found}: more threads than cores are not faster"), change)
            .page(PAGE)
    }

    fn judge_overcommit(&self) -> Option<Finding> {
        let mode = self.overcommit?;
        let found = format!("vm.overcommit_memory is {mode}");
        Some(match mode {
            1 => Finding::ok("overcommit", found),
            _ => Finding::warning(
                "overcommit",
                format!("{found}: Redis may be unable to rewrite its append-only file when memory is short"),
                "sysctl -w vm.overcommit_memory=1",
            )
            .page(PAGE),
        })
    }

    fn judge_huge_pages(&self, disabled: bool) -> Option<Finding> {
        let mode = self.huge_pages.as_deref()?;
        let found = format!("transparent huge pages are {mode}");
        Some(match mode {
            "always" if !disabled => Finding::warning(
                "huge pages",
                format!("{found}: Redis uses more memory and pauses while it rewrites its append-only file"),
                "echo madvise > /sys/kernel/mm/transparent_hugepage/enabled, or disable-thp yes in redis.conf",
            )
            .page(PAGE),
            "always" => Finding::ok("huge pages", format!("{found}, but Redis turns them off for itself")),
            _ => Finding::ok("huge pages", found),
        })
    }
}

fn unknown(subject: &'static str, what: &str) -> Finding {
    Finding::note(subject, format!("{what}: not checked, this system does not say"))
}

/// Reads the soft limit of open files from `/proc/self/limits`.
fn descriptors(limits: &str) -> Option<u64> {
    let line = limits.lines().find_map(|line| line.strip_prefix("Max open files"))?;
    match line.split_whitespace().next()? {
        "unlimited" => Some(u64::MAX),
        number => number.parse().ok(),
    }
}

/// Returns the selected word of `always [madvise] never`.
fn selected(modes: &str) -> Option<String> {
    let (_, rest) = modes.split_once('[')?;
    Some(rest.split_once(']')?.0.to_owned())
}

#[cfg(test)]
mod tests {
    use super::super::finding::Level;
    use super::*;

    const MIB: u64 = 1 << 20;

    fn machine() -> Machine {
        Machine {
            descriptors: Some(4096),
            listen_queue: Some(4096),
            receive_buffer: Some(6 * MIB),
            send_buffer: Some(4 * MIB),
            overcommit: Some(1),
            huge_pages: Some("madvise".to_owned()),
            cores: 4,
            total_memory: 8192 * MIB,
            available_memory: 4096 * MIB,
        }
    }

    fn wanted() -> Wanted {
        Wanted {
            connections: Some(1024),
            embedded_memory: Some(2048 * MIB),
            worker_threads: Some(4),
            redis_is_local: true,
        }
    }

    #[test]
    fn a_good_machine_has_nothing_to_change() {
        let findings = machine().judge(wanted(), false);
        assert!(findings.len() == 7 && findings.iter().all(|one| one.level == Level::Ok), "{findings:?}");
    }

    #[test]
    fn each_shortage_is_found_and_says_what_to_change() {
        type Change = fn(&mut Machine);
        let table: [(Change, &str, Level, &str); 10] = [
            (|m| m.descriptors = Some(1024), "descriptors", Level::Warning, "LimitNOFILE=1088"),
            (|m| m.descriptors = None, "descriptors", Level::Note, "not checked"),
            (|m| m.listen_queue = Some(128), "listen queue", Level::Warning, "net.core.somaxconn=1024"),
            (|m| m.send_buffer = Some(65_536), "socket buffers", Level::Warning, "tcp_wmem"),
            (|m| m.available_memory = 100 * MIB, "memory", Level::Warning, "--memory-budget 78643200"),
            (
                |m| (m.total_memory, m.available_memory) = (MIB, MIB),
                "memory",
                Level::Error,
                "kills the server",
            ),
            (|m| m.cores = 2, "cores", Level::Warning, "--worker-threads 2"),
            (|m| m.overcommit = Some(0), "overcommit", Level::Warning, "vm.overcommit_memory=1"),
            (|m| m.huge_pages = Some("always".to_owned()), "huge pages", Level::Warning, "madvise"),
            (|m| m.huge_pages = Some("never".to_owned()), "huge pages", Level::Ok, "never"),
        ];
        for (change, subject, level, says) in table {
            let mut machine = machine();
            change(&mut machine);
            let findings = machine.judge(wanted(), false);
            let finding = findings.iter().find(|one| one.subject == subject).unwrap();
            assert_eq!(finding.level, level, "{finding:?}");
            assert!(format!("{finding:?}").contains(says), "{finding:?}");
        }
        let machine = Machine { huge_pages: Some("always".to_owned()), ..machine() };
        assert!(machine.judge(wanted(), true).iter().all(|one| one.level == Level::Ok));
    }

    #[test]
    fn only_what_the_settings_use_is_judged() {
        let worker = Wanted { connections: None, embedded_memory: None, redis_is_local: false, ..wanted() };
        let subjects: Vec<_> = machine().judge(worker, false).iter().map(|one| one.subject).collect();
        assert_eq!(subjects, ["memory", "cores"]);
    }

    #[test]
    fn the_texts_of_the_system_are_read() {
        let limits = "Limit                     Soft Limit           Hard Limit           Units     \n\
            Max open files            1024                 524288               files     \n";
        assert_eq!(descriptors(limits), Some(1024));
        assert_eq!(descriptors("Max open files            unlimited            unlimited\n"), Some(u64::MAX));
        assert_eq!(descriptors(""), None);
        assert_eq!(selected("always [madvise] never\n").as_deref(), Some("madvise"));
        assert_eq!(selected("no brackets"), None);
    }
}
