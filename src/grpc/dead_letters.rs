//! Dead letters for operators: list, read, replay, discard.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use super::convert::check_count;
use super::convert::dead_letter::{self, LetterPicture};
use super::convert::policy::bounded;
use super::convert::{picture, stats};
use super::fault::{Fault, Result, shortened};
use super::filter::{Fields, Filter};
use super::page::{self, Page};
use super::status::{FULL_RETRY, SOON};
use crate::access::Caller;
use crate::domain::limits::MAX_ACK_IDS;
use crate::domain::{
    DeadLetter, DeadLetterFilter, DeadLetterId, DeadLetterSource, GroupId, Sequence, StreamId,
};
use crate::hub::Consumers;
use crate::pb::v1 as pb;
use crate::pb::v1::ErrorReason;
use crate::pb::v1::dead_letter_result::Outcome;
use crate::pb::v1::{discard_dead_letters_request, replay_dead_letters_request};
use crate::queue::{DeadLetterOrder, DeadLetterPage, ListDeadLetters, Queue, Refusal, ReplayResult};

const LIST: &str = "dead-letters";
/// The fields that a filter of dead letters may use.
const FILTER_FIELDS: Fields = Fields { only: &[], except: &["message", "picture"] };
const DEFAULT_MAX_COUNT: usize = 100;
/// The maximum length of an unknown id in an error, in characters.
const MAX_ID_CHARS: usize = 256;

/// The operations on dead letters.
#[derive(Debug)]
pub(crate) struct DeadLetterOperations {
    queue: Arc<dyn Queue>,
    consumers: Arc<Consumers>,
}

/// The dead letters that a request selects.
enum Target {
    Ids(pb::DeadLetterIdList),
    /// The dead letters that match a filter, which must not be empty.
    Filter(String),
    /// All, if true; false is an error.
    All(bool),
}

/// The selected dead letters, in the order of the results.
struct Chosen {
    /// The ids as the caller wrote them, and their dead letters; `None` for an id without one.
    letters: Vec<(String, Option<DeadLetter>)>,
    /// True if further dead letters match.
    more: bool,
}

impl DeadLetterOperations {
    pub(crate) fn new(queue: Arc<dyn Queue>, consumers: Arc<Consumers>) -> Self {
        Self { queue, consumers }
    }

