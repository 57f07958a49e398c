//! Streams and their settings.

use std::time::Duration;

use frameway::domain::{Etag, StreamId, StreamSettings, Timestamp};
use frameway::queue::{Created, Error, FinishResult, ListStreams, Refusal, Unregistered};

use crate::backend::{Backend, Settings};
use crate::common::spawn;
use crate::support::*;

fn named(display_name: &str) -> StreamSettings {
    let mut settings = StreamSettings { display_name: display_name.to_owned(), ..StreamSettings::default() };
    settings.labels.insert("site".to_owned(), "north".to_owned());
    settings
}

pub(crate) async fn registering_with_other_settings_is_refused(backend: Backend) {
    let store = backend.open().await;
    let before = Timestamp::now();
    let Created { record: first, is_new } = store.register_stream(&id("cam"), &named("gate")).await.unwrap();
    assert!(first.revision > 0 && is_new);
    assert_eq!((first.removed, &first.settings), (false, &named("gate")));
    assert!(first.create_time.distance(before).as_secs() < 60);
    for other in [named("other"), StreamSettings::default()] {
        let second = store.register_stream(&id("cam"), &other).await;
        assert_eq!(second, Err(Error::StreamExists(id("cam"))));
    }
    // An unset value differs from one that equals the default, since the default may change.
    let mut said = named("gate");
    said.queue.max_frames = Some(first.effective.queue.max_frames);
    assert_eq!(store.register_stream(&id("cam"), &said).await, Err(Error::StreamExists(id("cam"))));
    assert_eq!(record(&*store, "cam").await, first);
}

pub(crate) async fn registering_again_with_equal_settings_returns_what_is_stored(backend: Backend) {
    let store = backend.open().await;
    let mut settings = named("gate");
    settings.retention.max_age = Some(Duration::from_nanos(60_000_000_001));
    settings.mask_version = 3;
    let first = store.register_stream(&id("cam"), &settings).await.unwrap();
    accept(&*store, vec![frame("cam", "1")]).await;
    // The values that the server adds to the settings are the stored ones.
    settings.mask_version = 0;
    let again = store.register_stream(&id("cam"), &settings).await.unwrap();
    assert_eq!((first.is_new, again.is_new), (true, false));
    assert_eq!(again.record, record(&*store, "cam").await);
    assert_eq!((again.record.etag(), again.record.settings.mask_version), (first.record.etag(), 3));
    assert_eq!(again.record.counters.accepted_sequence, 1, "nothing of it starts again");
    let updated = store.update_stream(&id("cam"), &named("late"), again.record.etag()).await.unwrap();
    assert_eq!(
        store.register_stream(&id("cam"), &named("late")).await.unwrap().record.etag(),
        updated.etag()
    );
    assert_eq!(store.register_stream(&id("cam"), &settings).await, Err(Error::StreamExists(id("cam"))));
}

pub(crate) async fn a_stream_registered_by_its_first_frame_has_no_settings_of_its_own(backend: Backend) {
    let store = backend.open().await;
    let auto = StreamSettings { auto_registered: true, ..StreamSettings::default() };
    let first = store.register_stream(&id("cam"), &auto).await.unwrap().record;
    let again = store.register_stream(&id("cam"), &StreamSettings::default()).await.unwrap();
    assert_eq!((again.is_new, &again.record), (false, &first));
    assert!(again.record.settings.auto_registered);
    assert_eq!(store.register_stream(&id("cam"), &named("x")).await, Err(Error::StreamExists(id("cam"))));
}

