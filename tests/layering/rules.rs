//! The table of the rooms, and the imports that each room may have.

use std::fmt;

use crate::scan::{self, Named};

/// The maximum length of a file. From 400 lines on, look for a place to split it.
pub(crate) const MAX_FILE_LINES: usize = 600;

/// A finding, printed as `file:line: what`.
#[derive(Debug)]
pub(crate) struct Offence {
    file: String,
    line: usize,
    pub(crate) what: String,
}

impl Offence {
    pub(crate) fn new(file: &str, line: usize, what: String) -> Self {
        Self { file: file.to_owned(), line, what }
    }
}

impl fmt::Display for Offence {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "  {}:{}: {}", self.file, self.line, self.what)
    }
}

/// Each room of `src/` and the other rooms that it may import. A room may always import itself;
/// `["*"]` stands for all rooms.
const ROOMS: &[(&str, &[&str])] = &[
    ("main", &["*"]),
    ("lib", &["*"]),
    ("bin", &["*"]),
    ("app", &["*"]),
    ("cli", &["*"]),
    ("bench", &["*"]),
    ("demo", &["app", "client", "config", "console", "pb", "picture", "scene", "shutdown"]),
    ("console", &["client", "pb", "picture"]),
    // Also compiled alone, without the server: the feature `client`.
    ("client", &["backoff", "pb"]),
    // Only in tests and fuzz targets: it calls every reader of bytes.
    ("fuzzing", &["*"]),
    ("domain", &[]),
    ("metrics", &["domain"]),
    ("access", &["domain", "metrics"]),
    ("backoff", &[]),
    ("shutdown", &[]),
    ("pb", &[]),
    // The checks of the flags need the budget of a partition.
    ("config", &["domain", "queue"]),
    ("traces", &["domain"]),
    ("scene", &["domain", "picture"]),
    ("queue", &["domain", "metrics"]),
    ("picture", &["domain"]),
    ("analysis", &["domain"]),
    ("worker", &["queue", "picture", "analysis", "domain", "metrics", "shutdown", "traces"]),
    ("hub", &["backoff", "queue", "picture", "domain", "metrics", "shutdown"]),
    (
        "grpc",
        &["access", "backoff", "queue", "picture", "hub", "domain", "metrics", "shutdown", "pb", "traces"],
    ),
];

/// Single items that a place may import from a room that it may not import otherwise: (place,
/// path).
const EXCEPTIONS: &[(&str, &str)] = &[
    // Decoded pictures are the input of the measures.
    ("analysis", "crate::picture::Planes"),
    ("analysis", "crate::picture::planes"),
    // Entries are stored in a private protobuf package.
    ("queue/redis", "crate::pb::storage"),
    // The address of a Redis, and the files of its TLS, are given as flags.
    ("config", "crate::queue::redis::RedisUrl"),
    ("config", "crate::queue::redis::RedisSecurity"),
    ("config", "crate::queue::redis::Namespace"),
];

/// Foreign crates that only some places may use: (crates, places, reason).
const HOMES: &[(&[&str], &[&str], &str)] = &[
    (&["redis"], &["queue/redis", "bench/redis"], "Redis is used only in its backend"),
    (
        &["tonic", "tonic_health", "tonic_prost", "tonic_reflection", "tonic_types"],
        &["pb", "grpc", "app", "client", "console", "cli", "demo", "bench", "main", "lib"],
        "the transport stays at the edge",
    ),
    (&["hyper", "hyper_util", "h2"], &["grpc", "app", "bench", "client/socket"], "HTTP stays at the edge"),
    (&["prometheus_client"], &["metrics"], "other rooms count through the handles of `metrics`"),
    (
        &["prost", "prost_reflect", "prost_types"],
        &["pb", "grpc", "app", "client", "console", "cli", "queue/redis"],
        "wire types stay where they are encoded",
    ),
    (
        &["turbojpeg", "image", "webp", "yuv", "fast_image_resize", "moxcms"],
        &["picture"],
        "codecs are used only within the limits of `picture`",
    ),
    (&["opentelemetry_proto"], &["app"], "the messages of OTLP stay where they are sent"),
    (&["ratatui"], &["cli"], "only a command draws on a terminal"),
    (&["rustls", "tokio_rustls"], &["app", "queue/redis"], "TLS stays at the sockets"),
    (
        &["anyhow"],
        &["main", "cli", "demo", "bench", "console", "app"],
        "below the outermost layers, errors are enums that callers act on",
    ),
];

/// Foreign paths that a room must not use: (room, paths, reason).
const BANS: &[(&str, &[&str], &str)] = &[
    ("domain", &["tokio", "std::fs", "std::net", "std::process", "std::thread"], "`domain` does no I/O"),
    ("picture", &["tokio", "futures"], "`picture` is CPU only"),
    ("analysis", &["tokio", "futures"], "`analysis` is CPU only"),
];

