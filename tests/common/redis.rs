//! A real `redis-server` for one test, with a free port and its own directory. It ends when the
//! value is dropped.
//!
//! Its users are those of a server that is safe to expose: Frameway logs in as the user of
//! `docs/redis.md`, with exactly the permissions that are written there; nobody else gets in except
//! the tests' own administrator.

use std::io::{Read as _, Write as _};
use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use tempfile::TempDir;

/// The default port of Redis, which tests never use, because another Redis may run there.
const DEFAULT_PORT: u16 = 6379;
const START_DEADLINE: Duration = Duration::from_secs(20);
/// The text that contains the permissions of Frameway's user.
const DOCUMENT: &str = include_str!("../../docs/redis.md");
/// The user of [`DOCUMENT`].
const USER: &str = "frameway";
pub(crate) const PASSWORD: &str = "password-of-the-tests";
/// The user of the tests themselves.
pub(crate) const ADMIN: &str = "tests";

/// The user of [`DOCUMENT`] at Sentinels.
pub(crate) const SENTINEL_USER: &str = "frameway-reader";

/// Returns the line of `docs/redis.md` that creates Frameway's user.
pub(crate) fn acl_line() -> &'static str {
    acl_line_of(USER)
}

/// Returns the line of `docs/redis.md` that creates a user.
fn acl_line_of(user: &str) -> &'static str {
    let begin = format!("user {user} ");
    let mut lines = DOCUMENT.lines().filter(|line| line.starts_with(&begin));
    let line = lines.next().expect("docs/redis.md has the user's line");
    assert!(lines.next().is_none(), "docs/redis.md has one such line");
    line
}

/// The persistence of the server.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) enum Persistence {
    /// No persistence: the data is lost when the server ends.
    #[default]
    None,
    /// Every write is on disk before it is answered, and survives [`RedisServer::kill_hard`].
    AofAlways,
    /// Writes are flushed to the disk each second.
    AofEverysec,
}

impl Persistence {
    /// Returns the values of `appendonly` and `appendfsync`.
    fn flags(self) -> [&'static str; 2] {
        match self {
            Self::None => ["no", "always"],
            Self::AofAlways => ["yes", "always"],
            Self::AofEverysec => ["yes", "everysec"],
        }
    }
}

/// The setup of a server.
#[derive(Debug, Clone, Default)]
pub(crate) struct Setup {
    pub(crate) persistence: Persistence,
    /// Further flags, such as `["--maxmemory", "64mb"]`.
    pub(crate) flags: Vec<String>,
    /// Additional environment variables.
    pub(crate) environment: Vec<(String, String)>,
    /// True if anybody may do everything without a password, as after a plain installation.
    pub(crate) open: bool,
    /// The files of a server that speaks TLS: its own certificate, its key, and the CA of client
    /// certificates, which it then demands. Its port without TLS stays open for the administrator.
    pub(crate) tls: Option<TlsFiles>,
    /// A program and its arguments that executes the server: the server's command line is appended.
    pub(crate) through: Vec<String>,
    /// The lines of the configuration of a Sentinel, if this is one.
    pub(crate) sentinel: Option<String>,
    /// True if it is a node of a cluster.
    pub(crate) in_cluster: bool,
}

/// The files of a server's TLS.
#[derive(Debug, Clone)]
pub(crate) struct TlsFiles {
    pub(crate) certificate: PathBuf,
    pub(crate) key: PathBuf,
    pub(crate) client_ca: Option<PathBuf>,
}

/// A running, killed or paused server.
#[derive(Debug)]
pub(crate) struct RedisServer {
    port: u16,
    /// The port of TLS, if it has one.
    tls_port: u16,
    /// The port at which the other nodes of its cluster reach it, if it is in one.
    bus_port: u16,
    directory: TempDir,
    setup: Setup,
    running: Option<Running>,
}

#[derive(Debug)]
struct Running {
    server: Child,
    /// A watchdog that ends the server and removes its files when its input closes, that is, when
    /// this process ends.
    watchdog: Child,
}

impl Running {
    fn end(&mut self) {
        // The watchdog ends first: later, the process id may belong to another process.
        let _ = self.watchdog.kill();
        let _ = self.watchdog.wait();
        let _ = self.server.kill();
        let _ = self.server.wait();
    }
}

