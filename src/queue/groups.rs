//! Consumer groups: which member has which frame, until when, and which frames are acknowledged.
//!
//! All state of a group is stored in one place, and each operation decides atomically over all its
//! streams and members. So the limits on outstanding frames are exact, and one claim serves many
//! streams. The outputs are stored elsewhere: a member that claims has read them and proposes
//! entries as candidates. An output only grows at its end and is trimmed at its beginning, so a
//! candidate stays valid unless retention removes its entry. The member notices that when it
//! fetches the frame.

use std::collections::BTreeMap;
use std::time::Duration;

use async_trait::async_trait;

use super::{Created, Result, Upload};
use crate::domain::{
    DeadFrame, DeadLetterId, Digest, Etag, GroupId, GroupRecord, GroupSettings, MemberId, Sequence, StreamId,
    Timestamp,
};

/// The time for which no other member gets a frame that is about to become a dead letter, or whose
/// output entry is being looked up.
pub(crate) const SETTLE_TIME: Duration = Duration::from_secs(30);
/// The maximum number of due frames that one claim considers.
pub(crate) const MAX_DUE: usize = 1_024;
/// The maximum number of exhausted frames that one claim returns.
pub(crate) const MAX_EXHAUSTED: usize = 16;
/// The maximum number of ended frames without an ack that a group remembers, to answer late acks.
pub(crate) const MAX_ENDED: u64 = 10_000;
/// The time above which a frame is slow: its member's window shrinks unless the member is alone.
pub(crate) const SLOW_FRAME: Duration = Duration::from_secs(2);
/// The maximum number of gap ranges that a group stores until a member sends them; at the maximum,
/// the group does not advance over further gaps.
pub(crate) const MAX_GAP_RUNS: usize = 10_000;
/// The maximum number of frames in a member's window.
pub(crate) const MAX_WINDOW: u64 = 10_000;

/// A member's place in its group, for the duration of one call.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Membership {
    /// The group.
    pub group: GroupId,
    /// The member.
    pub member: MemberId,
    /// A random number that tells this call from another one of the same member.
    pub session: u64,
}

/// An output entry that a member proposes to claim.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Candidate {
    /// Its sequence.
    pub sequence: Sequence,
    /// The bytes that it counts for in the member's limit.
    pub size_bytes: u64,
    /// True if it is not delivered and counts as acknowledged.
    pub skip: bool,
    /// The state of sampling after it; opaque, empty = none.
    pub sampler_state: String,
    /// Ranges that the group skips with it, ascending, up to and including its own sequence: the
    /// member that claims it sends them as gaps. The group keeps them until [a client has received
    /// them](Claim::received_gaps).
    pub gaps: Vec<GapRun>,
}

/// A range of sequences that a group skips, and the reason: a code below 1,000, which the queue
/// only stores.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct GapRun {
    /// The first sequence.
    pub from: Sequence,
    /// The last sequence.
    pub to: Sequence,
    /// The reason.
    pub reason: u16,
}

/// An unregistered stream, to be dropped from a group.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RemovedStream {
    /// The stream.
    pub stream_id: StreamId,
    /// The last sequence before it was unregistered; `None` if it is not known any more.
    pub last: Option<u64>,
    /// True if the stream is registered again: then the group continues after `last`. Otherwise it
    /// forgets its position.
    pub continues: bool,
}

/// Gaps of a stream that were not sent, or that may not have reached a client.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct UnsentGaps {
    /// The stream.
    pub stream_id: StreamId,
    /// The ranges. Ranges that come from the same earlier call are in ascending order.
    pub runs: Vec<GapRun>,
}

/// The entries of one stream from the group's position on. Between `from` and the last candidate
/// there are no other entries.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ClaimCandidates {
    /// The stream.
    pub stream_id: StreamId,
    /// The group's position, as the caller knows it: the first sequence that was not delivered.
    pub from: Sequence,
    /// The group starts at `from` if it has no position in this stream yet.
    pub is_new: bool,
    /// The number of entries below the first candidate that retention removed.
    pub lost: u64,
    /// The candidates, in the order of their sequences.
    pub candidates: Vec<Candidate>,
}

/// A request of a member for frames.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Claim {
    /// The revision of the settings that the candidates were selected by.
    pub revision: u64,
    /// The incarnation of the group: a later group of the same name is another one.
    pub incarnation: u64,
    /// The maximum number of outstanding frames of the member.
    pub max_frames: u64,
    /// The maximum bytes of the member's outstanding frames. A member without any may get one frame
    /// of any size.
    pub max_bytes: u64,
    /// True if the member's window also bounds its outstanding frames. A window is the number of
    /// frames that the member handles in about a second, as measured so far. The member gets more
    /// only while no other member has room. Ignored in groups with stream affinity, where no other
    /// member could take the frames.
    pub paced: bool,
    /// The maximum number of frames to return now.
    pub max_deliveries: usize,
    /// The time for which to renew the membership.
    pub ttl: Duration,
    /// The gaps that this call was to send and that its client has received: the group forgets
    /// them. When a frame is acknowledged, the group also forgets the gaps below it that came with
    /// this call's candidates of the same stream. All other gaps are returned again after the call
    /// has ended.
    pub received_gaps: Vec<(StreamId, Sequence, Sequence)>,
    /// The candidates, by stream.
    pub streams: Vec<ClaimCandidates>,
}

