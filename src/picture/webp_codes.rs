//! Computes the memory that a decoder takes for the prefix codes of a WebP file, before the file is
//! decoded.

mod bits;
mod stream;

use super::{DecodeError, PictureInfo};

/// The bytes of the RIFF header: name, size, name.
const FILE_HEADER: usize = 12;
const CHUNK_HEADER: usize = 8;
/// The bytes of the VP8L header: signature, size and version.
const LOSSLESS_HEADER: usize = 5;

/// Returns the bytes that the decoder holds for codes. Stops counting soon after `max_bytes`.
///
/// # Errors
///
/// Fails if codes cannot be read, or if the file contains animation frames without the animation
/// flag.
pub(super) fn code_bytes(data: &[u8], info: &PictureInfo, max_bytes: u64) -> Result<u64, DecodeError> {
    let mut bytes = 0;
    for (name, body) in chunks(data) {
        let stream = match (&name, body) {
            (b"VP8L", _) => body.get(LOSSLESS_HEADER..),
            // One byte of flags; the lowest two bits are the compression.
            (b"ALPH", [flags, stream @ ..]) if flags & 3 == 1 => Some(stream),
            // The decoder would read the chunks inside as those of the picture.
            (b"ANMF", _) => return Err(bits::corrupt("animation frames without the animation flag")),
            _ => None,
        };
        if let Some(stream) = stream {
            bytes = stream::code_bytes(stream, info.width, info.height, max_bytes)?.max(bytes);
        }
    }
    Ok(bytes)
}

/// Iterates over the names and bodies of the chunks that a decoder may read. Unlike
/// [`super::stripped`], it accepts a truncated file, because the decoder notices that only when it
/// reads that far.
fn chunks(data: &[u8]) -> impl Iterator<Item = ([u8; 4], &[u8])> {
    let mut at = FILE_HEADER;
    std::iter::from_fn(move || {
        let head = data.get(at..)?.first_chunk::<CHUNK_HEADER>()?;
        let [n0, n1, n2, n3, length @ ..] = *head;
        let start = at + CHUNK_HEADER;
        let end = start.saturating_add(u32::from_le_bytes(length) as usize);
        at = end.saturating_add(end & 1);
        Some(([n0, n1, n2, n3], &data[start..end.min(data.len())]))
    })
}
