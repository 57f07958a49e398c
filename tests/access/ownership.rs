//! Streams, pictures, publishers and members that belong to one caller and not to another.

use frameway::pb::v1 as pb;
use frameway::pb::v1::frame_result::Outcome;
use tonic::Code;

use crate::access_file::Keys;
use crate::common::eventually;
use crate::server::{TestServer, frame};
use crate::{reason, with_bearer};

async fn register(server: &TestServer, key: &str, stream: pb::Stream) {
    let request = with_bearer(key, pb::RegisterStreamRequest { stream: Some(stream) });
    server.registry().register_stream(request).await.expect("registers");
}

async fn submit(server: &TestServer, key: &str, frames: Vec<pb::Frame>) -> Vec<Outcome> {
    let request = with_bearer(key, pb::SubmitFrameBatchRequest { frames });
    let answer = server.streaming().submit_frame_batch(request).await.expect("submits").into_inner();
    answer.results.into_iter().map(|result| result.outcome.expect("an outcome")).collect()
}

fn numbered(stream: &str, sequence: u64, shade: u8) -> pb::Frame {
    let publisher = ("agent".to_owned(), Some(sequence));
    pb::Frame { publisher_id: publisher.0, publisher_sequence: publisher.1, ..frame(stream, shade) }
}

fn stream(id: &str) -> pb::Stream {
    pb::Stream { stream_id: id.into(), ..Default::default() }
}

#[tokio::test]
async fn frames_of_other_streams_are_refused_one_by_one() {
    let keys = Keys::new(&[("admin", &["admin"]), ("a", &["publish:a.*"])]);
    let server = keys.server().await;
    for id in ["a.1", "b.1"] {
        register(&server, keys.of("admin"), stream(id)).await;
    }
    let frames = ["a.1", "b.1", "b.none", "a.1"].map(|id| frame(id, 1)).to_vec();
    let outcomes = submit(&server, keys.of("a"), frames).await;
    assert!(matches!(outcomes[0], Outcome::Accepted(_)) && matches!(outcomes[3], Outcome::Accepted(_)));
    for outcome in &outcomes[1..3] {
        let Outcome::Rejected(error) = outcome else { panic!("{outcome:?}") };
        assert_eq!(error.reason(), pb::ErrorReason::PermissionDenied);
    }
    server.stop().await;
}

#[tokio::test]
async fn two_principals_use_the_same_publisher_id_and_a_new_key_continues_its_sequence() {
    let mut keys =
        Keys::new(&[("admin", &["admin"]), ("a", &["publish:*", "read:*"]), ("b", &["publish:*"])]);
    let server = keys.server().await;
    register(&server, keys.of("admin"), stream("cam")).await;
    let first = submit(&server, keys.of("a"), vec![numbered("cam", 7, 1)]).await;
    assert!(matches!(first[0], Outcome::Accepted(_)), "{first:?}");
    // Not a duplicate and not out of order: it is another publisher.
    let other = submit(&server, keys.of("b"), vec![numbered("cam", 3, 2)]).await;
    assert!(matches!(other[0], Outcome::Accepted(_)), "{other:?}");

    keys.edit(|file| vec![("a".to_owned(), file.create_key("a", &[], &[], None).expect("a key").reveal())]);
    let new = keys.of("a").to_owned();
    let again = eventually("the new key is in force", async || {
        let request = with_bearer(&new, pb::SubmitFrameBatchRequest { frames: vec![numbered("cam", 7, 1)] });
        server.streaming().submit_frame_batch(request).await.ok()
    });
    let outcome = again.await.into_inner().results[0].outcome.clone();
    assert!(matches!(outcome, Some(Outcome::Duplicate(_))), "{outcome:?}");

    // Readers see the publisher's own name.
    let read = eventually("the frame is published", async || {
        let request = pb::GetFramesRequest { stream_id: "cam".into(), sequences: vec![1], pictures: None };
        let answer = server.streaming().get_frames(with_bearer(&new, request)).await.expect("reads");
        match answer.into_inner().results.remove(0).outcome {
            Some(pb::frame_lookup::Outcome::Frame(frame)) => Some(frame),
            _ => None,
        }
    });
    assert_eq!(read.await.publisher_id, "agent");
    server.stop().await;
}

#[tokio::test]
async fn an_original_that_may_not_be_read_is_omitted_and_the_processed_picture_is_sent() {
    let keys = Keys::new(&[
        ("admin", &["admin"]),
        ("viewer", &["read:*"]),
        ("officer", &["read:*", "originals:cam"]),
    ]);
    let server = keys.server().await;
    let output = pb::OutputPolicy { keep_original: true, ..Default::default() };
    register(&server, keys.of("admin"), pb::Stream { output: Some(output), ..stream("cam") }).await;
    submit(&server, keys.of("admin"), vec![frame("cam", 1)]).await;
    let read = async |key: &str| {
        let roles = [pb::PictureRole::Processed, pb::PictureRole::Original].map(Into::into).to_vec();
        let pictures = Some(pb::PictureSelection { roles, ..Default::default() });
        let request = pb::GetFramesRequest { stream_id: "cam".into(), sequences: vec![1], pictures };
        let answer = server.streaming().get_frames(with_bearer(key, request)).await.expect("reads");
        match answer.into_inner().results.remove(0).outcome {
            Some(pb::frame_lookup::Outcome::Frame(frame)) => Some(frame),
            _ => None,
        }
    };
    let content = |frame: &pb::ProcessedFrame, role: pb::PictureRole| {
        let found = frame.pictures.iter().find(|picture| picture.role() == role);
        found.and_then(|picture| picture.content.clone()).expect("a picture")
    };
    let seen = eventually("the frame is published", async || read(keys.of("viewer")).await).await;
    let omitted = pb::picture::Content::OmittedReason(pb::OmittedReason::NotPermitted.into());
    assert_eq!(content(&seen, pb::PictureRole::Original), omitted);
    assert!(matches!(content(&seen, pb::PictureRole::Processed), pb::picture::Content::Data(_)));
    let seen = read(keys.of("officer")).await.expect("the frame");
    assert!(matches!(content(&seen, pb::PictureRole::Original), pb::picture::Content::Data(_)));
    server.stop().await;
}

