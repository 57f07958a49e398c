//! Dead letters for operators: list, read, replay, discard.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use super::convert::dead_letter::{self, Shown};
use super::convert::picture::MAX_DELIVERED_PICTURE_BYTES;
use super::fault::{Fault, Result};
use super::page;
use super::status::{FULL_RETRY, SOON};
use crate::domain::limits::DEFAULT_MAX_DELIVERED_PICTURE_BYTES;
use crate::domain::{DeadLetter, DeadLetterId, DeadLetterSource, GroupId, Sequence, StreamId};
use crate::hub::Consumers;
use crate::pb::v1 as pb;
use crate::pb::v1::ErrorReason;
use crate::pb::v1::dead_letter_result::Outcome;
use crate::pb::v1::{discard_dead_letters_request, replay_dead_letters_request};
use crate::queue::{DeadLetterOrder, ListDeadLetters, Queue, Refusal, ReplayResult};

const LIST: &str = "dead-letters";
/// Most ids of a request, and most dead letters that a filter may take at once.
pub(crate) const MAX_ITEMS: usize = 1_000;
const DEFAULT_MAX_COUNT: usize = 100;

/// The handlers.
#[derive(Debug)]
pub(crate) struct DeadLetterDesk {
    queue: Arc<dyn Queue>,
    consumers: Arc<Consumers>,
}

/// Which dead letters a request means.
enum Which {
    Ids(pb::DeadLetterIdList),
    Filter(pb::DeadLetterFilter),
}

/// What a request means, in the order of its results.
struct Chosen {
    /// As the caller wrote them, and what they name.
    letters: Vec<(String, Option<DeadLetter>)>,
    more: bool,
}

impl DeadLetterDesk {
    pub(crate) fn new(queue: Arc<dyn Queue>, consumers: Arc<Consumers>) -> Self {
        Self { queue, consumers }
    }

    pub(crate) async fn list(
        &self,
        request: pb::ListDeadLettersRequest,
    ) -> Result<pb::ListDeadLettersResponse> {
        let pb::ListDeadLettersRequest { filter, page_size, page_token } = request;
        let partitions = self.queue.partitions();
        let filter = dead_letter::filter(filter, partitions).map_err(|fault| fault.within("filter"))?;
        // A token is good for the filter that it was made with.
        let kind = format!("{} {filter:?}", page::kind(LIST, &self.queue.identity()));
        let after = match page::after::<String>(&kind, &page_token)? {
            None => None,
            Some(id) => Some(DeadLetterId::parse(&id, partitions).map_err(|_| page::bad_token())?),
        };
        let query = ListDeadLetters {
            filter,
            order: DeadLetterOrder::NewestFirst,
            after,
            limit: page::size(page_size),
        };
        let found = self.queue.list_dead_letters(&query).await?;
        let totals = self.queue.dead_letter_totals().await?;
        let to_pb = |letter| dead_letter::to_pb(letter, Shown::Described);
        Ok(pb::ListDeadLettersResponse {
            dead_letters: found.letters.into_iter().map(to_pb).collect(),
            next_page_token: found.next.map(|id| page::token(&kind, &id.to_string())).unwrap_or_default(),
            total_count: totals.letters,
            total_bytes: totals.bytes,
        })
    }

    pub(crate) async fn get(&self, request: pb::GetDeadLetterRequest) -> Result<pb::GetDeadLetterResponse> {
        let pb::GetDeadLetterRequest { dead_letter_id, max_picture_bytes, without_picture } = request;
        let most = match max_picture_bytes {
            0 => DEFAULT_MAX_DELIVERED_PICTURE_BYTES,
            asked if asked > MAX_DELIVERED_PICTURE_BYTES => {
                let rule = format!("must be at most {MAX_DELIVERED_PICTURE_BYTES}");
                return Err(Fault::invalid("max_picture_bytes", rule));
            }
            asked => asked,
        };
        if dead_letter_id.is_empty() {
            return Err(Fault::invalid("dead_letter_id", "is required"));
        }
        let letter = self.look_up(&dead_letter_id).await?.ok_or_else(|| not_found(&dead_letter_id))?;
        let shown = match letter.frame.picture {
            None => Shown::Described,
            Some(_) if without_picture => Shown::Described,
            Some(picture) if picture.payload.size_bytes > u64::from(most) => {
                Shown::Omitted(pb::OmittedReason::TooLarge)
            }
            Some(picture) => {
                let found = self.queue.fetch(letter.id.partition, &[picture.payload]).await?.pop().flatten();
                match found {
                    Some(data) => Shown::Data(data),
                    // Discarded in between?
                    None if self.queue.get_dead_letter(letter.id).await?.is_none() => {
                        return Err(not_found(&dead_letter_id));
                    }
                    None => Shown::Omitted(pb::OmittedReason::PayloadLost),
                }
            }
        };
        Ok(pb::GetDeadLetterResponse { dead_letter: Some(dead_letter::to_pb(letter, shown)) })
    }

