//! ListFrames: pages of an output by sequences, by time and around a moment, and what it says of
//! frames that are gone.

use frameway::pb::v1 as pb;
use frameway::pb::v1::list_frames_request::Range;
use frameway::pb::v1::listed_frame::Outcome;
use prost_types::Timestamp;
use tonic::{Code, Status};

use crate::common::eventually;
use crate::reason;
use crate::server::{TestServer, frame};

async fn ask(server: &TestServer, request: pb::ListFramesRequest) -> Result<pb::ListFramesResponse, Status> {
    Ok(server.streaming().list_frames(request).await?.into_inner())
}

async fn list(server: &TestServer, range: Option<Range>) -> pb::ListFramesResponse {
    let request = pb::ListFramesRequest { stream_id: "cam".into(), range, ..Default::default() };
    ask(server, request).await.expect("lists")
}

fn sequences(first_sequence: Option<u64>, last_sequence: Option<u64>) -> Option<Range> {
    Some(Range::Sequences(pb::SequenceRange { first_sequence, last_sequence }))
}

fn times(start_receive_time: Option<Timestamp>, end_receive_time: Option<Timestamp>) -> Option<Range> {
    Some(Range::ReceiveTimes(pb::ReceiveTimeRange { start_receive_time, end_receive_time }))
}

fn around(time: Timestamp, before: u32, after: u32) -> Option<Range> {
    Some(Range::Around(pb::FramesAround { receive_time: Some(time), before, after }))
}

/// Returns the time a microsecond later, which is the unit of the server's times.
fn just_after(time: Timestamp) -> Timestamp {
    let nanos = time.nanos + 1_000;
    Timestamp { seconds: time.seconds + i64::from(nanos / 1_000_000_000), nanos: nanos % 1_000_000_000 }
}

fn numbers(page: &pb::ListFramesResponse) -> Vec<u64> {
    let number = |listed: &pb::ListedFrame| match listed.outcome.as_ref().expect("an outcome") {
        Outcome::Frame(frame) => frame.sequence,
        Outcome::Tombstone(tombstone) => tombstone.sequence,
    };
    page.frames.iter().map(number).collect()
}

fn received(page: &pb::ListFramesResponse) -> Vec<Timestamp> {
    let time = |listed: &pb::ListedFrame| match listed.outcome.as_ref().expect("an outcome") {
        Outcome::Frame(frame) => frame.receive_time,
        Outcome::Tombstone(tombstone) => tombstone.receive_time,
    };
    page.frames.iter().map(|listed| time(listed).expect("a time of receipt")).collect()
}

/// A run of sequences, from one to another, and the number of frames for each reason.
type Missing = (u64, u64, Vec<(pb::GapReason, u64)>);

/// Returns the runs of sequences that are missing.
fn missing(page: &pb::ListFramesResponse) -> Vec<Missing> {
    let causes = |gap: &pb::Gap| gap.causes.iter().map(|cause| (cause.reason(), cause.count)).collect();
    page.gaps.iter().map(|gap| (gap.from_sequence, gap.to_sequence, causes(gap))).collect()
}

/// Submits frames one after the other, so that each is received later than the one before.
async fn submit(server: &TestServer, frames: impl IntoIterator<Item = pb::Frame>) {
    for one in frames {
        let before = status(server).await.published_sequence;
        server.submit(vec![one]).await;
        eventually("it is published", async || {
            (status(server).await.published_sequence > before).then_some(())
        })
        .await;
    }
}

async fn status(server: &TestServer) -> pb::StreamStatus {
    let request = pb::GetStreamRequest { stream_id: "cam".into() };
    let stream = server.registry().get_stream(request).await.expect("reads").into_inner().stream;
    stream.and_then(|stream| stream.status).expect("a status")
}

async fn oldest_is(server: &TestServer, oldest: u64) {
    eventually("retention removes the others", async || {
        (status(server).await.oldest_sequence == oldest).then_some(())
    })
    .await;
}

