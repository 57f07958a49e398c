//! A primary, replicas and Sentinels for one test. They end when the value is dropped.

use std::path::PathBuf;
use std::time::{Duration, Instant};

use super::redis::{ADMIN, PASSWORD, RedisServer, SENTINEL_USER, Setup, TlsFiles};

const PASSWORD_FILE: &str = "password-of-the-reader";
/// The name of the primary.
pub(crate) const NAME: &str = "fw";
const DEADLINE: Duration = Duration::from_secs(40);

/// Real servers on this machine. All of them have the users of `docs/redis.md`.
#[derive(Debug)]
pub(crate) struct Topology {
    pub(crate) nodes: Vec<RedisServer>,
    pub(crate) sentinels: Vec<RedisServer>,
    /// The port of each node that the Sentinels name.
    announced: Vec<u16>,
    has_tls: bool,
}

impl Topology {
    /// Starts a primary with so many replicas, and three Sentinels that know all of them.
    pub(crate) fn start(replicas: usize) -> Self {
        Self::start_as(replicas, 3, None, |port| port)
    }

    /// The same. Each server announces the port that `announced` returns for its own port: all that ask
    /// a Sentinel, and the replicas, use that one.
    pub(crate) fn start_behind(replicas: usize, announced: impl Fn(u16) -> u16) -> Self {
        Self::start_as(replicas, 3, None, announced)
    }

    /// Starts a primary and one Sentinel.
    pub(crate) fn start_small() -> Self {
        Self::start_as(0, 1, None, |port| port)
    }

    /// Starts a primary with one replica and three Sentinels. They use these files of TLS, among each
    /// other, too.
    pub(crate) fn start_with_tls(files: &TlsFiles) -> Self {
        Self::start_as(1, 3, Some(files), |port| port)
    }

    fn start_as(
        replicas: usize,
        sentinels: usize,
        tls: Option<&TlsFiles>,
        announced: impl Fn(u16) -> u16,
    ) -> Self {
        let has_tls = tls.is_some();
        // Replicas need not wait for others that may ask for a copy.
        let mut flags = vec!["--repl-diskless-sync-delay".to_owned(), "0".to_owned()];
        let of_tls =
            if has_tls { ["--tls-replication", "yes"].map(str::to_owned).to_vec() } else { Vec::new() };
        flags.extend(of_tls.iter().cloned());
        let setup = Setup { flags, tls: tls.cloned(), ..Setup::default() };
        let nodes: Vec<RedisServer> = (0..=replicas).map(|_| RedisServer::start_as(setup.clone())).collect();
        let port = |node: &RedisServer| announced(if has_tls { node.tls_port() } else { node.port() });
        let announced: Vec<u16> = nodes.iter().map(port).collect();
        for (node, port) in nodes.iter().zip(&announced) {
            assert_eq!(node.cli(&["CONFIG", "SET", "replica-announce-port", &port.to_string()]), "OK");
        }
        for replica in &nodes[1..] {
            replica.replicate_from(announced[0]);
        }
        let lines = [
            format!("sentinel monitor {NAME} 127.0.0.1 {} {}", announced[0], sentinels / 2 + 1),
            format!("sentinel auth-user {NAME} {ADMIN}"),
            format!("sentinel auth-pass {NAME} {PASSWORD}"),
            format!("sentinel down-after-milliseconds {NAME} 1000"),
            format!("sentinel failover-timeout {NAME} 5000"),
            format!("sentinel sentinel-user {ADMIN}"),
            format!("sentinel sentinel-pass {PASSWORD}"),
            String::new(),
        ];
        let setup =
            Setup { flags: of_tls, tls: tls.cloned(), sentinel: Some(lines.join("\n")), ..Setup::default() };
        let all: Vec<RedisServer> = (0..sentinels).map(|_| RedisServer::start_as(setup.clone())).collect();
        std::fs::write(all[0].directory().join(PASSWORD_FILE), PASSWORD).expect("a file in a folder of ours");
        let topology = Self { nodes, announced, sentinels: all, has_tls };
        topology.wait_until("the Sentinels know each other and all replicas", || {
            topology.sentinels.iter().all(|sentinel| {
                let about = sentinel.cli(&["SENTINEL", "MASTER", NAME]);
                let lines: Vec<&str> = about.lines().collect();
                let number = |name| {
                    let at = lines.iter().position(|line| *line == name)?;
                    lines.get(at + 1)?.parse::<usize>().ok()
                };
                number("num-slaves") == Some(replicas) && number("num-other-sentinels") == Some(sentinels - 1)
            })
        });
        topology
    }

    /// Returns the URL, with Frameway's user at the servers.
    pub(crate) fn url(&self) -> String {
        let port = |sentinel: &RedisServer| if self.has_tls { sentinel.tls_port() } else { sentinel.port() };
        let sentinels: Vec<String> =
            self.sentinels.iter().map(|sentinel| format!("127.0.0.1:{}", port(sentinel))).collect();
        let scheme = if self.has_tls { "rediss-sentinel" } else { "redis-sentinel" };
        format!("{scheme}://frameway:{PASSWORD}@{}/{NAME}", sentinels.join(","))
    }

    /// Returns Frameway's user at the Sentinels, and the file of its password.
    pub(crate) fn sentinel_login(&self) -> (String, PathBuf) {
        (SENTINEL_USER.to_owned(), self.sentinels[0].directory().join(PASSWORD_FILE))
    }

    /// Returns the flags of that login.
    pub(crate) fn flags(&self) -> [String; 4] {
        let (user, file) = self.sentinel_login();
        let file = file.to_string_lossy().into_owned();
        ["--redis-sentinel-user".to_owned(), user, "--redis-sentinel-password-file".to_owned(), file]
    }

    /// Returns the number of the node that the first Sentinel names.
    pub(crate) fn primary(&self) -> usize {
        let said = self.sentinels[0].cli(&["SENTINEL", "GET-MASTER-ADDR-BY-NAME", NAME]);
        let port = said.lines().nth(1).and_then(|port| port.parse::<u16>().ok());
        let found = self.announced.iter().position(|announced| port == Some(*announced));
        found.unwrap_or_else(|| panic!("a node of this test: {said}"))
    }

    /// Waits until the Sentinels name another node than `before`, and returns it.
    pub(crate) fn wait_for_another_than(&self, before: usize) -> usize {
        self.wait_until("another primary", || self.primary() != before);
        self.primary()
    }

    /// Waits until a node has so many replicas in sync.
    pub(crate) fn wait_for_replicas(&self, node: usize, count: usize) {
        self.wait_until("the replicas follow", || self.nodes[node].online_replicas() == count);
    }

    /// Waits until a condition holds.
    ///
    /// # Panics
    /// Panics if it does not within the deadline.
    pub(crate) fn wait_until(&self, what: &str, mut holds: impl FnMut() -> bool) {
        let start = Instant::now();
        while !holds() {
            assert!(start.elapsed() < DEADLINE, "not within {DEADLINE:?}: {what}");
            std::thread::sleep(Duration::from_millis(20));
        }
    }
}