const SPAWNS: &[&str] = &["tokio::spawn", "tokio::task::spawn", "task::spawn"];

/// Checks one source; `file` is relative to `src/`.
pub(crate) fn check_imports(file: &str, text: &str) -> Vec<Offence> {
    let stem = file.strip_suffix(".rs").unwrap_or(file);
    let place = stem.strip_suffix("/mod").unwrap_or(stem);
    let module: Vec<String> = match place {
        "lib" | "main" => Vec::new(),
        _ => place.split('/').map(str::to_owned).collect(),
    };
    let room = place.split('/').next().unwrap_or(place);
    let offence = |line: usize, what: String| Offence { file: format!("src/{file}"), line, what };

    let Some((_, sees)) = ROOMS.iter().find(|(name, _)| *name == room) else {
        return vec![offence(
            1,
            format!("room `{room}` is not in the table: add it, with the rooms that it may import"),
        )];
    };
    scan::paths(&module, text)
        .iter()
        .filter_map(|named| judge(place, room, sees, named).map(|what| offence(named.line, what)))
        .collect()
}

/// Returns the reason why `place` must not use `named`, if there is one.
fn judge(place: &str, room: &str, sees: &[&str], named: &Named) -> Option<String> {
    let path = named.segments.join("::");
    let first = named.segments.first()?.as_str();

    if SPAWNS.iter().any(|spawn| below(&path, spawn)) && room != "shutdown" && !named.in_tests {
        return Some(format!(
            "`{path}`: tasks are started through `shutdown`, so that each is tracked and drained"
        ));
    }
    if let Some((_, homes, why)) = HOMES.iter().find(|(crates, _, _)| crates.contains(&first)) {
        let at_home = homes.iter().any(|home| within(place, home));
        let tested = named.in_tests && first.starts_with("tonic");
        return (!at_home && !tested).then(|| format!("`{path}` only in {}: {why}", homes.join(", ")));
    }
    if let Some((_, _, why)) =
        BANS.iter().find(|(banned, paths, _)| *banned == room && paths.iter().any(|ban| below(&path, ban)))
    {
        return Some(format!("`{path}`: {why}"));
    }

    let own = if first == "frameway" { "crate" } else { first };
    let target = named.segments.get(1)?.as_str();
    if own != "crate" || target == room || sees == ["*"] || !ROOMS.iter().any(|(name, _)| *name == target) {
        return None;
    }
    if EXCEPTIONS.iter().any(|(where_, what)| within(place, where_) && below(&path, what)) {
        return None;
    }
    // A test may use any room, for example `scene` to draw a picture.
    if !sees.contains(&target) && !named.in_tests {
        return Some(format!("`{path}`: `{room}` may import only {sees:?}"));
    }
    let backend = ["crate::queue::redis", "crate::queue::memory"].iter().any(|backend| below(&path, backend));
    (backend && !named.in_tests).then(|| format!("`{path}`: only `app` and `cli` may choose a backend"))
}

/// Reports whether the `place` (`queue/redis/entry`) is `home` or inside it.
fn within(place: &str, home: &str) -> bool {
    place.strip_prefix(home).is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
}

/// Reports whether `path` is `ancestor` or something in it.
fn below(path: &str, ancestor: &str) -> bool {
    path.strip_prefix(ancestor).is_some_and(|rest| rest.is_empty() || rest.starts_with("::"))
}

/// Reports a file that is too long.
pub(crate) fn check_length(file: &str, text: &str) -> Option<Offence> {
    let lines = text.lines().count();
    (lines > MAX_FILE_LINES).then(|| Offence {
        file: file.to_owned(),
        line: lines,
        what: format!("{lines} lines; the maximum is {MAX_FILE_LINES}"),
    })
}

/// Finds absolute paths that exist only on the machine of one developer.
pub(crate) fn check_machine_paths(file: &str, text: &str) -> Vec<Offence> {
    // The paths are composed here, so that the check does not find this file.
    let unix = ["home", "root", "Users", "work"].map(|folder| format!("/{folder}/"));
    let windows = format!("C:{}", '\\');
    let starts_path =
        |before: Option<char>| !before.is_some_and(|c| c.is_alphanumeric() || ".-_/}~)>*".contains(c));
    let names_machine = |line: &str| {
        line.contains(&windows)
            || unix.iter().any(|folder| {
                line.match_indices(folder.as_str()).any(|(at, _)| starts_path(line[..at].chars().next_back()))
            })
    };
    text.lines()
        .enumerate()
        .filter(|(_, line)| names_machine(line))
        .map(|(at, line)| Offence { file: file.to_owned(), line: at + 1, what: line.trim().to_owned() })
        .collect()
}
