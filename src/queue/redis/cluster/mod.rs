//! A Redis Cluster: the map from slots to servers, and the knowledge which partitions have moved
//! without loss. `docs/adr/0026` has the reasoning.

mod ask;
mod slots;
mod wakes;

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use parking_lot::Mutex;
use tokio::sync::watch;
use tokio::task::JoinSet;
use tokio::time::Instant;

pub(super) use self::slots::{SlotMap, slot_of};
pub(super) use self::wakes::{Due, ReadTo, Wait, Wakes, Wanted};
use super::memory_usage::MemoryUsage;
use super::node::Node;
use super::target::Target;
use super::url::Address;
use crate::domain::PartitionId;
use crate::queue::{Budget, Error, Result};

/// The least time between two questions for the map; it doubles while the answers are the same.
const ASK_EVERY: Duration = Duration::from_millis(100);
const MAX_DOUBLINGS: u32 = 3;
/// The maximum number of moves of a partition that are remembered.
const MAX_MOVES: usize = 8;
/// The maximum number of servers that are remembered, whether they own slots or not.
const MAX_NODES: usize = 1_024;

/// A partition of the store in the cluster.
#[derive(Debug, Clone)]
pub(super) struct Place {
    pub(super) partition: PartitionId,
    /// A key in its slot.
    pub(super) key: String,
}

/// The last question for the map.
#[derive(Debug, Default)]
struct Asked {
    at: Option<Instant>,
    failure: Option<Error>,
    /// The number of answers in a row that were the same.
    same: u32,
}

/// A move of a partition from one living process to another one, by their run ids.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Move {
    from: String,
    to: String,
}

/// Returns the processes that gave a partition away, step by step, until it came to the process
/// `now`. If that process is another one than the last move led to, it may have lost something.
fn given_to<'a>(moves: &'a [Move], now: &str) -> Vec<&'a str> {
    let mut givers: Vec<&str> = Vec::new();
    for Move { from, to } in moves {
        if to != givers.last().copied().unwrap_or(now) {
            break;
        }
        givers.push(from);
    }
    givers
}

/// A Redis Cluster.
pub(super) struct Cluster {
    target: Arc<Target>,
    places: Vec<Place>,
    budget: Budget,
    map: watch::Sender<Option<Arc<SlotMap>>>,
    nodes: Mutex<HashMap<Arc<Address>, Arc<Node>>>,
    /// Held while the map is asked for.
    asked: tokio::sync::Mutex<Asked>,
    /// The moves of each partition between living processes, the newest first.
    moves: Mutex<HashMap<PartitionId, Vec<Move>>>,
    /// The question for the map that nobody waits for.
    asking: Mutex<JoinSet<()>>,
}

impl std::fmt::Debug for Cluster {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Cluster").finish_non_exhaustive()
    }
}

impl Cluster {
    pub(super) fn new(target: Arc<Target>, places: Vec<Place>, budget: Budget) -> Self {
        Self {
            target,
            places,
            budget,
            map: watch::Sender::new(None),
            nodes: Mutex::default(),
            asked: tokio::sync::Mutex::default(),
            moves: Mutex::default(),
            asking: Mutex::default(),
        }
    }

    /// Returns the server at an address of the cluster.
    pub(super) fn node(&self, address: &Arc<Address>) -> Arc<Node> {
        let new = || Arc::new(Node::new(Some(Arc::clone(address)), Arc::new(MemoryUsage::new(self.budget))));
        let mut nodes = self.nodes.lock();
        if nodes.len() >= MAX_NODES && !nodes.contains_key(address) {
            let map = self.known_map();
            nodes.retain(|known, _| map.as_ref().is_some_and(|map| map.masters().contains(known)));
        }
        Arc::clone(nodes.entry(Arc::clone(address)).or_insert_with(new))
    }

    /// Returns the map; asks for it if it is not known yet.
    ///
    /// # Errors
    /// [`Error::Unreachable`]: no server of the cluster answers.
    pub(super) async fn map(&self) -> Result<Arc<SlotMap>> {
        if let Some(map) = self.known_map() {
            return Ok(map);
        }
        self.refresh().await
    }

    /// Returns the map as it was last read.
    pub(super) fn known_map(&self) -> Option<Arc<SlotMap>> {
        self.map.borrow().clone()
    }

    /// Returns a receiver that is told of new maps.
    pub(super) fn changes(&self) -> watch::Receiver<Option<Arc<SlotMap>>> {
        self.map.subscribe()
    }

    /// Asks for the map, unless that was done just now. Callers that come meanwhile wait for the same
    /// answer.
    ///
    /// # Errors
    /// [`Error::Unreachable`]: no server of the cluster answers.
    pub(super) async fn refresh(&self) -> Result<Arc<SlotMap>> {
        let mut asked = self.asked.lock().await;
        let lasts = ASK_EVERY * 2_u32.pow(asked.same.min(MAX_DOUBLINGS));
        if asked.at.is_some_and(|at| at.elapsed() < lasts) {
            match (&asked.failure, self.known_map()) {
                (Some(failure), _) => return Err(failure.clone()),
                (None, Some(map)) => return Ok(map),
                (None, None) => {}
            }
        }
        let before = self.known_map();
        let answer = match self.ask_for_map().await {
            Ok(map) => Ok(self.change(map).await),
            Err(error) => Err(error),
        };
        let is_same = answer.as_ref().is_ok_and(|map| before.is_some_and(|before| Arc::ptr_eq(map, &before)));
        let same = if is_same { asked.same + 1 } else { 0 };
        *asked = Asked { at: Some(Instant::now()), failure: answer.as_ref().err().cloned(), same };
        answer
    }

