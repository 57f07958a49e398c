//! Tests of how one picture is processed by its stream's policy.

use bytes::Bytes;

use super::{Product, Task, process};
use crate::domain::{
    Digest, Failure, FailureReason, NormalizedPoint, OutputFormat, OutputPolicy, PayloadKey, PayloadRef,
    PictureFormat, PictureRole, Polygon, PrivacyMask, Reencode, ReencodeMode, Rendition, SourceInfo,
    StoredPicture, StreamSettings,
};
use crate::picture::tests::orientation::{Form, SIZE, forms};
use crate::picture::{self, Codec, Limits, Planes, SourcePicture};
use crate::scene::Scene;
use crate::worker::adaptive::Allowance;

fn codec() -> Codec {
    Codec::new(Limits::default())
}

fn jpeg(quality: u8) -> Bytes {
    Scene::new(5, 320, 180).jpeg(&mut codec(), 40, quality).unwrap().0
}

/// Returns the file with an EXIF block of this orientation after SOI.
fn with_exif(jpeg: &[u8], orientation: u8) -> Bytes {
    let mut block = b"Exif\0\0II\x2A\0\x08\0\0\0\x01\0\x12\x01\x03\0\x01\0\0\0".to_vec();
    block.extend_from_slice(&[orientation, 0, 0, 0, 0, 0, 0, 0]);
    block.extend_from_slice(b"SECRET");
    let len = (block.len() as u16 + 2).to_be_bytes();
    [&jpeg[..2], &[0xFF, 0xE1], &len, &block, &jpeg[2..]].concat().into()
}

fn policy(output: OutputPolicy) -> StreamSettings {
    StreamSettings { output: output.into(), ..StreamSettings::default() }
}

fn work(data: &Bytes, format: PictureFormat, settings: &StreamSettings) -> (Product, PayloadRef) {
    let (product, stored) = try_work(&mut codec(), data, format, settings);
    (product.unwrap(), stored)
}

fn source_info(data: &Bytes) -> SourceInfo {
    SourceInfo {
        format: PictureFormat::Jpeg,
        width: 0,
        height: 0,
        row_stride_bytes: 0,
        colors: Default::default(),
        size_bytes: data.len() as u64,
        digest: Digest([0; 32]),
    }
}

fn try_work(
    codec: &mut Codec,
    data: &Bytes,
    format: PictureFormat,
    settings: &StreamSettings,
) -> (Result<Product, Failure>, PayloadRef) {
    let stored = PayloadRef { key: PayloadKey::random(), size_bytes: data.len() as u64 };
    let source = SourceInfo { format, ..source_info(data) };
    let output = &settings.output.effective(&OutputPolicy::default());
    let allowance = Allowance::fixed(output.rendition.quality);
    let task =
        Task { source: &source, data, is_repaired: false, stored, settings, output, allowance, codes: None };
    (process(codec, &task), stored)
}

fn picture(product: &Product, role: PictureRole) -> Option<&StoredPicture> {
    product.pictures.iter().find(|picture| picture.role == role)
}

/// The bytes of a picture that is new.
fn bytes(product: &Product, role: PictureRole) -> Bytes {
    let payload = picture(product, role).unwrap().payload;
    product.uploads.iter().find(|upload| upload.payload == payload).unwrap().bytes.clone().unwrap()
}

fn luma(product: &Product) -> f64 {
    product.measures.as_ref().unwrap().quality.mean_luma
}

fn decode(data: &[u8]) -> Planes {
    codec().decode(&SourcePicture::encoded(data).unwrap()).unwrap()
}

#[test]
fn a_coarse_picture_is_passed_through_by_reference() {
    let (product, stored) = work(&jpeg(60), PictureFormat::Jpeg, &StreamSettings::default());
    assert_eq!(picture(&product, PictureRole::Processed).unwrap().payload, stored);
    assert_eq!(product.outcome.reencode, Reencode::PassedThrough);
    assert_eq!(product.uploads.len(), 1, "the thumbnail is new");
    let (product, stored) = work(&jpeg(95), PictureFormat::Jpeg, &StreamSettings::default());
    assert_ne!(picture(&product, PictureRole::Processed).unwrap().payload, stored);
    assert_eq!(product.outcome.reencode, Reencode::Encoded);
    assert!(bytes(&product, PictureRole::Processed).len() < jpeg(95).len());
}

