//! A stream that is unregistered and registered again at once.

use std::sync::Arc;
use std::time::{Duration, Instant};

use frameway::domain::{
    DeadFrame, DeadLetterFilter, DeadLetterSource, OutputBody, RetentionSettings, StreamSettings, Timestamp,
};
use frameway::queue::{
    AcceptResult, Budget, DeadLetterOrder, Error, FinishResult, Lease, ListDeadLetters, Queue, Refusal,
    ReplayResult, SpanQuery,
};
use frameway::worker::{Worker, WorkerConfig};
use tokio_util::sync::CancellationToken;

use crate::backend::{Backend, Settings};
use crate::common::{DEADLINE, spawn};
use crate::support::*;

/// The time between two passes of retention, which reads all streams only in every tenth pass.
const PASS: Duration = Duration::from_millis(100);

/// A stream of the same partition that keeps one frame: when it loses one, a pass has been made.
const WITNESS: &str = "witness";

async fn wait_for_output(store: &dyn Queue, stream: &str, expected: &[u64]) {
    let start = Instant::now();
    loop {
        let page = store.read_outputs(&id(stream), number(1), 1_000).await.unwrap();
        if numbers(&page.entries) == expected {
            return;
        }
        assert!(start.elapsed() < DEADLINE, "{stream}: {:?} is not {expected:?}", numbers(&page.entries));
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}

pub(crate) async fn a_returning_stream_keeps_every_frame_while_retention_runs(backend: Backend) {
    let store = backend.open_with(Settings { partitions: 1, ..Default::default() }).await;
    let one = RetentionSettings { max_frames: Some(1), ..RetentionSettings::default() };
    let witness = StreamSettings { retention: one, ..StreamSettings::default() };
    store.register_stream(&id(WITNESS), &witness).await.unwrap();
    register(&*store, "cam").await;
    let config = WorkerConfig { retention_interval: PASS, threads: 1, ..WorkerConfig::default() };
    let (worker, stop) = (Worker::new(Arc::clone(&store.queue), config).unwrap(), CancellationToken::new());
    let worker = spawn(worker.run(stop.clone()));

    let (mut expected, mut seen) = (Vec::new(), 0);
    for _ in 0..3 {
        expected.extend(accept(&*store, vec![frame("cam", "old"), frame("cam", "older")]).await);
        wait_for_output(&*store, "cam", &expected).await;
        let last = expected.pop().unwrap();
        store.unregister_stream(&id("cam"), None).await.unwrap();
        wait_for_output(&*store, "cam", &[]).await;
        register(&*store, "cam").await;
        expected.clear();
        for picture in ["a", "b", "c"] {
            match accept_one(&*store, frame("cam", picture)).await {
                AcceptResult::Accepted(sequence, _) => expected.push(sequence.get()),
                other => panic!("not accepted: {other:?}"),
            }
            wait_for_output(&*store, "cam", &expected).await;
            // At least two more passes.
            for _ in 0..2 {
                accept(&*store, vec![frame(WITNESS, "x"), frame(WITNESS, "y")]).await;
                seen += 2;
                wait_for_output(&*store, WITNESS, &[seen]).await;
            }
            wait_for_output(&*store, "cam", &expected).await;
        }
        assert!(expected[0] > last, "its sequences continue");
    }
    stop.cancel();
    worker.await.unwrap();
    let lease = lease_of(&*store, "cam", "after it").await;
    clean_up(&*store, &lease).await;
    audit(&*store).await;
}

pub(crate) async fn a_bound_of_older_settings_removes_nothing(backend: Backend) {
    let store = backend.open().await;
    let old = register(&*store, "cam").await.revision;
    let lease = lease_of(&*store, "cam", "w").await;
    store.unregister_stream(&id("cam"), None).await.unwrap();
    let new = register(&*store, "cam").await.revision;
    publish(&*store, &lease, "cam", 3).await;
    let newest = store.latest_outputs(&id("cam"), 1).await.unwrap()[0].sequence;
    let trim = async |revision| store.trim_output(&lease, &id("cam"), revision, newest).await;
    assert_eq!(trim(Some(old)).await, Err(Error::RevisionMismatch { current: new }));
    assert_eq!(trim(Some(new)).await.unwrap().frames, 2);
    audit(&*store).await;
}

pub(crate) async fn no_read_finds_data_of_the_earlier_registration(backend: Backend) {
    let store = backend.open().await;
    register(&*store, "cam").await;
    let lease = lease_of(&*store, "cam", "w").await;
    publish(&*store, &lease, "cam", 3).await;
    let old = store.latest_outputs(&id("cam"), 1).await.unwrap().remove(0);
    store.unregister_stream(&id("cam"), None).await.unwrap();
    for comes_back in [false, true] {
        if comes_back {
            register(&*store, "cam").await;
        }
        let page = store.read_outputs(&id("cam"), number(1), 10).await.unwrap();
        assert!(page.entries.is_empty(), "{page:?}");
        let (floor, published) = (page.counters.floor_sequence, page.counters.published_sequence);
        assert_eq!((page.removed, floor, published), (!comes_back, 3, 3));
        assert_eq!(page.counters.output_frames, 0);
        assert!(store.latest_outputs(&id("cam"), 10).await.unwrap().is_empty());
        let ever = Timestamp::from_micros(0);
        assert_eq!(store.first_at(&id("cam"), ever).await.unwrap().entry, None);
        let span = store.count_outputs(&[SpanQuery::from(id("cam"), number(1))]).await.unwrap().remove(0);
        assert_eq!((span.oldest, span.entries, span.head), (0, 0, 3));
    }
    publish(&*store, &lease, "cam", 2).await;
    let page = store.read_outputs(&id("cam"), number(1), 10).await.unwrap();
    assert_eq!((numbers(&page.entries), page.counters.oldest_sequence), (vec![4, 5], 4));
    assert_eq!(page.entries[0].previous_sequence, 3);
    clean_up(&*store, &lease).await;
    assert!(!is_stored(&*store, "cam", old.body.pictures()[0].payload).await, "its pictures are removed");
    let page = store.read_outputs(&id("cam"), number(1), 10).await.unwrap();
    assert_eq!(numbers(&page.entries), [4, 5], "and those of the new registration are not");
    audit(&*store).await;
}

pub(crate) async fn dead_letters_of_the_earlier_registration_are_removed(backend: Backend) {
    let store = backend.open().await;
    register(&*store, "cam").await;
    let lease = lease_of(&*store, "cam", "w").await;
    let fail = async |picture: &'static str| {
        accept(&*store, vec![frame("cam", picture)]).await;
        let frames: Vec<_> = take_all(&*store, &lease).await.iter().map(failed).collect();
        store.finish(&lease, &frames).await.unwrap();
    };
    let list = async || {
        let query = ListDeadLetters {
            filter: DeadLetterFilter::default(),
            order: DeadLetterOrder::OldestFirst,
            after: None,
            limit: 10,
        };
        store.list_dead_letters(&query).await.unwrap().letters
    };
    fail("broken").await;
    let old = list().await.remove(0);
    let picture = old.frame.picture.unwrap().payload;
    store.unregister_stream(&id("cam"), None).await.unwrap();
    for comes_back in [false, true] {
        if comes_back {
            register(&*store, "cam").await;
        }
        assert!(list().await.is_empty());
        assert_eq!(store.get_dead_letter(old.id).await.unwrap(), None);
        assert_eq!(store.replay_dead_letter(old.id).await.unwrap(), ReplayResult::NotFound);
        assert!(!store.discard_dead_letter(old.id).await.unwrap());
    }
    fail("broken again").await;
    let new = list().await;
    assert_eq!(new.iter().map(|letter| letter.frame.sequence.get()).collect::<Vec<_>>(), [2]);
    clean_up(&*store, &lease).await;
    assert!(!is_stored(&*store, "cam", picture).await, "its picture is removed");
    assert_eq!(list().await, new);
    assert_eq!(store.dead_letter_totals().await.unwrap().letters, 1);
    audit(&*store).await;
}

