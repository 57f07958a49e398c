//! The metadata of a trigger: what it measures, and its targets.

use std::collections::BTreeMap;

use crate::domain::GroupId;
use crate::grpc::fault::{Fault, Result};

/// The target of a trigger that gives none, in frames.
const DEFAULT_TARGET_FRAMES: f64 = 100.0;
/// The maximum target. Larger numbers could not be told from each other as a double.
const MAX_TARGET: f64 = 1e12;

const GROUP: &str = "group";
const TARGET_FRAMES: &str = "targetFrames";
const TARGET_SECONDS: &str = "targetSeconds";
const ACTIVATION_FRAMES: &str = "activationFrames";
const KEYS: [&str; 4] = [GROUP, TARGET_FRAMES, TARGET_SECONDS, ACTIVATION_FRAMES];
/// The keys that KEDA reads itself.
const KEYS_OF_KEDA: [&str; 8] = [
    "scalerAddress",
    "enableTLS",
    "unsafeSsl",
    "tlsCertFile",
    "caCert",
    "tlsClientCert",
    "tlsClientKey",
    "metricType",
];

/// The work that a trigger measures.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Source {
    /// The frames that no worker has finished.
    WorkQueue,
    /// The lag of a consumer group.
    Group(GroupId),
}

/// One number that a trigger scales by.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Measure {
    /// The number of waiting frames.
    Frames,
    /// The age of the oldest one, in seconds.
    Seconds,
}

/// A trigger of a ScaledObject.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Trigger {
    pub(super) source: Source,
    /// The measures to scale by, with their targets; at least one.
    pub(super) targets: Vec<(Measure, f64)>,
    /// Replicas are needed while more frames than this wait.
    pub(super) activation_frames: u64,
}

impl Trigger {
    /// Reads the metadata of a trigger.
    ///
    /// # Errors
    /// A key is not known, or a value is not valid.
    pub(super) fn parse(metadata: &BTreeMap<String, String>) -> Result<Self> {
        let known = |key: &str| KEYS.contains(&key) || KEYS_OF_KEDA.contains(&key);
        if let Some(key) = metadata.keys().find(|key| !known(key)) {
            return Err(Fault::invalid(path(key), format!("is not known; the keys are {}", KEYS.join(", "))));
        }
        let source = match metadata.get(GROUP) {
            None => Source::WorkQueue,
            Some(group) => {
                Source::Group(group.parse().map_err(|error| Fault::from(error).field(path(GROUP)))?)
            }
        };
        let frames = target(metadata, TARGET_FRAMES)?;
        let seconds = target(metadata, TARGET_SECONDS)?;
        let frames = frames.or(seconds.is_none().then_some(DEFAULT_TARGET_FRAMES));
        let targets = [(Measure::Frames, frames), (Measure::Seconds, seconds)];
        let targets = targets.into_iter().filter_map(|(measure, target)| Some((measure, target?))).collect();
        let activation_frames = match metadata.get(ACTIVATION_FRAMES) {
            None => 0,
            Some(text) => text.trim().parse().map_err(|_| {
                Fault::invalid(
                    path(ACTIVATION_FRAMES),
                    format!("must be a whole number, 0 or more, not {text:?}"),
                )
            })?,
        };
        Ok(Self { source, targets, activation_frames })
    }

    /// Returns the name of a measure of this trigger.
    pub(super) fn name(&self, measure: Measure) -> &'static str {
        match (&self.source, measure) {
            (Source::WorkQueue, Measure::Frames) => "frameway-queue-frames",
            (Source::WorkQueue, Measure::Seconds) => "frameway-queue-seconds",
            (Source::Group(_), Measure::Frames) => "frameway-group-frames",
            (Source::Group(_), Measure::Seconds) => "frameway-group-seconds",
        }
    }

    /// Returns the measures that a call asks for: all if `name` is empty.
    ///
    /// # Errors
    /// The trigger has no measure of this name.
    pub(super) fn measures(&self, name: &str) -> Result<Vec<Measure>> {
        let all = self.targets.iter().map(|(measure, _)| *measure);
        let wanted: Vec<Measure> =
            all.clone().filter(|measure| name.is_empty() || self.name(*measure) == name).collect();
        if wanted.is_empty() {
            let names: Vec<&str> = all.map(|measure| self.name(measure)).collect();
            let rule = format!("must be a measure of this trigger ({}), not {name:?}", names.join(", "));
            return Err(Fault::invalid("metricName", rule));
        }
        Ok(wanted)
    }
}

fn path(key: &str) -> String {
    format!("scalerMetadata.{key}")
}

fn target(metadata: &BTreeMap<String, String>, key: &str) -> Result<Option<f64>> {
    let Some(text) = metadata.get(key) else { return Ok(None) };
    match text.trim().parse::<f64>() {
        Ok(target) if target > 0.0 && target <= MAX_TARGET => Ok(Some(target)),
        Ok(_) | Err(_) => {
            Err(Fault::invalid(path(key), format!("must be a number above 0 and at most 1e12, not {text:?}")))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(pairs: &[(&str, &str)]) -> Result<Trigger> {
        Trigger::parse(&pairs.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned())).collect())
    }

    #[test]
    fn a_trigger_without_metadata_scales_by_the_frames_of_the_work_queue() {
        let trigger = parse(&[("scalerAddress", "frameway:7400")]).unwrap();
        assert_eq!((&trigger.source, trigger.activation_frames), (&Source::WorkQueue, 0));
        assert_eq!(trigger.targets, [(Measure::Frames, 100.0)]);
        assert_eq!(trigger.name(Measure::Frames), "frameway-queue-frames");
    }

    #[test]
    fn a_group_may_have_both_targets() {
        let pairs =
            [("group", "site"), ("targetSeconds", "2.5"), ("targetFrames", "50"), ("activationFrames", "3")];
        let trigger = parse(&pairs).unwrap();
        assert_eq!(trigger.source, Source::Group("site".parse().unwrap()));
        assert_eq!(trigger.targets, [(Measure::Frames, 50.0), (Measure::Seconds, 2.5)]);
        assert_eq!(trigger.activation_frames, 3);
        assert_eq!(trigger.measures("frameway-group-seconds").unwrap(), [Measure::Seconds]);
        assert_eq!(trigger.measures("").unwrap(), [Measure::Frames, Measure::Seconds]);
        assert_eq!(parse(&[("targetSeconds", "5")]).unwrap().targets, [(Measure::Seconds, 5.0)]);
    }

    #[test]
    fn an_error_names_the_key() {
        for (key, value) in [
            ("targetFrame", "5"),
            ("group", "a b"),
            ("group", ""),
            ("targetFrames", "0"),
            ("targetFrames", "-1"),
            ("targetFrames", "NaN"),
            ("targetFrames", "inf"),
            ("targetFrames", "many"),
            ("targetSeconds", "5s"),
            ("targetSeconds", "1e13"),
            ("activationFrames", "-1"),
            ("activationFrames", "1.5"),
        ] {
            let fault = parse(&[(key, value)]).expect_err(value);
            assert_eq!(fault.field, format!("scalerMetadata.{key}"), "{value}");
        }
        let trigger = parse(&[]).unwrap();
        assert_eq!(trigger.measures("frameway-group-frames").unwrap_err().field, "metricName");
    }
}
