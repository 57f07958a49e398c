//! The first message of a call: the publisher, and the streams whose positions it asks for.

use std::time::Duration;

use futures::{StreamExt as _, TryStreamExt as _, stream};

use crate::access::Caller;
use crate::domain::limits::MAX_RESUME_STREAMS;
use crate::domain::{PublisherId, StreamId};
use crate::grpc::convert::time;
use crate::grpc::fault::{Fault, Result};
use crate::grpc::permissions;
use crate::pb::v1 as pb;
use crate::pb::v1::ErrorReason;
use crate::queue::Queue;

/// The number of positions that are read at a time.
const READS_AT_ONCE: usize = 32;

/// A setup that was checked.
#[derive(Debug)]
pub(super) struct Setup {
    publisher: Option<PublisherId>,
    resume: Vec<StreamId>,
    pub(super) heartbeat_interval: Duration,
}

impl Setup {
    pub(super) fn from_pb(setup: pb::SubmitSetup, caller: &Caller) -> Result<Self> {
        let pb::SubmitSetup { publisher_id, resume_stream_ids, heartbeat_interval } = setup;
        let publisher = match publisher_id.as_str() {
            "" => None,
            id => {
                let id = PublisherId::owned_by(caller.name(), id);
                Some(id.map_err(|error| Fault::from(error).within("setup"))?)
            }
        };
        if resume_stream_ids.len() > MAX_RESUME_STREAMS {
            let fault = Fault::too_many("setup.resume_stream_ids", MAX_RESUME_STREAMS);
            return Err(fault.fact("actual", resume_stream_ids.len()));
        }
        let id = |(at, id): (usize, &String)| {
            id.parse().map_err(|error| Fault::from(error).field(format!("setup.resume_stream_ids[{at}]")))
        };
        let resume: Vec<StreamId> = resume_stream_ids.iter().enumerate().map(id).collect::<Result<_>>()?;
        resume.iter().try_for_each(|stream| permissions::check_publish(caller, stream))?;
        let heartbeat_interval = time::heartbeat("setup.heartbeat_interval", heartbeat_interval)?;
        Ok(Self { publisher, resume, heartbeat_interval })
    }

    /// Reads the position of the publisher in each stream that it asks for.
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

    /// Sets the publisher of a frame to that of the call.
    pub(super) fn adopt(&self, mut frame: pb::Frame) -> Result<pb::Frame> {
        let ours = self.publisher.as_ref().map(PublisherId::name).unwrap_or_default();
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
            let fault = Setup::from_pb(setup, &Caller::anybody()).unwrap_err();
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
    fn frames_get_the_publisher_of_the_call() {
        let setup = Setup::from_pb(setup(), &Caller::anybody()).unwrap();
        let named = |id: &str| pb::Frame { publisher_id: id.into(), ..Default::default() };
        assert_eq!(setup.adopt(named("")).unwrap().publisher_id, "agent");
        assert_eq!(setup.adopt(named("agent")).unwrap().publisher_id, "agent");
        let other = setup.adopt(named("other")).unwrap_err();
        documented::check(&other);
        assert_eq!(other.reason, ErrorReason::PublisherMismatch);
        let nobody = Setup::from_pb(pb::SubmitSetup::default(), &Caller::anybody()).unwrap();
        assert!(nobody.adopt(named("")).is_ok() && nobody.adopt(named("agent")).is_err());
    }
}
