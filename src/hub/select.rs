use std::collections::HashSet;
use std::time::Duration;

use globset::{Glob, GlobMatcher};

use super::choice::Choice;
use super::event::SubscribeError;
use crate::domain::limits::DEFAULT_MAX_DELIVERED_PICTURE_BYTES;
use crate::domain::{
    Cursor, LabelMatch, PictureRole, Rendition, Sequence, StartPosition, StreamId, StreamRecord, Timestamp,
};

/// Longest glob, in bytes: its automaton grows with it.
const MAX_GLOB_BYTES: usize = 256;
/// How far behind the next number a start may lie.
const MAX_AHEAD: u64 = 1_000_000;

/// What a subscriber asks for.
#[derive(Debug, Clone, PartialEq)]
pub struct SubscriptionRequest {
    /// What to follow. A stream that several select belongs to the first of them.
    pub selectors: Vec<Selector>,
    /// Time between heartbeats; zero = none.
    pub heartbeat_interval: Duration,
    /// Time between checkpoints; zero = only the first and the last.
    pub checkpoint_interval: Duration,
    /// End after so many frames in all.
    pub stop_after_frames: Option<u64>,
    /// End when everything is sent that was published before the first event. Streams that come later do not keep it open.
    pub stop_at_head: bool,
    /// Streams named by id need not be registered (yet): streams are registered by their first frame.
    pub allow_unregistered: bool,
}

/// Some streams, and how to deliver them.
#[derive(Debug, Clone, PartialEq)]
pub struct Selector {
    /// Which streams.
    pub streams: StreamSet,
    /// Where each begins, unless `cursors` has it. A [`StartPosition::Cursor`] counts for its own stream; the others
    /// begin live.
    pub start: StartPosition,
    /// Where single streams begin.
    pub cursors: Vec<Cursor>,
    /// A stream is done behind this number.
    pub stop_sequence: Option<Sequence>,
    /// A stream is done before the first frame that was received at or after this time.
    pub stop_time: Option<Timestamp>,
    /// A stream is done after so many frames.
    pub stop_after_frames: Option<u64>,
    /// Which frames.
    pub choice: Choice,
    /// Which pictures.
    pub want: PictureWant,
    /// Refuse the subscription if retention took frames behind a start, instead of telling a gap.
    pub fail_if_trimmed: bool,
}

/// A set of streams.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum StreamSet {
    /// These; each must be registered.
    Ids(Vec<StreamId>),
    /// Those whose id matches, also such as are registered later.
    Glob(String),
    /// Those whose labels match, also such as get them later.
    Labels(LabelMatch),
    /// Those of any of these sets.
    Any(Vec<StreamSet>),
}

/// Which pictures of a frame, and how large at most.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct PictureWant {
    /// The thumbnail.
    pub thumbnail: bool,
    /// The processed picture.
    pub processed: bool,
    /// The submitted bytes.
    pub original: bool,
    /// A picture made on demand from the processed one.
    pub rendition: Option<Rendition>,
    /// Larger ones are left out; 0 = [`DEFAULT_MAX_DELIVERED_PICTURE_BYTES`].
    pub max_picture_bytes: u32,
}

impl PictureWant {
    /// The roles asked for.
    pub fn roles(&self) -> impl Iterator<Item = PictureRole> + use<> {
        let asked = [
            (self.thumbnail, PictureRole::Thumbnail),
            (self.processed, PictureRole::Processed),
            (self.original, PictureRole::Original),
            (self.rendition.is_some(), PictureRole::Rendition),
        ];
        asked.into_iter().filter_map(|(wanted, role)| wanted.then_some(role))
    }

    /// The bound in force.
    #[must_use]
    pub fn limit_bytes(&self) -> u64 {
        match self.max_picture_bytes {
            0 => u64::from(DEFAULT_MAX_DELIVERED_PICTURE_BYTES),
            bytes => u64::from(bytes),
        }
    }
}

impl StreamSet {
    /// Checks that the set can be asked for.
    ///
    /// # Errors
    /// [`SubscribeError::InvalidGlob`].
    pub fn check(&self) -> Result<(), SubscribeError> {
        Matcher::new(self).map(drop)
    }

