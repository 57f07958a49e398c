//! AcknowledgeFrames, RejectFrames, ExtendAckDeadline.

use std::sync::Arc;
use std::time::Duration;

use super::ack_id::AckKey;
use super::convert::check_count;
use super::convert::{check_text, time};
use super::fault::{Fault, Result};
use super::permissions;
use crate::access::Caller;
use crate::domain::limits::{MAX_ACK_IDS, MAX_REASON_BYTES};
use crate::domain::{GroupId, Timestamp};
use crate::hub::Consumers;
use crate::metrics::{Counter, GroupAnswer, Per};
use crate::pb::v1 as pb;
use crate::pb::v1::ErrorReason;
use crate::pb::v1::ack_result::Outcome;
use crate::queue::{self, Ack, AckAction, AckResult, EndReason, Queue};

const SECOND: Duration = Duration::from_secs(1);
const HOUR: Duration = Duration::from_secs(3600);

/// The operations with which members acknowledge frames, reject frames or extend their ack
/// deadlines.
#[derive(Debug)]
pub(crate) struct GroupAcks {
    queue: Arc<dyn Queue>,
    consumers: Arc<Consumers>,
    answers: Per<GroupAnswer, Counter>,
}

impl GroupAcks {
    pub(crate) fn new(
        queue: Arc<dyn Queue>,
        consumers: Arc<Consumers>,
        answers: Per<GroupAnswer, Counter>,
    ) -> Self {
        Self { queue, consumers, answers }
    }

    pub(crate) async fn acknowledge(
        &self,
        request: pb::AcknowledgeFramesRequest,
        caller: &Caller,
    ) -> Result<pb::AcknowledgeFramesResponse> {
        let pb::AcknowledgeFramesRequest { group_id, ack_ids } = request;
        check_count("ack_ids", ack_ids.len(), MAX_ACK_IDS)?;
        let actions = ack_ids.into_iter().map(|id| (id, AckAction::Acknowledge)).collect();
        Ok(pb::AcknowledgeFramesResponse { results: self.apply(&group_id.parse()?, actions, caller).await? })
    }

    pub(crate) async fn reject(
        &self,
        request: pb::RejectFramesRequest,
        caller: &Caller,
    ) -> Result<pb::RejectFramesResponse> {
        let pb::RejectFramesRequest { group_id, rejections } = request;
        check_count("rejections", rejections.len(), MAX_ACK_IDS)?;
        let group = group_id.parse()?;
        let actions = rejections.into_iter().enumerate().map(|(index, rejection)| {
            action(rejection).map_err(|fault| fault.within(&format!("rejections[{index}]")))
        });
        Ok(pb::RejectFramesResponse {
            results: self.apply(&group, actions.collect::<Result<_>>()?, caller).await?,
        })
    }

    pub(crate) async fn extend(
        &self,
        request: pb::ExtendAckDeadlineRequest,
        caller: &Caller,
    ) -> Result<pb::ExtendAckDeadlineResponse> {
        let pb::ExtendAckDeadlineRequest { group_id, ack_ids, extension } = request;
        check_count("ack_ids", ack_ids.len(), MAX_ACK_IDS)?;
        let span = time::duration_within("extension", extension, SECOND, HOUR)?;
        let actions = ack_ids.into_iter().map(|id| (id, AckAction::Extend(span))).collect();
        Ok(pb::ExtendAckDeadlineResponse { results: self.apply(&group_id.parse()?, actions, caller).await? })
    }

