//! Lays out a store in a cluster, and notices partitions that were lost.
//!
//! A server of the cluster may lose all its data while the others keep theirs. So each partition has
//! a marker: the identity of the store. A partition without one is empty, whatever the key of the
//! layout says, and its sequences start above all that it can have issued.

use std::time::Duration;

use bytes::Bytes;
use futures::future::BoxFuture;
use redis::Value;
use tokio::time::{Instant, sleep};

use super::gate::{Gate, LaysOut};
use super::keys::Names;
use super::lane::Lane;
use super::{conn, reply};
use crate::domain::{PartitionId, Partitions, StoreIdentity, Timestamp};
use crate::queue::{Error, Result};

/// The field of a partition's counters that contains its marker.
pub(super) const MARKER: &str = "store";
/// The time that another process has for laying out a store.
const LAYING_OUT: Duration = Duration::from_secs(1);
const LOOK_EVERY: Duration = Duration::from_millis(50);

/// What a cluster has of the layout of a store.
struct Found {
    layout: Option<String>,
    store: Option<Bytes>,
    markers: Vec<(PartitionId, Option<Bytes>)>,
}

impl Found {
    /// Returns the identity of the store, if anything has it.
    fn identity(&self) -> Option<&Bytes> {
        self.store.iter().chain(self.markers.iter().filter_map(|(_, marker)| marker.as_ref())).next()
    }
}

/// A store in a cluster.
#[derive(Debug)]
pub(super) struct Markers<'a> {
    pub(super) gate: &'a Gate,
    pub(super) lane: &'a Lane,
    pub(super) names: &'a Names,
    pub(super) partitions: Partitions,
}

impl Markers<'_> {
    /// Lays out what is not laid out: the whole store if the cluster has nothing of it, or what was
    /// lost. Returns the partitions that were lost.
    ///
    /// # Errors
    /// [`Error::Layout`]: the store has another layout. [`Error::Corrupt`]: a partition belongs to
    /// another store.
    pub(super) async fn mend(&self) -> Result<Vec<PartitionId>> {
        let mut found = self.look().await?;
        let until = Instant::now() + LAYING_OUT;
        while found.layout.is_none() && found.identity().is_some() && Instant::now() < until {
            sleep(LOOK_EVERY).await;
            found = self.look().await?;
        }
        self.gate.check_layout(found.layout.as_deref())?;
        let known = Some(self.gate.identity()).filter(|known| *known != StoreIdentity::default());
        let is_new = found.layout.is_none() && found.identity().is_none() && known.is_none();
        let identity = self.settle_identity(known, &found).await?;
        let mut lost = Vec::new();
        let mut pipe = redis::pipe();
        for (partition, marker) in &found.markers {
            match marker {
                Some(marker) if *marker == identity[..] => {}
                Some(_) => {
                    return Err(Error::Corrupt(format!("partition {partition} belongs to another store")));
                }
                None => {
                    let counts = self.names.keys(*partition).counts();
                    if !is_new {
                        // Nobody knows which sequences were issued. The clock's microseconds are above
                        // all that can have been.
                        let base = Timestamp::now().as_micros().unsigned_abs();
                        pipe.cmd("HSETNX").arg(&counts).arg("base").arg(base);
                        lost.push(*partition);
                    }
                    pipe.cmd("HSETNX").arg(&counts).arg(MARKER).arg(&identity[..]);
                }
            }
        }
        self.run(&pipe).await?;
        if found.layout.is_none() {
            self.gate.laid_out(self.lane.command(&self.gate.lay_out()).await?)?;
        }
        if !lost.is_empty() {
            let ids: Vec<String> = lost.iter().map(PartitionId::to_string).collect();
            tracing::error!(
                partitions = ids.join(" "),
                "these partitions lost all their data; their streams must be registered again"
            );
        }
        Ok(lost)
    }

    async fn look(&self) -> Result<Found> {
        let mut pipe = redis::pipe();
        pipe.cmd("GET").arg(self.names.layout()).cmd("GET").arg(self.names.store());
        for partition in self.partitions.all() {
            pipe.cmd("HGET").arg(self.names.keys(partition).counts()).arg(MARKER);
        }
        let mut answers = self.run(&pipe).await?.into_iter();
        let mut next = || answers.next().unwrap_or(Value::Nil);
        let (layout, store) = (reply::text(next())?, reply::bytes(next())?);
        let markers = self.partitions.all().map(|partition| Ok((partition, reply::bytes(next())?)));
        Ok(Found { layout, store, markers: markers.collect::<Result<_>>()? })
    }

    /// Stores the identity if it is not stored, and returns it as it is stored. An identity that this
    /// program or a partition knows remains that of the store.
    async fn settle_identity(&self, known: Option<StoreIdentity>, found: &Found) -> Result<Bytes> {
        let identity = match (known, found.identity()) {
            (Some(known), _) => Bytes::copy_from_slice(&known.to_bytes()),
            (None, Some(found)) => found.clone(),
            (None, None) => Bytes::copy_from_slice(&StoreIdentity::random().to_bytes()),
        };
        let mut set = redis::cmd("SET");
        set.arg(self.names.store()).arg(&identity[..]).arg("NX");
        self.lane.command(&set).await?;
        let mut get = redis::cmd("GET");
        get.arg(self.names.store());
        let stored = self.lane.command(&get).await?;
        let identity = reply::bytes(stored)?.unwrap_or(identity);
        self.gate.identified(Value::BulkString(identity.to_vec()))?;
        Ok(identity)
    }

    async fn run(&self, pipe: &redis::Pipeline) -> Result<Vec<Value>> {
        self.lane.run(pipe).await?.into_iter().map(|answer| answer.map_err(conn::refused)).collect()
    }
}

/// Lays out a store in a cluster, over links whose gate checks nothing.
#[derive(Debug)]
pub(super) struct Builder {
    pub(super) lane: Lane,
    pub(super) names: Names,
    pub(super) partitions: Partitions,
}

impl LaysOut for Builder {
    fn lay_out<'a>(&'a self, gate: &'a Gate) -> BoxFuture<'a, Result<()>> {
        let Self { lane, names, partitions } = self;
        let markers = Markers { gate, lane, names, partitions: *partitions };
        Box::pin(async move { markers.mend().await.map(drop) })
    }
}
