//! Recording with `frameway subscribe --save`: names, the newest picture, bounds, and what goes wrong.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use nix::sys::signal::Signal;
use serde_json::{Value, json};

use super::clients::Running;
use super::commands::eventually;
use super::server::Server;
use super::{assert_fails, draw, stderr, stdout};

/// Returns the files in a folder and its subfolders, by their paths in it.
fn files(folder: &Path) -> Vec<String> {
    fn add(folder: &Path, found: &mut Vec<PathBuf>) {
        // A folder that does not exist yet has no files.
        for entry in fs::read_dir(folder).into_iter().flatten().flatten() {
            let path = entry.path();
            if path.is_dir() { add(&path, found) } else { found.push(path) }
        }
    }
    let mut found = Vec::new();
    add(folder, &mut found);
    let inner = |path: &PathBuf| path.strip_prefix(folder).map(|path| path.to_string_lossy().into_owned());
    let mut names: Vec<String> = found.iter().map(|path| inner(path).expect("it is inside")).collect();
    names.sort();
    names
}

/// A server with six frames of each of two cameras, which keep their originals.
struct Site {
    server: Server,
    folder: tempfile::TempDir,
}

impl Site {
    fn with_frames() -> Self {
        let site = Self { server: Server::start(), folder: tempfile::tempdir().expect("a temporary folder") };
        for camera in ["cam-1", "cam-2"] {
            let pictures = site.folder.path().join("pictures").join(camera);
            fs::create_dir_all(&pictures).expect("a temporary folder");
            draw(&pictures, 6);
            site.server.text(&["streams", "register", camera, "--keep-original"]);
        }
        site.submit();
        site
    }

    fn submit(&self) {
        self.server.text(&["submit", &self.path("pictures")]);
    }

    fn path(&self, name: &str) -> String {
        self.folder.path().join(name).to_string_lossy().into_owned()
    }

    fn saved(&self, name: &str) -> Vec<String> {
        files(&self.folder.path().join(name))
    }
}

const BOTH: [&str; 6] = ["subscribe", "cam-*", "--from", "earliest", "--count", "12"];

#[test]
fn a_recording_is_named_by_a_template() {
    let site = Site::with_frames();
    let template = format!("{}/{{stream}}/{{date}}/{{hour}}/{{time}}-{{sequence}}.{{ext}}", site.path("rec"));
    let events = site.server.events(&[&BOTH[..], &["--pictures", "original", "--save", &template]].concat());
    let expected = |frame: &Value| {
        let time = frame["receive_time"].as_str().expect("a time");
        let (date, clock) = time.split_once('T').expect("a date and a time");
        let stream = frame["stream_id"].as_str().expect("a stream");
        let sequence = frame["sequence"].as_u64().expect("a sequence");
        format!("{stream}/{date}/{}/{}-{sequence:09}.jpg", &clock[..2], clock.replace(':', ""))
    };
    let mut names: Vec<String> =
        events.iter().filter(|event| event["type"] == "frame").map(expected).collect();
    names.sort();
    assert_eq!((site.saved("rec"), names.len()), (names, 12));
    let summary = events.last().expect("a summary");
    assert_eq!(
        (&summary["saved"], &summary["not_saved"], &summary["removed"]),
        (&json!(12), &json!({}), &json!(0))
    );

    // One file for each camera, which is replaced.
    let latest = site.path("latest");
    site.server.json(&[&BOTH[..], &["--save-latest", &latest]].concat());
    assert_eq!(site.saved("latest"), ["cam-1.jpg", "cam-2.jpg"]);
    let both = ["--pictures", "thumbnail,original", "--save-latest", &latest];
    site.server.json(&[&BOTH[..], &both].concat());
    assert_eq!(site.saved("latest").len(), 6, "{:?}", site.saved("latest"));
    let original = fs::read(site.folder.path().join("latest/cam-1-original.jpg")).expect("it was saved");
    let sixth = fs::read(site.folder.path().join("pictures/cam-1/6.jpg")).expect("it was drawn");
    assert!(original == sixth, "the newest picture is there");

    // A line has the clock time.
    let lines = site.server.text(&["subscribe", "cam-1", "--from", "1", "--count", "1", "--lines"]);
    let time = lines.split_whitespace().nth(2).expect("a time");
    assert!(time.ends_with('Z') && humantime::parse_rfc3339(time).is_ok(), "{lines}");
}

