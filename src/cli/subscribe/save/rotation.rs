//! Removes the oldest saved files, so that a recording has bounds of age and bytes.

use std::collections::{BinaryHeap, VecDeque};
use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use anyhow::Context as _;
use globset::GlobMatcher;

use super::template::Template;

/// The maximum number of files that are remembered. If more are there, the folder is searched again
/// when so many were removed.
const MAX_REMEMBERED: usize = 100_000;

/// A saved file. The order is that of the times.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
struct Saved {
    time: SystemTime,
    path: PathBuf,
    bytes: u64,
}

/// The bounds of a recording.
#[derive(Debug, Clone, Copy)]
pub(super) struct Bounds {
    pub(super) age: Option<Duration>,
    pub(super) bytes: Option<u64>,
}

/// The files that a template has made, oldest first.
#[derive(Debug)]
pub(super) struct Rotation {
    folder: PathBuf,
    /// The paths in the folder that are ours.
    ours: GlobMatcher,
    depth: usize,
    bounds: Bounds,
    oldest: VecDeque<Saved>,
    /// No other files are there than the remembered ones.
    is_complete: bool,
    bytes: u64,
    removed: u64,
}

impl Rotation {
    /// Finds the files that the template made before for these streams.
    pub(super) fn new(template: &Template, streams: &[String], bounds: Bounds) -> anyhow::Result<Self> {
        let mut rotation = Self {
            folder: template.folder().to_owned(),
            ours: template
                .pattern(streams)
                .context("the saved files cannot be recognised")?
                .compile_matcher(),
            depth: template.depth(),
            bounds,
            oldest: VecDeque::new(),
            is_complete: false,
            bytes: 0,
            removed: 0,
        };
        rotation.search()?;
        Ok(rotation)
    }

    /// Returns the number of files that were removed.
    pub(super) fn removed(&self) -> u64 {
        self.removed
    }

    /// Notes a file that was saved now.
    pub(super) fn saved(&mut self, path: &Path, bytes: u64) {
        self.bytes += bytes;
        self.is_complete &= self.oldest.len() < MAX_REMEMBERED;
        if self.is_complete {
            self.oldest.push_back(Saved { time: SystemTime::now(), path: path.to_owned(), bytes });
        }
    }

    /// Removes the files that are too old or too many, and the folders that become empty.
    ///
    /// # Errors
    /// Fails if a file cannot be removed.
    pub(super) fn rotate(&mut self) -> anyhow::Result<()> {
        let now = SystemTime::now();
        loop {
            if self.oldest.is_empty() && !self.is_complete {
                self.search()?;
            }
            let Some(oldest) = self.oldest.front() else { return Ok(()) };
            let age = now.duration_since(oldest.time).unwrap_or_default();
            let is_too_old = self.bounds.age.is_some_and(|bound| age > bound);
            let is_too_much = self.bounds.bytes.is_some_and(|bound| self.bytes > bound);
            if !is_too_old && !is_too_much {
                return Ok(());
            }
            match fs::remove_file(&oldest.path) {
                Ok(()) => self.removed += 1,
                // Somebody else removed it.
                Err(error) if error.kind() == io::ErrorKind::NotFound => {}
                Err(error) => {
                    let shown = oldest.path.display().to_string();
                    return Err(error).with_context(|| format!("cannot remove {shown}, which is too old"));
                }
            }
            self.bytes = self.bytes.saturating_sub(oldest.bytes);
            self.remove_empty_folders(oldest.path.clone().parent());
            self.oldest.pop_front();
        }
    }

    fn remove_empty_folders(&self, mut folder: Option<&Path>) {
        // It ends at the first folder that is not empty.
        while let Some(empty) =
            folder.filter(|inner| inner.starts_with(&self.folder) && *inner != self.folder)
            && fs::remove_dir(empty).is_ok()
        {
            folder = empty.parent();
        }
    }

