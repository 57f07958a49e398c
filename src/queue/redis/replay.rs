//! Replays dead letters: those of workers with the accept script, those of groups with a script of
//! the group.

use std::collections::{BTreeMap, HashMap};
use std::time::Duration;

use redis::Value;

use super::dead_letters::redis_id;
use super::group_reply::{GroupReply, corrupt, millis, word};
use super::scripts::Call;
use super::{RedisQueue, reply};
use crate::domain::{
    DeadFrame, DeadLetterId, DeadLetterReplay, DeadLetterSource, FrameHeader, GroupId, PartitionId,
    PayloadRef,
};
use crate::queue::{
    AcceptResult, Error, Groups as _, NewFrame, Queue as _, Refusal, ReplayResult, Result, Upload,
};

/// The time for which a group remembers that it got a dead letter's frame: longer than a replay may
/// hang and be retried.
const REPLAY_TOKEN: Duration = Duration::from_secs(600);

/// The action of a replay.
enum ToReplay {
    /// Accept this frame, whose picture is that of the dead letter.
    Worker { frame: DeadFrame, picture: PayloadRef },
    /// Return this frame to its group; `kept`: its output entry is kept.
    Group { group: GroupId, frame: DeadFrame, kept: bool },
}

/// Returns the frame that a dead letter becomes.
fn resubmitted(frame: DeadFrame, upload: Upload) -> NewFrame {
    let header = FrameHeader { replayed_from: Some(frame.sequence), ..frame.header };
    NewFrame { stream_id: frame.stream_id, header, upload }
}

impl RedisQueue {
    /// Returns what a replay of a dead letter has to do, or the result if nothing is to be done.
    async fn to_replay(&self, id: DeadLetterId) -> Result<std::result::Result<ToReplay, ReplayResult>> {
        let Some(letter) = self.letter(id).await? else { return Ok(Err(ReplayResult::NotFound)) };
        if let Some(DeadLetterReplay { sequence, time: _ }) = letter.replay {
            return Ok(Err(sequence.map_or(ReplayResult::Redelivered, ReplayResult::Replayed)));
        }
        let frame = letter.frame;
        let DeadLetterSource::Group(group) = &frame.source else {
            return Ok(match frame.picture {
                Some(picture) => Ok(ToReplay::Worker { frame, picture: picture.payload }),
                None => Err(ReplayResult::NoPicture),
            });
        };
        let page = match self.read_outputs(&frame.stream_id, frame.sequence, 1).await {
            Err(Error::StreamNotFound(_)) => return Ok(Err(ReplayResult::TargetGone)),
            page => page?,
        };
        let kept = page.entries.iter().any(|entry| entry.sequence == frame.sequence);
        // Groups forget an unregistered stream with its output.
        if page.removed && !kept {
            return Ok(Err(ReplayResult::TargetGone));
        }
        if self.get_groups(std::slice::from_ref(group)).await?.iter().flatten().next().is_none() {
            return Ok(Err(ReplayResult::TargetGone));
        }
        if !kept && frame.output_entry().is_none() {
            return Ok(Err(ReplayResult::NoPicture));
        }
        Ok(Ok(ToReplay::Group { group: group.clone(), frame, kept }))
    }

    pub(super) async fn replay_letter(&self, id: DeadLetterId) -> Result<ReplayResult> {
        let (frame, picture) = match self.to_replay(id).await? {
            Err(answer) => return Ok(answer),
            Ok(ToReplay::Worker { frame, picture }) => (frame, picture),
            Ok(ToReplay::Group { group, frame, kept }) => {
                return self.replay_to_group(id, &group, &frame, kept).await;
            }
        };
        let bytes = self.payloads(id.partition, &[picture]).await?.pop().flatten();
        let Some(bytes) = bytes else {
            // It was discarded since it was read, or lost.
            let gone = self.letter(id).await?.is_none();
            return Ok(if gone { ReplayResult::NotFound } else { ReplayResult::NoPicture });
        };
        let resubmitted = resubmitted(frame, Upload::new(bytes));
        let answer = self.enter(id.partition, &[&resubmitted], false, &[id]).await?.pop();
        match answer {
            Some(AcceptResult::Refused(Refusal::PayloadGone)) if self.letter(id).await?.is_none() => {
                Ok(ReplayResult::NotFound)
            }
            Some(answer) => replayed(answer),
            None => Err(Error::Corrupt("no answer to a replay".to_owned())),
        }
    }

    /// Replays a group's dead letter. The group's state is stored in another slot than the dead
    /// letter. The frame goes to the group first, under a token that makes a second attempt
    /// harmless, and then the dead letter is marked: a server that crashes in between leaves a dead
    /// letter that can be replayed again.
    async fn replay_to_group(
        &self,
        id: DeadLetterId,
        group: &GroupId,
        frame: &DeadFrame,
        kept: bool,
    ) -> Result<ReplayResult> {
        if let Err(refused) = self.give_to_group(id, group, frame, kept, None).await? {
            return Ok(refused);
        }
        let keys = self.names.keys(id.partition);
        let mut call = Call::default();
        call.key(keys.dead()).key(keys.dead_replays()).arg(redis_id(id));
        self.scripts.dead_mark.run(&self.control, &call).await?;
        Ok(ReplayResult::Redelivered)
    }

