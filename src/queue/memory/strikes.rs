//! Which frames may have killed a worker. Here a worker dies only with everything else, or as a test has it.

use async_trait::async_trait;

use super::MemoryQueue;
use super::state::{Now, Partition};
use crate::domain::limits::MAX_STRIKES;
use crate::queue::{Lease, Result, Strikes, WorkPosition};

/// What a partition remembers.
#[derive(Debug, Default)]
pub(super) struct Suspects {
    /// A holder has gone without giving its lease back, and nobody has looked at what it left.
    pub(super) unclean: bool,
    /// Which frame is, or was last, run alone, and in whose life.
    alone: Option<(WorkPosition, u64)>,
    /// Which frame has strikes, and how many.
    struck: Option<(WorkPosition, u32)>,
    until: Option<WorkPosition>,
}

impl Partition {
    fn inherit(
        &mut self,
        lease: &Lease,
        life: u64,
        in_flight: usize,
        now: Now,
    ) -> Result<Option<WorkPosition>> {
        self.lease.check(lease, now.instant)?;
        let suspects = &mut self.suspects;
        if std::mem::take(&mut suspects.unclean) {
            if let Some((position, of)) = suspects.alone.take()
                && of != life
                && self.work.get(position).is_some()
            {
                let before = suspects.struck.filter(|(struck, _)| *struck == position);
                suspects.struck = Some((position, before.map_or(0, |(_, strikes)| strikes) + 1));
            }
            suspects.until = self
                .work
                .behind(WorkPosition::default())
                .take(in_flight.max(1))
                .last()
                .map(|item| item.position);
        }
        Ok(suspects.until)
    }

    fn begin_alone(&mut self, lease: &Lease, position: WorkPosition, life: u64, now: Now) -> Result<u32> {
        self.lease.check(lease, now.instant)?;
        let struck = self.suspects.struck.filter(|(struck, _)| *struck == position);
        let strikes = struck.map_or(0, |(_, strikes)| strikes);
        if strikes < MAX_STRIKES {
            self.suspects.alone = Some((position, life));
        }
        Ok(strikes)
    }
}

#[async_trait]
impl Strikes for MemoryQueue {
    async fn inherit(&self, lease: &Lease, life: u64, in_flight: usize) -> Result<Option<WorkPosition>> {
        let now = Now::read();
        self.state().partition(lease.partition, now).inherit(lease, life, in_flight, now)
    }

    async fn begin_alone(&self, lease: &Lease, position: WorkPosition, life: u64) -> Result<u32> {
        let now = Now::read();
        self.state().partition(lease.partition, now).begin_alone(lease, position, life, now)
    }
}
