//! `frameway admin repartition`.

use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use super::full_store::{PARTITIONS, contents, continues, fill};
use super::redis::RedisServer;
use super::server::Server;
use super::{assert_fails, frameway, json, stderr, stdout};

const PATIENCE: Duration = Duration::from_secs(60);

fn serve(redis: &RedisServer, namespace: &str, partitions: &str, role: &str) -> Server {
    let url = redis.admin_url();
    let flags = ["--redis-url", &url, "--namespace", namespace, "--partitions", partitions, "--role", role];
    Server::start_with(&flags)
}

fn arguments<'a>(url: &'a str, to: &'a str, partitions: &'a str) -> Vec<&'a str> {
    let from = ["admin", "repartition", "--redis-url", url];
    [&from[..], &["--to-namespace", to, "--to-partitions", partitions]].concat()
}

/// Returns how many facts the target has about the move.
fn progress(redis: &RedisServer, namespace: &str) -> usize {
    redis.cli(&["HLEN", &format!("{namespace}:repartition")]).parse().unwrap_or(0)
}

/// Starts the move, and kills it when the target has so many facts about it. Returns false if the
/// move was complete before.
fn kill_at(redis: &RedisServer, arguments: &[&str], namespace: &str, facts: usize) -> bool {
    let mut process = Command::new(env!("CARGO_BIN_EXE_frameway"))
        .args(arguments)
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .expect("the program runs");
    let deadline = Instant::now() + PATIENCE;
    while progress(redis, namespace) < facts {
        if process.try_wait().expect("a child can be asked").is_some() {
            return false;
        }
        assert!(Instant::now() < deadline, "the move does not reach {facts} facts");
    }
    process.kill().expect("a signal to the own child");
    let status = process.wait().expect("the child ends");
    !status.success()
}

#[test]
fn a_store_is_moved_to_more_and_to_fewer_partitions_whenever_the_move_is_killed() {
    let redis = RedisServer::start();
    let url = redis.admin_url();
    let (more, source) = (arguments(&url, "more", "32"), serve(&redis, "frameway", PARTITIONS, "all"));
    fill(&source);
    assert_fails(&more, 2, "the source is in use by server ");
    drop(source);
    let before = contents(&serve(&redis, "frameway", PARTITIONS, "api"));

    let mut killed = 0;
    for facts in [2, 4, 8, 14, 24] {
        if kill_at(&redis, &more, "more", facts) {
            killed += 1;
            let open = ["config", "check", "--redis-url", &url, "--partitions", PARTITIONS];
            let output = frameway(&open);
            let said = stdout(&output) + &stderr(&output);
            assert!(!output.status.success() && said.contains("moved by frameway admin"), "{said}");
        }
    }
    assert!(killed >= 2, "the move was killed {killed} times");
    if progress(&redis, "more") > 0 {
        let other = arguments(&url, "more", "16");
        assert_fails(&other, 2, "half-done copy");
        let output = frameway(&more);
        assert!(output.status.success(), "{}", stderr(&output));
        assert!(stdout(&output).contains("--namespace more and --partitions 32"), "{}", stdout(&output));
    }
    assert_fails(&more, 2, "the target is not empty");
    assert_eq!(contents(&serve(&redis, "more", "32", "api")), before);

    let fewer = [&arguments(&url, "fewer", "2")[..], &["--namespace", "more", "--json"]].concat();
    let account = json(&fewer);
    assert_eq!((&account["dead_letters"], &account["groups"]), (&1.into(), &1.into()), "{account}");
    assert_eq!(contents(&serve(&redis, "fewer", "2", "api")), before);
    continues(&serve(&redis, "fewer", "2", "all"), Some(14));
}