    /// Returns the streams that are selected by their ids.
    pub(super) fn named(&self) -> Vec<&StreamId> {
        match self {
            Self::Ids(ids) => ids.iter().collect(),
            Self::Glob(_) | Self::Labels(_) => Vec::new(),
            Self::Any(sets) => sets.iter().flat_map(Self::named).collect(),
        }
    }

    /// Returns true if streams that are registered later can belong to the set.
    pub(super) fn is_dynamic(&self) -> bool {
        match self {
            Self::Ids(_) => false,
            Self::Glob(_) | Self::Labels(_) => true,
            Self::Any(sets) => sets.iter().any(Self::is_dynamic),
        }
    }
}

/// A [`StreamSet`] that is ready to be asked.
#[derive(Debug)]
pub(super) enum Matcher {
    Ids(HashSet<StreamId>),
    Glob(GlobMatcher),
    Labels(LabelMatch),
    Any(Vec<Matcher>),
}

impl Matcher {
    pub(super) fn new(set: &StreamSet) -> Result<Self, SubscribeError> {
        match set {
            StreamSet::Ids(ids) => Ok(Self::Ids(ids.iter().cloned().collect())),
            StreamSet::Labels(labels) => Ok(Self::Labels(labels.clone())),
            StreamSet::Any(sets) => sets.iter().map(Self::new).collect::<Result<_, _>>().map(Self::Any),
            StreamSet::Glob(glob) => {
                let invalid = |message| SubscribeError::InvalidGlob { glob: glob.clone(), message };
                if glob.len() > MAX_GLOB_BYTES {
                    return Err(invalid(format!("must be at most {MAX_GLOB_BYTES} bytes long")));
                }
                let parsed = Glob::new(glob).map_err(|error| invalid(error.kind().to_string()))?;
                Ok(Self::Glob(parsed.compile_matcher()))
            }
        }
    }

    /// Streams can come and go.
    pub(super) fn is_dynamic(&self) -> bool {
        match self {
            Self::Ids(_) => false,
            Self::Glob(_) | Self::Labels(_) => true,
            Self::Any(matchers) => matchers.iter().any(Self::is_dynamic),
        }
    }

    /// Returns true if the set selects the stream by its id.
    pub(super) fn names(&self, id: &StreamId) -> bool {
        match self {
            Self::Ids(ids) => ids.contains(id),
            Self::Glob(_) | Self::Labels(_) => false,
            Self::Any(matchers) => matchers.iter().any(|matcher| matcher.names(id)),
        }
    }

    /// Whether the set can never hold a stream of this id.
    pub(super) fn excludes(&self, id: &StreamId) -> bool {
        match self {
            Self::Ids(ids) => !ids.contains(id),
            Self::Glob(glob) => !glob.is_match(id.as_str()),
            Self::Labels(_) => false,
            Self::Any(matchers) => matchers.iter().all(|matcher| matcher.excludes(id)),
        }
    }

    pub(super) fn matches(&self, record: &StreamRecord) -> bool {
        match self {
            Self::Ids(_) | Self::Glob(_) => !self.excludes(&record.id),
            Self::Labels(labels) => labels.matches(&record.settings.labels),
            Self::Any(matchers) => matchers.iter().any(|matcher| matcher.matches(record)),
        }
    }
}

/// The selector that a stream belongs to.
pub(super) fn first_match(matchers: &[Matcher], record: &StreamRecord) -> Option<usize> {
    matchers.iter().position(|matcher| matcher.matches(record))
}

