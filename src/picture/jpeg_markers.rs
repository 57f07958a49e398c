//! The marker structure of a JPEG (ITU-T T.81, annex B), read without decoding.
//!
//! libjpeg-turbo decodes a file that was cut off, fills the rest with grey, and reports only the first of its warnings.
//! So the structure is walked here first: it tells whether the file is complete, how many scans it has and how large it
//! is. What is known to be harmless is repaired before (`jpeg_repair`), so that a warning of the decoder means damage.

use super::{DecodeError, Limits};

pub(super) const SOI: u8 = 0xD8;
pub(super) const EOI: u8 = 0xD9;
pub(super) const SOS: u8 = 0xDA;
pub(super) const APP0: u8 = 0xE0;
pub(super) const APP14: u8 = 0xEE;
pub(super) const COM: u8 = 0xFE;
pub(super) const DHT: u8 = 0xC4;

/// The frame header (SOF).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct FrameHeader {
    pub(super) width: u32,
    pub(super) height: u32,
    pub(super) components: u8,
    pub(super) bits: u8,
    pub(super) progressive: bool,
    /// Baseline, extended or progressive, and coded by Huffman: browsers show no other.
    pub(super) common: bool,
}

/// What a walk over the whole file found.
#[derive(Debug)]
pub(super) struct Survey<'a> {
    pub(super) frame: FrameHeader,
    pub(super) scans: u32,
    /// The file from SOI to EOI; what follows (padding of fixed-size camera buffers) is left out.
    pub(super) data: &'a [u8],
}

/// One marker with its segment, if it has one.
pub(super) struct Marker<'a> {
    pub(super) code: u8,
    /// Where its 0xFF stands.
    pub(super) start: usize,
    /// Behind its segment (not behind a scan's entropy-coded data).
    pub(super) end: usize,
    pub(super) payload: &'a [u8],
    /// Bytes that belong to nothing stand before it.
    pub(super) after_garbage: bool,
    /// Its length is less than that of the length itself. Decoders go on behind the length of a comment like that.
    pub(super) is_too_short: bool,
}

/// Walks from marker to marker.
pub(super) struct Markers<'a> {
    data: &'a [u8],
    position: usize,
}

impl<'a> Markers<'a> {
    pub(super) fn new(data: &'a [u8]) -> Self {
        Self { data, position: 2 }
    }

    pub(super) fn position(&self) -> usize {
        self.position
    }

    pub(super) fn go_to(&mut self, position: usize) {
        self.position = position;
    }

    pub(super) fn next(&mut self) -> Result<Marker<'a>, DecodeError> {
        let mut at = self.position;
        let mut after_garbage = false;
        let (start, code) = loop {
            let Some(start) = find_ff(self.data, at) else {
                return Err(DecodeError::Truncated);
            };
            after_garbage |= start > at;
            // Any number of 0xFF may fill the space before a marker's code.
            let mut code_at = start + 1;
            while self.data.get(code_at) == Some(&0xFF) {
                code_at += 1;
            }
            match self.data.get(code_at) {
                None => return Err(DecodeError::Truncated),
                Some(0) => after_garbage = true,
                Some(&code) => break (code_at - 1, code),
            }
            at = code_at + 1;
        };
        let body = start + 2;
        // RST0..7, SOI, EOI and TEM stand alone.
        if matches!(code, 0x01 | 0xD0..=EOI) {
            self.position = body;
            return Ok(Marker { code, start, end: body, payload: &[], after_garbage, is_too_short: false });
        }
        let Some(length) = self.data.get(body..body + 2) else {
            return Err(DecodeError::Truncated);
        };
        let length = usize::from(u16::from_be_bytes([length[0], length[1]]));
        let is_too_short = length < 2;
        if is_too_short && !is_metadata(code) {
            return Err(corrupt("a segment shorter than its own length field"));
        }
        let end = body + length.max(2);
        let Some(payload) = self.data.get(body + 2..end) else {
            return Err(DecodeError::Truncated);
        };
        self.position = end;
        Ok(Marker { code, start, end, payload, after_garbage, is_too_short })
    }

    /// Goes on behind the entropy-coded data that starts here. Stuffed zeros and restart markers belong to it.
    pub(super) fn skip_entropy_coded(&mut self) -> Result<(), DecodeError> {
        loop {
            let Some(ff) = find_ff(self.data, self.position) else {
                return Err(DecodeError::Truncated);
            };
            match self.data.get(ff + 1) {
                None => return Err(DecodeError::Truncated),
                Some(0 | 0xD0..=0xD7) => self.position = ff + 2,
                Some(0xFF) => self.position = ff + 1,
                Some(_) => {
                    self.position = ff;
                    return Ok(());
                }
            }
        }
    }
}