#[test]
fn a_coarse_picture_of_another_size_or_format_is_encoded() {
    let small = Rendition { max_width: 160, ..Rendition::default() };
    let webp = Rendition { format: OutputFormat::WebP, ..Rendition::default() };
    for rendition in [small, webp] {
        let settings = policy(OutputPolicy { rendition, ..OutputPolicy::default() });
        let (product, _) = work(&jpeg(60), PictureFormat::Jpeg, &settings);
        assert_eq!(product.outcome.reencode, Reencode::Encoded);
        let made = picture(&product, PictureRole::Processed).unwrap();
        let planes = decode(&bytes(&product, PictureRole::Processed));
        assert_eq!((made.width, made.height), (planes.width(), planes.height()));
        assert_eq!(made.format, rendition.format.picture_format());
        assert_eq!(made.width, if rendition.max_width == 0 { 320 } else { 160 });
    }
    let settings = policy(OutputPolicy { reencode: ReencodeMode::Always, ..OutputPolicy::default() });
    assert_eq!(work(&jpeg(60), PictureFormat::Jpeg, &settings).0.outcome.reencode, Reencode::Encoded);
}

#[test]
fn lossless_pictures_are_passed_through_unchanged() {
    let planes = decode(&jpeg(90));
    for (format, other) in
        [(OutputFormat::Png, OutputFormat::WebPLossless), (OutputFormat::WebPLossless, OutputFormat::WebP)]
    {
        let source = codec().encode(&planes, format, 80).unwrap();
        let outcome = |format: OutputFormat, like: OutputFormat| {
            let rendition = Rendition { format: like, ..Rendition::default() };
            let settings = policy(OutputPolicy { rendition, ..OutputPolicy::default() });
            work(&source, format.picture_format(), &settings).0.outcome.reencode
        };
        assert_eq!(outcome(format, format), Reencode::PassedThrough, "{format:?}");
        assert_eq!(outcome(format, other), Reencode::Encoded, "{format:?} to {other:?}");
    }
}

#[test]
fn metadata_is_removed_unless_it_is_to_be_kept() {
    let source = with_exif(&jpeg(60), 1);
    for reencode in [ReencodeMode::Auto, ReencodeMode::Never, ReencodeMode::Always] {
        let output = OutputPolicy { reencode, ..OutputPolicy::default() };
        let (product, stored) = work(&source, PictureFormat::Jpeg, &policy(output));
        assert_ne!(picture(&product, PictureRole::Processed).unwrap().payload, stored);
        let made = bytes(&product, PictureRole::Processed);
        assert!(!made.windows(6).any(|window| window == b"SECRET"), "{reencode:?}");
        if reencode != ReencodeMode::Always {
            assert_eq!(decode(&made), decode(&source), "{reencode:?}: the pixels are the same");
        }
        let kept = policy(OutputPolicy { keep_metadata: true, ..output });
        let (product, stored) = work(&source, PictureFormat::Jpeg, &kept);
        if reencode == ReencodeMode::Always {
            let made = bytes(&product, PictureRole::Processed);
            assert!(made.windows(6).any(|window| window == b"SECRET"));
        } else {
            assert_eq!(picture(&product, PictureRole::Processed).unwrap().payload, stored);
        }
    }
}

#[test]
fn kept_metadata_is_written_to_every_format_with_an_upright_orientation() {
    let planes = decode(&jpeg(90));
    let turned = with_exif(&jpeg(90), 6);
    let kept = picture::PreservedMetadata::of(PictureFormat::Jpeg, &turned);
    let png =
        kept.insert_into(PictureFormat::Png, codec().encode(&planes, OutputFormat::Png, 0).unwrap()).unwrap();
    let webp = codec().encode(&planes, OutputFormat::WebPLossless, 0).unwrap();
    let webp = kept.insert_into(PictureFormat::WebP, webp).unwrap();
    let sources = [(PictureFormat::Jpeg, turned), (PictureFormat::Png, png), (PictureFormat::WebP, webp)];
    for (from, source) in &sources {
        for format in [OutputFormat::Jpeg, OutputFormat::Png, OutputFormat::WebP, OutputFormat::WebPLossless]
        {
            for keep_metadata in [true, false] {
                let output = OutputPolicy {
                    rendition: Rendition { format, max_width: 90, ..Rendition::default() },
                    keep_metadata,
                    ..OutputPolicy::default()
                };
                let (product, _) = work(source, *from, &policy(output));
                let case = format!("{from} to {format:?}, {keep_metadata}");
                let made = bytes(&product, PictureRole::Processed);
                assert_eq!(product.outcome.bytes, made.len() as u64, "{case}");
                let has_secret = made.windows(6).any(|window| window == b"SECRET");
                assert_eq!(has_secret, keep_metadata, "{case}");
                let metadata = picture::Metadata::of(format.picture_format(), &made);
                assert_eq!(metadata.orientation, picture::Orientation::UPRIGHT, "{case}");
                let planes = decode(&made);
                let side = if *from == PictureFormat::Jpeg { (90, 160) } else { (90, 51) };
                assert_eq!((planes.width(), planes.height()), side, "{case}");
            }
            let (product, _) = work(
                source,
                *from,
                &masked(OutputPolicy {
                    rendition: Rendition { format, ..Rendition::default() },
                    keep_metadata: true,
                    ..OutputPolicy::default()
                }),
            );
            let made = bytes(&product, PictureRole::Processed);
            assert!(!made.windows(6).any(|window| window == b"SECRET"), "{from} to {format:?}, masked");
        }
    }
}

