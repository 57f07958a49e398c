//! Finds HTTP/2 frames in the bytes of a client, and counts those that cost the server work and the
//! client nothing.

use super::greeting::PREFACE;

/// The size of a frame's header, which begins with the length of its payload in three bytes.
pub(super) const FRAME_HEADER_BYTES: usize = 9;
/// The types of frames. Requests are not costly, because they have limits of their own, and neither
/// is WINDOW_UPDATE, of which a fast subscriber sends many.
pub(super) const DATA: u8 = 0;
pub(super) const HEADERS: u8 = 1;
pub(super) const PING: u8 = 6;
const WINDOW_UPDATE: u8 = 8;
const END_STREAM: u8 = 1;

/// Finds the frames in the bytes of a client.
#[derive(Debug)]
pub(super) struct Frames {
    header: [u8; FRAME_HEADER_BYTES],
    /// The bytes of the header that have arrived.
    arrived: usize,
    /// The bytes to skip before the next header.
    pub(super) skip: usize,
}

impl Frames {
    pub(super) fn new() -> Self {
        Self { header: [0; FRAME_HEADER_BYTES], arrived: 0, skip: PREFACE.len() }
    }

    /// Counts the frames whose headers end in `bytes`.
    pub(super) fn count(&mut self, mut bytes: &[u8]) -> Counts {
        let mut counts = Counts::default();
        loop {
            let skipped = self.skip.min(bytes.len());
            self.skip -= skipped;
            bytes = &bytes[skipped..];
            let taken = (FRAME_HEADER_BYTES - self.arrived).min(bytes.len());
            self.header[self.arrived..self.arrived + taken].copy_from_slice(&bytes[..taken]);
            self.arrived += taken;
            bytes = &bytes[taken..];
            if self.arrived < FRAME_HEADER_BYTES {
                return counts;
            }
            self.arrived = 0;
            counts.all += 1;
            let [high, middle, low, kind, flags, ..] = self.header;
            self.skip = u32::from_be_bytes([0, high, middle, low]) as usize;
            match kind {
                DATA if self.skip > 0 || flags & END_STREAM != 0 => {}
                HEADERS | WINDOW_UPDATE => {}
                PING => counts.pings += 1,
                _ => counts.others += 1,
            }
        }
    }
}

/// Numbers of frames.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Counts {
    pub(super) all: usize,
    pub(super) pings: u32,
    /// The costly frames that are not pings.
    pub(super) others: u32,
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;

    pub(in crate::app::transport) fn frame(kind: u8, flags: u8, length: u8) -> Vec<u8> {
        let mut bytes = vec![0, 0, length, kind, flags, 0, 0, 0, 1];
        bytes.resize(FRAME_HEADER_BYTES + usize::from(length), PING);
        bytes
    }

    #[test]
    fn costly_frames_are_found_however_they_are_cut() {
        let frames = [
            PREFACE.to_vec(),
            frame(4, 0, 0),
            frame(HEADERS, 4, 90),
            frame(DATA, 0, 30),
            frame(DATA, 0, 0),
            frame(DATA, END_STREAM, 0),
            frame(WINDOW_UPDATE, 0, 4),
            frame(PING, 0, 8),
        ]
        .concat();
        for piece in [1, 5, 9, frames.len()] {
            let mut found = Frames::new();
            let mut sum = Counts::default();
            for counts in frames.chunks(piece).map(|bytes| found.count(bytes)) {
                sum.all += counts.all;
                sum.pings += counts.pings;
                sum.others += counts.others;
            }
            // The others are the settings, and the empty DATA.
            assert_eq!(sum, Counts { all: 7, pings: 1, others: 2 }, "pieces of {piece}");
        }
    }
}
