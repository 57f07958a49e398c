//! Contact sheets: many pictures, small and labelled, on one.

use super::{Canvas, Codec, Color, DEFAULT_JPEG_QUALITY, EncodeError, Planes, SourcePicture, resize, rgb};
use crate::domain::picture::PictureFormat;
use bytes::Bytes;

const BACKGROUND: Color = [24, 26, 30];
const INK: Color = [225, 228, 232];
const GAP: u32 = 8;
const LABEL_HEIGHT: u32 = 18;

/// A picture of a contact sheet and what is written under it.
#[derive(Debug, Clone)]
pub struct Tile<'a> {
    /// One line; cut where it is wider than the tile.
    pub label: String,
    /// The picture.
    pub picture: &'a Planes,
}

impl Codec {
    /// A JPEG that shows the tiles in rows of `columns`, each scaled to `tile_width` pixels (never enlarged).
    ///
    /// # Errors
    ///
    /// If the sheet grows beyond what a JPEG or this codec's limits allow.
    pub fn contact_sheet(
        &mut self,
        tiles: &[Tile<'_>],
        columns: u32,
        tile_width: u32,
    ) -> Result<Bytes, EncodeError> {
        let columns = columns.clamp(1, tiles.len().max(1) as u32);
        let tile_width = tile_width.clamp(16, 4_096);
        let mut pictures = Vec::with_capacity(tiles.len());
        for tile in tiles {
            pictures.push(self.scaled_canvas(tile.picture, tile_width)?);
        }
        let tile_height = pictures.iter().map(Canvas::height).max().unwrap_or(tile_width);
        let rows = (tiles.len() as u32).div_ceil(columns).max(1);
        let (step_x, step_y) = (tile_width + GAP, tile_height + LABEL_HEIGHT + GAP);
        let (width, height) = (GAP + columns * step_x, GAP + rows * step_y);
        self.limits()
            .check_dimensions(width, height)
            .map_err(|error| EncodeError::Codec(error.to_string()))?;
        let mut sheet = Canvas::new(width, height, BACKGROUND);
        for (index, (tile, picture)) in (0_u32..).zip(tiles.iter().zip(&pictures)) {
            let left = GAP + index % columns * step_x;
            let top = GAP + index / columns * step_y;
            let inset = (tile_width - picture.width()) / 2;
            sheet.paste(i64::from(left + inset), i64::from(top), picture);
            let fitting = (tile_width / Canvas::text_size(2, 1).0.div_ceil(2)) as usize;
            let label: String = tile.label.chars().take(fitting).collect();
            sheet.text(i64::from(left), i64::from(top + tile_height + 6), 1, INK, &label);
        }
        self.encode_canvas(&sheet, DEFAULT_JPEG_QUALITY)
    }

    /// Encodes a drawn picture as JPEG 4:2:0.
    ///
    /// # Errors
    ///
    /// If the canvas is beyond this codec's limits, or the encoder fails.
    pub fn encode_canvas(&mut self, canvas: &Canvas, quality: u8) -> Result<Bytes, EncodeError> {
        let source = SourcePicture {
            format: PictureFormat::Rgb8,
            width: canvas.width(),
            height: canvas.height(),
            stride: 0,
            data: canvas.pixels(),
        };
        let planes = self.decode(&source).map_err(|error| EncodeError::Codec(error.to_string()))?;
        let encoded = self.encode_jpeg(&planes, quality);
        self.recycle(planes);
        encoded
    }

    fn scaled_canvas(&mut self, planes: &Planes, width: u32) -> Result<Canvas, EncodeError> {
        let width = width.min(planes.width());
        let longest = (u64::from(planes.height().max(planes.width())) * u64::from(width)
            / u64::from(planes.width())) as u32;
        let (width, height) = resize::fit(planes.width(), planes.height(), longest);
        let small = self.resize(planes, width, height)?;
        let pixels = rgb::to_rgb(&small)?;
        Canvas::from_pixels(small.width(), small.height(), pixels)
            .ok_or_else(|| EncodeError::Codec("a picture of another size".to_owned()))
    }
}
