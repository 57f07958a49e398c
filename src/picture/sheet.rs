//! Contact sheets: many small pictures with labels in one picture.

use super::{Canvas, Codec, Color, EncodeError, Planes, SourcePicture, Subsampling, chroma, resize, rgb};
use crate::domain::OutputFormat;
use crate::domain::picture::PictureFormat;
use bytes::Bytes;

const BACKGROUND: Color = [24, 26, 30];
const EMPTY_COLOR: Color = [40, 43, 50];
const TEXT_COLOR: Color = [225, 228, 232];
const WARNING_COLOR: Color = [255, 176, 84];
const GAP: u32 = 8;
/// The distance from a picture to its label.
const LABEL_GAP: u32 = 6;
/// The height of a line of a label, in font pixels.
const LINE_HEIGHT: u32 = 11;
/// Labels of tiles from this width on are drawn twice as large.
const LARGE_TILE_WIDTH: u32 = 400;

/// A picture of a contact sheet and its label.
#[derive(Debug, Clone)]
pub struct Tile<'a> {
    /// The lines of the label, each truncated to the width of the tile.
    pub label: String,
    /// The picture; without one, the tile is an empty area.
    pub picture: Option<&'a Planes>,
    /// Draws the label in the colour of a warning.
    pub is_warning: bool,
}

impl<'a> Tile<'a> {
    /// Creates a tile of a picture.
    #[must_use]
    pub fn new(label: String, picture: &'a Planes) -> Self {
        Self { label, picture: Some(picture), is_warning: false }
    }
}

impl Codec {
    /// Draws the tiles in rows of `columns`, each scaled to `tile_width` pixels (never enlarged).
    /// The tallest tile of a row determines its height, and each label is directly below its
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
        let scale = if tile_width < LARGE_TILE_WIDTH { 1 } else { 2 };
        let mut drawn = Vec::with_capacity(tiles.len());
        for tile in tiles {
            let picture = match tile.picture {
                Some(picture) => self.scaled_canvas(picture, tile_width)?,
                None => empty(tile_width, scale),
            };
            drawn.push((tile, picture));
        }
        let rows: Vec<_> = drawn.chunks(columns as usize).collect();
        let width = GAP + columns * (tile_width + GAP);
        let height = rows.iter().fold(GAP, |height, row| height.saturating_add(row_height(row, scale)));
        self.limits()
            .check_dimensions(width, height)
            .map_err(|error| EncodeError::Codec(error.to_string()))?;
        let mut sheet = Canvas::new(width, height, BACKGROUND);
        let fitting = (tile_width / Canvas::text_size(2, scale).0.div_ceil(2)) as usize;
        let mut top = GAP;
        for row in rows {
            for (column, (tile, picture)) in (0_u32..).zip(row) {
                let left = GAP + column * (tile_width + GAP);
                let inset = (tile_width - picture.width()) / 2;
                sheet.paste(i64::from(left + inset), i64::from(top), picture);
                let color = if tile.is_warning { WARNING_COLOR } else { TEXT_COLOR };
                for (line, text) in (0_u32..).zip(tile.label.lines()) {
                    let y = top + picture.height() + LABEL_GAP + line * LINE_HEIGHT * scale;
                    let text: String = text.chars().take(fitting).collect();
                    sheet.text(i64::from(left), i64::from(y), scale, color, &text);
                }
            }
            top += row_height(row, scale);
        }
        Ok(sheet)
    }

    /// Encodes a drawn picture as PNG.
    ///
    /// # Errors
    ///
    /// Fails if the canvas exceeds this codec's limits, or the encoder fails.
    pub fn encode_canvas_as_png(&mut self, canvas: &Canvas) -> Result<Bytes, EncodeError> {
        let planes = self.canvas_planes(canvas)?;
        let encoded = self.encode(&planes, OutputFormat::Png, 0);
        self.recycle(planes);
        encoded
    }

    /// Encodes a drawn picture as JPEG 4:2:0.
    ///
    /// # Errors
    ///
    /// Fails if the canvas exceeds this codec's limits, or the encoder fails.
    pub fn encode_canvas(&mut self, canvas: &Canvas, quality: u8) -> Result<Bytes, EncodeError> {
        let planes = self.canvas_planes(canvas)?;
        let encoded = self.encode_jpeg(&chroma::with_subsampling(&planes, Subsampling::S420), quality);
        self.recycle(planes);
        encoded
    }

    fn canvas_planes(&mut self, canvas: &Canvas) -> Result<Planes, EncodeError> {
        let source = SourcePicture {
            format: PictureFormat::Rgb8,
            width: canvas.width(),
            height: canvas.height(),
            stride: 0,
            colors: Default::default(),
            data: canvas.pixels(),
        };
        self.decode(&source).map_err(|error| EncodeError::Codec(error.to_string()))
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

/// Draws the tile of a missing picture.
fn empty(width: u32, scale: u32) -> Canvas {
    const WORDS: &str = "no picture";
    let mut canvas = Canvas::new(width, (width * 9 / 16).max(1), EMPTY_COLOR);
    let (text_width, text_height) = Canvas::text_size(WORDS.len(), scale);
    let left = (i64::from(width) - i64::from(text_width)) / 2;
    let top = (i64::from(canvas.height()) - i64::from(text_height)) / 2;
    canvas.text(left, top, scale, TEXT_COLOR, WORDS);
    canvas
}

/// Returns the pixels from the top of a row to that of the next one.
fn row_height(row: &[(&Tile<'_>, Canvas)], scale: u32) -> u32 {
    let height = row.iter().map(|(tile, picture)| picture.height() + label_height(tile, scale));
    height.max().unwrap_or(0) + GAP
}

/// Returns the pixels from the end of a picture to the end of its label.
fn label_height(tile: &Tile<'_>, scale: u32) -> u32 {
    let lines = tile.label.lines().count().max(1) as u32;
    LABEL_GAP + 1 + lines * LINE_HEIGHT * scale
}
