use bytes::Bytes;

use super::processed::failure_to_pb;
use super::{known, picture, stats, time};
use crate::domain::{
    DeadFrame, DeadLetter, DeadLetterFilter, DeadLetterReason, DeadLetterReplay, DeadLetterSource,
    DeadLetterSourceKind, DeadPicture, FailureReason, FrameHeader, Partitions, PictureRole, Sequence,
};
use crate::grpc::fault::{Fault, Result};
use crate::pb::v1 as pb;
use crate::pb::v1::ErrorReason;
use crate::pb::v1::picture::Content;

/// Most reasons of a filter.
const MAX_REASONS: usize = 32;

/// Every reason that a dead letter can have.
const REASONS: [DeadLetterReason; 17] = {
    use DeadLetterReason::{AttemptsExhausted, Failed, Rejected};
    [
        Failed(FailureReason::Truncated),
        Failed(FailureReason::Corrupt),
        Failed(FailureReason::UnknownFormat),
        Failed(FailureReason::TooManyPixels),
        Failed(FailureReason::TooManyBytes),
        Failed(FailureReason::TooComplex),
        Failed(FailureReason::Animated),
        Failed(FailureReason::Unsupported),
        Failed(FailureReason::SizeMismatch),
        Failed(FailureReason::TimedOut),
        Failed(FailureReason::DecoderPanicked),
        Failed(FailureReason::KilledWorker),
        Failed(FailureReason::PayloadLost),
        Failed(FailureReason::EncodeFailed),
        Failed(FailureReason::WorkerExhausted),
        AttemptsExhausted,
        Rejected,
    ]
};

fn reason_to_pb(reason: DeadLetterReason) -> ErrorReason {
    match reason {
        DeadLetterReason::Failed(reason) => failure_to_pb(reason),
        DeadLetterReason::AttemptsExhausted => ErrorReason::DeliveryAttemptsExhausted,
        DeadLetterReason::Rejected => ErrorReason::RejectedByConsumer,
    }
}

/// What is sent of a dead letter's picture.
pub(crate) enum Shown {
    /// What is known of it, without its data: it was not asked for.
    Described,
    /// The data.
    Data(Bytes),
    /// It was asked for and does not come.
    Omitted(pb::OmittedReason),
}

pub(crate) fn to_pb(letter: DeadLetter, shown: Shown) -> pb::DeadLetter {
    let DeadLetter { id, frame, replay } = letter;
    let DeadFrame {
        source,
        stream_id,
        sequence,
        received_time,
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
        tracestate: _,
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
        format: picture::format_to_pb(format).into(),
        width,
        height,
        size_bytes: payload.size_bytes,
        content: match shown {
            Shown::Described => None,
            Shown::Data(data) => Some(Content::Data(data)),
            Shown::Omitted(reason) => Some(Content::OmittedReason(reason.into())),
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
        dead_time: Some(time::to_pb(id.dead_time)),
        capture_time: capture_time.map(time::to_pb),
        received_time: Some(time::to_pb(received_time)),
        publisher_id: publisher.as_ref().map(|p| p.id.to_string()).unwrap_or_default(),
        publisher_sequence: publisher.as_ref().map(|p| p.sequence),
        attributes,
        picture,
        replayed_sequence: replay.and_then(|replay| replay.sequence).map_or(0, Sequence::get),
        replay_time: replay.map(|DeadLetterReplay { sequence: _, time: at }| time::to_pb(at)),
        traceparent,
    }
}

/// Reads a filter; unset is all.
pub(crate) fn filter(
    filter: Option<pb::DeadLetterFilter>,
    partitions: Partitions,
) -> Result<DeadLetterFilter> {
    let pb::DeadLetterFilter {
        stream_id,
        queue_id,
        source,
        group_id,
        reasons,
        dead_after,
        dead_before,
        not_replayed,
    } = filter.unwrap_or_default();
    let partition = match queue_id.as_str() {
        "" => None,
        asked => Some(partitions.all().find(|&one| stats::queue_id(one) == asked).ok_or_else(|| {
            Fault::invalid("queue_id", format!("must be one of this server's queues; there is no {asked}"))
        })?),
    };
    if reasons.len() > MAX_REASONS {
        return Err(Fault::invalid("reasons", format!("must be at most {MAX_REASONS}")));
    }
    let asked: Vec<ErrorReason> =
        reasons.into_iter().map(|number| known("reasons", number)).collect::<Result<_>>()?;
    let chosen = REASONS.into_iter().filter(|&reason| asked.contains(&reason_to_pb(reason)));
    Ok(DeadLetterFilter {
        stream: (!stream_id.is_empty()).then(|| stream_id.parse()).transpose()?,
        partition,
        source: match known("source", source)? {
            pb::DeadLetterSource::Unspecified => None,
            pb::DeadLetterSource::Worker => Some(DeadLetterSourceKind::Worker),
            pb::DeadLetterSource::Group => Some(DeadLetterSourceKind::Group),
        },
        group: (!group_id.is_empty()).then(|| group_id.parse()).transpose()?,
        reasons: (!asked.is_empty()).then(|| chosen.collect()),
        dead_after: dead_after.map(|at| time::from_pb("dead_after", at)).transpose()?,
        dead_before: dead_before.map(|at| time::from_pb("dead_before", at)).transpose()?,
        not_replayed,
    })
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;

    #[test]
    fn every_reason_can_be_asked_for_and_means_itself_alone() {
        let told: HashSet<ErrorReason> = REASONS.into_iter().map(reason_to_pb).collect();
        assert_eq!(told.len(), REASONS.len());
        for reason in REASONS {
            let asked = vec![reason_to_pb(reason).into()];
            let filter = pb::DeadLetterFilter { reasons: asked, ..Default::default() };
            let read = super::filter(Some(filter), Partitions::default()).unwrap();
            assert_eq!(read.reasons, Some(vec![reason]));
        }
    }
}
