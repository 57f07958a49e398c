//! `frameway serve` as a process of its own, on a free port.

use std::fs;
use std::process::{Child, Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use tempfile::TempDir;

const START_DEADLINE: Duration = Duration::from_secs(30);

/// A server that is killed when it is dropped.
#[derive(Debug)]
pub(crate) struct Server {
    process: Child,
    address: String,
    _folder: TempDir,
}

impl Server {
    /// Starts it with the queue in memory and waits until it serves.
    pub(crate) fn start() -> Self {
        Self::start_with(&[])
    }

    /// The same, with further flags.
    pub(crate) fn start_with(flags: &[&str]) -> Self {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let file = folder.path().join("address");
        let process = Command::new(env!("CARGO_BIN_EXE_frameway"))
            .args(["serve", "--listen", "127.0.0.1:0", "--log", "warn", "--address-file"])
            .arg(&file)
            .args(flags)
            .stdin(Stdio::null())
            .spawn()
            .expect("the server starts");
        let mut server = Self { process, address: String::new(), _folder: folder };
        let deadline = Instant::now() + START_DEADLINE;
        // The file is there, whole, as soon as the server serves.
        while server.address.is_empty() {
            let ended = server.process.try_wait().expect("a child can be asked");
            assert!(ended.is_none() && Instant::now() < deadline, "the server did not start: {ended:?}");
            server.address = fs::read_to_string(&file).unwrap_or_default();
            thread::sleep(Duration::from_millis(10));
        }
        server
    }

    /// Sends it a signal, for example to stop it and let it go on.
    pub(crate) fn signal(&self, signal: Signal) {
        let pid = Pid::from_raw(self.process.id().try_into().expect("a process id"));
        kill(pid, signal).expect("a signal to the own child");
    }

    /// `host:port`.
    pub(crate) fn address(&self) -> String {
        self.address.clone()
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _gone = self.process.kill();
        let _reaped = self.process.wait();
    }
}
