//! Acquires, renews and releases the leases of a fair share of all partitions.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;
use std::time::Duration;

use futures::future::join_all;
use parking_lot::{Mutex, MutexGuard};
use tokio::sync::Notify;
use tokio::task::{self, JoinSet};
use tokio_util::sync::CancellationToken;

use super::Shared;
use super::handle::PartitionHandle;
use super::partition::Partition;
use crate::domain::PartitionId;
use crate::metrics::LeaseEvent;
use crate::queue::{Error, Lease};

/// The maximum wait for work before the list of partitions is read again.
const WAKE_INTERVAL: Duration = Duration::from_millis(500);
/// The time to publish the last frames of a worker that exits because pictures hang. Without it, the
/// next worker would let the same pictures hang again.
const PUBLISHING_TIME: Duration = Duration::from_secs(2);
/// The pause after the backend did not answer.
const OUTAGE_PAUSE: Duration = Duration::from_millis(250);

/// The handles of the held partitions.
#[derive(Default)]
struct Handles {
    held: Mutex<BTreeMap<PartitionId, Arc<PartitionHandle>>>,
    /// Notified when a partition was added or removed.
    changed: Notify,
}

impl Handles {
    fn held(&self) -> MutexGuard<'_, BTreeMap<PartitionId, Arc<PartitionHandle>>> {
        self.held.lock()
    }
}

pub(super) async fn run(shared: Arc<Shared>, stop: CancellationToken) {
    let handles = Arc::<Handles>::default();
    let mut manager = LeaseManager {
        shared: Arc::clone(&shared),
        leases: BTreeMap::new(),
        handles: Arc::clone(&handles),
        tasks: JoinSet::new(),
        partitions: HashMap::new(),
    };
    let must_restart = async {
        if !shared.config.supervised {
            std::future::pending::<()>().await;
        }
        shared.pool.exhausted().cancelled().await;
    };
    let restarts = tokio::select! {
        () = manager.hold(&stop) => false,
        () = wake(&shared, &handles) => false,
        () = must_restart => true,
    };
    if restarts {
        tracing::error!("too many pictures hang in worker threads; exiting to be restarted");
    }
    // A picture that began just now, and hangs too, is given up after its time, and then published.
    let within = shared.config.frame_timeout + PUBLISHING_TIME;
    manager.close(restarts.then_some(within)).await;
}

/// Wakes the partitions that have work; never returns.
async fn wake(shared: &Shared, handles: &Handles) {
    loop {
        let held = handles.held().clone();
        if held.is_empty() {
            let _ = tokio::time::timeout(WAKE_INTERVAL, handles.changed.notified()).await;
            continue;
        }
        let positions: Vec<_> = held.iter().map(|(&partition, handle)| (partition, handle.seen())).collect();
        // A new partition ends the wait for the others, so that it is included at once.
        let found = tokio::select! {
            found = shared.queue.wait_for_work(&positions, WAKE_INTERVAL) => found,
            () = handles.changed.notified() => continue,
        };
        match found {
            Ok(found) => {
                for (partition, position) in found {
                    if let Some(handle) = held.get(&partition) {
                        handle.notify_work(position);
                    }
                }
            }
            Err(error) => {
                tracing::debug!(%error, "cannot wait for work");
                tokio::time::sleep(OUTAGE_PAUSE).await;
            }
        }
    }
}

struct LeaseManager {
    shared: Arc<Shared>,
    leases: BTreeMap<PartitionId, Lease>,
    handles: Arc<Handles>,
    /// One task per leased partition.
    tasks: JoinSet<()>,
    /// The partition of each task.
    partitions: HashMap<task::Id, PartitionId>,
}

impl LeaseManager {
    async fn hold(&mut self, stop: &CancellationToken) {
        let mut tick = tokio::time::interval(self.shared.config.lease_term / 3);
        tick.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
        loop {
            tokio::select! {
                () = stop.cancelled() => return,
                Some(ended) = self.tasks.join_next_with_id() => self.ended(ended).await,
                _ = tick.tick() => if let Err(error) = self.rebalance().await {
                    tracing::warn!(%error, "cannot reach the queue; retrying");
                },
            }
        }
    }

