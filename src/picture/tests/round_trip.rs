//! Tests encoding: fidelity, thumbnails, contact sheets, and the measures of real frames.

use super::super::{Canvas, DEFAULT_THUMBNAIL_SIDE, Tile, probe};
use super::*;
use crate::analysis::{analysis_plane, quality};

const REAL_FRAMES: [&str; 7] = [
    "dense-1080p-a.jpg",
    "dense-1080p-b.jpg",
    "road/0001.jpg",
    "road/0041.jpg",
    "road/0081.jpg",
    "road/0121.jpg",
    "road/0161.jpg",
];

#[test]
fn encoding_keeps_the_picture() {
    let mut frames = vec![road_jpeg(640, 360), road_jpeg(161, 91)];
    frames.extend(REAL_FRAMES.into_iter().filter_map(real_frame));
    let mut codec = codec();
    for frame in frames {
        let planes = codec.decode(&encoded(PictureFormat::Jpeg, &frame)).unwrap();
        let again = codec.encode_jpeg(&planes, DEFAULT_JPEG_QUALITY).unwrap();
        let again = codec.decode(&encoded(PictureFormat::Jpeg, &again)).unwrap();
        let db = psnr(&planes, &again);
        assert!(db > 30.0, "{db} dB");
        codec.recycle(planes);
    }
}

#[test]
fn drawn_road_survives_jpeg() {
    let (canvas, _) = Scene::new(2, 320, 180).draw(11);
    let mut codec = codec();
    let drawn = codec.decode(&raw(PictureFormat::Rgb8, 320, 180, 0, canvas.pixels())).unwrap();
    let jpeg = codec.encode_canvas(&canvas, DEFAULT_JPEG_QUALITY).unwrap();
    let db = psnr(&drawn, &decode_jpeg(&jpeg).unwrap());
    assert!(db > 30.0, "{db} dB");
}

#[test]
fn a_reused_codec_decodes_like_a_new_one() {
    let mut codec = codec();
    for (width, height) in [(640, 360), (33, 17), (64, 200), (640, 360)] {
        let jpeg = road_jpeg(width, height);
        let planes = codec.decode(&encoded(PictureFormat::Jpeg, &jpeg)).unwrap();
        assert_eq!(Ok(&planes), decode_jpeg(&jpeg).as_ref());
        codec.recycle(planes);
    }
}

#[test]
fn thumbnails_keep_the_shape_and_are_never_larger() {
    let mut codec = codec();
    for ((width, height), expected) in [
        ((640, 360), (128, 72)),
        ((101, 300), (43, 128)),
        ((128, 96), (128, 96)),
        ((17, 16), (17, 16)),
        ((3000, 16), (128, 1)),
    ] {
        let jpeg = road_jpeg(width, height);
        let planes = codec.decode(&encoded(PictureFormat::Jpeg, &jpeg)).unwrap();
        let small = codec.thumbnail(&planes, DEFAULT_THUMBNAIL_SIDE, 80).unwrap();
        let info = probe(&encoded(PictureFormat::Jpeg, &small), &Limits::default()).unwrap();
        assert_eq!((info.width, info.height), expected);
        // The mean of means is the mean.
        let mean = |planes: &Planes| {
            let luma: Vec<u8> = planes.luma().rows().flatten().copied().collect();
            luma.iter().map(|l| f64::from(*l)).sum::<f64>() / luma.len() as f64
        };
        let small = decode_jpeg(&small).unwrap();
        assert!((mean(&small) - mean(&planes)).abs() < 3.0);
    }
}

