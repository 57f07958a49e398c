//! Consumer groups: who has which frame of which stream, until when, and what is done.
//!
//! All state of a group lies in one place and each operation decides atomically over all its streams and members, so that
//! bounds on what is outstanding are exact, and one claim serves many streams. The outputs lie elsewhere: whoever claims
//! has read them and says which entries there are. Since an output only grows at its end and goes at its beginning, what
//! was read stays true of every entry but for retention, and that shows when the entry is fetched.

use std::collections::BTreeMap;
use std::time::Duration;

use async_trait::async_trait;

use super::{Created, Offer, Result};
use crate::domain::{
    DeadFrame, DeadLetterId, Digest, Etag, GroupId, GroupRecord, GroupSettings, MemberId, Sequence, StreamId,
    Timestamp,
};

/// A frame that is to become a dead letter, or whose output entry is to be looked for, is left alone by others for so long.
pub(crate) const SETTLE_TIME: Duration = Duration::from_secs(30);
/// Most due frames that one claim looks at.
pub(crate) const MAX_DUE: usize = 1_024;
/// Most exhausted frames that one claim hands out.
pub(crate) const MAX_EXHAUSTED: usize = 16;
/// Most frames of a group of which it remembers that they ended unacknowledged: late acks of them are told so.
pub(crate) const MAX_ENDED: u64 = 10_000;
/// A frame that a member takes longer for is handled slowly: its window shrinks while others could handle it.
pub(crate) const SLOW_FRAME: Duration = Duration::from_secs(2);
/// Most runs of gaps that a group keeps until they are taken; beyond, it comes to no further gap.
pub(crate) const MAX_GAP_RUNS: usize = 10_000;
/// Most frames of a member's window.
pub(crate) const MAX_WINDOW: u64 = 10_000;

/// A member's place in its group, for the length of one call.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Seat {
    /// The group.
    pub group: GroupId,
    /// The member.
    pub member: MemberId,
    /// Random: tells this call from another under the same name.
    pub session: u64,
}

/// An output entry that a member may take.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Candidate {
    /// Its number.
    pub sequence: Sequence,
    /// What it counts for in the member's bytes.
    pub size_bytes: u64,
    /// Not to be delivered: counts as acknowledged.
    pub skip: bool,
    /// What sampling must remember behind it; opaque, empty = nothing.
    pub mark: String,
    /// Numbers that the group passes over with it, below it or its own, ascending: whoever claims it tells them. They stay the
    /// group's until [a member's client has them](Claim::told).
    pub gaps: Vec<GapRun>,
}

/// Numbers of a stream that a group passes over, and why: a code that the queue only keeps, below 1,000.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct GapRun {
    /// The first one.
    pub from: Sequence,
    /// The last one.
    pub to: Sequence,
    /// Why.
    pub reason: u16,
}

/// A stream that was unregistered, as a group is to take note of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RemovedStream {
    /// The stream.
    pub stream_id: StreamId,
    /// The last number that is gone; `None` where nobody knows it any more.
    pub last: Option<u64>,
    /// It is registered again: the group goes on behind that number. Otherwise its position is forgotten.
    pub goes_on: bool,
}

/// Gaps of a stream that nobody has told, or whose telling may not have reached anybody.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct UntoldGaps {
    /// The stream.
    pub stream_id: StreamId,
    /// The numbers: ascending within what one call was to tell.
    pub runs: Vec<GapRun>,
}

/// The entries of one stream from the group's position on: no number between `from` and the last candidate has an entry but
/// those named.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StreamOffer {
    /// The stream.
    pub stream_id: StreamId,
    /// The group's position, as the caller knows it: the first number that was not delivered.
    pub from: Sequence,
    /// If the group has no position in this stream yet, `from` is where it begins.
    pub begin: bool,
    /// Entries below the first candidate that retention has taken.
    pub lost: u64,
    /// In order of their numbers.
    pub candidates: Vec<Candidate>,
}

