//! Sends commands of one purpose to the server that holds their keys.
//!
//! One Redis has one link for a purpose. A cluster has one for each of its servers, and may answer
//! that it surely did not run a command: then the command is sent again, to the right server.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use futures::future::join_all;
use parking_lot::Mutex;
use redis::{Cmd, Pipeline, RedisError, RedisResult, ServerErrorKind, Value};
use tokio::time::Instant;

use super::cluster::{Cluster, slot_of};
use super::conn::{Connected, Link, Purpose, refused};
use super::instance::Instance;
use super::memory_usage::MemoryUsage;
use super::node::Node;
use super::resp::Request;
use super::url::Address;
use crate::queue::{Error, Result};

/// The pauses before a command is sent again.
const FIRST_PAUSE: Duration = Duration::from_millis(5);
const LONGEST_PAUSE: Duration = Duration::from_millis(100);

/// The links of one purpose.
pub(super) struct Lane {
    timeout: Duration,
    servers: Servers,
}

enum Servers {
    One(Arc<Link>),
    Cluster(Clustered),
}

/// The links of one purpose to the servers of a cluster.
struct Clustered {
    purpose: Purpose,
    cluster: Arc<Cluster>,
    links: Mutex<HashMap<Arc<Address>, Arc<Link>>>,
}

impl Clustered {
    fn link_to(&self, address: &Arc<Address>) -> Arc<Link> {
        let mut links = self.links.lock();
        if !links.contains_key(address) {
            // The others may have left the cluster.
            let map = self.cluster.known_map();
            links.retain(|known, _| map.as_ref().is_some_and(|map| map.masters().contains(known)));
        }
        let node = self.cluster.node(address);
        // A server that had left and is back may be remembered anew.
        if links.get(address).is_some_and(|link| !Arc::ptr_eq(&link.node, &node)) {
            links.remove(address);
        }
        let new = || Arc::new(Link::new(self.purpose.clone(), node));
        Arc::clone(links.entry(Arc::clone(address)).or_insert_with(new))
    }
}

impl std::fmt::Debug for Lane {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Lane").finish_non_exhaustive()
    }
}

impl Lane {
    /// Creates the link to the only server.
    pub(super) fn to_one(purpose: Purpose, node: Arc<Node>) -> Self {
        let timeout = purpose.timeout;
        Self { timeout, servers: Servers::One(Arc::new(Link::new(purpose, node))) }
    }

    /// Creates the links to the servers of a cluster, each when it is first used.
    pub(super) fn to_cluster(purpose: Purpose, cluster: Arc<Cluster>) -> Self {
        let timeout = purpose.timeout;
        Self { timeout, servers: Servers::Cluster(Clustered { purpose, cluster, links: Mutex::default() }) }
    }

    /// Connects to all servers that answer; fails if none does.
    pub(super) async fn connect(&self) -> Result<()> {
        if let Servers::Cluster(Clustered { cluster, .. }) = &self.servers {
            cluster.map().await?;
        }
        // One server of a cluster that is away does not keep the others from being used.
        let (mut is_connected, mut failure) = (false, None);
        for connected in join_all(self.links().iter().map(Link::connected)).await {
            match connected {
                Ok(_) => is_connected = true,
                Err(error) if error.is_retryable() => failure = Some(error),
                Err(error) => return Err(error),
            }
        }
        failure.filter(|_| !is_connected).map_or(Ok(()), Err)
    }

    /// Returns the links to all servers that hold a part of the store.
    pub(super) fn links(&self) -> Vec<Arc<Link>> {
        match &self.servers {
            Servers::One(link) => vec![Arc::clone(link)],
            Servers::Cluster(clustered) => {
                let map = clustered.cluster.known_map();
                map.iter().flat_map(|map| map.masters()).map(|master| clustered.link_to(master)).collect()
            }
        }
    }

    /// Drops the connection to a server unless the process there is `instance`, with the same settings.
    pub(super) fn drop_unless(&self, node: &Node, instance: &Instance) {
        for link in self.links() {
            if link.node.address() == node.address() {
                link.drop_unless(instance);
            }
        }
    }

