//! Contact sheets: many small pictures with labels in one picture.

use super::{Canvas, Codec, Color, EncodeError, Planes, SourcePicture, Subsampling, chroma, resize, rgb};
use crate::domain::picture::PictureFormat;
use bytes::Bytes;

const BACKGROUND: Color = [24, 26, 30];
const TEXT_COLOR: Color = [225, 228, 232];
const GAP: u32 = 8;
const LABEL_HEIGHT: u32 = 18;

/// A picture of a contact sheet and its label.
#[derive(Debug, Clone)]
pub struct Tile<'a> {
    /// The label: one line, truncated to the width of the tile.
    pub label: String,
    /// The picture.
    pub picture: &'a Planes,
}

impl Codec {
    /// Draws the tiles in rows of `columns`, each scaled to `tile_width` pixels (never enlarged).
    /// The tallest picture of a row determines its height, and each label is directly below its
    /// picture.
    ///
    /// # Errors
    ///
    /// Fails if the sheet exceeds this codec's limits.
    pub fn contact_sheet(
        &mut self,
        tiles: &[Tile<'_>],
        columns: u32,
        tile_width: u32,
    ) -> Result<Canvas, EncodeError> {
        let columns = columns.clamp(1, tiles.len().max(1) as u32);
        let tile_width = tile_width.clamp(16, 4_096);
        let mut pictures = Vec::with_capacity(tiles.len());
        for tile in tiles {
            pictures.push(self.scaled_canvas(tile.picture, tile_width)?);
        }
        let rows: Vec<&[Canvas]> = pictures.chunks(columns as usize).collect();
        let width = GAP + columns * (tile_width + GAP);
        let height = rows.iter().fold(GAP, |height, row| height.saturating_add(row_height(row)));
        self.limits()
            .check_dimensions(width, height)
            .map_err(|error| EncodeError::Codec(error.to_string()))?;
        let mut sheet = Canvas::new(width, height, BACKGROUND);
        let fitting = (tile_width / Canvas::text_size(2, 1).0.div_ceil(2)) as usize;
        let mut labels = tiles.iter().map(|tile| &tile.label);
        let mut top = GAP;
        for row in rows {
            for ((column, picture), label) in (0_u32..).zip(row).zip(&mut labels) {
                let left = GAP + column * (tile_width + GAP);
                let inset = (tile_width - picture.width()) / 2;
                sheet.paste(i64::from(left + inset), i64::from(top), picture);
                let label: String = label.chars().take(fitting).collect();
                sheet.text(i64::from(left), i64::from(top + picture.height() + 6), 1, TEXT_COLOR, &label);
            }
            top += row_height(row);
        }
        Ok(sheet)
    }

    /// Encodes a drawn picture as JPEG 4:2:0.
    ///
    /// # Errors
    ///
    /// Fails if the canvas exceeds this codec's limits, or the encoder fails.
    pub fn encode_canvas(&mut self, canvas: &Canvas, quality: u8) -> Result<Bytes, EncodeError> {
        let source = SourcePicture {
            format: PictureFormat::Rgb8,
            width: canvas.width(),
            height: canvas.height(),
            stride: 0,
            colors: Default::default(),
            data: canvas.pixels(),
        };
        let planes = self.decode(&source).map_err(|error| EncodeError::Codec(error.to_string()))?;
        let encoded = self.encode_jpeg(&chroma::with_subsampling(&planes, Subsampling::S420), quality);
        self.recycle(planes);
        encoded
    }

    fn scaled_canvas(&mut self, planes: &Planes, width: u32) -> Result<Canvas, EncodeError> {
        let width = width.min(planes.width());
        let longest = (u64::from(planes.height().max(planes.width())) * u64::from(width)
            / u64::from(planes.width())) as u32;
        let (width, height) = resize::fit(planes.width(), planes.height(), longest);
        let small = self.resize(planes, width, height, Subsampling::S420)?;
        let pixels = rgb::to_rgb(&small)?;
        Canvas::from_pixels(small.width(), small.height(), pixels)
            .ok_or_else(|| EncodeError::Codec("a picture of another size".to_owned()))
    }
}

/// Returns the pixels from the top of a row to that of the next one.
fn row_height(row: &[Canvas]) -> u32 {
    row.iter().map(Canvas::height).max().unwrap_or(0) + LABEL_HEIGHT + GAP
}
