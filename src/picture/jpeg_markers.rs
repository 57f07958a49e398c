//! Reads the marker structure of a JPEG (ITU-T T.81, annex B) without decoding.
//!
//! libjpeg-turbo decodes a truncated file, fills the rest with grey, and reports only its first
//! warning. So the structure is checked first: whether the file is complete, the number of scans,
//! and the size. Flaws that are known to be harmless are repaired before that (`jpeg_repair`), so
//! that a warning of the decoder means damage.

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
    /// The file is baseline, extended or progressive with Huffman codes. Browsers show no others.
    pub(super) common: bool,
}

/// The result of reading the structure of the whole file.
#[derive(Debug)]
pub(super) struct Survey<'a> {
    pub(super) frame: FrameHeader,
    pub(super) scans: u32,
    /// The file from SOI to EOI, without bytes that follow (padding of fixed-size camera buffers).
    pub(super) data: &'a [u8],
}

/// A marker with its segment, if it has one.
pub(super) struct Marker<'a> {
    pub(super) code: u8,
    /// The offset of its 0xFF.
    pub(super) start: usize,
    /// The offset of the end of its segment (without the entropy-coded data of a scan).
    pub(super) end: usize,
    pub(super) payload: &'a [u8],
    /// Extraneous bytes precede it.
    pub(super) after_garbage: bool,
    /// Its length is less than the two bytes of the length itself. If the segment is metadata,
    /// decoders continue after the length.
    pub(super) is_too_short: bool,
}

/// A reader that moves from marker to marker.
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
            // Any number of 0xFF may precede the code of a marker.
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
        // RST0..7, SOI, EOI and TEM have no segment.
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

    /// Continues after the entropy-coded data that starts here, which includes stuffed zeros and
    /// restart markers.
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

/// Reads the frame header only: stops at SOF.
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

/// Reads the structure of the whole file, which has been repaired if possible.
///
/// # Errors
///
/// `Truncated` if there is no EOI, `TooManyScans`, or `Corrupt`.
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

/// Reports whether this is a comment or an application segment.
pub(super) fn is_metadata(code: u8) -> bool {
    matches!(code, APP0..=0xEF | COM)
}

pub(super) fn is_frame(code: u8) -> bool {
    // SOF0..15, without DHT, JPG and DAC, which are in the same range.
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

/// Returns the offset of the next 0xFF at or after `from`.
fn find_ff(data: &[u8], from: usize) -> Option<usize> {
    Some(from + memchr::memchr(0xFF, data.get(from..)?)?)
}

fn corrupt(what: &str) -> DecodeError {
    DecodeError::Corrupt(what.to_owned())
}
