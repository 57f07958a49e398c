//! Update masks: apply the settings that a mask names to a resource, by the descriptor of its
//! message.

use prost::Name;
use prost_reflect::{DynamicMessage, Kind, MapKey, MessageDescriptor, ReflectMessage as _, Value};

use super::fault::{Fault, Result};
use super::reflect;
use super::reflect::path::{self, Step};
use crate::pb::v1::ErrorReason;

/// The path that stands for all settings.
const ALL: &str = "*";
/// The maximum number of levels of a path, as in `output.adaptive.min_quality`.
const MAX_LEVELS: usize = 3;
/// The maximum number of paths in a mask. It is several times the number of a resource's settings.
pub(crate) const MAX_PATHS: usize = 1_000;
/// The number of attempts of an update without an etag when others change the resource at the same
/// time.
pub(crate) const UPDATE_TRIES: usize = 8;

/// The fields of a resource that an update does not change. All other fields of its message are
/// settings.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Rules {
    /// The name of the resource in errors.
    pub(crate) name: &'static str,
    /// Fields that cannot be changed: a mask that names one is refused.
    pub(crate) fixed: &'static [&'static str],
    /// Fields that the server writes: a mask may name them, and nothing changes.
    pub(crate) output_only: &'static [&'static str],
}

/// Copies the named fields of `wanted` to `current`. Those that are unset in `wanted` become unset.
///
/// Both are wire messages, because a mask names wire fields. The result is checked as a whole when
/// it is converted to a domain type.
///
/// # Errors
/// UPDATE_MASK_INVALID: the mask has no path, or a path that does not name a setting.
pub(crate) fn merge<M: Name + Default>(
    rules: &Rules,
    paths: &[String],
    current: &M,
    wanted: &M,
) -> Result<M> {
    let mut merged = reflect::to_dynamic(current)?;
    merge_dynamic(rules, paths, &mut merged, &reflect::to_dynamic(wanted)?)?;
    reflect::from_dynamic(&merged)
}

/// Merges dynamic messages; changes nothing if it fails.
///
/// # Errors
/// UPDATE_MASK_INVALID: the mask has no path, or a path that does not name a setting.
pub(crate) fn merge_dynamic(
    rules: &Rules,
    paths: &[String],
    current: &mut DynamicMessage,
    wanted: &DynamicMessage,
) -> Result<()> {
    let message = current.descriptor();
    if paths.is_empty() {
        return Err(invalid(format!(
            "update_mask must name at least one field, or `{ALL}` for all settings"
        )));
    }
    if paths.len() > MAX_PATHS {
        return Err(invalid(format!("update_mask names {} fields; name at most {MAX_PATHS}", paths.len())));
    }
    if paths.iter().any(|path| path == ALL) {
        if paths.len() > 1 {
            return Err(invalid(format!("`{ALL}` stands for all settings and must be the only path")));
        }
        for field in message.fields().filter(|field| rules.is_setting(field.name())) {
            replace(current, wanted, &[Step::Field(field)]);
        }
        return Ok(());
    }
    let paths = paths.iter().map(|path| rules.read(&message, path)).collect::<Result<Vec<_>>>()?;
    for steps in paths {
        let is_setting = matches!(&steps[..], [Step::Field(field), ..] if rules.is_setting(field.name()));
        if is_setting {
            replace(current, wanted, &steps);
        }
    }
    Ok(())
}

impl Rules {
    fn is_setting(&self, field: &str) -> bool {
        !self.fixed.contains(&field) && !self.output_only.contains(&field)
    }