    /// Finds the oldest files, and the bytes of all files.
    fn search(&mut self) -> anyhow::Result<()> {
        let mut oldest = BinaryHeap::new();
        let (mut files, mut bytes) = (0_usize, 0);
        let mut folders = vec![(self.folder.clone(), 1)];
        while let Some((folder, depth)) = folders.pop() {
            let shown = || format!("cannot read folder {}", folder.display());
            for entry in fs::read_dir(&folder).with_context(shown)? {
                let entry = entry.with_context(shown)?;
                let path = entry.path();
                // The metadata is that of a link itself.
                let Ok(about) = entry.metadata() else { continue };
                if about.is_dir() && depth < self.depth {
                    folders.push((path, depth + 1));
                } else if about.is_file()
                    && depth == self.depth
                    && path.strip_prefix(&self.folder).is_ok_and(|inner| self.ours.is_match(inner))
                {
                    files += 1;
                    bytes += about.len();
                    let time = about.modified().unwrap_or(SystemTime::UNIX_EPOCH);
                    oldest.push(Saved { time, path, bytes: about.len() });
                    if oldest.len() > MAX_REMEMBERED {
                        oldest.pop();
                    }
                }
            }
        }
        self.oldest = oldest.into_sorted_vec().into();
        self.is_complete = files <= MAX_REMEMBERED;
        self.bytes = bytes;
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::super::template::Use;
    use super::*;

    fn write(path: &Path, bytes: usize, age: Duration) {
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, vec![0; bytes]).unwrap();
        let file = fs::File::options().append(true).open(path).unwrap();
        file.set_modified(SystemTime::now() - age).unwrap();
    }

    /// Makes a recording of three files, 1 to 3 hours old, and files that are not ours.
    fn recording(folder: &Path) -> (Vec<PathBuf>, Vec<PathBuf>) {
        let hour = |hours: u64| Duration::from_secs(hours * 3600);
        let ours: Vec<PathBuf> =
            (1..=3).map(|number| folder.join(format!("cam/{number:02}/{number:09}.jpg"))).collect();
        for (file, age) in ours.iter().zip([3, 2, 1]) {
            write(file, 100, hour(age));
        }
        let others =
            ["notes.txt", "cam/01/000000009.txt", "cam/01/000000001.jpg.part", "other/01/000000001.jpg"];
        let others: Vec<PathBuf> = others.iter().map(|name| folder.join(name)).collect();
        others.iter().for_each(|file| write(file, 1000, hour(100)));
        (ours, others)
    }

    fn rotation(folder: &Path, bounds: Bounds) -> Rotation {
        let text = format!("{}/{{stream}}/{{hour}}/{{sequence}}.{{ext}}", folder.display());
        let purpose = Use { several_pictures: false, several_streams: true };
        let template = Template::parse(&text, purpose).unwrap();
        Rotation::new(&template, &["cam".to_owned()], bounds).unwrap()
    }

    #[test]
    fn the_oldest_files_are_removed_and_never_others() {
        for (bounds, kept) in [
            (Bounds { age: None, bytes: Some(250) }, 2),
            (Bounds { age: Some(Duration::from_secs(5400)), bytes: None }, 1),
            (Bounds { age: Some(Duration::from_secs(1)), bytes: Some(1 << 40) }, 0),
            (Bounds { age: None, bytes: Some(300) }, 3),
        ] {
            let folder = tempfile::tempdir().unwrap();
            let (ours, others) = recording(folder.path());
            let mut rotation = rotation(folder.path(), bounds);
            rotation.rotate().unwrap();
            let left: Vec<_> = ours.iter().filter(|file| file.exists()).collect();
            assert_eq!(left, ours[3 - kept..].iter().collect::<Vec<_>>(), "{bounds:?}");
            assert_eq!(rotation.removed(), 3 - kept as u64);
            assert!(others.iter().all(|file| file.exists()), "{bounds:?}");
            // A folder without files is removed, but not one with a file of somebody else.
            assert_eq!(folder.path().join("cam/02").exists(), kept > 1, "{bounds:?}");
            assert!(folder.path().join("cam/01").exists());
        }
    }

    #[test]
    fn new_files_count() {
        let folder = tempfile::tempdir().unwrap();
        let (ours, _) = recording(folder.path());
        let mut rotation = rotation(folder.path(), Bounds { age: None, bytes: Some(300) });
        let new = folder.path().join("cam/04/000000004.jpg");
        write(&new, 100, Duration::ZERO);
        rotation.saved(&new, 100);
        rotation.rotate().unwrap();
        assert_eq!((ours[0].exists(), ours[1].exists(), new.exists()), (false, true, true));
        // A file that somebody else removed is no error.
        fs::remove_file(&ours[1]).unwrap();
        let newer = folder.path().join("cam/04/000000005.jpg");
        write(&newer, 150, Duration::ZERO);
        rotation.saved(&newer, 150);
        rotation.rotate().unwrap();
        assert_eq!((ours[2].exists(), new.exists(), newer.exists()), (false, true, true));
        assert_eq!(rotation.removed(), 2);
    }
}