pub(crate) async fn of_many_concurrent_registrations_one_succeeds(backend: Backend) {
    let store = backend.open().await;
    for round in 0..10 {
        let calls = (0..8).map(|index| {
            let queue = std::sync::Arc::clone(&store.queue);
            let name = if index % 2 == 0 { "gate" } else { "door" };
            spawn(async move { (name, queue.register_stream(&id("cam"), &named(name)).await) })
        });
        let calls: Vec<_> = calls.collect();
        let mut answers = Vec::new();
        for call in calls {
            answers.push(call.await.unwrap());
        }
        let made: Vec<_> =
            answers.iter().filter(|(_, answer)| answer.as_ref().is_ok_and(|made| made.is_new)).collect();
        let [(winner, Ok(made))] = &made[..] else { panic!("round {round}: {answers:?}") };
        for (name, answer) in &answers {
            let expected =
                if name == winner { Ok(&made.record) } else { Err(&Error::StreamExists(id("cam"))) };
            assert_eq!(answer.as_ref().map(|made| &made.record), expected, "round {round}");
        }
        store.unregister_stream(&id("cam"), Some(made.record.etag())).await.unwrap();
    }
}

pub(crate) async fn an_etag_is_valid_for_one_registration(backend: Backend) {
    let store = backend.open().await;
    let first = register(&*store, "cam").await;
    store.unregister_stream(&id("cam"), Some(first.etag())).await.unwrap();
    let second = register(&*store, "cam").await;
    // The same version of another registration, for example of an emptied store, is another etag,
    // too.
    let foreign = Etag { version: second.etag().version, ..first.etag() };
    assert_ne!(foreign, second.etag());
    let mismatch = || Error::EtagMismatch { current: second.etag() };
    for stale in [first.etag(), foreign] {
        assert_eq!(store.update_stream(&id("cam"), &named("x"), stale).await, Err(mismatch()));
        assert_eq!(store.unregister_stream(&id("cam"), Some(stale)).await, Err(mismatch()));
    }
    assert_eq!(record(&*store, "cam").await, second);
}

pub(crate) async fn streams_are_listed_by_id_across_partitions_in_pages(backend: Backend) {
    let store = backend.open().await;
    let mut ids: Vec<StreamId> =
        ["b-7", "A", "a", "cam_2", "cam-2", "cam-10", "Z9", "0"].map(id).into_iter().collect();
    for id in &ids {
        store.register_stream(id, &StreamSettings::default()).await.unwrap();
    }
    ids.sort_unstable_by(|a, b| a.as_str().as_bytes().cmp(b.as_str().as_bytes()));
    let (mut listed, mut after) = (Vec::new(), None);
    loop {
        let page = store.list_streams(&ListStreams { after, limit: 3 }).await.unwrap();
        assert!(page.len() <= 3);
        listed.extend(page.iter().map(|record| record.id.clone()));
        after = page.last().map(|record| record.id.clone());
        if page.len() < 3 {
            break;
        }
    }
    assert_eq!(listed, ids);
    let homes: std::collections::HashSet<_> = ids.iter().map(|id| store.partitions().of(id)).collect();
    assert!(homes.len() > 1, "the ids must lie in several partitions");
}

pub(crate) async fn streams_are_read_in_the_requested_order(backend: Backend) {
    let store = backend.open().await;
    register(&*store, "a").await;
    register(&*store, "b").await;
    let found = store.get_streams(&[id("b"), id("never"), id("a")]).await.unwrap();
    let ids: Vec<_> = found.iter().map(|record| record.as_ref().map(|record| record.id.as_str())).collect();
    assert_eq!(ids, [Some("b"), None, Some("a")]);
}

pub(crate) async fn an_update_replaces_only_the_revision_that_was_read(backend: Backend) {
    let store = backend.open().await;
    let first = register(&*store, "cam").await;
    let second = store.update_stream(&id("cam"), &named("gate"), first.etag()).await.unwrap();
    assert!(second.revision > first.revision);
    assert_eq!(second.settings, named("gate"));
    assert_eq!(second.create_time, first.create_time);
    assert!(second.update_time >= first.update_time);
    let stale = store.update_stream(&id("cam"), &named("late"), first.etag()).await;
    assert_eq!(stale, Err(Error::EtagMismatch { current: second.etag() }));
    assert_eq!(record(&*store, "cam").await.settings, named("gate"));
    let unknown = store.update_stream(&id("none"), &named("x"), first.etag()).await;
    assert_eq!(unknown, Err(Error::StreamNotFound(id("none"))));
}

