//! Dead letters of frames that could not be processed: stored with their pictures, read, replayed,
//! discarded.

use std::time::{Duration, Instant};

use frameway::pb::v1 as pb;
use frameway::pb::v1::ErrorReason as R;
use frameway::pb::v1::dead_letter_result::Outcome;
use frameway::pb::v1::frame_lookup::Outcome as Lookup;
use frameway::pb::v1::picture::Content;
use frameway::pb::v1::{discard_dead_letters_request, replay_dead_letters_request};
use tonic::{Code, Status};

use crate::server::{PATIENCE, TestServer, frame, jpeg};
use crate::{name, reason};

/// Returns a JPEG that is truncated in the middle.
fn broken(shade: u8) -> Vec<u8> {
    let whole = jpeg(shade);
    whole[..whole.len() * 2 / 3].to_vec()
}

fn broken_frame(stream: &str, shade: u8) -> pb::Frame {
    pb::Frame { data: broken(shade).into(), ..frame(stream, shade) }
}

/// Waits until the output of a stream has this sequence. (A subscriber receives a tombstone only
/// with the next frame or heartbeat.)
async fn published(server: &TestServer, stream: &str, sequence: u64) {
    let start = Instant::now();
    loop {
        let request = pb::GetFramesRequest {
            stream_id: stream.to_owned(),
            sequences: vec![sequence],
            ..Default::default()
        };
        let found = server.streaming().get_frames(request).await.expect("looks up").into_inner().results;
        if !matches!(found[0].outcome, Some(Lookup::Missing(_))) {
            return;
        }
        assert!(start.elapsed() < PATIENCE, "{stream}/{sequence} does not come");
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}

async fn list(server: &TestServer, filter: &str) -> pb::ListDeadLettersResponse {
    let request = pb::ListDeadLettersRequest { filter: filter.to_owned(), ..Default::default() };
    server.dead_letters().list_dead_letters(request).await.expect("lists").into_inner()
}

async fn get(server: &TestServer, id: &str) -> Result<pb::DeadLetter, Status> {
    let request = pb::GetDeadLetterRequest { dead_letter_id: id.to_owned(), ..Default::default() };
    let answer = server.dead_letters().get_dead_letter(request).await?.into_inner();
    Ok(answer.dead_letter.expect("a dead letter"))
}

async fn replay(server: &TestServer, ids: &[&str], discard_replayed: bool) -> Vec<Outcome> {
    let ids = pb::DeadLetterIdList { ids: ids.iter().map(|&id| id.to_owned()).collect() };
    let target = Some(replay_dead_letters_request::Target::Ids(ids));
    let request = pb::ReplayDeadLettersRequest { target, discard_replayed, ..Default::default() };
    let answer = server.dead_letters().replay_dead_letters(request).await.expect("replays").into_inner();
    answer.results.into_iter().map(|result| result.outcome.expect("an outcome")).collect()
}

async fn discard(server: &TestServer, ids: &[&str]) -> Vec<Outcome> {
    let ids = pb::DeadLetterIdList { ids: ids.iter().map(|&id| id.to_owned()).collect() };
    let target = Some(discard_dead_letters_request::Target::Ids(ids));
    let request = pb::DiscardDeadLettersRequest { target, ..Default::default() };
    let answer = server.dead_letters().discard_dead_letters(request).await.expect("discards").into_inner();
    answer.results.into_iter().map(|result| result.outcome.expect("an outcome")).collect()
}

fn done(sequence: u64) -> Outcome {
    Outcome::Done(pb::DeadLetterDone { replayed_sequence: sequence })
}

fn refusal(outcome: &Outcome) -> R {
    match outcome {
        Outcome::Refused(error) => error.reason(),
        Outcome::Done(done) => panic!("not refused: {done:?}"),
    }
}

#[tokio::test]
async fn a_broken_picture_is_kept_byte_for_byte_with_its_metadata() {
    let server = TestServer::start(|_| {}).await;
    server.register(&["cam"]).await;
    let sent = pb::Frame {
        publisher_id: "agent".to_owned(),
        publisher_sequence: Some(5),
        attributes: [("lane".to_owned(), "2".to_owned())].into(),
        ..broken_frame("cam", 9)
    };
    server.submit(vec![sent.clone()]).await;
    published(&server, "cam", 1).await;
    let listed = list(&server, "").await;
    assert_eq!((listed.dead_letters.len(), listed.kept_count), (1, 1));
    assert!(listed.kept_bytes > sent.data.len() as u64);
    let brief = &listed.dead_letters[0];
    assert_eq!(
        brief.picture.as_ref().map(|p| (p.size_bytes, p.content.clone())),
        Some((sent.data.len() as u64, None))
    );
    let letter = get(&server, &brief.dead_letter_id).await.expect("it is there");
    assert_eq!((letter.source(), letter.reason()), (pb::DeadLetterSource::Worker, R::DecodeTruncated));
    assert_eq!((letter.stream_id.as_str(), letter.sequence, letter.attempts), ("cam", 1, 1));
    assert_eq!((letter.publisher_id.as_str(), letter.publisher_sequence), ("agent", Some(5)));
    assert_eq!(letter.attributes, sent.attributes);
    assert!(!letter.message.is_empty() && letter.group_id.is_empty());
    assert!(
        letter.dead_letter_time.is_some() && letter.receive_time.is_some() && letter.replay_time.is_none()
    );
    let picture = letter.picture.clone().expect("a picture");
    assert_eq!((picture.role(), picture.format()), (pb::PictureRole::Original, pb::PictureFormat::Jpeg));
    assert_eq!(picture.content, Some(Content::Data(sent.data.clone())), "byte for byte");

    // Its entry in the output names the dead letter.
    let request = pb::GetFramesRequest { stream_id: "cam".into(), sequences: vec![1], ..Default::default() };
    let found =
        server.streaming().get_frames(request).await.expect("looks up").into_inner().results.remove(0);
    let Some(Lookup::Tombstone(tombstone)) = found.outcome else { panic!("no tombstone: {found:?}") };
    assert_eq!(tombstone.dead_letter_id, letter.dead_letter_id);
    let stats = server.queues().get_queue_stats(pb::GetQueueStatsRequest::default()).await.expect("answers");
    let total = stats.into_inner().total.expect("a total");
    assert_eq!((total.dead_letter_count, total.dead_letter_bytes), (1, listed.kept_bytes));

    // The dead letter is read without its picture, and with one that is too large for the caller.
    let id = letter.dead_letter_id.clone();
    for (metadata_only, content) in
        [(true, None), (false, Some(Content::OmittedReason(pb::OmittedReason::TooLarge.into())))]
    {
        let request = pb::GetDeadLetterRequest {
            dead_letter_id: id.clone(),
            max_picture_bytes: Some(10),
            metadata_only,
        };
        let answer = server.dead_letters().get_dead_letter(request).await.expect("reads").into_inner();
        assert_eq!(answer.dead_letter.and_then(|l| l.picture).map(|p| p.content), Some(content));
    }
    server.stop().await;
}

#[tokio::test]
async fn a_replay_goes_through_the_worker_once_under_a_new_sequence() {
    let server = TestServer::start(|_| {}).await;
    server.register(&["cam", "other"]).await;
    server.submit(vec![broken_frame("cam", 1), broken_frame("cam", 2), frame("cam", 3)]).await;
    published(&server, "cam", 3).await;
    let listed = list(&server, "").await.dead_letters;
    let ids: Vec<&str> = listed.iter().map(|letter| letter.dead_letter_id.as_str()).collect();
    assert_eq!(listed.iter().map(|letter| letter.sequence).collect::<Vec<_>>(), [2, 1], "newest first");
    // Results are in the order of the request; sequences are in the order of the original ones.
    assert_eq!(replay(&server, &ids, false).await, [done(5), done(4)]);
    assert_eq!(replay(&server, &ids, false).await, [done(5), done(4)], "once");
    published(&server, "cam", 5).await;
    // The picture is still broken: the frame fails again, with its new sequence, as another dead
    // letter.
    let all = list(&server, r#"stream_id = "cam""#).await;
    let seen: Vec<_> = all.dead_letters.iter().map(|one| (one.sequence, one.replayed_sequence)).collect();
    assert_eq!(seen, [(5, 0), (4, 0), (2, 5), (1, 4)]);
    assert!(all.dead_letters[3].replay_time.is_some());
    // A replay of all skips those that were replayed before, and starts with the oldest.
    let target = Some(replay_dead_letters_request::Target::All(true));
    let request = pb::ReplayDeadLettersRequest {
        target,
        max_count: Some(1),
        discard_replayed: true,
        ..Default::default()
    };
    let answer = server.dead_letters().replay_dead_letters(request).await.expect("replays").into_inner();
    assert_eq!((answer.results.len(), answer.more), (1, true));
    assert_eq!(answer.results[0].dead_letter_id, all.dead_letters[1].dead_letter_id);
    assert_eq!(answer.results[0].outcome, Some(done(6)));
    let gone = get(&server, &answer.results[0].dead_letter_id).await.expect_err("discarded after");
    assert_eq!((gone.code(), reason(&gone)), (Code::NotFound, name(R::DeadLetterNotFound)));
    server.stop().await;
}

#[tokio::test]
async fn a_dead_letter_is_removed_with_its_stream() {
    let server = TestServer::start(|_| {}).await;
    server.register(&["cam"]).await;
    server.submit(vec![broken_frame("cam", 1)]).await;
    published(&server, "cam", 1).await;
    let id = list(&server, "").await.dead_letters.remove(0).dead_letter_id;
    let request = pb::UnregisterStreamRequest { stream_id: "cam".into(), ..Default::default() };
    server.registry().unregister_stream(request).await.expect("unregisters");
    for comes_back in [false, true] {
        if comes_back {
            server.register(&["cam"]).await;
        }
        assert_eq!(refusal(&replay(&server, &[&id], true).await[0]), R::DeadLetterNotFound);
        assert_eq!(reason(&get(&server, &id).await.expect_err("gone")), name(R::DeadLetterNotFound));
        assert!(list(&server, "").await.dead_letters.is_empty());
    }
    server.stop().await;
}

#[tokio::test]
async fn discarded_dead_letters_are_gone_and_pages_continue() {
    let server = TestServer::start(|_| {}).await;
    server.register(&["a", "b"]).await;
    for shade in 0..3 {
        server.submit(vec![broken_frame("a", shade), broken_frame("b", shade)]).await;
    }
    published(&server, "a", 3).await;
    published(&server, "b", 3).await;
    let (mut ids, mut page_token) = (Vec::new(), String::new());
    loop {
        let request = pb::ListDeadLettersRequest { page_size: 4, page_token, ..Default::default() };
        let page = server.dead_letters().list_dead_letters(request).await.expect("lists").into_inner();
        assert_eq!(page.kept_count, 6);
        ids.extend(page.dead_letters.into_iter().map(|letter| letter.dead_letter_id));
        page_token = page.next_page_token;
        if page_token.is_empty() {
            break;
        }
    }
    assert_eq!(ids.len(), 6);
    let outcomes = discard(&server, &[&ids[0], "nonsense", &ids[0], "p99-1-1"]).await;
    assert_eq!(outcomes[0], done(0));
    assert!(outcomes[1..].iter().all(|outcome| refusal(outcome) == R::DeadLetterNotFound));
    let filter = r#"stream_id = "a" AND reason = ERROR_REASON_DECODE_TRUNCATED"#;
    let target = Some(discard_dead_letters_request::Target::Filter(filter.to_owned()));
    let request = pb::DiscardDeadLettersRequest { target, ..Default::default() };
    let answer = server.dead_letters().discard_dead_letters(request).await.expect("discards").into_inner();
    let left = list(&server, "").await;
    assert_eq!(answer.results.len() as u64 + left.kept_count, 5);
    assert!(left.dead_letters.iter().all(|letter| letter.stream_id == "b") && !answer.more);
    server.stop().await;
}

#[tokio::test]
async fn bad_requests_are_refused_and_change_nothing() {
    let server = TestServer::start(|_| {}).await;
    let mut client = server.dead_letters();
    let invalid = |status: Status, wanted: R| {
        assert_eq!((status.code(), reason(&status)), (Code::InvalidArgument, name(wanted)), "{status:?}");
    };
    for filter in [
        r#"stream = "cam""#,
        r#"stream_id = "cam" AND"#,
        "source = NOBODY",
        "reason = ERROR_REASON_NONE",
        r#"dead_letter_time > "yesterday""#,
        r#"message = "broken""#,
        "picture:*",
        "cam",
        &format!(r#"stream_id = "{}""#, "x".repeat(1_024)),
    ] {
        let request = pb::ListDeadLettersRequest { filter: filter.to_owned(), ..Default::default() };
        invalid(client.list_dead_letters(request).await.expect_err(filter), R::FilterInvalid);
    }
    let request = pb::ListDeadLettersRequest { page_token: "xxxx".into(), ..Default::default() };
    invalid(client.list_dead_letters(request).await.expect_err("a bad token"), R::PageTokenInvalid);
    use discard_dead_letters_request::Target as Discard;
    use replay_dead_letters_request::Target as Replay;
    let ids = |count| {
        let ids = pb::DeadLetterIdList { ids: vec!["p00-1-1".to_owned(); count] };
        Some(Replay::Ids(ids))
    };
    for (target, max_count, wanted) in [
        (None, None, R::InvalidField),
        (ids(0), None, R::InvalidField),
        (ids(1), Some(1), R::InvalidField),
        (ids(1_001), None, R::TooManyItems),
        (Some(Replay::All(false)), None, R::InvalidField),
        (Some(Replay::All(true)), Some(0), R::InvalidField),
        (Some(Replay::All(true)), Some(1_001), R::InvalidField),
        // An empty filter does not select all.
        (Some(Replay::Filter(String::new())), None, R::InvalidField),
        (Some(Replay::Filter(" ".to_owned())), None, R::InvalidField),
        (Some(Replay::Filter("nothing".to_owned())), None, R::FilterInvalid),
    ] {
        let request = pb::ReplayDeadLettersRequest { target, max_count, ..Default::default() };
        invalid(client.replay_dead_letters(request).await.expect_err("which?"), wanted);
    }
    for target in [None, Some(Discard::All(false)), Some(Discard::Filter(String::new()))] {
        let request = pb::DiscardDeadLettersRequest { target, ..Default::default() };
        invalid(client.discard_dead_letters(request).await.expect_err("which?"), R::InvalidField);
    }
    let request =
        pb::ReplayDeadLettersRequest { target: ids(1), reason: "x".repeat(513), ..Default::default() };
    invalid(client.replay_dead_letters(request).await.expect_err("a long reason"), R::InvalidField);
    invalid(get(&server, "").await.expect_err("no id"), R::InvalidField);
    let missing = get(&server, "p00-1-1").await.expect_err("no such");
    assert_eq!((missing.code(), reason(&missing)), (Code::NotFound, name(R::DeadLetterNotFound)));
    server.stop().await;
}