    /// Reads a path.
    fn read(&self, message: &MessageDescriptor, text: &str) -> Result<Vec<Step>> {
        let bad = |why: &str| {
            invalid(format!("`{text}` is not a setting of a {} that can be changed{why}", self.name))
        };
        let (parts, end) = path::read(text, 0).map_err(|broken| bad(&format!(": {}", broken.expected)))?;
        if end < text.len() {
            return Err(bad(""));
        }
        if self.fixed.contains(&parts[0].name.as_str()) {
            return Err(bad(""));
        }
        if parts.len() > MAX_LEVELS {
            return Err(bad(": a path has at most three levels; write a key with dots in double quotes"));
        }
        let mut message = message.clone();
        let mut steps = Vec::new();
        let mut parts = parts.iter().peekable();
        while let Some(part) = parts.next() {
            let field = message.get_field_by_name(&part.name).filter(|_| !part.quoted);
            let field = field.ok_or_else(|| bad(""))?;
            steps.push(Step::Field(field.clone()));
            if field.is_map()
                && let Some(key) = parts.next()
            {
                let Kind::Message(entry) = field.kind() else { return Err(bad("")) };
                if !matches!(entry.map_entry_key_field().kind(), Kind::String) {
                    return Err(bad(": this map is replaced as a whole"));
                }
                steps.push(Step::Key(MapKey::String(key.name.clone())));
                if parts.peek().is_some() {
                    return Err(bad(
                        ": a value of a map is replaced as a whole; write a key with dots in double quotes",
                    ));
                }
            }
            if parts.peek().is_some() {
                if field.is_list() {
                    return Err(bad(": a list is replaced as a whole"));
                }
                let inner = field.kind().as_message().cloned();
                message = inner.filter(|inner| !reflect::is_value(inner)).ok_or_else(|| bad(""))?;
            }
        }
        Ok(steps)
    }
}

/// Copies one field from `wanted` to `current`; `steps` are the path to it. A message in `current`
/// that becomes empty is unset.
fn replace(current: &mut DynamicMessage, wanted: &DynamicMessage, steps: &[Step]) {
    let [Step::Field(field), rest @ ..] = steps else { return };
    let value = wanted.has_field(field).then(|| wanted.get_field(field));
    match rest {
        [] => match value {
            Some(value) => current.set_field(field, value.into_owned()),
            None => current.clear_field(field),
        },
        [Step::Key(key), ..] => {
            let value = value.as_ref().and_then(|map| map.as_map()).and_then(|map| map.get(key)).cloned();
            let Some(map) = current.get_field_mut(field).as_map_mut() else { return };
            match value {
                Some(value) => drop(map.insert(key.clone(), value)),
                None => drop(map.remove(key)),
            }
        }
        [Step::Field(_), ..] => {
            let Kind::Message(of) = field.kind() else { return };
            let wanted = value.and_then(|value| value.as_message().cloned());
            let wanted = wanted.unwrap_or_else(|| DynamicMessage::new(of.clone()));
            let had = current.has_field(field);
            let mut inner = match current.take_field(field) {
                Some(Value::Message(inner)) => inner,
                Some(_) | None => DynamicMessage::new(of),
            };
            let was_empty = had && inner.fields().next().is_none();
            replace(&mut inner, &wanted, rest);
            if was_empty || inner.fields().next().is_some() {
                current.set_field(field, Value::Message(inner));
            }
        }
    }
}

fn invalid(message: String) -> Fault {
    Fault::new(ErrorReason::UpdateMaskInvalid, message).field("update_mask")
}

#[cfg(test)]
mod tests {
    use prost_reflect::FieldDescriptor;

    use super::*;
    use crate::grpc::documented;
    use crate::grpc::reflect::sample::{labels, new, text, time, with};

    const RULES: Rules = Rules {
        name: "camera",
        fixed: &["camera_id", "selectors"],
        output_only: &["etag", "create_time", "status"],
    };

    fn budget(quality: Option<u32>, bytes: Option<u64>) -> Value {
        let mut budget = new("Budget");
        if let Some(quality) = quality {
            budget.set_field_by_name("min_quality", Value::U32(quality));
        }
        if let Some(bytes) = bytes {
            budget.set_field_by_name("max_bytes", Value::U64(bytes));
        }
        Value::Message(budget)
    }

    fn output(quality: u32, adaptive: Value) -> Value {
        Value::Message(with(with(new("Output"), "quality", Value::U32(quality)), "adaptive", adaptive))
    }

