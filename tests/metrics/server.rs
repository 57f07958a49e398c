//! `frameway serve` in a separate process, on free ports.

use std::fs;
use std::io::{Read as _, Write as _};
use std::net::TcpStream;
use std::path::PathBuf;
use std::process::{Child, Command, Output, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use serde_json::Value;
use tempfile::TempDir;

use crate::sample::Scrape;

/// The maximum time for anything here on a busy machine.
pub(crate) const PATIENCE: Duration = Duration::from_secs(60);

/// A server that is stopped when it is dropped.
#[derive(Debug)]
pub(crate) struct Server {
    process: Child,
    /// The address of the API; empty for a process that only processes frames.
    pub(crate) address: String,
    /// The address of the metrics, as `host:port`.
    pub(crate) metrics: String,
    folder: TempDir,
}

/// Returns a command of ours, without the settings of the caller's environment.
pub(crate) fn command() -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_frameway"));
    for (name, _) in std::env::vars().filter(|(name, _)| name.starts_with("FRAMEWAY_")) {
        command.env_remove(name);
    }
    command.stdin(Stdio::null());
    command
}

impl Server {
    /// Starts a server with these flags, and waits until it serves.
    pub(crate) fn start(flags: &[&str]) -> Self {
        let mut server = Self::spawn(&[&["--listen", "127.0.0.1:0"], flags].concat());
        let file = server.folder.path().join("address");
        server.address = eventually("the server serves", || {
            server.assert_runs();
            fs::read_to_string(&file).ok().filter(|address| !address.is_empty())
        });
        server
    }

    /// Starts a process with these flags, and waits until it serves metrics.
    pub(crate) fn spawn(flags: &[&str]) -> Self {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let log = fs::File::create(folder.path().join("log")).expect("a log");
        fs::create_dir(folder.path().join("tmp")).expect("a temporary folder");
        let process = command()
            .args(["serve", "--log", "info", "--log-format", "json", "--address-file"])
            .arg(folder.path().join("address"))
            .args(["--metrics-listen", "127.0.0.1:0"])
            .args(flags)
            .env("TMPDIR", folder.path().join("tmp"))
            .stderr(log)
            .spawn()
            .expect("the process starts");
        let mut server = Self { process, address: String::new(), metrics: String::new(), folder };
        server.metrics = eventually("the process serves metrics", || {
            server.assert_runs();
            server.logged("serving metrics").first()?["address"].as_str().map(str::to_owned)
        });
        server
    }

    /// Returns the folder of the process for temporary files.
    pub(crate) fn temporary(&self) -> PathBuf {
        self.folder.path().join("tmp")
    }

    /// Kills the process, without its worker process.
    pub(crate) fn kill(&mut self) {
        self.process.kill().expect("it runs");
        self.process.wait().expect("it has ended");
    }

    fn assert_runs(&mut self) {
        let ended = self.process.try_wait().expect("a child can be asked");
        assert!(ended.is_none(), "{ended:?}: {}", self.log());
    }

    pub(crate) fn log(&self) -> String {
        fs::read_to_string(self.folder.path().join("log")).expect("a log")
    }

    /// Returns the events of the log with this message.
    pub(crate) fn logged(&self, message: &str) -> Vec<Value> {
        let events =
            self.log().lines().filter_map(|line| serde_json::from_str(line).ok()).collect::<Vec<Value>>();
        events.into_iter().filter(|event| event["message"] == message).collect()
    }

    /// Runs a command of ours with this server, and returns its standard output.
    pub(crate) fn run(&self, arguments: &[&str]) -> String {
        let output = self.output(arguments);
        assert!(output.status.success(), "{arguments:?}: {}", String::from_utf8_lossy(&output.stderr));
        String::from_utf8_lossy(&output.stdout).into_owned()
    }

    /// The same, whether it succeeds or not.
    pub(crate) fn output(&self, arguments: &[&str]) -> Output {
        command().args(arguments).args(["--address", &self.address]).output().expect("the program runs")
    }

    /// Sends one request to the port of the metrics; returns the head and the body of the answer.
    pub(crate) fn request(&self, request: &str) -> (String, String) {
        let mut stream = TcpStream::connect(&self.metrics).expect("the port of the metrics is open");
        stream.set_read_timeout(Some(PATIENCE)).expect("a timeout");
        stream.write_all(request.as_bytes()).expect("a request is sent");
        let mut answer = String::new();
        stream.read_to_string(&mut answer).expect("an answer");
        let (head, body) = answer.split_once("\r\n\r\n").unwrap_or_else(|| panic!("no answer: {answer}"));
        (head.to_owned(), body.to_owned())
    }

    /// Sends an HTTP/1.1 request to the port of the API, and returns the answer.
    pub(crate) fn http(&self, request: &str, content_type: &str, body: &[u8]) -> String {
        let mut stream = TcpStream::connect(&self.address).expect("the port is open");
        stream.set_read_timeout(Some(PATIENCE)).expect("a timeout");
        let head = format!(
            "{request} HTTP/1.1\r\nhost: test\r\nconnection: close\r\ncontent-type: {content_type}\r\n\
             content-length: {}\r\n\r\n",
            body.len()
        );
        stream.write_all(&[head.as_bytes(), body].concat()).expect("a request is sent");
        let mut answer = Vec::new();
        stream.read_to_end(&mut answer).expect("an answer");
        String::from_utf8_lossy(&answer).into_owned()
    }

    /// Scrapes the metrics as text.
    pub(crate) fn text(&self) -> String {
        let (head, body) = self.request("GET /metrics HTTP/1.1\r\nhost: test\r\n\r\n");
        assert!(head.starts_with("HTTP/1.1 200 "), "{head}");
        body
    }

    pub(crate) fn scrape(&self) -> Scrape {
        Scrape::parse(&self.text())
    }

    /// Scrapes until the samples meet a condition, and returns them.
    pub(crate) fn scrape_until(&self, what: &str, holds: impl Fn(&Scrape) -> bool) -> Scrape {
        eventually(what, || Some(self.scrape()).filter(&holds))
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        if let Ok(id) = self.process.id().try_into() {
            let _asked = kill(Pid::from_raw(id), Signal::SIGTERM);
        }
        let deadline = Instant::now() + Duration::from_secs(15);
        while matches!(self.process.try_wait(), Ok(None)) && Instant::now() < deadline {
            thread::sleep(Duration::from_millis(5));
        }
        let _gone = self.process.kill();
        let _reaped = self.process.wait();
    }
}

/// Calls `probe` until it returns a value.
pub(crate) fn eventually<T>(what: &str, mut probe: impl FnMut() -> Option<T>) -> T {
    let start = Instant::now();
    loop {
        if let Some(found) = probe() {
            return found;
        }
        assert!(start.elapsed() < PATIENCE, "not within {PATIENCE:?}: {what}");
        thread::sleep(Duration::from_millis(20));
    }
}
