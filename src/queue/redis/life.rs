//! Which store this is, and what is known of numbers that it gave out and may have forgotten.

use std::sync::{Mutex, PoisonError};

use async_trait::async_trait;
use redis::Value;

use super::keys::{LAYOUT, STORE};
use super::scripts::Call;
use super::{RedisQueue, reply};
use crate::domain::{Sequence, StoreIdentity, StreamId};
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

    fn take_identity(&self, stored: Value) -> Result<StoreIdentity> {
        let bytes = reply::bytes(stored)?.unwrap_or_default();
        let identity = StoreIdentity::from_bytes(&bytes)
            .ok_or_else(|| Error::Corrupt(format!("{STORE} does not hold the identity of a store")))?;
        self.identity.set(identity);
        Ok(identity)
    }
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