pub(crate) async fn any_number_of_its_dead_letters_is_counted_and_hidden_at_once(backend: Backend) {
    let store = backend.open_with(Settings { partitions: 1, ..Settings::default() }).await;
    register(&*store, "cam").await;
    register(&*store, "other").await;
    let lease = lease_of(&*store, "cam", "w").await;
    let fail = async |stream: &str, count: usize| {
        accept(&*store, (0..count).map(|i| frame(stream, format!("{stream} {i}"))).collect()).await;
        let frames: Vec<_> = take_all(&*store, &lease).await.iter().map(failed).collect();
        store.finish(&lease, &frames).await.unwrap();
    };
    let query = ListDeadLetters {
        filter: DeadLetterFilter::default(),
        order: DeadLetterOrder::OldestFirst,
        after: None,
        limit: 1_000,
    };
    let list = async || store.list_dead_letters(&query).await.unwrap().letters;
    fail("cam", 300).await;
    fail("other", 2).await;
    // A dead letter of a group counts, and so does a replayed one; a discarded one does not.
    let letters = list().await;
    let source = DeadLetterSource::Group("site".parse().unwrap());
    let given_up = DeadFrame { source, picture: None, ..letters[0].frame.clone() };
    assert!(store.insert_dead_letter(&given_up, None, "token").await.unwrap());
    assert!(store.discard_dead_letter(letters[1].id).await.unwrap());
    assert_eq!(store.replay_dead_letter(letters[2].id).await.unwrap(), ReplayResult::Replayed(number(301)));
    work_off(&*store, &lease).await;
    assert_eq!(list().await.len(), 302);
    let removed = store.unregister_stream(&id("cam"), None).await.unwrap();
    assert_eq!((removed.last_sequence, removed.output_frames, removed.dead_letters), (301, 301, 300));
    let left: Vec<_> = list().await.into_iter().map(|letter| letter.frame.stream_id).collect();
    assert_eq!(left, [id("other"), id("other")]);

    // The next registration counts its own dead letters, even while the holder removes the earlier
    // ones.
    register(&*store, "cam").await;
    fail("cam", 3).await;
    clean_up(&*store, &lease).await;
    assert_eq!(store.dead_letter_totals().await.unwrap().letters, 5);
    assert_eq!(store.unregister_stream(&id("cam"), None).await.unwrap().dead_letters, 3);
    // The same holds while the earlier ones are still stored.
    register(&*store, "cam").await;
    fail("cam", 1).await;
    assert_eq!(store.unregister_stream(&id("cam"), None).await.unwrap().dead_letters, 1);
    assert_eq!(store.unregister_stream(&id("other"), None).await.unwrap().dead_letters, 2);
    clean_up(&*store, &lease).await;
    let totals = store.dead_letter_totals().await.unwrap();
    assert_eq!((totals.letters, totals.bytes), (0, 0));
    audit(&*store).await;
}