    fn current() -> DynamicMessage {
        let camera = with(new("Camera"), "camera_id", text("a"));
        let camera = with(camera, "display_name", text("old"));
        let camera = with(camera, "labels", labels(&[("site", "north"), ("a.b", "1")]));
        let camera = with(camera, "output", output(77, budget(Some(40), Some(9_000))));
        let camera = with(camera, "timeout", time("Duration", 20, 0));
        let camera = with(camera, "numbers", Value::List(vec![Value::U64(1), Value::U64(2)]));
        with(camera, "etag", text("e1"))
    }

    fn merged(paths: &[&str], wanted: &DynamicMessage) -> Result<DynamicMessage> {
        let paths: Vec<_> = paths.iter().map(|path| (*path).to_owned()).collect();
        let mut merged = current();
        merge_dynamic(&RULES, &paths, &mut merged, wanted).map(|()| merged)
    }

    #[test]
    fn only_named_fields_change() {
        let wanted = with(new("Camera"), "display_name", text("new"));
        let wanted = with(wanted, "output", output(5, budget(Some(20), None)));
        let wanted = with(wanted, "numbers", Value::List(vec![Value::U64(3)]));
        assert_eq!(merged(&["display_name"], &wanted).unwrap(), with(current(), "display_name", text("new")));
        assert_eq!(
            merged(&["output.adaptive.min_quality"], &wanted).unwrap(),
            with(current(), "output", output(77, budget(Some(20), Some(9_000))))
        );
        assert_eq!(
            merged(&["output.adaptive", "numbers"], &wanted).unwrap(),
            with(
                with(current(), "output", output(77, budget(Some(20), None))),
                "numbers",
                Value::List(vec![Value::U64(3)])
            )
        );
        let output = output(5, budget(Some(20), None));
        assert_eq!(merged(&["output"], &wanted).unwrap(), with(current(), "output", output));
        // A message that was unset before.
        let wanted =
            with(new("Camera"), "location", Value::Message(with(new("Point"), "x", Value::F64(0.0))));
        assert_eq!(
            merged(&["location.x", "location.y"], &wanted).unwrap(),
            with(current(), "location", Value::Message(with(new("Point"), "x", Value::F64(0.0))))
        );
    }

    #[test]
    fn named_fields_that_are_unset_in_the_new_values_become_unset() {
        let nothing = new("Camera");
        let cleared = |field: &str| {
            let mut camera = current();
            camera.clear_field_by_name(field);
            camera
        };
        for field in ["display_name", "labels", "output", "timeout", "numbers"] {
            assert_eq!(merged(&[field], &nothing).unwrap(), cleared(field), "{field}");
        }
        assert_eq!(
            merged(&["output.adaptive.max_bytes"], &nothing).unwrap(),
            with(current(), "output", output(77, budget(Some(40), None)))
        );
        // A message that becomes empty is unset.
        assert_eq!(
            merged(&["output.adaptive.max_bytes", "output.adaptive.min_quality"], &nothing).unwrap(),
            with(current(), "output", Value::Message(with(new("Output"), "quality", Value::U32(77))))
        );
        assert_eq!(merged(&["location.x"], &nothing).unwrap(), current());
    }

    #[test]
    fn one_label_can_be_set_or_removed() {
        let wanted = with(new("Camera"), "labels", labels(&[("site", "south"), ("a.b", "2"), ("new", "3")]));
        for (path, expected) in [
            ("labels.site", &[("site", "south"), ("a.b", "1")][..]),
            ("labels.\"a.b\"", &[("site", "north"), ("a.b", "2")]),
            ("labels.new", &[("site", "north"), ("a.b", "1"), ("new", "3")]),
            ("labels.none", &[("site", "north"), ("a.b", "1")]),
        ] {
            assert_eq!(
                merged(&[path], &wanted).unwrap(),
                with(current(), "labels", labels(expected)),
                "{path}"
            );
        }
        let removed = merged(&["labels.site"], &new("Camera")).unwrap();
        assert_eq!(removed, with(current(), "labels", labels(&[("a.b", "1")])));
    }

    #[test]
    fn a_star_changes_all_settings_and_nothing_else() {
        let wanted = with(new("Camera"), "camera_id", text("other"));
        let wanted = with(wanted, "display_name", text("new"));
        let wanted = with(wanted, "etag", text("e0"));
        let expected = with(new("Camera"), "camera_id", text("a"));
        let expected = with(expected, "display_name", text("new"));
        assert_eq!(merged(&["*"], &wanted).unwrap(), with(expected, "etag", text("e1")));
        assert!(merged(&["*", "labels"], &wanted).is_err());
    }

