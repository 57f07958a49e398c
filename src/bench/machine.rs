//! The machine that was measured.

use serde_json::{Value, json};
use sysinfo::{CpuRefreshKind, MemoryRefreshKind, RefreshKind, System};

/// Returns the number of cores that programs may use.
pub(super) fn cores() -> usize {
    std::thread::available_parallelism().map_or(1, std::num::NonZero::get)
}

/// Describes the machine and the version of Frameway.
pub(super) fn describe() -> Value {
    let kinds = RefreshKind::nothing()
        .with_cpu(CpuRefreshKind::nothing())
        .with_memory(MemoryRefreshKind::nothing().with_ram());
    let system = System::new_with_specifics(kinds);
    let cpu = system.cpus().first().map_or_else(String::new, |cpu| cpu.brand().trim().to_owned());
    json!({
        "cpu": cpu,
        "cores": cores(),
        "arch": System::cpu_arch(),
        "os": System::long_os_version(),
        "kernel": System::kernel_version(),
        "memory_bytes": system.total_memory(),
        "frameway": env!("CARGO_PKG_VERSION"),
        "build": if cfg!(debug_assertions) { "debug" } else { "release" },
    })
}
