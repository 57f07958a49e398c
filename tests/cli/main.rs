//! The program `frameway` as a user runs it: its output, its errors and its exit codes.

mod bench;
#[path = "../common/certificates.rs"]
mod certificates;
mod clients;
#[allow(dead_code, reason = "other suites use the rest of it")]
#[path = "../common/cluster.rs"]
mod cluster;
mod commands;
mod completions;
mod compose;
mod config;
mod dead_letters;
mod doctor;
mod erase;
mod find;
mod frames;
mod full_store;
mod groups;
mod guides;
mod help;
mod jobs;
mod json;
mod keys;
mod log;
mod look;
mod look_inline;
mod many;
mod namespaces;
mod older_store;
mod pictures_in;
mod plan;
mod recording;
#[allow(dead_code, reason = "other suites use the rest of it")]
#[path = "../common/redis.rs"]
mod redis;
mod repartition;
mod server;
mod stores;
mod tls;
mod top;
mod units;
mod watch;

use std::fs;
use std::path::Path;
use std::process::{Command, Output};
use std::time::{Duration, Instant};

use frameway::picture::{Codec, Limits, SourcePicture};
use frameway::scene::Scene;
use serde_json::Value;
use server::Server;

const SUBCOMMANDS: [&str; 19] = [
    "demo",
    "serve",
    "submit",
    "subscribe",
    "look",
    "streams",
    "queues",
    "groups",
    "dead-letters",
    "frames",
    "info",
    "top",
    "doctor",
    "config",
    "plan",
    "admin",
    "keys",
    "health",
    "completions",
];
const DEAD_LETTERS_SUBCOMMANDS: [&str; 6] = ["list", "summary", "show", "save", "replay", "discard"];
const CONFIG_SUBCOMMANDS: [&str; 4] = ["show", "check", "reference", "template"];
const FRAMES_SUBCOMMANDS: [&str; 2] = ["list", "get"];
const GROUPS_SUBCOMMANDS: [&str; 6] = ["list", "create", "show", "update", "seek", "delete"];
const STREAMS_SUBCOMMANDS: [&str; 9] =
    ["list", "register", "show", "update", "export", "apply", "watch", "erase", "remove"];
const QUEUES_SUBCOMMANDS: [&str; 5] = ["list", "pause", "resume", "drain", "purge"];

fn frameway(arguments: &[&str]) -> Output {
    run(env!("CARGO_BIN_EXE_frameway"), arguments)
}

/// Runs a program of ours, without the settings of the caller's environment.
fn run(program: &str, arguments: &[&str]) -> Output {
    let mut command = Command::new(program);
    for (name, _) in std::env::vars().filter(|(name, _)| name.starts_with("FRAMEWAY_")) {
        command.env_remove(name);
    }
    command.args(arguments).output().expect("the program runs")
}

fn stdout(output: &Output) -> String {
    String::from_utf8_lossy(&output.stdout).into_owned()
}

fn stderr(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}

/// Asserts that a command fails with this exit code, and prints one line that contains `says`.
fn assert_fails(arguments: &[&str], code: i32, says: &str) {
    assert_failed("frameway", &frameway(arguments), code, says);
}

fn assert_failed(program: &str, output: &Output, code: i32, says: &str) {
    let said = stderr(output);
    assert_eq!(output.status.code(), Some(code), "{said}");
    assert_eq!(said.trim_end().lines().count(), 1, "{said}");
    assert!(said.starts_with(&format!("{program}: ")) && said.contains(says), "{said}");
}

/// Runs a command that must succeed, and reads its last line as JSON.
fn json(arguments: &[&str]) -> Value {
    last_json(&frameway(arguments))
}

/// Reads the last line of a successful program as JSON.
fn last_json(output: &Output) -> Value {
    assert!(output.status.success(), "{}", stderr(output));
    let text = stdout(output);
    serde_json::from_str(text.lines().last().unwrap_or_default()).expect("the last line is JSON")
}

/// Writes pictures of a drawn road: `1.jpg`, `2.jpg` and so on.
fn draw(folder: &Path, count: u64) {
    let scene = Scene::new(7, 320, 180);
    let mut codec = Codec::new(Limits::default());
    for number in 1..=count {
        let (picture, _) = scene.jpeg(&mut codec, number, 92).expect("a scene can be drawn");
        fs::write(folder.join(format!("{number}.jpg")), picture).expect("a temporary file can be written");
    }
}

