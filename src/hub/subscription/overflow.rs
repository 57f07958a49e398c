//! Measures how far a subscription is behind.

use super::Subscription;

impl Subscription {
    /// Returns the backlog of one stream, in bytes.
    fn backlog(&self, index: u32) -> u64 {
        let Some(stream) = self.streams.get(&index) else { return 0 };
        let (Some(sent), Some(selector)) = (stream.sent, self.selectors.get(stream.selector)) else {
            return 0;
        };
        let published = stream.topic.volume();
        if published.generation != sent.generation {
            return 0;
        }
        published.bytes(&selector.want).saturating_sub(sent.bytes(&selector.want))
    }

    /// Returns the part of a stream's backlog that is above the limit. A stream that stays within
    /// its even share of the limit is not affected by the backlog of others.
    pub(super) fn excess(&self, index: u32) -> u64 {
        let bound = self.hub().config.overflow_bytes;
        let backlog = self.backlog(index);
        let share = bound / self.streams.len().max(1) as u64;
        if backlog <= share {
            return 0;
        }
        let total: u64 = self.streams.keys().map(|&index| self.backlog(index)).sum();
        total.saturating_sub(bound).min(backlog - share)
    }
}