#[test]
fn a_rotated_picture_is_stored_upright() {
    let source = with_exif(&jpeg(60), 6);
    let (product, _) = work(&source, PictureFormat::Jpeg, &StreamSettings::default());
    assert_eq!(product.outcome.reencode, Reencode::Encoded);
    assert_eq!((product.width, product.height), (320, 180), "as it was decoded");
    let made = picture(&product, PictureRole::Processed).unwrap();
    assert_eq!((made.width, made.height), (180, 320));
    let thumbnail = decode(&bytes(&product, PictureRole::Thumbnail));
    assert_eq!((thumbnail.width(), thumbnail.height()), (72, 128));
    let never = policy(OutputPolicy { reencode: ReencodeMode::Never, ..OutputPolicy::default() });
    let (product, _) = work(&source, PictureFormat::Jpeg, &never);
    assert_eq!(product.outcome.reencode, Reencode::Disabled);
    let made = picture(&product, PictureRole::Processed).unwrap();
    assert_eq!((made.width, made.height), (320, 180), "the pixels are as they were");
}

fn masked(output: OutputPolicy) -> StreamSettings {
    let corners = [(0.25, 0.25), (0.75, 0.25), (0.75, 0.75), (0.25, 0.75)];
    let points = corners.map(|(x, y)| NormalizedPoint { x, y }).to_vec();
    let mask = PrivacyMask { id: "door".to_owned(), polygon: Polygon::new(points).unwrap() };
    StreamSettings { privacy_masks: vec![mask], mask_version: 3, ..policy(output) }
}

/// Reports whether everything inside the mask is black, except for the blocks at its edge, where
/// the encoder leaves artefacts.
fn is_hidden(planes: &Planes) -> bool {
    let (width, height) = (planes.width() as usize, planes.height() as usize);
    let inner = |side: usize| side * 35 / 100..side * 65 / 100;
    let rows: Vec<&[u8]> = planes.luma().rows().collect();
    rows[inner(height)].iter().all(|row| row[inner(width)].iter().all(|luma| *luma < 6))
}

#[test]
fn no_stored_picture_shows_the_masked_area() {
    let source = with_exif(&jpeg(60), 1);
    assert!(!is_hidden(&decode(&source)));
    for reencode in [ReencodeMode::Auto, ReencodeMode::Never, ReencodeMode::Always] {
        let output =
            OutputPolicy { reencode, keep_original: true, keep_metadata: true, ..OutputPolicy::default() };
        let settings = masked(output);
        let (product, stored) = work(&source, PictureFormat::Jpeg, &settings);
        assert_eq!(product.mask_version, 3);
        assert!(product.pictures.iter().all(|picture| picture.payload != stored), "{reencode:?}");
        assert!(picture(&product, PictureRole::Original).is_none());
        for role in [PictureRole::Processed, PictureRole::Thumbnail] {
            let bytes = bytes(&product, role);
            assert!(is_hidden(&decode(&bytes)), "{reencode:?} {role:?}");
            assert!(!bytes.windows(6).any(|part| part == b"SECRET"), "{reencode:?} {role:?}");
        }
        let allowed = masked(OutputPolicy { keep_unmasked_original: true, ..output });
        let (product, stored) = work(&source, PictureFormat::Jpeg, &allowed);
        assert_eq!(picture(&product, PictureRole::Original).unwrap().payload, stored);
        assert!(is_hidden(&decode(&bytes(&product, PictureRole::Processed))));
    }
}