    pub(crate) async fn replay(
        &self,
        request: pb::ReplayDeadLettersRequest,
    ) -> Result<pb::ReplayDeadLettersResponse> {
        use replay_dead_letters_request::Which as W;
        let pb::ReplayDeadLettersRequest { which, max_count, discard_after, reason: _ } = request;
        let which = which.map(|which| match which {
            W::Ids(ids) => Which::Ids(ids),
            // Those that were replayed before are passed over.
            W::Filter(filter) => Which::Filter(pb::DeadLetterFilter { not_replayed: true, ..filter }),
        });
        let Chosen { letters, more } = self.choose(which, max_count).await?;
        let mut results: HashMap<usize, pb::DeadLetterResult> = HashMap::new();
        let mut refused: HashSet<(&StreamId, &DeadLetterSource)> = HashSet::new();
        let mut groups: HashSet<&GroupId> = HashSet::new();
        for (index, letter) in in_stream_order(&letters) {
            let outcome = match letter {
                None => Err(not_found(&letters[index].0)),
                // Behind a refused one its stream waits, so that the order holds.
                Some(letter) if refused.contains(&way(letter)) => Err(Fault::new(
                    ErrorReason::QueueFull,
                    "an earlier dead letter of the stream was refused for a time",
                )
                .retry_in(FULL_RETRY)),
                Some(letter) => {
                    let outcome = self.replay_one(letter).await;
                    if outcome.as_ref().is_err_and(|fault| fault.retry_delay.is_some()) {
                        refused.insert(way(letter));
                    }
                    if outcome.is_ok() {
                        if let DeadLetterSource::Group(group) = &letter.frame.source {
                            groups.insert(group);
                        }
                        // A group's stays: until a member has the frame, it may be all that is left of it.
                        if discard_after
                            && letter.frame.source == DeadLetterSource::Worker
                            && let Err(error) = self.queue.discard_dead_letter(letter.id).await
                        {
                            tracing::warn!(id = %letter.id, %error, "a replayed dead letter stays");
                        }
                    }
                    outcome
                }
            };
            results.insert(index, result(letters[index].0.clone(), outcome));
        }
        groups.into_iter().for_each(|group| self.consumers.nudge(group));
        let results: Vec<_> = (0..letters.len()).filter_map(|index| results.remove(&index)).collect();
        Ok(pb::ReplayDeadLettersResponse { results, more })
    }

    pub(crate) async fn discard(
        &self,
        request: pb::DiscardDeadLettersRequest,
    ) -> Result<pb::DiscardDeadLettersResponse> {
        use discard_dead_letters_request::Which as W;
        let pb::DiscardDeadLettersRequest { which, max_count, reason: _ } = request;
        let which = which.map(|which| match which {
            W::Ids(ids) => Which::Ids(ids),
            W::Filter(filter) => Which::Filter(filter),
        });
        let Chosen { letters, more } = self.choose(which, max_count).await?;
        let mut results = Vec::with_capacity(letters.len());
        for (id, letter) in letters {
            let outcome = match letter {
                None => Err(not_found(&id)),
                Some(letter) => match self.queue.discard_dead_letter(letter.id).await {
                    Ok(true) => Ok(None),
                    Ok(false) => Err(not_found(&id)),
                    Err(error) => Err(error.into()),
                },
            };
            results.push(result(id, outcome));
        }
        Ok(pb::DiscardDeadLettersResponse { results, more })
    }

    /// Reads what a caller named; an id that is none names nothing.
    async fn look_up(&self, id: &str) -> Result<Option<DeadLetter>> {
        match DeadLetterId::parse(id, self.queue.partitions()) {
            Ok(id) => Ok(self.queue.get_dead_letter(id).await?),
            Err(_) => Ok(None),
        }
    }

