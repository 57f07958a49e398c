//! Judges what a Redis says of itself.

mod masters;
mod memory;
mod safety;
mod sentinels;

use std::time::Duration;

use super::finding::Finding;
use crate::config::{Config, RedisSettings};
use crate::console::output::span;
use crate::domain::Partitions;
use crate::queue::redis::Namespace;
use crate::queue::redis::facts::{Clock, Facts, Store, facts, masters, survey};
use crate::queue::{Budget, Error, Split};

pub(super) const SETTINGS: &str = "docs/redis.md#settings-of-redis";
const USER: &str = "docs/redis.md#the-user";
const OPERATING: &str = "docs/operating.md#frameway-doctor";

/// The oldest version of Redis that has everything that Frameway needs.
const OLDEST: (u32, u32) = (7, 0);
/// The connections to Redis of one server and its worker process, at most.
const CONNECTIONS: u64 = 24;
/// The median of round trips from which a warning is due: a batch needs several.
const SLOW_MEDIAN: Duration = Duration::from_millis(5);
/// The longest round trip from which a note is due.
const SLOW_MAX: Duration = Duration::from_millis(100);
/// The difference of two clocks from which a warning is due.
const SKEW: Duration = Duration::from_secs(1);
/// The rights without which the server still works; only with `--wait-replicas` it needs the first.
const WAIT: &str = "wait";
const READ_SETTINGS: &str = "config|get";

/// The settings of the server that the judgement depends on.
#[derive(Debug, Clone)]
pub(super) struct Wanted {
    /// `--memory-budget`, in bytes.
    budget: u64,
    split: Split,
    /// The memory of which the budget is three quarters.
    max_memory: u64,
    max_picture: u64,
    wait_replicas: u32,
    /// Sentinels, or the servers of a cluster, may promote a replica at any time.
    fails_over: bool,
    is_cluster: bool,
    partitions: Partitions,
    namespace: Namespace,
}

impl Wanted {
    /// Returns the settings for a master that holds so many partitions.
    fn of_master(&self, partitions: usize) -> Self {
        let all = u128::from(self.partitions.count());
        let part = u128::from(self.max_memory) * partitions as u128 / all;
        Self { max_memory: u64::try_from(part).unwrap_or(u64::MAX), ..self.clone() }
    }

    /// Reports whether a server accepts this `--memory-budget` with its other settings. Of a cluster, no
    /// master alone says so.
    fn allows_budget(&self, bytes: u64) -> bool {
        if self.is_cluster {
            return false;
        }
        let budget = Budget::share(bytes, self.split, self.partitions);
        budget.work_bytes.min(budget.output_bytes) >= self.max_picture
    }

    fn new(config: &Config, redis: &RedisSettings) -> Self {
        Self {
            budget: config.queue.memory_budget.0,
            split: config.queue.budget.split,
            max_memory: config.queue.budget.max_bytes(),
            max_picture: config.limits.max_picture_bytes as u64,
            wait_replicas: redis.wait_replicas,
            fails_over: redis.url.is_sentinel() || redis.url.is_cluster(),
            is_cluster: redis.url.is_cluster(),
            partitions: config.queue.partitions,
            namespace: redis.namespace.clone(),
        }
    }
}

/// Asks the Redis of the configuration, and its Sentinels if there are any, or all masters of a
/// cluster, and judges the answers. Also returns whether this Redis turns off huge pages for itself.
pub(super) async fn examine(config: &Config, redis: &RedisSettings) -> (Vec<Finding>, bool) {
    match masters(&redis.url, &redis.security, &redis.namespace, config.queue.partitions).await {
        Ok(None) => {}
        Ok(Some(found)) => return masters::judge_all(&found, &Wanted::new(config, redis)),
        Err(error) => return (vec![unreachable(&error)], false),
    }
    let (surveyed, asked) = tokio::join!(
        survey(&redis.url, &redis.security),
        facts(&redis.url, &redis.security, &redis.namespace, config.queue.partitions)
    );
    // Settings that are wrong are also the reason why the primary cannot be asked.
    let surveyed = surveyed.ok().flatten();
    let mut findings = surveyed.as_ref().map(sentinels::judge).unwrap_or_default();
    match asked {
        Ok(facts) => {
            let disables = disables_huge_pages(&facts);
            findings.extend(judge(&facts, &Wanted::new(config, redis)));
            (findings, disables)
        }
        Err(error) => {
            findings.push(unreachable(&error));
            (findings, false)
        }
    }
}

fn disables_huge_pages(facts: &Facts) -> bool {
    facts.settings.get("disable-thp").is_some_and(|value| value == "yes")
}

/// Returns the finding about a Redis that cannot be asked. The error contains the next step, if one
/// is known.
fn unreachable(error: &Error) -> Finding {
    let change = if error.is_retryable() {
        "start Redis, or correct --redis-url; the server would wait for it"
    } else {
        "correct the --redis-... settings; the server does not start with them"
    };
    Finding::error("connection", error.to_string(), change).page("docs/redis.md#protecting-redis")
}

/// Judges the facts.
fn judge(facts: &Facts, wanted: &Wanted) -> Vec<Finding> {
    let mut findings = vec![version(facts)];
    if facts.is_loading {
        findings.push(
            Finding::warning("loading", "Redis is still loading its data", "wait until it is ready")
                .page(OPERATING),
        );
    }
    findings.extend(cluster(facts, wanted));
    findings.extend(store(facts, wanted));
    findings.push(rights(facts, wanted));
    findings.extend(memory::judge(facts, wanted));
    findings.extend(safety::judge(facts, wanted));
    findings.push(clients(facts));
    findings.extend(latency(facts));
    findings.extend(clock(facts));
    findings
}

