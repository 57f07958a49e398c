//! Changing many streams: `frameway streams update`, `export` and `apply`, and selecting by labels.

use std::fs;
use std::path::Path;
use std::process::Command;

use nix::sys::signal::Signal;
use serde_json::{Value, json};

use super::clients::Running;
use super::commands::eventually;
use super::redis::RedisServer;
use super::server::Server;
use super::{assert_fails, stderr, stdout};

/// Starts a server with six cameras at two sites.
fn site(flags: &[&str]) -> Server {
    let server = Server::start_with(flags);
    for (number, site) in (1..=6).zip(["north", "south"].iter().cycle()) {
        let (stream, label) = (format!("cam-{number}"), format!("site={site}"));
        server.text(&["streams", "register", &stream, "--label", &label]);
    }
    server
}

/// Returns the value at a path in the JSON of each stream, by id.
fn of_each(server: &Server, pointer: &str) -> Vec<Value> {
    let listed = server.json(&["streams"]);
    let streams = listed["streams"].as_array().expect("a list");
    streams.iter().map(|stream| stream.pointer(pointer).cloned().unwrap_or_default()).collect()
}

#[test]
fn streams_are_changed_by_ids_patterns_labels_and_filters() {
    let server = site(&[]);
    let update = |arguments: &[&str]| server.text(&[&["streams", "update"], arguments].concat());
    let changed = update(&["cam-*", "--retain-frames", "50"]);
    assert_eq!(changed.lines().count(), 7, "{changed}");
    assert!(changed.contains("cam-3 changed: retention.max_frames\n"), "{changed}");
    assert!(changed.ends_with("\nchanged 6\n"), "{changed}");
    // Nothing changes twice.
    assert_eq!(update(&["cam-*", "--retain-frames", "50"]), "unchanged 6\n");
    assert!(update(&["cam-1", "cam-2", "--retain-frames", "60"]).ends_with("changed 2\n"));
    assert!(
        update(&["--labelled", "site=south", "--retain-frames", "60"]).ends_with("changed 2, unchanged 1\n")
    );
    assert!(update(&["--filter", "labels.site = \"north\"", "--quality", "70"]).ends_with("changed 3\n"));
    assert_eq!(of_each(&server, "/retention/max_frames"), [60, 60, 50, 60, 50, 60]);
    assert_eq!(of_each(&server, "/output/quality"), [70, 85, 70, 85, 70, 85]);

    let dry = update(&["cam-[12]", "--retain-frames", "70", "--reset", "labels", "--dry-run"]);
    let expected = "cam-1 would be changed\n    labels.site: \"north\" -> (unset)\n    \
                    retention.max_frames: \"60\" -> \"70\"\n";
    assert!(dry.starts_with(expected) && dry.ends_with("\ndry run: changed 2\n"), "{dry}");
    assert_eq!(of_each(&server, "/retention/max_frames")[0], 60, "a dry run changes nothing");

    // An id that is not registered stops the command before it changes anything.
    server.fails(&["streams", "update", "cam-1", "gone", "--quality", "60"], 1, "gone: not among");
    server.fails(&["streams", "update", "gate-*", "--quality", "60"], 1, "gate-*: not among");
    server.fails(&["streams", "update", "cam-*", "--reset", "colour"], 2, "colour");
    server.fails(
        &["streams", "update", "cam-*", "--quality", "60", "--etag", "x"],
        2,
        "--etag needs one stream",
    );
    server.fails(&["streams", "update", "--quality", "60"], 2, "name the streams");
    assert_eq!(of_each(&server, "/output/quality")[0], 70);
}

