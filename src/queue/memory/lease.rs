use std::time::Duration;

use tokio::time::Instant;

use super::payloads::later;
use super::state::{Now, Partition, State};
use crate::queue::{Error, Lease, LeaseHolder, Result, WorkerReport};

/// The lease of a partition.
#[derive(Debug, Default)]
pub(super) struct LeaseSlot {
    /// The fence of the last lease; 0 = none yet.
    fence: u64,
    holder: Option<Holder>,
}

#[derive(Debug)]
struct Holder {
    worker_id: String,
    nonce: u64,
    until: Instant,
    report: WorkerReport,
}

impl LeaseSlot {
    fn holder(&self, now: Instant) -> Option<&Holder> {
        self.holder.as_ref().filter(|holder| now < holder.until)
    }

    pub(super) fn report(&self, now: Instant) -> Option<WorkerReport> {
        self.holder(now).map(|holder| holder.report.clone())
    }

    pub(super) fn held_by(&self, now: Instant) -> Option<LeaseHolder> {
        self.holder(now).map(|holder| LeaseHolder {
            worker_id: holder.worker_id.clone(),
            expires_in: holder.until.saturating_duration_since(now),
        })
    }

    fn matches(&self, lease: &Lease, holder: &Holder) -> bool {
        self.fence == lease.fence && holder.nonce == lease.nonce
    }

    /// Checks the fence, as every operation of a lease holder does first.
    pub(super) fn check(&self, lease: &Lease, now: Instant) -> Result<()> {
        let held = self.holder(now).is_some_and(|holder| self.matches(lease, holder));
        if held { Ok(()) } else { Err(Error::LeaseLost) }
    }
}

impl Partition {
    pub(super) fn acquire_lease(
        &mut self,
        worker_id: &str,
        nonce: u64,
        term: Duration,
        now: Now,
    ) -> Option<Lease> {
        if self.lease.holder(now.instant).is_some_and(|holder| holder.worker_id != worker_id) {
            return None;
        }
        // A holder is removed when it releases its lease: one that is still stored did not release
        // it.
        self.suspects.unclean |= self.lease.holder.is_some();
        self.lease.fence += 1;
        let report = WorkerReport { worker_id: worker_id.to_owned(), ..WorkerReport::default() };
        let until = later(now.instant, term);
        self.lease.holder = Some(Holder { worker_id: worker_id.to_owned(), nonce, until, report });
        Some(Lease { partition: self.id, fence: self.lease.fence, nonce })
    }

    pub(super) fn renew_lease(
        &mut self,
        lease: &Lease,
        term: Duration,
        report: &WorkerReport,
        now: Now,
    ) -> Result<()> {
        self.lease.check(lease, now.instant)?;
        if let Some(holder) = &mut self.lease.holder {
            holder.until = later(now.instant, term);
            holder.report = report.clone();
        }
        Ok(())
    }

    pub(super) fn release_lease(&mut self, lease: &Lease) {
        if self.lease.holder.as_ref().is_some_and(|holder| self.lease.matches(lease, holder)) {
            self.lease.holder = None;
        }
    }
}

impl State {
    pub(super) fn announce_worker(&mut self, worker_id: &str, ttl: Duration, now: Now) -> usize {
        self.workers.retain(|_, until| now.instant < *until);
        self.workers.insert(worker_id.to_owned(), later(now.instant, ttl));
        self.workers.len()
    }

    pub(super) fn forget_worker(&mut self, worker_id: &str) {
        self.workers.remove(worker_id);
        for partition in self.all_partitions_mut() {
            if partition.lease.holder.as_ref().is_some_and(|holder| holder.worker_id == worker_id) {
                partition.lease.holder = None;
                partition.suspects.unclean = true;
            }
        }
    }
}
