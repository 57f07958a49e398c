use crate::domain::{Etag, GroupId, StreamId};

/// What a caller of the queue can act on.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Error {
    /// The backend could not be reached: nothing was done.
    #[error("queue backend unreachable: {0}")]
    Unreachable(String),
    /// The backend was reached but no answer came: what was asked may have been done.
    #[error("queue backend gave no answer: {0}")]
    NoAnswer(String),
    /// The backend refused, for want of memory, disk or rights: nothing was done.
    #[error("queue backend refused: {0}")]
    Refused(String),
    /// This server may not accept frames at the moment: the others do not know of it yet, or it has left them. Nothing was done.
    #[error(
        "this server does not accept frames yet: it is joining the servers that do, which takes about 3 s"
    )]
    Joining,
    /// The lease is not, or no longer, held.
    #[error("the lease on the partition is lost")]
    LeaseLost,
    /// No such stream is registered.
    #[error("stream {0} is not registered")]
    StreamNotFound(StreamId),
    /// A stream of that name is registered, with other settings.
    #[error("stream {0} is registered already, with other settings")]
    StreamExists(StreamId),
    /// No such consumer group.
    #[error("there is no consumer group {0}")]
    GroupNotFound(GroupId),
    /// A group of that name is there, with other settings or another start.
    #[error("consumer group {0} is there already, with other settings or another start")]
    GroupExists(GroupId),
    /// No more groups may be made.
    #[error("the limit of {limit} consumer groups is reached")]
    TooManyGroups {
        /// The limit.
        limit: usize,
    },
    /// No more members may join.
    #[error("the limit of {limit} members of a consumer group is reached")]
    TooManyMembers {
        /// The limit.
        limit: usize,
    },
    /// Another call has joined the group under the same name.
    #[error("another call subscribed under the same group and member id")]
    MemberReplaced,
    /// The settings that the caller goes by are not in force any more.
    #[error("it has changed since it was read")]
    RevisionMismatch {
        /// The revision in force.
        current: u64,
    },
    /// What was to be changed is not what the caller means: it has changed, or is another of the same name.
    #[error("it has changed since it was read")]
    EtagMismatch {
        /// The one in force.
        current: Etag,
    },
    /// No more streams may be registered.
    #[error("the limit of {limit} streams is reached")]
    TooManyStreams {
        /// The limit.
        limit: usize,
    },
    /// The settings of all streams take as many bytes as they may.
    #[error(
        "the settings of all streams may take {limit_bytes} bytes, a tenth of --memory-budget: unregister streams, or give \
         them fewer regions, masks and labels"
    )]
    TooManySettings {
        /// What they may take.
        limit_bytes: u64,
    },
    /// The stored data was laid out by other rules than this program's.
    #[error("the stored layout does not fit: {0}")]
    Layout(String),
    /// The backend cannot be used as it is, or is named wrongly: somebody must change a setting.
    #[error("{0}")]
    Unsuitable(String),
    /// A stored entry cannot be read.
    #[error("a stored entry is corrupt: {0}")]
    Corrupt(String),
}

impl Error {
    /// The same call may succeed later.
    #[must_use]
    pub fn is_retryable(&self) -> bool {
        match self {
            Self::Unreachable(_) | Self::NoAnswer(_) | Self::Refused(_) | Self::Joining => true,
            Self::LeaseLost
            | Self::StreamNotFound(_)
            | Self::StreamExists(_)
            | Self::RevisionMismatch { .. }
            | Self::EtagMismatch { .. }
            | Self::TooManyStreams { .. }
            | Self::TooManySettings { .. }
            | Self::GroupNotFound(_)
            | Self::GroupExists(_)
            | Self::TooManyGroups { .. }
            | Self::TooManyMembers { .. }
            | Self::MemberReplaced
            | Self::Layout(_)
            | Self::Unsuitable(_)
            | Self::Corrupt(_) => false,
        }
    }
}
