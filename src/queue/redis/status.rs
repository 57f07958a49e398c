//! Reads the server's state and the partitions' counters, and lays out a store that was emptied.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use futures::future::join_all;
use redis::Value;
use tokio::time::timeout;

use super::cluster::shown;
use super::conn::{Link, refused};
use super::instance::Instance;
use super::lane::Lane;
use super::markers::{MARKER, Markers};
use super::reply::Info;
use super::{RedisQueue, entry, gate, reply};
use crate::domain::{PartitionId, Timestamp};
use crate::queue::{BackendStatus, Durability, Error, PartitionStats, Result, ServerPresence as _};

/// The maximum time for the state of one server of a cluster.
const ASK_LIMIT: Duration = Duration::from_secs(1);

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

/// The state of one server, or of several together.
struct ServerStatus {
    version: String,
    durability: Durability,
    used_bytes: u64,
    /// 0 = no limit.
    max_bytes: u64,
    warnings: Vec<String>,
}

impl ServerStatus {
    fn read(info: &Info<'_>, fsync: &str, wait_replicas: u32, fails_over: bool) -> Self {
        let confirmation = Confirmation::read(info, wait_replicas);
        let durability = match (info.get("aof_enabled"), fsync) {
            _ if confirmation.covers_all() => Durability::Replicated(confirmation.wanted),
            ("1", "always") => Durability::AofAlways,
            ("1", "no") => Durability::RedisMemory,
            ("1", _) => Durability::AofEverySec,
            _ => Durability::RedisMemory,
        };
        let mut warnings: Vec<String> = confirmation.warning(fails_over).into_iter().collect();
        warnings.extend(gate::eviction(info));
        if info.get("aof_last_write_status") == "err" {
            warnings.push("Redis cannot write its append-only file".to_owned());
        }
        Self {
            version: info.get("redis_version").to_owned(),
            durability,
            used_bytes: info.get("used_memory").parse().unwrap_or(0),
            max_bytes: info.get("maxmemory").parse().unwrap_or(0),
            warnings,
        }
    }

    /// Returns the state of both together: the weaker durability, and the sums of the memory.
    fn with(mut self, other: Self) -> Self {
        if strength(&other.durability) < strength(&self.durability) {
            self.durability = other.durability;
        }
        if self.version != other.version && !self.version.contains(&other.version) {
            self.version = format!("{} and {}", self.version, other.version);
        }
        let has_limit = self.max_bytes > 0 && other.max_bytes > 0;
        self.max_bytes = if has_limit { self.max_bytes + other.max_bytes } else { 0 };
        self.used_bytes += other.used_bytes;
        self.warnings.extend(other.warnings);
        self
    }
}

/// Returns a number that is higher for a stronger level.
fn strength(durability: &Durability) -> u32 {
    match durability {
        Durability::Memory => 0,
        Durability::RedisMemory => 1,
        Durability::AofEverySec => 2,
        Durability::AofAlways => 3,
        Durability::Replicated(replicas) => replicas.saturating_add(4),
    }
}

