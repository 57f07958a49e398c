use redis::Value;

use super::copy::{Copied, PAGE, add_entry};
use super::ends::Ends;
use super::error::{MoveError, Moved};
use super::merge::{Merged, stream_of};
use super::plan::Plan;
use crate::domain::{PartitionId, PayloadRef};
use crate::queue::Result;
use crate::queue::redis::{dead_entry, reply};

/// Checks that no two dead letters of partitions that become one have the same id.
pub(super) async fn check_letters(ends: &Ends, partitions: impl Iterator<Item = PartitionId>) -> Moved<()> {
    let mut letters =
        Merged::new(&ends.source, partitions.map(|one| (one, ends.source.names.keys(one).dead())));
    let mut last = None;
    while let Some((second, (id, _))) = letters.next().await? {
        if let Some((first, before)) = last
            && before == id
        {
            return Err(MoveError::Letters { first, second, id: format!("{}-{}", id.0, id.1) });
        }
        last = Some((second, id));
    }
    Ok(())
}

impl Ends {
    /// Copies the dead letters of a partition of the target, under their ids.
    pub(super) async fn copy_letters(&self, partition: PartitionId, plan: &Plan) -> Result<Copied> {
        let keys = self.target.names.keys(partition);
        self.remove(&[keys.dead(), keys.dead_replays()]).await?;
        let sources = plan.sources(partition).map(|source| source.partition);
        let sources = sources.map(|one| (one, self.source.names.keys(one).dead()));
        let mut letters = Merged::new(&self.source, sources);
        let (mut copied, mut page) = (Copied::default(), Vec::new());
        loop {
            let next = letters.next().await?;
            let is_last = next.is_none();
            if let Some((from, (id, fields))) = next
                && self.target.config.partitions.of(&stream_of(&fields)?) == partition
            {
                copied.add(fields.number("n")?);
                page.push((from, id, fields));
            }
            if is_last || page.len() == PAGE {
                self.write_letters(partition, &page).await?;
                page.clear();
            }
            if is_last {
                return Ok(copied);
            }
        }
    }

    async fn write_letters(
        &self,
        partition: PartitionId,
        letters: &[(PartitionId, (u64, u64), reply::Fields)],
    ) -> Result<()> {
        let keys = self.target.names.keys(partition);
        let (mut write, mut marks) = (redis::pipe(), redis::pipe());
        for (from, id, fields) in letters {
            if let Some(key) = dead_entry::payload_key(fields)? {
                let picture = PayloadRef { key, size_bytes: fields.number("n")? };
                self.copy_payloads(*from, partition, &[picture]).await?;
            }
            add_entry(&mut write, &keys.dead(), *id, fields);
            marks.cmd("HGET").arg(self.source.names.keys(*from).dead_replays());
            marks.arg(format!("{}-{}", id.0, id.1));
        }
        if letters.is_empty() {
            return Ok(());
        }
        let marks = self.source.all(&self.source.control, &marks).await?;
        for ((_, id, _), mark) in letters.iter().zip(marks) {
            if let Value::BulkString(mark) = mark {
                write.cmd("HSET").arg(keys.dead_replays()).arg(format!("{}-{}", id.0, id.1)).arg(mark);
            }
        }
        self.write(&write).await
    }
}
