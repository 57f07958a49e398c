//! Tests which pictures are passed through and which are encoded again, and with which colours and
//! chroma.

use super::*;
use crate::domain::ChromaSubsampling;
use crate::picture::tests::{EncoderSettings, arithmetic_jpeg, foreign_jpeg, foreign_png, pixels_of};
use crate::picture::{Canvas, Plane, Subsampling};

/// Returns the drawn road as another encoder encodes it.
fn road(size: (u32, u32), settings: EncoderSettings) -> Bytes {
    encode(&Scene::new(5, size.0, size.1).draw(40).0, settings)
}

fn encode(canvas: &Canvas, settings: EncoderSettings) -> Bytes {
    foreign_jpeg(canvas.pixels(), canvas.width(), canvas.height(), settings).into()
}

/// The same file with other steps in its quantisation tables: `change` gets the table's number, and
/// its steps in zigzag order.
fn with_tables(jpeg: &[u8], change: impl Fn(u8, &mut [u8])) -> Bytes {
    let mut file = jpeg.to_vec();
    let mut at = 2;
    while file[at + 1] != 0xDA {
        let end = at + 2 + usize::from(u16::from_be_bytes([file[at + 2], file[at + 3]]));
        if file[at + 1] == 0xDB {
            for table in file[at + 4..end].chunks_mut(65) {
                let (number, steps) = table.split_first_mut().unwrap();
                change(*number, steps);
            }
        }
        at = end;
    }
    file.into()
}

fn auto(quality: u8) -> StreamSettings {
    let rendition = Rendition { quality, ..Rendition::default() };
    policy(OutputPolicy { rendition, thumbnail_size: 0, ..OutputPolicy::default() })
}

#[test]
fn a_few_finer_steps_are_no_reason_to_encode_again() {
    let size = (320, 240);
    let coarse = road(size, EncoderSettings { quality: 50, ..EncoderSettings::PLAIN });
    let fine_dc = with_tables(&coarse, |_, steps| steps[0] = 4);
    let fine_chroma = with_tables(&coarse, |number, steps| {
        if number == 1 {
            steps.iter_mut().for_each(|step| *step /= 3);
        }
    });
    for source in [fine_dc, fine_chroma] {
        let (product, stored) = work(&source, PictureFormat::Jpeg, &auto(85));
        assert_eq!(product.outcome.reencode, Reencode::PassedThrough);
        assert_eq!(product.outcome.bytes, source.len() as u64);
        assert_eq!(picture(&product, PictureRole::Processed).unwrap().payload, stored);
    }
}

#[test]
fn the_processed_picture_is_never_larger_than_the_submitted_one() {
    let mut passed = 0;
    for size in [(64, 48), (160, 120)] {
        let canvas = Scene::new(5, size.0, size.1).draw(40).0;
        for quality in [30, 60, 80, 84, 86, 88, 92, 97] {
            for (progressive, optimize) in [(false, false), (false, true), (true, true)] {
                for subsampling in [Subsampling::S420, Subsampling::S444, Subsampling::Gray] {
                    let source =
                        encode(&canvas, EncoderSettings { quality, subsampling, progressive, optimize });
                    for wanted in [50, 85, 95] {
                        let (product, _) = work(&source, PictureFormat::Jpeg, &auto(wanted));
                        let case = format!("{size:?} {quality} {progressive} {subsampling:?} to {wanted}");
                        assert!(product.outcome.bytes <= source.len() as u64, "{case}");
                        let finer = quality > i32::from(wanted);
                        passed += usize::from(finer && product.outcome.reencode == Reencode::PassedThrough);
                    }
                }
            }
        }
    }
    assert!(passed > 0, "some pictures of a higher quality would become larger");
}

#[test]
fn a_processed_webp_is_never_larger_than_the_submitted_one() {
    let planes = decode(&jpeg(60));
    for (from, to) in [
        (OutputFormat::WebP, OutputFormat::WebP),
        (OutputFormat::WebP, OutputFormat::WebPLossless),
        (OutputFormat::WebPLossless, OutputFormat::WebPLossless),
        (OutputFormat::WebPLossless, OutputFormat::WebP),
        (OutputFormat::Png, OutputFormat::Png),
    ] {
        for quality in [20, 80] {
            let source = codec().encode(&planes, from, quality).unwrap();
            let rendition = Rendition { format: to, ..Rendition::default() };
            let settings = policy(OutputPolicy { rendition, ..OutputPolicy::default() });
            let (product, _) = work(&source, from.picture_format(), &settings);
            assert!(product.outcome.bytes <= source.len() as u64, "{from:?} to {to:?}");
            if from == OutputFormat::WebP {
                assert_eq!(product.outcome.reencode, Reencode::PassedThrough, "{from:?} to {to:?}");
            }
        }
    }
}

