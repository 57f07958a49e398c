//! What a topic shows of the newest entries it heard of.

use std::sync::Arc;

use bytes::Bytes;

use super::world::header;
use crate::domain::{OutputBody, OutputEntry, Sequence, StreamCounters, Timestamp, Tombstone, TombstoneKind};
use crate::hub::topic::{Look, Topic};

/// A topic that heard of the numbers 1 to 3.
fn topic() -> Topic {
    let topic = Topic::new("cam".parse().expect("an id"));
    for number in 1..=3 {
        let tombstone =
            Tombstone { header: header(&Bytes::new()), kind: TombstoneKind::Dropped, attempts: 0 };
        let entry = OutputEntry {
            stream_id: topic.id().clone(),
            sequence: Sequence::after(number - 1),
            previous_sequence: number - 1,
            given_before: None,
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
fn entries_of_a_store_that_went_on_elsewhere_are_forgotten() {
    let shows_last = |topic: &Topic| matches!(topic.look(Sequence::after(2)), Look::Entry(_));
    for (published, kept) in [(3, true), (2, false), (1_000_000, false)] {
        let topic = topic();
        topic.refresh(&StreamCounters { published_sequence: published, ..StreamCounters::default() });
        assert_eq!(shows_last(&topic), kept, "the store ends at {published}");
    }
    // One who begins may have read the store before the newest entry came.
    for (published, kept) in [(3, true), (2, true), (0, false), (1_000_000, false)] {
        let topic = topic();
        topic.begin(&StreamCounters { published_sequence: published, ..StreamCounters::default() });
        assert_eq!(shows_last(&topic), kept, "the store ended at {published}");
    }
}
