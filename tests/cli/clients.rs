//! The program as a client of a server that hangs, ends, or has forgotten its streams.

use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

use super::server::Server;
use super::{assert_fails, draw, frameway, json, stderr};

/// A time longer than any step here takes on a busy machine.
pub(super) const PATIENCE: Duration = Duration::from_secs(120);

/// A command that runs until it is dropped. Its output goes to files.
pub(super) struct Running {
    name: &'static str,
    child: Child,
    out: PathBuf,
    err: PathBuf,
}

impl Running {
    pub(super) fn start(name: &'static str, folder: &Path, arguments: &[&str]) -> Self {
        Self::start_program(name, folder, Command::new(env!("CARGO_BIN_EXE_frameway")).args(arguments))
    }

    /// Starts another program.
    pub(super) fn start_program(name: &'static str, folder: &Path, program: &mut Command) -> Self {
        let (out, err) = (folder.join(format!("{name}.out")), folder.join(format!("{name}.err")));
        let child = program
            .stdin(Stdio::null())
            .stdout(File::create(&out).expect("a temporary file"))
            .stderr(File::create(&err).expect("a temporary file"))
            .spawn()
            .expect("the program runs");
        Self { name, child, out, err }
    }

    /// Sends it a signal.
    pub(super) fn signal(&self, signal: Signal) {
        let pid = Pid::from_raw(self.child.id().try_into().expect("a process id"));
        kill(pid, signal).expect("a signal to the own child");
    }

    /// Waits for the end of the program and returns its exit code; `None` if a signal killed it.
    pub(super) fn exit_code(&mut self) -> Option<i32> {
        let deadline = Instant::now() + PATIENCE;
        loop {
            if let Some(status) = self.child.try_wait().expect("a child can be asked") {
                return status.code();
            }
            assert!(Instant::now() < deadline, "{} does not end: {}", self.name, self.output());
            thread::sleep(Duration::from_millis(10));
        }
    }

    pub(super) fn output(&self) -> String {
        let read = |file| fs::read_to_string(file).expect("it is there");
        format!("{}\n{}", read(&self.out), read(&self.err))
    }

    pub(super) fn wait_for(&mut self, words: &str) {
        let deadline = Instant::now() + PATIENCE;
        while !self.output().contains(words) {
            let ended = self.child.try_wait().expect("a child can be asked");
            let late = Instant::now() > deadline;
            assert!(!late && ended.is_none(), "{} did not print {words:?}: {}", self.name, self.output());
            thread::sleep(Duration::from_millis(20));
        }
    }
}

impl Running {
    /// Waits up to `span` for the end of the program. Returns false if it still runs.
    ///
    /// # Panics
    /// Panics if the program failed.
    pub(super) fn ended(&mut self, span: Duration) -> bool {
        let deadline = Instant::now() + span;
        loop {
            if let Some(status) = self.child.try_wait().expect("a child can be asked") {
                assert!(status.success(), "{}: {}", self.name, self.output());
                return true;
            }
            if Instant::now() > deadline {
                return false;
            }
            thread::sleep(Duration::from_millis(10));
        }
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        let _gone = self.child.kill();
        let _reaped = self.child.wait();
    }
}

#[test]
fn waiting_clients_notice_a_server_that_hangs_and_continue_after_it() {
    let server = Server::start();
    let address = server.address();
    let folder = tempfile::tempdir().expect("a temporary folder");
    let pictures = folder.path().join("pictures");
    fs::create_dir(&pictures).expect("a temporary folder");
    draw(&pictures, 1);
    let source = pictures.to_string_lossy().into_owned();
    let with = |arguments: &[&str]| {
        let output = frameway(&[arguments, &["--address", &address]].concat());
        assert!(output.status.success(), "{arguments:?}: {}", stderr(&output));
    };
    with(&["streams", "register", "cam"]);
    with(&["groups", "create", "g", "cam", "--from", "earliest"]);
    with(&["submit", &source, "--stream", "cam"]);

    let at = ["--address", &address];
    let start =
        |name, arguments: &[&str]| Running::start(name, folder.path(), &[arguments, &at[..]].concat());
    let mut clients = [
        start("subscribe", &["subscribe", "cam", "--from", "earliest", "--lines"]),
        start("member", &["subscribe", "--group", "g", "--member", "m", "--lines"]),
        start("watch", &["streams", "watch"]),
    ];
    for (client, words) in clients.iter_mut().zip(["cam 1 ", "cam 1 ", "existing"]) {
        client.wait_for(words);
    }

    server.signal(Signal::SIGSTOP);
    for client in &mut clients {
        client.wait_for("reconnecting");
    }
    server.signal(Signal::SIGCONT);
    with(&["submit", &source, "--stream", "cam"]);
    with(&["streams", "register", "other"]);
    for (client, words) in clients.iter_mut().zip(["cam 2 ", "cam 2 ", "other"]) {
        client.wait_for(words);
        client.signal(Signal::SIGINT);
        assert_eq!(client.exit_code(), Some(0), "{}", client.output());
    }
}

#[test]
fn an_unknown_stream_is_registered_only_with_the_flag() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    draw(folder.path(), 1);
    let source = folder.path().to_string_lossy().into_owned();
    let server = Server::start();
    let mask = ["--mask", "window=0,0;1,0;1,1;0,1", "--keep-original", "false"];
    let register = ["streams", "register", "house", "--address", &server.address()];
    assert!(frameway(&[&register[..], &mask].concat()).status.success());
    assert!(
        frameway(&["submit", &source, "--stream", "house", "--address", &server.address()]).status.success()
    );
    // The embedded queue has forgotten the stream and its masks when the server starts again.
    drop(server);
    let server = Server::start();
    let submit = ["submit", &source, "--stream", "house", "--address", &server.address()];
    assert_fails(
        &submit,
        1,
        "not registered: house. Register each with its settings (frameway streams register house",
    );
    for way in ["--json", "--unary"] {
        assert_fails(&[&submit[..], &[way]].concat(), 1, "--register");
    }
    let listed = json(&["streams", "--json", "--address", &server.address()]);
    assert_eq!(listed["streams"], serde_json::json!([]), "nothing was registered");

    let output = frameway(&[&submit[..], &["--register", "--json"]].concat());
    assert!(output.status.success(), "{}", stderr(&output));
    assert!(stderr(&output).contains("registered house with the default settings: no privacy masks"));
}

#[test]
fn submitting_to_a_server_that_registers_streams_prints_a_warning() {
    let server = Server::start_with(&["--auto-register"]);
    let folder = tempfile::tempdir().expect("a temporary folder");
    draw(folder.path(), 1);
    let source = folder.path().to_string_lossy().into_owned();
    let output = frameway(&["submit", &source, "--stream", "cam", "--address", &server.address()]);
    assert!(output.status.success(), "{}", stderr(&output));
    let said = stderr(&output);
    assert!(said.contains("the server registers cam with the default settings: no privacy masks"), "{said}");
}
