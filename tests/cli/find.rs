//! `frameway frames`: finding frames by their times and sequences.

use std::fs;
use std::path::Path;

use serde_json::Value;

use super::commands::eventually;
use super::server::Server;
use super::{assert_fails, draw, stderr};

/// Starts a server with six frames of `cam`, one of them broken.
fn server_with_frames(folder: &Path) -> Server {
    let server = Server::start();
    draw(folder, 6);
    let picture = folder.join("4.jpg");
    let mut bytes = fs::read(&picture).expect("it was drawn");
    bytes.truncate(bytes.len() / 2);
    fs::write(&picture, &bytes).expect("a temporary file can be written");
    server.text(&["streams", "register", "cam"]);
    server.text(&["submit", &folder.to_string_lossy(), "--stream", "cam", "--rate", "50"]);
    eventually("all frames are published", || {
        (server.json(&["frames", "list", "cam"])["kept"]["frame_count"] == 6).then_some(())
    });
    server
}

fn sequences(list: &Value) -> Vec<u64> {
    let frames = list["frames"].as_array().expect("a list");
    frames.iter().map(|frame| frame["sequence"].as_u64().expect("a sequence")).collect()
}

#[test]
fn frames_are_listed_by_time_and_by_sequence() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let server = server_with_frames(folder.path());
    let list = |more: &[&str]| server.json(&[&["frames", "list", "cam"], more].concat());
    let all = list(&[]);
    assert_eq!(sequences(&all), [1, 2, 3, 4, 5, 6]);
    assert_eq!(all["frames"][3]["outcome"], "FAILED", "{all}");
    assert_eq!(all["frames"][0]["pictures"][1]["role"], "processed", "{all}");
    let at =
        |sequence: usize| all["frames"][sequence - 1]["receive_time"].as_str().expect("a time").to_owned();
    assert_eq!(sequences(&list(&["--limit", "2"])), [5, 6], "the newest ones");
    assert_eq!(sequences(&list(&["--limit", "0"])), [1, 2, 3, 4, 5, 6]);
    assert_eq!(sequences(&list(&["--first", "2", "--last", "4"])), [2, 3, 4]);
    assert_eq!(sequences(&list(&["--first", "5"])), [5, 6]);
    assert_eq!(sequences(&list(&["--from", &at(2), "--until", &at(4)])), [2, 3]);
    assert_eq!(sequences(&list(&["--at", &at(3), "--before", "1", "--after", "2"])), [2, 3, 4]);
    let first = list(&["--first", "1", "--limit", "4"]);
    assert_eq!((sequences(&first), &first["more"]), (vec![1, 2, 3, 4], &true.into()));

    let text = server.text(&["frames", "list", "cam"]);
    let lines: Vec<&str> = text.lines().collect();
    assert!(lines[0].starts_with("SEQUENCE") && lines.len() == 8, "{text}");
    assert!(lines[1].contains(&at(1)) && lines[1].ends_with(" ok"), "a clock time with its zone: {text}");
    assert!(lines[4].contains("failed: DECODE_TRUNCATED"), "{text}");
    assert!(lines[7].starts_with("6 frames of cam; kept are 1-6, received 2"), "{text}");

    server.text(&["streams", "update", "cam", "--retain-frames", "2"]);
    eventually("retention removes four", || (list(&[])["kept"]["oldest_sequence"] == 5).then_some(()));
    let gone = server.text(&["frames", "list", "cam", "--first", "2", "--last", "5"]);
    assert!(gone.contains("\ncam 2-4 are not kept: 3 RETENTION\n1 frame of cam; kept are 5-6,"), "{gone}");
    let gone = server.text(&["frames", "list", "cam", "--from", &at(1), "--until", &at(3)]);
    assert!(
        gone.starts_with(&format!("cam frames received from {} on and before {}", at(1), at(3))),
        "{gone}"
    );
    assert!(gone.contains("RETENTION") && gone.contains("0 frames of cam; kept are 5-6"), "{gone}");
    let gone = list(&["--from", &at(1), "--until", &at(3)]);
    assert_eq!(gone["gaps"][0]["end_receive_time"], at(3), "{gone}");
    let missing = format!("cam frames received from {} on", at(1));
    server.fails(&["frames", "get", "cam", "--at", &at(1)], 1, &missing);
    server.fails(
        &["frames", "get", "cam", "2"],
        1,
        "cam 2 is not there: RETENTION; kept are 5-6, received 2",
    );
}

