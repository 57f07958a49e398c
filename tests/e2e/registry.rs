//! Streams: register, read, list in pages, update by mask and etag, unregister.

use std::collections::BTreeMap;

use frameway::pb::v1 as pb;
use frameway::pb::v1::ErrorReason as R;
use frameway::pb::v1::stream_registry_service_client::StreamRegistryServiceClient;
use tonic::Code;

use crate::server::{TestServer, frame};
use crate::{fact, name, reason};

fn named(id: &str) -> pb::Stream {
    pb::Stream { stream_id: id.to_owned(), ..Default::default() }
}

fn update(stream: pb::Stream, paths: &[&str]) -> pb::UpdateStreamRequest {
    let paths = paths.iter().map(|path| (*path).to_owned()).collect();
    pb::UpdateStreamRequest {
        stream: Some(stream),
        update_mask: Some(prost_types::FieldMask { paths }),
        ..Default::default()
    }
}

#[tokio::test]
async fn a_stream_lives_from_register_to_unregister() {
    let server = TestServer::start(|_| {}).await;
    let mut client = server.registry();
    let stream = pb::Stream { display_name: "North gate".into(), ..named("cam") };
    let registered = server.register_with(stream.clone()).await;
    assert_eq!(registered.display_name, "North gate");
    assert!(!registered.etag.is_empty() && registered.create_time.is_some());
    assert_eq!(
        (registered.retention, registered.output, registered.queue),
        (None, None, None),
        "unset stays unset"
    );
    let retention = registered.effective.and_then(|one| one.retention).expect("the policy in force");
    assert!(retention.max_frames > Some(0));

    let again = client.register_stream(pb::RegisterStreamRequest { stream: Some(stream.clone()) }).await;
    let again = again.expect("equal settings are there already").into_inner().stream.expect("a stream");
    assert_eq!((again.etag, again.create_time), (registered.etag.clone(), registered.create_time));
    let other = pb::Stream { display_name: "South gate".into(), ..stream };
    let other = client.register_stream(pb::RegisterStreamRequest { stream: Some(other) }).await;
    let other = other.expect_err("is there with other settings");
    assert_eq!((other.code(), reason(&other)), (Code::AlreadyExists, name(R::AlreadyExists)));

    let request = pb::GetStreamRequest { stream_id: "cam".into() };
    let read = client.get_stream(request.clone()).await.expect("is there").into_inner().stream;
    assert_eq!(read.expect("a stream").etag, registered.etag);

    server.submit(vec![frame("cam", 1)]).await;
    let gone = pb::UnregisterStreamRequest { stream_id: "cam".into(), ..Default::default() };
    let gone = client.unregister_stream(gone).await.expect("goes").into_inner();
    assert_eq!(gone.last_sequence, 1);
    let missing = client.get_stream(request).await.expect_err("is gone");
    assert_eq!((missing.code(), reason(&missing)), (Code::NotFound, name(R::StreamNotFound)));

    server.register(&["cam"]).await;
    let outcomes = server.submit(vec![frame("cam", 2)]).await;
    let goes_on = matches!(&outcomes[0], pb::frame_result::Outcome::Accepted(a) if a.sequence == 2);
    assert!(goes_on, "a stream that is registered again continues its sequences: {outcomes:?}");
    server.stop().await;
}

#[tokio::test]
async fn streams_are_listed_in_pages() {
    let server = TestServer::start(|_| {}).await;
    let ids: Vec<String> = (0..7).map(|n| format!("cam-{n}")).collect();
    server.register(&ids.iter().map(String::as_str).collect::<Vec<_>>()).await;
    let mut client = server.registry();
    let (mut seen, mut page_token, mut pages) = (Vec::new(), String::new(), 0);
    loop {
        let request = pb::ListStreamsRequest { page_size: 3, page_token, filter: String::new() };
        let page = client.list_streams(request).await.expect("lists").into_inner();
        pages += 1;
        seen.extend(page.streams.into_iter().map(|stream| stream.stream_id));
        page_token = page.next_page_token;
        if page_token.is_empty() {
            break;
        }
    }
    assert_eq!((&seen, pages), (&ids, 3));
    let bad = pb::ListStreamsRequest { page_token: "rubbish".into(), ..Default::default() };
    let bad = client.list_streams(bad).await.expect_err("no token of ours");
    assert_eq!((bad.code(), reason(&bad)), (Code::InvalidArgument, name(R::PageTokenInvalid)));
    let filtered = |filter: &str, page_token: &str| pb::ListStreamsRequest {
        page_size: 2,
        page_token: page_token.into(),
        filter: filter.into(),
    };
    let some = r#"stream_id = "cam-*" AND NOT stream_id = "cam-1" AND stream_id != "cam-3" AND -stream_id = "cam-5" AND status.state = STREAM_STATE_IDLE AND NOT labels:site"#;
    let (mut seen, mut page_token) = (Vec::new(), String::new());
    loop {
        let page = client.list_streams(filtered(some, &page_token)).await.expect("lists").into_inner();
        assert!(page.streams.len() <= 2);
        seen.extend(page.streams.into_iter().map(|stream| stream.stream_id));
        page_token = page.next_page_token;
        if page_token.is_empty() {
            break;
        }
        let other = client.list_streams(filtered("status.state = STREAM_STATE_IDLE", &page_token)).await;
        assert_eq!(reason(&other.expect_err("another filter's")), name(R::PageTokenInvalid));
    }
    let wanted = |id: &&String| !["cam-1", "cam-3", "cam-5"].contains(&id.as_str());
    assert_eq!(seen, ids.iter().filter(wanted).cloned().collect::<Vec<_>>());
    let bad = client
        .list_streams(filtered("mask_version = 1 AND colour = 1", ""))
        .await
        .expect_err("no such field");
    assert_eq!((bad.code(), reason(&bad)), (Code::InvalidArgument, name(R::FilterInvalid)));
    assert_eq!(fact(&bad, "position").as_deref(), Some("22"));
    assert!(bad.message().starts_with("at character 22: "), "{}", bad.message());
    server.stop().await;
}