/// Lets the stream keep this many frames, and waits until the others are removed.
async fn keep(server: &TestServer, max_frames: u64, oldest: u64) {
    let retention = Some(pb::RetentionPolicy { max_frames: Some(max_frames), ..Default::default() });
    let stream = Some(pb::Stream { stream_id: "cam".into(), retention, ..Default::default() });
    let update_mask = Some(prost_types::FieldMask { paths: vec!["retention".into()] });
    let update = pb::UpdateStreamRequest { stream, update_mask, ..Default::default() };
    server.registry().update_stream(update).await.expect("updates");
    oldest_is(server, oldest).await;
}

/// Starts a server whose stream keeps this many frames, with frames that are received one after the
/// other.
async fn server_with(keeps: Option<u64>, frames: u8) -> (TestServer, Vec<Timestamp>) {
    let server = TestServer::start(|_| {}).await;
    server.register(&["cam"]).await;
    submit(&server, (0..frames).map(|shade| frame("cam", shade))).await;
    let times = received(&list(&server, sequences(None, None)).await);
    if let Some(max_frames) = keeps {
        keep(&server, max_frames, u64::from(frames) - max_frames + 1).await;
    }
    (server, times)
}

#[tokio::test]
async fn pages_have_every_frame_once_and_describe_its_pictures() {
    let (server, _) = server_with(None, 4).await;
    let broken = pb::Frame { data: frame("cam", 9).data.slice(..200), ..frame("cam", 9) };
    submit(&server, [broken, frame("cam", 8), frame("cam", 7)]).await;
    let all = list(&server, sequences(None, None)).await;
    assert_eq!((numbers(&all), all.gaps.len()), ((1..=7).collect(), 0));
    assert!(all.next_page_token.is_empty());
    let kept = all.kept.expect("frames are kept");
    let times = received(&all);
    assert_eq!((kept.oldest_sequence, kept.newest_sequence, kept.frame_count), (1, 7, 7));
    assert_eq!((kept.oldest_receive_time, kept.newest_receive_time), (Some(times[0]), Some(times[6])));
    for (at, listed) in all.frames.iter().enumerate() {
        match listed.outcome.as_ref().expect("an outcome") {
            Outcome::Tombstone(tombstone) => {
                assert_eq!((at, tombstone.outcome()), (4, pb::TombstoneOutcome::Failed));
            }
            Outcome::Frame(frame) => {
                let source = frame.source.clone().expect("a source");
                assert_eq!((source.width, source.height), (64, 48));
                assert!(frame.quality.is_some_and(|quality| quality.mean_luma.is_some()));
                let roles: Vec<_> = frame.pictures.iter().map(pb::Picture::role).collect();
                assert_eq!(roles, [pb::PictureRole::Thumbnail, pb::PictureRole::Processed]);
                for picture in &frame.pictures {
                    assert!(picture.content.is_none() && picture.size_bytes > 0, "{picture:?}");
                }
            }
        }
    }
    for (page_size, range) in [
        (1, sequences(None, None)),
        (3, sequences(None, None)),
        (7, sequences(Some(1), None)),
        (2, sequences(Some(1), Some(7))),
    ] {
        let (mut found, mut page_token) = (Vec::new(), String::new());
        loop {
            let stream_id = "cam".to_owned();
            let page = ask(&server, pb::ListFramesRequest { stream_id, range, page_size, page_token }).await;
            let page = page.expect("lists");
            assert!(page.frames.len() <= page_size as usize && page.gaps.is_empty());
            found.extend(numbers(&page));
            page_token = page.next_page_token;
            if page_token.is_empty() {
                break;
            }
        }
        assert_eq!(found, (1..=7).collect::<Vec<_>>(), "{page_size} a page");
    }
    server.stop().await;
}

