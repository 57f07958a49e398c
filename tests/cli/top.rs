//! `frameway top`: once as text, and as a dashboard on a pseudo-terminal.

use std::io::{Read as _, Write as _};
use std::process::{Child, ChildStdin, Command, Stdio};
use std::sync::mpsc;
use std::time::{Duration, Instant};

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

use crate::server::Server;
use crate::{assert_fails, closed_address, draw, frameway, stderr};

const DEADLINE: Duration = Duration::from_secs(60);
/// The sequences that open and close the screen of a full-screen program.
const OPENS: &str = "\x1b[?1049h";
const CLOSES: &str = "\x1b[?1049l";

/// Starts a server with two streams that have frames, and a group.
fn server_with_frames() -> Server {
    let server = Server::start();
    let folder = tempfile::tempdir().expect("a temporary folder");
    draw(folder.path(), 5);
    let source = folder.path().to_string_lossy().into_owned();
    for stream in ["north-gate", "south-gate"] {
        server.text(&["submit", &source, "--stream", stream, "--register"]);
    }
    server.text(&["groups", "create", "detectors", "*", "--from", "earliest"]);
    server
}

/// Returns the lines of a part of the text, by its title.
fn part<'a>(text: &'a str, title: &str) -> Vec<&'a str> {
    text.lines().skip_while(|line| *line != title).skip(1).take_while(|line| !line.is_empty()).collect()
}

#[test]
fn one_reading_has_every_view() {
    let server = server_with_frames();
    let start = Instant::now();
    let text = loop {
        let text = server.text(&["top", "--once", "--interval", "200ms"]);
        let counts: Vec<_> = part(&text, "workers").into_iter().flat_map(str::split_whitespace).collect();
        // The worker has finished all frames, and has reported it.
        if text.contains("waiting 0,") && counts.contains(&"10") {
            break text;
        }
        assert!(start.elapsed() < DEADLINE, "{text}");
    };
    let head: Vec<_> = text.lines().take(3).collect();
    assert!(head[0].contains("Frameway") && head[0].contains("memory, SERVING, up "), "{text}");
    assert!(head[2].starts_with("delivered 0.0/s"), "{text}");
    let streams = part(&text, "streams");
    assert!(streams[0].starts_with("STREAM") && streams[1].starts_with("north-gate  "), "{text}");
    assert!(streams.len() == 3 && streams[2].starts_with("south-gate  "), "{text}");
    let queues = part(&text, "queues");
    assert!(queues.len() == 33 && queues[1].starts_with("p00    running"), "{text}");
    let workers = part(&text, "workers");
    assert!(workers.len() == 2 && workers[1].contains(env!("CARGO_PKG_VERSION")), "{text}");
    let groups = part(&text, "groups");
    let group: Vec<_> = groups[1].split_whitespace().collect();
    assert_eq!(group[..4], ["detectors", "2", "0", "10"], "two streams, no member, ten frames: {text}");
    assert!(part(&text, "dead letters")[0].starts_with("AGE"), "{text}");
    // Without a terminal, the text is printed once, too.
    assert!(server.text(&["top", "--interval", "200ms"]).contains("\nsouth-gate  "));
}

#[test]
fn wrong_usage_and_an_unreachable_server_are_reported() {
    assert_fails(&["top", "--interval", "1ms"], 2, "at least 200ms");
    assert_fails(&["top", "--address", &closed_address()], 1, "is `frameway serve` running there?");
}

/// A dashboard on a pseudo-terminal.
struct Dashboard {
    process: Child,
    keys: ChildStdin,
    output: mpsc::Receiver<Vec<u8>>,
    seen: String,
}

