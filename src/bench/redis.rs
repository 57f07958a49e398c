//! Direct access of the benchmarks to Redis: its statistics, and the raw hop that serves as a
//! limit.

use std::time::{Duration, Instant};

use redis::aio::MultiplexedConnection;
use redis::io::tcp::TcpSettings;
use redis::streams::StreamReadReply;
use redis::{Client, IntoConnectionInfo as _, RedisResult};

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
    /// Connects.
    ///
    /// # Errors
    /// Returns an error if Redis cannot be reached.
    pub(super) async fn connect(url: &str) -> RedisResult<Self> {
        Ok(Self(client(url)?.get_multiplexed_async_connection().await?))
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