#[test]
fn a_stream_that_is_refused_does_not_stop_the_others() {
    let server = site(&[]);
    server.text(&["streams", "update", "cam-2", "--mask", "door=0,0;1,0;1,1"]);
    let output = server.run(&["streams", "update", "cam-*", "--keep-original"]);
    let (printed, said) = (stdout(&output), stderr(&output));
    assert_eq!(output.status.code(), Some(1), "{said}");
    let refusal = "cam-2 failed: INVALID_FIELD (output.keep_original (--keep-original): must be false";
    assert!(printed.contains(refusal), "{printed}");
    assert!(printed.ends_with("\nchanged 5, failed 1\n"), "{printed}");
    assert!(said.starts_with("frameway: 1 failed; cam-2: INVALID_FIELD"), "{said}");
    // The safe way comes first.
    let place = |text: &str| said.find(text).unwrap_or_else(|| panic!("no {text} in {said}"));
    assert!(place("must be false") < place("(--keep-unmasked-original)"), "{said}");
    let report = server.run(&["streams", "update", "cam-*", "--keep-original", "--json"]);
    let report: Value = serde_json::from_str(&stdout(&report)).expect("JSON");
    assert_eq!(report["failed"][0]["stream_id"], "cam-2", "{report}");
    assert_eq!(report["unchanged"].as_array().map(Vec::len), Some(5), "{report}");
    server.fails(&["streams", "update", "cam-1", "--quality", "101"], 2, "--quality");
    server.fails(
        &["streams", "update", "cam-1", "--retain-age", "1ms"],
        2,
        "retention.max_age (--retain-age)",
    );
}

#[test]
fn rates_and_sizes_have_units() {
    let server = site(&[]);
    let budget = |value: &str| {
        let update = ["streams", "update", "cam-1", "--max-bytes-per-second", value];
        server.json(&update)["output"]["adaptive"]["max_bytes_per_second"].clone()
    };
    assert_eq!([budget("2Mbit"), budget("300kB"), budget("64KiB")], [250_000, 300_000, 65_536]);
    server.fails(&["streams", "update", "cam-1", "--max-bytes-per-second", "fast"], 2, "2Mbit");
}

/// Reads a document as JSON.
fn document(path: &Path) -> Value {
    serde_json::from_str(&fs::read_to_string(path).expect("it was written")).expect("JSON")
}

#[test]
fn an_export_of_the_embedded_queue_is_applied_to_redis() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let old = site(&[]);
    old.text(&[
        "streams",
        "update",
        "cam-1",
        "--mask",
        "door=0.2,0.1;0.4,0.1;0.4,0.9",
        "--name",
        "Door: \"A\"",
    ]);
    old.text(&[
        "streams",
        "update",
        "cam-2",
        "--roi",
        "left:lane:0,0;0.5,1;1,0",
        "--stall-timeout",
        "2500ms",
    ]);
    old.text(&["streams", "update", "cam-3", "--max-bytes-per-second", "2Mbit", "--label", "lane=2"]);
    let (yaml, by_json) = (folder.path().join("streams.yaml"), folder.path().join("streams.json"));
    let (yaml, by_json) = (yaml.to_string_lossy(), by_json.to_string_lossy());
    assert!(old.text(&["streams", "export", "--output", &yaml]).starts_with("exported 6 streams to "));
    assert!(old.text(&["streams", "export", "--output", &by_json]).starts_with("exported 6 streams"));
    let exported = document(Path::new(&*by_json));
    assert_eq!((&exported["version"], &exported["streams"][0]["stream_id"]), (&json!(1), &json!("cam-1")));
    assert_eq!(exported["streams"][1]["stall_timeout"], "2.500s", "canonical JSON of the contract");

    let redis = RedisServer::start();
    let new = Server::start_with(&["--redis-url", &redis.url()]);
    let apply = |arguments: &[&str]| new.text(&[&["streams", "apply", "-f"], arguments].concat());
    let dry = apply(&[&yaml, "--dry-run"]);
    assert!(
        dry.starts_with("cam-1 would be registered\n") && dry.ends_with("dry run: registered 6\n"),
        "{dry}"
    );
    assert_eq!(new.json(&["streams"])["streams"], json!([]), "a dry run changes nothing");
    assert!(apply(&[&yaml]).ends_with("\nregistered 6\n"));
    // Nothing is left to do, whatever the format.
    assert_eq!(apply(&[&yaml]), "unchanged 6\n");
    assert_eq!(apply(&[&by_json]), "unchanged 6\n");
    let again = folder.path().join("again.json");
    new.text(&["streams", "export", "--output", &again.to_string_lossy()]);
    assert_eq!(document(&again), exported, "the settings survive the move");

    // A setting that the document leaves out is reset; other streams stay as they are.
    new.text(&["streams", "update", "cam-6", "--quality", "60"]);
    new.text(&["streams", "register", "extra"]);
    let dry = apply(&[&yaml, "--dry-run"]);
    assert_eq!(
        dry,
        "cam-6 would be changed\n    output.quality: 60 -> (unset)\ndry run: changed 1, unchanged 5\n"
    );
    assert_eq!(apply(&[&yaml]), "cam-6 changed: output.quality\nchanged 1, unchanged 5\n");
    assert_eq!(new.json(&["streams", "show", "extra"])["stream_id"], "extra");
}