    /// Returns the way to the server that holds a key.
    pub(super) fn route(&self, key: &str) -> Route<'_> {
        self.route_to(slot_of(key.as_bytes()))
    }

    fn route_to(&self, slot: u16) -> Route<'_> {
        let until = Instant::now() + self.timeout;
        Route { lane: self, slot, asking: None, follows_asks: true, until, pause: FIRST_PAUSE }
    }

    /// Divides things by the server that owns their slots.
    pub(super) fn by_server<T>(&self, all: Vec<T>, slot: impl Fn(&T) -> u16) -> Vec<Vec<T>> {
        let Servers::Cluster(Clustered { cluster, .. }) = &self.servers else { return vec![all] };
        let map = cluster.known_map();
        let mut parts: HashMap<_, Vec<T>> = HashMap::new();
        for one in all {
            let owner = map.as_ref().and_then(|map| map.owner(slot(&one)));
            parts.entry(owner).or_default().push(one);
        }
        parts.into_values().collect()
    }

    /// Runs one command.
    pub(super) async fn command(&self, command: &Cmd) -> Result<Value> {
        let mut answers = self.run_all(&[command]).await?;
        answers.pop().unwrap_or(Ok(Value::Nil)).map_err(refused)
    }

    /// Runs one command, and measures the memory of the server that runs it if that is due.
    pub(super) async fn command_and_memory(&self, command: &Cmd) -> Result<Value> {
        let mut route = self.route_to(slot_of(key_of(command)));
        loop {
            let connected = route.connected().await?;
            let memory = &connected.node().memory;
            let mut request = Request::default();
            request.add(command);
            let looks = memory.is_due();
            if looks {
                request.add(&MemoryUsage::question());
            }
            let answered = connected.ask(request).await;
            self.note(&answered);
            let mut answers = answered?.into_iter();
            let answer = answers.next().unwrap_or(Ok(Value::Nil));
            if let Some(measured) = answers.next() {
                memory.answered(measured);
            }
            if !route.goes_on(&answer).await? {
                return answer.map_err(refused);
            }
        }
    }

    /// Runs a pipeline; returns one result per command. Some commands may have run if it fails. In a
    /// cluster, the commands may be run in any order, and those of a server that cannot be reached
    /// fail each by itself.
    pub(super) async fn run(&self, pipe: &Pipeline) -> Result<Vec<RedisResult<Value>>> {
        match &self.servers {
            Servers::One(link) => link.run(pipe).await,
            Servers::Cluster(_) => self.run_all(&pipe.cmd_iter().collect::<Vec<_>>()).await,
        }
    }

    async fn run_all(&self, commands: &[&Cmd]) -> Result<Vec<RedisResult<Value>>> {
        let cluster = match &self.servers {
            Servers::One(link) => {
                let mut request = Request::default();
                commands.iter().for_each(|command| request.add(command));
                return link.connected().await?.ask(request).await;
            }
            Servers::Cluster(Clustered { cluster, .. }) => cluster,
        };
        cluster.map().await?;
        let indexes = (0..commands.len()).collect();
        let parts = self.by_server(indexes, |index| slot_of(key_of(commands[*index])));
        let parts = parts.into_iter().map(|indexes| async move {
            let part: Vec<&Cmd> = indexes.iter().map(|&index| commands[index]).collect();
            let answers = self.run_part(&part).await;
            (indexes, answers)
        });
        let mut all: Vec<RedisResult<Value>> = commands.iter().map(|_| Ok(Value::Nil)).collect();
        let mut answered = commands.is_empty();
        let mut failure = None;
        for (indexes, answers) in join_all(parts).await {
            match answers {
                Ok(answers) => {
                    answered = true;
                    indexes.into_iter().zip(answers).for_each(|(index, answer)| all[index] = answer);
                }
                Err(error) => {
                    for index in indexes {
                        all[index] = Err(std::io::Error::other(error.to_string()).into());
                    }
                    failure = Some(error);
                }
            }
        }
        // If no command ran, the whole call failed.
        if let (false, Some(error)) = (answered, failure) { Err(error) } else { Ok(all) }
    }

    /// Runs commands whose keys are held by one server; sends those again, one by one, that surely did
    /// not run.
    async fn run_part(&self, commands: &[&Cmd]) -> Result<Vec<RedisResult<Value>>> {
        let Some(first) = commands.first() else { return Ok(Vec::new()) };
        let mut request = Request::default();
        commands.iter().for_each(|command| request.add(command));
        let connected = self.route_to(slot_of(key_of(first))).connected().await?;
        let answered = connected.ask(request).await;
        self.note(&answered);
        let mut answers = answered?;
        for (command, answer) in commands.iter().zip(&mut answers) {
            let mut route = self.route_to(slot_of(key_of(command)));
            while route.goes_on(answer).await? {
                let mut again = Request::default();
                again.add(command);
                *answer = route.connected().await?.ask(again).await?.pop().unwrap_or(Ok(Value::Nil));
            }
        }
        Ok(answers)
    }

    /// Finds out whether another server has taken the place of one that did not answer.
    pub(super) fn note<T>(&self, answered: &Result<T>) {
        if let (Err(Error::NoAnswer(_)), Servers::Cluster(Clustered { cluster, .. })) =
            (answered, &self.servers)
        {
            cluster.suspect();
        }
    }

    /// Reports whether there is a cluster.
    pub(super) fn is_clustered(&self) -> bool {
        matches!(self.servers, Servers::Cluster(_))
    }
}