/// The frame header alone: reads no further than SOF.
pub(super) fn frame_header(data: &[u8]) -> Result<FrameHeader, DecodeError> {
    let mut markers = Markers::new(data);
    loop {
        let marker = markers.next()?;
        if is_frame(marker.code) {
            return parse_frame(&marker);
        }
        match marker.code {
            SOI => return Err(corrupt("a second start marker before the frame header")),
            EOI | SOS => return Err(corrupt("no frame header")),
            _ => {}
        }
    }
}

/// Walks over the whole file, which has been repaired where that can be done.
///
/// # Errors
///
/// `Truncated` if it does not reach EOI, `TooManyScans`, or `Corrupt`.
pub(super) fn survey<'a>(data: &'a [u8], limits: &Limits) -> Result<Survey<'a>, DecodeError> {
    let mut markers = Markers::new(data);
    let mut frame = None;
    let mut scans = 0;
    loop {
        let marker = markers.next()?;
        match marker.code {
            EOI => {
                let Some(frame) = frame else {
                    return Err(corrupt("no frame header"));
                };
                if scans == 0 {
                    return Err(corrupt("no scan"));
                }
                return Ok(Survey { frame, scans, data: &data[..marker.end] });
            }
            SOI => return Err(corrupt("a second picture begins inside the first")),
            SOS => {
                if frame.is_none() {
                    return Err(corrupt("a scan before the frame header"));
                }
                scans += 1;
                if scans > limits.max_scans {
                    return Err(DecodeError::TooManyScans { max_scans: limits.max_scans });
                }
                markers.skip_entropy_coded()?;
            }
            code if is_frame(code) => {
                if frame.is_some() {
                    return Err(corrupt("two frame headers"));
                }
                frame = Some(parse_frame(&marker)?);
            }
            _ => {}
        }
    }
}

/// Comments and application segments.
pub(super) fn is_metadata(code: u8) -> bool {
    matches!(code, APP0..=0xEF | COM)
}

pub(super) fn is_frame(code: u8) -> bool {
    // SOF0..15 without DHT, JPG and DAC, which stand among them.
    matches!(code, 0xC0..=0xCF) && !matches!(code, 0xC4 | 0xC8 | 0xCC)
}

fn parse_frame(marker: &Marker<'_>) -> Result<FrameHeader, DecodeError> {
    let [bits, h1, h0, w1, w0, components, ..] = *marker.payload else {
        return Err(corrupt("a short frame header"));
    };
    Ok(FrameHeader {
        width: u32::from(u16::from_be_bytes([w1, w0])),
        height: u32::from(u16::from_be_bytes([h1, h0])),
        components,
        bits,
        progressive: matches!(marker.code, 0xC2 | 0xC6 | 0xCA | 0xCE),
        common: matches!(marker.code, 0xC0..=0xC2),
    })
}

/// The next 0xFF at or behind `from`.
fn find_ff(data: &[u8], from: usize) -> Option<usize> {
    Some(from + memchr::memchr(0xFF, data.get(from..)?)?)
}

fn corrupt(what: &str) -> DecodeError {
    DecodeError::Corrupt(what.to_owned())
}