#[test]
fn groups_move_with_their_settings_and_without_their_positions() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let old = site(&[]);
    super::draw(folder.path(), 3);
    old.text(&["submit", &folder.path().to_string_lossy(), "--stream", "cam-1"]);
    let detectors = ["--ack-deadline", "12s", "--max-attempts", "3", "--affinity", "stream"];
    old.text(
        &[&["groups", "create", "detectors", "cam-*", "gate", "--from", "earliest"], &detectors[..]].concat(),
    );
    old.text(&["groups", "create", "north", "--label", "site=north", "--display-name", "North: \"1\""]);
    let read = ["subscribe", "--group", "detectors", "--member", "m", "--count", "3"];
    assert_eq!(old.events(&read).iter().filter(|event| event["type"] == "frame").count(), 3);
    let file = folder.path().join("all.json");
    let path = file.to_string_lossy();
    let exported = old.text(&["streams", "export", "--output", &path]);
    assert!(exported.starts_with("exported 6 streams and 2 groups to "), "{exported}");
    let groups = document(&file)["groups"].clone();
    let expected = json!([
        {
            "group_id": "detectors",
            "streams": [{ "glob": "cam-*" }, { "id": "gate" }],
            "ack_deadline": "12s",
            "max_delivery_attempts": 3,
            "affinity": "GROUP_AFFINITY_STREAM",
        },
        {
            "group_id": "north",
            "display_name": "North: \"1\"",
            "streams": [{ "labels": { "equal": { "site": "north" } } }],
        },
    ]);
    assert_eq!(groups, expected);
    // A part of the streams says nothing about groups.
    assert!(!old.text(&["streams", "export", "cam-1"]).contains("groups"));

    let redis = RedisServer::start();
    let new = Server::start_with(&["--redis-url", &redis.url()]);
    let apply = |more: &[&str]| new.text(&[&["streams", "apply", "-f", &path], more].concat());
    let dry = apply(&["--dry-run"]);
    assert!(dry.contains("\ngroup detectors would be created\n"), "{dry}");
    assert!(dry.ends_with("\ndry run: registered 6; groups: created 2\n"), "{dry}");
    assert_eq!(new.json(&["groups", "list"]), json!([]), "a dry run changes nothing");
    assert!(apply(&[]).ends_with("\ngroup north created\nregistered 6; groups: created 2\n"));
    assert_eq!(apply(&[]), "unchanged 6; groups: unchanged 2\n");
    let again = folder.path().join("again.json");
    new.text(&["streams", "export", "--output", &again.to_string_lossy()]);
    assert_eq!(document(&again), document(&file), "the settings survive the move");

    // A group starts at the oldest frames, and keeps its position when its settings change.
    new.text(&["submit", &folder.path().join("1.jpg").to_string_lossy(), "--stream", "cam-1"]);
    new.text(&["subscribe", "--group", "detectors", "--member", "m", "--count", "1"]);
    new.text(&["groups", "update", "detectors", "--max-attempts", "4", "--affinity", "any"]);
    let report = new.json(&["streams", "apply", "-f", &path, "--dry-run"]);
    let changes = json!([
        { "field": "affinity", "old": "GROUP_AFFINITY_ANY", "new": "GROUP_AFFINITY_STREAM" },
        { "field": "max_delivery_attempts", "old": 4, "new": 3 },
    ]);
    assert_eq!(report["groups"]["changed"], json!([{ "group_id": "detectors", "changes": changes }]));
    assert_eq!(report["unchanged"].as_array().map(Vec::len), Some(6), "{report}");
    let changed = apply(&[]);
    let line = "group detectors changed: affinity, max_delivery_attempts\n";
    assert_eq!(changed, format!("{line}unchanged 6; groups: changed 1, unchanged 1\n"));
    let shown = new.json(&["groups", "show", "detectors"]);
    assert_eq!((&shown["max_delivery_attempts"], &shown["lag_frames"]), (&json!(3), &json!(0)), "{shown}");
}

