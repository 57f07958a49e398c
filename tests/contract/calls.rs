//! Dry runs, a stop at the head, and request ids.

use frameway::pb::v1 as pb;
use frameway::pb::v1::dead_letter_result::Outcome;
use frameway::pb::v1::start_position::Position;
use frameway::pb::v1::subscribe_frames_response::Event;
use tokio::time::timeout;
use tonic::Request;

use crate::caller::{Caller, method};
use crate::common::eventually;
use crate::server::{PATIENCE, TestServer, frame};
use crate::{contract, published, state};

async fn queued(server: &TestServer) -> u64 {
    let stats = server.queues().get_queue_stats(pb::GetQueueStatsRequest::default()).await.expect("answers");
    stats.into_inner().total.and_then(|total| total.account).expect("an account").queued_frames
}

#[tokio::test]
async fn a_dry_purge_counts_and_removes_nothing() {
    let server = TestServer::start(|_| {}).await;
    server.register(&["cam"]).await;
    let target = Some(pb::pause_queue_request::Target::AllQueues(true));
    server
        .queues()
        .pause_queue(pb::PauseQueueRequest { target, ..Default::default() })
        .await
        .expect("pauses");
    server.submit((0..3).map(|shade| frame("cam", shade)).collect()).await;
    let purge = async |dry_run| {
        let target = Some(pb::purge_queue_request::Target::StreamId("cam".to_owned()));
        let request = pb::PurgeQueueRequest { target, dry_run, ..Default::default() };
        server.queues().purge_queue(request).await.expect("purges").into_inner()
    };
    for _ in 0..2 {
        let would = purge(true).await;
        assert_eq!((would.marked_frames, would.pending_frames), (3, 0));
        assert!(would.marked_bytes > 0);
        assert_eq!(queued(&server).await, 3);
    }
    assert_eq!(purge(false).await.marked_frames, 3);
    eventually("they are purged", async || (queued(&server).await == 0).then_some(())).await;
    assert_eq!(purge(true).await.marked_frames, 0);
    server.stop().await;
}

#[tokio::test]
async fn a_dry_replay_and_a_dry_discard_answer_and_change_nothing() {
    let server = TestServer::start(|_| {}).await;
    server.register(&["cam"]).await;
    server.submit(vec![state::broken("cam"), state::broken("cam")]).await;
    let mut letters = server.dead_letters();
    let ids = eventually("the broken pictures become dead letters", async || {
        let page = server.dead_letters().list_dead_letters(pb::ListDeadLettersRequest::default()).await;
        let letters = page.expect("lists").into_inner().dead_letters;
        (letters.len() == 2)
            .then(|| letters.into_iter().map(|letter| letter.dead_letter_id).collect::<Vec<_>>())
    })
    .await;
    let (pool, caller) = (contract(), Caller::new(server.channel()));
    let lists = state::LISTS.map(|name| method(&pool, name));
    // The second tombstone may not be published yet.
    published(&server, "cam", 2).await;
    let before = state::read(&lists, &caller).await;
    let ids_and_one_more: Vec<String> = ids.iter().cloned().chain(["none".to_owned()]).collect();
    let is_as_expected = |results: &[pb::DeadLetterResult]| {
        let done = Some(Outcome::Done(pb::DeadLetterDone::default()));
        assert_eq!(results.len(), 3, "{results:?}");
        assert!(results[..2].iter().all(|result| result.outcome == done), "{results:?}");
        let Some(Outcome::Refused(refused)) = &results[2].outcome else { panic!("{results:?}") };
        assert_eq!(refused.reason(), pb::ErrorReason::DeadLetterNotFound);
    };
    for discard_replayed in [false, true] {
        let named = pb::DeadLetterIdList { ids: ids_and_one_more.clone() };
        let target = Some(pb::replay_dead_letters_request::Target::Ids(named));
        let request =
            pb::ReplayDeadLettersRequest { target, dry_run: true, discard_replayed, ..Default::default() };
        is_as_expected(&letters.replay_dead_letters(request).await.expect("answers").into_inner().results);
        let target = Some(pb::replay_dead_letters_request::Target::All(true));
        let request = pb::ReplayDeadLettersRequest {
            target,
            dry_run: true,
            discard_replayed,
            max_count: Some(1),
            ..Default::default()
        };
        let answer = letters.replay_dead_letters(request).await.expect("answers").into_inner();
        assert_eq!((answer.results.len(), answer.more), (1, true));
    }
    let named = pb::DeadLetterIdList { ids: ids_and_one_more };
    let target = Some(pb::discard_dead_letters_request::Target::Ids(named));
    let request = pb::DiscardDeadLettersRequest { target, dry_run: true, ..Default::default() };
    is_as_expected(&letters.discard_dead_letters(request).await.expect("answers").into_inner().results);
    let target = Some(pb::discard_dead_letters_request::Target::All(true));
    let request = pb::DiscardDeadLettersRequest { target, dry_run: true, ..Default::default() };
    let answer = letters.discard_dead_letters(request).await.expect("answers").into_inner();
    assert_eq!((answer.results.len(), answer.more), (2, false));

    let after = state::read(&lists, &caller).await;
    let changed = state::changes(&before, &after);
    assert!(changed.is_empty(), "{changed:?}");
    assert_eq!(queued(&server).await, 0, "nothing was submitted again");
    server.stop().await;
}

