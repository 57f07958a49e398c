//! Pictures: the output policy of a stream, and the renditions that a subscriber asks for.

use bytes::Bytes;
use frameway::pb::v1 as pb;
use frameway::pb::v1::ErrorReason as R;
use frameway::pb::v1::frame_lookup::Outcome as Lookup;
use frameway::pb::v1::picture::Content;
use frameway::picture::{Codec, Limits, Planes, SourcePicture, sniff};
use frameway::scene::Scene;
use tonic::Code;

use crate::pictures::psnr;
use crate::server::{PATIENCE, TestServer};
use crate::{name, pause_all, reason, resume_all, stream_stats};

pub(crate) fn scene(quality: u8) -> Bytes {
    Scene::new(3, 640, 360).jpeg(&mut Codec::new(Limits::default()), 40, quality).expect("drawn").0
}

pub(crate) fn decode(data: &[u8]) -> Planes {
    let source = SourcePicture::encoded(data).expect("a picture");
    Codec::new(Limits::default()).decode(&source).expect("it decodes")
}

pub(crate) fn frame(stream: &str, data: &Bytes) -> pb::Frame {
    pb::Frame { stream_id: stream.to_owned(), data: data.clone(), ..Default::default() }
}

pub(crate) fn selection(
    roles: &[pb::PictureRole],
    rendition: Option<pb::Rendition>,
) -> Option<pb::PictureSelection> {
    let roles = roles.iter().map(|&role| role.into()).collect();
    Some(pb::PictureSelection { roles, rendition, max_picture_bytes: Some(16 << 20), ..Default::default() })
}

/// Waits for an entry of an output, and returns it.
async fn entry(
    server: &TestServer,
    stream: &str,
    sequence: u64,
    pictures: Option<pb::PictureSelection>,
) -> Lookup {
    let ask = async {
        loop {
            let request = pb::GetFramesRequest {
                stream_id: stream.to_owned(),
                sequences: vec![sequence],
                pictures: pictures.clone(),
            };
            let answer = server.streaming().get_frames(request).await.expect("looks up").into_inner();
            match answer.results.into_iter().next().and_then(|one| one.outcome).expect("an answer") {
                Lookup::Missing(_) => tokio::time::sleep(std::time::Duration::from_millis(5)).await,
                found => return found,
            }
        }
    };
    tokio::time::timeout(PATIENCE, ask).await.expect("it is published in time")
}

pub(crate) async fn processed(
    server: &TestServer,
    stream: &str,
    sequence: u64,
    pictures: Option<pb::PictureSelection>,
) -> pb::ProcessedFrame {
    match entry(server, stream, sequence, pictures).await {
        Lookup::Frame(frame) => frame,
        other => panic!("{other:?}"),
    }
}

pub(crate) fn data(picture: &pb::Picture) -> &Bytes {
    match &picture.content {
        Some(Content::Data(data)) => data,
        other => panic!("no data: {other:?}"),
    }
}

async fn register(server: &TestServer, id: &str, output: pb::OutputPolicy) -> pb::Stream {
    let stream = pb::Stream { stream_id: id.to_owned(), output: Some(output), ..Default::default() };
    server.register_with(stream).await
}

