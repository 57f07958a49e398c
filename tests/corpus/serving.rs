//! Submits the corpus to a real server. Each picture is refused at submit, or ends as a frame or as
//! a tombstone with a dead letter that owns the bytes; the next valid frame is processed as usual.

use std::time::Instant;

use frameway::domain::PictureFormat;
use frameway::pb::v1 as pb;
use frameway::pb::v1::ErrorReason as R;
use frameway::pb::v1::frame_lookup::Outcome as Lookup;
use frameway::pb::v1::frame_result::Outcome;
use frameway::pb::v1::picture::Content;

use crate::alone;
use crate::case::{Case, Want, all};
use crate::server::{PATIENCE, TestServer, frame};

const STREAM: &str = "hostile";

fn wire(case: &Case) -> pb::Frame {
    let format = match case.format {
        PictureFormat::Jpeg => pb::PictureFormat::Jpeg,
        PictureFormat::Png => pb::PictureFormat::Png,
        PictureFormat::WebP => pb::PictureFormat::Webp,
        PictureFormat::Rgb8 => pb::PictureFormat::Rgb8,
        PictureFormat::Bgr8 => pb::PictureFormat::Bgr8,
        PictureFormat::Gray8 => pb::PictureFormat::Gray8,
        PictureFormat::Nv12 => pb::PictureFormat::Nv12,
        PictureFormat::I420 => pb::PictureFormat::I420,
    };
    pb::Frame {
        stream_id: STREAM.to_owned(),
        format: format.into(),
        width: case.width,
        height: case.height,
        row_stride_bytes: case.stride,
        data: case.data.clone().into(),
        ..Default::default()
    }
}

/// Reports whether a refusal at submit is an expected result.
fn may_refuse(want: Want, reason: R) -> bool {
    match want {
        Want::Picture | Want::Truncated | Want::Animated | Want::Unsupported | Want::TooComplex => false,
        Want::Corrupt => reason == R::PictureMissing,
        Want::TooLarge => reason == R::PictureTooLarge,
        Want::Format => matches!(reason, R::PictureFormatUnknown | R::PictureFormatMismatch),
        Want::Size => matches!(reason, R::PictureSizeMismatch | R::InvalidField),
        Want::Anything => true,
    }
}

async fn published(server: &TestServer, sequence: u64) -> Lookup {
    let start = Instant::now();
    loop {
        let request = pb::GetFramesRequest {
            stream_id: STREAM.to_owned(),
            sequences: vec![sequence],
            ..Default::default()
        };
        let answer = server.streaming().get_frames(request).await.expect("the server answers").into_inner();
        match answer.results.into_iter().next().and_then(|lookup| lookup.outcome) {
            Some(Lookup::Missing(_)) | None => {}
            Some(found) => return found,
        }
        assert!(start.elapsed() < PATIENCE, "sequence {sequence} was not published");
        tokio::time::sleep(std::time::Duration::from_millis(2)).await;
    }
}

async fn check_tombstone(server: &TestServer, case: &Case, tombstone: &pb::Tombstone) {
    let name = &case.name;
    assert!(case.want.allows_reason(tombstone.reason()), "{name}: {tombstone:?}");
    assert!(!tombstone.message.is_empty(), "{name}");
    let request = pb::GetDeadLetterRequest {
        dead_letter_id: tombstone.dead_letter_id.clone(),
        max_picture_bytes: Some(16 << 20),
        ..Default::default()
    };
    let answer = server.dead_letters().get_dead_letter(request).await.expect("it has a dead letter");
    let letter = answer.into_inner().dead_letter.expect("a dead letter");
    assert_eq!(letter.reason(), tombstone.reason(), "{name}");
    let picture = letter.picture.and_then(|picture| picture.content);
    assert!(matches!(&picture, Some(Content::Data(data)) if *data == case.data), "{name}: byte for byte");
}

#[tokio::test]
#[expect(clippy::await_holding_lock, reason = "the lock is between tests, which have a runtime each")]
async fn a_server_survives_the_corpus() {
    let _alone = alone();
    let server = TestServer::start(|_| {}).await;
    server.register(&[STREAM]).await;
    // Only some of the raw pictures, because they differ in their geometry only.
    let (raw, mut cases): (Vec<_>, Vec<_>) = all().into_iter().partition(|case| case.format.is_raw());
    cases.extend(raw.into_iter().step_by(9));
    let (mut frames, mut tombstones, mut refused) = (0, 0, 0);
    for (shade, case) in (0_u8..=255).cycle().zip(&cases) {
        let outcomes = server.submit(vec![wire(case), frame(STREAM, shade)]).await;
        let [hostile, Outcome::Accepted(good)] = &outcomes[..] else {
            panic!("{}: {outcomes:?}", case.name);
        };
        match hostile {
            Outcome::Accepted(accepted) => match published(&server, accepted.sequence).await {
                Lookup::Frame(_) => {
                    assert!(matches!(case.want, Want::Picture | Want::Anything), "{}", case.name);
                    frames += 1;
                }
                Lookup::Tombstone(tombstone) => {
                    check_tombstone(&server, case, &tombstone).await;
                    tombstones += 1;
                }
                Lookup::Missing(missing) => panic!("{}: {missing:?}", case.name),
            },
            Outcome::Rejected(error) => {
                assert!(may_refuse(case.want, error.reason()), "{}: {error:?}", case.name);
                refused += 1;
            }
            other => panic!("{}: {other:?}", case.name),
        }
        let next = published(&server, good.sequence).await;
        assert!(matches!(next, Lookup::Frame(_)), "after {}: {next:?}", case.name);
    }
    eprintln!("{frames} frames, {tombstones} tombstones, {refused} refused at submit");
    assert!(frames > 20 && tombstones > 100 && refused > 5);
    let info = server.streaming().get_server_info(pb::GetServerInfoRequest {}).await;
    assert!(info.is_ok(), "{info:?}");
    server.stop().await;
}
