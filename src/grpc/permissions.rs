//! The permission that each method needs, and the checks of the resources that a request names.
//!
//! [`METHODS`] is the whole table: a method that is not in it is refused. The access layer checks
//! that a caller has the permission for anything at all, before the request is read. Handlers check
//! each stream and group that a request names, because only they know them.

use tokio::sync::OwnedSemaphorePermit;
use tonic::Request;

use super::fault::{Fault, Result};
use super::status::SOON;
use crate::access::{Caller, Exceeded, Permissions};
use crate::domain::{GroupId, Scope, StreamId};
use crate::hub::StreamSet;
use crate::pb::v1 as pb;
use crate::pb::v1::ErrorReason;

/// The permission that a method needs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Need {
    /// None: everybody may call it, without credentials.
    Nothing,
    /// Credentials.
    Identity,
    /// `publish` for the streams of the frames.
    Publish,
    /// `read` for the streams.
    Read,
    /// `manage` for the stream.
    Manage,
    /// `read` or `manage` for the streams.
    See,
    /// `consume` for the group.
    Consume,
    /// `consume` for the groups, or `operate`.
    SeeGroups,
    /// `operate`.
    Operate,
    /// `admin`.
    Admin,
}

/// The methods of the contract and what they need.
const METHODS: &[(&str, &[(&str, Need)])] = &[
    (
        "frameway.v1.StreamingService",
        &[
            ("SubmitFrameBatch", Need::Publish),
            ("SubmitFrames", Need::Publish),
            ("SubscribeFrames", Need::Read),
            ("GetFrames", Need::Read),
            ("GetLatestFrames", Need::Read),
            ("ListFrames", Need::Read),
            ("ConsumeFrames", Need::Consume),
            ("AcknowledgeFrames", Need::Consume),
            ("RejectFrames", Need::Consume),
            ("ExtendAckDeadline", Need::Consume),
            ("GetServerInfo", Need::Identity),
        ],
    ),
    (
        "frameway.v1.StreamRegistryService",
        &[
            ("RegisterStream", Need::Manage),
            ("GetStream", Need::See),
            ("ListStreams", Need::See),
            ("UpdateStream", Need::Manage),
            ("UnregisterStream", Need::Manage),
            ("EraseFrames", Need::Manage),
            ("WatchStreams", Need::See),
        ],
    ),
    (
        "frameway.v1.ConsumerGroupService",
        &[
            ("CreateConsumerGroup", Need::Operate),
            ("GetConsumerGroup", Need::SeeGroups),
            ("ListConsumerGroups", Need::SeeGroups),
            ("ListConsumerGroupPositions", Need::SeeGroups),
            ("UpdateConsumerGroup", Need::Operate),
            ("SeekConsumerGroup", Need::Operate),
            ("DeleteConsumerGroup", Need::Operate),
        ],
    ),
    (
        "frameway.v1.DeadLetterService",
        &[
            ("ListDeadLetters", Need::Operate),
            ("GetDeadLetter", Need::Operate),
            ("ReplayDeadLetters", Need::Operate),
            ("DiscardDeadLetters", Need::Operate),
        ],
    ),
    (
        "frameway.v1.QueueService",
        &[
            ("ListQueues", Need::Operate),
            ("GetQueueStats", Need::Operate),
            ("ListStreamStats", Need::Operate),
            ("PauseQueue", Need::Operate),
            ("ResumeQueue", Need::Operate),
            ("DrainQueue", Need::Operate),
            ("PurgeQueue", Need::Operate),
        ],
    ),
    ("frameway.admin.v1beta1.AdminService", &[("GetSystemMetrics", Need::Admin)]),
    (
        "externalscaler.ExternalScaler",
        &[
            ("IsActive", Need::SeeGroups),
            ("StreamIsActive", Need::SeeGroups),
            ("GetMetricSpec", Need::SeeGroups),
            ("GetMetrics", Need::SeeGroups),
        ],
    ),
    ("grpc.health.v1.Health", &[("Check", Need::Nothing), ("Watch", Need::Nothing)]),
];
/// The services of reflection, which need credentials only if the server says so.
const REFLECTION: [&str; 2] =
    ["grpc.reflection.v1.ServerReflection", "grpc.reflection.v1alpha.ServerReflection"];

