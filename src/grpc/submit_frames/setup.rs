//! The first message of a call: who publishes, and where it may go on.

use std::time::Duration;

use futures::{StreamExt as _, TryStreamExt as _, stream};

use crate::domain::limits::MAX_RESUME_STREAMS;
use crate::domain::{PublisherId, StreamId};
use crate::grpc::convert::time;
use crate::grpc::fault::{Fault, Result};
use crate::pb::v1 as pb;
use crate::pb::v1::ErrorReason;
use crate::queue::Queue;

const HEARTBEATS: (Duration, Duration) = (Duration::from_secs(1), Duration::from_secs(60));
const DEFAULT_HEARTBEAT: Duration = Duration::from_secs(10);
/// Positions that are read at a time.
const READS_AT_ONCE: usize = 32;

/// A good setup.
#[derive(Debug)]
pub(super) struct Setup {
    publisher: Option<PublisherId>,
    resume: Vec<StreamId>,
    pub(super) heartbeat_interval: Duration,
}

impl Setup {
    pub(super) fn from_pb(setup: pb::SubmitSetup) -> Result<Self> {
        let pb::SubmitSetup { publisher_id, resume_stream_ids, heartbeat_interval } = setup;
        let publisher = match publisher_id.as_str() {
            "" => None,
            id => Some(id.parse::<PublisherId>().map_err(|error| Fault::from(error).within("setup"))?),
        };
        if resume_stream_ids.len() > MAX_RESUME_STREAMS {
            let actual = resume_stream_ids.len();
            let message = format!("{actual} streams are over the limit of {MAX_RESUME_STREAMS}");
            return Err(Fault::new(ErrorReason::TooManyItems, message)
                .field("setup.resume_stream_ids")
                .fact("limit", MAX_RESUME_STREAMS)
                .fact("actual", actual));
        }
        let resume = resume_stream_ids
            .iter()
            .enumerate()
            .map(|(at, id)| {
                id.parse().map_err(|error| Fault {
                    field: format!("setup.resume_stream_ids[{at}]"),
                    ..Fault::from(error)
                })
            })
            .collect::<Result<_>>()?;
        let field = "setup.heartbeat_interval";
        let heartbeat = time::duration_within(field, heartbeat_interval, HEARTBEATS.0, HEARTBEATS.1)?;
        Ok(Self { publisher, resume, heartbeat_interval: heartbeat.unwrap_or(DEFAULT_HEARTBEAT) })
    }

    /// Where the publisher is in each stream that it asks for.
    pub(super) async fn positions(&self, queue: &dyn Queue) -> Result<Vec<pb::PublisherPosition>> {
        let read = |stream: StreamId| async move {
            let found = match &self.publisher {
                Some(publisher) => queue.publisher_position(&stream, publisher).await?,
                None => None,
            };
            Result::Ok(pb::PublisherPosition {
                stream_id: stream.to_string(),
                last_publisher_sequence: found.map(|found| found.publisher_sequence),
                last_sequence: found.map(|found| found.sequence.get()),
            })
        };
        stream::iter(self.resume.clone()).map(read).buffered(READS_AT_ONCE).try_collect().await
    }

    /// A frame of the call as one of its publisher.
    pub(super) fn adopt(&self, mut frame: pb::Frame) -> Result<pb::Frame> {
        let ours = self.publisher.as_ref().map(PublisherId::as_str).unwrap_or_default();
        if frame.publisher_id.is_empty() {
            ours.clone_into(&mut frame.publisher_id);
        } else if frame.publisher_id != ours {
            let message = format!("the setup of the call names {ours:?} as its publisher");
            return Err(Fault::new(ErrorReason::PublisherMismatch, message).field("publisher_id"));
        }
        Ok(frame)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::grpc::documented;

    fn setup() -> pb::SubmitSetup {
        pb::SubmitSetup { publisher_id: "agent".into(), ..Default::default() }
    }

    #[test]
    fn a_bad_setup_names_its_field() {
        let refused = |setup| {
            let fault = Setup::from_pb(setup).unwrap_err();
            documented::check(&fault);
            fault
        };
        let bad = refused(pb::SubmitSetup { publisher_id: "a b".into(), ..setup() });
        assert_eq!((bad.reason, bad.field.as_str()), (ErrorReason::InvalidField, "setup.publisher_id"));
        let ids = vec!["cam".to_owned(), "c m".to_owned()];
        let bad = refused(pb::SubmitSetup { resume_stream_ids: ids, ..setup() });
        assert_eq!(bad.field, "setup.resume_stream_ids[1]");
        let ids = vec!["cam".to_owned(); MAX_RESUME_STREAMS + 1];
        let bad = refused(pb::SubmitSetup { resume_stream_ids: ids, ..setup() });
        assert_eq!(bad.reason, ErrorReason::TooManyItems);
        let often = Some(prost_types::Duration { seconds: 0, nanos: 1 });
        let bad = refused(pb::SubmitSetup { heartbeat_interval: often, ..setup() });
        assert_eq!(bad.field, "setup.heartbeat_interval");
    }

    #[test]
    fn frames_are_the_publishers_own() {
        let setup = Setup::from_pb(setup()).unwrap();
        let named = |id: &str| pb::Frame { publisher_id: id.into(), ..Default::default() };
        assert_eq!(setup.adopt(named("")).unwrap().publisher_id, "agent");
        assert_eq!(setup.adopt(named("agent")).unwrap().publisher_id, "agent");
        let other = setup.adopt(named("other")).unwrap_err();
        documented::check(&other);
        assert_eq!(other.reason, ErrorReason::PublisherMismatch);
        let nobody = Setup::from_pb(pb::SubmitSetup::default()).unwrap();
        assert!(nobody.adopt(named("")).is_ok() && nobody.adopt(named("agent")).is_err());
    }
}
