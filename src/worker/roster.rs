//! Which partitions this worker holds: a fair share of all, renewed in time, given back at the end.

use std::collections::{BTreeMap, HashMap};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use futures::future::join_all;
use tokio::sync::Notify;
use tokio::task::{self, JoinSet};
use tokio_util::sync::CancellationToken;

use super::Shared;
use super::handle::Handle;
use super::partition::Partition;
use crate::domain::PartitionId;
use crate::queue::{Error, Lease};

/// Longest wait for work before the list of partitions is looked at again.
const WAKE_INTERVAL: Duration = Duration::from_millis(500);
/// Pause after the backend did not answer.
const OUTAGE_PAUSE: Duration = Duration::from_millis(250);

/// The partitions held, by what wakes them.
#[derive(Default)]
struct Handles {
    held: Mutex<BTreeMap<PartitionId, Arc<Handle>>>,
    /// Something came or went.
    changed: Notify,
}

impl Handles {
    fn held(&self) -> MutexGuard<'_, BTreeMap<PartitionId, Arc<Handle>>> {
        self.held.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

pub(super) async fn run(shared: Arc<Shared>, stop: CancellationToken) {
    let handles = Arc::<Handles>::default();
    let mut roster = Roster {
        shared: Arc::clone(&shared),
        leases: BTreeMap::new(),
        handles: Arc::clone(&handles),
        tasks: JoinSet::new(),
        partitions: HashMap::new(),
    };
    let worn = async {
        if !shared.config.restarted {
            std::future::pending::<()>().await;
        }
        shared.pool.worn().cancelled().await;
    };
    let is_worn = tokio::select! {
        () = roster.hold(&stop) => false,
        () = wake(&shared, &handles) => false,
        () = worn => true,
    };
    if is_worn {
        tracing::error!("too many pictures hang in this worker's threads; leaving, to be started again");
    }
    roster.close(is_worn.then_some(shared.config.frame_timeout)).await;
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
        // A partition that has come is waited for at once, not after the wait for the others.
        let found = tokio::select! {
            found = shared.queue.wait_for_work(&positions, WAKE_INTERVAL) => found,
            () = handles.changed.notified() => continue,
        };
        match found {
            Ok(found) => {
                for (partition, position) in found {
                    if let Some(handle) = held.get(&partition) {
                        handle.work_at(position);
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

struct Roster {
    shared: Arc<Shared>,
    leases: BTreeMap<PartitionId, Lease>,
    handles: Arc<Handles>,
    /// One task a leased partition.
    tasks: JoinSet<()>,
    /// Whose task is whose.
    partitions: HashMap<task::Id, PartitionId>,
}

impl Roster {
    async fn hold(&mut self, stop: &CancellationToken) {
        let mut tick = tokio::time::interval(self.shared.config.lease_term / 3);
        tick.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
        loop {
            tokio::select! {
                () = stop.cancelled() => return,
                Some(ended) = self.tasks.join_next_with_id() => self.ended(ended).await,
                _ = tick.tick() => if let Err(error) = self.turn().await {
                    tracing::warn!(%error, "cannot reach the queue; trying again");
                },
            }
        }
    }

    /// Renews what is held, then takes or gives back partitions until it is a fair share.
    async fn turn(&mut self) -> Result<(), Error> {
        self.shared.pool.look_after_orphans();
        self.renew().await;
        let config = &self.shared.config;
        let live = self.shared.queue.announce_worker(&config.worker_id, config.lease_term * 2).await?;
        let partitions = self.shared.queue.partitions();
        let share = usize::from(partitions.count()).div_ceil(live.max(1));
        for partition in self.leases.keys().skip(share) {
            // Ends when its work in hand is published; the lease is given back then.
            self.handle(*partition).inspect(|handle| handle.stop.cancel());
        }
        // From a place of its own, so that workers that start together do not all try the same ones.
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
            // Once for all of them: on Redis the wait that this ends costs its connection.
            self.handles.changed.notify_one();
        }
        result
    }

    fn handle(&self, partition: PartitionId) -> Option<Arc<Handle>> {
        self.handles.held().get(&partition).cloned()
    }

    async fn acquire(&mut self, partition: PartitionId) -> Result<(), Error> {
        let config = &self.shared.config;
        let lease = self.shared.queue.acquire_lease(partition, &config.worker_id, config.lease_term).await?;
        if let Some(lease) = lease {
            let handle = Arc::new(Handle::new());
            self.handles.held().insert(partition, Arc::clone(&handle));
            self.leases.insert(partition, lease.clone());
            let work = Partition::new(Arc::clone(&self.shared), lease, handle);
            let task = self.tasks.spawn(work.run());
            self.partitions.insert(task.id(), partition);
            tracing::debug!(%partition, "took a partition");
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
                tracing::error!(%error, "a partition's task failed; giving its lease back");
                error.id()
            }
        };
        let Some(partition) = self.partitions.remove(&id) else { return };
        self.handles.held().remove(&partition);
        if let Some(lease) = self.leases.remove(&partition)
            && let Err(error) = self.shared.queue.release_lease(&lease).await
        {
            tracing::debug!(%partition, %error, "cannot give a lease back; it runs out by itself");
        }
    }

    /// Lets every partition publish what is in work, renewing meanwhile, then leaves the list of workers. What is not done
    /// `within` that time is left to the next holder.
    async fn close(mut self, within: Option<Duration>) {
        for handle in self.handles.held().values() {
            handle.stop.cancel();
        }
        let mut tick = tokio::time::interval(self.shared.config.lease_term / 3);
        let out_of_patience = async {
            match within {
                Some(within) => tokio::time::sleep(within).await,
                None => std::future::pending().await,
            }
        };
        tokio::pin!(out_of_patience);
        let mut waits = true;
        while !self.tasks.is_empty() {
            tokio::select! {
                Some(ended) = self.tasks.join_next_with_id() => self.ended(ended).await,
                _ = tick.tick() => self.renew().await,
                () = &mut out_of_patience, if waits => {
                    waits = false;
                    self.handles.held().values().for_each(|handle| handle.lost.cancel());
                }
            }
        }
        if let Err(error) = self.shared.queue.forget_worker(&self.shared.config.worker_id).await {
            tracing::debug!(%error, "cannot leave the list of workers");
        }
    }
}

async fn renew(shared: &Shared, lease: &Lease, handle: &Handle) {
    let partition = lease.partition;
    let mut report = handle.report(&shared.config.worker_id);
    report.totals = shared.totals.report();
    match shared.queue.renew_lease(lease, shared.config.lease_term, &report).await {
        Ok(()) => {}
        Err(Error::LeaseLost) => {
            tracing::warn!(%partition, "lost a partition's lease");
            handle.lost.cancel();
        }
        // The lease may hold still; every script checks it.
        Err(error) => tracing::debug!(%partition, %error, "cannot renew a lease"),
    }
}
