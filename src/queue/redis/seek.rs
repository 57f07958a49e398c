use std::sync::Arc;

use async_trait::async_trait;
use redis::Value;

use super::output::{output_entries, parse_ranges};
use super::scripts::Call;
use super::{RedisQueue, reply};
use crate::domain::{OutputEntry, Sequence, StreamId, Timestamp};
use crate::queue::{FoundAt, Result, Seek};

#[async_trait]
impl Seek for RedisQueue {
    async fn first_at(&self, stream: &StreamId, time: Timestamp) -> Result<FoundAt> {
        let keys = self.keys(stream);
        let mut call = Call::default();
        call.key(keys.output(stream)).key(keys.stream(stream)).arg(time.as_micros().to_string());
        let answer = self.scripts.first_at.run(self.reader(keys.partition()), &call).await?;
        let mut answers = reply::array(answer)?.into_iter();
        let mut next = || answers.next().unwrap_or(Value::Nil);
        let time =
            |value| reply::number(value).map(|micros| Some(micros).filter(|&at| at > 0).map(reply::moment));
        let (entry, trimmed_until, oldest) = (next(), time(next())?, time(next())?);
        let erased = parse_ranges(&reply::text(next())?.unwrap_or_default())?;
        let entry = output_entries(keys.partition(), stream, entry, &erased)?.into_iter().next();
        Ok(FoundAt { entry, trimmed_until, oldest })
    }

    async fn outputs_before(
        &self,
        stream: &StreamId,
        before: Sequence,
        limit: usize,
    ) -> Result<Vec<Arc<OutputEntry>>> {
        self.entries_before(self.keys(stream), stream, &format!("({before}-0"), limit).await
    }
}