impl Dashboard {
    /// Starts one; `None` if there is no `script` here.
    fn start(address: &str) -> Option<Self> {
        let program = env!("CARGO_BIN_EXE_frameway");
        let line = format!(
            "stty rows 30 cols 130; echo pid:$$:; exec {program} top --interval 200ms --address {address}"
        );
        let spawned = Command::new("script")
            .args(["-qefc", &line, "/dev/null"])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn();
        let mut process = match spawned {
            Ok(process) => process,
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
                println!("skipped: there is no `script` (util-linux) for a pseudo-terminal");
                return None;
            }
            Err(error) => panic!("script: {error}"),
        };
        let keys = process.stdin.take().expect("piped");
        let mut from = process.stdout.take().expect("piped");
        let (send, output) = mpsc::channel();
        std::thread::spawn(move || {
            let mut bytes = [0; 4096];
            while let Ok(count @ 1..) = from.read(&mut bytes) {
                if send.send(bytes[..count].to_vec()).is_err() {
                    return;
                }
            }
        });
        Some(Self { process, keys, output, seen: String::new() })
    }

    fn press(&mut self, keys: &str) {
        self.keys.write_all(keys.as_bytes()).expect("the terminal is open");
    }

    /// Waits until the output since the last call contains a text; returns that output.
    fn wait_for(&mut self, text: &str) -> String {
        let deadline = Instant::now() + DEADLINE;
        while !self.seen.contains(text) {
            let left = deadline.saturating_duration_since(Instant::now());
            match self.output.recv_timeout(left) {
                Ok(bytes) => self.seen.push_str(&String::from_utf8_lossy(&bytes)),
                Err(error) => panic!("no {text:?} ({error}) in {:?}", self.seen),
            }
        }
        std::mem::take(&mut self.seen)
    }

    /// Waits for its end; returns its exit code.
    fn end(mut self) -> Option<i32> {
        self.process.wait().expect("it can be waited for").code()
    }
}

impl Drop for Dashboard {
    fn drop(&mut self) {
        // The dashboard ends with its terminal.
        let _gone = self.process.kill();
        let _reaped = self.process.wait();
    }
}

#[test]
fn the_dashboard_shows_views_and_an_outage_and_restores_the_terminal() {
    let server = server_with_frames();
    let Some(mut top) = Dashboard::start(&server.address()) else { return };
    top.wait_for(OPENS);
    top.wait_for("south-gate");
    top.press("4");
    top.wait_for("detectors");
    top.press("2");
    top.wait_for("p20");
    // Only characters that change are written. On an empty view, a whole word changes.
    top.press("5");
    top.press("?");
    top.wait_for("readings.");
    top.press("x");
    drop(server);
    top.wait_for("ANSWER");
    top.press("q");
    top.wait_for(CLOSES);
    assert_eq!(top.end(), Some(0));
}

#[test]
fn a_signal_restores_the_terminal() {
    let server = Server::start();
    let Some(mut top) = Dashboard::start(&server.address()) else { return };
    let start = top.wait_for(OPENS);
    let pid = start.split(':').nth(1).and_then(|pid| pid.parse().ok()).expect("a process id");
    kill(Pid::from_raw(pid), Signal::SIGTERM).expect("a signal to the dashboard");
    top.wait_for(CLOSES);
    assert_eq!(top.end(), Some(0));
}

#[test]
fn a_caller_without_permissions_sees_which_parts_are_refused() {
    let folder = tempfile::tempdir().expect("a folder");
    let file = folder.path().join("access.toml").to_str().expect("UTF-8").to_owned();
    let create = ["keys", "create", "--access-file", &file, "--principal", "reader", "--grant", "read:*"];
    let created = frameway(&create);
    assert!(created.status.success(), "{}", stderr(&created));
    let key = folder.path().join("key");
    std::fs::write(&key, &created.stdout).expect("writes");
    let server = Server::start_with(&["--access-file", &file]);
    let key = key.to_str().expect("UTF-8");
    let text = server.text(&["top", "--once", "--interval", "200ms", "--api-key-file", key]);
    assert!(text.contains("\nworkers\nnot shown: PERMISSION_DENIED"), "{text}");
    assert!(text.contains("\ndead letters\n"), "{text}");
}
