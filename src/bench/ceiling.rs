//! The limit of one thread: libjpeg-turbo and the measures alone.

use std::hint::black_box;
use std::time::{Duration, Instant};

use bytes::Bytes;

use super::{cpu, failed};
use crate::analysis::{self, AnalysisPlane, SceneModel};
use crate::console::Failure;
use crate::domain::ChromaSubsampling;
use crate::picture::{Codec, Huffman, Limits, SourcePicture, TranscodeRequest, probe};
use crate::worker::measure;

/// The duration of one measurement.
const MEASURE_DURATION: Duration = Duration::from_millis(1_500);

/// The processor time that one thread needs for one picture, in milliseconds. It is measured many
/// times for each picture; the value is the mean of the pictures' medians.
#[derive(Debug, Clone, Copy)]
pub(super) struct Ceiling {
    /// Decoding to planes and encoding from planes, with libjpeg-turbo.
    pub(super) codec_ms: f64,
    /// All measures, including those that compare a picture with earlier ones.
    pub(super) analysis_ms: f64,
    /// Picture and measures as the worker makes them: transcoded if possible.
    pub(super) picture_ms: f64,
}

impl Ceiling {
    /// Measures the limit. A machine's speed changes, so measure before and after the benchmark and
    /// use [`Self::mean`].
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
            picture_ms: f64::midpoint(self.picture_ms, other.picture_ms),
        }
    }

    /// Returns the frames per second that all cores would reach if they only decoded and encoded.
    pub(super) fn fps(self, cores: usize) -> f64 {
        cores as f64 * 1_000.0 / self.codec_ms
    }
}

/// The measured times of one picture.
#[derive(Debug, Clone, Default)]
struct Times {
    coded: Vec<Duration>,
    analysed: Vec<Duration>,
    transcoded: Vec<Duration>,
}

fn measure_blocking(pictures: &[Bytes], quality: u8) -> Result<Ceiling, Failure> {
    let mut codec = Codec::new(Limits::default());
    let mut scenes = [None, None];
    let mut times = vec![Times::default(); pictures.len()];
    let begin = Instant::now();
    // Measure every picture equally often, as cameras show them.
    while begin.elapsed() < MEASURE_DURATION {
        for (picture, times) in pictures.iter().zip(&mut times) {
            let source =
                SourcePicture::encoded(picture).ok_or_else(|| failed("a picture has an unknown format"))?;
            let start = cpu::of_thread();
            let planes = codec.decode(&source).map_err(|error| Failure::Usage(error.into()))?;
            let decoded = cpu::of_thread();
            black_box(SceneModel::observe(&mut scenes[0], measure(&planes, &[])));
            let analysed = cpu::of_thread();
            let encoded = codec.encode_jpeg(&planes, quality);
            black_box(encoded.map_err(|error| Failure::Failed(error.into()))?);
            times.coded.push(decoded - start + (cpu::of_thread() - analysed));
            times.analysed.push(analysed - decoded);
            codec.recycle(planes);
            times.transcoded.extend(transcode(&mut codec, &source, quality, &mut scenes[1]));
        }
    }
    let decoded = |times: &Times| median_ms(&times.coded) + median_ms(&times.analysed);
    let as_made = |times: &Times| match &times.transcoded[..] {
        [] => decoded(times),
        transcoded => median_ms(transcoded),
    };
    let mean = |of: &dyn Fn(&Times) -> f64| times.iter().map(of).sum::<f64>() / times.len().max(1) as f64;
    Ok(Ceiling {
        codec_ms: mean(&|times| median_ms(&times.coded)),
        analysis_ms: mean(&|times| median_ms(&times.analysed)),
        picture_ms: mean(&as_made),
    })
}

/// Returns the processor time of transcoding and measuring a picture; `None` if it cannot be
/// transcoded.
fn transcode(
    codec: &mut Codec,
    source: &SourcePicture<'_>,
    quality: u8,
    scene: &mut Option<SceneModel>,
) -> Option<Duration> {
    let start = cpu::of_thread();
    let info = probe(source, codec.limits()).ok()?;
    let size = (info.width as usize, info.height as usize);
    let luma = analysis::analysis_size(size.0, size.1);
    let request = TranscodeRequest {
        quality: Some(quality),
        chroma: ChromaSubsampling::Auto,
        luma,
        thumbnail: None,
        huffman: Huffman::Standard,
    };
    let made = codec.transcode(source, &request)?;
    let plane = AnalysisPlane::new(luma, made.luma);
    let measures = analysis::measure_plane(&plane, size, made.chroma_strength, &[]);
    black_box((SceneModel::observe(scene, measures), made.jpeg));
    Some(cpu::of_thread() - start)
}

fn median_ms(spans: &[Duration]) -> f64 {
    let mut spans = spans.to_vec();
    spans.sort_unstable();
    spans.get(spans.len() / 2).map_or(0.0, |span| span.as_secs_f64() * 1e3)
}
