//! Replies that are lost, writes that come late, payloads that expire: calls run again, in every order.

use std::time::Duration;

use bytes::Bytes;
use frameway::domain::PictureRole;
use frameway::queue::{AcceptResult, FinishResult, Offer, Refusal};

use crate::backend::Backend;
use crate::common::eventually;
use crate::support::*;

const BRIEF: Duration = Duration::from_millis(100);

pub(crate) async fn an_accept_run_again_stores_no_marked_frame_twice(backend: Backend) {
    let store = backend.open().await;
    register(&*store, "cam").await;
    let frames = vec![numbered("cam", 1), numbered("cam", 2)];
    accept(&*store, frames.clone()).await;
    // With the bytes, as a client that saw no answer does, and without, as the backend itself may.
    for repeat in [frames.clone(), frames.iter().map(rerun).collect()] {
        assert_eq!(store.accept(repeat).await, [duplicate(1), duplicate(2)]);
        for frame in &frames {
            assert!(is_stored(&*store, "cam", frame.offer.payload).await, "the stored payload must stay");
        }
    }
    let lease = lease_of(&*store, "cam", "w").await;
    assert_eq!(work_off(&*store, &lease).await, 2);
    assert_eq!(store.accept(frames.clone()).await, [duplicate(1), duplicate(2)]);
    assert!(!is_stored(&*store, "cam", frames[0].offer.payload).await, "nobody refers to it any more");
    audit(&*store).await;
}

pub(crate) async fn an_accept_run_again_stores_no_unmarked_frame_twice(backend: Backend) {
    let store = backend.open().await;
    register(&*store, "cam").await;
    let frames = vec![frame("cam", "a"), frame("cam", "b")];
    accept(&*store, frames.clone()).await;
    for repeat in [frames.clone(), frames.iter().map(rerun).collect()] {
        let results = store.accept(repeat).await;
        assert!(results.iter().all(|r| matches!(r, AcceptResult::Unconfirmed(_))), "{results:?}");
    }
    // Neither does a repeat hold back what is new behind it.
    let results = answers(&*store, vec![rerun(&frames[1]), frame("cam", "c")]).await;
    assert!(matches!(results[0], AcceptResult::Unconfirmed(_)), "{results:?}");
    assert_eq!(results[1], accepted(3));
    let lease = lease_of(&*store, "cam", "w").await;
    assert_eq!(take_all(&*store, &lease).await.len(), 3);
    for frame in &frames {
        assert!(is_stored(&*store, "cam", frame.offer.payload).await, "the stored payload must stay");
    }
    audit(&*store).await;
}

pub(crate) async fn an_accept_that_was_cut_off_in_the_middle_is_completed(backend: Backend) {
    let store = backend.open().await;
    register(&*store, "cam").await;
    let frames: Vec<_> = (1..=3).map(|n| numbered("cam", n)).collect();
    accept(&*store, vec![frames[0].clone()]).await;
    assert_eq!(answers(&*store, frames).await, [duplicate(1), accepted(2), accepted(3)]);
    audit(&*store).await;
}

pub(crate) async fn a_payload_that_was_offered_before_is_entered(backend: Backend) {
    let store = backend.open().await;
    register(&*store, "cam").await;
    let frame = numbered("cam", 1);
    let twin = Offer::new(Bytes::from_static(b"entered nowhere"));
    let partition = store.partitions().of(&id("cam"));
    // Long enough for a slow machine to come to the accept.
    store.offer(partition, &[frame.offer.clone(), twin.clone()], Duration::from_secs(2)).await.unwrap();
    assert_eq!(accept_one(&*store, rerun(&frame)).await, accepted(1));
    eventually("the twin expires", || async {
        (!is_stored(&*store, "cam", twin.payload).await).then_some(())
    })
    .await;
    assert!(is_stored(&*store, "cam", frame.offer.payload).await, "entered, it outlives its time");
    audit(&*store).await;
}

pub(crate) async fn an_offer_on_a_taken_key_keeps_the_old_bytes(backend: Backend) {
    let store = backend.open().await;
    register(&*store, "cam").await;
    let partition = store.partitions().of(&id("cam"));
    let offer = Offer::new(Bytes::from_static(b"first"));
    let usurper = Offer { bytes: Some(Bytes::from_static(b"other")), ..offer.clone() };
    store.offer(partition, std::slice::from_ref(&offer), LONG).await.unwrap();
    store.offer(partition, &[usurper], LONG).await.unwrap();
    assert_eq!(store.fetch(partition, &[offer.payload]).await.unwrap(), [offer.bytes]);
}

