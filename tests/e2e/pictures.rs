//! Pictures from submit to subscriber: every format, real frames with known measures, and broken
//! pictures.

use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use bytes::Bytes;
use frameway::domain::PictureFormat;
use frameway::pb::v1 as pb;
use frameway::pb::v1::picture::Content;
use frameway::pb::v1::start_position::Position;
use frameway::pb::v1::subscribe_frames_response::Event;
use frameway::picture::{Codec, Limits, Planes, SourcePicture};
use frameway::scene::Scene;

use crate::frames::{next, selector, subscribe};
use crate::server::{TestServer, frame};

/// Receives the frames of an output from its start, and the gaps between them.
async fn receive(server: &TestServer, stream: &str, frames: u64) -> (Vec<pb::ProcessedFrame>, Vec<pb::Gap>) {
    let start = Position::Earliest(pb::StartEarliest {});
    let pictures = Some(pb::PictureSelection {
        roles: vec![pb::PictureRole::Processed.into()],
        max_picture_bytes: Some(16 << 20),
        ..Default::default()
    });
    let selector = pb::StreamSelector { pictures, ..selector(stream, start) };
    let mut events = subscribe(server, selector, frames).await;
    let (mut arrived, mut gaps) = (Vec::new(), Vec::new());
    while let Some(event) = next(&mut events).await {
        match event {
            Event::Frame(delivered) => arrived.extend(delivered.frame),
            Event::Gap(reported) => gaps.extend(reported.gap),
            Event::Heartbeat(_) | Event::Checkpoint(_) | Event::Draining(_) => {}
        }
    }
    (arrived, gaps)
}

fn decode(picture: &SourcePicture<'_>) -> Planes {
    Codec::new(Limits::default()).decode(picture).expect("it decodes")
}

fn processed(frame: &pb::ProcessedFrame) -> Planes {
    let Some(Content::Data(data)) = &frame.pictures[0].content else { panic!("no data: {frame:?}") };
    decode(&SourcePicture::encoded(data).expect("a picture"))
}

/// Returns the peak signal-to-noise ratio of two luma planes, in dB.
pub(crate) fn psnr(one: &Planes, other: &Planes) -> f64 {
    let (one, other) = (one.luma(), other.luma());
    assert_eq!((one.width, one.height), (other.width, other.height));
    let squares: f64 = one
        .rows()
        .zip(other.rows())
        .flat_map(|(a, b)| a.iter().zip(b))
        .map(|(&a, &b)| (f64::from(a) - f64::from(b)).powi(2))
        .sum();
    10.0 * (255.0 * 255.0 / (squares / (one.width * one.height) as f64)).log10()
}

/// Draws the scene as planes of I420 and as raw bytes of every other layout.
fn layouts(scene: &Scene) -> Vec<(pb::PictureFormat, Vec<u8>)> {
    let (canvas, _) = scene.draw(40);
    let (width, height) = (canvas.width(), canvas.height());
    let rgb = canvas.pixels().to_vec();
    let bgr = rgb.chunks_exact(3).flat_map(|p| [p[2], p[1], p[0]]).collect();
    let planes = decode(&SourcePicture {
        format: PictureFormat::Rgb8,
        width,
        height,
        stride: 0,
        colors: Default::default(),
        data: &rgb,
    });
    let luma: Vec<u8> = planes.luma().rows().flatten().copied().collect();
    // The chroma of 4:2:0 is every second sample of every second row.
    let [cb, cr] = planes
        .chroma()
        .expect("colour")
        .map(|plane| plane.rows().step_by(2).flat_map(|row| row.iter().step_by(2).copied()).collect());
    let (cb, cr): (Vec<u8>, Vec<u8>) = (cb, cr);
    let interleaved: Vec<u8> = cb.iter().zip(&cr).flat_map(|(&b, &r)| [b, r]).collect();
    let encode = |format| {
        let mut bytes = std::io::Cursor::new(Vec::new());
        image::RgbImage::from_raw(width, height, rgb.clone())
            .expect("as many pixels as it says")
            .write_to(&mut bytes, format)
            .expect("it encodes");
        bytes.into_inner()
    };
    vec![
        (pb::PictureFormat::Png, encode(image::ImageFormat::Png)),
        (pb::PictureFormat::Webp, encode(image::ImageFormat::WebP)),
        (pb::PictureFormat::Rgb8, rgb.clone()),
        (pb::PictureFormat::Bgr8, bgr),
        (pb::PictureFormat::Gray8, luma.clone()),
        (pb::PictureFormat::Nv12, [luma.clone(), interleaved].concat()),
        (pb::PictureFormat::I420, [luma, cb, cr].concat()),
    ]
}

