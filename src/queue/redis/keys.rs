//! Every key that Frameway uses, and the hash tags that keep a partition in one slot of a Redis Cluster.

use crate::domain::{DeadLetterId, GroupId, PartitionId, PayloadKey, PublisherId, StreamId};

/// Layout of this store: version, hash and number of partitions.
pub(super) const LAYOUT: &str = "frameway:layout";
/// The store's identity: a random number (8 bytes) and a key (32 bytes).
pub(super) const STORE: &str = "frameway:store";
/// Live workers: a sorted set by the time at which each expires.
pub(super) const WORKERS: &str = "frameway:workers";
/// Servers that accept frames: a sorted set by the time until which each may, milliseconds.
pub(super) const SERVERS: &str = "frameway:servers";
/// Names of all consumer groups: a sorted set, all scores 0.
pub(super) const GROUPS: &str = "frameway:groups";
/// The key that ack ids are authenticated with: 32 random bytes.
pub(super) const ACK_KEY: &str = "frameway:ack-key";

/// Keys of one consumer group, in a slot of their own.
#[derive(Debug, Clone, Copy)]
pub(super) struct GroupKeys<'a>(pub(super) &'a GroupId);

impl GroupKeys<'_> {
    fn with(self, name: &str) -> String {
        format!("frameway:{{group-{}}}:{name}", self.0)
    }

    /// Hash: settings and counters.
    pub(super) fn about(self) -> String {
        self.with("about")
    }

    /// Hash: position (`n:<stream>`) and more of each stream.
    pub(super) fn positions(self) -> String {
        self.with("positions")
    }

    /// Hash: frames that were delivered and are not acknowledged.
    pub(super) fn pending(self) -> String {
        self.with("pending")
    }

    /// Sorted set: when each of them is due again.
    pub(super) fn due(self) -> String {
        self.with("due")
    }

    /// Hash: session and load of each member.
    pub(super) fn members(self) -> String {
        self.with("members")
    }

    /// Hash: the dead letters that pending frames were replayed from.
    pub(super) fn letters(self) -> String {
        self.with("letters")
    }

    /// String with a time to live: that a dead letter was replayed.
    pub(super) fn replayed(self, letter: DeadLetterId) -> String {
        self.with(&format!("replayed:{letter}"))
    }

    /// Sorted set: until when each member lives.
    pub(super) fn alive(self) -> String {
        self.with("alive")
    }

    /// Hash: gaps that members' calls were given to tell.
    pub(super) fn gaps(self) -> String {
        self.with("gaps")
    }

    /// Hash: gaps that no member's call has taken.
    pub(super) fn untold(self) -> String {
        self.with("untold")
    }

    /// Sorted set: frames that ended unacknowledged, by the time and how.
    pub(super) fn ended(self) -> String {
        self.with("ended")
    }

    /// All but [`replayed`](Self::replayed), in the order that the scripts know.
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
            self.untold(),
            self.ended(),
        ]
    }
}

/// Keys of one partition.
#[derive(Debug, Clone, Copy)]
pub(super) struct Keys(pub(super) PartitionId);

impl Keys {
    fn with(self, name: &str) -> String {
        format!("frameway:{{{}}}:{name}", self.0)
    }

    /// Stream: accepted frames that no worker has finished.
    pub(super) fn work(self) -> String {
        self.with("in")
    }

    /// Stream, trimmed: what happened, with ids `1-0`, `2-0`, ... without holes.
    pub(super) fn feed(self) -> String {
        self.with("feed")
    }

    /// Hash: the partition's counters, and its queue's state.
    pub(super) fn counts(self) -> String {
        self.with("counts")
    }

    /// Hash: for each stream with frames marked for purging, the last one's sequence, a space, and the reason.
    pub(super) fn purge(self) -> String {
        self.with("purge")
    }

    /// Sorted set, all scores 0: registered streams.
    pub(super) fn streams(self) -> String {
        self.with("streams")
    }

    /// Set: unregistered streams with frames left in the work queue, or which nobody has looked at yet.
    pub(super) fn gone(self) -> String {
        self.with("gone")
    }

    /// Sorted set: unregistered streams of which only the last number is left, by that.
    pub(super) fn removed(self) -> String {
        self.with("removed")
    }

    /// Set: the keys of outputs of unregistered streams, which nobody reads any more.
    pub(super) fn old_outputs(self) -> String {
        self.with("old")
    }

    /// Stream: one of these outputs.
    pub(super) fn old_output(self, name: u64) -> String {
        self.with(&format!("old:{name:016x}"))
    }

    /// String with a time to live: the fence of the lease in force.
    pub(super) fn lease(self) -> String {
        self.with("lease")
    }

    /// String: the worker that holds the lease, or held it last and did not give it back.
    pub(super) fn holder(self) -> String {
        self.with("holder")
    }

    /// Number of the last lease.
    pub(super) fn fence(self) -> String {
        self.with("fence")
    }

    /// String with a time to live: what the lease holder last reported.
    pub(super) fn report(self) -> String {
        self.with("report")
    }

    /// Hash: frames that may have killed a worker.
    pub(super) fn suspects(self) -> String {
        self.with("suspects")
    }

    /// Hash: a stream's settings and counters.
    pub(super) fn stream(self, id: &StreamId) -> String {
        self.with(&format!("stream:{id}"))
    }

    /// Stream: a stream's output, with ids `<sequence>-0`.
    pub(super) fn output(self, id: &StreamId) -> String {
        self.with(&format!("out:{id}"))
    }

    /// Set: a stream's publishers.
    pub(super) fn publishers(self, id: &StreamId) -> String {
        self.with(&format!("publishers:{id}"))
    }

    /// String of 32-byte slots: the last numbers of a publisher.
    pub(super) fn dedup(self, id: &StreamId, publisher: &PublisherId) -> String {
        self.with(&format!("dedup:{id}:{publisher}"))
    }

    /// Stream: dead letters, with ids `<microseconds>-<number>`.
    pub(super) fn dead(self) -> String {
        self.with("dead")
    }

    /// Hash: what became of replayed dead letters.
    pub(super) fn dead_replays(self) -> String {
        self.with("dead-replays")
    }

    /// String with a time to live: that a group's dead letter was entered.
    pub(super) fn buried(self, token: &str) -> String {
        self.with(&format!("buried:{token}"))
    }

    /// String: a picture's bytes.
    pub(super) fn payload(self, key: PayloadKey) -> String {
        self.with(&format!("pay:{key}"))
    }
}
