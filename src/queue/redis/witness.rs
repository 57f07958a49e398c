//! Remembers which sequences the store issued, to notice a store that was restored to an older
//! state, and to confirm one that came back complete. `docs/adr/0005` has the reasoning.

use std::collections::{HashMap, VecDeque};
use std::time::Duration;

use parking_lot::{Mutex, MutexGuard};
use tokio::time::Instant;

use crate::domain::{PartitionId, Partitions, StreamId};
use crate::queue::HEARTBEAT_EVERY;

/// The time for which a server may accept frames after its last heartbeat.
pub(super) const MAY_ACCEPT: Duration = Duration::from_secs(5);
/// The time that a server waits before it accepts its first frame, if it finds other servers.
/// Another server that reads the list of servers in this time learns of it.
pub(super) const JOIN_WAIT: Duration = Duration::from_secs(3);
/// The time for which a server stays certain that it is alone after it read the list of servers. If
/// Redis fails within this time, no other server has accepted frames: each waits for [`JOIN_WAIT`]
/// first, which is longer.
const ALONE_HOLDS: Duration = Duration::from_millis(2_500);
/// The maximum number of earlier Redis processes that a server confirms.
const MAX_CONFIRMED: usize = 8;
/// The maximum number of streams of a partition whose sequences are remembered; for others, the
/// number of lost frames stays unknown.
const MAX_STREAMS: usize = 1_024;

/// The highest known state of a partition: each part is the highest value seen. Parts of different
/// epochs cannot be compared.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) struct HighWater {
    pub(super) epoch: u64,
    pub(super) accepted: u64,
    pub(super) feed: u64,
}

impl HighWater {
    /// Returns this state as an argument of the scripts.
    pub(super) fn argument(self) -> String {
        let Self { epoch, accepted, feed } = self;
        format!("{epoch}:{accepted}:{feed}")
    }

    /// Reports whether a store in the state `stored` has forgotten accepted frames.
    pub(super) fn exceeds(self, stored: Self) -> bool {
        self.epoch > stored.epoch || self.epoch == stored.epoch && self.accepted > stored.accepted
    }
}

#[derive(Debug, Default)]
struct Partition {
    known: HighWater,
    /// The highest accepted sequence of each stream, and its epoch.
    issued: HashMap<StreamId, (u64, u64)>,
}

/// The state of this server as one of those that accept frames.
#[derive(Debug)]
struct Presence {
    /// The run id of the Redis process that answered its last heartbeat.
    run_id: Option<String>,
    /// The earlier run ids that this server confirms: it knows of every accepted frame that can
    /// have been lost since those processes ran.
    confirmed: VecDeque<String>,
    /// True if no other server was on the list when it was last read.
    alone: bool,
    /// The time at which that read was sent.
    list_read_at: Instant,
    /// The time at which Redis first failed to answer after that.
    failed_at: Option<Instant>,
    /// The time until which it may accept frames, by the clock of Redis, milliseconds.
    may_accept_until: u64,
    /// True while other servers may not know of this one yet: it accepts nothing.
    joining: bool,
    /// True after this server has left: it accepts nothing more.
    ended: bool,
}

/// The record that one server keeps of what the store issued.
#[derive(Debug)]
pub(super) struct Witness {
    /// This server's id on the list of servers.
    pub(super) server: String,
    partitions: Vec<Mutex<Partition>>,
    /// `None` = it is not one of the servers that accept frames: it confirms nothing.
    presence: Mutex<Option<Presence>>,
    /// True if the store lies in a cluster: its servers fail one by one, and have clocks of their own,
    /// so the list of servers on one of them confirms nothing.
    is_clustered: bool,
    /// The lock that is held during a heartbeat: only one is sent at a time.
    pub(super) heartbeat_lock: tokio::sync::Mutex<()>,
}

impl Witness {
    pub(super) fn new(partitions: Partitions, is_clustered: bool) -> Self {
        Self {
            is_clustered,
            server: format!("s-{:016x}", rand::random::<u64>()),
            partitions: partitions.all().map(|_| Mutex::default()).collect(),
            presence: Mutex::default(),
            heartbeat_lock: tokio::sync::Mutex::default(),
        }
    }

