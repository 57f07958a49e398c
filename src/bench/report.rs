//! The figures of a benchmark, as text and as JSON.

use serde_json::{Map, Value};

use super::machine;
use crate::console::output::{print, print_json};

/// Figures of one benchmark, in order.
#[derive(Debug, Default)]
pub(super) struct Report {
    lines: Vec<(&'static str, Value, String)>,
}

impl Report {
    /// Adds a figure and its description.
    pub(super) fn figure(
        &mut self,
        name: &'static str,
        value: impl Into<Value>,
        words: impl Into<String>,
    ) -> &mut Self {
        self.lines.push((name, value.into(), words.into()));
        self
    }

    /// Adds a figure, rounded to its meaningful digits.
    pub(super) fn number(&mut self, name: &'static str, value: f64, words: impl Into<String>) -> &mut Self {
        self.figure(name, rounded(value), words)
    }

    /// Prints one line for each figure, or one JSON object.
    pub(super) fn print(self, bench: &str, json: bool) {
        let machine = machine::describe();
        if json {
            let mut object = Map::new();
            object.insert("bench".to_owned(), bench.into());
            object.extend(self.lines.into_iter().map(|(name, value, _)| (name.to_owned(), value)));
            object.insert("machine".to_owned(), machine);
            print_json(&Value::Object(object));
            return;
        }
        let width = self.lines.iter().map(|(name, ..)| name.len()).max().unwrap_or(0);
        let text = |value: &Value| value.as_str().map_or_else(|| value.to_string(), str::to_owned);
        for (name, value, words) in &self.lines {
            print(&format!("{name:width$}  {:>10}  {words}\n", text(value)));
        }
        let said = |field: &str| text(&machine[field]);
        print(&format!("on {} x {}, {}, {} build\n", said("cores"), said("cpu"), said("os"), said("build")));
    }
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
    use super::rounded;

    #[test]
    fn figures_have_four_digits() {
        assert_eq!(
            [0.0, 1.23456, 123.456, 98765.4, 0.000_123_456].map(rounded),
            [0.0, 1.235, 123.5, 98770.0, 0.0001235]
        );
        assert_eq!(rounded(f64::NAN), 0.0);
    }
}
