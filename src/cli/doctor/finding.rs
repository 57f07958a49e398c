//! The findings of an examination, as text and as JSON.

use std::time::Duration;

use serde_json::{Value, json};

use crate::console::output::span;

/// The severity of a finding.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Level {
    /// As it should be.
    Ok,
    /// Worth knowing; nothing has to be changed.
    Note,
    /// The server works, but something may fail or be lost.
    Warning,
    /// The server does not start, or frames are refused or lost.
    Error,
}

impl Level {
    fn name(self) -> &'static str {
        match self {
            Self::Ok => "ok",
            Self::Note => "note",
            Self::Warning => "warning",
            Self::Error => "error",
        }
    }

    /// Returns the escape sequence of the level's colour.
    fn color(self) -> &'static str {
        match self {
            Self::Ok => "\x1b[32m",
            Self::Note => "\x1b[36m",
            Self::Warning => "\x1b[33m",
            Self::Error => "\x1b[31m",
        }
    }
}

/// One finding.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Finding {
    pub(super) subject: &'static str,
    pub(super) level: Level,
    pub(super) found: String,
    /// The change to make; `None` if there is none.
    pub(super) change: Option<String>,
    /// The page that says more.
    pub(super) page: Option<&'static str>,
}

impl Finding {
    pub(super) fn ok(subject: &'static str, found: impl Into<String>) -> Self {
        Self { subject, level: Level::Ok, found: found.into(), change: None, page: None }
    }

    pub(super) fn note(subject: &'static str, found: impl Into<String>) -> Self {
        Self { level: Level::Note, ..Self::ok(subject, found) }
    }

    pub(super) fn warning(
        subject: &'static str,
        found: impl Into<String>,
        change: impl Into<String>,
    ) -> Self {
        Self { level: Level::Warning, change: Some(change.into()), ..Self::ok(subject, found) }
    }

    pub(super) fn error(subject: &'static str, found: impl Into<String>, change: impl Into<String>) -> Self {
        Self { level: Level::Error, change: Some(change.into()), ..Self::ok(subject, found) }
    }

    /// Returns the finding with a change that is worth considering.
    pub(super) fn change(self, change: impl Into<String>) -> Self {
        Self { change: Some(change.into()), ..self }
    }

    /// Returns the finding with the page that says more.
    pub(super) fn page(self, page: &'static str) -> Self {
        Self { page: Some(page), ..self }
    }
}

/// The findings about one thing.
#[derive(Debug)]
pub(super) struct Section {
    /// The name of the thing.
    pub(super) name: &'static str,
    /// The particular thing, for example an address; may be empty.
    pub(super) about: String,
    pub(super) findings: Vec<Finding>,
}

/// All findings.
#[derive(Debug)]
pub(super) struct Report(pub(super) Vec<Section>);

impl Report {
    /// Returns the number of findings of a level.
    pub(super) fn count(&self, level: Level) -> usize {
        let findings = self.0.iter().flat_map(|section| &section.findings);
        findings.filter(|finding| finding.level == level).count()
    }

    /// Returns `2 errors, 1 warning, 3 notes`.
    pub(super) fn counts(&self) -> String {
        let words = [Level::Error, Level::Warning, Level::Note].map(|level| {
            let count = self.count(level);
            format!("{count} {}{}", level.name(), if count == 1 { "" } else { "s" })
        });
        words.join(", ")
    }

    /// Formats the report with aligned columns; `colored` for a terminal.
    pub(super) fn as_text(&self, colored: bool) -> String {
        const LEVEL: usize = 7;
        let findings = || self.0.iter().flat_map(|section| &section.findings);
        let subject = findings().map(|finding| finding.subject.len()).max().unwrap_or(0);
        let indent = " ".repeat(2 + LEVEL + 2 + subject + 2);
        let mut text = String::new();
        for Section { name, about, findings } in &self.0 {
            let title = format!("{name}  {about}");
            text.push_str(&format!("{}\n", title.trim_end()));
            for finding in findings {
                let (color, end) = if colored { (finding.level.color(), "\x1b[0m") } else { ("", "") };
                let level = finding.level.name();
                text.push_str(&format!(
                    "  {color}{level:<LEVEL$}{end}  {:<subject$}  {}\n",
                    finding.subject, finding.found
                ));
                let page = finding.page.map(|page| format!("see {page}"));
                let next: Vec<&str> =
                    [finding.change.as_deref(), page.as_deref()].into_iter().flatten().collect();
                if !next.is_empty() {
                    text.push_str(&format!("{indent}-> {}\n", next.join("; ")));
                }
            }
            text.push('\n');
        }
        text.push_str(&self.counts());
        text.push('\n');
        text
    }

    /// Returns the report as one object.
    pub(super) fn as_json(&self) -> Value {
        let finding = |one: &Finding| {
            json!({
                "subject": one.subject,
                "level": one.level.name(),
                "found": one.found,
                "change": one.change,
                "page": one.page,
            })
        };
        let section = |one: &Section| {
            json!({
                "name": one.name,
                "about": one.about,
                "findings": one.findings.iter().map(finding).collect::<Vec<_>>(),
            })
        };
        json!({
            "errors": self.count(Level::Error),
            "warnings": self.count(Level::Warning),
            "notes": self.count(Level::Note),
            "sections": self.0.iter().map(section).collect::<Vec<_>>(),
        })
    }
}

/// Formats a time until or since an expiry in whole days, or shorter if it is less than two days.
pub(super) fn days(time: Duration) -> String {
    const DAY: u64 = 24 * 60 * 60;
    match time.as_secs() / DAY {
        0 | 1 => span(time),
        days => format!("{days} days"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn report() -> Report {
        let findings = vec![
            Finding::ok("version", "Redis 7.2.4"),
            Finding::error(
                "eviction",
                "maxmemory-policy is allkeys-lru",
                "CONFIG SET maxmemory-policy noeviction",
            )
            .page("docs/redis.md#settings-of-redis"),
        ];
        Report(vec![Section { name: "redis", about: "redis://a:6379".to_owned(), findings }])
    }

    #[test]
    fn the_columns_of_the_text_line_up() {
        let wanted = "\
redis  redis://a:6379
  ok       version   Redis 7.2.4
  error    eviction  maxmemory-policy is allkeys-lru
                     -> CONFIG SET maxmemory-policy noeviction; see docs/redis.md#settings-of-redis

1 error, 0 warnings, 0 notes
";
        assert_eq!(report().as_text(false), wanted);
        let colored = report().as_text(true);
        assert!(colored.contains("\x1b[31merror  \x1b[0m  eviction"), "{colored}");
    }

    #[test]
    fn the_json_has_every_part_of_a_finding() {
        let json = report().as_json();
        assert_eq!((&json["errors"], &json["warnings"]), (&1.into(), &0.into()));
        let finding = &json["sections"][0]["findings"][1];
        assert_eq!(finding["level"], "error");
        assert_eq!(finding["change"], "CONFIG SET maxmemory-policy noeviction");
        assert_eq!(finding["page"], "docs/redis.md#settings-of-redis");
        assert!(json["sections"][0]["findings"][0]["change"].is_null());
    }

    #[test]
    fn long_times_are_in_days() {
        let hours = |hours: u64| days(Duration::from_secs(hours * 3600));
        assert_eq!([hours(3), hours(24 * 20)], ["3h", "20 days"]);
    }
}
