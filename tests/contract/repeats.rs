//! Settings as they were set, repeated calls, and etags.

use frameway::pb::v1 as pb;
use frameway::pb::v1::start_position::Position;
use prost_types::FieldMask;
use tonic::{Code, Status};

use crate::common::eventually;
use crate::fields::refusal;
use crate::published;
use crate::server::TestServer;
use crate::state::broken;

fn named(id: &str) -> pb::Stream {
    pb::Stream { stream_id: id.to_owned(), ..Default::default() }
}

fn group(id: &str) -> pb::ConsumerGroup {
    let streams = vec![pb::StreamMatch { selector: Some(pb::stream_match::Selector::Glob("*".to_owned())) }];
    pb::ConsumerGroup { group_id: id.to_owned(), streams, ..Default::default() }
}

async fn register(server: &TestServer, stream: pb::Stream) -> Result<pb::Stream, Status> {
    let request = pb::RegisterStreamRequest { stream: Some(stream) };
    Ok(server.registry().register_stream(request).await?.into_inner().stream.expect("a stream"))
}

async fn read(server: &TestServer, id: &str) -> pb::Stream {
    let request = pb::GetStreamRequest { stream_id: id.to_owned() };
    server.registry().get_stream(request).await.expect("reads").into_inner().stream.expect("a stream")
}

async fn create(server: &TestServer, group: pb::ConsumerGroup) -> Result<pb::ConsumerGroup, Status> {
    let request = pb::CreateConsumerGroupRequest { group: Some(group) };
    Ok(server.groups().create_consumer_group(request).await?.into_inner().group.expect("a group"))
}

async fn unregister(
    server: &TestServer,
    id: &str,
    etag: &str,
) -> Result<pb::UnregisterStreamResponse, Status> {
    let (stream_id, etag) = (id.to_owned(), etag.to_owned());
    let request = pb::UnregisterStreamRequest { stream_id, etag, ..Default::default() };
    Ok(server.registry().unregister_stream(request).await?.into_inner())
}

async fn delete(server: &TestServer, id: &str, etag: &str) -> Result<(), Status> {
    let (group_id, etag) = (id.to_owned(), etag.to_owned());
    let request = pb::DeleteConsumerGroupRequest { group_id, etag, ..Default::default() };
    server.groups().delete_consumer_group(request).await.map(drop)
}

fn already_exists() -> (Code, String) {
    (Code::AlreadyExists, "ALREADY_EXISTS".to_owned())
}

fn etag_mismatch() -> (Code, String) {
    (Code::Aborted, "ETAG_MISMATCH".to_owned())
}

#[tokio::test]
async fn a_repeated_registration_returns_what_is_stored_and_another_is_refused() {
    let server = TestServer::start(|_| {}).await;
    let wanted = pb::Stream { display_name: "North gate".to_owned(), ..named("cam") };
    let stored = register(&server, wanted.clone()).await.expect("registers");
    let again = register(&server, wanted.clone()).await.expect("answers what is stored");
    assert_eq!((&again.etag, again.create_time), (&stored.etag, stored.create_time));
    // Fields that the server writes are ignored.
    let again = register(&server, stored.clone()).await.expect("answers what is stored");
    assert_eq!(again.etag, stored.etag);
    for other in [named("cam"), pb::Stream { display_name: "South".to_owned(), ..wanted }] {
        let refused = register(&server, other).await.expect_err("says something else");
        assert_eq!(refusal(&refused), already_exists());
    }
    assert_eq!(read(&server, "cam").await.etag, stored.etag);
    server.stop().await;
}

#[tokio::test]
async fn a_repeated_creation_of_a_group_returns_what_is_stored_and_another_is_refused() {
    let server = TestServer::start(|_| {}).await;
    let earliest = Some(pb::StartPosition { position: Some(Position::Earliest(pb::StartEarliest {})) });
    let wanted = pb::ConsumerGroup { start: earliest, ..group("g") };
    let stored = create(&server, wanted.clone()).await.expect("creates");
    let again = create(&server, wanted.clone()).await.expect("answers what is stored");
    assert_eq!((&again.etag, again.create_time), (&stored.etag, stored.create_time));
    let name = pb::ConsumerGroup { display_name: "other".to_owned(), ..wanted };
    for other in [name, group("g")] {
        let refused = create(&server, other).await.expect_err("says something else");
        assert_eq!(refusal(&refused), already_exists());
    }
    server.stop().await;
}

