//! The promises of the contract about SubmitFrames: the setup, the results and their order.

use std::time::Duration;

use frameway::config::Role;
use frameway::pb::v1 as pb;
use frameway::pb::v1::ErrorReason as R;
use frameway::pb::v1::frame_result::Outcome;
use frameway::pb::v1::submit_frames_request::Request;
use frameway::pb::v1::submit_frames_response::Event;
use tokio::sync::mpsc;
use tokio::time::{Instant, timeout};
use tokio_stream::wrappers::ReceiverStream;
use tonic::{Code, Status, Streaming};

use crate::server::{PATIENCE, TestServer, frame};
use crate::{fact, name, reason, resume_all};

/// The client's side of a call.
pub(crate) struct Call {
    pub(crate) requests: mpsc::Sender<pb::SubmitFramesRequest>,
    pub(crate) responses: Streaming<pb::SubmitFramesResponse>,
}

impl Call {
    /// Opens a call, and sends nothing yet.
    pub(crate) async fn silent(server: &TestServer) -> Self {
        let (requests, sent) = mpsc::channel(100);
        let answer = server.streaming().submit_frames(ReceiverStream::new(sent)).await.expect("opens");
        Self { requests, responses: answer.into_inner() }
    }

    /// Opens a call of publisher `agent`, and waits until it is ready.
    pub(crate) async fn open(server: &TestServer) -> Self {
        let (call, _) = Self::with(server, setup()).await;
        call
    }

    pub(crate) async fn with(server: &TestServer, setup: pb::SubmitSetup) -> (Self, pb::SubmitReady) {
        let mut call = Self::silent(server).await;
        call.send(Request::Setup(setup)).await;
        let Event::Ready(ready) = call.next().await else { panic!("not ready") };
        (call, ready)
    }

    pub(crate) async fn send(&self, request: Request) {
        let request = pb::SubmitFramesRequest { request: Some(request) };
        self.requests.send(request).await.expect("the call is open");
    }

    pub(crate) async fn batch(&self, batch_id: u64, frames: Vec<pb::Frame>) {
        self.send(Request::Batch(pb::SubmitBatch { batch_id, frames })).await;
    }

    pub(crate) async fn event(&mut self) -> Result<Option<Event>, Status> {
        let message = timeout(PATIENCE, self.responses.message()).await.expect("answers in time")?;
        Ok(message.map(|message| message.event.expect("an event")))
    }

    pub(crate) async fn next(&mut self) -> Event {
        self.event().await.expect("no error").expect("not the end")
    }

    /// Waits for the next result, which must be that of this batch; skips throttles and heartbeats.
    pub(crate) async fn result(&mut self, batch_id: u64) -> Vec<Outcome> {
        loop {
            match self.next().await {
                Event::BatchResult(result) => {
                    assert_eq!(result.batch_id, batch_id, "{result:?}");
                    return result.results.into_iter().map(|one| one.outcome.expect("an outcome")).collect();
                }
                Event::Throttle(_) | Event::Heartbeat(_) => {}
                other => panic!("not a result: {other:?}"),
            }
        }
    }

    /// Reads to the end; returns the batches that were answered, and the status.
    pub(crate) async fn end(&mut self) -> (Vec<u64>, Result<(), Status>) {
        let mut answered = Vec::new();
        loop {
            match self.event().await {
                Ok(Some(Event::BatchResult(result))) => answered.push(result.batch_id),
                Ok(Some(_)) => {}
                Ok(None) => return (answered, Ok(())),
                Err(status) => return (answered, Err(status)),
            }
        }
    }

    /// Closes the client's side.
    pub(crate) fn close(&mut self) {
        self.requests = mpsc::channel(1).0;
    }

    pub(crate) async fn assert_refused(&mut self, code: Code, why: R) -> Status {
        let (_, end) = self.end().await;
        let status = end.expect_err("must be refused");
        assert_eq!((status.code(), reason(&status)), (code, name(why)), "{status:?}");
        status
    }
}

pub(crate) fn setup() -> pb::SubmitSetup {
    pb::SubmitSetup { publisher_id: "agent".into(), ..Default::default() }
}

pub(crate) fn numbered(stream: &str, sequence: u64) -> pb::Frame {
    pb::Frame { publisher_sequence: Some(sequence), ..frame(stream, sequence as u8) }
}

