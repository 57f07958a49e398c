//! Operators: pause, resume, drain, purge and list queues; the queue policy that drops frames;
//! totals and system metrics.

use frameway::config::Role;
use frameway::pb::admin::v1beta1 as admin;
use frameway::pb::v1 as pb;
use frameway::pb::v1::ErrorReason as R;
use frameway::pb::v1::frame_lookup::Outcome as Lookup;
use frameway::pb::v1::frame_result::Outcome;
use frameway::pb::v1::purge_queue_request::Target as Purge;
use frameway::pb::v1::start_position::Position;
use frameway::pb::v1::subscribe_frames_response::Event;
use tonic::{Code, Status};

use crate::common::{eventually, log};
use crate::frames::{gap_of, next, selector, subscribe};
use crate::server::{TestServer, frame};
use crate::{name, pause_all, reason, resume_all};

fn earliest() -> Position {
    Position::Earliest(pb::StartEarliest {})
}

async fn purge(server: &TestServer, request: pb::PurgeQueueRequest) -> pb::PurgeQueueResponse {
    server.queues().purge_queue(request).await.expect("purges").into_inner()
}

/// Creates a purge of all waiting frames of the target.
fn all_of(target: Purge) -> pb::PurgeQueueRequest {
    pb::PurgeQueueRequest { target: Some(target), ..Default::default() }
}

/// Lists all queues in small pages.
async fn queues(server: &TestServer) -> Vec<pb::Queue> {
    let (mut queues, mut page_token) = (Vec::new(), String::new());
    loop {
        let request = pb::ListQueuesRequest { page_size: 20, page_token, ..Default::default() };
        let page = server.queues().list_queues(request).await.expect("lists").into_inner();
        assert!(page.queues.len() <= 20);
        queues.extend(page.queues);
        page_token = page.next_page_token;
        if page_token.is_empty() {
            return queues;
        }
    }
}

async fn account(server: &TestServer) -> pb::FrameAccount {
    let stats = server.queues().get_queue_stats(pb::GetQueueStatsRequest::default()).await;
    stats.expect("answers").into_inner().total.and_then(|total| total.account).expect("an account")
}

fn sum(account: &pb::FrameAccount) -> u64 {
    account.processed_frames
        + account.failed_frames
        + account.dropped_frames
        + account.purged_frames
        + account.removed_frames
        + account.queued_frames
}

