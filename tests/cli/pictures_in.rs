//! Getting pictures in with `frameway submit`: folders, videos, pipes, and cameras that pause.

use std::fs;
use std::io::Write as _;
use std::path::Path;
use std::process::{Command, Output, Stdio};
use std::time::{Duration, Instant};

use nix::sys::signal::Signal;
use serde_json::{Value, json};

use super::clients::Running;
use super::commands::eventually;
use super::server::Server;
use super::{assert_fails, draw, stderr, stdout};

/// Reports whether ffmpeg is installed; prints that a test is skipped if it is not.
pub(super) fn has_ffmpeg() -> bool {
    let found = Command::new("ffmpeg").arg("-version").output().is_ok();
    if !found {
        println!("skipped: ffmpeg is not installed (Debian: apt-get install ffmpeg)");
    }
    found
}

/// Writes a file with ffmpeg's own source of pictures or sound.
fn ffmpeg(source: &str, file: &Path, more: &[&str]) {
    let output = Command::new("ffmpeg")
        .args(["-v", "error", "-nostdin", "-f", "lavfi", "-i", source])
        .args(more)
        .arg(file)
        .output()
        .expect("ffmpeg runs");
    assert!(output.status.success(), "{}", stderr(&output));
}

/// Runs `frameway submit -` with these bytes as its standard input.
fn submit_bytes(server: &Server, bytes: &[u8], more: &[&str]) -> Output {
    let mut child = Command::new(env!("CARGO_BIN_EXE_frameway"))
        .args(["submit", "-", "--register", "--json", "--address", &server.address()])
        .args(more)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("the program starts");
    // The program may end before it has read everything.
    let _ = child.stdin.take().expect("a pipe").write_all(bytes);
    child.wait_with_output().expect("the program ends")
}

fn published(server: &Server, stream: &str) -> u64 {
    server.json(&["streams", "show", stream])["status"]["published_frames"].as_u64().unwrap_or_default()
}

/// Returns the frames of a stream that are kept.
fn frames_of(server: &Server, stream: &str, count: u64) -> Vec<Value> {
    let count = count.to_string();
    let events = server.events(&["subscribe", stream, "--from", "earliest", "--count", &count]);
    events.into_iter().filter(|event| event["type"] == "frame").collect()
}

#[test]
fn each_folder_with_pictures_is_a_camera() {
    let server = Server::start();
    let folder = tempfile::tempdir().expect("a temporary folder");
    let cams = folder.path().join("cams");
    for (camera, count) in [("north", 3), ("south", 2), ("south/roof", 1)] {
        fs::create_dir_all(cams.join(camera)).expect("a temporary folder");
        draw(&cams.join(camera), count);
    }
    fs::write(cams.join("south/notes.txt"), "no picture").expect("a temporary file can be written");
    let all = cams.to_string_lossy().into_owned();
    let submitted = server.json(&["submit", &all, "--register", "--fps", "50"]);
    assert_eq!(
        (&submitted["accepted"], &submitted["streams"]),
        (&json!(6), &json!(["north", "roof", "south"])),
        "{submitted}"
    );
    let pattern = cams.join("*").to_string_lossy().into_owned();
    assert_eq!(server.json(&["submit", &pattern, "--repeat", "2"])["accepted"], 12);
    let pattern = cams.join("n*").to_string_lossy().into_owned();
    let one = server.json(&["submit", &pattern]);
    assert_eq!((&one["accepted"], &one["streams"]), (&json!(3), &json!(["north"])), "{one}");

    // Two folders with the same name are not mixed into one stream.
    fs::create_dir_all(cams.join("other/roof")).expect("a temporary folder");
    draw(&cams.join("other/roof"), 1);
    server.fails(&["submit", &all], 2, "would both go to the stream roof: submit each with its own --stream");
    assert_eq!(server.json(&["submit", &all, "--stream", "north"])["accepted"], 7);
}

#[test]
fn files_that_are_no_pictures_are_not_sent() {
    let server = Server::start();
    let folder = tempfile::tempdir().expect("a temporary folder");
    draw(folder.path(), 2);
    fs::write(folder.path().join("3.jpg"), "").expect("a temporary file can be written");
    fs::write(folder.path().join("4.png"), "text").expect("a temporary file can be written");
    let source = folder.path().to_string_lossy().into_owned();
    for (stream, more) in [("call", &[][..]), ("calls", &["--unary"])] {
        let submit = ["submit", &source, "--register", "--stream", stream];
        let output = server.run(&[&submit[..], more].concat());
        let said = stderr(&output);
        assert_eq!(output.status.code(), Some(1), "{said}");
        for file in ["3.jpg", "4.png"] {
            assert!(said.contains(&format!("{file} in {stream}: no picture")), "{said}");
        }
        assert!(said.contains("2 of 4 frames were refused: 2 NOT_A_PICTURE"), "{said}");
        assert!(stdout(&output).contains("accepted 2, duplicates 0, refused 2"), "{}", stdout(&output));
        assert_eq!(server.json(&["streams", "show", stream])["status"]["accepted_frames"], 2);
    }
    let text = folder.path().join("notes.txt");
    fs::write(&text, "no picture").expect("a temporary file can be written");
    server.fails(&["submit", &text.to_string_lossy()], 2, "notes.txt is no picture");
    assert_eq!(server.json(&["dead-letters"])["kept_count"], 0);
}

