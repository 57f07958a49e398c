//! Writes the page that describes all families, from the code that creates them.

use std::fmt::Write as _;

use super::families::{Described, Kind};
use super::{Metrics, PROCESS_LABEL, Parts, Process};

const HEAD: &str = "# Metrics

<!-- Written by `frameway metrics-reference`. Change the texts in src/metrics/, not here. -->

Each process serves its metrics as text on a port of its own, `http://127.0.0.1:7401/metrics` by
default (`--metrics-listen`). Prometheus gets OpenMetrics 1.0; other clients, such as curl, get the
older text format. [`security.md`](security.md#metrics) says who may reach the port.

- Every sample has the label `process`: `server`, or `worker` for a process that only processes
  frames. A server with Redis and the role `all` has a worker process; its samples are part of the
  server's `/metrics`, and absent while it restarts.
- The families of the store, its queues and its groups are read from the store at a scrape, at most
  once a second, and within 2 s. What could not be read is absent. Every server of a store reports
  the same numbers, so take the maximum over the servers, not the sum.
- No family has a label for streams, unless `--metrics-per-stream` asks for it.
- A counter starts at 0 with its process, unless the text says otherwise: use `rate()`.

[`deploy/grafana/frameway.json`](../deploy/grafana/frameway.json) is a dashboard
(`scripts/dashboard.py` draws it without Grafana), and
[`deploy/prometheus/alerts.yml`](../deploy/prometheus/alerts.yml) has alerts, each with what to do.
";

/// Returns the page, in Markdown.
#[must_use]
pub fn reference() -> String {
    let parts = Parts { process: Process::Server, works: true, uses_redis: true };
    let mut page = HEAD.to_owned();
    let mut area = "";
    for family in &Metrics::new(parts, 0).families {
        if family.area != area {
            area = family.area;
            let _written = write!(page, "\n## {area}\n");
        }
        page.push_str(&section(family));
    }
    page
}

fn section(family: &Described) -> String {
    let Described { area: _, name, kind, unit, labels, help, advice } = family;
    let kind = match kind {
        Kind::Counter => "counter",
        Kind::Gauge => "gauge",
        Kind::Histogram => "histogram",
    };
    let unit = if unit.is_empty() { String::new() } else { format!(", {unit}") };
    let mut text = format!("\n### `{name}`\n\n{kind}{unit}\n\n");
    text.push_str(&wrapped(&format!("{help}. {advice}"), ""));
    if !labels.is_empty() {
        text.push('\n');
    }
    for (label, values) in labels.iter().filter(|(label, _)| *label != PROCESS_LABEL) {
        text.push_str(&wrapped(&format!("- `{label}`: {values}"), "  "));
    }
    text
}

/// Wraps a paragraph at 100 columns; further lines begin with `indent`.
fn wrapped(paragraph: &str, indent: &str) -> String {
    const COLUMNS: usize = 100;
    let mut text = String::new();
    let mut line = String::new();
    for word in paragraph.split_whitespace() {
        if !line.is_empty() && line.len() + 1 + word.len() > COLUMNS {
            text.push_str(&line);
            text.push('\n');
            line = indent.to_owned();
        } else if !line.is_empty() {
            line.push(' ');
        }
        line.push_str(word);
    }
    text.push_str(&line);
    text.push('\n');
    text
}
