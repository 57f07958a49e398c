//! JPEG to JPEG of the same size, with the luma plane for measures: transcoding beside decoding and
//! encoding pixels, with standard Huffman tables and with those of the stream.

use std::hint::black_box;
use std::time::Duration;

use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use frameway::analysis::{analysis_plane, analysis_size};
use frameway::domain::ChromaSubsampling;
use frameway::picture::{
    Codec, DEFAULT_JPEG_QUALITY, Huffman, HuffmanCodes, Limits, SourcePicture, TranscodeRequest,
    TranscodedPicture,
};
use frameway::scene::Scene;
use nix::time::{ClockId, clock_gettime};

/// The environment variable with the paths of JPEGs, separated by colons: frames of one stream, in
/// order, for the comparison of Huffman tables.
const JPEGS: &str = "FRAMEWAY_BENCH_JPEGS";
/// The quality of the drawn pictures.
const SOURCE_QUALITY: u8 = 92;
/// The rounds of the comparisons in processor time.
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
        .into_iter()
        .flat_map(|size| [(size, 3), (size, 4)])
        .map(|((width, height), frame)| {
            let (jpeg, _) =
                Scene::new(5, width, height).jpeg(&mut codec, frame, SOURCE_QUALITY).expect("it encodes");
            named(format!("{width}x{height} frame {frame}"), jpeg.to_vec())
        })
        .collect()
}

fn with_pixels(codec: &mut Codec, input: &Input) {
    let planes = codec.decode(&SourcePicture::encoded(&input.jpeg).expect("a JPEG")).expect("it decodes");
    let luma = planes.luma();
    black_box(analysis_plane(luma.data, luma.width, luma.height, luma.stride));
    black_box(codec.encode_jpeg(&planes, DEFAULT_JPEG_QUALITY).expect("it encodes"));
    codec.recycle(planes);
}

fn without_pixels(codec: &mut Codec, input: &Input) {
    black_box(transcoded(codec, input, Huffman::Standard));
}

fn transcoded(codec: &mut Codec, input: &Input, huffman: Huffman<'_>) -> TranscodedPicture {
    let request = TranscodeRequest {
        quality: Some(DEFAULT_JPEG_QUALITY),
        chroma: ChromaSubsampling::Auto,
        luma: analysis_size(input.size.0 as usize, input.size.1 as usize),
        thumbnail: None,
        huffman,
    };
    let source = SourcePicture::encoded(&input.jpeg).expect("a JPEG");
    codec.transcode(&source, &request).expect("a plain JPEG")
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

/// Prints the bytes and the processor time of each picture with the standard Huffman tables, and with
/// those of the picture before it. Both run in turns, and the shortest of all rounds counts.
fn huffman_tables(_: &mut Criterion) {
    let mut codec = Codec::new(Limits::default());
    let mut before: Option<HuffmanCodes> = None;
    for input in inputs() {
        let mut best = [Duration::MAX; 2];
        let mut bytes = [0; 2];
        let mut next = None;
        for _ in 0..ROUNDS {
            let both = [Huffman::Standard, Huffman::Stream(before.as_ref())];
            for ((huffman, best), bytes) in both.into_iter().zip(&mut best).zip(&mut bytes) {
                let start = processor_time();
                let made = black_box(transcoded(&mut codec, &input, huffman));
                *best = (*best).min(processor_time() - start);
                *bytes = made.jpeg.map_or(0, |jpeg| jpeg.len());
                next = made.codes.or(next);
            }
        }
        let [standard, stream] = best.map(|time| time.as_secs_f64() * 1e3);
        println!(
            "{}: standard {} bytes, {standard:.2} ms; stream {} bytes, {stream:.2} ms: {:+.1} % bytes, {:+.1} % time",
            input.name,
            bytes[0],
            bytes[1],
            100.0 * (bytes[1] as f64 / bytes[0] as f64 - 1.0),
            100.0 * (stream / standard - 1.0),
        );
        before = next;
    }
}

fn processor_time() -> Duration {
    clock_gettime(ClockId::CLOCK_THREAD_CPUTIME_ID).expect("a clock").into()
}

criterion_group! {
    name = benches;
    config = Criterion::default().sample_size(20).measurement_time(Duration::from_secs(3));
    targets = transcode, ratio_in_processor_time, huffman_tables
}
criterion_main!(benches);
