//! Stores of cursors, with which a restarted program continues where it ended.

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::fs::{self, File};
use std::io::{self, ErrorKind, Read as _, Write as _};
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use super::Error;
use crate::pb::v1 as pb;
use crate::pb::v1::stream_match::Selector as By;

/// The cursor of each stream's last handled frame or gap, by stream.
pub type Cursors = BTreeMap<String, String>;

/// The maximum number of cursors in a store. A subscription can resume after no more.
const MAX_CURSORS: usize = 10_000;
/// The maximum size of a cursor file. So many cursors with the longest ids fit.
const MAX_FILE_BYTES: u64 = 16 << 20;

/// Keeps cursors while the program does not run.
///
/// A program that has a database implements it there, in the transaction that records its own
/// results: then each frame has its effect exactly once.
pub trait CursorStore: Send {
    /// Returns the stored cursors; none if nothing has been stored.
    ///
    /// # Errors
    /// Returns [`Error::Cursors`] if they cannot be read.
    fn load(&mut self) -> Result<Cursors, Error>;

    /// Replaces the stored cursors. When it returns, they survive a crash.
    ///
    /// # Errors
    /// Returns [`Error::Cursors`] if they cannot be written. The cursors from before remain.
    fn store(&mut self, cursors: &Cursors) -> Result<(), Error>;

    /// Names the store in errors, for example by its path.
    fn place(&self) -> String;
}

/// A store that keeps nothing if it is `None`.
impl<S: CursorStore> CursorStore for Option<S> {
    fn load(&mut self) -> Result<Cursors, Error> {
        self.as_mut().map_or_else(|| Ok(Cursors::new()), S::load)
    }

    fn store(&mut self, cursors: &Cursors) -> Result<(), Error> {
        self.as_mut().map_or(Ok(()), |store| store.store(cursors))
    }

    fn place(&self) -> String {
        self.as_ref().map(S::place).unwrap_or_default()
    }
}

/// Cursors in a file, as JSON.
///
/// The file is replaced as a whole: it has either the cursors from before or the new ones, also after
/// a crash of the machine.
#[derive(Debug, Clone)]
pub struct CursorFile {
    path: PathBuf,
}

#[derive(Debug, Default, Serialize, Deserialize)]
struct Content {
    cursors: Cursors,
}

impl CursorFile {
    /// Takes the path of the file, which need not exist yet.
    #[must_use]
    pub fn new(path: impl Into<PathBuf>) -> Self {
        Self { path: path.into() }
    }

    fn error(&self, why: String, foreign: bool) -> Error {
        Error::Cursors { place: self.place(), why, foreign }
    }
}

impl CursorStore for CursorFile {
    fn load(&mut self) -> Result<Cursors, Error> {
        let mut bytes = Vec::new();
        let read =
            File::open(&self.path).and_then(|file| file.take(MAX_FILE_BYTES + 1).read_to_end(&mut bytes));
        match read {
            Ok(_) if bytes.len() as u64 > MAX_FILE_BYTES => {
                Err(self.error("is not a cursor file: it is larger than 16 MiB".to_owned(), true))
            }
            Ok(_) => match serde_json::from_slice::<Content>(&bytes) {
                Ok(content) => Ok(content.cursors),
                Err(error) => Err(self.error(
                    format!("is not a cursor file, or is damaged ({error}): name another file, or remove it to start anew"),
                    true,
                )),
            },
            Err(error) if error.kind() == ErrorKind::NotFound => Ok(Cursors::new()),
            Err(error) => Err(self.error(format!("cannot be read: {error}"), false)),
        }
    }

    fn store(&mut self, cursors: &Cursors) -> Result<(), Error> {
        if cursors.len() > MAX_CURSORS {
            return Err(self.error(
                format!("cannot be written: a cursor file has at most {MAX_CURSORS} streams"),
                false,
            ));
        }
        let content = Content { cursors: cursors.clone() };
        serde_json::to_vec_pretty(&content)
            .map_err(io::Error::from)
            .and_then(|bytes| replace(&self.path, &bytes))
            .map_err(|error| self.error(format!("cannot be written: {error}"), false))
    }

    fn place(&self) -> String {
        self.path.display().to_string()
    }
}

