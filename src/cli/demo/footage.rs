//! What the cameras see: a drawn road, pictures, or a video.

use std::sync::Arc;
use std::thread;
use std::time::Duration;

use bytes::Bytes;
use tokio::sync::mpsc;
use tokio::time::sleep;

use super::DemoArgs;
use crate::cli::{Failure, sources};
use crate::picture::{Codec, Limits};
use crate::scene::Scene;

/// Pictures that are drawn ahead for each camera, so that drawing does not hold up a tick.
const DRAWN_AHEAD: usize = 16;
const LOOK_EVERY: Duration = Duration::from_millis(10);
/// Finer than the server's output, so that the worker has something to encode.
const DRAWN_QUALITY: u8 = 92;

/// Where the pictures come from.
#[derive(Debug)]
pub(super) enum Footage {
    /// Every camera draws a road of its own.
    Drawn { width: u32, height: u32 },
    /// All cameras show these, each from another one on.
    Loop(Arc<Vec<Bytes>>),
}

/// The pictures of one camera, without end.
#[derive(Debug)]
pub(super) enum Reel {
    Drawn(mpsc::Receiver<Bytes>),
    Loop { pictures: Arc<Vec<Bytes>>, next: usize },
}

impl Footage {
    /// Reads what `--source` names.
    ///
    /// # Errors
    /// It cannot be read, or holds no pictures.
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

    /// A reel for each of these streams.
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
    /// Waits until the first pictures are drawn, so that drawing them does not compete with the service for the processor.
    pub(super) async fn ready(&self) {
        let Self::Drawn(drawn) = self else { return };
        while drawn.len() < DRAWN_AHEAD && !drawn.is_closed() {
            sleep(LOOK_EVERY).await;
        }
    }

    /// The next picture; `None` only if its drawing failed.
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

/// Draws on a thread of its own, a little ahead, until nobody wants more.
fn draw(seed: u64, name: &str, width: u32, height: u32) -> mpsc::Receiver<Bytes> {
    let (sender, drawn) = mpsc::channel(DRAWN_AHEAD);
    // The prefix of streams in a shared Redis is of no interest in the picture.
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