/// A delivery of a frame to a member.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Delivery {
    /// Its stream.
    pub stream_id: StreamId,
    /// Its sequence.
    pub sequence: Sequence,
    /// The delivery attempt; 1 = the first.
    pub attempt: u32,
    /// The ack deadline, by the backend's clock: after it the frame is delivered again.
    pub deadline: Timestamp,
    /// The time until then.
    pub left: Duration,
    /// The group's generation at the last seek of the stream.
    pub generation: u64,
    /// The dead letter that it was replayed from, which contains the frame if its output entry was
    /// removed.
    pub letter: Option<DeadLetterId>,
}

/// A frame that is not delivered again: the caller that receives this stores it as a dead letter
/// and then [removes](Groups::end_frames) it from the group.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Exhausted {
    /// Its stream.
    pub stream_id: StreamId,
    /// Its sequence.
    pub sequence: Sequence,
    /// The number of delivery attempts.
    pub attempts: u32,
    /// True if a member rejected it for good; otherwise it had the maximum number of attempts.
    pub rejected: bool,
    /// The reason given by the last member that rejected it.
    pub message: String,
    /// The dead letter that it was replayed from before.
    pub letter: Option<DeadLetterId>,
}

/// The result for the candidates of one stream.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum CandidateResult {
    /// The new position, and the state of sampling; all candidates below it are claimed or skipped.
    At(Sequence, String),
    /// The position was this one, not the expected one: nothing was claimed.
    Moved(Sequence, String),
    /// The group has no position in this stream, and the candidates do not start one.
    Unknown,
    /// The stream belongs to another member; this is its position.
    Owned(Sequence, String),
    /// The member already took over another stream in this claim. It gets this one only in a later
    /// claim, so that streams spread over members.
    Later,
}

/// The result of a claim.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Claimed {
    /// The deliveries, in the order in which to send them: due frames, then candidates.
    pub deliveries: Vec<Delivery>,
    /// The frames that the caller must give up.
    pub exhausted: Vec<Exhausted>,
    /// One result for each stream of the claim.
    pub streams: Vec<CandidateResult>,
    /// The gaps that this call must send from now on. It may send them before or after anything
    /// else.
    pub gaps: Vec<UnsentGaps>,
    /// The group's generation.
    pub generation: u64,
    /// The number of outstanding frames of the member.
    pub outstanding_frames: u64,
    /// The time until the next frame may be due again.
    pub next_due: Option<Duration>,
}

/// A member's answer to a delivered frame.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum AckAction {
    /// It is done.
    Acknowledge,
    /// It could not be handled: deliver it again, after `delay` or the group's back-off.
    Retry {
        /// The delay.
        delay: Option<Duration>,
        /// The reason.
        message: String,
    },
    /// It can never be handled.
    GiveUp {
        /// The reason.
        message: String,
    },
    /// Set its deadline to this time from now; `None` = the group's ack deadline from now.
    Extend(Option<Duration>),
}

/// A member's answer to one delivery.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Ack {
    /// The stream.
    pub stream_id: StreamId,
    /// The sequence.
    pub sequence: Sequence,
    /// The delivery attempt.
    pub attempt: u32,
    /// The generation that came with the delivery.
    pub generation: u64,
    /// The group's incarnation when the frame was delivered.
    pub incarnation: u64,
    /// The answer.
    pub action: AckAction,
}

/// The outcome of an answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum AckResult {
    /// It took effect; after an extension, with the new deadline.
    Done(Option<Timestamp>),
    /// The frame was acknowledged by an earlier answer.
    AlreadyAcknowledged,
    /// The delivery is of an older generation, or the frame was delivered again after it.
    Stale,
    /// There is nothing to extend: the frame was rejected.
    Rejected,
    /// The frame ended earlier, without an ack.
    Ended(EndReason),
    /// The frame is to be given up now.
    Exhausted(Exhausted),
}

/// The end of a frame that was not acknowledged.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum EndReason {
    /// It is a dead letter: it had the maximum number of delivery attempts.
    GivenUp,
    /// It is a dead letter: a member asked for that.
    Rejected,
    /// Retention removed it.
    Lost,
}

