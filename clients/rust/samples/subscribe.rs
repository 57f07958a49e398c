//! Follows a stream and decodes its pictures: `subscribe ADDRESS STREAM CURSOR_FILE [COUNT]`.
//!
//! The cursors are kept in a file: when the program runs again, it continues where it ended.

use std::error::Error;

use frameway::client::Client;
use frameway::client::cursors::CursorFile;
use frameway::client::stored::StoredSubscription;
use frameway::client::subscribe::{Event, Subscription, selector};
use frameway::pb::v1 as pb;
use frameway_client::picture;

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let (address, stream, cursors, count) = match &arguments[..] {
        [address, stream, cursors] => (address, stream, cursors, None),
        [address, stream, cursors, count] => (address, stream, cursors, Some(count.parse()?)),
        _ => return Err("usage: subscribe ADDRESS STREAM CURSOR_FILE [COUNT]".into()),
    };
    let client = Client::connect(address).await?;
    let mut selector = selector(stream);
    let earliest = pb::start_position::Position::Earliest(pb::StartEarliest {});
    selector.start = Some(pb::StartPosition { position: Some(earliest) });
    let request = pb::SubscribeFramesRequest {
        selectors: vec![selector],
        stop_after_frames: count,
        ..Default::default()
    };
    let subscription = Subscription::new(&client, request);
    let mut subscription = StoredSubscription::open(subscription, CursorFile::new(cursors))?;
    loop {
        let event = tokio::select! {
            event = subscription.next() => event?,
            ended = tokio::signal::ctrl_c() => { ended?; break }
        };
        match event {
            Event::Frame(delivered) => {
                let Some(frame) = delivered.frame else { continue };
                let (stream, sequence) = (frame.stream_id.clone(), frame.sequence);
                // Decoding takes a core for milliseconds.
                let decode = move || picture(&frame, pb::PictureRole::Processed);
                match tokio::task::spawn_blocking(decode).await? {
                    Ok(image) => println!("{stream} {sequence}: {} x {}", image.width(), image.height()),
                    Err(error) => println!("{stream} {sequence}: {error}"),
                }
            }
            Event::Gap(pb::DeliveredGap { gap: Some(gap), .. }) => println!("gap: {gap:?}"),
            Event::Reconnecting(why) => eprintln!("{why}; reconnecting"),
            Event::End => break,
            Event::Gap(_) | Event::Started { .. } | Event::Checkpoint(_) | Event::Lag(_) => {}
        }
    }
    subscription.commit()?;
    Ok(())
}
