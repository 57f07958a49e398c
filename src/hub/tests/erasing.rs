//! Tests of what may still be sent after an erasure.

use std::time::Duration;

use super::client::*;
use super::groups::{GroupWorld, frame};
use super::world::*;
use crate::domain::SequenceRange;
use crate::hub::{ERASED_EVERYWHERE, GapReason, GroupEvent, PictureWant, Selector};
use crate::queue::Erasure as _;

impl World {
    /// Erases frames of a stream as EraseFrames does, until its answer.
    async fn erase(&self, id: &str, first: u64, last: u64) {
        let range = SequenceRange::new(sequence(first), sequence(last)).unwrap();
        let lease = self.lease_of(id).await;
        self.memory.erase(&stream(id), range).await.unwrap();
        while self.memory.erase_step(&lease).await.unwrap() {}
        self.memory.note_erasure().await.unwrap();
        tokio::time::sleep(ERASED_EVERYWHERE).await;
    }
}

fn without_pictures(selector: Selector) -> Selector {
    Selector { want: PictureWant::default(), ..selector }
}

#[tokio::test(start_paused = true)]
async fn a_frame_that_waits_behind_a_gap_is_not_sent_once_it_is_erased() {
    let world = World::new();
    world.register(&["cam"]).await;
    for selector in [ids(&["cam"]), without_pictures(ids(&["cam"]))] {
        let mut live = world.subscribe(request(vec![selector])).await;
        assert!(received(&mut live, 1).await[0].starts_with("checkpoint"));
        world.publish_as("cam", &[Publish::Failed, Publish::Frame, Publish::Frame]).await;
        let head = world.kept_entries("cam").await.last().unwrap().sequence.get();
        let (failed, erased) = (head - 2, head - 1);
        expect(&mut live, &[&format!("cam gap {failed}-{failed} Failed:1")]).await;
        world.erase("cam", erased, erased).await;
        expect(&mut live, &[&format!("cam gap {erased}-{erased} Erased:1"), &format!("cam#{head}")]).await;
    }
}

#[tokio::test(start_paused = true)]
async fn entries_that_were_read_ahead_are_not_sent_once_they_are_erased() {
    let world = World::new();
    world.register(&["cam"]).await;
    world.publish("cam", 3).await;
    let selector = without_pictures(ids(&["cam"]).earliest());
    let mut early = world.subscribe(request(vec![selector])).await;
    expect(&mut early, &["checkpoint cam@1", "cam#1"]).await;
    world.erase("cam", 2, 2).await;
    expect(&mut early, &["cam gap 2-2 Erased:1", "cam#3"]).await;
}

#[tokio::test(start_paused = true)]
async fn entries_that_a_lagging_tail_reads_are_not_sent_once_they_are_erased() {
    let world = World::new();
    world.register(&["cam"]).await;
    let mut live = world.subscribe(request(vec![without_pictures(ids(&["cam"]))])).await;
    expect(&mut live, &["checkpoint cam@1"]).await;
    world.queue.set_feed_held(true);
    world.publish("cam", 3).await;
    world.erase("cam", 2, 2).await;
    world.queue.set_feed_held(false);
    expect(&mut live, &["cam#1", "cam gap 2-2 Erased:1", "cam#3"]).await;
    // Later entries are in memory again.
    let reads = world.hub.stats().output_reads;
    world.publish("cam", 2).await;
    expect(&mut live, &["cam#4", "cam#5"]).await;
    assert_eq!(world.hub.stats().output_reads, reads);
}

#[tokio::test(start_paused = true)]
async fn a_member_that_does_not_read_gets_no_erased_frame() {
    let site = GroupWorld::new().await;
    site.world.publish("cam", 4).await;
    let mut call = site.join("a", 10).await;
    // One is in the channel, one is loaded and waits for room in it, and two have only their entries.
    site.outstanding(4).await;
    site.world.erase("cam", 1, 3).await;
    let mut erased = Vec::new();
    while erased.len() < 3 {
        match call.next().await.expect("not the end").expect("no error") {
            GroupEvent::Gap(gap) => {
                assert!(gap.causes.iter().all(|(reason, _)| *reason == GapReason::Erased), "{gap:?}");
                erased.extend(gap.from.get()..=gap.to);
            }
            GroupEvent::Frame(frame) => assert_eq!(frame.entry.sequence.get(), 4),
            GroupEvent::Heartbeat { .. } => {}
            other => panic!("{other:?}"),
        }
    }
    erased.sort_unstable();
    assert_eq!(erased, [1, 2, 3]);
    site.world.publish("cam", 1).await;
    while frame(&mut call).await.entry.sequence.get() < 5 {}
}

/// The store may be restored to an older state while a server cannot reach it, and then count
/// another erasure: the number is what it was.
#[tokio::test(start_paused = true)]
async fn pictures_are_forgotten_after_an_outage_although_the_number_is_the_same() {
    let world = World::new();
    world.register(&["cam"]).await;
    let mut live = world.subscribe(request(vec![ids(&["cam"])])).await;
    world.memory.note_erasure().await.unwrap();
    world.settle_polls().await;
    world.publish("cam", 1).await;
    expect(&mut live, &["checkpoint cam@1", "cam#1"]).await;
    world.settle_polls().await;
    assert!(world.hub.stats().cache_bytes > 0, "nothing was erased since");
    world.queue.set_down(true);
    tokio::time::sleep(Duration::from_millis(500)).await;
    world.queue.set_down(false);
    world.settle_polls().await;
    assert_eq!(world.hub.stats().cache_bytes, 0);
}
