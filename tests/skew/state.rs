//! What a server holds, as its lists show it.

use std::collections::BTreeMap;

use prost_reflect::{DynamicMessage, MethodDescriptor, Value};

use crate::caller::Caller;

/// Lists that show whatever a request could have changed.
pub(crate) const LISTS: [&str; 4] = ["ListStreams", "ListConsumerGroups", "ListQueues", "ListDeadLetters"];

/// What the lists show, less what changes by itself: every field by its path.
pub(crate) async fn read(lists: &[MethodDescriptor], caller: &Caller) -> BTreeMap<String, String> {
    let mut facts = BTreeMap::new();
    for list in lists {
        let page = caller.call(list, &DynamicMessage::new(list.input())).await.expect("lists");
        let page = DynamicMessage::decode(list.output(), page).expect("a page");
        note(list.name(), &Value::Message(page), &mut facts);
    }
    facts
}

/// What differs: the path, what was there, and what is.
pub(crate) fn changes<'a>(
    before: &'a BTreeMap<String, String>,
    after: &'a BTreeMap<String, String>,
) -> Vec<(&'a String, Option<&'a String>, Option<&'a String>)> {
    let paths: std::collections::BTreeSet<&String> = before.keys().chain(after.keys()).collect();
    let pairs = paths.into_iter().map(|path| (path, before.get(path), after.get(path)));
    pairs.filter(|(_, was, is)| was != is).collect()
}

/// Parts of paths to what changes by itself: ages, and who holds a queue's lease until when.
const VOLATILE: [&str; 3] = ["_age.", ".lease_", ".worker"];

/// Adds all that a value holds, but for counters (`status`), rates and what is volatile.
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
