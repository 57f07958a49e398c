//! The flags for renditions: pictures that the server makes for this subscriber.

use clap::Args;

use crate::cli::streams::Format;
use crate::pb::v1 as pb;

/// Pictures in another format or size than the stream's, made by the server. With any of these
/// flags they replace the processed pictures.
#[derive(Debug, Clone, Default, Args)]
#[command(next_help_heading = "Renditions")]
pub(super) struct RenditionArgs {
    /// Format of the pictures.
    #[arg(long, value_name = "FORMAT", value_enum)]
    format: Option<Format>,

    /// Quality of JPEG and lossy WebP, 1 to 100.
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..=100))]
    quality: Option<u32>,

    /// Encode WebP without loss.
    #[arg(long)]
    lossless: bool,

    /// Maximum width in pixels.
    #[arg(long, value_name = "PIXELS")]
    max_width: Option<u32>,

    /// Maximum height in pixels.
    #[arg(long, value_name = "PIXELS")]
    max_height: Option<u32>,
}

impl RenditionArgs {
    /// Returns the rendition; `None` if no flag is given.
    pub(super) fn rendition(&self) -> Option<pb::Rendition> {
        let Self { format, quality, lossless, max_width, max_height } = self;
        let rendition = pb::Rendition {
            format: format.map_or(pb::PictureFormat::Unspecified, Format::to_pb).into(),
            quality: *quality,
            max_width: *max_width,
            max_height: *max_height,
            lossless: *lossless,
        };
        (rendition != pb::Rendition::default()).then_some(rendition)
    }

    /// Replaces the processed picture by the rendition in `roles`, if a flag is given.
    pub(super) fn with_rendition(&self, mut roles: Vec<pb::PictureRole>) -> Vec<pb::PictureRole> {
        if self.rendition().is_some()
            && !roles.contains(&pb::PictureRole::Rendition)
            && let Some(processed) = roles.iter_mut().find(|role| **role == pb::PictureRole::Processed)
        {
            *processed = pb::PictureRole::Rendition;
        }
        roles
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_rendition_replaces_the_processed_picture() {
        use pb::PictureRole as R;
        let none = RenditionArgs::default();
        assert_eq!(none.rendition(), None);
        assert_eq!(none.with_rendition(vec![R::Processed]), [R::Processed]);
        let small = RenditionArgs { max_width: Some(320), ..none };
        assert_eq!(small.rendition().and_then(|one| one.max_width), Some(320));
        assert_eq!(small.with_rendition(vec![R::Thumbnail, R::Processed]), [R::Thumbnail, R::Rendition]);
        assert_eq!(small.with_rendition(vec![R::Processed, R::Rendition]), [R::Processed, R::Rendition]);
    }
}
