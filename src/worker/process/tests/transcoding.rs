//! Tests of pictures whose pixels are not decoded: which they are, and that the result is the same.

use super::*;
use crate::analysis::FrameMeasures;
use crate::domain::{ChromaSubsampling, HuffmanTables, Stage};
use crate::picture::tests::{EncoderSettings, foreign_jpeg, real_frame};
use crate::picture::{HuffmanCodes, Subsampling};
use crate::worker::measure;

fn drawn(width: u32, height: u32, settings: EncoderSettings) -> Bytes {
    let canvas = Scene::new(5, width, height).draw(40).0;
    foreign_jpeg(canvas.pixels(), width, height, settings).into()
}

fn fine(width: u32, height: u32) -> Bytes {
    drawn(width, height, EncoderSettings { quality: 94, ..EncoderSettings::PLAIN })
}

fn stages(product: &Product) -> Vec<Stage> {
    product.stages.iter().map(|timing| timing.stage).collect()
}

const WITHOUT_PIXELS: [Stage; 3] = [Stage::Transcode, Stage::Analyze, Stage::Thumbnail];
const WITH_PIXELS: [Stage; 4] = [Stage::Decode, Stage::Analyze, Stage::Thumbnail, Stage::Encode];

#[test]
fn plain_jpegs_are_transcoded_and_all_others_are_decoded() {
    let settings = StreamSettings::default();
    for subsampling in [Subsampling::S420, Subsampling::S422, Subsampling::S444, Subsampling::Gray] {
        let source = drawn(320, 180, EncoderSettings { quality: 94, subsampling, ..EncoderSettings::PLAIN });
        let (product, _) = work(&source, PictureFormat::Jpeg, &settings);
        assert_eq!(stages(&product), WITHOUT_PIXELS, "{subsampling:?}");
        assert_eq!(product.outcome.reencode, Reencode::Encoded);
        assert_eq!(product.outcome.quality, Some(85));
        let made = bytes(&product, PictureRole::Processed);
        assert_eq!(decode(&made).subsampling(), subsampling);
        assert!(made.len() < source.len() && product.outcome.bytes == made.len() as u64);
    }
    let plain = fine(320, 180);
    let progressive =
        drawn(320, 180, EncoderSettings { quality: 94, progressive: true, ..EncoderSettings::PLAIN });
    let s411 = EncoderSettings { quality: 94, subsampling: Subsampling::S411, ..EncoderSettings::PLAIN };
    let webp = codec().encode(&decode(&plain), OutputFormat::WebP, 90).unwrap();
    for (source, format) in [
        (progressive, PictureFormat::Jpeg),
        (drawn(320, 180, s411), PictureFormat::Jpeg),
        (with_exif(&plain, 6), PictureFormat::Jpeg),
        (webp, PictureFormat::WebP),
    ] {
        assert_eq!(stages(&work(&source, format, &settings).0), WITH_PIXELS);
    }
    // A thumbnail as large as the picture needs all pixels.
    let small = fine(120, 80);
    assert_eq!(stages(&work(&small, PictureFormat::Jpeg, &settings).0), WITH_PIXELS);
}

#[test]
fn pixels_are_decoded_if_the_output_needs_them() {
    let source = fine(320, 180);
    let rendition = Rendition::default();
    let outputs = [
        OutputPolicy {
            rendition: Rendition { format: OutputFormat::Png, ..rendition },
            ..OutputPolicy::default()
        },
        OutputPolicy { rendition: Rendition { max_width: 200, ..rendition }, ..OutputPolicy::default() },
        OutputPolicy { chroma: ChromaSubsampling::S444, ..OutputPolicy::default() },
    ];
    for output in outputs {
        let (product, _) = work(&source, PictureFormat::Jpeg, &policy(output));
        assert!(stages(&product).contains(&Stage::Decode), "{output:?}");
    }
    let (product, _) = work(&source, PictureFormat::Jpeg, &masked(OutputPolicy::default()));
    assert!(!stages(&product).contains(&Stage::Transcode), "masks");
    // The chroma subsampling that the picture has anyway is no reason.
    let same = policy(OutputPolicy { chroma: ChromaSubsampling::S420, ..OutputPolicy::default() });
    assert_eq!(stages(&work(&source, PictureFormat::Jpeg, &same).0), WITHOUT_PIXELS);
}