#[tokio::test(flavor = "multi_thread")]
async fn every_output_has_its_declared_format() {
    use pb::PictureFormat as F;
    let server = TestServer::start(|_| {}).await;
    let source = scene(95);
    let cases = [
        ("jpeg", F::Jpeg, false, 32.0),
        ("png", F::Png, false, 45.0),
        ("webp", F::Webp, false, 32.0),
        ("lossless", F::Webp, true, 45.0),
    ];
    for (id, format, lossless, least) in cases {
        let output = pb::OutputPolicy { format: format.into(), lossless, ..Default::default() };
        let shown =
            register(&server, id, output).await.effective.and_then(|one| one.output).expect("in force");
        assert_eq!((shown.format(), shown.lossless), (format, lossless));
        assert_eq!(shown.reencode_mode(), pb::ReencodeMode::Auto, "the default");
        let small = pb::OutputPolicy { max_width: Some(200), max_height: Some(90), ..output };
        register(&server, &format!("{id}-small"), small).await;
        server.submit(vec![frame(id, &source), frame(&format!("{id}-small"), &source)]).await;
        let whole = processed(&server, id, 1, None).await;
        let picture = &whole.pictures[0];
        assert_eq!(picture.format(), format);
        assert_eq!(whole.reencode_outcome(), pb::ReencodeOutcome::Reencoded);
        let quality = matches!(id, "jpeg" | "webp").then_some(85);
        assert_eq!(whole.encoded_quality, quality, "{id}: the quality of the stream, if the format has one");
        let similarity = psnr(&decode(&source), &decode(data(picture)));
        assert!(similarity > least, "{id}: {similarity:.1} dB");
        let small = processed(&server, &format!("{id}-small"), 1, None).await;
        let picture = &small.pictures[0];
        let planes = decode(data(picture));
        assert_eq!((picture.width, picture.height), (160, 90));
        assert_eq!((planes.width(), planes.height()), (160, 90));
    }
    server.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_coarse_jpeg_is_passed_on_unchanged() {
    let server = TestServer::start(|_| {}).await;
    server.register(&["cam"]).await;
    register(
        &server,
        "never",
        pb::OutputPolicy { reencode_mode: pb::ReencodeMode::Never.into(), ..Default::default() },
    )
    .await;
    let coarse = scene(60);
    // The same picture with an EXIF block that contains its location.
    let block = b"Exif\0\0II\x2A\0\x08\0\0\0\0\0\0\0\0\0 GPS 52.5 N 13.4 E";
    let len = (block.len() as u16 + 2).to_be_bytes();
    let telling = Bytes::from([&coarse[..2], &[0xFF, 0xE1], &len, block, &coarse[2..]].concat());
    server.submit(vec![frame("cam", &coarse), frame("cam", &telling), frame("never", &telling)]).await;
    let passed = processed(&server, "cam", 1, None).await;
    assert_eq!(passed.reencode_outcome(), pb::ReencodeOutcome::PassedThrough);
    assert_eq!(passed.encoded_quality, None, "nothing was encoded");
    let source = passed.source.expect("a source");
    let digest = blake3::hash(data(&passed.pictures[0]));
    assert_eq!(source.blake3_digest[..], digest.as_bytes()[..]);
    assert!(passed.quality.is_some(), "it is measured all the same");
    for (stream, sequence, outcome) in
        [("cam", 2, pb::ReencodeOutcome::PassedThrough), ("never", 1, pb::ReencodeOutcome::Disabled)]
    {
        let cleaned = processed(&server, stream, sequence, None).await;
        assert_eq!(cleaned.reencode_outcome(), outcome);
        assert_eq!(data(&cleaned.pictures[0]), &coarse, "the bytes of the pixels, and nothing else");
    }
    server.stop().await;
}

/// Checks that the EXIF block of a submitted JPEG is in the WebP only if the stream keeps metadata.
#[tokio::test(flavor = "multi_thread")]
async fn metadata_is_kept_across_formats_if_the_stream_keeps_it() {
    let server = TestServer::start(|_| {}).await;
    let plain = scene(95);
    let block = b"Exif\0\0II\x2A\0\x08\0\0\0\0\0\0\0\0\0 GPS 52.5 N 13.4 E";
    let len = (block.len() as u16 + 2).to_be_bytes();
    let telling = Bytes::from([&plain[..2], &[0xFF, 0xE1], &len, block, &plain[2..]].concat());
    for format in [pb::PictureFormat::Jpeg, pb::PictureFormat::Png, pb::PictureFormat::Webp] {
        for keep_metadata in [true, false] {
            let id = format!("{format:?}-{keep_metadata}").to_lowercase();
            let output = pb::OutputPolicy { format: format.into(), keep_metadata, ..Default::default() };
            let shown = register(&server, &id, output).await.output.expect("in force");
            assert_eq!((shown.format(), shown.keep_metadata), (format, keep_metadata));
            server.submit(vec![frame(&id, &telling)]).await;
            let made = processed(&server, &id, 1, None).await;
            let picture = data(&made.pictures[0]);
            let tells = picture.windows(block.len() - 6).any(|part| part == &block[6..]);
            assert_eq!(tells, keep_metadata, "{id}");
            assert!(psnr(&decode(&plain), &decode(picture)) > 32.0, "{id}");
        }
    }
    server.stop().await;
}

fn mask(id: &str, [left, upper, right, lower]: [f64; 4]) -> pb::PrivacyMask {
    let corner = |x, y| pb::NormalizedPoint { x, y };
    let polygon = vec![corner(left, upper), corner(right, upper), corner(right, lower), corner(left, lower)];
    pb::PrivacyMask { mask_id: id.to_owned(), polygon }
}

/// Returns the number of luma samples in the middle (0.35 to 0.65 of each side) that are not black.
fn seen(planes: &Planes) -> usize {
    let (width, height) = (planes.width() as usize, planes.height() as usize);
    let middle = |side: usize| side * 35 / 100..side * 65 / 100;
    let rows: Vec<&[u8]> = planes.luma().rows().collect();
    rows[middle(height)].iter().flat_map(|row| &row[middle(width)]).filter(|luma| **luma > 8).count()
}

#[tokio::test(flavor = "multi_thread")]
async fn masked_regions_are_in_no_picture() {
    let server = TestServer::start(|_| {}).await;
    let masks = vec![mask("door", [0.3, 0.3, 0.7, 0.7])];
    let stream =
        pb::Stream { stream_id: "cam".to_owned(), privacy_masks: masks.clone(), ..Default::default() };
    let registered = server.register_with(stream.clone()).await;
    assert_eq!((registered.mask_version, &registered.privacy_masks), (1, &masks));
    let source = scene(60);
    let cut = source.slice(..source.len() * 2 / 3);
    server.submit(vec![frame("cam", &source), frame("cam", &cut)]).await;
    let roles = [
        pb::PictureRole::Processed,
        pb::PictureRole::Thumbnail,
        pb::PictureRole::Original,
        pb::PictureRole::Rendition,
    ];
    let made = processed(&server, "cam", 1, selection(&roles, None)).await;
    assert_eq!((made.mask_version, made.reencode_outcome()), (1, pb::ReencodeOutcome::Reencoded));
    let mut found = 0;
    for picture in &made.pictures {
        match &picture.content {
            Some(Content::Data(data)) => {
                assert_eq!(seen(&decode(data)), 0, "{:?}", picture.role());
                found += 1;
            }
            other => {
                assert_eq!(picture.role(), pb::PictureRole::Original);
                let reason = pb::OmittedReason::NotKept.into();
                assert_eq!(other, &Some(Content::OmittedReason(reason)));
            }
        }
    }
    assert_eq!(found, 3);
    assert!(seen(&decode(&source)) > 0);

    let Lookup::Tombstone(stone) = entry(&server, "cam", 2, None).await else { panic!("no tombstone") };
    let request = pb::GetDeadLetterRequest { dead_letter_id: stone.dead_letter_id, ..Default::default() };
    let letter = server.dead_letters().get_dead_letter(request).await.expect("is there").into_inner();
    assert!(letter.dead_letter.expect("a letter").picture.is_none(), "it would show what is hidden");

    let mut client = server.registry();
    let update = |stream: pb::Stream, path: &str| pb::UpdateStreamRequest {
        stream: Some(stream),
        update_mask: Some(prost_types::FieldMask { paths: vec![path.to_owned()] }),
        ..Default::default()
    };
    for (output, field) in [
        (
            pb::OutputPolicy { reencode_mode: pb::ReencodeMode::Never.into(), ..Default::default() },
            "stream.output.reencode_mode",
        ),
        (pb::OutputPolicy { keep_original: true, ..Default::default() }, "stream.output.keep_original"),
        (pb::OutputPolicy { keep_metadata: true, ..Default::default() }, "stream.output.keep_metadata"),
    ] {
        let wanted = pb::Stream { output: Some(output), ..stream.clone() };
        let refused = client.update_stream(update(wanted, "output")).await.expect_err("shows what is hidden");
        assert_eq!((refused.code(), reason(&refused)), (Code::InvalidArgument, name(R::InvalidField)));
        assert!(refused.message().contains(field.trim_start_matches("stream.")), "{refused:?}");
    }
    // A changed mask is another version; a changed display name is not.
    let renamed = pb::Stream { display_name: "Gate".to_owned(), ..stream.clone() };
    let renamed = client.update_stream(update(renamed, "display_name")).await.expect("updates").into_inner();
    assert_eq!(renamed.stream.map(|stream| stream.mask_version), Some(1));
    let none = pb::Stream { privacy_masks: Vec::new(), ..stream.clone() };
    let none = client.update_stream(update(none, "privacy_masks")).await.expect("updates").into_inner();
    assert_eq!(none.stream.map(|stream| stream.mask_version), Some(2));
    server.submit(vec![frame("cam", &source)]).await;
    let shown = processed(&server, "cam", 3, None).await;
    assert_eq!((shown.mask_version, seen(&decode(data(&shown.pictures[0]))) > 0), (0, true));
    server.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_budget_is_kept_by_size_if_quality_does_not_suffice_or_flagged() {
    let server = TestServer::start(|_| {}).await;
    let source = scene(95);
    let mut codec = Codec::new(Limits::default());
    let least = codec.encode_jpeg(&decode(&source), 30).expect("encodes").len() as u32;
    let adaptive = pb::AdaptiveQuality { max_bytes_per_frame: Some(least / 3), ..Default::default() };
    let output = |min_scale_percent| pb::OutputPolicy {
        adaptive: Some(pb::AdaptiveQuality { min_scale_percent, ..adaptive }),
        ..Default::default()
    };
    let shown = register(&server, "scaled", output(None)).await.effective;
    let shown = shown.and_then(|one| one.output?.adaptive);
    assert_eq!(
        shown,
        Some(pb::AdaptiveQuality { min_quality: Some(30), min_scale_percent: Some(25), ..adaptive })
    );
    register(&server, "whole", output(Some(100))).await;
    for stream in ["scaled", "whole"] {
        server.submit(vec![frame(stream, &source); 2]).await;
    }
    for sequence in 1..=2 {
        let scaled = processed(&server, "scaled", sequence, None).await;
        let picture = &scaled.pictures[0];
        assert!(data(picture).len() as u32 <= least / 3 && !scaled.over_budget, "{}", data(picture).len());
        assert!((160..640).contains(&picture.width), "{} pixels across", picture.width);
        let seen = decode(data(picture));
        assert_eq!((seen.width(), seen.height()), (picture.width, picture.height));
        let whole = processed(&server, "whole", sequence, None).await;
        let picture = &whole.pictures[0];
        assert!(whole.over_budget && data(picture).len() as u32 > least / 3, "{}", data(picture).len());
        assert_eq!((picture.width, whole.encoded_quality), (640, Some(30)));
    }

    // The budget is shown in the stream, in lists and in the statistics.
    let mut client = server.registry();
    let over = |negated: &str| pb::ListStreamsRequest {
        filter: format!("{negated}status.over_budget_in_row > 0"),
        ..Default::default()
    };
    for (negated, stream, in_row) in [("", "whole", 2), ("NOT ", "scaled", 0)] {
        let listed = client.list_streams(over(negated)).await.expect("lists").into_inner().streams;
        let listed: Vec<_> = listed
            .iter()
            .map(|one| (one.stream_id.as_str(), one.status.unwrap().over_budget_in_row))
            .collect();
        assert_eq!(listed, [(stream, in_row)]);
    }
    let request = pb::GetQueueStatsRequest::default();
    let stats = server.queues().get_queue_stats(request).await.expect("answers").into_inner();
    let frames = |account: Option<pb::FrameAccount>| account.map(|account| account.over_budget_frames);
    assert_eq!(frames(stats.total.and_then(|total| total.account)), Some(2));
    let of_streams = stream_stats(&server).await.into_iter().map(|one| frames(one.account));
    assert_eq!(of_streams.collect::<Vec<_>>(), [Some(0), Some(2)]);

    // Fields of the budget that the mask does not name are unchanged.
    let update = |adaptive, path: &str| pb::UpdateStreamRequest {
        stream: Some(pb::Stream {
            stream_id: "whole".to_owned(),
            output: Some(pb::OutputPolicy { adaptive: Some(adaptive), ..Default::default() }),
            ..Default::default()
        }),
        update_mask: Some(prost_types::FieldMask { paths: vec![path.to_owned()] }),
        ..Default::default()
    };
    let lower = pb::AdaptiveQuality { min_quality: Some(20), ..Default::default() };
    let changed = client.update_stream(update(lower, "output.adaptive.min_quality")).await.expect("updates");
    let budget =
        changed.into_inner().stream.and_then(|stream| stream.output).and_then(|output| output.adaptive);
    assert_eq!(
        budget,
        Some(pb::AdaptiveQuality { min_quality: Some(20), min_scale_percent: Some(100), ..adaptive })
    );
    let none = pb::AdaptiveQuality::default();
    let update = update(none, "output.adaptive.max_bytes_per_frame");
    let refused =
        client.update_stream(update).await.expect_err("without a budget the other settings have no effect");
    assert_eq!((refused.code(), reason(&refused)), (Code::InvalidArgument, name(R::InvalidField)));
    let update = pb::UpdateStreamRequest {
        stream: Some(pb::Stream { stream_id: "whole".to_owned(), ..Default::default() }),
        update_mask: Some(prost_types::FieldMask { paths: vec!["output.adaptive".to_owned()] }),
        ..Default::default()
    };
    let changed = client.update_stream(update).await.expect("updates").into_inner().stream.expect("a stream");
    let in_force = changed.effective.and_then(|one| one.output?.adaptive);
    assert_eq!((changed.output, in_force), (None, None), "no budget any more");
    server.stop().await;
}

/// Returns the quantisers of a JPEG: the contents of its DQT segments.
fn quantisers(jpeg: &[u8]) -> Vec<u8> {
    let mut found = Vec::new();
    let mut rest = &jpeg[2..];
    while let [0xFF, marker, high, low, ..] = rest
        && *marker != 0xDA
    {
        let segment = &rest[4..2 + usize::from(u16::from_be_bytes([*high, *low]))];
        if *marker == 0xDB {
            found.extend_from_slice(segment);
        }
        rest = &rest[4 + segment.len()..];
    }
    assert!(!found.is_empty(), "a JPEG has quantisers");
    found
}

/// Compares what a subscriber gets of two streams that differ only in their Huffman tables.
#[tokio::test(flavor = "multi_thread")]
async fn huffman_tables_of_a_stream_change_only_the_bytes() {
    let server = TestServer::start(|_| {}).await;
    for (id, huffman) in [("standard", pb::HuffmanTables::Standard), ("own", pb::HuffmanTables::Stream)] {
        let output = pb::OutputPolicy { huffman: huffman.into(), ..Default::default() };
        let shown = register(&server, id, output).await;
        assert_eq!(shown.output.expect("settings").huffman(), huffman);
        assert_eq!(shown.effective.and_then(|one| one.output).expect("in force").huffman(), huffman);
    }
    let unset = register(&server, "unset", pb::OutputPolicy::default()).await;
    let in_force = unset.effective.and_then(|one| one.output).expect("in force");
    assert_eq!(in_force.huffman(), pb::HuffmanTables::Standard, "the default");
    let source = scene(95);
    for sequence in 1..=3 {
        server.submit(vec![frame("standard", &source), frame("own", &source)]).await;
        // Each is published before the next one is submitted.
        let standard = processed(&server, "standard", sequence, None).await;
        let own = processed(&server, "own", sequence, None).await;
        let (standard, own) = (data(&standard.pictures[0]), data(&own.pictures[0]));
        assert!(psnr(&decode(own), &decode(standard)).is_infinite(), "{sequence}");
        if sequence == 1 {
            assert!(own == standard, "nothing is known of the stream yet");
        } else {
            assert!(own.len() < standard.len(), "{} and {} bytes", own.len(), standard.len());
        }
    }
    server.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_budget_is_kept_by_quality() {
    let server = TestServer::start(|_| {}).await;
    let source = scene(95);
    let mut codec = Codec::new(Limits::default());
    let plain = codec.encode_jpeg(&decode(&source), 85).expect("encodes").len() as u32;
    let adaptive = pb::AdaptiveQuality {
        max_bytes_per_frame: Some(plain / 2),
        min_quality: Some(10),
        ..Default::default()
    };
    let output = pb::OutputPolicy { adaptive: Some(adaptive), ..Default::default() };
    let registered = register(&server, "cam", output).await;
    assert_eq!(registered.output, Some(output), "as it was given");
    let shown = registered.effective.and_then(|one| one.output?.adaptive);
    assert_eq!(shown, Some(pb::AdaptiveQuality { min_scale_percent: Some(25), ..adaptive }));
    server.submit(vec![frame("cam", &source); 4]).await;
    for sequence in 1..=4 {
        let made = processed(&server, "cam", sequence, None).await;
        let picture = data(&made.pictures[0]);
        assert!(picture.len() <= plain as usize / 2, "{} of {}", picture.len(), plain / 2);
        assert!(psnr(&decode(&source), &decode(picture)) > 25.0);
        // The frame names the chosen quality: its quantisers are those of the picture.
        let quality = made.encoded_quality.expect("a quality");
        assert!((10..85).contains(&quality), "{quality}");
        let again = codec.encode_jpeg(&decode(&source), quality as u8).expect("encodes");
        assert_eq!(quantisers(&again), quantisers(picture), "quality {quality}");
    }
    server.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_rendition_is_made_as_requested() {
    let server = TestServer::start(|_| {}).await;
    server.register(&["cam"]).await;
    server.submit(vec![frame("cam", &scene(95))]).await;
    let role = [pb::PictureRole::Rendition];
    for format in [pb::PictureFormat::Jpeg, pb::PictureFormat::Png, pb::PictureFormat::Webp] {
        let rendition = pb::Rendition { format: format.into(), max_width: Some(160), ..Default::default() };
        let made = processed(&server, "cam", 1, selection(&role, Some(rendition))).await;
        let [picture] = &made.pictures[..] else { panic!("one picture: {:?}", made.pictures) };
        assert_eq!((picture.role(), picture.format()), (pb::PictureRole::Rendition, format));
        assert_eq!((picture.width, picture.height), (160, 90));
        assert!(sniff(data(picture)).is_some());
        assert_eq!(decode(data(picture)).width(), 160);
    }
    server.stop().await;

    let off = TestServer::start(|config| config.server.rendition_threads = Some(0)).await;
    off.register(&["cam"]).await;
    off.submit(vec![frame("cam", &scene(95))]).await;
    let made = processed(&off, "cam", 1, selection(&role, None)).await;
    let budget = Content::OmittedReason(pb::OmittedReason::RenditionBudget.into());
    assert_eq!(made.pictures[0].content, Some(budget));
    off.stop().await;
}

/// Checks that waiting frames keep their masks even if the stream is registered again without.
#[tokio::test(flavor = "multi_thread")]
async fn waiting_frames_of_a_stream_that_was_unregistered_are_shown_to_nobody() {
    let server = TestServer::start(|_| {}).await;
    let masked = pb::Stream {
        stream_id: "cam".to_owned(),
        privacy_masks: vec![mask("door", [0.3, 0.3, 0.7, 0.7])],
        ..Default::default()
    };
    server.register_with(masked).await;
    pause_all(&server).await;
    server.submit(vec![frame("cam", &scene(60))]).await;
    let request = pb::UnregisterStreamRequest { stream_id: "cam".to_owned(), ..Default::default() };
    let removed = server.registry().unregister_stream(request).await.expect("unregisters").into_inner();
    assert_eq!((removed.last_sequence, removed.removed_queued_frames), (1, 1));
    let bare = pb::Stream { stream_id: "cam".to_owned(), ..Default::default() };
    let bare = server.register_with(bare).await;
    assert_eq!(bare.mask_version, 2, "other masks: none");
    resume_all(&server).await;
    server.submit(vec![frame("cam", &scene(60))]).await;
    let made = processed(&server, "cam", 2, selection(&[pb::PictureRole::Processed], None)).await;
    assert_eq!(made.mask_version, 0, "no mask was painted");
    let request =
        pb::GetFramesRequest { stream_id: "cam".into(), sequences: vec![1, 2], ..Default::default() };
    let mut found = server.streaming().get_frames(request).await.expect("reads").into_inner().results;
    let missing = pb::MissingFrame { reason: pb::MissingReason::Unregistered.into() };
    assert_eq!(found.remove(0).outcome, Some(pb::frame_lookup::Outcome::Missing(missing)));
    server.stop().await;
}
