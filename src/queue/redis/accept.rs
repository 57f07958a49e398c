//! Accepting frames: payloads first, then the script that enters them, in one round trip a partition.

use std::collections::BTreeMap;
use std::time::Duration;

use futures::future::join_all;
use redis::{Pipeline, Value};

use super::dead_letters::redis_id;
use super::keys::Keys;
use super::scripts::Call;
use super::{RedisQueue, entry, reply};
use crate::domain::limits::{DEDUP_WINDOW, MAX_PUBLISHERS_PER_STREAM};
use crate::domain::{DeadLetterId, PartitionId, PublisherId, Sequence, StreamId};
use crate::queue::{AcceptResult, Error, NewFrame, OFFER_TTL, Offer, Refusal, Result};

/// Adds the writes of an offer. A key that is taken keeps its bytes: a write that comes late changes nothing.
pub(super) fn push_offer(pipe: &mut Pipeline, keys: Keys, offer: &Offer, ttl: Duration) {
    if let Some(bytes) = &offer.bytes {
        pipe.cmd("SET").arg(keys.payload(offer.payload.key)).arg(bytes.as_ref());
        pipe.arg("NX").arg("PX").arg(ttl.as_millis().max(1) as u64);
    }
}

impl RedisQueue {
    pub(super) async fn store_offers(
        &self,
        partition: PartitionId,
        offers: &[Offer],
        ttl: Duration,
    ) -> Result<()> {
        let mut pipe = redis::pipe();
        for offer in offers {
            push_offer(&mut pipe, Keys(partition), offer, ttl);
        }
        if pipe.is_empty() {
            return Ok(());
        }
        self.all(self.writer(partition), &mut pipe).await.map(drop)
    }

