//! Accepts frames: sends payloads first and then the script that enters them, in one round trip per
//! partition.

use std::collections::BTreeMap;

use futures::future::join_all;
use redis::{Cmd, RedisResult, Value};

use super::conn::{Connected, refused};
use super::dead_letters::redis_id;
use super::memory_usage::MemoryUsage;
use super::resp::Request;
use super::scripts::Call;
use super::witness::HighWater;
use super::{RedisQueue, Servers, entry, reply};
use crate::domain::limits::{DEDUP_WINDOW, MAX_PUBLISHERS_PER_STREAM};
use crate::domain::{DeadLetterId, FrameHeader, PartitionId, PublisherId, QueuePolicy, Sequence, StreamId};
use crate::queue::{
    AcceptResult, Budget, Error, NewFrame, PublisherPosition, Refusal, Result, ServerPresence as _,
};

/// The size of a record in a publisher's dedup key: publisher sequence, sequence, half a digest.
/// Record 0 contains the highest publisher sequence. `lua/accept.lua` has the same number.
const DEDUP_RECORD_BYTES: u64 = 32;

impl RedisQueue {
    pub(super) async fn accept_all(&self, frames: &[NewFrame]) -> Vec<AcceptResult> {
        let mut results = vec![AcceptResult::Unconfirmed(String::new()); frames.len()];
        let parts = self.by_partition(frames);
        let answers = join_all(parts.iter().map(|(partition, indexes)| async move {
            let frames: Vec<&NewFrame> = indexes.iter().map(|&i| &frames[i]).collect();
            self.enter(*partition, &frames, false, &[]).await
        }))
        .await;
        for (indexes, answer) in parts.values().zip(answers) {
            match answer {
                Ok(answers) => {
                    for (&index, answer) in indexes.iter().zip(answers) {
                        results[index] = answer;
                    }
                }
                Err(error) => indexes.iter().for_each(|&index| results[index] = failed(&error)),
            }
        }
        results
    }

    pub(super) async fn would_refuse_all(&self, frames: &[NewFrame]) -> Result<Vec<Option<AcceptResult>>> {
        let mut results = vec![None; frames.len()];
        for (partition, indexes) in self.by_partition(frames) {
            let part: Vec<&NewFrame> = indexes.iter().map(|&i| &frames[i]).collect();
            for (index, answer) in indexes.into_iter().zip(self.enter(partition, &part, true, &[]).await?) {
                results[index] = match answer {
                    AcceptResult::Accepted(..) => None,
                    refused => Some(refused),
                };
            }
        }
        Ok(results)
    }

    fn by_partition(&self, frames: &[NewFrame]) -> BTreeMap<PartitionId, Vec<usize>> {
        let mut parts = BTreeMap::<_, Vec<_>>::new();
        for (index, frame) in frames.iter().enumerate() {
            parts.entry(self.config.partitions.of(&frame.stream_id)).or_default().push(index);
        }
        parts
    }

    /// Runs the script. If `replays` is not empty, the frames are those of these dead letters, and
    /// the script compares and marks the dead letters instead of publisher sequences.
    pub(super) async fn enter(
        &self,
        partition: PartitionId,
        frames: &[&NewFrame],
        dry: bool,
        replays: &[DeadLetterId],
    ) -> Result<Vec<AcceptResult>> {
        let entered = self.enter_once(partition, frames, dry, replays).await?;
        if entered != Entered::Lapsed {
            return entered.answers();
        }
        // This server sent no heartbeat for too long: Redis was not available, or its clock was
        // set.
        self.heartbeat().await?;
        self.enter_once(partition, frames, dry, replays).await?.answers()
    }

