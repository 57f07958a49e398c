//! Repairs harmless flaws of a JPEG, so that any remaining warning of a decoder means damage, and
//! all viewers show the published file.
//!
//! Real cameras and programs write all of these: extraneous bytes between segments, comments with
//! an impossible length, contradictory JFIF, Adobe and ICC segments, invalid scan parameters of
//! sequential pictures, progressive scans in an unusual order, and missing Huffman tables and end
//! markers.

use super::jpeg_copy::{self, push};
use super::jpeg_markers::{APP0, APP14, DHT, EOI, Marker, Markers, SOI, SOS, is_frame};
use super::jpeg_scans::{self, tables_in};
use super::{Limits, jpeg_entropy};

const PROGRESSIVE: u8 = 0xC2;
/// The sequential frame types: baseline, extended, and extended with arithmetic coding.
const SEQUENTIAL: [u8; 3] = [0xC0, 0xC1, 0xC9];
/// The last bytes of the scan header of a sequential picture: all coefficients with all bits.
const ALL_COEFFICIENTS: [u8; 3] = [0, 63, 0];
const JFIF_MAJOR: usize = 5;
const ADOBE_TRANSFORM: usize = 11;

/// Returns a copy of a JPEG without its flaws; `None` if it has none, or if it cannot be repaired.
/// The copy has the same pixels and the same metadata.
pub(super) fn repaired(data: &[u8], limits: &Limits) -> Option<Vec<u8>> {
    // A file with another signature is not a JPEG, and must not become one.
    if !data.starts_with(&[0xFF, SOI, 0xFF]) {
        return None;
    }
    let found = Inspection::of(data, limits)?;
    let Some(end) = found.end else {
        return with_end_marker(data, &found, limits);
    };
    if !found.is_flawed {
        return None;
    }
    let mut copy = found.rebuild(&data[..end]);
    copy.extend_from_slice(&[0xFF, EOI]);
    copy.extend_from_slice(&data[end..]);
    Some(copy)
}

/// Returns a copy with an end marker after the data of the last scan, if the picture is complete.
fn with_end_marker(data: &[u8], found: &Inspection, limits: &Limits) -> Option<Vec<u8>> {
    if found.scans == 0 {
        return None;
    }
    // A buffer of a fixed size may be padded with zeros, which must not be read as missing data.
    let used = data.iter().rposition(|byte| *byte != 0)? + 1;
    let has_stuffed_zero = data[used - 1] == 0xFF && used < data.len();
    let mut copy = found.rebuild(&data[..used + usize::from(has_stuffed_zero)]);
    let scans = jpeg_entropy::read(&copy, limits).ok().filter(|scans| scans.complete)?;
    // If other data follows the picture, the scan must be padded with ones. Otherwise it could be a
    // truncated scan that seems to continue in that data.
    let is_filler = copy[scans.end..].iter().all(|byte| matches!(byte, 0 | 0xFF)) && found.all_markers_read;
    if !is_filler && !scans.padded_with_ones {
        return None;
    }
    copy.truncate(scans.end);
    copy.extend_from_slice(&[0xFF, EOI]);
    Some(copy)
}

/// The result of a first reading of the file.
struct Inspection {
    /// The offset of the end of EOI, if there is one.
    end: Option<usize>,
    /// All markers could be read.
    all_markers_read: bool,
    is_flawed: bool,
    scans: u32,
    frame_type: u8,
    components: u8,
    /// The parts of the ICC profile are incomplete or contradictory.
    has_bad_icc: bool,
    /// The standard Huffman tables that are used but not defined, by class and number.
    missing_tables: Vec<u8>,
}

impl Inspection {
    /// Reads the file; `None` if it has too many scans.
    fn of(data: &[u8], limits: &Limits) -> Option<Self> {
        let mut markers = Markers::new(data);
        let mut found = Self {
            end: None,
            all_markers_read: true,
            is_flawed: false,
            scans: 0,
            frame_type: 0,
            components: 0,
            has_bad_icc: false,
            missing_tables: Vec::new(),
        };
        let (mut icc, mut adobe_is_odd) = (IccParts::default(), false);
        let (mut defined, mut used) = (Vec::new(), Vec::new());
        loop {
            let Ok(marker) = markers.next() else {
                found.all_markers_read = false;
                break;
            };
            found.is_flawed |= marker.after_garbage || marker.is_too_short || is_icc_stub(&marker);
            match marker.code {
                EOI => {
                    found.end = Some(marker.end);
                    break;
                }
                SOI => {
                    found.all_markers_read = false;
                    break;
                }
                SOS => {
                    found.scans += 1;
                    if found.scans > limits.max_scans {
                        return None;
                    }
                    found.is_flawed |= found.is_sequential() && has_odd_parameters(&marker);
                    used.extend(tables_used(marker.payload));
                    if markers.skip_entropy_coded().is_err() {
                        break;
                    }
                }
                DHT if found.scans == 0 => {
                    defined.extend(tables_in(marker.payload).map(|(kind, _)| kind));
                }
                APP0 => found.is_flawed |= is_odd_jfif(&marker),
                APP14 => adobe_is_odd |= is_odd_adobe(&marker),
                code if is_frame(code) => {
                    found.frame_type = code;
                    found.components = marker.payload.get(5).copied().unwrap_or(0);
                }
                _ => icc.add(&marker),
            }
        }
        found.has_bad_icc = icc.is_invalid();
        if matches!(found.frame_type, 0xC0 | 0xC1) {
            // Decoders use the standard tables if a picture defines none, as in Motion JPEG.
            found.missing_tables = STANDARD.iter().map(|table| table[0]).collect();
            found.missing_tables.retain(|kind| used.contains(kind) && !defined.contains(kind));
        }
        found.is_flawed |= found.has_bad_icc
            || adobe_is_odd && found.components == 3
            || !found.missing_tables.is_empty()
            || found.frame_type == PROGRESSIVE && !jpeg_scans::are_in_order(data);
        Some(found)
    }

