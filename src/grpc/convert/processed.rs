use super::{measures, picture, time};
use crate::domain::{
    Failure, FailureReason, FrameHeader, OutputBody, OutputEntry, PictureRole, ProcessedFrame,
    QualityMeasures, Reencode, Sequence, SourceInfo, Stage, StageTiming, StoredPicture, Tombstone,
    TombstoneKind,
};
use crate::hub::{DeliveredPicture, PictureContent};
use crate::pb::v1 as pb;
use crate::pb::v1::ErrorReason;
use crate::pb::v1::picture::Content;

/// An output entry as a message.
#[derive(Debug)]
pub(crate) enum Entry {
    Frame(Box<pb::ProcessedFrame>),
    Tombstone(Box<pb::Tombstone>),
}

/// A picture and its content in a message: the data, or the reason why the data is left out; `None` in
/// a message that only describes pictures.
#[derive(Debug)]
pub(crate) struct SentPicture {
    pub(crate) picture: StoredPicture,
    pub(crate) content: Option<Content>,
}

impl SentPicture {
    /// Converts a picture without its data.
    pub(crate) fn omitted(picture: StoredPicture, reason: pb::OmittedReason) -> Self {
        Self { picture, content: Some(Content::OmittedReason(reason.into())) }
    }

    /// Converts the description of a picture.
    pub(crate) fn described(picture: StoredPicture) -> Self {
        Self { picture, content: None }
    }

    /// Converts a picture. Its data is included if it fits in `room`, which is then reduced by the
    /// size of the data.
    pub(crate) fn within(room: &mut u64, delivered: DeliveredPicture) -> Self {
        let DeliveredPicture { picture, content } = delivered;
        match content {
            PictureContent::Data(data) => match room.checked_sub(data.len() as u64) {
                Some(left) => {
                    *room = left;
                    Self { picture, content: Some(Content::Data(data)) }
                }
                None => Self::omitted(picture, pb::OmittedReason::MessageFull),
            },
            PictureContent::TooLarge => Self::omitted(picture, pb::OmittedReason::TooLarge),
            PictureContent::NotKept => Self::omitted(picture, pb::OmittedReason::NotKept),
            PictureContent::NotPermitted => Self::omitted(picture, pb::OmittedReason::NotPermitted),
            PictureContent::RenditionBudget => Self::omitted(picture, pb::OmittedReason::RenditionBudget),
            PictureContent::RenditionFailed => Self::omitted(picture, pb::OmittedReason::RenditionFailed),
        }
    }
}

/// Converts an entry, with its pictures if it is a frame.
pub(crate) fn to_pb(entry: &OutputEntry, pictures: Vec<SentPicture>) -> Entry {
    match &entry.body {
        OutputBody::Frame(frame) => Entry::Frame(Box::new(frame_to_pb(entry, frame, pictures))),
        OutputBody::Tombstone(tombstone) => Entry::Tombstone(Box::new(tombstone_to_pb(entry, tombstone))),
    }
}

fn frame_to_pb(entry: &OutputEntry, frame: &ProcessedFrame, sent: Vec<SentPicture>) -> pb::ProcessedFrame {
    let OutputEntry {
        stream_id,
        sequence,
        previous_sequence: _,
        issued_before: _,
        receive_time,
        publish_time,
        body: _,
        dead_letter: _,
    } = entry;
    let ProcessedFrame {
        header,
        width,
        height,
        lease_time,
        process_time,
        pictures: _,
        quality,
        scene,
        rois,
        measures_version,
        validation_failures,
        stages,
        reencode,
        encoded_quality,
        over_budget,
        mask_version,
        worker_version,
        attempt,
    } = frame;
    let FrameHeader {
        publisher,
        capture_time,
        clock_skewed,
        source,
        attributes,
        traceparent,
        tracestate,
        replayed_from,
    } = header;
    let SourceInfo { format, width: _, height: _, row_stride_bytes: _, colors: _, size_bytes, digest } =
        source;
    let skew = capture_time.filter(|_| *clock_skewed);
    pb::ProcessedFrame {
        stream_id: stream_id.to_string(),
        sequence: sequence.get(),
        capture_time: capture_time.map(time::to_pb),
        receive_time: Some(time::to_pb(*receive_time)),
        lease_time: Some(time::to_pb(*lease_time)),
        process_time: Some(time::to_pb(*process_time)),
        publish_time: Some(time::to_pb(*publish_time)),
        publisher_id: publisher.as_ref().map(|p| p.id.name().to_owned()).unwrap_or_default(),
        publisher_sequence: publisher.as_ref().map(|p| p.sequence),
        attributes: attributes.clone(),
        traceparent: traceparent.clone(),
        tracestate: tracestate.clone(),
        source: Some(pb::PictureSource {
            format: picture::format_to_pb(*format).into(),
            width: *width,
            height: *height,
            size_bytes: *size_bytes,
            blake3_digest: digest.0.to_vec().into(),
        }),
        pictures: sent.into_iter().map(|one| picture_to_pb(one, source)).collect(),
        reencode_outcome: match reencode {
            Reencode::Encoded => pb::ReencodeOutcome::Reencoded,
            Reencode::PassedThrough => pb::ReencodeOutcome::PassedThrough,
            Reencode::Disabled => pb::ReencodeOutcome::Disabled,
            Reencode::Relayed => pb::ReencodeOutcome::Relayed,
        }
        .into(),
        mask_version: *mask_version,
        quality: quality.as_ref().map(quality_to_pb),
        scene: scene.map(measures::scene_to_pb),
        measures_version: *measures_version,
        rois: rois.iter().map(measures::roi_to_pb).collect(),
        validation_failures: validation_failures
            .iter()
            .map(|failure| measures::failure_to_pb(*failure))
            .chain(skew.map(|_| pb::ValidationFailure::ClockSkew))
            .map(Into::into)
            .collect(),
        clock_skew: skew.map(|captured| time::difference_to_pb(captured, *receive_time)),
        stages: stages.iter().copied().map(stage_to_pb).collect(),
        worker_version: worker_version.clone(),
        processing_attempt: *attempt,
        replayed_from: replayed_from.map_or(0, Sequence::get),
        encoded_quality: encoded_quality.map(u32::from),
        over_budget: *over_budget,
    }
}

