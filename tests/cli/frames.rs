//! Frames through `frameway submit`, `subscribe` and `demo`: what their flags select, and how Ctrl-C
//! ends them.

use std::fs;

use nix::sys::signal::Signal;
use serde_json::{Value, json};

use super::clients::Running;
use super::commands::{assert_has_line, eventually, lines};
use super::redis::RedisServer;
use super::server::Server;
use super::{assert_fails, closed_address, draw, frameway, stderr, stdout};

#[test]
fn a_submitter_describes_its_frames() {
    let server = Server::start();
    let folder = tempfile::tempdir().expect("a temporary folder");
    for (format, bytes) in [
        ("rgb8", 16 * 16 * 3),
        ("bgr8", 16 * 16 * 3),
        ("gray8", 16 * 16),
        ("nv12", 16 * 24),
        ("i420", 16 * 24),
    ] {
        let file = folder.path().join(format!("{format}.raw"));
        fs::write(&file, vec![100; bytes]).expect("a temporary file can be written");
        let file = file.to_string_lossy().into_owned();
        let submit =
            ["submit", &file, "--register", "--raw-format", format, "--width", "16", "--height", "16"];
        let more =
            ["--attribute", "site=n", "--capture-time", "file", "--publisher", "me", "--first-number", "7"];
        assert_eq!(
            server.json(&[&submit[..], &more, &["--repeat", "2"]].concat())["accepted"],
            2,
            "{format}"
        );
        let events = server.events(&["subscribe", format, "--from", "earliest", "--count", "2"]);
        let frames: Vec<&Value> = events.iter().filter(|event| event["type"] == "frame").collect();
        assert_eq!(frames.len(), 2, "{events:?}");
        let source = &frames[0]["source"];
        assert_eq!((&source["format"], &source["size_bytes"]), (&json!(format), &json!(bytes)), "{source}");
        assert_eq!(frames[0]["attributes"], json!({ "file": format!("{format}.raw"), "site": "n" }));
        assert_eq!((&frames[0]["publisher_id"], &frames[1]["publisher_sequence"]), (&json!("me"), &json!(8)));
        let written = fs::metadata(&file).and_then(|about| about.modified()).expect("it has a time");
        let written = humantime::format_rfc3339_millis(written).to_string();
        assert_eq!(frames[0]["capture_time"], written, "{format}");
    }
}

#[test]
fn an_interrupted_submission_says_how_to_resume_it() {
    let server = Server::start();
    let folder = tempfile::tempdir().expect("a temporary folder");
    let pictures = folder.path().join("pictures");
    fs::create_dir(&pictures).expect("a temporary folder");
    draw(&pictures, 1);
    let source = pictures.to_string_lossy().into_owned();
    for (stream, more) in [("call", &[][..]), ("calls", &["--unary"])] {
        server.text(&["streams", "register", stream]);
        let address = server.address();
        let submit = ["submit", &source, "--stream", stream, "--address", &address];
        let identity = ["--publisher", "me", "--first-number", "5"];
        let endless = ["--rate", "5", "--repeat", "100000"];
        let mut running =
            Running::start("submit", folder.path(), &[&submit[..], &identity, &endless, more].concat());
        eventually("frames are accepted", || {
            let accepted = server.json(&["streams", "show", stream])["status"]["accepted_frames"].as_u64();
            (accepted > Some(1)).then_some(())
        });
        running.signal(Signal::SIGINT);
        assert_eq!(running.exit_code(), Some(1), "{}", running.output());
        let said = running.output();
        assert!(
            said.contains("to resume, run the command again with --publisher me --first-number 5\n"),
            "{said}"
        );
        assert!(
            said.contains("frameway: interrupted: ") && said.contains(" of 100000 frames were not sent"),
            "{said}"
        );
        let accepted = server.json(&["streams", "show", stream])["status"]["accepted_frames"].clone();
        let resumed = server.json(&[&submit[..4], &identity, &["--repeat", "2"], more].concat());
        assert_eq!((&resumed["duplicates"], &resumed["accepted"]), (&json!(2), &json!(0)), "{resumed}");
        assert_eq!(server.json(&["streams", "show", stream])["status"]["accepted_frames"], accepted);
    }
}

