//! Corrects the EXIF block of a picture that was encoded again: sizes are updated, and the
//! thumbnail is removed.

use std::ops::Range;

/// Tags of the first directory and of the thumbnail directory.
const IMAGE_WIDTH: u16 = 0x0100;
const IMAGE_HEIGHT: u16 = 0x0101;
const STRIP_OFFSETS: u16 = 0x0111;
const STRIP_BYTES: u16 = 0x0117;
const JPEG_OFFSET: u16 = 0x0201;
const JPEG_BYTES: u16 = 0x0202;
/// Tags that point to further directories. The first directory points to those of EXIF and GPS, and
/// the EXIF directory points to that of interoperability.
const EXIF: u16 = 0x8769;
const GPS: u16 = 0x8825;
const INTEROPERABILITY: u16 = 0xA005;
/// Tags of the EXIF directory.
const PIXELS_ACROSS: u16 = 0xA002;
const PIXELS_DOWN: u16 = 0xA003;

const SHORT: u16 = 3;
const LONG: u16 = 4;
const ENTRY_BYTES: usize = 12;
/// The maximum number of strips of a thumbnail that are erased.
const MAX_STRIPS: usize = 1_024;

/// Returns a copy of a TIFF block for a picture of this size: without the thumbnail, and with the
/// sizes corrected. A block that cannot be read is copied unchanged.
pub(super) fn corrected(tiff: &[u8], width: u32, height: u32) -> Vec<u8> {
    let mut block = Block { bytes: tiff.to_vec(), little_endian: tiff.first() == Some(&b'I') };
    if let Some(first) = block.long(4).map(|at| at as usize) {
        block.drop_thumbnail(first);
        block.set(first, IMAGE_WIDTH, width);
        block.set(first, IMAGE_HEIGHT, height);
        if let Some(exif) = block.pointer(first, EXIF) {
            block.set(exif, PIXELS_ACROSS, width);
            block.set(exif, PIXELS_DOWN, height);
        }
    }
    block.bytes
}

struct Block {
    bytes: Vec<u8>,
    little_endian: bool,
}

impl Block {
    fn short(&self, at: usize) -> Option<u16> {
        let pair: [u8; 2] = self.bytes.get(at..at.checked_add(2)?)?.try_into().ok()?;
        Some(if self.little_endian { u16::from_le_bytes(pair) } else { u16::from_be_bytes(pair) })
    }

    fn long(&self, at: usize) -> Option<u32> {
        let four: [u8; 4] = self.bytes.get(at..at.checked_add(4)?)?.try_into().ok()?;
        Some(if self.little_endian { u32::from_le_bytes(four) } else { u32::from_be_bytes(four) })
    }

    fn put_short(&mut self, at: usize, value: u16) {
        let pair = if self.little_endian { value.to_le_bytes() } else { value.to_be_bytes() };
        self.bytes[at..at + 2].copy_from_slice(&pair);
    }

    fn put_long(&mut self, at: usize, value: u32) {
        let four = if self.little_endian { value.to_le_bytes() } else { value.to_be_bytes() };
        self.bytes[at..at + 4].copy_from_slice(&four);
    }

    /// Iterates over the offsets of the entries of a directory within the block.
    fn entries(&self, directory: usize) -> impl Iterator<Item = usize> + use<> {
        let count = self.short(directory).map_or(0, usize::from);
        let first = directory.saturating_add(2);
        let available = self.bytes.len().saturating_sub(first) / ENTRY_BYTES;
        (0..count.min(available)).map(move |index| first + ENTRY_BYTES * index)
    }

    fn entry(&self, directory: usize, tag: u16) -> Option<usize> {
        self.entries(directory).find(|entry| self.short(*entry) == Some(tag))
    }

    fn pointer(&self, directory: usize, tag: u16) -> Option<usize> {
        let entry = self.entry(directory, tag)?;
        Some(self.long(entry + 8)? as usize)
    }

