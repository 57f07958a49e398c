//! Saving pictures to files.

mod rotation;
mod template;

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context as _, anyhow};
use clap::Args;

use super::json::omitted;
use crate::client::subscribe::is_pattern;
use crate::config::ByteSize;
use crate::console::Failure;
use crate::console::output::{short, write_whole};
use crate::pb::v1 as pb;
use crate::pb::v1::picture::Content;
use rotation::{Bounds, Rotation};
use template::{Template, Use};

/// The shortest and the longest time between two looks for files that are too old.
const ROTATION_INTERVAL: (Duration, Duration) = (Duration::from_millis(500), Duration::from_secs(60));

/// The maximum number of remarks about pictures without data; further ones are only counted.
const MAX_REMARKS: usize = 50;

/// The flags for saving pictures.
#[derive(Debug, Clone, Default, Args)]
#[command(next_help_heading = "Saving pictures")]
pub(super) struct SaveArgs {
    /// Write each picture to a file. A folder gets files such as FOLDER/north-gate-000000001.jpg. A
    /// template names folders and files by {stream}, {date}, {hour}, {minute}, {time}, {sequence},
    /// {role} (original, ...) and {ext}; times are receive times in UTC. Folders are created.
    #[arg(long, value_name = "PATH")]
    save: Option<PathBuf>,

    /// Write the newest picture of each stream to a file that is replaced as a whole, such as
    /// FOLDER/north-gate.jpg.
    #[arg(long, value_name = "FOLDER", conflicts_with = "group")]
    save_latest: Option<PathBuf>,

    /// Remove the files of --save that were written longer ago than this, for example 7days. Only
    /// files whose names the template makes for the given streams are removed, also those of earlier
    /// runs.
    #[arg(long, value_name = "TIME", value_parser = keep_age, requires = "save")]
    keep_age: Option<Duration>,

    /// Remove the oldest files of --save as long as they have more bytes than this together, for
    /// example 500GB.
    #[arg(long, value_name = "BYTES", value_parser = keep_bytes, requires = "save")]
    keep_bytes: Option<ByteSize>,
}

fn keep_age(text: &str) -> Result<Duration, String> {
    let age = humantime::parse_duration(text).map_err(|error| error.to_string())?;
    if age < Duration::from_secs(1) { Err("must be 1s or more".to_owned()) } else { Ok(age) }
}

fn keep_bytes(text: &str) -> Result<ByteSize, String> {
    let size: ByteSize = text.parse()?;
    if size.0 == 0 { Err("must be 1 byte or more".to_owned()) } else { Ok(size) }
}

impl SaveArgs {
    /// Reports whether pictures are saved.
    pub(super) fn is_set(&self) -> bool {
        self.save.is_some() || self.save_latest.is_some()
    }

    /// Prepares the folders. `streams` are ids or patterns of ids; a member of a group gives none.
    ///
    /// # Errors
    /// Fails if the template cannot be used, or a folder cannot be created.
    pub(super) fn saver(&self, streams: &[String], pictures: usize) -> Result<Saver, Failure> {
        let several_pictures = pictures > 1;
        let several_streams = !matches!(streams, [stream] if !is_pattern(stream));
        let mut saver = Saver::default();
        if let Some(path) = &self.save {
            let template = match path.to_str() {
                Some(text) if text.contains('{') => {
                    Template::parse(text, Use { several_pictures, several_streams })
                        .map_err(|why| Failure::Usage(anyhow!("--save {text}: {why}")))?
                }
                Some(_) | None => Template::flat(path.clone(), several_pictures),
            };
            create(template.folder())?;
            if self.keep_age.is_some() || self.keep_bytes.is_some() {
                let bounds = Bounds { age: self.keep_age, bytes: self.keep_bytes.map(|size| size.0) };
                let rotation = Rotation::new(&template, streams, bounds).map_err(Failure::Usage)?;
                saver.rotation = Some(rotation);
                saver.rotation_interval =
                    self.keep_age.map(|age| (age / 20).clamp(ROTATION_INTERVAL.0, ROTATION_INTERVAL.1));
            }
            saver.archive = Some(template);
        }
        if let Some(folder) = &self.save_latest {
            create(folder)?;
            saver.latest = Some(Template::latest(folder.clone(), several_pictures));
        }
        Ok(saver)
    }
}

fn create(folder: &Path) -> Result<(), Failure> {
    let made = fs::create_dir_all(folder).with_context(|| format!("cannot create {}", folder.display()));
    made.map_err(Failure::Usage)
}