#[test]
fn a_subscriber_chooses_frames_and_pictures() {
    let server = Server::start();
    let folder = tempfile::tempdir().expect("a temporary folder");
    let pictures = folder.path().join("pictures");
    fs::create_dir(&pictures).expect("a temporary folder");
    draw(&pictures, 4);
    let source = pictures.to_string_lossy().into_owned();
    server.text(&["streams", "register", "cam", "--min-width", "4000"]);
    server.text(&["submit", &source, "--stream", "cam"]);
    eventually("all frames are published", || {
        (server.json(&["streams", "show", "cam"])["status"]["published_frames"] == 4).then_some(())
    });
    let sequences = |more: &[&str]| -> Vec<u64> {
        // The end is reached without a count.
        let until = humantime::format_rfc3339_nanos(std::time::SystemTime::now()).to_string();
        let all = ["subscribe", "cam", "--from", "earliest", "--until", &until];
        let events = server.events(&[&all[..], more].concat());
        let frames = events.iter().filter(|event| event["type"] == "frame");
        frames.map(|frame| frame["sequence"].as_u64().expect("a sequence")).collect()
    };
    assert_eq!(sequences(&[]), [1, 2, 3, 4]);
    assert_eq!(sequences(&["--every-nth", "2"]), [1, 3]);
    assert_eq!(sequences(&["--attribute", "file=3.jpg"]), [3]);
    assert_eq!(sequences(&["--min-quality", "1"]), [0; 0]);
    assert_eq!(sequences(&["--valid-only"]), [0; 0], "the pictures are too small for the stream's rules");
    assert_eq!(sequences(&["--max-fps", "0.001"]), [1]);
    assert_eq!(sequences(&["--max-age", "1h", "--overflow", "drop-oldest"]), [1, 2, 3, 4]);

    let save = |name: &str, more: &[&str]| -> Vec<String> {
        let saved = folder.path().join(name);
        let one = ["subscribe", "cam", "--from", "4", "--count", "1", "--save", &saved.to_string_lossy()];
        server.text(&[&one[..], more].concat());
        let mut names: Vec<String> = fs::read_dir(&saved)
            .expect("the folder was made")
            .map(|entry| entry.expect("it can be read").file_name().to_string_lossy().into_owned())
            .collect();
        names.sort();
        names
    };
    assert_eq!(save("png", &["--format", "png", "--max-width", "80"]), ["cam-000000004.png"]);
    let png = fs::read(folder.path().join("png/cam-000000004.png")).expect("it was saved");
    assert!(png.starts_with(b"\x89PNG") && png[16..24] == [0, 0, 0, 80, 0, 0, 0, 45], "80 x 45 pixels");
    assert_eq!(
        save("both", &["--pictures", "thumbnail,processed"]),
        ["cam-000000004-processed.jpg", "cam-000000004-thumbnail.jpg"]
    );
    let line = server.text(&[
        "subscribe",
        "cam",
        "--from",
        "4",
        "--count",
        "1",
        "--lines",
        "--pictures",
        "original",
    ]);
    assert!(line.contains("original ") && line.contains(" omitted: "), "{line}");

    let nonsense = folder.path().join("cursors.json");
    fs::write(&nonsense, "nonsense").expect("a temporary file can be written");
    server.fails(
        &["subscribe", "cam", "--cursor-file", &nonsense.to_string_lossy()],
        2,
        "is not a cursor file",
    );
    server.fails(&["subscribe", "cam", "--from", "nonsense", "--count", "1"], 2, "CURSOR_INVALID");
    server.fails(&["subscribe", "none", "--count", "1"], 1, "STREAM_NOT_FOUND");
}