    /// Asks for the map soon, and does not wait: a server did not answer.
    pub(super) fn suspect(self: &Arc<Self>) {
        let mut asking = self.asking.lock();
        while asking.try_join_next().is_some() {}
        if asking.is_empty() {
            let cluster = Arc::clone(self);
            asking.spawn(async move { drop(cluster.refresh().await) });
        }
    }

    /// Notes that a server said which other one owns a slot. That one is newer than the map.
    pub(super) async fn moved(&self, slot: u16, to: Address) {
        let mut asked = self.asked.lock().await;
        let Some(map) = self.known_map() else { return };
        if map.owner(slot).is_none_or(|owner| **owner != to) {
            asked.same = 0;
            self.change(map.with(slot, to)).await;
        }
    }

    /// Puts a new map in force. First finds out which partitions moved there without loss.
    async fn change(&self, map: SlotMap) -> Arc<SlotMap> {
        let map = Arc::new(map);
        if let Some(old) = self.known_map() {
            if *old == *map {
                return old;
            }
            let mut pairs: HashMap<(Arc<Address>, Arc<Address>), Vec<&Place>> = HashMap::new();
            for place in &self.places {
                let slot = slot_of(place.key.as_bytes());
                if let (Some(from), Some(to)) = (old.owner(slot), map.owner(slot))
                    && from != to
                {
                    pairs.entry((Arc::clone(from), Arc::clone(to))).or_default().push(place);
                }
            }
            for ((from, to), places) in pairs {
                let given = self.was_given(&from, &to, &places[0].key).await;
                let ids: Vec<String> = places.iter().map(|place| place.partition.to_string()).collect();
                tracing::info!(
                    from = shown(&from),
                    to = shown(&to),
                    partitions = ids.join(" "),
                    complete = given.is_some(),
                    "partitions moved to another server of the cluster"
                );
                let mut moves = self.moves.lock();
                for place in places {
                    match &given {
                        Some(given) => {
                            let of_partition = moves.entry(place.partition).or_default();
                            of_partition.insert(0, given.clone());
                            of_partition.truncate(MAX_MOVES);
                        }
                        None => drop(moves.remove(&place.partition)),
                    }
                }
            }
        }
        self.divide_memory(&map);
        self.map.send_replace(Some(Arc::clone(&map)));
        map
    }

    /// Tells each server how many partitions it holds, which decides about its part of the memory.
    fn divide_memory(&self, map: &SlotMap) {
        let mut counts: HashMap<&Arc<Address>, u64> = HashMap::new();
        for place in &self.places {
            if let Some(owner) = map.owner(slot_of(place.key.as_bytes())) {
                *counts.entry(owner).or_default() += 1;
            }
        }
        for master in map.masters() {
            let part = counts.get(master).copied().unwrap_or(0);
            self.node(master).memory.hold(part, self.places.len() as u64);
        }
    }

    /// Returns the run ids of the earlier processes that gave a partition away completely, until it came
    /// to the process `now`, separated by spaces.
    pub(super) fn given_by(&self, partition: PartitionId, now: &str) -> String {
        self.moves.lock().get(&partition).map(|moves| given_to(moves, now).join(" ")).unwrap_or_default()
    }

    /// Returns the servers that own slots.
    pub(super) fn masters(&self) -> Vec<Arc<Node>> {
        self.known_map()
            .map_or_else(Vec::new, |map| map.masters().iter().map(|master| self.node(master)).collect())
    }

    /// Returns the server that holds a partition.
    pub(super) fn owner(&self, partition: PartitionId) -> Option<Arc<Node>> {
        let place = self.places.get(partition.index())?;
        let map = self.known_map()?;
        map.owner(slot_of(place.key.as_bytes())).map(|owner| self.node(owner))
    }
}

/// Returns an address as it is shown.
pub(super) fn shown((host, port): &Address) -> String {
    format!("{host}:{port}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_process_that_was_not_given_the_partition_may_have_lost_something() {
        let moves = |pairs: &[(&str, &str)]| -> Vec<Move> {
            pairs.iter().map(|(from, to)| Move { from: (*from).to_owned(), to: (*to).to_owned() }).collect()
        };
        let there_and_back = moves(&[("b", "a"), ("a", "b")]);
        assert_eq!(given_to(&there_and_back, "a"), ["b", "a"]);
        // `a` restarted in place: the data that it was given may be gone.
        assert_eq!(given_to(&there_and_back, "a2"), [""; 0]);
        assert_eq!(given_to(&moves(&[("c", "d"), ("a", "b")]), "d"), ["c"]);
        assert_eq!(given_to(&[], "a"), [""; 0]);
    }
}