/// Writes pictures into folders, and counts them. Without a folder, it writes nothing.
#[derive(Debug, Default)]
pub(super) struct Saver {
    archive: Option<Template>,
    latest: Option<Template>,
    rotation: Option<Rotation>,
    rotation_interval: Option<Duration>,
    files: u64,
    bytes: u64,
    /// The pictures that came without data, by role and reason.
    missing: BTreeMap<Missing, u64>,
    /// The streams and reasons of the remarks so far.
    told: BTreeSet<(String, Missing)>,
}

/// A picture that cannot be saved: the name of its role, and the reason.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
struct Missing {
    role: String,
    reason: String,
}

/// The files that were saved.
#[derive(Debug, Default)]
pub(super) struct Summary {
    pub(super) files: u64,
    pub(super) bytes: u64,
    pub(super) removed: u64,
    /// The number of pictures that could not be saved, by role and reason.
    pub(super) missing: BTreeMap<String, u64>,
}

impl Saver {
    /// Writes the pictures of a frame that have data, and returns the files. The remarks say why
    /// pictures have none, each reason once for each stream.
    ///
    /// # Errors
    /// Fails if a file cannot be written.
    pub(super) fn save(
        &mut self,
        frame: &pb::ProcessedFrame,
        mut remark: impl FnMut(&str),
    ) -> Result<Vec<PathBuf>, Failure> {
        let mut saved = Vec::new();
        if self.archive.is_none() && self.latest.is_none() {
            return Ok(saved);
        }
        for picture in &frame.pictures {
            let Some(Content::Data(data)) = &picture.content else {
                let missing = Missing { role: role_name(picture), reason: omitted(picture) };
                *self.missing.entry(missing.clone()).or_default() += 1;
                if self.told.len() < MAX_REMARKS
                    && self.told.insert((frame.stream_id.clone(), missing.clone()))
                {
                    let hint = missing.hint(&frame.stream_id);
                    remark(&format!("{} {}: {}", frame.stream_id, frame.sequence, missing.words(&hint)));
                }
                continue;
            };
            for (template, is_archive) in [(&self.archive, true), (&self.latest, false)] {
                let Some(template) = template else { continue };
                let path = template.path(frame, picture).map_err(|name| {
                    Failure::Failed(anyhow!(
                        "not saved: the stream {:?} would lead outside of {} ({name:?})",
                        frame.stream_id,
                        template.folder().display()
                    ))
                })?;
                write(&path, data)?;
                self.files += 1;
                self.bytes += data.len() as u64;
                if let Some(rotation) = self.rotation.as_mut().filter(|_| is_archive) {
                    rotation.saved(&path, data.len() as u64);
                }
                saved.push(path);
            }
        }
        self.rotate()?;
        Ok(saved)
    }

    /// Returns the time after which to call [`Saver::rotate`] if no frame comes.
    pub(super) fn rotation_interval(&self) -> Duration {
        self.rotation_interval.unwrap_or(Duration::MAX)
    }

    /// Removes the files that exceed the bounds.
    ///
    /// # Errors
    /// Fails if a file cannot be removed.
    pub(super) fn rotate(&mut self) -> Result<(), Failure> {
        self.rotation.as_mut().map_or(Ok(()), |rotation| rotation.rotate().map_err(Failure::Failed))
    }

    /// Returns what was saved so far.
    pub(super) fn summary(&self) -> Summary {
        let missing = |(missing, count): (&Missing, &u64)| (missing.words(""), *count);
        Summary {
            files: self.files,
            bytes: self.bytes,
            removed: self.rotation.as_ref().map_or(0, Rotation::removed),
            missing: self.missing.iter().map(missing).collect(),
        }
    }

    /// Fails if pictures came, and none could be saved.
    pub(super) fn result(&self) -> Result<(), Failure> {
        if self.files > 0 || self.missing.is_empty() {
            return Ok(());
        }
        let words = |(missing, count): (&Missing, &u64)| {
            format!("{count} {}", missing.words(&missing.hint("STREAM")))
        };
        let missing: Vec<String> = self.missing.iter().map(words).collect();
        Err(Failure::Failed(anyhow!("no picture could be saved: {}", missing.join("; "))))
    }
}

impl Missing {
    fn words(&self, hint: &str) -> String {
        format!("{} {}{hint}", self.role, self.reason)
    }

    /// Returns the command that changes it for further frames, if there is one.
    fn hint(&self, stream: &str) -> String {
        let flag = match (self.reason.as_str(), self.role.as_str()) {
            ("NOT_KEPT", "original") => "--keep-original",
            ("NOT_KEPT", "thumbnail") => "--thumbnail-size 128",
            _ => return String::new(),
        };
        format!(" (further frames have it after: frameway streams update {stream} {flag})")
    }
}

