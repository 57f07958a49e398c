use std::fmt;

use crate::domain::PartitionId;
use crate::queue::Error;

/// The result of a part of a move.
pub(crate) type Moved<T> = Result<T, MoveError>;

/// The reason why a store was not moved. Whatever was copied stays in the target, and the next try
/// continues there.
#[derive(Debug, thiserror::Error)]
pub(crate) enum MoveError {
    /// Redis did not do what was asked.
    #[error("{0}; start the same command again when it can go on")]
    Queue(#[from] Error),
    /// The source has no store.
    #[error("the source contains no store: check its URL and namespace")]
    NoStore,
    /// The source has a store that this version does not read.
    #[error("the source contains \"{0}\", which this version does not move")]
    OtherLayout(String),
    /// A server or worker uses a store.
    #[error(
        "{place} is in use by {who}: stop all servers and workers; one that was killed counts for up to twenty minutes, \
         or until it is removed from the list"
    )]
    InUse {
        /// The source or the target.
        place: Place,
        /// The names of the processes.
        who: String,
    },
    /// The target has data already.
    #[error("the target is not empty: choose another --to-namespace, or empty it")]
    NotEmpty,
    /// The target has a half-done copy of another store, or with other partitions.
    #[error("the target contains a half-done copy {0}: continue that one, or delete its keys")]
    OtherMove(String),
    /// The source was used after the move began.
    #[error("the source was changed after the move began: delete the keys of the target, and start again")]
    Changed,
    /// Partitions that become one have different states.
    #[error(
        "{first} and {second} become one partition, but one of them is {state}: give all queues the same state"
    )]
    States {
        /// One of the partitions.
        first: PartitionId,
        /// The other one.
        second: PartitionId,
        /// The state of one of them.
        state: String,
    },
    /// Two dead letters of partitions that become one have the same id.
    #[error("two dead letters of {first} and {second} have the id {id}: discard or replay one of them first")]
    Letters {
        /// One of the partitions.
        first: PartitionId,
        /// The other one.
        second: PartitionId,
        /// The part of the id that is the same.
        id: String,
    },
    /// The source has something that this version does not know.
    #[error(
        "{partition} of the source has the counter {field:?}, which this version does not know: use the newest version"
    )]
    UnknownField {
        /// The partition.
        partition: PartitionId,
        /// The name.
        field: String,
    },
    /// The copy is not equal to the source.
    #[error("the copy differs from the source: {0}; delete the keys of the target, and start again")]
    Differs(String),
}

/// One of the two stores of a move.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Place {
    /// The store that is moved.
    Source,
    /// The store that it becomes.
    Target,
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Source => "the source",
            Self::Target => "the target",
        })
    }
}