pub(crate) fn accepted(outcome: &Outcome) -> u64 {
    let Outcome::Accepted(accepted) = outcome else { panic!("not accepted: {outcome:?}") };
    accepted.sequence
}

/// Returns the reason of a rejection, and whether it has a retry delay.
pub(crate) fn rejected(outcome: &Outcome) -> (R, bool) {
    let Outcome::Rejected(error) = outcome else { panic!("not rejected: {outcome:?}") };
    (error.reason(), error.retry_delay.is_some())
}

/// Starts a server without a worker, with a stream whose queue has room for this many frames.
pub(crate) async fn bounded(max_frames: u64) -> TestServer {
    let server = TestServer::start(|config| config.server.role = Role::Api).await;
    let queue = Some(pb::QueuePolicy { max_frames: Some(max_frames), ..Default::default() });
    server.register_with(pb::Stream { stream_id: "cam".into(), queue, ..Default::default() }).await;
    server
}

#[tokio::test]
async fn batches_are_answered_in_order_by_their_ids_and_the_call_ends_well() {
    let server = TestServer::start(|_| {}).await;
    server.register(&["cam", "other"]).await;
    let mut call = Call::open(&server).await;
    for batch in 0..8 {
        // The client chooses the batch ids freely.
        let frames = vec![
            numbered("cam", 2 * batch + 1),
            numbered("other", batch + 1),
            numbered("cam", 2 * batch + 2),
        ];
        call.batch(100 - batch, frames).await;
    }
    call.close();
    for batch in 0..8 {
        let results = call.result(100 - batch).await;
        let sequences: Vec<u64> = results.iter().map(accepted).collect();
        assert_eq!(sequences, [2 * batch + 1, batch + 1, 2 * batch + 2]);
    }
    assert!(call.event().await.expect("ends with OK").is_none());
    server.stop().await;
}

#[tokio::test]
async fn ready_has_the_limits_and_the_publishers_positions() {
    let server = TestServer::start(|config| config.limits.max_batch_frames = 7).await;
    server.register(&["cam", "fresh"]).await;
    let mut first = Call::open(&server).await;
    first.batch(1, vec![frame("cam", 9), numbered("cam", 40), numbered("cam", 44)]).await;
    assert_eq!(first.result(1).await.len(), 3);
    let resume_stream_ids = ["fresh", "cam", "nobody"].map(str::to_owned).to_vec();
    let (_call, ready) = Call::with(&server, pb::SubmitSetup { resume_stream_ids, ..setup() }).await;
    assert_eq!((ready.max_batch_frames, ready.max_in_flight_batches), (7, 8));
    assert_eq!((ready.max_message_bytes, ready.max_in_flight_bytes), (32 << 20, 64 << 20));
    let position = |stream_id: &str, last_publisher_sequence, last_sequence| pb::PublisherPosition {
        stream_id: stream_id.into(),
        last_publisher_sequence,
        last_sequence,
    };
    let wanted =
        [position("fresh", None, None), position("cam", Some(44), Some(3)), position("nobody", None, None)];
    assert_eq!(ready.positions, wanted);
    // GetServerInfo reports the same limits.
    let info =
        server.streaming().get_server_info(pb::GetServerInfoRequest {}).await.expect("info").into_inner();
    let limits = info.limits.expect("limits");
    assert_eq!((limits.max_in_flight_batches, limits.max_in_flight_bytes), (8, 64 << 20));
    server.stop().await;
}

#[tokio::test]
async fn the_setup_comes_first_and_once() {
    let server = TestServer::start(|_| {}).await;
    server.register(&["cam"]).await;
    let mut never = Call::silent(&server).await;
    never.batch(1, vec![frame("cam", 1)]).await;
    never.assert_refused(Code::InvalidArgument, R::ProtocolViolation).await;
    let mut closed = Call::silent(&server).await;
    closed.close();
    closed.assert_refused(Code::InvalidArgument, R::ProtocolViolation).await;

    let mut twice = Call::open(&server).await;
    twice.batch(1, vec![frame("cam", 1)]).await;
    twice.send(Request::Setup(setup())).await;
    twice.batch(2, vec![frame("cam", 2)]).await;
    let (answered, end) = twice.end().await;
    assert_eq!(answered, [1], "what came before is answered, what came after is not");
    assert_eq!(reason(&end.expect_err("must be refused")), name(R::ProtocolViolation));

    let mut empty = Call::open(&server).await;
    empty.requests.send(pb::SubmitFramesRequest { request: None }).await.expect("open");
    empty.assert_refused(Code::InvalidArgument, R::ProtocolViolation).await;
    server.stop().await;
}