#[tokio::test]
async fn lists_watches_and_globs_contain_what_the_caller_may_see() {
    let keys = Keys::new(&[("admin", &["admin"]), ("a", &["read:a.*"])]);
    let server = keys.server().await;
    for id in ["a.1", "a.2", "b.1"] {
        register(&server, keys.of("admin"), stream(id)).await;
    }
    let a = keys.of("a");
    let mut seen = Vec::new();
    let mut page_token = String::new();
    loop {
        let request = pb::ListStreamsRequest { page_size: 1, page_token, ..Default::default() };
        let page = server.registry().list_streams(with_bearer(a, request)).await.expect("lists").into_inner();
        seen.extend(page.streams.into_iter().map(|stream| stream.stream_id));
        page_token = page.next_page_token;
        if page_token.is_empty() {
            break;
        }
    }
    assert_eq!(seen, ["a.1", "a.2"]);

    let glob = |glob: &str| pb::StreamMatch { selector: Some(pb::stream_match::Selector::Glob(glob.into())) };
    let selector = pb::StreamSelector { streams: vec![glob("*")], ..Default::default() };
    let request = pb::SubscribeFramesRequest { selectors: vec![selector], ..Default::default() };
    let mut streaming = server.streaming();
    let mut events = streaming.subscribe_frames(with_bearer(a, request)).await.expect("opens").into_inner();
    submit(&server, keys.of("admin"), ["b.1", "a.1"].map(|id| frame(id, 1)).to_vec()).await;
    let mut watched = Vec::new();
    let received = loop {
        match events.message().await.expect("goes on").and_then(|message| message.event) {
            Some(pb::subscribe_frames_response::Event::Frame(delivered)) => {
                break delivered.frame.expect("a frame").stream_id;
            }
            Some(_) => {}
            None => panic!("the subscription ended"),
        }
    };
    assert_eq!(received, "a.1");

    let request = pb::WatchStreamsRequest { streams: vec![glob("*")], ..Default::default() };
    let mut registry = server.registry();
    let mut changes = registry.watch_streams(with_bearer(a, request)).await.expect("opens").into_inner();
    loop {
        match changes.message().await.expect("goes on").and_then(|message| message.event) {
            Some(pb::watch_streams_response::Event::Existing(stream)) => watched.push(stream.stream_id),
            Some(pb::watch_streams_response::Event::SnapshotEnd(_)) => break,
            _ => {}
        }
    }
    assert_eq!(watched, ["a.1", "a.2"]);

    for id in ["b.1", "none"] {
        let selector = pb::StreamSelector {
            streams: vec![pb::StreamMatch { selector: Some(pb::stream_match::Selector::Id(id.into())) }],
            ..Default::default()
        };
        let request = pb::SubscribeFramesRequest { selectors: vec![selector], ..Default::default() };
        let status = server.streaming().subscribe_frames(with_bearer(a, request)).await.unwrap_err();
        assert_eq!((status.code(), reason(&status).as_str()), (Code::PermissionDenied, "PERMISSION_DENIED"));
    }
    server.stop().await;
}

#[tokio::test]
async fn a_member_is_not_replaced_by_another_principals_member_of_the_same_name() {
    let keys = Keys::new(&[("admin", &["admin"]), ("a", &["consume:g"]), ("b", &["consume:g"])]);
    let server = keys.server().await;
    register(&server, keys.of("admin"), stream("cam")).await;
    let streams = vec![pb::StreamMatch { selector: Some(pb::stream_match::Selector::Id("cam".into())) }];
    let group = Some(pb::ConsumerGroup { group_id: "g".into(), streams, ..Default::default() });
    let create = pb::CreateConsumerGroupRequest { group };
    server.groups().create_consumer_group(with_bearer(keys.of("admin"), create)).await.expect("creates");
    let join = |key: &str| {
        let request =
            pb::ConsumeFramesRequest { group_id: "g".into(), member_id: "m".into(), ..Default::default() };
        with_bearer(key, request)
    };
    let (mut one, mut two) = (server.streaming(), server.streaming());
    let mut first = one.consume_frames(join(keys.of("a"))).await.expect("joins").into_inner();
    assert!(first.message().await.expect("ready").is_some());
    let mut second = two.consume_frames(join(keys.of("b"))).await.expect("joins").into_inner();
    assert!(second.message().await.expect("ready").is_some());
    let request = pb::GetConsumerGroupRequest { group_id: "g".into() };
    let answer = server.groups().get_consumer_group(with_bearer(keys.of("a"), request)).await.expect("tells");
    let status = answer.into_inner().group.and_then(|group| group.status).expect("a status");
    let names: Vec<&str> = status.members.iter().map(|member| member.member_id.as_str()).collect();
    assert_eq!(names, ["m", "m"]);
    // The first member is still connected: it gets the next message of its call.
    assert!(first.message().await.expect("goes on").is_some());
    server.stop().await;
}
