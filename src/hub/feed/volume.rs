//! Measures the backlog of a live subscriber without keeping anything for it.
//!
//! A topic adds up what was published, and a subscription adds up what it has sent. The difference
//! is what a server that pushes would have buffered. The count starts when a subscription has
//! caught up, so the kept entries that it reads to catch up are no backlog. It starts again if the
//! feed missed something, because then the backlog is unknown.

use crate::domain::{OutputEntry, PictureRole};
use crate::hub::pictures::want::PictureWant;

/// The bytes that an entry counts for besides its pictures.
const ENTRY_BYTES: u64 = 1024;

/// A total of the sizes of entries.
#[derive(Debug, Clone, Copy, Default)]
pub(in crate::hub) struct Volume {
    /// Totals of different generations cannot be compared.
    pub(in crate::hub) generation: u64,
    entries: u64,
    thumbnails: u64,
    processed: u64,
    originals: u64,
}

impl Volume {
    pub(in crate::hub) fn add(&mut self, entry: &OutputEntry) {
        self.entries += 1;
        for picture in entry.body.pictures() {
            let sum = match picture.role {
                PictureRole::Thumbnail => &mut self.thumbnails,
                PictureRole::Processed => &mut self.processed,
                PictureRole::Original => &mut self.originals,
                // Renditions are never stored.
                PictureRole::Rendition => continue,
            };
            *sum += picture.payload.size_bytes;
        }
    }

    /// Returns the bytes that a subscriber receives if it wants these pictures.
    pub(in crate::hub) fn bytes(&self, want: &PictureWant) -> u64 {
        let pictures = want.roles().map(|role| match role {
            PictureRole::Thumbnail => self.thumbnails,
            // A rendition is made from the processed picture and is usually smaller.
            PictureRole::Processed | PictureRole::Rendition => self.processed,
            PictureRole::Original => self.originals,
        });
        self.entries * ENTRY_BYTES + pictures.sum::<u64>()
    }
}

/// Returns the bytes that one entry counts for.
pub(in crate::hub) fn cost(entry: &OutputEntry, want: &PictureWant) -> u64 {
    let mut one = Volume::default();
    one.add(entry);
    one.bytes(want)
}
