use bytes::Bytes;

use super::processed::failure_to_pb;
use super::{picture, stats, time};
use crate::domain::{
    DeadFrame, DeadLetter, DeadLetterReason, DeadLetterReplay, DeadLetterSource, DeadPicture, FailureReason,
    FrameHeader, PictureRole, Sequence,
};
use crate::pb::v1 as pb;
use crate::pb::v1::ErrorReason;
use crate::pb::v1::picture::Content;

fn reason_to_pb(reason: DeadLetterReason) -> ErrorReason {
    match reason {
        DeadLetterReason::Failed(reason) => failure_to_pb(reason),
        DeadLetterReason::AttemptsExhausted => ErrorReason::DeliveryAttemptsExhausted,
        DeadLetterReason::Rejected => ErrorReason::RejectedByConsumer,
    }
}

/// The part of a dead letter's picture that is sent.
pub(crate) enum LetterPicture {
    /// Its description only: the request does not ask for the data.
    Described,
    /// The description and the data.
    Data(Bytes),
    /// The request asks for the data, and it is left out.
    Omitted(pb::OmittedReason),
}

pub(crate) fn to_pb(letter: DeadLetter, shown: LetterPicture) -> pb::DeadLetter {
    let DeadLetter { id, frame, replay } = letter;
    let DeadFrame {
        source,
        stream_id,
        sequence,
        receive_time,
        header,
        reason,
        message,
        attempts,
        picture,
        output: _,
    } = frame;
    let FrameHeader {
        publisher,
        capture_time,
        clock_skewed: _,
        source: submitted,
        attributes,
        traceparent,
        tracestate,
        replayed_from: _,
    } = header;
    let (kind, role, (row_stride_bytes, (color_range, color_matrix)), group_id) = match source {
        DeadLetterSource::Worker => {
            let layout = (submitted.row_stride_bytes, picture::colors_to_pb(&submitted));
            (pb::DeadLetterSource::Worker, PictureRole::Original, layout, String::new())
        }
        DeadLetterSource::Group(group) => {
            (pb::DeadLetterSource::Group, PictureRole::Processed, Default::default(), group.to_string())
        }
    };
    let picture = picture.map(|DeadPicture { format, width, height, payload }| pb::Picture {
        role: picture::role_to_pb(role).into(),
        // The stored format means nothing if the format of the data is unknown.
        format: match reason == DeadLetterReason::Failed(FailureReason::UnknownFormat) {
            true => pb::PictureFormat::Unspecified,
            false => picture::format_to_pb(format),
        }
        .into(),
        width,
        height,
        size_bytes: payload.size_bytes,
        content: match shown {
            LetterPicture::Described => None,
            LetterPicture::Data(data) => Some(Content::Data(data)),
            LetterPicture::Omitted(reason) => Some(Content::OmittedReason(reason.into())),
        },
        row_stride_bytes,
        color_range: color_range.into(),
        color_matrix: color_matrix.into(),
    });
    pb::DeadLetter {
        dead_letter_id: id.to_string(),
        source: kind.into(),
        stream_id: stream_id.to_string(),
        sequence: sequence.get(),
        queue_id: stats::queue_id(id.partition),
        group_id,
        reason: reason_to_pb(reason).into(),
        message,
        attempts,
        dead_letter_time: Some(time::to_pb(id.dead_letter_time)),
        capture_time: capture_time.map(time::to_pb),
        receive_time: Some(time::to_pb(receive_time)),
        publisher_id: publisher.as_ref().map(|p| p.id.name().to_owned()).unwrap_or_default(),
        publisher_sequence: publisher.as_ref().map(|p| p.sequence),
        attributes,
        picture,
        replayed_sequence: replay.and_then(|replay| replay.sequence).map_or(0, Sequence::get),
        replay_time: replay.map(|DeadLetterReplay { sequence: _, time: at }| time::to_pb(at)),
        traceparent,
        tracestate,
    }
}
