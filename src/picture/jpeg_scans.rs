//! Sorts the scans of a progressive JPEG. Decoders accept any order that results in the same
//! picture, with a warning. This module restores the order that the standard requires.

use std::collections::BTreeMap;

use super::jpeg_copy::push;
use super::jpeg_markers::{DHT, EOI, Markers, SOI, SOS, is_metadata};

const DRI: u8 = 0xDD;
/// Markers without a segment: TEM, and RST0 to RST7.
const STANDS_ALONE: [u8; 9] = [0x01, 0xD0, 0xD1, 0xD2, 0xD3, 0xD4, 0xD5, 0xD6, 0xD7];
const BLOCK_SIZE: usize = 64;
const UNKNOWN: u8 = u8::MAX;

/// Huffman tables by class and number, which are one byte; each table begins with that byte.
type Tables<'a> = BTreeMap<u8, &'a [u8]>;

/// A scan, with the tables and the restart interval that apply to it.
#[derive(Clone, PartialEq, Eq)]
struct Scan<'a> {
    tables: Tables<'a>,
    restart_interval: &'a [u8],
    header: &'a [u8],
    data: &'a [u8],
}

impl Scan<'_> {
    fn components(&self) -> impl Iterator<Item = u8> {
        let count = self.header.first().map_or(0, |count| usize::from(*count));
        self.header.get(1..).unwrap_or_default().as_chunks::<2>().0.iter().take(count).map(|[id, _]| *id)
    }

    /// Returns the first and the last coefficient, the lowest bit in earlier scans, and the lowest
    /// bit in this scan.
    fn parameters(&self) -> Option<(usize, usize, u8, u8)> {
        let [.., first, last, bits] = *self.header else { return None };
        let (first, last) = (usize::from(first), usize::from(last));
        (first <= last && last < BLOCK_SIZE).then_some((first, last, bits >> 4, bits & 0x0F))
    }

    fn is_first_of_dc(&self) -> bool {
        self.parameters().is_some_and(|(first, _, high, _)| first == 0 && high == 0)
    }

    /// Reports whether reading the scan twice gives the same result: true for first scans and for
    /// DC refinement. AC refinement depends on the coefficients so far.
    fn is_repeatable(&self) -> bool {
        self.parameters().is_some_and(|(first, _, high, _)| first == 0 || high == 0)
    }

    fn overlaps(&self, other: &Self) -> bool {
        let bands = self.parameters().zip(other.parameters());
        bands.is_none_or(|(one, two)| one.0 <= two.1 && two.0 <= one.1)
            && self.components().any(|id| other.components().any(|other| other == id))
    }
}

/// Iterates over the tables of a DHT segment, as far as it can be read: class and number, and the
/// whole table including that byte.
pub(super) fn tables_in(mut payload: &[u8]) -> impl Iterator<Item = (u8, &[u8])> {
    std::iter::from_fn(move || {
        let symbols: usize = payload.get(1..17)?.iter().map(|count| usize::from(*count)).sum();
        let (table, rest) = payload.split_at_checked(17 + symbols)?;
        payload = rest;
        Some((table[0], table))
    })
}

/// Returns all scans; `None` if there is a segment between them that must keep its place.
fn scans(data: &[u8]) -> Option<Vec<Scan<'_>>> {
    let mut markers = Markers::new(data);
    let (mut tables, mut restart_interval) = (Tables::new(), &[0, 0][..]);
    let mut scans = Vec::new();
    while let Ok(marker) = markers.next() {
        match marker.code {
            EOI | SOI => break,
            DHT => tables.extend(tables_in(marker.payload)),
            DRI => restart_interval = marker.payload,
            SOS => {
                let is_truncated = markers.skip_entropy_coded().is_err();
                let end = if is_truncated { data.len() } else { markers.position() };
                let (header, data) = (marker.payload, &data[marker.end..end]);
                scans.push(Scan { tables: tables.clone(), restart_interval, header, data });
                if is_truncated {
                    break;
                }
            }
            code if scans.is_empty() || is_metadata(code) || STANDS_ALONE.contains(&code) => {}
            _ => return None,
        }
    }
    Some(scans)
}

/// Reports whether each scan continues where the earlier ones ended, and DC precedes AC.
fn are_consistent<'a>(scans: impl IntoIterator<Item = &'a Scan<'a>>) -> bool {
    let mut known: BTreeMap<u8, [u8; BLOCK_SIZE]> = BTreeMap::new();
    for scan in scans {
        let Some((first, last, high, low)) = scan.parameters() else { return false };
        for id in scan.components() {
            let known = known.entry(id).or_insert([UNKNOWN; BLOCK_SIZE]);
            if first > 0 && known[0] == UNKNOWN {
                return false;
            }
            for bits in &mut known[first..=last] {
                if high != if *bits == UNKNOWN { 0 } else { *bits } {
                    return false;
                }
                *bits = low;
            }
        }
    }
    true
}

/// Reports whether the scans are in order, or cannot be sorted.
pub(super) fn are_in_order(data: &[u8]) -> bool {
    sorted(data).is_none()
}

/// Returns the scans in order, up to EOI, to be put after the header with its tables. `None` if
/// they are in order already, or if no order avoids a decoder's warning.
pub(super) fn in_order(data: &[u8]) -> Option<Vec<u8>> {
    let (first, scans) = sorted(data)?;
    let (mut tables, mut restart_interval) = (first.tables, first.restart_interval);
    let mut copy = Vec::with_capacity(data.len());
    for scan in scans {
        if scan.restart_interval != restart_interval {
            restart_interval = scan.restart_interval;
            push(&mut copy, DRI, restart_interval);
        }
        let changed = scan.tables.iter().filter(|(kind, table)| tables.get(kind) != Some(table));
        let changed: Vec<&[u8]> = changed.map(|(_, table)| *table).collect();
        if !changed.is_empty() {
            push(&mut copy, DHT, &changed.concat());
        }
        tables.extend(scan.tables);
        push(&mut copy, SOS, scan.header);
        copy.extend_from_slice(scan.data);
    }
    Some(copy)
}

/// Returns the first scan of the file, and all scans in order; `None` as for [`in_order`].
fn sorted(data: &[u8]) -> Option<(Scan<'_>, Vec<Scan<'_>>)> {
    let scans = scans(data)?;
    if are_consistent(&scans) {
        return None;
    }
    let first = scans.first()?.clone();
    let mut kept: Vec<Scan<'_>> = Vec::with_capacity(scans.len());
    for scan in scans {
        // The last scan with bits of the same coefficients.
        let before = kept.iter().rfind(|before| before.overlaps(&scan));
        if before.is_none_or(|before| *before != scan || !scan.is_repeatable()) {
            kept.push(scan);
        }
    }
    if !are_consistent(&kept) {
        kept.sort_by_key(|scan| !scan.is_first_of_dc());
    }
    are_consistent(&kept).then_some((first, kept))
}