#[test]
fn masks_are_painted_on_the_upright_picture_before_it_is_measured() {
    let corners = [(0.0, 0.0), (1.0, 0.0), (1.0, 0.5), (0.0, 0.5)];
    let points = corners.map(|(x, y)| NormalizedPoint { x, y }).to_vec();
    let mask = PrivacyMask { id: "sky".to_owned(), polygon: Polygon::new(points).unwrap() };
    let settings = StreamSettings { privacy_masks: vec![mask], mask_version: 1, ..StreamSettings::default() };
    let (product, _) = work(&with_exif(&jpeg(60), 6), PictureFormat::Jpeg, &settings);
    let planes = decode(&bytes(&product, PictureRole::Processed));
    let dark = planes.luma().rows().take(150).flatten().filter(|luma| **luma < 6).count();
    assert_eq!(dark, 150 * 180, "the upper half of the turned picture");
    let (whole, _) = work(&with_exif(&jpeg(60), 6), PictureFormat::Jpeg, &StreamSettings::default());
    assert!(luma(&product) < luma(&whole) * 0.75);
}

/// Masks the upper left quarter of the picture as it is shown, in every form in which a file can
/// state its orientation.
#[test]
fn masks_are_painted_correctly_for_every_form_of_orientation() {
    let corners = [(0.0, 0.0), (0.5, 0.0), (0.5, 0.5), (0.0, 0.5)];
    let points = corners.map(|(x, y)| NormalizedPoint { x, y }).to_vec();
    let mask = PrivacyMask { id: "door".to_owned(), polygon: Polygon::new(points).unwrap() };
    let rendition = Rendition { format: OutputFormat::Png, ..Rendition::default() };
    for reencode in [ReencodeMode::Auto, ReencodeMode::Never] {
        let output = OutputPolicy { reencode, rendition, keep_metadata: true, ..OutputPolicy::default() };
        let settings =
            StreamSettings { privacy_masks: vec![mask.clone()], mask_version: 1, ..policy(output) };
        for Form { name, format, data } in forms(6) {
            let (product, _) = work(&data.into(), format, &settings);
            let planes = decode(&bytes(&product, PictureRole::Processed));
            let (width, height) = (SIZE.1 as usize, SIZE.0 as usize);
            assert_eq!((planes.width(), planes.height()), (SIZE.1, SIZE.0), "{name}");
            let black: Vec<bool> = planes.luma().rows().flatten().map(|luma| *luma == 0).collect();
            let quarter = |x: usize, y: usize| {
                let rows = (y * height / 2..(y + 1) * height / 2).map(|row| row * width + x * width / 2);
                rows.flat_map(|row| &black[row..row + width / 2]).filter(|black| **black).count()
            };
            assert_eq!(quarter(0, 0), width * height / 4, "{name}: the mask");
            let beside = quarter(1, 0) + quarter(0, 1) + quarter(1, 1);
            // The drawn road has a few black pixels of its own.
            assert!(beside < width * height / 16, "{name}: {beside} more are black");
        }
    }
}

/// A reader that understands only an EXIF orientation of type SHORT shows the picture upright, and a
/// reader that understands every form does not rotate it twice.
#[test]
fn every_reader_shows_the_processed_picture_upright() {
    for Form { name, format, data } in forms(6) {
        let data = Bytes::from(data);
        for (reencode, keep_metadata) in [
            (ReencodeMode::Auto, false),
            (ReencodeMode::Auto, true),
            (ReencodeMode::Always, true),
            (ReencodeMode::Never, false),
        ] {
            let output = OutputPolicy { reencode, keep_metadata, ..OutputPolicy::default() };
            let (product, _) = work(&data, format, &policy(output));
            let made = bytes(&product, PictureRole::Processed);
            let found = picture(&product, PictureRole::Processed).unwrap().format;
            let orientation = picture::Metadata::of(found, &made).orientation;
            let planes = decode(&made);
            let shown = orientation.shown_size(planes.width(), planes.height());
            assert_eq!(shown, (SIZE.1, SIZE.0), "{name}, {reencode:?}, {keep_metadata}");
            let short = [&b"\x01\x12\0\x03\0\0\0\x01\0"[..], &[orientation.number()]].concat();
            let has_short = made.windows(short.len()).any(|part| part == short);
            let is_upright = orientation == picture::Orientation::UPRIGHT;
            assert!(is_upright || has_short, "{name}, {reencode:?}, {keep_metadata}");
        }
    }
}