    pub(crate) async fn list(
        &self,
        request: pb::ListDeadLettersRequest,
    ) -> Result<pb::ListDeadLettersResponse> {
        let pb::ListDeadLettersRequest { page_size, page_token, filter } = request;
        let list = page::filtered(LIST, &filter, &self.queue.identity());
        let filter = Filter::of::<pb::DeadLetter>(&filter, FILTER_FIELDS)?;
        let after = match page::after::<String>(&list, &page_token)? {
            None => None,
            Some(id) => {
                let id = DeadLetterId::parse(&id, self.queue.partitions()).map_err(|_| page::bad_token())?;
                Some(id)
            }
        };
        let mut page = Page::new(page::size(page_size));
        let mut walk = self.walk(&filter, DeadLetterOrder::NewestFirst, after);
        let mut reads = 0;
        'page: while let Some(letters) = walk.read().await? {
            for letter in letters {
                let id = letter.id;
                let letter = dead_letter::to_pb(letter, LetterPicture::Described);
                if !filter.passes(&letter)? {
                    page.pass(id);
                } else if !page.add(id, letter) {
                    break 'page;
                }
            }
            reads += 1;
            if reads >= page::READS_A_PAGE {
                break;
            }
        }
        let (dead_letters, last) = page.end();
        let last = last.or_else(|| walk.position());
        let totals = self.queue.dead_letter_totals().await?;
        Ok(pb::ListDeadLettersResponse {
            dead_letters,
            next_page_token: last.map(|id| page::token(&list, &id.to_string())).unwrap_or_default(),
            kept_count: totals.letters,
            kept_bytes: totals.bytes,
        })
    }

    /// Returns a walk over the dead letters that a filter can select.
    fn walk<'a>(&'a self, filter: &Filter, order: DeadLetterOrder, after: Option<DeadLetterId>) -> Walk<'a> {
        let partitions = self.queue.partitions();
        let queue_id = filter.equal_text("queue_id");
        let partition = partitions.all().find(|&one| queue_id == Some(stats::queue_id(one).as_str()));
        let stream = filter.equal_text("stream_id").and_then(|id| id.parse().ok());
        let filter = DeadLetterFilter { stream, partition };
        let query = ListDeadLetters { filter, order, after, limit: page::READ_AT_ONCE };
        Walk { queue: &*self.queue, query, is_done: false }
    }

    pub(crate) async fn get(
        &self,
        request: pb::GetDeadLetterRequest,
        caller: &Caller,
    ) -> Result<pb::GetDeadLetterResponse> {
        let pb::GetDeadLetterRequest { dead_letter_id, max_picture_bytes, metadata_only } = request;
        let max = picture::checked_bound("max_picture_bytes", max_picture_bytes)?;
        if dead_letter_id.is_empty() {
            return Err(Fault::invalid("dead_letter_id", "is required"));
        }
        let letter = self.look_up(&dead_letter_id).await?.ok_or_else(|| not_found(&dead_letter_id))?;
        let picture = match letter.frame.picture {
            None => LetterPicture::Described,
            Some(_) if metadata_only => LetterPicture::Described,
            Some(_) if !caller.permissions().originals.contains(letter.frame.stream_id.as_str()) => {
                LetterPicture::Omitted(pb::OmittedReason::NotPermitted)
            }
            Some(picture) if picture.payload.size_bytes > u64::from(max) => {
                LetterPicture::Omitted(pb::OmittedReason::TooLarge)
            }
            Some(picture) => {
                let found = self.queue.fetch(letter.id.partition, &[picture.payload]).await?.pop().flatten();
                match found {
                    Some(data) => LetterPicture::Data(data),
                    // The dead letter may have been discarded since it was read.
                    None if self.queue.get_dead_letter(letter.id).await?.is_none() => {
                        return Err(not_found(&dead_letter_id));
                    }
                    None => LetterPicture::Omitted(pb::OmittedReason::PayloadLost),
                }
            }
        };
        Ok(pb::GetDeadLetterResponse { dead_letter: Some(dead_letter::to_pb(letter, picture)) })
    }

    pub(crate) async fn replay(
        &self,
        request: pb::ReplayDeadLettersRequest,
    ) -> Result<pb::ReplayDeadLettersResponse> {
        use replay_dead_letters_request::Target as T;
        let pb::ReplayDeadLettersRequest { target, max_count, dry_run, discard_replayed, reason: _ } =
            request;
        let target = target.map(|target| match target {
            T::Ids(ids) => Target::Ids(ids),
            T::Filter(filter) => Target::Filter(filter),
            T::All(all) => Target::All(all),
        });
        // A filter and `all` skip dead letters that were replayed before.
        let Chosen { letters, more } =
            self.choose(target, max_count, |letter| letter.replay.is_none()).await?;
        if dry_run {
            let results = self.would_replay(&letters).await?;
            return Ok(pb::ReplayDeadLettersResponse { results, more });
        }
        let mut results: HashMap<usize, pb::DeadLetterResult> = HashMap::new();
        let mut refused: HashSet<(&StreamId, &DeadLetterSource)> = HashSet::new();
        let mut groups: HashSet<&GroupId> = HashSet::new();
        for (index, letter) in in_stream_order(&letters) {
            let outcome = match letter {
                None => Err(not_found(&letters[index].0)),
                // After a refusal, the later dead letters of the same destination wait, so that
                // their order is kept.
                Some(letter) if refused.contains(&destination(letter)) => Err(after_refused()),
                Some(letter) => {
                    let outcome = self.replay_one(letter).await;
                    if outcome.as_ref().is_err_and(|fault| fault.retry_delay.is_some()) {
                        refused.insert(destination(letter));
                    }
                    if outcome.is_ok() {
                        if let DeadLetterSource::Group(group) = &letter.frame.source {
                            groups.insert(group);
                        }
                        // The dead letter of a group is kept: until a member has the frame, it may
                        // be the only copy.
                        if discard_replayed
                            && letter.frame.source == DeadLetterSource::Worker
                            && let Err(error) = self.queue.discard_dead_letter(letter.id).await
                        {
                            let id = letter.id;
                            tracing::warn!(%id, %error, "cannot remove a replayed dead letter; it is kept");
                        }
                    }
                    outcome
                }
            };
            results.insert(index, result(letters[index].0.clone(), outcome));
        }
        groups.into_iter().for_each(|group| self.consumers.notify_members(group));
        let results: Vec<_> = (0..letters.len()).filter_map(|index| results.remove(&index)).collect();
        Ok(pb::ReplayDeadLettersResponse { results, more })
    }

    pub(crate) async fn discard(
        &self,
        request: pb::DiscardDeadLettersRequest,
    ) -> Result<pb::DiscardDeadLettersResponse> {
        use discard_dead_letters_request::Target as T;
        let pb::DiscardDeadLettersRequest { target, max_count, dry_run, reason: _ } = request;
        let target = target.map(|target| match target {
            T::Ids(ids) => Target::Ids(ids),
            T::Filter(filter) => Target::Filter(filter),
            T::All(all) => Target::All(all),
        });
        let Chosen { letters, more } = self.choose(target, max_count, |_| true).await?;
        let mut results = Vec::with_capacity(letters.len());
        for (id, letter) in letters {
            let outcome = match letter {
                None => Err(not_found(&id)),
                Some(_) if dry_run => Ok(None),
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

    /// Reads the dead letter that a caller named; returns `None` if there is none, or the id is
    /// invalid.
    async fn look_up(&self, id: &str) -> Result<Option<DeadLetter>> {
        match DeadLetterId::parse(id, self.queue.partitions()) {
            Ok(id) => Ok(self.queue.get_dead_letter(id).await?),
            Err(_) => Ok(None),
        }
    }

    /// Reads the dead letters of a target; `eligible` holds for those that a filter or `all` may
    /// select.
    async fn choose(
        &self,
        target: Option<Target>,
        max_count: Option<u32>,
        eligible: impl Fn(&DeadLetter) -> bool,
    ) -> Result<Chosen> {
        let filter = match target {
            None => return Err(Fault::invalid("target", "must select dead letters: there is no default")),
            Some(Target::Ids(pb::DeadLetterIdList { ids })) => {
                if max_count.is_some() {
                    return Err(Fault::invalid("max_count", "must not be set with ids"));
                }
                return self.named(ids).await;
            }
            Some(Target::All(false)) => return Err(Fault::invalid("all", "must be true or unset")),
            Some(Target::All(true)) => String::new(),
            Some(Target::Filter(filter)) if filter.trim().is_empty() => {
                let rule = "must not be empty; use `all` to select all dead letters";
                return Err(Fault::invalid("filter", rule));
            }
            Some(Target::Filter(filter)) => filter,
        };
        let filter = Filter::of::<pb::DeadLetter>(&filter, FILTER_FIELDS)?;
        let max = bounded("max_count", max_count.map(|count| count as usize), 1, MAX_ACK_IDS)?;
        let max = max.unwrap_or(DEFAULT_MAX_COUNT);
        let mut letters = Vec::new();
        let mut walk = self.walk(&filter, DeadLetterOrder::OldestFirst, None);
        // This reads all stored dead letters if necessary. With a limit of reads, a call might skip
        // all that it reads, and each repeated call would then skip the same ones again.
        while let Some(found) = walk.read().await? {
            for letter in found {
                let selected = eligible(&letter)
                    && filter.passes(&dead_letter::to_pb(letter.clone(), LetterPicture::Described))?;
                if selected && letters.len() >= max {
                    return Ok(Chosen { letters, more: true });
                }
                if selected {
                    letters.push((letter.id.to_string(), Some(letter)));
                }
            }
        }
        Ok(Chosen { letters, more: false })
    }

    async fn named(&self, ids: Vec<String>) -> Result<Chosen> {
        check_count("ids.ids", ids.len(), MAX_ACK_IDS)?;
        let mut letters = Vec::with_capacity(ids.len());
        for id in ids {
            let found = self.look_up(&id).await?;
            letters.push((id, found));
        }
        Ok(Chosen { letters, more: false })
    }

    /// Returns the results that a replay would return.
    async fn would_replay(
        &self,
        letters: &[(String, Option<DeadLetter>)],
    ) -> Result<Vec<pb::DeadLetterResult>> {
        let order = in_stream_order(letters);
        let ids: Vec<DeadLetterId> =
            order.iter().filter_map(|(_, letter)| letter.map(|letter| letter.id)).collect();
        let mut answers = self.queue.would_replay(&ids).await?.into_iter();
        let mut refused: HashSet<(&StreamId, &DeadLetterSource)> = HashSet::new();
        let mut results: HashMap<usize, pb::DeadLetterResult> = HashMap::new();
        for (index, letter) in order {
            let id = &letters[index].0;
            let outcome = match letter.map(|letter| (letter, answers.next().flatten())) {
                None => Err(not_found(id)),
                Some((_, None)) => Ok(None),
                // A dry run reports no sequence, not even that of an earlier replay.
                Some((letter, Some(answer))) => replayed(letter, answer).map(|_| None),
            };
            let outcome = match letter {
                Some(letter) if refused.contains(&destination(letter)) => Err(after_refused()),
                Some(letter) => {
                    if outcome.as_ref().is_err_and(|fault| fault.retry_delay.is_some()) {
                        refused.insert(destination(letter));
                    }
                    outcome
                }
                None => outcome,
            };
            results.insert(index, result(id.clone(), outcome));
        }
        Ok((0..letters.len()).filter_map(|index| results.remove(&index)).collect())
    }

    async fn replay_one(&self, letter: &DeadLetter) -> Result<Option<Sequence>> {
        replayed(letter, self.queue.replay_dead_letter(letter.id).await?)
    }
}

/// Converts the result of a replay. Returns the new sequence, or `None` if the frame keeps its
/// sequence in its group. A fault says why the dead letter cannot be replayed.
fn replayed(letter: &DeadLetter, result: ReplayResult) -> Result<Option<Sequence>> {
    let gone = |message: String| Fault::new(ErrorReason::ReplayTargetGone, message);
    match result {
        ReplayResult::Replayed(sequence) => Ok(Some(sequence)),
        ReplayResult::Redelivered | ReplayResult::Ahead => Ok(None),
        ReplayResult::NotFound => Err(not_found(&letter.id.to_string())),
        ReplayResult::NoPicture => {
            let message = "the dead letter has no picture to process or to deliver";
            Err(Fault::new(ErrorReason::PictureMissing, message))
        }
        ReplayResult::TargetGone => Err(match &letter.frame.source {
            DeadLetterSource::Worker => {
                gone("the stream is no longer registered; register it and replay again".to_owned())
            }
            DeadLetterSource::Group(group) => {
                gone(format!("consumer group {group} was deleted or no longer reads this stream"))
            }
        }),
        ReplayResult::GroupFull => Err(Fault::new(
            ErrorReason::QueueFull,
            "the consumer group has its maximum of outstanding frames",
        )
        .retry_in(FULL_RETRY)),
        ReplayResult::Refused(refusal) => Err(match refusal {
            Refusal::StreamQueueFull | Refusal::PartitionFull | Refusal::StreamTooFast => {
                Fault::from(refusal).into_queue_full()
            }
            Refusal::PayloadGone => Fault::from(refusal).retry_in(SOON),
            Refusal::StreamNotFound
            | Refusal::SequenceReused { .. }
            | Refusal::SequenceTooOld { .. }
            | Refusal::SequenceOutOfOrder { .. }
            | Refusal::AfterRefused
            | Refusal::TooManyPublishers
            | Refusal::QueueDraining
            | Refusal::Backend(_) => refusal.into(),
        }),
    }
}

/// A walk over dead letters, a page at a time.
struct Walk<'a> {
    queue: &'a dyn Queue,
    query: ListDeadLetters,
    is_done: bool,
}

impl Walk<'_> {
    /// Reads the next page; returns `None` after the last.
    async fn read(&mut self) -> Result<Option<Vec<DeadLetter>>> {
        if self.is_done {
            return Ok(None);
        }
        let DeadLetterPage { letters, next } = self.queue.list_dead_letters(&self.query).await?;
        self.is_done = next.is_none();
        self.query.after = next;
        // Other tasks may run between two pages.
        tokio::task::yield_now().await;
        Ok(Some(letters))
    }

    /// Returns the position after which the walk continues; `None` at its end.
    fn position(&self) -> Option<DeadLetterId> {
        self.query.after.filter(|_| !self.is_done)
    }
}

