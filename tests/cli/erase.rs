//! `frameway streams erase`, and new masks of a stream that has frames.

use serde_json::json;

use super::server::Server;
use super::{draw, stdout};

/// Starts a server with six published frames of `cam`.
fn with_frames() -> Server {
    let server = Server::start();
    let folder = tempfile::tempdir().expect("a temporary folder");
    draw(folder.path(), 6);
    server.text(&["submit", &folder.path().to_string_lossy(), "--stream", "cam", "--register"]);
    server.text(&["subscribe", "cam", "--from", "1", "--count", "6"]);
    server
}

#[test]
fn frames_are_erased_and_cannot_be_saved_any_more() {
    let server = with_frames();
    let asked = server.text(&["streams", "erase", "cam", "--from", "2", "--to", "4", "--dry-run"]);
    assert!(asked.starts_with("would erase 3 frames of cam between 2 and 4, "), "{asked}");
    let erased = server.json(&["streams", "erase", "cam", "--from", "2", "--to", "4", "--reason", "a wish"]);
    assert_eq!(erased["erased_processed_frames"], 3);
    assert_eq!(erased["already_erased_frames"], 0);
    assert!(erased["erased_bytes"].as_u64() > Some(0));
    let again = server.text(&["streams", "erase", "cam", "--from", "1", "--to", "4"]);
    assert!(again.starts_with("erased 1 frames of cam between 1 and 4, "), "{again}");
    assert!(again.ends_with("; 3 were erased before\n"), "{again}");
    let events = server.events(&["subscribe", "cam", "--from", "1", "--count", "2"]);
    let text = serde_json::to_string(&events).expect("JSON");
    assert!(text.contains("ERASED"), "{text}");
    assert!(server.text(&["queues"]).contains("purged 0, erased 4"));

    // All frames of an hour around now.
    let hour = |back: bool| {
        let now = std::time::SystemTime::now();
        let hour = std::time::Duration::from_secs(3_600);
        humantime::format_rfc3339_seconds(if back { now - hour } else { now + hour }).to_string()
    };
    let by_time =
        server.text(&["streams", "erase", "cam", "--from-time", &hour(true), "--to-time", &hour(false)]);
    assert!(by_time.starts_with("erased 2 frames of cam between 1 and 6, "), "{by_time}");
}

#[test]
fn a_range_that_makes_no_sense_is_one_line() {
    let server = Server::start();
    server.text(&["streams", "register", "cam"]);
    let erase = |more: &[&'static str]| [&["streams", "erase"], more].concat();
    server.fails(&erase(&["cam", "--from", "5", "--to", "4"]), 2, "--to 4 is before --from 5");
    server.fails(&erase(&["nobody", "--from", "1", "--to", "4"]), 1, "STREAM_NOT_FOUND");
    server.fails(
        &erase(&["cam", "--from-time", "2026-05-01T14:00:00Z", "--to-time", "2026-05-01T14:00:00+00:00"]),
        2,
        "--to-time must be after --from-time",
    );
    let output = server.run(&erase(&[
        "cam",
        "--from-time",
        "2026-05-01T14:00:00",
        "--to-time",
        "2026-05-02T00:00:00Z",
    ]));
    assert_eq!(output.status.code(), Some(2));
    assert!(super::stderr(&output).contains("has no time zone: write 2026-05-01T14:00:00Z for UTC"));
    for more in
        [&["cam"][..], &["cam", "--from", "1"], &["cam", "--from", "1", "--to-time", "2026-05-02T00:00:00Z"]]
    {
        assert_eq!(server.run(&erase(more)).status.code(), Some(2), "{more:?}");
    }
    let nothing = server.run(&erase(&["cam", "--from", "1", "--to", "4"]));
    assert_eq!(stdout(&nothing), "cam has no frames in this range; nothing to erase\n");
}

#[test]
fn new_masks_count_the_frames_without_them_and_can_erase_these() {
    let server = with_frames();
    let mask = ["--mask", "window=0,0;0.5,0;0.5,0.5;0,0.5"];
    let update = |more: &[&str]| server.text(&[&["streams", "update", "cam"], more].concat());
    let said = update(&mask);
    let line =
        "6 kept frames do not have these masks; erase them: frameway streams erase cam --from 1 --to 6\n";
    assert!(said.ends_with(line), "{said}");
    let other = ["--mask", "door=0,0;0.5,0;0.5,0.5;0,0.5", "--erase-unmasked"];
    let said = update(&other);
    assert!(said.contains("erased 6 frames of cam between 1 and 6, "), "{said}");
    server.fails(&["streams", "update", "cam", "--quality", "70", "--erase-unmasked"], 2, "give --mask");
}

#[test]
fn the_json_of_new_masks_has_what_is_unmasked_and_the_receipt() {
    let server = with_frames();
    let update = |more: &[&str]| server.json(&[&["streams", "update", "cam"], more].concat());
    let masked = update(&["--mask", "window=0,0;0.5,0;0.5,0.5;0,0.5"]);
    assert_eq!(masked["stream_id"], "cam");
    let unmasked = json!({ "kept_frames": 6, "waiting_frames": 0, "erased": null });
    assert_eq!(masked["unmasked"], unmasked, "{masked}");
    let erased = update(&["--mask", "door=0,0;0.5,0;0.5,0.5;0,0.5", "--erase-unmasked"]);
    let receipt = &erased["unmasked"]["erased"];
    assert_eq!((&receipt["erased_processed_frames"], &receipt["last_sequence"]), (&json!(6), &json!(6)));
    assert_eq!(update(&["--quality", "70"]).get("unmasked"), None);
}
