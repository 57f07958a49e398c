//! The store's layout, the server's state, and the partitions' counters.

use super::conn::Link;
use super::gauge::Gauge;
use super::instance::Instance;
use super::keys::{Keys, LAYOUT};
use super::reply::Info;
use super::{RedisQueue, reply};
use crate::domain::{PartitionId, Timestamp};
use crate::queue::{BackendStatus, Durability, Error, Life as _, PartitionStats, Result};

impl RedisQueue {
    fn layout(&self) -> String {
        format!("frameway 1, xxh3_64, {} partitions", self.config.partitions.count())
    }

    /// Lays an emptied store out anew, if it is one (somebody ran FLUSHALL under this program). Nobody knows which numbers
    /// were given out before: streams begin behind all that can have been, at the clock's microseconds.
    pub(super) async fn mend_layout(&self) -> Result<()> {
        let mut get = redis::cmd("GET");
        get.arg(LAYOUT);
        if reply::text(self.control.command(&get).await?)?.is_some() {
            return Ok(());
        }
        self.witness.forget();
        let base = Timestamp::now().as_micros().unsigned_abs();
        tracing::error!("the store is empty: its frames and streams are gone; register the streams again");
        let mut pipe = redis::pipe();
        for partition in self.config.partitions.all() {
            pipe.cmd("HSETNX").arg(Keys(partition).counts()).arg("base").arg(base);
        }
        self.all(&self.control, &pipe).await?;
        self.check_layout().await
    }

    pub(super) async fn check_layout(&self) -> Result<()> {
        let ours = self.layout();
        let mut set = redis::cmd("SET");
        set.arg(LAYOUT).arg(&ours).arg("NX").arg("GET");
        match reply::text(self.control.command(&set).await?)? {
            Some(stored) if stored != ours => Err(self.other_layout(&stored)),
            Some(_) | None => self.identify().await.map(drop),
        }
    }

    /// See [`RedisQueue::check`].
    pub(super) async fn describe(&self) -> Result<String> {
        let mut get = redis::cmd("GET");
        get.arg(LAYOUT);
        let stored = reply::text(self.control.command(&get).await?)?;
        if let Some(stored) = &stored
            && *stored != self.layout()
        {
            return Err(self.other_layout(stored));
        }
        self.check_eviction().await?;
        let mut info = redis::cmd("INFO");
        info.arg("everything");
        let info = reply::text(self.control.command(&info).await?)?.unwrap_or_default();
        let info = Info::parse(&info);
        if info.get("role") == "slave" {
            let why =
                "this Redis is a replica, which takes no writes: put the primary's address into the URL";
            return Err(Error::Unsuitable(why.to_owned()));
        }
        let version = info.get("redis_version");
        Ok(match stored {
            Some(_) => format!("Redis {version}, holds a store of this layout"),
            None => format!("Redis {version}, holds no store yet"),
        })
    }

    fn other_layout(&self, stored: &str) -> Error {
        Error::Layout(format!("this Redis holds \"{stored}\", this program wants \"{}\"", self.layout()))
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
            // Not allowed to ask: report the weaker level.
            Some(Err(_)) | None => String::new(),
        };
        self.gauge.note(&info);
        self.instance_is(&Instance::read(&info, &fsync));
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
        warnings.extend(eviction(&info));
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

    /// Refuses a Redis that drops what it holds when its memory is short.
    pub(super) async fn check_eviction(&self) -> Result<()> {
        let info = reply::text(self.control.command(&Gauge::question()).await?)?.unwrap_or_default();
        let info = Info::parse(&info);
        self.gauge.note(&info);
        eviction(&info).map_or(Ok(()), |why| Err(Error::Unsuitable(why)))
    }

    /// Has connections ask anew what they lead to, if that has changed under them (CONFIG SET appendfsync).
    fn instance_is(&self, instance: &Instance) {
        for link in &self.writers {
            link.leads_to(instance);
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
        let report = reply::bytes(next())?.and_then(|json| serde_json::from_slice(&json).ok());
        let control = super::control::read_control(&counts, next(), next())?;
        Ok(PartitionStats {
            depth: counts.number("work_frames")?,
            queued_bytes: counts.number("work_bytes")?,
            oldest_receive_time: oldest.map(|(_, fields)| super::work::time(&fields, "t")).transpose()?,
            output_bytes: counts.number("output_bytes")?,
            accepted: counts.number("accepted")?,
            accepted_bytes: counts.number("accepted_bytes")?,
            processed: counts.number("processed")?,
            failed: counts.number("failed")?,
            dropped: counts.number("dropped")?,
            purged: counts.number("purged")?,
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

/// What is wrong with a memory policy under which frames may vanish; those of `volatile-*` take only what expires anyway.
fn eviction(info: &Info<'_>) -> Option<String> {
    let policy = info.get("maxmemory_policy");
    let harmless = matches!(policy, "" | "noeviction") || policy.starts_with("volatile-");
    (!harmless).then(|| {
        format!(
            "maxmemory-policy is {policy}: this Redis may evict frames; run `CONFIG SET maxmemory-policy noeviction`"
        )
    })
}

/// Microseconds in a field, as a moment.
pub(super) fn moment(micros: u64) -> Timestamp {
    Timestamp::from_micros(i64::try_from(micros).unwrap_or(i64::MAX))
}
