//! All keys that Frameway uses, and the hash tags that keep a partition in one slot of a Redis
//! Cluster.

use std::fmt;

use super::namespace::Namespace;
use crate::domain::{DeadLetterId, GroupId, PartitionId, PayloadKey, PublisherId, StreamId};

/// The names of all keys of a store.
///
/// Each key begins with the namespace. The hash tags contain it too, unless it is the default one:
/// otherwise one node of a cluster would have the same partition of all namespaces.
#[derive(Debug, Clone, Default)]
pub(super) struct Names {
    namespace: Namespace,
}

impl Names {
    pub(super) fn new(namespace: Namespace) -> Self {
        Self { namespace }
    }

    fn with(&self, name: &str) -> String {
        format!("{}:{name}", self.namespace)
    }

    fn tagged(&self, tag: impl fmt::Display, name: &str) -> String {
        let namespace = &self.namespace;
        if namespace.is_default() {
            format!("{namespace}:{{{tag}}}:{name}")
        } else {
            format!("{namespace}:{{{namespace}-{tag}}}:{name}")
        }
    }

    /// Returns the key of a string: the layout of the store, which is version, hash and number of
    /// partitions.
    pub(super) fn layout(&self) -> String {
        self.with("layout")
    }

    /// Returns the key of a string: the store's identity, which is a random number (8 bytes) and a
    /// key (32 bytes).
    pub(super) fn store(&self) -> String {
        self.with("store")
    }

    /// Returns the key of a sorted set: the live workers by the time at which each expires.
    pub(super) fn workers(&self) -> String {
        self.with("workers")
    }

    /// Returns the key of a sorted set: the servers that accept frames by the time until which each
    /// may, milliseconds.
    pub(super) fn servers(&self) -> String {
        self.with("servers")
    }

    /// Returns the key of a sorted set beside that of the workers or the servers, in the same slot:
    /// those of them whose version knows erased frames, with the same scores.
    pub(super) fn erasers(&self, present: &str) -> String {
        self.with(&format!("{{{present}}}:erasers"))
    }

    /// Returns the key of a sorted set, all scores 0: the ids of all consumer groups.
    pub(super) fn groups(&self) -> String {
        self.with("groups")
    }

    /// Returns the pattern of the keys of all consumer groups' settings.
    pub(super) fn every_group(&self) -> String {
        self.tagged("group-*", "about")
    }

    /// Returns the id of the consumer group whose settings have a key.
    pub(super) fn group_of<'a>(&self, key: &'a str) -> Option<&'a str> {
        let pattern = self.every_group();
        let (before, after) = pattern.split_once('*')?;
        key.strip_prefix(before)?.strip_suffix(after)
    }

    /// Returns the key of a string: the key that ack ids are authenticated with, 32 random bytes.
    pub(super) fn ack_key(&self) -> String {
        self.with("ack-key")
    }

    /// Returns the key of a number: the complete erasures.
    pub(super) fn erasures(&self) -> String {
        self.with("erasures")
    }

    /// Returns the key of a hash: how far a move of another store to this one is.
    pub(super) fn repartition(&self) -> String {
        self.with("repartition")
    }

    /// Returns a key that nothing reads or writes: the right to use the keys is tried on it.
    pub(super) fn unused(&self) -> String {
        self.with("doctor")
    }

    /// Returns the keys of a partition.
    pub(super) fn keys(&self, partition: PartitionId) -> Keys<'_> {
        Keys { names: self, partition }
    }

    /// Returns the keys of a consumer group.
    pub(super) fn group<'a>(&'a self, id: &'a GroupId) -> GroupKeys<'a> {
        GroupKeys { names: self, id }
    }
}

/// The keys of one consumer group, in a slot of their own.
#[derive(Debug, Clone, Copy)]
pub(super) struct GroupKeys<'a> {
    names: &'a Names,
    id: &'a GroupId,
}

impl GroupKeys<'_> {
    fn with(self, name: &str) -> String {
        self.names.tagged(format_args!("group-{}", self.id), name)
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
pub(super) struct Keys<'a> {
    names: &'a Names,
    partition: PartitionId,
}

impl Keys<'_> {
    fn with(self, name: &str) -> String {
        self.names.tagged(self.partition, name)
    }

    /// Returns the partition.
    pub(super) fn partition(self) -> PartitionId {
        self.partition
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::Partitions;

    #[test]
    fn stores_without_a_namespace_keep_their_keys() {
        let names = Names::default();
        let group: GroupId = "g".parse().unwrap();
        let partition = Partitions::new(8).unwrap().all().last().unwrap();
        assert_eq!(names.layout(), "frameway:layout");
        assert_eq!(names.erasers(&names.workers()), "frameway:{frameway:workers}:erasers");
        assert_eq!(names.group(&group).about(), "frameway:{group-g}:about");
        assert_eq!(names.every_group(), "frameway:{group-*}:about");
        assert_eq!(names.group_of("frameway:{group-g}:about"), Some("g"));
        assert_eq!(names.keys(partition).work(), "frameway:{p07}:in");
    }

    #[test]
    fn the_tags_of_another_namespace_contain_it() {
        let names = Names::new("site-2".parse().unwrap());
        let group: GroupId = "g".parse().unwrap();
        let partition = Partitions::new(8).unwrap().all().last().unwrap();
        assert_eq!(names.layout(), "site-2:layout");
        assert_eq!(names.erasers(&names.servers()), "site-2:{site-2:servers}:erasers");
        assert_eq!(names.group(&group).about(), "site-2:{site-2-group-g}:about");
        assert_eq!(names.keys(partition).work(), "site-2:{site-2-p07}:in");
    }
}
