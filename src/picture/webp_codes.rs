//! How much memory a WebP file makes its decoder take beside the pixels: found in the file, before it is decoded.

mod bits;
mod stream;

use super::{DecodeError, PictureInfo};

/// Of RIFF: name, size, name.
const FILE_HEADER: usize = 12;
const CHUNK_HEADER: usize = 8;
/// Of VP8L: a byte that says so, the size and the version.
const LOSSLESS_HEADER: usize = 5;

/// Bytes that the decoder holds for codes. Counts no further than a little beyond `most_bytes`.
///
/// # Errors
///
/// Codes that cannot be read, and pictures of an animation in a file that says it is none.
pub(super) fn code_bytes(data: &[u8], info: &PictureInfo, most_bytes: u64) -> Result<u64, DecodeError> {
    let mut bytes = 0;
    for (name, body) in chunks(data) {
        let stream = match (&name, body) {
            (b"VP8L", _) => body.get(LOSSLESS_HEADER..),
            // One byte of flags, of which the lowest two are the compression.
            (b"ALPH", [flags, stream @ ..]) if flags & 3 == 1 => Some(stream),
            // The decoder would take the chunks in it for those of the picture.
            (b"ANMF", _) => return Err(bits::corrupt("pictures of an animation that is said to be none")),
            _ => None,
        };
        if let Some(stream) = stream {
            bytes = stream::code_bytes(stream, info.width, info.height, most_bytes)?.max(bytes);
        }
    }
    Ok(bytes)
}

/// Names and bodies of the chunks that a decoder may look at. Unlike [`super::stripped`] it takes a file that ends early: the
/// decoder does not mind before it reads there.
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
