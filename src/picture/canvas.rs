//! An RGB picture to draw on.

use super::font::{ADVANCE, GLYPH_HEIGHT, GLYPH_WIDTH, glyph};

/// A colour: R, G, B.
pub type Color = [u8; 3];

/// A picture in packed RGB: 8 bits per sample, rows from top to bottom without padding. Drawing
/// outside the picture has no effect.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Canvas {
    width: usize,
    height: usize,
    pixels: Vec<u8>,
}

impl Canvas {
    /// Creates a canvas of one colour; sides in pixels.
    #[must_use]
    pub fn new(width: u32, height: u32, color: Color) -> Self {
        let (width, height) = (width as usize, height as usize);
        Self { width, height, pixels: color.repeat(width * height) }
    }

    /// Creates a canvas from these pixels; `None` if they are not `width * height * 3` bytes.
    #[must_use]
    pub fn from_pixels(width: u32, height: u32, pixels: Vec<u8>) -> Option<Self> {
        let (width, height) = (width as usize, height as usize);
        (pixels.len() == width * height * 3).then_some(Self { width, height, pixels })
    }

    /// Returns the width in pixels.
    #[must_use]
    pub fn width(&self) -> u32 {
        self.width as u32
    }

    /// Returns the height in pixels.
    #[must_use]
    pub fn height(&self) -> u32 {
        self.height as u32
    }

    /// Returns the packed RGB bytes, `width * height * 3`.
    #[must_use]
    pub fn pixels(&self) -> &[u8] {
        &self.pixels
    }

    /// Returns the packed RGB bytes for writing.
    pub fn pixels_mut(&mut self) -> &mut [u8] {
        &mut self.pixels
    }

    /// Returns the pixels from `left` to `right` (exclusive) of row `y`, clipped; empty outside the
    /// picture.
    pub fn span_mut(&mut self, y: i64, left: i64, right: i64) -> &mut [u8] {
        let clip = |x: i64| x.clamp(0, self.width as i64) as usize;
        let (left, right) = (clip(left), clip(right));
        if y < 0 || y >= self.height as i64 || left >= right {
            return &mut [];
        }
        let row = y as usize * self.width;
        &mut self.pixels[(row + left) * 3..(row + right) * 3]
    }

    /// Fills a rectangle.
    pub fn fill_rect(&mut self, left: i64, top: i64, width: i64, height: i64, color: Color) {
        for y in top..top.saturating_add(height) {
            for pixel in self.span_mut(y, left, left.saturating_add(width)).chunks_exact_mut(3) {
                pixel.copy_from_slice(&color);
            }
        }
    }

    /// Copies another canvas to this one, with its upper left corner at `left`, `top`.
    pub fn paste(&mut self, left: i64, top: i64, other: &Canvas) {
        let skipped = usize::try_from(-left).unwrap_or(0).min(other.width);
        for (y, row) in (top..).zip(other.pixels.chunks_exact(other.width.max(1) * 3)) {
            let target = self.span_mut(y, left, left + other.width as i64);
            let source = &row[skipped * 3..];
            target.copy_from_slice(&source[..target.len()]);
        }
    }

    /// Writes one line of text. Each font pixel is `scale` pixels large: a glyph has 5 x 7 font
    /// pixels, and the next one begins 6 font pixels further.
    pub fn text(&mut self, left: i64, top: i64, scale: u32, color: Color, text: &str) {
        let scale = i64::from(scale);
        for (index, character) in (0_i64..).zip(text.chars()) {
            let x = left + index * ADVANCE as i64 * scale;
            for (row, bits) in (0_i64..).zip(glyph(character)) {
                for column in (0..GLYPH_WIDTH as i64).filter(|column| bits >> (4 - column) & 1 == 1) {
                    self.fill_rect(x + column * scale, top + row * scale, scale, scale, color);
                }
            }
        }
    }

    /// Returns the width and height in pixels of a line of `characters`.
    #[must_use]
    pub fn text_size(characters: usize, scale: u32) -> (u32, u32) {
        let width = (characters * ADVANCE).saturating_sub(1) as u32;
        (width * scale, GLYPH_HEIGHT as u32 * scale)
    }
}
