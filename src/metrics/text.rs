//! The text of a scrape: reads the samples of several processes, merges them by family, and writes
//! them in the two formats that Prometheus reads.

use std::collections::HashMap;
use std::fmt::Write as _;

/// The reason for which the text of a scrape cannot be used.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum TextError {
    /// It cannot be written.
    #[error("the metrics cannot be written as text")]
    Unwritable,
    /// A line cannot be understood.
    #[error("line {0} of the metrics is no description and no sample of the family above it")]
    Line(usize),
}

/// The samples of one or several processes, by family.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Exposition {
    families: Vec<Family>,
}

/// A family and its samples.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
struct Family {
    /// The name, without the suffix of its samples.
    name: String,
    help: String,
    kind: String,
    unit: String,
    /// The lines of the samples.
    samples: String,
}

impl Exposition {
    /// Reads the text format of OpenMetrics.
    ///
    /// # Errors
    /// [`TextError::Line`].
    pub fn parse(text: &str) -> Result<Self, TextError> {
        let mut families: Vec<Family> = Vec::new();
        for (at, line) in text.lines().enumerate() {
            let wrong = || TextError::Line(at + 1);
            if line == "# EOF" || line.is_empty() {
                continue;
            }
            let Some(described) = line.strip_prefix("# ") else {
                let family = families.last_mut().filter(|family| line.starts_with(&family.name));
                let family = family.ok_or_else(wrong)?;
                family.samples.push_str(line);
                family.samples.push('\n');
                continue;
            };
            let mut words = described.splitn(3, ' ');
            let (Some(what), Some(name), Some(value)) = (words.next(), words.next(), words.next()) else {
                return Err(wrong());
            };
            if families.last().is_none_or(|family| family.name != name) {
                families.push(Family { name: name.to_owned(), ..Family::default() });
            }
            let Some(family) = families.last_mut() else { return Err(wrong()) };
            match what {
                "HELP" => value.clone_into(&mut family.help),
                "TYPE" => value.clone_into(&mut family.kind),
                "UNIT" => value.clone_into(&mut family.unit),
                _ => return Err(wrong()),
            }
        }
        Ok(Self { families })
    }

    /// Adds the samples of another process.
    pub fn add(&mut self, other: Self) {
        let places: HashMap<String, usize> =
            self.families.iter().enumerate().map(|(at, family)| (family.name.clone(), at)).collect();
        for family in other.families {
            match places.get(&family.name).and_then(|at| self.families.get_mut(*at)) {
                Some(known) => known.samples.push_str(&family.samples),
                None => self.families.push(family),
            }
        }
    }

    /// Returns the text format of OpenMetrics 1.0.
    #[must_use]
    pub fn open_metrics(&self) -> String {
        let mut text = String::new();
        for Family { name, help, kind, unit, samples } in &self.families {
            let _written = write!(text, "# HELP {name} {help}\n# TYPE {name} {kind}\n");
            if !unit.is_empty() {
                let _written = writeln!(text, "# UNIT {name} {unit}");
            }
            text.push_str(samples);
        }
        text.push_str("# EOF\n");
        text
    }

    /// Returns the older text format of Prometheus, in which a counter's name contains `_total`.
    #[must_use]
    pub fn plain(&self) -> String {
        let mut text = String::new();
        for Family { name, help, kind, unit: _, samples } in &self.families {
            let suffix = if kind == "counter" { "_total" } else { "" };
            let _written = write!(text, "# HELP {name}{suffix} {help}\n# TYPE {name}{suffix} {kind}\n");
            text.push_str(samples);
        }
        text
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SERVER: &str = "# HELP a_seconds Time.\n# TYPE a_seconds counter\n# UNIT a_seconds seconds\n\
        a_seconds_total{process=\"server\"} 1.5\n# HELP b Some.\n# TYPE b gauge\nb{process=\"server\"} 2\n# EOF\n";
    const WORKER: &str = "# HELP b Some.\n# TYPE b gauge\nb{process=\"worker\"} 3\n\
        # HELP c Others.\n# TYPE c gauge\nc{process=\"worker\"} 4\n# EOF\n";

    #[test]
    fn samples_of_two_processes_are_merged_by_family() {
        let mut merged = Exposition::parse(SERVER).unwrap();
        assert_eq!(merged.open_metrics(), SERVER);
        merged.add(Exposition::parse(WORKER).unwrap());
        assert_eq!(
            merged.plain(),
            "# HELP a_seconds_total Time.\n# TYPE a_seconds_total counter\na_seconds_total{process=\"server\"} 1.5\n\
             # HELP b Some.\n# TYPE b gauge\nb{process=\"server\"} 2\nb{process=\"worker\"} 3\n\
             # HELP c Others.\n# TYPE c gauge\nc{process=\"worker\"} 4\n"
        );
    }

    #[test]
    fn a_text_that_is_no_scrape_is_refused() {
        for (text, line) in
            [("b 1\n", 1), ("# HELP b\n", 1), ("# TYPE b gauge\nc 1\n", 2), ("# NOTE b x\n", 1)]
        {
            assert_eq!(Exposition::parse(text), Err(TextError::Line(line)), "{text}");
        }
    }
}
