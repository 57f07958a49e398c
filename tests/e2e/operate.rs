//! Pause, resume, drain, purge and list; the queue policy that drops; the accounts and the system's metrics.

use std::io;
use std::sync::{Arc, Mutex, OnceLock};

use frameway::config::Role;
use frameway::pb::v1 as pb;
use frameway::pb::v1::ErrorReason as R;
use frameway::pb::v1::frame_lookup::Outcome as Lookup;
use frameway::pb::v1::frame_result::Outcome;
use frameway::pb::v1::start_position::Position;
use frameway::pb::v1::subscribe_frames_response::Event;
use tonic::{Code, Status};

use crate::frames::{next, selector, subscribe};
use crate::server::{TestServer, frame};
use crate::{name, reason};

fn earliest() -> Position {
    Position::Earliest(pb::StartEarliest {})
}

async fn pause_all(server: &TestServer) -> Vec<pb::Queue> {
    let request = pb::PauseQueueRequest { reason: "a test".into(), ..Default::default() };
    server.operating().pause_queue(request).await.expect("pauses").into_inner().queues
}

async fn resume_all(server: &TestServer) -> Vec<pb::Queue> {
    let request = pb::ResumeQueueRequest::default();
    server.operating().resume_queue(request).await.expect("resumes").into_inner().queues
}

async fn purge(server: &TestServer, request: pb::PurgeQueueRequest) -> pb::PurgeQueueResponse {
    server.operating().purge_queue(request).await.expect("purges").into_inner()
}

async fn account(server: &TestServer) -> pb::FrameAccount {
    let stats = server.operating().get_queue_stats(pb::GetQueueStatsRequest::default()).await;
    stats.expect("tells").into_inner().total.and_then(|total| total.account).expect("an account")
}

fn sum(account: &pb::FrameAccount) -> u64 {
    account.processed_frames
        + account.failed_frames
        + account.dropped_frames
        + account.purged_frames
        + account.removed_frames
        + account.queued_frames
}

/// Reads until frame `last` has come: what came, as `from-to reason` and numbers.
async fn read_until(server: &TestServer, stream: &str, last: u64) -> Vec<String> {
    let mut events = subscribe(server, selector(stream, earliest()), 0).await;
    let mut seen = Vec::new();
    loop {
        match next(&mut events).await.expect("goes on") {
            Event::Gap(gap) => {
                let causes: Vec<_> = gap.causes.iter().map(|one| format!("{:?}", one.reason())).collect();
                seen.push(format!("{}-{} {}", gap.from_sequence, gap.to_sequence, causes.join("+")));
            }
            Event::Frame(frame) => {
                let sequence = frame.frame.expect("a frame").sequence;
                seen.push(sequence.to_string());
                if sequence == last {
                    return seen;
                }
            }
            Event::Heartbeat(_) | Event::Checkpoint(_) | Event::Draining(_) => {}
        }
    }
}

#[tokio::test]
async fn a_queue_that_is_resumed_at_any_moment_goes_on() {
    let server = TestServer::start(|_| {}).await;
    server.register(&["cam"]).await;
    for number in 1..=25 {
        pause_all(&server).await;
        server.submit(vec![frame("cam", number)]).await;
        // The worker may be just about to notice the pause, or in the middle of it.
        resume_all(&server).await;
        assert_eq!(read_until(&server, "cam", number.into()).await.last(), Some(&number.to_string()));
    }
    server.stop().await;
}

#[tokio::test]
async fn a_paused_queue_is_purged_by_its_worker_and_goes_on_when_resumed() {
    let server = TestServer::start(|_| {}).await;
    server.register(&["cam"]).await;
    let paused = pause_all(&server).await;
    assert_eq!(paused.len(), 32);
    assert!(paused.iter().all(|queue| queue.state() == pb::QueueState::Paused));
    assert!(paused.iter().all(|queue| queue.state_reason == "a test"));
    server.submit(vec![frame("cam", 1), frame("cam", 2), frame("cam", 3)]).await;
    let request = pb::PurgeQueueRequest {
        stream_id: "cam".into(),
        reason: "lens covered".into(),
        ..Default::default()
    };
    let purged = purge(&server, request).await;
    // All three: no worker had taken one.
    assert_eq!((purged.marked_frames, purged.pending_frames), (3, 0));
    assert!(purged.marked_bytes > 0);
    server.submit(vec![frame("cam", 4)]).await;
    let resumed = resume_all(&server).await;
    assert!(resumed.iter().all(|queue| queue.state() == pb::QueueState::Running));
    assert_eq!(read_until(&server, "cam", 4).await, ["1-3 Purged", "4"]);
    let request = pb::GetFramesRequest { stream_id: "cam".into(), sequences: vec![2], ..Default::default() };
    let found = server.streaming().get_frames(request).await.expect("looks up").into_inner().results;
    let Some(Lookup::Tombstone(tombstone)) = &found[0].result else { panic!("{found:?}") };
    assert_eq!(tombstone.outcome(), pb::TombstoneOutcome::Purged);
    assert_eq!((tombstone.reason(), tombstone.message.as_str()), (R::Purged, "lens covered"));
    let account = account(&server).await;
    assert_eq!((account.accepted_frames, account.purged_frames, account.processed_frames), (4, 3, 1));
    assert_eq!(sum(&account), 4);
    assert!(account.output_bytes > 0 && account.accepted_bytes > 0);
    server.stop().await;
}