/// Returns an address on which nobody listens.
fn closed_address() -> String {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").expect("a free port");
    listener.local_addr().expect("it has an address").to_string()
}

#[test]
fn every_help_has_examples() {
    for name in SUBCOMMANDS {
        let output = frameway(&[name, "--help"]);
        assert!(output.status.success(), "{name}");
        assert!(stdout(&output).contains("Examples:\n  frameway "), "{name}");
    }
    for name in STREAMS_SUBCOMMANDS {
        let output = frameway(&["streams", name, "--help"]);
        assert!(output.status.success(), "{name}");
        assert!(stdout(&output).contains("Examples:\n  frameway streams "), "{name}");
    }
    for name in CONFIG_SUBCOMMANDS {
        let output = frameway(&["config", name, "--help"]);
        assert!(output.status.success(), "{name}");
        assert!(stdout(&output).contains("Examples:\n  frameway config "), "{name}");
    }
    for name in GROUPS_SUBCOMMANDS {
        let output = frameway(&["groups", name, "--help"]);
        assert!(output.status.success(), "{name}");
        assert!(stdout(&output).contains("Examples:\n  frameway groups "), "{name}");
    }
    for name in FRAMES_SUBCOMMANDS {
        let output = frameway(&["frames", name, "--help"]);
        assert!(output.status.success(), "{name}");
        assert!(stdout(&output).contains("Examples:\n  frameway frames "), "{name}");
    }
    for name in DEAD_LETTERS_SUBCOMMANDS {
        let output = frameway(&["dead-letters", name, "--help"]);
        assert!(output.status.success(), "{name}");
        assert!(stdout(&output).contains("Examples:\n  frameway dead-letters "), "{name}");
    }
}

#[test]
fn every_help_of_queues_has_examples() {
    for name in QUEUES_SUBCOMMANDS {
        let output = frameway(&["queues", name, "--help"]);
        assert!(output.status.success(), "{name}");
        assert!(stdout(&output).contains("Examples:\n  frameway queues "), "{name}");
    }
}

#[test]
fn queues_are_operated_from_the_command_line() {
    let server = Server::start();
    let folder = tempfile::tempdir().expect("a temporary folder");
    draw(folder.path(), 3);
    let (source, address) = (folder.path().to_string_lossy(), server.address());
    let with = |arguments: &[&str]| {
        let output = frameway(&[arguments, &["--address", &address]].concat());
        assert!(output.status.success(), "{arguments:?}: {}", stderr(&output));
        stdout(&output)
    };
    assert!(
        with(&["queues", "pause", "--all", "--reason", "a look"]).starts_with("paused: all queues (0 frames")
    );
    with(&["submit", &source, "--stream", "cam", "--register"]);
    let listed = with(&["queues", "list"]);
    assert!(
        listed.lines().count() == 33 && listed.contains("paused") && listed.contains("a look"),
        "{listed}"
    );
    // The default view shows queues that are not running, too.
    assert!(with(&["queues"]).contains("paused"));
    let reported = with(&["queues", "purge", "--stream", "cam", "--reason", "test"]);
    assert!(
        reported.starts_with("purged cam: 3 frames, ") && !reported.contains("yet to remove"),
        "{reported}"
    );
    assert!(with(&["queues"]).contains("dropped 0, purged 3, erased 0"));
    assert!(
        with(&["queues", "purge", "--all", "--older-than", "1h"]).starts_with("purged all queues: 0 frames")
    );
    assert!(with(&["queues", "drain", "p07"]).contains("new frames are refused"));
    assert!(with(&["queues", "resume", "--all"]).starts_with("resumed: all queues"));
    let reported = json(&["queues", "list", "--json", "--address", &address]);
    let states: Vec<_> =
        reported["queues"].as_array().expect("a list").iter().map(|one| &one["state"]).collect();
    assert!(states.len() == 32 && states.iter().all(|state| *state == "RUNNING"), "{reported}");
    assert_fails(&["queues", "pause", "p99", "--address", &address], 1, "QUEUE_NOT_FOUND");
    assert_fails(&["queues", "purge", "--address", &address], 2, "--all");
    assert_fails(&["queues", "pause", "--address", &address], 2, "--all");
}

