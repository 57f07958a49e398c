//! A Redis Cluster for one test: masters, each with as many replicas. It ends when the value is
//! dropped.
//!
//! Nodes are numbered from 0. At the start, the first ones are the masters, each with an equal range
//! of slots, its shard; a node that follows master `m` has the number `m` plus a multiple of the
//! number of masters.

use std::collections::BTreeMap;
use std::ops::RangeInclusive;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use super::redis::{ADMIN, PASSWORD, Persistence, RedisServer, Setup};

/// The number of slots of every cluster.
pub(crate) const SLOTS: u16 = 16_384;
const DEADLINE: Duration = Duration::from_secs(40);
/// The time after which the other nodes take a silent master to be gone, in tests that break nodes.
const NODE_TIMEOUT: Duration = Duration::from_secs(2);
/// The same in tests that do not: no failover happens, however busy the machine is.
const CALM_NODE_TIMEOUT: Duration = Duration::from_secs(60);
/// The keys that move at a time from one node to another.
const KEYS_AT_A_TIME: &str = "20";
/// The maximum time until the connections of an earlier test end.
const FREE_DEADLINE: Duration = Duration::from_secs(10);

/// Real servers on this machine. All of them have the users of `docs/redis.md`.
#[derive(Debug)]
pub(crate) struct Cluster {
    pub(crate) nodes: Vec<RedisServer>,
    ids: Vec<String>,
    masters: usize,
    /// The ports that the nodes announce: those of proxies, or their own.
    announced: Vec<u16>,
    /// The nodes that do not answer now.
    away: Vec<bool>,
}

/// A node as another one sees it.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Seen {
    /// Its number.
    node: usize,
    /// The number of its master, if it is a replica.
    master: Option<usize>,
    slots: Vec<RangeInclusive<u16>>,
}

/// The shape of a cluster.
#[derive(Debug, Clone)]
pub(crate) struct Shape {
    pub(crate) masters: usize,
    /// The number of replicas of each master.
    pub(crate) replicas: usize,
    pub(crate) persistence: Persistence,
    pub(crate) node_timeout: Duration,
}

impl Shape {
    /// Returns the shape of a cluster whose nodes are replaced quickly.
    pub(crate) fn of(masters: usize, replicas: usize) -> Self {
        Self { masters, replicas, persistence: Persistence::None, node_timeout: NODE_TIMEOUT }
    }

    /// Returns the shape of a cluster that nobody breaks.
    pub(crate) fn calm(masters: usize) -> Self {
        Self { node_timeout: CALM_NODE_TIMEOUT, ..Self::of(masters, 0) }
    }
}

impl Cluster {
    /// Starts masters with replicas, and waits until they serve.
    ///
    /// # Panics
    /// Panics if they do not in time.
    pub(crate) fn start(shape: &Shape) -> Self {
        Self::start_behind(shape, |port| port)
    }

    /// The same. Each node announces the port that `announced` returns for its own port, so that
    /// clients and replicas use that one. The nodes talk to each other directly.
    pub(crate) fn start_behind(shape: &Shape, announced: impl Fn(u16) -> u16) -> Self {
        let flags: Vec<String> = [
            ("--cluster-node-timeout", shape.node_timeout.as_millis().to_string()),
            ("--cluster-require-full-coverage", "no".to_owned()),
            ("--cluster-allow-replica-migration", "no".to_owned()),
            // A replica that has just lost its master may always replace it.
            ("--cluster-replica-validity-factor", "0".to_owned()),
            ("--maxmemory-policy", "noeviction".to_owned()),
            ("--repl-diskless-sync-delay", "0".to_owned()),
        ]
        .into_iter()
        .flat_map(|(flag, value)| [flag.to_owned(), value])
        .collect();
        let setup = Setup { persistence: shape.persistence, flags, in_cluster: true, ..Setup::default() };
        let count = shape.masters * (1 + shape.replicas);
        let nodes: Vec<RedisServer> = (0..count).map(|_| RedisServer::start_as(setup.clone())).collect();
        let announced: Vec<u16> = nodes.iter().map(|node| announced(node.port())).collect();
        let ids = nodes.iter().map(|node| node.cli(&["CLUSTER", "MYID"])).collect();
        let cluster = Self { announced, ids, masters: shape.masters, away: vec![false; count], nodes };
        cluster.join();
        cluster
    }

