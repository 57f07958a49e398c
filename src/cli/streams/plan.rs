//! Changing many streams and groups: what to do with each, doing it, and the report.

use std::sync::atomic::{AtomicBool, Ordering};

use anyhow::anyhow;
use futures::StreamExt as _;
use prost_types::FieldMask;
use serde_json::{Map, Value, json};
use tonic::{Code, Status};

use super::document::{self, Resource};
use super::names::with_flags;
use crate::client::{Client, describe};
use crate::console::Failure;
use crate::console::output::{print, print_json};
use crate::pb::v1 as pb;
use crate::pb::v1::start_position::Position;

/// The number of streams that are changed at the same time.
const AT_ONCE: usize = 8;
/// The words for the creation of a stream and of a group, in lines and in JSON.
const REGISTERED: &str = "registered";
const CREATED: &str = "created";

/// The change to make to a stream or a consumer group.
#[derive(Debug)]
pub(super) struct Plan {
    pub(super) wanted: Wanted,
    pub(super) action: Action,
}

/// A stream or a group with the wanted settings.
#[derive(Debug)]
pub(super) enum Wanted {
    Stream(Box<pb::Stream>),
    Group(Box<pb::ConsumerGroup>),
}

#[derive(Debug)]
pub(super) enum Action {
    /// Register or create it.
    Create,
    /// Change settings of it.
    Update { mask: FieldMask, changes: Vec<Change> },
    /// Leave it as it is: it has the wanted settings.
    Nothing,
}

impl Wanted {
    fn id(&self) -> &str {
        match self {
            Self::Stream(stream) => &stream.stream_id,
            Self::Group(group) => &group.group_id,
        }
    }

    /// Returns how lines name it.
    fn name(&self) -> String {
        match self {
            Self::Stream(stream) => stream.stream_id.clone(),
            Self::Group(group) => format!("group {}", group.group_id),
        }
    }

    /// Returns the word for its creation.
    fn created(&self) -> &'static str {
        match self {
            Self::Stream(_) => REGISTERED,
            Self::Group(_) => CREATED,
        }
    }
}

/// A setting that changes; `None` is unset.
#[derive(Debug, PartialEq)]
pub(super) struct Change {
    pub(super) field: String,
    old: Option<Value>,
    new: Option<Value>,
}