/// Writes a file under a temporary name, and renames it when it is on the disk.
fn replace(path: &Path, bytes: &[u8]) -> io::Result<()> {
    let mut fresh = OsString::from(path);
    fresh.push(".part");
    let write = || {
        let mut file = File::create(&fresh)?;
        file.write_all(bytes)?;
        file.sync_all()?;
        fs::rename(&fresh, path)
    };
    write().inspect_err(|_| {
        // The file from before remains; a part of the new one helps nobody.
        let _ = fs::remove_file(&fresh);
    })?;
    // The new name is on the disk only when the folder is.
    #[cfg(unix)]
    File::open(path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new(".")))?
        .sync_all()?;
    Ok(())
}

/// Refuses cursors of other streams than those that are selected: with them, every stream would start
/// anew without a word.
pub(super) fn check(
    store: &dyn CursorStore,
    cursors: &Cursors,
    selectors: &[pb::StreamSelector],
) -> Result<(), Error> {
    let mut selected = selectors.iter().flat_map(|selector| &selector.streams);
    let is_ours = selected.any(|one| cursors.keys().any(|stream| may_select(one, stream)));
    if cursors.is_empty() || is_ours {
        return Ok(());
    }
    let streams: Vec<&str> = cursors.keys().take(3).map(String::as_str).collect();
    let why = format!(
        "has the cursors of other streams ({}): name another file, or remove it to start anew",
        streams.join(", ")
    );
    Err(Error::Cursors { place: store.place(), why, foreign: true })
}

/// Reports whether a stream may be selected. A pattern is compared up to its first wildcard.
fn may_select(one: &pb::StreamMatch, stream: &str) -> bool {
    match &one.selector {
        Some(By::Id(id)) => id == stream,
        Some(By::Glob(pattern)) => {
            stream.starts_with(pattern.split(['*', '?', '[', '{']).next().unwrap_or_default())
        }
        Some(By::Labels(_)) | None => true,
    }
}

#[cfg(test)]
mod tests {
    use super::super::subscribe::selector;
    use super::*;

    fn cursors(streams: &[&str]) -> Cursors {
        streams.iter().map(|stream| ((*stream).to_owned(), "c".to_owned())).collect()
    }

    #[test]
    fn cursors_survive_a_restart() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("cursors.json");
        let mut file = CursorFile::new(&path);
        assert!(file.load().unwrap().is_empty());
        file.store(&cursors(&["cam"])).unwrap();
        assert_eq!(CursorFile::new(&path).load().unwrap(), cursors(&["cam"]));
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1, "no partly written file is left");
        fs::write(&path, b"{\"cursors\": {\"cam\"").unwrap();
        assert!(matches!(file.load(), Err(Error::Cursors { foreign: true, .. })));
    }

    #[test]
    fn a_file_that_cannot_be_written_is_named_and_stays() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("cursors.json");
        let mut file = CursorFile::new(&path);
        file.store(&cursors(&["cam"])).unwrap();
        fs::create_dir(folder.path().join("cursors.json.part")).unwrap();
        let error = file.store(&cursors(&["other"])).unwrap_err().to_string();
        assert!(error.contains("cursors.json cannot be written"), "{error}");
        assert_eq!(file.load().unwrap(), cursors(&["cam"]));
        let many: Vec<String> = (0..=MAX_CURSORS).map(|number| number.to_string()).collect();
        let many: Vec<&str> = many.iter().map(String::as_str).collect();
        assert!(file.store(&cursors(&many)).is_err());
    }

    #[test]
    fn cursors_of_other_streams_are_refused() {
        let check = |stored: &[&str], selected: &[&str]| {
            let selectors: Vec<_> = selected.iter().map(|stream| selector(stream)).collect();
            check(&CursorFile::new("file"), &cursors(stored), &selectors)
        };
        for (stored, selected) in [
            (&[][..], &["a"][..]),
            (&["a"], &["a"]),
            (&["a", "gone"], &["a", "new"]),
            (&["cam-1"], &["cam-*"]),
            (&["cam-1"], &["*"]),
        ] {
            assert!(check(stored, selected).is_ok(), "{stored:?} {selected:?}");
        }
        for (stored, selected) in [(&["a"][..], &["b"][..]), (&["north"], &["cam-*", "south"])] {
            let error = check(stored, selected).unwrap_err().to_string();
            assert!(error.contains(stored[0]) && error.contains("other streams"), "{error}");
        }
    }
}