    pub(super) async fn accept_all(&self, frames: &[NewFrame]) -> Vec<AcceptResult> {
        let mut results = vec![AcceptResult::Unconfirmed(String::new()); frames.len()];
        let parts = self.by_partition(frames);
        let answers = join_all(parts.iter().map(|(partition, indexes)| async move {
            let frames: Vec<&NewFrame> = indexes.iter().map(|&i| &frames[i]).collect();
            self.enter(*partition, &frames, false, None).await
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

    pub(super) async fn ask(&self, frames: &[NewFrame]) -> Result<Vec<Option<AcceptResult>>> {
        let mut results = vec![None; frames.len()];
        for (partition, indexes) in self.by_partition(frames) {
            let part: Vec<&NewFrame> = indexes.iter().map(|&i| &frames[i]).collect();
            for (index, answer) in indexes.into_iter().zip(self.enter(partition, &part, true, None).await?) {
                results[index] = match answer {
                    AcceptResult::Accepted(_) => None,
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

    /// With `replay`, the one frame is that of a dead letter: the script compares and marks that instead of a publisher.
    pub(super) async fn enter(
        &self,
        partition: PartitionId,
        frames: &[&NewFrame],
        dry: bool,
        replay: Option<DeadLetterId>,
    ) -> Result<Vec<AcceptResult>> {
        let keys = Keys(partition);
        let budget = &self.config.budget;
        let mut pipe = redis::pipe();
        let mut call = Call::default();
        call.key(keys.work()).key(keys.counts());
        call.number(budget.work_bytes).number(budget.work_frames);
        call.number(MAX_PUBLISHERS_PER_STREAM as u64).number(DEDUP_WINDOW).flag(dry);
        for frame in frames {
            let NewFrame { stream_id, header, offer } = frame;
            if !dry {
                push_offer(&mut pipe, keys, offer, OFFER_TTL);
            }
            let mark = header.publisher.as_ref().filter(|_| replay.is_none());
            // Without a publisher the script reads neither of its keys; they are named all the same, to keep the count.
            let dedup = mark.map_or_else(|| keys.publishers(stream_id), |m| keys.dedup(stream_id, &m.id));
            call.key(keys.stream(stream_id));
            match replay {
                None => call.key(keys.publishers(stream_id)).key(dedup),
                Some(_) => call.key(keys.dead()).key(keys.dead_replays()),
            };
            call.key(keys.payload(offer.payload.key));
            call.arg(stream_id.as_str())
                .arg(mark.map(|m| m.id.as_str()).unwrap_or_default())
                .number(mark.map_or(u64::from(replay.is_some()), |m| m.sequence))
                .arg(replay.map_or_else(|| header.source.digest.0[..16].to_vec(), |id| redis_id(id).into()))
                .number(offer.payload.size_bytes)
                .arg(offer.payload.key.to_string())
                .arg(if dry { Vec::new() } else { entry::encode_header(header) });
        }
        let (answers, not_offered) =
            self.scripts.accept.run_behind(self.writer(partition), pipe, &call).await?;
        let mut answers = reply::array(answers)?.into_iter();
        frames
            .iter()
            .map(|_| {
                let letter = reply::text(answers.next().unwrap_or(Value::Nil))?.unwrap_or_default();
                let result = decided(&letter, reply::number(answers.next().unwrap_or(Value::Nil))?)?;
                Ok(match (&not_offered, result) {
                    // The bytes are missing because Redis would not take them: say that.
                    (Some(why), AcceptResult::Refused(Refusal::PayloadGone)) => {
                        AcceptResult::Refused(Refusal::Backend(why.clone()))
                    }
                    (_, result) => result,
                })
            })
            .collect()
    }

    pub(super) async fn last_number(&self, stream: &StreamId, publisher: &PublisherId) -> Result<u64> {
        let mut head = redis::cmd("GETRANGE");
        head.arg(self.keys(stream).dedup(stream, publisher)).arg(0).arg(7);
        let head = reply::bytes(self.control.command(&head).await?)?.unwrap_or_default();
        Ok(head.as_ref().try_into().map_or(0, u64::from_be_bytes))
    }
}

/// What the script's letter says; `lua/accept.lua` has the table.
fn decided(letter: &str, number: u64) -> Result<AcceptResult> {
    let sequence = || Sequence::new(number).map_err(|error| Error::Corrupt(format!("{error}")));
    Ok(match letter {
        "A" => AcceptResult::Accepted(sequence()?),
        "D" => AcceptResult::Duplicate(sequence()?),
        "E" => AcceptResult::Unconfirmed("these bytes were entered by an earlier attempt".to_owned()),
        "U" => AcceptResult::Refused(Refusal::StreamNotFound),
        "R" => AcceptResult::Refused(Refusal::SequenceReused { stored_as: sequence()? }),
        "T" => AcceptResult::Refused(Refusal::SequenceTooOld { last: number }),
        "O" => AcceptResult::Refused(Refusal::SequenceOutOfOrder { last: number }),
        "P" => AcceptResult::Refused(Refusal::TooManyPublishers),
        "S" => AcceptResult::Refused(Refusal::StreamQueueFull),
        "F" => AcceptResult::Refused(Refusal::PartitionFull),
        "B" => AcceptResult::Refused(Refusal::BehindRefused),
        "G" | "X" => AcceptResult::Refused(Refusal::PayloadGone),
        other => return Err(Error::Corrupt(format!("accept answered {other:?}"))),
    })
}

/// What a failure of the backend says of each frame of the call.
fn failed(error: &Error) -> AcceptResult {
    match error {
        Error::Unreachable(_) | Error::Refused(_) => {
            AcceptResult::Refused(Refusal::Backend(error.to_string()))
        }
        Error::NoAnswer(_)
        | Error::LeaseLost
        | Error::StreamNotFound(_)
        | Error::StreamExists(_)
        | Error::RevisionMismatch { .. }
        | Error::TooManyStreams { .. }
        | Error::GroupNotFound(_)
        | Error::GroupExists(_)
        | Error::TooManyGroups { .. }
        | Error::TooManyMembers { .. }
        | Error::MemberReplaced
        | Error::Layout(_)
        | Error::Corrupt(_) => AcceptResult::Unconfirmed(error.to_string()),
    }
}
