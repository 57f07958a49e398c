//! Reads what an operator must know of a Redis. Writes nothing.

mod rights;

use std::collections::HashMap;
use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use futures::future::join_all;
use redis::{Cmd, RedisResult, Value};

use super::cluster::{self, shown, slot_of};
use super::conn::refused;
use super::gate;
use super::keys::Names;
use super::reply::{self, Info};
use super::resp::{Request, RespConnection, explained};
pub(crate) use super::sentinel::{KnownReplica, Opinion, Survey};
use super::target::Target;
use super::url::Address;
use super::{Namespace, RedisSecurity, RedisUrl};
use crate::domain::Partitions;
use crate::queue::{Budget, Error, Result};

const CONNECT_TIMEOUT: Duration = Duration::from_secs(1);
const ANSWER_TIMEOUT: Duration = Duration::from_secs(2);
/// The number of round trips that are measured, and the time after which no other one begins.
const ROUND_TRIPS: usize = 25;
const ROUND_TRIPS_TIME: Duration = Duration::from_secs(1);
/// The settings that are read. None of them is secret.
const SETTINGS: &[&str] = &[
    "appendfsync",
    "client-output-buffer-limit",
    "cluster-require-full-coverage",
    "disable-thp",
    "no-appendfsync-on-rewrite",
    "proto-max-bulk-len",
    "save",
    "stop-writes-on-bgsave-error",
];

/// The facts that a Redis reports about itself.
#[derive(Debug, Clone, Default, PartialEq)]
pub(crate) struct Facts {
    /// `Redis` or `Valkey`.
    pub(crate) product: &'static str,
    /// The version of the product.
    pub(crate) version: String,
    /// The version of Redis that it is compatible with.
    pub(crate) redis_version: String,
    pub(crate) is_loading: bool,
    pub(crate) store: Store,
    /// The commands that Frameway needs and its user may not run; `None` if that is unknown.
    pub(crate) denied: Option<Vec<&'static str>>,
    pub(crate) memory: Memory,
    pub(crate) persistence: Persistence,
    pub(crate) replication: Replication,
    pub(crate) connected_clients: u64,
    pub(crate) max_clients: u64,
    /// `None` if it is not a node of a cluster.
    pub(crate) cluster: Option<Cluster>,
    /// The settings that could be read, by name.
    pub(crate) settings: HashMap<String, String>,
    /// The measured round trips, from the shortest to the longest.
    pub(crate) round_trips: Vec<Duration>,
    pub(crate) clock: Option<Clock>,
}

/// The store of Frameway in a Redis.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) enum Store {
    /// It could not be read.
    #[default]
    Unknown,
    /// There is none yet.
    Empty,
    /// It has the layout that this server needs.
    Usable,
    /// It has another layout; the text says which.
    Other(String),
}

/// Sizes are in bytes.
#[derive(Debug, Clone, Default, PartialEq)]
pub(crate) struct Memory {
    pub(crate) used: u64,
    /// The memory that the process has from the system.
    pub(crate) resident: u64,
    /// `maxmemory`; 0 = none.
    pub(crate) max: u64,
    /// The memory of its machine; 0 = unknown.
    pub(crate) machine: u64,
    pub(crate) policy: String,
}

#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Persistence {
    pub(crate) has_aof: bool,
    pub(crate) aof_write_failed: bool,
    pub(crate) aof_rewrite_failed: bool,
    pub(crate) snapshot_failed: bool,
}

#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Replication {
    pub(crate) is_replica: bool,
    /// A replica is connected to its primary.
    pub(crate) is_linked: bool,
    pub(crate) replicas: Vec<Replica>,
    /// The bytes of the replication backlog.
    pub(crate) backlog: u64,
}

#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Replica {
    pub(crate) address: String,
    /// `online`, or what it waits for.
    pub(crate) state: String,
    /// The seconds since it last answered.
    pub(crate) lag_seconds: u64,
}

/// A node's view of its cluster; empty if the user may not ask for it.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Cluster {
    pub(crate) state: String,
    pub(crate) assigned_slots: Option<u64>,
}

/// The clock of a Redis, compared with that of this machine.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Clock {
    /// The microseconds that Redis is ahead.
    pub(crate) ahead_us: i64,
    /// The maximum error of the comparison.
    pub(crate) error: Duration,
}

/// The servers of a cluster that own slots.
#[derive(Debug, Clone)]
pub(crate) struct Masters {
    /// Each by its address, with the number of partitions that it holds, and what it says of itself.
    pub(crate) all: Vec<(String, usize, Result<Facts>)>,
    /// True if each slot has an owner.
    pub(crate) is_complete: bool,
}

