//! Reading the pictures of all cameras in turn.

use std::collections::{BTreeMap, VecDeque};
use std::fs;
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use anyhow::Context as _;
use bytes::Bytes;

use super::cameras::{Camera, Item};
use super::{CaptureTime, SubmitArgs};
use crate::console::Failure;
use crate::console::output::timestamp;
use crate::console::video::{self, Flow};
use crate::pb::v1 as pb;

/// A picture and where it came from.
#[derive(Debug)]
struct Picture {
    data: Bytes,
    name: String,
    modified: Option<SystemTime>,
}

/// A camera that shows its pictures.
#[derive(Debug)]
struct Playing {
    camera: Camera,
    /// The next item, or the one whose flow is open.
    position: usize,
    /// The number of rounds through the items; `None` for no end.
    rounds_left: Option<u64>,
    flow: Option<Flow>,
    /// The first picture of the flow, if it was awaited already.
    first: Option<Result<Bytes, Failure>>,
    next_sequence: u64,
}

/// A reader that takes a picture of each camera in turn.
#[derive(Debug)]
pub(super) struct Reader {
    /// The cameras that have pictures left. The first one is next.
    cameras: VecDeque<Playing>,
    publisher: String,
    format: pb::PictureFormat,
    size: (u32, u32),
    capture_time: CaptureTime,
    attributes: BTreeMap<String, String>,
    traceparent: String,
    /// The pictures per second to take from a video; `None` for all.
    video_fps: Option<f64>,
}

impl Reader {
    pub(super) fn new(args: &SubmitArgs, cameras: Vec<Camera>, publisher: String, first_number: u64) -> Self {
        let playing = |camera| Playing {
            camera,
            position: 0,
            rounds_left: args.repeat.0,
            flow: None,
            first: None,
            next_sequence: first_number,
        };
        Self {
            cameras: cameras.into_iter().map(playing).collect(),
            publisher,
            format: args.raw_format.map_or(pb::PictureFormat::Unspecified, super::RawFormat::to_pb),
            size: (args.width.unwrap_or_default(), args.height.unwrap_or_default()),
            capture_time: args.capture_time,
            attributes: args.attributes.iter().cloned().collect(),
            traceparent: args.traceparent.clone(),
            video_fps: args.fps,
        }
    }

    /// Waits for the first picture of each camera whose first item is a video or a pipe. So a source
    /// without pictures is reported before anything is sent.
    ///
    /// # Errors
    /// Fails if a source has no pictures.
    pub(super) async fn prepare(&mut self) -> Result<(), Failure> {
        for playing in &mut self.cameras {
            playing.prepare(self.video_fps).await?;
        }
        Ok(())
    }

    /// Takes out the pictures whose files are larger than `max_bytes`, and returns them with their
    /// streams.
    pub(super) fn leave_out_larger(&mut self, max_bytes: u64) -> Vec<(PathBuf, String)> {
        let mut left_out = Vec::new();
        for playing in &mut self.cameras {
            let Camera { stream, items } = &mut playing.camera;
            items.retain(|item| {
                let Item::Picture(file) = item else { return true };
                let is_larger = fs::metadata(file).is_ok_and(|about| about.len() > max_bytes);
                if is_larger {
                    left_out.push((file.clone(), stream.clone()));
                }
                !is_larger
            });
        }
        left_out
    }

    /// Returns the number of cameras that have pictures left.
    pub(super) fn cameras(&self) -> usize {
        self.cameras.len()
    }

    /// Returns the next frame; `None` after the last one.
    ///
    /// This is cancel safe: dropping the future loses no picture.
    pub(super) async fn next(&mut self) -> Result<Option<pb::Frame>, Failure> {
        loop {
            let Some(playing) = self.cameras.front_mut() else { return Ok(None) };
            let Some(picture) = playing.next(self.video_fps).await? else {
                self.cameras.pop_front();
                continue;
            };
            let (stream, sequence) = (playing.camera.stream.clone(), playing.next_sequence);
            playing.next_sequence += 1;
            self.cameras.rotate_left(1);
            return Ok(Some(self.frame(stream, sequence, picture)));
        }
    }

    fn frame(&self, stream_id: String, sequence: u64, picture: Picture) -> pb::Frame {
        let captured = match self.capture_time {
            CaptureTime::None | CaptureTime::Now => None,
            CaptureTime::File => picture.modified,
        };
        let mut attributes = self.attributes.clone();
        attributes.entry("file".to_owned()).or_insert(picture.name);
        pb::Frame {
            stream_id,
            publisher_id: self.publisher.clone(),
            publisher_sequence: Some(sequence),
            capture_time: captured.map(timestamp),
            format: self.format.into(),
            width: self.size.0,
            height: self.size.1,
            data: picture.data,
            attributes,
            traceparent: self.traceparent.clone(),
            ..Default::default()
        }
    }

    /// Sets the capture time of a frame to now, if `--capture-time now` is given. Call it right
    /// before the frame is sent, which may be long after it was read.
    pub(super) fn set_capture_time(&self, frame: &mut pb::Frame) {
        if matches!(self.capture_time, CaptureTime::Now) {
            frame.capture_time = Some(timestamp(SystemTime::now()));
        }
    }
}