impl RedisServer {
    /// Starts a server without persistence.
    pub(crate) fn start() -> Self {
        Self::start_with(Persistence::None)
    }

    /// Starts a server and waits until it answers.
    ///
    /// # Panics
    /// Panics if there is no `redis-server`, or it does not start.
    pub(crate) fn start_with(persistence: Persistence) -> Self {
        Self::start_as(Setup { persistence, ..Setup::default() })
    }

    /// Starts a server with this setup and waits until it answers.
    ///
    /// # Panics
    /// The same as [`RedisServer::start_with`].
    pub(crate) fn start_as(setup: Setup) -> Self {
        let directory = TempDir::with_prefix("frameway-redis-").expect("a temporary directory");
        let mut server = Self { port: 0, tls_port: 0, bus_port: 0, directory, setup, running: None };
        // Another process may take the port before the server binds it.
        for _ in 0..20 {
            server.port = free_port();
            server.tls_port = free_port();
            server.bus_port = free_port();
            if server.launch() {
                return server;
            }
        }
        panic!("redis-server does not start:\n{}", server.log());
    }

    /// Returns the URL for the configuration: with Frameway's user.
    pub(crate) fn url(&self) -> String {
        self.url_of(&format!("{USER}:{PASSWORD}@"))
    }

    /// Returns the URL of a user that may do everything.
    pub(crate) fn admin_url(&self) -> String {
        self.url_of(&format!("{ADMIN}:{PASSWORD}@"))
    }

    /// Returns the URL without a user.
    pub(crate) fn bare_url(&self) -> String {
        self.url_of("")
    }

    fn url_of(&self, user: &str) -> String {
        let user = if self.setup.open { "" } else { user };
        format!("redis://{user}127.0.0.1:{}", self.port)
    }

    /// Returns the port of TLS.
    pub(crate) fn tls_port(&self) -> u16 {
        self.tls_port
    }

    /// Returns the port.
    pub(crate) fn port(&self) -> u16 {
        self.port
    }

    /// Returns the port for the other nodes of its cluster.
    pub(crate) fn bus_port(&self) -> u16 {
        self.bus_port
    }

    /// Kills the server with SIGKILL.
    pub(crate) fn kill_hard(&mut self) {
        if let Some(mut running) = self.running.take() {
            running.end();
        }
    }

    /// Restarts the server on the same port with the same files; kills it first if it runs.
    pub(crate) fn restart(&mut self) {
        self.kill_hard();
        let start = Instant::now();
        while !self.launch() {
            assert!(start.elapsed() < START_DEADLINE, "redis-server does not restart:\n{}", self.log());
            std::thread::sleep(Duration::from_millis(50));
        }
    }

    /// Stops the server from answering, with open connections.
    pub(crate) fn pause(&self) {
        self.signal(Signal::SIGSTOP);
    }

    /// Continues after [`RedisServer::pause`].
    pub(crate) fn resume(&self) {
        self.signal(Signal::SIGCONT);
    }

    /// Makes the server a replica of another, and waits until it is in sync.
    pub(crate) fn replicate(&self, primary: &Self) {
        self.replicate_from(primary.port());
    }

    /// Makes the server a replica of the one at this port, and waits until it is in sync.
    pub(crate) fn replicate_from(&self, port: u16) {
        self.cli(&["REPLICAOF", "127.0.0.1", &port.to_string()]);
        let start = Instant::now();
        while !self.cli(&["INFO", "replication"]).contains("master_link_status:up") {
            assert!(start.elapsed() < START_DEADLINE, "the replica does not follow:\n{}", self.log());
            std::thread::sleep(Duration::from_millis(20));
        }
    }

    /// Returns the output of `redis-cli` for a command.
    pub(crate) fn cli(&self, args: &[&str]) -> String {
        self.try_cli(args).unwrap_or_else(|why| panic!("redis-cli {args:?}: {why}"))
    }