impl Fault {
    /// Returns the fault with the reason QUEUE_FULL: a replay does not distinguish between the
    /// limits of a queue.
    fn into_queue_full(self) -> Self {
        Self { reason: ErrorReason::QueueFull, ..self }
    }
}

fn after_refused() -> Fault {
    let message = "an earlier dead letter of the stream was refused and can be replayed later";
    Fault::new(ErrorReason::QueueFull, message).retry_in(FULL_RETRY)
}

/// Returns the destination of a dead letter. Dead letters with the same destination are replayed in
/// order.
fn destination(letter: &DeadLetter) -> (&StreamId, &DeadLetterSource) {
    (&letter.frame.stream_id, &letter.frame.source)
}

/// Returns the dead letters with their indexes; those of a stream in the order of their original
/// sequences.
fn in_stream_order(letters: &[(String, Option<DeadLetter>)]) -> Vec<(usize, Option<&DeadLetter>)> {
    let mut order: Vec<_> = letters.iter().map(|(_, letter)| letter.as_ref()).enumerate().collect();
    order.sort_by_key(|(_, letter)| letter.map(|letter| (&letter.frame.stream_id, letter.frame.sequence)));
    order
}

fn not_found(id: &str) -> Fault {
    let id = shortened(id, MAX_ID_CHARS);
    let message =
        format!("dead letter {id} does not exist; it may have been discarded or removed to free memory");
    Fault::new(ErrorReason::DeadLetterNotFound, message).fact("dead_letter_id", id)
}

fn result(dead_letter_id: String, outcome: Result<Option<Sequence>>) -> pb::DeadLetterResult {
    let outcome = match outcome {
        Ok(sequence) => {
            Outcome::Done(pb::DeadLetterDone { replayed_sequence: sequence.map_or(0, Sequence::get) })
        }
        Err(fault) => Outcome::Refused(fault.into_item_error()),
    };
    pb::DeadLetterResult { dead_letter_id, outcome: Some(outcome) }
}

/// Summarizes the results of a call for the audit log.
pub(crate) fn summary(results: &[pb::DeadLetterResult]) -> String {
    let done = results.iter().filter(|one| matches!(one.outcome, Some(Outcome::Done(_)))).count();
    format!("{done} done, {} refused", results.len() - done)
}