/// What a member asks for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Claim {
    /// Of the settings that the candidates were chosen by.
    pub revision: u64,
    /// Of the group: another of the same name is not meant.
    pub incarnation: u64,
    /// Most unacknowledged frames of the member.
    pub max_frames: u64,
    /// Most bytes of them; one frame is always given.
    pub max_bytes: u64,
    /// The member's window bounds its frames, too: what it handles in about a second, as it has shown so far. It is passed
    /// only while no other member has room. Not where streams belong to members: nobody else could take their frames.
    pub paced: bool,
    /// Most frames to give now.
    pub most: usize,
    /// Go on living for so long.
    pub ttl: Duration,
    /// Ranges of gaps that this call was to tell, and that its client has: they are forgotten. So are those below a frame of their
    /// stream that it acknowledged, of its offers. All others are handed out again when the call has ended.
    pub told: Vec<(StreamId, Sequence, Sequence)>,
    /// New entries.
    pub offers: Vec<StreamOffer>,
}

/// A frame that was given to a member.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Delivery {
    /// Its stream.
    pub stream_id: StreamId,
    /// Its number.
    pub sequence: Sequence,
    /// 1 = the first.
    pub attempt: u32,
    /// When it comes again unless it is acknowledged, by the backend's clock.
    pub deadline: Timestamp,
    /// The time until then.
    pub left: Duration,
    /// The group's generation when the stream was last sought.
    pub generation: u64,
    /// The dead letter that it was replayed from, which has the frame when its output entry is gone.
    pub letter: Option<DeadLetterId>,
}

/// A frame that is not delivered again: whoever gets this enters it as a dead letter and [settles](Groups::settle_frames)
/// it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Exhausted {
    /// Its stream.
    pub stream_id: StreamId,
    /// Its number.
    pub sequence: Sequence,
    /// How often it was delivered.
    pub attempts: u32,
    /// A member asked for it; otherwise it was delivered as often as it may.
    pub rejected: bool,
    /// What the last member that rejected it gave as the reason.
    pub message: String,
    /// The dead letter that it was replayed from before.
    pub letter: Option<DeadLetterId>,
}

/// What became of one offer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum OfferResult {
    /// The position is here now, and what sampling must remember; all candidates below are taken or skipped.
    At(Sequence, String),
    /// The position was another one, this: nothing was taken.
    Moved(Sequence, String),
    /// The group has no position in this stream, and the offer does not begin one.
    Unknown,
    /// The stream belongs to another member; the position is here.
    Owned(Sequence, String),
    /// The member got another stream by this claim already: ask again, so that streams spread over members.
    Later,
}

/// What a member got.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Claimed {
    /// In the order in which they should be sent. The first attempts are those of the offers.
    pub deliveries: Vec<Delivery>,
    /// To be settled by the caller.
    pub exhausted: Vec<Exhausted>,
    /// One for each offer.
    pub offers: Vec<OfferResult>,
    /// Gaps that are this call's to tell from now on, in no order with anything else.
    pub gaps: Vec<UntoldGaps>,
    /// The group's generation.
    pub generation: u64,
    /// Unacknowledged frames of the member.
    pub outstanding_frames: u64,
    /// When the next frame may be due again.
    pub next_due: Option<Duration>,
}

/// What a member says of a frame.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Verdict {
    /// It is done.
    Acknowledge,
    /// It could not be handled: again, after `delay` or the group's back-off.
    Retry {
        /// The wait.
        delay: Option<Duration>,
        /// Why.
        message: String,
    },
    /// It can never be handled.
    GiveUp {
        /// Why.
        message: String,
    },
    /// More time: this long from now, or the group's ack deadline.
    Extend(Option<Duration>),
}

/// A member's word on one delivery.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Answer {
    /// The stream.
    pub stream_id: StreamId,
    /// The number.
    pub sequence: Sequence,
    /// Which delivery of it.
    pub attempt: u32,
    /// The group's generation then.
    pub generation: u64,
    /// The group's incarnation then.
    pub incarnation: u64,
    /// What it says.
    pub verdict: Verdict,
}

/// What became of an answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum AnswerResult {
    /// It took effect; after an extension, with the new deadline.
    Done(Option<Timestamp>),
    /// The frame was done before.
    Before,
    /// It is of an older generation, or the frame was delivered again since.
    Stale,
    /// There is nothing to extend: the frame was rejected.
    Rejected,
    /// The frame ended before, and nobody had acknowledged it.
    Ended(Ended),
    /// The frame is given up now.
    Exhausted(Exhausted),
}

