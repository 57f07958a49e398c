//! Tests that broken and hostile pictures end as typed errors, in bounded time and memory.

use image::ImageEncoder as _;
use turbojpeg::Subsamp;

use super::formats::turbo;
use super::*;

#[test]
fn empty_and_unknown_data_is_refused() {
    assert_eq!(decode_jpeg(&[]).unwrap_err(), DecodeError::Empty);
    assert_eq!(decode_jpeg(b"GIF89a, and more").unwrap_err(), DecodeError::UnknownFormat);
    assert!(SourcePicture::encoded(b"\xFF\xD8").is_none());
    for format in PictureFormat::ALL {
        for length in 1..64 {
            let noise: Vec<u8> = (0..length).map(|i| (i * 151 % 251) as u8).collect();
            assert!(codec().decode(&encoded(format, &noise)).is_err());
        }
    }
}

#[test]
fn a_jpeg_that_ends_too_early_is_refused() {
    let progressive = turbo(Scene::new(5, 320, 180).draw(3).0.pixels(), 320, 180, |c| {
        c.set_progressive(true).unwrap();
        c.set_subsamp(Subsamp::Sub2x2).unwrap();
    });
    let mut frames = vec![road_jpeg(320, 180), progressive];
    frames.extend(real_frame("road/0001.jpg"));
    for whole in frames {
        assert!(decode_jpeg(&whole).is_ok());
        for sixteenth in 1..16 {
            let cut = &whole[..whole.len() * sixteenth / 16];
            assert_eq!(decode_jpeg(cut).unwrap_err(), DecodeError::Truncated, "{sixteenth}/16");
        }
        // Only EOI and the byte before it are missing.
        assert!(decode_jpeg(&whole[..whole.len() - 2]).is_ok());
        assert_eq!(decode_jpeg(&whole[..whole.len() - 3]).unwrap_err(), DecodeError::Truncated);
    }
}

#[test]
fn a_truncated_jpeg_with_an_end_marker_is_also_refused() {
    let whole = road_jpeg(320, 180);
    let mut cut = whole[..whole.len() * 3 / 4].to_vec();
    if cut.last() == Some(&0xFF) {
        cut.pop();
    }
    cut.extend([0xFF, 0xD9]);
    assert_eq!(decode_jpeg(&cut).unwrap_err(), DecodeError::Truncated);
}

#[test]
fn harmless_oddities_do_not_fail_a_frame() {
    let plain = road_jpeg(160, 90);
    let expected = decode_jpeg(&plain).unwrap();
    let end = plain.len() - 2;
    // Padding before EOI, which libjpeg reports as "extraneous bytes before marker 0xd9".
    let padded_scan = [&plain[..end], &[0x55; 9], &plain[end..]].concat();
    // Padding after EOI, as from cameras with buffers of a fixed size.
    let padded_file = [&plain[..], &[0; 512]].concat();
    // Bytes between two header segments; JFIF of another version.
    let quantization = find_markers(&plain, 0xDB)[0];
    let garbage = [&plain[..quantization], &[1, 2, 3, 0xFF, 0, 4], &plain[quantization..]].concat();
    let mut future = plain.clone();
    future[11] = 7;
    for (name, odd) in
        [("scan", padded_scan), ("file", padded_file), ("garbage", garbage), ("future", future)]
    {
        assert_eq!(decode_jpeg(&odd).as_ref(), Ok(&expected), "{name}");
    }
}

#[test]
fn headers_of_bombs_are_refused_before_memory_is_taken() {
    let mut jpeg = road_jpeg(64, 36);
    let frame = find_markers(&jpeg, 0xC0)[0];
    jpeg[frame + 5..frame + 9].copy_from_slice(&[0xFF; 4]);
    assert!(matches!(
        decode_jpeg(&jpeg),
        Err(DecodeError::TooManyPixels { width: 65_535, height: 65_535, .. })
    ));
    jpeg[frame + 5..frame + 9].copy_from_slice(&[0, 1, 0xFF, 0xFF]);
    assert!(matches!(decode_jpeg(&jpeg), Err(DecodeError::TooLarge { value: 65_535, .. })));

    let mut png = Vec::new();
    let color = image::ExtendedColorType::L8;
    image::codecs::png::PngEncoder::new(&mut png).write_image(&[0; 4], 2, 2, color).unwrap();
    png[16..24].copy_from_slice(&[100_000_u32.to_be_bytes(), 100_000_u32.to_be_bytes()].concat());
    let refused = codec().decode(&encoded(PictureFormat::Png, &png));
    assert!(matches!(refused, Err(DecodeError::TooManyPixels { width: 100_000, .. })));
}

