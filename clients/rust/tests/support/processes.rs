//! Real servers and a real Redis. Each process ends with its guard.

use std::fs::{self, File};
use std::os::unix::process::CommandExt as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use frameway::client::{Client, ConnectOptions};
use nix::sys::signal::{Signal, killpg};
use nix::unistd::Pid;
use tempfile::TempDir;

use super::{DEADLINE, until};

/// Returns the program under test.
pub fn program() -> PathBuf {
    let default = || Path::new(env!("CARGO_MANIFEST_DIR")).join("../../target/debug/frameway");
    std::env::var_os("FRAMEWAY").map_or_else(default, PathBuf::from)
}

/// A process with the processes that it starts.
struct Process(Child);

impl Process {
    fn start(command: &mut Command, log: &Path) -> Self {
        let log = File::options().create(true).append(true).open(log).unwrap();
        let command = command.process_group(0).stdin(Stdio::null());
        let command = command.stdout(log.try_clone().unwrap()).stderr(log);
        let name = command.get_program().to_owned();
        Self(command.spawn().unwrap_or_else(|error| panic!("{} cannot be started: {error}", name.display())))
    }

    fn signal(&self, signal: Signal) {
        // The group may have ended already.
        let _ = killpg(Pid::from_raw(self.0.id().try_into().unwrap()), signal);
        // On Linux, a stopped process may run on until the signal has reached each of its threads.
        while signal == Signal::SIGSTOP && self.has_running_threads() {
            std::thread::yield_now();
        }
    }

    fn has_running_threads(&self) -> bool {
        let threads = std::fs::read_dir(format!("/proc/{}/task", self.0.id())).into_iter().flatten();
        let mut states =
            threads.filter_map(|thread| std::fs::read_to_string(thread.ok()?.path().join("stat")).ok());
        // The state follows the name, which is in parentheses.
        states.any(|stat| !stat.contains(") T ") && !stat.contains(") Z "))
    }

    fn has_ended(&mut self) -> bool {
        self.0.try_wait().unwrap().is_some()
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        self.signal(Signal::SIGCONT);
        self.signal(Signal::SIGKILL);
        let _ = self.0.wait();
    }
}

/// A server, at the same address after every restart.
pub struct Server {
    folder: TempDir,
    listen: String,
    arguments: Vec<String>,
    process: Option<Process>,
    /// The address to connect to.
    pub address: String,
}

impl Server {
    /// Starts a server on a free port.
    pub async fn start(arguments: &[&str]) -> Self {
        Self::listen("127.0.0.1:0".to_owned(), arguments).await
    }

    /// Starts a server on a Unix socket, which no other process can take while the server is away.
    pub async fn on_socket(arguments: &[&str]) -> Self {
        Self::listen(String::new(), arguments).await
    }

    async fn listen(listen: String, arguments: &[&str]) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let listen = match listen.as_str() {
            "" => format!("unix:{}", folder.path().join("socket").display()),
            _ => listen,
        };
        let arguments = arguments.iter().map(|one| (*one).to_owned()).collect();
        let mut server = Self { folder, listen, arguments, process: None, address: String::new() };
        server.restart().await;
        server
    }

    /// Starts the server again, after it was killed or has ended.
    pub async fn restart(&mut self) {
        let address_file = self.folder.path().join("address");
        let _ = fs::remove_file(&address_file);
        let mut command = Command::new(program());
        command
            .args(["serve", "--listen", &self.listen, "--metrics-listen", "none", "--address-file"])
            .arg(&address_file)
            .args(&self.arguments);
        let mut process = Process::start(&mut command, &self.log());
        until("the server serves", async || {
            assert!(!process.has_ended(), "{}", fs::read_to_string(self.log()).unwrap_or_default());
            address_file.exists()
        })
        .await;
        self.process = Some(process);
        fs::read_to_string(address_file).unwrap().trim().clone_into(&mut self.address);
    }

    fn log(&self) -> PathBuf {
        self.folder.path().join("log")
    }

    /// Ends the server without a warning.
    pub fn kill(&mut self) {
        self.process = None;
    }

    /// Sends a signal to the server and its worker.
    pub fn signal(&self, signal: Signal) {
        self.process.as_ref().expect("the server runs").signal(signal);
    }

    /// Waits for the end of the server.
    pub async fn ended(&mut self) {
        let process = self.process.as_mut().expect("the server runs");
        until("the server ends", async || process.has_ended()).await;
        self.process = None;
    }

    pub fn options(&self) -> ConnectOptions {
        ConnectOptions::new(&self.address).unwrap()
    }

    pub async fn client(&self) -> Client {
        self.options().connect_timeout(Duration::from_secs(5)).connect().await.unwrap()
    }
}

/// A Redis on a Unix socket.
pub struct Redis {
    folder: TempDir,
    _process: Process,
}

impl Redis {
    pub async fn start() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let socket = folder.path().join("redis");
        let mut command = Command::new("redis-server");
        command.args(["--port", "0", "--save", "", "--maxmemory-policy", "noeviction", "--unixsocket"]);
        command.arg(&socket).arg("--dir").arg(folder.path());
        let mut process = Process::start(&mut command, &folder.path().join("log"));
        until("Redis listens", async || {
            assert!(!process.has_ended(), "Redis has ended");
            tokio::net::UnixStream::connect(&socket).await.is_ok()
        })
        .await;
        Self { folder, _process: process }
    }

    pub fn url(&self) -> String {
        format!("unix://{}", self.folder.path().join("redis").display())
    }
}

/// A worker without a server.
pub struct Worker {
    _folder: TempDir,
    _process: Process,
}

impl Worker {
    pub fn start(redis: &Redis) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let mut command = Command::new(program());
        command.args(["serve", "--role", "worker", "--metrics-listen", "none", "--redis-url", &redis.url()]);
        let process = Process::start(&mut command, &folder.path().join("log"));
        Self { _folder: folder, _process: process }
    }
}

/// Runs a program of this package to its end, and returns its output.
pub async fn output(program: &str, arguments: &[&str]) -> String {
    let mut command = Command::new(program);
    command.args(arguments).stdin(Stdio::null());
    let run = tokio::task::spawn_blocking(move || command.output());
    let output =
        tokio::time::timeout(DEADLINE, run).await.expect("the program ends in time").unwrap().unwrap();
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    assert!(output.status.success(), "{text}{}", String::from_utf8_lossy(&output.stderr));
    text
}