/// How a frame ended that nobody acknowledged.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Ended {
    /// It is a dead letter: it was delivered as often as it may.
    GivenUp,
    /// It is a dead letter: a member asked for that.
    Rejected,
    /// Retention took it.
    Lost,
}

/// What a member finds when it takes its seat.
#[derive(Debug, Clone, PartialEq)]
pub struct Joined {
    /// The group.
    pub record: GroupRecord,
    /// Frames that it holds from before, by stream and number: they were not acknowledged, and their deadlines are ahead.
    pub held: Vec<Delivery>,
}

/// How an exhausted frame, or one without an entry, ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Settlement {
    /// It is a dead letter.
    DeadLetter,
    /// Its entry is gone: whoever claims next is told so with this reason ([`GapRun::reason`]).
    Lost(u16),
}

/// A frame that has ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Settled {
    /// Its stream.
    pub stream_id: StreamId,
    /// Its number.
    pub sequence: Sequence,
    /// As it was handed out.
    pub attempt: u32,
    /// As it was handed out: a frame that was replayed since begins anew, and is not this one.
    pub letter: Option<DeadLetterId>,
    /// How.
    pub settlement: Settlement,
}

/// A group's state in one stream.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct GroupPosition {
    /// The first number that was not delivered.
    pub next: Sequence,
    /// The highest number delivered since the last seek; 0 = none.
    pub delivered: u64,
    /// What sampling remembers.
    pub mark: String,
    /// The member that the stream belongs to, while it lives.
    pub owner: Option<MemberId>,
    /// Delivered and not acknowledged, ascending.
    pub pending: Vec<Sequence>,
}

impl GroupPosition {
    /// Everything up to this number is done; 0 = nothing.
    #[must_use]
    pub fn acknowledged(&self) -> u64 {
        self.pending.first().map_or(self.next.get(), |first| first.get().min(self.next.get())) - 1
    }
}

/// A member that lives.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MemberState {
    /// Its name.
    pub id: MemberId,
    /// When its call began.
    pub connect_time: Timestamp,
    /// Frames it has.
    pub outstanding_frames: u64,
    /// Bytes of them.
    pub outstanding_bytes: u64,
    /// How long it has had the one that it got first.
    pub oldest_outstanding: Option<Duration>,
    /// How many frames it is given while others have room.
    pub window_frames: u64,
}

/// What a group is doing.
#[derive(Debug, Clone, PartialEq)]
pub struct GroupState {
    /// The group.
    pub record: GroupRecord,
    /// By stream.
    pub positions: BTreeMap<StreamId, GroupPosition>,
    /// Those that live, by name.
    pub members: Vec<MemberState>,
    /// Since the group was made.
    pub counters: GroupCounters,
    /// How long ago the frame was given to a member that has been outstanding for longest.
    pub oldest_outstanding: Option<Duration>,
}

/// Counters of a group since it was made.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct GroupCounters {
    /// Frames acknowledged, those left out by filter and sampling and tombstones included.
    pub acknowledged: u64,
    /// Deliveries beyond the first.
    pub redelivered: u64,
    /// Frames that became dead letters.
    pub dead: u64,
    /// Frames that retention took unacknowledged.
    pub lost: u64,
}

/// The consumer groups of a store.
///
/// Any operation on a group that is not there fails with [`Error::GroupNotFound`](super::Error::GroupNotFound); one with a
/// seat that another call has taken over with [`Error::MemberReplaced`](super::Error::MemberReplaced).
#[async_trait]
pub trait Groups {
    /// Makes a group with these positions; `start` is of where it was asked to begin. Streams without a position begin when they
    /// are first offered. A group that is there with equal settings and the same start is answered as it is, and its positions
    /// stay, so that the call may be repeated.
    ///
    /// # Errors
    /// [`Error::GroupExists`](super::Error::GroupExists): it is there with others.
    /// [`Error::TooManyGroups`](super::Error::TooManyGroups).
    async fn create_group(
        &self,
        id: &GroupId,
        settings: &GroupSettings,
        start: Digest,
        positions: &[(StreamId, Sequence)],
    ) -> Result<Created<GroupRecord>>;

    /// Reads groups in the order of `ids`.
    async fn get_groups(&self, ids: &[GroupId]) -> Result<Vec<Option<GroupRecord>>>;