#[tokio::test]
async fn a_draining_queue_refuses_and_empties() {
    let server = TestServer::start(|_| {}).await;
    server.register(&["cam"]).await;
    server.submit(vec![frame("cam", 1)]).await;
    let request = pb::DrainQueueRequest { reason: "upgrade".into(), ..Default::default() };
    let drained = server.operating().drain_queue(request).await.expect("drains").into_inner().queues;
    assert!(drained.iter().all(|queue| queue.state() == pb::QueueState::Draining));
    let outcomes = server.submit(vec![frame("cam", 2), frame("cam", 3)]).await;
    let refused = |outcome: &Outcome| match outcome {
        Outcome::Rejected(error) => (error.reason(), error.retry_delay.is_some()),
        other => panic!("{other:?}"),
    };
    let refused: Vec<_> = outcomes.iter().map(refused).collect();
    assert_eq!(refused, [(R::QueueDraining, true), (R::OutOfOrder, true)]);
    assert_eq!(read_until(&server, "cam", 1).await, ["1"]);
    let queues = server.operating().list_queues(pb::ListQueuesRequest {}).await.expect("lists").into_inner();
    let ids: Vec<_> = queues.queues.iter().map(|queue| queue.queue_id.as_str()).collect();
    assert_eq!((ids.len(), ids[0], ids[31], ids.is_sorted()), (32, "p00", "p31", true));
    for queue in &queues.queues {
        assert_eq!((queue.depth_frames, queue.state_reason.as_str()), (0, "upgrade"));
        assert!(!queue.worker_id.is_empty() && queue.lease_expire_time.is_some() && queue.max_bytes > 0);
    }
    resume_all(&server).await;
    assert!(matches!(server.submit(vec![frame("cam", 2)]).await[0], Outcome::Accepted(_)));
    let account = account(&server).await;
    assert_eq!((account.accepted_frames, account.rejected_frames), (2, 2));
    server.stop().await;
}

#[tokio::test]
async fn without_a_worker_a_purge_is_pending() {
    let server = TestServer::start(|config| config.server.role = Role::Api).await;
    server.register(&["a", "b"]).await;
    server.submit(vec![frame("a", 1), frame("b", 1)]).await;
    let stats = pb::GetQueueStatsRequest { include_streams: true, ..Default::default() };
    let stats = server.operating().get_queue_stats(stats).await.expect("tells").into_inner();
    let queue_id = stats.streams[0].queue_id.clone();
    let request = pb::PurgeQueueRequest { queue_id, stream_id: "a".into(), ..Default::default() };
    let purged = purge(&server, request).await;
    assert_eq!((purged.marked_frames, purged.pending_frames), (1, 1));
    let purged = purge(&server, pb::PurgeQueueRequest { all_queues: true, ..Default::default() }).await;
    assert_eq!((purged.marked_frames, purged.pending_frames), (1, 1), "what came in between, and only that");
    let queues = server.operating().list_queues(pb::ListQueuesRequest {}).await.expect("lists").into_inner();
    assert!(queues.queues.iter().all(|one| one.worker_id.is_empty() && one.lease_expire_time.is_none()));
    server.stop().await;
}

