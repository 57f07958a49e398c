//! Saving pictures to files.

use std::fs;
use std::path::PathBuf;

use anyhow::Context as _;

use crate::console::Failure;
use crate::console::output::{short, write_whole};
use crate::pb::v1 as pb;
use crate::pb::v1::picture::Content;

/// Writes pictures into a folder.
#[derive(Debug)]
pub(super) struct Saver {
    folder: PathBuf,
    /// A frame may have several pictures, so file names contain the role.
    several: bool,
}

impl Saver {
    /// Creates the folder.
    ///
    /// # Errors
    /// Fails if it cannot be created.
    pub(super) fn new(folder: PathBuf, several: bool) -> Result<Self, Failure> {
        let made = fs::create_dir_all(&folder).with_context(|| format!("cannot create {}", folder.display()));
        made.map_err(Failure::Usage)?;
        Ok(Self { folder, several })
    }

    /// Writes the pictures of a frame that have data, and returns the files.
    ///
    /// # Errors
    /// Fails if a file cannot be written.
    pub(super) fn save(&mut self, frame: &pb::ProcessedFrame) -> Result<Vec<PathBuf>, Failure> {
        let mut saved = Vec::new();
        for picture in &frame.pictures {
            let Some(Content::Data(data)) = &picture.content else { continue };
            let path = self.folder.join(file_name(frame, picture, self.several));
            write_whole(&path, data).map_err(Failure::Failed)?;
            saved.push(path);
        }
        Ok(saved)
    }
}

fn file_name(frame: &pb::ProcessedFrame, picture: &pb::Picture, several: bool) -> String {
    let role = if several { format!("-{}", role_name(picture)) } else { String::new() };
    format!("{}-{:09}{role}.{}", frame.stream_id, frame.sequence, extension(picture.format()))
}

/// Returns the role's name in lower case.
pub(super) fn role_name(picture: &pb::Picture) -> String {
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

    #[test]
    fn file_names_sort_by_sequence() {
        let folder = tempfile::tempdir().unwrap();
        let picture = pb::Picture {
            role: pb::PictureRole::Processed.into(),
            format: pb::PictureFormat::Jpeg.into(),
            content: Some(Content::Data(bytes::Bytes::from_static(b"jpeg"))),
            ..Default::default()
        };
        let omitted = pb::Picture { content: Some(Content::OmittedReason(1)), ..picture.clone() };
        let frame = pb::ProcessedFrame {
            stream_id: "cam".to_owned(),
            sequence: 7,
            pictures: vec![picture, omitted],
            ..Default::default()
        };
        let mut saver = Saver::new(folder.path().join("new/folder"), false).unwrap();
        let saved = saver.save(&frame).unwrap();
        assert_eq!(saved, [folder.path().join("new/folder/cam-000000007.jpg")]);
        assert_eq!(fs::read(&saved[0]).unwrap(), b"jpeg");
        assert_eq!(file_name(&frame, &frame.pictures[0], true), "cam-000000007-processed.jpg");
    }
}
