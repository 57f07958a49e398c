//! Judges what survives a failure of Redis: its persistence and its replicas.

use super::super::finding::Finding;
use super::{OPERATING, SETTINGS, Wanted};
use crate::console::output::bytes;
use crate::queue::redis::facts::{Facts, Replica, Replication};

const FAILOVER: &str = "docs/redis.md#when-redis-comes-back-with-an-older-state";
const LOSSLESS: &str = "docs/redis.md#failing-over-without-loss";
/// The seconds without an answer after which a replica is not counted on.
const LAG_SECONDS: u64 = 10;
/// The replication backlog below which a short interruption needs a full copy, in bytes: a few
/// seconds of pictures.
const MIN_BACKLOG: u64 = 64 << 20;

pub(super) fn judge(facts: &Facts, wanted: &Wanted) -> Vec<Finding> {
    if facts.replication.is_replica {
        return vec![is_replica(&facts.replication)];
    }
    let mut findings = vec![durability(facts)];
    findings.extend(failed_writes(facts));
    findings.push(replicas(&facts.replication, wanted));
    findings.extend(facts.replication.replicas.iter().filter_map(lagging));
    findings.extend(backlog(&facts.replication));
    findings
}

fn is_replica(replication: &Replication) -> Finding {
    let link = if replication.is_linked { "" } else { ", and its link to the primary is down" };
    let found = format!("this Redis is a replica, which takes no writes{link}");
    Finding::error("role", found, "put the primary's address into --redis-url, or those of its Sentinels")
        .page(OPERATING)
}

fn durability(facts: &Facts) -> Finding {
    if !facts.persistence.has_aof {
        return Finding::warning(
            "durability",
            "appendonly is no: accepted frames are lost when the Redis process ends",
            "CONFIG SET appendonly yes, and `appendonly yes` in redis.conf",
        )
        .page(SETTINGS);
    }
    let setting = |name: &str| facts.settings.get(name).map(String::as_str);
    match setting("appendfsync") {
        Some("always") if setting("no-appendfsync-on-rewrite") == Some("yes") => Finding::warning(
            "durability",
            "appendfsync is always, but not while the append-only file is rewritten",
            "CONFIG SET no-appendfsync-on-rewrite no",
        )
        .page(SETTINGS),
        Some("always") => {
            Finding::ok("durability", "aof_always: accepted frames survive a crash of the machine")
        }
        Some("no") => Finding::warning(
            "durability",
            "appendfsync is no: a crash of the machine may lose half a minute of accepted frames",
            "CONFIG SET appendfsync everysec, or always",
        )
        .page(SETTINGS),
        Some(_) => Finding::ok(
            "durability",
            "aof_everysec: a crash of the machine may lose the last second or two of accepted frames",
        )
        .page(SETTINGS),
        None => Finding::note("durability", "appendonly is yes; appendfsync cannot be read").page(SETTINGS),
    }
}

fn failed_writes(facts: &Facts) -> Vec<Finding> {
    let disk = "look at the log and the disk of Redis";
    let persistence = &facts.persistence;
    let mut findings = Vec::new();
    if persistence.has_aof && persistence.aof_write_failed {
        let found = "Redis cannot write its append-only file, and refuses writes";
        findings.push(Finding::error("disk", found, disk).page(OPERATING));
    }
    if persistence.has_aof && persistence.aof_rewrite_failed {
        let found = "the last rewrite of the append-only file failed, so the file grows";
        findings.push(Finding::warning("disk", found, disk).page(OPERATING));
    }
    if persistence.snapshot_failed {
        let stops = facts.settings.get("stop-writes-on-bgsave-error").is_none_or(|value| value != "no");
        findings.push(if stops {
            let found = "the last snapshot failed, and Redis refuses writes until one succeeds";
            Finding::error("disk", found, format!("{disk}; or CONFIG SET save \"\" if you need no snapshots"))
                .page(OPERATING)
        } else {
            Finding::warning("disk", "the last snapshot failed", disk).page(OPERATING)
        });
    }
    findings
}

fn is_usable(replica: &&Replica) -> bool {
    replica.state == "online" && replica.lag_seconds <= LAG_SECONDS
}

fn replicas(replication: &Replication, wanted: &Wanted) -> Finding {
    let wait = wanted.wait_replicas;
    let usable = replication.replicas.iter().filter(is_usable).count();
    let all = replication.replicas.len();
    let found = format!("{usable} of {all} replicas follow; --wait-replicas is {wait}");
    let wait = wait as usize;
    if usable < wait {
        let found = format!("{found}: no frame is confirmed");
        return Finding::error(
            "replicas",
            found,
            format!("start {} more, or lower --wait-replicas", wait - usable),
        )
        .page(SETTINGS);
    }
    if all == 0 {
        return Finding::ok("replicas", "none, and none is waited for");
    }
    if wait < all {
        let found = format!("{found}: a failover to a replica that is behind loses accepted frames");
        let change = format!("--wait-replicas {all} confirms frames only when every replica has them");
        // Without Sentinels, nobody fails over by himself; who waits for some expects to lose none.
        return if wanted.fails_over || wait > 0 {
            Finding::warning("replicas", found, change).page(LOSSLESS)
        } else {
            Finding::note("replicas", found).change(change).page(FAILOVER)
        };
    }
    Finding::ok("replicas", found)
}

fn lagging(replica: &Replica) -> Option<Finding> {
    let Replica { address, state, lag_seconds } = replica;
    (!is_usable(&replica)).then(|| {
        let found = format!("replica {address} is {state} and answered {lag_seconds} s ago");
        Finding::warning("replica", found, "look at its log and its network").page(OPERATING)
    })
}

fn backlog(replication: &Replication) -> Option<Finding> {
    (!replication.replicas.is_empty() && replication.backlog < MIN_BACKLOG).then(|| {
        let found = format!(
            "repl-backlog-size is {}: a replica that loses its link for a moment must copy everything again",
            bytes(replication.backlog)
        );
        Finding::note("backlog", found)
            .change(format!("CONFIG SET repl-backlog-size {MIN_BACKLOG}"))
            .page(OPERATING)
    })
}