pub(crate) async fn a_list_skips_its_hidden_dead_letters_in_bounded_steps(backend: Backend) {
    const LETTERS: usize = 5_200;
    let store = backend.open_with(Settings { partitions: 1, ..Settings::default() }).await;
    let lease = lease_of(&*store, "cam", "w").await;
    let fail = async |stream: &str, count: usize| {
        register(&*store, stream).await;
        for part in (0..count).collect::<Vec<_>>().chunks(400) {
            accept(&*store, part.iter().map(|i| frame(stream, format!("{i}"))).collect()).await;
            let frames: Vec<_> = take_all(&*store, &lease).await.iter().map(failed).collect();
            store.finish(&lease, &frames).await.unwrap();
        }
    };
    fail("older", 2).await;
    fail("cam", LETTERS).await;
    fail("newer", 2).await;
    let removed = store.unregister_stream(&id("cam"), None).await.unwrap();
    assert_eq!(removed.dead_letters, LETTERS as u64);
    let walk = async |order| {
        let (mut pages, mut seen, mut after) = (0, Vec::new(), None);
        loop {
            let filter = DeadLetterFilter::default();
            let page =
                store.list_dead_letters(&ListDeadLetters { filter, order, after, limit: 10 }).await.unwrap();
            pages += 1;
            seen.extend(
                page.letters.into_iter().map(|letter| (letter.frame.stream_id, letter.frame.sequence.get())),
            );
            after = page.next;
            if after.is_none() {
                return (pages, seen);
            }
        }
    };
    let mut expected = vec![(id("older"), 1), (id("older"), 2), (id("newer"), 1), (id("newer"), 2)];
    let (pages, seen) = walk(DeadLetterOrder::OldestFirst).await;
    assert_eq!(seen, expected);
    assert_eq!(pages > 1, backend == Backend::Redis, "what is read in one call is bounded: {pages}");
    expected.reverse();
    assert_eq!(walk(DeadLetterOrder::NewestFirst).await, (pages, expected));
}

pub(crate) async fn the_old_output_is_removed_in_steps_by_any_holder(backend: Backend) {
    let store = backend.open().await;
    register(&*store, "cam").await;
    let first = lease_of(&*store, "cam", "dies").await;
    publish(&*store, &first, "cam", 600).await;
    store.unregister_stream(&id("cam"), None).await.unwrap();
    register(&*store, "cam").await;
    publish(&*store, &first, "cam", 3).await;
    store.unregister_stream(&id("cam"), None).await.unwrap();
    register(&*store, "cam").await;
    publish(&*store, &first, "cam", 2).await;
    assert!(store.clean_up(&first).await.unwrap(), "there is more than one piece");
    store.forget_worker("dies").await.unwrap();
    assert_eq!(store.clean_up(&first).await, Err(Error::LeaseLost));
    let next = lease_of(&*store, "cam", "goes on").await;
    clean_up(&*store, &next).await;
    let page = store.read_outputs(&id("cam"), number(1), 1_000).await.unwrap();
    assert_eq!(numbers(&page.entries), [604, 605]);
    audit(&*store).await;
}