    async fn enter_once(
        &self,
        partition: PartitionId,
        frames: &[&NewFrame],
        dry: bool,
        replays: &[DeadLetterId],
    ) -> Result<Entered> {
        let keys = self.names.keys(partition);
        let writer = self.writer(partition);
        // The script compares the process that runs it with the stored one.
        let mut route = writer.route(&keys.counts()).waiting_for_moves();
        loop {
            let connected = route.connected().await?;
            if self.witness.is_due(connected.instance.run_id()) {
                self.heartbeat().await?;
            }
            let known = self.witness.known(partition);
            let looks = connected.node().memory.is_due();
            let entering = self.entering(&connected, partition, frames, dry, replays, looks);
            let wait = self.wait_command().filter(|_| !dry);
            let Entering { request, call } = entering;
            let answered = self.scripts.accept.run_on(&connected, request, &call, wait.as_ref()).await;
            writer.note(&answered);
            let mut answers = answered?;
            let reached = wait.and_then(|_| answers.pop());
            let entered = answers.pop().unwrap_or(Ok(Value::Nil));
            if looks && !answers.is_empty() {
                connected.node().memory.answered(answers.remove(0));
            }
            // The pictures may have been stored: their names are new, and storing them again changes
            // nothing.
            if route.goes_on(&entered).await? {
                continue;
            }
            let sent = Sent { partition, known, frames, dry };
            return self.entered(&sent, entered.map_err(refused)?, answers, reached);
        }
    }

    /// Returns the pictures of some frames, and the call that enters them.
    fn entering(
        &self,
        connected: &Connected,
        partition: PartitionId,
        frames: &[&NewFrame],
        dry: bool,
        replays: &[DeadLetterId],
        looks: bool,
    ) -> Entering {
        let keys = self.names.keys(partition);
        let budget = &self.config.budget;
        let mut request = Request::default();
        if looks {
            request.add(&MemoryUsage::question());
        }
        let mut call = Call::default();
        self.wake(&mut call, keys.work());
        call.key(keys.work()).key(keys.counts());
        call.number(connected.node().memory.work_bytes()).number(budget.work_frames);
        call.number(MAX_PUBLISHERS_PER_STREAM as u64).number(DEDUP_WINDOW).flag(dry);
        call.arg(connected.instance.argument()).arg(self.confirmed(partition, connected.instance.run_id()));
        call.arg(self.witness.known(partition).argument());
        call.number(self.witness.may_accept_until()).number(budget.publishers());
        let defaults = &self.config.defaults.queue;
        call.number(defaults.max_frames).number(defaults.max_bytes).flag(defaults.drop_oldest);
        call.number(QueuePolicy::SPARE_FRAMES).number(Budget::SHARE_OF_FREE);
        for (index, frame) in frames.iter().enumerate() {
            let NewFrame { stream_id, header, upload } = frame;
            let replay = replays.get(index).copied();
            if !dry {
                request.upload(keys, upload);
            }
            let mark = header.publisher.as_ref().filter(|_| replay.is_none());
            // Without a publisher the script reads neither of these keys; they are passed anyway,
            // since each frame has the same number of keys.
            let dedup = mark.map_or_else(|| keys.publishers(stream_id), |m| keys.dedup(stream_id, &m.id));
            call.key(keys.stream(stream_id));
            match replay {
                None => call.key(keys.publishers(stream_id)).key(dedup),
                Some(_) => call.key(keys.dead()).key(keys.dead_replays()),
            };
            call.key(keys.payload(upload.payload.key));
            call.arg(stream_id.as_str())
                .arg(mark.map(|m| m.id.as_str()).unwrap_or_default())
                .number(mark.map_or(replayed_from(header, replay), |m| m.sequence))
                .arg(replay.map_or_else(|| header.source.digest.0[..16].to_vec(), |id| redis_id(id).into()))
                .number(upload.payload.size_bytes)
                .arg(upload.payload.key.to_string())
                .arg(if dry { Vec::new() } else { entry::encode_header(header) })
                .arg(self.witness.highest_issued(partition, stream_id));
        }
        Entering { request, call }
    }

    /// Returns the earlier processes that are known to have lost no accepted frame of a partition:
    /// those that this server confirms, and those that gave the partition away.
    fn confirmed(&self, partition: PartitionId, run_id: &str) -> String {
        match &self.servers {
            Servers::One(_) => self.witness.confirmed(),
            Servers::Cluster(cluster) => cluster.given_by(partition, run_id),
        }
    }

