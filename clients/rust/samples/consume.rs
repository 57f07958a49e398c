//! Handles the frames of a consumer group: `consume ADDRESS GROUP MEMBER [COUNT]`.
//!
//! Ctrl-C ends it: running handlers finish, and frames that no handler has begun go back at once.

use std::error::Error;

use frameway::client::Client;
use frameway::client::consume::{ConsumeOptions, Reject};
use frameway::pb::v1 as pb;
use frameway_client::picture;
use tokio_util::sync::CancellationToken;

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let (address, group, member, count) = match &arguments[..] {
        [address, group, member] => (address, group, member, None),
        [address, group, member, count] => (address, group, member, Some(count.parse()?)),
        _ => return Err("usage: consume ADDRESS GROUP MEMBER [COUNT]".into()),
    };
    let client = Client::connect(address).await?;
    let request = pb::ConsumeFramesRequest {
        group_id: group.clone(),
        member_id: member.clone(),
        stop_after_frames: count,
        ..Default::default()
    };
    let stop = CancellationToken::new();
    let consuming = client.consume(request, ConsumeOptions::default(), stop.clone(), handle, |notice| {
        eprintln!("{notice:?}");
    });
    let mut consuming = std::pin::pin!(consuming);
    let summary = tokio::select! {
        summary = &mut consuming => summary?,
        ended = tokio::signal::ctrl_c() => {
            ended?;
            stop.cancel();
            consuming.await?
        }
    };
    println!("{} acknowledged, {} rejected", summary.acknowledged, summary.rejected);
    Ok(())
}

/// Handles one frame. An error rejects it: it is delivered again, and becomes a dead letter in the end.
async fn handle(delivered: pb::ConsumedFrame) -> Result<(), Reject> {
    let frame = delivered.frame.ok_or("there is no frame")?;
    let (stream, sequence) = (frame.stream_id.clone(), frame.sequence);
    // Decoding takes a core for milliseconds.
    let image = tokio::task::spawn_blocking(move || picture(&frame, pb::PictureRole::Processed)).await??;
    println!("{stream} {sequence}: {} x {}", image.width(), image.height());
    Ok(())
}
