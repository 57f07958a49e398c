//! Which frames may have killed a worker.

use async_trait::async_trait;
use redis::Value;

use super::keys::Keys;
use super::lease::fence;
use super::scripts::Call;
use super::{RedisQueue, reply};
use crate::domain::limits::MAX_STRIKES;
use crate::queue::{Error, Lease, Result, Strikes, WorkPosition};

#[async_trait]
impl Strikes for RedisQueue {
    async fn inherit(&self, lease: &Lease, life: u64, in_flight: usize) -> Result<Option<WorkPosition>> {
        let keys = Keys(lease.partition);
        let mut call = Call::default();
        call.key(keys.lease()).key(keys.work()).key(keys.suspects());
        call.arg(fence(lease)).number(life).number(in_flight.max(1) as u64);
        let place =
            reply::text(self.scripts.inherit.run(&self.control, &call).await?)?.ok_or(Error::LeaseLost)?;
        if place.is_empty() {
            return Ok(None);
        }
        let (a, b) = reply::place(&place)?;
        Ok(Some(WorkPosition(a, b)))
    }

    async fn begin_alone(&self, lease: &Lease, position: WorkPosition, life: u64) -> Result<u32> {
        let keys = Keys(lease.partition);
        let mut call = Call::default();
        call.key(keys.lease()).key(keys.suspects());
        call.arg(fence(lease)).arg(format!("{}-{}", position.0, position.1)).number(life);
        call.number(u64::from(MAX_STRIKES));
        match self.scripts.begin_alone.run(&self.control, &call).await? {
            Value::Nil => Err(Error::LeaseLost),
            strikes => Ok(u32::try_from(reply::number(strikes)?).unwrap_or(u32::MAX)),
        }
    }
}
