//! The log of this process. No line may contain a secret of the tests.
#![allow(dead_code)]

use std::io;
use std::sync::{Once, PoisonError, RwLock};

use tracing::{Level, Metadata};
use tracing_subscriber::fmt::MakeWriter;

/// The state that all tests of this process share.
#[derive(Debug)]
struct Seen {
    secrets: Vec<String>,
    /// The lines that contain a secret.
    leaks: Vec<String>,
    /// The lines of level INFO and above.
    lines: Vec<String>,
}

static SEEN: RwLock<Seen> = RwLock::new(Seen { secrets: Vec::new(), leaks: Vec::new(), lines: Vec::new() });

/// All levels of ours. Traces of libraries would slow the other tests down; the tests of server
/// processes have them.
const FILTER: &str = "debug,frameway=trace";

/// Starts the log. Only the first call has an effect.
pub(crate) fn start() {
    static STARTED: Once = Once::new();
    STARTED.call_once(|| {
        let builder = tracing_subscriber::fmt().with_env_filter(FILTER).with_ansi(false);
        builder.with_writer(Writer).init();
    });
}

/// Declares a text as a secret that no later line may contain, and starts the log. A secret of
/// several lines, such as a private key in PEM, is a leak also if only one of its lines is logged.
pub(crate) fn declare_secret(text: &str) {
    start();
    let lines = text.lines().filter(|line| !line.starts_with("-----"));
    // The first part of an API key is its id, which is not secret.
    let secrets = lines.map(|line| match line.strip_prefix("fwk_").and_then(|key| key.split_once('_')) {
        Some((_, secret)) => secret.to_owned(),
        None => line.to_owned(),
    });
    let secrets: Vec<String> = secrets.collect();
    assert!(!secrets.is_empty() && secrets.iter().all(|secret| secret.len() >= 8), "not a secret");
    SEEN.write().unwrap_or_else(PoisonError::into_inner).secrets.extend(secrets);
}

/// Checks that no line so far contains a secret.
pub(crate) fn assert_no_leak() {
    let seen = SEEN.read().unwrap_or_else(PoisonError::into_inner);
    assert!(seen.leaks.is_empty(), "{} lines with a secret, the first: {}", seen.leaks.len(), seen.leaks[0]);
}

/// Returns the lines of level INFO and above that contain all of these texts.
pub(crate) fn lines_with(parts: &[&str]) -> Vec<String> {
    let seen = SEEN.read().unwrap_or_else(PoisonError::into_inner);
    let matching = seen.lines.iter().filter(|line| parts.iter().all(|part| line.contains(part)));
    matching.cloned().collect()
}

/// Reports whether a text contains a secret.
fn leaks(text: &str) -> bool {
    let seen = SEEN.read().unwrap_or_else(PoisonError::into_inner);
    seen.secrets.iter().any(|secret| text.contains(secret.as_str()))
}

/// Writes lines into [`SEEN`].
struct Writer;

impl<'a> MakeWriter<'a> for Writer {
    type Writer = Line;

    fn make_writer(&'a self) -> Line {
        Line { is_kept: true }
    }

    fn make_writer_for(&'a self, meta: &Metadata<'_>) -> Line {
        Line { is_kept: *meta.level() <= Level::INFO }
    }
}

struct Line {
    is_kept: bool,
}

impl io::Write for Line {
    /// The subscriber writes a whole line at a time.
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let text = String::from_utf8_lossy(bytes);
        let is_leak = leaks(&text);
        if is_leak || self.is_kept {
            let mut seen = SEEN.write().unwrap_or_else(PoisonError::into_inner);
            if is_leak {
                seen.leaks.push(text.trim_end().to_owned());
            }
            if self.is_kept {
                seen.lines.push(text.trim_end().to_owned());
            }
        }
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}
