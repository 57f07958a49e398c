//! Which store this is, and what is known of numbers that it gave out and may have forgotten.

use std::sync::{Mutex, PoisonError};

use async_trait::async_trait;
use redis::{RedisResult, Value};
use tokio::time::Instant;

use super::conn::refused;
use super::keys::{Keys, LAYOUT, SERVERS, STORE};
use super::scripts::Call;
use super::wire::Request;
use super::witness::{JOIN_WAIT, Known, MAY_ACCEPT};
use super::{RedisQueue, reply};
use crate::domain::{PartitionId, Sequence, StoreIdentity, StreamId};
use crate::queue::{Error, Life, Result};

/// The store's identity, as it was last read.
#[derive(Debug, Default)]
pub(super) struct KnownIdentity(Mutex<StoreIdentity>);

impl KnownIdentity {
    fn get(&self) -> StoreIdentity {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn set(&self, identity: StoreIdentity) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = identity;
    }
}

impl RedisQueue {
    /// Reads the identity of a store that is laid out. One that was laid out by a version without identities gets one.
    pub(super) async fn identify(&self) -> Result<StoreIdentity> {
        let fresh = StoreIdentity::random().to_bytes();
        let mut pipe = redis::pipe();
        pipe.cmd("SET").arg(STORE).arg(&fresh[..]).arg("NX").cmd("GET").arg(STORE);
        let stored = self.all(&self.control, &pipe).await?.pop().unwrap_or(Value::Nil);
        self.take_identity(stored)
    }

    /// Gives a sign of life; answers how many servers accept frames. Looks at the partitions' states behind it: what others had
    /// accepted that are not on the list any more is known then.
    async fn show_up(&self) -> Result<u64> {
        let _one = self.witness.attending.lock().await;
        let shown = self.try_to_show_up().await;
        if shown.is_err() {
            self.witness.not_answered();
        }
        shown
    }

    async fn try_to_show_up(&self) -> Result<u64> {
        let connected = self.control.connected().await?;
        let sent = Instant::now();
        let mut call = Call::default();
        call.key(SERVERS.to_owned()).arg(self.witness.server.as_str());
        call.number(MAY_ACCEPT.as_millis() as u64);
        let shown = self.scripts.attend.run_on(&connected, Request::default(), &call, None).await?;
        let mut shown = reply::array(one(shown)?)?.into_iter();
        let servers = reply::number(shown.next().unwrap_or(Value::Nil))?;
        let until = reply::number(shown.next().unwrap_or(Value::Nil))?;
        let mut states = Request::default();
        for partition in self.config.partitions.all() {
            let mut get = redis::cmd("HMGET");
            get.arg(Keys(partition).counts()).arg("epoch").arg("accepted").arg("feed");
            states.add(&get);
        }
        for (partition, state) in self.config.partitions.all().zip(connected.ask(states).await?) {
            let stored = known(&mut reply::array(state.map_err(refused)?)?.into_iter())?;
            if self.witness.known(partition).exceeds(stored) {
                self.remember(partition).await?;
            } else {
                self.witness.note(partition, stored);
            }
        }
        self.witness.answered(connected.instance.run_id(), sent, servers, until);
        Ok(servers)
    }

    /// The store has less of a partition than it had: unless it was emptied, its numbers are to leap.
    async fn remember(&self, partition: PartitionId) -> Result<()> {
        let mut get = redis::cmd("EXISTS");
        get.arg(LAYOUT);
        if reply::number(self.control.command(&get).await?)? == 0 {
            return Ok(());
        }
        let mut call = Call::default();
        call.key(Keys(partition).counts()).arg(self.witness.known(partition).argument());
        let mut answer = reply::array(self.scripts.forgot.run(&self.control, &call).await?)?.into_iter();
        self.witness.note(partition, known(&mut answer)?);
        if reply::number(answer.next().unwrap_or(Value::Nil))? > 0 {
            tracing::error!(%partition, "Redis was put back to an older state: the partition's numbers leap");
        }
        Ok(())
    }

    fn take_identity(&self, stored: Value) -> Result<StoreIdentity> {
        let bytes = reply::bytes(stored)?.unwrap_or_default();
        let identity = StoreIdentity::from_bytes(&bytes)
            .ok_or_else(|| Error::Corrupt(format!("{STORE} does not hold the identity of a store")))?;
        self.identity.set(identity);
        Ok(identity)
    }
}

/// The only answer.
fn one(mut answers: Vec<RedisResult<Value>>) -> Result<Value> {
    answers.pop().unwrap_or(Ok(Value::Nil)).map_err(refused)
}

/// Epoch, accepted frames, feed number.
fn known(values: &mut impl Iterator<Item = Value>) -> Result<Known> {
    let mut next = || reply::number(values.next().unwrap_or(Value::Nil));
    Ok(Known { epoch: next()?, accepted: next()?, feed: next()? })
}

#[async_trait]
impl Life for RedisQueue {
    fn identity(&self) -> StoreIdentity {
        self.identity.get()
    }

    async fn read_identity(&self) -> Result<StoreIdentity> {
        let mut get = redis::cmd("MGET");
        get.arg(LAYOUT).arg(STORE);
        let mut values = reply::array(self.control.command(&get).await?)?.into_iter();
        match (values.next(), values.next()) {
            // Emptied, and not laid out anew yet: nothing of it can be read.
            (None | Some(Value::Nil), _) => Ok(self.identity.get()),
            (Some(_), None | Some(Value::Nil)) => self.identify().await,
            (Some(_), Some(stored)) => self.take_identity(stored),
        }
    }

    async fn join(&self) -> Result<()> {
        if self.show_up().await? > 1 {
            tokio::time::sleep(JOIN_WAIT).await;
        }
        self.witness.joined();
        self.attend().await
    }

    async fn attend(&self) -> Result<()> {
        if self.witness.takes_part() {
            self.show_up().await?;
        }
        Ok(())
    }

    async fn leave(&self) -> Result<()> {
        self.witness.end();
        let mut call = Call::default();
        call.key(SERVERS.to_owned()).arg(self.witness.server.as_str()).number(0);
        self.scripts.attend.run(&self.control, &call).await.map(drop)
    }

    async fn has_given(&self, stream: &StreamId, given: Sequence) -> Result<()> {
        let keys = self.keys(stream);
        let mut call = Call::default();
        call.key(keys.stream(stream)).key(keys.counts()).number(given.get());
        if reply::number(self.scripts.given.run(&self.control, &call).await?)? > 0 {
            tracing::error!(%stream, %given, "the store has forgotten numbers that it gave out: its numbers leap");
        }
        Ok(())
    }
}
