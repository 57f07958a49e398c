//! Copies keys of each type from the source to the target.

use redis::{Pipeline, Value};

use super::ends::Ends;
use crate::domain::{PartitionId, PayloadRef};
use crate::queue::Result;
use crate::queue::redis::group_reply::scores;
use crate::queue::redis::{RedisQueue, reply};

/// The number of fields, members or entries in one write.
pub(super) const PAGE: usize = 256;
/// The bytes of pictures in one read. A larger picture is read alone.
const PAGE_BYTES: u64 = 8 << 20;

/// Reads the next entries of a Redis stream.
pub(super) async fn read_entries(
    queue: &RedisQueue,
    key: &str,
    after: Option<(u64, u64)>,
) -> Result<Vec<reply::Entry>> {
    let from = after.map_or_else(|| "-".to_owned(), |(a, b)| format!("({a}-{b}"));
    let mut read = redis::cmd("XRANGE");
    read.arg(key).arg(from).arg("+").arg("COUNT").arg(PAGE);
    reply::entries(queue.control.command(&read).await?)
}

/// Adds the write of an entry of a Redis stream.
pub(super) fn add_entry(write: &mut Pipeline, key: &str, (a, b): (u64, u64), fields: &reply::Fields) {
    write.cmd("XADD").arg(key).arg(format!("{a}-{b}"));
    for name in fields.names() {
        write.arg(name).arg(&fields.bytes(name)[..]);
    }
}

/// Frames that were copied, and the bytes that they count for.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Copied {
    pub(super) frames: u64,
    pub(super) bytes: u64,
}

impl Copied {
    pub(super) fn add(&mut self, bytes: u64) {
        self.frames += 1;
        self.bytes = self.bytes.saturating_add(bytes);
    }
}

impl Ends {
    /// Runs commands at the target that must all succeed.
    pub(super) async fn write(&self, commands: &Pipeline) -> Result<()> {
        if commands.is_empty() {
            return Ok(());
        }
        self.target.all(&self.target.control, commands).await.map(drop)
    }

    /// Removes keys of the target.
    pub(super) async fn remove(&self, keys: &[String]) -> Result<()> {
        let mut remove = redis::pipe();
        keys.iter().for_each(|key| {
            remove.cmd("UNLINK").arg(key);
        });
        self.write(&remove).await
    }

    /// Reads a hash of the source.
    pub(super) async fn hash(&self, key: &str) -> Result<reply::Fields> {
        let mut read = redis::cmd("HGETALL");
        read.arg(key);
        reply::Fields::read(self.source.control.command(&read).await?)
    }

    /// Reads a sorted set of the source.
    pub(super) async fn scores(&self, key: &str) -> Result<Vec<(String, f64)>> {
        let mut read = redis::cmd("ZRANGE");
        read.arg(key).arg(0).arg(-1).arg("WITHSCORES");
        scores(self.source.control.command(&read).await?)
    }

    /// Reads a set of the source.
    pub(super) async fn members(&self, key: &str) -> Result<Vec<String>> {
        let mut read = redis::cmd("SMEMBERS");
        read.arg(key);
        let members = reply::array(self.source.control.command(&read).await?)?;
        members.into_iter().filter_map(|member| reply::text(member).transpose()).collect()
    }

    pub(super) async fn copy_string(&self, from: &str, to: &str) -> Result<()> {
        let mut read = redis::cmd("GET");
        read.arg(from);
        let Some(bytes) = reply::bytes(self.source.control.command(&read).await?)? else { return Ok(()) };
        let mut write = redis::pipe();
        write.cmd("SET").arg(to).arg(&bytes[..]);
        self.write(&write).await
    }

    pub(super) async fn copy_hash(&self, from: &str, to: &str) -> Result<()> {
        let fields = self.hash(from).await?;
        let names: Vec<&str> = fields.names().collect();
        for some in names.chunks(PAGE) {
            let mut write = redis::pipe();
            write.cmd("HSET").arg(to);
            for name in some {
                write.arg(name).arg(&fields.bytes(name)[..]);
            }
            self.write(&write).await?;
        }
        Ok(())
    }

    pub(super) async fn copy_scores(&self, from: &str, to: &str) -> Result<()> {
        for some in self.scores(from).await?.chunks(PAGE) {
            let mut write = redis::pipe();
            write.cmd("ZADD").arg(to);
            for (member, score) in some {
                write.arg(score.to_string()).arg(member);
            }
            self.write(&write).await?;
        }
        Ok(())
    }

    /// Copies pictures that are not there yet. One that the source does not have stays missing.
    pub(super) async fn copy_payloads(
        &self,
        from: PartitionId,
        to: PartitionId,
        payloads: &[PayloadRef],
    ) -> Result<()> {
        let (from, to) = (self.source.names.keys(from), self.target.names.keys(to));
        let mut look = redis::pipe();
        for payload in payloads {
            look.cmd("EXISTS").arg(to.payload(payload.key));
        }
        if look.is_empty() {
            return Ok(());
        }
        let mut missing = Vec::new();
        for (payload, answer) in payloads.iter().zip(self.target.all(&self.target.control, &look).await?) {
            if reply::number(answer)? == 0 {
                missing.push(payload);
            }
        }
        let mut left = &missing[..];
        while let Some((first, rest)) = left.split_first() {
            let (mut bytes, mut count) = (first.size_bytes, 1);
            count += rest
                .iter()
                .take_while(|payload| {
                    bytes = bytes.saturating_add(payload.size_bytes);
                    bytes <= PAGE_BYTES
                })
                .count();
            let (some, rest) = left.split_at(count);
            left = rest;
            let mut read = redis::cmd("MGET");
            for payload in some {
                read.arg(from.payload(payload.key));
            }
            let mut write = redis::pipe();
            for (payload, value) in some.iter().zip(reply::array(self.source.control.command(&read).await?)?)
            {
                if let Value::BulkString(bytes) = &value {
                    write.cmd("SET").arg(to.payload(payload.key)).arg(&bytes[..]);
                }
            }
            self.write(&write).await?;
        }
        Ok(())
    }
}
