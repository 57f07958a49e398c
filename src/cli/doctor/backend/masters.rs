//! Judges the masters of a cluster: each like a single Redis, and how the partitions lie on them.

use super::super::finding::{Finding, Level};
use super::{Wanted, disables_huge_pages, judge, unreachable};
use crate::queue::redis::facts::{Cluster, Facts, Masters};

pub(super) const PAGE: &str = "docs/redis.md#cluster";
/// The load of the fullest master from which a note is due, as a part of the mean.
const UNEVEN: f64 = 1.15;

/// Judges all masters. Also returns whether all of them turn off huge pages for themselves.
pub(super) fn judge_all(masters: &Masters, wanted: &Wanted) -> (Vec<Finding>, bool) {
    let mut findings = vec![slots(masters), spread(masters, wanted)];
    let mut merged: Vec<(Finding, Vec<&str>)> = Vec::new();
    for (address, partitions, facts) in &masters.all {
        let found = match facts {
            Ok(facts) => judge(facts, &wanted.of_master(*partitions)),
            Err(error) => vec![unreachable(error)],
        };
        for finding in found {
            match merged.iter_mut().find(|(known, _)| *known == finding) {
                Some((_, addresses)) => addresses.push(address),
                None => merged.push((finding, vec![address])),
            }
        }
    }
    merged.sort_by_key(|(finding, _)| finding.subject);
    for (mut finding, addresses) in merged {
        if addresses.len() < masters.all.len() && finding.subject != "store" {
            finding.found = format!("{}: {}", addresses.join(", "), finding.found);
        }
        findings.push(finding);
    }
    let disables = masters.all.iter().all(|(_, _, facts)| facts.as_ref().is_ok_and(disables_huge_pages));
    (findings, disables)
}

/// Judges one server as a part of its cluster.
pub(super) fn judge_server(facts: &Facts, cluster: &Cluster) -> Option<Finding> {
    if cluster.state == "fail" {
        let found = "it says that the cluster is down (cluster_state is fail)";
        return Some(
            Finding::error("cluster", found, "look at CLUSTER NODES and the logs of the servers").page(PAGE),
        );
    }
    let covers = facts.settings.get("cluster-require-full-coverage");
    covers.is_some_and(|value| value == "yes").then(|| {
        Finding::warning(
            "coverage",
            "cluster-require-full-coverage is yes: if one master is lost, all partitions stop",
            "CONFIG SET cluster-require-full-coverage no, and in redis.conf",
        )
        .page(PAGE)
    })
}

fn slots(masters: &Masters) -> Finding {
    let found = format!("{} masters own slots", masters.all.len());
    if masters.is_complete {
        return Finding::ok("cluster", format!("{found}; every slot has an owner"));
    }
    let change = "assign the others (redis-cli --cluster fix), or start the servers that own them";
    Finding::error("cluster", format!("{found}; some slots have no owner"), change).page(PAGE)
}

fn spread(masters: &Masters, wanted: &Wanted) -> Finding {
    let counts: Vec<usize> = masters.all.iter().map(|(_, count, _)| *count).collect();
    let text = counts.iter().map(usize::to_string).collect::<Vec<_>>().join("/");
    let found = format!("{} partitions lie {text} on the masters", wanted.partitions.count());
    let mean = f64::from(wanted.partitions.count()) / counts.len().max(1) as f64;
    let most = counts.iter().max().copied().unwrap_or(0) as f64;
    if most <= mean * UNEVEN {
        return Finding::ok("partitions", found);
    }
    let found = format!("{found}: the fullest has {:.2} times the mean", most / mean.max(f64::MIN_POSITIVE));
    Finding { level: Level::Note, ..Finding::ok("partitions", found) }
        .change("more partitions lie more evenly; their number is fixed when the store is first used")
        .page(PAGE)
}
