//! Pictures of the service as images of the [`image`] crate.
//!
//! The client itself is `frameway::client`. It does not depend on codecs; a program that looks at
//! pictures can copy this file.

use frameway::pb::v1 as pb;
use frameway::pb::v1::picture::Content;
use image::{DynamicImage, ImageFormat, ImageReader, Limits};

/// The maximum width and height of a picture. No server sends larger ones.
const MAX_SIDE: u32 = 8_192;

/// The reason why a picture is no image.
#[derive(Debug, thiserror::Error)]
pub enum PictureError {
    /// The frame has no picture of this role: select it in the request.
    #[error("the frame has no {0:?} picture: select it in the request")]
    Missing(pb::PictureRole),
    /// The picture came without its data, for this reason.
    #[error("the picture came without data: {0}")]
    Omitted(String),
    /// The data has a format that the `image` crate does not read.
    #[error("a picture of format {0} cannot be decoded")]
    Format(String),
    /// The data is damaged.
    #[error("the picture cannot be decoded: {0}")]
    Damaged(#[from] image::ImageError),
}

/// Decodes the picture of a frame.
///
/// Decoding takes milliseconds of a core: call it in [`spawn_blocking`](tokio::task::spawn_blocking).
///
/// # Errors
/// Returns a [`PictureError`] if the frame has no such picture, or it cannot be decoded.
pub fn picture(frame: &pb::ProcessedFrame, role: pb::PictureRole) -> Result<DynamicImage, PictureError> {
    let picture = frame.pictures.iter().find(|one| one.role == i32::from(role));
    let picture = picture.ok_or(PictureError::Missing(role))?;
    let data = match &picture.content {
        Some(Content::Data(data)) => data,
        Some(Content::OmittedReason(reason)) => {
            let known = pb::OmittedReason::try_from(*reason);
            let name =
                known.map_or_else(|_| format!("reason {reason}"), |known| known.as_str_name().to_owned());
            return Err(PictureError::Omitted(name));
        }
        None => return Err(PictureError::Omitted("unknown reason".to_owned())),
    };
    let format = match pb::PictureFormat::try_from(picture.format) {
        Ok(pb::PictureFormat::Jpeg) => ImageFormat::Jpeg,
        Ok(pb::PictureFormat::Png) => ImageFormat::Png,
        Ok(pb::PictureFormat::Webp) => ImageFormat::WebP,
        Ok(other) => return Err(PictureError::Format(other.as_str_name().to_owned())),
        Err(_) => return Err(PictureError::Format(picture.format.to_string())),
    };
    let mut reader = ImageReader::with_format(std::io::Cursor::new(data), format);
    let mut limits = Limits::default();
    limits.max_image_width = Some(MAX_SIDE);
    limits.max_image_height = Some(MAX_SIDE);
    reader.limits(limits);
    Ok(reader.decode()?)
}