#[test]
fn ctrl_c_ends_a_reader_with_its_summary() {
    let server = Server::start();
    let address = server.address();
    let folder = tempfile::tempdir().expect("a temporary folder");
    let pictures = folder.path().join("pictures");
    fs::create_dir(&pictures).expect("a temporary folder");
    draw(&pictures, 1);
    server.text(&["submit", &pictures.to_string_lossy(), "--stream", "cam", "--register"]);
    server.text(&["groups", "create", "site", "cam", "--from", "earliest"]);
    let cursors = folder.path().join("cursors.json").to_string_lossy().into_owned();
    let start = |name, arguments: &[&str]| {
        Running::start(name, folder.path(), &[arguments, &["--address", &address]].concat())
    };
    let readers = [
        (
            start("text", &["subscribe", "cam", "--from", "earliest", "--lines", "--cursor-file", &cursors]),
            "cam 1 ",
            "1 frames, ",
        ),
        (start("json", &["subscribe", "cam", "--from", "earliest", "--json"]), "\"frame\"", "\"summary\""),
        (
            start("member", &["subscribe", "--group", "site", "--member", "m", "--json"]),
            "\"frame\"",
            "\"summary\"",
        ),
        (start("watch", &["streams", "watch", "--json"]), "\"existing\"", ""),
    ];
    for (mut reader, ready, summary) in readers {
        reader.wait_for(ready);
        reader.signal(Signal::SIGINT);
        assert_eq!(reader.exit_code(), Some(0), "{}", reader.output());
        assert!(reader.output().contains(summary), "{}", reader.output());
    }
    // The cursor was written at the end: the frame is not delivered again.
    server.text(&["submit", &pictures.to_string_lossy(), "--stream", "cam"]);
    let events = server.events(&["subscribe", "cam", "--cursor-file", &cursors, "--count", "1"]);
    let frame = events.iter().find(|event| event["type"] == "frame").expect("a frame");
    assert_eq!(frame["sequence"], 2, "{events:?}");
}

#[test]
fn the_demo_prints_an_account_of_every_camera() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    draw(folder.path(), 5);
    let (source, sheet) = (folder.path().to_string_lossy(), folder.path().join("sheet.jpg"));
    let demo =
        ["demo", "--seconds", "1", "--cameras", "2", "--fps", "5", "--sheet", &sheet.to_string_lossy()];
    let output = frameway(&[&demo[..], &["--source", &source]].concat());
    assert!(output.status.success(), "{}", stderr(&output));
    let text = stdout(&output);
    let rows = lines(&text);
    let counts = |name: &str| -> Vec<u64> {
        let row =
            rows.iter().find_map(|row| row.strip_prefix(name)).unwrap_or_else(|| panic!("{name} in\n{text}"));
        row.split(' ').map(|count| count.parse().expect("a count")).collect()
    };
    let (one, two, all) = (counts("cam-1 "), counts("cam-2 "), counts("all "));
    // Accepted, delivered, failed, lost, duplicates, out of order.
    assert!(all[0] > 0 && all[1..] == [all[0], 0, 0, 0, 0], "{text}");
    assert_eq!(one.iter().zip(&two).map(|(one, two)| one + two).collect::<Vec<_>>(), all, "{text}");
    assert_has_line(&text, "queue memory");
    assert!(rows.iter().any(|row| row.starts_with("latency ")), "{text}");
    assert!(text.contains(&format!("pictures    {}\n", sheet.display())) && sheet.is_file(), "{text}");
}

#[test]
fn a_demo_on_redis_ends_at_ctrl_c_and_leaves_nothing_behind() {
    let redis = RedisServer::start();
    let folder = tempfile::tempdir().expect("a temporary folder");
    let sheet = folder.path().join("sheet.jpg").to_string_lossy().into_owned();
    let url = redis.url();
    let demo =
        ["demo", "--seconds", "600", "--cameras", "1", "--redis-url", &url, "--sheet", &sheet, "--json"];
    let mut running = Running::start("demo", folder.path(), &demo);
    let server = Server::start_with(&["--redis-url", &url, "--role", "api"]);
    eventually("frames flow", || {
        let streams = server.json(&["streams"]);
        (streams["streams"][0]["status"]["published_frames"].as_u64() > Some(2)).then_some(())
    });
    running.signal(Signal::SIGINT);
    assert_eq!(running.exit_code(), Some(0), "{}", running.output());
    let said = running.output();
    let told: Value = said.lines().find_map(|line| serde_json::from_str(line).ok()).expect("a JSON line");
    assert_eq!(
        (&told["backend"], &told["lost"], &told["delivered"]),
        (&json!("redis"), &json!(0), &told["accepted"])
    );
    assert_eq!(server.json(&["streams"])["streams"], json!([]), "{said}");

    let nobody = format!("redis://{}", closed_address());
    assert_fails(
        &["demo", "--redis-url", &nobody, "--sheet", &sheet],
        1,
        "cannot use Redis: is it running at",
    );
}