#[tokio::test]
async fn updates_follow_the_mask_and_the_etag() {
    let server = TestServer::start(|_| {}).await;
    let mut client = server.registry();
    let labels = [("site".to_owned(), "north".to_owned())].into();
    let registered = server.register_with(pb::Stream { labels, ..named("cam") }).await;

    let wanted = pb::Stream { display_name: "Gate".into(), etag: registered.etag.clone(), ..named("cam") };
    let updated = client.update_stream(update(wanted.clone(), &["display_name"])).await;
    let updated = updated.expect("updates").into_inner().stream.expect("a stream");
    assert_eq!((updated.display_name.as_str(), updated.labels.len()), ("Gate", 1));
    assert_ne!(updated.etag, registered.etag);

    let stale = client.update_stream(update(wanted, &["display_name"])).await.expect_err("has changed");
    assert_eq!((stale.code(), reason(&stale)), (Code::Aborted, name(R::EtagMismatch)));
    let request =
        pb::UnregisterStreamRequest { stream_id: "cam".into(), etag: registered.etag, ..Default::default() };
    let stale = client.unregister_stream(request).await.expect_err("has changed");
    assert_eq!(stale.code(), Code::Aborted);

    for paths in [&[][..], &["stream_id"], &["nothing"], &["labels", "*"]] {
        let refused = client.update_stream(update(named("cam"), paths)).await.expect_err("a bad mask");
        assert_eq!((refused.code(), reason(&refused)), (Code::InvalidArgument, name(R::UpdateMaskInvalid)));
    }
    let nobody = client.update_stream(update(named("nobody"), &["labels"])).await.expect_err("not there");
    assert_eq!(nobody.code(), Code::NotFound);
    server.stop().await;
}

#[tokio::test]
async fn a_page_of_large_settings_fits_every_clients_message() {
    let server = TestServer::start(|_| {}).await;
    let labels: BTreeMap<String, String> = (0..32).map(|n| (format!("{n:064}"), "x".repeat(256))).collect();
    let angle = |n: u32| f64::from(n) / 64.0 * std::f64::consts::TAU;
    let point = |n| pb::NormalizedPoint { x: 0.5 + 0.4 * angle(n).cos(), y: 0.5 + 0.4 * angle(n).sin() };
    let polygon: Vec<_> = (0..64).map(point).collect();
    let mask = |n| pb::PrivacyMask { mask_id: format!("{n:064}"), polygon: polygon.clone() };
    let ids: Vec<String> = (0..100).map(|n| format!("cam-{n:03}")).collect();
    for id in &ids {
        let privacy_masks = (0..32).map(mask).collect();
        let labels = labels.clone().into_iter().collect();
        let stream = pb::Stream { stream_id: id.clone(), labels, privacy_masks, ..Default::default() };
        server.register_with(stream).await;
    }
    // The default receive limit of every gRPC client is 4 MiB.
    let mut client = StreamRegistryServiceClient::new(server.channel());
    for filter in ["", "status.state = STREAM_STATE_IDLE"] {
        let (mut listed, mut page_token, mut pages) = (Vec::new(), String::new(), 0);
        loop {
            let request = pb::ListStreamsRequest { page_size: 1_000, page_token, filter: filter.to_owned() };
            let page = client.list_streams(request).await.expect("fits into a message").into_inner();
            assert!(!page.streams.is_empty(), "every page has a token for the next");
            listed.extend(page.streams.into_iter().map(|stream| stream.stream_id));
            pages += 1;
            if page.next_page_token.is_empty() {
                break;
            }
            page_token = page.next_page_token;
        }
        assert_eq!(listed, ids, "each once, in order");
        assert!(pages > 1, "{pages} pages: these are too large for one");
    }
    server.stop().await;
}