pub(crate) async fn a_write_that_comes_late_leaves_nothing(backend: Backend) {
    let store = backend.open().await;
    register(&*store, "cam").await;
    let frame = numbered("cam", 1);
    // The bytes are stalled on their way: the frame cannot be entered.
    assert_eq!(accept_one(&*store, rerun(&frame)).await, refused(Refusal::PayloadGone));
    let partition = store.partitions().of(&id("cam"));
    store.offer(partition, std::slice::from_ref(&frame.offer), BRIEF).await.unwrap();
    assert_eq!(record(&*store, "cam").await.counters.accepted_sequence, 0);
    eventually("the late bytes expire", || async {
        (!is_stored(&*store, "cam", frame.offer.payload).await).then_some(())
    })
    .await;
    assert_eq!(accept_one(&*store, again(&frame)).await, accepted(1));
    audit(&*store).await;
}

pub(crate) async fn a_payload_that_expired_is_gone(backend: Backend) {
    let store = backend.open().await;
    register(&*store, "cam").await;
    let frames = [numbered("cam", 1), numbered("cam", 2)];
    let partition = store.partitions().of(&id("cam"));
    store.offer(partition, std::slice::from_ref(&frames[0].offer), BRIEF).await.unwrap();
    eventually("the offer expires", || async {
        (!is_stored(&*store, "cam", frames[0].offer.payload).await).then_some(())
    })
    .await;
    let results = store.accept(vec![rerun(&frames[0]), frames[1].clone()]).await;
    assert_eq!(results, [refused(Refusal::PayloadGone), refused(Refusal::BehindRefused)]);
    assert!(!is_stored(&*store, "cam", frames[1].offer.payload).await);
    assert_eq!(answers(&*store, frames.iter().map(again).collect()).await, [accepted(1), accepted(2)]);
    audit(&*store).await;
}

pub(crate) async fn a_finish_run_again_keeps_its_pictures(backend: Backend) {
    let store = backend.open().await;
    register(&*store, "cam").await;
    accept(&*store, vec![frame("cam", "a"), frame("cam", "b")]).await;
    let lease = lease_of(&*store, "cam", "w").await;
    let frames: Vec<_> = take_all(&*store, &lease).await.iter().map(processed).collect();
    assert_eq!(store.finish(&lease, &frames).await.unwrap(), [FinishResult::Published; 2]);
    for repeat in [frames.clone(), frames.iter().map(refinish).collect()] {
        assert_eq!(store.finish(&lease, &repeat).await.unwrap(), [FinishResult::AlreadyPublished; 2]);
        for frame in &frames {
            assert!(is_stored(&*store, "cam", frame.offers[0].payload).await, "its picture must stay");
        }
    }
    let stats = store.partition_stats(lease.partition).await.unwrap();
    assert_eq!((stats.processed, stats.depth), (2, 0));
    audit(&*store).await;
}

pub(crate) async fn a_second_result_of_a_published_frame_is_dropped(backend: Backend) {
    let store = backend.open().await;
    register(&*store, "cam").await;
    accept(&*store, vec![frame("cam", "a")]).await;
    let lease = lease_of(&*store, "cam", "w").await;
    let item = take_all(&*store, &lease).await.remove(0);
    let (first, second) = (processed(&item), processed(&item));
    store.finish(&lease, std::slice::from_ref(&first)).await.unwrap();
    let result = store.finish(&lease, std::slice::from_ref(&second)).await.unwrap();
    assert_eq!(result, [FinishResult::AlreadyPublished]);
    assert!(is_stored(&*store, "cam", first.offers[0].payload).await);
    assert!(!is_stored(&*store, "cam", second.offers[0].payload).await, "nobody refers to it");
    audit(&*store).await;
}

pub(crate) async fn a_picture_that_expired_before_finish_is_offered_anew(backend: Backend) {
    let store = backend.open().await;
    register(&*store, "cam").await;
    accept(&*store, vec![frame("cam", "a"), frame("cam", "b")]).await;
    let lease = lease_of(&*store, "cam", "w").await;
    let items = take_all(&*store, &lease).await;
    let offer = Offer::new(Bytes::from_static(b"picture"));
    store.offer(lease.partition, std::slice::from_ref(&offer), BRIEF).await.unwrap();
    eventually("the offer expires", || async {
        (!is_stored(&*store, "cam", offer.payload).await).then_some(())
    })
    .await;
    let pictures = [(PictureRole::Processed, offer.payload)];
    let gone = finished_with(&items[0], &pictures, vec![offer.sent()]);
    let results = store.finish(&lease, &[gone, processed(&items[1])]).await.unwrap();
    assert_eq!(results, [FinishResult::PayloadGone, FinishResult::NotNext]);
    assert_eq!(take_all(&*store, &lease).await.len(), 2, "nothing was done");
    audit(&*store).await;
    let anew = finished_with(&items[0], &pictures, vec![offer]);
    let results = store.finish(&lease, &[anew, processed(&items[1])]).await.unwrap();
    assert_eq!(results, [FinishResult::Published; 2]);
    audit(&*store).await;
}