/// A folder as somebody could leave it: a pipe that nobody writes to, a circle of links, a file that is
/// larger than any picture, and many good ones.
#[test]
fn what_a_server_would_refuse_or_wait_for_is_not_sent() {
    let server = Server::start();
    let folder = tempfile::tempdir().expect("a temporary folder");
    let at = |name: &str| folder.path().join(name);
    draw(folder.path(), 1);
    let picture = fs::read(at("1.jpg")).expect("it was drawn");
    for number in 2..=1_000 {
        fs::write(at(&format!("{number}.jpg")), &picture).expect("a temporary file can be written");
    }
    // It takes no room on the disk.
    let large = fs::File::create(at("large.jpg")).expect("a temporary file can be written");
    (&large).write_all(&picture).expect("a temporary file can be written");
    large.set_len(2 << 30).expect("a temporary file can be written");
    let made = Command::new("mkfifo").arg(at("pipe.jpg")).status().expect("mkfifo runs");
    assert!(made.success());
    std::os::unix::fs::symlink(folder.path(), at("again")).expect("a link can be made");
    let source = folder.path().to_string_lossy().into_owned();
    for (stream, more) in [("call", &[][..]), ("calls", &["--unary"])] {
        let submit = ["submit", &source, "--register", "--stream", stream];
        let output = server.run(&[&submit[..], more].concat());
        let said = stderr(&output);
        assert_eq!(output.status.code(), Some(1), "{said}");
        assert!(
            said.contains("large.jpg in ") && said.contains(": larger than a picture may be: 16.8 MB"),
            "{said}"
        );
        assert!(said.contains("1 of 1001 frames were refused: 1 PICTURE_TOO_LARGE"), "{said}");
        assert!(stdout(&output).contains("accepted 1000, duplicates 0, refused 1"), "{}", stdout(&output));
    }
    let pipe = at("pipe.jpg").to_string_lossy().into_owned();
    server.fails(
        &["submit", &pipe],
        2,
        "pipe.jpg is neither a file nor a folder; a pipe must be the standard input",
    );
}

#[test]
fn a_camera_that_was_stopped_does_not_catch_up() {
    const PAUSE: Duration = Duration::from_millis(1500);
    let server = Server::start();
    let folder = tempfile::tempdir().expect("a temporary folder");
    let pictures = folder.path().join("pictures");
    fs::create_dir(&pictures).expect("a temporary folder");
    draw(&pictures, 2);
    let (source, address) = (pictures.to_string_lossy(), server.address());
    for (stream, more) in [("call", &[][..]), ("calls", &["--unary"])] {
        server.text(&["streams", "register", stream, "--retain-frames", "100000"]);
        let submit = ["submit", &source, "--stream", stream, "--address", &address, "--json"];
        let endless = ["--fps", "20", "--repeat", "forever", "--capture-time", "now"];
        let mut camera = Running::start(stream, folder.path(), &[&submit[..], &endless, more].concat());
        eventually("frames are published", || (published(&server, stream) > 5).then_some(()));
        camera.signal(Signal::SIGSTOP);
        let stopped = Instant::now();
        eventually("the camera was stopped for a while", || (stopped.elapsed() > PAUSE).then_some(()));
        camera.signal(Signal::SIGCONT);
        camera.wait_for("goes on at its pace without catching up");
        let before = published(&server, stream);
        eventually("it goes on", || (published(&server, stream) > before + 10).then_some(()));
        camera.signal(Signal::SIGINT);
        assert_eq!(camera.exit_code(), Some(0), "{}", camera.output());
        let said = camera.output();
        let told: Value = said.lines().find_map(|line| serde_json::from_str(line).ok()).expect("JSON");
        assert!(told["skipped_ticks"].as_u64() >= Some(20), "{told}");
        // No second has more frames than the pace, as far as the clock and the scheduler allow.
        let accepted = told["accepted"].as_u64().expect("a count");
        let captured: Vec<_> = frames_of(&server, stream, accepted)
            .iter()
            .map(|frame| frame["capture_time"].as_str().expect("a time").to_owned())
            .map(|time| humantime::parse_rfc3339(&time).expect("a time"))
            .collect();
        for (first, later) in captured.iter().zip(captured.iter().skip(30)) {
            let span = later.duration_since(*first).expect("in order");
            assert!(span > Duration::from_secs(1), "30 frames within {span:?}: {captured:?}");
        }
    }
}

