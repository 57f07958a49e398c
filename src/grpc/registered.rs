//! The quota of registered streams.

use tokio::sync::MutexGuard;

use super::fault::Result;
use super::permissions;
use crate::access::{Caller, RegisteredStreams};
use crate::queue::{ListStreams, Queue};

/// The number of streams that one call to the queue reads.
const READ_AT_ONCE: usize = 1_000;

/// The right of a caller to register one stream. While it exists, no other call of the principal on
/// this server registers one.
#[derive(Debug)]
pub(crate) struct Registration<'a> {
    /// `None` if the principal may register any number.
    counted: Option<MutexGuard<'a, RegisteredStreams>>,
}

impl<'a> Registration<'a> {
    /// Counts the registered streams that the caller's principal has registered.
    ///
    /// # Errors
    /// The quota is used up, or the streams cannot be read.
    pub(crate) async fn of(caller: &'a Caller, queue: &dyn Queue) -> Result<Self> {
        let Some(mut counted) = caller.usage().registrations().await else {
            return Ok(Self { counted: None });
        };
        if !counted.is_recent() {
            counted.set(count(caller, queue).await?);
        }
        match caller.usage().check_registration(&counted) {
            Ok(()) => Ok(Self { counted: Some(counted) }),
            Err(exceeded) => Err(permissions::over_quota(caller, exceeded)),
        }
    }

    /// Notes that the stream is registered.
    pub(crate) fn used(self) {
        if let Some(mut counted) = self.counted {
            counted.add();
        }
    }
}

async fn count(caller: &Caller, queue: &dyn Queue) -> Result<u64> {
    let (mut after, mut found) = (None, 0);
    loop {
        let records = queue.list_streams(&ListStreams { after, limit: READ_AT_ONCE }).await?;
        found += records.iter().filter(|record| record.settings.owner.as_ref() == caller.name()).count();
        if records.len() < READ_AT_ONCE {
            return Ok(found as u64);
        }
        after = records.last().map(|record| record.id.clone());
        tokio::task::yield_now().await;
    }
}
