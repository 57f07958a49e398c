//! The limits of decoding.

use super::{DecodeError, LimitKind};

const MIB: u64 = 1024 * 1024;

/// The limits of one decode. All are checked against the header, before memory is taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// The maximum number of bytes of a submitted picture, encoded or raw.
    pub max_encoded_bytes: u64,
    /// The maximum number of pixels (width x height).
    pub max_pixels: u64,
    /// The maximum length of a side in pixels.
    pub max_side: u32,
    /// The maximum number of scans (SOS markers) of a JPEG. A progressive file of a few kilobytes
    /// can contain thousands, each of which processes every block.
    pub max_scans: u32,
    /// The maximum product of pixels and scans of a JPEG. It limits the time of a decode: a picture
    /// with the maximum number of pixels cannot also have the maximum number of scans. Encoders
    /// write 6 to 11 scans.
    pub max_scan_pixels: u64,
    /// The maximum number of bytes that one decode may hold at once: planes, JPEG coefficients, and
    /// uncompressed PNG or WebP pixels.
    pub max_alloc_bytes: u64,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            max_encoded_bytes: 16 * MIB,
            max_pixels: 40_000_000,
            max_side: 8_192,
            max_scans: 64,
            max_scan_pixels: 640_000_000,
            max_alloc_bytes: 256 * MIB,
        }
    }
}

impl Limits {
    /// Refuses a submitted picture of more bytes than allowed.
    pub(super) fn check_encoded_bytes(&self, bytes: usize) -> Result<(), DecodeError> {
        check(LimitKind::EncodedBytes, bytes as u64, self.max_encoded_bytes)
    }

    /// Refuses a side or an area above the limits, or an empty picture.
    pub(super) fn check_dimensions(&self, width: u32, height: u32) -> Result<(), DecodeError> {
        if width == 0 || height == 0 {
            return Err(DecodeError::Corrupt(format!("the header says {width}x{height}")));
        }
        if u64::from(width) * u64::from(height) > self.max_pixels {
            return Err(DecodeError::TooManyPixels { width, height, max_pixels: self.max_pixels });
        }
        check(LimitKind::Side, u64::from(width.max(height)), u64::from(self.max_side))
    }

    /// Refuses a JPEG whose scans together cover more pixels than allowed.
    pub(super) fn check_scan_pixels(&self, width: u32, height: u32, scans: u32) -> Result<(), DecodeError> {
        let pixels = u64::from(width) * u64::from(height) * u64::from(scans);
        check(LimitKind::ScanPixels, pixels, self.max_scan_pixels)
    }

    /// Refuses a decode that would hold more than `max_alloc_bytes`.
    pub(super) fn check_alloc(&self, bytes: u64) -> Result<(), DecodeError> {
        check(LimitKind::MemoryBytes, bytes, self.max_alloc_bytes)
    }
}

fn check(what: LimitKind, value: u64, limit: u64) -> Result<(), DecodeError> {
    if value > limit {
        return Err(DecodeError::TooLarge { what, value, limit });
    }
    Ok(())
}
