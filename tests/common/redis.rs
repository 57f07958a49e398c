//! A real `redis-server` of a test's own: free port, own directory, gone with the value.

use std::io::{Read as _, Write as _};
use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use tempfile::TempDir;

/// Redis' own port: a test never touches what may run there.
const DEFAULT_PORT: u16 = 6379;
const START_DEADLINE: Duration = Duration::from_secs(20);

/// How much the server writes to disk.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) enum Persistence {
    /// Nothing: what it held is gone when it ends.
    #[default]
    None,
    /// Every write, before it is answered: survives [`RedisServer::kill_hard`].
    AofAlways,
    /// Every write, flushed to the disk each second.
    AofEverysec,
}

impl Persistence {
    /// `appendonly` and `appendfsync`.
    fn flags(self) -> [&'static str; 2] {
        match self {
            Self::None => ["no", "always"],
            Self::AofAlways => ["yes", "always"],
            Self::AofEverysec => ["yes", "everysec"],
        }
    }
}

/// What is special about a server.
#[derive(Debug, Clone, Default)]
pub(crate) struct Setup {
    pub(crate) persistence: Persistence,
    /// Further flags, such as `["--maxmemory", "64mb"]`.
    pub(crate) flags: Vec<String>,
    /// Added to its environment.
    pub(crate) environment: Vec<(String, String)>,
    /// A program and its arguments, that is to become the server: it gets the server's command line behind them.
    pub(crate) through: Vec<String>,
}

/// A running (or killed, or paused) server.
#[derive(Debug)]
pub(crate) struct RedisServer {
    port: u16,
    directory: TempDir,
    setup: Setup,
    running: Option<Running>,
}

#[derive(Debug)]
struct Running {
    server: Child,
    /// Ends the server and removes its files if this process ends without doing so: its input closes then.
    watchdog: Child,
}

impl Running {
    fn end(&mut self) {
        // The watchdog first: afterwards the number may be another process's.
        let _ = self.watchdog.kill();
        let _ = self.watchdog.wait();
        let _ = self.server.kill();
        let _ = self.server.wait();
    }
}

impl RedisServer {
    /// Starts a server that keeps nothing.
    pub(crate) fn start() -> Self {
        Self::start_with(Persistence::None)
    }

    /// Starts a server and waits until it answers.
    ///
    /// # Panics
    /// If there is no `redis-server`, or it does not come up.
    pub(crate) fn start_with(persistence: Persistence) -> Self {
        Self::start_as(Setup { persistence, ..Setup::default() })
    }

    /// Starts a special server and waits until it answers.
    ///
    /// # Panics
    /// As [`RedisServer::start_with`].
    pub(crate) fn start_as(setup: Setup) -> Self {
        let directory = TempDir::with_prefix("frameway-redis-").expect("a temporary directory");
        let mut server = Self { port: 0, directory, setup, running: None };
        // Between choosing a port and the server's bind, somebody else may take it.
        for _ in 0..20 {
            server.port = free_port();
            if server.launch() {
                return server;
            }
        }
        panic!("redis-server does not start:\n{}", server.log());
    }

    /// Its address, as configuration wants it.
    pub(crate) fn url(&self) -> String {
        format!("redis://127.0.0.1:{}", self.port)
    }

    /// Its port.
    pub(crate) fn port(&self) -> u16 {
        self.port
    }

    /// Ends it as a power cut would.
    pub(crate) fn kill_hard(&mut self) {
        if let Some(mut running) = self.running.take() {
            running.end();
        }
    }

    /// Starts it again, on the same port and over the same files; kills it first if it runs.
    pub(crate) fn restart(&mut self) {
        self.kill_hard();
        let start = Instant::now();
        while !self.launch() {
            assert!(start.elapsed() < START_DEADLINE, "redis-server does not restart:\n{}", self.log());
            std::thread::sleep(Duration::from_millis(50));
        }
    }

    /// Stops it from answering, connections open.
    pub(crate) fn pause(&self) {
        self.signal(Signal::SIGSTOP);
    }

    /// Lets it go on after [`RedisServer::pause`].
    pub(crate) fn resume(&self) {
        self.signal(Signal::SIGCONT);
    }

