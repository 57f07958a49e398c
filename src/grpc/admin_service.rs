//! AdminService: internal metrics of a cluster, for operators.

use std::sync::Arc;

use tonic::{Request, Response, Status};

use super::config::BackendKind;
use super::counters::Counters;
use crate::hub::Hub;
use crate::pb::admin::v1beta1 as admin;
use crate::pb::admin::v1beta1::admin_service_server::AdminService;
use crate::queue::Queue;

/// The handlers of AdminService.
#[derive(Debug)]
pub(crate) struct AdminHandlers {
    pub(crate) queue: Arc<dyn Queue>,
    pub(crate) hub: Arc<Hub>,
    pub(crate) counters: Arc<Counters>,
    pub(crate) backend: BackendKind,
}

#[tonic::async_trait]
impl AdminService for AdminHandlers {
    async fn get_system_metrics(
        &self,
        request: Request<admin::GetSystemMetricsRequest>,
    ) -> std::result::Result<Response<admin::GetSystemMetricsResponse>, Status> {
        let admin::GetSystemMetricsRequest {} = request.into_inner();
        Ok(Response::new(self.system_metrics().await?))
    }
}
