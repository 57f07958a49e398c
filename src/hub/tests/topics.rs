//! Tests of what a topic knows about the newest entries.

use std::sync::Arc;

use bytes::Bytes;

use super::world::header;
use crate::domain::{OutputBody, OutputEntry, Sequence, StreamCounters, Timestamp, Tombstone, TombstoneKind};
use crate::hub::feed::topic::{Lookup, Topic};

/// Returns a topic with the entries 1 to 3.
fn topic() -> Topic {
    let topic = Topic::new("cam".parse().expect("an id"));
    for number in 1..=3 {
        let tombstone =
            Tombstone { header: header(&Bytes::new()), kind: TombstoneKind::Dropped, attempts: 0 };
        let entry = OutputEntry {
            stream_id: topic.id().clone(),
            sequence: Sequence::after(number - 1),
            previous_sequence: number - 1,
            issued_before: None,
            receive_time: Timestamp::default(),
            publish_time: Timestamp::default(),
            body: OutputBody::Tombstone(Box::new(tombstone)),
            dead_letter: None,
        };
        topic.publish(&Arc::new(entry), 8);
    }
    topic
}

#[test]
fn entries_that_the_store_may_have_lost_are_removed() {
    let has_newest = |topic: &Topic| matches!(topic.lookup(Sequence::after(2)), Lookup::Entry(_));
    for (published, kept) in [(3, true), (2, false), (1_000_000, false)] {
        let topic = topic();
        topic.refresh(&StreamCounters { published_sequence: published, ..StreamCounters::default() });
        assert_eq!(has_newest(&topic), kept, "the store ends at {published}");
    }
    // A subscription that starts may have read the store before the newest entry came.
    for (published, kept) in [(3, true), (2, true), (0, false), (1_000_000, false)] {
        let topic = topic();
        topic
            .observe_at_start(&StreamCounters { published_sequence: published, ..StreamCounters::default() });
        assert_eq!(has_newest(&topic), kept, "the store ended at {published}");
    }
}
