//! The pictures of the cameras: a drawn road, files, or a video. The code calls the endless
//! pictures of one camera a reel.

use std::sync::Arc;
use std::thread;
use std::time::Duration;

use bytes::Bytes;
use tokio::sync::mpsc;
use tokio::time::sleep;

use super::DemoArgs;
use crate::console::{Failure, sources};
use crate::picture::{Codec, Limits};
use crate::scene::Scene;

/// The number of pictures that are drawn ahead for each camera, so that drawing does not delay a
/// tick.
const DRAWN_AHEAD: usize = 16;
const POLL_INTERVAL: Duration = Duration::from_millis(10);
/// A higher quality than the server's output, so that the worker has something to encode.
const DRAWN_QUALITY: u8 = 92;

/// The source of the pictures.
#[derive(Debug)]
pub(super) enum Footage {
    /// Every camera draws its own road.
    Drawn { width: u32, height: u32 },
    /// All cameras show these pictures; each camera begins with another one.
    Loop(Arc<Vec<Bytes>>),
}

/// The endless pictures of one camera.
#[derive(Debug)]
pub(super) enum Reel {
    Drawn(mpsc::Receiver<Bytes>),
    Loop { pictures: Arc<Vec<Bytes>>, next: usize },
}

impl Footage {
    /// Reads the pictures that `--source` names.
    ///
    /// # Errors
    /// Fails if they cannot be read, or there are none.
    pub(super) async fn open(args: &DemoArgs) -> Result<Self, Failure> {
        let Some(source) = args.source.clone() else {
            return Ok(Self::Drawn { width: args.width, height: args.height });
        };
        let (fps, width, height) = (args.fps, args.width, args.height);
        let read =
            tokio::task::spawn_blocking(move || sources::pictures(&source, fps, (width, height))).await;
        let pictures = read.map_err(|panic| Failure::Failed(panic.into()))??;
        Ok(Self::Loop(Arc::new(pictures)))
    }

    /// Makes a reel for each of these streams.
    pub(super) fn reels(self, streams: &[String]) -> Vec<Reel> {
        match self {
            Self::Drawn { width, height } => {
                let drawn =
                    (1..).zip(streams).map(|(seed, name)| Reel::Drawn(draw(seed, name, width, height)));
                drawn.collect()
            }
            Self::Loop(pictures) => {
                let start = |camera| camera * pictures.len() / streams.len();
                let reel = |camera| Reel::Loop { pictures: Arc::clone(&pictures), next: start(camera) };
                (0..streams.len()).map(reel).collect()
            }
        }
    }
}

impl Reel {
    /// Waits until the first pictures are drawn, so that the run does not begin with this load.
    pub(super) async fn ready(&self) {
        let Self::Drawn(drawn) = self else { return };
        while drawn.len() < DRAWN_AHEAD && !drawn.is_closed() {
            sleep(POLL_INTERVAL).await;
        }
    }

    /// Returns the next picture; `None` if it cannot be drawn.
    pub(super) async fn next(&mut self) -> Option<Bytes> {
        match self {
            Self::Drawn(drawn) => drawn.recv().await,
            Self::Loop { pictures, next } => {
                let picture = pictures.get(*next % pictures.len().max(1)).cloned();
                *next += 1;
                picture
            }
        }
    }
}

/// Draws pictures ahead on a separate thread until the receiver is dropped.
fn draw(seed: u64, name: &str, width: u32, height: u32) -> mpsc::Receiver<Bytes> {
    let (sender, drawn) = mpsc::channel(DRAWN_AHEAD);
    // The name in the picture lacks the prefix that streams have in a shared Redis.
    let name = name.rsplit_once("cam-").map_or(name, |(_, number)| number).to_owned();
    thread::spawn(move || {
        let scene = Scene::new(seed, width, height).named(&format!("CAM {name}"));
        let mut codec = Codec::new(Limits::default());
        for number in 1.. {
            let Ok((picture, _truth)) = scene.jpeg(&mut codec, number, DRAWN_QUALITY) else { return };
            if sender.blocking_send(picture).is_err() {
                return;
            }
        }
    });
    drawn
}
