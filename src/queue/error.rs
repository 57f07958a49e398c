use crate::domain::{Etag, GroupId, StreamId};

/// A failure of the queue. The variants are those that callers handle differently.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Error {
    /// The backend could not be reached: nothing was done.
    #[error("queue backend unreachable: {0}")]
    Unreachable(String),
    /// The backend was reached but did not answer: the command may have taken effect.
    #[error("queue backend did not answer: {0}")]
    NoAnswer(String),
    /// The backend rejected the command, for lack of memory, disk or permissions: nothing was done.
    #[error("queue backend rejected the command: {0}")]
    Refused(String),
    /// This server may not accept frames now: the other servers do not know of it yet, or it has
    /// left them. Nothing was done.
    #[error("this server is still joining the other servers and accepts frames in about 3 s; retry")]
    Joining,
    /// The lease is not, or no longer, held.
    #[error("the lease on the partition is lost")]
    LeaseLost,
    /// The stream is not registered.
    #[error("stream {0} is not registered")]
    StreamNotFound(StreamId),
    /// The stream is already registered, with other settings.
    #[error("stream {0} is already registered with other settings")]
    StreamExists(StreamId),
    /// The consumer group does not exist.
    #[error("consumer group {0} does not exist")]
    GroupNotFound(GroupId),
    /// The group already exists, with other settings or another start.
    #[error("consumer group {0} already exists with other settings or another start")]
    GroupExists(GroupId),
    /// No more groups may be created.
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
    /// Another call joined the group under the same member id.
    #[error("another call took over this member id")]
    MemberReplaced,
    /// The settings that the caller read are not in force any more.
    #[error("the resource was changed after it was read; read it again")]
    RevisionMismatch {
        /// The revision in force.
        current: u64,
    },
    /// The etag is not the one in force: the resource was changed, or is another one of the same
    /// name.
    #[error("the resource was changed after it was read; read it again")]
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
    /// The settings of all streams take the maximum number of bytes.
    #[error(
        "the settings of all streams may take {limit_bytes} bytes, a tenth of --memory-budget: unregister streams, or give \
         them fewer regions, masks and labels"
    )]
    TooManySettings {
        /// The maximum.
        limit_bytes: u64,
    },
    /// The stream has the maximum number of erased ranges.
    #[error(
        "the stream has {limit} erased ranges that do not touch, the maximum: erase one wider range, or wait until retention \
         has removed some of them"
    )]
    TooManyErasedRanges {
        /// The maximum.
        limit: usize,
    },
    /// Servers or workers of an older version use the store. They do not know erased frames: nothing
    /// was done. Names them.
    #[error(
        "an older version without EraseFrames still uses the store: {0}. Replace these processes; they count for up to a \
         minute, or two lease terms, after they have ended. Then call again; nothing was erased"
    )]
    OlderVersions(String),
    /// The stored data has another layout than this program's.
    #[error("the stored layout is incompatible: {0}")]
    Layout(String),
    /// The backend cannot be used as it is configured, or its address is wrong: an operator must
    /// change a setting.
    #[error("{0}")]
    Unsuitable(String),
    /// A stored entry cannot be read.
    #[error("a stored entry is corrupt: {0}")]
    Corrupt(String),
}

impl Error {
    /// Reports whether the same call may succeed later.
    #[must_use]
    pub fn is_retryable(&self) -> bool {
        match self {
            Self::Unreachable(_)
            | Self::NoAnswer(_)
            | Self::Refused(_)
            | Self::Joining
            | Self::OlderVersions(_) => true,
            Self::LeaseLost
            | Self::StreamNotFound(_)
            | Self::StreamExists(_)
            | Self::RevisionMismatch { .. }
            | Self::EtagMismatch { .. }
            | Self::TooManyStreams { .. }
            | Self::TooManySettings { .. }
            | Self::TooManyErasedRanges { .. }
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
