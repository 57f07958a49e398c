//! A stream that is unregistered while it has readers, and registered again.

use std::collections::BTreeSet;
use std::ops::RangeInclusive;
use std::time::Duration;

use frameway::pb::v1 as pb;
use frameway::pb::v1::frame_lookup::Outcome as Lookup;
use frameway::pb::v1::start_position::Position;
use frameway::pb::v1::subscribe_frames_response::Event;
use tokio::time::{Instant, timeout};
use tonic::Streaming;

use crate::frames::{gap_of, next, selector, subscribe};
use crate::group_operators::Pair;
use crate::groups::{Events, ack, create, done, group, join, member, sequence, status, until};
use crate::server::{PATIENCE, TestServer, frame};
use crate::{pause_all, resume_all, stream_stats};

/// The retained output entries and the waiting frames when the stream is unregistered.
const KEPT: u64 = 4;
const WAITING: u64 = 3;
const FLOOR: u64 = KEPT + WAITING;
/// The frames of its next incarnation.
const NEW: RangeInclusive<u64> = FLOOR + 1..=FLOOR + 2;

/// Opens a subscription in addition to the group.
type Plain = Streaming<pb::SubscribeFramesResponse>;

fn earliest() -> Position {
    Position::Earliest(pb::StartEarliest {})
}

async fn submit(server: &TestServer, numbers: RangeInclusive<u64>) {
    for number in numbers {
        let outcome = server.submit(vec![frame("cam", number as u8)]).await.remove(0);
        let is_given =
            matches!(&outcome, pb::frame_result::Outcome::Accepted(given) if given.sequence == number);
        assert!(is_given, "{number}: {outcome:?}");
    }
}

fn frame_of(event: Option<Event>) -> pb::DeliveredFrame {
    match event {
        Some(Event::Frame(frame)) => frame,
        other => panic!("a frame, not {other:?}"),
    }
}

fn number(delivered: &pb::DeliveredFrame) -> u64 {
    delivered.frame.as_ref().expect("a frame").sequence
}

/// Checks that the next event is the gap of exactly these sequences.
async fn expect_unregistered(events: &mut Plain, numbers: RangeInclusive<u64>) {
    let Some(Event::Gap(reported)) = next(events).await else { panic!("a gap") };
    let gap = gap_of(reported);
    assert_eq!(gap.from_sequence..=gap.to_sequence, numbers);
    let count = numbers.count() as u64;
    let cause = pb::GapCause { reason: pb::GapReason::Unregistered.into(), count, frames: Some(count) };
    assert_eq!(gap.causes, [cause]);
}

async fn expect_new(events: &mut Plain) {
    for wanted in NEW {
        assert_eq!(number(&frame_of(next(events).await)), wanted);
    }
}

/// Reads the events of a group's member: the sequences that are reported as removed, and the
/// frames.
async fn read_member(
    events: &mut Events,
    removed: usize,
    frames: usize,
) -> (BTreeSet<u64>, Vec<pb::ConsumedFrame>) {
    use pb::consume_frames_response::Event;
    let (mut reported, mut got) = (BTreeSet::new(), Vec::new());
    while reported.len() < removed || got.len() < frames {
        let message = timeout(PATIENCE, events.message()).await;
        let message = message.unwrap_or_else(|_| panic!("only {reported:?} and {} frames", got.len()));
        match message.expect("no error").and_then(|message| message.event).expect("not the end") {
            Event::Gap(gap) => {
                assert!(
                    gap.causes.iter().all(|cause| cause.reason() == pb::GapReason::Unregistered),
                    "{gap:?}"
                );
                let numbers = gap.from_sequence..=gap.to_sequence;
                numbers.for_each(|number| assert!(reported.insert(number), "{number} is reported twice"));
            }
            Event::Frame(frame) => got.push(frame),
            Event::Heartbeat(_) => {}
            other @ (Event::Ready(_) | Event::Draining(_)) => panic!("{other:?}"),
        }
    }
    (reported, got)
}