    /// Passes the valid ack ids to the queue; invalid ones are refused one by one.
    async fn apply(
        &self,
        group: &GroupId,
        actions: Vec<(String, AckAction)>,
        caller: &Caller,
    ) -> Result<Vec<pb::AckResult>> {
        permissions::check_consume(caller, group)?;
        let found = self.queue.get_groups(std::slice::from_ref(group)).await?.pop().flatten();
        let record = found.ok_or_else(|| Fault::from(queue::Error::GroupNotFound(group.clone())))?;
        let key = AckKey::new(self.consumers.ack_key().await?);
        let partitions = self.queue.partitions();
        let mut acks = Vec::with_capacity(actions.len());
        let mut outcomes = Vec::with_capacity(actions.len());
        for (text, action) in actions {
            match key.read(group, &text, partitions) {
                Ok(id) => {
                    acks.push(Ack {
                        stream_id: id.stream_id,
                        sequence: id.sequence,
                        attempt: id.attempt,
                        generation: id.generation,
                        incarnation: id.incarnation,
                        action,
                    });
                    outcomes.push(None);
                }
                Err(fault) => outcomes.push(Some(Outcome::Refused(fault.into_item_error()))),
            }
        }
        let mut exhausted = Vec::new();
        if !acks.is_empty() {
            let results = self.queue.acknowledge(group, &acks).await?;
            for ack in &acks {
                self.answers.of(answer(&ack.action)).inc();
            }
            let mut results = results.into_iter().zip(&acks);
            for outcome in outcomes.iter_mut().filter(|outcome| outcome.is_none()) {
                *outcome = results.next().map(|(result, ack)| {
                    let is_rejection =
                        matches!(ack.action, AckAction::Retry { .. } | AckAction::GiveUp { .. });
                    outcome_of(result, is_rejection, &mut exhausted)
                });
            }
        }
        if !exhausted.is_empty()
            && let Err(error) = self.consumers.store_dead_letters(&record, &exhausted).await
        {
            // The frames stay marked, so the next server that finds them due stores their dead
            // letters.
            tracing::warn!(group_id = %group, %error, "cannot store dead letters yet; they are retried");
        }
        self.consumers.notify_members(group);
        Ok(outcomes.into_iter().map(|outcome| pb::AckResult { outcome }).collect())
    }
}

fn answer(action: &AckAction) -> GroupAnswer {
    match action {
        AckAction::Acknowledge => GroupAnswer::Acknowledge,
        AckAction::Retry { .. } => GroupAnswer::Retry,
        AckAction::GiveUp { .. } => GroupAnswer::GiveUp,
        AckAction::Extend(_) => GroupAnswer::Extend,
    }
}

fn outcome_of(result: AckResult, is_rejection: bool, exhausted: &mut Vec<queue::Exhausted>) -> Outcome {
    let done = |already_acknowledged, deadline: Option<Timestamp>| {
        Outcome::Done(pb::AckDone { already_acknowledged, ack_expire_time: deadline.map(time::to_pb) })
    };
    match result {
        AckResult::Done(deadline) => done(false, deadline),
        AckResult::AlreadyAcknowledged => done(true, None),
        AckResult::Exhausted(frame) => {
            exhausted.push(frame);
            done(false, None)
        }
        AckResult::Stale => refused(
            ErrorReason::AckIdStale,
            "the ack id is stale: the group was moved, or the frame was redelivered",
        ),
        AckResult::Rejected => refused(
            ErrorReason::AckIdStale,
            "the frame was rejected: it has no deadline and is redelivered after its delay",
        ),
        AckResult::Ended(EndReason::GivenUp | EndReason::Rejected) if is_rejection => done(false, None),
        AckResult::Ended(EndReason::GivenUp) => refused(
            ErrorReason::DeliveryAttemptsExhausted,
            "the frame became a dead letter after its last delivery attempt",
        ),
        AckResult::Ended(EndReason::Rejected) => {
            refused(ErrorReason::RejectedByConsumer, "the frame was rejected and became a dead letter")
        }
        AckResult::Ended(EndReason::Lost) => {
            refused(ErrorReason::AckIdStale, "retention removed the frame before it was acknowledged")
        }
    }
}

fn refused(reason: ErrorReason, message: &str) -> Outcome {
    Outcome::Refused(Fault::new(reason, message).field("ack_id").into_item_error())
}

fn action(rejection: pb::Rejection) -> Result<(String, AckAction)> {
    let pb::Rejection { ack_id, reason: message, retry_delay, dead_letter } = rejection;
    check_text("reason", &message, MAX_REASON_BYTES)?;
    let delay = time::duration_within("retry_delay", retry_delay, Duration::ZERO, HOUR)?;
    if dead_letter && delay.is_some() {
        return Err(Fault::invalid("retry_delay", "must be unset with dead_letter"));
    }
    let action =
        if dead_letter { AckAction::GiveUp { message } } else { AckAction::Retry { delay, message } };
    Ok((ack_id, action))
}
