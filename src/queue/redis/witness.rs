//! What this server knows of numbers that the store gave out: enough to notice a store that was put back to an older state, and
//! to vouch for one that came back whole. `docs/adr/0005` has the reasoning.

use std::collections::{HashMap, VecDeque};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::time::Instant;

use crate::domain::{PartitionId, Partitions, StreamId};
use crate::queue::ATTEND_EVERY;

/// How long a server may accept frames after its last sign of life.
pub(super) const MAY_ACCEPT: Duration = Duration::from_secs(5);
/// How long a server that finds others waits before it accepts its first frame. Whoever of them looks at the list of servers in
/// this time knows of it.
pub(super) const JOIN_WAIT: Duration = Duration::from_secs(3);
/// How old the last look at the list of servers may be when Redis goes away, for a server to be sure that it was alone: less than
/// [`JOIN_WAIT`], which another server would have waited.
const LOOK_HOLDS: Duration = Duration::from_millis(2_500);
/// Lives of Redis that are vouched for.
const LIVES: usize = 8;
/// Streams of a partition whose numbers are remembered; of others nobody can say how many frames were lost.
const STREAMS: usize = 1_024;

/// A partition's state, each part as high as it ever was. Parts of different epochs cannot be compared.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) struct Known {
    pub(super) epoch: u64,
    pub(super) accepted: u64,
    pub(super) feed: u64,
}

impl Known {
    /// As the scripts take it.
    pub(super) fn argument(self) -> String {
        let Self { epoch, accepted, feed } = self;
        format!("{epoch}:{accepted}:{feed}")
    }

    /// Whether a store that has this now has forgotten frames that were accepted.
    pub(super) fn exceeds(self, stored: Self) -> bool {
        self.epoch > stored.epoch || self.epoch == stored.epoch && self.accepted > stored.accepted
    }
}

#[derive(Debug, Default)]
struct Partition {
    known: Known,
    /// Of streams, the highest number that was acknowledged, and in which epoch.
    given: HashMap<StreamId, (u64, u64)>,
}

/// This server among those that accept frames.
#[derive(Debug)]
struct Presence {
    /// The life of Redis that answered its last sign of life.
    life: Option<String>,
    /// Earlier lives, since which nothing that was acknowledged can have been lost without this server knowing.
    vouched: VecDeque<String>,
    /// Nobody else was on the list when it last looked.
    alone: bool,
    /// When it asked for that.
    looked: Instant,
    /// When Redis was first found to be away since.
    broke: Option<Instant>,
    /// By the clock of Redis, milliseconds.
    may_accept_until: u64,
    /// Others may not know of it yet: it accepts nothing.
    joining: bool,
    /// It accepts nothing more.
    ended: bool,
}

/// See the module.
#[derive(Debug)]
pub(super) struct Witness {
    /// This server's name on the list of servers.
    pub(super) server: String,
    partitions: Vec<Mutex<Partition>>,
    /// `None` = it takes no part: it vouches for nothing.
    presence: Mutex<Option<Presence>>,
    /// One sign of life at a time.
    pub(super) attending: tokio::sync::Mutex<()>,
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Witness {
    pub(super) fn new(partitions: Partitions) -> Self {
        Self {
            server: format!("s-{:016x}", rand::random::<u64>()),
            partitions: partitions.all().map(|_| Mutex::default()).collect(),
            presence: Mutex::default(),
            attending: tokio::sync::Mutex::default(),
        }
    }

    fn partition(&self, id: PartitionId) -> MutexGuard<'_, Partition> {
        lock(&self.partitions[id.index()])
    }

    pub(super) fn known(&self, partition: PartitionId) -> Known {
        self.partition(partition).known
    }

    /// Takes note of a partition's state.
    pub(super) fn note(&self, id: PartitionId, stored: Known) {
        let mut partition = self.partition(id);
        let known = &mut partition.known;
        if stored.epoch > known.epoch {
            *known = stored;
        } else if stored.epoch == known.epoch {
            known.accepted = known.accepted.max(stored.accepted);
            known.feed = known.feed.max(stored.feed);
        }
    }

    /// Takes note of a feed number that was read.
    pub(super) fn note_feed(&self, id: PartitionId, feed: u64) {
        let mut partition = self.partition(id);
        partition.known.feed = partition.known.feed.max(feed);
    }

    /// Takes note of a number that was acknowledged in `epoch`.
    pub(super) fn note_given(&self, id: PartitionId, epoch: u64, stream: &StreamId, number: u64) {
        let mut partition = self.partition(id);
        if let Some(given) = partition.given.get_mut(stream) {
            *given = (*given).max((epoch, number));
        } else if partition.given.len() < STREAMS {
            partition.given.insert(stream.clone(), (epoch, number));
        }
    }

    /// The highest number of a stream that was given out, and its epoch, if this server knows of all, as `lua/accept.lua` takes it:
    /// "epoch:number", number 0 = it cannot say.
    pub(super) fn given(&self, id: PartitionId, stream: &StreamId) -> String {
        let sure = lock(&self.presence)
            .as_ref()
            .is_some_and(|presence| presence.alone && !presence.vouched.is_empty());
        let given = self.partition(id).given.get(stream).copied().filter(|_| sure);
        let (epoch, number) = given.unwrap_or_default();
        format!("{epoch}:{number}")
    }

    /// Nothing that was known is true of the store any more: it was emptied.
    pub(super) fn forget(&self) {
        self.partitions.iter().for_each(|partition| *lock(partition) = Partition::default());
    }

