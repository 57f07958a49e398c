//! Consumer groups on this server: each call of a member is a task that claims frames, fetches their pictures and hands
//! them over one at a time.
//!
//! ```text
//! topics ──marks──▶ Member ──offers──▶ Groups::claim_frames ──deliveries──▶ channel of one ──▶ GroupCall::next
//!                     ▲                        │
//!                 poll, nudge            Desk: positions, shared by the group's members here
//! ```
//!
//! Unlike a plain subscription, a member is not driven by its connection: it must keep its seat while the client is slow,
//! and give frames back when the client is gone. Members of one group on one server claim in turns, with one book of
//! positions, so that a new frame costs one claim and not one for each of them.

mod call;
mod choice;
mod desk;
mod member;
mod offer;
mod positions;
mod status;

use std::collections::HashMap;
use std::sync::{Arc, Mutex, Weak};
use std::time::Duration;

use tokio::sync::{OnceCell, mpsc};
use tokio::time::Instant;

use super::event::{DeliveredPicture, Gap, GapReason, StreamHead, SubscribeError};
use super::select::PictureWant;
use super::{Hub, lock};
use crate::domain::{
    DeadFrame, DeadLetterId, DeadLetterReason, DeadLetterSource, DeadOutput, DeadPicture, GroupId,
    GroupRecord, MemberId, OutputBody, OutputEntry, PartitionId, PictureRole, ProcessedFrame, Sequence,
    StoredPicture, StreamId, Timestamp,
};
use crate::queue::{self, Offer, Queue, RemovedStream, Seat, Settled, Settlement};
use crate::shutdown::Tasks;
use call::Handover;
use desk::Desk;
use member::Member;

pub use call::GroupCall;
pub use positions::{Beginnings, GroupStart};
pub use status::{GroupTotals, lag_of};

/// How long a member lives without a sign of life: its server renews it several times in this.
const MEMBER_TTL: Duration = Duration::from_secs(10);

/// What a member asks for.
#[derive(Debug, Clone, PartialEq)]
pub struct MemberRequest {
    /// The group.
    pub group: GroupId,
    /// Its name.
    pub member: MemberId,
    /// Most unacknowledged frames.
    pub max_frames: u32,
    /// The server chooses how many of them, by what the member has shown to handle.
    pub paced: bool,
    /// Most bytes of them; one frame is always sent.
    pub max_bytes: u64,
    /// Which pictures.
    pub want: PictureWant,
    /// Time between heartbeats.
    pub heartbeat_interval: Duration,
    /// End after so many frames.
    pub stop_after_frames: Option<u64>,
}

/// What a member is told.
#[derive(Debug, Clone, PartialEq)]
pub enum GroupEvent {
    /// The member has joined, and has this long to acknowledge a frame.
    Opened(Duration),
    /// A frame to acknowledge.
    Frame(GroupDelivery),
    /// Frames that the group passes over; they count as done.
    Gap(Gap),
    /// A sign of life.
    Heartbeat {
        /// Where the followed streams stand.
        heads: Vec<StreamHead>,
        /// Frames that the member has.
        outstanding_frames: u64,
        /// Streams that are selected and not followed: there are more than a group may follow.
        unfollowed_streams: u64,
    },
    /// The server is going away. The last event.
    Draining,
    /// The frames asked for have been sent. The last event.
    Finished,
}

/// A frame for a member.
#[derive(Debug, Clone, PartialEq)]
pub struct GroupDelivery {
    /// The output entry.
    pub entry: Arc<OutputEntry>,
    /// One for each role asked for.
    pub pictures: Vec<DeliveredPicture>,
    /// 1 = the first.
    pub attempt: u32,
    /// When it comes again unless it is acknowledged.
    pub deadline: Timestamp,
    /// The group's generation when the stream was last sought.
    pub generation: u64,
    /// The group's incarnation.
    pub incarnation: u64,
    /// The stream's partition.
    pub partition: PartitionId,
    /// Where it waits for longer than this, it may be another member's.
    check_at: Instant,
    /// In the handover; `None` for one that an earlier call has sent before.
    token: Option<u64>,
}

