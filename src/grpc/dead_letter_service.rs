//! DeadLetterService: the frames that were given up.

use tonic::{Request, Response, Status};

use super::audit::Audit;
use super::dead_letters::{self, DeadLetterOperations};
use super::permissions;
use crate::pb::v1 as pb;
use crate::pb::v1::dead_letter_service_server::DeadLetterService;

type Reply<T> = std::result::Result<Response<T>, Status>;

/// The handlers of DeadLetterService.
#[derive(Debug)]
pub(crate) struct DeadLetterHandlers {
    pub(crate) operations: DeadLetterOperations,
}

#[tonic::async_trait]
impl DeadLetterService for DeadLetterHandlers {
    async fn list_dead_letters(
        &self,
        request: Request<pb::ListDeadLettersRequest>,
    ) -> Reply<pb::ListDeadLettersResponse> {
        Ok(Response::new(self.operations.list(request.into_inner()).await?))
    }

    async fn get_dead_letter(
        &self,
        request: Request<pb::GetDeadLetterRequest>,
    ) -> Reply<pb::GetDeadLetterResponse> {
        let caller = permissions::caller(&request);
        Ok(Response::new(self.operations.get(request.into_inner(), &caller).await?))
    }

    async fn replay_dead_letters(
        &self,
        request: Request<pb::ReplayDeadLettersRequest>,
    ) -> Reply<pb::ReplayDeadLettersResponse> {
        let mut audit = Audit::of("ReplayDeadLetters", &request);
        let request = request.into_inner();
        audit.set_reason(request.reason.clone())?;
        let audit = audit.begin("dead letters");
        let answer = self.operations.replay(request).await;
        audit.write(&answer, |answer| dead_letters::summary(&answer.results));
        Ok(Response::new(answer?))
    }

    async fn discard_dead_letters(
        &self,
        request: Request<pb::DiscardDeadLettersRequest>,
    ) -> Reply<pb::DiscardDeadLettersResponse> {
        let mut audit = Audit::of("DiscardDeadLetters", &request);
        let request = request.into_inner();
        audit.set_reason(request.reason.clone())?;
        let audit = audit.begin("dead letters");
        let answer = self.operations.discard(request).await;
        audit.write(&answer, |answer| dead_letters::summary(&answer.results));
        Ok(Response::new(answer?))
    }
}