#[test]
fn memory_is_counted_before_it_is_taken() {
    let jpeg = road_jpeg(320, 180);
    let limits = Limits { max_alloc_bytes: 80_000, ..Limits::default() };
    let refused = Codec::new(limits).decode(&encoded(PictureFormat::Jpeg, &jpeg));
    assert!(
        matches!(refused, Err(DecodeError::TooLarge { value: 86_400, limit: 80_000, .. })),
        "{refused:?}"
    );
    let limits = Limits { max_scan_pixels: 320 * 180 - 1, ..Limits::default() };
    let refused = Codec::new(limits).decode(&encoded(PictureFormat::Jpeg, &jpeg));
    assert!(matches!(refused, Err(DecodeError::TooLarge { value: 57_600, .. })), "{refused:?}");
    let limits = Limits { max_encoded_bytes: 100, ..Limits::default() };
    assert!(matches!(
        Codec::new(limits).decode(&encoded(PictureFormat::Jpeg, &jpeg)),
        Err(DecodeError::TooLarge { limit: 100, .. })
    ));
}

#[test]
fn five_hundred_scans_are_refused() {
    let rgb = Scene::new(5, 320, 180).draw(3).0;
    let jpeg = turbo(rgb.pixels(), 320, 180, |c| c.set_progressive(true).unwrap());
    let scans = find_markers(&jpeg, 0xDA);
    let last = &jpeg[scans[scans.len() - 1]..jpeg.len() - 2];
    let mut bomb = jpeg[..jpeg.len() - 2].to_vec();
    for _ in 0..500 {
        bomb.extend_from_slice(last);
    }
    bomb.extend([0xFF, 0xD9]);
    assert_eq!(decode_jpeg(&bomb).unwrap_err(), DecodeError::TooManyScans { max_scans: 64 });
}

#[test]
fn animations_are_refused() {
    let canvas = [9, 0, 0, 9, 0, 0];
    let chunk = |name: &[u8; 4], body: &[u8]| {
        let mut bytes = [&name[..], &(body.len() as u32).to_le_bytes(), body].concat();
        bytes.resize(bytes.len().next_multiple_of(2), 0);
        bytes
    };
    let chunks = [
        chunk(b"VP8X", &[&[0x02, 0, 0, 0][..], &canvas].concat()),
        chunk(b"ANIM", &[0; 6]),
        chunk(b"ANMF", &[0; 24]),
    ]
    .concat();
    let webp = [b"RIFF", &(chunks.len() as u32 + 4).to_le_bytes()[..], b"WEBP", &chunks].concat();
    let refused = codec().decode(&encoded(PictureFormat::WebP, &webp));
    assert_eq!(refused.unwrap_err(), DecodeError::Animated(PictureFormat::WebP));

    let mut png = Vec::new();
    let color = image::ExtendedColorType::L8;
    image::codecs::png::PngEncoder::new(&mut png).write_image(&[0; 4], 2, 2, color).unwrap();
    // acTL (2 frames, forever) after IHDR, which ends at byte 33.
    let control =
        [&8_u32.to_be_bytes()[..], b"acTL", &[0, 0, 0, 2, 0, 0, 0, 0], &[0xF3, 0x8D, 0x93, 0x70]].concat();
    let animated = [&png[..33], &control, &png[33..]].concat();
    let refused = codec().decode(&encoded(PictureFormat::Png, &animated));
    assert_eq!(refused.unwrap_err(), DecodeError::Animated(PictureFormat::Png));
}

