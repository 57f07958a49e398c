//! The cursor file, which records up to where the frames of each stream were handled.

use std::collections::BTreeMap;
use std::fs;
use std::io::ErrorKind;
use std::path::PathBuf;
use std::time::{Duration, Instant};

use anyhow::anyhow;
use serde::{Deserialize, Serialize};

use crate::console::Failure;
use crate::console::output::write_whole;

/// The minimum time between two writes of the file. After a crash, the frames since the last write
/// are delivered again.
const WRITE_INTERVAL: Duration = Duration::from_secs(1);

/// Cursors by stream, kept in a file.
#[derive(Debug)]
pub(super) struct CursorFile {
    path: PathBuf,
    content: Content,
    changed: bool,
    written: Instant,
}

#[derive(Debug, Default, Serialize, Deserialize)]
struct Content {
    cursors: BTreeMap<String, String>,
}

impl CursorFile {
    /// Reads the file, if it exists.
    ///
    /// # Errors
    /// Fails if it cannot be read, or is not a cursor file.
    pub(super) fn open(path: PathBuf) -> Result<Self, Failure> {
        let shown = path.display().to_string();
        let content = match fs::read(&path) {
            Ok(bytes) => serde_json::from_slice(&bytes)
                .map_err(|error| Failure::Usage(anyhow!("{shown} is not a cursor file: {error}")))?,
            Err(error) if error.kind() == ErrorKind::NotFound => Content::default(),
            Err(error) => return Err(Failure::Usage(anyhow!("cannot read {shown}: {error}"))),
        };
        Ok(Self { path, content, changed: false, written: Instant::now() })
    }

    /// Returns the cursors of the last handled frames, by stream.
    pub(super) fn cursors(&self) -> BTreeMap<String, String> {
        self.content.cursors.clone()
    }

    /// Records that everything of `stream` up to `cursor` is handled.
    pub(super) fn advance(&mut self, stream: &str, cursor: String) -> Result<(), Failure> {
        if !cursor.is_empty() {
            self.content.cursors.insert(stream.to_owned(), cursor);
            self.changed = true;
        }
        if self.written.elapsed() >= WRITE_INTERVAL { self.write() } else { Ok(()) }
    }

    /// Writes the file if it has changed.
    pub(super) fn write(&mut self) -> Result<(), Failure> {
        if !self.changed {
            return Ok(());
        }
        let bytes =
            serde_json::to_vec_pretty(&self.content).map_err(|error| Failure::Failed(error.into()))?;
        write_whole(&self.path, &bytes).map_err(Failure::Failed)?;
        self.changed = false;
        self.written = Instant::now();
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cursors_survive_a_restart() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("cursors.json");
        let mut file = CursorFile::open(path.clone()).unwrap();
        assert!(file.cursors().is_empty());
        file.advance("cam", "abc".to_owned()).unwrap();
        file.advance("cam", String::new()).unwrap();
        file.write().unwrap();
        assert_eq!(CursorFile::open(path.clone()).unwrap().cursors()["cam"], "abc");
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1, "no partly written file is left");
        fs::write(&path, b"nonsense").unwrap();
        assert!(matches!(CursorFile::open(path), Err(Failure::Usage(_))));
    }
}