/// Safari, Go and Windows refuse a JPEG without Huffman tables, and many viewers one without an end
/// marker.
#[test]
fn a_picture_that_is_passed_through_can_be_shown_by_every_viewer() {
    let plain = jpeg(60);
    let mut flawed = plain.to_vec();
    // Removes the tables, which are the standard ones that webcams leave out, and the end marker.
    while let Some(at) = flawed.windows(2).position(|pair| pair == [0xFF, 0xC4]) {
        let len = usize::from(u16::from_be_bytes([flawed[at + 2], flawed[at + 3]]));
        flawed.drain(at..at + 2 + len);
    }
    flawed.truncate(flawed.len() - 2);
    let flawed = Bytes::from(flawed);
    for reencode in [ReencodeMode::Auto, ReencodeMode::Never] {
        for keep_metadata in [false, true] {
            for source in [flawed.clone(), with_exif(&flawed, 1)] {
                let output =
                    OutputPolicy { reencode, keep_metadata, keep_original: true, ..OutputPolicy::default() };
                let (product, stored) = work(&source, PictureFormat::Jpeg, &policy(output));
                assert_ne!(product.outcome.reencode, Reencode::Encoded);
                let made = bytes(&product, PictureRole::Processed);
                assert_eq!(product.outcome.bytes, made.len() as u64);
                assert!(made.windows(2).any(|pair| pair == [0xFF, 0xC4]), "{reencode:?}: Huffman tables");
                assert!(made.ends_with(&[0xFF, 0xD9]), "{reencode:?}: an end marker");
                assert_eq!(decode(&made), decode(&plain), "{reencode:?}");
                let has_secret = made.windows(6).any(|window| window == b"SECRET");
                assert_eq!(has_secret, keep_metadata && source.len() > flawed.len(), "{reencode:?}");
                // The original is what was submitted.
                assert_eq!(picture(&product, PictureRole::Original).unwrap().payload, stored);
            }
        }
    }
}

/// Each reason tells a client what to do: send fewer pixels, fewer bytes or another encoding, or
/// try again.
#[test]
fn exceeded_limits_have_distinct_reasons() {
    use crate::domain::FailureReason as Reason;
    use crate::picture::{DecodeError, LimitKind};
    let too_large = |what| DecodeError::TooLarge { what, value: 2, limit: 1 };
    for (error, reason) in [
        (DecodeError::TooManyPixels { width: 2, height: 2, max_pixels: 1 }, Reason::TooManyPixels),
        (too_large(LimitKind::Side), Reason::TooManyPixels),
        (too_large(LimitKind::EncodedBytes), Reason::TooManyBytes),
        (too_large(LimitKind::ScanPixels), Reason::TooComplex),
        (too_large(LimitKind::MemoryBytes), Reason::TooComplex),
        (DecodeError::TooManyScans { max_scans: 64 }, Reason::TooComplex),
        (DecodeError::TooComplex("a profile".to_owned()), Reason::TooComplex),
        (DecodeError::Codec("no memory".to_owned()), Reason::DecoderPanicked),
    ] {
        let failure = super::failure(&error);
        assert_eq!((failure.reason, failure.message), (reason, error.to_string()));
    }
}

/// No picture within the default limits is too large for an encoder. The limits of this test allow
/// one.
#[test]
fn a_picture_that_the_encoder_refuses_fails_with_its_message() {
    let mut codec = Codec::new(Limits { max_side: 70_000, ..Limits::default() });
    let planes = codec.decode(&SourcePicture {
        format: PictureFormat::Gray8,
        width: 66_000,
        height: 1,
        stride: 0,
        colors: Default::default(),
        data: &[99; 66_000],
    });
    let png = codec.encode(&planes.unwrap(), OutputFormat::Png, 0).unwrap();
    for format in [OutputFormat::Jpeg, OutputFormat::WebP, OutputFormat::WebPLossless] {
        let rendition = Rendition { format, ..Rendition::default() };
        let settings = policy(OutputPolicy { rendition, ..OutputPolicy::default() });
        let failure = try_work(&mut codec, &png, PictureFormat::Png, &settings).0.unwrap_err();
        assert_eq!(failure.reason, FailureReason::EncodeFailed);
        assert!(failure.message.starts_with("cannot encode: the encoder failed: "), "{failure:?}");
    }
    // The codec still works.
    let settings = StreamSettings::default();
    try_work(&mut codec, &jpeg(95), PictureFormat::Jpeg, &settings).0.unwrap();
}

mod passing;
mod transcoding;