pub(crate) async fn frames_that_waited_at_the_removal_are_counted(backend: Backend) {
    let store = backend.open().await;
    register(&*store, "cam").await;
    let lease = lease_of(&*store, "cam", "w").await;
    publish(&*store, &lease, "cam", 2).await;
    accept(&*store, vec![frame("cam", "large")]).await;
    let mut large = processed(&take_all(&*store, &lease).await[0]);
    let OutputBody::Frame(body) = &mut large.body else { panic!("a frame") };
    body.over_budget = true;
    store.finish(&lease, &[large]).await.unwrap();
    accept(&*store, vec![frame("cam", "four"), frame("cam", "five")]).await;
    store.unregister_stream(&id("cam"), None).await.unwrap();
    let back = register(&*store, "cam").await.counters;
    assert_eq!((back.over_budget_frames, back.over_budget_in_row, back.published_bytes), (0, 0, 0));
    assert_eq!((back.accepted_frames, back.queued_frames, back.removed_frames), (2, 2, 0));
    assert_eq!(accept(&*store, vec![frame("cam", "six")]).await, [6]);
    // The successor of a crashed worker gets all of them.
    let items = take_all(&*store, &lease).await;
    store.forget_worker("w").await.unwrap();
    let lease = lease_of(&*store, "cam", "next").await;
    let frames: Vec<_> = items.iter().map(processed).collect();
    let results = store.finish(&lease, &frames).await.unwrap();
    assert_eq!(results, [FinishResult::Removed, FinishResult::Removed, FinishResult::Published]);
    let done = record(&*store, "cam").await.counters;
    assert_eq!((done.accepted_frames, done.removed_frames, done.processed_frames()), (3, 2, 1));
    assert_eq!((done.queued_frames, done.queued_bytes), (0, 0));
    clean_up(&*store, &lease).await;
    audit(&*store).await;
}

pub(crate) async fn few_removed_streams_are_remembered_and_no_sequence_is_issued_twice(backend: Backend) {
    // Each partition remembers 8,192 / 1,024.
    let store = backend.open_with(Settings { partitions: 1_024, ..Settings::default() }).await;
    let home = store.partitions().of(&id("cam"));
    let here = (0..).map(|n| format!("cam-{n}")).filter(|name| store.partitions().of(&id(name)) == home);
    let names: Vec<String> = here.take(12).collect();
    let lease = lease_of(&*store, "cam", "w").await;
    let mut last = Vec::new();
    for (frames, name) in names.iter().enumerate() {
        register(&*store, name).await;
        accept(&*store, (0..frames).map(|n| frame(name, format!("{n}"))).collect()).await;
        last.push(store.unregister_stream(&id(name), None).await.unwrap().last_sequence);
        work_off_removed(&*store, &lease).await;
        clean_up(&*store, &lease).await;
    }
    let ids: Vec<_> = names.iter().map(|name| id(name)).collect();
    let known = store.get_streams(&ids).await.unwrap();
    let known: Vec<usize> = (0..known.len()).filter(|&n| known[n].is_some()).collect();
    assert_eq!(known, (4..12).collect::<Vec<_>>(), "the highest sequences are remembered");
    // The highest sequence of the forgotten streams is 3.
    for (name, last) in names.iter().zip(last) {
        let record = register(&*store, name).await;
        let first = accept(&*store, vec![frame(name, "new")]).await[0];
        assert_eq!(first, last.max(3) + 1, "{name}");
        assert_eq!((record.counters.floor_sequence, record.counters.accepted_frames), (first - 1, 0));
    }
    work_off(&*store, &lease).await;
    let page = store.read_outputs(&id(&names[0]), number(1), 10).await.unwrap();
    assert_eq!((numbers(&page.entries), page.entries[0].previous_sequence), (vec![4], 3));
    audit(&*store).await;
}

/// Finishes frames of unregistered streams.
async fn work_off_removed(store: &dyn Queue, lease: &Lease) {
    let frames: Vec<_> = take_all(store, lease).await.iter().map(processed).collect();
    let results = store.finish(lease, &frames).await.unwrap();
    assert_eq!(results, vec![FinishResult::Removed; frames.len()]);
}

