//! The pictures that a subscriber requests.

use crate::domain::limits::DEFAULT_MAX_DELIVERED_PICTURE_BYTES;
use crate::domain::{PictureRole, Rendition, Scope, StreamId};

/// The requested pictures of a frame, and their maximum size.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct PictureWant {
    /// Request the thumbnail.
    pub thumbnail: bool,
    /// Request the processed picture.
    pub processed: bool,
    /// Request the submitted bytes.
    pub original: bool,
    /// Request a picture made on demand from the processed one.
    pub rendition: Option<Rendition>,
    /// The maximum size of a picture, in bytes; a larger one is left out. 0 =
    /// [`DEFAULT_MAX_DELIVERED_PICTURE_BYTES`].
    pub max_picture_bytes: u32,
    /// The streams whose originals may be sent; `None` = all.
    pub originals: Option<Scope>,
}

impl PictureWant {
    /// Returns the requested roles.
    pub fn roles(&self) -> impl Iterator<Item = PictureRole> + use<> {
        let asked = [
            (self.thumbnail, PictureRole::Thumbnail),
            (self.processed, PictureRole::Processed),
            (self.original, PictureRole::Original),
            (self.rendition.is_some(), PictureRole::Rendition),
        ];
        asked.into_iter().filter_map(|(wanted, role)| wanted.then_some(role))
    }

    /// Reports whether the originals of a stream may be sent.
    #[must_use]
    pub fn may_send_original(&self, stream: &StreamId) -> bool {
        self.originals.as_ref().is_none_or(|scope| scope.contains(stream.as_str()))
    }

    /// Returns the maximum that applies.
    #[must_use]
    pub fn limit_bytes(&self) -> u64 {
        match self.max_picture_bytes {
            0 => u64::from(DEFAULT_MAX_DELIVERED_PICTURE_BYTES),
            bytes => u64::from(bytes),
        }
    }
}
