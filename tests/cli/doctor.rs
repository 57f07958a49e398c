//! `frameway doctor`, with real servers that are set up wrong.

use std::io::{Read as _, Write as _};
use std::net::TcpListener;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use serde_json::Value;

use crate::certificates::Authority;
use crate::cluster::{Cluster, Shape};
use crate::redis::{PASSWORD, Persistence, RedisServer, Setup};
use crate::server::Server;
use crate::{assert_fails, closed_address, frameway, stderr, stdout};

/// Runs `frameway doctor --json`; returns the exit code and the report. No secret may be printed.
fn doctor(flags: &[&str]) -> (i32, Value) {
    let listen = if flags.contains(&"--listen") { &[][..] } else { &["--listen", "127.0.0.1:0"] };
    let output = frameway(&[&["doctor", "--json"], listen, flags].concat());
    let (said, complained) = (stdout(&output), stderr(&output));
    for secret in [PASSWORD, "wrong-password"] {
        assert!(!said.contains(secret) && !complained.contains(secret), "{said}{complained}");
    }
    let report: Value =
        serde_json::from_str(&said).unwrap_or_else(|error| panic!("{error}: {said}{complained}"));
    for section in report["sections"].as_array().expect("sections") {
        section["findings"].as_array().expect("findings").iter().for_each(assert_page_exists);
    }
    (output.status.code().expect("an exit code"), report)
}

/// Asserts that the page of a finding exists, with the heading that it names.
fn assert_page_exists(finding: &Value) {
    let Some(page) = finding["page"].as_str() else { return };
    let (file, anchor) = page.split_once('#').unwrap_or((page, ""));
    let text = std::fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join(file));
    let text = text.unwrap_or_else(|error| panic!("{page}: {error}"));
    let headings = text.lines().filter_map(|line| line.strip_prefix("## ").or(line.strip_prefix("### ")));
    let anchors = headings.map(|heading| {
        let kept = heading.chars().filter(|c| c.is_alphanumeric() || *c == ' ' || *c == '-');
        kept.collect::<String>().to_lowercase().replace(' ', "-")
    });
    assert!(anchor.is_empty() || anchors.into_iter().any(|one| one == anchor), "{page} in {finding}");
}

fn findings<'a>(report: &'a Value, section: &str) -> Vec<&'a Value> {
    let sections = report["sections"].as_array().expect("sections");
    let found = sections.iter().find(|one| one["name"] == section);
    let found = found.unwrap_or_else(|| panic!("no section {section} in {report:#}"));
    found["findings"].as_array().expect("findings").iter().collect()
}

/// Asserts that a section has a finding of this subject and level that contains `says`.
fn assert_found(report: &Value, section: &str, subject: &str, level: &str, says: &str) {
    let all = findings(report, section);
    let found = all
        .iter()
        .any(|one| one["subject"] == subject && one["level"] == level && one.to_string().contains(says));
    assert!(found, "{subject}, {level}, {says:?} in {all:#?}");
}

fn redis(persistence: Persistence, flags: &[&str]) -> RedisServer {
    let flags = flags.iter().map(|&flag| flag.to_owned()).collect();
    RedisServer::start_as(Setup { persistence, flags, ..Setup::default() })
}

fn text(path: &Path) -> String {
    path.to_str().expect("UTF-8").to_owned()
}

#[test]
fn a_redis_as_documented_is_found_good_and_left_unchanged() {
    let flags = ["--maxmemory", "2gb", "--maxmemory-policy", "noeviction"];
    let redis = redis(Persistence::AofAlways, &flags);
    let (code, report) = doctor(&["--redis-url", &redis.url(), "--memory-budget", "512MiB"]);
    let all = findings(&report, "redis");
    for one in &all {
        assert!(one["level"] == "ok", "{one}");
    }
    for subject in ["version", "store", "permissions", "eviction", "durability", "latency", "clock"] {
        assert!(all.iter().any(|one| one["subject"] == subject), "{subject} in {all:?}");
    }
    assert_eq!((code, &report["errors"]), (0, &0.into()), "{report:#}");
    assert_eq!(redis.cli(&["DBSIZE"]), "0");
    assert_eq!(redis.calls("set"), 0);
}

