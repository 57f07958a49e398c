//! Reads the server's state and the partitions' counters, and lays out a store that was emptied.

use super::conn::Link;
use super::instance::Instance;
use super::reply::Info;
use super::{RedisQueue, entry, gate, reply};
use crate::domain::{PartitionId, Timestamp};
use crate::queue::{BackendStatus, Durability, Error, PartitionStats, Result, ServerPresence as _};

/// The replicas that must have a frame before it is accepted, and those that there are.
#[derive(Debug, Clone, Copy)]
struct Confirmation {
    /// The connected ones.
    replicas: u32,
    /// Those of them that have a copy and follow. The others are being given one.
    in_sync: u32,
    /// `--wait-replicas`.
    wanted: u32,
}

impl Confirmation {
    fn read(info: &Info<'_>, wanted: u32) -> Self {
        let replicas: u32 = info.get("connected_slaves").parse().unwrap_or(0);
        let lines = (0..replicas).map(|index| info.get(&format!("slave{index}")));
        let lines = lines.take_while(|line| !line.is_empty());
        let in_sync = lines.filter(|line| line.contains("state=online")).count();
        Self { replicas, in_sync: u32::try_from(in_sync).unwrap_or(replicas), wanted }
    }

    /// Reports whether an accepted frame is on every replica that may become the primary. WAIT counts
    /// any replica, so it must count all: whichever it left out might be the one that is promoted.
    fn covers_all(self) -> bool {
        let Self { replicas, in_sync, wanted } = self;
        wanted > 0 && wanted == replicas && in_sync == replicas
    }

    /// Returns what an operator should know. Without Sentinels, who waits for no replica is not told
    /// that a failover loses frames: nobody fails over by itself.
    fn warning(self, has_sentinels: bool) -> Option<String> {
        let Self { replicas, in_sync, wanted } = self;
        if in_sync < wanted {
            return Some(format!(
                "{in_sync} of {wanted} replicas are connected and in sync: no frame is confirmed"
            ));
        }
        let may_lose = replicas > wanted && (wanted > 0 || has_sentinels);
        may_lose.then(|| {
            format!(
                "{replicas} replicas are connected, and frames are accepted when {wanted} have them: a failover can lose \
                 accepted frames, a planned one those of its last ten seconds; set --wait-replicas to {replicas}, or drain \
                 before a planned failover (docs/redis.md)"
            )
        })
    }
}

impl RedisQueue {
    /// Lays out the store again if it was emptied while this program ran, for example by FLUSHALL.
    /// Nobody knows which sequences were issued before, so streams start at the clock's
    /// microseconds, which are above all sequences that can have been issued.
    pub(super) async fn mend_layout(&self) -> Result<()> {
        let mut get = redis::cmd("GET");
        get.arg(self.names.layout());
        if reply::text(self.control.command(&get).await?)?.is_some() {
            return Ok(());
        }
        self.witness.forget();
        let base = Timestamp::now().as_micros().unsigned_abs();
        tracing::error!("the store is empty; its streams must be registered again");
        let mut pipe = redis::pipe();
        for partition in self.config.partitions.all() {
            pipe.cmd("HSETNX").arg(self.names.keys(partition).counts()).arg("base").arg(base);
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
        get.arg(self.names.layout());
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
        let named = self.target.sentinels().and_then(|sentinels| sentinels.describe());
        let named = named.map_or_else(String::new, |primary| format!(" at {primary}"));
        Ok(match stored {
            Some(_) => format!("Redis {version}{named}, contains a store of this layout"),
            None => format!("Redis {version}{named}, contains no store yet"),
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
        let confirmation = Confirmation::read(&info, self.config.wait_replicas);
        let durability = match (field("aof_enabled"), fsync.as_str()) {
            _ if confirmation.covers_all() => Durability::Replicated(confirmation.wanted),
            ("1", "always") => Durability::AofAlways,
            ("1", "no") => Durability::RedisMemory,
            ("1", _) => Durability::AofEverySec,
            _ => Durability::RedisMemory,
        };
        let mut warnings: Vec<String> =
            confirmation.warning(self.target.sentinels().is_some()).into_iter().collect();
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
        let keys = self.names.keys(partition);
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
            output_bytes: counts.stored_bytes("output_bytes")?,
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn frames_are_replicated_only_if_every_replica_has_them() {
        let of = |wanted, states: &[&str], has_sentinels| {
            let lines = states.iter().enumerate().map(|(index, state)| {
                format!("slave{index}:ip=10.0.0.2,port=6379,state={state},offset=12,lag=0\r\n")
            });
            let text = format!("connected_slaves:{}\r\n{}", states.len(), lines.collect::<String>());
            let confirmation = Confirmation::read(&Info::parse(&text), wanted);
            let warning = confirmation.warning(has_sentinels).unwrap_or_default();
            let says = ["no frame is confirmed", "can lose"].into_iter().find(|text| warning.contains(text));
            (confirmation.covers_all(), says.unwrap_or_default())
        };
        let (none, one, two) = (&[][..], &["online"][..], &["online", "online"][..]);
        let copying = &["online", "send_bulk"][..];
        for has_sentinels in [false, true] {
            assert_eq!(of(1, one, has_sentinels), (true, ""));
            assert_eq!(of(2, two, has_sentinels), (true, ""));
            assert_eq!(of(1, two, has_sentinels), (false, "can lose"));
            assert_eq!(of(1, copying, has_sentinels), (false, "can lose"));
            assert_eq!(of(2, copying, has_sentinels), (false, "no frame is confirmed"));
            assert_eq!(of(2, one, has_sentinels), (false, "no frame is confirmed"));
            assert_eq!(of(0, none, has_sentinels), (false, ""));
        }
        assert_eq!(of(0, two, true), (false, "can lose"));
        assert_eq!(of(0, two, false), (false, ""));
    }
}
