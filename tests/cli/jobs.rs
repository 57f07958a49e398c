//! The scripts in `examples/jobs`, each against a server of its own.

use std::fs;
use std::os::unix::process::CommandExt as _;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use nix::sys::signal::{Signal, killpg};
use nix::unistd::Pid;
use tempfile::TempDir;

use super::redis::RedisServer;
use super::server::Server;
use super::{draw, stderr, stdout};

/// The maximum time of a script.
const DEADLINE: Duration = Duration::from_secs(120);

/// Makes a temporary folder that contains pictures of three cameras, `cams/cam-01/1.jpg` and so on.
pub(crate) fn folder_with_cameras() -> TempDir {
    let folder = tempfile::tempdir().expect("a temporary folder");
    for camera in ["cam-01", "cam-02", "cam-03"] {
        let pictures = folder.path().join("cams").join(camera);
        fs::create_dir_all(&pictures).expect("a temporary folder can be made");
        draw(&pictures, 6);
    }
    folder
}

/// Prepares bash in a folder and in a process group of its own, with `frameway` on the search path
/// and the server as its default address.
pub(crate) fn bash(folder: &Path, server: &Server) -> Command {
    let program = Path::new(env!("CARGO_BIN_EXE_frameway"));
    let programs = program.parent().expect("the program is in a folder");
    let path = std::env::var("PATH").unwrap_or_default();
    let mut command = Command::new("bash");
    for (name, _) in std::env::vars().filter(|(name, _)| name.starts_with("FRAMEWAY_")) {
        command.env_remove(name);
    }
    command
        .current_dir(folder)
        .env("PATH", format!("{}:{path}", programs.display()))
        .env("FRAMEWAY_ADDRESS", server.address())
        .process_group(0);
    command
}

/// Returns an interpreter of Python with the packages that the client needs, from scripts/tool.sh;
/// `None` if it cannot be installed here.
pub(crate) fn python() -> Option<String> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let output = Command::new(root.join("scripts/tool.sh")).arg("python").output().expect("the script runs");
    match output.status.code() {
        Some(0) => Some(stdout(&output).trim_end().to_owned()),
        Some(3) => {
            println!("{}", stderr(&output));
            None
        }
        code => panic!("scripts/tool.sh: {code:?}: {}", stderr(&output)),
    }
}

/// Runs a script in a temporary folder that contains pictures of three cameras, `cams/cam-01/1.jpg`
/// and so on, with `frameway` on the search path and the server as its default address. Returns
/// what it printed.
fn job(script: &str, server: &Server) -> String {
    job_with(script, server, &[])
}

/// The same, with further environment variables.
fn job_with(script: &str, server: &Server, variables: &[(&str, &str)]) -> String {
    let folder = folder_with_cameras();
    let mut running = bash(folder.path(), server)
        .arg(Path::new(env!("CARGO_MANIFEST_DIR")).join("examples/jobs").join(script))
        .envs(variables.iter().copied())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
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

/// The last line is this one.
fn assert_ends(printed: &str, line: &str) {
    assert_eq!(printed.lines().last(), Some(line), "{printed}");
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

#[test]
fn a_mask_is_proven() {
    if !super::pictures_in::has_ffmpeg() {
        println!("skipped: 04-mask.sh needs ffmpeg to look at pixels");
        return;
    }
    let server = Server::start();
    let printed = job("04-mask.sh", &server);
    assert_ends(&printed, "18 pictures are black behind the mask; 6 frames without it are erased");
}

#[test]
fn a_budget_of_bytes_holds() {
    let server = Server::start();
    let printed = job("05-bandwidth.sh", &server);
    let last = printed.lines().last().unwrap_or_default();
    let numbers: Vec<u32> = last.split([' ', ';']).filter_map(|word| word.parse().ok()).collect();
    let [2, held, free, flagged, 32] = numbers[..] else { panic!("{printed}") };
    assert!(last.starts_with("2 Mbit/s held: ") && held <= 2_050 && free > 2_400 && flagged > 0, "{printed}");
}

#[test]
fn a_server_has_the_settings_of_the_plan() {
    let server = Server::start();
    let printed = job("09-plan.sh", &server);
    let last = printed.lines().last().unwrap_or_default();
    assert!(last.starts_with("the plan's server keeps all 90 frames: "), "{printed}");
}

#[test]
fn a_consumer_in_python_handles_every_frame_once() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let Some(python) = python() else {
        println!("skipped: 10-python-consumer.sh needs Python with the packages of the client");
        return;
    };
    let client = root.join("clients/python/src");
    let server = Server::start();
    let variables =
        [("PYTHON", python.as_str()), ("PYTHONPATH", client.to_str().expect("UTF-8")), ("LC_ALL", "C.UTF-8")];
    let printed = job_with("10-python-consumer.sh", &server, &variables);
    assert_ends(&printed, "all 54 frames were handled once, although the consumer was killed twice");
}

#[test]
fn a_production_server_loses_nothing() {
    if Command::new("curl").arg("--version").output().is_err() {
        println!("skipped: 11-production.sh needs curl to read the metrics");
        return;
    }
    let server = Server::start();
    let printed = job("11-production.sh", &server);
    assert!(printed.contains("\nSERVING\n") && printed.contains("\ndrained\n"), "{printed}");
    assert!(printed.contains("frameway_store_frames_total"), "{printed}");
    assert_ends(
        &printed,
        "all 144 of 144 frames are recorded, through a drain, a crash and an outage of Redis",
    );
}

#[test]
fn a_consumer_sees_one_site() {
    let server = Server::start();
    let printed = job("12-one-site.sh", &server);
    assert_eq!(printed.matches("PERMISSION_DENIED").count(), 6, "{printed}");
    assert_ends(&printed, "the consumers of site A have 18 pictures of it, and 0 of site B");
}
