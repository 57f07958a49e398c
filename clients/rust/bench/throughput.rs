//! Compares the client with its bare generated stub: `throughput ADDRESS [ROUNDS]`.
//!
//! Each round publishes 500 pictures of 200 kB and reads them again, once with the stub alone and once
//! with the client, to a stream of its own. The streams pass pictures on as they are, so that the server
//! has little to do. The medians of all rounds are printed. Start a server for it alone:
//!
//! ```text
//! frameway serve --listen 127.0.0.1:7500 --memory-budget 8GiB
//! ```

use std::error::Error;
use std::time::Instant;

use frameway::client::Client;
use frameway::client::publish::{Decision, PublishOptions};
use frameway::client::subscribe::{Event, Subscription, selector};
use frameway::pb::v1 as pb;
use frameway::pb::v1::start_position::Position;
use frameway::pb::v1::submit_frames_request::Request;
use frameway::pb::v1::submit_frames_response::Event as Submitted;
use frameway::pb::v1::subscribe_frames_response::Event as Delivered;
use tokio::sync::mpsc;
use tokio_stream::wrappers::ReceiverStream;
use tokio_util::sync::CancellationToken;

type Failure = Box<dyn Error>;

const FRAMES: u64 = 500;
const PICTURE_BYTES: usize = 200_000;
const BATCH_FRAMES: usize = 20;
/// The maximum number of unanswered batches of the stub. The server allows more.
const BATCHES_IN_FLIGHT: usize = 8;

#[tokio::main]
async fn main() -> Result<(), Failure> {
    let mut arguments = std::env::args().skip(1);
    let address = arguments.next().ok_or("usage: throughput ADDRESS [ROUNDS]")?;
    let rounds: u32 = arguments.next().map_or(Ok(5), |rounds| rounds.parse())?;
    let client = Client::connect(&address).await?;
    let picture = picture();
    let run = std::process::id();
    let mut rates = [Vec::new(), Vec::new(), Vec::new(), Vec::new()];
    for round in 0..rounds {
        // The order changes with each round, so that neither always comes first.
        for step in [round % 2, 1 - round % 2] {
            let stream = format!("throughput-{run}-{round}-{step}");
            register(&client, &stream).await?;
            let (publish, read) = match step {
                0 => (bare_publish(&client, &stream, &picture).await?, bare_read(&client, &stream).await?),
                _ => (publish(&client, &stream, &picture).await?, read(&client, &stream).await?),
            };
            rates[step as usize].push(publish);
            rates[2 + step as usize].push(read);
            unregister(&client, &stream).await?;
        }
    }
    let [bare_publish, publish, bare_read, read] = rates.map(median);
    for (what, bare, layer) in [("publish", bare_publish, publish), ("subscribe", bare_read, read)] {
        println!("{what}: stub {bare:.0} frames/s, client {layer:.0} frames/s, {:.2}", layer / bare);
    }
    Ok(())
}

fn median(mut rates: Vec<f64>) -> f64 {
    rates.sort_by(f64::total_cmp);
    rates.get(rates.len() / 2).copied().unwrap_or_default()
}

fn rate(begin: Instant) -> f64 {
    FRAMES as f64 / begin.elapsed().as_secs_f64()
}

/// Returns a JPEG of this size, most of which is a comment.
fn picture() -> bytes::Bytes {
    let mut bytes = vec![0xff, 0xd8];
    while bytes.len() < PICTURE_BYTES - 4 {
        let size = (PICTURE_BYTES - 4 - bytes.len()).clamp(4, 0xffff);
        bytes.extend([0xff, 0xfe]);
        bytes.extend((size as u16).to_be_bytes());
        bytes.resize(bytes.len() + size - 2, b'x');
    }
    bytes.extend([0xff, 0xd9]);
    bytes.into()
}

fn frame(stream: &str, number: u64, picture: &bytes::Bytes) -> pb::Frame {
    pb::Frame {
        stream_id: stream.to_owned(),
        publisher_sequence: Some(number),
        format: pb::PictureFormat::Jpeg.into(),
        data: picture.clone(),
        ..Default::default()
    }
}

async fn register(client: &Client, stream: &str) -> Result<(), Failure> {
    let output = pb::OutputPolicy { reencode_mode: pb::ReencodeMode::Relay.into(), ..Default::default() };
    let stream = pb::Stream { stream_id: stream.to_owned(), output: Some(output), ..Default::default() };
    let request = pb::RegisterStreamRequest { stream: Some(stream) };
    client.registry.clone().register_stream(request).await?;
    Ok(())
}

