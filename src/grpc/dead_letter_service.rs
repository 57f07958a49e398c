//! DeadLetterService: what could not be processed or handled.

use tonic::{Request, Response, Status};

use super::audit::Audit;
use super::dead_letters::{self, DeadLetterDesk};
use crate::pb::v1 as pb;
use crate::pb::v1::dead_letter_service_server::DeadLetterService;

type Reply<T> = std::result::Result<Response<T>, Status>;

/// The handlers of DeadLetterService.
#[derive(Debug)]
pub(crate) struct DeadLetterHandlers {
    pub(crate) desk: DeadLetterDesk,
}

#[tonic::async_trait]
impl DeadLetterService for DeadLetterHandlers {
    async fn list_dead_letters(
        &self,
        request: Request<pb::ListDeadLettersRequest>,
    ) -> Reply<pb::ListDeadLettersResponse> {
        Ok(Response::new(self.desk.list(request.into_inner()).await?))
    }

    async fn get_dead_letter(
        &self,
        request: Request<pb::GetDeadLetterRequest>,
    ) -> Reply<pb::GetDeadLetterResponse> {
        Ok(Response::new(self.desk.get(request.into_inner()).await?))
    }

    async fn replay_dead_letters(
        &self,
        request: Request<pb::ReplayDeadLettersRequest>,
    ) -> Reply<pb::ReplayDeadLettersResponse> {
        let mut audit = Audit::of("ReplayDeadLetters", &request);
        let request = request.into_inner();
        audit.because(request.reason.clone())?;
        let answer = self.desk.replay(request).await;
        audit.write("dead letters", &answer, |answer| dead_letters::account(&answer.results));
        Ok(Response::new(answer?))
    }

    async fn discard_dead_letters(
        &self,
        request: Request<pb::DiscardDeadLettersRequest>,
    ) -> Reply<pb::DiscardDeadLettersResponse> {
        let mut audit = Audit::of("DiscardDeadLetters", &request);
        let request = request.into_inner();
        audit.because(request.reason.clone())?;
        let answer = self.desk.discard(request).await;
        audit.write("dead letters", &answer, |answer| dead_letters::account(&answer.results));
        Ok(Response::new(answer?))
    }
}
