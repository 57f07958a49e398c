//! Changing many streams: what to do with each, doing it, and the report.

use std::sync::atomic::{AtomicBool, Ordering};

use anyhow::anyhow;
use futures::StreamExt as _;
use prost_types::FieldMask;
use serde_json::{Map, Value, json};
use tonic::{Code, Status};

use super::document;
use super::names::with_flags;
use crate::client::{Client, describe};
use crate::console::Failure;
use crate::console::output::{print, print_json};
use crate::pb::v1 as pb;

/// The number of streams that are changed at the same time.
const AT_ONCE: usize = 8;

/// What to do with a stream.
#[derive(Debug)]
pub(super) struct Plan {
    pub(super) stream_id: String,
    pub(super) action: Action,
}

#[derive(Debug)]
pub(super) enum Action {
    /// Register it with these settings.
    Register(Box<pb::Stream>),
    /// Change settings of it.
    Update { wanted: Box<pb::Stream>, mask: FieldMask, changes: Vec<Change> },
    /// Leave it as it is: it has the wanted settings.
    Nothing,
}

/// A setting that changes; `None` is unset.
#[derive(Debug, PartialEq)]
pub(super) struct Change {
    pub(super) field: String,
    old: Option<Value>,
    new: Option<Value>,
}

/// Returns the settings in which two streams differ.
pub(super) fn changes(old: &pb::Stream, new: &pb::Stream) -> Result<Vec<Change>, Failure> {
    let settings = |stream| document::settings(stream).map_err(Failure::Failed);
    let mut changes = Vec::new();
    compare("", &settings(old)?, &settings(new)?, &mut changes);
    Ok(changes)
}

/// Adds the values in which two messages differ. A message without values is the same as none.
fn compare(parent: &str, old: &Map<String, Value>, new: &Map<String, Value>, changes: &mut Vec<Change>) {
    let added = new.keys().filter(|name| !old.contains_key(*name));
    let mut names: Vec<&String> = old.keys().chain(added).collect();
    names.sort_unstable();
    let none = Map::new();
    for name in names {
        let field = if parent.is_empty() { name.clone() } else { format!("{parent}.{name}") };
        match (old.get(name), new.get(name)) {
            (old, new) if old == new => {}
            (Some(Value::Object(old)), Some(Value::Object(new))) => compare(&field, old, new, changes),
            (Some(Value::Object(old)), None) => compare(&field, old, &none, changes),
            (None, Some(Value::Object(new))) => compare(&field, &none, new, changes),
            (old, new) => changes.push(Change { field, old: old.cloned(), new: new.cloned() }),
        }
    }
}

impl Change {
    fn line(&self) -> String {
        let text = |value: &Option<Value>| value.as_ref().map_or("(unset)".to_owned(), Value::to_string);
        format!("    {}: {} -> {}\n", self.field, text(&self.old), text(&self.new))
    }

    fn json(&self) -> Value {
        json!({ "field": self.field, "old": self.old, "new": self.new })
    }
}

/// What became of a stream.
enum Outcome {
    Done,
    Failed(String),
    /// The server did not answer an earlier call.
    NotTried,
}

/// The streams by what became of them.
#[derive(Default)]
struct Summary {
    registered: Vec<Value>,
    changed: Vec<Value>,
    unchanged: Vec<Value>,
    failed: Vec<Value>,
    not_tried: Vec<Value>,
    first_failure: String,
}

/// Carries out the plans, several at a time, and reports each. With `dry_run`, only reports what
/// would be done.
///
/// A stream that the server refuses does not stop the others. If the server does not answer, those
/// that are left are not tried.
///
/// # Errors
/// A stream failed or was not tried.
pub(super) async fn carry_out(
    client: &Client,
    plans: Vec<Plan>,
    reason: &str,
    dry_run: bool,
    as_json: bool,
) -> Result<(), Failure> {
    let silent = AtomicBool::new(false);
    let run = |plan: Plan| {
        let (client, silent) = (client.clone(), &silent);
        async move {
            let outcome = match &plan.action {
                Action::Nothing => Outcome::Done,
                _ if dry_run => Outcome::Done,
                _ if silent.load(Ordering::Relaxed) => Outcome::NotTried,
                Action::Register(_) | Action::Update { .. } => match execute(client, &plan, reason).await {
                    Ok(()) => Outcome::Done,
                    Err(status) => {
                        silent.fetch_or(concerns_all(&status), Ordering::Relaxed);
                        Outcome::Failed(with_flags(&describe(&status)))
                    }
                },
            };
            (plan, outcome)
        }
    };
    let mut summary = Summary::default();
    let mut outcomes = futures::stream::iter(plans.into_iter().map(run)).buffered(AT_ONCE);
    while let Some((plan, outcome)) = outcomes.next().await {
        let line = summary.add(&plan, outcome, dry_run);
        if !as_json {
            print(&line);
        }
    }
    if as_json {
        print_json(&summary.json(dry_run))
    } else {
        print(&summary.line(dry_run))
    }
    summary.verdict()
}

