//! Direct access of the benchmarks to Redis: its statistics, and the raw hop that serves as a
//! limit.

use std::time::{Duration, Instant};

use redis::aio::MultiplexedConnection;
use redis::io::tcp::TcpSettings;
use redis::streams::StreamReadReply;
use redis::{Client, IntoConnectionInfo as _, RedisResult};

use crate::console::Failure;

/// The maximum number of batches that the writer of a raw hop is ahead of the reader.
const BATCHES_AHEAD: usize = 4;
/// The time after which the stream of an interrupted benchmark expires.
const EXPIRE_SECONDS: u64 = 60;

/// A connection that reads statistics.
#[derive(Clone)]
pub(super) struct Probe(MultiplexedConnection);

impl std::fmt::Debug for Probe {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Probe").finish_non_exhaustive()
    }
}

impl Probe {
    /// Connects to one server.
    ///
    /// # Errors
    /// Returns an error if Redis cannot be reached.
    pub(super) async fn connect(url: &str) -> RedisResult<Self> {
        Ok(Self(client(url)?.get_multiplexed_async_connection().await?))
    }

    /// Connects to the server of a URL, or to every master of the cluster of a URL.
    ///
    /// # Errors
    /// Returns an error if Redis cannot be reached.
    pub(super) async fn of_masters(url: &str) -> RedisResult<Vec<Self>> {
        let Some((scheme, places)) = url.split_once("-cluster://") else {
            return Ok(vec![Self::connect(url).await?]);
        };
        let (user, places) =
            places.rsplit_once('@').map_or((None, places), |(user, rest)| (Some(user), rest));
        let user = user.map_or(String::new(), |user| format!("{user}@"));
        let first = places.split(',').next().unwrap_or_default();
        // A server that no other one has met does not know its own host.
        let host = first.rsplit_once(':').map_or(first, |(host, _)| host);
        let first = Self::connect(&format!("{scheme}://{user}{first}")).await?;
        let mut all = Vec::new();
        for address in masters(&first.nodes().await?) {
            let host = if address.starts_with(':') { host } else { "" };
            all.push(Self::connect(&format!("{scheme}://{user}{host}{address}")).await?);
        }
        Ok(all)
    }

    /// Runs a command that answers OK or a number.
    ///
    /// # Errors
    /// Returns an error if Redis cannot be reached, or refuses it.
    pub(super) async fn run(&self, words: &[&str]) -> RedisResult<()> {
        let mut words = words.iter();
        let mut command = redis::cmd(words.next().copied().unwrap_or_default());
        command.arg(words.collect::<Vec<_>>()).exec_async(&mut self.0.clone()).await
    }

    /// Returns the number of masters that a node of a cluster knows.
    ///
    /// # Errors
    /// Returns an error if Redis cannot be reached, or is in no cluster.
    pub(super) async fn masters(&self) -> RedisResult<usize> {
        Ok(masters(&self.nodes().await?).len())
    }

    /// Returns the nodes of a cluster, as Redis describes them: one in each line.
    ///
    /// # Errors
    /// Returns an error if Redis cannot be reached, or is in no cluster.
    async fn nodes(&self) -> RedisResult<String> {
        redis::cmd("CLUSTER").arg("NODES").query_async(&mut self.0.clone()).await
    }

    /// Reports whether a node takes its cluster to be well.
    ///
    /// # Errors
    /// Returns an error if Redis cannot be reached, or is in no cluster.
    pub(super) async fn is_in_a_good_cluster(&self) -> RedisResult<bool> {
        let text: String = redis::cmd("CLUSTER").arg("INFO").query_async(&mut self.0.clone()).await?;
        Ok(text.contains("cluster_state:ok"))
    }

    /// Returns the processor time that the Redis process has used.
    ///
    /// # Errors
    /// Returns an error if Redis cannot be reached.
    pub(super) async fn cpu(&self) -> RedisResult<Duration> {
        let text = self.info("cpu").await?;
        let field = |name: &str| -> f64 {
            let value = text.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(':'));
            value.and_then(|value| value.trim().parse().ok()).unwrap_or(0.0)
        };
        Ok(Duration::from_secs_f64(field("used_cpu_user") + field("used_cpu_sys")))
    }

    /// Returns how many times a command was called.
    ///
    /// # Errors
    /// Returns an error if Redis cannot be reached.
    pub(super) async fn calls(&self, command: &str) -> RedisResult<u64> {
        let text = self.info("commandstats").await?;
        let prefix = format!("cmdstat_{command}:calls=");
        let calls = text.lines().find_map(|line| line.strip_prefix(&prefix)?.split(',').next());
        Ok(calls.and_then(|calls| calls.parse().ok()).unwrap_or(0))
    }

    async fn info(&self, section: &str) -> RedisResult<String> {
        redis::cmd("INFO").arg(section).query_async(&mut self.0.clone()).await
    }
}

/// Returns the addresses of the masters among the nodes of a cluster, without those that are gone.
fn masters(nodes: &str) -> Vec<&str> {
    nodes.lines().filter_map(master).collect()
}