    fn partition(&self, id: PartitionId) -> MutexGuard<'_, Partition> {
        self.partitions[id.index()].lock()
    }

    pub(super) fn known(&self, partition: PartitionId) -> HighWater {
        self.partition(partition).known
    }

    /// Notes the state of a partition.
    pub(super) fn note(&self, id: PartitionId, stored: HighWater) {
        let mut partition = self.partition(id);
        let known = &mut partition.known;
        if stored.epoch > known.epoch {
            *known = stored;
        } else if stored.epoch == known.epoch {
            known.accepted = known.accepted.max(stored.accepted);
            known.feed = known.feed.max(stored.feed);
        }
    }

    /// Notes a feed position that was read.
    pub(super) fn note_feed(&self, id: PartitionId, feed: u64) {
        let mut partition = self.partition(id);
        partition.known.feed = partition.known.feed.max(feed);
    }

    /// Notes a sequence that was accepted in `epoch`.
    pub(super) fn note_issued(&self, id: PartitionId, epoch: u64, stream: &StreamId, number: u64) {
        let mut partition = self.partition(id);
        if let Some(highest) = partition.issued.get_mut(stream) {
            *highest = (*highest).max((epoch, number));
        } else if partition.issued.len() < MAX_STREAMS {
            partition.issued.insert(stream.clone(), (epoch, number));
        }
    }

    /// Returns the highest issued sequence of a stream and its epoch as `lua/accept.lua` takes
    /// them, "epoch:sequence"; the sequence is 0 unless this server knows of all that were issued.
    pub(super) fn highest_issued(&self, id: PartitionId, stream: &StreamId) -> String {
        let sure = !self.is_clustered
            && self
                .presence
                .lock()
                .as_ref()
                .is_some_and(|presence| presence.alone && !presence.confirmed.is_empty());
        let highest = self.partition(id).issued.get(stream).copied().filter(|_| sure);
        let (epoch, number) = highest.unwrap_or_default();
        format!("{epoch}:{number}")
    }

    /// Forgets everything: the store was emptied.
    pub(super) fn forget(&self) {
        self.partitions.iter().for_each(|partition| *partition.lock() = Partition::default());
    }

    /// Forgets a partition, which lost all its data.
    pub(super) fn forget_partition(&self, id: PartitionId) {
        *self.partition(id) = Partition::default();
    }

    /// Returns the earlier run ids that this server confirms, as `lua/accept.lua` takes them.
    pub(super) fn confirmed(&self) -> String {
        let presence = self.presence.lock();
        let run_ids = presence.iter().flat_map(|presence| &presence.confirmed);
        run_ids.map(String::as_str).collect::<Vec<_>>().join(" ")
    }

    /// Returns the time until which this server may accept frames, by the clock of Redis, in
    /// milliseconds; 0 = no limit.
    pub(super) fn may_accept_until(&self) -> u64 {
        let until = self.presence.lock().as_ref().map_or(0, |presence| presence.may_accept_until);
        // 1: it has not joined, or has left.
        if self.is_clustered && until > 1 { 0 } else { until }
    }

    /// Reports whether a heartbeat is due before a frame is accepted by this Redis process.
    pub(super) fn is_due(&self, run_id: &str) -> bool {
        self.presence.lock().as_ref().is_some_and(|presence| {
            if self.is_clustered {
                return presence.run_id.is_none();
            }
            presence.run_id.as_deref() != Some(run_id)
                || presence.list_read_at.elapsed() + HEARTBEAT_EVERY >= MAY_ACCEPT
        })
    }

    pub(super) fn accepts_frames(&self) -> bool {
        self.presence.lock().as_ref().is_some_and(|presence| !presence.ended)
    }

    /// Makes this server one of those that accept frames; it accepts nothing before it has joined
    /// and sent a heartbeat.
    pub(super) fn begin(&self) {
        *self.presence.lock() = Some(Presence {
            run_id: None,
            confirmed: VecDeque::new(),
            alone: false,
            list_read_at: Instant::now(),
            failed_at: None,
            may_accept_until: 1,
            joining: true,
            ended: false,
        });
    }

    /// Reports whether it must still wait before it accepts frames.
    pub(super) fn is_joining(&self) -> bool {
        self.presence.lock().as_ref().is_some_and(|presence| presence.joining)
    }

    /// Notes that the other servers know of it, or that there are none: it accepts frames after the
    /// next heartbeat.
    pub(super) fn joined(&self) {
        if let Some(presence) = &mut *self.presence.lock() {
            presence.joining = false;
        }
    }

    /// Leaves: further frames are refused.
    pub(super) fn end(&self) {
        if let Some(presence) = &mut *self.presence.lock() {
            presence.may_accept_until = 1;
            presence.ended = true;
        }
    }

    /// Notes that Redis did not answer a heartbeat.
    pub(super) fn not_answered(&self) {
        if let Some(presence) = &mut *self.presence.lock() {
            presence.failed_at.get_or_insert_with(Instant::now);
        }
    }

    /// Notes that the Redis process `run_id` answered a heartbeat that was sent at `sent`:
    /// `servers` may accept frames, this one until `until`.
    pub(super) fn answered(&self, run_id: &str, sent: Instant, servers: u64, until: u64) {
        let mut presence = self.presence.lock();
        let Some(presence) = presence.as_mut().filter(|presence| !presence.ended) else { return };
        if presence.run_id.as_deref() != Some(run_id) {
            let failed_at = presence.failed_at.unwrap_or_else(Instant::now);
            let alone = presence.alone && failed_at.duration_since(presence.list_read_at) <= ALONE_HOLDS;
            match presence.run_id.replace(run_id.to_owned()) {
                Some(before) if alone => {
                    presence.confirmed.push_front(before);
                    presence.confirmed.truncate(MAX_CONFIRMED);
                }
                Some(_) | None => presence.confirmed.clear(),
            }
        }
        presence.alone = servers <= 1;
        presence.list_read_at = sent;
        presence.failed_at = None;
        if !presence.joining {
            presence.may_accept_until = until;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn witness() -> Witness {
        let witness = Witness::new(Partitions::new(1).unwrap(), false);
        witness.begin();
        witness.joined();
        witness
    }

    #[tokio::test(start_paused = true)]
    async fn a_server_confirms_a_process_that_it_was_alone_with() {
        let witness = witness();
        assert!(witness.is_due("a"), "no heartbeat was answered yet");
        witness.answered("a", Instant::now(), 1, 9);
        assert!(!witness.is_due("a") && witness.is_due("b"));
        assert_eq!(witness.confirmed(), "");
        // Redis fails soon after the list was read. The length of the outage does not matter.
        tokio::time::advance(HEARTBEAT_EVERY).await;
        witness.not_answered();
        tokio::time::advance(Duration::from_secs(3_600)).await;
        witness.not_answered();
        witness.answered("b", Instant::now(), 1, 9);
        assert_eq!(witness.confirmed(), "a");
        witness.answered("c", Instant::now(), 1, 9);
        assert_eq!(witness.confirmed(), "b a");
    }

    #[tokio::test(start_paused = true)]
    async fn a_server_that_another_may_have_joined_confirms_nothing() {
        // Another server is on the list.
        let among_others = witness();
        among_others.answered("a", Instant::now(), 2, 9);
        among_others.answered("b", Instant::now(), 1, 9);
        assert_eq!(among_others.confirmed(), "");
        // No other server was on the list, but it was read long before Redis failed.
        let late = witness();
        late.answered("a", Instant::now(), 1, 9);
        late.answered("b", Instant::now(), 1, 9);
        tokio::time::advance(JOIN_WAIT).await;
        late.not_answered();
        late.answered("c", Instant::now(), 1, 9);
        assert_eq!(late.confirmed(), "", "processes that were confirmed earlier are not confirmed any more");
        // It is not one of the servers that accept frames.
        let silent = Witness::new(Partitions::new(1).unwrap(), false);
        silent.answered("a", Instant::now(), 1, 9);
        silent.answered("b", Instant::now(), 1, 9);
        assert_eq!((silent.confirmed(), silent.may_accept_until()), (String::new(), 0));
    }

    #[test]
    fn known_values_rise_within_an_epoch_and_are_replaced_by_those_of_the_next() {
        let witness = Witness::new(Partitions::new(1).unwrap(), false);
        let id = Partitions::new(1).unwrap().get(0).unwrap();
        let known = |epoch, accepted, feed| HighWater { epoch, accepted, feed };
        witness.note(id, known(1, 10, 5));
        witness.note(id, known(1, 8, 6));
        witness.note_feed(id, 7);
        witness.note(id, known(0, 99, 99));
        assert_eq!(witness.known(id), known(1, 10, 7));
        assert!(witness.known(id).exceeds(known(1, 9, 9)) && witness.known(id).exceeds(known(0, 99, 99)));
        assert!(!witness.known(id).exceeds(known(1, 10, 0)) && !witness.known(id).exceeds(known(2, 0, 0)));
        witness.note(id, known(2, 3, 3));
        assert_eq!(witness.known(id), known(2, 3, 3));
    }
}