    /// Returns a frame to its group. Returns whether this makes one more frame outstanding, or the
    /// reason for which the frame was not returned. With `dry`, changes nothing, and decides as if
    /// that many more frames were outstanding.
    async fn give_to_group(
        &self,
        id: DeadLetterId,
        group: &GroupId,
        frame: &DeadFrame,
        kept: bool,
        dry: Option<u64>,
    ) -> Result<std::result::Result<bool, ReplayResult>> {
        let mut call = self.group_call(group);
        call.key(self.names.group(group).replayed(id));
        call.arg(frame.stream_id.as_str()).arg(format!("{:016}", frame.sequence.get()));
        call.number(frame.picture.map_or(0, |picture| picture.payload.size_bytes));
        call.arg(id.to_string()).flag(kept).number(millis(REPLAY_TOKEN));
        call.flag(dry.is_some()).number(dry.unwrap_or(0));
        let mut answer =
            reply::array(self.scripts.group_replay.run(&self.control, &call).await?)?.into_iter();
        Ok(match word(&mut answer)? {
            GroupReply::Ok => Ok(reply::number(answer.next().unwrap_or(Value::Nil))? == 1),
            GroupReply::Gone => Err(ReplayResult::TargetGone),
            GroupReply::Full => Err(ReplayResult::GroupFull),
            GroupReply::Ahead => Err(ReplayResult::Ahead),
            GroupReply::Exists
            | GroupReply::Replaced
            | GroupReply::Lapsed
            | GroupReply::Changed(_)
            | GroupReply::Mismatch(_) => {
                return Err(corrupt("group_replay"));
            }
        })
    }

    pub(super) async fn would_replay_letters(
        &self,
        ids: &[DeadLetterId],
    ) -> Result<Vec<Option<ReplayResult>>> {
        let mut answers = vec![None; ids.len()];
        let mut workers = BTreeMap::<PartitionId, Vec<(usize, DeadFrame, PayloadRef)>>::new();
        let mut given = HashMap::<GroupId, u64>::new();
        for (index, &id) in ids.iter().enumerate() {
            match self.to_replay(id).await? {
                Err(answer) => answers[index] = Some(answer),
                Ok(ToReplay::Worker { frame, picture }) => {
                    workers.entry(id.partition).or_default().push((index, frame, picture));
                }
                Ok(ToReplay::Group { group, frame, kept }) => {
                    let before = given.get(&group).copied().unwrap_or(0);
                    match self.give_to_group(id, &group, &frame, kept, Some(before)).await? {
                        Ok(adds) => *given.entry(group).or_default() += u64::from(adds),
                        Err(answer) => answers[index] = Some(answer),
                    }
                }
            }
        }
        for (partition, letters) in workers {
            let stored = self.are_stored(partition, letters.iter().map(|(_, _, picture)| picture)).await?;
            let (mut places, mut frames, mut replays) = (Vec::new(), Vec::new(), Vec::new());
            for ((index, frame, picture), stored) in letters.into_iter().zip(stored) {
                if stored {
                    places.push(index);
                    frames.push(resubmitted(frame, Upload { payload: picture, bytes: None }));
                    replays.push(ids[index]);
                } else {
                    answers[index] = Some(ReplayResult::NoPicture);
                }
            }
            let frames: Vec<&NewFrame> = frames.iter().collect();
            let decided = self.enter(partition, &frames, true, &replays).await?;
            for (index, decided) in places.into_iter().zip(decided) {
                answers[index] = match decided {
                    AcceptResult::Accepted(..) => None,
                    other => Some(replayed(other)?),
                };
            }
        }
        Ok(answers)
    }

    /// Checks which of these payloads of a partition are stored.
    async fn are_stored(
        &self,
        partition: PartitionId,
        payloads: impl Iterator<Item = &PayloadRef>,
    ) -> Result<Vec<bool>> {
        let mut pipe = redis::pipe();
        for payload in payloads {
            pipe.cmd("EXISTS").arg(self.names.keys(partition).payload(payload.key));
        }
        let answers = self.all(&self.control, &pipe).await?;
        answers.into_iter().map(|answer| Ok(reply::number(answer)? == 1)).collect()
    }
}

/// Converts the result of the accept to that of the replay.
fn replayed(answer: AcceptResult) -> Result<ReplayResult> {
    match answer {
        AcceptResult::Accepted(sequence, _) | AcceptResult::Duplicate(sequence) => {
            Ok(ReplayResult::Replayed(sequence))
        }
        AcceptResult::Refused(Refusal::StreamNotFound) => Ok(ReplayResult::TargetGone),
        AcceptResult::Refused(refusal) => Ok(ReplayResult::Refused(refusal)),
        AcceptResult::Unconfirmed(why) | AcceptResult::NotDurable(why) => Err(Error::NoAnswer(why)),
    }
}
