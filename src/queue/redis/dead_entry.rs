//! Dead letters as the bytes of Redis entries, and back.

use prost::Message as _;
use redis::Value;

use super::scripts::Call;
use super::{entry, reply};
use crate::domain::{
    DeadFrame, DeadLetter, DeadLetterId, DeadLetterReason, DeadLetterReplay, DeadLetterSource, DeadOutput,
    DeadPicture, GroupId, PayloadKey, PayloadRef, Sequence, StreamId, Timestamp,
};
use crate::pb::storage as pb;
use crate::queue::{Error, Result};

/// Reads the mark of a replay, `<sequence>:<microseconds>`; sequence 0 = returned to its group.
pub(super) fn replay(mark: Value) -> Result<Option<DeadLetterReplay>> {
    let Some(mark) = reply::text(mark)? else { return Ok(None) };
    let (sequence, time) =
        mark.split_once(':').ok_or_else(|| Error::Corrupt(format!("replay mark {mark:?}")))?;
    let sequence = match reply::parse(sequence)? {
        0 => None,
        number => {
            Some(Sequence::new(number).map_err(|error| Error::Corrupt(format!("replay mark: {error}")))?)
        }
    };
    Ok(Some(DeadLetterReplay { sequence, time: reply::moment(reply::parse(time)?) }))
}

pub(super) fn payload_key(fields: &reply::Fields) -> Result<Option<PayloadKey>> {
    match fields.text("k")? {
        "" => Ok(None),
        key => u128::from_str_radix(key, 16)
            .map(|bits| Some(PayloadKey::from_bits(bits)))
            .map_err(|_| Error::Corrupt("payload name".to_owned())),
    }
}

/// Adds what `lua/finish.lua` needs to enter a dead letter: body ("" = none), picture's name, bytes
/// with it and without.
pub(super) fn push_letter(call: &mut Call, frame: Option<&DeadFrame>) {
    let Some(frame) = frame else {
        call.arg("").arg("").number(0).number(0);
        return;
    };
    let name = frame.picture.map(|picture| picture.payload.key.to_string()).unwrap_or_default();
    call.arg(encode(frame)).arg(name).number(frame.size_bytes()).number(frame.text_bytes());
}

/// Encodes the body of an entry.
fn encode(frame: &DeadFrame) -> Vec<u8> {
    let DeadFrame {
        source,
        stream_id,
        sequence,
        receive_time,
        header,
        reason,
        message,
        attempts,
        picture,
        output,
    } = frame;
    pb::DeadLetter {
        stream_id: stream_id.to_string(),
        sequence: sequence.get(),
        receive_time: receive_time.as_micros(),
        header: Some(entry::header_to_pb(header)),
        group_id: match source {
            DeadLetterSource::Worker => String::new(),
            DeadLetterSource::Group(group) => group.to_string(),
        },
        reason: match reason {
            DeadLetterReason::Failed(reason) => entry::from_reason(*reason),
            DeadLetterReason::AttemptsExhausted => 100,
            DeadLetterReason::Rejected => 101,
        },
        message: message.clone(),
        attempts: *attempts,
        picture_format: picture.map_or(0, |picture| entry::from_format(picture.format)),
        picture_width: picture.map_or(0, |picture| picture.width),
        picture_height: picture.map_or(0, |picture| picture.height),
        picture_bytes: picture.map_or(0, |picture| picture.payload.size_bytes),
        processed: output.as_ref().map(|output| entry::processed_to_pb(&output.frame)),
        previous_sequence: output.as_ref().map_or(0, |output| output.previous_sequence),
        publish_time: output.as_ref().map_or(0, |output| output.publish_time.as_micros()),
    }
    .encode_to_vec()
}

pub(super) fn decode(id: DeadLetterId, fields: &reply::Fields) -> Result<DeadLetter> {
    let body = pb::DeadLetter::decode(fields.bytes("b")).map_err(|error| entry::corrupt(&error))?;
    let bad = |error: crate::domain::ValidationError| Error::Corrupt(error.to_string());
    let picture = match payload_key(fields)? {
        None => None,
        Some(key) => Some(DeadPicture {
            format: entry::to_format(body.picture_format)?,
            width: body.picture_width,
            height: body.picture_height,
            payload: PayloadRef { key, size_bytes: body.picture_bytes },
        }),
    };
    let header = entry::header_from_pb(body.header.unwrap_or_default())?;
    let output = |processed| -> Result<Box<DeadOutput>> {
        Ok(Box::new(DeadOutput {
            frame: entry::processed_from_pb(processed, header.clone())?,
            previous_sequence: body.previous_sequence,
            publish_time: Timestamp::from_micros(body.publish_time),
        }))
    };
    let output = body.processed.map(output).transpose()?;
    let frame = DeadFrame {
        source: match body.group_id.as_str() {
            "" => DeadLetterSource::Worker,
            group => DeadLetterSource::Group(group.parse::<GroupId>().map_err(bad)?),
        },
        stream_id: body.stream_id.parse::<StreamId>().map_err(bad)?,
        sequence: Sequence::new(body.sequence).map_err(bad)?,
        receive_time: Timestamp::from_micros(body.receive_time),
        header,
        reason: match body.reason {
            100 => DeadLetterReason::AttemptsExhausted,
            101 => DeadLetterReason::Rejected,
            failure => DeadLetterReason::Failed(entry::to_reason(failure)?),
        },
        message: body.message,
        attempts: body.attempts,
        picture,
        output,
    };
    Ok(DeadLetter { id, frame, replay: None })
}