/// With AUTO, a result that is not smaller is dropped.
#[test]
fn a_transcoded_picture_is_never_larger_than_the_submitted_one() {
    for quality in [83, 85, 86, 88, 92] {
        // The codes of the source suit it, and those of the output are the standard ones.
        let settings = EncoderSettings { quality, optimize: true, ..EncoderSettings::PLAIN };
        let source = drawn(320, 180, settings);
        let (product, stored) = work(&source, PictureFormat::Jpeg, &StreamSettings::default());
        assert!(product.outcome.bytes <= source.len() as u64, "{quality}");
        if product.outcome.reencode == Reencode::PassedThrough {
            assert_eq!(picture(&product, PictureRole::Processed).unwrap().payload, stored, "{quality}");
        }
        let always = policy(OutputPolicy { reencode: ReencodeMode::Always, ..OutputPolicy::default() });
        let (product, _) = work(&source, PictureFormat::Jpeg, &always);
        assert_eq!(product.outcome.reencode, Reencode::Encoded, "{quality}");
        assert_eq!(stages(&product), WITHOUT_PIXELS, "{quality}");
    }
}

/// A picture that is passed on is read, but not encoded.
#[test]
fn a_picture_that_is_passed_on_has_measures_and_a_thumbnail() {
    let source = drawn(320, 180, EncoderSettings { quality: 60, ..EncoderSettings::PLAIN });
    let (product, stored) = work(&source, PictureFormat::Jpeg, &StreamSettings::default());
    assert_eq!(product.outcome.reencode, Reencode::PassedThrough);
    assert_eq!(stages(&product), [Stage::Decode, Stage::Analyze, Stage::Thumbnail]);
    assert_eq!(picture(&product, PictureRole::Processed).unwrap().payload, stored);
    assert_close("passed on", product.measures.as_ref().unwrap(), &measure(&decode(&source), &[]));
}

#[test]
fn a_budget_of_bytes_is_kept() {
    let source = fine(320, 180);
    let settings = StreamSettings::default();
    let (whole, _) = work(&source, PictureFormat::Jpeg, &settings);
    let output = &settings.output.effective(&OutputPolicy::default());
    let (stored, info) = (PayloadRef { key: PayloadKey::random(), size_bytes: 0 }, source_info(&source));
    let allowed = whole.outcome.bytes * 2 / 3;
    let mut allowance = Allowance::fixed(85);
    (allowance.bytes, allowance.limit, allowance.minimum.quality) = (allowed, allowed, 20);
    let task = Task {
        source: &info,
        data: &source,
        is_repaired: false,
        stored,
        settings: &settings,
        output,
        allowance,
        codes: None,
    };
    let product = process(&mut codec(), &task).unwrap();
    assert!(product.outcome.bytes <= allowed && product.outcome.quality < Some(85));
    assert_eq!(stages(&product), WITH_PIXELS, "qualities are tried on pixels");
}

/// Asserts that the measures are within 2 %, or within what rounding a sample may change.
fn assert_close(name: &str, got: &FrameMeasures, expected: &FrameMeasures) {
    let (a, b) = (&got.quality, &expected.quality);
    for (measure, got, expected) in [
        ("mean_luma", a.mean_luma, b.mean_luma),
        ("rms_contrast", a.rms_contrast, b.rms_contrast),
        ("laplacian_variance", a.laplacian_variance, b.laplacian_variance),
        ("noise_sigma", a.noise_sigma, b.noise_sigma),
        ("quality_score", a.quality_score, b.quality_score),
    ] {
        let off = (got / expected - 1.0).abs();
        assert!(off <= 0.02, "{name} {measure}: {got} instead of {expected}");
    }
    assert_eq!(got.lighting.class, expected.lighting.class, "{name}");
    assert_eq!(got.weather.class, expected.weather.class, "{name}");
    assert_eq!(got.size, expected.size, "{name}");
}

#[test]
fn measures_are_the_same_within_two_percent() {
    let mut sources = Vec::new();
    for (width, height) in [(320, 180), (640, 360), (768, 432), (1_000, 562), (1_280, 720), (1_920, 1_080)] {
        sources.push((format!("{width}x{height}"), fine(width, height)));
    }
    let expected = real_frame("expected-luma-metrics.json");
    if let Some(text) = &expected {
        let json: serde_json::Value = serde_json::from_slice(text).unwrap();
        let names: Vec<String> = json["frames"].as_object().unwrap().keys().cloned().collect();
        sources.extend(names.into_iter().map(|name| (name.clone(), real_frame(&name).unwrap().into())));
    }
    let always = policy(OutputPolicy { reencode: ReencodeMode::Always, ..OutputPolicy::default() });
    for (name, source) in &sources {
        let (product, _) = work(source, PictureFormat::Jpeg, &always);
        assert_eq!(stages(&product), WITHOUT_PIXELS, "{name}");
        let measures = product.measures.as_ref().unwrap();
        assert_close(name, measures, &measure(&decode(source), &[]));
        let Some(text) = &expected else { continue };
        let json: serde_json::Value = serde_json::from_slice(text).unwrap();
        let quality = &measures.quality;
        for (key, got) in [
            ("mean_luma", quality.mean_luma),
            ("rms_contrast", quality.rms_contrast),
            ("laplacian_variance", quality.laplacian_variance),
            ("noise_sigma", quality.noise_sigma),
        ] {
            let Some(expected) = json["frames"][name][key].as_f64() else { continue };
            assert!((got / expected - 1.0).abs() <= 0.02, "{name} {key}: {got} instead of {expected}");
        }
    }
}