#[tokio::test]
async fn a_range_of_sequences_of_time_or_around_a_moment_has_its_frames() {
    let (server, at) = server_with(None, 6).await;
    let after_all = Timestamp { seconds: at[5].seconds + 1, nanos: 0 };
    let before_all = Timestamp { seconds: at[0].seconds - 1, nanos: 0 };
    for (range, expected) in [
        (sequences(Some(2), Some(4)), vec![2, 3, 4]),
        (sequences(Some(5), None), vec![5, 6]),
        (sequences(None, Some(2)), vec![1, 2]),
        (sequences(Some(6), Some(99)), vec![6]),
        (sequences(Some(7), Some(99)), vec![]),
        (times(Some(at[1]), Some(at[3])), vec![2, 3]),
        (times(Some(just_after(at[1])), Some(just_after(at[3]))), vec![3, 4]),
        (times(Some(at[4]), None), vec![5, 6]),
        (times(None, Some(at[2])), vec![1, 2]),
        (times(Some(after_all), None), vec![]),
        (times(Some(before_all), Some(at[0])), vec![]),
        (around(at[2], 1, 2), vec![2, 3, 4]),
        (around(just_after(at[2]), 1, 2), vec![3, 4, 5]),
        (around(at[2], 2, 0), vec![1, 2]),
        (around(at[2], 0, 1), vec![3]),
        (around(at[2], 1_000, 1_000), vec![1, 2, 3, 4, 5, 6]),
        (around(after_all, 2, 2), vec![5, 6]),
        (around(before_all, 2, 2), vec![1, 2]),
        (around(at[0], 2, 0), vec![]),
    ] {
        let page = list(&server, range).await;
        assert_eq!((numbers(&page), page.gaps.len()), (expected, 0), "{range:?}");
    }
    // The frames around a moment stay the same from page to page.
    let range = around(at[3], 3, 2);
    let request =
        pb::ListFramesRequest { stream_id: "cam".into(), range, page_size: 2, ..Default::default() };
    let first = ask(&server, request.clone()).await.expect("lists");
    assert_eq!(numbers(&first), [1, 2]);
    let page_token = first.next_page_token.clone();
    submit(&server, [frame("cam", 99)]).await;
    let second = ask(&server, pb::ListFramesRequest { page_token, ..request.clone() }).await.expect("lists");
    assert_eq!(numbers(&second), [3, 4]);
    let page_token = second.next_page_token;
    let third = ask(&server, pb::ListFramesRequest { page_token, ..request.clone() }).await.expect("lists");
    assert_eq!((numbers(&third), third.next_page_token.as_str()), (vec![5], ""));
    // A token is valid for its own range only.
    for other in [sequences(None, None), around(at[3], 3, 1), sequences(Some(1), None)] {
        let page_token = first.next_page_token.clone();
        let request = pb::ListFramesRequest { range: other, page_token, ..request.clone() };
        let refused = ask(&server, request).await.expect_err("belongs to another list");
        assert_eq!(reason(&refused), "ERROR_REASON_PAGE_TOKEN_INVALID");
    }
    server.stop().await;
}