#[tokio::test]
async fn what_cannot_be_operated_is_refused() {
    let server = TestServer::start(|_| {}).await;
    server.register(&["cam"]).await;
    let mut operating = server.operating();
    let queue_id = || "p99".to_owned();
    let refused: Vec<Option<Status>> = vec![
        operating
            .pause_queue(pb::PauseQueueRequest { queue_id: queue_id(), ..Default::default() })
            .await
            .err(),
        operating
            .resume_queue(pb::ResumeQueueRequest { queue_id: queue_id(), ..Default::default() })
            .await
            .err(),
        operating
            .drain_queue(pb::DrainQueueRequest { queue_id: queue_id(), ..Default::default() })
            .await
            .err(),
        operating
            .purge_queue(pb::PurgeQueueRequest { queue_id: queue_id(), ..Default::default() })
            .await
            .err(),
    ];
    for status in refused {
        let status = status.expect("there is no such queue");
        assert_eq!((status.code(), reason(&status)), (Code::NotFound, name(R::QueueNotFound)));
    }
    let long = "x".repeat(513);
    let stats = pb::GetQueueStatsRequest { include_streams: true, ..Default::default() };
    let stats = operating.get_queue_stats(stats).await.expect("tells").into_inner();
    let other = if stats.streams[0].queue_id == "p00" { "p01" } else { "p00" };
    let default = pb::PurgeQueueRequest::default;
    for (request, code, why) in [
        (default(), Code::InvalidArgument, R::InvalidField),
        (
            pb::PurgeQueueRequest { all_queues: true, queue_id: "p00".into(), ..default() },
            Code::InvalidArgument,
            R::InvalidField,
        ),
        (
            pb::PurgeQueueRequest { all_queues: true, reason: long, ..default() },
            Code::InvalidArgument,
            R::InvalidField,
        ),
        (
            pb::PurgeQueueRequest { stream_id: "a b".into(), ..default() },
            Code::InvalidArgument,
            R::InvalidStreamId,
        ),
        (
            pb::PurgeQueueRequest { stream_id: "nobody".into(), ..default() },
            Code::NotFound,
            R::StreamNotFound,
        ),
        (
            pb::PurgeQueueRequest { stream_id: "cam".into(), queue_id: other.into(), ..default() },
            Code::NotFound,
            R::StreamNotFound,
        ),
    ] {
        let status = operating.purge_queue(request.clone()).await.expect_err("must be refused");
        assert_eq!((status.code(), reason(&status)), (code, name(why)), "{request:?}");
    }
    server.stop().await;
}

#[tokio::test]
async fn a_stream_that_drops_its_oldest_frames_tells_of_them() {
    let server = TestServer::start(|_| {}).await;
    let overflow = pb::QueueOverflow::DropOldest.into();
    let queue = Some(pb::QueuePolicy { max_frames: 2, overflow, ..Default::default() });
    let stream = pb::Stream { stream_id: "cam".into(), queue, ..Default::default() };
    let stored = server.register_with(stream).await.queue.expect("a policy");
    assert_eq!((stored.max_frames, stored.overflow()), (2, pb::QueueOverflow::DropOldest));
    server.register(&["keeps"]).await;
    // While its worker rests, more comes than the policy lets wait.
    pause_all(&server).await;
    for shade in 1..=10 {
        let outcomes = server.submit(vec![frame("cam", shade), frame("keeps", shade)]).await;
        assert!(outcomes.iter().all(|one| matches!(one, Outcome::Accepted(_))), "{outcomes:?}");
    }
    resume_all(&server).await;
    assert_eq!(read_until(&server, "cam", 10).await, ["1-8 Overflow", "9", "10"]);
    assert_eq!(read_until(&server, "keeps", 10).await.len(), 10);
    let account = account(&server).await;
    assert_eq!((account.accepted_frames, account.dropped_frames, account.processed_frames), (20, 8, 12));
    assert_eq!(sum(&account), 20);
    server.stop().await;
}

