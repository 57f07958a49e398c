//! A recorder with a cursor file, across a restart of the embedded queue and a move to Redis.

use serde_json::Value;

use crate::redis::RedisServer;
use crate::server::Server;
use crate::{draw, frameway, json, stderr, stdout};

/// Submits twelve drawn frames of `cam`.
fn submit(server: &Server, pictures: &str) {
    let reported = json(&[
        "submit",
        pictures,
        "--stream",
        "cam",
        "--register",
        "--address",
        &server.address(),
        "--json",
    ]);
    assert_eq!(reported["accepted"], 12, "{reported}");
}

/// Records `count` frames; returns their sequences, and the summary.
fn record(server: &Server, cursor_file: &str, count: &str) -> (Vec<u64>, Value) {
    let address = server.address();
    let subscribe = ["subscribe", "cam", "--address", &address, "--from", "earliest"];
    let more = ["--cursor-file", cursor_file, "--json", "--count", count];
    let output = frameway(&[&subscribe[..], &more].concat());
    assert!(output.status.success(), "{}", stderr(&output));
    let lines: Vec<Value> =
        stdout(&output).lines().map(|line| serde_json::from_str(line).expect("JSON")).collect();
    let frames = lines.iter().filter(|line| line["type"] == "frame");
    let numbers = frames.map(|frame| frame["sequence"].as_u64().expect("a number")).collect();
    (numbers, lines.last().expect("a summary").clone())
}

#[test]
fn a_recorder_continues_in_another_store_and_reports_it() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    draw(folder.path(), 12);
    let pictures = folder.path().join("*.jpg").to_string_lossy().into_owned();
    let cursors = folder.path().join("cursors.json").to_string_lossy().into_owned();
    let first = Server::start();
    submit(&first, &pictures);
    let (numbers, summary) = record(&first, &cursors, "8");
    assert_eq!((numbers, &summary["gaps"]), ((1..=8).collect(), &serde_json::json!({})));
    drop(first);

    let unknown = serde_json::json!({ "STORE_REPLACED": null });
    let second = Server::start();
    submit(&second, &pictures);
    let (numbers, summary) = record(&second, &cursors, "5");
    assert_eq!((numbers, &summary["gaps"]), ((1..=5).collect(), &unknown), "a restart of the embedded queue");
    let (numbers, summary) = record(&second, &cursors, "7");
    assert_eq!((numbers, &summary["gaps"]), ((6..=12).collect(), &serde_json::json!({})), "reported once");
    drop(second);

    let redis = RedisServer::start();
    let third = Server::start_with(&["--redis-url", &redis.url()]);
    submit(&third, &pictures);
    let plain = ["subscribe", "cam", "--address", &third.address(), "--cursor-file", &cursors];
    let output = frameway(&[&plain[..], &["--count", "12", "--pictures", "none"]].concat());
    let said = stderr(&output);
    assert!(output.status.success(), "{said}");
    assert!(said.contains("an unknown number not delivered (STORE_REPLACED)"), "{said}");
    assert!(!said.contains("no gaps"), "{said}");
    assert!(stdout(&output).contains("belongs to another store"), "{}", stdout(&output));
}