    async fn choose(&self, which: Option<Which>, max_count: u32) -> Result<Chosen> {
        match which {
            None => Err(Fault::invalid("which", "is required: ids or a filter")),
            Some(Which::Ids(pb::DeadLetterIdList { ids })) => {
                if ids.is_empty() {
                    return Err(Fault::invalid("ids.ids", "must name at least one dead letter"));
                }
                if ids.len() > MAX_ITEMS {
                    let message = format!("ids.ids: at most {MAX_ITEMS} dead letters, not {}", ids.len());
                    let fault = Fault::new(ErrorReason::TooManyItems, message).field("ids.ids");
                    return Err(fault.fact("limit", MAX_ITEMS));
                }
                let mut letters = Vec::with_capacity(ids.len());
                for id in ids {
                    let found = self.look_up(&id).await?;
                    letters.push((id, found));
                }
                Ok(Chosen { letters, more: false })
            }
            Some(Which::Filter(filter)) => {
                let limit = match max_count as usize {
                    0 => DEFAULT_MAX_COUNT,
                    asked if asked > MAX_ITEMS => {
                        return Err(Fault::invalid("max_count", format!("must be at most {MAX_ITEMS}")));
                    }
                    asked => asked,
                };
                let filter = dead_letter::filter(Some(filter), self.queue.partitions())
                    .map_err(|fault| fault.within("filter"))?;
                let order = DeadLetterOrder::OldestFirst;
                let query = ListDeadLetters { filter, order, after: None, limit };
                let page = self.queue.list_dead_letters(&query).await?;
                let named = |letter: DeadLetter| (letter.id.to_string(), Some(letter));
                Ok(Chosen {
                    letters: page.letters.into_iter().map(named).collect(),
                    more: page.next.is_some(),
                })
            }
        }
    }

    async fn replay_one(&self, letter: &DeadLetter) -> Result<Option<Sequence>> {
        let gone = |message: String| Fault::new(ErrorReason::ReplayTargetGone, message);
        match self.queue.replay_dead_letter(letter.id).await? {
            ReplayResult::Replayed(sequence) => Ok(Some(sequence)),
            ReplayResult::Redelivered | ReplayResult::Ahead => Ok(None),
            ReplayResult::NotFound => Err(not_found(&letter.id.to_string())),
            ReplayResult::NoPicture => {
                let message = "the dead letter has no picture to process or to deliver";
                Err(Fault::new(ErrorReason::PictureMissing, message))
            }
            ReplayResult::TargetGone => Err(match &letter.frame.source {
                DeadLetterSource::Worker => {
                    gone("the stream is not registered any more; register it and replay again".to_owned())
                }
                DeadLetterSource::Group(group) => {
                    gone(format!("consumer group {group} is gone, or does not read the stream any more"))
                }
            }),
            ReplayResult::GroupFull => Err(Fault::new(
                ErrorReason::QueueFull,
                "the consumer group has as many frames outstanding as it may",
            )
            .retry_in(FULL_RETRY)),
            ReplayResult::Refused(refusal) => Err(match refusal {
                Refusal::StreamQueueFull | Refusal::PartitionFull | Refusal::StreamTooFast => {
                    Fault::from(refusal).because_of_queue()
                }
                Refusal::PayloadGone => Fault::from(refusal).retry_in(SOON),
                Refusal::StreamNotFound
                | Refusal::SequenceReused { .. }
                | Refusal::SequenceTooOld { .. }
                | Refusal::SequenceOutOfOrder { .. }
                | Refusal::BehindRefused
                | Refusal::TooManyPublishers
                | Refusal::QueueDraining
                | Refusal::Backend(_) => refusal.into(),
            }),
        }
    }
}

impl Fault {
    /// A full queue has one reason here, whichever bound was reached.
    fn because_of_queue(self) -> Self {
        Self { reason: ErrorReason::QueueFull, ..self }
    }
}

/// Where a letter goes: order holds within it.
fn way(letter: &DeadLetter) -> (&StreamId, &DeadLetterSource) {
    (&letter.frame.stream_id, &letter.frame.source)
}

/// Places and letters, those of a stream by their first numbers.
fn in_stream_order(letters: &[(String, Option<DeadLetter>)]) -> Vec<(usize, Option<&DeadLetter>)> {
    let mut order: Vec<_> = letters.iter().map(|(_, letter)| letter.as_ref()).enumerate().collect();
    order.sort_by_key(|(_, letter)| letter.map(|letter| (&letter.frame.stream_id, letter.frame.sequence)));
    order
}

fn not_found(id: &str) -> Fault {
    let id: String = id.chars().take(256).collect();
    let message = format!("there is no dead letter {id}; it may have been discarded, or had to make room");
    Fault::new(ErrorReason::DeadLetterNotFound, message).fact("dead_letter_id", id)
}

fn result(dead_letter_id: String, outcome: Result<Option<Sequence>>) -> pb::DeadLetterResult {
    let outcome = match outcome {
        Ok(sequence) => {
            Outcome::Done(pb::DeadLetterDone { replayed_sequence: sequence.map_or(0, Sequence::get) })
        }
        Err(fault) => Outcome::Refused(fault.into_frame_error()),
    };
    pb::DeadLetterResult { dead_letter_id, outcome: Some(outcome) }
}

/// What a call came to, for the audit log.
pub(crate) fn account(results: &[pb::DeadLetterResult]) -> String {
    let done = results.iter().filter(|one| matches!(one.outcome, Some(Outcome::Done(_)))).count();
    format!("{done} done, {} refused", results.len() - done)
}