#[test]
fn frames_that_are_no_longer_kept_are_reported_and_summarised() {
    let server = Server::start();
    let folder = tempfile::tempdir().expect("a temporary folder");
    draw(folder.path(), 6);
    let (source, address) = (folder.path().to_string_lossy(), server.address());
    let run = |arguments: &[&str]| {
        let output = frameway(&[arguments, &["--address", &address]].concat());
        assert!(output.status.success(), "{arguments:?}: {}", stderr(&output));
        (stdout(&output), stderr(&output))
    };
    run(&["streams", "register", "cam", "--retain-frames", "2"]);
    run(&["submit", &source, "--stream", "cam"]);
    let deadline = Instant::now() + Duration::from_secs(60);
    while !run(&["subscribe", "cam", "--from", "earliest", "--count", "1", "--lines"]).0.contains("cam 5 ") {
        assert!(Instant::now() < deadline, "retention leaves two frames");
    }
    let shown = run(&["streams", "show", "cam"]).0;
    assert!(shown.contains("kept since") && shown.contains(" ago), bounded by retain frames\n"), "{shown}");
    let since = ["subscribe", "cam", "--since", "1h", "--count", "2"];
    let (lines, summary) = run(&[&since[..], &["--lines"]].concat());
    assert!(lines.starts_with("cam frames received from 2"), "{lines}");
    assert!(lines.contains(" are not kept: RETENTION; oldest kept is 2"), "{lines}");
    assert!(summary.contains("1 part of the requested time not kept"), "{summary}");
    assert!(!summary.contains("no gaps"), "{summary}");
    let reported = json(&[&since[..], &["--json", "--address", &address]].concat());
    assert_eq!(reported["time_gaps"], 1, "{reported}");
    let yesterday =
        ["subscribe", "cam", "--from-time", "2020-01-01T12:00:00+01:00", "--until", "2020-01-01 12:00:00Z"];
    let (lines, summary) = run(&[&yesterday[..], &["--lines"]].concat());
    assert!(
        lines.starts_with("cam frames received from 2020-01-01T11:00:00.000Z on and before 2020"),
        "{lines}"
    );
    assert!(summary.contains("\n0 frames") && !summary.contains("no gaps"), "{summary}");
    assert_fails(&["subscribe", "cam", "--from-time", "14:03:20"], 2, "T14:03:20Z for UTC");
    let no_zone = ["subscribe", "cam", "--until", "2020-01-01 12:00:00"];
    assert_fails(&no_zone, 2, "has no time zone: write 2020-01-01T12:00:00Z for UTC");
}

#[test]
fn wrong_usage_prints_one_line_and_exits_with_2() {
    assert_fails(&["submit"], 2, "PATH");
    assert_fails(&["nonsense"], 2, "nonsense");
    assert_fails(&["subscribe", "cam", "--count", "zero"], 2, "--count");
    assert_fails(&["subscribe", "cam", "--from", "0"], 2, "--from");
    assert_fails(&["subscribe", "cam", "--save", "x", "--pictures", "none"], 2, "--save");
    assert_fails(&["streams", "update", "cam"], 2, "nothing to change");
    assert_fails(&["dead-letters", "discard"], 2, "--all");
    assert_fails(&["dead-letters", "replay", "p00-1-1", "--all"], 2, "one of them");
    assert_fails(&["dead-letters", "discard", "p00-1-1", "--max", "5"], 2, "--max");
    assert_fails(&["queues", "purge"], 2, "--all");
    assert_fails(&["dead-letters", "--reason", "BAD_LUCK"], 2, "BAD_LUCK");
    assert_fails(&["health", "--address", "nowhere"], 2, "HOST:PORT");
    assert_fails(&["demo", "--cameras", "0"], 2, "--cameras");
    assert_fails(&["demo", "--redis-url", "localhost"], 2, "--redis-url");
    assert_fails(&["submit", "x.jpg", "--raw-format", "nv12", "--width", "8"], 2, "--height");
    assert_fails(&["demo", "--sheet", "/no/such/folder/sheet.jpg"], 2, "--sheet");
}

