//! The limit of one thread: libjpeg-turbo and the measures alone.

use std::time::{Duration, Instant};

use bytes::Bytes;

use super::failed;
use crate::analysis::SceneModel;
use crate::console::Failure;
use crate::picture::{Codec, Limits, SourcePicture};
use crate::worker::measure;

/// The duration of one measurement.
const MEASURE_DURATION: Duration = Duration::from_millis(1_500);

/// The time that one thread needs for one picture, in milliseconds. It is measured many times for
/// each picture; the value is the mean of the pictures' medians.
#[derive(Debug, Clone, Copy)]
pub(super) struct Ceiling {
    /// Decoding to planes and encoding from planes.
    pub(super) codec_ms: f64,
    /// All measures, including those that compare a picture with earlier ones.
    pub(super) analysis_ms: f64,
}

impl Ceiling {
    /// Measures the limit. Nothing else may run meanwhile. A machine's speed changes, so measure
    /// before and after the benchmark and use [`Self::mean`].
    pub(super) async fn measure(pictures: &[Bytes], quality: u8) -> Result<Self, Failure> {
        let pictures = pictures.to_vec();
        let measured = tokio::task::spawn_blocking(move || measure_blocking(&pictures, quality));
        measured.await.map_err(|panic| Failure::Failed(panic.into()))?
    }

    /// Returns the mean of two measurements.
    pub(super) fn mean(self, other: Self) -> Self {
        Self {
            codec_ms: f64::midpoint(self.codec_ms, other.codec_ms),
            analysis_ms: f64::midpoint(self.analysis_ms, other.analysis_ms),
        }
    }

    /// Returns the frames per second that all cores would reach if they only decoded and encoded.
    pub(super) fn fps(self, cores: usize) -> f64 {
        cores as f64 * 1_000.0 / self.codec_ms
    }
}

fn measure_blocking(pictures: &[Bytes], quality: u8) -> Result<Ceiling, Failure> {
    let mut codec = Codec::new(Limits::default());
    let mut scene = None;
    let (mut coded, mut analysed) = (vec![Vec::new(); pictures.len()], vec![Vec::new(); pictures.len()]);
    let begin = Instant::now();
    // Measure every picture equally often, as cameras show them.
    while begin.elapsed() < MEASURE_DURATION {
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
