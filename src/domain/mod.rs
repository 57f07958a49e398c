//! The service's terms (see "Words" in ARCHITECTURE.md) as types that cannot hold an invalid value.
//! No I/O, no wire types, no Redis.

mod dead_letter;
mod error;
mod etag;
mod filter;
mod frame;
mod group;
mod ids;
pub mod limits;
mod location;
pub(crate) mod measures;
mod output;
pub(crate) mod picture;
mod polygon;
mod position;
mod rendition;
mod roi;
mod scope;
mod sequences;
mod settings;
mod store;
mod stream;
mod time;
mod validation;
mod web_origin;

pub use dead_letter::{
    DeadFrame, DeadLetter, DeadLetterFilter, DeadLetterId, DeadLetterReason, DeadLetterReplay,
    DeadLetterSource, DeadOutput, DeadPicture,
};
pub use error::ValidationError;
pub use etag::{Etag, InvalidEtag};
pub use filter::{FrameFilter, LabelMatch};
pub use frame::{Digest, FrameHeader, PublisherSequence, SourceInfo, well_formed_trace};
pub use group::{
    BackoffSettings, GroupAffinity, GroupPolicies, GroupRecord, GroupSettings, RetryBackoff, Sampling,
    StreamMatch,
};
pub use ids::{
    GroupId, ID_PATTERN, MemberId, PartitionId, Partitions, PrincipalName, PublisherId, RoiId, Sequence,
    StreamId, check_id,
};
pub use location::Location;
pub use measures::{Congestion, Graded, Lighting, QualityMeasures, RoiMeasures, SceneMeasures, Weather};
pub use output::{
    Failure, FailureReason, OutputBody, OutputEntry, PayloadKey, PayloadRef, PictureRole, ProcessedFrame,
    Reencode, Stage, StageTiming, StoredPicture, Tombstone, TombstoneKind,
};
pub use picture::{ColorMatrix, ColorRange, PictureFormat, RawColors};
pub use polygon::{NormalizedPoint, Polygon, PolygonError};
pub use position::{Cursor, StartPosition};
pub use rendition::{
    AdaptiveQuality, ChromaSubsampling, HuffmanTables, OutputFormat, OutputPolicy, PrivacyMask, ReencodeMode,
    Rendition,
};
pub use roi::{Roi, RoiKind};
pub use scope::Scope;
pub use sequences::{SequenceRange, SequenceSet};
pub use settings::{
    AdaptiveSettings, ClockSettings, EncodedFormat, OutputSettings, QueueSettings, RetentionSettings,
    StreamPolicies, StreamSettings, ValidationSettings,
};
pub use store::StoreIdentity;
pub use stream::{
    ClockAction, ClockPolicy, FAILED_IN_ROW, QueuePolicy, RetentionPolicy, StallTimeout, StreamCounters,
    StreamRecord, StreamState,
};
pub use time::Timestamp;
pub use validation::{ValidationFailure, ValidationPolicy};
pub use web_origin::{AllowedOrigin, WebOrigin};