#[test]
fn a_template_that_cannot_be_used_is_refused() {
    for (template, says) in [
        ("{camera}/{sequence}.jpg", "{camera} is no field: the fields are {stream}, {date}, {hour}"),
        ("{stream}/../{sequence}.{ext}", "would lead outside of the folder"),
        ("{stream}/{time}.{ext}", "without {sequence}"),
        ("{sequence}.{ext}", "without {stream}"),
        ("{stream}/{sequence", "a field is not closed"),
    ] {
        assert_fails(&["subscribe", "cam-*", "--save", template], 2, says);
    }
    let two = ["subscribe", "cam", "--pictures", "original,thumbnail", "--save", "{sequence}.{ext}"];
    assert_fails(&two, 2, "without {role}");
    assert_fails(&["subscribe", "cam", "--keep-age", "1h"], 2, "--save");
    assert_fails(&["subscribe", "cam", "--save", ".", "--keep-age", "0"], 2, "must be 1s or more");
    assert_fails(&["subscribe", "cam", "--save", ".", "--keep-bytes", "0"], 2, "must be 1 byte or more");
    assert_fails(&["subscribe", "cam", "--save-latest", ".", "--pictures", "none"], 2, "needs pictures");
    assert_fails(&["subscribe", "--group", "g", "--member", "m", "--save-latest", "."], 2, "--save-latest");
}

#[test]
fn a_recording_without_pictures_fails_and_names_the_flag() {
    let site = Site::with_frames();
    site.server.text(&["streams", "update", "cam-2", "--keep-original", "false"]);
    site.submit();
    let (rec, address) = (site.path("rec"), site.server.address());
    let from_7 = |camera| {
        let all = ["subscribe", camera, "--from", "7", "--count", "6", "--pictures", "original"];
        let output =
            super::frameway(&[&all[..], &["--save", &rec, "--address", &address, "--lines"]].concat());
        (output.status.code(), stderr(&output))
    };
    let (code, said) = from_7("cam-1");
    assert!(code == Some(0) && said.contains("6 frames, ") && said.contains(", 6 files saved ("), "{said}");
    let (code, said) = from_7("cam-2");
    assert_eq!(code, Some(1), "{said}");
    // The reason comes with the first frame, and again at the end.
    let hint =
        "original NOT_KEPT (further frames have it after: frameway streams update cam-2 --keep-original)";
    assert_eq!(said.matches(hint).count(), 1, "{said}");
    assert!(said.contains("; 6 not saved (original NOT_KEPT)"), "{said}");
    let last = said.lines().last().unwrap_or_default();
    assert!(last.starts_with("frameway: no picture could be saved: 6 original NOT_KEPT"), "{said}");
    assert_eq!(site.saved("rec").len(), 6);
}

#[test]
fn a_recording_stays_within_its_bounds() {
    let site = Site::with_frames();
    let rec = site.folder.path().join("rec");
    let template = format!("{}/{{stream}}/{{sequence}}.{{ext}}", rec.display());
    let record = ["--pictures", "original", "--save", &template];
    site.server.json(&[&BOTH[..], &record].concat());
    let other = rec.join("cam-1/notes.jpg");
    fs::write(&other, vec![0; 1_000_000]).expect("a temporary file can be written");
    let size = |name: &String| fs::metadata(rec.join(name)).expect("it was saved").len();
    let all: u64 = site.saved("rec").iter().filter(|name| !name.contains("notes")).map(size).sum();

    // The files of an earlier run count, and the oldest are removed.
    let bound = (all / 2).to_string();
    let last = ["subscribe", "cam-*", "--from", "6", "--count", "2"];
    let summary = site.server.json(&[&last[..], &record, &["--keep-bytes", &bound]].concat());
    assert!(summary["removed"].as_u64() >= Some(5), "{summary}");
    let left = site.saved("rec");
    let ours: u64 = left.iter().filter(|name| !name.contains("notes")).map(size).sum();
    assert!(ours <= all / 2 && ours > 0, "{ours} of {all}");
    assert!(other.exists() && left.contains(&"cam-2/000000006.jpg".to_owned()), "{left:?}");

    // Age is a bound also while no frame comes.
    let address = site.server.address();
    let live = ["subscribe", "cam-1", "--pictures", "original", "--save", &template, "--keep-age", "1s"];
    let mut recorder =
        Running::start("recorder", site.folder.path(), &[&live[..], &["--address", &address]].concat());
    eventually("the old files of the stream are removed", || {
        let left = site.saved("rec");
        let cam_1 = left.iter().filter(|name| name.starts_with("cam-1")).count();
        (cam_1 == 1).then_some(())
    });
    recorder.signal(Signal::SIGINT);
    assert_eq!(recorder.exit_code(), Some(0), "{}", recorder.output());
    assert!(other.exists(), "it is not ours");
    assert!(site.saved("rec").iter().any(|name| name.starts_with("cam-2")), "it is another recorder's");
}

