//! Two Frameways with namespaces, and users, of their own in one Redis.

use std::fs;
use std::time::{Duration, Instant};

use serde_json::Value;

use super::redis::{RedisServer, acl_line};
use super::server::Server;
use super::{draw, frameway, stderr};

const PATIENCE: Duration = Duration::from_secs(60);
const SECRET: &str = "password-of-one-namespace";

/// Creates the user of a namespace, which is also its name, with the rights of `docs/redis.md`.
fn give_user(redis: &RedisServer, namespace: &str) {
    let rules = acl_line().replace("PASSWORD", SECRET).replace("~frameway:*", &format!("~{namespace}:*"));
    let rules = rules.split(' ').skip(2);
    let call: Vec<&str> = ["ACL", "SETUSER", namespace].into_iter().chain(rules).collect();
    assert_eq!(redis.cli(&call), "OK");
}

fn url(redis: &RedisServer, user: &str) -> String {
    format!("redis://{user}:{SECRET}@127.0.0.1:{}", redis.port())
}

fn serve(redis: &RedisServer, namespace: &str) -> Server {
    Server::start_with(&["--redis-url", &url(redis, namespace), "--namespace", namespace])
}

/// Submits drawn frames of `cam`, and one that cannot be decoded, and waits for its dead letter.
fn submit(server: &Server, count: u64) {
    let folder = tempfile::tempdir().expect("a temporary folder");
    draw(folder.path(), count);
    let last = folder.path().join(format!("{count}.jpg"));
    let bytes = fs::read(&last).expect("it was drawn");
    fs::write(&last, &bytes[..bytes.len() / 2]).expect("a temporary file can be written");
    server.text(&["submit", &folder.path().to_string_lossy(), "--stream", "cam", "--register"]);
    until(server, &["dead-letters", "--limit", "0"], |listed| listed["kept_count"] == 1);
}

fn until(server: &Server, command: &[&str], holds: impl Fn(&Value) -> bool) {
    let deadline = Instant::now() + PATIENCE;
    loop {
        let answer = server.json(command);
        if holds(&answer) {
            return;
        }
        assert!(Instant::now() < deadline, "{command:?}: {answer}");
        std::thread::sleep(Duration::from_millis(20));
    }
}

/// Returns what a server says of its store, without times and rates.
fn contents(server: &Server) -> Vec<Value> {
    let frames = server.json(&["frames", "list", "cam", "--first", "1"]);
    let groups = server.json(&["groups", "list"]);
    let letters = server.json(&["dead-letters", "list"]);
    vec![frames, groups, letters["dead_letters"].clone()]
}

#[test]
fn two_namespaces_share_a_redis_and_nothing_else() {
    let redis = RedisServer::start();
    for namespace in ["one", "two"] {
        give_user(&redis, namespace);
    }
    for (user, other) in [("one", "two"), ("two", "one")] {
        for key in [format!("{other}:layout"), format!("{other}:{{{other}-p00}}:counts"), "frameway:x".into()]
        {
            let said = redis.cli(&["ACL", "DRYRUN", user, "GET", &key]);
            assert!(said.contains("has no permissions to access the"), "{said}");
        }
        let strange = ["config", "check", "--redis-url", &url(&redis, user), "--namespace", other];
        let output = frameway(&strange);
        assert!(!output.status.success(), "{}", stderr(&output));
    }

    let (one, two) = (serve(&redis, "one"), serve(&redis, "two"));
    submit(&one, 4);
    submit(&two, 3);
    for server in [&one, &two] {
        server.text(&["groups", "create", "site", "cam", "--from", "earliest"]);
        server.text(&["subscribe", "cam", "--from", "1", "--count", "2"]);
    }
    let identities = [&one, &two].map(|server| server.json(&["info"])["cluster_id"].clone());
    assert!(identities[0].is_string() && identities[0] != identities[1], "{identities:?}");

    // Everything that one of them may do to its data leaves the other untouched.
    let before = contents(&two);
    one.text(&["streams", "erase", "cam", "--from", "1", "--to", "2"]);
    one.text(&["subscribe", "--group", "site", "--member", "m", "--count", "1"]);
    one.text(&["groups", "delete", "site"]);
    one.text(&["dead-letters", "discard", "--all"]);
    until(&one, &["dead-letters", "--limit", "0"], |listed| listed["kept_count"] == 0);
    assert_eq!(contents(&two), before);
    two.text(&["subscribe", "--group", "site", "--member", "m", "--count", "2"]);
    one.text(&["streams", "remove", "cam"]);
    two.text(&["subscribe", "cam", "--from", "1", "--count", "2"]);

    let keys = redis.cli(&["KEYS", "*"]);
    for key in keys.lines() {
        assert!(key.starts_with("one:") || key.starts_with("two:"), "{key}");
    }
    assert!(keys.contains("one:{one-p") && keys.contains("two:{two-p"), "{keys}");
}
