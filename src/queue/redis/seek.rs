use std::sync::Arc;

use async_trait::async_trait;
use redis::Value;

use super::RedisQueue;
use super::output::output_entries;
use super::scripts::Call;
use crate::domain::{OutputEntry, StreamId, Timestamp};
use crate::queue::{Result, Seek};

#[async_trait]
impl Seek for RedisQueue {
    async fn first_at(&self, stream: &StreamId, time: Timestamp) -> Result<Option<Arc<OutputEntry>>> {
        let keys = self.keys(stream);
        let mut call = Call::default();
        call.key(keys.output(stream)).arg(time.as_micros().to_string());
        match self.scripts.first_at.run(self.reader(keys.0), &call).await? {
            Value::Nil => Ok(None),
            found => Ok(output_entries(keys.0, stream, found)?.into_iter().next()),
        }
    }
}
