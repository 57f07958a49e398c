use super::super::finding::Level;
use super::*;
use crate::queue::redis::facts::{Cluster, Memory, Persistence, Replica, Replication};

const MIB: u64 = 1 << 20;

/// Returns the facts of a Redis with nothing to change.
fn good() -> Facts {
    Facts {
        product: "Redis",
        version: "7.2.4".to_owned(),
        redis_version: "7.2.4".to_owned(),
        is_loading: false,
        store: Store::Usable,
        denied: Some(Vec::new()),
        memory: Memory {
            used: 300 * MIB,
            resident: 330 * MIB,
            max: 4096 * MIB,
            machine: 16_384 * MIB,
            policy: "noeviction".to_owned(),
        },
        persistence: Persistence { has_aof: true, ..Persistence::default() },
        replication: Replication::default(),
        connected_clients: 12,
        max_clients: 10_000,
        cluster: None,
        settings: [
            ("appendfsync", "always"),
            ("client-output-buffer-limit", "normal 0 0 0 slave 268435456 67108864 60"),
            ("proto-max-bulk-len", "536870912"),
            ("save", ""),
        ]
        .into_iter()
        .map(|(name, value)| (name.to_owned(), value.to_owned()))
        .collect(),
        round_trips: vec![Duration::from_micros(90), Duration::from_micros(120), Duration::from_micros(800)],
        clock: Some(Clock { ahead_us: -1_500, error: Duration::from_micros(45) }),
    }
}

fn wanted() -> Wanted {
    Wanted {
        budget: 2048 * MIB,
        split: Split::default(),
        max_memory: 2730 * MIB,
        max_picture: 16 * MIB,
        wait_replicas: 0,
        fails_over: false,
        is_cluster: false,
        partitions: Partitions::default(),
        namespace: Namespace::default(),
    }
}

fn replica(state: &str, lag_seconds: u64) -> Replica {
    Replica { address: "10.0.0.2:6379".to_owned(), state: state.to_owned(), lag_seconds }
}

/// Returns the finding about a subject.
fn find<'a>(findings: &'a [Finding], subject: &str) -> &'a Finding {
    findings.iter().find(|one| one.subject == subject).unwrap_or_else(|| panic!("{subject} in {findings:#?}"))
}

fn set(facts: &mut Facts, name: &str, value: &str) {
    facts.settings.insert(name.to_owned(), value.to_owned());
}

#[test]
fn a_good_redis_has_nothing_to_change() {
    let findings = judge(&good(), &wanted());
    assert!(findings.iter().all(|one| one.level == Level::Ok && one.change.is_none()), "{findings:#?}");
}

type Change = fn(&mut Facts);

fn assert_finds(table: &[(Change, &str, Level, &str)], wanted: Wanted) {
    for (change, subject, level, says) in table {
        let mut facts = good();
        change(&mut facts);
        let findings = judge(&facts, &wanted);
        let finding = find(&findings, subject);
        assert_eq!(finding.level, *level, "{finding:?}");
        assert!(format!("{finding:?}").contains(says), "{says:?} in {finding:?}");
        let needs_change = finding.level >= Level::Warning;
        assert!(!needs_change || finding.change.is_some() && finding.page.is_some(), "{finding:?}");
    }
}

#[test]
fn a_redis_that_cannot_be_used_is_an_error() {
    assert_finds(
        &[
            (|f| f.redis_version = "6.2.14".to_owned(), "version", Level::Error, "install Redis 7.0"),
            (|f| f.is_loading = true, "loading", Level::Warning, "wait"),
            (|f| f.cluster = Some(Cluster::default()), "cluster", Level::Error, "redis-cluster://"),
            (
                |f| {
                    f.cluster = Some(Cluster { state: "fail".to_owned(), assigned_slots: Some(12) });
                },
                "cluster",
                Level::Error,
                "cluster_state is fail, 12 of 16384 slots",
            ),
            (|f| f.store = Store::Empty, "store", Level::Ok, "empty"),
            (
                |f| f.store = Store::Other("frameway 2, xxh3_64, 64 partitions".to_owned()),
                "store",
                Level::Error,
                "does not use with --partitions 32",
            ),
            (|f| f.replication.is_replica = true, "role", Level::Error, "its link to the primary is down"),
        ],
        wanted(),
    );
}

