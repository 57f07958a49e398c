//! Erasing frames: what readers, groups and operators see during and after it.

use std::ops::RangeInclusive;

use frameway::config::{Backend, Config, RedisSettings, Role};
use frameway::pb::v1 as pb;
use frameway::pb::v1::erase_frames_request::Range;
use frameway::pb::v1::frame_lookup::Outcome as Lookup;
use frameway::pb::v1::start_position::Position;
use frameway::pb::v1::streaming_service_client::StreamingServiceClient;
use frameway::pb::v1::subscribe_frames_response::Event;
use frameway::shutdown::Tasks;
use tokio_util::sync::CancellationToken;
use tonic::transport::Endpoint;
use tonic::{Code, Status};

use crate::common::redis::RedisServer;
use crate::common::{eventually, log};
use crate::frames::{gap_of, next, selector, subscribe};
use crate::group_operators::Pair;
use crate::groups::{create, group, join, member, next_frame, seconds, sequence, until};
use crate::server::{PATIENCE, TestServer, frame};
use crate::{fact, name, pause_all, reason, resume_all, stream_stats};

const FRAMES: u64 = 8;
/// The frames that are erased; 3 is a broken picture.
const ERASED: RangeInclusive<u64> = 2..=5;
const BROKEN: u64 = 3;

fn sequences(range: RangeInclusive<u64>) -> Option<Range> {
    let (first_sequence, last_sequence) = range.into_inner();
    Some(Range::Sequences(pb::SequenceRange {
        first_sequence: Some(first_sequence),
        last_sequence: Some(last_sequence),
    }))
}

async fn erase(
    server: &TestServer,
    range: Option<Range>,
    dry_run: bool,
) -> Result<pb::EraseFramesResponse, Status> {
    let request = pb::EraseFramesRequest { stream_id: "cam".into(), range, dry_run, reason: "a wish".into() };
    Ok(server.registry().erase_frames(request).await?.into_inner())
}

/// Submits frames of `cam`, the third of them broken, and waits until all are published.
async fn publish(server: &TestServer, numbers: RangeInclusive<u64>) {
    let last = *numbers.end();
    for number in numbers {
        let mut next = frame("cam", number as u8);
        if number == BROKEN {
            next.data = next.data.slice(..next.data.len() / 2);
        }
        server.submit(vec![next]).await;
    }
    eventually("all are published", || async {
        let status = stream_stats(server).await[0].status?;
        (status.published_sequence == last).then_some(())
    })
    .await;
}

/// Asks for every picture of a frame.
fn all_pictures() -> Option<pb::PictureSelection> {
    use pb::PictureRole as R;
    let roles = [R::Thumbnail, R::Processed, R::Original, R::Rendition];
    let rendition = Some(pb::Rendition { max_width: Some(32), ..Default::default() });
    Some(pb::PictureSelection { roles: roles.map(i32::from).to_vec(), rendition, ..Default::default() })
}

/// Describes what a lookup finds: the number of pictures of a frame, or the outcome of a tombstone.
async fn lookups(server: &TestServer) -> Vec<Result<usize, pb::TombstoneOutcome>> {
    let request = pb::GetFramesRequest {
        stream_id: "cam".into(),
        sequences: (1..=FRAMES).collect(),
        pictures: all_pictures(),
    };
    let answer = server.streaming().get_frames(request).await.expect("looks up").into_inner();
    let read = |lookup: pb::FrameLookup| match lookup.outcome.expect("an answer") {
        Lookup::Frame(frame) => {
            let has_data = |one: &&pb::Picture| matches!(one.content, Some(pb::picture::Content::Data(_)));
            Ok(frame.pictures.iter().filter(has_data).count())
        }
        Lookup::Tombstone(tombstone) => Err(tombstone.outcome()),
        other => panic!("{other:?}"),
    };
    answer.results.into_iter().map(read).collect()
}