    /// Returns the output of `redis-cli` for a command, or why there is none: Sentinel disconnects
    /// everybody when it makes the server a replica.
    pub(crate) fn try_cli(&self, args: &[&str]) -> Result<String, String> {
        let mut command = Command::new("redis-cli");
        command.args(["-h", "127.0.0.1", "-p", &self.port.to_string()]);
        if !self.setup.open {
            command.args(["--user", ADMIN, "--pass", PASSWORD, "--no-auth-warning"]);
        }
        let output = command.args(args).output().expect("redis-cli is not there; install it: make setup");
        if !output.status.success() {
            return Err(String::from_utf8_lossy(&output.stderr).into_owned());
        }
        Ok(String::from_utf8_lossy(&output.stdout).trim_end().to_owned())
    }

    /// Returns the process id.
    pub(crate) fn pid(&self) -> Pid {
        pid(&self.running.as_ref().expect("the server runs").server)
    }

    /// Returns the directory of its files.
    pub(crate) fn directory(&self) -> &Path {
        self.directory.path()
    }

    /// Reports whether the server has ended by itself.
    pub(crate) fn has_ended(&mut self) -> bool {
        self.running.as_mut().is_none_or(|running| matches!(running.server.try_wait(), Ok(Some(_))))
    }

    /// Returns a number from `INFO`.
    pub(crate) fn info(&self, section: &str, field: &str) -> Option<u64> {
        let info = self.cli(&["INFO", section]);
        let found = info.lines().find_map(|line| line.trim().strip_prefix(field)?.strip_prefix(':'));
        found.and_then(|value| value.parse().ok())
    }

    /// Returns the number of replicas that are in sync.
    pub(crate) fn online_replicas(&self) -> usize {
        let info = self.cli(&["INFO", "replication"]);
        info.lines().filter(|line| line.starts_with("slave") && line.contains("state=online")).count()
    }

    /// Returns how often a command was called, by its name in lower case; 0 if never.
    pub(crate) fn calls(&self, command: &str) -> u64 {
        let info = self.cli(&["INFO", "commandstats"]);
        let wanted = format!("cmdstat_{command}:calls=");
        let found = info.lines().find_map(|line| line.trim().strip_prefix(&wanted)?.split(',').next());
        found.and_then(|calls| calls.parse().ok()).unwrap_or(0)
    }

    fn signal(&self, signal: Signal) {
        kill(self.pid(), signal).expect("a signal to the own child");
    }

    /// Tries to start the server; returns false if the port is taken.
    fn launch(&mut self) -> bool {
        let log = std::fs::File::create(self.log_path()).expect("a log in the own directory");
        let [appendonly, appendfsync] = self.setup.persistence.flags();
        let mut words = self.setup.through.iter().map(String::as_str).chain(["redis-server"]);
        let mut command = Command::new(words.next().unwrap_or_default());
        command.args(words);
        if let Some(lines) = &self.setup.sentinel {
            // It keeps its state in the file, which it has after a restart, too.
            let file = self.directory.path().join("sentinel.conf");
            if !file.exists() {
                std::fs::write(&file, lines).expect("a file in the own directory");
            }
            command.arg(file).arg("--sentinel");
        }
        if !self.setup.open {
            let file = self.directory.path().join("users.acl");
            let user = if self.setup.sentinel.is_some() { SENTINEL_USER } else { USER };
            let more = if self.setup.in_cluster { cluster_rules() } else { "" };
            std::fs::write(&file, users(user, more)).expect("a file in the own directory");
            command.arg("--aclfile").arg(file);
            if self.setup.sentinel.is_none() {
                command.args(["--masteruser", ADMIN, "--masterauth", PASSWORD]);
            }
        }
        if let Some(TlsFiles { certificate, key, client_ca }) = &self.setup.tls {
            command.args(["--tls-port", &self.tls_port.to_string()]);
            command.arg("--tls-cert-file").arg(certificate).arg("--tls-key-file").arg(key);
            command.arg("--tls-ca-cert-file").arg(client_ca.as_ref().unwrap_or(certificate));
            command.args(["--tls-auth-clients", if client_ca.is_some() { "yes" } else { "no" }]);
        }
        if self.setup.in_cluster {
            command.args(["--cluster-enabled", "yes", "--cluster-port", &self.bus_port.to_string()]);
        }
        if self.setup.sentinel.is_none() {
            command.args(["--save", "", "--appendonly", appendonly, "--appendfsync", appendfsync]);
        }
        let spawned = command
            .args(["--port", &self.port.to_string(), "--bind", "127.0.0.1", "--daemonize", "no", "--dir"])
            .arg(self.directory.path())
            .args(&self.setup.flags)
            .envs(self.setup.environment.iter().map(|(name, value)| (name, value)))
            .stdin(Stdio::null())
            .stdout(log)
            .stderr(Stdio::null())
            .spawn();
        let mut server = match spawned {
            Ok(server) => server,
            Err(error) => panic!("cannot run redis-server ({error}); install it: make setup"),
        };
        let watchdog = Command::new("sh")
            .args(["-c", "cat; kill -9 \"$0\" 2>/dev/null; rm -r \"$1\"", &server.id().to_string()])
            .arg(self.directory.path())
            .stdin(Stdio::piped())
            .stdout(Stdio::null())
            .spawn();
        let Ok(watchdog) = watchdog else {
            let _ = server.kill();
            let _ = server.wait();
            panic!("cannot run sh");
        };
        let running = self.running.insert(Running { server, watchdog });
        let start = Instant::now();
        while start.elapsed() < START_DEADLINE {
            if matches!(running.server.try_wait(), Ok(Some(_)) | Err(_)) {
                break;
            }
            if answers(self.port, self.setup.open, running.server.id()) {
                return true;
            }
            std::thread::sleep(Duration::from_millis(2));
        }
        self.kill_hard();
        false
    }

