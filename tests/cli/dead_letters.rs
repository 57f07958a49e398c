//! Many dead letters: counting, saving and replaying them.

use std::fs;
use std::path::Path;
use std::time::{Duration, Instant};

use serde_json::Value;

use super::draw;
use super::server::Server;

const PATIENCE: Duration = Duration::from_secs(60);

/// Submits pictures that end in the middle to `cam-1`, and text to `cam-2`.
fn feed_garbage(server: &Server) {
    let folder = tempfile::tempdir().expect("a temporary folder");
    for (stream, count) in [("cam-1", 3), ("cam-2", 2)] {
        let pictures = folder.path().join(stream);
        fs::create_dir(&pictures).expect("a temporary folder");
        draw(&pictures, count);
        for number in 1..=count {
            let file = pictures.join(format!("{number}.jpg"));
            let half = || {
                let bytes = fs::read(&file).expect("it was drawn");
                bytes[..bytes.len() / 2].to_vec()
            };
            // The signature of a JPEG, and nothing that belongs to one.
            let text = || [&[0xff, 0xd8, 0xff][..], &b"no picture".repeat(9)].concat();
            let bytes = if stream == "cam-1" { half() } else { text() };
            fs::write(&file, bytes).expect("a temporary file can be written");
        }
        server.text(&["submit", &pictures.to_string_lossy(), "--stream", stream, "--register"]);
    }
    until_kept(server, 5);
}

/// Waits until there are so many dead letters.
fn until_kept(server: &Server, count: u64) -> Value {
    let deadline = Instant::now() + PATIENCE;
    loop {
        let listed = server.json(&["dead-letters", "--limit", "0"]);
        if listed["kept_count"] == count {
            return listed;
        }
        assert!(Instant::now() < deadline, "{listed}");
        std::thread::sleep(Duration::from_millis(20));
    }
}

fn files(folder: &Path) -> Vec<String> {
    let mut names: Vec<String> = fs::read_dir(folder)
        .expect("the folder was made")
        .map(|entry| entry.expect("an entry").file_name().to_string_lossy().into_owned())
        .collect();
    names.sort();
    names
}

#[test]
fn dead_letters_are_counted_by_stream_and_reason() {
    let server = Server::start();
    assert_eq!(server.text(&["dead-letters", "summary"]), "0 dead letters\n");
    feed_garbage(&server);
    let text = server.text(&["dead-letters", "summary"]);
    assert!(text.ends_with("\n5 dead letters\n") && text.contains("cam-1   DECODE_TRUNCATED"), "{text}");
    let groups = server.json(&["dead-letters", "summary"])["groups"].clone();
    assert_eq!((&groups[0]["stream_id"], &groups[0]["count"]), (&"cam-1".into(), &3.into()), "{groups}");
    assert_eq!((&groups[1]["stream_id"], &groups[1]["count"]), (&"cam-2".into(), &2.into()), "{groups}");
    let one = server.json(&["dead-letters", "summary", "--stream", "cam-2"])["groups"].clone();
    assert_eq!(one.as_array().map(Vec::len), Some(1), "{one}");
    let cut = server.text(&["dead-letters", "--limit", "2"]);
    assert!(cut.contains("2 shown of 5") && cut.contains("dead-letters summary"), "{cut}");
}

#[test]
fn all_pictures_are_saved_with_an_index() {
    let server = Server::start();
    feed_garbage(&server);
    let folder = tempfile::tempdir().expect("a temporary folder");
    let broken = folder.path().join("broken");
    let save = ["dead-letters", "save", &broken.to_string_lossy()];
    server.fails(&save, 2, "--all");
    server.fails(&[&save[..], &["--all", "--stream", "cam-1"]].concat(), 2, "one of them");
    let all = [&save[..], &["--all"]].concat();
    let text = server.text(&all);
    assert!(text.contains("saved 5 pictures to "), "{text}");
    let index = fs::read_to_string(broken.join("dead-letters.jsonl")).expect("an index");
    assert_eq!(index.lines().count(), 5);
    for line in index.lines() {
        let letter: Value = serde_json::from_str(line).expect("JSON");
        let file = broken.join(letter["file"].as_str().expect("a file"));
        let size = fs::metadata(&file).expect("it is there").len();
        assert_eq!(letter["picture"]["size_bytes"], size, "{letter}");
        let (stream, reason) = (letter["stream_id"].as_str(), letter["reason"].as_str().unwrap_or_default());
        assert_eq!(file.parent().and_then(Path::file_name).and_then(|name| name.to_str()), stream);
        assert!(file.to_string_lossy().contains(&format!("-{reason}-")), "{letter}");
    }
    assert_eq!(files(&broken.join("cam-1")).len(), 3);
    // Pictures that are there are not read again.
    fs::remove_dir_all(broken.join("cam-2")).expect("a folder");
    let text = server.text(&all);
    assert!(text.contains("saved 2 pictures to ") && text.contains(", 3 were there already;"), "{text}");
    let file = folder.path().join("file");
    fs::write(&file, "").expect("a temporary file can be written");
    server.fails(&["dead-letters", "save", &file.to_string_lossy(), "--all"], 2, "cannot create");
    // The folder of a stream cannot be made: what was saved before is still listed.
    let blocked = folder.path().join("blocked");
    fs::create_dir(&blocked).expect("a temporary folder");
    fs::write(blocked.join("cam-1"), "").expect("a temporary file can be written");
    server.fails(&["dead-letters", "save", &blocked.to_string_lossy(), "--all"], 1, "cannot create");
    let index = fs::read_to_string(blocked.join("dead-letters.jsonl")).expect("an index");
    assert!(index.lines().count() < 5, "{index}");
}

#[test]
fn a_replay_leaves_out_what_failed_again() {
    let server = Server::start();
    feed_garbage(&server);
    let replay = |flags: &[&str]| server.text(&[&["dead-letters", "replay", "--all"], flags].concat());
    assert_eq!(replay(&["--dry-run"]), "would replay 5, refused 0\n");
    until_kept(&server, 5);
    assert_eq!(replay(&["--max", "2"]), "replayed 2, refused 0; 3 more are selected\n");
    until_kept(&server, 7);
    assert_eq!(replay(&[]), "replayed 3, refused 0, left out 2 that failed again (--again includes them)\n");
    let listed = until_kept(&server, 10);
    let state = |stream: &str| server.json(&["streams", "show", stream])["status"]["state"].clone();
    assert_ne!(state("cam-2"), "ERROR", "two failures of the camera, and two of its replays");
    assert!(replay(&[]).starts_with("replayed 0, refused 0, left out 5"));
    assert_eq!(replay(&["--again", "--dry-run"]), "would replay 5, refused 0\n");
    // Named by their ids, they are replayed.
    let unreplayed = listed["dead_letters"].as_array().expect("a list").iter();
    let id = unreplayed
        .filter(|letter| letter["replay_time"].is_null())
        .find_map(|letter| letter["dead_letter_id"].as_str());
    let text = server.text(&["dead-letters", "replay", id.expect("an id")]);
    assert!(text.ends_with("replayed 1, refused 0\n") && text.contains(" as "), "{text}");
    until_kept(&server, 11);
    let text = server.text(&["dead-letters", "discard", "--all"]);
    assert_eq!(text, "discarded 11, refused 0\n");
    until_kept(&server, 0);
}
