//! The figures of a benchmark, as text and as JSON.

use serde_json::{Map, Value, json};

use super::machine;
use crate::console::output::{print, print_json};

/// Figures of one benchmark, in order.
#[derive(Debug, Default)]
pub(super) struct Report {
    lines: Vec<Line>,
    /// The figures of each round, if there were several.
    rounds: Vec<Value>,
}

#[derive(Debug)]
struct Line {
    name: &'static str,
    value: Value,
    /// The lowest and the highest value of several rounds.
    spread: Option<(Value, Value)>,
    words: String,
}

impl Report {
    /// Adds a figure and its description.
    pub(super) fn figure(
        &mut self,
        name: &'static str,
        value: impl Into<Value>,
        words: impl Into<String>,
    ) -> &mut Self {
        self.lines.push(Line { name, value: value.into(), spread: None, words: words.into() });
        self
    }

    /// Adds a figure, rounded to its meaningful digits.
    pub(super) fn number(&mut self, name: &'static str, value: f64, words: impl Into<String>) -> &mut Self {
        self.figure(name, rounded(value), words)
    }

    /// Returns the medians of the figures of several rounds. A figure that is not a number is that of
    /// the first round.
    pub(super) fn median(mut rounds: Vec<Self>) -> Self {
        if rounds.len() < 2 {
            return rounds.pop().unwrap_or_default();
        }
        let all: Vec<Value> = rounds.iter().map(|round| Value::Object(round.object())).collect();
        let mut report = rounds.swap_remove(0);
        for line in &mut report.lines {
            let mut values: Vec<&Value> = all.iter().filter_map(|round| round.get(line.name)).collect();
            if !values.iter().all(|value| value.is_number()) {
                continue;
            }
            values.sort_by(|a, b| as_number(a).total_cmp(&as_number(b)));
            let (Some(lowest), Some(highest)) = (values.first(), values.last()) else { continue };
            line.spread = Some(((*lowest).clone(), (*highest).clone()));
            let (low, high) = (values[(values.len() - 1) / 2], values[values.len() / 2]);
            line.value = match low == high {
                true => low.clone(),
                false => rounded(f64::midpoint(as_number(low), as_number(high))).into(),
            };
        }
        report.rounds = all;
        report
    }

    fn object(&self) -> Map<String, Value> {
        self.lines.iter().map(|line| (line.name.to_owned(), line.value.clone())).collect()
    }

    /// Prints one line for each figure, or one JSON object.
    pub(super) fn print(self, bench: &str, json: bool) {
        let machine = machine::describe();
        if json {
            let mut object = Map::new();
            object.insert("bench".to_owned(), bench.into());
            object.extend(self.object());
            if !self.rounds.is_empty() {
                let spreads = self.lines.iter().filter_map(|line| {
                    line.spread.as_ref().map(|(low, high)| (line.name.to_owned(), json!([low, high])))
                });
                object.insert("spread".to_owned(), Value::Object(spreads.collect()));
                object.insert("rounds".to_owned(), self.rounds.into());
            }
            object.insert("machine".to_owned(), machine);
            print_json(&Value::Object(object));
            return;
        }
        let width = self.lines.iter().map(|line| line.name.len()).max().unwrap_or(0);
        let text = |value: &Value| value.as_str().map_or_else(|| value.to_string(), str::to_owned);
        for Line { name, value, spread, words } in &self.lines {
            let spread = spread.as_ref().filter(|(low, high)| low != high);
            let spread =
                spread.map(|(low, high)| format!("({} to {})  ", text(low), text(high))).unwrap_or_default();
            print(&format!("{name:width$}  {:>10}  {spread}{words}\n", text(value)));
        }
        let said = |field: &str| text(&machine[field]);
        print(&format!("on {} x {}, {}, {} build\n", said("cores"), said("cpu"), said("os"), said("build")));
    }
}

fn as_number(value: &Value) -> f64 {
    value.as_f64().unwrap_or_default()
}

/// Rounds to four significant digits; measured figures are less exact than that.
pub(super) fn rounded(value: f64) -> f64 {
    if value == 0.0 || !value.is_finite() {
        return 0.0;
    }
    let scale = 10_f64.powf(3.0 - value.abs().log10().floor());
    (value * scale).round() / scale
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn figures_have_four_digits() {
        assert_eq!(
            [0.0, 1.23456, 123.456, 98765.4, 0.000_123_456].map(rounded),
            [0.0, 1.235, 123.5, 98770.0, 0.0001235]
        );
        assert_eq!(rounded(f64::NAN), 0.0);
    }

    #[test]
    fn rounds_become_their_median_with_the_spread() {
        let round = |fps: f64, lost: u64| {
            let mut report = Report::default();
            report.number("fps", fps, "").figure("lost", lost, "").figure("peer", "skipped", "");
            report
        };
        let report = Report::median(vec![round(3.0, 0), round(10.0, 0), round(2.0, 0)]);
        assert_eq!(report.object(), round(3.0, 0).object());
        assert_eq!(report.lines[0].spread, Some((json!(2.0), json!(10.0))));
        assert_eq!((report.rounds.len(), &report.rounds[1]["fps"]), (3, &json!(10.0)));
        let report = Report::median(vec![round(3.0, 1), round(4.0, 1)]);
        assert_eq!(report.lines[0].value, json!(3.5));
        let report = Report::median(vec![round(3.0, 1)]);
        assert!(report.rounds.is_empty() && report.lines[0].spread.is_none());
    }
}
