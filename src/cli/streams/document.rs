//! The document of `frameway streams export` and `apply`: the settings of streams and consumer groups
//! as YAML or JSON, with the names and values of the contract's canonical JSON.

use std::collections::BTreeSet;
use std::fs::File;
use std::io::{self, Read};
use std::path::Path;

use anyhow::{Context as _, anyhow, bail};
use clap::ValueEnum;
use prost::Name;
use prost_reflect::{DeserializeOptions, DynamicMessage, SerializeOptions};
use serde::Serialize;
use serde_json::{Map, Value};

use crate::grpc::{groups, reflect, registry};
use crate::pb::v1 as pb;

/// The version of the document that this program writes, and the newest that it reads.
const VERSION: u64 = 1;
/// The maximum size of a document. It has room for the settings of more than 10,000 streams.
const MAX_BYTES: u64 = 64 << 20;
/// The maximum number of values and names in a document of YAML.
const MAX_NODES: usize = 4_000_000;

/// The format of a document.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(super) enum Format {
    /// YAML.
    Yaml,
    /// JSON.
    Json,
}

impl Format {
    /// Returns the format that the file's extension names: YAML, except for `.json`.
    pub(super) fn of(file: &Path) -> Self {
        let is_json = file.extension().is_some_and(|extension| extension.eq_ignore_ascii_case("json"));
        if is_json { Self::Json } else { Self::Yaml }
    }
}

/// The settings that a document has.
#[derive(Debug, Default, PartialEq)]
pub(super) struct Settings {
    pub(super) streams: Vec<pb::Stream>,
    pub(super) groups: Vec<pb::ConsumerGroup>,
}

/// A resource that a document can have.
pub(super) trait Resource: Name + Default {
    /// The field with its id.
    const ID: &'static str;
    /// The name in errors.
    const KIND: &'static str;
    /// The fields that the server writes.
    const OUTPUT_ONLY: &'static [&'static str];
    /// The fields that are neither settings nor written by the server. A document may have them, for the
    /// creation of the resource.
    const FOR_CREATION: &'static [&'static str];

    /// Returns its id.
    fn id(&self) -> &str;

    /// Gives it the etag of another, for an update.
    fn set_etag(&mut self, of: &Self);
}

impl Resource for pb::Stream {
    const ID: &'static str = "stream_id";
    const KIND: &'static str = "stream";
    const OUTPUT_ONLY: &'static [&'static str] = registry::MASK_RULES.output_only;
    const FOR_CREATION: &'static [&'static str] = &[];

    fn id(&self) -> &str {
        &self.stream_id
    }

    fn set_etag(&mut self, of: &Self) {
        self.etag.clone_from(&of.etag);
    }
}

impl Resource for pb::ConsumerGroup {
    const ID: &'static str = "group_id";
    const KIND: &'static str = "group";
    const OUTPUT_ONLY: &'static [&'static str] = groups::MASK_RULES.output_only;
    const FOR_CREATION: &'static [&'static str] = &["start"];

    fn id(&self) -> &str {
        &self.group_id
    }

    fn set_etag(&mut self, of: &Self) {
        self.etag.clone_from(&of.etag);
    }
}

/// A document as it is written.
#[derive(Serialize)]
struct Document {
    version: u64,
    streams: Vec<StreamEntry>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    groups: Vec<GroupEntry>,
}

/// A stream of a document, with its id first.
#[derive(Serialize)]
struct StreamEntry {
    stream_id: String,
    #[serde(flatten)]
    settings: Map<String, Value>,
}

/// A group of a document, with its id first.
#[derive(Serialize)]
struct GroupEntry {
    group_id: String,
    #[serde(flatten)]
    settings: Map<String, Value>,
}

/// Writes the settings as a document.
pub(super) fn write(all: &Settings, format: Format) -> anyhow::Result<String> {
    let streams = all.streams.iter().map(|stream| {
        let (stream_id, settings) = named(stream)?;
        anyhow::Ok(StreamEntry { stream_id, settings })
    });
    let groups = all.groups.iter().map(|group| {
        let (group_id, settings) = named(group)?;
        anyhow::Ok(GroupEntry { group_id, settings })
    });
    let document = Document {
        version: VERSION,
        streams: streams.collect::<Result<_, _>>()?,
        groups: groups.collect::<Result<_, _>>()?,
    };
    Ok(match format {
        Format::Yaml => serde_saphyr::to_string(&document)?,
        Format::Json => serde_json::to_string_pretty(&document)? + "\n",
    })
}

/// Returns the id of a resource, and its other settings.
fn named<R: Resource>(resource: &R) -> anyhow::Result<(String, Map<String, Value>)> {
    let mut settings = settings(resource)?;
    settings.remove(R::ID);
    Ok((resource.id().to_owned(), settings))
}

