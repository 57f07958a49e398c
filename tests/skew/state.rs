//! The state of a server, as its lists show it.

use std::collections::BTreeMap;

use frameway::pb::v1 as pb;
use prost_reflect::{DynamicMessage, MethodDescriptor, Value};

use crate::caller::Caller;

/// The lists that show everything that a request could change.
pub(crate) const LISTS: [&str; 4] = ["ListStreams", "ListConsumerGroups", "ListQueues", "ListDeadLetters"];

/// Returns a frame whose picture starts like a JPEG and ends at once: it becomes a dead letter.
pub(crate) fn broken(stream: &str) -> pb::Frame {
    let data = vec![0xFF, 0xD8, 0xFF, 0xE0, 0, 0].into();
    pb::Frame { stream_id: stream.to_owned(), data, ..Default::default() }
}

/// Reads the lists without the fields that change by themselves: every field by its path.
pub(crate) async fn read(lists: &[MethodDescriptor], caller: &Caller) -> BTreeMap<String, String> {
    let mut facts = BTreeMap::new();
    for list in lists {
        let page = caller.call(list, &DynamicMessage::new(list.input())).await.expect("lists");
        let page = DynamicMessage::decode(list.output(), page).expect("a page");
        note(list.name(), &Value::Message(page), &mut facts);
    }
    facts
}

/// Returns the differences: the path, the old value and the new one.
pub(crate) fn changes<'a>(
    before: &'a BTreeMap<String, String>,
    after: &'a BTreeMap<String, String>,
) -> Vec<(&'a String, Option<&'a String>, Option<&'a String>)> {
    let paths: std::collections::BTreeSet<&String> = before.keys().chain(after.keys()).collect();
    let pairs = paths.into_iter().map(|path| (path, before.get(path), after.get(path)));
    pairs.filter(|(_, was, is)| was != is).collect()
}

/// Parts of the paths of fields that change by themselves: ages, and the holder and term of a
/// queue's lease.
const VOLATILE: [&str; 3] = ["_age.", ".lease_", ".worker"];

/// Adds everything in a value except for counters (`status`), rates and fields that change by
/// themselves.
fn note(path: &str, value: &Value, facts: &mut BTreeMap<String, String>) {
    match value {
        Value::Message(message) => {
            for (field, value) in message.fields().filter(|(field, _)| field.name() != "status") {
                note(&format!("{path}.{}", field.name()), value, facts);
            }
        }
        Value::List(items) => {
            for (index, item) in items.iter().enumerate() {
                note(&format!("{path}[{index}]"), item, facts);
            }
        }
        Value::F64(_) | Value::F32(_) => {}
        _ if VOLATILE.iter().any(|part| path.contains(part)) => {}
        value => drop(facts.insert(path.to_owned(), format!("{value:?}"))),
    }
}