    /// Earlier lives that this server vouches for, as `lua/accept.lua` takes them.
    pub(super) fn vouched(&self) -> String {
        let presence = lock(&self.presence);
        let lives = presence.iter().flat_map(|presence| &presence.vouched);
        lives.map(String::as_str).collect::<Vec<_>>().join(" ")
    }

    /// Until when this server may accept frames, by the clock of Redis, milliseconds; 0 = no bound.
    pub(super) fn may_accept_until(&self) -> u64 {
        lock(&self.presence).as_ref().map_or(0, |presence| presence.may_accept_until)
    }

    /// Whether a sign of life is due before a frame is accepted in this life of Redis.
    pub(super) fn is_due(&self, life: &str) -> bool {
        lock(&self.presence).as_ref().is_some_and(|presence| {
            presence.life.as_deref() != Some(life) || presence.looked.elapsed() + ATTEND_EVERY >= MAY_ACCEPT
        })
    }

    pub(super) fn takes_part(&self) -> bool {
        lock(&self.presence).as_ref().is_some_and(|presence| !presence.ended)
    }

    /// Begins to take part; accepts nothing before it has joined and given a sign of life.
    pub(super) fn begin(&self) {
        *lock(&self.presence) = Some(Presence {
            life: None,
            vouched: VecDeque::new(),
            alone: false,
            looked: Instant::now(),
            broke: None,
            may_accept_until: 1,
            joining: true,
            ended: false,
        });
    }

    /// Whether it is still to wait before it accepts anything.
    pub(super) fn is_joining(&self) -> bool {
        lock(&self.presence).as_ref().is_some_and(|presence| presence.joining)
    }

    /// The others know of it, or there are none: the next sign of life lets it accept frames.
    pub(super) fn joined(&self) {
        if let Some(presence) = &mut *lock(&self.presence) {
            presence.joining = false;
        }
    }

    /// Ends it: what is still to be accepted is refused.
    pub(super) fn end(&self) {
        if let Some(presence) = &mut *lock(&self.presence) {
            presence.may_accept_until = 1;
            presence.ended = true;
        }
    }

    /// Redis did not answer a sign of life.
    pub(super) fn not_answered(&self) {
        if let Some(presence) = &mut *lock(&self.presence) {
            presence.broke.get_or_insert_with(Instant::now);
        }
    }

    /// A life of Redis answered a sign of life that was sent at `sent`: so many servers may accept frames, this one until then.
    pub(super) fn answered(&self, life: &str, sent: Instant, servers: u64, until: u64) {
        let mut presence = lock(&self.presence);
        let Some(presence) = presence.as_mut().filter(|presence| !presence.ended) else { return };
        if presence.life.as_deref() != Some(life) {
            let broke = presence.broke.unwrap_or_else(Instant::now);
            let alone = presence.alone && broke.duration_since(presence.looked) <= LOOK_HOLDS;
            match presence.life.replace(life.to_owned()) {
                Some(before) if alone => {
                    presence.vouched.push_front(before);
                    presence.vouched.truncate(LIVES);
                }
                Some(_) | None => presence.vouched.clear(),
            }
        }
        presence.alone = servers <= 1;
        presence.looked = sent;
        presence.broke = None;
        if !presence.joining {
            presence.may_accept_until = until;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn witness() -> Witness {
        let witness = Witness::new(Partitions::new(1).unwrap());
        witness.begin();
        witness.joined();
        witness
    }

    #[tokio::test(start_paused = true)]
    async fn a_server_vouches_for_the_life_that_it_was_alone_in() {
        let witness = witness();
        assert!(witness.is_due("a"), "nothing is known of it");
        witness.answered("a", Instant::now(), 1, 9);
        assert!(!witness.is_due("a") && witness.is_due("b"));
        assert_eq!(witness.vouched(), "");
        // Redis goes away soon after the last look, however long it stays away.
        tokio::time::advance(ATTEND_EVERY).await;
        witness.not_answered();
        tokio::time::advance(Duration::from_secs(3_600)).await;
        witness.not_answered();
        witness.answered("b", Instant::now(), 1, 9);
        assert_eq!(witness.vouched(), "a");
        witness.answered("c", Instant::now(), 1, 9);
        assert_eq!(witness.vouched(), "b a");
    }

    #[tokio::test(start_paused = true)]
    async fn a_server_that_another_may_have_joined_vouches_for_nothing() {
        // Another is on the list.
        let among_others = witness();
        among_others.answered("a", Instant::now(), 2, 9);
        among_others.answered("b", Instant::now(), 1, 9);
        assert_eq!(among_others.vouched(), "");
        // Nobody was, but that was long before Redis went away.
        let late = witness();
        late.answered("a", Instant::now(), 1, 9);
        late.answered("b", Instant::now(), 1, 9);
        tokio::time::advance(JOIN_WAIT).await;
        late.not_answered();
        late.answered("c", Instant::now(), 1, 9);
        assert_eq!(late.vouched(), "", "what was vouched for before is not either");
        // It takes no part.
        let silent = Witness::new(Partitions::new(1).unwrap());
        silent.answered("a", Instant::now(), 1, 9);
        silent.answered("b", Instant::now(), 1, 9);
        assert_eq!((silent.vouched(), silent.may_accept_until()), (String::new(), 0));
    }

    #[test]
    fn knowledge_grows_within_an_epoch_and_begins_anew_with_the_next() {
        let witness = Witness::new(Partitions::new(1).unwrap());
        let id = Partitions::new(1).unwrap().get(0).unwrap();
        let known = |epoch, accepted, feed| Known { epoch, accepted, feed };
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
