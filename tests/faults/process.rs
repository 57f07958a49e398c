//! `frameway serve` as a process that is started, killed, and restarted at the same address.

use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::time::{Duration, Instant};

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use tempfile::TempDir;

use crate::common::DEADLINE;

/// A server or worker process. Its standard input is kept open, so that it exits when the test
/// ends.
#[derive(Debug)]
pub(crate) struct Process {
    program: PathBuf,
    args: Vec<String>,
    environment: Vec<(String, String)>,
    directory: TempDir,
    child: Option<Child>,
    address: String,
}

impl Process {
    /// Starts a server with these flags on a free port, and waits until it is serving.
    pub(crate) fn server(args: &[&str]) -> Self {
        let mut process = Self::new(args);
        process.listen("127.0.0.1:0");
        process
    }

    /// Starts a server with an environment variable.
    pub(crate) fn server_with(args: &[&str], variable: &str, value: &str) -> Self {
        let mut process = Self::new(args);
        process.environment.push((variable.to_owned(), value.to_owned()));
        process.listen("127.0.0.1:0");
        process
    }

    /// Starts a server from another copy of the program.
    pub(crate) fn server_from(program: &Path, args: &[&str]) -> Self {
        let mut process = Self::new(args);
        process.program = program.to_owned();
        process.listen("127.0.0.1:0");
        process
    }

    /// Starts a server that cannot serve yet, with a known address, without waiting.
    pub(crate) fn server_not_ready(args: &[&str]) -> Self {
        let free = std::net::TcpListener::bind("127.0.0.1:0").expect("a free port");
        let mut process = Self::new(args);
        process.address = free.local_addr().expect("a bound address").to_string();
        drop(free);
        let address = process.address.clone();
        process.spawn(&["--listen", &address]);
        process
    }

    /// Starts a worker.
    pub(crate) fn worker(args: &[&str]) -> Self {
        let mut process = Self::new(&[&["--role", "worker"], args].concat());
        process.spawn(&[]);
        process
    }

    fn new(args: &[&str]) -> Self {
        let directory = TempDir::with_prefix("frameway-process-").expect("a temporary directory");
        let args = args.iter().map(|&arg| arg.to_owned()).collect();
        let program = env!("CARGO_BIN_EXE_frameway").into();
        Self { program, args, environment: Vec::new(), directory, child: None, address: String::new() }
    }

    fn spawn(&mut self, more: &[&str]) {
        let log = std::fs::OpenOptions::new()
            .create(true)
            .append(true)
            .open(self.log_path())
            .expect("a log in the own directory");
        let child = Command::new(&self.program)
            .arg("serve")
            .args(&self.args)
            .args(more)
            .arg("--parent-pipe")
            .envs(self.environment.iter().map(|(variable, value)| (variable, value)))
            .stdin(Stdio::piped())
            .stdout(log.try_clone().expect("the log again"))
            .stderr(log)
            .spawn()
            .expect("the program starts");
        self.child = Some(child);
    }

    fn listen(&mut self, at: &str) {
        let file = self.directory.path().join("address");
        let _ = std::fs::remove_file(&file);
        self.spawn(&["--listen", at, "--address-file", &file.to_string_lossy()]);
        let start = Instant::now();
        loop {
            match std::fs::read_to_string(&file) {
                Ok(address) if !address.is_empty() => {
                    self.address = address.trim().to_owned();
                    return;
                }
                Ok(_) | Err(_) => {}
            }
            assert!(start.elapsed() < DEADLINE && self.is_running(), "no server:\n{}", self.log());
            std::thread::sleep(Duration::from_millis(5));
        }
    }

    /// Returns the URL of the server.
    pub(crate) fn url(&self) -> String {
        let has_tls = self.address.starts_with("https:");
        if has_tls { self.address.clone() } else { format!("http://{}", self.address) }
    }

    fn is_running(&mut self) -> bool {
        self.child.as_mut().is_some_and(|child| matches!(child.try_wait(), Ok(None)))
    }

    pub(crate) fn pid(&self) -> Pid {
        let child = self.child.as_ref().expect("the process runs");
        Pid::from_raw(i32::try_from(child.id()).expect("a process id"))
    }

    /// Returns the child processes.
    pub(crate) fn children(&self) -> Vec<Pid> {
        let threads = std::fs::read_dir(format!("/proc/{}/task", self.pid())).into_iter().flatten();
        let children = threads.flatten().filter_map(|thread| {
            // Each thread lists the children that it started.
            std::fs::read_to_string(thread.path().join("children")).ok()
        });
        let pids: Vec<String> = children
            .flat_map(|list| list.split_whitespace().map(str::to_owned).collect::<Vec<_>>())
            .collect();
        pids.iter().filter_map(|pid| pid.parse().ok()).map(Pid::from_raw).collect()
    }

    /// Kills the process with SIGKILL.
    pub(crate) fn kill_hard(&mut self) {
        if let Some(mut child) = self.child.take() {
            let _ = child.kill();
            let _ = child.wait();
        }
    }

    /// Starts the process again, a server at the same address.
    pub(crate) fn restart(&mut self) {
        self.kill_hard();
        if self.address.is_empty() {
            self.spawn(&[]);
        } else {
            self.listen(&self.address.clone());
        }
    }

    /// Sends SIGTERM and waits for the end.
    pub(crate) fn terminate(&mut self) -> ExitStatus {
        kill(self.pid(), Signal::SIGTERM).expect("a signal to the own child");
        let start = Instant::now();
        loop {
            let child = self.child.as_mut().expect("the process runs");
            if let Some(status) = child.try_wait().expect("the own child") {
                self.child = None;
                return status;
            }
            assert!(start.elapsed() < DEADLINE, "does not end on SIGTERM:\n{}", self.log());
            std::thread::sleep(Duration::from_millis(10));
        }
    }

    fn log_path(&self) -> PathBuf {
        self.directory.path().join("log")
    }

    /// Returns the output of the process.
    pub(crate) fn log(&self) -> String {
        std::fs::read_to_string(self.log_path()).unwrap_or_default()
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        if std::thread::panicking() {
            println!("--- log of serve {:?}:\n{}", self.args, self.log());
        }
        self.kill_hard();
    }
}