#[test]
fn a_picture_is_encoded_if_size_orientation_masks_or_mode_require_it() {
    let source =
        road((320, 240), EncoderSettings { quality: 20, progressive: true, ..EncoderSettings::PLAIN });
    let always = OutputPolicy { reencode: ReencodeMode::Always, ..OutputPolicy::default() };
    let small = Rendition { max_width: 319, ..Rendition::default() };
    for settings in [
        policy(always),
        policy(OutputPolicy { rendition: small, ..OutputPolicy::default() }),
        masked(OutputPolicy::default()),
    ] {
        assert_eq!(work(&source, PictureFormat::Jpeg, &settings).0.outcome.reencode, Reencode::Encoded);
    }
    let turned = with_exif(&source, 3);
    assert_eq!(work(&turned, PictureFormat::Jpeg, &auto(85)).0.outcome.reencode, Reencode::Encoded);
}

#[test]
fn pictures_that_some_viewers_refuse_are_encoded_again() {
    let png = codec().encode(&decode(&jpeg(90)), OutputFormat::Png, 0).unwrap();
    // Makes the checksum of the pixels wrong. It ends the last IDAT chunk, whose own checksum is
    // right.
    let at = png.windows(4).rposition(|name| name == b"IDAT").unwrap();
    let len = u32::from_be_bytes(png[at - 4..at].try_into().unwrap()) as usize;
    let mut wrong = png[..at - 4].to_vec();
    let mut body = png[at + 4..at + 4 + len].to_vec();
    *body.last_mut().unwrap() ^= 1;
    let mut checksum = flate2::Crc::new();
    checksum.update(b"IDAT");
    checksum.update(&body);
    wrong.extend([&(len as u32).to_be_bytes()[..], b"IDAT", &body, &checksum.sum().to_be_bytes()].concat());
    wrong.extend_from_slice(&png[at + 8 + len..]);
    let no_end = png[..png.len() - 12].to_vec();
    for source in [Bytes::from(wrong), Bytes::from(no_end)] {
        for (reencode, keep_metadata) in
            [(ReencodeMode::Auto, false), (ReencodeMode::Never, false), (ReencodeMode::Never, true)]
        {
            let rendition = Rendition { format: OutputFormat::Png, ..Rendition::default() };
            let output = OutputPolicy { rendition, reencode, keep_metadata, ..OutputPolicy::default() };
            let (product, _) = work(&source, PictureFormat::Png, &policy(output));
            assert_eq!(product.outcome.reencode, Reencode::Encoded, "{reencode:?}");
            let made = bytes(&product, PictureRole::Processed);
            assert!(picture::is_widely_viewable(PictureFormat::Png, &made));
            // Pixels that were converted to planes twice may differ by a few levels.
            let pairs = pixels_of(&made).into_iter().zip(pixels_of(&png));
            assert!(pairs.map(|(a, b)| a.abs_diff(b)).max().unwrap() <= 4, "{reencode:?}");
        }
    }
}

/// Browsers, Safari and Go show only Huffman codes, although arithmetic codes take fewer bytes.
#[test]
fn a_jpeg_of_arithmetic_codes_is_encoded_again() {
    let canvas = Scene::new(5, 320, 240).draw(40).0;
    let source = Bytes::from(arithmetic_jpeg(canvas.pixels(), 320, 240));
    for (reencode, keep_metadata) in
        [(ReencodeMode::Auto, false), (ReencodeMode::Never, false), (ReencodeMode::Never, true)]
    {
        let output = OutputPolicy { reencode, keep_metadata, ..OutputPolicy::default() };
        let (product, _) = work(&source, PictureFormat::Jpeg, &policy(output));
        assert_eq!(product.outcome.reencode, Reencode::Encoded, "{reencode:?}");
        let made = bytes(&product, PictureRole::Processed);
        assert!(picture::is_widely_viewable(PictureFormat::Jpeg, &made), "{reencode:?}");
        assert!(!picture::is_widely_viewable(PictureFormat::Jpeg, &source));
    }
}

/// Returns the mean of red minus blue as a viewer that ignores profiles shows it.
fn redness(jpeg: &[u8]) -> f64 {
    let planes = decode(&without_profile(jpeg));
    let [cb, cr] = planes.chroma().unwrap();
    let mean = |plane: Plane<'_>| {
        let samples: Vec<f64> = plane.rows().flatten().map(|s| f64::from(*s)).collect();
        samples.iter().sum::<f64>() / samples.len() as f64
    };
    mean(cr) - mean(cb)
}

fn without_profile(jpeg: &[u8]) -> Vec<u8> {
    let mut file = jpeg.to_vec();
    while let Some(at) =
        file.windows(15).position(|part| part.starts_with(&[0xFF, 0xE2]) && &part[4..] == b"ICC_PROFILE")
    {
        let len = usize::from(u16::from_be_bytes([file[at + 2], file[at + 3]]));
        file.drain(at..at + 2 + len);
    }
    file
}