#[tokio::test]
async fn a_bad_setup_is_refused_with_its_field() {
    let server = TestServer::start(|_| {}).await;
    let span = |seconds, nanos| Some(prost_types::Duration { seconds, nanos });
    let bad = [
        (pb::SubmitSetup { publisher_id: "a b".into(), ..setup() }, R::InvalidField, "setup.publisher_id"),
        (
            pb::SubmitSetup { heartbeat_interval: span(0, 1), ..setup() },
            R::InvalidField,
            "setup.heartbeat_interval",
        ),
        (
            pb::SubmitSetup { heartbeat_interval: span(-1, 0), ..setup() },
            R::InvalidField,
            "setup.heartbeat_interval",
        ),
        (
            pb::SubmitSetup { heartbeat_interval: span(61, 0), ..setup() },
            R::InvalidField,
            "setup.heartbeat_interval",
        ),
        (
            pb::SubmitSetup { resume_stream_ids: vec!["cam".into(); 1_001], ..setup() },
            R::TooManyItems,
            "setup.resume_stream_ids",
        ),
    ];
    for (setup, why, field) in bad {
        let mut call = Call::silent(&server).await;
        call.send(Request::Setup(setup)).await;
        let status = call.assert_refused(Code::InvalidArgument, why).await;
        assert_eq!(fact(&status, "field").as_deref(), Some(field));
    }
    server.stop().await;
}

#[tokio::test]
async fn frames_have_the_publisher_of_the_setup() {
    let server = TestServer::start(|_| {}).await;
    server.register(&["cam"]).await;
    let mut call = Call::open(&server).await;
    let named = |id: &str, sequence| pb::Frame { publisher_id: id.into(), ..numbered("cam", sequence) };
    call.batch(1, vec![named("", 1), named("agent", 2), named("other", 3)]).await;
    let results = call.result(1).await;
    assert_eq!((accepted(&results[0]), accepted(&results[1])), (1, 2));
    assert_eq!(rejected(&results[2]), (R::PublisherMismatch, false));
    // The frame is stored once: the unary call has the same publisher.
    let again = server.submit(vec![named("agent", 1)]).await;
    assert!(matches!(&again[0], Outcome::Duplicate(duplicate) if duplicate.sequence == 1), "{again:?}");
    // Without a publisher, publisher sequences are not remembered.
    let (mut nobody, _) = Call::with(&server, pb::SubmitSetup::default()).await;
    nobody.batch(1, vec![frame("cam", 1), numbered("cam", 1)]).await;
    let results = nobody.result(1).await;
    assert_eq!(accepted(&results[0]), 3);
    assert_eq!(rejected(&results[1]), (R::InvalidField, false));
    server.stop().await;
}

#[tokio::test]
async fn frames_after_a_refused_one_wait_in_all_batches_in_flight() {
    let server = bounded(2).await;
    server.register(&["other"]).await;
    let mut call = Call::open(&server).await;
    call.batch(1, vec![numbered("cam", 1), numbered("cam", 2), numbered("cam", 3)]).await;
    call.batch(2, vec![numbered("cam", 4), numbered("other", 1)]).await;
    let first = call.result(1).await;
    assert_eq!(rejected(&first[2]), (R::StreamQueueFull, true));
    let second = call.result(2).await;
    assert_eq!(rejected(&second[0]), (R::OutOfOrder, true));
    assert_eq!(accepted(&second[1]), 1, "other streams continue");

    // There is room now, and the order is still kept.
    let policy = pb::QueuePolicy { max_frames: Some(100), ..Default::default() };
    let stream = pb::Stream { stream_id: "cam".into(), queue: Some(policy), ..Default::default() };
    let update_mask = Some(prost_types::FieldMask { paths: vec!["queue.max_frames".into()] });
    let request = pb::UpdateStreamRequest { stream: Some(stream), update_mask, ..Default::default() };
    server.registry().update_stream(request).await.expect("updates");
    call.batch(3, vec![numbered("cam", 5), numbered("cam", 1)]).await;
    let third = call.result(3).await;
    assert_eq!(rejected(&third[0]), (R::OutOfOrder, true));
    assert!(matches!(third[1], Outcome::Duplicate(_)), "frames before it do not wait: {third:?}");
    call.batch(4, vec![numbered("cam", 3), numbered("cam", 4)]).await;
    call.batch(5, vec![numbered("cam", 5)]).await;
    assert_eq!(call.result(4).await.iter().map(accepted).collect::<Vec<_>>(), [3, 4]);
    assert_eq!(accepted(&call.result(5).await[0]), 5);
    server.stop().await;
}