impl RedisQueue {
    /// Lays out the store again if it was emptied while this program ran, for example by FLUSHALL, or,
    /// in a cluster, if the partition was lost. Nobody knows which sequences were issued before, so
    /// streams start at the clock's microseconds, which are above all sequences that can have been
    /// issued.
    pub(super) async fn mend_layout(&self, partition: PartitionId) -> Result<()> {
        if self.is_laid_out(partition).await? {
            return Ok(());
        }
        if self.control.is_clustered() {
            return self.mend_cluster().await;
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

    /// Mends the layout of a store in a cluster.
    pub(super) async fn mend_cluster(&self) -> Result<()> {
        let markers = Markers {
            gate: &self.gate,
            lane: &self.control,
            names: &self.names,
            partitions: self.config.partitions,
        };
        let lost = markers.mend().await?;
        for &partition in &lost {
            self.witness.forget_partition(partition);
        }
        Ok(())
    }

    /// Reports whether a partition is laid out: alone in a cluster, else with the whole store.
    pub(super) async fn is_laid_out(&self, partition: PartitionId) -> Result<bool> {
        let find = match self.control.is_clustered() {
            true => redis::cmd("HEXISTS").arg(self.names.keys(partition).counts()).arg(MARKER).clone(),
            false => redis::cmd("EXISTS").arg(self.names.layout()).clone(),
        };
        Ok(reply::number(self.control.command(&find).await?)? == 1)
    }

    async fn check_layout(&self) -> Result<()> {
        self.gate.laid_out(self.control.command(&self.gate.lay_out()).await?)?;
        self.identify().await.map(drop)
    }

    /// Implements [`RedisQueue::check`].
    pub(super) async fn describe(&self) -> Result<String> {
        self.control.connect().await?;
        let mut get = redis::cmd("GET");
        get.arg(self.names.layout());
        let stored = reply::text(self.control.command(&get).await?)?;
        self.gate.check_layout(stored.as_deref())?;
        let mut versions = BTreeSet::new();
        let links = self.control.links();
        for link in &links {
            let mut info = redis::pipe();
            info.cmd("INFO").arg("everything");
            let info = link.run(&info).await?.pop().unwrap_or(Ok(Value::Nil)).map_err(refused)?;
            let info = reply::text(info)?.unwrap_or_default();
            let info = Info::parse(&info);
            gate::check_eviction(&info, &link.node)?;
            if info.get("role") == "slave" {
                let why =
                    "this Redis is a replica, which takes no writes: put the primary's address into the URL";
                return Err(Error::Unsuitable(why.to_owned()));
            }
            versions.insert(info.get("redis_version").to_owned());
        }
        let version = versions.into_iter().collect::<Vec<_>>().join(" and ");
        let named = self.target.sentinels().and_then(|sentinels| sentinels.describe());
        let mut named = named.map_or_else(String::new, |primary| format!(" at {primary}"));
        if self.control.is_clustered() {
            named = format!(", a cluster of {} masters", links.len());
        }
        Ok(match stored {
            Some(_) => format!("Redis {version}{named}, contains a store of this layout"),
            None => format!("Redis {version}{named}, contains no store yet"),
        })
    }

    pub(super) async fn read_status(&self, lane: &Lane) -> Result<BackendStatus> {
        if lane.links().is_empty() {
            lane.connect().await?;
        }
        let links = lane.links();
        let all = join_all(links.iter().map(|link| async move {
            // A server that does not answer must not make the others look unavailable.
            let late = |_| Err(Error::NoAnswer("no answer in time".to_owned()));
            let status = match link.node.address() {
                Some(_) => timeout(ASK_LIMIT, self.ask_status(link)).await.unwrap_or_else(late),
                None => self.ask_status(link).await,
            };
            lane.note(&status);
            (link, status)
        }));
        let (mut found, mut failures) = (Vec::new(), Vec::new());
        for (link, status) in all.await {
            match status {
                Ok(status) => found.push(status),
                Err(error) => failures.push((link.node.address().map(shown).unwrap_or_default(), error)),
            }
        }
        let Some(mut status) = found.into_iter().reduce(ServerStatus::with) else {
            let error = failures.pop().map(|(_, error)| error);
            return Err(error.unwrap_or_else(|| Error::Unreachable("the cluster has no server".to_owned())));
        };
        for (address, error) in failures {
            status.warnings.push(format!("the partitions on {address} are not available: {error}"));
        }
        // In a cluster, the heartbeats notice if something of the store is lost.
        let store = match self.control.is_clustered() && self.gate.is_open() {
            true => self.gate.identity(),
            false => self.read_identity().await?,
        };
        if self.witness.is_joining() {
            return Err(Error::Joining);
        }
        let ServerStatus { version, durability, used_bytes, max_bytes, warnings } = status;
        Ok(BackendStatus { kind: "redis", store, version, durability, used_bytes, max_bytes, warnings })
    }

    /// Asks one server for its state.
    async fn ask_status(&self, link: &Arc<Link>) -> Result<ServerStatus> {
        let mut pipe = redis::pipe();
        pipe.cmd("INFO").arg("everything");
        pipe.cmd("CONFIG").arg("GET").arg("appendfsync");
        let mut answers = link.run(&pipe).await?.into_iter();
        let info = answers.next().ok_or_else(|| Error::Corrupt("no INFO".into()))?.map_err(refused)?;
        let info = reply::text(info)?.unwrap_or_default();
        let info = Info::parse(&info);
        if info.get("loading") == "1" {
            return Err(Error::Refused("Redis is loading its data set".to_owned()));
        }
        let fsync = match answers.next() {
            Some(Ok(value)) => reply::Fields::read(value)?.text("appendfsync")?.to_owned(),
            // Asking is not permitted: report the weaker level.
            Some(Err(_)) | None => String::new(),
        };
        link.node.memory.note(&info);
        // For example after CONFIG SET appendfsync.
        let instance = Instance::read(&info, &fsync);
        self.writers.iter().for_each(|lane| lane.drop_unless(&link.node, &instance));
        let fails_over = self.control.is_clustered() || self.target.sentinels().is_some();
        let mut status = ServerStatus::read(&info, &fsync, self.config.wait_replicas, fails_over);
        if let Some(address) = link.node.address() {
            for warning in &mut status.warnings {
                *warning = format!("{}: {warning}", shown(address));
            }
        }
        Ok(status)
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
        let mut next = || answers.next().unwrap_or(Value::Nil);
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
    pub(super) async fn all(&self, lane: &Lane, pipe: &redis::Pipeline) -> Result<Vec<Value>> {
        lane.run(pipe).await?.into_iter().map(|answer| answer.map_err(refused)).collect()
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