    /// Reads the answers of the script and of the commands around it.
    fn entered(
        &self,
        sent: &Sent<'_>,
        entered: Value,
        answers: Vec<RedisResult<Value>>,
        reached: Option<RedisResult<Value>>,
    ) -> Result<Entered> {
        let &Sent { partition, known, frames, dry } = sent;
        let not_durable = reached.and_then(|reached| self.too_few(reached));
        let not_offered = answers.into_iter().find_map(|answer| answer.err().map(|error| error.to_string()));
        let mut answers = reply::array(entered)?.into_iter();
        let mut next = || answers.next().unwrap_or(Value::Nil);
        let mut decisions = Vec::with_capacity(frames.len());
        for _ in frames {
            let letter = reply::text(next())?.unwrap_or_default();
            decisions.push((letter, reply::number(next())?, reply::number(next())?));
        }
        let stored = HighWater {
            epoch: reply::number(next())?,
            accepted: reply::number(next())?,
            feed: reply::number(next())?,
        };
        let issued = if dry { &[][..] } else { &decisions[..] };
        self.note_answer(partition, known, stored, frames, issued);
        if decisions.iter().any(|(letter, ..)| letter == "W") {
            return Ok(Entered::Lapsed);
        }
        let answers = decisions.into_iter().map(|(letter, number, received)| {
            let result = decided(&letter, number, received)?;
            Ok(match (&not_offered, result) {
                // The bytes are missing because Redis rejected them: report that.
                (Some(why), AcceptResult::Refused(Refusal::PayloadGone)) => {
                    AcceptResult::Refused(backend_refusal(why.clone()))
                }
                (_, AcceptResult::Accepted(..) | AcceptResult::Duplicate(_)) if not_durable.is_some() => {
                    AcceptResult::NotDurable(not_durable.clone().unwrap_or_default())
                }
                (_, result) => result,
            })
        });
        answers.collect::<Result<_>>().map(Entered::Answered)
    }

    /// Notes what the answer to an accept reveals about the partition and its streams.
    fn note_answer(
        &self,
        partition: PartitionId,
        known: HighWater,
        stored: HighWater,
        frames: &[&NewFrame],
        decisions: &[(String, u64, u64)],
    ) {
        if known != HighWater::default() && stored.epoch > known.epoch {
            tracing::warn!(%partition, "Redis restarted and may have lost frames; sequences of the partition jump");
        }
        self.witness.note(partition, stored);
        for (frame, (letter, number, _)) in frames.iter().zip(decisions) {
            if letter == "A" || letter == "D" {
                self.witness.note_issued(partition, stored.epoch, &frame.stream_id, *number);
            }
        }
    }

    /// Returns the command that waits until enough replicas have what the script wrote.
    fn wait_command(&self) -> Option<Cmd> {
        let mut wait = redis::cmd("WAIT");
        wait.arg(self.config.wait_replicas).arg((self.config.timeout / 2).as_millis() as u64);
        (self.config.wait_replicas > 0).then_some(wait)
    }

    /// Returns the message for a frame that fewer replicas have than required.
    fn too_few(&self, reached: RedisResult<Value>) -> Option<String> {
        let wanted = self.config.wait_replicas;
        let reached = reached.map_err(refused).and_then(reply::number).unwrap_or(0);
        (reached < u64::from(wanted)).then(|| format!("{reached} of {wanted} replicas have the frame so far"))
    }

    /// Reads a publisher's highest sequence and then the record of it. Between the two reads, the
    /// record can only disappear with the stream itself, or when 1,024 further frames arrive.
    pub(super) async fn position_of(
        &self,
        stream: &StreamId,
        publisher: &PublisherId,
    ) -> Result<Option<PublisherPosition>> {
        let key = self.keys(stream).dedup(stream, publisher);
        let read = async |from: u64, to: u64| {
            let mut range = redis::cmd("GETRANGE");
            range.arg(&key).arg(from).arg(to);
            Ok(reply::bytes(self.control.command(&range).await?)?.unwrap_or_default())
        };
        let number = |bytes: &[u8]| bytes.try_into().map_or(0, u64::from_be_bytes);
        let top = number(&read(0, 7).await?);
        if top == 0 {
            return Ok(None);
        }
        let at = DEDUP_RECORD_BYTES * (1 + top % DEDUP_WINDOW);
        let slot = read(at, at + 15).await?;
        match slot.split_at_checked(8) {
            Some((held, sequence)) if number(held) == top => {
                let sequence = Sequence::new(number(sequence))
                    .map_err(|error| Error::Corrupt(format!("a publisher's dedup record: {error}")))?;
                Ok(Some(PublisherPosition { publisher_sequence: top, sequence }))
            }
            Some(_) | None => Ok(None),
        }
    }
}

/// The commands that store the pictures of some frames, and the call of the script that enters them.
struct Entering {
    request: Request,
    call: Call,
}

