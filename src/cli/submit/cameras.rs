//! The cameras of a submission: which files, videos or pipe each stream gets its pictures from.

use std::collections::HashMap;
use std::fs::File;
use std::io::Read as _;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, anyhow};

use super::{CaptureTime, SubmitArgs};
use crate::console::Failure;
use crate::console::sources::{self, Wanted};
use crate::console::video;
use crate::domain::StreamId;
use crate::picture::sniff;

/// The argument that stands for standard input.
const STANDARD_INPUT: &str = "-";
/// The maximum number of streams that get their pictures from videos: each runs an ffmpeg.
const MAX_VIDEOS: usize = 32;
/// The first bytes of a file, which show whether it is a picture.
const SIGNATURE_BYTES: u64 = 16;

/// A source of the pictures of one stream.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Item {
    Picture(PathBuf),
    Video(PathBuf),
    StandardInput,
}

/// The sources of one stream, in order.
#[derive(Debug)]
pub(super) struct Camera {
    pub(super) stream: String,
    pub(super) items: Vec<Item>,
}

/// The cameras that the arguments name.
#[derive(Debug)]
pub(super) struct Cameras {
    pub(super) cameras: Vec<Camera>,
    /// The files that are no pictures, with their streams.
    pub(super) no_pictures: Vec<(PathBuf, String)>,
}

impl Cameras {
    /// Finds the files and their streams. Nothing is sent yet.
    ///
    /// # Errors
    /// Fails if the arguments name nothing that can be submitted.
    pub(super) fn find(args: &SubmitArgs) -> Result<Self, Failure> {
        let stream = args.stream.as_deref().map(checked_stream).transpose()?;
        if args.paths.iter().any(|path| path == STANDARD_INPUT) {
            return standard_input(args, stream);
        }
        let is_raw = args.raw_format.is_some();
        let wanted = if is_raw { Wanted::AnyFile } else { Wanted::PicturesAndVideos };
        let files = sources::expand(&args.paths, wanted)?;
        // A single file gives its name to the stream, and a folder gives its own.
        let is_file = matches!(&args.paths[..], [path] if Path::new(path).is_file());
        let mut found = Self { cameras: Vec::new(), no_pictures: Vec::new() };
        let mut places = Places::default();
        for file in files {
            let is_video = !is_raw && video::is_video(&file);
            let stream = match &stream {
                Some(stream) => stream.clone(),
                None => places.stream(&file, is_file || is_video)?,
            };
            if is_video {
                found.add(stream, Item::Video(file));
            } else if is_raw || is_picture(&file)? {
                found.add(stream, Item::Picture(file));
            } else {
                found.no_pictures.push((file, stream));
            }
        }
        found.check(args)?;
        Ok(found)
    }

    fn add(&mut self, stream: String, item: Item) {
        // The files of a stream follow one another, except if several arguments name them.
        let last = self.cameras.last_mut().filter(|camera| camera.stream == stream);
        match last {
            Some(camera) => camera.items.push(item),
            None => match self.cameras.iter_mut().find(|camera| camera.stream == stream) {
                Some(camera) => camera.items.push(item),
                None => self.cameras.push(Camera { stream, items: vec![item] }),
            },
        }
    }

    fn check(&self, args: &SubmitArgs) -> Result<(), Failure> {
        let usage = |text: String| Err(Failure::Usage(anyhow!(text)));
        if let ([], Some((file, _))) = (&self.cameras[..], self.no_pictures.first()) {
            let more = match self.no_pictures.len() - 1 {
                0 => String::new(),
                more => format!(", nor are {more} more files"),
            };
            return usage(format!("{} is {NO_PICTURE}{more}", file.display()));
        }
        let videos = self.cameras.iter().filter(|camera| camera.has_video()).count();
        if videos > MAX_VIDEOS {
            return usage(format!("{videos} videos at the same time: at most {MAX_VIDEOS} are possible"));
        }
        if videos > 0 && args.capture_time == CaptureTime::File {
            return usage(
                "--capture-time file is for pictures: the time of a video is not that of its pictures".into(),
            );
        }
        Ok(())
    }

