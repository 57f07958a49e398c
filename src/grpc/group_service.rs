//! ConsumerGroupService: the consumer groups and their positions.

use tonic::{Request, Response, Status};

use super::audit::Audit;
use super::groups::GroupOperations;
use super::permissions;
use crate::pb::v1 as pb;
use crate::pb::v1::consumer_group_service_server::ConsumerGroupService;

type Reply<T> = std::result::Result<Response<T>, Status>;

/// The handlers of ConsumerGroupService.
#[derive(Debug)]
pub(crate) struct GroupHandlers {
    pub(crate) operations: GroupOperations,
}

#[tonic::async_trait]
impl ConsumerGroupService for GroupHandlers {
    async fn create_consumer_group(
        &self,
        request: Request<pb::CreateConsumerGroupRequest>,
    ) -> Reply<pb::CreateConsumerGroupResponse> {
        let audit = Audit::of("CreateConsumerGroup", &request);
        let request = request.into_inner();
        let group_id = request.group.as_ref().map(|group| group.group_id.clone()).unwrap_or_default();
        let audit = audit.begin(&group_id);
        let answer = self.operations.create(request).await;
        audit.write(&answer, |_| "done".to_owned());
        Ok(Response::new(answer?))
    }

    async fn get_consumer_group(
        &self,
        request: Request<pb::GetConsumerGroupRequest>,
    ) -> Reply<pb::GetConsumerGroupResponse> {
        let caller = permissions::caller(&request);
        Ok(Response::new(self.operations.get(request.into_inner(), &caller).await?))
    }

    async fn list_consumer_groups(
        &self,
        request: Request<pb::ListConsumerGroupsRequest>,
    ) -> Reply<pb::ListConsumerGroupsResponse> {
        let caller = permissions::caller(&request);
        Ok(Response::new(self.operations.list(request.into_inner(), &caller).await?))
    }

    async fn list_consumer_group_positions(
        &self,
        request: Request<pb::ListConsumerGroupPositionsRequest>,
    ) -> Reply<pb::ListConsumerGroupPositionsResponse> {
        let caller = permissions::caller(&request);
        Ok(Response::new(self.operations.list_positions(request.into_inner(), &caller).await?))
    }

    async fn update_consumer_group(
        &self,
        request: Request<pb::UpdateConsumerGroupRequest>,
    ) -> Reply<pb::UpdateConsumerGroupResponse> {
        let mut audit = Audit::of("UpdateConsumerGroup", &request);
        let request = request.into_inner();
        audit.set_reason(request.reason.clone())?;
        let group_id = request.group.as_ref().map(|group| group.group_id.clone()).unwrap_or_default();
        let audit = audit.begin(&group_id);
        let answer = self.operations.update(request).await;
        audit.write(&answer, |_| "done".to_owned());
        Ok(Response::new(answer?))
    }

    async fn seek_consumer_group(
        &self,
        request: Request<pb::SeekConsumerGroupRequest>,
    ) -> Reply<pb::SeekConsumerGroupResponse> {
        let mut audit = Audit::of("SeekConsumerGroup", &request);
        let request = request.into_inner();
        audit.set_reason(request.reason.clone())?;
        let audit = audit.begin(&request.group_id);
        let answer = self.operations.seek(request).await;
        audit.write(&answer, |answer| format!("done, {} streams moved", answer.moved_streams));
        Ok(Response::new(answer?))
    }

    async fn delete_consumer_group(
        &self,
        request: Request<pb::DeleteConsumerGroupRequest>,
    ) -> Reply<pb::DeleteConsumerGroupResponse> {
        let mut audit = Audit::of("DeleteConsumerGroup", &request);
        let request = request.into_inner();
        audit.set_reason(request.reason.clone())?;
        let audit = audit.begin(&request.group_id);
        let answer = self.operations.delete(request).await;
        audit.write(&answer, |answer| format!("done, {} frames of lag", answer.lag_frames));
        Ok(Response::new(answer?))
    }
}