impl Playing {
    async fn prepare(&mut self, video_fps: Option<f64>) -> Result<(), Failure> {
        if let Some(Item::Video(_) | Item::StandardInput) = self.camera.items.first() {
            self.open(video_fps)?;
            let first = match &mut self.flow {
                Some(flow) => flow.recv().await.transpose()?,
                None => None,
            };
            self.first = first.map(Ok);
        }
        Ok(())
    }

    /// Opens the flow of the item at the position; a picture has none.
    fn open(&mut self, video_fps: Option<f64>) -> Result<(), Failure> {
        self.flow = match self.camera.items.get(self.position) {
            Some(Item::Video(file)) => Some(video::open(file, video_fps)?),
            Some(Item::StandardInput) => Some(video::standard_input()),
            Some(Item::Picture(_)) | None => None,
        };
        Ok(())
    }

    async fn next(&mut self, video_fps: Option<f64>) -> Result<Option<Picture>, Failure> {
        loop {
            if let Some(flow) = &mut self.flow {
                let received = match self.first.take() {
                    Some(first) => Some(first),
                    None => flow.recv().await,
                };
                if let Some(data) = received.transpose()? {
                    let name = match self.camera.items.get(self.position) {
                        Some(Item::Video(file) | Item::Picture(file)) => file_name(file),
                        Some(Item::StandardInput) | None => "stdin".to_owned(),
                    };
                    return Ok(Some(Picture { data, name, modified: None }));
                }
                self.flow = None;
                self.position += 1;
            }
            if self.position == self.camera.items.len() {
                self.position = 0;
                self.rounds_left = self.rounds_left.map(|left| left.saturating_sub(1));
            }
            if self.rounds_left == Some(0) {
                return Ok(None);
            }
            match self.camera.items.get(self.position) {
                None => return Ok(None),
                Some(Item::Picture(file)) => {
                    let picture = read(file)?;
                    self.position += 1;
                    return Ok(Some(picture));
                }
                Some(Item::Video(_) | Item::StandardInput) => self.open(video_fps)?,
            }
        }
    }
}

fn read(file: &Path) -> Result<Picture, Failure> {
    let data = fs::read(file).with_context(|| format!("cannot read {}", file.display()));
    let modified = fs::metadata(file).and_then(|about| about.modified()).ok();
    Ok(Picture { data: data.map_err(Failure::Usage)?.into(), name: file_name(file), modified })
}

/// Returns a file's name, shortened to the maximum size of an attribute.
pub(super) fn file_name(file: &Path) -> String {
    let name = file.file_name().unwrap_or_default().to_string_lossy();
    let mut end = name.len().min(256);
    while !name.is_char_boundary(end) {
        end -= 1;
    }
    name[..end].to_owned()
}

#[cfg(test)]
mod tests {
    use clap::Parser as _;

    use super::super::cameras::Cameras;
    use super::*;

    #[derive(Debug, clap::Parser)]
    struct Line {
        #[command(flatten)]
        args: SubmitArgs,
    }

    fn reader(arguments: &[&str]) -> (Reader, Option<u64>) {
        let line = Line::parse_from([&["submit"], arguments].concat());
        let found = Cameras::find(&line.args).unwrap();
        let total = found.total(line.args.repeat.0);
        (Reader::new(&line.args, found.cameras, "me".to_owned(), 10), total)
    }

    async fn frames(reader: &mut Reader, count: usize) -> Vec<String> {
        let mut frames = Vec::new();
        while frames.len() < count
            && let Some(frame) = reader.next().await.unwrap()
        {
            let (sequence, file) = (frame.publisher_sequence.unwrap_or_default(), &frame.attributes["file"]);
            frames.push(format!("{} {sequence} {file}", frame.stream_id));
        }
        frames
    }

    #[tokio::test]
    async fn cameras_take_turns_and_keep_their_order() {
        let folder = tempfile::tempdir().unwrap();
        for name in ["a/2.jpg", "a/10.jpg", "a/1.jpg", "b/1.jpg", "b/inner/1.png"] {
            let file = folder.path().join(name);
            fs::create_dir_all(file.parent().unwrap()).unwrap();
            fs::write(file, [0xFF, 0xD8, 0xFF]).unwrap();
        }
        let path = folder.path().to_string_lossy().into_owned();
        let (mut once, total) = reader(&[&path]);
        let all = ["a 10 1.jpg", "b 10 1.jpg", "inner 10 1.png", "a 11 2.jpg", "a 12 10.jpg"];
        assert_eq!((frames(&mut once, 100).await, total), (all.map(str::to_owned).to_vec(), Some(5)));
        // Each camera repeats its own pictures.
        let (mut twice, total) = reader(&[&path, "--repeat", "2"]);
        let shown = frames(&mut twice, 100).await;
        assert_eq!((shown.len(), total), (10, Some(10)), "{shown:?}");
        assert_eq!(shown[3..6], ["a 11 2.jpg", "b 11 1.jpg", "inner 11 1.png"]);
        let (mut endless, total) = reader(&[&path, "--repeat", "forever"]);
        assert_eq!((frames(&mut endless, 1000).await.len(), total), (1000, None));
        let (mut one, _) = reader(&[&format!("{path}/a/1.jpg")]);
        assert_eq!(frames(&mut one, 100).await, ["1 10 1.jpg"]);
    }
}