/// The state that a member finds when it joins.
#[derive(Debug, Clone, PartialEq)]
pub struct Joined {
    /// The group.
    pub record: GroupRecord,
    /// Frames that are outstanding from its earlier calls, by stream and sequence: their deadlines
    /// have not passed.
    pub held: Vec<Delivery>,
}

/// The end of an exhausted frame, or of one without an output entry.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FrameEnd {
    /// It is a dead letter.
    DeadLetter,
    /// Its output entry was removed: the next claim returns a gap with this reason
    /// ([`GapRun::reason`]).
    Lost(u16),
}

/// A frame that has ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EndedFrame {
    /// Its stream.
    pub stream_id: StreamId,
    /// Its sequence.
    pub sequence: Sequence,
    /// The delivery attempt, as it was returned.
    pub attempt: u32,
    /// The dead letter, as it was returned: a frame that was replayed since then is another one.
    pub letter: Option<DeadLetterId>,
    /// The end.
    pub end: FrameEnd,
}

/// A group's state in one stream.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct GroupPosition {
    /// The first sequence that was not delivered.
    pub next: Sequence,
    /// The highest sequence delivered since the last seek; 0 = none.
    pub delivered: u64,
    /// The state of sampling.
    pub sampler_state: String,
    /// The member that the stream belongs to; `None` = no member.
    pub owner: Option<MemberId>,
    /// The outstanding sequences, ascending.
    pub pending: Vec<Sequence>,
}

impl GroupPosition {
    /// Returns the sequence up to which everything is acknowledged; 0 = nothing.
    #[must_use]
    pub fn acknowledged(&self) -> u64 {
        self.pending.first().map_or(self.next.get(), |first| first.get().min(self.next.get())) - 1
    }
}

/// A live member.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MemberState {
    /// Its id.
    pub id: MemberId,
    /// The time at which its call began.
    pub connect_time: Timestamp,
    /// The number of its outstanding frames.
    pub outstanding_frames: u64,
    /// The bytes of these frames.
    pub outstanding_bytes: u64,
    /// The age of its oldest outstanding delivery.
    pub oldest_outstanding: Option<Duration>,
    /// The number of frames that it gets while others have room.
    pub window_frames: u64,
}

/// The state of a group.
#[derive(Debug, Clone, PartialEq)]
pub struct GroupState {
    /// The group.
    pub record: GroupRecord,
    /// The state in each stream.
    pub positions: BTreeMap<StreamId, GroupPosition>,
    /// The live members, by id.
    pub members: Vec<MemberState>,
    /// The counters since the group was created.
    pub counters: GroupCounters,
    /// The age of the oldest outstanding delivery.
    pub oldest_outstanding: Option<Duration>,
}

/// The counters of a group since it was created.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct GroupCounters {
    /// Frames acknowledged, including tombstones and those that filter and sampling left out.
    pub acknowledged: u64,
    /// Deliveries after the first.
    pub redelivered: u64,
    /// Frames that became dead letters.
    pub dead: u64,
    /// Frames that retention removed unacknowledged.
    pub lost: u64,
}

/// The consumer groups of a store.
///
/// Every operation on a group that does not exist fails with
/// [`Error::GroupNotFound`](super::Error::GroupNotFound), and every operation with a membership
/// that another call took over with [`Error::MemberReplaced`](super::Error::MemberReplaced).
#[async_trait]
pub trait Groups {
    /// Creates a group with these positions; `start` is the digest of the requested start. Streams
    /// without a position start when they are first claimed. A group that exists with equal
    /// settings and the same start is returned unchanged, and keeps its positions, so that the call
    /// may be repeated.
    ///
    /// # Errors
    /// [`Error::GroupExists`](super::Error::GroupExists): it exists with other settings or another
    /// start. [`Error::TooManyGroups`](super::Error::TooManyGroups).
    async fn create_group(
        &self,
        id: &GroupId,
        settings: &GroupSettings,
        start: Digest,
        positions: &[(StreamId, Sequence)],
    ) -> Result<Created<GroupRecord>>;

    /// Reads groups in the order of `ids`.
    async fn get_groups(&self, ids: &[GroupId]) -> Result<Vec<Option<GroupRecord>>>;

    /// Lists groups by id, ascending (byte order), after `after`.
    async fn list_groups(&self, after: Option<&GroupId>, limit: usize) -> Result<Vec<GroupRecord>>;

    /// Replaces a group's settings if its etag is still `expected`. In a stream given without a
    /// sequence, the group forgets its state. In a stream given with one, it starts there if it has
    /// no position yet.
    ///
    /// # Errors
    /// [`Error::EtagMismatch`](super::Error::EtagMismatch).
    async fn update_group(
        &self,
        id: &GroupId,
        settings: &GroupSettings,
        expected: Etag,
        streams: &[(StreamId, Option<Sequence>)],
    ) -> Result<GroupRecord>;

