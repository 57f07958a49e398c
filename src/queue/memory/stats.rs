use super::state::{Now, Partition, State};
use crate::queue::PartitionStats;

impl State {
    /// Returns the bytes of all payloads, including uploads, of settings, and of remembered
    /// publishers.
    pub(super) fn used_bytes(&self) -> u64 {
        let used = |partition: &Partition| {
            partition.payloads.bytes() + partition.totals.settings_bytes + partition.totals.window_bytes
        };
        self.all_partitions().iter().map(used).sum()
    }
}

impl Partition {
    pub(super) fn stats(&self, now: Now) -> PartitionStats {
        PartitionStats {
            depth: self.work.len() as u64,
            queued_bytes: self.totals.queued_bytes,
            oldest_receive_time: self.work.oldest_receive_time(),
            output_bytes: self.totals.output_bytes,
            accepted: self.totals.accepted,
            accepted_bytes: self.totals.accepted_bytes,
            processed: self.totals.processed,
            failed: self.totals.failed,
            dropped: self.totals.dropped,
            purged: self.totals.purged,
            erased: self.totals.erased,
            erased_processed: self.totals.erased_processed,
            erased_failed: self.totals.erased_failed,
            removed: self.totals.removed,
            duplicates: self.totals.duplicates,
            over_budget: self.totals.over_budget,
            published_bytes: self.totals.published_bytes,
            trimmed: self.totals.trimmed,
            dead_letters: self.dead.len() as u64,
            dead_letter_bytes: self.dead.bytes(),
            dead_letters_expired: self.dead.expired(),
            streams: self.streams.values().filter(|stream| !stream.removed).count() as u64,
            report: self.lease.report(now.instant),
            control: self.queue_control(now),
        }
    }
}
