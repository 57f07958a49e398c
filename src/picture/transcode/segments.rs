//! Removes the stuffing of entropy-coded data, and finds the restart markers and the end marker in
//! it, before anything is decoded. So the reader of bits has no markers to look for.

use super::Refusal;

/// The number of zeros after the data: more than the bits of the longest block take.
pub(super) const PADDING: usize = 512;

/// The entropy-coded data of a scan without stuffing and markers.
#[derive(Debug, Default)]
pub(super) struct Segments {
    /// The data of all segments, one after the other, and [`PADDING`].
    pub(super) data: Vec<u8>,
    /// The offset of the end of each segment.
    pub(super) ends: Vec<usize>,
}

impl Segments {
    /// Reads the data of a scan, which must consist of `count` segments with restart markers between
    /// them, and be followed by the end of the picture.
    pub(super) fn read(&mut self, scan: &[u8], count: usize) -> Result<(), Refusal> {
        self.data.clear();
        self.ends.clear();
        self.data.reserve(scan.len() + PADDING);
        let mut rest = scan;
        loop {
            let Some(at) = memchr::memchr(0xFF, rest) else { return Err(Refusal::Damaged("no end marker")) };
            match rest.get(at + 1) {
                Some(0) => self.data.extend_from_slice(&rest[..=at]),
                Some(code @ 0xD0..=0xD7) => {
                    self.data.extend_from_slice(&rest[..at]);
                    if usize::from(code & 7) != self.ends.len() % 8 || self.ends.len() + 1 >= count {
                        return Err(Refusal::Damaged("a restart marker out of order"));
                    }
                    self.ends.push(self.data.len());
                }
                Some(0xD9) => {
                    self.data.extend_from_slice(&rest[..at]);
                    self.ends.push(self.data.len());
                    self.data.resize(self.data.len() + PADDING, 0);
                    let complete = self.ends.len() == count;
                    return complete.then_some(()).ok_or(Refusal::Damaged("missing restart markers"));
                }
                Some(0xFF) => return Err(Refusal::Unusual("fill bytes in the scan")),
                Some(_) => return Err(Refusal::Unusual("a marker in the scan")),
                None => return Err(Refusal::Damaged("no end marker")),
            }
            rest = &rest[at + 2..];
        }
    }
}