/// Asks all masters of the cluster of the URL; `None` if it names none.
///
/// # Errors
/// [`Error::Unsuitable`]: the URL is not valid, or a file of `security` cannot be used.
/// [`Error::Unreachable`]: no server tells the slots.
pub(crate) async fn masters(
    url: &RedisUrl,
    security: &RedisSecurity,
    namespace: &Namespace,
    partitions: Partitions,
) -> Result<Option<Masters>> {
    let target = Arc::new(Target::new(url, security)?);
    if target.seeds().is_none() {
        return Ok(None);
    }
    let names = Names::new(namespace.clone());
    let slots: Vec<u16> =
        partitions.all().map(|partition| slot_of(names.keys(partition).counts().as_bytes())).collect();
    let cluster = cluster::Cluster::new(Arc::clone(&target), Vec::new(), Budget::default());
    let map = cluster.map().await?;
    let asked = map.masters().iter().map(async |master| {
        let held = slots.iter().filter(|slot| map.owner(**slot) == Some(master)).count();
        (shown(master), held, facts_at(&target, Some(master.as_ref()), &names, partitions).await)
    });
    Ok(Some(Masters { all: join_all(asked).await, is_complete: map.is_complete() }))
}

/// Asks a Redis for its facts.
///
/// # Errors
/// [`Error::Unsuitable`]: the URL is not valid, or a file of `security` cannot be used.
/// [`Error::Unreachable`], [`Error::NoAnswer`] or [`Error::Refused`]: it cannot be asked.
pub(crate) async fn facts(
    url: &RedisUrl,
    security: &RedisSecurity,
    namespace: &Namespace,
    partitions: Partitions,
) -> Result<Facts> {
    let target = Target::new(url, security)?;
    facts_at(&target, None, &Names::new(namespace.clone()), partitions).await
}

async fn facts_at(
    target: &Target,
    address: Option<&Address>,
    names: &Names,
    partitions: Partitions,
) -> Result<Facts> {
    let connection = target
        .connect(address, CONNECT_TIMEOUT, ANSWER_TIMEOUT)
        .await
        .map_err(|error| target.unreachable(&error))?;
    let info = ask(&connection, &[words(&["INFO", "everything"])]).await?.pop();
    let info = info.unwrap_or(Ok(Value::Nil)).map_err(refused)?;
    let info = reply::text(info)?.unwrap_or_default();
    let mut facts = of_info(&Info::parse(&info));

    let questions = [
        words(&["GET", &names.layout()]),
        words(&["CLUSTER", "INFO"]),
        rights::question(&names.unused(), address.is_some()),
    ]
    .into_iter()
    .chain(SETTINGS.iter().map(|name| words(&["CONFIG", "GET", name])));
    let questions: Vec<Cmd> = questions.collect();
    let mut answers = ask(&connection, &questions).await?.into_iter();
    // Not all of this is permitted everywhere: what is refused stays unknown.
    let mut next = || answers.next().and_then(RedisResult::ok);
    facts.store = next().map_or(Store::Unknown, |stored| store(stored, partitions));
    let cluster = next();
    if let (Some(known), Some(Ok(Some(text)))) = (&mut facts.cluster, cluster.map(reply::text)) {
        let info = Info::parse(&text);
        known.state = info.get("cluster_state").to_owned();
        known.assigned_slots = info.get("cluster_slots_assigned").parse().ok();
    }
    facts.denied = next().and_then(|answer| rights::denied(answer).ok());
    for name in SETTINGS {
        if let Some(Ok(fields)) = next().map(reply::Fields::read)
            && let (true, Ok(value)) = (fields.has(name), fields.text(name))
        {
            facts.settings.insert((*name).to_owned(), value.to_owned());
        }
    }
    measure(&connection, &mut facts).await;
    Ok(facts)
}

/// Asks all Sentinels of the URL; `None` if it names none.
///
/// # Errors
/// [`Error::Unsuitable`]: the URL is not valid, or a file of `security` cannot be used.
pub(crate) async fn survey(url: &RedisUrl, security: &RedisSecurity) -> Result<Option<Survey>> {
    let target = Target::new(url, security)?;
    let Some(sentinels) = target.sentinels() else { return Ok(None) };
    Ok(Some(sentinels.survey(tokio::time::Instant::now() + ANSWER_TIMEOUT).await))
}

/// Measures round trips, and compares the clocks by the shortest one.
async fn measure(connection: &RespConnection, facts: &mut Facts) {
    let start = Instant::now();
    let mut shortest = None;
    while facts.round_trips.len() < ROUND_TRIPS && start.elapsed() < ROUND_TRIPS_TIME {
        let (wall, sent) = (SystemTime::now(), Instant::now());
        let Ok(mut answers) = ask(connection, &[words(&["TIME"])]).await else { break };
        let took = sent.elapsed();
        facts.round_trips.push(took);
        let theirs = answers.pop().and_then(RedisResult::ok).and_then(time);
        if let Some(theirs) = theirs.filter(|_| shortest.is_none_or(|shortest| took < shortest)) {
            shortest = Some(took);
            let ours = wall.duration_since(UNIX_EPOCH).unwrap_or_default() + took / 2;
            let ours = i64::try_from(ours.as_micros()).unwrap_or(i64::MAX);
            facts.clock = Some(Clock { ahead_us: theirs.saturating_sub(ours), error: took / 2 });
        }
    }
    facts.round_trips.sort_unstable();
}

