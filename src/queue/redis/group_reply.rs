//! The arguments and the answers of the scripts of consumer groups.

use std::collections::HashMap;
use std::fmt::Write as _;
use std::time::Duration;

use redis::Value;

use super::scripts::Call;
use super::{entry, reply};
use crate::domain::{
    DeadLetterId, Digest, Etag, GroupId, GroupRecord, Partitions, Sequence, StreamId, Timestamp,
};
use crate::queue::{
    Ack, AckAction, AckResult, CandidateResult, Delivery, EndReason, Error, Exhausted, GapRun, Result,
    UnsentGaps,
};

/// The first word of an answer.
pub(super) enum GroupReply {
    Ok,
    Gone,
    Exists,
    Replaced,
    Lapsed,
    Full,
    Ahead,
    Changed(u64),
    Mismatch(Etag),
}

pub(super) fn word(parts: &mut std::vec::IntoIter<Value>) -> Result<GroupReply> {
    let word = reply::text(parts.next().unwrap_or(Value::Nil))?.unwrap_or_default();
    match word.as_str() {
        "ok" => Ok(GroupReply::Ok),
        "gone" | "unknown" => Ok(GroupReply::Gone),
        "exists" => Ok(GroupReply::Exists),
        "replaced" => Ok(GroupReply::Replaced),
        "lapsed" => Ok(GroupReply::Lapsed),
        "full" => Ok(GroupReply::Full),
        "ahead" => Ok(GroupReply::Ahead),
        "changed" => Ok(GroupReply::Changed(reply::number(parts.next().unwrap_or(Value::Nil))?)),
        "mismatch" => {
            let mut number = || reply::number(parts.next().unwrap_or(Value::Nil));
            Ok(GroupReply::Mismatch(Etag { incarnation: number()?, version: number()? }))
        }
        other => Err(Error::Corrupt(format!("a group script answered {other:?}"))),
    }
}

pub(super) fn corrupt(error: impl std::fmt::Display) -> Error {
    Error::Corrupt(format!("{error}"))
}

pub(super) fn millis(span: Duration) -> u64 {
    u64::try_from(span.as_millis()).unwrap_or(u64::MAX)
}

/// Returns the name of a frame in a group; names sort by sequence.
pub(super) fn frame_key(stream: &StreamId, sequence: Sequence) -> String {
    format!("{stream}:{sequence:016}", sequence = sequence.get())
}

pub(super) fn frame_of(key: &str) -> Result<(StreamId, Sequence)> {
    let (stream, sequence) = key.split_once(':').ok_or_else(|| corrupt(key))?;
    Ok((stream.parse().map_err(corrupt)?, number(reply::parse(sequence)?)?))
}

pub(super) fn number(number: u64) -> Result<Sequence> {
    Sequence::new(number).map_err(corrupt)
}

pub(super) fn at_millis(millis: u64) -> Timestamp {
    reply::moment(millis.saturating_mul(1_000))
}

/// Reads the dead letter that a frame was replayed from.
fn letter(partitions: Partitions, value: Value) -> Result<Option<DeadLetterId>> {
    match reply::text(value)?.unwrap_or_default().as_str() {
        "" => Ok(None),
        text => DeadLetterId::parse(text, partitions).map(Some).map_err(corrupt),
    }
}

pub(super) fn delivery(partitions: Partitions, value: Value) -> Result<Delivery> {
    let mut parts = reply::array(value)?.into_iter();
    let mut next = || parts.next().unwrap_or(Value::Nil);
    let (stream_id, sequence) = frame_of(&reply::text(next())?.unwrap_or_default())?;
    let attempt = u32::try_from(reply::number(next())?).map_err(corrupt)?;
    let deadline = at_millis(reply::number(next())?);
    let letter = letter(partitions, next())?;
    let generation = reply::number(next())?;
    let left = Duration::from_millis(reply::number(next())?);
    Ok(Delivery { stream_id, sequence, attempt, deadline, left, generation, letter })
}

pub(super) fn exhausted(partitions: Partitions, value: Value) -> Result<Exhausted> {
    let mut parts = reply::array(value)?.into_iter();
    let mut next = || parts.next().unwrap_or(Value::Nil);
    let (stream_id, sequence) = frame_of(&reply::text(next())?.unwrap_or_default())?;
    let attempts = u32::try_from(reply::number(next())?).map_err(corrupt)?;
    let rejected = reply::text(next())?.as_deref() == Some("1");
    let message = reply::text(next())?.unwrap_or_default();
    let letter = letter(partitions, next())?;
    Ok(Exhausted { stream_id, sequence, attempts, rejected, message, letter })
}

pub(super) fn candidate_result(value: Value) -> Result<CandidateResult> {
    let mut parts = reply::array(value)?.into_iter();
    let mut next = || parts.next().unwrap_or(Value::Nil);
    let word = reply::text(next())?.unwrap_or_default();
    let position = reply::number(next())?;
    let sampler_state = reply::text(next())?.unwrap_or_default();
    match word.as_str() {
        "at" => Ok(CandidateResult::At(number(position)?, sampler_state)),
        "moved" => Ok(CandidateResult::Moved(number(position)?, sampler_state)),
        "unknown" => Ok(CandidateResult::Unknown),
        "owned" => Ok(CandidateResult::Owned(number(position)?, sampler_state)),
        "later" => Ok(CandidateResult::Later),
        other => Err(corrupt(other)),
    }
}

