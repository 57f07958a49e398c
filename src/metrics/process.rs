//! The operating system's figures of the process.

use super::families::{Families, Reading, Readings, Total};

/// The figures of the process at a scrape.
#[derive(Debug, Clone)]
pub struct ProcessMetrics {
    /// Resident memory.
    pub resident_bytes: Reading,
    /// Open file descriptors.
    pub open_descriptors: Reading,
    /// The maximum number of file descriptors.
    pub max_descriptors: Reading,
    /// Threads of the process.
    pub threads: Reading,
    /// Tasks of the asynchronous runtime.
    pub tasks: Reading,
    /// The time of all processors that the process has used.
    pub cpu_seconds: Total,
    /// The time at which it started.
    pub start_time: Reading,
    build: Readings,
}

impl Default for ProcessMetrics {
    fn default() -> Self {
        Self::new(&mut Families::unexported())
    }
}

impl ProcessMetrics {
    pub(super) fn new(families: &mut Families) -> Self {
        let metrics = Self {
            resident_bytes: families.reading((
                "process_resident_memory_bytes",
                "Resident memory of the process",
                "Compare with the limit of its container. With the embedded queue, it contains all kept frames.",
            )),
            open_descriptors: families.reading((
                "process_open_descriptors",
                "Open file descriptors of the process",
                "Each connection takes one.",
            )),
            max_descriptors: families.reading((
                "process_max_descriptors",
                "Maximum number of file descriptors of the process",
                "Raise it (`ulimit -n`, `LimitNOFILE`) if the open ones come near.",
            )),
            threads: families.reading((
                "process_threads",
                "Threads of the process",
                "Constant while it runs; blocking work adds some for a time.",
            )),
            tasks: families.reading((
                "process_tasks",
                "Tasks of the asynchronous runtime that are alive",
                "Follows the number of connections and calls. A steady rise without them is a fault: report it.",
            )),
            cpu_seconds: families.total((
                "process_cpu_seconds",
                "Processor time that the process has used",
                "The rate is the number of busy cores.",
            )),
            start_time: families.reading((
                "process_start_time_timestamp_seconds",
                "Time at which the process started, seconds since the Unix epoch",
                "A change is a restart.",
            )),
            build: families.readings(
                ("version", "the version of the program"),
                ("build_info", "1, with the version of the program", "Shows which versions run beside each other."),
            ),
        };
        metrics.build.set(env!("CARGO_PKG_VERSION"), 1.0);
        metrics
    }
}
