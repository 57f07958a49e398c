//! The server process: its errors for bad flags, and its end.

use std::io::Read as _;
use std::path::Path;
use std::process::{Child, Command, Output, Stdio};
use std::time::{Duration, Instant};

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

use crate::server::PATIENCE;

fn frameway(arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_frameway"));
    command.args(arguments).stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
    // The environment of the developer must not apply.
    for (variable, _) in std::env::vars().filter(|(variable, _)| variable.starts_with("FRAMEWAY_")) {
        command.env_remove(variable);
    }
    command
}

fn run(arguments: &[&str]) -> Output {
    frameway(arguments).output().expect("the program runs")
}

/// Checks for exit code 2 and one line that names the bad flag.
fn assert_refused(arguments: &[&str], culprit: &str) {
    let output = run(arguments);
    let text = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(2), "{arguments:?}: {text}");
    let lines: Vec<&str> = text.lines().filter(|line| line.starts_with("frameway: ")).collect();
    assert_eq!(lines.len(), 1, "{text}");
    assert!(lines[0].contains(culprit), "{text}");
}

#[test]
fn wrong_flags_are_reported_in_one_line() {
    assert_refused(&["serve", "--no-such-flag"], "--no-such-flag");
    assert_refused(&["serve", "--listen", "nowhere"], "--listen");
    assert_refused(&["serve", "--listen", "nowhere"], "127.0.0.1:7400");
    assert_refused(&["serve", "--partitions", "7"], "--partitions");
    assert_refused(&["serve", "--memory-budget", "1MiB"], "--memory-budget");
    assert_refused(&["serve", "--redis-url", "localhost"], "--redis-url");
    assert_refused(&["serve", "--role", "worker"], "--role");
    assert_refused(&["serve", "--log", "=:="], "--log");
    assert_refused(&["no-such-command"], "no-such-command");
}

#[test]
fn a_port_in_use_is_reported_in_one_line() {
    let taken = std::net::TcpListener::bind("127.0.0.1:0").expect("a port");
    let address = taken.local_addr().expect("its address").to_string();
    assert_refused(&["serve", "--listen", &address], &address);
}

#[test]
fn the_configuration_can_be_checked() {
    let output = run(&["config", "check"]);
    assert_eq!(output.status.code(), Some(0));
    let output = run(&["config", "check", "--redis-url", "redis://me:secret@127.0.0.1:1/0"]);
    assert_eq!(output.status.code(), Some(1));
    let text = [output.stdout, output.stderr].concat();
    assert!(!String::from_utf8_lossy(&text).contains("secret"));
}

fn wait_for_file(file: &Path, child: &mut Child) -> String {
    let began = Instant::now();
    while began.elapsed() < PATIENCE {
        if let Ok(text) = std::fs::read_to_string(file) {
            return text;
        }
        assert!(child.try_wait().expect("the child can be asked").is_none(), "it ended early");
        std::thread::sleep(Duration::from_millis(5));
    }
    panic!("it does not serve in time");
}

#[test]
fn a_signal_drains_and_the_exit_code_is_0() {
    for signal in [Signal::SIGTERM, Signal::SIGINT] {
        let folder = tempfile::tempdir().expect("a folder");
        let file = folder.path().join("address");
        let path = file.to_str().expect("a plain path");
        let mut child = frameway(&["serve", "--listen", "127.0.0.1:0", "--address-file", path])
            .spawn()
            .expect("the program runs");
        let address = wait_for_file(&file, &mut child);
        assert!(address.starts_with("127.0.0.1:") && !address.ends_with(":0"), "{address}");
        let pid = Pid::from_raw(child.id().try_into().expect("a pid"));
        kill(pid, signal).expect("can be signalled");
        let status = child.wait().expect("it ends");
        let mut log = String::new();
        if let Some(mut stderr) = child.stderr.take() {
            stderr.read_to_string(&mut log).expect("a log");
        }
        assert_eq!(status.code(), Some(0), "{log}");
        assert!(log.contains("drained"), "{log}");
    }
}

#[test]
fn reaching_the_limit_of_connections_is_logged_once_with_what_to_do() {
    let folder = tempfile::tempdir().expect("a folder");
    let file = folder.path().join("address");
    let path = file.to_str().expect("a plain path");
    let flags = ["--max-connections", "3", "--max-connections-per-address", "3", "--handshake-timeout", "1s"];
    let mut child = frameway(&["serve", "--listen", "127.0.0.1:0", "--address-file", path])
        .args(flags)
        .spawn()
        .expect("the program runs");
    let address = wait_for_file(&file, &mut child);
    let connect = || std::net::TcpStream::connect(&address).expect("the listen queue takes it");
    let sockets: Vec<std::net::TcpStream> = (0..9).map(|_| connect()).collect();
    // The connections are closed in turn, the last one after three times the timeout.
    for mut socket in sockets {
        socket.set_read_timeout(Some(PATIENCE)).expect("can be set");
        let mut received = Vec::new();
        let end = socket.read_to_end(&mut received);
        assert!(!matches!(&end, Err(error) if error.kind() == std::io::ErrorKind::WouldBlock), "still open");
    }
    kill(Pid::from_raw(child.id().try_into().expect("a pid")), Signal::SIGTERM).expect("can be signalled");
    child.wait().expect("it ends");
    let mut log = String::new();
    child.stderr.take().expect("a log").read_to_string(&mut log).expect("a log");
    assert_eq!(log.matches("all connections are in use").count(), 1, "{log}");
    assert!(log.contains("--max-connections"), "{log}");
}