/// Why a call of a member, or an operation on a group, failed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum GroupError {
    /// The group was deleted while the call was running.
    #[error("consumer group {0} was deleted")]
    Deleted(GroupId),
    /// A position that does not exist yet.
    #[error("{field}: {message}")]
    PositionInFuture {
        /// Which field.
        field: &'static str,
        /// Why.
        message: String,
    },
    /// The subscription behind the call could not be, or ended.
    #[error(transparent)]
    Subscribe(#[from] SubscribeError),
    /// The backend's answer.
    #[error(transparent)]
    Queue(#[from] queue::Error),
}

/// The consumer groups of one server.
#[derive(Debug)]
pub struct Consumers {
    hub: Arc<Hub>,
    queue: Arc<dyn Queue>,
    tasks: Tasks,
    desks: Mutex<HashMap<GroupId, Weak<Desk>>>,
    ack_key: OnceCell<[u8; 32]>,
}

impl Consumers {
    /// Groups on a hub; members' calls run as `tasks`.
    #[must_use]
    pub fn new(hub: Arc<Hub>, tasks: Tasks) -> Arc<Self> {
        let queue = Arc::clone(&hub.queue);
        Arc::new(Self { hub, queue, tasks, desks: Mutex::default(), ack_key: OnceCell::new() })
    }

    /// Opens a member's call.
    ///
    /// # Errors
    /// See [`GroupError`].
    pub async fn subscribe(self: &Arc<Self>, request: MemberRequest) -> Result<GroupCall, GroupError> {
        let seat = Seat {
            group: request.group.clone(),
            member: request.member.clone(),
            // Below 2^53: Redis scripts carry it as text, people as a number.
            session: rand::random::<u64>() >> 11,
        };
        let joined = self.queue.join_group(&seat, MEMBER_TTL).await?;
        let desk = self.desk(&joined.record);
        // Whoever sat here before finds out at once, if it is on this server.
        desk.nudge();
        let (sender, events) = mpsc::channel(1);
        let handover = Arc::new(Handover::default());
        let call = GroupCall::new(events, Arc::clone(&handover), Arc::clone(self), request.group.clone());
        let member = match Member::open(self, desk, seat.clone(), request, sender, handover).await {
            Ok(mut member) => {
                member.send_again(joined.held);
                member
            }
            Err(error) => {
                let _gone_anyway = self.queue.leave_group(&seat, &[]).await;
                return Err(error);
            }
        };
        self.tasks.spawn("group-member", member.run());
        Ok(call)
    }

    /// Has the members of a group on this server look at once: something has changed.
    pub fn nudge(&self, group: &GroupId) {
        if let Some(desk) = lock(&self.desks).get(group).and_then(Weak::upgrade) {
            desk.nudge();
        }
    }

    /// The key of ack ids.
    ///
    /// # Errors
    /// Those of the queue.
    pub async fn ack_key(&self) -> queue::Result<[u8; 32]> {
        self.ack_key.get_or_try_init(|| self.queue.ack_key()).await.copied()
    }

    /// Has a group take note of streams that were unregistered where no member saw it: what it had not come to is told to the
    /// next that claims. Its positions in streams that the store has forgotten are forgotten.
    ///
    /// # Errors
    /// Those of the queue.
    pub async fn note_removed(&self, group: &GroupId, streams: &[(StreamId, Sequence)]) -> queue::Result<()> {
        let ids: Vec<StreamId> = streams.iter().map(|(id, _)| id.clone()).collect();
        let found = self.queue.get_streams(&ids).await?;
        let mut gone = Vec::new();
        for ((stream_id, next), record) in streams.iter().zip(found) {
            let last = match record {
                None => None,
                Some(record) if record.removed && next.get() <= record.counters.floor_sequence => {
                    Some(record.counters.floor_sequence)
                }
                Some(_) => continue,
            };
            gone.push(RemovedStream { stream_id: stream_id.clone(), last, goes_on: last.is_some() });
        }
        if gone.is_empty() {
            return Ok(());
        }
        self.queue.drop_group_streams(group, &gone, GapReason::Unregistered.code()).await
    }

    /// Enters frames that are given up as dead letters, and takes them off their group. What fails is tried again when they
    /// are due the next time.
    ///
    /// # Errors
    /// Those of the queue.
    pub async fn bury(&self, record: &GroupRecord, frames: &[queue::Exhausted]) -> queue::Result<()> {
        let mut settled = Vec::with_capacity(frames.len());
        for frame in frames {
            let found = self.entry(&frame.stream_id, frame.sequence, frame.letter).await?;
            let settlement = match found {
                Some(entry) if self.bury_one(record, frame, &entry).await? => Settlement::DeadLetter,
                Some(_) => Settlement::Lost(GapReason::Unregistered.code()),
                None => Settlement::Lost(self.why_gone(&frame.stream_id, frame.sequence).await?.code()),
            };
            settled.push(Settled {
                stream_id: frame.stream_id.clone(),
                sequence: frame.sequence,
                attempt: frame.attempts,
                letter: frame.letter,
                settlement,
            });
        }
        self.queue.settle_frames(&record.id, &settled).await
    }

    /// A frame's output entry; if that is gone, what the dead letter that it was replayed from holds of it.
    async fn entry(
        &self,
        stream: &StreamId,
        sequence: Sequence,
        letter: Option<DeadLetterId>,
    ) -> queue::Result<Option<Arc<OutputEntry>>> {
        let kept = match self.queue.read_outputs(stream, sequence, 1).await {
            Err(queue::Error::StreamNotFound(_)) => None,
            page => page?.entries.into_iter().find(|entry| entry.sequence == sequence),
        };
        match (kept, letter) {
            (None, Some(letter)) => {
                let letter = self.queue.get_dead_letter(letter).await?;
                Ok(letter.and_then(|letter| letter.frame.output_entry()).map(Arc::new))
            }
            (kept, _) => Ok(kept),
        }
    }

    /// Why the output has no entry of a number that it had.
    async fn why_gone(&self, stream: &StreamId, sequence: Sequence) -> queue::Result<GapReason> {
        let floor = match self.queue.read_outputs(stream, sequence, 1).await {
            Err(queue::Error::StreamNotFound(_)) => return Ok(GapReason::Unregistered),
            page => page?.counters.floor_sequence,
        };
        Ok(if sequence.get() <= floor { GapReason::Unregistered } else { GapReason::Retention })
    }

    /// Enters a dead letter with a copy of the processed picture: the output's own goes by the output's retention. Answers false
    /// if the stream was unregistered since.
    async fn bury_one(
        &self,
        record: &GroupRecord,
        frame: &queue::Exhausted,
        entry: &OutputEntry,
    ) -> queue::Result<bool> {
        let partition = self.queue.partitions().of(&entry.stream_id);
        let picture = entry.body.pictures().iter().find(|picture| picture.role == PictureRole::Processed);
        let bytes = match picture {
            Some(picture) => {
                self.queue.fetch(partition, &[picture.payload]).await?.into_iter().next().flatten()
            }
            None => None,
        };
        let copy = bytes.map(Offer::new);
        let dead_picture = |(picture, copy): (&StoredPicture, &Offer)| DeadPicture {
            format: picture.format,
            width: picture.width,
            height: picture.height,
            payload: copy.payload,
        };
        let exhausted = format!("delivered {} times and not acknowledged", frame.attempts);
        let dead = DeadFrame {
            source: DeadLetterSource::Group(record.id.clone()),
            stream_id: entry.stream_id.clone(),
            sequence: entry.sequence,
            receive_time: entry.receive_time,
            header: entry.body.header().clone(),
            reason: match frame.rejected {
                true => DeadLetterReason::Rejected,
                false => DeadLetterReason::AttemptsExhausted,
            },
            message: if frame.message.is_empty() && !frame.rejected {
                exhausted
            } else {
                frame.message.clone()
            },
            attempts: frame.attempts,
            picture: picture.zip(copy.as_ref()).map(dead_picture),
            output: match &entry.body {
                OutputBody::Frame(frame) => Some(Box::new(DeadOutput {
                    frame: ProcessedFrame { pictures: Vec::new(), ..(**frame).clone() },
                    previous_sequence: entry.previous_sequence,
                    publish_time: entry.publish_time,
                })),
                OutputBody::Tombstone(_) => None,
            },
        };
        // A frame that was replayed and given up again is another dead letter.
        let replayed = frame.letter.map(|letter| letter.to_string()).unwrap_or_default();
        let token = format!(
            "{}:{}:{}:{}:{}:{}:{replayed}",
            record.id, record.incarnation, record.generation, entry.stream_id, entry.sequence, frame.attempts
        );
        self.queue.bury_frame(&dead, copy.as_ref(), &token).await
    }

    fn desk(&self, record: &GroupRecord) -> Arc<Desk> {
        let mut desks = lock(&self.desks);
        desks.retain(|_, desk| desk.strong_count() > 0);
        if let Some(desk) = desks.get(&record.id).and_then(Weak::upgrade) {
            return desk;
        }
        let desk = Arc::new(Desk::new(record.clone()));
        desks.insert(record.id.clone(), Arc::downgrade(&desk));
        desk
    }
}