/// Reads the answer to TIME: microseconds since the Unix epoch.
fn time(answer: Value) -> Option<i64> {
    let mut parts = reply::array(answer).ok()?.into_iter().map(reply::number);
    let (seconds, micros) = (parts.next()?.ok()?, parts.next()?.ok()?);
    i64::try_from(seconds.checked_mul(1_000_000)?.checked_add(micros)?).ok()
}

fn words(words: &[&str]) -> Cmd {
    let mut command = Cmd::new();
    for word in words {
        command.arg(word);
    }
    command
}

async fn ask(connection: &RespConnection, commands: &[Cmd]) -> Result<Vec<RedisResult<Value>>> {
    let mut request = Request::default();
    commands.iter().for_each(|command| request.add(command));
    connection.ask(request).await.map_err(|error| Error::NoAnswer(explained(&error.to_string())))
}

fn store(stored: Value, partitions: Partitions) -> Store {
    match reply::text(stored) {
        Ok(None) => Store::Empty,
        Ok(Some(layout)) if layout == gate::layout_of(partitions) => Store::Usable,
        Ok(Some(layout)) => Store::Other(layout),
        Err(_) => Store::Other("something else".to_owned()),
    }
}

fn of_info(info: &Info<'_>) -> Facts {
    let number = |name: &str| info.get(name).parse().unwrap_or(0);
    let redis_version = info.get("redis_version").to_owned();
    let (product, version) = match info.get("valkey_version") {
        "" => ("Redis", redis_version.clone()),
        version => ("Valkey", version.to_owned()),
    };
    let replicas =
        (0..number("connected_slaves")).filter_map(|index| replica(info.get(&format!("slave{index}"))));
    Facts {
        product,
        version,
        redis_version,
        is_loading: info.get("loading") == "1",
        memory: Memory {
            used: number("used_memory"),
            resident: number("used_memory_rss"),
            max: number("maxmemory"),
            machine: number("total_system_memory"),
            policy: info.get("maxmemory_policy").to_owned(),
        },
        persistence: Persistence {
            has_aof: info.get("aof_enabled") == "1",
            aof_write_failed: info.get("aof_last_write_status") == "err",
            aof_rewrite_failed: info.get("aof_last_bgrewrite_status") == "err",
            snapshot_failed: info.get("rdb_last_bgsave_status") == "err",
        },
        replication: Replication {
            is_replica: info.get("role") == "slave",
            is_linked: info.get("master_link_status") == "up",
            replicas: replicas.collect(),
            backlog: number("repl_backlog_size"),
        },
        connected_clients: number("connected_clients"),
        max_clients: number("maxclients"),
        cluster: (info.get("cluster_enabled") == "1").then(Cluster::default),
        ..Facts::default()
    }
}

/// Reads a replica's line: `ip=10.0.0.2,port=6379,state=online,offset=12,lag=0`.
fn replica(line: &str) -> Option<Replica> {
    let fields: HashMap<&str, &str> = line.split(',').filter_map(|field| field.split_once('=')).collect();
    let get = |name: &str| fields.get(name).copied().unwrap_or_default();
    (!fields.is_empty()).then(|| Replica {
        address: format!("{}:{}", get("ip"), get("port")),
        state: get("state").to_owned(),
        lag_seconds: get("lag").parse().unwrap_or(0),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn info_is_read() {
        let text = "redis_version:7.2.4\r\nvalkey_version:8.0.1\r\nrole:master\r\nconnected_slaves:1\r\n\
            slave0:ip=10.0.0.2,port=6379,state=wait_bgsave,offset=12,lag=3\r\nused_memory:12\r\n\
            maxmemory:99\r\naof_enabled:1\r\naof_last_write_status:err\r\ncluster_enabled:1\r\n";
        let facts = of_info(&Info::parse(text));
        assert_eq!(
            (facts.product, facts.version.as_str(), facts.redis_version.as_str()),
            ("Valkey", "8.0.1", "7.2.4")
        );
        let [replica] = facts.replication.replicas.as_slice() else { panic!("{facts:?}") };
        assert_eq!((replica.address.as_str(), replica.lag_seconds), ("10.0.0.2:6379", 3));
        assert_eq!((facts.memory.used, facts.memory.max), (12, 99));
        assert!(facts.persistence.has_aof && facts.persistence.aof_write_failed && facts.cluster.is_some());
        assert!(of_info(&Info::parse("")).replication.replicas.is_empty());
    }

    #[test]
    fn the_time_is_read() {
        let number = |text: &str| Value::BulkString(text.into());
        let answer = |values: Vec<Value>| time(Value::Array(values));
        assert_eq!(answer(vec![number("2"), number("17")]), Some(2_000_017));
        assert_eq!(answer(vec![number("x"), number("17")]), None);
        assert_eq!(answer(vec![]), None);
    }
}