    /// Lists groups by id, ascending (byte order), behind `after`.
    async fn list_groups(&self, after: Option<&GroupId>, limit: usize) -> Result<Vec<GroupRecord>>;

    /// Replaces a group's settings if its etag is still `expected`. Of the streams named, it forgets its state in those
    /// without a number, and begins with the number in those that it has no position in.
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

    /// Moves a group to these positions, forgets what is outstanding in their streams, and raises the generation.
    ///
    /// # Errors
    /// [`Error::EtagMismatch`](super::Error::EtagMismatch), where an etag is given.
    async fn seek_group(
        &self,
        id: &GroupId,
        positions: &[(StreamId, Sequence)],
        expected: Option<Etag>,
    ) -> Result<GroupRecord>;

    /// Removes a group.
    ///
    /// # Errors
    /// [`Error::EtagMismatch`](super::Error::EtagMismatch), where an etag is given.
    async fn delete_group(&self, id: &GroupId, expected: Option<Etag>) -> Result<()>;

    /// What a group is doing.
    async fn group_state(&self, id: &GroupId) -> Result<GroupState>;

    /// Forgets a group's state in streams that were removed; what was not acknowledged there counts as lost, and whoever claims next
    /// is told so with `reason` ([`GapRun::reason`]). Does nothing about a stream in which the group is further, nor while
    /// too many gaps wait to be told.
    async fn drop_group_streams(&self, id: &GroupId, streams: &[RemovedStream], reason: u16) -> Result<()>;

    /// Takes a seat for `ttl`. A call that had it under the same name loses it. The member keeps the frames that it has: they
    /// are its own until their deadlines, and are answered for the new call to send again, as the same attempts.
    ///
    /// # Errors
    /// [`Error::TooManyMembers`](super::Error::TooManyMembers).
    async fn join_group(&self, seat: &Seat, ttl: Duration) -> Result<Joined>;

    /// Keeps a seat for another `ttl`; takes it again if it had lapsed.
    async fn keep_seat(&self, seat: &Seat, ttl: Duration) -> Result<()>;

    /// Gives a seat up. What was sent stays the member's until its deadline, for one ack deadline at most; what was never sent is
    /// due at once, and that delivery does not count. Nothing happens if the seat, or the group, is gone.
    async fn leave_group(&self, seat: &Seat, unsent: &[(StreamId, Sequence)]) -> Result<()>;

    /// Gives frames to a member: first those that are due again, then new ones of the offers. Members whose time is over are
    /// away: their frames stay their own as after [`leave_group`](Self::leave_group). A clock that was set back takes all times
    /// back with it that were reckoned by it.
    ///
    /// # Errors
    /// [`Error::RevisionMismatch`](super::Error::RevisionMismatch): the settings are others by now.
    async fn claim_frames(&self, seat: &Seat, claim: &Claim) -> Result<Claimed>;

    /// Takes answers of members, of any of them: one result each, in order. Repeating an answer changes nothing.
    async fn answer_frames(&self, id: &GroupId, answers: &[Answer]) -> Result<Vec<AnswerResult>>;

    /// Takes frames off that have ended. Those that were delivered again since are left alone.
    async fn settle_frames(&self, id: &GroupId, frames: &[Settled]) -> Result<()>;

    /// Enters a frame that a group has given up as a dead letter, with a copy of its picture: `copy`, which the frame's
    /// picture names. Called again with the same `token` within twice the time that a burial may take, it enters nothing more.
    async fn bury_frame(&self, frame: &DeadFrame, copy: Option<&Offer>, token: &str) -> Result<bool>;

    /// The key of all ack ids: random, made once, the same for all servers.
    async fn ack_key(&self) -> Result<[u8; 32]>;

    /// What is kept of outputs: for each stream, entries from a number on, and the oldest number kept.
    async fn count_outputs(&self, streams: &[(StreamId, Sequence)]) -> Result<Vec<OutputSpan>>;
}

/// What is kept of an output.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct OutputSpan {
    /// The oldest number that is kept; 0 = none.
    pub oldest: u64,
    /// The newest number that was ever published; 0 = none.
    pub head: u64,
    /// Kept entries from the asked number on.
    pub entries: u64,
}