    /// Makes it a copy of another, and waits until it is one.
    pub(crate) fn replicate(&self, primary: &Self) {
        self.cli(&["REPLICAOF", "127.0.0.1", &primary.port().to_string()]);
        let start = Instant::now();
        while !self.cli(&["INFO", "replication"]).contains("master_link_status:up") {
            assert!(start.elapsed() < START_DEADLINE, "the replica does not follow:\n{}", self.log());
            std::thread::sleep(Duration::from_millis(20));
        }
    }

    /// What `redis-cli` prints for a command.
    pub(crate) fn cli(&self, args: &[&str]) -> String {
        let output = Command::new("redis-cli")
            .args(["-h", "127.0.0.1", "-p", &self.port.to_string()])
            .args(args)
            .output()
            .expect("redis-cli is not there; install it: make setup");
        assert!(output.status.success(), "redis-cli {args:?}: {}", String::from_utf8_lossy(&output.stderr));
        String::from_utf8_lossy(&output.stdout).trim_end().to_owned()
    }

    /// Its process.
    pub(crate) fn pid(&self) -> Pid {
        pid(&self.running.as_ref().expect("the server runs").server)
    }

    /// Where its files are.
    pub(crate) fn directory(&self) -> &Path {
        self.directory.path()
    }

    /// Whether it has ended by itself.
    pub(crate) fn has_ended(&mut self) -> bool {
        self.running.as_mut().is_none_or(|running| matches!(running.server.try_wait(), Ok(Some(_))))
    }

    /// A number that `INFO` gives.
    pub(crate) fn info(&self, section: &str, field: &str) -> Option<u64> {
        let info = self.cli(&["INFO", section]);
        let found = info.lines().find_map(|line| line.trim().strip_prefix(field)?.strip_prefix(':'));
        found.and_then(|value| value.parse().ok())
    }

    /// How often a command was called, by its name in lower case; 0 if never.
    pub(crate) fn calls(&self, command: &str) -> u64 {
        let info = self.cli(&["INFO", "commandstats"]);
        let wanted = format!("cmdstat_{command}:calls=");
        let found = info.lines().find_map(|line| line.trim().strip_prefix(&wanted)?.split(',').next());
        found.and_then(|calls| calls.parse().ok()).unwrap_or(0)
    }

    fn signal(&self, signal: Signal) {
        kill(self.pid(), signal).expect("a signal to the own child");
    }

    /// Tries to start it; false if the port is taken.
    fn launch(&mut self) -> bool {
        let log = std::fs::File::create(self.log_path()).expect("a log in the own directory");
        let [appendonly, appendfsync] = self.setup.persistence.flags();
        let mut words = self.setup.through.iter().map(String::as_str).chain(["redis-server"]);
        let spawned = Command::new(words.next().unwrap_or_default())
            .args(words)
            .args(["--port", &self.port.to_string(), "--bind", "127.0.0.1", "--daemonize", "no"])
            .args(["--save", "", "--appendonly", appendonly, "--appendfsync", appendfsync, "--dir"])
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
            if answers(self.port, running.server.id()) {
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

fn free_port() -> u16 {
    loop {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).expect("a free port");
        let port = listener.local_addr().expect("a bound address").port();
        if port != DEFAULT_PORT {
            return port;
        }
    }
}

/// Whether the process itself, and no other on its port, is ready for commands.
fn answers(port: u16, process: u32) -> bool {
    let address = SocketAddr::from((Ipv4Addr::LOCALHOST, port));
    let Ok(mut socket) = TcpStream::connect_timeout(&address, Duration::from_millis(200)) else {
        return false;
    };
    let _ = socket.set_read_timeout(Some(Duration::from_secs(2)));
    // While it loads its files it answers the first with an error.
    if socket.write_all(b"PING\r\nINFO server\r\nQUIT\r\n").is_err() {
        return false;
    }
    let mut answer = String::new();
    let _ = socket.read_to_string(&mut answer);
    answer.starts_with("+PONG") && answer.contains(&format!("process_id:{process}\r\n"))
}
