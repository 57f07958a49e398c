use redis::Value;

use super::error::{MoveError, Moved, Place};
use super::progress::Progress;
use crate::domain::{Partitions, StoreIdentity};
use crate::queue::Result;
use crate::queue::redis::gate::{Gate, layout_of};
use crate::queue::redis::{RedisConfig, RedisQueue, reply};

/// Follows the layout of a store that is or was moved: no server opens it.
const MOVED: &str = ", moved by frameway admin repartition";
/// The same of a target that is not complete.
const INCOMPLETE: &str = ", being filled by frameway admin repartition";

/// The two stores of a move.
#[derive(Debug)]
pub(super) struct Ends {
    pub(super) source: RedisQueue,
    pub(super) target: RedisQueue,
}

impl Ends {
    /// Opens both stores without changing them.
    pub(super) async fn open(from: RedisConfig, to: RedisConfig) -> Moved<Self> {
        let source = RedisQueue::with_gate(from.clone(), Gate::unchecked)?;
        let layout = layout(&source).await?.ok_or(MoveError::NoStore)?;
        let partitions = partitions_of(&layout).ok_or(MoveError::OtherLayout(layout))?;
        let source = RedisQueue::with_gate(RedisConfig { partitions, ..from }, Gate::unchecked)?;
        let target = RedisQueue::with_gate(to, Gate::unchecked)?;
        Ok(Self { source, target })
    }

    /// Checks that the move can begin or continue, and closes the source.
    pub(super) async fn begin(&self) -> Moved<Progress> {
        self.check_unused().await?;
        let begun = Progress::read(self).await?;
        if layout(&self.target).await?.is_some() && begun.is_none() {
            return Err(MoveError::NotEmpty);
        }
        if begun.is_none() {
            self.target.describe().await?;
            self.check_empty().await?;
        }
        let identity = self.identity().await?;
        let name =
            format!("of {} to {} partitions", identity.cluster_id(), self.target.config.partitions.count());
        if let Some(other) = begun.as_ref().filter(|begun| begun.name != name) {
            return Err(MoveError::OtherMove(other.name.clone()));
        }
        let mut close = redis::cmd("SET");
        let closed = format!("{}{MOVED}", layout_of(self.source.config.partitions));
        close.arg(self.source.names.layout()).arg(closed);
        self.source.control.command(&close).await?;
        // A server may have started since the first look.
        self.check_unused().await?;
        let state = self.state_of_source().await?;
        let progress = match begun {
            Some(begun) if begun.state == state => begun,
            Some(_) => return Err(MoveError::Changed),
            None => Progress::begin(self, name, state).await?,
        };
        let mut close = redis::cmd("SET");
        let closed = format!("{}{INCOMPLETE}", layout_of(self.target.config.partitions));
        close.arg(self.target.names.layout()).arg(closed);
        self.target.control.command(&close).await?;
        Ok(progress)
    }

    /// Makes the target a store that servers open.
    pub(super) async fn complete(&self, progress: &Progress) -> Moved<()> {
        self.check_unused().await?;
        if self.state_of_source().await? != progress.state {
            return Err(MoveError::Changed);
        }
        for (from, to) in [
            (self.source.names.store(), self.target.names.store()),
            (self.source.names.ack_key(), self.target.names.ack_key()),
            (self.source.names.erasures(), self.target.names.erasures()),
        ] {
            self.copy_string(&from, &to).await?;
        }
        let mut open = redis::cmd("SET");
        open.arg(self.target.names.layout()).arg(layout_of(self.target.config.partitions));
        self.target.control.command(&open).await?;
        progress.end(self).await
    }

    async fn check_unused(&self) -> Moved<()> {
        for (place, queue) in [(Place::Source, &self.source), (Place::Target, &self.target)] {
            let mut who = Vec::new();
            for (kind, key) in [("server", queue.names.servers()), ("worker", queue.names.workers())] {
                who.extend(present(queue, &key).await?.into_iter().map(|name| format!("{kind} {name}")));
            }
            if !who.is_empty() {
                return Err(MoveError::InUse { place, who: who.join(", ") });
            }
        }
        Ok(())
    }

    async fn check_empty(&self) -> Moved<()> {
        let names = &self.target.names;
        let mut look = redis::pipe();
        look.cmd("EXISTS").arg(names.store()).cmd("EXISTS").arg(names.groups());
        for partition in self.target.config.partitions.all() {
            look.cmd("EXISTS").arg(names.keys(partition).counts());
        }
        for answer in self.target.all(&self.target.control, &look).await? {
            if reply::number(answer)? > 0 {
                return Err(MoveError::NotEmpty);
            }
        }
        Ok(())
    }

    /// Returns the identity of the source. One that was laid out by a version without identities gets
    /// one.
    async fn identity(&self) -> Result<StoreIdentity> {
        self.source.identify().await
    }

    /// Returns a digest of what every use of the source changes.
    async fn state_of_source(&self) -> Result<String> {
        let source = &self.source;
        let mut read = redis::pipe();
        for partition in source.config.partitions.all() {
            read.cmd("HMGET").arg(source.names.keys(partition).counts());
            read.arg("accepted")
                .arg("feed")
                .arg("epoch")
                .arg("dead_letters")
                .arg("work_frames")
                .arg("dead_frames");
        }
        for id in self.groups().await? {
            read.cmd("HMGET").arg(source.names.group(&id).about());
            read.arg("revision").arg("generation").arg("acknowledged").arg("redelivered").arg("clock");
        }
        let mut text = String::new();
        for answer in source.all(&source.control, &read).await? {
            for field in reply::array(answer)? {
                text.push_str(&reply::text(field)?.unwrap_or_default());
                text.push(' ');
            }
        }
        Ok(blake3::hash(text.as_bytes()).to_hex().to_string())
    }
}

async fn layout(queue: &RedisQueue) -> Result<Option<String>> {
    let mut get = redis::cmd("GET");
    get.arg(queue.names.layout());
    reply::text(queue.control.command(&get).await?)
}

/// Reads the number of partitions of a layout, whether the store was moved or not.
fn partitions_of(layout: &str) -> Option<Partitions> {
    let layout = layout.strip_suffix(MOVED).unwrap_or(layout);
    (0..=10).filter_map(|power| Partitions::new(1 << power).ok()).find(|&one| layout_of(one) == layout)
}

/// Returns those on a list of live processes that have not expired, by the clock of Redis.
async fn present(queue: &RedisQueue, key: &str) -> Result<Vec<String>> {
    let mut clock = reply::array(queue.control.command(&redis::cmd("TIME")).await?)?.into_iter();
    let mut next = || reply::number(clock.next().unwrap_or(Value::Nil));
    let now_ms = next()? * 1_000 + next()? / 1_000;
    let mut read = redis::cmd("ZRANGE");
    read.arg(key).arg(format!("({now_ms}")).arg("+inf").arg("BYSCORE");
    let listed = reply::array(queue.control.command(&read).await?)?;
    listed.into_iter().filter_map(|name| reply::text(name).transpose()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_partitions_of_a_moved_store_are_read() {
        let eight = Partitions::new(8).unwrap();
        assert_eq!(partitions_of(&layout_of(eight)), Some(eight));
        assert_eq!(partitions_of(&format!("{}{MOVED}", layout_of(eight))), Some(eight));
        assert_eq!(partitions_of("frameway 1, xxh3_64, 8 partitions"), None);
    }
}