#[tokio::test]
async fn system_metrics_have_the_accounts_and_the_parts() {
    let server = TestServer::start(|_| {}).await;
    server.register(&["cam"]).await;
    server.submit(vec![frame("cam", 1), frame("nobody", 1)]).await;
    pause_all(&server).await;
    server.submit(vec![frame("cam", 2)]).await;
    purge(&server, pb::PurgeQueueRequest { all_queues: true, ..Default::default() }).await;
    resume_all(&server).await;
    server.submit(vec![frame("cam", 3)]).await;
    let mut events = subscribe(&server, selector("cam", earliest()), 0).await;
    let mut delivered = 0;
    while delivered < 2 {
        if let Some(Event::Frame(_)) = next(&mut events).await {
            delivered += 1;
        }
    }
    let metrics = async || {
        let answer = server.operating().get_system_metrics(pb::GetSystemMetricsRequest {}).await;
        answer.expect("tells").into_inner()
    };
    let told = metrics().await;
    let account = told.account.expect("an account");
    assert_eq!((account.accepted_frames, account.purged_frames, account.rejected_frames), (3, 1, 1));
    assert_eq!(sum(&account), 3);
    let process = told.server.expect("the server");
    assert_eq!((process.subscriptions, process.delivered_frames), (1, 2));
    assert!(process.uptime.is_some() && process.delivered_bytes > 0);
    let omitted: Vec<_> = process.omitted_frames.iter().map(|one| (one.reason(), one.count)).collect();
    assert_eq!(omitted, [(pb::GapReason::Purged, 1)]);
    let refused: Vec<_> = process.rejected_frames.iter().map(|one| (one.reason(), one.count)).collect();
    assert_eq!(refused, [(R::StreamNotFound, 1)]);
    let backend = told.backend.expect("the backend");
    assert_eq!((backend.kind(), backend.reachable), (pb::BackendKind::Memory, true));
    assert!(backend.used_bytes > 0 && backend.max_bytes > backend.used_bytes);
    assert_eq!(told.workers.len(), 1);
    assert_eq!(told.workers[0].partitions, (0..32).collect::<Vec<u32>>());
    // Its own numbers come with the next renewal of a lease.
    let deadline = tokio::time::Instant::now() + crate::server::PATIENCE;
    loop {
        let worker = metrics().await.workers.remove(0);
        if worker.processed_frames == 2 {
            assert!(worker.start_time.is_some() && worker.last_renew_time.is_some());
            assert_eq!(worker.version, env!("CARGO_PKG_VERSION"));
            break;
        }
        assert!(tokio::time::Instant::now() < deadline, "{worker:?}");
        tokio::time::sleep(std::time::Duration::from_millis(20)).await;
    }
    server.stop().await;
}

/// The audit lines of this process' servers.
fn audit_log() -> Arc<Mutex<Vec<u8>>> {
    #[derive(Clone)]
    struct Lines(Arc<Mutex<Vec<u8>>>);
    impl io::Write for Lines {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            self.0.lock().expect("whole").extend_from_slice(bytes);
            Ok(bytes.len())
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }
    static LOG: OnceLock<Arc<Mutex<Vec<u8>>>> = OnceLock::new();
    let start = || {
        let log = Lines(Arc::default());
        let lines = log.clone();
        let builder = tracing_subscriber::fmt().with_env_filter("audit=info").with_ansi(false);
        builder.with_writer(move || lines.clone()).init();
        log.0
    };
    Arc::clone(LOG.get_or_init(start))
}

#[tokio::test]
async fn every_operation_leaves_an_audit_line() {
    let log = audit_log();
    let server = TestServer::start(|_| {}).await;
    let mut operating = server.operating();
    let mut request = tonic::Request::new(pb::PauseQueueRequest {
        queue_id: "p07".into(),
        reason: "who did \"this\"?\n".into(),
    });
    request.metadata_mut().insert("x-request-id", "ticket-4711".parse().expect("ascii"));
    operating.pause_queue(request).await.expect("pauses");
    let purge =
        pb::PurgeQueueRequest { queue_id: "p99".into(), reason: "by mistake".into(), ..Default::default() };
    operating.purge_queue(purge).await.expect_err("there is no such queue");
    let seek = pb::SeekConsumerGroupRequest {
        group_id: "nobody".into(),
        reason: "start over".into(),
        ..Default::default()
    };
    operating.seek_consumer_group(seek).await.expect_err("there is no such group");
    let which = pb::DeadLetterIdList { ids: vec!["no-such-letter".into()] };
    let discard = pb::DiscardDeadLettersRequest {
        which: Some(pb::discard_dead_letters_request::Which::Ids(which)),
        reason: "clean up".into(),
        ..Default::default()
    };
    operating.discard_dead_letters(discard).await.expect("answers for each");
    let text = String::from_utf8(log.lock().expect("whole").clone()).expect("text");
    let line = |what: &str| {
        let found = text.lines().find(|line| line.contains(what));
        found.unwrap_or_else(|| panic!("no {what} in {text}")).to_owned()
    };
    let paused = line("ticket-4711");
    for part in ["audit", "PauseQueue", "p07", "127.0.0.1:", r#"who did \"this\"?\n"#, "done"] {
        assert!(paused.contains(part), "{part} in {paused}");
    }
    let sought = line("start over");
    for part in ["SeekConsumerGroup", "nobody", "failed"] {
        assert!(sought.contains(part), "{part} in {sought}");
    }
    let discarded = line("clean up");
    for part in ["DiscardDeadLetters", "0 done, 1 refused"] {
        assert!(discarded.contains(part), "{part} in {discarded}");
    }
    let purged = line("by mistake");
    for part in ["PurgeQueue", "p99", "failed: there is no queue p99"] {
        assert!(purged.contains(part), "{part} in {purged}");
    }
    server.stop().await;
}