/// Lists the stream around the moment of its newest frame, so that it is read in both directions.
/// Returns the erased sequences of the list.
async fn listed_as_erased(server: &TestServer) -> Vec<u64> {
    use pb::list_frames_request::Range;
    let list = async |range| {
        let request =
            pb::ListFramesRequest { stream_id: "cam".into(), range: Some(range), ..Default::default() };
        server.streaming().list_frames(request).await.expect("lists").into_inner().frames
    };
    let all = list(Range::Sequences(pb::SequenceRange::default())).await;
    let times = all.iter().filter_map(|one| match one.outcome.as_ref()? {
        pb::listed_frame::Outcome::Frame(frame) => frame.receive_time,
        pb::listed_frame::Outcome::Tombstone(_) => None,
    });
    let newest = times.last().expect("a frame");
    let around = pb::FramesAround { receive_time: Some(newest), before: FRAMES as u32, after: 1 };
    let around = list(Range::Around(around)).await;
    let erased = |frames: Vec<pb::ListedFrame>| -> Vec<u64> {
        let one = |frame: pb::ListedFrame| match frame.outcome? {
            pb::listed_frame::Outcome::Tombstone(tombstone) => {
                (tombstone.outcome() == pb::TombstoneOutcome::Erased).then_some(tombstone.sequence)
            }
            pb::listed_frame::Outcome::Frame(_) => None,
        };
        frames.into_iter().filter_map(one).collect()
    };
    let (all, around) = (erased(all), erased(around));
    assert_eq!(all, around);
    all
}

fn expected(is_erased: bool) -> Vec<Result<usize, pb::TombstoneOutcome>> {
    let one = |number: u64| match number {
        number if is_erased && ERASED.contains(&number) => Err(pb::TombstoneOutcome::Erased),
        BROKEN => Err(pb::TombstoneOutcome::Failed),
        _ => Ok(4),
    };
    (1..=FRAMES).map(one).collect()
}

async fn account(server: &TestServer) -> pb::FrameAccount {
    stream_stats(server).await[0].account.expect("an account")
}

fn adds_up(account: &pb::FrameAccount) {
    let sum = account.processed_frames
        + account.failed_frames
        + account.dropped_frames
        + account.purged_frames
        + account.erased_frames
        + account.removed_frames
        + account.queued_frames;
    assert_eq!(account.accepted_frames, sum, "{account:?}");
}

