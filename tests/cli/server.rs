//! `frameway serve` in a separate process, on a free port.

use std::fs;
use std::path::Path;
use std::process::{Child, Command, Output, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use serde_json::Value;
use tempfile::TempDir;

use super::{assert_failed, frameway, json, stderr, stdout};

const START_DEADLINE: Duration = Duration::from_secs(30);
const STOP_DEADLINE: Duration = Duration::from_secs(10);

/// A server that is stopped when it is dropped.
#[derive(Debug)]
pub(crate) struct Server {
    process: Child,
    address: String,
    folder: TempDir,
}

impl Server {
    /// Starts a server with the queue in memory and waits until it serves.
    pub(crate) fn start() -> Self {
        Self::start_with(&[])
    }

    /// Does the same as [`Server::start`], with further flags.
    pub(crate) fn start_with(flags: &[&str]) -> Self {
        Self::start_logging(flags, "warn", |_| Stdio::inherit())
    }

    /// Does the same as [`Server::start_with`], and keeps all levels of the log for
    /// [`Server::log`].
    pub(crate) fn start_with_log(flags: &[&str]) -> Self {
        Self::start_with_log_at("trace", flags)
    }

    /// Does the same as [`Server::start_with_log`], at this level.
    pub(crate) fn start_with_log_at(level: &str, flags: &[&str]) -> Self {
        Self::start_logging(flags, level, |file| fs::File::create(file).expect("a log").into())
    }

    fn start_logging(flags: &[&str], level: &str, log: impl FnOnce(&Path) -> Stdio) -> Self {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let file = folder.path().join("address");
        let process = Command::new(env!("CARGO_BIN_EXE_frameway"))
            .args(["serve", "--listen", "127.0.0.1:0", "--log", level, "--address-file"])
            .arg(&file)
            .args(flags)
            .stdin(Stdio::null())
            .stderr(log(&folder.path().join("log")))
            .spawn()
            .expect("the server starts");
        let mut server = Self { process, address: String::new(), folder };
        let deadline = Instant::now() + START_DEADLINE;
        // The complete file appears when the server serves.
        while server.address.is_empty() {
            let ended = server.process.try_wait().expect("a child can be asked");
            assert!(ended.is_none() && Instant::now() < deadline, "the server did not start: {ended:?}");
            server.address = fs::read_to_string(&file).unwrap_or_default();
            thread::sleep(Duration::from_millis(10));
        }
        server
    }

    /// Returns the id of the process.
    pub(crate) fn id(&self) -> u32 {
        self.process.id()
    }

    /// Returns the log so far.
    pub(crate) fn log(&self) -> String {
        fs::read_to_string(self.folder.path().join("log")).expect("a log")
    }

    /// Sends a signal to the process, for example to pause it.
    pub(crate) fn signal(&self, signal: Signal) {
        let pid = Pid::from_raw(self.process.id().try_into().expect("a process id"));
        kill(pid, signal).expect("a signal to the own child");
    }

    /// Returns the address as `host:port`.
    pub(crate) fn address(&self) -> String {
        self.address.clone()
    }

    /// Runs a command with this server.
    pub(crate) fn run(&self, arguments: &[&str]) -> Output {
        frameway(&[arguments, &["--address", &self.address]].concat())
    }

    /// The same, expects success, and returns the standard output.
    pub(crate) fn text(&self, arguments: &[&str]) -> String {
        let output = self.run(arguments);
        assert!(output.status.success(), "{arguments:?}: {}", stderr(&output));
        stdout(&output)
    }

    /// Runs a command with `--json`, expects success, and returns its last line.
    pub(crate) fn json(&self, arguments: &[&str]) -> Value {
        json(&[arguments, &["--json", "--address", &self.address]].concat())
    }

    /// The same, and returns every line.
    pub(crate) fn events(&self, arguments: &[&str]) -> Vec<Value> {
        let text = self.text(&[arguments, &["--json"]].concat());
        text.lines().map(|line| serde_json::from_str(line).expect("each line is JSON")).collect()
    }

    /// The command fails with this code, and its last line says why.
    pub(crate) fn fails_at_last(&self, arguments: &[&str], code: i32, says: &str) {
        let output = self.run(arguments);
        let said = stderr(&output);
        assert_eq!(output.status.code(), Some(code), "{arguments:?}: {said}");
        let last = said.lines().last().unwrap_or_default();
        assert!(last.starts_with("frameway: ") && last.contains(says), "{arguments:?}: {said}");
    }

    /// The command fails with this code and says why on one line.
    pub(crate) fn fails(&self, arguments: &[&str], code: i32, says: &str) {
        assert_failed("frameway", &self.run(arguments), code, says);
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        // A server that ends by itself leaves its counts of covered lines.
        if let Ok(pid) = self.process.id().try_into() {
            let _asked = kill(Pid::from_raw(pid), Signal::SIGTERM);
        }
        let deadline = Instant::now() + STOP_DEADLINE;
        while matches!(self.process.try_wait(), Ok(None)) && Instant::now() < deadline {
            thread::sleep(Duration::from_millis(5));
        }
        let _gone = self.process.kill();
        let _reaped = self.process.wait();
    }
}