fn picture_to_pb(sent: SentPicture, source: &SourceInfo) -> pb::Picture {
    let SentPicture { picture, content } = sent;
    let StoredPicture { role, format, width, height, payload } = picture;
    let is_original = role == PictureRole::Original;
    let (color_range, color_matrix) =
        if is_original { picture::colors_to_pb(source) } else { Default::default() };
    pb::Picture {
        role: picture::role_to_pb(role).into(),
        format: picture::format_to_pb(format).into(),
        width,
        height,
        size_bytes: payload.size_bytes,
        row_stride_bytes: if is_original { source.row_stride_bytes } else { 0 },
        color_range: color_range.into(),
        color_matrix: color_matrix.into(),
        content,
    }
}

fn quality_to_pb(quality: &QualityMeasures) -> pb::QualityMetrics {
    let QualityMeasures {
        mean_luma,
        rms_contrast,
        laplacian_variance,
        noise_sigma,
        sharpness_score,
        brightness_score,
        contrast_score,
        noise_cleanliness_score,
        quality_score,
    } = *quality;
    pb::QualityMetrics {
        mean_luma: Some(mean_luma),
        rms_contrast: Some(rms_contrast),
        laplacian_variance: Some(laplacian_variance),
        noise_sigma: Some(noise_sigma),
        sharpness_score: Some(sharpness_score),
        brightness_score: Some(brightness_score),
        contrast_score: Some(contrast_score),
        noise_cleanliness_score: Some(noise_cleanliness_score),
        quality_score: Some(quality_score),
    }
}

fn stage_to_pb(timing: StageTiming) -> pb::ProcessingStage {
    let StageTiming { stage, duration } = timing;
    let kind = match stage {
        Stage::QueueWait => pb::StageKind::QueueWait,
        Stage::Fetch => pb::StageKind::Fetch,
        Stage::Decode => pb::StageKind::Decode,
        Stage::Transcode => pb::StageKind::Transcode,
        Stage::Analyze => pb::StageKind::Analysis,
        Stage::Encode => pb::StageKind::Encode,
        Stage::Mask => pb::StageKind::Mask,
        Stage::Resize => pb::StageKind::Resize,
        Stage::Thumbnail => pb::StageKind::Thumbnail,
        Stage::OrderWait => pb::StageKind::OrderWait,
    };
    pb::ProcessingStage { kind: kind.into(), duration: Some(time::duration_to_pb(duration)) }
}

