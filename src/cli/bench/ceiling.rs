//! What one thread could do at best: libjpeg-turbo and the measures, and nothing around them.

use std::time::{Duration, Instant};

use bytes::Bytes;

use super::failed;
use crate::analysis::SceneModel;
use crate::cli::Failure;
use crate::picture::{Codec, Limits, SourcePicture};
use crate::worker::measure;

/// How long one look takes.
const LOOK: Duration = Duration::from_millis(1_500);

/// Milliseconds of one thread for one picture: the mean over the pictures of each one's median.
#[derive(Debug, Clone, Copy)]
pub(super) struct Ceiling {
    /// Decoding to planes and encoding from planes.
    pub(super) codec_ms: f64,
    /// All measures, those against the stream's earlier pictures too.
    pub(super) analysis_ms: f64,
}

impl Ceiling {
    /// Looks now, with nothing else running. A machine's speed changes: look before and after, and take [`Self::mean`].
    pub(super) async fn look(pictures: &[Bytes], quality: u8) -> Result<Self, Failure> {
        let pictures = pictures.to_vec();
        let looked = tokio::task::spawn_blocking(move || look(&pictures, quality));
        looked.await.map_err(|panic| Failure::Failed(panic.into()))?
    }

    /// The mean of two looks.
    pub(super) fn mean(self, other: Self) -> Self {
        Self {
            codec_ms: f64::midpoint(self.codec_ms, other.codec_ms),
            analysis_ms: f64::midpoint(self.analysis_ms, other.analysis_ms),
        }
    }

    /// Frames a second of a machine that did nothing else than decode and encode, on all of its cores.
    pub(super) fn fps(self, cores: usize) -> f64 {
        cores as f64 * 1_000.0 / self.codec_ms
    }
}

fn look(pictures: &[Bytes], quality: u8) -> Result<Ceiling, Failure> {
    let mut codec = Codec::new(Limits::default());
    let mut scene = None;
    let (mut coded, mut analysed) = (vec![Vec::new(); pictures.len()], vec![Vec::new(); pictures.len()]);
    let begin = Instant::now();
    // Whole rounds: cameras show all pictures equally often, and each counts.
    while begin.elapsed() < LOOK {
        for ((picture, coded), analysed) in pictures.iter().zip(&mut coded).zip(&mut analysed) {
            let source =
                SourcePicture::encoded(picture).ok_or_else(|| failed("a picture has an unknown format"))?;
            let start = Instant::now();
            let planes = codec.decode(&source).map_err(|error| Failure::Usage(error.into()))?;
            let decoded = start.elapsed();
            let start = Instant::now();
            std::hint::black_box(SceneModel::observe(&mut scene, measure(&planes, &[])));
            analysed.push(start.elapsed());
            let start = Instant::now();
            let encoded = codec.encode_jpeg(&planes, quality);
            std::hint::black_box(encoded.map_err(|error| Failure::Failed(error.into()))?);
            coded.push(decoded + start.elapsed());
            codec.recycle(planes);
        }
    }
    Ok(Ceiling { codec_ms: mean_ms(coded), analysis_ms: mean_ms(analysed) })
}

fn mean_ms(times: Vec<Vec<Duration>>) -> f64 {
    let count = times.len().max(1) as f64;
    times.into_iter().map(median_ms).sum::<f64>() / count
}

fn median_ms(mut spans: Vec<Duration>) -> f64 {
    spans.sort_unstable();
    spans.get(spans.len() / 2).map_or(0.0, |span| span.as_secs_f64() * 1e3)
}