/// Erases through one server what readers of another have in memory.
async fn erasing(readers: &TestServer, operators: &TestServer) {
    let output = pb::OutputPolicy { keep_original: true, thumbnail_size: Some(16), ..Default::default() };
    operators
        .register_with(pb::Stream { stream_id: "cam".into(), output: Some(output), ..Default::default() })
        .await;
    create(operators, pb::ConsumerGroup { ack_deadline: seconds(2), ..group("site", "cam") }).await;
    let two = pb::ConsumeFramesRequest { max_outstanding_frames: Some(2), ..member("site", "a") };
    let mut consumer = join(readers, two).await;
    // A subscription keeps its entries and the pictures of the stream in memory.
    let mut live = subscribe(readers, selector("cam", Position::Live(pb::StartLive {})), 0).await;
    assert!(matches!(next(&mut live).await, Some(Event::Checkpoint(_))));
    publish(operators, 1..=FRAMES).await;
    for _ in 1..=FRAMES {
        assert!(next(&mut live).await.is_some());
    }
    // The member has 1 and 2 and acknowledges neither.
    let held = [next_frame(&mut consumer).await, next_frame(&mut consumer).await];
    assert_eq!(held.each_ref().map(sequence), [1, 2]);
    assert_eq!(lookups(readers).await, expected(false));

    let would = erase(operators, sequences(ERASED), true).await.expect("answers");
    assert_eq!((would.first_sequence, would.last_sequence), (2, 5));
    assert_eq!((would.erased_processed_frames, would.erased_failed_frames), (3, 1));
    assert_eq!((would.erased_dead_letters, would.queued_frames, would.already_erased_frames), (1, 0, 0));
    assert!(would.erased_bytes > 0);
    assert_eq!(lookups(readers).await, expected(false), "a dry run changes nothing");
    assert_eq!(erase(operators, sequences(ERASED), false).await.expect("erases"), would);
    assert_eq!(lookups(readers).await, expected(true));
    assert_eq!(listed_as_erased(readers).await, ERASED.collect::<Vec<_>>());
    assert_eq!(lookups(operators).await, expected(true));

    let mut again = subscribe(readers, selector("cam", Position::Earliest(pb::StartEarliest {})), 4).await;
    let (mut frames, mut gaps) = (Vec::new(), Vec::new());
    while let Some(event) = next(&mut again).await {
        match event {
            Event::Frame(delivered) => frames.push(delivered.frame.expect("a frame").sequence),
            Event::Gap(gap) => gaps.push(gap_of(gap)),
            _ => {}
        }
    }
    assert_eq!(frames, [1, 6, 7, 8]);
    let gap = &gaps[0];
    assert_eq!((gaps.len(), gap.from_sequence, gap.to_sequence), (1, 2, 5));
    let cause = pb::GapCause { reason: pb::GapReason::Erased.into(), count: 4, frames: Some(4) };
    assert_eq!(gap.causes, [cause]);

    // The group gets 1 again, and a gap for each erased frame that it has not ended yet: the one that
    // was outstanding and the others. The broken one was reported as failed before.
    let mut erased = Vec::new();
    while erased.len() < 3 {
        let message = tokio::time::timeout(PATIENCE, consumer.message()).await.expect("in time");
        use pb::consume_frames_response::Event;
        match message.expect("no error").and_then(|message| message.event).expect("not the end") {
            Event::Frame(delivered) => {
                let number = sequence(&delivered);
                assert!(!ERASED.contains(&number), "{number} is delivered");
                let ids = vec![delivered.ack_id];
                let request = pb::AcknowledgeFramesRequest { group_id: "site".into(), ack_ids: ids };
                operators.streaming().acknowledge_frames(request).await.expect("answers");
            }
            Event::Gap(gap) if gap.from_sequence == BROKEN && gap.to_sequence == BROKEN => {}
            Event::Gap(gap) => {
                assert!(gap.causes.iter().all(|one| one.reason() == pb::GapReason::Erased), "{gap:?}");
                erased.extend((gap.from_sequence..=gap.to_sequence).filter(|number| *number != BROKEN));
            }
            _ => {}
        }
    }
    erased.sort_unstable();
    assert_eq!(erased, ERASED.filter(|number| *number != BROKEN).collect::<Vec<_>>());

    let letters = operators.dead_letters().list_dead_letters(pb::ListDeadLettersRequest::default()).await;
    assert!(letters.expect("lists").into_inner().dead_letters.is_empty());
    let counted = account(operators).await;
    assert_eq!((counted.processed_frames, counted.failed_frames, counted.erased_frames), (4, 0, 4));
    adds_up(&counted);
    let request = pb::GetQueueStatsRequest::default();
    let total = operators.queues().get_queue_stats(request).await.expect("answers").into_inner().total;
    adds_up(&total.expect("a total").account.expect("an account"));

    // A repeat erases nothing and says so.
    let again = erase(operators, sequences(ERASED), false).await.expect("answers");
    assert_eq!((again.erased_processed_frames, again.erased_failed_frames), (0, 0));
    assert_eq!((again.erased_bytes, again.already_erased_frames), (0, 4));
    assert_eq!(account(operators).await, counted);
    drop(consumer);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn erased_frames_are_read_by_nobody() {
    let server = TestServer::start(|_| {}).await;
    erasing(&server, &server).await;
    server.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn frames_erased_through_another_server_are_read_by_nobody() {
    let pair = Pair::start().await;
    erasing(&pair.first, &pair.second).await;
    pair.stop().await;
}

/// A slow client: the window of its connection has room for a part of one picture. The connection
/// takes that picture and one more; the server holds the others.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_member_that_does_not_read_gets_no_picture_that_was_erased_before() {
    const WINDOW_BYTES: u32 = 65_535;
    const PICTURE_BYTES: usize = 400_000;
    let server = TestServer::start(|_| {}).await;
    let output = pb::OutputPolicy { reencode_mode: pb::ReencodeMode::Relay.into(), ..Default::default() };
    server
        .register_with(pb::Stream { stream_id: "cam".into(), output: Some(output), ..Default::default() })
        .await;
    create(&server, pb::ConsumerGroup { ack_deadline: seconds(120), ..group("site", "cam") }).await;
    for number in 1..=FRAMES {
        let data = vec![number as u8; PICTURE_BYTES].into();
        server.submit(vec![pb::Frame { data, ..frame("cam", 0) }]).await;
    }
    eventually("all are published", || async {
        (stream_stats(&server).await[0].status?.published_sequence == FRAMES).then_some(())
    })
    .await;
    let endpoint = Endpoint::from_shared(format!("http://{}", server.address)).expect("an endpoint");
    let endpoint =
        endpoint.initial_stream_window_size(WINDOW_BYTES).initial_connection_window_size(WINDOW_BYTES);
    let channel = endpoint.connect().await.expect("connects");
    let pictures =
        pb::PictureSelection { roles: vec![pb::PictureRole::Processed.into()], ..Default::default() };
    let request = pb::ConsumeFramesRequest {
        max_outstanding_frames: Some(FRAMES as u32),
        pictures: Some(pictures),
        ..member("site", "a")
    };
    let mut client = StreamingServiceClient::new(channel).max_decoding_message_size(16 << 20);
    let mut events = client.consume_frames(request).await.expect("joins").into_inner();
    until(&server, "site", |status| status.outstanding_frames == FRAMES).await;
    erase(&server, sequences(ERASED), false).await.expect("erases");

    let (mut frames, mut gone) = (Vec::new(), Vec::new());
    while frames.len() + gone.len() < FRAMES as usize {
        let message = tokio::time::timeout(PATIENCE, events.message()).await.expect("in time");
        use pb::consume_frames_response::Event;
        match message.expect("no error").and_then(|message| message.event).expect("not the end") {
            Event::Frame(delivered) => frames.push(sequence(&delivered)),
            Event::Gap(gap) => gone.extend(gap.from_sequence..=gap.to_sequence),
            _ => {}
        }
    }
    gone.sort_unstable();
    // The connection has taken 1 before the erasure, and 2 if it was loaded by then.
    let erased: Vec<u64> = frames.iter().copied().filter(|number| ERASED.contains(number)).collect();
    assert!(erased.is_empty() || erased == [2], "{frames:?}");
    assert!(frames.ends_with(&[6, 7, 8]) && frames.len() + gone.len() == FRAMES as usize, "{gone:?}");
    server.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn waiting_frames_of_a_stretch_of_time_are_not_published() {
    let server = TestServer::start(|_| {}).await;
    server.register(&["cam"]).await;
    publish(&server, 1..=2).await;
    let status = stream_stats(&server).await[0].status.expect("a status");
    let start = status.last_receive_time.expect("a time");
    let start = prost_types::Timestamp { nanos: 0, ..start };
    let end = prost_types::Timestamp { seconds: start.seconds + 3_600, nanos: 0 };
    pause_all(&server).await;
    for shade in 3..=4 {
        server.submit(vec![frame("cam", shade)]).await;
    }
    let times = |start, end| {
        Some(Range::ReceiveTimes(pb::ReceiveTimeRange {
            start_receive_time: Some(start),
            end_receive_time: Some(end),
        }))
    };
    let before = prost_types::Timestamp { seconds: start.seconds - 3_600, nanos: 0 };
    let none = erase(&server, times(before, start), true).await.expect("answers");
    let found = erase(&server, times(before, end), true).await.expect("answers");
    assert_eq!((found.first_sequence, found.last_sequence, found.queued_frames), (1, 4, 2));
    assert!(none.last_sequence < 4 && none.queued_frames == 0, "{none:?}");
    let erased = erase(&server, times(before, end), false).await.expect("erases");
    assert_eq!((erased.erased_processed_frames, erased.queued_frames), (2, 2));
    resume_all(&server).await;
    eventually("all are tombstones", || async { (account(&server).await.erased_frames == 4).then_some(()) })
        .await;
    adds_up(&account(&server).await);
    server.submit(vec![frame("cam", 5)]).await;
    eventually("later frames are published", || async {
        (account(&server).await.processed_frames == 1).then_some(())
    })
    .await;
    server.stop().await;
}

async fn dead_letters(server: &TestServer) -> Vec<pb::DeadLetter> {
    let mut client = server.dead_letters();
    let list = client.list_dead_letters(pb::ListDeadLettersRequest::default()).await;
    list.expect("lists").into_inner().dead_letters
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn dead_letters_outlive_their_frames_and_are_erased_by_time() {
    let server = TestServer::start(|_| {}).await;
    let retention = pb::RetentionPolicy { max_frames: Some(4), ..Default::default() };
    server
        .register_with(pb::Stream {
            stream_id: "cam".into(),
            retention: Some(retention),
            ..Default::default()
        })
        .await;
    for number in 1..=12 {
        let mut next = frame("cam", number);
        if [3, 5].contains(&number) {
            next.data = next.data.slice(..next.data.len() / 2);
        }
        server.submit(vec![next]).await;
    }
    eventually("retention removes the broken frames", || async {
        let kept = pb::ListFramesRequest { stream_id: "cam".into(), ..Default::default() };
        let range = pb::list_frames_request::Range::Sequences(pb::SequenceRange::default());
        let request = pb::ListFramesRequest { range: Some(range), ..kept };
        let kept = server.streaming().list_frames(request).await.ok()?.into_inner().kept?;
        (kept.oldest_sequence > 5 && kept.newest_sequence == 12).then_some(())
    })
    .await;
    let letters = dead_letters(&server).await;
    let third = letters.iter().find(|letter| letter.sequence == 3).expect("a dead letter");
    let start = third.receive_time.expect("a time");
    let moment = |end| {
        Some(Range::ReceiveTimes(pb::ReceiveTimeRange {
            start_receive_time: Some(start),
            end_receive_time: end,
        }))
    };
    // The microsecond of the third frame: the fifth has a dead letter as well, which stays.
    let end = prost_types::Timestamp { nanos: start.nanos + 1_000, ..start };
    let erased = erase(&server, moment(Some(end)), false).await.expect("erases");
    assert_eq!((erased.first_sequence, erased.last_sequence, erased.erased_dead_letters), (3, 3, 1));
    assert_eq!(dead_letters(&server).await.iter().map(|letter| letter.sequence).collect::<Vec<_>>(), [5]);
    let end = prost_types::Timestamp { seconds: start.seconds + 3_600, nanos: 0 };
    let erased = erase(&server, moment(Some(end)), false).await.expect("erases");
    assert_eq!((erased.first_sequence, erased.last_sequence), (5, 12));
    assert_eq!(erased.erased_dead_letters, 1);
    assert!(dead_letters(&server).await.is_empty());
    server.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn without_a_worker_an_erasure_is_pending_and_a_later_worker_completes_it() {
    log::start();
    let redis = RedisServer::start();
    let url = redis.url();
    let server = TestServer::start(|config: &mut Config| {
        config.queue.backend = Backend::Redis(RedisSettings::new(redis.url()));
        config.server.role = Role::Api;
    })
    .await;
    server.register(&["cam"]).await;
    let worker = || {
        let mut config = Config::default();
        config.worker.worker_threads = Some(1);
        config.queue.backend = Backend::Redis(RedisSettings::new(url.clone()));
        let (tasks, stop) = (Tasks::new(), CancellationToken::new());
        tasks.spawn("worker", frameway::app::run_worker(config, stop.clone()));
        (tasks, stop)
    };
    let (tasks, stop) = worker();
    publish(&server, 1..=2).await;
    stop.cancel();
    assert!(tasks.drained(PATIENCE).await, "the worker ends");

    // A caller that leaves has erased nevertheless, and the audit log says what.
    let request = pb::EraseFramesRequest {
        stream_id: "cam".into(),
        range: sequences(1..=1),
        reason: "a caller who leaves".into(),
        ..Default::default()
    };
    let mut registry = server.registry();
    tokio::select! {
        answer = registry.erase_frames(request) => panic!("{answer:?}"),
        () = eventually("it is in the audit log", || async {
            let lines = log::lines_with(&[" audit: ", "a caller who leaves"]);
            lines.first().map(|line| assert!(line.contains("erases 1-1: 1 processed frames"), "{line}"))
        }) => {}
    }

    let pending = erase(&server, sequences(1..=1), false).await.expect_err("nobody erases");
    assert!(pending.message().contains("the erasure of 1-1 in stream cam is stored"), "{pending:?}");
    assert_eq!(
        (pending.code(), reason(&pending)),
        (Code::Unavailable, name(pb::ErrorReason::ErasurePending))
    );
    assert_eq!(fact(&pending, "stream_id").as_deref(), Some("cam"));
    let (tasks, stop) = worker();
    let done = erase(&server, sequences(1..=1), false).await.expect("is complete");
    assert_eq!(done.already_erased_frames, 1);
    assert_eq!(account(&server).await.erased_frames, 1);
    let pictures = redis.cli(&["KEYS", "frameway:*:pay:*"]);
    assert_eq!(
        pictures.split_whitespace().count(),
        2,
        "only the pictures of the other frame, with its thumbnail"
    );
    server.stop().await;
    stop.cancel();
    assert!(tasks.drained(PATIENCE).await, "the worker ends");
}

#[tokio::test]
async fn a_range_that_makes_no_sense_is_refused() {
    let server = TestServer::start(|_| {}).await;
    let unknown = erase(&server, sequences(1..=1), false).await.expect_err("no such stream");
    assert_eq!((unknown.code(), reason(&unknown)), (Code::NotFound, name(pb::ErrorReason::StreamNotFound)));
    server.register(&["cam"]).await;
    let at = |seconds| Some(prost_types::Timestamp { seconds, nanos: 0 });
    let times = |start_receive_time, end_receive_time| {
        Some(Range::ReceiveTimes(pb::ReceiveTimeRange { start_receive_time, end_receive_time }))
    };
    for (range, field) in [
        (None, "range"),
        (
            Some(Range::Sequences(pb::SequenceRange { first_sequence: Some(5), last_sequence: Some(4) })),
            "sequences.last_sequence",
        ),
        (times(at(9), at(9)), "receive_times.end_receive_time"),
        (times(None, at(9)), "receive_times.start_receive_time"),
        (times(at(9), None), "receive_times.end_receive_time"),
        (
            Some(Range::Sequences(pb::SequenceRange { first_sequence: None, last_sequence: Some(4) })),
            "sequences.first_sequence",
        ),
        (
            Some(Range::Sequences(pb::SequenceRange { first_sequence: Some(5), last_sequence: None })),
            "sequences.last_sequence",
        ),
    ] {
        let refused = erase(&server, range, false).await.expect_err(field);
        assert_eq!(
            (refused.code(), fact(&refused, "field").as_deref()),
            (Code::InvalidArgument, Some(field))
        );
    }
    let nothing = erase(&server, sequences(1..=9), false).await.expect("there is nothing");
    assert_eq!(nothing, pb::EraseFramesResponse::default());
    server.stop().await;
}
