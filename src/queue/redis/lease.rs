//! Announces workers and manages their leases.

use std::time::Duration;

use redis::Value;

use super::scripts::Call;
use super::{RedisQueue, entry, reply};
use crate::domain::PartitionId;
use crate::queue::{Error, Lease, Result, WorkerReport};

/// Returns the fence and the nonce of a lease as the text that every script compares.
pub(super) fn fence(lease: &Lease) -> String {
    format!("{}:{:016x}", lease.fence, lease.nonce)
}

impl RedisQueue {
    pub(super) async fn announce(&self, worker_id: &str, ttl: Duration) -> Result<usize> {
        let mut call = Call::default();
        call.key(self.names.workers())
            .key(self.names.erasers(&self.names.workers()))
            .arg(worker_id)
            .number(ttl.as_millis() as u64);
        let live = reply::number(self.scripts.announce.run(&self.control, &call).await?)?;
        Ok(usize::try_from(live).unwrap_or(usize::MAX))
    }

    pub(super) async fn forget(&self, worker_id: &str) -> Result<()> {
        self.announce(worker_id, Duration::ZERO).await?;
        for partition in self.config.partitions.all() {
            self.end_lease(partition, "", worker_id).await?;
        }
        Ok(())
    }

    pub(super) async fn acquire(
        &self,
        partition: PartitionId,
        worker_id: &str,
        term: Duration,
    ) -> Result<Option<Lease>> {
        let keys = self.names.keys(partition);
        let nonce: u64 = rand::random();
        let mut call = Call::default();
        call.key(keys.lease()).key(keys.holder()).key(keys.fence()).key(keys.report());
        call.key(keys.suspects());
        call.arg(format!("{nonce:016x}")).arg(worker_id).number(term.as_millis().max(1) as u64);
        match self.scripts.acquire.run(&self.control, &call).await? {
            Value::Nil => Ok(None),
            fence => Ok(Some(Lease { partition, fence: reply::number(fence)?, nonce })),
        }
    }

    pub(super) async fn renew(&self, lease: &Lease, term: Duration, report: &WorkerReport) -> Result<()> {
        let keys = self.names.keys(lease.partition);
        let mut call = Call::default();
        call.key(keys.lease()).key(keys.report());
        call.arg(fence(lease)).number(term.as_millis().max(1) as u64).arg(entry::encode_report(report));
        match reply::number(self.scripts.renew.run(&self.control, &call).await?)? {
            0 => Err(Error::LeaseLost),
            _ => Ok(()),
        }
    }

    pub(super) async fn release(&self, lease: &Lease) -> Result<()> {
        self.end_lease(lease.partition, &fence(lease), "").await
    }

    async fn end_lease(&self, partition: PartitionId, fence: &str, worker_id: &str) -> Result<()> {
        let keys = self.names.keys(partition);
        let mut call = Call::default();
        call.key(keys.lease()).key(keys.holder()).key(keys.report());
        call.arg(fence).arg(worker_id);
        self.scripts.release.run(&self.control, &call).await.map(drop)
    }
}
