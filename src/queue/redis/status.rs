//! The store's layout, the server's state, and the partitions' counters.

use std::collections::HashMap;

use super::keys::{Keys, LAYOUT};
use super::{RedisQueue, reply};
use crate::domain::{PartitionId, Timestamp};
use crate::queue::{BackendStatus, Durability, Error, PartitionStats, Result};

impl RedisQueue {
    pub(super) async fn check_layout(&self) -> Result<()> {
        let ours = format!("frameway 1, xxh3_64, {} partitions", self.config.partitions.count());
        let mut set = redis::cmd("SET");
        set.arg(LAYOUT).arg(&ours).arg("NX").arg("GET");
        match reply::text(self.control.command(&set).await?)? {
            Some(stored) if stored != ours => {
                Err(Error::Layout(format!("this Redis holds \"{stored}\", this program wants \"{ours}\"")))
            }
            Some(_) | None => Ok(()),
        }
    }

    pub(super) async fn read_status(&self) -> Result<BackendStatus> {
        let mut pipe = redis::pipe();
        pipe.cmd("INFO").arg("everything");
        pipe.cmd("CONFIG").arg("GET").arg("appendfsync");
        let mut answers = self.control.run(&mut pipe).await?.into_iter();
        let info =
            answers.next().ok_or_else(|| Error::Corrupt("no INFO".into()))?.map_err(super::conn::refused)?;
        let info = reply::text(info)?.unwrap_or_default();
        let info: HashMap<&str, &str> = info.lines().filter_map(|line| line.trim().split_once(':')).collect();
        let field = |name: &str| info.get(name).copied().unwrap_or_default();
        if field("loading") == "1" {
            return Err(Error::Refused("Redis is loading its data set".to_owned()));
        }
        let fsync = match answers.next() {
            Some(Ok(value)) => reply::Fields::read(value)?.text("appendfsync")?.to_owned(),
            // Not allowed to ask: report the weaker level.
            Some(Err(_)) | None => String::new(),
        };
        let durability = match (field("aof_enabled"), fsync.as_str()) {
            ("1", "always") => Durability::AofAlways,
            ("1", "no") => Durability::RedisMemory,
            ("1", _) => Durability::AofEverySec,
            _ => Durability::RedisMemory,
        };
        let mut warnings = Vec::new();
        let policy = field("maxmemory_policy");
        if !matches!(policy, "" | "noeviction") && !policy.starts_with("volatile-") {
            warnings
                .push(format!("maxmemory-policy is {policy}: Redis may evict frames; set it to noeviction"));
        }
        if field("aof_last_write_status") == "err" {
            warnings.push("Redis cannot write its append-only file".to_owned());
        }
        Ok(BackendStatus {
            kind: "redis",
            version: field("redis_version").to_owned(),
            durability,
            used_bytes: field("used_memory").parse().unwrap_or(0),
            max_bytes: field("maxmemory").parse().unwrap_or(0),
            warnings,
        })
    }

    pub(super) async fn stats(&self, partition: PartitionId) -> Result<PartitionStats> {
        let keys = Keys(partition);
        let mut pipe = redis::pipe();
        pipe.cmd("HGETALL").arg(keys.counts());
        pipe.cmd("XRANGE").arg(keys.work()).arg("-").arg("+").arg("COUNT").arg(1);
        pipe.cmd("ZCARD").arg(keys.streams());
        pipe.cmd("GET").arg(keys.report());
        let mut answers = self.all(&self.control, &mut pipe).await?.into_iter();
        let mut next = || answers.next().unwrap_or(redis::Value::Nil);
        let counts = reply::Fields::read(next())?;
        let oldest = reply::entries(next())?.into_iter().next();
        let streams = reply::number(next())?;
        let report = reply::bytes(next())?.and_then(|json| serde_json::from_slice(&json).ok());
        Ok(PartitionStats {
            depth: counts.number("work_frames")?,
            queued_bytes: counts.number("work_bytes")?,
            oldest_received_time: oldest.map(|(_, fields)| super::work::time(&fields, "t")).transpose()?,
            output_bytes: counts.number("output_bytes")?,
            accepted: counts.number("accepted")?,
            accepted_bytes: counts.number("accepted_bytes")?,
            processed: counts.number("processed")?,
            failed: counts.number("failed")?,
            trimmed: counts.number("trimmed")?,
            dead_letters: counts.number("dead_frames")?,
            dead_letter_bytes: counts.number("dead_bytes")?,
            dead_letters_expired: counts.number("dead_expired")?,
            streams,
            report,
        })
    }

    /// Runs a pipeline whose commands must all succeed.
    pub(super) async fn all(
        &self,
        link: &super::conn::Link,
        pipe: &mut redis::Pipeline,
    ) -> Result<Vec<redis::Value>> {
        link.run(pipe).await?.into_iter().map(|answer| answer.map_err(super::conn::refused)).collect()
    }
}

/// Microseconds in a field, as a moment.
pub(super) fn moment(micros: u64) -> Timestamp {
    Timestamp::from_micros(i64::try_from(micros).unwrap_or(i64::MAX))
}