#[test]
fn an_unreadable_source_prints_one_line_and_exits_with_2() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let text = folder.path().join("text.txt");
    fs::write(&text, "no picture").expect("a temporary file can be written");
    let text = text.to_string_lossy();
    assert_fails(&["submit", "/no/such/picture.jpg"], 2, "/no/such/picture.jpg");
    assert_fails(&["submit", &folder.path().join("*.jpg").to_string_lossy()], 2, "nothing matches");
    assert_fails(&["submit", &folder.path().to_string_lossy()], 2, "no pictures");
    assert_fails(&["demo", "--source", "/no/such/folder"], 2, "/no/such/folder");
    assert_fails(&["demo", "--source", &text], 2, "ffmpeg");
}

#[test]
fn an_unreachable_server_prints_one_line_and_exits_with_1() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    draw(folder.path(), 1);
    let source = folder.path().to_string_lossy();
    let address = closed_address();
    for arguments in
        [&["submit", &source][..], &["subscribe", "cam"], &["streams"], &["queues"], &["info"], &["health"]]
    {
        let arguments = [arguments, &["--address", &address]].concat();
        assert_fails(&arguments, 1, "is `frameway serve` running there?");
    }
}

#[test]
fn the_demo_loses_nothing() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let sheet = folder.path().join("sheet.jpg");
    let reported =
        json(&["demo", "--json", "--seconds", "2", "--fps", "5", "--sheet", &sheet.to_string_lossy()]);
    assert!(reported["accepted"].as_u64().is_some_and(|accepted| accepted > 0), "{reported}");
    assert_eq!(reported["delivered"], reported["accepted"], "{reported}");
    for none in ["lost", "duplicates", "out_of_order", "failed", "unaccounted"] {
        assert_eq!(reported[none], 0, "{none} of {reported}");
    }
    assert_eq!((reported["cameras"].as_u64(), reported["backend"].as_str()), (Some(4), Some("memory")));
    for some in ["bytes_in", "bytes_out", "p50_ms", "p95_ms", "p99_ms"] {
        assert!(reported[some].as_f64().is_some_and(|value| value > 0.0), "{some} of {reported}");
    }
    let sheet = fs::read(sheet).expect("there is a contact sheet");
    let planes = Codec::new(Limits::default())
        .decode(&SourcePicture::encoded(&sheet).expect("it is a picture"))
        .expect("it decodes");
    assert!(planes.width() > 4 * 300, "a column for each camera");
}

#[test]
fn submitted_frames_are_saved_by_a_subscriber() {
    let server = Server::start();
    let folder = tempfile::tempdir().expect("a temporary folder");
    let road = folder.path().join("road");
    fs::create_dir(&road).expect("a temporary folder");
    draw(&road, 12);
    let pattern = road.join("*.jpg").to_string_lossy().into_owned();
    let address = server.address();

    let reported = json(&["submit", &pattern, "--address", &address, "--json", "--batch", "5", "--register"]);
    assert_eq!(
        (reported["accepted"].as_u64(), reported["rejected"].as_u64()),
        (Some(12), Some(0)),
        "{reported}"
    );
    assert_eq!(reported["streams"], serde_json::json!(["road"]));

    // Nothing is stored twice under the same publisher sequences.
    let first = reported["first_number"].to_string();
    let again = json(&["submit", &pattern, "--address", &address, "--json", "--first-number", &first]);
    assert_eq!((again["accepted"].as_u64(), again["duplicates"].as_u64()), (Some(0), Some(12)), "{again}");

    let saved = folder.path().join("saved");
    let cursors = folder.path().join("cursors.json");
    let subscribe = [
        "subscribe",
        "road",
        "--address",
        &address,
        "--from",
        "earliest",
        "--json",
        "--save",
        &saved.to_string_lossy(),
        "--cursor-file",
        &cursors.to_string_lossy(),
        "--count",
    ];
    let ended = json(&[&subscribe[..], &["8"]].concat());
    assert_eq!((ended["frames"].as_u64(), ended["saved"].as_u64()), (Some(8), Some(8)), "{ended}");
    // With the cursor file, the second subscription continues after the first one.
    let ended = json(&[&subscribe[..], &["4"]].concat());
    assert_eq!(
        (ended["frames"].as_u64(), ended["gaps"].as_object().map(|gaps| gaps.len())),
        (Some(4), Some(0))
    );
    let mut names: Vec<_> = fs::read_dir(&saved)
        .expect("the folder was made")
        .map(|entry| entry.expect("it can be read").file_name().to_string_lossy().into_owned())
        .collect();
    names.sort();
    let expected: Vec<_> = (1..=12).map(|number| format!("road-{number:09}.jpg")).collect();
    assert_eq!(names, expected);
    for name in names {
        let picture = fs::read(saved.join(&name)).expect("it can be read");
        let source = SourcePicture::encoded(&picture).expect("it is a picture");
        let planes = Codec::new(Limits::default()).decode(&source).expect("it decodes");
        assert_eq!((planes.width(), planes.height()), (320, 180), "{name}");
    }

    let listed = json(&["streams", "--address", &address, "--json"]);
    assert_eq!(listed["streams"][0]["status"]["accepted_sequence"], 12, "{listed}");
    let queues = json(&["queues", "--address", &address, "--json"]);
    assert_eq!(queues["total"]["account"]["processed_frames"], 12, "{queues}");
    assert_eq!(json(&["health", "--address", &address, "--json"])["status"], "SERVING");
    assert_eq!(json(&["info", "--address", &address, "--json"])["backend"], "memory");
}