pub(crate) async fn unregistering_checks_a_given_etag(backend: Backend) {
    let store = backend.open().await;
    let etag = register(&*store, "cam").await.etag();
    let next = Etag { version: etag.version + 1, ..etag };
    let stale = store.unregister_stream(&id("cam"), Some(next)).await;
    assert_eq!(stale, Err(Error::EtagMismatch { current: etag }));
    store.unregister_stream(&id("cam"), Some(etag)).await.unwrap();
    assert_eq!(store.unregister_stream(&id("cam"), None).await, Err(Error::StreamNotFound(id("cam"))));
    let update = store.update_stream(&id("cam"), &named("x"), etag).await;
    assert_eq!(update, Err(Error::StreamNotFound(id("cam"))));
    assert!(store.list_streams(&ListStreams { after: None, limit: 10 }).await.unwrap().is_empty());
    let known = store.get_streams(&[id("cam")]).await.unwrap().remove(0);
    assert!(known.is_some_and(|record| record.removed), "its masks are not forgotten");
}

pub(crate) async fn an_unregistered_stream_accepts_no_frames_and_publishes_none(backend: Backend) {
    let store = backend.open().await;
    register(&*store, "cam").await;
    let lease = lease_of(&*store, "cam", "w").await;
    publish(&*store, &lease, "cam", 2).await;
    let (third, fourth) = (frame("cam", "three"), frame("cam", "four"));
    accept(&*store, vec![third.clone()]).await;
    // A worker has taken one frame by then, and not the other.
    let in_hand = take_all(&*store, &lease).await.remove(0);
    accept(&*store, vec![fourth.clone()]).await;
    let removed = store.unregister_stream(&id("cam"), None).await.unwrap();
    assert_eq!(
        removed,
        Unregistered { last_sequence: 4, queued_frames: 2, output_frames: 2, dead_letters: 0 }
    );
    let late = frame("cam", "five");
    assert_eq!(accept_one(&*store, late.clone()).await, refused(Refusal::StreamNotFound));
    assert!(!is_stored(&*store, "cam", late.upload.payload).await);
    let left = store.partition_streams(lease.partition).await.unwrap();
    assert!(left.iter().any(|stream| stream.removed && stream.counters.queued_frames == 2));
    let page = store.read_outputs(&id("cam"), number(1), 10).await.unwrap();
    assert!(page.removed && page.entries.is_empty(), "{page:?}");

    let marked = take_all(&*store, &lease).await;
    let fates: Vec<bool> = marked.iter().map(|item| item.fate.is_some()).collect();
    assert_eq!(fates, [true, true], "a worker learns that it need not process them");
    let finished = [processed(&in_hand), failed(&marked[1])];
    assert_eq!(store.finish(&lease, &finished).await.unwrap(), [FinishResult::Removed; 2]);
    let again = store.finish(&lease, &finished.each_ref().map(refinish)).await.unwrap();
    assert_eq!(again, [FinishResult::AlreadyPublished; 2]);
    for picture in [third.upload.payload, fourth.upload.payload, finished[0].uploads[0].payload] {
        assert!(!is_stored(&*store, "cam", picture).await);
    }
    clean_up(&*store, &lease).await;
    assert!(store.partition_streams(lease.partition).await.unwrap().is_empty());
    assert!(store.read_outputs(&id("cam"), number(1), 10).await.unwrap().entries.is_empty());
    assert_eq!(store.dead_letter_totals().await.unwrap().letters, 0);
    let stats = store.partition_stats(lease.partition).await.unwrap();
    assert_eq!((stats.accepted, stats.processed, stats.removed, stats.depth), (4, 2, 2, 0));
    audit(&*store).await;
}

