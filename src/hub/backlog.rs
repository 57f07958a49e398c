//! How far a live subscriber has fallen behind, without keeping anything for it.
//!
//! A topic adds up what it was told; a subscription adds up what it told on. The difference is what a push design would
//! have buffered. It is counted from the moment at which a subscription has caught up, so that reading what is kept, to
//! catch up, is no backlog; and it begins anew where the feed missed something, since then nobody knows.

use super::select::PictureWant;
use super::subscription::Subscription;
use crate::domain::{OutputEntry, PictureRole};

/// What an entry counts for beside its pictures.
const ENTRY_BYTES: u64 = 1024;

/// Sizes of entries, added up.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Volume {
    /// Sums of another generation cannot be compared.
    pub(super) generation: u64,
    entries: u64,
    thumbnails: u64,
    processed: u64,
    originals: u64,
}

impl Volume {
    pub(super) fn add(&mut self, entry: &OutputEntry) {
        self.entries += 1;
        for picture in entry.body.pictures() {
            let sum = match picture.role {
                PictureRole::Thumbnail => &mut self.thumbnails,
                PictureRole::Processed => &mut self.processed,
                PictureRole::Original => &mut self.originals,
                // Never stored.
                PictureRole::Rendition => continue,
            };
            *sum += picture.payload.size_bytes;
        }
    }

    /// Bytes that a subscriber of these pictures gets.
    fn bytes(&self, want: &PictureWant) -> u64 {
        let pictures = want.roles().map(|role| match role {
            PictureRole::Thumbnail => self.thumbnails,
            // A rendition is made of the processed picture, and mostly smaller.
            PictureRole::Processed | PictureRole::Rendition => self.processed,
            PictureRole::Original => self.originals,
        });
        self.entries * ENTRY_BYTES + pictures.sum::<u64>()
    }
}

/// What one entry counts for.
pub(super) fn cost(entry: &OutputEntry, want: &PictureWant) -> u64 {
    let mut one = Volume::default();
    one.add(entry);
    one.bytes(want)
}

impl Subscription {
    /// Bytes of one stream that wait to be sent.
    fn backlog(&self, index: u32) -> u64 {
        let Some(stream) = self.streams.get(&index) else { return 0 };
        let (Some(told), Some(selector)) = (stream.live, self.selectors.get(stream.selector)) else {
            return 0;
        };
        let all = stream.topic.volume();
        if all.generation != told.generation {
            return 0;
        }
        all.bytes(&selector.want).saturating_sub(told.bytes(&selector.want))
    }

    /// Bytes of a stream that are too many. A stream within its even share of the bound is left alone, however far its
    /// neighbours are behind.
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