    fn is_sequential(&self) -> bool {
        SEQUENTIAL.contains(&self.frame_type)
    }

    /// Returns a copy without flaws of the part before EOI.
    fn rebuild(&self, data: &[u8]) -> Vec<u8> {
        let mut markers = Markers::new(data);
        let mut copy = Vec::with_capacity(data.len() + 1024);
        copy.extend_from_slice(&[0xFF, SOI]);
        let mut scans = 0;
        while let Ok(marker) = markers.next() {
            let at = copy.len();
            match marker.code {
                EOI | SOI => break,
                _ if marker.is_too_short => continue,
                _ if is_icc_stub(&marker) => continue,
                _ if self.has_bad_icc && jpeg_copy::icc_of(&marker).is_some() => continue,
                SOS if scans == 0 && self.frame_type == PROGRESSIVE => {
                    if let Some(ordered) = jpeg_scans::in_order(data) {
                        copy.extend_from_slice(&ordered);
                        break;
                    }
                }
                SOS if scans == 0 && !self.missing_tables.is_empty() => {
                    let tables = STANDARD.iter().filter(|table| self.missing_tables.contains(&table[0]));
                    push(&mut copy, DHT, &tables.copied().collect::<Vec<_>>().concat());
                }
                _ => {}
            }
            let at = if marker.code == SOS { copy.len() } else { at };
            copy.extend_from_slice(&data[marker.start..marker.end]);
            match marker.code {
                SOS => {
                    if self.is_sequential() && has_odd_parameters(&marker) {
                        let last = copy.len() - ALL_COEFFICIENTS.len();
                        copy[last..].copy_from_slice(&ALL_COEFFICIENTS);
                    }
                    scans += 1;
                    let is_truncated = markers.skip_entropy_coded().is_err();
                    let end = if is_truncated { data.len() } else { markers.position() };
                    copy.extend_from_slice(&data[marker.end..end]);
                    if is_truncated {
                        break;
                    }
                }
                // The payload follows the marker and the length.
                APP0 if is_odd_jfif(&marker) => copy[at + 4 + JFIF_MAJOR] = 1,
                APP14 if self.components == 3 && is_odd_adobe(&marker) => {
                    copy[at + 4 + ADOBE_TRANSFORM] = 1;
                }
                _ => {}
            }
        }
        copy
    }
}

/// Iterates over the Huffman tables that a scan header refers to, by class and number.
fn tables_used(payload: &[u8]) -> impl Iterator<Item = u8> {
    let count = payload.first().map_or(0, |count| usize::from(*count));
    let list = payload.get(1..).unwrap_or_default().as_chunks::<2>().0;
    list.iter().take(count).flat_map(|[_, tables]| [tables >> 4, 0x10 | tables & 0x0F])
}

/// Reports whether the scan header of a sequential picture selects only part of the coefficients or
/// of their bits.
fn has_odd_parameters(marker: &Marker<'_>) -> bool {
    marker.payload.len() >= ALL_COEFFICIENTS.len() && !marker.payload.ends_with(&ALL_COEFFICIENTS)
}

/// Reports whether a JFIF segment has an unknown version. Decoders read it like version 1.
fn is_odd_jfif(marker: &Marker<'_>) -> bool {
    marker.payload.starts_with(b"JFIF\0") && marker.payload.get(JFIF_MAJOR).is_some_and(|major| *major != 1)
}

/// Reports whether an Adobe segment has an unknown transform, or one for four components. With
/// three components, all decoders assume YCbCr.
fn is_odd_adobe(marker: &Marker<'_>) -> bool {
    marker.payload.starts_with(b"Adobe") && marker.payload.get(ADOBE_TRANSFORM).is_some_and(|it| *it > 1)
}

/// Reports whether a part of an ICC profile is too short to contain its number and the number of
/// parts. Decoders skip it, but some viewers refuse the file.
fn is_icc_stub(marker: &Marker<'_>) -> bool {
    jpeg_copy::icc_of(marker).is_some_and(|part| part.len() < 2)
}