#[test]
fn truncated_png_and_webp_files_are_refused() {
    let rgb = Scene::new(5, 64, 48).draw(3).0;
    let color = image::ExtendedColorType::Rgb8;
    let (mut png, mut webp) = (Vec::new(), Vec::new());
    image::codecs::png::PngEncoder::new(&mut png).write_image(rgb.pixels(), 64, 48, color).unwrap();
    let encoder = image::codecs::webp::WebPEncoder::new_lossless(&mut webp);
    encoder.write_image(rgb.pixels(), 64, 48, color).unwrap();
    for (format, whole) in [(PictureFormat::Png, png), (PictureFormat::WebP, webp)] {
        assert!(codec().decode(&encoded(format, &whole)).is_ok());
        for sixteenth in 1..16 {
            let cut = &whole[..whole.len() * sixteenth / 16];
            assert_eq!(
                codec().decode(&encoded(format, cut)).unwrap_err(),
                DecodeError::Truncated,
                "{format}"
            );
        }
    }
}

#[test]
fn tables_of_one_picture_are_not_used_for_the_next() {
    let jpeg = road_jpeg(64, 36);
    // Without quantisation tables: if the decoder used those of the last picture, this would
    // decode.
    let tables = find_markers(&jpeg, 0xDB);
    let frame = find_markers(&jpeg, 0xC0)[0];
    let bare = [&jpeg[..tables[0]], &jpeg[frame..]].concat();
    let mut codec = codec();
    assert!(codec.decode(&encoded(PictureFormat::Jpeg, &jpeg)).is_ok());
    assert!(matches!(codec.decode(&encoded(PictureFormat::Jpeg, &bare)), Err(DecodeError::Corrupt(_))));
}

/// Applies seeded mutations: the result may be a picture or an error, but never a panic, and the
/// codec decodes the next valid picture.
#[test]
fn mutated_pictures_end_as_pictures_or_errors() {
    let rgb = Scene::new(5, 96, 54).draw(3).0;
    let color = image::ExtendedColorType::Rgb8;
    let (mut png, mut webp) = (Vec::new(), Vec::new());
    image::codecs::png::PngEncoder::new(&mut png).write_image(rgb.pixels(), 96, 54, color).unwrap();
    let encoder = image::codecs::webp::WebPEncoder::new_lossless(&mut webp);
    encoder.write_image(rgb.pixels(), 96, 54, color).unwrap();
    let jpeg = road_jpeg(96, 54);
    let progressive = turbo(rgb.pixels(), 96, 54, |c| c.set_progressive(true).unwrap());
    // Small limits keep each case fast, and a limit that is not applied shows in the planes.
    let mut codec = Codec::new(Limits { max_pixels: 100_000, max_alloc_bytes: 2 << 20, ..Limits::default() });
    let mut state = 0x00C0_FFEE_u64;
    let mut random = move |below: usize| {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (state >> 33) as usize % below
    };
    let (mut decoded, mut refused) = (0, 0);
    for (format, original) in [
        (PictureFormat::Jpeg, &jpeg),
        (PictureFormat::Jpeg, &progressive),
        (PictureFormat::Png, &png),
        (PictureFormat::WebP, &webp),
    ] {
        for round in 0..400 {
            let mut mutated = original.clone();
            // Half of the rounds change the header, which contains sizes and tables.
            let reach = if round % 2 == 0 { mutated.len() } else { mutated.len().min(700) };
            for _ in 0..=random(6) {
                let at = random(reach);
                match random(3) {
                    0 => mutated[at] ^= 1 << random(8),
                    1 => mutated[at] = random(256) as u8,
                    _ => mutated.swap(at, (at + 1) % reach),
                }
            }
            match codec.decode(&encoded(format, &mutated)) {
                Ok(planes) => {
                    decoded += 1;
                    assert!(u64::from(planes.width()) * u64::from(planes.height()) <= 100_000);
                    codec.recycle(planes);
                }
                Err(DecodeError::Codec(text)) => {
                    panic!("a bad picture was reported as a failure of the codec: {text}")
                }
                Err(_) => refused += 1,
            }
        }
        let unharmed = codec.decode(&encoded(format, original));
        assert!(unharmed.is_ok(), "{format}: {unharmed:?}");
    }
    assert!(decoded > 50 && refused > 200, "{decoded} decoded, {refused} refused");
}
