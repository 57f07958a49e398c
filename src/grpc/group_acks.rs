//! AcknowledgeFrames, RejectFrames, ExtendAckDeadline.

use std::sync::Arc;
use std::time::Duration;

use super::ack_id::AckKey;
use super::convert::subscription::too_many;
use super::convert::time;
use super::fault::{Fault, Result};
use crate::domain::limits::{MAX_ACK_IDS, MAX_REASON_BYTES};
use crate::domain::{GroupId, Timestamp};
use crate::hub::Consumers;
use crate::pb::v1 as pb;
use crate::pb::v1::ErrorReason;
use crate::pb::v1::ack_result::Outcome;
use crate::queue::{self, Answer, AnswerResult, Ended, Queue, Verdict};

const SECOND: Duration = Duration::from_secs(1);
const HOUR: Duration = Duration::from_secs(3600);

/// What members say of frames.
#[derive(Debug)]
pub(crate) struct GroupAcks {
    queue: Arc<dyn Queue>,
    consumers: Arc<Consumers>,
}

impl GroupAcks {
    pub(crate) fn new(queue: Arc<dyn Queue>, consumers: Arc<Consumers>) -> Self {
        Self { queue, consumers }
    }

    pub(crate) async fn acknowledge(
        &self,
        request: pb::AcknowledgeFramesRequest,
    ) -> Result<pb::AcknowledgeFramesResponse> {
        let pb::AcknowledgeFramesRequest { group_id, ack_ids } = request;
        check_count("ack_ids", ack_ids.len())?;
        let said = ack_ids.into_iter().map(|id| (id, Verdict::Acknowledge)).collect();
        Ok(pb::AcknowledgeFramesResponse { results: self.answer(&group_id.parse()?, said).await? })
    }

    pub(crate) async fn reject(&self, request: pb::RejectFramesRequest) -> Result<pb::RejectFramesResponse> {
        let pb::RejectFramesRequest { group_id, rejections } = request;
        check_count("rejections", rejections.len())?;
        let group = group_id.parse()?;
        let said = rejections.into_iter().enumerate().map(|(index, rejection)| {
            verdict(rejection).map_err(|fault| fault.within(&format!("rejections[{index}]")))
        });
        Ok(pb::RejectFramesResponse { results: self.answer(&group, said.collect::<Result<_>>()?).await? })
    }

    pub(crate) async fn extend(
        &self,
        request: pb::ExtendAckDeadlineRequest,
    ) -> Result<pb::ExtendAckDeadlineResponse> {
        let pb::ExtendAckDeadlineRequest { group_id, ack_ids, extension } = request;
        check_count("ack_ids", ack_ids.len())?;
        let span = time::duration_within("extension", extension, SECOND, HOUR)?;
        let said = ack_ids.into_iter().map(|id| (id, Verdict::Extend(span))).collect();
        Ok(pb::ExtendAckDeadlineResponse { results: self.answer(&group_id.parse()?, said).await? })
    }

