//! Drawing the contact sheet of `frameway look`.

use std::path::Path;

use bytes::Bytes;

use crate::picture::{Codec, DEFAULT_JPEG_QUALITY, Limits, SourcePicture, Tile};

/// The format of a sheet.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Format {
    Jpeg,
    Png,
}

impl Format {
    /// Returns the format that the file's extension names.
    pub(super) fn of(file: &Path) -> Option<Self> {
        let extension = file.extension()?.to_str()?.to_ascii_lowercase();
        match extension.as_str() {
            "jpg" | "jpeg" => Some(Self::Jpeg),
            "png" => Some(Self::Png),
            _ => None,
        }
    }
}

/// The part of a sheet that shows one stream.
#[derive(Debug)]
pub(super) struct Shown {
    /// The lines below the picture.
    pub(super) label: String,
    /// The label says that something is wrong.
    pub(super) is_warning: bool,
    /// The encoded picture.
    pub(super) picture: Option<Bytes>,
}

/// An encoded sheet.
#[derive(Debug)]
pub(super) struct Sheet {
    pub(super) data: Bytes,
    /// Its width in pixels.
    pub(super) width: u32,
}

/// Draws the sheet and encodes it.
///
/// # Errors
/// The sheet would be larger than a picture may be.
pub(super) fn draw(shown: &[Shown], columns: u32, width: u32, format: Format) -> anyhow::Result<Sheet> {
    let mut codec = Codec::new(Limits::default());
    // A picture that cannot be decoded, for example of a relayed stream, leaves its tile empty.
    let mut decode = |data: &Bytes| codec.decode(&SourcePicture::encoded(data)?).ok();
    let decoded: Vec<_> = shown.iter().map(|one| one.picture.as_ref().and_then(&mut decode)).collect();
    let tile = |(one, picture)| {
        let one: &Shown = one;
        Tile { label: one.label.clone(), picture, is_warning: one.is_warning }
    };
    let tiles: Vec<Tile<'_>> = shown.iter().zip(decoded.iter().map(Option::as_ref)).map(tile).collect();
    let sheet = codec.contact_sheet(&tiles, columns, width)?;
    let data = match format {
        Format::Jpeg => codec.encode_canvas(&sheet, DEFAULT_JPEG_QUALITY)?,
        Format::Png => codec.encode_canvas_as_png(&sheet)?,
    };
    Ok(Sheet { data, width: sheet.width() })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_extension_says_the_format() {
        let format = |name: &str| Format::of(Path::new(name));
        assert_eq!((format("a.JPG"), format("b/c.jpeg")), (Some(Format::Jpeg), Some(Format::Jpeg)));
        assert_eq!((format("a.png"), format("a.gif"), format("png")), (Some(Format::Png), None, None));
    }
}
