//! JPEG to JPEG of the same size, with the luma plane for measures: transcoding beside decoding and
//! encoding pixels.

use std::hint::black_box;
use std::time::Duration;

use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use frameway::analysis::{analysis_plane, analysis_size};
use frameway::domain::ChromaSubsampling;
use frameway::picture::{Codec, DEFAULT_JPEG_QUALITY, Limits, SourcePicture, TranscodeRequest};
use frameway::scene::Scene;
use nix::time::{ClockId, clock_gettime};

/// The environment variable with the paths of JPEGs, separated by colons.
const JPEGS: &str = "FRAMEWAY_BENCH_JPEGS";
/// The quality of the drawn pictures.
const SOURCE_QUALITY: u8 = 92;
/// The rounds of the comparison in processor time.
const ROUNDS: usize = 40;

struct Input {
    name: String,
    size: (u32, u32),
    jpeg: Vec<u8>,
}

fn inputs() -> Vec<Input> {
    let named = |name: String, jpeg: Vec<u8>| {
        let source = SourcePicture::encoded(&jpeg).expect("a JPEG");
        let info = frameway::picture::probe(&source, &Limits::default()).expect("a JPEG");
        Input { name, size: (info.width, info.height), jpeg }
    };
    if let Some(paths) = std::env::var_os(JPEGS) {
        let name =
            |path: &std::path::Path| path.file_name().unwrap_or_default().to_string_lossy().into_owned();
        return std::env::split_paths(&paths)
            .map(|path| named(name(&path), std::fs::read(&path).expect("a file")))
            .collect();
    }
    let mut codec = Codec::new(Limits::default());
    [(1_280, 720), (1_920, 1_080)]
        .map(|(width, height)| {
            let (jpeg, _) =
                Scene::new(5, width, height).jpeg(&mut codec, 3, SOURCE_QUALITY).expect("it encodes");
            named(format!("{width}x{height}"), jpeg.to_vec())
        })
        .into()
}

fn with_pixels(codec: &mut Codec, input: &Input) {
    let planes = codec.decode(&SourcePicture::encoded(&input.jpeg).expect("a JPEG")).expect("it decodes");
    let luma = planes.luma();
    black_box(analysis_plane(luma.data, luma.width, luma.height, luma.stride));
    black_box(codec.encode_jpeg(&planes, DEFAULT_JPEG_QUALITY).expect("it encodes"));
    codec.recycle(planes);
}

fn without_pixels(codec: &mut Codec, input: &Input) {
    let request = TranscodeRequest {
        quality: Some(DEFAULT_JPEG_QUALITY),
        chroma: ChromaSubsampling::Auto,
        luma: analysis_size(input.size.0 as usize, input.size.1 as usize),
        thumbnail: None,
    };
    let source = SourcePicture::encoded(&input.jpeg).expect("a JPEG");
    black_box(codec.transcode(&source, &request).expect("a plain JPEG"));
}

fn transcode(c: &mut Criterion) {
    for input in inputs() {
        let mut group = c.benchmark_group(format!("transcode {}", input.name));
        group.throughput(Throughput::Bytes(input.jpeg.len() as u64));
        let mut codec = Codec::new(Limits::default());
        group.bench_function("with pixels", |b| b.iter(|| with_pixels(&mut codec, &input)));
        group.bench_function("without pixels", |b| b.iter(|| without_pixels(&mut codec, &input)));
    }
}

/// Prints both times as processor time of this thread, and their ratio. Both run in turns, and the
/// shortest of all rounds counts, so that other work on the machine matters little.
fn ratio_in_processor_time(_: &mut Criterion) {
    for input in inputs() {
        let mut codec = Codec::new(Limits::default());
        let mut best = [Duration::MAX; 2];
        for _ in 0..ROUNDS {
            for (work, best) in [with_pixels, without_pixels].into_iter().zip(&mut best) {
                let start = processor_time();
                work(&mut codec, &input);
                *best = (*best).min(processor_time() - start);
            }
        }
        let [with, without] = best.map(|time| time.as_secs_f64() * 1e3);
        let (name, kilobytes) = (&input.name, input.jpeg.len() / 1_000);
        println!(
            "{name} ({kilobytes} kB): {with:.2} ms with pixels, {without:.2} ms without, {:.2} times",
            with / without
        );
    }
}

fn processor_time() -> Duration {
    clock_gettime(ClockId::CLOCK_THREAD_CPUTIME_ID).expect("a clock").into()
}

criterion_group! {
    name = benches;
    config = Criterion::default().sample_size(20).measurement_time(Duration::from_secs(3));
    targets = transcode, ratio_in_processor_time
}
criterion_main!(benches);