    /// Passes on what can be read; the rest is refused by itself.
    async fn answer(&self, group: &GroupId, said: Vec<(String, Verdict)>) -> Result<Vec<pb::AckResult>> {
        let found = self.queue.get_groups(std::slice::from_ref(group)).await?.pop().flatten();
        let record = found.ok_or_else(|| Fault::from(queue::Error::GroupNotFound(group.clone())))?;
        let key = AckKey::new(self.consumers.ack_key().await?);
        let partitions = self.queue.partitions();
        let mut answers = Vec::with_capacity(said.len());
        let mut outcomes = Vec::with_capacity(said.len());
        for (text, verdict) in said {
            match key.read(group, &text, partitions) {
                Ok(id) => {
                    answers.push(Answer {
                        stream_id: id.stream_id,
                        sequence: id.sequence,
                        attempt: id.attempt,
                        generation: id.generation,
                        incarnation: id.incarnation,
                        verdict,
                    });
                    outcomes.push(None);
                }
                Err(fault) => outcomes.push(Some(Outcome::Refused(fault.into_item_error()))),
            }
        }
        let mut exhausted = Vec::new();
        if !answers.is_empty() {
            let results = self.queue.answer_frames(group, &answers).await?;
            let mut results = results.into_iter().zip(&answers);
            for outcome in outcomes.iter_mut().filter(|outcome| outcome.is_none()) {
                *outcome = results.next().map(|(result, answer)| {
                    let is_rejection =
                        matches!(answer.verdict, Verdict::Retry { .. } | Verdict::GiveUp { .. });
                    outcome_of(result, is_rejection, &mut exhausted)
                });
            }
        }
        if !exhausted.is_empty()
            && let Err(error) = self.consumers.bury(&record, &exhausted).await
        {
            // They are marked: whoever finds them due buries them.
            tracing::warn!(group_id = %group, %error, "dead letters could not be entered yet");
        }
        self.consumers.nudge(group);
        Ok(outcomes.into_iter().map(|outcome| pb::AckResult { outcome }).collect())
    }
}

fn outcome_of(result: AnswerResult, is_rejection: bool, exhausted: &mut Vec<queue::Exhausted>) -> Outcome {
    let done = |already_acknowledged, deadline: Option<Timestamp>| {
        Outcome::Done(pb::AckDone { already_acknowledged, ack_expire_time: deadline.map(time::to_pb) })
    };
    match result {
        AnswerResult::Done(deadline) => done(false, deadline),
        AnswerResult::Before => done(true, None),
        AnswerResult::Exhausted(frame) => {
            exhausted.push(frame);
            done(false, None)
        }
        AnswerResult::Stale => refused(
            ErrorReason::AckIdStale,
            "the ack id is from before a seek, or its frame was delivered again since",
        ),
        AnswerResult::Rejected => refused(
            ErrorReason::AckIdStale,
            "the frame was rejected: it has no deadline, and comes again after its delay",
        ),
        AnswerResult::Ended(Ended::GivenUp | Ended::Rejected) if is_rejection => done(false, None),
        AnswerResult::Ended(Ended::GivenUp) => refused(
            ErrorReason::DeliveryAttemptsExhausted,
            "the frame was delivered as often as it may before it was acknowledged: it is a dead letter",
        ),
        AnswerResult::Ended(Ended::Rejected) => {
            refused(ErrorReason::RejectedByConsumer, "the frame was rejected for good: it is a dead letter")
        }
        AnswerResult::Ended(Ended::Lost) => {
            refused(ErrorReason::AckIdStale, "the frame was not acknowledged before retention took it")
        }
    }
}

fn refused(reason: ErrorReason, message: &str) -> Outcome {
    Outcome::Refused(Fault::new(reason, message).field("ack_id").into_item_error())
}

fn verdict(rejection: pb::Rejection) -> Result<(String, Verdict)> {
    let pb::Rejection { ack_id, reason: message, retry_delay, dead_letter } = rejection;
    if message.len() > MAX_REASON_BYTES {
        return Err(Fault::invalid("reason", format!("must be at most {MAX_REASON_BYTES} bytes")));
    }
    let delay = time::duration_within("retry_delay", retry_delay, Duration::ZERO, HOUR)?;
    if dead_letter && delay.is_some() {
        return Err(Fault::invalid("retry_delay", "must be unset with dead_letter"));
    }
    let verdict = if dead_letter { Verdict::GiveUp { message } } else { Verdict::Retry { delay, message } };
    Ok((ack_id, verdict))
}

fn check_count(field: &str, count: usize) -> Result<()> {
    match count {
        0 => Err(Fault::invalid(field, "must hold at least one")),
        1..=MAX_ACK_IDS => Ok(()),
        _ => Err(too_many(field, MAX_ACK_IDS)),
    }
}