#[tokio::test]
async fn a_stop_at_the_head_ends_the_call_when_all_that_was_published_is_sent() {
    let server = TestServer::start(|_| {}).await;
    server.register(&["cam", "empty"]).await;
    server.submit((0..3).map(|shade| frame("cam", shade)).collect()).await;
    published(&server, "cam", 3).await;
    let all = pb::StreamMatch { selector: Some(pb::stream_match::Selector::Glob("*".to_owned())) };
    for (position, expected) in [
        (Position::Earliest(pb::StartEarliest {}), vec![1, 2, 3]),
        (Position::Sequence(3), vec![3]),
        (Position::Live(pb::StartLive {}), vec![]),
    ] {
        let start = Some(pb::StartPosition { position: Some(position) });
        let selector = pb::StreamSelector { streams: vec![all.clone()], start, ..Default::default() };
        let request = pb::SubscribeFramesRequest {
            selectors: vec![selector],
            stop_at_head: true,
            ..Default::default()
        };
        let mut events = server.streaming().subscribe_frames(request).await.expect("subscribes").into_inner();
        let (mut sequences, mut last) = (Vec::new(), None);
        while let Some(message) =
            timeout(PATIENCE, events.message()).await.expect("ends in time").expect("ends with OK")
        {
            match message.event.expect("an event") {
                Event::Frame(delivered) => sequences.push(delivered.frame.expect("a frame").sequence),
                event => last = Some(event),
            }
        }
        assert_eq!(sequences, expected);
        assert!(matches!(last, Some(Event::Checkpoint(_))), "a checkpoint comes last: {last:?}");
    }
    server.stop().await;
}

#[tokio::test]
async fn a_calls_request_id_is_returned_or_made() {
    const HEADER: &str = "x-request-id";
    let server = TestServer::start(|_| {}).await;
    let mut registry = server.registry();
    let mut asked = async |id: Option<&str>, stream: &str| {
        let mut request = Request::new(pb::GetStreamRequest { stream_id: stream.to_owned() });
        if let Some(id) = id {
            request.metadata_mut().insert(HEADER, id.parse().expect("ascii"));
        }
        let metadata = match registry.get_stream(request).await {
            Ok(answer) => answer.metadata().clone(),
            Err(refused) => refused.metadata().clone(),
        };
        metadata.get(HEADER).and_then(|id| id.to_str().ok()).expect("the answer has an id").to_owned()
    };
    server.register(&["cam"]).await;
    let longest = "i".repeat(128);
    for id in ["ticket-4711", longest.as_str()] {
        for stream in ["cam", "nobody", "a b"] {
            assert_eq!(asked(Some(id), stream).await, id);
        }
    }
    let (made, other) = (asked(None, "cam").await, asked(None, "nobody").await);
    assert!(!made.is_empty() && made != other);
    let too_long = "i".repeat(129);
    assert_ne!(asked(Some(&too_long), "cam").await, too_long);
    server.stop().await;
}
