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
use crate::domain::{GroupId, PartitionId, Partitions, StoreIdentity, Timestamp};
use crate::queue::{Error, Result};

/// The field of a partition's counters that contains its marker.
pub(super) const MARKER: &str = "store";
/// The time that another process has for laying out a store.
const LAYING_OUT: Duration = Duration::from_secs(1);
const LOOK_EVERY: Duration = Duration::from_millis(50);
/// The number of keys that one step of a search looks at.
const SCAN_KEYS: usize = 1_000;

/// The layout of a store in a cluster, as far as its servers answer.
struct Found {
    /// `None` = it cannot be read.
    layout: Option<Option<String>>,
    store: Option<Option<Bytes>>,
    /// The partitions that can be read.
    markers: Vec<(PartitionId, Option<Bytes>)>,
    /// The reason for which something cannot be read.
    failure: Option<Error>,
}

impl Found {
    /// Returns the identity of the store, if anything has it.
    fn identity(&self) -> Option<&Bytes> {
        let markers = self.markers.iter().filter_map(|(_, marker)| marker.as_ref());
        self.store.iter().flatten().chain(markers).next()
    }

    /// Reports whether there is no layout.
    fn lacks_layout(&self) -> bool {
        self.layout == Some(None)
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
    /// lost. Returns the partitions that were lost. Servers that are away do not matter if the others
    /// have something of the store.
    ///
    /// # Errors
    /// [`Error::Layout`]: the store has another layout. [`Error::Corrupt`]: a partition belongs to
    /// another store.
    pub(super) async fn mend(&self) -> Result<Vec<PartitionId>> {
        let mut found = self.look().await?;
        let until = Instant::now() + LAYING_OUT;
        while found.lacks_layout() && found.identity().is_some() && Instant::now() < until {
            sleep(LOOK_EVERY).await;
            found = self.look().await?;
        }
        self.gate.check_layout(found.layout.as_ref().and_then(Option::as_deref))?;
        let known = Some(self.gate.identity()).filter(|known| *known != StoreIdentity::default());
        let has_nothing = found.identity().is_none() && known.is_none();
        if let (true, Some(failure)) = (has_nothing, &found.failure) {
            return Err(failure.clone());
        }
        let is_new = found.lacks_layout() && has_nothing;
        let identity = self.settle_identity(known, &found).await?;
        let (mut lost, mut pipe) = (Vec::new(), redis::pipe());
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
        if !lost.is_empty() {
            // Before the markers, so that it is done again if it fails.
            self.find_groups().await?;
        }
        self.run(&pipe).await?;
        if found.lacks_layout() {
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

    /// Writes the index of all groups again, from their keys on all servers.
    async fn find_groups(&self) -> Result<()> {
        let pattern = self.names.every_group();
        for link in self.lane.links() {
            let mut cursor = "0".to_owned();
            loop {
                let mut scan = redis::pipe();
                scan.cmd("SCAN").arg(&cursor).arg("MATCH").arg(&pattern).arg("COUNT").arg(SCAN_KEYS);
                let answer = link.run(&scan).await?.pop().unwrap_or(Ok(Value::Nil)).map_err(conn::refused)?;
                let mut answer = reply::array(answer)?.into_iter();
                cursor = reply::text(answer.next().unwrap_or(Value::Nil))?.unwrap_or_default();
                for key in reply::array(answer.next().unwrap_or(Value::Nil))? {
                    let key = reply::text(key)?.unwrap_or_default();
                    if let Some(Ok(id)) = self.names.group_of(&key).map(str::parse::<GroupId>) {
                        let mut add = redis::cmd("ZADD");
                        add.arg(self.names.groups()).arg(0).arg(id.as_str());
                        self.lane.command(&add).await?;
                    }
                }
                if matches!(cursor.as_str(), "0" | "") {
                    break;
                }
            }
        }
        Ok(())
    }

    async fn look(&self) -> Result<Found> {
        let mut pipe = redis::pipe();
        pipe.cmd("GET").arg(self.names.layout()).cmd("GET").arg(self.names.store());
        for partition in self.partitions.all() {
            pipe.cmd("HGET").arg(self.names.keys(partition).counts()).arg(MARKER);
        }
        let mut answers = self.lane.run(&pipe).await?.into_iter();
        let mut failure = None;
        let mut next = || match answers.next().unwrap_or(Ok(Value::Nil)).map_err(conn::refused) {
            Err(error) if error.is_retryable() => {
                failure = Some(error);
                Ok(None)
            }
            answer => answer.map(Some),
        };
        let layout = next()?.map(reply::text).transpose()?;
        let store = next()?.map(reply::bytes).transpose()?;
        let mut markers = Vec::new();
        for partition in self.partitions.all() {
            if let Some(marker) = next()? {
                markers.push((partition, reply::bytes(marker)?));
            }
        }
        Ok(Found { layout, store, markers, failure })
    }

    /// Stores the identity if it is not stored, and returns it as it is stored. An identity that this
    /// program or a partition knows remains that of the store.
    async fn settle_identity(&self, known: Option<StoreIdentity>, found: &Found) -> Result<Bytes> {
        let identity = match (known, found.identity()) {
            (Some(known), _) => Bytes::copy_from_slice(&known.to_bytes()),
            (None, Some(found)) => found.clone(),
            (None, None) => Bytes::copy_from_slice(&StoreIdentity::random().to_bytes()),
        };
        let mut stored = None;
        if found.store.is_some() {
            let mut set = redis::cmd("SET");
            set.arg(self.names.store()).arg(&identity[..]).arg("NX");
            self.lane.command(&set).await?;
            let mut get = redis::cmd("GET");
            get.arg(self.names.store());
            stored = reply::bytes(self.lane.command(&get).await?)?;
        }
        let identity = stored.unwrap_or(identity);
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
