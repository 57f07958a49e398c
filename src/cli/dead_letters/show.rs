//! Dead letters as text and as JSON.

use serde_json::{Value, json};

use crate::client::{describe_item, reason_name};
use crate::console::output::{Table, bytes, short, since, span, time_json};
use crate::pb::v1 as pb;
use crate::pb::v1::dead_letter_result::Outcome;

pub(super) fn source(letter: &pb::DeadLetter) -> String {
    match letter.group_id.as_str() {
        "" => short(letter.source().as_str_name(), "DEAD_LETTER_SOURCE_").to_lowercase(),
        group => format!("group {group}"),
    }
}

pub(super) fn reason(letter: &pb::DeadLetter) -> String {
    short(letter.reason().as_str_name(), "ERROR_REASON_")
}

fn replayed(letter: &pb::DeadLetter) -> String {
    match (letter.replayed_sequence, &letter.replay_time) {
        (0, None) => "-".to_owned(),
        (0, Some(_)) => "to its group".to_owned(),
        (sequence, _) => format!("as {sequence}"),
    }
}

pub(super) fn table(list: &pb::ListDeadLettersResponse, more: bool) -> String {
    let headings = ["ID", "STREAM", "SEQUENCE", "AGE", "FROM", "REASON", "PICTURE", "REPLAYED"];
    let mut table = Table::new(&headings, &[2, 3, 6]);
    for letter in &list.dead_letters {
        table.row([
            letter.dead_letter_id.clone(),
            letter.stream_id.clone(),
            letter.sequence.to_string(),
            letter.dead_letter_time.as_ref().map_or("-".to_owned(), |time| span(since(time))),
            source(letter),
            reason(letter),
            letter.picture.as_ref().map_or("none".to_owned(), |picture| bytes(picture.size_bytes)),
            replayed(letter),
        ]);
    }
    let mut text = if list.dead_letters.is_empty() { String::new() } else { table.render() };
    text.push_str(&format!(
        "{} shown of {}, {}\n",
        list.dead_letters.len(),
        list.kept_count,
        bytes(list.kept_bytes)
    ));
    if more {
        text.push_str("there are more: --limit 0 lists all, and frameway dead-letters summary counts them\n");
    }
    text
}

pub(super) fn as_text(letter: &pb::DeadLetter) -> String {
    let mut text = format!("id         {}\n", letter.dead_letter_id);
    text.push_str(&format!("frame      {}/{} in {}\n", letter.stream_id, letter.sequence, letter.queue_id));
    text.push_str(&format!("given up   by {}, after {} attempts", source(letter), letter.attempts));
    if let Some(time) = &letter.dead_letter_time {
        text.push_str(&format!(", {} ago", span(since(time))));
    }
    text.push_str(&format!("\nreason     {} ({})\n", reason(letter), letter.message));
    if !letter.publisher_id.is_empty() {
        let sequence =
            letter.publisher_sequence.map_or(String::new(), |sequence| format!(", sequence {sequence}"));
        text.push_str(&format!("publisher  {}{sequence}\n", letter.publisher_id));
    }
    for (key, value) in &letter.attributes {
        text.push_str(&format!("attribute  {key}={value}\n"));
    }
    text.push_str(&match &letter.picture {
        None => "picture    none\n".to_owned(),
        Some(picture) => {
            let format = short(picture.format().as_str_name(), "PICTURE_FORMAT_").to_lowercase();
            format!(
                "picture    {format}, {}x{}, {}\n",
                picture.width,
                picture.height,
                bytes(picture.size_bytes)
            )
        }
    });
    text.push_str(&format!("replayed   {}\n", replayed(letter)));
    text
}

pub(super) fn as_json(letter: &pb::DeadLetter) -> Value {
    json!({
        "dead_letter_id": letter.dead_letter_id,
        "source": short(letter.source().as_str_name(), "DEAD_LETTER_SOURCE_"),
        "stream_id": letter.stream_id,
        "sequence": letter.sequence,
        "queue_id": letter.queue_id,
        "group_id": letter.group_id,
        "reason": reason(letter),
        "message": letter.message,
        "attempts": letter.attempts,
        "dead_letter_time": time_json(letter.dead_letter_time.as_ref()),
        "capture_time": time_json(letter.capture_time.as_ref()),
        "receive_time": time_json(letter.receive_time.as_ref()),
        "publisher_id": letter.publisher_id,
        "publisher_sequence": letter.publisher_sequence,
        "attributes": letter.attributes,
        "picture": letter.picture.as_ref().map(|picture| json!({
            "format": short(picture.format().as_str_name(), "PICTURE_FORMAT_"),
            "width": picture.width,
            "height": picture.height,
            "size_bytes": picture.size_bytes,
        })),
        "replayed_sequence": letter.replayed_sequence,
        "replay_time": time_json(letter.replay_time.as_ref()),
    })
}

pub(super) fn refusal(result: &pb::DeadLetterResult) -> Option<&pb::ItemError> {
    match &result.outcome {
        Some(Outcome::Refused(error)) => Some(error),
        Some(Outcome::Done(_)) | None => None,
    }
}

pub(super) fn result_line(done: &str, result: &pb::DeadLetterResult) -> String {
    let id = &result.dead_letter_id;
    match &result.outcome {
        Some(Outcome::Done(pb::DeadLetterDone { replayed_sequence: 0 })) => format!("{id}  {done}\n"),
        Some(Outcome::Done(one)) => format!("{id}  {done} as {}\n", one.replayed_sequence),
        Some(Outcome::Refused(error)) => format!("{id}  refused: {}\n", describe_item(error)),
        None => format!("{id}  no answer\n"),
    }
}

pub(super) fn result_json(result: &pb::DeadLetterResult) -> Value {
    let id = &result.dead_letter_id;
    match &result.outcome {
        Some(Outcome::Done(done)) => {
            json!({ "dead_letter_id": id, "done": true, "replayed_sequence": done.replayed_sequence })
        }
        Some(Outcome::Refused(error)) => json!({
            "dead_letter_id": id,
            "done": false,
            "reason": reason_name(error),
            "message": error.message,
        }),
        None => json!({ "dead_letter_id": id, "done": false }),
    }
}
