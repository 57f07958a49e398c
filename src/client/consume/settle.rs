//! The calls that acknowledge and reject frames, and extend their deadlines.

use tonic::Status;

use super::work::Batch;
use crate::client::Channel;
use crate::client::retry::Policy;
use crate::pb::v1 as pb;
use crate::pb::v1::ack_result::Outcome;
use crate::pb::v1::streaming_service_client::StreamingServiceClient;

/// Makes the calls for one group. They are repeated as their policies allow.
#[derive(Debug, Clone)]
pub(super) struct Settler {
    client: StreamingServiceClient<Channel>,
    group_id: String,
}

impl Settler {
    pub(super) fn new(client: StreamingServiceClient<Channel>, group_id: String) -> Self {
        Self { client, group_id }
    }

    pub(super) async fn acknowledge(&self, ack_ids: Vec<String>) -> Result<Vec<pb::AckResult>, Status> {
        let request = pb::AcknowledgeFramesRequest { group_id: self.group_id.clone(), ack_ids };
        let call = |request| {
            let mut client = self.client.clone();
            async move { client.acknowledge_frames(request).await }
        };
        let policy = Policy::of("frameway.v1.StreamingService/AcknowledgeFrames");
        Ok(policy.call(request, call).await?.results)
    }

    pub(super) async fn reject(&self, rejections: Vec<pb::Rejection>) -> Result<Vec<pb::AckResult>, Status> {
        let request = pb::RejectFramesRequest { group_id: self.group_id.clone(), rejections };
        let call = |request| {
            let mut client = self.client.clone();
            async move { client.reject_frames(request).await }
        };
        let policy = Policy::of("frameway.v1.StreamingService/RejectFrames");
        Ok(policy.call(request, call).await?.results)
    }

    /// Sends a batch of verdicts, and returns it with the answer.
    pub(super) async fn settle(self, batch: Batch) -> (Batch, Result<Vec<pb::AckResult>, Status>) {
        let answer = match &batch {
            Batch::Acks(ids) => self.acknowledge(ids.clone()).await,
            Batch::Rejections(rejections) => self.reject(rejections.clone()).await,
        };
        (batch, answer)
    }

    /// Extends deadlines by the group's ack deadline, and returns the ids with the answer.
    pub(super) async fn extend(
        self,
        ack_ids: Vec<String>,
    ) -> (Vec<String>, Result<Vec<pb::AckResult>, Status>) {
        let request = pb::ExtendAckDeadlineRequest {
            group_id: self.group_id.clone(),
            ack_ids: ack_ids.clone(),
            extension: None,
        };
        let call = |request| {
            let mut client = self.client.clone();
            async move { client.extend_ack_deadline(request).await }
        };
        let policy = Policy::of("frameway.v1.StreamingService/ExtendAckDeadline");
        (ack_ids, policy.call(request, call).await.map(|answer| answer.results))
    }
}

/// Reads one result. One that is missing, or of a kind that a newer server sends, counts as refused.
pub(super) fn done(result: Option<pb::AckResult>) -> Result<(), Option<pb::ItemError>> {
    match result.and_then(|result| result.outcome) {
        Some(Outcome::Done(_)) => Ok(()),
        Some(Outcome::Refused(error)) => Err(Some(error)),
        None => Err(None),
    }
}