async fn unregister(client: &Client, stream: &str) -> Result<(), Failure> {
    let request = pb::UnregisterStreamRequest { stream_id: stream.to_owned(), ..Default::default() };
    client.registry.clone().unregister_stream(request).await?;
    Ok(())
}

fn request(stream: &str) -> pb::SubscribeFramesRequest {
    let start = pb::StartPosition { position: Some(Position::Earliest(pb::StartEarliest {})) };
    pb::SubscribeFramesRequest {
        selectors: vec![pb::StreamSelector { start: Some(start), ..selector(stream) }],
        stop_after_frames: Some(FRAMES),
        ..Default::default()
    }
}

async fn publish(client: &Client, stream: &str, picture: &bytes::Bytes) -> Result<f64, Failure> {
    let options = PublishOptions {
        publisher_id: "throughput".to_owned(),
        batch_frames: BATCH_FRAMES,
        ..Default::default()
    };
    let (frames, intake) = mpsc::channel(BATCH_FRAMES);
    let feed = async {
        for number in 1..=FRAMES {
            if frames.send(frame(stream, number, picture)).await.is_err() {
                break;
            }
        }
        drop(frames);
    };
    let mut accepted = 0;
    let begin = Instant::now();
    let publishing = client.publish(options, intake, CancellationToken::new(), |_, decision| {
        accepted += u64::from(matches!(decision, Decision::Accepted { .. }));
    });
    let (summary, ()) = tokio::join!(publishing, feed);
    match (summary?.given_up, accepted) {
        (None, FRAMES) => Ok(rate(begin)),
        other => Err(format!("not everything was accepted: {other:?}").into()),
    }
}

async fn bare_publish(client: &Client, stream: &str, picture: &bytes::Bytes) -> Result<f64, Failure> {
    let begin = Instant::now();
    let (requests, sent) = mpsc::channel(BATCHES_IN_FLIGHT);
    let setup = pb::SubmitSetup { publisher_id: "throughput".to_owned(), ..Default::default() };
    requests.send(pb::SubmitFramesRequest { request: Some(Request::Setup(setup)) }).await?;
    let mut answers = client.streaming.clone().submit_frames(ReceiverStream::new(sent)).await?.into_inner();
    let numbers: Vec<u64> = (1..=FRAMES).collect();
    let mut batches = numbers.chunks(BATCH_FRAMES).enumerate();
    let mut in_flight = 0;
    loop {
        while in_flight < BATCHES_IN_FLIGHT
            && let Some((batch_id, numbers)) = batches.next()
        {
            let frames = numbers.iter().map(|number| frame(stream, *number, picture)).collect();
            let batch = pb::SubmitBatch { batch_id: batch_id as u64, frames };
            requests.send(pb::SubmitFramesRequest { request: Some(Request::Batch(batch)) }).await?;
            in_flight += 1;
        }
        if in_flight == 0 {
            return Ok(rate(begin));
        }
        let answer = answers.message().await?.ok_or("the call has ended")?;
        in_flight -= usize::from(matches!(answer.event, Some(Submitted::BatchResult(_))));
    }
}

async fn read(client: &Client, stream: &str) -> Result<f64, Failure> {
    let begin = Instant::now();
    let mut subscription = Subscription::new(client, request(stream));
    let mut frames = 0;
    loop {
        match subscription.next().await? {
            Event::Frame(_) => frames += 1,
            Event::End if frames == FRAMES => return Ok(rate(begin)),
            Event::Gap(_) | Event::Reconnecting(_) | Event::End => return Err("frames are missing".into()),
            Event::Started { .. } | Event::Checkpoint(_) | Event::Lag(_) => {}
        }
    }
}

async fn bare_read(client: &Client, stream: &str) -> Result<f64, Failure> {
    let begin = Instant::now();
    let mut call = client.streaming.clone().subscribe_frames(request(stream)).await?.into_inner();
    let mut frames = 0;
    while let Some(message) = call.message().await? {
        frames += u64::from(matches!(message.event, Some(Delivered::Frame(_))));
    }
    if frames == FRAMES { Ok(rate(begin)) } else { Err("frames are missing".into()) }
}