#[test]
fn settings_that_lose_frames_are_found() {
    let flags = ["--maxmemory", "64mb", "--maxmemory-policy", "allkeys-lru"];
    let redis = redis(Persistence::None, &flags);
    let url = redis.url();
    let (code, report) = doctor(&["--redis-url", &url]);
    assert_eq!(code, 1, "{report:#}");
    assert_found(&report, "redis", "eviction", "error", "CONFIG SET maxmemory-policy noeviction");
    assert_found(&report, "redis", "maxmemory", "warning", "67.1 MB is less than");
    assert_found(&report, "redis", "durability", "warning", "CONFIG SET appendonly yes");
    let (_, waits) = doctor(&["--redis-url", &url, "--wait-replicas", "1"]);
    assert_found(&waits, "redis", "replicas", "error", "start 1 more");

    redis.cli(&["CONFIG", "SET", "maxmemory-policy", "noeviction"]);
    let flags = ["doctor", "--listen", "127.0.0.1:0", "--redis-url", &url];
    let output = frameway(&flags);
    let said = stdout(&output);
    assert!(output.status.success(), "warnings alone: {said}{}", stderr(&output));
    assert!(said.contains("\n  ok       eviction") && !said.contains('\x1b'), "{said}");
    assert!(said.contains("-> CONFIG SET appendonly yes"), "{said}");
    let strict = frameway(&[&flags[..], &["--strict"]].concat());
    assert_eq!(strict.status.code(), Some(1));
    assert!(stderr(&strict).starts_with("frameway: 0 errors, "), "{}", stderr(&strict));
}

#[test]
fn the_masters_of_a_cluster_are_examined_each() {
    let mut cluster = Cluster::start(&Shape::calm(3));
    let url = cluster.url();
    let flags = ["--redis-url", &url];
    let (code, report) = doctor(&flags);
    assert_eq!(code, 0, "{report:#}");
    assert_found(&report, "redis", "cluster", "ok", "3 masters own slots; every slot has an owner");
    assert_found(&report, "redis", "partitions", "note", "1.31 times the mean");
    assert_found(&report, "redis", "permissions", "ok", "every command");
    assert_found(&report, "redis", "store", "ok", "empty");
    let (_, report) = doctor(&[&flags[..], &["--partitions", "256"]].concat());
    assert_found(&report, "redis", "partitions", "ok", "256 partitions lie");

    let node = &cluster.nodes[1];
    node.cli(&["CONFIG", "SET", "maxmemory-policy", "allkeys-lru"]);
    node.cli(&["CONFIG", "SET", "cluster-require-full-coverage", "yes"]);
    node.cli(&["ACL", "SETUSER", "frameway", "resetchannels", "-scan"]);
    let (code, report) = doctor(&flags);
    assert_eq!(code, 1, "{report:#}");
    for (subject, level) in [("eviction", "error"), ("coverage", "warning"), ("permissions", "error")] {
        assert_found(&report, "redis", subject, level, &format!("127.0.0.1:{}: ", node.port()));
    }
    assert_found(
        &report,
        "redis",
        "permissions",
        "error",
        "~frameway:* &frameway:* +scan +spublish +ssubscribe",
    );

    cluster.kill(2);
    let (_, report) = doctor(&flags);
    let lost = cluster.nodes[2].port();
    assert_found(&report, "redis", "connection", "error", &format!("127.0.0.1:{lost}: "));
}

#[test]
fn a_redis_that_is_a_replica_or_a_node_of_a_cluster_is_an_error() {
    let primary = RedisServer::start();
    let replica = RedisServer::start();
    replica.replicate(&primary);
    let (code, report) = doctor(&["--redis-url", &replica.url()]);
    assert_eq!(code, 1);
    assert_found(&report, "redis", "role", "error", "the primary's address");
    let (_, report) = doctor(&["--redis-url", &primary.url()]);
    assert_found(&report, "redis", "replicas", "note", "1 of 1 replicas follow");

    let node = redis(Persistence::None, &["--cluster-enabled", "yes"]);
    // Frameway's user may not ask about the cluster; another one may.
    let (code, report) = doctor(&["--redis-url", &node.url()]);
    assert_eq!(code, 1);
    assert_found(&report, "redis", "cluster", "error", "redis-cluster://");
    let (_, report) = doctor(&["--redis-url", &node.admin_url()]);
    assert_found(&report, "redis", "cluster", "error", "cluster_state is fail, 0 of 16384 slots");
}

