//! What `frameway bench` asks a Redis beside the queue.

use std::time::{Duration, Instant};

use redis::aio::MultiplexedConnection;
use redis::streams::StreamReadReply;

use super::conn;
use crate::queue::{Error, Result};

/// Batches that the writer of a raw hop may be ahead.
const BATCHES_AHEAD: usize = 4;
/// What an interrupted benchmark leaves is gone after this.
const LEFT_BEHIND_SECONDS: u64 = 60;

/// A connection that only looks.
#[derive(Clone)]
pub(crate) struct Probe(MultiplexedConnection);

impl std::fmt::Debug for Probe {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Probe").finish_non_exhaustive()
    }
}

impl Probe {
    /// Connects.
    ///
    /// # Errors
    /// [`Error::Unreachable`].
    pub(crate) async fn connect(url: &str) -> Result<Self> {
        let connected = conn::client(url)?.get_multiplexed_async_connection().await;
        Ok(Self(connected.map_err(unreachable)?))
    }

    /// Processor time that the Redis process has used.
    ///
    /// # Errors
    /// [`Error::Unreachable`].
    pub(crate) async fn cpu(&self) -> Result<Duration> {
        let said = self.info("cpu").await?;
        let field = |name: &str| -> f64 {
            let value = said.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(':'));
            value.and_then(|value| value.trim().parse().ok()).unwrap_or(0.0)
        };
        Ok(Duration::from_secs_f64(field("used_cpu_user") + field("used_cpu_sys")))
    }

    /// How often a command was called.
    ///
    /// # Errors
    /// [`Error::Unreachable`].
    pub(crate) async fn calls(&self, command: &str) -> Result<u64> {
        let said = self.info("commandstats").await?;
        let prefix = format!("cmdstat_{command}:calls=");
        let calls = said.lines().find_map(|line| line.strip_prefix(&prefix)?.split(',').next());
        Ok(calls.and_then(|calls| calls.parse().ok()).unwrap_or(0))
    }

    async fn info(&self, section: &str) -> Result<String> {
        let asked = redis::cmd("INFO").arg(section).query_async(&mut self.0.clone()).await;
        asked.map_err(unreachable)
    }
}

fn unreachable(error: redis::RedisError) -> Error {
    Error::Unreachable(error.to_string())
}

/// One hop through this Redis and nothing else: XADD of `size` bytes, XREADGROUP, XACK and XDEL, in batches of `batch`, for about `span`.
/// Answers frames a second. The stream is removed at the end.
///
/// # Errors
/// [`Error::Unreachable`], or what Redis refused.
pub(crate) async fn raw_hop(url: &str, size: usize, batch: usize, span: Duration) -> Result<f64> {
    let client = conn::client(url)?;
    let mut inward = client.get_multiplexed_async_connection().await.map_err(unreachable)?;
    let mut outward = client.get_multiplexed_async_connection().await.map_err(unreachable)?;
    let key = format!("frameway-bench:{:016x}", rand::random::<u64>());
    let mut create = redis::cmd("XGROUP");
    create.arg("CREATE").arg(&key).arg("g").arg("$").arg("MKSTREAM");
    create.exec_async(&mut inward).await.map_err(unreachable)?;
    // Should nobody come to remove it.
    let mut expire = redis::cmd("EXPIRE");
    expire.arg(&key).arg(span.as_secs() + LEFT_BEHIND_SECONDS);
    expire.exec_async(&mut inward).await.map_err(unreachable)?;
    // The reader frees what it has; the writer is at most a few batches ahead.
    let (free, room) = tokio::sync::mpsc::channel(BATCHES_AHEAD);
    let begin = Instant::now();
    let writing = write(&mut inward, &key, size, batch, begin + span, free);
    let reading = read(&mut outward, &key, batch, room);
    let moved = tokio::try_join!(writing, reading);
    let seconds = begin.elapsed().as_secs_f64();
    redis::cmd("UNLINK").arg(&key).exec_async(&mut inward).await.map_err(unreachable)?;
    let ((), frames) = moved.map_err(unreachable)?;
    Ok(frames as f64 / seconds)
}

async fn write(
    connection: &mut MultiplexedConnection,
    key: &str,
    size: usize,
    batch: usize,
    end: Instant,
    free: tokio::sync::mpsc::Sender<()>,
) -> redis::RedisResult<()> {
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
) -> redis::RedisResult<u64> {
    let mut frames = 0;
    // A batch was begun for each word; it may not be there yet.
    let mut open = 0;
    loop {
        if open == 0 {
            let Some(()) = room.recv().await else { return Ok(frames) };
            open = batch;
        }
        let mut take = redis::cmd("XREADGROUP");
        take.arg("GROUP")
            .arg("g")
            .arg("c")
            .arg("COUNT")
            .arg(open)
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
        open -= ids.len().min(open);
    }
}