    #[test]
    fn output_only_fields_are_ignored() {
        let wanted = with(new("Camera"), "etag", text("e9"));
        let wanted = with(wanted, "display_name", text("new"));
        let paths = ["etag", "create_time", "status.state", "display_name"];
        assert_eq!(merged(&paths, &wanted).unwrap(), with(current(), "display_name", text("new")));
    }

    #[test]
    fn paths_that_name_no_setting_are_refused() {
        let refused = |paths: &[&str]| merged(paths, &new("Camera")).unwrap_err();
        for path in [
            "",
            "camera_id",
            "selectors",
            "selectors.id",
            "nothing",
            "output.nothing",
            "output.*",
            "status.nothing",
            "points.x",
            "timeout.seconds",
            "display_name.x",
            "output.adaptive.min_quality.x",
            "labels.a.b",
            "labels.",
            "labels.\"a",
            "labels.\"a\"x",
            "\"labels\".a",
            " labels",
            "displayName",
            "labels.a,display_name",
        ] {
            let fault = refused(&["display_name", path]);
            documented::check(&fault);
            assert_eq!(fault.reason, ErrorReason::UpdateMaskInvalid, "{path}");
            assert_eq!(fault.field, "update_mask");
            assert!(
                fault.message.starts_with(&format!("`{path}` is not a setting of a camera")),
                "{}",
                fault.message
            );
        }
        assert!(refused(&[]).message.contains("at least one"));
        assert!(refused(&vec!["labels"; MAX_PATHS + 1]).message.contains("at most"));
    }

    #[test]
    fn messages_of_the_contract_are_merged() {
        use crate::pb::v1 as pb;
        let rules = Rules { name: "stream", fixed: &["stream_id"], output_only: &["etag"] };
        let old = pb::Stream { stream_id: "a".into(), display_name: "old".into(), ..Default::default() };
        let new = pb::Stream { display_name: "new".into(), etag: "x".into(), ..Default::default() };
        let merged = merge(&rules, &["display_name".into(), "etag".into()], &old, &new).unwrap();
        assert_eq!(merged, pb::Stream { display_name: "new".into(), ..old });
    }

    /// Returns the names of a message's fields whose comments in the contract say "Output only".
    fn output_only(message: &MessageDescriptor) -> Vec<String> {
        let file = message.parent_file();
        let source =
            file.file_descriptor_proto().source_code_info.as_ref().expect("comments are compiled in");
        let is_output_only = |field: &FieldDescriptor| {
            let location = source.location.iter().find(|location| location.path == field.path());
            let comment = location.and_then(|location| location.leading_comments.as_deref());
            comment.is_some_and(|comment| {
                comment.split_whitespace().collect::<Vec<_>>().join(" ").contains("Output only")
            })
        };
        let fields = message.fields().filter(is_output_only);
        fields.map(|field| field.name().to_owned()).collect()
    }

    fn check_rules<M: Name>(rules: &Rules) {
        let message = reflect::descriptor::<M>();
        for name in rules.fixed.iter().chain(rules.output_only) {
            assert!(message.get_field_by_name(name).is_some(), "a {} has no field `{name}`", rules.name);
        }
        // The comment of `etag` says more than "Output only", because callers send the etag back.
        // Still, only the server writes it.
        let mut written: Vec<String> = [vec!["etag".to_owned()], output_only(&message)].concat();
        written.sort();
        let mut named = rules.output_only.to_vec();
        named.sort_unstable();
        assert_eq!(named, written, "the output-only fields of a {}", rules.name);
    }

    #[test]
    fn the_rules_agree_with_the_contract() {
        use crate::grpc::{groups, registry};
        use crate::pb::v1 as pb;
        check_rules::<pb::Stream>(&registry::MASK_RULES);
        check_rules::<pb::ConsumerGroup>(&groups::MASK_RULES);
    }
}