#[test]
fn colours_of_a_profile_are_right_in_every_output() {
    use crate::picture::tests::profiles::{swapped, with_profile};
    let red: Vec<u8> = [200, 60, 40].repeat(64 * 48);
    let plain = foreign_jpeg(&red, 64, 48, EncoderSettings { quality: 60, ..EncoderSettings::PLAIN });
    // The profile swaps red and blue: what is stored as red is shown as blue.
    let source: Bytes = with_profile(&plain, Some(&swapped())).into();
    for reencode in [ReencodeMode::Auto, ReencodeMode::Never, ReencodeMode::Always] {
        for keep_metadata in [false, true] {
            let output = OutputPolicy { reencode, keep_metadata, ..OutputPolicy::default() };
            for settings in [policy(output), masked(output)] {
                let (product, stored) = work(&source, PictureFormat::Jpeg, &settings);
                let processed = picture(&product, PictureRole::Processed).unwrap().payload;
                let made = if processed == stored {
                    source.clone()
                } else {
                    bytes(&product, PictureRole::Processed)
                };
                let has_profile = without_profile(&made).len() < made.len();
                // Either the profile is still there, or the pixels are what it said.
                assert_eq!(redness(&made) > 0.0, has_profile, "{reencode:?}, {keep_metadata}");
                assert!(
                    redness(&bytes(&product, PictureRole::Thumbnail)) < -10.0,
                    "{reencode:?}, {keep_metadata}"
                );
            }
        }
    }
}

/// Red and blue columns of one pixel each: half the chroma makes them violet.
fn stripes() -> Vec<u8> {
    (0..32 * 24).flat_map(|at| if at % 32 % 2 == 0 { [200, 60, 40] } else { [40, 60, 200] }).collect()
}

#[test]
fn chroma_follows_the_setting_or_else_the_picture() {
    let smooth: Vec<u8> = (0..32 * 24_u32).flat_map(|at| [60 + (at % 32) as u8, 90, 120]).collect();
    let png = |rgb: &[u8]| Bytes::from(foreign_png(rgb, 32, 24));
    let jpeg = |subsampling| {
        Bytes::from(foreign_jpeg(
            &stripes(),
            32,
            24,
            EncoderSettings { quality: 98, subsampling, ..EncoderSettings::PLAIN },
        ))
    };
    use {ChromaSubsampling as Asked, PictureFormat as From, Subsampling as Got};
    for (source, from, asked, got) in [
        (png(&smooth), From::Png, Asked::Auto, Got::S420),
        (png(&stripes()), From::Png, Asked::Auto, Got::S444),
        (png(&stripes()), From::Png, Asked::S420, Got::S420),
        (png(&stripes()), From::Png, Asked::S422, Got::S422),
        (png(&smooth), From::Png, Asked::S444, Got::S444),
        (jpeg(Got::S444), From::Jpeg, Asked::Auto, Got::S444),
        (jpeg(Got::S422), From::Jpeg, Asked::Auto, Got::S422),
        (jpeg(Got::S422), From::Jpeg, Asked::S420, Got::S420),
        (jpeg(Got::S444), From::Jpeg, Asked::S422, Got::S422),
        (jpeg(Got::S420), From::Jpeg, Asked::S444, Got::S444),
    ] {
        for max_width in [0, 16] {
            let output = OutputPolicy {
                chroma: asked,
                reencode: ReencodeMode::Always,
                rendition: Rendition { max_width, ..Rendition::default() },
                ..OutputPolicy::default()
            };
            let (product, _) = work(&source, from, &policy(output));
            let made = decode(&bytes(&product, PictureRole::Processed));
            // At half the size, the stripes are gone, and 4:2:2 planes have more chroma than is
            // needed.
            if max_width == 0 || asked != Asked::Auto {
                assert_eq!(made.subsampling(), got, "{from} for {asked:?}, {max_width} wide");
            }
        }
    }
}

#[test]
fn a_lossless_output_of_pixels_loses_no_colour() {
    let stripes = stripes();
    for format in [OutputFormat::Png, OutputFormat::WebPLossless] {
        let source = SourceInfo {
            format: PictureFormat::Rgb8,
            width: 32,
            height: 24,
            row_stride_bytes: 0,
            colors: Default::default(),
            size_bytes: stripes.len() as u64,
            digest: Digest([0; 32]),
        };
        let data = Bytes::from(stripes.clone());
        let stored = PayloadRef { key: PayloadKey::random(), size_bytes: data.len() as u64 };
        let rendition = Rendition { format, ..Rendition::default() };
        let output = OutputPolicy { rendition, ..OutputPolicy::default() };
        let task = Task {
            source: &source,
            data: &data,
            is_repaired: false,
            stored,
            settings: &StreamSettings::default(),
            output: &output,
            allowance: Allowance::fixed(85),
            codes: None,
        };
        let product = process(&mut codec(), &task).unwrap();
        let made = bytes(&product, PictureRole::Processed);
        let shown = pixels_of(&made);
        let largest = shown.iter().zip(&stripes).map(|(a, b)| a.abs_diff(*b)).max().unwrap();
        assert!(largest <= 4, "{format:?}: off by {largest}");
    }
}
