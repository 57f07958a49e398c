//! `frameway subscribe --group`: a member of a consumer group that acknowledges what it has shown and saved.

use std::time::Duration;

use tokio_util::sync::CancellationToken;

use super::report::Report;
use super::save::Saver;
use crate::cli::client::Client;
use crate::cli::output::pb_duration;
use crate::cli::silence::{HEARTBEAT, Silence};
use crate::cli::{Failure, fault};
use crate::pb::v1 as pb;
use crate::pb::v1::consume_frames_response::Event;

const FIRST_PAUSE: Duration = Duration::from_millis(200);
const LONGEST_PAUSE: Duration = Duration::from_secs(10);
/// After it the call is begun again, and the frame comes again.
const ACK_TIMEOUT: Duration = Duration::from_secs(15);

/// Who takes part in what.
#[derive(Debug)]
pub(super) struct Member {
    pub(super) group: String,
    pub(super) member: String,
    pub(super) roles: Vec<pb::PictureRole>,
    pub(super) rendition: Option<pb::Rendition>,
    pub(super) max_picture_bytes: u32,
    pub(super) count: Option<u64>,
}

impl Member {
    fn request(&self, left: Option<u64>) -> pb::ConsumeFramesRequest {
        let pictures = pb::PictureSelection {
            roles: self.roles.iter().map(|&role| role.into()).collect(),
            metadata_only: self.roles.is_empty(),
            max_picture_bytes: Some(self.max_picture_bytes),
            rendition: self.rendition,
        };
        pb::ConsumeFramesRequest {
            group_id: self.group.clone(),
            member_id: self.member.clone(),
            pictures: Some(pictures),
            heartbeat_interval: Some(pb_duration(HEARTBEAT)),
            stop_after_frames: left,
            ..Default::default()
        }
    }

    /// Takes frames until the count or `stop`; connects again when the server goes away.
    pub(super) async fn run(
        &self,
        mut client: Client,
        mut saver: Option<Saver>,
        report: &mut Report,
        stop: CancellationToken,
    ) -> Result<(), Failure> {
        let mut pause = FIRST_PAUSE;
        let mut silence = Silence::default();
        loop {
            let before = report.frames();
            let followed = self.follow(&mut client, &mut saver, report, &mut silence);
            let Some(followed) = stop.run_until_cancelled(followed).await else { return Ok(()) };
            let Err(status) = followed? else { return Ok(()) };
            let Some(told) = fault::retry(&status) else {
                return Err(fault::refused("subscribing as a member of the group", &status));
            };
            pause = if report.frames() > before { FIRST_PAUSE } else { (pause * 2).min(LONGEST_PAUSE) };
            report.note(&format!("{}; connecting again", fault::words(&status)));
            let wait = tokio::time::sleep(told.unwrap_or(pause).min(LONGEST_PAUSE));
            if stop.run_until_cancelled(wait).await.is_none() {
                return Ok(());
            }
        }
    }

    /// One call; the status that ended it, or `Ok` if it came to its end.
    async fn follow(
        &self,
        client: &mut Client,
        saver: &mut Option<Saver>,
        report: &mut Report,
        silence: &mut Silence,
    ) -> Result<Result<(), tonic::Status>, Failure> {
        let left = self.count.map(|count| count.saturating_sub(report.frames()));
        if left == Some(0) {
            // The call ended between the last frame and its ack; a call for 0 frames would be refused.
            return Ok(Ok(()));
        }
        let call = client.streaming.consume_frames(self.request(left));
        let mut events = match silence.bound(call).await {
            Ok(answer) => answer.into_inner(),
            Err(status) => return Ok(Err(status)),
        };
        loop {
            let event = match silence.bound(events.message()).await {
                Ok(Some(message)) => message.event,
                Ok(None) => return Ok(Ok(())),
                Err(status) => return Ok(Err(status)),
            };
            if !matches!(event, Some(Event::Ready(_))) {
                silence.over();
            }
            match event {
                Some(Event::Frame(delivered)) => {
                    let frame = delivered.frame.unwrap_or_default();
                    let saved = match saver {
                        Some(saver) => saver.save(&frame)?,
                        None => Vec::new(),
                    };
                    report.frame(&frame, &saved);
                    // Only now is it done: whoever dies before gets it again.
                    if let Err(status) = self.acknowledge(client, delivered.ack_id, report).await {
                        return Ok(Err(status));
                    }
                }
                Some(Event::Gap(gap)) => report.gap(&gap),
                Some(Event::Heartbeat(heartbeat)) => {
                    report.lag(heartbeat.streams.iter().map(|stream| stream.lag_frames).sum());
                }
                Some(Event::Ready(_) | Event::Draining(_)) | None => {}
            }
        }
    }

    async fn acknowledge(
        &self,
        client: &mut Client,
        ack_id: String,
        report: &Report,
    ) -> Result<(), tonic::Status> {
        let request = pb::AcknowledgeFramesRequest { group_id: self.group.clone(), ack_ids: vec![ack_id] };
        let mut request = tonic::Request::new(request);
        request.set_timeout(ACK_TIMEOUT);
        let answer = client.streaming.acknowledge_frames(request).await?.into_inner();
        for result in answer.results {
            if let Some(pb::ack_result::Outcome::Refused(error)) = result.outcome {
                report.note(&format!("not acknowledged: {}", fault::frame_words(&error)));
            }
        }
        Ok(())
    }
}