#[tokio::test]
async fn frames_that_are_gone_are_named_with_what_is_kept() {
    use pb::GapReason::Retention;
    let (server, at) = server_with(Some(2), 6).await;
    let kept = (5, 6, Some(at[4]), Some(at[5]));
    for (range, expected, gone) in [
        (sequences(None, None), vec![5, 6], vec![]),
        (sequences(Some(2), None), vec![5, 6], vec![(2, 4, vec![(Retention, 3)])]),
        (sequences(Some(2), Some(3)), vec![], vec![(2, 3, vec![(Retention, 2)])]),
        (sequences(None, Some(3)), vec![], vec![(1, 3, vec![(Retention, 3)])]),
        (around(at[4], 3, 1), vec![5], vec![(2, 4, vec![(Retention, 3)])]),
        (around(at[5], 1, 1), vec![5, 6], vec![]),
        (around(at[5], 9, 0), vec![5], vec![(1, 4, vec![(Retention, 4)])]),
        (times(Some(at[4]), None), vec![5, 6], vec![]),
    ] {
        let page = list(&server, range).await;
        assert_eq!((numbers(&page), missing(&page)), (expected, gone), "{range:?}");
        let now = page.kept.expect("frames are kept");
        let now =
            (now.oldest_sequence, now.newest_sequence, now.oldest_receive_time, now.newest_receive_time);
        assert_eq!(now, kept);
    }
    // By time, neither the sequences nor the number of the frames that are gone is known.
    let kept_from = just_after(at[3]);
    for (range, expected, start, end) in [
        (times(Some(at[1]), Some(at[3])), vec![], Some(at[1]), at[3]),
        (times(Some(at[1]), None), vec![5, 6], Some(at[1]), kept_from),
        (times(None, Some(at[2])), vec![], None, at[2]),
        (around(at[1], 1, 1), vec![5], Some(at[1]), kept_from),
    ] {
        let page = list(&server, range).await;
        assert_eq!(numbers(&page), expected, "{range:?}");
        let [gap] = &page.gaps[..] else { panic!("{range:?}: {:?}", page.gaps) };
        assert_eq!((gap.start_receive_time, gap.end_receive_time), (start, Some(end)), "{range:?}");
        assert_eq!((gap.oldest_receive_time, gap.causes[0].reason()), (Some(at[4]), Retention));
    }
    server.stop().await;
}

#[tokio::test]
async fn frames_around_a_moment_that_are_removed_between_two_pages_are_not_replaced_by_others() {
    use pb::GapReason::Retention;
    let (server, at) = server_with(None, 10).await;
    // 2 to 6.
    let request = pb::ListFramesRequest {
        stream_id: "cam".into(),
        range: around(at[2], 1, 4),
        page_size: 2,
        ..Default::default()
    };
    let first = ask(&server, request.clone()).await.expect("lists");
    assert_eq!(numbers(&first), [2, 3]);
    let second = pb::ListFramesRequest { page_token: first.next_page_token, ..request };
    for (max_frames, expected, gone) in [(5, vec![6], (4, 5, 2)), (3, vec![], (4, 6, 3))] {
        keep(&server, max_frames, 11 - max_frames).await;
        let page = ask(&server, second.clone()).await.expect("lists");
        let (from, to, count) = gone;
        assert_eq!((numbers(&page), missing(&page)), (expected, vec![(from, to, vec![(Retention, count)])]));
        assert!(page.next_page_token.is_empty());
    }
    server.stop().await;
}

#[tokio::test]
async fn a_stream_without_frames_is_empty_and_an_unknown_one_is_not_found() {
    let server = TestServer::start(|_| {}).await;
    server.register(&["cam"]).await;
    let now = Timestamp::from(std::time::SystemTime::now());
    let ranges =
        [sequences(None, None), sequences(Some(3), Some(4)), times(Some(now), None), around(now, 1, 1)];
    for range in ranges {
        assert_eq!(list(&server, range).await, pb::ListFramesResponse::default(), "{range:?}");
    }
    submit(&server, [frame("cam", 1), frame("cam", 2)]).await;
    let unregister = pb::UnregisterStreamRequest { stream_id: "cam".into(), ..Default::default() };
    server.registry().unregister_stream(unregister).await.expect("unregisters");
    for (stream_id, range) in ["cam", "nobody"].iter().flat_map(|id| ranges.map(|range| (*id, range))) {
        let request = pb::ListFramesRequest { stream_id: stream_id.into(), range, ..Default::default() };
        let refused = ask(&server, request).await.expect_err("is not registered");
        assert_eq!(
            (refused.code(), reason(&refused).as_str()),
            (Code::NotFound, "ERROR_REASON_STREAM_NOT_FOUND")
        );
    }
    // The frames of the earlier registration are gone.
    server.register(&["cam"]).await;
    submit(&server, [frame("cam", 3)]).await;
    let page = list(&server, sequences(Some(1), None)).await;
    assert_eq!(
        (numbers(&page), missing(&page)),
        (vec![3], vec![(1, 2, vec![(pb::GapReason::Unregistered, 2)])])
    );
    server.stop().await;
}