#[test]
fn contact_sheets_contain_all_tiles_with_each_label_below_its_picture() {
    let mut codec = codec();
    let gray = codec.decode(&raw(PictureFormat::Gray8, 3, 2, 0, &[0, 50, 100, 150, 200, 250])).unwrap();
    let wide = decode_jpeg(&road_jpeg(320, 180)).unwrap();
    let tall = decode_jpeg(&road_jpeg(100, 300)).unwrap();
    let tiles = [&wide, &gray, &tall]
        .map(|picture| Tile::new("a label that is much too long for its tile".to_owned(), picture));
    let sheet = codec.contact_sheet(&tiles, 2, 100).unwrap();
    // Rows of 56 and of 300 pixels: a tall picture determines the height of its own row only.
    assert_eq!((sheet.width(), sheet.height()), (8 + 2 * 108, 8 + (56 + 26) + (300 + 26)));
    // The rows with text in a column of the sheet next to the picture that is narrower than its
    // tile.
    let ink = |left: usize, right: usize| -> Vec<usize> {
        let rows = sheet.pixels().chunks_exact(3 * sheet.width() as usize);
        let has_ink =
            |row: &[u8]| row[3 * left..3 * right].chunks_exact(3).any(|pixel| pixel == [225, 228, 232]);
        rows.enumerate().filter(|(_, row)| has_ink(row)).map(|(y, _)| y).collect()
    };
    // The grey picture is 2 pixels high: its label begins 6 pixels below it and is 7 pixels high.
    assert_eq!(ink(116, 160), Vec::from_iter(8 + 2 + 6..8 + 2 + 6 + 7));
    assert!(codec.contact_sheet(&[], 4, 100).is_ok());
    let missing = Tile { label: "a\nb\nc".to_owned(), picture: None, is_warning: true };
    let sheet = codec.contact_sheet(&[missing], 1, 160).unwrap();
    assert_eq!((sheet.width(), sheet.height()), (8 + 168, 8 + 90 + 7 + 3 * 11 + 8));
    let png = codec.encode_canvas_as_png(&sheet).unwrap();
    let read = codec.decode(&SourcePicture::encoded(&png).unwrap()).unwrap();
    assert_eq!((read.width(), read.height()), (sheet.width(), sheet.height()));
    assert!(codec.contact_sheet(&tiles, 1, 4_096).is_ok());
}

#[test]
fn drawing_outside_of_a_canvas_is_harmless() {
    let mut canvas = Canvas::new(4, 4, [0; 3]);
    let before = canvas.clone();
    canvas.fill_rect(4, 0, 9, 9, [255; 3]);
    canvas.fill_rect(-9, -9, 9, 9, [255; 3]);
    canvas.text(-50, 0, 1, [255; 3], "far");
    canvas.paste(-4, 2, &Canvas::new(4, 4, [255; 3]));
    assert_eq!(canvas, before);
    canvas.paste(-3, 3, &Canvas::new(4, 4, [255; 3]));
    assert_eq!(canvas.pixels().iter().filter(|sample| **sample == 255).count(), 3);
}

/// Compares mean luma, RMS contrast, Laplacian variance and noise sigma of real frames with values
/// computed with OpenCV.
#[test]
fn measures_of_real_frames_agree_with_opencv() {
    let Some(expected) = real_frame("expected-luma-metrics.json") else {
        return;
    };
    let expected: serde_json::Value = serde_json::from_slice(&expected).unwrap();
    for name in REAL_FRAMES {
        let planes = decode_jpeg(&real_frame(name).unwrap()).unwrap();
        let luma = planes.luma();
        let plane = analysis_plane(luma.data, luma.width, luma.height, luma.stride);
        let measures = quality::measure(&plane);
        let expected = &expected["frames"][name];
        assert_eq!(expected["width"].as_u64(), Some(plane.width() as u64));
        for (key, value) in [
            ("mean_luma", measures.mean_luma),
            ("rms_contrast", measures.rms_contrast),
            ("laplacian_variance", measures.laplacian_variance),
            ("noise_sigma", measures.noise_sigma),
        ] {
            let expected = expected[key].as_f64().unwrap();
            let off = value / expected - 1.0;
            eprintln!("{name} {key}: {value:.4}, off by {:.3} %", 100.0 * off);
            assert!(off.abs() < 0.02, "{name} {key}: {value} instead of {expected}");
        }
    }
}
