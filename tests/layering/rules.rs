//! The table: which room may name what.

use std::fmt;

use crate::scan::{self, Named};

/// Over this a file is split; from 400 on it is looked at hard.
pub(crate) const LONGEST_FILE_LINES: usize = 600;

/// A finding, printed as `file:line: what`.
#[derive(Debug)]
pub(crate) struct Offence {
    file: String,
    line: usize,
    pub(crate) what: String,
}

impl fmt::Display for Offence {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "  {}:{}: {}", self.file, self.line, self.what)
    }
}

/// Each room of `src/` and the other rooms that it may import. A room always sees itself; `["*"]` sees everything.
const ROOMS: &[(&str, &[&str])] = &[
    ("main", &["*"]),
    ("lib", &["*"]),
    ("app", &["*"]),
    ("cli", &["*"]),
    // Only in tests and fuzz targets: it calls every reader of bytes.
    ("fuzzing", &["*"]),
    ("domain", &[]),
    ("shutdown", &[]),
    ("pb", &[]),
    ("telemetry", &[]),
    // Flags are checked against what a partition's budget makes of them.
    ("config", &["domain", "queue"]),
    ("scene", &["domain", "picture"]),
    ("queue", &["domain"]),
    ("picture", &["domain"]),
    ("analysis", &["domain"]),
    ("worker", &["queue", "picture", "analysis", "domain", "shutdown"]),
    ("hub", &["queue", "picture", "domain", "shutdown"]),
    ("middleware", &["domain", "shutdown", "pb", "grpc"]),
    (
        "grpc",
        &[
            "queue",
            "picture",
            "analysis",
            "worker",
            "hub",
            "domain",
            "shutdown",
            "pb",
            "middleware",
            "config",
        ],
    ),
    ("http", &["queue", "picture", "analysis", "worker", "hub", "domain", "shutdown", "middleware"]),
];

/// Single things that a place may import from a room it does not see otherwise: (place, path).
const EXCEPTIONS: &[(&str, &str)] = &[
    // What a picture decodes to is what is measured.
    ("analysis", "crate::picture::Planes"),
    ("analysis", "crate::picture::planes"),
    // Entries are stored in a private protobuf package.
    ("queue/redis", "crate::pb::storage"),
];

/// Foreign crates and modules with a home: (what, where it may be named, why).
const HOMES: &[(&[&str], &[&str], &str)] = &[
    (&["redis"], &["queue/redis"], "Redis stays behind the queue port"),
    (
        &["tonic", "tonic_health", "tonic_prost", "tonic_reflection", "tonic_types"],
        &["pb", "grpc", "middleware", "app", "cli", "main", "lib"],
        "the transport stays at the edge",
    ),
    (&["hyper", "hyper_util", "h2"], &["grpc", "app", "cli"], "HTTP/2 stays at the edge"),
    (
        &["prost", "prost_reflect", "prost_types"],
        &["pb", "grpc", "middleware", "app", "cli", "queue/redis"],
        "wire types stay where they are encoded",
    ),
    (
        &["turbojpeg", "image", "webp", "yuv", "fast_image_resize", "moxcms"],
        &["picture"],
        "codecs stay behind the bounds that `picture` sets",
    ),
    (&["anyhow"], &["main", "cli", "app"], "below the outermost layers an error is a fact to act on"),
];

/// Foreign paths that a room must not name: (room, paths, why).
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
        return vec![offence(1, format!("room `{room}` is not in the table: what may it import?"))];
    };
    scan::paths(&module, text)
        .iter()
        .filter_map(|named| judge(place, room, sees, named).map(|what| offence(named.line, what)))
        .collect()
}

/// Why `named` must not stand in `place`, if so.
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
    // A test may use any room to set its scene: a picture to decode is drawn by `scene`.
    if !sees.contains(&target) && !named.in_tests {
        return Some(format!("`{path}`: `{room}` may import {sees:?} of ours"));
    }
    let backend = ["crate::queue::redis", "crate::queue::memory"].iter().any(|backend| below(&path, backend));
    (backend && !named.in_tests).then(|| format!("`{path}`: only `app` and `cli` know which queue it is"))
}

/// Whether the `place` (`queue/redis/entry`) is `home` or inside it.
fn within(place: &str, home: &str) -> bool {
    place.strip_prefix(home).is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
}

/// Whether `path` is `ancestor` or something in it.
fn below(path: &str, ancestor: &str) -> bool {
    path.strip_prefix(ancestor).is_some_and(|rest| rest.is_empty() || rest.starts_with("::"))
}

/// A file over the limit.
pub(crate) fn check_length(file: &str, text: &str) -> Option<Offence> {
    let lines = text.lines().count();
    (lines > LONGEST_FILE_LINES).then(|| Offence {
        file: file.to_owned(),
        line: lines,
        what: format!("{lines} lines, at most {LONGEST_FILE_LINES}"),
    })
}

/// Absolute paths that exist on somebody's machine only.
pub(crate) fn check_machine_paths(file: &str, text: &str) -> Vec<Offence> {
    // Put together here, so that this file does not find itself.
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
