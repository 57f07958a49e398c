//! Identifies the store, and notices sequences that it issued and has forgotten.

use async_trait::async_trait;
use redis::{RedisResult, Value};
use tokio::time::Instant;

use super::conn::refused;
use super::markers::MARKER;
use super::resp::Request;
use super::scripts::Call;
use super::witness::{HighWater, JOIN_WAIT, MAY_ACCEPT};
use super::{RedisQueue, reply};
use crate::domain::{PartitionId, Sequence, StoreIdentity, StreamId};
use crate::queue::{Result, ServerPresence};

impl RedisQueue {
    /// Reads the identity of a store that is laid out. One that was laid out by a version without
    /// identities gets one.
    pub(super) async fn identify(&self) -> Result<StoreIdentity> {
        let mut pipe = redis::pipe();
        for command in self.gate.give_identity() {
            pipe.add_command(command);
        }
        let stored = self.all(&self.control, &pipe).await?.pop().unwrap_or(Value::Nil);
        self.gate.identified(stored)
    }

    /// Sends a heartbeat; returns how many servers accept frames. Then reads the partitions'
    /// states, to learn of frames that were accepted by servers that have left the list.
    async fn send_heartbeat(&self) -> Result<u64> {
        let _one = self.witness.heartbeat_lock.lock().await;
        let servers = self.try_send_heartbeat().await;
        if servers.is_err() {
            self.witness.not_answered();
        }
        servers
    }

    async fn try_send_heartbeat(&self) -> Result<u64> {
        let servers = self.names.servers();
        let connected = self.control.route(&servers).connected().await?;
        let sent = Instant::now();
        let mut call = Call::default();
        call.key(servers.clone()).key(self.names.erasers(&servers)).arg(self.witness.server.as_str());
        call.number(MAY_ACCEPT.as_millis() as u64);
        let answer = match self.control.is_clustered() {
            true => self.scripts.heartbeat.run(&self.control, &call).await?,
            // The states must be those of the process that answers the heartbeat.
            false => {
                single(self.scripts.heartbeat.run_on(&connected, Request::default(), &call, None).await?)?
            }
        };
        let mut answer = reply::array(answer)?.into_iter();
        let servers = reply::number(answer.next().unwrap_or(Value::Nil))?;
        let until = reply::number(answer.next().unwrap_or(Value::Nil))?;
        let mut states = redis::pipe();
        for partition in self.config.partitions.all() {
            states.cmd("HMGET").arg(self.names.keys(partition).counts());
            states.arg("epoch").arg("accepted").arg("feed").arg(MARKER);
        }
        let states = match self.control.is_clustered() {
            true => self.control.run(&states).await?,
            false => connected.ask((&states).into()).await?,
        };
        let mut is_lost = false;
        for (partition, state) in self.config.partitions.all().zip(states) {
            let state = match state {
                // A server of the cluster that cannot be asked does not keep the others from being used.
                Err(error) if self.control.is_clustered() => {
                    tracing::debug!(%partition, %error, "the state of a partition cannot be read");
                    continue;
                }
                state => reply::array(state.map_err(refused)?)?,
            };
            if self.control.is_clustered() && matches!(state.last(), Some(Value::Nil) | None) {
                is_lost = true;
                continue;
            }
            let stored = known(&mut state.into_iter())?;
            if self.witness.known(partition).exceeds(stored) {
                self.jump_if_restored(partition).await?;
            } else {
                self.witness.note(partition, stored);
            }
        }
        if is_lost {
            self.mend_cluster().await?;
        }
        self.witness.answered(connected.instance.run_id(), sent, servers, until);
        Ok(servers)
    }

    async fn read_stored_identity(&self) -> Result<StoreIdentity> {
        let mut get = redis::pipe();
        get.cmd("GET").arg(self.names.layout()).cmd("GET").arg(self.names.store());
        let mut values = self.all(&self.control, &get).await?.into_iter();
        match (values.next(), values.next()) {
            (None | Some(Value::Nil), _) | (_, None | Some(Value::Nil)) if self.control.is_clustered() => {
                self.mend_cluster().await?;
                Ok(self.gate.identity())
            }
            // It was emptied and is not laid out yet: nothing can be read from it.
            (None | Some(Value::Nil), _) => Ok(self.gate.identity()),
            (Some(_), None | Some(Value::Nil)) => self.identify().await,
            (Some(_), Some(stored)) => self.gate.identified(stored),
        }
    }

    /// Makes the sequences of a partition jump if the store was restored to an older state of it,
    /// unless the store was emptied.
    async fn jump_if_restored(&self, partition: PartitionId) -> Result<()> {
        if !self.is_laid_out(partition).await? {
            return Ok(());
        }
        let mut call = Call::default();
        call.key(self.names.keys(partition).counts()).arg(self.witness.known(partition).argument());
        let mut answer = reply::array(self.scripts.raise_epoch.run(&self.control, &call).await?)?.into_iter();
        self.witness.note(partition, known(&mut answer)?);
        if reply::number(answer.next().unwrap_or(Value::Nil))? > 0 {
            tracing::error!(%partition, "Redis was restored to an older state; sequences of the partition jump");
        }
        Ok(())
    }
}

/// Returns the only answer.
fn single(mut answers: Vec<RedisResult<Value>>) -> Result<Value> {
    answers.pop().unwrap_or(Ok(Value::Nil)).map_err(refused)
}

/// Reads epoch, accepted frames and feed position.
fn known(values: &mut impl Iterator<Item = Value>) -> Result<HighWater> {
    let mut next = || reply::number(values.next().unwrap_or(Value::Nil));
    Ok(HighWater { epoch: next()?, accepted: next()?, feed: next()? })
}

#[async_trait]
impl ServerPresence for RedisQueue {
    fn identity(&self) -> StoreIdentity {
        self.gate.identity()
    }

    async fn read_identity(&self) -> Result<StoreIdentity> {
        match self.read_stored_identity().await {
            // The servers of a cluster that have it may be away while the others serve.
            Err(error) if self.control.is_clustered() && self.gate.is_open() && error.is_retryable() => {
                Ok(self.gate.identity())
            }
            read => read,
        }
    }

    async fn join(&self) -> Result<()> {
        if self.send_heartbeat().await? > 1 {
            tokio::time::sleep(JOIN_WAIT).await;
        }
        self.witness.joined();
        self.heartbeat().await
    }

    async fn heartbeat(&self) -> Result<()> {
        if self.witness.accepts_frames() {
            self.send_heartbeat().await?;
        }
        Ok(())
    }

    async fn leave(&self) -> Result<()> {
        self.witness.end();
        let mut call = Call::default();
        call.key(self.names.servers())
            .key(self.names.erasers(&self.names.servers()))
            .arg(self.witness.server.as_str())
            .number(0);
        self.scripts.heartbeat.run(&self.control, &call).await.map(drop)
    }

    async fn note_issued(&self, stream: &StreamId, sequence: Sequence) -> Result<()> {
        let keys = self.keys(stream);
        let mut call = Call::default();
        call.key(keys.stream(stream)).key(keys.counts()).number(sequence.get());
        if reply::number(self.scripts.note_issued.run(&self.control, &call).await?)? > 0 {
            tracing::error!(%stream, %sequence, "the store lost sequences that it had issued; its sequences jump");
        }
        Ok(())
    }
}
