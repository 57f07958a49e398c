//! The scripts in `examples/jobs`, each against a server of its own.

use std::fs;
use std::os::unix::process::CommandExt as _;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use nix::sys::signal::{Signal, killpg};
use nix::unistd::Pid;

use super::redis::RedisServer;
use super::server::Server;
use super::{draw, stderr, stdout};

/// The maximum time of a script.
const DEADLINE: Duration = Duration::from_secs(120);

/// Runs a script in a temporary folder that contains pictures of three cameras, `cams/cam-01/1.jpg`
/// and so on, with `frameway` on the search path and the server as its default address. Returns
/// what it printed.
fn job(script: &str, server: &Server) -> String {
    job_with(script, server, &[])
}

/// The same, with further environment variables.
fn job_with(script: &str, server: &Server, variables: &[(&str, &str)]) -> String {
    let folder = tempfile::tempdir().expect("a temporary folder");
    for camera in ["cam-01", "cam-02", "cam-03"] {
        let pictures = folder.path().join("cams").join(camera);
        fs::create_dir_all(&pictures).expect("a temporary folder can be made");
        draw(&pictures, 6);
    }
    let program = Path::new(env!("CARGO_BIN_EXE_frameway"));
    let programs = program.parent().expect("the program is in a folder");
    let path = std::env::var("PATH").unwrap_or_default();
    let mut command = Command::new("bash");
    for (name, _) in std::env::vars().filter(|(name, _)| name.starts_with("FRAMEWAY_")) {
        command.env_remove(name);
    }
    let mut running = command
        .arg(Path::new(env!("CARGO_MANIFEST_DIR")).join("examples/jobs").join(script))
        .current_dir(folder.path())
        .env("PATH", format!("{}:{path}", programs.display()))
        .env("FRAMEWAY_ADDRESS", server.address())
        .envs(variables.iter().copied())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .process_group(0)
        .spawn()
        .expect("bash runs");
    let deadline = Instant::now() + DEADLINE;
    while running.try_wait().expect("a child can be asked").is_none() {
        if Instant::now() > deadline {
            // Also what the script has started.
            let group = Pid::from_raw(running.id().try_into().expect("a process id"));
            killpg(group, Signal::SIGKILL).expect("the group of an own child");
        }
        std::thread::sleep(Duration::from_millis(20));
    }
    let output = running.wait_with_output().expect("what it printed");
    let (printed, said) = (stdout(&output), stderr(&output));
    assert!(output.status.success(), "{script}: {}\n{printed}\n{said}", output.status);
    printed
}

#[test]
fn every_script_has_a_test() {
    let tests = include_str!("jobs.rs");
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("examples/jobs");
    for entry in fs::read_dir(folder).expect("the folder of the scripts") {
        let name = entry.expect("an entry").file_name().to_string_lossy().into_owned();
        if Path::new(&name).extension().is_some_and(|extension| extension == "sh") {
            assert!(tests.contains(&format!("\"{name}\"")), "{name} has no test");
        }
    }
}

#[test]
fn the_picture_of_a_moment_is_found() {
    let server = Server::start();
    let printed = job("07-find.sh", &server);
    assert!(printed.contains("found the frame of the moment, and its picture"), "{printed}");
    assert!(printed.contains("says what is kept"), "{printed}");
}

#[test]
fn three_detectors_share_the_frames() {
    let server = Server::start();
    let printed = job("02-detectors.sh", &server);
    let last = printed.lines().last().unwrap_or_default();
    assert!(last.starts_with("18 frames were handled, ") && !last.contains(" 0 of them"), "{printed}");
}

#[test]
fn pictures_come_in_from_folders_videos_and_pipes() {
    let server = Server::start();
    let printed = job("01-cameras.sh", &server);
    assert!(printed.contains("18 frames of 3 cameras"), "{printed}");
    assert!(printed.contains("the stopped camera was noticed, and goes on"), "{printed}");
    if super::pictures_in::has_ffmpeg() {
        assert!(printed.contains("20 pictures of a video, 20 of a live camera"), "{printed}");
    }
}

#[test]
fn a_recorder_keeps_every_picture() {
    let server = Server::start();
    let printed = job("03-recorder.sh", &server);
    assert!(printed.contains("all 90 frames are saved, although the recorder was killed"), "{printed}");
    assert!(printed.contains("one picture for each of 3 cameras"), "{printed}");
    assert!(printed.contains("at most 100000 bytes"), "{printed}");
}

#[test]
fn a_camera_that_sends_garbage_is_found() {
    let server = Server::start();
    let printed = job("06-garbage.sh", &server);
    assert!(printed.contains("cam-02 sent 6 pictures that end too early; all are saved"), "{printed}");
}

#[test]
fn the_streams_move_to_redis() {
    let (old, redis) = (Server::start(), RedisServer::start());
    let new = Server::start_with(&["--redis-url", &redis.url()]);
    let printed = job_with("08-move-to-redis.sh", &old, &[("NEW_ADDRESS", &new.address())]);
    assert!(printed.contains("3 streams moved with all settings"), "{printed}");
    assert!(printed.contains("1 group moved with all settings"), "{printed}");
    assert!(printed.contains("unchanged 3; groups: unchanged 1"), "{printed}");
    assert!(printed.contains("the recorder has 36 frames"), "{printed}");
}

#[test]
fn the_pictures_of_a_stretch_of_time_are_erased() {
    let server = Server::start();
    let printed = job("07-erase.sh", &server);
    assert!(printed.contains("6 frames of cam-01 were erased"), "{printed}");
}