/// The numbers of an ICC profile's parts.
#[derive(Default)]
struct IccParts {
    count: Option<u8>,
    seen: [u64; 4],
    bytes: usize,
    is_inconsistent: bool,
}

impl IccParts {
    fn add(&mut self, marker: &Marker<'_>) {
        let Some([number, count, part @ ..]) = jpeg_copy::icc_of(marker) else { return };
        let (word, bit) = (usize::from(number / 64), 1 << (number % 64));
        self.is_inconsistent |= *self.count.get_or_insert(*count) != *count;
        self.is_inconsistent |= !(1..=*count).contains(number) || self.seen[word] & bit != 0;
        self.seen[word] |= bit;
        self.bytes += part.len();
    }

    /// Reports whether a part is missing or appears twice, the counts differ, or all parts are
    /// empty.
    fn is_invalid(&self) -> bool {
        let seen: u32 = self.seen.iter().map(|word| word.count_ones()).sum();
        self.count.is_some_and(|count| self.is_inconsistent || seen != u32::from(count) || self.bytes == 0)
    }
}

/// The Huffman tables of ITU-T T.81, annex K.3: class and number, the number of codes of each
/// length, the symbols.
const STANDARD: [&[u8]; 4] = [
    b"\x00\0\x01\x05\x01\x01\x01\x01\x01\x01\0\0\0\0\0\0\0\x00\x01\x02\x03\x04\x05\x06\x07\x08\x09\x0A\x0B",
    b"\x10\x00\x02\x01\x03\x03\x02\x04\x03\x05\x05\x04\x04\x00\x00\x01\x7D\x01\x02\x03\x00\x04\x11\x05\x12\x21\x31\
      \x41\x06\x13\x51\x61\x07\x22\x71\x14\x32\x81\x91\xA1\x08\x23\x42\xB1\xC1\x15\x52\xD1\xF0\x24\x33\x62\x72\x82\
      \x09\x0A\x16\x17\x18\x19\x1A\x25\x26\x27\x28\x29\x2A\x34\x35\x36\x37\x38\x39\x3A\x43\x44\x45\x46\x47\x48\x49\
      \x4A\x53\x54\x55\x56\x57\x58\x59\x5A\x63\x64\x65\x66\x67\x68\x69\x6A\x73\x74\x75\x76\x77\x78\x79\x7A\x83\x84\
      \x85\x86\x87\x88\x89\x8A\x92\x93\x94\x95\x96\x97\x98\x99\x9A\xA2\xA3\xA4\xA5\xA6\xA7\xA8\xA9\xAA\xB2\xB3\xB4\
      \xB5\xB6\xB7\xB8\xB9\xBA\xC2\xC3\xC4\xC5\xC6\xC7\xC8\xC9\xCA\xD2\xD3\xD4\xD5\xD6\xD7\xD8\xD9\xDA\xE1\xE2\xE3\
      \xE4\xE5\xE6\xE7\xE8\xE9\xEA\xF1\xF2\xF3\xF4\xF5\xF6\xF7\xF8\xF9\xFA",
    b"\x01\0\x03\x01\x01\x01\x01\x01\x01\x01\x01\x01\0\0\0\0\0\x00\x01\x02\x03\x04\x05\x06\x07\x08\x09\x0A\x0B",
    b"\x11\x00\x02\x01\x02\x04\x04\x03\x04\x07\x05\x04\x04\x00\x01\x02\x77\x00\x01\x02\x03\x11\x04\x05\x21\x31\x06\
      \x12\x41\x51\x07\x61\x71\x13\x22\x32\x81\x08\x14\x42\x91\xA1\xB1\xC1\x09\x23\x33\x52\xF0\x15\x62\x72\xD1\x0A\
      \x16\x24\x34\xE1\x25\xF1\x17\x18\x19\x1A\x26\x27\x28\x29\x2A\x35\x36\x37\x38\x39\x3A\x43\x44\x45\x46\x47\x48\
      \x49\x4A\x53\x54\x55\x56\x57\x58\x59\x5A\x63\x64\x65\x66\x67\x68\x69\x6A\x73\x74\x75\x76\x77\x78\x79\x7A\x82\
      \x83\x84\x85\x86\x87\x88\x89\x8A\x92\x93\x94\x95\x96\x97\x98\x99\x9A\xA2\xA3\xA4\xA5\xA6\xA7\xA8\xA9\xAA\xB2\
      \xB3\xB4\xB5\xB6\xB7\xB8\xB9\xBA\xC2\xC3\xC4\xC5\xC6\xC7\xC8\xC9\xCA\xD2\xD3\xD4\xD5\xD6\xD7\xD8\xD9\xDA\xE2\
      \xE3\xE4\xE5\xE6\xE7\xE8\xE9\xEA\xF2\xF3\xF4\xF5\xF6\xF7\xF8\xF9\xFA",
];