/// Returns the names of all methods of this server: `package.Service/Method`.
pub(crate) fn methods() -> impl Iterator<Item = String> {
    let of_contract = METHODS
        .iter()
        .flat_map(|(service, methods)| methods.iter().map(move |(method, _)| format!("{service}/{method}")));
    of_contract.chain(REFLECTION.iter().map(|service| format!("{service}/ServerReflectionInfo")))
}

/// Returns what the method of a path needs; `None` if it is not known.
pub(crate) fn need_of(path: &str, is_reflection_private: bool) -> Option<Need> {
    let (service, method) = path.strip_prefix('/')?.split_once('/')?;
    if REFLECTION.contains(&service) {
        return Some(if is_reflection_private { Need::Identity } else { Need::Nothing });
    }
    let (_, methods) = METHODS.iter().find(|(name, _)| *name == service)?;
    methods.iter().find(|(name, _)| *name == method).map(|(_, need)| *need)
}

/// Checks that a caller may use the method for any resource at all.
pub(crate) fn check_method(caller: &Caller, need: Need) -> Result<()> {
    let Permissions { publish, read, originals: _, manage, visible, consume, operate, admin } =
        caller.permissions();
    let may = match need {
        Need::Nothing | Need::Identity => true,
        Need::Publish => !publish.is_empty(),
        Need::Read => !read.is_empty(),
        Need::Manage => !manage.is_empty(),
        Need::See => !visible.is_empty(),
        Need::Consume => !consume.is_empty(),
        Need::SeeGroups => *operate || !consume.is_empty(),
        Need::Operate => *operate,
        Need::Admin => *admin,
    };
    if may { Ok(()) } else { Err(denied("the caller may not call this method")) }
}

/// Returns the caller of a request. The access layer has put it there; without it, the caller may
/// do nothing.
pub(crate) fn caller<T>(request: &Request<T>) -> Caller {
    request.extensions().get().cloned().unwrap_or_else(Caller::nobody)
}

/// Checks that the caller may submit frames of a stream.
pub(crate) fn check_publish(caller: &Caller, stream: &StreamId) -> Result<()> {
    let may = caller.permissions().publish.contains(stream.as_str());
    if may { Ok(()) } else { Err(denied_stream("submit frames of", stream)) }
}

/// Checks that the caller may read the frames of a stream.
pub(crate) fn check_read(caller: &Caller, stream: &StreamId) -> Result<()> {
    let may = caller.permissions().read.contains(stream.as_str());
    if may { Ok(()) } else { Err(denied_stream("read", stream)) }
}

/// Limits a selection of frames to the streams that the caller may read.
///
/// # Errors
/// The selection names a stream that the caller may not read.
pub(crate) fn readable(caller: &Caller, set: StreamSet) -> Result<StreamSet> {
    set.named().into_iter().try_for_each(|stream| check_read(caller, stream))?;
    Ok(within(&caller.permissions().read, set))
}

/// Limits a selection of streams to those that the caller may see.
///
/// # Errors
/// The selection names a stream that the caller may not see.
pub(crate) fn visible(caller: &Caller, set: StreamSet) -> Result<StreamSet> {
    set.named().into_iter().try_for_each(|stream| check_see(caller, stream))?;
    Ok(within(&caller.permissions().visible, set))
}

fn within(scope: &Scope, set: StreamSet) -> StreamSet {
    if scope.is_all() { set } else { StreamSet::Within(scope.clone(), Box::new(set)) }
}

/// Checks that the caller may register, update or unregister a stream.
pub(crate) fn check_manage(caller: &Caller, stream: &StreamId) -> Result<()> {
    let may = caller.permissions().manage.contains(stream.as_str());
    if may { Ok(()) } else { Err(denied_stream("manage", stream)) }
}

/// Checks that the caller may see the settings of a stream.
pub(crate) fn check_see(caller: &Caller, stream: &StreamId) -> Result<()> {
    let may = caller.permissions().visible.contains(stream.as_str());
    if may { Ok(()) } else { Err(denied_stream("see", stream)) }
}

