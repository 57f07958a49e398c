//! All keys that Frameway uses, and the hash tags that keep a partition in one slot of a Redis
//! Cluster.

use crate::domain::{DeadLetterId, GroupId, PartitionId, PayloadKey, PublisherId, StreamId};

/// The layout of the store: version, hash and number of partitions.
pub(super) const LAYOUT: &str = "frameway:layout";
/// The store's identity: a random number (8 bytes) and a key (32 bytes).
pub(super) const STORE: &str = "frameway:store";
/// The live workers: a sorted set by the time at which each expires.
pub(super) const WORKERS: &str = "frameway:workers";
/// The servers that accept frames: a sorted set by the time until which each may, milliseconds.
pub(super) const SERVERS: &str = "frameway:servers";
/// Returns the key of a sorted set beside that of the workers or the servers, in the same slot: those
/// of them whose version knows erased frames, with the same scores.
pub(super) fn erasers(present: &str) -> String {
    format!("frameway:{{{present}}}:erasers")
}

/// The ids of all consumer groups: a sorted set, all scores 0.
pub(super) const GROUPS: &str = "frameway:groups";
/// The key that ack ids are authenticated with: 32 random bytes.
pub(super) const ACK_KEY: &str = "frameway:ack-key";

/// The number of complete erasures.
pub(super) const ERASURES: &str = "frameway:erasures";

/// The keys of one consumer group, in a slot of their own.
#[derive(Debug, Clone, Copy)]
pub(super) struct GroupKeys<'a>(pub(super) &'a GroupId);

impl GroupKeys<'_> {
    fn with(self, name: &str) -> String {
        format!("frameway:{{group-{}}}:{name}", self.0)
    }

    /// Returns the key of a hash: settings and counters.
    pub(super) fn about(self) -> String {
        self.with("about")
    }

    /// Returns the key of a hash: position (`n:<stream>`) and more of each stream.
    pub(super) fn positions(self) -> String {
        self.with("positions")
    }

    /// Returns the key of a hash: frames that are outstanding or wait to be delivered again.
    pub(super) fn pending(self) -> String {
        self.with("pending")
    }

    /// Returns the key of a sorted set: pending frames by the time at which each is due again.
    pub(super) fn due(self) -> String {
        self.with("due")
    }

    /// Returns the key of a hash: session and load of each member.
    pub(super) fn members(self) -> String {
        self.with("members")
    }

    /// Returns the key of a hash: the dead letters that pending frames were replayed from.
    pub(super) fn letters(self) -> String {
        self.with("letters")
    }

    /// Returns the key of a string with a time to live: the token of a replayed dead letter.
    pub(super) fn replayed(self, letter: DeadLetterId) -> String {
        self.with(&format!("replayed:{letter}"))
    }

    /// Returns the key of a sorted set: members by the time at which their membership expires.
    pub(super) fn alive(self) -> String {
        self.with("alive")
    }

    /// Returns the key of a hash: gaps that members' calls have to send.
    pub(super) fn gaps(self) -> String {
        self.with("gaps")
    }

    /// Returns the key of a hash: gaps that no member's call has taken.
    pub(super) fn unsent_gaps(self) -> String {
        self.with("untold")
    }

    /// Returns the key of a sorted set: frames that ended unacknowledged, by time and end.
    pub(super) fn ended(self) -> String {
        self.with("ended")
    }

    /// Returns all keys except [`replayed`](Self::replayed), in the order that the scripts expect.
    pub(super) fn all(self) -> [String; 10] {
        [
            self.about(),
            self.positions(),
            self.pending(),
            self.due(),
            self.members(),
            self.alive(),
            self.letters(),
            self.gaps(),
            self.unsent_gaps(),
            self.ended(),
        ]
    }
}

/// The keys of one partition.
#[derive(Debug, Clone, Copy)]
pub(super) struct Keys(pub(super) PartitionId);

impl Keys {
    fn with(self, name: &str) -> String {
        format!("frameway:{{{}}}:{name}", self.0)
    }

