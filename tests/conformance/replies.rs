//! Lost replies and missing payloads: repeated calls, in every order.

use bytes::Bytes;
use frameway::domain::PictureRole;
use frameway::queue::{AcceptResult, FinishResult, Refusal, Upload};

use crate::backend::Backend;
use crate::support::*;

pub(crate) async fn a_repeated_accept_stores_no_frame_with_a_publisher_twice(backend: Backend) {
    let store = backend.open().await;
    register(&*store, "cam").await;
    let frames = vec![numbered("cam", 1), numbered("cam", 2)];
    accept(&*store, frames.clone()).await;
    // With the bytes, as a client repeats a call, and without, as the backend itself repeats it.
    for repeat in [frames.clone(), frames.iter().map(rerun).collect()] {
        assert_eq!(store.accept(repeat).await, [duplicate(1), duplicate(2)]);
        for frame in &frames {
            assert!(is_stored(&*store, "cam", frame.upload.payload).await, "the stored payload must stay");
        }
    }
    let lease = lease_of(&*store, "cam", "w").await;
    assert_eq!(work_off(&*store, &lease).await, 2);
    assert_eq!(store.accept(frames.clone()).await, [duplicate(1), duplicate(2)]);
    assert!(!is_stored(&*store, "cam", frames[0].upload.payload).await, "nobody refers to it any more");
    audit(&*store).await;
}

pub(crate) async fn a_repeated_accept_stores_no_frame_without_a_publisher_twice(backend: Backend) {
    let store = backend.open().await;
    register(&*store, "cam").await;
    let frames = vec![frame("cam", "a"), frame("cam", "b")];
    accept(&*store, frames.clone()).await;
    for repeat in [frames.clone(), frames.iter().map(rerun).collect()] {
        let results = store.accept(repeat).await;
        assert!(results.iter().all(|r| matches!(r, AcceptResult::Unconfirmed(_))), "{results:?}");
    }
    // A repeat does not block new frames after it.
    let results = answers(&*store, vec![rerun(&frames[1]), frame("cam", "c")]).await;
    assert!(matches!(results[0], AcceptResult::Unconfirmed(_)), "{results:?}");
    assert_eq!(results[1], accepted(3));
    let lease = lease_of(&*store, "cam", "w").await;
    assert_eq!(take_all(&*store, &lease).await.len(), 3);
    for frame in &frames {
        assert!(is_stored(&*store, "cam", frame.upload.payload).await, "the stored payload must stay");
    }
    audit(&*store).await;
}

pub(crate) async fn an_accept_that_was_interrupted_is_completed(backend: Backend) {
    let store = backend.open().await;
    register(&*store, "cam").await;
    let frames: Vec<_> = (1..=3).map(|n| numbered("cam", n)).collect();
    accept(&*store, vec![frames[0].clone()]).await;
    assert_eq!(answers(&*store, frames).await, [duplicate(1), accepted(2), accepted(3)]);
    audit(&*store).await;
}

pub(crate) async fn bytes_of_an_earlier_call_are_used(backend: Backend) {
    let store = backend.open().await;
    register(&*store, "cam").await;
    accept(&*store, vec![frame("cam", "a"), frame("cam", "b")]).await;
    let lease = lease_of(&*store, "cam", "w").await;
    let frames: Vec<_> = take_all(&*store, &lease).await.iter().map(processed).collect();
    // The frame is not the next one: its bytes are stored for a time, but it is not published.
    let second = std::slice::from_ref(&frames[1]);
    assert_eq!(store.finish(&lease, second).await.unwrap(), [FinishResult::NotNext]);
    assert!(is_stored(&*store, "cam", frames[1].uploads[0].payload).await);
    let both = [frames[0].clone(), refinish(&frames[1])];
    assert_eq!(store.finish(&lease, &both).await.unwrap(), [FinishResult::Published; 2]);
    audit(&*store).await;
}

pub(crate) async fn a_frame_without_its_bytes_is_refused_with_those_after_it(backend: Backend) {
    let store = backend.open().await;
    register(&*store, "cam").await;
    let frames = [numbered("cam", 1), numbered("cam", 2)];
    // The bytes of the first are still on their way, or have expired.
    let results = store.accept(vec![rerun(&frames[0]), frames[1].clone()]).await;
    assert_eq!(results, [refused(Refusal::PayloadGone), refused(Refusal::AfterRefused)]);
    assert_eq!(record(&*store, "cam").await.counters.accepted_sequence, 0);
    assert!(!is_stored(&*store, "cam", frames[1].upload.payload).await);
    audit(&*store).await;
    assert_eq!(answers(&*store, frames.iter().map(again).collect()).await, [accepted(1), accepted(2)]);
    audit(&*store).await;
}

pub(crate) async fn a_repeated_finish_keeps_its_pictures(backend: Backend) {
    let store = backend.open().await;
    register(&*store, "cam").await;
    accept(&*store, vec![frame("cam", "a"), frame("cam", "b")]).await;
    let lease = lease_of(&*store, "cam", "w").await;
    let frames: Vec<_> = take_all(&*store, &lease).await.iter().map(processed).collect();
    assert_eq!(store.finish(&lease, &frames).await.unwrap(), [FinishResult::Published; 2]);
    for repeat in [frames.clone(), frames.iter().map(refinish).collect()] {
        assert_eq!(store.finish(&lease, &repeat).await.unwrap(), [FinishResult::AlreadyPublished; 2]);
        for frame in &frames {
            assert!(is_stored(&*store, "cam", frame.uploads[0].payload).await, "its picture must stay");
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
    assert!(is_stored(&*store, "cam", first.uploads[0].payload).await);
    assert!(!is_stored(&*store, "cam", second.uploads[0].payload).await, "nobody refers to it");
    audit(&*store).await;
}

pub(crate) async fn a_picture_that_is_missing_at_finish_is_uploaded_again(backend: Backend) {
    let store = backend.open().await;
    register(&*store, "cam").await;
    accept(&*store, vec![frame("cam", "a"), frame("cam", "b")]).await;
    let lease = lease_of(&*store, "cam", "w").await;
    let items = take_all(&*store, &lease).await;
    let upload = Upload::new(Bytes::from_static(b"picture"));
    let pictures = [(PictureRole::Processed, upload.payload)];
    let gone = finished_with(&items[0], &pictures, vec![upload.sent()]);
    let results = store.finish(&lease, &[gone, processed(&items[1])]).await.unwrap();
    assert_eq!(results, [FinishResult::PayloadGone, FinishResult::NotNext]);
    assert_eq!(take_all(&*store, &lease).await.len(), 2, "nothing was done");
    audit(&*store).await;
    let anew = finished_with(&items[0], &pictures, vec![upload]);
    let results = store.finish(&lease, &[anew, processed(&items[1])]).await.unwrap();
    assert_eq!(results, [FinishResult::Published; 2]);
    audit(&*store).await;
}
