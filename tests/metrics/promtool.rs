//! The checks of Prometheus's own tool, where it is installed.

use std::io::Write as _;
use std::process::{Command, Stdio};

use crate::load;
use crate::redis::RedisServer;
use crate::server::Server;

const ALERTS: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/deploy/prometheus/alerts.yml");
const CONFIG: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/deploy/prometheus/prometheus.yml");

/// Reports whether promtool is installed; prints why a test is skipped if it is not.
fn is_installed() -> bool {
    let found = Command::new("promtool").arg("--version").output().is_ok();
    if !found {
        println!("skipped: promtool is not installed (Debian: apt-get install prometheus)");
    }
    found
}

fn promtool(arguments: &[&str], input: &str) {
    let mut process = Command::new("promtool")
        .args(arguments)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("promtool starts");
    let mut stdin = process.stdin.take().expect("a pipe");
    stdin.write_all(input.as_bytes()).expect("promtool reads");
    drop(stdin);
    let output = process.wait_with_output().expect("promtool ends");
    let said = [output.stdout, output.stderr].concat();
    assert!(output.status.success(), "promtool {arguments:?}: {}", String::from_utf8_lossy(&said));
}

#[test]
fn promtool_finds_no_fault_in_the_metrics() {
    if !is_installed() {
        return;
    }
    let redis = RedisServer::start();
    let server = Server::start(&["--redis-url", &redis.url(), "--metrics-per-stream", "3"]);
    load::run(&server);
    promtool(&["check", "metrics"], &server.text());
}

#[test]
fn promtool_finds_no_fault_in_the_rules() {
    if !is_installed() {
        return;
    }
    promtool(&["check", "rules", ALERTS], "");
    promtool(&["check", "config", "--syntax-only", CONFIG], "");
}
