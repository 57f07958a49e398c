//! Reading files as frames.

use std::collections::{BTreeMap, HashMap};
use std::fs;
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use anyhow::Context as _;

use super::{CaptureTime, SubmitArgs};
use crate::console::Failure;
use crate::console::output::timestamp;
use crate::pb::v1 as pb;

/// The source of publisher sequences; each stream has its own count.
#[derive(Debug)]
pub(super) struct Sequences {
    first: u64,
    next: HashMap<String, u64>,
}

impl From<u64> for Sequences {
    fn from(first: u64) -> Self {
        Self { first, next: HashMap::new() }
    }
}

impl Sequences {
    fn take(&mut self, stream: &str) -> u64 {
        let next = self.next.entry(stream.to_owned()).or_insert(self.first);
        let sequence = *next;
        *next += 1;
        sequence
    }
}

/// A reader that returns the files in order, `--repeat` times.
#[derive(Debug)]
pub(super) struct Reader {
    files: Vec<(PathBuf, String)>,
    position: usize,
    rounds_left: u64,
    publisher: String,
    sequences: Sequences,
    format: pb::PictureFormat,
    size: (u32, u32),
    capture_time: CaptureTime,
    attributes: BTreeMap<String, String>,
    traceparent: String,
}

impl Reader {
    pub(super) fn new(
        args: &SubmitArgs,
        files: Vec<PathBuf>,
        streams: Vec<String>,
        publisher: String,
        sequences: Sequences,
    ) -> Self {
        Self {
            files: files.into_iter().zip(streams).collect(),
            position: 0,
            rounds_left: args.repeat,
            publisher,
            sequences,
            format: args.raw_format.map_or(pb::PictureFormat::Unspecified, super::RawFormat::to_pb),
            size: (args.width.unwrap_or_default(), args.height.unwrap_or_default()),
            capture_time: args.capture_time,
            attributes: args.attributes.iter().cloned().collect(),
            traceparent: args.traceparent.clone(),
        }
    }

    /// Returns the next frame; `None` after the last one.
    pub(super) fn next(&mut self) -> Result<Option<pb::Frame>, Failure> {
        if self.position == self.files.len() {
            self.position = 0;
            self.rounds_left = self.rounds_left.saturating_sub(1);
        }
        if self.rounds_left == 0 {
            return Ok(None);
        }
        let Some((file, stream)) = self.files.get(self.position) else { return Ok(None) };
        self.position += 1;
        let data = fs::read(file)
            .with_context(|| format!("cannot read {}", file.display()))
            .map_err(Failure::Usage)?;
        let captured = match self.capture_time {
            CaptureTime::None | CaptureTime::Now => None,
            CaptureTime::File => fs::metadata(file).and_then(|about| about.modified()).ok(),
        };
        let mut attributes = self.attributes.clone();
        attributes.entry("file".to_owned()).or_insert_with(|| file_name(file));
        Ok(Some(pb::Frame {
            stream_id: stream.clone(),
            publisher_id: self.publisher.clone(),
            publisher_sequence: Some(self.sequences.take(stream)),
            capture_time: captured.map(timestamp),
            format: self.format.into(),
            width: self.size.0,
            height: self.size.1,
            data: data.into(),
            attributes,
            traceparent: self.traceparent.clone(),
            ..Default::default()
        }))
    }

    /// Sets the capture time of a frame to now, if `--capture-time now` is given. Call it right
    /// before the frame is sent, which may be long after it was read.
    pub(super) fn set_capture_time(&self, frame: &mut pb::Frame) {
        if matches!(self.capture_time, CaptureTime::Now) {
            frame.capture_time = Some(timestamp(SystemTime::now()));
        }
    }
}

/// Returns a file's name, shortened to the maximum size of an attribute.
fn file_name(file: &Path) -> String {
    let name = file.file_name().unwrap_or_default().to_string_lossy();
    let mut end = name.len().min(256);
    while !name.is_char_boundary(end) {
        end -= 1;
    }
    name[..end].to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_stream_has_its_own_publisher_sequences() {
        let mut sequences = Sequences::from(10);
        assert_eq!(["a", "b", "a"].map(|stream| sequences.take(stream)), [10, 10, 11]);
    }
}