#[test]
fn the_permissions_are_judged_by_what_the_settings_need() {
    assert_finds(
        &[
            (|f| f.denied = None, "permissions", Level::Warning, "EVAL"),
            (|f| f.denied = Some(vec!["wait"]), "permissions", Level::Ok, "every command"),
            (|f| f.denied = Some(vec!["config|get"]), "permissions", Level::Warning, "+config|get"),
            (
                |f| f.denied = Some(vec!["wait", "xadd", "time"]),
                "permissions",
                Level::Error,
                "~frameway:* +xadd +time",
            ),
        ],
        wanted(),
    );
    let elsewhere = Wanted { namespace: "site-2".parse().expect("a namespace"), ..wanted() };
    assert_finds(
        &[(|f| f.denied = Some(vec!["time"]), "permissions", Level::Error, "~site-2:* +time")],
        elsewhere,
    );
    let waits = Wanted { wait_replicas: 1, ..wanted() };
    assert_finds(&[(|f| f.denied = Some(vec!["wait"]), "permissions", Level::Error, "+wait")], waits);
}

#[test]
fn the_memory_is_judged_against_the_budget() {
    assert_finds(
        &[
            (|f| f.memory.policy = "allkeys-lru".to_owned(), "eviction", Level::Error, "noeviction"),
            (|f| f.memory.policy = "volatile-ttl".to_owned(), "eviction", Level::Warning, "noeviction"),
            (|f| f.memory.max = 0, "maxmemory", Level::Note, "CONFIG SET maxmemory 2862612480"),
            (|f| f.memory.max = 1024 * MIB, "maxmemory", Level::Warning, "--memory-budget 805306368"),
            (|f| f.memory.machine = 4096 * MIB, "machine", Level::Warning, "may kill Redis"),
            (|f| f.memory.used = 1_800 * MIB, "used memory", Level::Warning, "(65 %)"),
            (|f| f.memory.used = 2_100 * MIB, "used memory", Level::Error, "refused from 75 %"),
            (
                |f| f.memory.used = 1_800 * MIB,
                "used memory",
                Level::Warning,
                "shortened from 60 % on (--memory-split 40/50/10)",
            ),
            (|f| f.memory.resident = 600 * MIB, "fragmentation", Level::Warning, "activedefrag yes"),
            (|f| f.memory.resident = 100 * MIB, "fragmentation", Level::Warning, "swapped out"),
            (
                |f| set(f, "client-output-buffer-limit", "normal 1048576 0 0"),
                "output buffers",
                Level::Warning,
                "1.0 MB",
            ),
            (
                |f| set(f, "proto-max-bulk-len", "1048576"),
                "value size",
                Level::Error,
                "proto-max-bulk-len 16777216",
            ),
        ],
        wanted(),
    );
    assert_finds(
        &[
            (
                |f| f.memory.used = 1_800 * MIB,
                "used memory",
                Level::Ok,
                "outputs are shortened from 73.1 % on",
            ),
            (|f| f.memory.used = 2_010 * MIB, "used memory", Level::Warning, "(--memory-split 5/90/5)"),
            (|f| f.memory.used = 2_100 * MIB, "used memory", Level::Error, "refused from 75 %"),
        ],
        Wanted { split: Split::new(5, 90, 5).expect("a split"), ..wanted() },
    );
    let mut facts = good();
    facts.memory.max = 64 * MIB;
    let findings = judge(&facts, &wanted());
    let change = find(&findings, "maxmemory").change.as_deref();
    assert_eq!(change, Some("CONFIG SET maxmemory 2862612480"), "a server refuses so low a budget");
    let mut facts = good();
    facts.memory.machine = 4096 * MIB;
    facts.persistence.has_aof = false;
    assert_eq!(find(&judge(&facts, &wanted()), "machine").level, Level::Ok, "nothing is rewritten");
    set(&mut facts, "save", "3600 1");
    assert_eq!(find(&judge(&facts, &wanted()), "machine").level, Level::Warning, "a snapshot is");
}