#[test]
fn a_pipe_of_pictures_becomes_a_stream() {
    let server = Server::start();
    let folder = tempfile::tempdir().expect("a temporary folder");
    draw(folder.path(), 3);
    let read = |number: u32| fs::read(folder.path().join(format!("{number}.jpg"))).expect("it was drawn");
    let pictures: Vec<Vec<u8>> = (1..=3).map(read).collect();
    let run = pictures.concat();
    for (stream, more) in [("call", &[][..]), ("calls", &["--unary"])] {
        let output = submit_bytes(&server, &run, &[&["--stream", stream], more].concat());
        assert!(output.status.success(), "{}", stderr(&output));
        let sizes: Vec<_> = frames_of(&server, stream, 3)
            .iter()
            .map(|frame| frame["source"]["size_bytes"].as_u64())
            .collect();
        assert_eq!(sizes, pictures.iter().map(|one| Some(one.len() as u64)).collect::<Vec<_>>());
        // The frames before the end are stored.
        let output = submit_bytes(&server, &run[..run.len() - 9], &[&["--stream", stream], more].concat());
        let said = stderr(&output);
        assert_eq!(output.status.code(), Some(1), "{said}");
        assert!(said.contains("standard input ended in the middle of a picture"), "{said}");
        assert!(said.contains("after 2 complete pictures"), "{said}");
        assert!(stdout(&output).contains("\"accepted\":2"), "{}", stdout(&output));
    }
    for (bytes, says) in [
        (&b"no picture"[..], "standard input contains other data than JPEG pictures"),
        (&[], "standard input contains no pictures"),
        (&[0; 300_000], "standard input contains other data than JPEG pictures"),
    ] {
        let output = submit_bytes(&server, bytes, &["--stream", "none"]);
        let said = stderr(&output);
        assert!(output.status.code() == Some(2) && said.contains(says), "{said}");
    }
    server.fails(&["streams", "show", "none"], 1, "STREAM_NOT_FOUND");
    assert_fails(&["submit", "-"], 2, "add --stream ID");
    assert_fails(&["submit", "-", "--stream", "cam", "--repeat", "2"], 2, "cannot be repeated");
    assert_fails(&["submit", "-", "x.jpg", "--stream", "cam"], 2, "cannot be combined");
    assert_fails(&["submit", "x.jpg", "--fps", "2", "--rate", "2"], 2, "--rate");
    assert_fails(&["submit", "x.jpg", "--repeat", "0"], 2, "a number from 1, or forever");
}

#[test]
fn a_video_becomes_a_stream() {
    let server = Server::start();
    let folder = tempfile::tempdir().expect("a temporary folder");
    let at = |name: &str| folder.path().join(name);
    // MJPEG is read without ffmpeg.
    draw(folder.path(), 2);
    let run: Vec<u8> =
        [1, 2].iter().flat_map(|n| fs::read(at(&format!("{n}.jpg"))).expect("a picture")).collect();
    fs::write(at("camera.mjpeg"), run).expect("a temporary file can be written");
    let mjpeg = at("camera.mjpeg").to_string_lossy().into_owned();
    let submitted = server.json(&["submit", &mjpeg, "--register", "--repeat", "3"]);
    assert_eq!((&submitted["accepted"], &submitted["streams"]), (&json!(6), &json!(["camera"])));

    // Without ffmpeg, nothing is sent.
    let fake = at("fake.mp4");
    fs::write(&fake, "no video").expect("a temporary file can be written");
    let fake = fake.to_string_lossy().into_owned();
    let without = Command::new(env!("CARGO_BIN_EXE_frameway"))
        .args(["submit", &fake, "--register", "--address", &server.address()])
        .env("PATH", folder.path())
        .output()
        .expect("the program runs");
    super::assert_failed("frameway", &without, 2, "install ffmpeg (apt-get install ffmpeg)");
    if !has_ffmpeg() {
        return;
    }
    let (road, sound) = (at("road.mp4"), at("sound.mp4"));
    ffmpeg("testsrc=size=160x120:rate=10:duration=2", &road, &["-c:v", "mpeg4"]);
    ffmpeg("sine=duration=1", &sound, &[]);
    let video = road.to_string_lossy().into_owned();
    let submitted = server.json(&["submit", &video, "--register"]);
    assert_eq!(
        (&submitted["accepted"], &submitted["streams"]),
        (&json!(20), &json!(["road"])),
        "{submitted}"
    );
    let frame = &frames_of(&server, "road", 1)[0];
    assert_eq!((&frame["source"]["width"], &frame["attributes"]["file"]), (&json!(160), &json!("road.mp4")));
    // With a pace, so many pictures per second of the video are taken.
    assert_eq!(server.json(&["submit", &video, "--fps", "5"])["accepted"], 10);
    let unary = ["submit", &video, "--unary", "--repeat", "2"];
    assert_eq!(server.json(&unary)["accepted"], 40);

    server.fails(&["submit", &fake, "--register"], 2, "fake.mp4 contains no pictures that ffmpeg can read");
    let sound = sound.to_string_lossy();
    server.fails(&["submit", &sound, "--register"], 2, "sound.mp4 contains no pictures that ffmpeg can read");
    server.fails(&["submit", &video, "--capture-time", "file"], 2, "--capture-time file is for pictures");
    server.fails(&["streams", "show", "fake"], 1, "STREAM_NOT_FOUND");
}