    fn log_path(&self) -> PathBuf {
        self.directory.path().join("redis.log")
    }

    fn log(&self) -> String {
        std::fs::read_to_string(self.log_path()).unwrap_or_default()
    }
}

impl Drop for RedisServer {
    fn drop(&mut self) {
        self.kill_hard();
    }
}

fn pid(child: &Child) -> Pid {
    Pid::from_raw(i32::try_from(child.id()).expect("a process id"))
}

/// Returns the rules of `docs/redis.md` that Frameway's user needs in a cluster in addition.
pub(crate) fn cluster_rules() -> &'static str {
    let begin = format!("ACL SETUSER {USER} ");
    let rules = DOCUMENT.lines().find_map(|line| line.strip_prefix(&begin));
    rules.expect("docs/redis.md has the rules for a cluster")
}

/// Returns the users: Frameway's, with the permissions of `docs/redis.md`, and the tests' own.
fn users(frameway: &str, more: &str) -> String {
    let line = acl_line_of(frameway).replace("PASSWORD", PASSWORD);
    let line = format!("{line} {more}");
    assert!(line.contains(PASSWORD), "the line has a place for the password");
    // Redis 7.0 replays its append-only file as the user `default`: without permissions, it would
    // leave out every transaction, that is, the effects of all scripts.
    format!("user default off ~* &* +@all\n{line}\nuser {ADMIN} on >{PASSWORD} ~* &* +@all\n")
}

fn free_port() -> u16 {
    loop {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).expect("a free port");
        let port = listener.local_addr().expect("a bound address").port();
        if port != DEFAULT_PORT {
            return port;
        }
    }
}

/// Reports whether this process, and no other on its port, is ready for commands.
fn answers(port: u16, open: bool, process: u32) -> bool {
    let address = SocketAddr::from((Ipv4Addr::LOCALHOST, port));
    let Ok(mut socket) = TcpStream::connect_timeout(&address, Duration::from_millis(200)) else {
        return false;
    };
    let _ = socket.set_read_timeout(Some(Duration::from_secs(2)));
    // While the server loads its files, it answers with an error.
    let login = if open { "ECHO +OK".to_owned() } else { format!("AUTH {ADMIN} {PASSWORD}") };
    if socket.write_all(format!("{login}\r\nPING\r\nINFO server\r\nQUIT\r\n").as_bytes()).is_err() {
        return false;
    }
    let mut answer = String::new();
    let _ = socket.read_to_string(&mut answer);
    answer.contains("+OK\r\n+PONG\r\n") && answer.contains(&format!("process_id:{process}\r\n"))
}