#[test]
fn a_group_that_is_refused_does_not_stop_the_others() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let file = folder.path().join("groups.yaml");
    let path = file.to_string_lossy();
    let server = Server::start();
    let group = |id: &str, attempts: &str| {
        format!("  - group_id: {id}\n    streams: [{{glob: '*'}}]\n    max_delivery_attempts: {attempts}\n")
    };
    let write = |attempts: &str| {
        let text = format!("version: 1\ngroups:\n{}{}", group("a", attempts), group("b", "3"));
        fs::write(&file, text).expect("a temporary file can be written");
    };
    write("1000");
    let output = server.run(&["streams", "apply", "-f", &path]);
    let (printed, said) = (stdout(&output), stderr(&output));
    assert_eq!(output.status.code(), Some(1), "{said}");
    assert!(printed.starts_with("group a failed: "), "{printed}");
    assert!(printed.ends_with("\ngroup b created\nno streams; groups: created 1, failed 1\n"), "{printed}");
    assert!(said.starts_with("frameway: 1 failed; group a: ") && said.lines().count() == 1, "{said}");
    write("5");
    let repeated = server.text(&["streams", "apply", "-f", &path]);
    assert_eq!(repeated, "group a created\nno streams; groups: created 1, unchanged 1\n");
    // A start is for the creation of a group.
    super::draw(folder.path(), 2);
    server.text(&["submit", &folder.path().to_string_lossy(), "--stream", "cam", "--register"]);
    let text = "version: 1\ngroups: [{ group_id: late, streams: [{ id: cam }], start: { sequence: 2 } }]\n";
    fs::write(&file, text).expect("a temporary file can be written");
    assert!(server.text(&["streams", "apply", "-f", &path]).starts_with("group late created"));
    assert_eq!(server.text(&["streams", "apply", "-f", &path]), "no streams; groups: unchanged 1\n");
    let read = ["subscribe", "--group", "late", "--member", "m", "--count", "1"];
    assert!(server.events(&read).iter().any(|event| event["sequence"] == 2));
}

/// An export that is not written as a whole must not pass for one.
#[test]
fn an_export_to_a_full_disk_fails() {
    let server = site(&[]);
    let full = fs::OpenOptions::new().write(true).open("/dev/full").expect("a device that is full");
    let output = Command::new(env!("CARGO_BIN_EXE_frameway"))
        .args(["streams", "export", "--address", &server.address()])
        .stdout(full)
        .output()
        .expect("the program runs");
    super::assert_failed("frameway", &output, 1, "cannot write to standard output: No space left on device");
}

#[test]
fn an_apply_that_fails_continues_when_it_is_run_again() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let file = folder.path().join("streams.yaml");
    let write = |quality: &str| {
        let broken = format!("  - stream_id: cam-2\n    output: {{ quality: {quality} }}\n");
        let text = format!("version: 1\nstreams:\n  - stream_id: cam-1\n{broken}  - stream_id: cam-3\n");
        fs::write(&file, text).expect("a temporary file can be written");
    };
    let server = Server::start();
    let apply = ["streams", "apply", "-f", &file.to_string_lossy()];
    write("500");
    let output = server.run(&apply);
    let (printed, said) = (stdout(&output), stderr(&output));
    assert_eq!(output.status.code(), Some(1), "{said}");
    assert!(printed.contains("cam-1 registered\ncam-2 failed: "), "{printed}");
    assert!(printed.ends_with("cam-3 registered\nregistered 2, failed 1\n"), "{printed}");
    assert!(said.contains("output.quality (--quality)"), "{said}");
    write("50");
    assert_eq!(server.text(&apply), "cam-2 registered\nregistered 1, unchanged 2\n");
}