    /// Renews the held leases, then acquires or releases leases until they are a fair share.
    async fn rebalance(&mut self) -> Result<(), Error> {
        self.shared.pool.give_up_overdue();
        self.renew().await;
        let config = &self.shared.config;
        let live = self.shared.queue.announce_worker(&config.worker_id, config.lease_term * 2).await?;
        let partitions = self.shared.queue.partitions();
        let share = usize::from(partitions.count()).div_ceil(live.max(1));
        for partition in self.leases.keys().skip(share) {
            // Its task ends when the frames in work are published; then the lease is released.
            self.handle(*partition).inspect(|handle| handle.stop.cancel());
        }
        // Begins at a random partition, so that workers that start together do not all try the same
        // ones.
        let start = usize::from(rand::random::<u16>() % partitions.count());
        let mut free = (start..usize::from(partitions.count())).chain(0..start);
        let before = self.leases.len();
        let mut result = Ok(());
        while self.leases.len() < share
            && result.is_ok()
            && let Some(index) = free.next()
        {
            let Some(partition) = partitions.get(index) else { continue };
            if !self.leases.contains_key(&partition) {
                result = self.acquire(partition).await;
            }
        }
        if self.leases.len() > before {
            // Notified once for all new leases: with Redis, ending the wait closes its connection.
            self.handles.changed.notify_one();
        }
        result
    }

    fn handle(&self, partition: PartitionId) -> Option<Arc<PartitionHandle>> {
        self.handles.held().get(&partition).cloned()
    }

    async fn acquire(&mut self, partition: PartitionId) -> Result<(), Error> {
        let config = &self.shared.config;
        let lease = self.shared.queue.acquire_lease(partition, &config.worker_id, config.lease_term).await?;
        if let Some(lease) = lease {
            let metrics = &config.metrics;
            metrics.leases.of(LeaseEvent::Acquired).inc();
            metrics.leases_held.inc();
            let handle = Arc::new(PartitionHandle::new(metrics.in_flight.clone()));
            self.handles.held().insert(partition, Arc::clone(&handle));
            self.leases.insert(partition, lease.clone());
            let work = Partition::new(Arc::clone(&self.shared), lease, handle);
            let task = self.tasks.spawn(work.run());
            self.partitions.insert(task.id(), partition);
            tracing::debug!(%partition, "acquired a partition");
        }
        Ok(())
    }

    async fn renew(&mut self) {
        let handles = self.handles.held().clone();
        let renewals = self.leases.iter().filter_map(|(partition, lease)| {
            handles.get(partition).map(|handle| renew(&self.shared, lease, handle))
        });
        join_all(renewals).await;
    }

    async fn ended(&mut self, ended: Result<(task::Id, ()), task::JoinError>) {
        let id = match ended {
            Ok((id, ())) => id,
            Err(error) => {
                tracing::error!(%error, "partition task failed; releasing its lease");
                error.id()
            }
        };
        let Some(partition) = self.partitions.remove(&id) else { return };
        let handle = self.handles.held().remove(&partition);
        let is_lost = handle.is_some_and(|handle| handle.is_lease_lost());
        let metrics = &self.shared.config.metrics;
        metrics.leases.of(if is_lost { LeaseEvent::Lost } else { LeaseEvent::Released }).inc();
        metrics.leases_held.dec();
        if let Some(lease) = self.leases.remove(&partition)
            && let Err(error) = self.shared.queue.release_lease(&lease).await
        {
            tracing::debug!(%partition, %error, "cannot release a lease; it expires by itself");
        }
    }

    /// Waits until every partition has published what is in work, and renews the leases until then;
    /// then leaves the list of workers. Work that takes longer than `within` is left to others.
    async fn close(mut self, within: Option<Duration>) {
        for handle in self.handles.held().values() {
            handle.stop.cancel();
        }
        let mut tick = tokio::time::interval(self.shared.config.lease_term / 3);
        let overdue = async {
            match within {
                Some(within) => tokio::time::sleep(within).await,
                None => std::future::pending().await,
            }
        };
        tokio::pin!(overdue);
        let mut waits = true;
        while !self.tasks.is_empty() {
            tokio::select! {
                Some(ended) = self.tasks.join_next_with_id() => self.ended(ended).await,
                _ = tick.tick() => self.renew().await,
                () = &mut overdue, if waits => {
                    waits = false;
                    self.handles.held().values().for_each(|handle| handle.lost.cancel());
                }
            }
        }
        if let Err(error) = self.shared.queue.forget_worker(&self.shared.config.worker_id).await {
            tracing::debug!(%error, "cannot leave the list of workers; the entry expires");
        }
    }
}

async fn renew(shared: &Shared, lease: &Lease, handle: &PartitionHandle) {
    let partition = lease.partition;
    let mut report = handle.report(&shared.config.worker_id);
    report.totals = shared.totals.report();
    match shared.queue.renew_lease(lease, shared.config.lease_term, &report).await {
        Ok(()) => {}
        Err(Error::LeaseLost) => {
            tracing::warn!(%partition, "lost the lease of a partition");
            handle.note_lease_lost();
            handle.lost.cancel();
        }
        // The lease may still be in force; every script checks it.
        Err(error) => tracing::debug!(%partition, %error, "cannot renew a lease"),
    }
}
