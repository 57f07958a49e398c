//! Writes the segments of a JPEG around its scan, as libjpeg does.

use super::header::{BLOCK_SIZE, Header, HuffmanSpec};

/// The JFIF segment that libjpeg writes: version 1.1, square pixels, no thumbnail.
const JFIF: &[u8] = b"JFIF\0\x01\x01\0\0\x01\0\x01\0\0";

/// Begins a file with these quantisers, one set for each component, and these Huffman tables: of luma
/// and of chroma, DC before AC.
pub(super) fn begin(
    file: &mut Vec<u8>,
    header: &Header<'_>,
    quantisers: &[[u8; BLOCK_SIZE]],
    codes: &[[HuffmanSpec<'_>; 2]; 2],
) {
    file.extend_from_slice(&[0xFF, 0xD8]);
    push(file, 0xE0, &[JFIF]);
    // Components with the same quantisers share a table.
    let mut tables: Vec<&[u8; BLOCK_SIZE]> = Vec::new();
    let mut used = Vec::new();
    for (index, one) in quantisers.iter().enumerate() {
        // Luma has a table of its own, as everywhere.
        let found = tables.iter().skip(1).position(|other| *other == one).filter(|_| index > 0);
        used.push(found.map_or(tables.len(), |at| at + 1) as u8);
        if found.is_none() {
            push(file, 0xDB, &[&[tables.len() as u8], one]);
            tables.push(one);
        }
    }
    let [w1, w0] = (header.width as u16).to_be_bytes();
    let [h1, h0] = (header.height as u16).to_be_bytes();
    let luma_factors = (header.factors.0 << 4 | header.factors.1) as u8;
    let ids = 1..=header.components.len() as u8;
    let components = ids
        .clone()
        .zip(&used)
        .flat_map(|(id, table)| [id, if id == 1 { luma_factors } else { 0x11 }, *table]);
    let components: Vec<u8> = components.collect();
    push(file, 0xC0, &[&[8, h1, h0, w1, w0, ids.len() as u8], &components]);
    let kinds = [0x00, 0x10, 0x01, 0x11];
    let count = if ids.len() == 1 { 2 } else { 4 };
    for (kind, HuffmanSpec { counts, symbols }) in kinds.into_iter().zip(codes.as_flattened()).take(count) {
        push(file, 0xC4, &[&[kind], *counts, *symbols]);
    }
    let tables: Vec<u8> = ids.clone().flat_map(|id| [id, if id == 1 { 0x00 } else { 0x11 }]).collect();
    push(file, 0xDA, &[&[ids.len() as u8], &tables, &[0, 63, 0]]);
}

fn push(file: &mut Vec<u8>, code: u8, parts: &[&[u8]]) {
    let length: usize = 2 + parts.iter().map(|part| part.len()).sum::<usize>();
    file.extend_from_slice(&[0xFF, code]);
    file.extend_from_slice(&(length as u16).to_be_bytes());
    parts.iter().for_each(|part| file.extend_from_slice(part));
}