/// A server is killed while a document is applied. What was registered stays, the rest is named as not
/// tried, and the same command goes on with it.
#[test]
fn an_apply_whose_server_ends_says_how_far_it_came() {
    const STREAMS: usize = 1_500;
    let folder = tempfile::tempdir().expect("a temporary folder");
    let file = folder.path().join("streams.yaml");
    let entries: String = (0..STREAMS).map(|number| format!("  - stream_id: cam-{number}\n")).collect();
    fs::write(&file, format!("version: 1\nstreams:\n{entries}")).expect("a temporary file can be written");
    let redis = RedisServer::start();
    let flags = ["--redis-url", &redis.url()];
    let server = Server::start_with(&flags);
    let (path, address) = (file.to_string_lossy(), server.address());
    let apply = ["streams", "apply", "-f", &path, "--address", &address];
    let mut running = Running::start("apply", folder.path(), &apply);
    eventually("a stream is registered", || running.output().contains("cam-0 registered").then_some(()));
    server.signal(Signal::SIGKILL);
    assert_eq!(running.exit_code(), Some(1), "{}", running.output());
    let printed = fs::read_to_string(folder.path().join("apply.out")).expect("its output");
    let summary = printed.lines().last().expect("a summary").to_owned();
    assert!(summary.starts_with("registered ") && summary.contains(", not tried "), "{summary}");
    let said = fs::read_to_string(folder.path().join("apply.err")).expect("its errors");
    assert!(said.starts_with("frameway: ") && said.contains(" not tried; cam-"), "{said}");
    assert_eq!(said.lines().count(), 1, "{said}");
    drop(server);

    let server = Server::start_with(&flags);
    let finished = server.json(&["streams", "apply", "-f", &path]);
    let count = |part: &str| finished[part].as_array().map_or(0, Vec::len);
    assert_eq!(count("registered") + count("unchanged"), STREAMS, "{finished}");
    assert!(count("registered") > 0 && count("unchanged") > 0, "{summary}");
    assert!(server.text(&["streams", "apply", "-f", &path]).starts_with("unchanged 1500\n"));
}

#[test]
fn a_document_that_cannot_be_applied_changes_nothing() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let file = folder.path().join("streams.yaml");
    let path = file.to_string_lossy();
    let server = Server::start();
    for (text, says) in [
        ("version: 2\nstreams: []\n", "it has version 2, and this program reads version 1"),
        ("version: 1\nstreams: [{stream_id: a}, {stream_id: b, colour: red}]\n", "b: "),
        ("streams: [{stream_id: a}]\n", "it has no version"),
        ("version: 1\nstreams: [{stream_id: a}\n", "cannot be applied"),
    ] {
        fs::write(&file, text).expect("a temporary file can be written");
        server.fails(&["streams", "apply", "-f", &path], 2, says);
    }
    server.fails(&["streams", "apply", "-f", "/no/such/file"], 2, "cannot read /no/such/file");
    assert_eq!(server.json(&["streams"])["streams"], json!([]));
    let nowhere = ["streams", "apply", "-f", &path, "--address", "nowhere"];
    fs::write(&file, "version: 1\nstreams: []\n").expect("a temporary file can be written");
    assert_fails(&nowhere, 2, "HOST:PORT");
    assert_eq!(server.text(&["streams", "apply", "-f", &path]), "no streams\n");
    let missing = folder.path().join("no/such/folder/x.yaml");
    server.fails(&["streams", "export", "-o", &missing.to_string_lossy()], 2, "cannot write");
}

#[test]
fn labels_select_the_streams_of_a_subscription_and_of_a_group() {
    let server = site(&[]);
    let folder = tempfile::tempdir().expect("a temporary folder");
    super::draw(folder.path(), 1);
    let picture = folder.path().join("1.jpg").to_string_lossy().into_owned();
    for stream in ["cam-1", "cam-2", "cam-3"] {
        server.text(&["submit", &picture, "--stream", stream]);
    }
    let north = ["subscribe", "--label", "site=north", "--from", "earliest", "--count", "2"];
    let events = server.events(&north);
    let mut streams: Vec<&str> = events.iter().filter_map(|event| event["stream_id"].as_str()).collect();
    streams.sort_unstable();
    assert_eq!(streams, ["cam-1", "cam-3"], "{events:?}");
    server.text(&["groups", "create", "north", "--label", "site=north"]);
    let group = server.json(&["groups", "show", "north"]);
    assert_eq!(group["stream_count"], 3, "{group}");
    server.fails(&["subscribe", "cam-1", "--label", "site=north"], 2, "--label");
    server.fails(&["groups", "create", "all", "cam-1", "--label", "site=north"], 2, "--label");
    server.fails(&["groups", "create", "all"], 2, "STREAM");
}
