//! Reads the server's state and the partitions' counters, and lays out a store that was emptied.

use super::conn::Link;
use super::instance::Instance;
use super::keys::{Keys, LAYOUT};
use super::reply::Info;
use super::{RedisQueue, entry, gate, reply};
use crate::domain::{PartitionId, Timestamp};
use crate::queue::{BackendStatus, Durability, Error, PartitionStats, Result, ServerPresence as _};

impl RedisQueue {
    /// Lays out the store again if it was emptied while this program ran, for example by FLUSHALL.
    /// Nobody knows which sequences were issued before, so streams start at the clock's
    /// microseconds, which are above all sequences that can have been issued.
    pub(super) async fn mend_layout(&self) -> Result<()> {
        let mut get = redis::cmd("GET");
        get.arg(LAYOUT);
        if reply::text(self.control.command(&get).await?)?.is_some() {
            return Ok(());
        }
        self.witness.forget();
        let base = Timestamp::now().as_micros().unsigned_abs();
        tracing::error!("the store is empty; its streams must be registered again");
        let mut pipe = redis::pipe();
        for partition in self.config.partitions.all() {
            pipe.cmd("HSETNX").arg(Keys(partition).counts()).arg("base").arg(base);
        }
        self.all(&self.control, &pipe).await?;
        self.check_layout().await
    }

    async fn check_layout(&self) -> Result<()> {
        self.gate.laid_out(self.control.command(&self.gate.lay_out()).await?)?;
        self.identify().await.map(drop)
    }

    /// Implements [`RedisQueue::check`].
    pub(super) async fn describe(&self) -> Result<String> {
        let mut get = redis::cmd("GET");
        get.arg(LAYOUT);
        let stored = reply::text(self.control.command(&get).await?)?;
        self.gate.check_layout(stored.as_deref())?;
        let mut info = redis::cmd("INFO");
        info.arg("everything");
        let info = reply::text(self.control.command(&info).await?)?.unwrap_or_default();
        let info = Info::parse(&info);
        self.gate.check_eviction(&info)?;
        if info.get("role") == "slave" {
            let why =
                "this Redis is a replica, which takes no writes: put the primary's address into the URL";
            return Err(Error::Unsuitable(why.to_owned()));
        }
        let version = info.get("redis_version");
        Ok(match stored {
            Some(_) => format!("Redis {version}, contains a store of this layout"),
            None => format!("Redis {version}, contains no store yet"),
        })
    }

    pub(super) async fn read_status(&self, link: &Link) -> Result<BackendStatus> {
        let mut pipe = redis::pipe();
        pipe.cmd("INFO").arg("everything");
        pipe.cmd("CONFIG").arg("GET").arg("appendfsync");
        let mut answers = link.run(&pipe).await?.into_iter();
        let info =
            answers.next().ok_or_else(|| Error::Corrupt("no INFO".into()))?.map_err(super::conn::refused)?;
        let info = reply::text(info)?.unwrap_or_default();
        let info = reply::Info::parse(&info);
        let field = |name: &str| info.get(name);
        if field("loading") == "1" {
            return Err(Error::Refused("Redis is loading its data set".to_owned()));
        }
        let fsync = match answers.next() {
            Some(Ok(value)) => reply::Fields::read(value)?.text("appendfsync")?.to_owned(),
            // Asking is not permitted: report the weaker level.
            Some(Err(_)) | None => String::new(),
        };
        self.memory_usage.note(&info);
        self.drop_outdated_writers(&Instance::read(&info, &fsync));
        let store = self.read_identity().await?;
        if self.witness.is_joining() {
            return Err(Error::Joining);
        }
        let replicas = field("connected_slaves").parse().unwrap_or(0);
        let durability = match (field("aof_enabled"), fsync.as_str()) {
            _ if (1..=replicas).contains(&self.config.wait_replicas) => {
                Durability::Replicated(self.config.wait_replicas)
            }
            ("1", "always") => Durability::AofAlways,
            ("1", "no") => Durability::RedisMemory,
            ("1", _) => Durability::AofEverySec,
            _ => Durability::RedisMemory,
        };
        let mut warnings = Vec::new();
        if replicas < self.config.wait_replicas {
            let wanted = self.config.wait_replicas;
            warnings.push(format!("{replicas} of {wanted} replicas are connected: no frame is confirmed"));
        }
        warnings.extend(gate::eviction(&info));
        if field("aof_last_write_status") == "err" {
            warnings.push("Redis cannot write its append-only file".to_owned());
        }
        Ok(BackendStatus {
            kind: "redis",
            store,
            version: field("redis_version").to_owned(),
            durability,
            used_bytes: field("used_memory").parse().unwrap_or(0),
            max_bytes: field("maxmemory").parse().unwrap_or(0),
            warnings,
        })
    }

    /// Drops the connections for uploads whose server process or settings differ from `instance`,
    /// for example after CONFIG SET appendfsync.
    fn drop_outdated_writers(&self, instance: &Instance) {
        for link in &self.writers {
            link.drop_unless(instance);
        }
    }

    pub(super) async fn stats(&self, partition: PartitionId) -> Result<PartitionStats> {
        let keys = Keys(partition);
        let mut pipe = redis::pipe();
        pipe.cmd("HGETALL").arg(keys.counts());
        pipe.cmd("XRANGE").arg(keys.work()).arg("-").arg("+").arg("COUNT").arg(1);
        pipe.cmd("ZCARD").arg(keys.streams());
        pipe.cmd("GET").arg(keys.report());
        pipe.cmd("GET").arg(keys.holder()).cmd("PTTL").arg(keys.lease());
        let mut answers = self.all(&self.control, &pipe).await?.into_iter();
        let mut next = || answers.next().unwrap_or(redis::Value::Nil);
        let counts = reply::Fields::read(next())?;
        let oldest = reply::entries(next())?.into_iter().next();
        let streams = reply::number(next())?;
        let report = reply::bytes(next())?.and_then(|report| entry::decode_report(&report).ok());
        let control = super::control::read_control(&counts, next(), next())?;
        Ok(PartitionStats {
            depth: counts.number("work_frames")?,
            queued_bytes: counts.number("work_bytes")?,
            oldest_receive_time: oldest.map(|(_, fields)| fields.time("t")).transpose()?,
            output_bytes: counts.number("output_bytes")?,
            accepted: counts.number("accepted")?,
            accepted_bytes: counts.number("accepted_bytes")?,
            processed: counts.number("processed")?,
            failed: counts.number("failed")?,
            dropped: counts.number("dropped")?,
            purged: counts.number("purged")?,
            erased: counts.number("erased")?,
            erased_processed: counts.number("erased_processed")?,
            erased_failed: counts.number("erased_failed")?,
            removed: counts.number("deleted")?,
            duplicates: counts.number("duplicates")?,
            over_budget: counts.number("over_budget")?,
            published_bytes: counts.number("published_bytes")?,
            trimmed: counts.number("trimmed")?,
            dead_letters: counts.number("dead_frames")?,
            dead_letter_bytes: counts.number("dead_bytes")?,
            dead_letters_expired: counts.number("dead_expired")?,
            streams,
            report,
            control,
        })
    }

    /// Runs a pipeline whose commands must all succeed.
    pub(super) async fn all(
        &self,
        link: &super::conn::Link,
        pipe: &redis::Pipeline,
    ) -> Result<Vec<redis::Value>> {
        link.run(pipe).await?.into_iter().map(|answer| answer.map_err(super::conn::refused)).collect()
    }
}