    /// Makes the nodes a cluster.
    fn join(&self) {
        for (number, node) in self.nodes.iter().enumerate() {
            if self.announced[number] != node.port() {
                ok(node, &["CONFIG", "SET", "cluster-announce-port", &self.announced[number].to_string()]);
            }
            ok(node, &["CLUSTER", "SET-CONFIG-EPOCH", &(number + 1).to_string()]);
            if number < self.masters {
                let slots = self.slots_of_shard(number);
                ok(node, &["CLUSTER", "ADDSLOTSRANGE", &slots.start().to_string(), &slots.end().to_string()]);
            }
        }
        for (number, node) in self.nodes.iter().enumerate() {
            // Each meets each, so that none has to wait to hear of another.
            for other in &self.nodes[number + 1..] {
                let (port, bus) = (other.port().to_string(), other.bus_port().to_string());
                ok(node, &["CLUSTER", "MEET", "127.0.0.1", &port, &bus]);
            }
        }
        self.wait_until("all nodes know each other", || {
            (0..self.nodes.len())
                .all(|node| self.seen_by(node).is_some_and(|all| all.len() == self.nodes.len()))
        });
        for number in self.masters..self.nodes.len() {
            ok(&self.nodes[number], &["CLUSTER", "REPLICATE", &self.ids[number % self.masters]]);
        }
        self.settle();
        for master in 0..self.masters {
            self.wait_for_replicas(master, self.nodes.len() / self.masters - 1);
        }
    }

    /// Returns the URL, with Frameway's user and all nodes.
    pub(crate) fn url(&self) -> String {
        let nodes: Vec<String> = self.announced.iter().map(|port| format!("127.0.0.1:{port}")).collect();
        format!("redis-cluster://frameway:{PASSWORD}@{}", nodes.join(","))
    }

    /// Returns the URL with the administrator, who may do everything.
    pub(crate) fn admin_url(&self) -> String {
        self.url().replacen("frameway:", &format!("{ADMIN}:"), 1)
    }

    /// Returns the number of shards.
    pub(crate) fn shards(&self) -> usize {
        self.masters
    }

    /// Returns the slots that a shard has at the start.
    pub(crate) fn slots_of_shard(&self, shard: usize) -> RangeInclusive<u16> {
        let at = |shard: usize| (usize::from(SLOTS) * shard / self.masters) as u16;
        at(shard)..=at(shard + 1) - 1
    }

    /// Returns the slot of all keys with this hash tag, such as `p07`.
    pub(crate) fn slot(&self, tag: impl std::fmt::Display) -> u16 {
        let said = self.any().cli(&["CLUSTER", "KEYSLOT", &format!("{{{tag}}}")]);
        said.parse().unwrap_or_else(|_| panic!("a slot: {said}"))
    }

    /// Returns the shard that has a slot at the start.
    pub(crate) fn shard_of(&self, slot: u16) -> usize {
        let has = |shard: &usize| self.slots_of_shard(*shard).contains(&slot);
        (0..self.masters).find(has).expect("a shard has every slot")
    }

    /// Returns the node that has a slot now, as the nodes that answer see it; `None` while they
    /// disagree.
    pub(crate) fn owner(&self, slot: u16) -> Option<usize> {
        let mut owners = self.answering().map(|node| {
            let seen = self.seen_by(node)?;
            seen.iter().find(|one| one.slots.iter().any(|slots| slots.contains(&slot))).map(|one| one.node)
        });
        let first = owners.next()??;
        owners.all(|owner| owner == Some(first)).then_some(first)
    }

    /// Returns the master of a shard, which is the owner of its first slot, when all agree.
    pub(crate) fn master(&self, shard: usize) -> usize {
        let mut found = None;
        self.wait_until("the nodes agree on a master", || {
            found = self.owner(*self.slots_of_shard(shard).start());
            found.is_some()
        });
        found.expect("it was found")
    }

    /// Returns the nodes that replicate a master, in order.
    pub(crate) fn replicas(&self, master: usize) -> Vec<usize> {
        let seen = self.seen_by(master).unwrap_or_default();
        seen.iter().filter(|one| one.master == Some(master)).map(|one| one.node).collect()
    }

    /// Kills a node with SIGKILL.
    pub(crate) fn kill(&mut self, node: usize) {
        self.nodes[node].kill_hard();
        self.away[node] = true;
    }

    /// Starts a node again, on the same port, with the same files.
    pub(crate) fn restart(&mut self, node: usize) {
        self.nodes[node].restart();
        self.away[node] = false;
        let (port, own) = (self.announced[node], self.nodes[node].port());
        if port != own {
            ok(&self.nodes[node], &["CONFIG", "SET", "cluster-announce-port", &port.to_string()]);
        }
    }

    /// Stops a node from answering, with open connections.
    pub(crate) fn freeze(&mut self, node: usize) {
        self.nodes[node].pause();
        self.away[node] = true;
    }