impl Selector {
    /// The number that a stream's delivery begins with. `index` is the selector's.
    pub(super) fn first_sequence(
        &self,
        record: &StreamRecord,
        index: usize,
    ) -> Result<Sequence, SubscribeError> {
        let live = Sequence::after(record.counters.published_sequence);
        let oldest = Sequence::after(record.counters.oldest_sequence.saturating_sub(1));
        let asked = match (self.cursor_of(&record.id), &self.start) {
            (Some(Cursor { foreign: Some(_), .. }), _) if self.fail_if_trimmed => {
                let stream = record.id.clone();
                return Err(SubscribeError::CursorOfAnotherStore { stream, oldest });
            }
            // Whatever this store has is new to the subscriber.
            (Some(Cursor { foreign: Some(_), .. }), _) => return Ok(Sequence::FIRST),
            (Some(cursor), _) if cursor.awaited => within_reach(record, index, "cursors", cursor.next)?,
            (Some(_), _) if self.fail_if_trimmed && self.beyond_store(record).is_some() => {
                let stream = record.id.clone();
                return Err(SubscribeError::CursorBeyondStore { stream, oldest });
            }
            (Some(cursor), _) => cursor.next,
            // What was there at a start by time has been looked up by now, if anything was.
            (None, StartPosition::Live | StartPosition::Cursor(_) | StartPosition::Time(_)) => {
                return Ok(live);
            }
            (None, StartPosition::Earliest) => return Ok(oldest),
            (None, StartPosition::Sequence(number)) => within_reach(record, index, "sequence", *number)?,
        };
        if self.fail_if_trimmed && asked < oldest {
            let stream = record.id.clone();
            return Err(SubscribeError::CursorTrimmed { stream, oldest, oldest_time: None });
        }
        Ok(asked)
    }

    /// The position in this store that its cursor names and that lies beyond all numbers that the store has given out: the
    /// store was put back to an older state.
    pub(super) fn beyond_store(&self, record: &StreamRecord) -> Option<Sequence> {
        let cursor =
            self.cursor_of(&record.id).filter(|cursor| cursor.foreign.is_none() && !cursor.awaited)?;
        let last = record.counters.accepted_sequence.max(record.counters.published_sequence);
        (cursor.next.get() > last + 1).then_some(cursor.next)
    }

    /// The time that a stream begins at, where it does by time.
    pub(super) fn start_time(&self, id: &StreamId) -> Option<Timestamp> {
        match self.start {
            StartPosition::Time(time) if self.cursor_of(id).is_none() => Some(time),
            StartPosition::Time(_)
            | StartPosition::Live
            | StartPosition::Earliest
            | StartPosition::Sequence(_)
            | StartPosition::Cursor(_) => None,
        }
    }

    pub(super) fn cursor_of(&self, id: &StreamId) -> Option<&Cursor> {
        self.all_cursors().find(|cursor| cursor.stream_id == *id)
    }

    /// All cursors that it names.
    pub(super) fn all_cursors(&self) -> impl Iterator<Item = &Cursor> {
        let start = match &self.start {
            StartPosition::Cursor(cursor) => Some(cursor),
            StartPosition::Live
            | StartPosition::Earliest
            | StartPosition::Sequence(_)
            | StartPosition::Time(_) => None,
        };
        self.cursors.iter().chain(start)
    }
}

/// Checks that a number to begin with is not further ahead than a subscriber may wait for.
fn within_reach(
    record: &StreamRecord,
    selector: usize,
    field: &'static str,
    number: Sequence,
) -> Result<Sequence, SubscribeError> {
    let last = record.counters.published_sequence + MAX_AHEAD;
    if number.get() > last {
        let message = format!("stream {}: sequence {number} is further ahead than {last}", record.id);
        return Err(SubscribeError::PositionInFuture { selector, field, message });
    }
    Ok(number)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_dot_is_a_character_like_any_other_to_a_glob() {
        let chosen = |glob: &str| -> Vec<&str> {
            let matcher = Matcher::new(&StreamSet::Glob(glob.to_owned())).unwrap();
            let ids = ["north", "north.cam-1", "north.cam-1.raw", "northXcam-1"];
            ids.into_iter().filter(|id| !matcher.excludes(&id.parse().unwrap())).collect()
        };
        assert_eq!(chosen("*"), ["north", "north.cam-1", "north.cam-1.raw", "northXcam-1"]);
        assert_eq!(chosen("north.*"), ["north.cam-1", "north.cam-1.raw"]);
        assert_eq!(chosen("*.raw"), ["north.cam-1.raw"]);
        assert_eq!(chosen("*cam-1"), ["north.cam-1", "northXcam-1"]);
        assert_eq!(chosen("north?cam-1"), ["north.cam-1", "northXcam-1"]);
        assert_eq!(chosen("north"), ["north"]);
    }
}