/// Reports whether a refusal would meet every further call as well.
fn concerns_all(status: &Status) -> bool {
    matches!(
        status.code(),
        Code::Unavailable
            | Code::DeadlineExceeded
            | Code::Unauthenticated
            | Code::Unimplemented
            | Code::Cancelled
    )
}

async fn execute(mut client: Client, plan: &Plan, reason: &str) -> Result<(), Status> {
    match &plan.action {
        Action::Register(stream) => {
            let request = pb::RegisterStreamRequest { stream: Some(pb::Stream::clone(stream)) };
            client.registry.register_stream(request).await.map(drop)
        }
        Action::Update { wanted, mask, changes: _ } => {
            let request = pb::UpdateStreamRequest {
                stream: Some(pb::Stream::clone(wanted)),
                update_mask: Some(mask.clone()),
                reason: reason.to_owned(),
            };
            client.registry.update_stream(request).await.map(drop)
        }
        Action::Nothing => Ok(()),
    }
}

impl Summary {
    /// Counts a stream, and returns the text about it.
    fn add(&mut self, plan: &Plan, outcome: Outcome, dry_run: bool) -> String {
        let id = &plan.stream_id;
        let named = Value::from(id.as_str());
        let would = if dry_run { "would be " } else { "" };
        match (outcome, &plan.action) {
            (Outcome::Done, Action::Register(_)) => {
                self.registered.push(named);
                format!("{id} {would}registered\n")
            }
            (Outcome::Done, Action::Update { changes, .. }) => {
                let fields: Vec<&str> = changes.iter().map(|change| change.field.as_str()).collect();
                let changes_json: Vec<Value> = changes.iter().map(Change::json).collect();
                self.changed.push(json!({ "stream_id": id, "changes": changes_json }));
                match dry_run {
                    true => {
                        let lines: String = changes.iter().map(Change::line).collect();
                        format!("{id} would be changed\n{lines}")
                    }
                    false => format!("{id} changed: {}\n", fields.join(", ")),
                }
            }
            (Outcome::Done, Action::Nothing) => {
                self.unchanged.push(named);
                String::new()
            }
            (Outcome::Failed(why), _) => {
                if self.failed.is_empty() {
                    self.first_failure = format!("{id}: {why}");
                }
                self.failed.push(json!({ "stream_id": id, "error": why }));
                format!("{id} failed: {why}\n")
            }
            (Outcome::NotTried, _) => {
                self.not_tried.push(named);
                String::new()
            }
        }
    }

    fn line(&self, dry_run: bool) -> String {
        let parts = [
            ("registered", self.registered.len()),
            ("changed", self.changed.len()),
            ("unchanged", self.unchanged.len()),
            ("failed", self.failed.len()),
            ("not tried", self.not_tried.len()),
        ];
        let given = parts.iter().filter(|(_, count)| *count > 0);
        let words: Vec<String> = given.map(|(name, count)| format!("{name} {count}")).collect();
        let text = if words.is_empty() { "no streams".to_owned() } else { words.join(", ") };
        if dry_run { format!("dry run: {text}\n") } else { format!("{text}\n") }
    }

    fn json(&self, dry_run: bool) -> Value {
        json!({
            "dry_run": dry_run,
            "registered": self.registered,
            "changed": self.changed,
            "unchanged": self.unchanged,
            "failed": self.failed,
            "not_tried": self.not_tried,
        })
    }

    fn verdict(&self) -> Result<(), Failure> {
        if self.failed.is_empty() {
            return Ok(());
        }
        let (failed, left) = (self.failed.len(), self.not_tried.len());
        let left = if left == 0 { String::new() } else { format!(", {left} not tried") };
        Err(Failure::Failed(anyhow!("{failed} failed{left}; {}", self.first_failure)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn two_streams_differ_in_the_settings_that_change() {
        let label = |value: &str| [("site".to_owned(), value.to_owned())].into();
        let old = pb::Stream {
            stream_id: "cam".to_owned(),
            labels: label("north"),
            retention: Some(pb::RetentionPolicy { max_frames: Some(5), ..Default::default() }),
            etag: "a".to_owned(),
            ..Default::default()
        };
        let new = pb::Stream { labels: label("south"), retention: None, etag: "b".to_owned(), ..old.clone() };
        let lines: Vec<String> = changes(&old, &new).unwrap().iter().map(Change::line).collect();
        assert_eq!(
            lines,
            ["    labels.site: \"north\" -> \"south\"\n", "    retention.max_frames: \"5\" -> (unset)\n"]
        );
        assert_eq!(changes(&old, &old).unwrap(), []);
    }

    #[test]
    fn a_message_without_values_is_the_same_as_none() {
        let old = pb::Stream::default();
        let new = pb::Stream { retention: Some(pb::RetentionPolicy::default()), ..Default::default() };
        assert_eq!(changes(&old, &new).unwrap(), []);
    }
}
