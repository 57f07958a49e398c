//! Replays of dead letters: workers' through the script that accepts, groups' through the group's own.

use std::collections::{BTreeMap, HashMap};
use std::time::Duration;

use redis::Value;

use super::dead_letters::redis_id;
use super::group_reply::{Word, corrupt, millis, word};
use super::groups::group_call;
use super::keys::{GroupKeys, Keys};
use super::scripts::Call;
use super::{RedisQueue, reply};
use crate::domain::{
    DeadFrame, DeadLetterId, DeadLetterReplay, DeadLetterSource, FrameHeader, GroupId, PartitionId,
    PayloadRef,
};
use crate::queue::{
    AcceptResult, Error, Groups as _, NewFrame, Offer, Queue as _, Refusal, ReplayResult, Result,
};

/// How long a group remembers that it was given a dead letter's frame: longer than a replay may hang, and be tried again.
const REPLAY_TOKEN: Duration = Duration::from_secs(600);

/// What a replay is to do.
enum ToReplay {
    /// Accept this frame, whose picture is that of the dead letter.
    Worker { frame: DeadFrame, picture: PayloadRef },
    /// Give this frame back to its group; `kept`: its output entry is there.
    Group { group: GroupId, frame: DeadFrame, kept: bool },
}

/// The frame that a dead letter becomes.
fn anew(frame: DeadFrame, offer: Offer) -> NewFrame {
    let header = FrameHeader { replayed_from: Some(frame.sequence), ..frame.header };
    NewFrame { stream_id: frame.stream_id, header, offer }
}

impl RedisQueue {
    /// What a replay of a dead letter is to do, or the answer where nothing is to be done.
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
        // What groups know of an unregistered stream goes with its output.
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
            // Discarded since it was read, or lost.
            let gone = self.letter(id).await?.is_none();
            return Ok(if gone { ReplayResult::NotFound } else { ReplayResult::NoPicture });
        };
        let anew = anew(frame, Offer::new(bytes));
        let answer = self.enter(id.partition, &[&anew], false, &[id]).await?.pop();
        match answer {
            Some(AcceptResult::Refused(Refusal::PayloadGone)) if self.letter(id).await?.is_none() => {
                Ok(ReplayResult::NotFound)
            }
            Some(answer) => replayed(answer),
            None => Err(Error::Corrupt("no answer to a replay".to_owned())),
        }
    }

    /// The group's state lies in another slot than the letter. The frame goes to the group first, under a token that makes a
    /// second try harmless, and the mark follows: a server that dies in between leaves a letter that can be replayed again.
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
        let keys = Keys(id.partition);
        let mut call = Call::default();
        call.key(keys.dead()).key(keys.dead_replays()).arg(redis_id(id));
        self.scripts.dead_mark.run(&self.control, &call).await?;
        Ok(ReplayResult::Redelivered)
    }

    /// Gives a frame back to its group, or says why not; answers whether one more is outstanding by that. With `dry`, asks only:
    /// as if so many were outstanding beside those that are.
    async fn give_to_group(
        &self,
        id: DeadLetterId,
        group: &GroupId,
        frame: &DeadFrame,
        kept: bool,
        dry: Option<u64>,
    ) -> Result<std::result::Result<bool, ReplayResult>> {
        let mut call = group_call(group);
        call.key(GroupKeys(group).replayed(id));
        call.arg(frame.stream_id.as_str()).arg(format!("{:016}", frame.sequence.get()));
        call.number(frame.picture.map_or(0, |picture| picture.payload.size_bytes));
        call.arg(id.to_string()).flag(kept).number(millis(REPLAY_TOKEN));
        call.flag(dry.is_some()).number(dry.unwrap_or(0));
        let mut answer =
            reply::array(self.scripts.group_replay.run(&self.control, &call).await?)?.into_iter();
        Ok(match word(&mut answer)? {
            Word::Ok => Ok(reply::number(answer.next().unwrap_or(Value::Nil))? == 1),
            Word::Gone => Err(ReplayResult::TargetGone),
            Word::Full => Err(ReplayResult::GroupFull),
            Word::Ahead => Err(ReplayResult::Ahead),
            Word::Exists | Word::Replaced | Word::Lapsed | Word::Stale(_) | Word::Mismatch(_) => {
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
            let there = self.are_there(partition, letters.iter().map(|(_, _, picture)| picture)).await?;
            let (mut places, mut frames, mut replays) = (Vec::new(), Vec::new(), Vec::new());
            for ((index, frame, picture), there) in letters.into_iter().zip(there) {
                if there {
                    places.push(index);
                    frames.push(anew(frame, Offer { payload: picture, bytes: None }));
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

    /// Which of these payloads of a partition are stored.
    async fn are_there(
        &self,
        partition: PartitionId,
        payloads: impl Iterator<Item = &PayloadRef>,
    ) -> Result<Vec<bool>> {
        let mut pipe = redis::pipe();
        for payload in payloads {
            pipe.cmd("EXISTS").arg(Keys(partition).payload(payload.key));
        }
        let answers = self.all(&self.control, &pipe).await?;
        answers.into_iter().map(|answer| Ok(reply::number(answer)? == 1)).collect()
    }
}

/// What an accept of a replayed frame says of the replay.
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