fn version(facts: &Facts) -> Finding {
    let name = format!("{} {}", facts.product, facts.version);
    let mut parts = facts.redis_version.split('.').map(|part| part.parse().unwrap_or(0));
    let version = (parts.next().unwrap_or(0), parts.next().unwrap_or(0));
    if version >= OLDEST {
        return Finding::ok("version", name);
    }
    Finding::error(
        "version",
        format!("{name} is older than Redis 7.0"),
        "install Redis 7.0 or newer, or Valkey",
    )
    .page("docs/redis.md")
}

fn cluster(facts: &Facts, wanted: &Wanted) -> Option<Finding> {
    let cluster = facts.cluster.as_ref()?;
    if wanted.is_cluster {
        return masters::judge_server(facts, cluster);
    }
    let mut found = "this Redis is a server of a cluster".to_owned();
    if !cluster.state.is_empty() {
        found.push_str(&format!("; cluster_state is {}", cluster.state));
    }
    if let Some(slots) = cluster.assigned_slots {
        found.push_str(&format!(", {slots} of 16384 slots are assigned"));
    }
    let change = "begin --redis-url with redis-cluster:// or rediss-cluster://";
    Some(Finding::error("cluster", found, change).page(masters::PAGE))
}

fn store(facts: &Facts, wanted: &Wanted) -> Option<Finding> {
    match &facts.store {
        // The rights, or the cluster, say why.
        Store::Unknown => None,
        Store::Empty => Some(Finding::ok("store", "empty: the first server creates the store")),
        Store::Usable => {
            Some(Finding::ok("store", format!("{} partitions, as configured", wanted.partitions.count())))
        }
        Store::Other(layout) => Some(
            Finding::error(
                "store",
                format!(
                    "Redis contains \"{layout}\", which this version does not use with --partitions {}",
                    wanted.partitions.count()
                ),
                "set --partitions to the number of the store; from another layout, move to an empty Redis or \
                 another database",
            )
            .page("docs/upgrade.md#another-layout"),
        ),
    }
}

fn rights(facts: &Facts, wanted: &Wanted) -> Finding {
    let Some(denied) = &facts.denied else {
        return Finding::warning(
            "permissions",
            "cannot be checked: this user may not run EVAL, or Redis cannot run scripts now",
            "give the user the permissions of Frameway's user",
        )
        .page(USER);
    };
    let list = |names: &[&str]| names.iter().map(|name| format!("+{name}")).collect::<Vec<_>>().join(" ");
    let needed: Vec<&str> = denied
        .iter()
        .copied()
        .filter(|&name| name != READ_SETTINGS && (name != WAIT || wanted.wait_replicas > 0))
        .collect();
    if !needed.is_empty() {
        let found = format!("the user may not run {} commands that Frameway needs", needed.len());
        let keys = wanted.namespace.pattern();
        let channels = if wanted.is_cluster { format!(" &{keys}") } else { String::new() };
        return Finding::error(
            "permissions",
            found,
            format!("ACL SETUSER <user> ~{keys}{channels} {}", list(&needed)),
        )
        .page(USER);
    }
    if denied.contains(&READ_SETTINGS) {
        let found = "the user may not read settings: Frameway cannot know that appendfsync is always";
        return Finding::warning(
            "permissions",
            found,
            format!("ACL SETUSER <user> {}", list(&[READ_SETTINGS])),
        )
        .page(USER);
    }
    Finding::ok("permissions", "the user may run every command that Frameway needs")
}

fn clients(facts: &Facts) -> Finding {
    let (connected, max) = (facts.connected_clients, facts.max_clients);
    let found = format!("{connected} of {max} connections are open");
    if max == 0 || connected + CONNECTIONS <= max {
        return Finding::ok("clients", found);
    }
    Finding::warning(
        "clients",
        format!("{found}; a server and its worker use up to {CONNECTIONS}"),
        format!("CONFIG SET maxclients {}", (max * 2).max(1_000)),
    )
    .page(OPERATING)
}

fn latency(facts: &Facts) -> Option<Finding> {
    let median = *facts.round_trips.get(facts.round_trips.len() / 2)?;
    let max = *facts.round_trips.last()?;
    let found = format!(
        "{} round trips: median {}, longest {}",
        facts.round_trips.len(),
        precise(median),
        precise(max)
    );
    Some(if median >= SLOW_MEDIAN {
        Finding::warning("latency", found, "run the servers and workers nearer to Redis").page(OPERATING)
    } else if max >= SLOW_MAX {
        Finding::note("latency", found)
            .change("if it repeats, look for slow commands (SLOWLOG GET) and slow disks (LATENCY DOCTOR)")
            .page(OPERATING)
    } else {
        Finding::ok("latency", found)
    })
}

/// Formats a short time with microseconds.
fn precise(time: Duration) -> String {
    if time < Duration::from_millis(10) { format!("{:.2} ms", time.as_secs_f64() * 1e3) } else { span(time) }
}

fn clock(facts: &Facts) -> Option<Finding> {
    let Clock { ahead_us, error } = facts.clock?;
    let apart = Duration::from_micros(ahead_us.unsigned_abs());
    let direction = if ahead_us < 0 { "behind" } else { "ahead of" };
    let found = format!(
        "the clock of Redis is {} {direction} this machine's, give or take {}",
        precise(apart),
        precise(error)
    );
    Some(if apart.saturating_sub(error) < SKEW {
        Finding::ok("clock", found)
    } else {
        Finding::warning(
            "clock",
            format!("{found}: ages, retention by time and capture times are wrong by as much"),
            "synchronise both clocks (systemd-timesyncd or chrony; timedatectl shows it)",
        )
        .page(OPERATING)
    })
}

#[cfg(test)]
mod tests;