/// Reads events up to frame `last`; returns gaps as `from-to reason` and frames as sequences.
async fn read_until(server: &TestServer, stream: &str, last: u64) -> Vec<String> {
    let mut events = subscribe(server, selector(stream, earliest()), 0).await;
    let mut seen = Vec::new();
    loop {
        match next(&mut events).await.expect("continues") {
            Event::Gap(reported) => {
                let gap = gap_of(reported);
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
async fn a_queue_can_be_resumed_at_any_moment() {
    let server = TestServer::start(|_| {}).await;
    server.register(&["cam"]).await;
    for number in 1..=25 {
        pause_all(&server).await;
        server.submit(vec![frame("cam", number)]).await;
        // The worker may not have noticed the pause yet, or only in part.
        resume_all(&server).await;
        assert_eq!(read_until(&server, "cam", number.into()).await.last(), Some(&number.to_string()));
    }
    server.stop().await;
}

#[tokio::test]
async fn a_paused_queue_is_purged_by_its_worker_and_continues_when_resumed() {
    let server = TestServer::start(|_| {}).await;
    server.register(&["cam"]).await;
    let paused = pause_all(&server).await;
    assert_eq!(paused.len(), 32);
    assert!(paused.iter().all(|queue| queue.state() == pb::QueueState::Paused));
    assert!(paused.iter().all(|queue| queue.state_reason == "a test"));
    server.submit(vec![frame("cam", 1), frame("cam", 2), frame("cam", 3)]).await;
    let request = pb::PurgeQueueRequest {
        target: Some(Purge::StreamId("cam".into())),
        reason: "lens covered".into(),
        ..Default::default()
    };
    let purged = purge(&server, request).await;
    // All three are purged: no worker had taken one.
    assert_eq!(purged.marked_frames, 3);
    assert!(purged.marked_bytes > 0);
    // On a busy machine, the call returns before the worker has written all tombstones.
    eventually("the purge of a paused queue", || async {
        (account(&server).await.purged_frames == 3).then_some(())
    })
    .await;
    server.submit(vec![frame("cam", 4)]).await;
    let resumed = resume_all(&server).await;
    assert!(resumed.iter().all(|queue| queue.state() == pb::QueueState::Running));
    assert_eq!(read_until(&server, "cam", 4).await, ["1-3 Purged", "4"]);
    let request = pb::GetFramesRequest { stream_id: "cam".into(), sequences: vec![2], ..Default::default() };
    let found = server.streaming().get_frames(request).await.expect("looks up").into_inner().results;
    let Some(Lookup::Tombstone(tombstone)) = &found[0].outcome else { panic!("{found:?}") };
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
    let target = Some(pb::drain_queue_request::Target::AllQueues(true));
    let request = pb::DrainQueueRequest { target, reason: "upgrade".into() };
    let drained = server.queues().drain_queue(request).await.expect("drains").into_inner().queues;
    assert!(drained.iter().all(|queue| queue.state() == pb::QueueState::Draining));
    let outcomes = server.submit(vec![frame("cam", 2), frame("cam", 3)]).await;
    let refused = |outcome: &Outcome| match outcome {
        Outcome::Rejected(error) => (error.reason(), error.retry_delay.is_some()),
        other => panic!("{other:?}"),
    };
    let refused: Vec<_> = outcomes.iter().map(refused).collect();
    assert_eq!(refused, [(R::QueueDraining, true), (R::OutOfOrder, true)]);
    assert_eq!(read_until(&server, "cam", 1).await, ["1"]);
    // A worker process takes its partitions one after the other.
    let queues = eventually("every queue has a worker", || async {
        let queues = queues(&server).await;
        queues.iter().all(|queue| !queue.worker_id.is_empty()).then_some(queues)
    })
    .await;
    let ids: Vec<_> = queues.iter().map(|queue| queue.queue_id.as_str()).collect();
    assert_eq!((ids.len(), ids[0], ids[31], ids.is_sorted()), (32, "p00", "p31", true));
    for queue in &queues {
        assert_eq!((queue.queued_frames, queue.state_reason.as_str()), (0, "upgrade"));
        assert!(
            !queue.worker_id.is_empty() && queue.lease_expire_time.is_some() && queue.max_queued_bytes > 0
        );
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
    let purged = purge(&server, all_of(Purge::StreamId("a".into()))).await;
    assert_eq!((purged.marked_frames, purged.pending_frames), (1, 1));
    let purged = purge(&server, all_of(Purge::AllQueues(true))).await;
    assert_eq!((purged.marked_frames, purged.pending_frames), (1, 1), "what came in between, and only that");
    let queues = queues(&server).await;
    assert!(queues.iter().all(|one| one.worker_id.is_empty() && one.lease_expire_time.is_none()));
    server.stop().await;
}

#[tokio::test]
async fn invalid_operations_are_refused() {
    let server = TestServer::start(|_| {}).await;
    server.register(&["cam"]).await;
    let mut client = server.queues();
    use pb::{drain_queue_request, pause_queue_request, resume_queue_request};
    type Targets = (
        Option<pause_queue_request::Target>,
        Option<resume_queue_request::Target>,
        Option<drain_queue_request::Target>,
        Option<Purge>,
    );
    let queue = |id: &str| -> Targets {
        let id = id.to_owned();
        (
            Some(pause_queue_request::Target::QueueId(id.clone())),
            Some(resume_queue_request::Target::QueueId(id.clone())),
            Some(drain_queue_request::Target::QueueId(id.clone())),
            Some(Purge::QueueId(id)),
        )
    };
    let not_all: Targets = (
        Some(pause_queue_request::Target::AllQueues(false)),
        Some(resume_queue_request::Target::AllQueues(false)),
        Some(drain_queue_request::Target::AllQueues(false)),
        Some(Purge::AllQueues(false)),
    );
    for ((pause, resume, drain, purge), code, why) in [
        (queue("p99"), Code::NotFound, R::QueueNotFound),
        // A call without a target does not select all.
        (queue(""), Code::InvalidArgument, R::InvalidField),
        ((None, None, None, None), Code::InvalidArgument, R::InvalidField),
        (not_all, Code::InvalidArgument, R::InvalidField),
    ] {
        let reason_given = String::new;
        let refused: Vec<Option<Status>> = vec![
            client.pause_queue(pb::PauseQueueRequest { target: pause, reason: reason_given() }).await.err(),
            client
                .resume_queue(pb::ResumeQueueRequest { target: resume, reason: reason_given() })
                .await
                .err(),
            client.drain_queue(pb::DrainQueueRequest { target: drain, reason: reason_given() }).await.err(),
            client.purge_queue(pb::PurgeQueueRequest { target: purge, ..Default::default() }).await.err(),
        ];
        for status in refused {
            let status = status.expect("must be refused");
            assert_eq!((status.code(), reason(&status)), (code, name(why)), "{status:?}");
        }
    }
    let long = pb::PurgeQueueRequest { reason: "x".repeat(513), ..all_of(Purge::AllQueues(true)) };
    for (request, code, why) in [
        (long, Code::InvalidArgument, R::InvalidField),
        (all_of(Purge::StreamId("a b".into())), Code::InvalidArgument, R::InvalidStreamId),
        (all_of(Purge::StreamId("nobody".into())), Code::NotFound, R::StreamNotFound),
    ] {
        let status = client.purge_queue(request.clone()).await.expect_err("must be refused");
        assert_eq!((status.code(), reason(&status)), (code, name(why)), "{request:?}");
    }
    assert!(queues(&server).await.iter().all(|queue| queue.state() == pb::QueueState::Running));
    server.stop().await;
}

#[tokio::test]
async fn a_stream_that_drops_its_oldest_frames_reports_them() {
    let server = TestServer::start(|_| {}).await;
    let overflow = pb::QueueOverflow::DropOldest.into();
    let queue = Some(pb::QueuePolicy { max_frames: Some(2), overflow, ..Default::default() });
    let stream = pb::Stream { stream_id: "cam".into(), queue, ..Default::default() };
    let stored = server.register_with(stream).await.queue.expect("a policy");
    assert_eq!((stored.max_frames, stored.overflow()), (Some(2), pb::QueueOverflow::DropOldest));
    server.register(&["keeps"]).await;
    // While the queue is paused, more frames are submitted than the policy allows to wait.
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
    let server = TestServer::start(|config| config.queue.backend = frameway::config::Backend::Memory).await;
    server.register(&["cam"]).await;
    server.submit(vec![frame("cam", 1), frame("nobody", 1)]).await;
    pause_all(&server).await;
    server.submit(vec![frame("cam", 2)]).await;
    purge(&server, all_of(Purge::AllQueues(true))).await;
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
        let answer = server.admin().get_system_metrics(admin::GetSystemMetricsRequest {}).await;
        answer.expect("answers").into_inner()
    };
    let reported = metrics().await;
    let account = reported.account.expect("an account");
    assert_eq!((account.accepted_frames, account.purged_frames, account.rejected_frames), (3, 1, 1));
    assert_eq!(sum(&account), 3);
    let process = reported.server.expect("the server");
    assert_eq!((process.subscriptions, process.delivered_frames), (1, 2));
    assert!(process.uptime.is_some() && process.delivered_bytes > 0);
    let omitted: Vec<_> = process.omitted_frames.iter().map(|one| (one.reason(), one.count)).collect();
    assert_eq!(omitted, [(pb::GapReason::Purged, 1)]);
    let refused: Vec<_> = process.rejected_frames.iter().map(|one| (one.reason(), one.count)).collect();
    assert_eq!(refused, [(R::StreamNotFound, 1)]);
    let backend = reported.backend.expect("the backend");
    assert_eq!((backend.kind(), backend.reachable), (pb::BackendKind::Memory, true));
    assert!(backend.used_bytes > Some(0) && backend.max_bytes > backend.used_bytes);
    assert_eq!(reported.workers.len(), 1);
    assert_eq!(reported.workers[0].partitions, (0..32).collect::<Vec<u32>>());
    // The worker reports its totals with the next renewal of a lease.
    let deadline = tokio::time::Instant::now() + crate::server::PATIENCE;
    loop {
        let worker = metrics().await.workers.remove(0);
        if worker.processed_frames == Some(2) {
            assert!(worker.start_time.is_some() && worker.last_renew_time.is_some());
            assert_eq!(worker.version, env!("CARGO_PKG_VERSION"));
            break;
        }
        assert!(tokio::time::Instant::now() < deadline, "{worker:?}");
        tokio::time::sleep(std::time::Duration::from_millis(20)).await;
    }
    server.stop().await;
}

#[tokio::test]
async fn every_operation_leaves_an_audit_line() {
    log::start();
    let server = TestServer::start(|_| {}).await;
    let mut queues = server.queues();
    let mut request = tonic::Request::new(pb::PauseQueueRequest {
        target: Some(pb::pause_queue_request::Target::QueueId("p07".into())),
        reason: "who did \"this\"?\n".into(),
    });
    request.metadata_mut().insert("x-request-id", "ticket-4711".parse().expect("ascii"));
    queues.pause_queue(request).await.expect("pauses");
    let purge = pb::PurgeQueueRequest { reason: "by mistake".into(), ..all_of(Purge::QueueId("p99".into())) };
    queues.purge_queue(purge).await.expect_err("there is no such queue");
    let live = pb::start_position::Position::Live(pb::StartLive {});
    let seek = pb::SeekConsumerGroupRequest {
        group_id: "nobody".into(),
        position: Some(pb::StartPosition { position: Some(live) }),
        all_streams: true,
        reason: "start over".into(),
        ..Default::default()
    };
    server.groups().seek_consumer_group(seek).await.expect_err("there is no such group");
    let ids = pb::DeadLetterIdList { ids: vec!["no-such-letter".into()] };
    let discard = pb::DiscardDeadLettersRequest {
        target: Some(pb::discard_dead_letters_request::Target::Ids(ids)),
        reason: "clean up".into(),
        ..Default::default()
    };
    server.dead_letters().discard_dead_letters(discard).await.expect("answers for each");
    server.register(&["audited"]).await;
    let unregister = pb::UnregisterStreamRequest {
        stream_id: "audited".into(),
        reason: "sold the camera".into(),
        ..Default::default()
    };
    server.registry().unregister_stream(unregister).await.expect("unregisters");
    let group = pb::ConsumerGroup { group_id: "audited-group".into(), ..Default::default() };
    let create = pb::CreateConsumerGroupRequest { group: Some(group) };
    server.groups().create_consumer_group(create).await.expect_err("it selects no streams");
    let line = |what: &str| {
        let found = log::lines_with(&[" audit: ", what]).pop();
        found.unwrap_or_else(|| panic!("no {what} in {:#?}", log::lines_with(&[" audit: "])))
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
    let registered = line(r#"action="RegisterStream" on="audited""#);
    assert!(registered.contains("done"), "{registered}");
    let unregistered = line("sold the camera");
    for part in ["UnregisterStream", "audited", "removed 0 queued frames"] {
        assert!(unregistered.contains(part), "{part} in {unregistered}");
    }
    let created = line("audited-group");
    for part in ["CreateConsumerGroup", "failed"] {
        assert!(created.contains(part), "{part} in {created}");
    }
    let purged = line("by mistake");
    for part in ["PurgeQueue", "p99", "failed: queue p99 does not exist"] {
        assert!(purged.contains(part), "{part} in {purged}");
    }
    server.stop().await;
}