    /// Returns the values of an entry, which are SHORT or LONG.
    fn numbers(&self, directory: usize, tag: u16) -> Vec<usize> {
        let numbers = || {
            let entry = self.entry(directory, tag)?;
            let size = if self.short(entry + 2)? == SHORT { 2 } else { 4 };
            let count = (self.long(entry + 4)? as usize).min(MAX_STRIPS);
            let start = if count * size <= 4 { entry + 8 } else { self.long(entry + 8)? as usize };
            let number = |index: usize| {
                let at = start.checked_add(index * size)?;
                if size == 2 {
                    self.short(at).map(usize::from)
                } else {
                    self.long(at).map(|long| long as usize)
                }
            };
            Some((0..count).map_while(number).collect())
        };
        numbers().unwrap_or_default()
    }

    /// Sets the value of an entry, if it exists.
    fn set(&mut self, directory: usize, tag: u16, value: u32) {
        for entry in self.entries(directory) {
            if self.short(entry) != Some(tag) {
                continue;
            }
            self.put_long(entry + 4, 1);
            match u16::try_from(value) {
                Ok(value) if self.short(entry + 2) == Some(SHORT) => {
                    self.put_short(entry + 8, value);
                    self.put_short(entry + 10, 0);
                }
                _ => {
                    self.put_short(entry + 2, LONG);
                    self.put_long(entry + 8, value);
                }
            }
        }
    }

    /// Removes the thumbnail and its directory, which is linked from the end of the first
    /// directory, and truncates the block.
    fn drop_thumbnail(&mut self, first: usize) {
        let Some(count) = self.short(first) else { return };
        let next = first.saturating_add(2 + ENTRY_BYTES * usize::from(count));
        let Some(thumbnail) = self.long(next).filter(|at| *at != 0).map(|at| at as usize) else { return };
        let parts = [(JPEG_OFFSET, JPEG_BYTES), (STRIP_OFFSETS, STRIP_BYTES)].map(|(offsets, sizes)| {
            self.numbers(thumbnail, offsets).into_iter().zip(self.numbers(thumbnail, sizes))
        });
        let parts: Vec<(usize, usize)> = parts.into_iter().flatten().collect();
        let entries = self.short(thumbnail).map_or(0, usize::from);
        let directory = (thumbnail, 2 + ENTRY_BYTES * entries + 4);
        // The picture's own data is kept even if the thumbnail's directory points into it.
        let (used, before) = (self.used(first), self.bytes.clone());
        for (start, len) in parts.into_iter().chain([directory]) {
            let end = start.saturating_add(len).min(self.bytes.len());
            if let Some(bytes) = self.bytes.get_mut(start..end) {
                bytes.fill(0);
            }
        }
        for part in &used {
            self.bytes[part.clone()].copy_from_slice(&before[part.clone()]);
        }
        self.put_long(next, 0);
        let end = self.bytes.iter().rposition(|byte| *byte != 0).map_or(0, |last| last + 1);
        let used_end = used.iter().map(|part| part.end).max().unwrap_or_default();
        self.bytes.truncate(end.max(used_end));
    }

    /// Returns the ranges of the header, of the directories of the picture itself, and of their
    /// values.
    fn used(&self, first: usize) -> Vec<Range<usize>> {
        let exif = self.pointer(first, EXIF);
        let interoperability = exif.and_then(|exif| self.pointer(exif, INTEROPERABILITY));
        let directories = [Some(first), exif, self.pointer(first, GPS), interoperability];
        let mut used: Vec<Range<usize>> = std::iter::once(0..8).collect();
        for directory in directories.into_iter().flatten() {
            let count = self.short(directory).map_or(0, usize::from);
            used.push(directory..directory.saturating_add(2 + ENTRY_BYTES * count + 4));
            used.extend(self.entries(directory).filter_map(|entry| self.value(entry)));
        }
        let len = self.bytes.len();
        used.into_iter().map(|part| part.start.min(len)..part.end.min(len)).collect()
    }

    /// Returns the range of the value of an entry, if it is not stored in the entry itself.
    fn value(&self, entry: usize) -> Option<Range<usize>> {
        let size = match self.short(entry + 2)? {
            SHORT | 8 => 2,
            LONG | 9 | 11 => 4,
            5 | 10 | 12 => 8,
            _ => 1,
        };
        let bytes = (self.long(entry + 4)? as usize).checked_mul(size)?;
        let start = self.long(entry + 8)? as usize;
        (bytes > 4).then(|| start..start.saturating_add(bytes))
    }
}
