//! Reads the text format of Prometheus.

use std::collections::{BTreeMap, BTreeSet};

/// The samples of one scrape.
#[derive(Debug, Clone, Default)]
pub(crate) struct Scrape {
    /// The type of each family, by the name in queries.
    pub(crate) families: BTreeMap<String, String>,
    samples: Vec<Sample>,
}

#[derive(Debug, Clone)]
struct Sample {
    name: String,
    labels: BTreeMap<String, String>,
    value: f64,
}

impl Scrape {
    /// Reads a text, and checks its form: each family has a help and a type before its samples, and
    /// appears once.
    pub(crate) fn parse(text: &str) -> Self {
        let mut scrape = Self::default();
        let mut helped = BTreeSet::new();
        let mut last = String::new();
        for line in text.lines() {
            if let Some(help) = line.strip_prefix("# HELP ") {
                let (name, help) = help.split_once(' ').unwrap_or_default();
                assert!(help.len() > 5 && helped.insert(name.to_owned()), "{line}");
            } else if let Some(described) = line.strip_prefix("# TYPE ") {
                let (name, kind) = described.split_once(' ').unwrap_or_default();
                assert!(helped.contains(name), "{line}");
                assert!(scrape.families.insert(name.to_owned(), kind.to_owned()).is_none(), "{line}");
                name.clone_into(&mut last);
            } else {
                let sample = sample(line);
                assert!(sample.name.starts_with(&last), "{line} is below {last}");
                scrape.samples.push(sample);
            }
        }
        scrape
    }

    /// Adds the samples of another process.
    pub(crate) fn add(&mut self, other: Self) {
        self.families.extend(other.families);
        self.samples.extend(other.samples);
    }

    /// Reports whether there is a sample of this name, and one with all these labels.
    pub(crate) fn has(&self, name: &str, labels: &[String]) -> bool {
        let matching =
            |one: &&Sample| one.name == name && labels.iter().all(|label| one.labels.contains_key(label));
        self.samples.iter().any(|one| matching(&one))
    }

    /// Returns the sum of the samples of a name that have these labels; `None` without any.
    pub(crate) fn sum(&self, name: &str, labels: &[(&str, &str)]) -> Option<f64> {
        let with = |one: &&Sample| {
            let has = |(label, value): &(&str, &str)| one.labels.get(*label).is_some_and(|is| is == value);
            one.name == name && labels.iter().all(has)
        };
        let values: Vec<f64> = self.samples.iter().filter(with).map(|one| one.value).collect();
        (!values.is_empty()).then(|| values.iter().sum())
    }
}

fn sample(line: &str) -> Sample {
    let (series, value) = line.rsplit_once(' ').unwrap_or_else(|| panic!("no sample: {line}"));
    let value = value.parse().unwrap_or_else(|_| panic!("no number: {line}"));
    let (name, labels) = series.split_once('{').unwrap_or((series, "}"));
    let labels = labels.strip_suffix('}').unwrap_or_else(|| panic!("no end of labels: {line}"));
    let pair = |pair: &str| {
        let (label, value) = pair.split_once("=\"").unwrap_or_else(|| panic!("no label: {line}"));
        (label.to_owned(), value.trim_end_matches('"').to_owned())
    };
    // No value of a label contains a comma.
    let labels = labels.split(',').filter(|pair| !pair.is_empty()).map(pair).collect();
    Sample { name: name.to_owned(), labels, value }
}