#[test]
fn a_recorder_that_was_killed_misses_nothing() {
    let site = Site::with_frames();
    let address = site.server.address();
    let template = format!("{}/{{stream}}/{{sequence}}.{{ext}}", site.path("rec"));
    let cursors = site.path("cursors.json");
    let arguments = ["subscribe", "cam-*", "--from", "earliest", "--pictures", "original"];
    let more = ["--save", &template, "--cursor-file", &cursors, "--address", &address];
    let start = |name| Running::start(name, site.folder.path(), &[&arguments[..], &more].concat());
    let recorder = start("first");
    let camera = ["submit", &site.path("pictures"), "--repeat", "10", "--rate", "100", "--address", &address];
    let mut camera = Running::start("camera", site.folder.path(), &camera);
    eventually("frames are saved, and the cursors too", || {
        (site.saved("rec").len() > 20 && Path::new(&cursors).exists()).then_some(())
    });
    recorder.signal(Signal::SIGKILL);
    drop(recorder);
    assert_eq!(camera.exit_code(), Some(0), "{}", camera.output());
    let mut recorder = start("second");
    eventually("the rest is saved", || (site.saved("rec").len() == 12 * 11).then_some(()));
    recorder.signal(Signal::SIGINT);
    assert_eq!(recorder.exit_code(), Some(0), "{}", recorder.output());
    for camera in ["cam-1", "cam-2"] {
        for sequence in 1..=66 {
            let saved = fs::read(site.folder.path().join(format!("rec/{camera}/{sequence:09}.jpg")));
            let number = (sequence - 1) % 6 + 1;
            let sent = fs::read(site.folder.path().join(format!("pictures/{camera}/{number}.jpg")));
            assert!(saved.expect("it was saved") == sent.expect("it was drawn"), "{camera} {sequence}");
        }
    }
}

#[test]
fn a_folder_that_takes_no_more_ends_the_recorder_with_one_line() {
    let site = Site::with_frames();
    let (rec, cursors, address) = (site.path("rec"), site.path("cursors.json"), site.server.address());
    // The limit of the size of a file stands for a full disk: a write fails in the middle of a file.
    let limited = |arguments: &str| {
        let program = env!("CARGO_BIN_EXE_frameway");
        let script = format!(
            "trap '' XFSZ; ulimit -f 1; exec {program} subscribe {arguments} --save {rec} --address {address}"
        );
        Command::new("bash").args(["-c", &script]).output().expect("bash runs")
    };
    let output =
        limited(&format!("cam-1 --from earliest --pictures thumbnail,original --cursor-file {cursors}"));
    let said = stderr(&output);
    assert_eq!(output.status.code(), Some(1), "{said}{}", stdout(&output));
    let last = said.lines().last().unwrap_or_default();
    assert!(last.starts_with("frameway: cannot write ") && last.contains("too large"), "{said}");
    assert!(said.contains("0 frames, "), "the summary comes, too: {said}");
    assert!(site.saved("rec").iter().all(|name| !name.ends_with(".part")), "{:?}", site.saved("rec"));
    // The frame comes again when there is room.
    let resumed = ["subscribe", "cam-1", "--from", "earliest", "--pictures", "original", "--save", &rec];
    let summary = site.server.json(&[&resumed[..], &["--cursor-file", &cursors, "--count", "6"]].concat());
    assert_eq!((&summary["frames"], &summary["gaps"]), (&json!(6), &json!({})), "{summary}");

    // A member of a group does not acknowledge it.
    site.server.text(&["groups", "create", "site", "cam-2", "--from", "earliest"]);
    let output = limited("--group site --member m --pictures original");
    assert_eq!(output.status.code(), Some(1), "{}", stderr(&output));
    assert_eq!(site.server.json(&["groups", "show", "site"])["acknowledged_frames"], 0);
}
