//! `frameway look`, and what `frameway streams show` tells of a stream in trouble.

use std::fs;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use frameway::picture::{Codec, Limits, SourcePicture};
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use serde_json::Value;

use super::server::Server;
use super::{assert_fails, draw};

const PATIENCE: Duration = Duration::from_secs(60);

/// Submits `frames` drawn pictures to a new stream.
fn feed(server: &Server, stream: &str, frames: u64) {
    let folder = tempfile::tempdir().expect("a temporary folder");
    draw(folder.path(), frames);
    server.text(&["submit", &folder.path().to_string_lossy(), "--stream", stream, "--register"]);
}

/// Submits `frames` pictures that end in the middle.
fn feed_garbage(server: &Server, stream: &str, frames: u64) {
    let folder = tempfile::tempdir().expect("a temporary folder");
    draw(folder.path(), frames);
    for number in 1..=frames {
        let file = folder.path().join(format!("{number}.jpg"));
        let bytes = fs::read(&file).expect("it was drawn");
        fs::write(&file, &bytes[..bytes.len() / 2]).expect("a temporary file can be written");
    }
    // It does not stall while the test looks at it.
    server.text(&["streams", "register", stream, "--stall-timeout", "1h"]);
    server.text(&["submit", &folder.path().to_string_lossy(), "--stream", stream]);
}

/// Waits until a stream meets a condition, and returns it.
fn until(server: &Server, stream: &str, holds: impl Fn(&Value) -> bool) -> Value {
    let deadline = Instant::now() + PATIENCE;
    loop {
        let shown = server.json(&["streams", "show", stream]);
        if holds(&shown) {
            return shown;
        }
        assert!(Instant::now() < deadline, "{shown}");
        std::thread::sleep(Duration::from_millis(20));
    }
}

fn published(count: u64) -> impl Fn(&Value) -> bool {
    move |shown| shown["status"]["published_sequence"] == count
}

/// Returns the size of a picture in a file.
fn size_of(file: &Path) -> (u32, u32) {
    let bytes = fs::read(file).expect("it was written");
    let source = SourcePicture::encoded(&bytes).expect("a picture");
    let planes = Codec::new(Limits::default()).decode(&source).expect("it decodes");
    (planes.width(), planes.height())
}

#[test]
fn a_contact_sheet_shows_every_stream() {
    let server = Server::start();
    let folder = tempfile::tempdir().expect("a temporary folder");
    let sheet = |name: &str| folder.path().join(name);
    server.fails(&["look", "--output", &sheet("none.jpg").to_string_lossy()], 1, "no streams");
    feed(&server, "cam-1", 2);
    feed(&server, "cam-2", 2);
    server.text(&["streams", "register", "idle"]);
    until(&server, "cam-1", published(2));
    until(&server, "cam-2", published(2));
    let file = sheet("look.jpg");
    let said = server.text(&["look", "--output", &file.to_string_lossy()]);
    assert!(said.ends_with("look.jpg: 3 streams, 2 with a picture\n"), "{said}");
    // Two columns of 400 pixels; pictures of 180 pixels, and an empty tile of 225.
    let (width, height) = size_of(&file);
    assert_eq!(width, 8 + 2 * 408);
    assert!(height > 180 + 225, "{height}");
    let file = sheet("one.png");
    let one = ["look", "cam-*", "--width", "100", "--columns", "1", "--output", &file.to_string_lossy()];
    assert!(server.text(&one).ends_with("one.png: 2 streams, 2 with a picture\n"));
    assert_eq!(size_of(&file).0, 116);
    assert!(fs::read(&file).expect("it was written").starts_with(b"\x89PNG"));
    server.fails(&["look", "--output", "sheet.gif"], 2, ".png");
    server.fails(&["look", "--output", "/no/such/folder/sheet.jpg"], 2, "cannot write");
    server.fails(&["look", "gone"], 1, "gone: not among");
    assert_fails(&["look", "--every", "1s"], 2, "--watch");
    assert_fails(&["look", "--watch", "--every", "0s"], 2, "must be 10ms or more");
}

#[test]
fn a_watched_sheet_is_written_again_until_a_signal() {
    let server = Server::start();
    feed(&server, "cam-1", 1);
    until(&server, "cam-1", published(1));
    let folder = tempfile::tempdir().expect("a temporary folder");
    let file = folder.path().join("look.png");
    let mut watch = Command::new(env!("CARGO_BIN_EXE_frameway"))
        .args(["look", "--watch", "--every", "50ms", "--output"])
        .arg(&file)
        .args(["--address", &server.address()])
        .stdout(Stdio::null())
        .spawn()
        .expect("it starts");
    let written = || fs::read(&file).unwrap_or_default();
    let deadline = Instant::now() + PATIENCE;
    let wait = |what: &str, holds: &dyn Fn(&[u8]) -> bool| {
        while !holds(&written()) {
            assert!(Instant::now() < deadline, "{what}");
            std::thread::sleep(Duration::from_millis(10));
        }
    };
    wait("the first sheet", &|sheet| !sheet.is_empty());
    let first = written();
    feed(&server, "cam-2", 1);
    wait("another sheet", &|sheet| sheet.starts_with(b"\x89PNG") && sheet != first);
    kill(Pid::from_raw(watch.id().try_into().expect("a process id")), Signal::SIGINT).expect("a signal");
    assert!(watch.wait().expect("it ends").success());
    assert!(!folder.path().join("look.png.part").exists(), "no part of a sheet is left");
}

#[test]
fn a_stream_in_trouble_says_what_failed() {
    let server = Server::start();
    feed_garbage(&server, "cam", 4);
    let shown = until(&server, "cam", |shown| shown["status"]["state"] == "ERROR");
    assert_eq!(shown["account"]["failed_frames"], 4, "{shown}");
    assert_eq!(shown["last_failure"]["reason"], "DECODE_TRUNCATED", "{shown}");
    let text = server.text(&["streams", "show", "cam"]);
    assert!(text.contains("failed") && text.contains("4 frames"), "{text}");
    assert!(text.contains("last failure") && text.contains("DECODE_TRUNCATED ("), "{text}");
    assert!(text.contains("rejected"), "{text}");
    let none = server.text(&["streams", "list", "--filter", "status.state = STREAM_STATE_LIVE"]);
    assert_eq!(none, "no stream matches the filter\n");
}

#[test]
fn the_time_that_frames_are_kept_is_estimated() {
    let server = Server::start();
    server.text(&["streams", "register", "cam", "--retain-frames", "100"]);
    let folder = tempfile::tempdir().expect("a temporary folder");
    draw(folder.path(), 30);
    let source = folder.path().to_string_lossy();
    // Three seconds at ten frames a second: a hundred frames are ten seconds.
    server.text(&["submit", &source, "--stream", "cam", "--rate", "10"]);
    let shown = until(&server, "cam", published(30));
    assert_eq!(shown["keeps"]["bounded_by"], "retain frames", "{shown}");
    let time = shown["keeps"]["time_ms"].as_f64().expect("a time");
    assert!((7_000.0..30_000.0).contains(&time), "{time}");
    let text = server.text(&["streams", "show", "cam"]);
    assert!(text.contains(" at the present rate, bounded by retain frames"), "{text}");
}
