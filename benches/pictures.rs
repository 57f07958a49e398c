//! The steps of processing a picture in a worker: decode, measure, thumbnail, encode. 1080p and
//! 720p, as cameras send them.

use std::hint::black_box;
use std::time::{Duration, Instant};

use criterion::{BatchSize, BenchmarkId, Criterion, Throughput, criterion_group, criterion_main};
use frameway::analysis::{SceneModel, analysis_plane};
use frameway::domain::PictureFormat;
use frameway::picture::{Codec, DEFAULT_JPEG_QUALITY, DEFAULT_THUMBNAIL_SIDE, Limits, Planes, SourcePicture};
use frameway::scene::Scene;
use frameway::worker::measure;
use image::{ExtendedColorType, ImageEncoder as _};

const SIZES: [(u32, u32); 2] = [(1_280, 720), (1_920, 1_080)];

struct Input {
    name: String,
    format: PictureFormat,
    width: u32,
    height: u32,
    data: Vec<u8>,
}

impl Input {
    fn source(&self) -> SourcePicture<'_> {
        SourcePicture {
            format: self.format,
            width: self.width,
            height: self.height,
            stride: 0,
            colors: Default::default(),
            data: &self.data,
        }
    }

    fn planes(&self) -> Planes {
        Codec::new(Limits::default()).decode(&self.source()).expect("it decodes")
    }
}

fn inputs((width, height): (u32, u32)) -> Vec<Input> {
    let rgb = Scene::new(5, width, height).draw(3).0;
    let canvas = Codec::new(Limits::default()).encode_canvas(&rgb, DEFAULT_JPEG_QUALITY).expect("it encodes");
    let (mut png, mut webp) = (Vec::new(), Vec::new());
    let color = ExtendedColorType::Rgb8;
    let encoder = image::codecs::png::PngEncoder::new(&mut png);
    encoder.write_image(rgb.pixels(), width, height, color).expect("it encodes");
    let encoder = image::codecs::webp::WebPEncoder::new_lossless(&mut webp);
    encoder.write_image(rgb.pixels(), width, height, color).expect("it encodes");
    let nv12 = rgb.pixels()[..(width * height * 3 / 2) as usize].to_vec();
    let input = |format: PictureFormat, data| Input {
        name: format!("{format} {width}x{height}"),
        format,
        width,
        height,
        data,
    };
    vec![
        input(PictureFormat::Jpeg, canvas.to_vec()),
        input(PictureFormat::Png, png),
        input(PictureFormat::WebP, webp),
        input(PictureFormat::Rgb8, rgb.pixels().to_vec()),
        input(PictureFormat::Nv12, nv12),
    ]
}

fn decode(c: &mut Criterion) {
    let mut group = c.benchmark_group("decode");
    for input in SIZES.into_iter().flat_map(inputs) {
        let mut codec = Codec::new(Limits::default());
        group.throughput(Throughput::Elements(u64::from(input.width) * u64::from(input.height)));
        group.bench_with_input(BenchmarkId::from_parameter(&input.name), &input, |b, input| {
            b.iter(|| {
                let planes = codec.decode(&input.source()).expect("it decodes");
                codec.recycle(planes);
            });
        });
    }
}

/// Runs `work` on the planes of each JPEG.
fn on_planes(c: &mut Criterion, name: &str, mut work: impl FnMut(&mut Codec, &Planes)) {
    let mut group = c.benchmark_group(name);
    for size in SIZES {
        let planes = inputs(size).remove(0).planes();
        let mut codec = Codec::new(Limits::default());
        group.throughput(Throughput::Elements(u64::from(size.0) * u64::from(size.1)));
        group.bench_function(format!("{}x{}", size.0, size.1), |b| b.iter(|| work(&mut codec, &planes)));
    }
}

fn encode(c: &mut Criterion) {
    on_planes(c, "encode", |codec, planes| {
        black_box(codec.encode_jpeg(planes, DEFAULT_JPEG_QUALITY).expect("it encodes"));
    });
}

fn thumbnail(c: &mut Criterion) {
    on_planes(c, "thumbnail", |codec, planes| {
        black_box(codec.thumbnail(planes, DEFAULT_THUMBNAIL_SIDE, 75).expect("it encodes"));
    });
}

fn measures(c: &mut Criterion) {
    on_planes(c, "analysis plane", |_, planes| {
        let luma = planes.luma();
        black_box(analysis_plane(luma.data, luma.width, luma.height, luma.stride));
    });
    on_planes(c, "measures of a picture", |_, planes| {
        black_box(measure(planes, &[]));
    });
    let planes = inputs(SIZES[1])[0].planes();
    let mut scene = None;
    c.bench_function("measures of a scene", |b| {
        b.iter_batched(
            || measure(&planes, &[]),
            |still| SceneModel::observe(&mut scene, still),
            BatchSize::SmallInput,
        );
    });
}

/// Prints the time of all measures of a 1080p picture as a share of the codec's time; each time is
/// the best of several runs. If [`DENSE_JPEG`] is set, uses the file that it names instead of a
/// drawn picture, which takes the codec less time.
fn measures_beside_the_codec(_: &mut Criterion) {
    let jpeg = match std::env::var_os(DENSE_JPEG) {
        Some(path) => std::fs::read(path).expect("a JPEG of 1920x1080"),
        None => inputs(SIZES[1]).swap_remove(0).data,
    };
    let (mut codec, mut scene) = (Codec::new(Limits::default()), None);
    let mut best = [Duration::MAX; 4];
    // The first picture of a scene takes less time than the following ones, so it is not measured.
    let planes = codec.decode(&SourcePicture::encoded(&jpeg).expect("a JPEG")).expect("it decodes");
    SceneModel::observe(&mut scene, measure(&planes, &[]));
    for _ in 0..40 {
        let mut start = Instant::now();
        let mut lap = |index: usize| {
            best[index] = best[index].min(start.elapsed());
            start = Instant::now();
        };
        let planes = codec.decode(&SourcePicture::encoded(&jpeg).expect("a JPEG")).expect("it decodes");
        lap(0);
        let still = measure(&planes, &[]);
        lap(1);
        black_box(SceneModel::observe(&mut scene, still));
        lap(2);
        black_box(codec.encode_jpeg(&planes, DEFAULT_JPEG_QUALITY).expect("it encodes"));
        lap(3);
        codec.recycle(planes);
    }
    let [decode, still, in_order, encode] = best.map(|time| time.as_secs_f64() * 1e3);
    let (codec, measures) = (decode + encode, still + in_order);
    println!(
        "measures beside the codec: {still:.2} + {in_order:.2} ms of {codec:.2} ms, {:.1} % (limit 15 %)",
        100.0 * measures / codec
    );
}

/// The environment variable with the path of a JPEG.
const DENSE_JPEG: &str = "FRAMEWAY_BENCH_JPEG";

criterion_group! {
    name = benches;
    config = Criterion::default().sample_size(20).measurement_time(Duration::from_secs(3));
    targets = decode, encode, thumbnail, measures, measures_beside_the_codec
}
criterion_main!(benches);