#[tokio::test]
async fn settings_are_kept_as_given_and_effective_is_complete() {
    let server = TestServer::start(|_| {}).await;
    register(&server, named("silent")).await.expect("registers");
    let silent = read(&server, "silent").await;
    assert_eq!((silent.retention, silent.output, silent.validation), (None, None, None));
    assert_eq!((silent.queue, silent.stall_timeout), (None, None));
    let effective = silent.effective.expect("the policies in force");
    let info =
        server.streaming().get_server_info(pb::GetServerInfoRequest {}).await.expect("answers").into_inner();
    let defaults = info.defaults.expect("defaults");
    assert_eq!((effective.retention, effective.output), (defaults.retention, defaults.output));
    assert_eq!(effective.queue, defaults.queue);
    assert!(effective.validation.is_some() && effective.stall_timeout.is_some());
    let retention = effective.retention.expect("in force");
    assert!(retention.max_frames.is_some() && retention.max_age.is_some() && retention.max_bytes.is_some());

    let said = pb::RetentionPolicy { max_frames: Some(7), ..Default::default() };
    register(&server, pb::Stream { retention: Some(said), ..named("brief") }).await.expect("registers");
    let brief = read(&server, "brief").await;
    assert_eq!((brief.retention, brief.queue), (Some(said), None));
    let effective = brief.effective.and_then(|effective| effective.retention);
    assert_eq!(effective, Some(pb::RetentionPolicy { max_frames: Some(7), ..retention }));

    let quiet = create(&server, group("quiet")).await.expect("creates");
    assert_eq!((quiet.ack_deadline, quiet.max_delivery_attempts, quiet.backoff), (None, None, None));
    assert_eq!((quiet.affinity(), quiet.max_outstanding_frames), (pb::GroupAffinity::Unspecified, None));
    let effective = quiet.effective.expect("the policies in force");
    assert!(effective.ack_deadline.is_some() && effective.backoff.is_some());
    assert_eq!((effective.max_delivery_attempts, effective.max_outstanding_frames), (Some(5), Some(10_000)));
    assert_eq!(effective.affinity(), pb::GroupAffinity::Any);
    server.stop().await;
}

#[tokio::test]
async fn an_etag_is_valid_for_one_registration_and_one_group() {
    let server = TestServer::start(|_| {}).await;
    let first = register(&server, named("cam")).await.expect("registers").etag;
    unregister(&server, "cam", &first).await.expect("unregisters");
    let second = register(&server, named("cam")).await.expect("registers again").etag;
    assert_ne!(first, second);
    let stream = pb::Stream { display_name: "late".to_owned(), etag: first.clone(), ..named("cam") };
    let update_mask = Some(FieldMask { paths: vec!["display_name".to_owned()] });
    let update = pb::UpdateStreamRequest { stream: Some(stream), update_mask, ..Default::default() };
    let refused = server.registry().update_stream(update).await.expect_err("is of the stream before");
    assert_eq!(refusal(&refused), etag_mismatch());
    let refused = unregister(&server, "cam", &first).await.expect_err("is of the stream before");
    assert_eq!(refusal(&refused), etag_mismatch());
    assert_eq!(read(&server, "cam").await.etag, second);

    let first = create(&server, group("g")).await.expect("creates").etag;
    delete(&server, "g", &first).await.expect("deletes");
    let second = create(&server, group("g")).await.expect("creates again").etag;
    assert_ne!(first, second);
    let refused = delete(&server, "g", &first).await.expect_err("is of the group before");
    assert_eq!(refusal(&refused), etag_mismatch());
    let seek = |etag: &str| pb::SeekConsumerGroupRequest {
        group_id: "g".to_owned(),
        position: Some(pb::StartPosition { position: Some(Position::Earliest(pb::StartEarliest {})) }),
        all_streams: true,
        etag: etag.to_owned(),
        ..Default::default()
    };
    let mut groups = server.groups();
    let refused = groups.seek_consumer_group(seek(&first)).await.expect_err("is of the group before");
    assert_eq!(refusal(&refused), etag_mismatch());
    let sought = groups.seek_consumer_group(seek(&second)).await.expect("moves").into_inner().group;
    assert_ne!(sought.expect("a group").etag, second, "a seek is a change");
    let refused = groups.seek_consumer_group(seek(&second)).await.expect_err("has moved");
    assert_eq!(refusal(&refused), etag_mismatch());
    server.stop().await;
}

#[tokio::test]
async fn unregistering_counts_what_it_removes() {
    let server = TestServer::start(|_| {}).await;
    server.register(&["cam", "other"]).await;
    server.submit(vec![broken("cam"), broken("cam"), broken("other")]).await;
    let list = async || {
        let page = server.dead_letters().list_dead_letters(pb::ListDeadLettersRequest::default()).await;
        page.expect("lists").into_inner()
    };
    eventually("the broken pictures become dead letters", async || {
        (list().await.kept_count == 3).then_some(())
    })
    .await;
    published(&server, "cam", 2).await;
    let removed = unregister(&server, "cam", "").await.expect("unregisters");
    assert_eq!((removed.removed_dead_letters, removed.removed_output_frames), (2, 2));
    assert_eq!((removed.last_sequence, removed.removed_queued_frames), (2, 0));
    // The frames can no longer be read; their bytes are removed soon.
    let left = list().await.dead_letters;
    assert_eq!(left.iter().map(|letter| letter.stream_id.as_str()).collect::<Vec<_>>(), ["other"]);
    eventually("their bytes go", async || (list().await.kept_count == 1).then_some(())).await;
    server.stop().await;
}