#[test]
fn what_a_failure_loses_is_found() {
    assert_finds(
        &[
            (|f| f.persistence.has_aof = false, "durability", Level::Warning, "CONFIG SET appendonly yes"),
            (|f| set(f, "appendfsync", "everysec"), "durability", Level::Ok, "last second or two"),
            (|f| set(f, "appendfsync", "no"), "durability", Level::Warning, "everysec"),
            (|f| set(f, "no-appendfsync-on-rewrite", "yes"), "durability", Level::Warning, "on-rewrite no"),
            (|f| drop(f.settings.remove("appendfsync")), "durability", Level::Note, "cannot be read"),
            (|f| f.persistence.aof_write_failed = true, "disk", Level::Error, "refuses writes"),
            (|f| f.persistence.aof_rewrite_failed = true, "disk", Level::Warning, "file grows"),
            (|f| f.persistence.snapshot_failed = true, "disk", Level::Error, "until one succeeds"),
            (
                |f| f.replication.replicas = vec![replica("online", 0)],
                "replicas",
                Level::Note,
                "--wait-replicas 1",
            ),
            (
                |f| f.replication.replicas = vec![replica("wait_bgsave", 0)],
                "replica",
                Level::Warning,
                "is wait_bgsave",
            ),
            (|f| f.replication.replicas = vec![replica("online", 60)], "replica", Level::Warning, "60 s ago"),
            (|f| f.replication.replicas = vec![replica("online", 0)], "backlog", Level::Note, "67108864"),
        ],
        wanted(),
    );
    let elsewhere = Wanted { namespace: "site-2".parse().expect("a namespace"), ..wanted() };
    assert_finds(
        &[(|f| f.denied = Some(vec!["time"]), "permissions", Level::Error, "~site-2:* +time")],
        elsewhere,
    );
    let waits = Wanted { wait_replicas: 1, ..wanted() };
    assert_finds(
        &[
            (|_| {}, "replicas", Level::Error, "start 1 more"),
            (|f| f.replication.replicas = vec![replica("online", 0)], "replicas", Level::Ok, "1 of 1"),
            (
                |f| f.replication.replicas = vec![replica("online", 0), replica("online", 0)],
                "replicas",
                Level::Warning,
                "--wait-replicas 2",
            ),
            (
                |f| f.replication.replicas = vec![replica("online", 99)],
                "replicas",
                Level::Error,
                "no frame is confirmed",
            ),
        ],
        waits,
    );
    let may_fail_over = Wanted { fails_over: true, ..wanted() };
    let one: Change = |f| f.replication.replicas = vec![replica("online", 0)];
    assert_finds(&[(one, "replicas", Level::Warning, "--wait-replicas 1")], may_fail_over);
}

#[test]
fn a_slow_busy_or_wrong_redis_is_found() {
    assert_finds(
        &[
            (|f| f.connected_clients = 9_990, "clients", Level::Warning, "maxclients 20000"),
            (|f| f.round_trips = vec![Duration::from_millis(7)], "latency", Level::Warning, "median 7.00 ms"),
            (|f| f.round_trips.push(Duration::from_millis(230)), "latency", Level::Note, "longest 230 ms"),
            (
                |f| f.clock = Some(Clock { ahead_us: 3_000_000, error: Duration::from_millis(1) }),
                "clock",
                Level::Warning,
                "3.0 s ahead of",
            ),
        ],
        wanted(),
    );
    let mut facts = good();
    (facts.clock, facts.round_trips) = (None, Vec::new());
    let findings = judge(&facts, &wanted());
    assert!(!findings.iter().any(|one| ["clock", "latency"].contains(&one.subject)), "{findings:?}");
}

#[test]
fn a_redis_that_cannot_be_asked_is_one_finding() {
    for (error, says) in [
        (Error::Unreachable("Connection refused".to_owned()), "would wait"),
        (Error::Unsuitable("the Redis URL is not valid".to_owned()), "does not start"),
    ] {
        let finding = unreachable(&error);
        assert!(finding.level == Level::Error && format!("{finding:?}").contains(says), "{finding:?}");
    }
}
