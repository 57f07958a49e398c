//! Judges the memory of Redis.

use super::super::finding::Finding;
use super::{OPERATING, SETTINGS, Wanted};
use crate::console::output::bytes;
use crate::queue;
use crate::queue::redis::facts::{Facts, Memory};

const MEMORY: &str = "docs/redis.md#memory";
/// The size from which fragmentation matters, in bytes: below it, the process itself counts for
/// much.
const FRAGMENTATION_FROM: u64 = 256 << 20;
/// The hard limit of the output buffer of a connection below which answers with pictures may be
/// cut off.
const MIN_OUTPUT_BUFFER: u64 = 64 << 20;

pub(super) fn judge(facts: &Facts, wanted: &Wanted) -> Vec<Finding> {
    let mut findings = vec![eviction(&facts.memory), limit(&facts.memory, wanted)];
    findings.extend(machine(facts, wanted));
    findings.push(used(&facts.memory, wanted));
    findings.extend(fragmentation(&facts.memory));
    findings.extend(buffers(facts));
    findings.extend(largest_value(facts, wanted));
    findings
}

fn eviction(memory: &Memory) -> Finding {
    let policy = memory.policy.as_str();
    let found = format!("maxmemory-policy is {policy}");
    let change = "CONFIG SET maxmemory-policy noeviction, and the same in redis.conf";
    match policy {
        "" => Finding::note("eviction", "maxmemory-policy is unknown").page(SETTINGS),
        "noeviction" => Finding::ok("eviction", found),
        _ if policy.starts_with("volatile-") => Finding::warning(
            "eviction",
            format!("{found}: pictures that are being submitted may be evicted, and their frames refused"),
            change,
        )
        .page(SETTINGS),
        _ => Finding::error(
            "eviction",
            format!("{found}: accepted frames may be evicted, so no server starts"),
            change,
        )
        .page(SETTINGS),
    }
}

/// Judges `maxmemory` against the budget.
fn limit(memory: &Memory, wanted: &Wanted) -> Finding {
    let needed = wanted.max_memory;
    match memory.max {
        0 => Finding::note(
            "maxmemory",
            format!(
                "unset: Frameway keeps to {}, but other users of this Redis are not bounded",
                bytes(needed)
            ),
        )
        .change(format!("CONFIG SET maxmemory {needed}, and the same in redis.conf"))
        .page(SETTINGS),
        max if max < needed => {
            let fits = max / 4 * 3;
            let found = format!(
                "{} is less than the {} that --memory-budget {} needs: frames are refused from {} on",
                bytes(max),
                bytes(needed),
                bytes(wanted.budget),
                bytes(fits)
            );
            let mut change = format!("CONFIG SET maxmemory {needed}");
            if wanted.allows_budget(fits) {
                change.push_str(&format!(", or --memory-budget {fits}"));
            }
            Finding::warning("maxmemory", found, change).page(SETTINGS)
        }
        max => Finding::ok("maxmemory", format!("{}; --memory-budget needs {}", bytes(max), bytes(needed))),
    }
}

/// Judges the memory of the machine of Redis: while the append-only file or a snapshot is
/// rewritten, pages that change exist twice.
fn machine(facts: &Facts, wanted: &Wanted) -> Option<Finding> {
    let memory = &facts.memory;
    if memory.machine == 0 {
        return None;
    }
    let max = if memory.max == 0 { wanted.max_memory } else { memory.max };
    let snapshots = facts.settings.get("save").is_some_and(|save| !save.is_empty());
    let rewrites = facts.persistence.has_aof || snapshots;
    let needed = if rewrites { max + max / 2 } else { max };
    let why = if rewrites { ", to rewrite the append-only file or a snapshot beside its data" } else { "" };
    let found = format!("{} on the machine of Redis; it needs {}{why}", bytes(memory.machine), bytes(needed));
    if memory.machine >= needed {
        return Some(Finding::ok("machine", found));
    }
    let fits = if rewrites { memory.machine / 3 * 2 } else { memory.machine };
    let budget =
        if wanted.is_cluster { String::new() } else { format!(" and --memory-budget {}", fits / 4 * 3) };
    let change = format!("CONFIG SET maxmemory {fits}{budget}, or more memory");
    Some(Finding::warning("machine", format!("{found}: the system may kill Redis"), change).page(MEMORY))
}

fn used(memory: &Memory, wanted: &Wanted) -> Finding {
    let max = if memory.max == 0 { wanted.max_memory } else { memory.max.min(wanted.max_memory) };
    let percent = memory.used * 100 / max.max(1);
    let found = format!("{} of {} ({percent} %)", bytes(memory.used), bytes(max));
    let change =
        "start workers, shorten retention (frameway streams update), or raise maxmemory and --memory-budget";
    let shortened = format!(
        "outputs are shortened from {} % on (--memory-split {})",
        wanted.split.short_percent(),
        wanted.split
    );
    match percent {
        _ if memory.used < queue::Memory::short_from(max, wanted.split) => {
            Finding::ok("used memory", format!("{found}; {shortened}"))
        }
        0..75 => Finding::warning("used memory", format!("{found}: {shortened}"), change).page(MEMORY),
        _ => Finding::error("used memory", format!("{found}: frames are refused from 75 % on"), change)
            .page(MEMORY),
    }
}

fn fragmentation(memory: &Memory) -> Option<Finding> {
    if memory.used < FRAGMENTATION_FROM {
        return None;
    }
    let percent = memory.resident * 100 / memory.used;
    let found = format!("the process has {} for {} of data", bytes(memory.resident), bytes(memory.used));
    if percent > 150 {
        return Some(Finding::warning("fragmentation", found, "CONFIG SET activedefrag yes").page(OPERATING));
    }
    if percent < 90 {
        return Some(
            Finding::warning(
                "fragmentation",
                format!("{found}: a part is swapped out, which makes every call slow"),
                "give the machine more memory, or Redis less (maxmemory and --memory-budget)",
            )
            .page(OPERATING),
        );
    }
    Some(Finding::ok("fragmentation", found))
}

/// Judges `client-output-buffer-limit`: `normal 0 0 0 slave ...`.
fn buffers(facts: &Facts) -> Option<Finding> {
    let limits = facts.settings.get("client-output-buffer-limit")?;
    let mut words = limits.split_whitespace().skip_while(|&word| word != "normal").skip(1);
    let hard: u64 = words.next()?.parse().ok()?;
    if hard == 0 || hard >= MIN_OUTPUT_BUFFER {
        return Some(Finding::ok("output buffers", "large enough for answers with pictures"));
    }
    let found =
        format!("Redis closes a connection that has {} to read: a page of pictures may be more", bytes(hard));
    Some(
        Finding::warning("output buffers", found, "CONFIG SET client-output-buffer-limit \"normal 0 0 0\"")
            .page(OPERATING),
    )
}

fn largest_value(facts: &Facts, wanted: &Wanted) -> Option<Finding> {
    let max: u64 = facts.settings.get("proto-max-bulk-len")?.parse().ok()?;
    (max < wanted.max_picture).then(|| {
        let found = format!(
            "Redis takes values up to {}, but --max-picture-bytes is {}",
            bytes(max),
            bytes(wanted.max_picture)
        );
        Finding::error("value size", found, format!("CONFIG SET proto-max-bulk-len {}", wanted.max_picture))
            .page(OPERATING)
    })
}
