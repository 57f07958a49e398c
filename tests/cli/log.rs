//! The log of a server: levels that change while it runs, and the trace ids in it.

use std::fs;
use std::time::{Duration, Instant};

use serde_json::Value;

use crate::server::Server;
use crate::{draw, frameway, stderr};

const DEADLINE: Duration = Duration::from_secs(30);

/// Waits until the log satisfies a condition, and returns it.
fn log_until(server: &Server, what: &str, mut is_so: impl FnMut(&str) -> bool) -> String {
    let start = Instant::now();
    loop {
        let log = server.log();
        if is_so(&log) {
            return log;
        }
        assert!(start.elapsed() < DEADLINE, "{what}:\n{log}");
        std::thread::sleep(Duration::from_millis(20));
    }
}

#[test]
fn the_levels_change_while_the_server_runs() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let file = folder.path().join("filter");
    let path = file.display().to_string();
    let server = Server::start_with_log_at("info", &["--log-filter-file", &path]);
    assert!(server.log().contains("listening") && !server.log().contains(" DEBUG "));
    fs::write(&file, "trace\n").expect("the file is written");
    log_until(&server, "the filter is in force", |log| log.contains("log filter changed"));
    let info = frameway(&["info", "--address", &server.address()]);
    assert!(info.status.success(), "{}", stderr(&info));
    log_until(&server, "there are more lines", |log| log.contains(" TRACE ") || log.contains(" DEBUG "));

    fs::write(&file, "no=such=filter").expect("the file is written");
    log_until(&server, "the filter is refused", |log| log.contains("not a log filter"));
    fs::write(&file, "x".repeat(5000)).expect("the file is written");
    log_until(&server, "the file is too large", |log| log.contains("larger than 4096 bytes"));
    fs::remove_file(&file).expect("the file is removed");
    let log =
        log_until(&server, "--log is in force again", |log| log.matches("log filter changed").count() == 2);
    assert!(log.contains("filter=\"info\""), "{log}");
}

#[test]
fn the_log_of_a_failed_frame_has_its_trace_id_and_no_pictures() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let picture = folder.path().join("broken.jpg");
    // The bytes are text, so that the log would show them.
    let bytes: Vec<u8> = [&[0xff, 0xd8, 0xff, 0xe0, 0, 16][..], &b"PAYLOADBYTES".repeat(50)].concat();
    fs::write(&picture, bytes).expect("a temporary file can be written");
    let server = Server::start_with_log_at("trace", &["--auto-register", "--log-format", "json"]);
    let picture = picture.display().to_string();
    let traceparent = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";
    let submitted = frameway(&[
        "submit",
        "--address",
        &server.address(),
        "--stream",
        "cam",
        "--traceparent",
        traceparent,
        &picture,
    ]);
    assert!(submitted.status.success(), "{}", stderr(&submitted));
    let log = log_until(&server, "the frame failed", |log| log.contains("frame failed"));
    let line = log.lines().find(|line| line.contains("frame failed")).expect("a line");
    let line: Value = serde_json::from_str(line).expect("JSON");
    assert_eq!(line["trace_id"], "0af7651916cd43dd8448eb211c80319c");
    assert_eq!((&line["stream"], &line["level"]), (&Value::from("cam"), &Value::from("INFO")));
    assert_eq!(line["reason"], "DECODE_TRUNCATED", "in the words of the API: {line}");
    assert!(!log.contains("PAYLOADBYTES"), "pictures are not logged");
}

#[test]
fn the_log_tells_what_the_streams_do() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let (good, bad) = (folder.path().join("good"), folder.path().join("bad"));
    for pictures in [&good, &bad] {
        fs::create_dir(pictures).expect("a temporary folder");
        draw(pictures, 8);
    }
    for number in 1..=8 {
        fs::write(bad.join(format!("{number}.jpg")), [0xff, 0xd8, 0xff]).expect("a temporary file");
    }
    let server = Server::start_with_log_at("info", &["--log-format", "json"]);
    server.text(&["streams", "register", "cam", "--stall-timeout", "1s"]);
    let submit = |pictures: &std::path::Path| {
        server.text(&["submit", &pictures.to_string_lossy(), "--stream", "cam"]);
    };
    let seen = |what: &str| log_until(&server, what, |log| log.contains(what));
    submit(&good);
    seen("stream live");
    seen("stream stalled: no frame within the timeout");
    submit(&bad);
    let log = seen("stream in error");
    assert_eq!(log.matches("stream stalled").count(), 1, "{log}");
    // The first failure has a line of its own; the others are counted.
    let log = seen("\"frames failed\"");
    assert_eq!(log.matches("\"frame failed\"").count(), 1, "{log}");
    let line = log.lines().find(|line| line.contains("\"frames failed\"")).expect("a line");
    let line: Value = serde_json::from_str(line).expect("JSON");
    assert_eq!((&line["stream"], &line["frames"]), (&"cam".into(), &7.into()), "{line}");
    let reasons = line["reasons"].as_str().expect("a text");
    assert!(reasons.ends_with(" 7") && reasons.is_ascii(), "{reasons}");
    server.text(&["streams", "remove", "cam"]);
    let log = seen("\"UnregisterStream\"");
    assert!(log.contains("\"RegisterStream\""), "{log}");
}