async fn lookups(server: &TestServer) -> Vec<Result<u64, pb::MissingReason>> {
    let sequences = (1..=*NEW.end()).collect();
    let request = pb::GetFramesRequest { stream_id: "cam".into(), sequences, ..Default::default() };
    let answer = server.streaming().get_frames(request).await.expect("looks up").into_inner();
    let read = |lookup: pb::FrameLookup| match lookup.outcome.expect("an answer") {
        Lookup::Frame(frame) => Ok(frame.sequence),
        Lookup::Missing(missing) => Err(missing.reason()),
        other => panic!("{other:?}"),
    };
    answer.results.into_iter().map(read).collect()
}

async fn stream_status(server: &TestServer) -> pb::StreamStatus {
    let request = pb::GetStreamRequest { stream_id: "cam".into() };
    let answer = server.registry().get_stream(request).await.expect("is there").into_inner();
    answer.stream.and_then(|stream| stream.status).expect("a status")
}

/// Checks readers of one server while operators use another.
async fn removal(readers: &TestServer, operators: &TestServer) {
    operators.register(&["cam"]).await;
    create(operators, group("site", "*")).await;
    let mut a =
        join(readers, pb::ConsumeFramesRequest { max_outstanding_frames: Some(2), ..member("site", "a") })
            .await;
    submit(operators, 1..=KEPT).await;
    let mut plain = subscribe(readers, selector("cam", earliest()), 0).await;
    let mut cursor = String::new();
    assert!(matches!(next(&mut plain).await, Some(Event::Checkpoint(_))));
    for wanted in 1..=KEPT {
        let frame = frame_of(next(&mut plain).await);
        assert_eq!(number(&frame), wanted);
        if wanted == 2 {
            cursor = frame.cursor;
        }
    }
    let (_, held) = read_member(&mut a, 0, 2).await;
    assert_eq!(held.iter().map(sequence).collect::<Vec<_>>(), [1, 2]);
    pause_all(operators).await;
    submit(operators, KEPT + 1..=FLOOR).await;

    let gone = pb::UnregisterStreamRequest { stream_id: "cam".into(), ..Default::default() };
    let gone = operators.registry().unregister_stream(gone).await.expect("goes").into_inner();
    assert_eq!(
        (gone.last_sequence, gone.removed_queued_frames, gone.removed_output_frames),
        (FLOOR, WAITING, KEPT)
    );
    operators.register(&["cam"]).await;

    // Both readers are notified at once, not only with the next frame.
    expect_unregistered(&mut plain, KEPT + 1..=FLOOR).await;
    let (reported, none) = read_member(&mut a, FLOOR as usize, 0).await;
    assert_eq!((reported, none.len()), ((1..=FLOOR).collect(), 0), "two were outstanding");

    resume_all(operators).await;
    submit(operators, NEW).await;
    expect_new(&mut plain).await;
    let (_, new) = read_member(&mut a, 0, 2).await;
    assert_eq!(new.iter().map(sequence).collect::<Vec<_>>(), NEW.collect::<Vec<_>>());
    assert!(ack(readers, "site", &new.iter().collect::<Vec<_>>()).await.iter().all(done));

    // New readers: from the beginning, from a sequence, from an older cursor, and a lookup by
    // sequence.
    let mut first = subscribe(readers, selector("cam", earliest()), 2).await;
    assert!(matches!(next(&mut first).await, Some(Event::Checkpoint(_))));
    expect_new(&mut first).await;
    let one = Position::Sequence(1);
    let mut numbered = subscribe(readers, selector("cam", one), 2).await;
    assert!(matches!(next(&mut numbered).await, Some(Event::Checkpoint(_))));
    expect_unregistered(&mut numbered, 1..=FLOOR).await;
    expect_new(&mut numbered).await;
    let cursors = vec![pb::StreamCursor { stream_id: "cam".into(), cursor }];
    let cursors = Position::Cursors(pb::CursorList { cursors });
    let mut resumed = subscribe(readers, selector("cam", cursors), 2).await;
    assert!(matches!(next(&mut resumed).await, Some(Event::Checkpoint(_))));
    expect_unregistered(&mut resumed, 3..=FLOOR).await;
    expect_new(&mut resumed).await;
    let missing = (1..=FLOOR).map(|_| Err(pb::MissingReason::Unregistered));
    assert_eq!(lookups(readers).await, missing.chain(NEW.map(Ok)).collect::<Vec<_>>());

    adds_up(operators).await;
    until(operators, "site", |status| status.outstanding_frames == 0 && status.lag_frames == 0).await;
    let status = status(operators, "site").await;
    assert_eq!((status.acknowledged_frames, status.dead_letter_frames), (2, 0));
}