/// The frames that were sent to the script, and the partition.
struct Sent<'a> {
    partition: PartitionId,
    /// The state of the partition, as this server knew it.
    known: HighWater,
    frames: &'a [&'a NewFrame],
    dry: bool,
}

/// The outcome of a call of the script.
#[derive(Debug, PartialEq, Eq)]
enum Entered {
    /// The frames are decided.
    Answered(Vec<AcceptResult>),
    /// Nothing was done: this server may not accept frames before it sends a heartbeat.
    Lapsed,
}

impl Entered {
    fn answers(self) -> Result<Vec<AcceptResult>> {
        match self {
            Self::Answered(answers) => Ok(answers),
            Self::Lapsed => Err(Error::Joining),
        }
    }
}

/// Returns the sequence of the frame whose dead letter is replayed; 0 if none is.
fn replayed_from(header: &FrameHeader, replay: Option<DeadLetterId>) -> u64 {
    replay.and(header.replayed_from).map_or(0, Sequence::get)
}

/// Decodes the script's letter; `lua/accept.lua` has the table.
fn decided(letter: &str, number: u64, received: u64) -> Result<AcceptResult> {
    let sequence = || Sequence::new(number).map_err(|error| Error::Corrupt(format!("{error}")));
    Ok(match letter {
        "A" => AcceptResult::Accepted(sequence()?, reply::moment(received)),
        "D" => AcceptResult::Duplicate(sequence()?),
        "E" => AcceptResult::Unconfirmed("this picture was stored by an earlier attempt, and the frame has no publisher sequence to compare".to_owned()),
        "U" => AcceptResult::Refused(Refusal::StreamNotFound),
        "R" => AcceptResult::Refused(Refusal::SequenceReused { stored_as: sequence()? }),
        "T" => AcceptResult::Refused(Refusal::SequenceTooOld { last: number }),
        "O" => AcceptResult::Refused(Refusal::SequenceOutOfOrder { last: number }),
        "P" => AcceptResult::Refused(Refusal::TooManyPublishers),
        "S" => AcceptResult::Refused(Refusal::StreamQueueFull),
        "F" => AcceptResult::Refused(Refusal::PartitionFull),
        "L" => AcceptResult::Refused(Refusal::StreamTooFast),
        "Q" => AcceptResult::Refused(Refusal::QueueDraining),
        "B" => AcceptResult::Refused(Refusal::AfterRefused),
        "G" | "X" => AcceptResult::Refused(Refusal::PayloadGone),
        other => return Err(Error::Corrupt(format!("accept answered {other:?}"))),
    })
}

/// Returns the refusal for a rejected command. A Redis at its memory limit is full, not broken.
fn backend_refusal(why: String) -> Refusal {
    if why.contains("OOM") {
        return Refusal::PartitionFull;
    }
    tracing::warn!(why, "frames refused");
    Refusal::Backend("the queue backend rejected the frame; see the server log".to_owned())
}

/// Returns the result of each frame of a call that failed as a whole.
fn failed(error: &Error) -> AcceptResult {
    match error {
        Error::Unreachable(_) => {
            AcceptResult::Refused(Refusal::Backend("the queue backend cannot be reached".to_owned()))
        }
        Error::Refused(why) => AcceptResult::Refused(backend_refusal(why.clone())),
        Error::Joining => AcceptResult::Refused(Refusal::Backend(error.to_string())),
        Error::Layout(_) | Error::Unsuitable(_) => AcceptResult::Refused(Refusal::Backend(
            "the queue backend cannot be used; see the server log".to_owned(),
        )),
        Error::NoAnswer(_)
        | Error::LeaseLost
        | Error::StreamNotFound(_)
        | Error::StreamExists(_)
        | Error::RevisionMismatch { .. }
        | Error::EtagMismatch { .. }
        | Error::TooManyStreams { .. }
        | Error::TooManySettings { .. }
        | Error::TooManyErasedRanges { .. }
        | Error::OlderVersions(_)
        | Error::GroupNotFound(_)
        | Error::GroupExists(_)
        | Error::TooManyGroups { .. }
        | Error::TooManyMembers { .. }
        | Error::MemberReplaced
        | Error::Corrupt(_) => {
            tracing::warn!(%error, "frames not confirmed");
            AcceptResult::Unconfirmed("the queue backend did not confirm the frame in time".to_owned())
        }
    }
}
