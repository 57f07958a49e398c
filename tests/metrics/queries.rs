//! Every query of the dashboard and of the alerts names families and labels that exist.

use std::collections::BTreeSet;
use std::fs;

use serde_json::Value;

use crate::families::everything;

const DASHBOARD: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/deploy/grafana/frameway.json");
const ALERTS: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/deploy/prometheus/alerts.yml");

/// The labels that Prometheus adds, and that of the buckets of histograms.
const ADDED_LABELS: [&str; 3] = ["instance", "job", "le"];

/// A family in a query, and the labels that the query expects of it.
#[derive(Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Named {
    name: String,
    labels: BTreeSet<String>,
}

/// Finds the families of a query: each with the labels of its selector, and with those of the
/// query's groupings.
fn named(query: &str) -> Vec<Named> {
    let grouped = labels_after(query, &["by (", "by("]);
    let mut found = Vec::new();
    let mut rest = query;
    while let Some(at) = rest.find("frameway_") {
        let from = &rest[at..];
        let end = from.find(|c: char| !c.is_ascii_alphanumeric() && c != '_').unwrap_or(from.len());
        let (name, after) = from.split_at(end);
        let selector =
            after.strip_prefix('{').and_then(|after| after.split_once('}')).map_or("", |(inside, _)| inside);
        let selected = selector.split(',').filter_map(|one| one.split(['=', '!']).next());
        let labels = selected.map(|label| label.trim().to_owned()).filter(|label| !label.is_empty());
        let labels = labels.chain(grouped.clone()).filter(|label| !ADDED_LABELS.contains(&label.as_str()));
        found.push(Named { name: name.to_owned(), labels: labels.collect() });
        rest = after;
    }
    found
}

fn labels_after(query: &str, keywords: &[&str]) -> Vec<String> {
    let lists = keywords.iter().flat_map(|keyword| query.split(keyword).skip(1));
    let labels = lists.filter_map(|after| after.split_once(')')).flat_map(|(list, _)| list.split(','));
    labels.map(|label| label.trim().to_owned()).collect()
}

/// Returns all queries of the dashboard, with the titles of their panels.
fn queries_of_dashboard() -> Vec<(String, String)> {
    let text = fs::read_to_string(DASHBOARD).expect("the dashboard");
    let dashboard: Value = serde_json::from_str(&text).expect("the dashboard is JSON");
    let panels = dashboard["panels"].as_array().expect("panels");
    let mut queries = Vec::new();
    for panel in panels {
        let title = panel["title"].as_str().expect("a title").to_owned();
        for target in panel["targets"].as_array().into_iter().flatten() {
            queries.push((title.clone(), target["expr"].as_str().expect("a query").to_owned()));
        }
    }
    queries
}

/// Returns the queries of the alerts, with their names. Each is on one line, or on the indented
/// lines below `expr: >-`.
fn queries_of_alerts() -> Vec<(String, String)> {
    let text = fs::read_to_string(ALERTS).expect("the alerts");
    let mut queries: Vec<(String, String)> = Vec::new();
    let mut alert = String::new();
    let mut lines = text.lines().peekable();
    while let Some(line) = lines.next() {
        if let Some(name) = line.trim().strip_prefix("- alert: ") {
            name.clone_into(&mut alert);
        } else if let Some(query) = line.trim().strip_prefix("expr: ") {
            let mut query = query.trim_start_matches(">-").to_owned();
            let indent = |line: &str| line.len() - line.trim_start().len();
            while let Some(more) = lines.next_if(|more| query.is_empty() || indent(more) > indent(line)) {
                query.push_str(more.trim());
                query.push(' ');
            }
            queries.push((alert.clone(), query));
        }
    }
    queries
}

#[test]
fn every_query_names_families_and_labels_that_exist() {
    let (dashboard, alerts) = (queries_of_dashboard(), queries_of_alerts());
    assert!(dashboard.len() > 20 && alerts.len() > 8, "{} and {} queries", dashboard.len(), alerts.len());
    let scrape = everything();
    let mut wrong = Vec::new();
    for (where_, query) in dashboard.iter().chain(&alerts) {
        let families = named(query);
        assert!(!families.is_empty(), "{where_}: {query} names no family");
        for Named { name, labels } in families {
            let labels: Vec<String> = labels.into_iter().collect();
            if !scrape.has(&name, &labels) {
                wrong.push(format!("{where_}: {name} {labels:?}"));
            }
        }
    }
    assert!(wrong.is_empty(), "no samples with these labels:\n{}", wrong.join("\n"));
}

#[test]
fn families_and_labels_are_found_in_a_query() {
    let query =
        "sum by (reason, instance) (rate(frameway_a_total{process=\"x\",code!~\"OK\"}[5m])) / frameway_b";
    let labels = |all: &[&str]| all.iter().map(|one| (*one).to_owned()).collect::<BTreeSet<_>>();
    assert_eq!(
        named(query),
        [
            Named { name: "frameway_a_total".to_owned(), labels: labels(&["code", "process", "reason"]) },
            Named { name: "frameway_b".to_owned(), labels: labels(&["reason"]) },
        ]
    );
}
