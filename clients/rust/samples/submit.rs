//! Submits pictures to a stream: `submit ADDRESS STREAM FILE...`.
//!
//! The client numbers the frames: when the program runs again, it continues after the position that
//! the server has of this publisher.

use std::error::Error;

use frameway::client::Client;
use frameway::client::describe_item;
use frameway::client::publish::{Decision, PublishOptions};
use frameway::pb::v1 as pb;
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let mut arguments = std::env::args().skip(1);
    let (Some(address), Some(stream)) = (arguments.next(), arguments.next()) else {
        return Err("usage: submit ADDRESS STREAM FILE...".into());
    };
    let client = Client::connect(&address).await?;
    let options = PublishOptions {
        publisher_id: "sample".into(),
        number_frames: true,
        streams: vec![stream.clone()],
        ..Default::default()
    };
    // At most this many pictures wait here, beside the bytes that the publisher holds.
    let (frames, intake) = mpsc::channel(4);
    let camera = async move {
        for path in arguments {
            let data = tokio::task::spawn_blocking(move || std::fs::read(path)).await??.into();
            if frames.send(pb::Frame { stream_id: stream.clone(), data, ..Default::default() }).await.is_err()
            {
                break;
            }
        }
        Ok::<(), Box<dyn Error>>(())
    };
    let stop = CancellationToken::new();
    let publishing = client.publish(options, intake, stop, |frame, decision| {
        let number = frame.publisher_sequence.unwrap_or_default();
        match decision {
            Decision::Accepted { sequence } => println!("frame {number}: accepted as {sequence}"),
            Decision::Duplicate { sequence } => println!("frame {number}: was accepted as {sequence}"),
            Decision::Refused(error) => println!("frame {number}: rejected: {}", describe_item(&error)),
            Decision::Unconfirmed(_) => println!("frame {number}: unconfirmed"),
        }
    });
    let (read, published) = tokio::join!(camera, publishing);
    read?;
    match published?.given_up {
        None => Ok(()),
        Some(why) => Err(why.into()),
    }
}
