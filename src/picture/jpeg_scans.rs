//! The order of a progressive JPEG's scans. Decoders take them in any order in which the picture comes out the same, and warn;
//! here they are put into the one that the standard asks for.

use std::collections::BTreeMap;

use super::jpeg_copy::push;
use super::jpeg_markers::{DHT, EOI, Markers, SOI, SOS, is_metadata};

const DRI: u8 = 0xDD;
/// RST0 to RST7, and TEM.
const STANDS_ALONE: [u8; 9] = [0x01, 0xD0, 0xD1, 0xD2, 0xD3, 0xD4, 0xD5, 0xD6, 0xD7];
const BLOCK: usize = 64;
const UNKNOWN: u8 = u8::MAX;

/// Huffman tables by class and number, each with that byte before it.
type Tables<'a> = BTreeMap<u8, &'a [u8]>;

/// A scan, and what holds when it is read.
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

    /// The first and the last coefficient, the bits that were told before, the lowest bit that is told.
    fn parameters(&self) -> Option<(usize, usize, u8, u8)> {
        let [.., first, last, bits] = *self.header else { return None };
        let (first, last) = (usize::from(first), usize::from(last));
        (first <= last && last < BLOCK).then_some((first, last, bits >> 4, bits & 0x0F))
    }

    fn is_first_of_dc(&self) -> bool {
        self.parameters().is_some_and(|(first, _, high, _)| first == 0 && high == 0)
    }

    /// Read twice, it says the same again: of a coefficient's first bits, and of one more bit of DC. One more bit of AC depends
    /// on what is there.
    fn can_be_repeated(&self) -> bool {
        self.parameters().is_some_and(|(first, _, high, _)| first == 0 || high == 0)
    }

    fn overlaps(&self, other: &Self) -> bool {
        let bands = self.parameters().zip(other.parameters());
        bands.is_none_or(|(one, two)| one.0 <= two.1 && two.0 <= one.1)
            && self.components().any(|id| other.components().any(|other| other == id))
    }
}

/// The tables of a DHT segment, as far as it can be read: class and number, and with that byte all of the table.
pub(super) fn tables_in(mut payload: &[u8]) -> impl Iterator<Item = (u8, &[u8])> {
    std::iter::from_fn(move || {
        let symbols: usize = payload.get(1..17)?.iter().map(|count| usize::from(*count)).sum();
        let (table, rest) = payload.split_at_checked(17 + symbols)?;
        payload = rest;
        Some((table[0], table))
    })
}

/// All scans; `None` if something stands between them that would have to stay in its place.
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
                let is_cut = markers.skip_entropy_coded().is_err();
                let end = if is_cut { data.len() } else { markers.position() };
                let (header, data) = (marker.payload, &data[marker.end..end]);
                scans.push(Scan { tables: tables.clone(), restart_interval, header, data });
                if is_cut {
                    break;
                }
            }
            code if scans.is_empty() || is_metadata(code) || STANDS_ALONE.contains(&code) => {}
            _ => return None,
        }
    }
    Some(scans)
}

/// Whether each scan goes on where those before it have ended, and DC comes before AC.
fn follow<'a>(scans: impl IntoIterator<Item = &'a Scan<'a>>) -> bool {
    let mut told: BTreeMap<u8, [u8; BLOCK]> = BTreeMap::new();
    for scan in scans {
        let Some((first, last, high, low)) = scan.parameters() else { return false };
        for id in scan.components() {
            let told = told.entry(id).or_insert([UNKNOWN; BLOCK]);
            if first > 0 && told[0] == UNKNOWN {
                return false;
            }
            for bits in &mut told[first..=last] {
                if high != if *bits == UNKNOWN { 0 } else { *bits } {
                    return false;
                }
                *bits = low;
            }
        }
    }
    true
}

/// Whether the scans are in order, or cannot be put into it.
pub(super) fn are_in_order(data: &[u8]) -> bool {
    sorted(data).is_none()
}

/// The scans in order: behind the header with its tables, up to EOI. `None` if they are in order already, or if no order gives
/// the same picture without a decoder's warning.
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

/// The scan that comes first in the file, and all scans in order.
fn sorted(data: &[u8]) -> Option<(Scan<'_>, Vec<Scan<'_>>)> {
    let scans = scans(data)?;
    if follow(&scans) {
        return None;
    }
    let first = scans.first()?.clone();
    let mut kept: Vec<Scan<'_>> = Vec::with_capacity(scans.len());
    for scan in scans {
        // The last one that told something of the same coefficients.
        let before = kept.iter().rfind(|before| before.overlaps(&scan));
        if before.is_none_or(|before| *before != scan || !scan.can_be_repeated()) {
            kept.push(scan);
        }
    }
    if !follow(&kept) {
        kept.sort_by_key(|scan| !scan.is_first_of_dc());
    }
    follow(&kept).then_some((first, kept))
}