#[tokio::test]
async fn a_publisher_that_obeys_loses_no_frame_over_a_drain_and_stays_in_order() {
    let server = TestServer::start(|_| {}).await;
    server.register(&["cam"]).await;
    let mut call = Call::open(&server).await;
    let mut left: Vec<u64> = (1..=12).collect();
    let (mut stored, mut refused, mut longest) = (Vec::new(), Vec::new(), Duration::ZERO);
    for batch_id in 1.. {
        let sent: Vec<u64> = left.iter().copied().take(4).collect();
        call.batch(batch_id, sent.iter().map(|&number| numbered("cam", number)).collect()).await;
        let mut wait = Duration::ZERO;
        for (number, outcome) in sent.into_iter().zip(call.result(batch_id).await) {
            match outcome {
                Outcome::Accepted(done) => stored.push((number, done.sequence)),
                Outcome::Rejected(error) => {
                    let delay = error.retry_delay.expect("it may come again");
                    wait = wait.max(delay.try_into().expect("a delay"));
                    refused.push((number, error.reason()));
                }
                other => panic!("{other:?}"),
            }
        }
        left.retain(|number| stored.iter().all(|(done, _)| done != number));
        if left.is_empty() {
            break;
        }
        if stored.len() == 4 && refused.is_empty() {
            let target = Some(pb::drain_queue_request::Target::AllQueues(true));
            let request = pb::DrainQueueRequest { target, ..Default::default() };
            server.queues().drain_queue(request).await.expect("drains");
        }
        if wait > Duration::ZERO && longest == Duration::ZERO {
            resume_all(&server).await;
            // The stream waits for the refused frame, although there is room for others now.
            call.batch(100, vec![numbered("cam", 6), numbered("cam", 7)]).await;
            let early: Vec<_> = call.result(100).await.iter().map(rejected).collect();
            assert_eq!(early, [(R::OutOfOrder, true); 2]);
        }
        longest = longest.max(wait);
        tokio::time::sleep(wait).await;
    }
    let behind = |number| (number, R::OutOfOrder);
    assert_eq!(refused, [(5, R::QueueDraining), behind(6), behind(7), behind(8)]);
    assert_eq!(longest, Duration::from_secs(5));
    assert_eq!(stored, (1..=12).map(|number| (number, number)).collect::<Vec<_>>());
    server.stop().await;
}

#[tokio::test]
async fn a_stream_removed_during_a_call_is_reported_per_frame() {
    let server = TestServer::start(|_| {}).await;
    server.register(&["cam", "other"]).await;
    let mut call = Call::open(&server).await;
    call.batch(1, vec![numbered("cam", 1)]).await;
    assert_eq!(accepted(&call.result(1).await[0]), 1);
    let request = pb::UnregisterStreamRequest { stream_id: "cam".into(), ..Default::default() };
    server.registry().unregister_stream(request).await.expect("unregisters");
    call.batch(2, vec![numbered("cam", 2), numbered("other", 1), numbered("cam", 3)]).await;
    let results = call.result(2).await;
    assert_eq!(rejected(&results[0]), (R::StreamNotFound, false));
    assert_eq!(accepted(&results[1]), 1);
    assert_eq!(rejected(&results[2]), (R::StreamNotFound, false));
    server.stop().await;
}

#[tokio::test]
async fn heartbeats_come_at_the_requested_interval() {
    let server = TestServer::start(|_| {}).await;
    let heartbeat_interval = Some(prost_types::Duration { seconds: 1, nanos: 0 });
    let (mut call, _) = Call::with(&server, pb::SubmitSetup { heartbeat_interval, ..setup() }).await;
    let start = Instant::now();
    for _ in 0..2 {
        let Event::Heartbeat(heartbeat) = call.next().await else { panic!("a heartbeat") };
        assert!(heartbeat.server_time.is_some());
    }
    assert!(start.elapsed() >= Duration::from_millis(1_900), "{:?}", start.elapsed());
    server.stop().await;
}