    /// Returns the key of a Redis stream: accepted frames that no worker has finished.
    pub(super) fn work(self) -> String {
        self.with("in")
    }

    /// Returns the key of a trimmed Redis stream: events, with ids `1-0`, `2-0`, ... without holes.
    pub(super) fn feed(self) -> String {
        self.with("feed")
    }

    /// Returns the key of a hash: the partition's counters, and its queue's state.
    pub(super) fn counts(self) -> String {
        self.with("counts")
    }

    /// Returns the key of a hash: for each stream with frames marked for purging, the last one's
    /// sequence, a space, and the reason.
    pub(super) fn purge(self) -> String {
        self.with("purge")
    }

    /// Returns the key of a hash: for each stream of which something is yet to be erased, the ranges,
    /// such as `5-10 20-20`. Empty: its dead letters. `letters 12-3`: those after this one.
    pub(super) fn erasing(self) -> String {
        self.with("erasing")
    }

    /// Returns the key of a sorted set, all scores 0: registered streams.
    pub(super) fn streams(self) -> String {
        self.with("streams")
    }

    /// Returns the key of a set: unregistered streams with frames left in the work queue, or that
    /// were not cleaned up yet.
    pub(super) fn gone(self) -> String {
        self.with("gone")
    }

    /// Returns the key of a sorted set: unregistered streams of which only the last sequence is
    /// left, ordered by it.
    pub(super) fn removed(self) -> String {
        self.with("removed")
    }

    /// Returns the key of a set: the keys of the outputs of unregistered streams, which nobody
    /// reads any more.
    pub(super) fn old_outputs(self) -> String {
        self.with("old")
    }

    /// Returns the key of a Redis stream: the output of an unregistered stream.
    pub(super) fn old_output(self, name: u64) -> String {
        self.with(&format!("old:{name:016x}"))
    }

    /// Returns the key of a string with a time to live: the fence of the lease in force.
    pub(super) fn lease(self) -> String {
        self.with("lease")
    }

    /// Returns the key of a string: the worker that holds the lease, or held it last and did not
    /// release it.
    pub(super) fn holder(self) -> String {
        self.with("holder")
    }

    /// Returns the key of a number: the number in the fence of the last lease.
    pub(super) fn fence(self) -> String {
        self.with("fence")
    }

    /// Returns the key of a string with a time to live: the last report of the lease holder.
    pub(super) fn report(self) -> String {
        self.with("report")
    }

    /// Returns the key of a hash: frames that may have crashed a worker.
    pub(super) fn suspects(self) -> String {
        self.with("suspects")
    }

    /// Returns the key of a hash: a stream's settings and counters.
    pub(super) fn stream(self, id: &StreamId) -> String {
        self.with(&format!("stream:{id}"))
    }

    /// Returns the key of a Redis stream: a stream's output, with ids `<sequence>-0`.
    pub(super) fn output(self, id: &StreamId) -> String {
        self.with(&format!("out:{id}"))
    }

    /// Returns the key of a set: a stream's publishers.
    pub(super) fn publishers(self, id: &StreamId) -> String {
        self.with(&format!("publishers:{id}"))
    }

    /// Returns the key of a string of 32-byte records: the last sequences of a publisher.
    pub(super) fn dedup(self, id: &StreamId, publisher: &PublisherId) -> String {
        self.with(&format!("dedup:{id}:{publisher}"))
    }

    /// Returns the key of a Redis stream: dead letters, with ids `<microseconds>-<number>`.
    pub(super) fn dead(self) -> String {
        self.with("dead")
    }

    /// Returns the key of a hash: the results of replayed dead letters.
    pub(super) fn dead_replays(self) -> String {
        self.with("dead-replays")
    }

    /// Returns the key of a string with a time to live: the token of a group's stored dead letter.
    pub(super) fn buried(self, token: &str) -> String {
        self.with(&format!("buried:{token}"))
    }

    /// Returns the key of a string: a picture's bytes.
    pub(super) fn payload(self, key: PayloadKey) -> String {
        self.with(&format!("pay:{key}"))
    }
}