pub(crate) async fn settings_are_bounded_in_bytes(backend: Backend) {
    let budget = Budget { store_bytes: 100_000, ..Settings::default().budget };
    let store = backend.open_with(Settings { budget, ..Settings::default() }).await;
    let large = StreamSettings { display_name: "x".repeat(4_000), ..StreamSettings::default() };
    let full = Err(Error::TooManySettings { limit_bytes: 10_000 });
    for round in 0..5 {
        store.register_stream(&id("a"), &large).await.unwrap();
        let b = store.register_stream(&id("b"), &large).await.unwrap().record;
        assert_eq!(store.register_stream(&id("c"), &large).await.err(), full.clone().err(), "round {round}");
        assert!(!store.register_stream(&id("a"), &large).await.unwrap().is_new, "it accepts no more");
        let other = store.register_stream(&id("a"), &StreamSettings::default()).await;
        assert_eq!(other, Err(Error::StreamExists(id("a"))));
        let larger = StreamSettings { display_name: "x".repeat(9_000), ..StreamSettings::default() };
        assert_eq!(store.update_stream(&id("b"), &larger, b.etag()).await, full);
        let small = StreamSettings::default();
        store.update_stream(&id("b"), &small, b.etag()).await.unwrap();
        store.register_stream(&id("c"), &large).await.unwrap();
        for name in ["a", "b", "c"] {
            store.unregister_stream(&id(name), None).await.unwrap();
        }
    }
}

pub(crate) async fn publishers_are_bounded_in_each_partition(backend: Backend) {
    // The minimum that a partition remembers, 16, is less than a stream may have.
    let budget = Budget { work_bytes: 1 << 20, ..Settings::default().budget };
    let store = backend.open_with(Settings { budget, partitions: 1, ..Settings::default() }).await;
    let by = |stream: &str, publisher: usize| marked(stream, &format!("agent-{publisher}"), 1, "x");
    for round in 0..3 {
        register(&*store, "a").await;
        register(&*store, "b").await;
        let frames = (0..10).map(|n| by("a", n)).chain((0..6).map(|n| by("b", n))).collect();
        accept(&*store, frames).await;
        let refused = refused(Refusal::TooManyPublishers);
        assert_eq!(accept_one(&*store, by("b", 6)).await, refused, "round {round}");
        let known = marked("b", "agent-5", 2, "y");
        assert!(matches!(accept_one(&*store, known).await, AcceptResult::Accepted(..)));
        store.unregister_stream(&id("a"), None).await.unwrap();
        assert!(matches!(accept_one(&*store, by("b", 6)).await, AcceptResult::Accepted(..)));
        store.unregister_stream(&id("b"), None).await.unwrap();
    }
}

pub(crate) async fn little_remains_of_each_stream_although_the_queue_is_never_empty(backend: Backend) {
    let store = backend.open_with(Settings { partitions: 1, ..Settings::default() }).await;
    register(&*store, "busy").await;
    let lease = lease_of(&*store, "busy", "w").await;
    accept(&*store, vec![frame("busy", "waits")]).await;
    for name in ["a", "b", "c"] {
        register(&*store, name).await;
        publish_some(&*store, &lease, name).await;
        accept(&*store, vec![marked(name, "agent", 1, "x")]).await;
        store.unregister_stream(&id(name), None).await.unwrap();
        let items = take_all(&*store, &lease).await;
        let items = items.iter().filter(|item| item.stream_id == id(name));
        let frames: Vec<_> = items.map(processed).collect();
        assert_eq!(store.finish(&lease, &frames).await.unwrap(), [FinishResult::Removed]);
        clean_up(&*store, &lease).await;
    }
    if let Some(keys) = store.redis(&["KEYS", "frameway:*"]) {
        let of = |name: &str| keys.lines().filter(|key| key.contains(&format!("}}:{name}"))).count();
        assert_eq!((of("stream:"), of("removed")), (4, 1), "{keys}");
        for name in ["purge", "gone", "old", "publishers:", "dedup:"] {
            assert_eq!(of(name), 0, "{name}: {keys}");
        }
        assert_eq!((of("out:"), of("pay:")), (0, 1), "{keys}");
    }
    audit(&*store).await;
}

/// Publishes a frame of a stream while others wait.
async fn publish_some(store: &dyn Queue, lease: &Lease, stream: &str) {
    accept(store, vec![frame(stream, "x")]).await;
    let items = take_all(store, lease).await;
    let frames: Vec<_> = items.iter().filter(|item| item.stream_id == id(stream)).map(processed).collect();
    assert_eq!(store.finish(lease, &frames).await.unwrap(), [FinishResult::Published]);
}