    /// Moves a group to these positions, forgets the outstanding frames of their streams, and
    /// raises the generation.
    ///
    /// # Errors
    /// [`Error::EtagMismatch`](super::Error::EtagMismatch), if an etag is given and is not the
    /// current one.
    async fn seek_group(
        &self,
        id: &GroupId,
        positions: &[(StreamId, Sequence)],
        expected: Option<Etag>,
    ) -> Result<GroupRecord>;

    /// Removes a group.
    ///
    /// # Errors
    /// [`Error::EtagMismatch`](super::Error::EtagMismatch), if an etag is given and is not the
    /// current one.
    async fn delete_group(&self, id: &GroupId, expected: Option<Etag>) -> Result<()>;

    /// Returns the state of a group.
    async fn group_state(&self, id: &GroupId) -> Result<GroupState>;

    /// Forgets a group's state in streams that were removed. Frames that were not acknowledged
    /// there count as lost, and the next claim returns them as a gap with `reason`
    /// ([`GapRun::reason`]). Does nothing in a stream in which the group has advanced further, nor
    /// while too many gaps wait to be sent.
    async fn drop_group_streams(&self, id: &GroupId, streams: &[RemovedStream], reason: u16) -> Result<()>;

    /// Joins a group as a member for `ttl`. An earlier call of the same member loses its
    /// membership. The member keeps its outstanding frames until their deadlines; they are returned
    /// so that the new call can send them again, as the same attempts.
    ///
    /// # Errors
    /// [`Error::TooManyMembers`](super::Error::TooManyMembers).
    async fn join_group(&self, membership: &Membership, ttl: Duration) -> Result<Joined>;

    /// Renews a membership for another `ttl`; joins again if it had expired.
    async fn renew_membership(&self, membership: &Membership, ttl: Duration) -> Result<()>;

    /// Ends a membership. The member keeps the frames that were sent until their deadlines, for at
    /// most one ack deadline; frames that were never sent are due at once, and their delivery does
    /// not count. Does nothing if the membership, or the group, does not exist any more.
    async fn leave_group(&self, membership: &Membership, unsent: &[(StreamId, Sequence)]) -> Result<()>;

    /// Delivers frames to a member: first those that are due again, then new ones of the
    /// candidates. Members whose membership has expired count as having left, as after
    /// [`leave_group`](Self::leave_group). If the clock is set back, the stored deadlines and
    /// memberships move back by as much.
    ///
    /// # Errors
    /// [`Error::RevisionMismatch`](super::Error::RevisionMismatch): the settings were changed after
    /// the candidates were selected.
    async fn claim_frames(&self, membership: &Membership, claim: &Claim) -> Result<Claimed>;

    /// Applies answers of any members; returns one result for each, in order. Repeating an answer
    /// changes nothing.
    async fn acknowledge(&self, id: &GroupId, answers: &[Ack]) -> Result<Vec<AckResult>>;

    /// Removes frames that have ended from a group. Those that were delivered again since then are
    /// left alone.
    async fn end_frames(&self, id: &GroupId, frames: &[EndedFrame]) -> Result<()>;

    /// Stores a dead letter of a frame that a group has given up, with a copy of its picture. The
    /// picture of `frame` refers to `copy`, not to the output's picture. For a minute, a repeated
    /// call with the same `token` stores nothing more. Returns false, and stores nothing, if the
    /// frame's stream was unregistered after it was accepted.
    async fn insert_dead_letter(&self, frame: &DeadFrame, copy: Option<&Upload>, token: &str)
    -> Result<bool>;

    /// Returns the key of all ack ids: random, created once, the same for all servers.
    async fn ack_key(&self) -> Result<[u8; 32]>;

    /// Counts the kept entries of outputs, one output for each query.
    async fn count_outputs(&self, queries: &[SpanQuery]) -> Result<Vec<OutputSpan>>;
}

/// A question about the kept entries of an output.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SpanQuery {
    /// The stream of the output.
    pub stream_id: StreamId,
    /// The sequence from which entries are counted.
    pub count_from: Sequence,
    /// The sequence from which the oldest entry is looked up.
    pub oldest_from: Sequence,
}

impl SpanQuery {
    /// Creates a query that counts and looks up from the same sequence on.
    #[must_use]
    pub fn from(stream_id: StreamId, sequence: Sequence) -> Self {
        Self { stream_id, count_from: sequence, oldest_from: sequence }
    }
}

/// The kept entries of an output.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct OutputSpan {
    /// The oldest sequence that is kept; 0 = none.
    pub oldest: u64,
    /// The newest sequence that was ever published; 0 = none.
    pub head: u64,
    /// The number of kept entries from [`SpanQuery::count_from`] on.
    pub entries: u64,
    /// The time at which the first kept entry from [`SpanQuery::oldest_from`] on was received.
    pub oldest_receive_time: Option<Timestamp>,
}
