//! The picture of a dead letter.

use bytes::Bytes;

use crate::client::{Client, MAX_PICTURE_BYTES};
use crate::console::{Failure, refused};
use crate::pb::v1 as pb;
use crate::pb::v1::picture::Content;

/// Reads a dead letter, with its picture unless `metadata_only`.
pub(super) async fn read(client: &Client, id: &str, metadata_only: bool) -> Result<pb::DeadLetter, Failure> {
    let request = pb::GetDeadLetterRequest {
        dead_letter_id: id.to_owned(),
        max_picture_bytes: Some(MAX_PICTURE_BYTES),
        metadata_only,
    };
    let answer = client.dead_letters.clone().get_dead_letter(request).await;
    let answer = answer.map_err(|status| refused("reading the dead letter", &status))?;
    Ok(answer.into_inner().dead_letter.unwrap_or_default())
}

/// Takes the bytes of the picture; `None` if none is kept.
///
/// # Errors
/// The server omitted it; returns the reason.
pub(super) fn data(letter: &mut pb::DeadLetter) -> Result<Option<Bytes>, String> {
    match letter.picture.as_mut().and_then(|picture| picture.content.take()) {
        Some(Content::Data(data)) => Ok(Some(data)),
        Some(Content::OmittedReason(reason)) => {
            let reason = pb::OmittedReason::try_from(reason).unwrap_or_default().as_str_name();
            Err(format!("the server omitted the picture: {reason}"))
        }
        None => Ok(None),
    }
}

/// Returns the extension of a file with the picture.
pub(super) fn extension(picture: &pb::Picture) -> &'static str {
    match picture.format() {
        pb::PictureFormat::Jpeg => "jpg",
        pb::PictureFormat::Png => "png",
        pb::PictureFormat::Webp => "webp",
        pb::PictureFormat::Unspecified
        | pb::PictureFormat::Rgb8
        | pb::PictureFormat::Bgr8
        | pb::PictureFormat::Gray8
        | pb::PictureFormat::Nv12
        | pb::PictureFormat::I420 => "bin",
    }
}