/// Checks the totals of the stream and of all streams, after the worker has cleaned up.
async fn adds_up(server: &TestServer) {
    let sum = |account: &pb::FrameAccount| {
        let pb::FrameAccount { processed_frames, failed_frames, dropped_frames, purged_frames, .. } =
            *account;
        let published = processed_frames + failed_frames + dropped_frames + purged_frames;
        published + account.removed_frames + account.queued_frames
    };
    let start = Instant::now();
    loop {
        let request = pb::GetQueueStatsRequest::default();
        let stats = server.queues().get_queue_stats(request).await.expect("answers").into_inner();
        let total = stats.total.expect("a total");
        let account = total.account.expect("an account");
        if account.removed_frames == WAITING && total.retained_frames == 2 {
            assert_eq!((account.accepted_frames, account.processed_frames), (FLOOR + 2, KEPT + 2));
            assert_eq!(sum(&account), account.accepted_frames, "{account:?}");
            assert_eq!((total.dead_letter_count, account.queued_frames), (0, 0));
            let stream = stream_stats(server).await[0].account.expect("an account");
            assert_eq!((stream.accepted_frames, stream.removed_frames), (WAITING + 2, WAITING));
            assert_eq!(sum(&stream), stream.accepted_frames, "{stream:?}");
            break;
        }
        assert!(start.elapsed() < PATIENCE, "it stays at {total:?}");
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    let status = stream_status(server).await;
    assert_eq!((status.accepted_frames, status.published_frames, status.queued_frames), (WAITING + 2, 2, 0));
    assert_eq!((status.retained_frames, status.oldest_sequence), (2, FLOOR + 1));
}

#[tokio::test(flavor = "multi_thread")]
async fn removed_frames_are_reported_and_never_delivered_again() {
    let server = TestServer::start(|_| {}).await;
    removal(&server, &server).await;
    server.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn frames_removed_through_another_server_are_reported_and_never_delivered_again() {
    let pair = Pair::start().await;
    removal(&pair.first, &pair.second).await;
    pair.stop().await;
}

/// Checks a group whose member is disconnected while a stream is unregistered for good.
#[tokio::test(flavor = "multi_thread")]
async fn a_member_that_joins_later_gets_gaps_of_removed_streams() {
    let server = TestServer::start(|_| {}).await;
    server.register(&["cam"]).await;
    create(&server, group("site", "*")).await;
    let two = pb::ConsumeFramesRequest { max_outstanding_frames: Some(2), ..member("site", "a") };
    let mut a = join(&server, two.clone()).await;
    submit(&server, 1..=KEPT).await;
    read_member(&mut a, 0, 2).await;
    drop(a);
    until(&server, "site", |status| status.members.is_empty()).await;
    let gone = pb::UnregisterStreamRequest { stream_id: "cam".into(), ..Default::default() };
    server.registry().unregister_stream(gone).await.expect("goes");
    let mut a = join(&server, two).await;
    let (reported, _) = read_member(&mut a, KEPT as usize, 0).await;
    assert_eq!(reported, (1..=KEPT).collect());
    assert_eq!(status(&server, "site").await.outstanding_frames, 0);
    // If the stream is registered again, the group starts with its next incarnation.
    server.register(&["cam"]).await;
    submit(&server, KEPT + 1..=KEPT + 1).await;
    let (_, new) = read_member(&mut a, 0, 1).await;
    assert_eq!(sequence(&new[0]), KEPT + 1);
    server.stop().await;
}