    /// Continues after [`Cluster::freeze`].
    pub(crate) fn thaw(&mut self, node: usize) {
        self.nodes[node].resume();
        self.away[node] = false;
    }

    /// Kills a master and its replicas, and starts them again without their data: the shard has its
    /// slots, and nothing in them.
    pub(crate) fn lose(&mut self, shard: usize) {
        let master = self.master(shard);
        let lost: Vec<usize> = self.replicas(master).into_iter().chain([master]).collect();
        // The replicas first: none of them may replace the master.
        lost.iter().for_each(|node| self.kill(*node));
        for &node in &lost {
            let files = std::fs::read_dir(self.nodes[node].directory()).expect("a folder of ours");
            for path in files.flatten().map(|file| file.path()) {
                let name =
                    path.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
                if name == "appendonlydir" {
                    std::fs::remove_dir_all(path).expect("a folder of ours");
                } else if name.ends_with(".rdb") {
                    std::fs::remove_file(path).expect("a file of ours");
                }
            }
        }
        lost.iter().for_each(|node| self.restart(*node));
        self.settle();
        // Servers and workers may have come back already, and written that they are there.
        let streams = self.nodes[master].cli(&["KEYS", "frameway:*:stream:*"]);
        assert_eq!(streams, "", "the shard is empty");
    }

    /// Makes a replica of this master the master, as planned, and returns it.
    pub(crate) fn fail_over(&self, master: usize) -> usize {
        let slot = *self.slots_of(master).first().expect("a master has slots").start();
        let successor = *self.replicas(master).first().expect("the master has a replica");
        ok(&self.nodes[successor], &["CLUSTER", "FAILOVER"]);
        self.wait_until("the replica is the master", || self.owner(slot) == Some(successor));
        successor
    }

    /// Waits until the nodes that answer agree that another node than `before` has the slots of a
    /// shard, and returns it.
    pub(crate) fn wait_for_another_than(&self, before: usize, shard: usize) -> usize {
        let (slot, mut found) = (*self.slots_of_shard(shard).start(), None);
        self.wait_until("another master", || {
            found = self.owner(slot).filter(|owner| *owner != before);
            found.is_some()
        });
        found.expect("it was found")
    }

    /// Moves a slot with its keys to another master, while clients use them.
    pub(crate) fn move_slot(&self, slot: u16, to: usize) {
        let (from, number) = (self.owner(slot).expect("the nodes agree"), slot.to_string());
        if from == to {
            return;
        }
        let (source, target) = (&self.nodes[from], &self.nodes[to]);
        ok(target, &["CLUSTER", "SETSLOT", &number, "IMPORTING", &self.ids[from]]);
        ok(source, &["CLUSTER", "SETSLOT", &number, "MIGRATING", &self.ids[to]]);
        loop {
            let keys = source.cli(&["CLUSTER", "GETKEYSINSLOT", &number, KEYS_AT_A_TIME]);
            let keys: Vec<&str> = keys.lines().collect();
            if keys.is_empty() {
                break;
            }
            let port = target.port().to_string();
            let head = ["MIGRATE", "127.0.0.1", &port, "", "0", "60000", "AUTH2", ADMIN, PASSWORD, "KEYS"];
            let said = source.cli(&[&head, keys.as_slice()].concat());
            // A key may have been deleted, or have expired, since it was listed.
            assert!(said == "OK" || said == "NOKEY", "MIGRATE: {said}");
        }
        ok(target, &["CLUSTER", "SETSLOT", &number, "NODE", &self.ids[to]]);
        ok(source, &["CLUSTER", "SETSLOT", &number, "NODE", &self.ids[to]]);
        self.wait_until("all know the new owner", || self.owner(slot) == Some(to));
    }

    /// Waits until a master has so many replicas in sync, and says so.
    pub(crate) fn wait_for_replicas(&self, master: usize, count: usize) {
        self.wait_until("the replicas follow", || {
            self.nodes[master].online_replicas() == count && self.replicas(master).len() == count
        });
    }

    /// Waits until every node that answers takes the cluster to be well, and all agree who is who.
    pub(crate) fn settle(&self) {
        self.wait_until("the cluster is well", || {
            let well = |node: usize| self.nodes[node].cli(&["CLUSTER", "INFO"]).contains("cluster_state:ok");
            let mut seen = self.answering().map(|node| self.seen_by(node));
            let first = seen.next().flatten();
            first.is_some() && seen.all(|other| other == first) && self.answering().all(well)
        });
    }