/// The way of one request to the server that holds its keys, which all have one slot.
pub(super) struct Route<'a> {
    lane: &'a Lane,
    slot: u16,
    /// The server to ask once, since the slot is on its way there.
    asking: Option<Arc<Address>>,
    follows_asks: bool,
    /// The time after which the request is not sent again.
    until: Instant,
    pause: Duration,
}

impl Route<'_> {
    /// Returns this way for a request that depends on the process that runs it: it waits until the slot
    /// has arrived at its new server.
    pub(super) fn waiting_for_moves(self) -> Self {
        Self { follows_asks: false, ..self }
    }

    /// Connects to the server.
    pub(super) async fn connected(&mut self) -> Result<Connected> {
        let clustered = match &self.lane.servers {
            Servers::One(link) => return link.connected().await,
            Servers::Cluster(clustered) => clustered,
        };
        let cluster = &clustered.cluster;
        if let Some(address) = self.asking.take() {
            return clustered.link_to(&address).connected().await.map(Connected::asking);
        }
        let nobody = || Error::Unreachable(format!("no server of the cluster has slot {}", self.slot));
        let mut owner = cluster.map().await?.owner(self.slot).cloned();
        if owner.is_none() {
            owner = cluster.refresh().await?.owner(self.slot).cloned();
        }
        let owner = owner.ok_or_else(nobody)?;
        let failed = match clustered.link_to(&owner).connected().await {
            Err(error @ Error::Unreachable(_)) => error,
            connected => return connected,
        };
        // Another server may have taken its place.
        let now = cluster.refresh().await?.owner(self.slot).cloned().ok_or_else(nobody)?;
        if now == owner {
            return Err(failed);
        }
        clustered.link_to(&now).connected().await
    }

    /// Reports whether the request must be sent again, because it surely did not run; waits before
    /// that if necessary.
    ///
    /// # Errors
    /// [`Error::Unreachable`]: it was sent again for too long.
    pub(super) async fn goes_on(&mut self, answer: &RedisResult<Value>) -> Result<bool> {
        let Servers::Cluster(Clustered { cluster, .. }) = &self.lane.servers else { return Ok(false) };
        let Some((error, why)) = answer.as_ref().err().and_then(|error| Some((error, not_run(error)?)))
        else {
            return Ok(false);
        };
        if Instant::now() >= self.until {
            return Err(Error::Unreachable(format!("the cluster has not run a command so far: {error}")));
        }
        match why {
            NotRun::Moved(to) => cluster.moved(self.slot, to).await,
            NotRun::Ask(to) if self.follows_asks => {
                self.asking = Some(Arc::new(to));
                return Ok(true);
            }
            NotRun::Ask(_) | NotRun::Later => {}
            NotRun::Elsewhere => drop(cluster.refresh().await),
        }
        tokio::time::sleep(self.pause).await;
        self.pause = (self.pause * 2).min(LONGEST_PAUSE);
        Ok(true)
    }
}