#[test]
fn missing_permissions_are_named() {
    let redis = RedisServer::start();
    redis.cli(&["ACL", "SETUSER", "frameway", "-xadd", "-config|get", "-wait"]);
    let (code, report) = doctor(&["--redis-url", &redis.url()]);
    assert_eq!(code, 1);
    assert_found(&report, "redis", "permissions", "error", "~frameway:* +xadd\"");
    redis.cli(&["ACL", "SETUSER", "frameway", "+xadd", "-wait"]);
    let (_, report) = doctor(&["--redis-url", &redis.url()]);
    assert_found(&report, "redis", "permissions", "warning", "+config|get");
    redis.cli(&["ACL", "SETUSER", "frameway", "-eval"]);
    let (_, report) = doctor(&["--redis-url", &redis.url()]);
    assert_found(&report, "redis", "permissions", "warning", "EVAL");
    redis.cli(&["ACL", "SETUSER", "frameway", "+eval", "+config|get", "resetkeys", "~other:*"]);
    let (_, report) = doctor(&["--redis-url", &redis.url()]);
    assert_found(&report, "redis", "permissions", "error", "+xadd");
}

#[test]
fn a_redis_that_cannot_be_asked_is_one_finding_and_the_rest_goes_on() {
    let redis = RedisServer::start();
    let wrong = redis.url().replace(PASSWORD, "wrong-password");
    let garbage = TcpListener::bind("127.0.0.1:0").expect("a port");
    let port = garbage.local_addr().expect("an address").port();
    let talker = std::thread::spawn(move || {
        let (mut socket, _) = garbage.accept().expect("a connection");
        let _asked = socket.read(&mut [0; 64]);
        socket.write_all(b"SSH-2.0-OpenSSH_9.6\r\n").expect("an answer");
    });
    let silent = TcpListener::bind("127.0.0.1:0").expect("a port");
    let silent_url = format!("redis://{}", silent.local_addr().expect("an address"));
    for (url, says) in [
        (redis.bare_url(), "NOAUTH"),
        (wrong, "the user or the password is wrong"),
        (format!("redis://me:wrong-password@{}", closed_address()), "Connection refused"),
        (format!("redis://127.0.0.1:{port}"), "is not Redis; it answered"),
        (silent_url, "no answer within"),
        ("redis://127.0.0.1:1/?wrong-password".to_owned(), "refused"),
    ] {
        let (code, report) = doctor(&["--redis-url", &url]);
        assert_eq!(code, 1, "{url}: {report:#}");
        assert_eq!(findings(&report, "redis").len(), 1, "{url}: {report:#}");
        assert_found(&report, "redis", "connection", "error", says);
        assert_found(&report, "machine", "cores", "ok", "worker threads");
        assert_found(&report, "server", "address", "ok", "is free");
    }
    talker.join().expect("the talker ends");
}

#[test]
fn tls_files_are_judged_by_their_dates_and_their_key() {
    let folder = tempfile::tempdir().expect("a folder");
    let authority = Authority::new("servers");
    let (old, good) = (authority.issue_expired(&["127.0.0.1"]), authority.issue(&["127.0.0.1"]));
    let file = |name: &str, contents: &str| {
        let path = folder.path().join(name);
        std::fs::write(&path, contents).expect("writes");
        text(&path)
    };
    let (old_pem, old_key) = (file("old.pem", &old.certificate), file("old.key", &old.key));
    let (good_pem, good_key) = (file("good.pem", &good.certificate), file("good.key", &good.key));
    let ca = file("ca.pem", &authority.pem);
    let tls = |cert: &str, key: &str| doctor(&["--tls-cert", cert, "--tls-key", key, "--tls-client-ca", &ca]);

    let (code, report) = tls(&good_pem, &good_key);
    assert_eq!(code, 0, "{report:#}");
    assert_found(&report, "access", "tls", "ok", "can be used");
    assert_found(&report, "access", "certificate", "ok", "CN=test expires in ");
    assert_found(&report, "access", "client CA", "ok", "CN=servers expires in ");
    let key_mode = |mode| {
        std::fs::set_permissions(&good_key, PermissionsExt::from_mode(mode)).expect("an own file");
        tls(&good_pem, &good_key).1
    };
    assert_found(&key_mode(0o644), "access", "private key", "warning", "chmod o-r");
    assert!(!key_mode(0o600).to_string().contains("chmod"));
    let (code, report) = tls(&old_pem, &old_key);
    assert_eq!(code, 1);
    assert_found(&report, "access", "certificate", "error", "at 2021-01-01T00:00:00Z");
    let (code, report) = tls(&good_pem, &old_key);
    assert_eq!(code, 1);
    assert_found(&report, "access", "tls", "error", "is not the key of the first certificate");
    let (code, report) = tls("/nowhere/a.pem", &good_key);
    assert_eq!(code, 1);
    assert_found(&report, "access", "certificate", "error", "/nowhere/a.pem");
    let secret = good.key.lines().nth(1).expect("a line of the key");
    assert!(!report.to_string().contains(secret));
}