#[test]
fn the_frame_of_a_moment_is_saved() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let server = server_with_frames(folder.path());
    let all = server.json(&["frames", "list", "cam"]);
    let at =
        |sequence: usize| all["frames"][sequence - 1]["receive_time"].as_str().expect("a time").to_owned();
    let file = folder.path().join("found.jpg").to_string_lossy().into_owned();
    let text = server.text(&["frames", "get", "cam", "--at", &at(3), "--save", &file]);
    assert!(text.starts_with("frame      cam 3\nreceived   20"), "{text}");
    assert!(text.contains(&format!("saved      {file}: processed, 320x180, ")), "{text}");
    let processed = fs::read(&file).expect("it was saved");
    assert!(processed.starts_with(b"\xFF\xD8\xFF"));
    // The fourth frame has no picture. The nearest one has.
    let found =
        server.json(&["frames", "get", "cam", "--at", &at(4), "--picture", "thumbnail", "--save", &file]);
    assert!([3, 5].contains(&found["sequence"].as_u64().expect("a sequence")), "{found}");
    assert_eq!((&found["saved"][0], &found["pictures"][0]["width"]), (&file.clone().into(), &128.into()));
    assert!(fs::read(&file).expect("it was saved").len() < processed.len());
    assert_eq!(server.json(&["frames", "get", "cam", "5"])["sequence"], 5);

    server.fails(&["frames", "get", "cam", "4"], 1, "cam 4 has no picture: failed: DECODE_TRUNCATED");
    let later = ["frames", "get", "cam", "--at", "2999-01-01T00:00:00Z"];
    server.fails(&later, 1, "cam has no frame within 10s of 2999-01-01T00:00:00.000Z; the nearest is 6");
    let original = ["frames", "get", "cam", "3", "--picture", "original", "--save", &file];
    server.fails(&original, 1, "the server omitted the picture of cam 3: NOT_KEPT");
    let nowhere = folder.path().join("none/found.jpg").to_string_lossy().into_owned();
    server.fails(&["frames", "get", "cam", "3", "--save", &nowhere], 2, "cannot write");
    let itself = folder.path().to_string_lossy().into_owned();
    server.fails(&["frames", "get", "cam", "3", "--save", &itself], 2, "is a folder: name a file in it");
    server.fails(&["frames", "list", "nobody"], 1, "STREAM_NOT_FOUND");
    server.text(&["streams", "register", "empty"]);
    server.fails(&["frames", "get", "empty", "--at", &at(1)], 1, "nothing is kept");
    let text = server.text(&["frames", "list", "empty"]);
    assert_eq!(text, "0 frames of empty; nothing is kept\n");
    // A closed pipe is no error, and nothing is left half done.
    let output = server.run(&["frames", "get", "cam", "3"]);
    assert!(output.status.success(), "{}", stderr(&output));
    assert!(!folder.path().join("found.jpg.part").exists());
}

#[test]
fn a_bad_range_is_one_clear_line() {
    for (flags, says) in [
        (&["list", "cam", "--at", "14:03:20"][..], "has no date: write"),
        (&["list", "cam", "--at", "2026-05-01T14:03:20"], "write 2026-05-01T14:03:20Z for UTC"),
        (&["get", "cam", "--at", "2026-05-01 14:03:20"], "has no time zone: write 2026-05-01T14:03:20Z"),
        (&["list", "cam", "--at", "yesterday"], "is not a time: write"),
        (
            &["list", "cam", "--from", "2026-05-01T14:00:00+02:00", "--until", "2026-05-01T11:00:00Z"],
            "--until 2026-05-01T11:00:00.000Z is not after --from 2026-05-01T12:00:00.000Z",
        ),
        (&["list", "cam", "--first", "9", "--last", "8"], "--last 8 is before --first 9"),
        (
            &["list", "cam", "--at", "2026-05-01T14:03:20Z", "--before", "0", "--after", "0"],
            "one of them must be above 0",
        ),
        (&["list", "cam", "--first", "0"], "--first"),
        (&["list", "cam", "--before", "3"], "--at"),
        (&["get", "cam"], "SEQUENCE"),
    ] {
        assert_fails(&[&["frames"], flags].concat(), 2, says);
    }
}