pub(crate) async fn similar_ids_share_no_data(backend: Backend) {
    // In one partition, so that all keys lie in one slot.
    let store = backend.open_with(Settings { partitions: 1, ..Settings::default() }).await;
    let names = ["a", "a.b", "a-b", "a.b.c", "a.1", "a-1", "b.c"];
    for name in names {
        register(&*store, name).await;
    }
    // The same characters, divided differently into stream and publisher.
    let pairs = [("a", "b.c"), ("a.b", "c"), ("a.b", "c.1"), ("a.b.c", "1"), ("a-b", "c")];
    let mut expected = std::collections::BTreeMap::<&str, u64>::new();
    for (stream, publisher) in pairs {
        let next = expected.entry(stream).or_default();
        *next += 1;
        let sent = marked(stream, publisher, 7, format!("{stream} of {publisher}"));
        assert_eq!(accept_one(&*store, sent).await, accepted(*next), "{stream} of {publisher}");
    }
    for (stream, publisher) in pairs {
        let position = store.publisher_position(&id(stream), &publisher.parse().unwrap()).await.unwrap();
        assert_eq!(position.map(|position| position.publisher_sequence), Some(7));
    }
    let lease = lease_of(&*store, "a", "w").await;
    assert_eq!(work_off(&*store, &lease).await, pairs.len());
    let removed = store.unregister_stream(&id("a.b"), None).await.unwrap();
    assert_eq!((removed.last_sequence, removed.output_frames), (2, 2));
    clean_up(&*store, &lease).await;
    for (stream, count) in expected {
        let left = if stream == "a.b" { 0 } else { count as usize };
        let page = store.read_outputs(&id(stream), number(1), 10).await.unwrap();
        assert_eq!((page.entries.len(), page.removed), (left, stream == "a.b"), "{stream}");
    }
    let listed = store.list_streams(&ListStreams { after: Some(id("a")), limit: 10 }).await.unwrap();
    let listed: Vec<_> = listed.iter().map(|record| record.id.as_str()).collect();
    assert_eq!(listed, ["a-1", "a-b", "a.1", "a.b.c", "b.c"], "in the order of bytes");
    audit(&*store).await;
}

pub(crate) async fn a_stream_registered_again_continues_its_sequences(backend: Backend) {
    let store = backend.open().await;
    let first = register(&*store, "cam").await;
    let lease = lease_of(&*store, "cam", "w").await;
    accept(&*store, vec![numbered("cam", 1), numbered("cam", 2)]).await;
    work_off(&*store, &lease).await;
    for (round, trimmed) in [(2, false), (3, true)] {
        store.unregister_stream(&id("cam"), None).await.unwrap();
        assert_eq!(store.publisher_position(&id("cam"), &"agent".parse().unwrap()).await.unwrap(), None);
        if trimmed {
            clean_up(&*store, &lease).await;
        }
        let before =
            store.get_streams(&[id("cam")]).await.unwrap().pop().flatten().expect("it is not forgotten");
        assert!(before.removed);
        let back = register(&*store, "cam").await;
        assert!(back.revision > before.revision && !back.removed);
        assert!(back.create_time > first.create_time, "it is a new registration");
        assert_eq!((back.counters.oldest_sequence, back.counters.accepted_frames), (round + 1, 0));
        // Its publishers are forgotten: their publisher sequences are new again.
        assert_eq!(accept_one(&*store, numbered("cam", 1)).await, accepted(round + 1));
        work_off(&*store, &lease).await;
    }
    clean_up(&*store, &lease).await;
    audit(&*store).await;
}

pub(crate) async fn the_number_of_streams_is_limited(backend: Backend) {
    let store = backend.open_with(Settings { max_streams: 2, ..Settings::default() }).await;
    register(&*store, "a").await;
    register(&*store, "b").await;
    let third = store.register_stream(&id("c"), &StreamSettings::default()).await;
    assert_eq!(third, Err(Error::TooManyStreams { limit: 2 }));
    assert!(!store.register_stream(&id("a"), &StreamSettings::default()).await.unwrap().is_new);
    let known = store.register_stream(&id("a"), &named("gate")).await;
    assert_eq!(known, Err(Error::StreamExists(id("a"))));
    store.unregister_stream(&id("a"), None).await.unwrap();
    register(&*store, "c").await;
}
