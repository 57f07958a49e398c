//! Remembers which frames may have crashed a worker.

use async_trait::async_trait;
use redis::Value;

use super::lease::fence;
use super::scripts::Call;
use super::{RedisQueue, reply};
use crate::domain::limits::MAX_STRIKES;
use crate::queue::{CrashIsolation, Error, Lease, Result, WorkPosition};

#[async_trait]
impl CrashIsolation for RedisQueue {
    async fn take_over(&self, lease: &Lease, process_id: u64, oldest: usize) -> Result<Vec<WorkPosition>> {
        let keys = self.names.keys(lease.partition);
        let mut call = Call::default();
        call.key(keys.lease()).key(keys.work()).key(keys.suspects()).key(keys.counts());
        call.arg(fence(lease)).number(process_id).number(oldest.max(1) as u64);
        let places = reply::text(self.scripts.take_over.run(&self.control, &call).await?)?;
        let places = places.ok_or(Error::LeaseLost)?;
        let position = |place| reply::place(place).map(|(a, b)| WorkPosition(a, b));
        places.split_ascii_whitespace().map(position).collect()
    }

    async fn begin_isolated(&self, lease: &Lease, position: WorkPosition, process_id: u64) -> Result<u32> {
        let keys = self.names.keys(lease.partition);
        let mut call = Call::default();
        call.key(keys.lease()).key(keys.suspects());
        call.arg(fence(lease)).arg(format!("{}-{}", position.0, position.1)).number(process_id);
        call.number(u64::from(MAX_STRIKES));
        match self.scripts.begin_isolated.run(&self.control, &call).await? {
            Value::Nil => Err(Error::LeaseLost),
            strikes => Ok(u32::try_from(reply::number(strikes)?).unwrap_or(u32::MAX)),
        }
    }
}