    /// Returns the number of frames; `None` if it is not known before the end.
    pub(super) fn total(&self, rounds: Option<u64>) -> Option<u64> {
        let pictures: Option<usize> = self
            .cameras
            .iter()
            .map(|camera| {
                let known = camera.items.iter().all(|item| matches!(item, Item::Picture(_)));
                known.then_some(camera.items.len())
            })
            .sum();
        Some((pictures? as u64).saturating_mul(rounds?))
    }
}

impl Camera {
    fn has_video(&self) -> bool {
        self.items.iter().any(|item| matches!(item, Item::Video(_)))
    }

    /// Reports whether the pictures come when they are taken, so that their pace is not ours.
    pub(super) fn is_live(&self) -> bool {
        self.items.contains(&Item::StandardInput)
    }
}

/// Describes a file that is refused.
pub(super) const NO_PICTURE: &str =
    "no picture: it does not begin like a JPEG, PNG or WebP, and its name is not that of a video";

fn standard_input(args: &SubmitArgs, stream: Option<String>) -> Result<Cameras, Failure> {
    let usage = |text: &str| Err(Failure::Usage(anyhow!("{text}")));
    if args.paths.len() > 1 {
        return usage("- (standard input) cannot be combined with other paths: run one command for each");
    }
    let Some(stream) = stream else {
        return usage("- (standard input) has no name: add --stream ID");
    };
    if args.repeat.0 != Some(1) {
        return usage("- (standard input) cannot be repeated");
    }
    if args.raw_format.is_some() {
        return usage("- (standard input) must be JPEG pictures one after another (MJPEG), not raw pixels");
    }
    if args.capture_time == CaptureTime::File {
        return usage("--capture-time file needs files; use --capture-time now");
    }
    let camera = Camera { stream, items: vec![Item::StandardInput] };
    Ok(Cameras { cameras: vec![camera], no_pictures: Vec::new() })
}

fn is_picture(file: &Path) -> Result<bool, Failure> {
    let mut first = Vec::new();
    let read = File::open(file).and_then(|file| file.take(SIGNATURE_BYTES).read_to_end(&mut first));
    read.with_context(|| format!("cannot read {}", file.display())).map_err(Failure::Usage)?;
    Ok(sniff(&first).is_some())
}

/// The folders and videos that streams are named after.
#[derive(Debug, Default)]
struct Places(HashMap<String, PathBuf>);

impl Places {
    /// Returns the stream that is named after a file itself or its folder.
    fn stream(&mut self, file: &Path, of_file: bool) -> Result<String, Failure> {
        let absolute = file.canonicalize().unwrap_or_else(|_| file.to_owned());
        let place = if of_file { Some(&*absolute) } else { absolute.parent() };
        let place = place.unwrap_or(&absolute);
        let name = if of_file { file.file_stem() } else { place.file_name() };
        let stream = sources::sanitise(&name.unwrap_or_default().to_string_lossy());
        match self.0.get(&stream) {
            Some(other) if other != place => Err(Failure::Usage(anyhow!(
                "{} and {} would both go to the stream {stream}: submit each with its own --stream",
                other.display(),
                place.display(),
            ))),
            Some(_) => Ok(stream),
            None => {
                self.0.insert(stream.clone(), place.to_owned());
                Ok(stream)
            }
        }
    }
}

fn checked_stream(stream: &str) -> Result<String, Failure> {
    match stream.parse::<StreamId>() {
        Ok(id) => Ok(id.to_string()),
        Err(error) => Err(Failure::Usage(anyhow!("--stream {stream}: {error}"))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn named(files: &[(&str, bool)]) -> Result<Vec<String>, Failure> {
        let mut places = Places::default();
        files.iter().map(|(file, of_file)| places.stream(Path::new(file), *of_file)).collect()
    }

    #[test]
    fn a_stream_is_named_after_the_folder_or_the_file() {
        let files = [("/x/North Gate/1.jpg", false), ("/x/North Gate/2.jpg", false), ("/x/a/road.mp4", true)];
        assert_eq!(named(&files).unwrap(), ["North-Gate", "North-Gate", "road"]);
    }

    #[test]
    fn two_folders_with_one_name_are_refused() {
        let error = named(&[("/x/a/cam/1.jpg", false), ("/x/b/cam/1.jpg", false)]).unwrap_err();
        let Failure::Usage(error) = error else { panic!("{error:?}") };
        let said = error.to_string();
        assert!(said.contains("/x/a/cam and /x/b/cam would both go to the stream cam"), "{said}");
    }
}
