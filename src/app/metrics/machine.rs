//! Reads what the operating system knows of this process.

use sysinfo::{ProcessRefreshKind, ProcessesToUpdate, System};
use tokio::runtime::Handle;

use crate::metrics::ProcessMetrics;

/// The figures of this process; `None` where the system does not tell.
#[derive(Debug, Default)]
struct Figures {
    resident_bytes: Option<u64>,
    open_descriptors: Option<usize>,
    max_descriptors: Option<usize>,
    threads: Option<usize>,
    cpu_ms: Option<u64>,
    start_seconds: Option<u64>,
}

/// Sets the figures of this process.
pub(super) async fn read(metrics: &ProcessMetrics) {
    let figures = tokio::task::spawn_blocking(figures).await.unwrap_or_default();
    let Figures { resident_bytes, open_descriptors, max_descriptors, threads, cpu_ms, start_seconds } =
        figures;
    metrics.resident_bytes.set(resident_bytes.map(|bytes| bytes as f64));
    metrics.open_descriptors.set(open_descriptors.map(|count| count as f64));
    metrics.max_descriptors.set(max_descriptors.map(|count| count as f64));
    metrics.threads.set(threads.map(|count| count as f64));
    metrics.cpu_seconds.set(cpu_ms.map(|ms| ms as f64 / 1_000.0));
    metrics.start_time.set(start_seconds.map(|seconds| seconds as f64));
    metrics.tasks.set(Some(Handle::current().metrics().num_alive_tasks() as f64));
}

fn figures() -> Figures {
    let Ok(id) = sysinfo::get_current_pid() else { return Figures::default() };
    let mut system = System::new();
    let kinds = ProcessRefreshKind::nothing().with_memory().with_cpu().with_tasks();
    system.refresh_processes_specifics(ProcessesToUpdate::Some(&[id]), false, kinds);
    let Some(process) = system.process(id) else { return Figures::default() };
    Figures {
        resident_bytes: Some(process.memory()),
        open_descriptors: process.open_files(),
        max_descriptors: process.open_files_limit(),
        threads: process.tasks().map(std::collections::HashSet::len),
        cpu_ms: Some(process.accumulated_cpu_time()),
        start_seconds: Some(process.start_time()),
    }
}