/// Returns the settings in which two streams or groups differ.
pub(super) fn changes<R: Resource>(old: &R, new: &R) -> Result<Vec<Change>, Failure> {
    let settings = |resource| document::settings(resource).map_err(Failure::Failed);
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

/// How to report.
#[derive(Debug, Clone, Copy)]
pub(super) struct Report {
    /// Only report what would be done.
    pub(super) dry_run: bool,
    pub(super) as_json: bool,
    /// There may be groups: the JSON has a part for them.
    pub(super) has_groups: bool,
}

/// The outcome for a stream or a group.
enum Outcome {
    Done,
    Failed(String),
    /// The server did not answer an earlier call.
    NotTried,
}

/// Streams or groups by what became of them.
#[derive(Default)]
struct Counts {
    created: Vec<Value>,
    changed: Vec<Value>,
    unchanged: Vec<Value>,
    failed: Vec<Value>,
    not_tried: Vec<Value>,
}

#[derive(Default)]
struct Summary {
    streams: Counts,
    groups: Counts,
    first_failure: String,
}

/// Carries out the plans, several at a time, and reports each. In a dry run, only reports what would
/// be done.
///
/// A stream or a group that the server refuses does not stop the others. If the server does not
/// answer, those that are left are not tried.
///
/// # Errors
/// A stream or a group failed or was not tried.
pub(super) async fn carry_out(
    client: &Client,
    plans: Vec<Plan>,
    reason: &str,
    report: Report,
) -> Result<(), Failure> {
    let silent = AtomicBool::new(false);
    let run = |plan: Plan| {
        let (client, silent) = (client.clone(), &silent);
        async move {
            let outcome = match &plan.action {
                Action::Nothing => Outcome::Done,
                _ if report.dry_run => Outcome::Done,
                _ if silent.load(Ordering::Relaxed) => Outcome::NotTried,
                Action::Create | Action::Update { .. } => match execute(client, &plan, reason).await {
                    Ok(()) => Outcome::Done,
                    Err(status) => {
                        silent.fetch_or(concerns_all(&status), Ordering::Relaxed);
                        let why = describe(&status);
                        Outcome::Failed(match &plan.wanted {
                            Wanted::Stream(_) => with_flags(&why),
                            Wanted::Group(_) => why,
                        })
                    }
                },
            };
            (plan, outcome)
        }
    };
    let mut summary = Summary::default();
    let mut outcomes = futures::stream::iter(plans.into_iter().map(run)).buffered(AT_ONCE);
    while let Some((plan, outcome)) = outcomes.next().await {
        let line = summary.add(&plan, outcome, report.dry_run);
        if !report.as_json {
            print(&line);
        }
    }
    if report.as_json {
        print_json(&summary.json(report))
    } else {
        print(&summary.line(report.dry_run))
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
    let reason = reason.to_owned();
    match (&plan.wanted, &plan.action) {
        (Wanted::Stream(stream), Action::Create) => {
            let request = pb::RegisterStreamRequest { stream: Some(pb::Stream::clone(stream)) };
            client.registry.register_stream(request).await.map(drop)
        }
        (Wanted::Stream(stream), Action::Update { mask, .. }) => {
            let (stream, update_mask) = (Some(pb::Stream::clone(stream)), Some(mask.clone()));
            let request = pb::UpdateStreamRequest { stream, update_mask, reason };
            client.registry.update_stream(request).await.map(drop)
        }
        (Wanted::Group(group), Action::Create) => {
            let mut group = pb::ConsumerGroup::clone(group);
            let earliest = pb::StartPosition { position: Some(Position::Earliest(pb::StartEarliest {})) };
            group.start.get_or_insert(earliest);
            let group = Some(group);
            client.groups.create_consumer_group(pb::CreateConsumerGroupRequest { group }).await.map(drop)
        }
        (Wanted::Group(group), Action::Update { mask, .. }) => {
            let (group, update_mask) = (Some(pb::ConsumerGroup::clone(group)), Some(mask.clone()));
            let request = pb::UpdateConsumerGroupRequest { group, update_mask, reason };
            client.groups.update_consumer_group(request).await.map(drop)
        }
        (_, Action::Nothing) => Ok(()),
    }
}

impl Summary {
    /// Counts a stream or a group, and returns the text about it.
    fn add(&mut self, plan: &Plan, outcome: Outcome, dry_run: bool) -> String {
        let Plan { wanted, action } = plan;
        let (counts, key) = match wanted {
            Wanted::Stream(_) => (&mut self.streams, "stream_id"),
            Wanted::Group(_) => (&mut self.groups, "group_id"),
        };
        let (id, name) = (Value::from(wanted.id()), wanted.name());
        let would = if dry_run { "would be " } else { "" };
        match (outcome, action) {
            (Outcome::Done, Action::Create) => {
                counts.created.push(id);
                format!("{name} {would}{}\n", wanted.created())
            }
            (Outcome::Done, Action::Update { changes, .. }) => {
                let fields: Vec<&str> = changes.iter().map(|change| change.field.as_str()).collect();
                let changes_json: Vec<Value> = changes.iter().map(Change::json).collect();
                counts.changed.push(json!({ key: id, "changes": changes_json }));
                match dry_run {
                    true => {
                        let lines: String = changes.iter().map(Change::line).collect();
                        format!("{name} would be changed\n{lines}")
                    }
                    false => format!("{name} changed: {}\n", fields.join(", ")),
                }
            }
            (Outcome::Done, Action::Nothing) => {
                counts.unchanged.push(id);
                String::new()
            }
            (Outcome::Failed(why), _) => {
                counts.failed.push(json!({ key: id, "error": why }));
                if self.first_failure.is_empty() {
                    self.first_failure = format!("{name}: {why}");
                }
                format!("{name} failed: {why}\n")
            }
            (Outcome::NotTried, _) => {
                counts.not_tried.push(id);
                String::new()
            }
        }
    }

    fn line(&self, dry_run: bool) -> String {
        let mut text = self.streams.words(REGISTERED).unwrap_or_else(|| "no streams".to_owned());
        if let Some(groups) = self.groups.words(CREATED) {
            text.push_str(&format!("; groups: {groups}"));
        }
        if dry_run { format!("dry run: {text}\n") } else { format!("{text}\n") }
    }

    fn json(&self, report: Report) -> Value {
        let mut json = self.streams.json(REGISTERED);
        json["dry_run"] = report.dry_run.into();
        if report.has_groups {
            json["groups"] = self.groups.json(CREATED);
        }
        json
    }

    fn verdict(&self) -> Result<(), Failure> {
        let sum = |part: fn(&Counts) -> &Vec<Value>| part(&self.streams).len() + part(&self.groups).len();
        let (failed, left) = (sum(|counts| &counts.failed), sum(|counts| &counts.not_tried));
        if failed == 0 {
            return Ok(());
        }
        let left = if left == 0 { String::new() } else { format!(", {left} not tried") };
        Err(Failure::Failed(anyhow!("{failed} failed{left}; {}", self.first_failure)))
    }
}

impl Counts {
    /// Returns the numbers in words; `None` if there are none.
    fn words(&self, created: &str) -> Option<String> {
        let parts = [
            (created, self.created.len()),
            ("changed", self.changed.len()),
            ("unchanged", self.unchanged.len()),
            ("failed", self.failed.len()),
            ("not tried", self.not_tried.len()),
        ];
        let given = parts.iter().filter(|(_, count)| *count > 0);
        let words: Vec<String> = given.map(|(name, count)| format!("{name} {count}")).collect();
        (!words.is_empty()).then(|| words.join(", "))
    }

    fn json(&self, created: &str) -> Value {
        json!({
            created: self.created,
            "changed": self.changed,
            "unchanged": self.unchanged,
            "failed": self.failed,
            "not_tried": self.not_tried,
        })
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