#[test]
fn paced_frames_are_captured_when_they_are_sent() {
    let server = Server::start();
    let folder = tempfile::tempdir().expect("a temporary folder");
    draw(folder.path(), 3);
    let pattern = folder.path().join("*.jpg").to_string_lossy().into_owned();
    let address = server.address();
    for (stream, more) in [("call", &[][..]), ("calls", &["--unary"])] {
        let submit = ["submit", &pattern, "--register", "--address", &address, "--stream", stream];
        let paced = ["--rate", "1", "--capture-time", "now", "--json"];
        assert_eq!(json(&[&submit[..], &paced, more].concat())["accepted"], 3);
        let subscribe =
            ["subscribe", stream, "--address", &address, "--from", "earliest", "--count", "3", "--json"];
        let reported = stdout(&frameway(&subscribe));
        let captured: Vec<_> = reported
            .lines()
            .map(|line| serde_json::from_str::<Value>(line).expect("each line is JSON"))
            .filter_map(|event| humantime::parse_rfc3339(event["capture_time"].as_str()?).ok())
            .collect();
        assert_eq!(captured.len(), 3, "{reported}");
        // Two seconds. It would be one second if a frame got its capture time when it is read,
        // which is while the frame before it is sent.
        let between = captured[2].duration_since(captured[0]).expect("in order");
        assert!(between > Duration::from_millis(1_500), "{stream}: {between:?}");
    }
}

#[test]
fn refused_frames_are_named_with_their_reason() {
    let server = Server::start();
    let folder = tempfile::tempdir().expect("a temporary folder");
    for (name, bytes) in [("1.raw", 64), ("2.raw", 64), ("3.raw", 0)] {
        fs::write(folder.path().join(name), vec![100; bytes]).expect("a temporary file can be written");
    }
    let source = folder.path().to_string_lossy().into_owned();
    let raw = ["--raw-format", "gray8", "--width", "8", "--height", "8"];
    for (stream, more) in [("call", &[][..]), ("calls", &["--unary"])] {
        let submit = ["submit", &source, "--register", "--stream", stream, "--address", &server.address()];
        let output = frameway(&[&submit[..], &raw, more].concat());
        let said = stderr(&output);
        assert_eq!(output.status.code(), Some(1), "{said}");
        assert!(said.contains(&format!("refused: 3.raw in {stream}: PICTURE_MISSING")), "{said}");
        assert!(said.contains("1 of 3 frames were refused: 1 PICTURE_MISSING"), "{said}");
        assert!(stdout(&output).contains("accepted 2, duplicates 0, refused 1"), "{}", stdout(&output));
    }
}

