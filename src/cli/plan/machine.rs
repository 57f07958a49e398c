//! Measures this machine: processors, memory and disk.

use std::path::Path;

use sysinfo::{Disks, MemoryRefreshKind, RefreshKind, System};

use crate::bench::quick::cores;

/// The processors, the memory and the disk of a machine.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Machine {
    pub(super) cores: u64,
    /// Bytes; of the container, if it has a limit.
    pub(super) memory_bytes: u64,
    /// The free bytes of the disk that has the current folder; `None` = not known.
    pub(super) disk_bytes: Option<u64>,
}

impl Machine {
    /// Asks the system.
    pub(super) fn read() -> Self {
        let memory = RefreshKind::nothing().with_memory(MemoryRefreshKind::nothing().with_ram());
        let system = System::new_with_specifics(memory);
        let limit = system.cgroup_limits().map_or(u64::MAX, |container| container.total_memory);
        let folder = std::env::current_dir().ok();
        Self {
            cores: cores() as u64,
            memory_bytes: system.total_memory().min(limit),
            disk_bytes: folder.and_then(|folder| free(&folder)),
        }
    }
}

/// Returns the free bytes of the disk that a folder is on.
fn free(folder: &Path) -> Option<u64> {
    let disks = Disks::new_with_refreshed_list();
    let holds = disks.list().iter().filter(|disk| folder.starts_with(disk.mount_point()));
    let nearest = holds.max_by_key(|disk| disk.mount_point().components().count())?;
    Some(nearest.available_space())
}
