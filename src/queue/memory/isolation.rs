//! Remembers which frames may have crashed a worker. A worker of this backend only crashes with the
//! whole process, or in a test.

use std::collections::BTreeSet;

use async_trait::async_trait;

use super::MemoryQueue;
use super::state::{Now, Partition};
use crate::domain::limits::MAX_STRIKES;
use crate::queue::{CrashIsolation, Lease, Result, WorkPosition};

/// A partition's memory of crashed workers.
#[derive(Debug, Default)]
pub(super) struct CrashSuspects {
    /// A holder ended without releasing its lease, and no successor has taken over yet.
    pub(super) unclean: bool,
    /// The frame that was isolated last, and the id of the process that isolated it.
    isolated: Option<(WorkPosition, u64)>,
    /// The frame that has strikes, and their number.
    struck: Option<(WorkPosition, u32)>,
    /// The positions of the frames that must be isolated.
    isolate: BTreeSet<WorkPosition>,
}

impl Partition {
    fn take_over(
        &mut self,
        lease: &Lease,
        process_id: u64,
        oldest: usize,
        now: Now,
    ) -> Result<Vec<WorkPosition>> {
        self.lease.check(lease, now.instant)?;
        let suspects = &mut self.suspects;
        if std::mem::take(&mut suspects.unclean) {
            if let Some((position, isolated_by)) = suspects.isolated.take()
                && isolated_by != process_id
                && self.work.get(position).is_some()
            {
                let before = suspects.struck.filter(|(struck, _)| *struck == position);
                suspects.struck = Some((position, before.map_or(0, |(_, strikes)| strikes) + 1));
            }
            let first = self.work.following(WorkPosition::default()).take(oldest.max(1));
            let taken = self.control.taken().filter(|position| self.work.get(*position).is_some());
            suspects.isolate = first.map(|item| item.position).chain(taken).collect();
        }
        Ok(suspects.isolate.iter().copied().collect())
    }

    fn begin_isolated(
        &mut self,
        lease: &Lease,
        position: WorkPosition,
        process_id: u64,
        now: Now,
    ) -> Result<u32> {
        self.lease.check(lease, now.instant)?;
        let struck = self.suspects.struck.filter(|(struck, _)| *struck == position);
        let strikes = struck.map_or(0, |(_, strikes)| strikes);
        if strikes < MAX_STRIKES {
            self.suspects.isolated = Some((position, process_id));
        }
        Ok(strikes)
    }
}

#[async_trait]
impl CrashIsolation for MemoryQueue {
    async fn take_over(&self, lease: &Lease, process_id: u64, oldest: usize) -> Result<Vec<WorkPosition>> {
        let now = Now::read();
        self.state().partition(lease.partition, now).take_over(lease, process_id, oldest, now)
    }

    async fn begin_isolated(&self, lease: &Lease, position: WorkPosition, process_id: u64) -> Result<u32> {
        let now = Now::read();
        self.state().partition(lease.partition, now).begin_isolated(lease, position, process_id, now)
    }
}