#[tokio::test(flavor = "multi_thread")]
async fn every_submitted_format_keeps_its_picture() {
    let server = TestServer::start(|_| {}).await;
    server.register(&["cam"]).await;
    let scene = Scene::new(3, 322, 178);
    let layouts = layouts(&scene);
    let frames = layouts.iter().map(|(format, data)| pb::Frame {
        stream_id: "cam".to_owned(),
        format: (*format).into(),
        width: 322,
        height: 178,
        data: Bytes::from(data.clone()),
        ..Default::default()
    });
    server.submit(frames.collect()).await;
    let (arrived, gaps) = receive(&server, "cam", layouts.len() as u64).await;
    assert_eq!(gaps, []);
    let (canvas, truth) = scene.draw(40);
    let source = SourcePicture {
        format: PictureFormat::Rgb8,
        width: 322,
        height: 178,
        stride: 0,
        colors: Default::default(),
        data: canvas.pixels(),
    };
    let source = decode(&source);
    for (frame, (format, _)) in arrived.iter().zip(&layouts) {
        let similarity = psnr(&source, &processed(frame));
        assert!(similarity > 30.0, "{format:?}: {similarity:.1} dB");
        let mean = frame.quality.as_ref().and_then(|quality| quality.mean_luma).expect("a measure");
        assert!((mean - truth.mean_luma).abs() < 2.0, "{format:?}: mean {mean}, drawn {}", truth.mean_luma);
    }
    server.stop().await;
}

/// Returns the folder of real frames: beside the repository, or `FRAMEWAY_TEST_DATA`; `None` if
/// there is none.
fn data() -> Option<PathBuf> {
    let folder = std::env::var_os("FRAMEWAY_TEST_DATA")
        .map_or_else(|| Path::new(env!("CARGO_MANIFEST_DIR")).join("../shared/data"), PathBuf::from);
    if folder.join("expected-luma-metrics.json").is_file() {
        return Some(folder);
    }
    println!("no real frames at {}: only drawn ones are tested", folder.display());
    None
}

#[tokio::test(flavor = "multi_thread")]
async fn real_frames_look_the_same_and_have_the_measures_of_opencv() {
    let Some(folder) = data() else { return };
    let text = std::fs::read_to_string(folder.join("expected-luma-metrics.json")).expect("readable");
    let expected: serde_json::Value = serde_json::from_str(&text).expect("JSON");
    let expected = expected["frames"].as_object().expect("frames");
    let server = TestServer::start(|_| {}).await;
    server.register(&["cam"]).await;
    let files: Vec<(&String, Bytes)> = expected
        .keys()
        .map(|name| (name, std::fs::read(folder.join(name)).expect("readable").into()))
        .collect();
    let frames = files.iter().map(|(_, data)| pb::Frame { data: data.clone(), ..frame("cam", 0) });
    server.submit(frames.collect()).await;
    let (arrived, gaps) = receive(&server, "cam", files.len() as u64).await;
    assert_eq!(gaps, []);
    for (frame, (name, data)) in arrived.iter().zip(&files) {
        let similarity = psnr(&decode(&SourcePicture::encoded(data).expect("a JPEG")), &processed(frame));
        assert!(similarity > 30.0, "{name}: {similarity:.1} dB");
        let quality = frame.quality.as_ref().expect("measures");
        for (measure, found) in [
            ("mean_luma", quality.mean_luma),
            ("rms_contrast", quality.rms_contrast),
            ("laplacian_variance", quality.laplacian_variance),
            ("noise_sigma", quality.noise_sigma),
        ] {
            let (found, wanted) =
                (found.expect("a value"), expected[*name][measure].as_f64().expect("a number"));
            assert!((found - wanted).abs() <= 0.02 * wanted, "{name}: {measure} {found}, expected {wanted}");
        }
    }
    server.stop().await;
}

/// Returns an animated WebP: a RIFF whose extended header has the animation flag.
fn animated_webp() -> Vec<u8> {
    let mut body = b"WEBPVP8X\x0a\x00\x00\x00\x02\x00\x00\x00\x3f\x00\x00\x2f\x00\x00".to_vec();
    body.extend_from_slice(b"ANIM\x06\x00\x00\x00\x00\x00\x00\x00\x00\x00");
    let mut file = b"RIFF".to_vec();
    file.extend_from_slice(&(body.len() as u32).to_le_bytes());
    file.extend(body);
    file
}