/// Checks that the caller may see the state of the work queue.
pub(crate) fn check_operate(caller: &Caller) -> Result<()> {
    if caller.permissions().operate { Ok(()) } else { Err(denied("the caller may not see the work queue")) }
}

/// Checks that the caller may consume the frames of a group.
pub(crate) fn check_consume(caller: &Caller, group: &GroupId) -> Result<()> {
    let may = caller.permissions().consume.contains(group.as_str());
    if may { Ok(()) } else { Err(denied_group("consume", group)) }
}

/// Reports whether the caller may see the state of a group.
pub(crate) fn sees_group(caller: &Caller, group: &GroupId) -> bool {
    caller.permissions().operate || caller.permissions().consume.contains(group.as_str())
}

/// Checks that the caller may see the state of a group.
pub(crate) fn check_see_group(caller: &Caller, group: &GroupId) -> Result<()> {
    if sees_group(caller, group) { Ok(()) } else { Err(denied_group("see", group)) }
}

fn denied(message: impl Into<String>) -> Fault {
    Fault::new(ErrorReason::PermissionDenied, message)
}

fn denied_stream(what: &str, stream: &StreamId) -> Fault {
    denied(format!("the caller may not {what} stream {stream}")).fact("stream_id", stream)
}

fn denied_group(what: &str, group: &GroupId) -> Fault {
    denied(format!("the caller may not {what} group {group}")).fact("group_id", group)
}

/// Counts frames that the caller submits against its quota.
pub(crate) fn take_frames(caller: &Caller, frames: &[pb::Frame]) -> Result<()> {
    let bytes = frames.iter().map(|frame| frame.data.len() as u64).sum();
    caller.usage().submit(frames.len(), bytes).map_err(|exceeded| over_quota(caller, exceeded))
}

/// A place among the subscriptions of a principal; `None` if they are not limited.
pub(crate) type SubscriptionPlace = Option<OwnedSemaphorePermit>;

/// Takes a place among the subscriptions of the caller.
pub(crate) fn take_subscription(caller: &Caller) -> Result<SubscriptionPlace> {
    caller.usage().subscription().map_err(|exceeded| over_quota(caller, exceeded))
}

/// Returns the fault of a caller whose quota is used up.
pub(crate) fn over_quota(caller: &Caller, exceeded: Exceeded) -> Fault {
    let Exceeded { quota, limit, retry_in } = exceeded;
    let principal = caller.name().map_or("", |name| name.as_str());
    let message = format!("the quota of principal {principal} is used up: {quota} = {limit}; retry later");
    let fault = Fault::new(ErrorReason::QuotaExceeded, message)
        .fact("limit", limit)
        .fact("quota", quota)
        .fact("principal", principal);
    // A call or a subscription ends when the caller wants it to.
    fault.retry_in(retry_in.unwrap_or(SOON))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Every method of every service that this server offers is in the table, and nothing else is.
    #[test]
    fn every_method_has_an_entry() {
        let mut found = Vec::new();
        for set in [
            crate::pb::FILE_DESCRIPTOR_SET,
            crate::pb::EXTERNAL_SCALER_DESCRIPTOR_SET,
            tonic_health::pb::FILE_DESCRIPTOR_SET,
        ] {
            let pool = prost_reflect::DescriptorPool::decode(set).unwrap();
            for service in pool.services() {
                for method in service.methods() {
                    let path = format!("/{}/{}", service.full_name(), method.name());
                    assert!(need_of(&path, false).is_some(), "{path} has no entry in METHODS");
                    found.push(path);
                }
            }
        }
        for (service, methods) in METHODS {
            for (method, _) in *methods {
                let path = format!("/{service}/{method}");
                assert!(found.contains(&path), "{path} is in METHODS and in no descriptor");
            }
        }
    }

    #[test]
    fn an_unknown_method_needs_what_nobody_has() {
        for path in ["", "/", "/frameway.v1.StreamingService", "/frameway.v1.StreamingService/Other", "/x/y"]
        {
            assert_eq!(need_of(path, false), None, "{path}");
        }
        let reflection = "/grpc.reflection.v1.ServerReflection/ServerReflectionInfo";
        assert_eq!(need_of(reflection, false), Some(Need::Nothing));
        assert_eq!(need_of(reflection, true), Some(Need::Identity));
    }
}
