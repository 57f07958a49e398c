//! Reads and writes the chunks of PNG and WebP files without decoding.

use flate2::Crc;

pub(super) const PNG_SIGNATURE_BYTES: usize = 8;
pub(super) const RIFF_HEADER_BYTES: usize = 12;

/// The maximum number of chunks in a list: more than any encoder writes. It limits the memory for a
/// file that contains only empty chunks.
const MAX_CHUNKS: usize = 1 << 16;

pub(super) struct Chunks<'a> {
    pub(super) list: Vec<Chunk<'a>>,
    /// There are bytes after the last chunk.
    pub(super) trailer: bool,
}

impl<'a> Chunks<'a> {
    /// Returns the body of the first chunk with this name.
    pub(super) fn body(&self, name: &[u8; 4]) -> Option<&'a [u8]> {
        self.list.iter().find(|chunk| chunk.name == *name).map(|chunk| chunk.body)
    }
}

pub(super) struct Chunk<'a> {
    pub(super) name: [u8; 4],
    pub(super) body: &'a [u8],
    /// The whole chunk, including name, length, and checksum or padding.
    pub(super) whole: &'a [u8],
}

/// Returns the chunks of a PNG up to IEND: length, name, body, checksum. `None` if the structure is
/// broken.
pub(super) fn png(data: &[u8]) -> Option<Chunks<'_>> {
    let (mut list, mut at) = (Vec::new(), PNG_SIGNATURE_BYTES);
    for chunk in png_chunks(data) {
        if list.len() == MAX_CHUNKS {
            return None;
        }
        at += chunk.whole.len();
        list.push(chunk);
    }
    let ends = list.last().is_some_and(|chunk| chunk.name == *b"IEND");
    ends.then_some(Chunks { list, trailer: at < data.len() })
}

/// Iterates over the chunks of a PNG up to IEND, or until the structure breaks.
pub(super) fn png_chunks(data: &[u8]) -> impl Iterator<Item = Chunk<'_>> {
    let (mut at, mut ended) = (PNG_SIGNATURE_BYTES, false);
    std::iter::from_fn(move || {
        if ended {
            return None;
        }
        let head = data.get(at..at.checked_add(8)?)?;
        let len = u32::from_be_bytes(head[..4].try_into().ok()?) as usize;
        let whole = data.get(at..at.checked_add(12)?.checked_add(len)?)?;
        let name: [u8; 4] = head[4..].try_into().ok()?;
        at += whole.len();
        ended = name == *b"IEND";
        Some(Chunk { name, body: &whole[8..8 + len], whole })
    })
}

/// Returns the chunks of a WebP: name, length, body, and a padding byte if the length is odd.
/// `None` if the structure is broken.
pub(super) fn webp(data: &[u8]) -> Option<Chunks<'_>> {
    let riff = u32::from_le_bytes(data.get(4..8)?.try_into().ok()?) as usize;
    let end = riff.checked_add(8).filter(|end| *end <= data.len())?;
    let (mut list, mut at) = (Vec::new(), RIFF_HEADER_BYTES);
    for chunk in webp_chunks(data) {
        if list.len() == MAX_CHUNKS {
            return None;
        }
        at += chunk.whole.len();
        list.push(chunk);
    }
    (at >= end).then_some(Chunks { list, trailer: end < data.len() })
}

/// Iterates over the chunks of a WebP up to the length in its header, or until the structure
/// breaks.
pub(super) fn webp_chunks(data: &[u8]) -> impl Iterator<Item = Chunk<'_>> {
    let riff = data.get(4..8).and_then(|size| size.try_into().ok()).map_or(0, u32::from_le_bytes) as usize;
    let all = &data[..riff.saturating_add(8).min(data.len())];
    let mut at = RIFF_HEADER_BYTES;
    std::iter::from_fn(move || {
        let head = all.get(at..at.checked_add(8)?)?;
        let len = u32::from_le_bytes(head[4..].try_into().ok()?) as usize;
        let name: [u8; 4] = head[..4].try_into().ok()?;
        let body = all.get(at + 8..(at + 8).checked_add(len)?)?;
        let end = (at + 8 + len.next_multiple_of(2)).min(all.len());
        let whole = &all[at..end];
        at = end;
        Some(Chunk { name, body, whole })
    })
}

/// Appends a chunk to a PNG.
pub(super) fn push_png(file: &mut Vec<u8>, name: &[u8; 4], body: &[u8]) {
    let mut checksum = Crc::new();
    checksum.update(name);
    checksum.update(body);
    file.extend_from_slice(&(body.len() as u32).to_be_bytes());
    file.extend_from_slice(name);
    file.extend_from_slice(body);
    file.extend_from_slice(&checksum.sum().to_be_bytes());
}

/// Appends a chunk to a WebP.
pub(super) fn push_webp(file: &mut Vec<u8>, name: &[u8; 4], body: &[u8]) {
    file.extend_from_slice(name);
    file.extend_from_slice(&(body.len() as u32).to_le_bytes());
    file.extend_from_slice(body);
    if body.len() % 2 == 1 {
        file.push(0);
    }
}