fn tombstone_to_pb(entry: &OutputEntry, tombstone: &Tombstone) -> pb::Tombstone {
    let OutputEntry {
        stream_id,
        sequence,
        previous_sequence: _,
        issued_before: _,
        receive_time,
        publish_time,
        body: _,
        dead_letter,
    } = entry;
    let Tombstone { header, kind, attempts } = tombstone;
    let FrameHeader {
        publisher,
        capture_time,
        clock_skewed: _,
        source: _,
        attributes,
        traceparent,
        tracestate,
        replayed_from: _,
    } = header;
    let (outcome, reason, message) = match kind {
        TombstoneKind::Failed(Failure { reason, message }) => {
            (pb::TombstoneOutcome::Failed, failure_to_pb(*reason), message.as_str())
        }
        TombstoneKind::Dropped => (
            pb::TombstoneOutcome::Dropped,
            ErrorReason::QueueOverflow,
            "dropped by the stream's queue policy",
        ),
        TombstoneKind::Purged(why) => (
            pb::TombstoneOutcome::Purged,
            ErrorReason::Purged,
            if why.is_empty() { "purged by an operator" } else { why.as_str() },
        ),
        TombstoneKind::Erased => (pb::TombstoneOutcome::Erased, ErrorReason::Erased, "erased"),
    };
    pb::Tombstone {
        stream_id: stream_id.to_string(),
        sequence: sequence.get(),
        outcome: outcome.into(),
        reason: reason.into(),
        message: message.to_owned(),
        capture_time: capture_time.map(time::to_pb),
        receive_time: Some(time::to_pb(*receive_time)),
        publish_time: Some(time::to_pb(*publish_time)),
        publisher_id: publisher.as_ref().map(|p| p.id.name().to_owned()).unwrap_or_default(),
        publisher_sequence: publisher.as_ref().map(|p| p.sequence),
        attributes: attributes.clone(),
        processing_attempts: *attempts,
        dead_letter_id: dead_letter.map(|id| id.to_string()).unwrap_or_default(),
        traceparent: traceparent.clone(),
        tracestate: tracestate.clone(),
    }
}

pub(crate) fn failure_to_pb(reason: FailureReason) -> ErrorReason {
    match reason {
        FailureReason::Truncated => ErrorReason::DecodeTruncated,
        FailureReason::Corrupt => ErrorReason::DecodeCorrupt,
        FailureReason::UnknownFormat => ErrorReason::PictureFormatUnknown,
        FailureReason::TooManyPixels => ErrorReason::DecodeTooManyPixels,
        FailureReason::TooManyBytes => ErrorReason::PictureTooLarge,
        FailureReason::TooComplex => ErrorReason::DecodeTooComplex,
        FailureReason::Animated => ErrorReason::DecodeAnimated,
        FailureReason::Unsupported => ErrorReason::DecodeUnsupported,
        FailureReason::SizeMismatch => ErrorReason::DecodeSizeMismatch,
        FailureReason::TimedOut => ErrorReason::DecodeTimeout,
        FailureReason::DecoderPanicked => ErrorReason::DecodePanicked,
        FailureReason::KilledWorker => ErrorReason::WorkerKilled,
        FailureReason::PayloadLost => ErrorReason::PayloadLost,
        FailureReason::EncodeFailed => ErrorReason::EncodeFailed,
        FailureReason::WorkerExhausted => ErrorReason::WorkerExhausted,
    }
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;

    use super::*;
    use crate::domain::{ColorMatrix, ColorRange, Digest, PayloadKey, PayloadRef, PictureFormat, RawColors};
    use crate::metrics::Label;

    fn delivered(role: PictureRole, size: usize) -> DeliveredPicture {
        let payload = PayloadRef { key: PayloadKey::from_bits(1), size_bytes: size as u64 };
        DeliveredPicture {
            picture: StoredPicture { role, format: PictureFormat::Jpeg, width: 4, height: 3, payload },
            content: PictureContent::Data(Bytes::from(vec![0; size])),
        }
    }

    #[test]
    fn failures_have_the_names_of_the_contract() {
        for &reason in <FailureReason as Label>::ALL {
            let name = failure_to_pb(reason).as_str_name();
            assert_eq!(name.strip_prefix("ERROR_REASON_"), Some(reason.name()));
        }
    }

    #[test]
    fn pictures_share_the_room_of_a_message() {
        let mut room = 100;
        let first = SentPicture::within(&mut room, delivered(PictureRole::Thumbnail, 60));
        assert!(matches!(&first.content, Some(Content::Data(data)) if data.len() == 60));
        let second = SentPicture::within(&mut room, delivered(PictureRole::Original, 60));
        assert_eq!(second.content, Some(Content::OmittedReason(pb::OmittedReason::MessageFull.into())));
        let third = SentPicture::within(&mut room, delivered(PictureRole::Processed, 40));
        assert!(matches!(&third.content, Some(Content::Data(_))));
        assert_eq!(room, 0);
        let source = SourceInfo {
            format: PictureFormat::Nv12,
            width: 4,
            height: 3,
            row_stride_bytes: 16,
            colors: RawColors { range: ColorRange::Limited, matrix: ColorMatrix::Bt709 },
            size_bytes: 60,
            digest: Digest([0; 32]),
        };
        let second = picture_to_pb(second, &source);
        assert_eq!((second.size_bytes, second.row_stride_bytes), (60, 16));
        let colors = (second.color_range(), second.color_matrix());
        assert_eq!(colors, (pb::ColorRange::Limited, pb::ColorMatrix::Bt709));
        let third = picture_to_pb(third, &source);
        assert_eq!((third.row_stride_bytes, third.color_range, third.color_matrix), (0, 0, 0));
    }
}