    /// Runs a command on every master, and returns the outputs one after the other.
    pub(crate) fn on_all_masters(&self, command: &[&str]) -> String {
        let masters = (0..self.masters).map(|shard| self.nodes[self.master(shard)].cli(command));
        masters.collect::<Vec<_>>().join("\n")
    }

    /// Waits until a condition holds.
    ///
    /// # Panics
    /// Panics if it does not within the deadline.
    pub(crate) fn wait_until(&self, what: &str, mut holds: impl FnMut() -> bool) {
        let start = Instant::now();
        while !holds() {
            assert!(start.elapsed() < DEADLINE, "not within {DEADLINE:?}: {what}\n{}", self.describe());
            std::thread::sleep(Duration::from_millis(20));
        }
    }

    fn describe(&self) -> String {
        let all = self
            .answering()
            .map(|node| format!("node {node} says:\n{}", self.nodes[node].cli(&["CLUSTER", "NODES"])));
        all.collect::<Vec<_>>().join("\n")
    }

    fn slots_of(&self, node: usize) -> Vec<RangeInclusive<u16>> {
        let seen = self.seen_by(node).unwrap_or_default();
        seen.into_iter().find(|one| one.node == node).map(|one| one.slots).unwrap_or_default()
    }

    fn answering(&self) -> impl Iterator<Item = usize> + '_ {
        (0..self.nodes.len()).filter(|node| !self.away[*node])
    }

    /// Returns a node that answers.
    pub(crate) fn any(&self) -> &RedisServer {
        &self.nodes[self.answering().next().expect("a node answers")]
    }

    /// Returns all nodes as one of them sees them, in order; `None` if it does not answer.
    fn seen_by(&self, node: usize) -> Option<Vec<Seen>> {
        let number = |id: &str| self.ids.iter().position(|own| own == id);
        let said = self.nodes[node].try_cli(&["CLUSTER", "NODES"]).ok()?;
        let mut all: BTreeMap<usize, Seen> = BTreeMap::new();
        for line in said.lines() {
            let words: Vec<&str> = line.split_whitespace().collect();
            let [id, _address, _flags, master, ..] = words.as_slice() else { return None };
            // A node that was just met has a random id.
            let node = number(id)?;
            // Slots that move are in brackets.
            let slots = words.iter().skip(8).filter(|slots| !slots.starts_with('['));
            let slots = slots.filter_map(|slots| {
                let (from, to) = slots.split_once('-').unwrap_or((slots, slots));
                Some(from.parse().ok()?..=to.parse().ok()?)
            });
            all.insert(node, Seen { node, master: number(master), slots: slots.collect() });
        }
        Some(all.into_values().collect())
    }

    /// Waits until no connection of Frameway is left, and removes all data. Returns false if that
    /// takes too long.
    fn is_free(&self) -> bool {
        let start = Instant::now();
        let is_used = |node: &RedisServer| {
            node.try_cli(&["CLIENT", "LIST"]).is_ok_and(|list| list.contains("user=frameway "))
        };
        while self.nodes.iter().any(is_used) {
            if start.elapsed() > FREE_DEADLINE {
                return false;
            }
            std::thread::sleep(Duration::from_millis(20));
        }
        self.nodes
            .iter()
            .all(|node| node.cli(&["FLUSHALL"]) == "OK" && node.cli(&["CONFIG", "RESETSTAT"]) == "OK")
    }
}

/// The clusters that no test uses at present. They end with the process.
static FREE: Mutex<Vec<Cluster>> = Mutex::new(Vec::new());

/// An empty cluster of three masters, which the next test gets after this one. A test must not break
/// it, and must not read how often something was called before.
#[derive(Debug)]
pub(crate) struct Lent(Option<Cluster>);

impl Lent {
    /// Takes a cluster that no test uses, or starts one: that takes two seconds, however short the
    /// test is.
    pub(crate) fn take() -> Self {
        loop {
            let free = FREE.lock().unwrap_or_else(PoisonError::into_inner).pop();
            match free {
                Some(cluster) if cluster.is_free() => return Self(Some(cluster)),
                // A test failed, and left something that still uses it.
                Some(_) => {}
                None => return Self(Some(Cluster::start(&Shape::calm(3)))),
            }
        }
    }
}

impl std::ops::Deref for Lent {
    type Target = Cluster;

    fn deref(&self) -> &Cluster {
        self.0.as_ref().expect("it is there until it is dropped")
    }
}

impl Drop for Lent {
    fn drop(&mut self) {
        if let Some(cluster) = self.0.take() {
            FREE.lock().unwrap_or_else(PoisonError::into_inner).push(cluster);
        }
    }
}

fn ok(node: &RedisServer, command: &[&str]) {
    assert_eq!(node.cli(command), "OK", "{command:?}");
}