/// Returns the settings of a resource as canonical JSON with the proto's field names.
pub(super) fn settings<R: Resource>(resource: &R) -> anyhow::Result<Map<String, Value>> {
    let mut message = reflect::to_dynamic(resource).map_err(|fault| anyhow!(fault.message))?;
    for field in R::OUTPUT_ONLY.iter().chain(R::FOR_CREATION) {
        message.clear_field_by_name(field);
    }
    let options = SerializeOptions::new().use_proto_field_name(true);
    let Value::Object(settings) = message.serialize_with_options(serde_json::value::Serializer, &options)?
    else {
        bail!("the settings of {} are not an object", resource.id());
    };
    Ok(settings)
}

/// Reads the document in `file`; `-` is the standard input.
///
/// # Errors
/// The file cannot be read, or is no document of this version or an earlier one.
pub(super) fn read(file: &Path) -> anyhow::Result<Settings> {
    let name = file.display();
    let source: Box<dyn Read> = if file == Path::new("-") {
        Box::new(io::stdin())
    } else {
        Box::new(File::open(file).with_context(|| format!("cannot read {name}"))?)
    };
    let mut text = String::new();
    source.take(MAX_BYTES + 1).read_to_string(&mut text).with_context(|| format!("cannot read {name}"))?;
    if text.len() as u64 > MAX_BYTES {
        bail!("{name} is larger than {} MiB: split it", MAX_BYTES >> 20);
    }
    parse(&text).with_context(|| format!("{name} cannot be applied"))
}

fn parse(text: &str) -> anyhow::Result<Settings> {
    // JSON is YAML, but the parser of JSON names the line and the column of an error more precisely.
    let mut document: Map<String, Value> = match text.trim_start().starts_with('{') {
        true => serde_json::from_str(text)?,
        false => from_yaml(text)?,
    };
    match document.remove("version") {
        Some(Value::Number(version)) if version.as_u64() == Some(VERSION) => {}
        Some(Value::Number(version)) if version.as_u64().is_some_and(|version| version > VERSION) => bail!(
            "it has version {version}, and this program reads version {VERSION}: use the frameway that wrote it, or a newer one"
        ),
        Some(other) => bail!("version is {other}: it must be {VERSION}"),
        None => bail!("it has no version: it must begin with `version: {VERSION}`"),
    }
    let (streams, groups) = (document.remove("streams"), document.remove("groups"));
    if let Some(name) = document.keys().next() {
        bail!("{name} is not a part of this document: it has version, streams and groups");
    }
    if streams.is_none() && groups.is_none() {
        bail!("it has no list named streams");
    }
    Ok(Settings { streams: resources("streams", streams)?, groups: resources("groups", groups)? })
}

/// Reads a list of resources; if it is not there, it is empty.
fn resources<R: Resource>(name: &str, list: Option<Value>) -> anyhow::Result<Vec<R>> {
    let list = match list {
        None => return Ok(Vec::new()),
        Some(Value::Array(list)) => list,
        Some(_) => bail!("{name} is not a list"),
    };
    let mut ids = BTreeSet::new();
    let mut read = Vec::with_capacity(list.len());
    for (index, settings) in list.into_iter().enumerate() {
        let id = settings.get(R::ID).and_then(Value::as_str).unwrap_or_default().to_owned();
        let place = || if id.is_empty() { format!("{} {}", R::KIND, index + 1) } else { id.clone() };
        if id.is_empty() {
            bail!("{} has no {}", place(), R::ID);
        }
        let resource = resource(settings).with_context(place)?;
        if !ids.insert(id.clone()) {
            bail!("{} {id} is there twice", R::KIND);
        }
        read.push(resource);
    }
    Ok(read)
}

fn from_yaml(text: &str) -> anyhow::Result<Map<String, Value>> {
    let options = serde_saphyr::options! {
        // A document of the maximum size may have so many; the defaults are for configurations.
        budget: serde_saphyr::budget! { max_nodes: MAX_NODES, max_events: 4 * MAX_NODES },
        // A label `no` is text.
        strict_booleans: true,
        with_snippet: false,
    };
    serde_saphyr::from_str_with_options(text, options).map_err(|error| anyhow!(one_line(&error.to_string())))
}

/// Reads a resource from canonical JSON. Fields that the server writes are ignored, as in a call.
fn resource<R: Resource>(settings: Value) -> anyhow::Result<R> {
    let of = reflect::descriptor::<R>();
    let mut message = DynamicMessage::deserialize_with_options(of, settings, &DeserializeOptions::new())
        .map_err(|error| anyhow!(one_line(&error.to_string())))?;
    for field in R::OUTPUT_ONLY {
        message.clear_field_by_name(field);
    }
    reflect::from_dynamic(&message).map_err(|fault| anyhow!(fault.message))
}