#[test]
fn keys_that_expire_and_access_files_that_cannot_be_used_are_found() {
    let folder = tempfile::tempdir().expect("a folder");
    let file = text(&folder.path().join("access.toml"));
    let create = ["keys", "create", "--access-file", &file, "--grant", "admin", "--principal"];
    for (principal, expires) in [("agent", "10d"), ("archive", "90d")] {
        assert!(frameway(&[&create[..], &[principal, "--expires", expires]].concat()).status.success());
    }
    let (code, report) = doctor(&["--access-file", &file]);
    assert_eq!(code, 0, "{report:#}");
    assert_found(&report, "access", "access file", "ok", "2 principals");
    assert_found(&report, "access", "api key", "warning", "of agent expires in 9 days");
    assert!(!report.to_string().contains("of archive"), "{report:#}");
    std::fs::write(&file, "[half").expect("writes");
    let (code, report) = doctor(&["--access-file", &file]);
    assert_eq!(code, 1);
    assert_found(&report, "access", "access file", "error", "access.toml: line 1: ");
}

#[test]
fn a_port_that_is_taken_is_found_and_a_server_on_it_is_recognized() {
    let server = Server::start();
    let (code, report) = doctor(&["--listen", &server.address()]);
    assert_eq!(code, 0, "{report:#}");
    let version = format!("a Frameway server {} listens on", env!("CARGO_PKG_VERSION"));
    assert_found(&report, "server", "address", "note", &version);
    let other = TcpListener::bind("127.0.0.1:0").expect("a port");
    let address = other.local_addr().expect("an address").to_string();
    let (code, report) = doctor(&["--listen", &address]);
    assert_eq!(code, 1, "{report:#}");
    assert_found(&report, "server", "address", "error", "another program listens");

    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("a.sock");
    let listen = format!("unix:{}", path.display());
    let (_, report) = doctor(&["--listen", &listen]);
    assert_found(&report, "server", "address", "ok", "is free");
    std::fs::write(&path, "a file").expect("writes");
    let (code, report) = doctor(&["--listen", &listen]);
    assert_eq!(code, 1, "{report:#}");
    assert_found(&report, "server", "address", "error", "a file that is not a socket");
    std::fs::remove_file(&path).expect("an own file");
    let _socket = std::os::unix::net::UnixListener::bind(&path).expect("a socket");
    let (code, report) = doctor(&["--listen", &listen]);
    assert_eq!(code, 1, "{report:#}");
    assert_found(&report, "server", "address", "error", "another program listens");
}

#[test]
fn settings_that_are_not_valid_are_wrong_usage() {
    assert_fails(&["doctor", "--partitions", "7"], 2, "--partitions");
    assert_fails(&["doctor", "--redis-url", "localhost"], 2, "--redis-url");
    assert_fails(&["doctor", "--nonsense"], 2, "--nonsense");
}

#[test]
fn a_worker_has_no_port_and_no_callers() {
    let redis = RedisServer::start();
    let (_, report) = doctor(&["--role", "worker", "--redis-url", &redis.url()]);
    let names: Vec<_> =
        report["sections"].as_array().expect("sections").iter().map(|one| &one["name"]).collect();
    assert_eq!(names, ["redis", "machine", "server"], "metrics are served by workers, too");
    let subjects: Vec<_> = findings(&report, "server").iter().map(|one| one["subject"].clone()).collect();
    assert_eq!(subjects, ["metrics"]);
}

#[test]
fn an_address_of_metrics_that_is_taken_is_found_before_the_server_refuses_it() {
    let other = TcpListener::bind("127.0.0.1:0").expect("a port");
    let address = other.local_addr().expect("an address").to_string();
    let (code, report) = doctor(&["--metrics-listen", &address]);
    assert_eq!(code, 1, "{report:#}");
    assert_found(&report, "server", "metrics", "error", "cannot serve metrics on");
    let (_, report) = doctor(&["--metrics-listen", "127.0.0.1:0"]);
    assert_found(&report, "server", "metrics", "ok", "is free");
    let (_, report) = doctor(&["--metrics-listen", "none"]);
    assert!(findings(&report, "server").iter().all(|one| one["subject"] != "metrics"), "{report:#}");
    // Beside a running server, it is expected that the address is taken.
    let server = Server::start();
    let (code, report) = doctor(&["--listen", &server.address(), "--metrics-listen", &address]);
    assert_eq!(code, 0, "{report:#}");
    assert_found(&report, "server", "metrics", "note", "is taken");
}
