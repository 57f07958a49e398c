//! Fault 16: a frame that kills whatever worker takes it.

use std::sync::Arc;

use frameway::domain::Partitions;
use frameway::pb::v1::queue_service_client::QueueServiceClient;
use frameway::pb::v1::{self as pb, ErrorReason};
use frameway::worker::CRASH_ATTRIBUTE;

use crate::common::DEADLINE;
use crate::common::redis::RedisServer;
use crate::ledger::Ledger;
use crate::process::Process;
use crate::traffic::{Publisher, client, delivered, pictures, register, streams, subscribe};

/// The stream with the bad frame.
const BAD: &str = "bad";

/// Streams of the bad one's own partition, and some of others.
fn neighbours() -> Vec<String> {
    let home = |stream: &str| Partitions::default().of(&stream.parse().expect("a stream id"));
    let same = (1..).map(|n| format!("near-{n}")).filter(|stream| home(stream) == home(BAD));
    same.take(2).chain(streams(3)).collect()
}

fn frame(picture: &bytes::Bytes, kills: bool) -> pb::Frame {
    let attributes = if kills { vec![(CRASH_ATTRIBUTE.to_owned(), "1".to_owned())] } else { Vec::new() };
    pb::Frame {
        stream_id: BAD.to_owned(),
        data: picture.clone(),
        attributes: attributes.into_iter().collect(),
        ..Default::default()
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_frame_that_kills_its_worker_costs_its_neighbours_only_time() {
    let redis = RedisServer::start();
    let url = redis.url();
    // The lease alone would keep the partitions for minutes.
    let flags = ["--redis-url", url.as_str(), "--lease-term", "5m"];
    let server = Process::server_with(&flags, "FRAMEWAY_TEST_CRASH", "1");
    let (mut client, ledger, neighbours) = (client(&server.url()), Arc::new(Ledger::default()), neighbours());
    register(&client, &neighbours).await;
    register(&client, &[BAD.to_owned()]).await;
    subscribe(client.clone(), Arc::clone(&ledger), neighbours.clone());
    // One connection that must hold through all of it.
    let selector = pb::StreamSelector {
        streams: Some(pb::StreamMatch { by: Some(pb::stream_match::By::Id(BAD.to_owned())) }),
        start: Some(pb::StartPosition {
            position: Some(pb::start_position::Position::Earliest(pb::StartEarliest {})),
        }),
        ..Default::default()
    };
    let request =
        pb::SubscribeFramesRequest { selectors: vec![selector], stop_after_frames: 4, ..Default::default() };
    let mut events = client.subscribe_frames(request).await.expect("subscribes").into_inner();

    let mut publisher = Publisher::new(client.clone(), Arc::clone(&ledger), &neighbours);
    publisher.submit(3).await;
    let pictures = pictures(5);
    let frames = pictures.iter().enumerate().map(|(index, picture)| frame(picture, index == 2)).collect();
    client.submit_frame_batch(pb::SubmitFrameBatchRequest { frames }).await.expect("submits");
    publisher.submit(3).await;
    delivered(&ledger, 6 * neighbours.len()).await;
    ledger.check();

    let (mut came, mut gaps) = (Vec::new(), Vec::new());
    let reading = async {
        while let Some(message) = events.message().await.expect("the connection holds") {
            match message.event.expect("an event") {
                pb::subscribe_frames_response::Event::Frame(delivered) => {
                    let frame = delivered.frame.expect("a frame");
                    assert_eq!(frame.processing_attempt, 1, "no worker died over {} alone", frame.sequence);
                    came.push(frame.sequence);
                }
                pb::subscribe_frames_response::Event::Gap(gap) => {
                    gaps.push((gap.from_sequence, gap.to_sequence));
                }
                pb::subscribe_frames_response::Event::Heartbeat(_)
                | pb::subscribe_frames_response::Event::Checkpoint(_)
                | pb::subscribe_frames_response::Event::Draining(_) => {}
            }
        }
    };
    tokio::time::timeout(DEADLINE, reading).await.expect("all frames in time");
    assert_eq!((came, gaps), (vec![1, 2, 4, 5], vec![(3, 3)]));

    let mut operating = QueueServiceClient::connect(server.url())
        .await
        .expect("connects")
        .max_decoding_message_size(32 << 20);
    let listed = operating.list_dead_letters(pb::ListDeadLettersRequest::default()).await.expect("lists");
    let letters = listed.into_inner().dead_letters;
    assert_eq!(letters.len(), 1, "no neighbour was given up: {letters:?}");
    let request =
        pb::GetDeadLetterRequest { dead_letter_id: letters[0].dead_letter_id.clone(), ..Default::default() };
    let letter = operating.get_dead_letter(request).await.expect("reads").into_inner();
    let letter = letter.dead_letter.expect("a dead letter");
    assert_eq!((letter.reason(), letter.attempts), (ErrorReason::WorkerKilled, 3));
    assert_eq!((letter.stream_id.as_str(), letter.sequence), (BAD, 3));
    let picture = letter.picture.and_then(|picture| picture.content);
    assert_eq!(picture, Some(pb::picture::Content::Data(pictures[2].clone())), "byte for byte");
    // Once with others beside it, then three times alone.
    let deaths = server.log().matches("worker died").count();
    assert_eq!(deaths, 4, "{}", server.log());
    println!(
        "{deaths} deaths of a worker over one frame, {} frames at stake, 0 lost",
        6 * neighbours.len() + 5
    );
}