/// Writes ranges of gaps as the scripts store them.
pub(super) fn runs_text(runs: &[GapRun]) -> String {
    let mut text = String::new();
    for GapRun { from, to, reason } in runs {
        // Writing to a string does not fail.
        let _infallible = write!(text, "{from}-{to}-{reason};");
    }
    text
}

pub(super) fn unsent_gaps(value: Value) -> Result<UnsentGaps> {
    let mut parts = reply::array(value)?.into_iter();
    let mut next = || reply::text(parts.next().unwrap_or(Value::Nil)).map(Option::unwrap_or_default);
    let stream_id = next()?.parse().map_err(corrupt)?;
    let run = |text: &str| {
        let mut parts = text.split('-');
        let mut part = || reply::parse::<u64>(parts.next().unwrap_or_default());
        let (from, to) = (number(part()?)?, number(part()?)?);
        // A range that another session had before has a thousand added to its reason.
        Ok(GapRun { from, to, reason: (part()? % 1_000) as u16 })
    };
    let runs = next()?.split_terminator(';').map(run).collect::<Result<_>>()?;
    Ok(UnsentGaps { stream_id, runs })
}

pub(super) fn push_answer(call: &mut Call, answer: &Ack) {
    let (word, span, message) = match &answer.action {
        AckAction::Acknowledge => ("a", None, ""),
        AckAction::Retry { delay, message } => ("r", *delay, message.as_str()),
        AckAction::GiveUp { message } => ("g", None, message.as_str()),
        AckAction::Extend(span) => ("e", *span, ""),
    };
    call.arg(word).arg(answer.stream_id.as_str()).arg(format!("{:016}", answer.sequence.get()));
    call.number(answer.attempt.into()).number(answer.generation).number(answer.incarnation);
    call.arg(span.map(|span| millis(span).to_string()).unwrap_or_default()).arg(message);
}

pub(super) fn answer_result(partitions: Partitions, answer: &Ack, value: Value) -> Result<AckResult> {
    let mut parts = reply::array(value)?.into_iter();
    let mut next = || parts.next().unwrap_or(Value::Nil);
    let word = reply::text(next())?.unwrap_or_default();
    match word.as_str() {
        "done" => Ok(AckResult::Done(match reply::number(next())? {
            0 => None,
            millis => Some(at_millis(millis)),
        })),
        "before" => Ok(AckResult::AlreadyAcknowledged),
        "stale" => Ok(AckResult::Stale),
        "rejected" => Ok(AckResult::Rejected),
        "ended" => Ok(AckResult::Ended(match reply::number(next())? {
            0 => EndReason::GivenUp,
            1 => EndReason::Rejected,
            _ => EndReason::Lost,
        })),
        "exhausted" => Ok(AckResult::Exhausted(Exhausted {
            stream_id: answer.stream_id.clone(),
            sequence: answer.sequence,
            attempts: u32::try_from(reply::number(next())?).map_err(corrupt)?,
            rejected: reply::text(next())?.as_deref() == Some("1"),
            message: reply::text(next())?.unwrap_or_default(),
            letter: letter(partitions, next())?,
        })),
        other => Err(corrupt(other)),
    }
}

pub(super) fn record(id: &GroupId, about: &reply::Fields) -> Result<Option<GroupRecord>> {
    if about.is_empty() {
        return Ok(None);
    }
    Ok(Some(GroupRecord {
        id: id.clone(),
        settings: entry::decode_group(&about.bytes("settings"))?,
        start: Digest(about.bytes("start").as_ref().try_into().map_err(corrupt)?),
        revision: about.number("revision")?,
        generation: about.number("generation")?,
        incarnation: about.number("incarnation")?,
        create_time: reply::moment(about.number("created")?),
        update_time: reply::moment(about.number("updated")?),
    }))
}

/// The times at which the longest outstanding frames were delivered, in milliseconds.
#[derive(Debug, Default)]
pub(super) struct OldestDeliveries {
    pub(super) of_group: Option<u64>,
    pub(super) by_member: HashMap<String, u64>,
}

pub(super) fn oldest_deliveries(value: Value) -> Result<OldestDeliveries> {
    let mut items = reply::array(value)?.into_iter();
    let mut oldest = OldestDeliveries::default();
    // The first pair is that of the group.
    if let (Some(_), Some(at)) = (items.next(), items.next()) {
        oldest.of_group = Some(reply::number(at)?).filter(|&at| at > 0);
    }
    while let (Some(name), Some(at)) = (items.next(), items.next()) {
        oldest.by_member.insert(reply::text(name)?.unwrap_or_default(), reply::number(at)?);
    }
    Ok(oldest)
}

/// Reads names and scores.
pub(super) fn scores(value: Value) -> Result<Vec<(String, f64)>> {
    let mut items = reply::array(value)?.into_iter();
    let mut scores = Vec::new();
    while let (Some(name), Some(score)) = (items.next(), items.next()) {
        let score = match score {
            Value::Double(score) => score,
            other => reply::parse(&reply::text(other)?.unwrap_or_default())?,
        };
        scores.push((reply::text(name)?.unwrap_or_default(), score));
    }
    Ok(scores)
}