/// Writes a file, and the folders that it is in.
fn write(path: &Path, data: &[u8]) -> Result<(), Failure> {
    let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty());
    let made = folder.map_or(Ok(()), fs::create_dir_all);
    let written = made
        .with_context(|| format!("cannot write {}", path.display()))
        .and_then(|()| write_whole(path, data));
    written.map_err(|error| {
        let kind = error.downcast_ref::<io::Error>().map(io::Error::kind);
        let advice = match kind {
            Some(io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded) => {
                ": free space, or bound the recording with --keep-age or --keep-bytes"
            }
            Some(io::ErrorKind::PermissionDenied | io::ErrorKind::ReadOnlyFilesystem) => {
                ": choose a folder that this user may write to"
            }
            Some(_) | None => "",
        };
        Failure::Failed(anyhow!("{error:#}{advice}"))
    })
}

/// Returns the role's name in lower case.
pub(in crate::cli) fn role_name(picture: &pb::Picture) -> String {
    short(picture.role().as_str_name(), "PICTURE_ROLE_").to_lowercase()
}

fn extension(format: pb::PictureFormat) -> String {
    match format {
        pb::PictureFormat::Jpeg => "jpg".to_owned(),
        pb::PictureFormat::Unspecified => "bin".to_owned(),
        pb::PictureFormat::Png
        | pb::PictureFormat::Webp
        | pb::PictureFormat::Rgb8
        | pb::PictureFormat::Bgr8
        | pb::PictureFormat::Gray8
        | pb::PictureFormat::Nv12
        | pb::PictureFormat::I420 => short(format.as_str_name(), "PICTURE_FORMAT_").to_lowercase(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn picture(content: Content) -> pb::Picture {
        pb::Picture {
            role: pb::PictureRole::Original.into(),
            format: pb::PictureFormat::Jpeg.into(),
            content: Some(content),
            ..Default::default()
        }
    }

    #[test]
    fn file_names_sort_by_sequence() {
        let folder = tempfile::tempdir().unwrap();
        let data = picture(Content::Data(bytes::Bytes::from_static(b"jpeg")));
        let omitted = picture(Content::OmittedReason(pb::OmittedReason::NotKept.into()));
        let frame = pb::ProcessedFrame {
            stream_id: "cam".to_owned(),
            sequence: 7,
            pictures: vec![data, omitted],
            ..Default::default()
        };
        let args = SaveArgs {
            save: Some(folder.path().join("new/folder")),
            save_latest: Some(folder.path().join("latest")),
            ..Default::default()
        };
        let mut saver = args.saver(&["cam".to_owned()], 1).unwrap();
        let mut remarks = Vec::new();
        let saved = saver.save(&frame, |text| remarks.push(text.to_owned())).unwrap();
        assert_eq!(
            saved,
            ["new/folder/cam-000000007.jpg", "latest/cam.jpg"].map(|name| folder.path().join(name))
        );
        assert!(saved.iter().all(|file| fs::read(file).unwrap() == b"jpeg"));
        assert!(
            matches!(&remarks[..], [one] if one.contains("original NOT_KEPT") && one.contains("update cam --keep-original")),
            "{remarks:?}"
        );
        saver.save(&frame, |text| panic!("the reason was told: {text}")).unwrap();
        let summary = saver.summary();
        assert_eq!((summary.files, summary.bytes, summary.missing["original NOT_KEPT"]), (4, 16, 2));
        assert!(saver.result().is_ok());
        let two = args.saver(&["cam".to_owned()], 2).unwrap().save(&frame, |_| ()).unwrap();
        assert!(
            two[0].ends_with("cam-000000007-original.jpg") && two[1].ends_with("cam-original.jpg"),
            "{two:?}"
        );
    }

    #[test]
    fn nothing_saved_is_a_failure() {
        let folder = tempfile::tempdir().unwrap();
        let args = SaveArgs { save: Some(folder.path().to_owned()), ..Default::default() };
        let mut saver = args.saver(&["cam".to_owned()], 1).unwrap();
        assert!(saver.result().is_ok(), "no frame came");
        let omitted = picture(Content::OmittedReason(pb::OmittedReason::NotKept.into()));
        let frame =
            pb::ProcessedFrame { stream_id: "cam".to_owned(), pictures: vec![omitted], ..Default::default() };
        saver.save(&frame, |_| ()).unwrap();
        let Err(Failure::Failed(error)) = saver.result() else { panic!("nothing was saved") };
        assert!(error.to_string().contains("1 original NOT_KEPT (further frames have it after: frameway streams update STREAM --keep-original)"), "{error}");
    }
}
