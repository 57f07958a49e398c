//! What the scripts of consumer groups are told, and what they answer.

use std::collections::HashMap;
use std::fmt::Write as _;
use std::time::Duration;

use redis::Value;

use super::reply;
use super::scripts::Call;
use super::status::moment;
use crate::domain::{
    DeadLetterId, Digest, Etag, GroupId, GroupRecord, Partitions, Sequence, StreamId, Timestamp,
};
use crate::queue::{
    Answer, AnswerResult, Delivery, Ended, Error, Exhausted, GapRun, OfferResult, Result, UntoldGaps, Verdict,
};

/// What the scripts answer first.
pub(super) enum Word {
    Ok,
    Gone,
    Exists,
    Replaced,
    Lapsed,
    Full,
    Ahead,
    Stale(u64),
    Mismatch(Etag),
}

pub(super) fn word(parts: &mut std::vec::IntoIter<Value>) -> Result<Word> {
    let word = reply::text(parts.next().unwrap_or(Value::Nil))?.unwrap_or_default();
    match word.as_str() {
        "ok" => Ok(Word::Ok),
        "gone" | "unknown" => Ok(Word::Gone),
        "exists" => Ok(Word::Exists),
        "replaced" => Ok(Word::Replaced),
        "lapsed" => Ok(Word::Lapsed),
        "full" => Ok(Word::Full),
        "ahead" => Ok(Word::Ahead),
        "stale" | "changed" => Ok(Word::Stale(reply::number(parts.next().unwrap_or(Value::Nil))?)),
        "mismatch" => {
            let mut number = || reply::number(parts.next().unwrap_or(Value::Nil));
            Ok(Word::Mismatch(Etag { incarnation: number()?, version: number()? }))
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

/// A frame's name in a group, in the order of its number.
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
    moment(millis.saturating_mul(1_000))
}

/// The dead letter that a frame was replayed from.
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

pub(super) fn offer_result(value: Value) -> Result<OfferResult> {
    let mut parts = reply::array(value)?.into_iter();
    let mut next = || parts.next().unwrap_or(Value::Nil);
    let word = reply::text(next())?.unwrap_or_default();
    let position = reply::number(next())?;
    let mark = reply::text(next())?.unwrap_or_default();
    match word.as_str() {
        "at" => Ok(OfferResult::At(number(position)?, mark)),
        "moved" => Ok(OfferResult::Moved(number(position)?, mark)),
        "unknown" => Ok(OfferResult::Unknown),
        "owned" => Ok(OfferResult::Owned(number(position)?, mark)),
        "later" => Ok(OfferResult::Later),
        other => Err(corrupt(other)),
    }
}

/// Runs of gaps as the scripts keep them.
pub(super) fn runs_text(runs: &[GapRun]) -> String {
    let mut text = String::new();
    for GapRun { from, to, reason } in runs {
        // Writing to a string does not fail.
        let _infallible = write!(text, "{from}-{to}-{reason};");
    }
    text
}

pub(super) fn untold(value: Value) -> Result<UntoldGaps> {
    let mut parts = reply::array(value)?.into_iter();
    let mut next = || reply::text(parts.next().unwrap_or(Value::Nil)).map(Option::unwrap_or_default);
    let stream_id = next()?.parse().map_err(corrupt)?;
    let run = |text: &str| {
        let mut parts = text.split('-');
        let mut part = || reply::parse::<u64>(parts.next().unwrap_or_default());
        let (from, to) = (number(part()?)?, number(part()?)?);
        // A run that was another session's before says so with a thousand more.
        Ok(GapRun { from, to, reason: (part()? % 1_000) as u16 })
    };
    let runs = next()?.split_terminator(';').map(run).collect::<Result<_>>()?;
    Ok(UntoldGaps { stream_id, runs })
}

pub(super) fn push_answer(call: &mut Call, answer: &Answer) {
    let (word, span, message) = match &answer.verdict {
        Verdict::Acknowledge => ("a", None, ""),
        Verdict::Retry { delay, message } => ("r", *delay, message.as_str()),
        Verdict::GiveUp { message } => ("g", None, message.as_str()),
        Verdict::Extend(span) => ("e", *span, ""),
    };
    call.arg(word).arg(answer.stream_id.as_str()).arg(format!("{:016}", answer.sequence.get()));
    call.number(answer.attempt.into()).number(answer.generation).number(answer.incarnation);
    call.arg(span.map(|span| millis(span).to_string()).unwrap_or_default()).arg(message);
}

pub(super) fn answer_result(partitions: Partitions, answer: &Answer, value: Value) -> Result<AnswerResult> {
    let mut parts = reply::array(value)?.into_iter();
    let mut next = || parts.next().unwrap_or(Value::Nil);
    let word = reply::text(next())?.unwrap_or_default();
    match word.as_str() {
        "done" => Ok(AnswerResult::Done(match reply::number(next())? {
            0 => None,
            millis => Some(at_millis(millis)),
        })),
        "before" => Ok(AnswerResult::Before),
        "stale" => Ok(AnswerResult::Stale),
        "rejected" => Ok(AnswerResult::Rejected),
        "ended" => Ok(AnswerResult::Ended(match reply::number(next())? {
            0 => Ended::GivenUp,
            1 => Ended::Rejected,
            _ => Ended::Lost,
        })),
        "exhausted" => Ok(AnswerResult::Exhausted(Exhausted {
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
        settings: serde_json::from_str(about.text("settings")?).map_err(corrupt)?,
        start: Digest(about.bytes("start").as_ref().try_into().map_err(corrupt)?),
        revision: about.number("revision")?,
        generation: about.number("generation")?,
        incarnation: about.number("incarnation")?,
        create_time: moment(about.number("created")?),
        update_time: moment(about.number("updated")?),
    }))
}

/// When the longest outstanding frames were given to members, in milliseconds.
#[derive(Debug, Default)]
pub(super) struct Given {
    pub(super) of_group: Option<u64>,
    pub(super) by_member: HashMap<String, u64>,
}

pub(super) fn waits(value: Value) -> Result<Given> {
    let mut items = reply::array(value)?.into_iter();
    let mut given = Given::default();
    // The first pair is the group's.
    if let (Some(_), Some(at)) = (items.next(), items.next()) {
        given.of_group = Some(reply::number(at)?).filter(|&at| at > 0);
    }
    while let (Some(name), Some(at)) = (items.next(), items.next()) {
        given.by_member.insert(reply::text(name)?.unwrap_or_default(), reply::number(at)?);
    }
    Ok(given)
}

/// Names and scores.
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