/// The reason for which a server of a cluster surely did not run a command.
#[derive(Debug, PartialEq, Eq)]
enum NotRun {
    /// Another server owns the slot.
    Moved(Address),
    /// The slot is on its way to another server, which has the key or will have it.
    Ask(Address),
    /// The keys are partly on their way, or the server is loading.
    Later,
    /// The server is no primary, or not one of a majority.
    Elsewhere,
}

fn not_run(error: &RedisError) -> Option<NotRun> {
    let kind = |kind: ServerErrorKind| error.kind() == kind.into();
    if let Some((address, _)) = error.redirect_node() {
        let Some(address) = address_of(address) else { return Some(NotRun::Elsewhere) };
        return Some(if kind(ServerErrorKind::Ask) { NotRun::Ask(address) } else { NotRun::Moved(address) });
    }
    if kind(ServerErrorKind::TryAgain) || kind(ServerErrorKind::BusyLoading) {
        return Some(NotRun::Later);
    }
    let elsewhere = [ServerErrorKind::ClusterDown, ServerErrorKind::MasterDown, ServerErrorKind::ReadOnly];
    elsewhere.into_iter().any(kind).then_some(NotRun::Elsewhere)
}

/// Reads the address in a redirection: the port follows the last colon. A host that is not named is not
/// followed: the map says where the server is.
fn address_of(text: &str) -> Option<Address> {
    let (host, port) = text.rsplit_once(':')?;
    let host = host.trim_start_matches('[').trim_end_matches(']');
    (!host.is_empty()).then_some((host.to_owned(), port.parse().ok()?))
}

/// Returns the key of a command, which is its first argument. The first key of a script follows the
/// number of keys.
fn key_of(command: &Cmd) -> &[u8] {
    let place = match command.args_iter().next() {
        Some(redis::Arg::Simple(b"EVAL" | b"EVALSHA")) => 3,
        Some(redis::Arg::Simple(b"XREAD")) => 4,
        _ => 1,
    };
    match command.args_iter().nth(place) {
        Some(redis::Arg::Simple(key)) => key,
        _ => b"",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_key_of_each_kind_of_command_is_found() {
        let key = |words: &[&str]| {
            let mut command = redis::cmd(words[0]);
            command.arg(&words[1..]);
            String::from_utf8(key_of(&command).to_vec()).unwrap()
        };
        assert_eq!(key(&["GET", "k"]), "k");
        assert_eq!(key(&["EVALSHA", "digest", "2", "k", "l", "x"]), "k");
        assert_eq!(key(&["XREAD", "COUNT", "1", "STREAMS", "k", "0-0"]), "k");
        assert_eq!(key(&["PING"]), "");
    }

    #[test]
    fn errors_that_say_that_nothing_ran_are_known() {
        let why = |line: &str| {
            let error = redis::parse_redis_value(line.as_bytes()).and_then(Value::extract_error).unwrap_err();
            not_run(&error)
        };
        assert_eq!(why("-MOVED 7 10.0.0.1:6379\r\n"), Some(NotRun::Moved(("10.0.0.1".to_owned(), 6379))));
        assert_eq!(why("-MOVED 7 :6379\r\n"), Some(NotRun::Elsewhere));
        assert_eq!(why("-ASK 7 ::1:5\r\n"), Some(NotRun::Ask(("::1".to_owned(), 5))));
        for line in ["-TRYAGAIN Multiple keys request\r\n", "-LOADING Redis is loading\r\n"] {
            assert_eq!(why(line), Some(NotRun::Later), "{line}");
        }
        for line in
            ["-CLUSTERDOWN Hash slot not served\r\n", "-MASTERDOWN Link\r\n", "-READONLY You can't\r\n"]
        {
            assert_eq!(why(line), Some(NotRun::Elsewhere), "{line}");
        }
        for line in ["-ERR no\r\n", "-OOM command not allowed\r\n", "-NOSCRIPT No matching script\r\n"] {
            assert_eq!(why(line), None, "{line}");
        }
    }
}