/// Returns the address in the line of a master.
fn master(line: &str) -> Option<&str> {
    let mut words = line.split(' ').skip(1);
    let (place, flags) = (words.next()?, words.next()?);
    let is_there = flags.split(',').all(|flag| matches!(flag, "master" | "myself"));
    // The port of the bus follows after an @.
    is_there.then(|| place.split('@').next()).flatten()
}

/// Makes a failure of an error.
pub(super) fn failure(error: redis::RedisError) -> Failure {
    Failure::Failed(error.into())
}

fn client(url: &str) -> RedisResult<Client> {
    let settings = TcpSettings::default().set_nodelay(true);
    Client::open(url.into_connection_info()?.set_tcp_settings(settings))
}

/// Measures a raw hop through Redis alone: XADD of `size` bytes, XREADGROUP, XACK and XDEL, in
/// batches of `batch`, for about `span`. Returns frames per second, and removes the stream.
///
/// # Errors
/// Returns an error if Redis cannot be reached or refuses a command.
pub(super) async fn raw_hop(url: &str, size: usize, batch: usize, span: Duration) -> RedisResult<f64> {
    let client = client(url)?;
    let mut inward = client.get_multiplexed_async_connection().await?;
    let mut outward = client.get_multiplexed_async_connection().await?;
    let key = format!("frameway-bench:{:016x}", rand::random::<u64>());
    let mut create = redis::cmd("XGROUP");
    create.arg("CREATE").arg(&key).arg("g").arg("$").arg("MKSTREAM");
    create.exec_async(&mut inward).await?;
    // Let the stream expire if the benchmark is interrupted.
    let mut expire = redis::cmd("EXPIRE");
    expire.arg(&key).arg(span.as_secs() + EXPIRE_SECONDS);
    expire.exec_async(&mut inward).await?;
    // The channel keeps the writer at most a few batches ahead of the reader.
    let (free, room) = tokio::sync::mpsc::channel(BATCHES_AHEAD);
    let begin = Instant::now();
    let writing = write(&mut inward, &key, size, batch, begin + span, free);
    let reading = read(&mut outward, &key, batch, room);
    let moved = tokio::try_join!(writing, reading);
    let seconds = begin.elapsed().as_secs_f64();
    redis::cmd("UNLINK").arg(&key).exec_async(&mut inward).await?;
    let ((), frames) = moved?;
    Ok(frames as f64 / seconds)
}

async fn write(
    connection: &mut MultiplexedConnection,
    key: &str,
    size: usize,
    batch: usize,
    end: Instant,
    free: tokio::sync::mpsc::Sender<()>,
) -> RedisResult<()> {
    let payload = vec![0x5a_u8; size];
    while Instant::now() < end && free.send(()).await.is_ok() {
        let mut pipe = redis::pipe();
        for _ in 0..batch {
            pipe.cmd("XADD").arg(key).arg("*").arg("d").arg(&payload).ignore();
        }
        pipe.exec_async(connection).await?;
    }
    Ok(())
}

async fn read(
    connection: &mut MultiplexedConnection,
    key: &str,
    batch: usize,
    mut room: tokio::sync::mpsc::Receiver<()>,
) -> RedisResult<u64> {
    let mut frames = 0;
    // Each message announces a batch, which may not be complete yet.
    let mut unread = 0;
    loop {
        if unread == 0 {
            let Some(()) = room.recv().await else { return Ok(frames) };
            unread = batch;
        }
        let mut take = redis::cmd("XREADGROUP");
        take.arg("GROUP")
            .arg("g")
            .arg("c")
            .arg("COUNT")
            .arg(unread)
            .arg("BLOCK")
            .arg(100)
            .arg("STREAMS")
            .arg(key)
            .arg(">");
        let taken: Option<StreamReadReply> = take.query_async(connection).await?;
        let ids: Vec<String> = taken
            .into_iter()
            .flat_map(|reply| reply.keys)
            .flat_map(|key| key.ids)
            .map(|entry| entry.id)
            .collect();
        if ids.is_empty() {
            continue;
        }
        let mut pipe = redis::pipe();
        pipe.cmd("XACK").arg(key).arg("g").arg(&ids).ignore().cmd("XDEL").arg(key).arg(&ids).ignore();
        pipe.exec_async(connection).await?;
        frames += ids.len() as u64;
        unread -= ids.len().min(unread);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_masters_of_a_cluster_are_those_that_are_there() {
        let nodes = "a1 127.0.0.1:7001@17001 myself,master - 0 0 1 connected 0-5460\n\
                     b2 127.0.0.1:7002@17002,host master - 0 0 2 connected 5461-16383\n\
                     c3 127.0.0.1:7003@17003 slave a1 0 0 1 connected\n\
                     d4 127.0.0.1:7004@17004 master,fail - 0 0 3 disconnected\n";
        assert_eq!(masters(nodes), ["127.0.0.1:7001", "127.0.0.1:7002"]);
    }
}