#[test]
fn streams_are_registered_changed_and_removed() {
    let server = Server::start();
    let address = server.address();
    let streams =
        |arguments: &[&str]| json(&[&["streams"], arguments, &["--json", "--address", &address]].concat());
    let made = streams(&["register", "north", "--label", "site=n", "--retain-frames", "50"]);
    assert_eq!((&made["labels"]["site"], &made["retention"]["max_frames"]), (&"n".into(), &50.into()));
    let etag = made["etag"].as_str().unwrap_or_default().to_owned();
    let changed = streams(&["update", "north", "--retain-frames", "60", "--etag", &etag]);
    assert_eq!((&changed["labels"]["site"], &changed["retention"]["max_frames"]), (&"n".into(), &60.into()));
    let stale = ["streams", "update", "north", "--quality", "70", "--etag", &etag, "--address", &address];
    assert_fails(&stale, 1, "ETAG_MISMATCH");
    assert_fails(&["streams", "register", "north", "--address", &address], 1, "ALREADY_EXISTS");
    assert_eq!(streams(&["show", "north"])["stream_id"], "north");
    assert_eq!(streams(&["remove", "north"])["stream_id"], "north");
    assert_fails(&["streams", "show", "north", "--address", &address], 1, "STREAM_NOT_FOUND");
    assert_fails(&["streams", "show", "no/id", "--address", &address], 2, "INVALID_STREAM_ID");
}

#[test]
fn dead_letters_are_listed_saved_replayed_and_discarded() {
    let server = Server::start();
    let address = server.address();
    let folder = tempfile::tempdir().expect("a temporary folder");
    draw(folder.path(), 1);
    let picture = folder.path().join("1.jpg");
    let mut bytes = fs::read(&picture).expect("it was drawn");
    bytes.truncate(bytes.len() / 2);
    fs::write(&picture, &bytes).expect("a temporary file can be written");
    let source = picture.to_string_lossy().into_owned();
    let submit = ["submit", &source, "--register", "--stream", "cam", "--address", &address];
    assert!(frameway(&submit).status.success());
    let letters = |arguments: &[&str]| {
        json(&[&["dead-letters"], arguments, &["--json", "--address", &address]].concat())
    };
    // It is accepted before a worker has tried it.
    let start = std::time::Instant::now();
    let listed = loop {
        let listed = letters(&["--stream", "cam"]);
        if listed["kept_count"] == 1 {
            break listed;
        }
        assert!(start.elapsed() < std::time::Duration::from_secs(30), "{listed}");
        std::thread::sleep(std::time::Duration::from_millis(20));
    };
    let letter = &listed["dead_letters"][0];
    assert_eq!((&letter["reason"], &letter["sequence"]), (&"DECODE_TRUNCATED".into(), &1.into()), "{letter}");
    let id = letter["dead_letter_id"].as_str().unwrap_or_default();
    let saved = folder.path().join("saved.jpg");
    let shown = letters(&["show", id, "--save", &saved.to_string_lossy()]);
    assert_eq!(shown["picture"]["size_bytes"], bytes.len(), "{shown}");
    assert_eq!(fs::read(&saved).expect("it was saved"), bytes);
    let text = stdout(&frameway(&["dead-letters", "--address", &address]));
    assert!(text.contains(id) && text.contains("1 shown of 1"), "{text}");
    let text = stdout(&frameway(&["dead-letters", "show", id, "--address", &address]));
    assert!(text.contains("cam/1") && text.contains("DECODE_TRUNCATED"), "{text}");
    assert_eq!(letters(&["replay", id])["results"][0]["replayed_sequence"], 2);
    assert_eq!(letters(&["replay", "--stream", "other"])["results"], serde_json::json!([]));
    assert_eq!(letters(&["discard", id, "--because", "seen"])["results"][0]["done"], true);
    assert_fails(&["dead-letters", "show", id, "--address", &address], 1, "DEAD_LETTER_NOT_FOUND");
    let output = frameway(&["dead-letters", "discard", id, "--address", &address]);
    assert_eq!(output.status.code(), Some(1));
    assert!(stdout(&output).contains("refused: DEAD_LETTER_NOT_FOUND"), "{}", stdout(&output));
}
