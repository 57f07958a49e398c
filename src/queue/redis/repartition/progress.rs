use std::collections::HashMap;

use super::ends::Ends;
use super::error::Moved;
use crate::domain::{GroupId, PartitionId, StreamId};
use crate::queue::Result;
use crate::queue::redis::reply;

/// The progress of a move, as the target keeps it: a hash with `name`, `state`, and for each part the last
/// thing of it that is complete.
#[derive(Debug)]
pub(super) struct Progress {
    /// Which store is moved, and to how many partitions.
    pub(super) name: String,
    /// The state that the source had when the move began.
    pub(super) state: String,
    done: HashMap<String, String>,
}

impl Progress {
    pub(super) async fn read(ends: &Ends) -> Moved<Option<Self>> {
        let mut read = redis::cmd("HGETALL");
        read.arg(ends.target.names.repartition());
        let fields = reply::Fields::read(ends.target.control.command(&read).await?)?;
        if fields.is_empty() {
            return Ok(None);
        }
        let mut done = HashMap::new();
        for name in fields.names() {
            done.insert(name.to_owned(), fields.text(name)?.to_owned());
        }
        let mut take = |name: &str| done.remove(name).unwrap_or_default();
        Ok(Some(Self { name: take("name"), state: take("state"), done }))
    }

    pub(super) async fn begin(ends: &Ends, name: String, state: String) -> Moved<Self> {
        let mut write = redis::cmd("HSET");
        write.arg(ends.target.names.repartition()).arg("name").arg(&name).arg("state").arg(&state);
        ends.target.control.command(&write).await?;
        Ok(Self { name, state, done: HashMap::new() })
    }

    pub(super) async fn end(&self, ends: &Ends) -> Moved<()> {
        let mut remove = redis::cmd("UNLINK");
        remove.arg(ends.target.names.repartition());
        ends.target.control.command(&remove).await?;
        Ok(())
    }

    /// Reports whether a stream of this partition of the source is copied: they are copied in order.
    pub(super) fn has_stream(&self, partition: PartitionId, stream: &StreamId) -> bool {
        self.done.get(&format!("source {partition}")).is_some_and(|last| stream.as_str() <= last.as_str())
    }

    pub(super) fn has_partition(&self, partition: PartitionId) -> bool {
        self.done.contains_key(&format!("target {partition}"))
    }

    /// Reports whether a group is copied: they are copied in order.
    pub(super) fn has_group(&self, group: &GroupId) -> bool {
        self.done.get("groups").is_some_and(|last| group.as_str() <= last.as_str())
    }

    pub(super) async fn stream_done(
        &mut self,
        ends: &Ends,
        partition: PartitionId,
        stream: &StreamId,
    ) -> Result<()> {
        self.note(ends, format!("source {partition}"), stream.to_string()).await
    }

    pub(super) async fn partition_done(&mut self, ends: &Ends, partition: PartitionId) -> Result<()> {
        self.note(ends, format!("target {partition}"), "1".to_owned()).await
    }

    pub(super) async fn group_done(&mut self, ends: &Ends, group: &GroupId) -> Result<()> {
        self.note(ends, "groups".to_owned(), group.to_string()).await
    }

    async fn note(&mut self, ends: &Ends, part: String, last: String) -> Result<()> {
        let mut write = redis::cmd("HSET");
        write.arg(ends.target.names.repartition()).arg(&part).arg(&last);
        ends.target.control.command(&write).await?;
        self.done.insert(part, last);
        Ok(())
    }
}