/// Returns the header of a PNG with 100,000 x 100,000 pixels.
fn huge_png() -> Vec<u8> {
    let mut header = b"IHDR\x00\x01\x86\xa0\x00\x01\x86\xa0\x08\x02\x00\x00\x00".to_vec();
    let mut crc = u32::MAX;
    for &byte in &header {
        crc ^= u32::from(byte);
        for _ in 0..8 {
            crc = if crc & 1 == 1 { (crc >> 1) ^ 0xEDB8_8320 } else { crc >> 1 };
        }
    }
    let mut file = b"\x89PNG\r\n\x1a\n\x00\x00\x00\x0d".to_vec();
    file.append(&mut header);
    file.extend_from_slice(&(!crc).to_be_bytes());
    file
}

#[tokio::test(flavor = "multi_thread")]
async fn invalid_pictures_become_tombstones_in_their_place_and_in_time() {
    use pb::ErrorReason as Reason;
    let server = TestServer::start(|_| {}).await;
    server.register(&["cam"]).await;
    let jpeg = Scene::new(3, 640, 360).jpeg(&mut Codec::new(Limits::default()), 1, 85).expect("drawn").0;
    let mut garbled = jpeg.to_vec();
    garbled[300..].reverse();
    let mut sized = jpeg.to_vec();
    let frame_header = sized.windows(2).position(|two| two == [0xFF, 0xC0]).expect("a baseline JPEG");
    sized[frame_header + 5..frame_header + 9].fill(0xFF);
    let noise: Vec<u8> = (0..5000_u32).map(|n| (n.wrapping_mul(2_654_435_761) >> 13) as u8).collect();
    let hostile: Vec<(&str, Vec<u8>, &[Reason])> = vec![
        ("truncated", jpeg[..jpeg.len() / 2].to_vec(), &[Reason::DecodeTruncated]),
        ("garbled", garbled, &[Reason::DecodeCorrupt, Reason::DecodeTruncated]),
        ("65535 x 65535 JPEG", sized, &[Reason::DecodeTooManyPixels]),
        ("100,000 x 100,000 PNG", huge_png(), &[Reason::DecodeTooManyPixels]),
        ("animated WebP", animated_webp(), &[Reason::DecodeAnimated]),
        ("noise said to be a JPEG", noise.clone(), &[Reason::PictureFormatUnknown]),
        ("noise of no named format", noise, &[Reason::PictureFormatUnknown]),
    ];
    // Each broken picture is between two good ones.
    let mut frames = vec![pb::Frame { data: jpeg.clone(), ..frame("cam", 0) }];
    for (name, data, _) in &hostile {
        let format = match *name {
            name if name.contains("PNG") => pb::PictureFormat::Png,
            name if name.contains("WebP") => pb::PictureFormat::Webp,
            name if name.contains("no named") => pb::PictureFormat::Unspecified,
            _ => pb::PictureFormat::Jpeg,
        };
        frames.push(pb::Frame { data: data.clone().into(), format: format.into(), ..frame("cam", 0) });
        frames.push(pb::Frame { data: jpeg.clone(), ..frame("cam", 0) });
    }
    let start = Instant::now();
    let outcomes = server.submit(frames).await;
    let all_accepted = outcomes.iter().all(|one| matches!(one, pb::frame_result::Outcome::Accepted(_)));
    assert!(all_accepted, "submit does not look into the bytes: {outcomes:?}");
    let (arrived, gaps) = receive(&server, "cam", hostile.len() as u64 + 1).await;
    assert!(start.elapsed() < Duration::from_secs(2) * hostile.len() as u32, "{:?}", start.elapsed());
    let odd: Vec<u64> = (1..=2 * hostile.len() as u64 + 1).step_by(2).collect();
    assert_eq!(arrived.iter().map(|frame| frame.sequence).collect::<Vec<_>>(), odd);
    assert_eq!(gaps.len(), hostile.len(), "{gaps:?}");

    let sequences = (1..=hostile.len() as u64).map(|n| 2 * n).collect();
    let request = pb::GetFramesRequest { stream_id: "cam".to_owned(), sequences, pictures: None };
    let found = server.streaming().get_frames(request).await.expect("looks up").into_inner().results;
    for (lookup, (name, _, reasons)) in found.iter().zip(&hostile) {
        let Some(pb::frame_lookup::Outcome::Tombstone(stone)) = &lookup.outcome else {
            panic!("{name}: {lookup:?}")
        };
        assert!(reasons.contains(&stone.reason()), "{name}: {:?} {}", stone.reason(), stone.message);
    }
    server.stop().await;
}