fn one_line(text: &str) -> String {
    // Advice for the caller of the library.
    let text = text.replace(", set DuplicateKeyPolicy in Options if acceptable", "");
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cli::flags::each_alone;
    use crate::cli::streams::settings::SettingsArgs;
    use crate::client::subscribe::{label_match, stream_match};

    #[test]
    fn every_setting_survives_both_formats() {
        let label = |value: &str| ("key".to_owned(), value.to_owned());
        let tricky = ["no", "1", "1e3", "null", "~", " x ", "a: b", "# c", "\"'", "line\nbreak", "é", ""];
        let place = pb::GeoLocation {
            latitude_degrees: Some(48.137),
            longitude_degrees: Some(-0.1),
            ..Default::default()
        };
        let mut streams =
            vec![pb::Stream { stream_id: "place".to_owned(), location: Some(place), ..Default::default() }];
        streams
            .extend(each_alone::<SettingsArgs>().into_iter().map(|(flag, args)| args.into_stream(&flag).0));
        streams.extend(tricky.iter().enumerate().map(|(number, value)| pb::Stream {
            stream_id: number.to_string(),
            labels: [label(value)].into(),
            ..Default::default()
        }));
        let group = pb::ConsumerGroup {
            group_id: "no".to_owned(),
            streams: vec![label_match(vec![label("1")]), stream_match("cam-*"), stream_match("gate")],
            sampling: Some(pb::Sampling { max_fps: Some(0.5), ..Default::default() }),
            ack_deadline: Some(prost_types::Duration { seconds: 2, nanos: 500_000_000 }),
            max_delivery_attempts: Some(3),
            affinity: pb::GroupAffinity::Stream.into(),
            ..Default::default()
        };
        let all = Settings { streams, groups: vec![group] };
        for format in [Format::Yaml, Format::Json] {
            let text = write(&all, format).unwrap();
            assert_eq!(parse(&text).unwrap(), all, "{text}");
            assert_eq!(write(&all, format).unwrap(), text, "the order is always the same");
        }
    }

    #[test]
    fn a_document_has_the_names_and_values_of_the_contract() {
        let stream = pb::Stream {
            stream_id: "cam".to_owned(),
            retention: Some(pb::RetentionPolicy {
                max_frames: Some(50),
                max_age: Some(prost_types::Duration { seconds: 90, nanos: 0 }),
                max_bytes: None,
            }),
            etag: "not a setting".to_owned(),
            ..Default::default()
        };
        let text = write(&Settings { streams: vec![stream], groups: Vec::new() }, Format::Json).unwrap();
        let value: Value = serde_json::from_str(&text).unwrap();
        let expected = serde_json::json!({
            "version": 1,
            "streams": [{ "stream_id": "cam", "retention": { "max_frames": "50", "max_age": "90s" } }],
        });
        assert_eq!(value, expected);
    }

    #[test]
    fn a_document_that_cannot_be_applied_is_refused_with_the_reason() {
        for (text, why) in [
            ("", "no version"),
            ("streams: []", "no version"),
            ("version: 2\nstreams: []\nnews: 1", "it has version 2, and this program reads version 1"),
            ("version: one\nstreams: []", "it must be 1"),
            ("version: 1", "no list named streams"),
            ("version: 1\nstreams: {}", "not a list"),
            ("version: 1\nstreams: []\nkeys: []", "keys is not a part"),
            ("version: 1\nstreams: []\nversion: 2", "duplicate mapping key: version at line 3"),
            ("version: 1\ngroups: one", "groups is not a list"),
            ("version: 1\ngroups: [{ streams: [] }]", "group 1 has no group_id"),
            ("version: 1\ngroups: [{ group_id: a }, { group_id: a }]", "group a is there twice"),
            ("version: 1\ngroups: [{ group_id: a, speed: 1 }]", "a: "),
            ("version: 1\nstreams: [{ labels: {} }]", "stream 1 has no stream_id"),
            ("version: 1\nstreams: [{ stream_id: a }, { stream_id: a }]", "stream a is there twice"),
            ("version: 1\nstreams: [{ stream_id: a, colour: red }]", "colour"),
            ("version: 1\nstreams: [{ stream_id: a, labels: { lane: 2 } }]", "a: "),
            ("{\"version\": 1, \"streams\": [", "line 1"),
            ("version: [", ""),
        ] {
            let error = format!("{:#}", parse(text).unwrap_err());
            assert!(error.contains(why) && !error.contains('\n'), "{text:?}: {error}");
        }
    }
}