#[test]
fn thumbnails_look_the_same() {
    for (width, height) in [(320, 180), (180, 320), (322, 178), (768, 432), (1_280, 720)] {
        let source = fine(width, height);
        let (product, _) = work(&source, PictureFormat::Jpeg, &StreamSettings::default());
        let thumbnail = decode(&bytes(&product, PictureRole::Thumbnail));
        let mut codec = codec();
        let expected = codec.thumbnail(&decode(&source), 128, super::super::THUMBNAIL_QUALITY).unwrap();
        let expected = decode(&expected);
        assert_eq!((thumbnail.width(), thumbnail.height()), (expected.width(), expected.height()));
        for (a, b) in samples(&thumbnail).iter().zip(&samples(&expected)) {
            assert_eq!(a.len(), b.len());
            let squares: f64 = a.iter().zip(b).map(|(a, b)| f64::from(a.abs_diff(*b)).powi(2)).sum();
            let psnr = 10.0 * (255.0 * 255.0 * a.len() as f64 / squares.max(1e-9)).log10();
            assert!(psnr > 26.0, "{width}x{height}: {psnr:.1} dB");
        }
    }
}

#[test]
fn metadata_is_removed_or_kept_as_for_other_pictures() {
    let source = with_exif(&fine(320, 180), 1);
    let (product, _) = work(&source, PictureFormat::Jpeg, &StreamSettings::default());
    assert_eq!(stages(&product), WITHOUT_PIXELS);
    let has_secret = |product: &Product| {
        bytes(product, PictureRole::Processed).windows(6).any(|window| window == b"SECRET")
    };
    assert!(!has_secret(&product));
    let kept = policy(OutputPolicy { keep_metadata: true, ..OutputPolicy::default() });
    let (product, _) = work(&source, PictureFormat::Jpeg, &kept);
    assert_eq!(stages(&product), WITHOUT_PIXELS);
    assert!(has_secret(&product));
}

fn samples(planes: &Planes) -> Vec<Vec<u8>> {
    let planes = std::iter::once(planes.luma()).chain(planes.chroma().into_iter().flatten());
    planes.map(|plane| plane.rows().flatten().copied().collect()).collect()
}

/// On both ways: transcoded, and decoded and scaled.
#[test]
fn huffman_tables_of_the_stream_take_fewer_bytes_and_change_no_pixel() {
    let source = fine(640, 360);
    for (max_width, ways) in [(0, &WITHOUT_PIXELS[..]), (320, &[Stage::Decode, Stage::Analyze][..])] {
        let with = |huffman, codes: Option<&HuffmanCodes>| {
            let rendition = Rendition { max_width, ..Rendition::default() };
            let output = OutputPolicy { rendition, huffman, ..OutputPolicy::default() };
            let task = Task {
                source: &source_info(&source),
                data: &source,
                is_repaired: false,
                stored: PayloadRef { key: PayloadKey::random(), size_bytes: 0 },
                settings: &policy(output),
                output: &output,
                allowance: Allowance::fixed(85),
                codes,
            };
            let product = process(&mut codec(), &task).unwrap();
            assert!(stages(&product).starts_with(ways), "{:?}", product.stages);
            (bytes(&product, PictureRole::Processed), product.codes)
        };
        let (standard, none) = with(HuffmanTables::Standard, None);
        assert!(none.is_none());
        let (first, codes) = with(HuffmanTables::Stream, None);
        assert!(first == standard, "the first frame has the standard tables");
        let (next, _) = with(HuffmanTables::Stream, codes.as_ref());
        assert!(next.len() < standard.len() * 99 / 100, "{} and {} bytes", next.len(), standard.len());
        assert!(samples(&decode(&next)) == samples(&decode(&standard)));
        // The setting rules, whatever is known.
        assert!(with(HuffmanTables::Standard, codes.as_ref()).0 == standard);
    }
}
