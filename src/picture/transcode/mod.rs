//! Makes a smaller JPEG from a JPEG of the same size without decoding its pixels.
//!
//! The Huffman codes are decoded to coefficients, these are divided by coarser quantisers, and
//! encoded again. Planes for measures and thumbnails are made from the same coefficients. This takes about half the time of decoding and encoding pixels, and loses
//! about as much.
//!
//! Only plain baseline JPEGs are supported, and only complete and undamaged ones: everything else is
//! refused and must be decoded by libjpeg-turbo, which knows how to handle it. Files that
//! libjpeg-turbo decodes with a warning are always refused.
//!
//! The picture is processed in batches of a few hundred blocks, step by step, so that everything
//! stays in the cache, and no step reads what the processor has only just written.

mod bits;
mod file;
mod header;
mod huffman_decode;
mod huffman_encode;
mod requantise;
mod scale;
mod segments;
mod small;
mod standard;
#[cfg(test)]
mod tests;

use bits::Position;
use header::{BLOCK_SIZE, Header, HuffmanSpec};
use huffman_decode::{AcTable, DcTable, Target};
use huffman_encode::{Block, EncodeTable, Writer};
use requantise::Ratios;
use scale::{Plan, Scaler};
use segments::Segments;
use small::Small;

/// The number of blocks that are processed together: 12 kB of coefficients.
const BATCH_BLOCKS: usize = 96;
/// The maximum of a DC coefficient in a JPEG of 8 bits a sample.
const MAX_DC: i32 = 2047;
/// The maximum length of a side. Longer sides are possible in a JPEG, but no camera has them.
const MAX_SIDE: usize = 16_384;

/// The reason for which a JPEG is not transcoded.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub(super) enum Refusal {
    /// It is valid, or may be, but of an unsupported kind.
    #[error("not transcoded: {0}")]
    Unusual(&'static str),
    /// It is damaged.
    #[error("not transcoded, because of damage: {0}")]
    Damaged(&'static str),
}

/// The results that are wanted from a JPEG.
#[derive(Debug, Clone, Copy)]
pub(super) struct Order<'a> {
    /// The quality of the new JPEG, 1..=100; `None` = none is made.
    pub(super) quality: Option<u8>,
    /// The planes to make. Those of components that the picture does not have stay empty.
    pub(super) planes: &'a [PlaneOrder],
}

/// A plane to make.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct PlaneOrder {
    /// 0 = Y, 1 = Cb, 2 = Cr.
    pub(super) component: usize,
    /// Width and height, at most those of the component's samples.
    pub(super) size: (usize, usize),
}

/// The results of transcoding a JPEG. The planes stay in the transcoder.
#[derive(Debug)]
pub(super) struct Transcoded {
    /// The new JPEG, if one was ordered.
    pub(super) jpeg: Option<Vec<u8>>,
    /// The picture's width and height.
    pub(super) size: (usize, usize),
    /// The luma blocks of an MCU, across and down; `None` for a grey picture.
    pub(super) factors: Option<(usize, usize)>,
}

/// A transcoder with the buffers of the last picture.
#[derive(Debug, Default)]
pub(super) struct Transcoder {
    segments: Segments,
    batch: Batch,
    encode_tables: Option<Box<[EncodeTable; 2]>>,
    writer: Writer,
    scalings: Vec<Scaling>,
    small: Small,
}

/// A plane that is being made.
#[derive(Debug, Default)]
struct Scaling {
    component: usize,
    plan: Plan,
    scaler: Scaler,
}

/// The blocks of a batch.
#[derive(Debug, Default)]
struct Batch {
    coefficients: Vec<[i16; BLOCK_SIZE]>,
    /// The coefficients in the order of [`scale::PLACES`], for components of which planes are made.
    placed: Vec<[i16; BLOCK_SIZE]>,
    bytes: Vec<[i8; BLOCK_SIZE]>,
    blocks: Vec<Decoded>,
}

/// A decoded block.
#[derive(Debug, Clone, Copy, Default)]
struct Decoded {
    /// The index of the last coefficient.
    last: usize,
    /// A bit for each coefficient that is not 0 after the division.
    nonzero: u64,
    /// The DC coefficient after the division.
    dc: i32,
}

/// The tables of a component.
struct Tables {
    dc: DcTable,
    ac: AcTable,
    quantisers: [u8; BLOCK_SIZE],
    new_quantisers: [u8; BLOCK_SIZE],
    ratios: Ratios,
}

/// A block of an MCU.
#[derive(Debug, Clone, Copy)]
struct Slot {
    component: usize,
    /// The place within the component's blocks of the MCU.
    column: usize,
    row: usize,
}

impl Transcoder {
    /// Transcodes a JPEG.
    ///
    /// # Errors
    ///
    /// Refuses everything that is not a plain and complete JPEG. Nothing is made then.
    pub(super) fn transcode(&mut self, data: &[u8], order: Order<'_>) -> Result<Transcoded, Refusal> {
        let header = header::read(data)?;
        if header.width.max(header.height) > MAX_SIDE {
            return Err(Refusal::Unusual("a very long side"));
        }
        let (across, down) = header.mcus();
        let interval = if header.restart_interval == 0 { across * down } else { header.restart_interval };
        self.segments.read(header.rest, (across * down).div_ceil(interval))?;
        let tables = read_tables(&header, order.quality)?;
        let mut file = Vec::new();
        if order.quality.is_some() {
            let quantisers: Vec<_> = tables.iter().map(|tables| tables.new_quantisers).collect();
            file.reserve(data.len() + 1024);
            file::begin(&mut file, &header, &quantisers);
            self.writer.start();
        }
        let size = (header.width, header.height);
        // Those that are not used now keep their plans.
        self.scalings.iter_mut().for_each(|scaling| scaling.scaler.samples.clear());
        if self.scalings.len() < order.planes.len() {
            self.scalings.resize_with(order.planes.len(), Scaling::default);
        }
        for (scaling, PlaneOrder { component, size: to }) in self.scalings.iter_mut().zip(order.planes) {
            let (h, v) = if *component == 0 { (1, 1) } else { header.factors };
            scaling.component = *component;
            scaling.plan.make_for((size.0.div_ceil(h), size.1.div_ceil(v)), *to);
            let quantisers = tables.get(*component).map(|tables| &tables.quantisers);
            scaling.scaler.start(&scaling.plan, quantisers);
        }
        let slots = slots(&header);
        self.small.start((across, down), header.factors, tables.len());
        let mut run = Run {
            segments: &self.segments,
            batch: &mut self.batch,
            tables: &tables,
            slots: &slots,
            factors: header.factors,
            mcus: (across, down),
            interval,
            small: &mut self.small,
            scalings: &mut self.scalings[..order.planes.len()],
            output: order.quality.is_some().then(|| Output {
                file: &mut file,
                writer: &mut self.writer,
                tables: self.encode_tables.get_or_insert_with(standard_tables),
                before: [0; 3],
            }),
        };
        run.all()?;
        let factors = (tables.len() > 1).then_some(header.factors);
        Ok(Transcoded { jpeg: order.quality.is_some().then_some(file), size, factors })
    }

    /// Returns the samples of a plane of the last picture, by its index in the order.
    pub(super) fn plane(&self, index: usize) -> &[u8] {
        self.scalings.get(index).map(|scaling| &scaling.scaler.samples[..]).unwrap_or_default()
    }

    /// Returns the last picture at an eighth of its size: Y, Cb, Cr. The luma plane is padded to
    /// whole MCUs.
    pub(super) fn small(&self) -> &[u8] {
        &self.small.samples
    }

    /// Returns the mean strength of the colours of the last picture: the mean of
    /// (|Cb - 128| + |Cr - 128|) / 2 over the means of all blocks; `None` without chroma.
    pub(super) fn chroma_strength(&self) -> Option<f64> {
        self.small.chroma_strength()
    }
}

fn standard_tables() -> Box<[EncodeTable; 2]> {
    Box::new([
        EncodeTable::new(standard::LUMA_DC, standard::LUMA_AC),
        EncodeTable::new(standard::CHROMA_DC, standard::CHROMA_AC),
    ])
}

fn read_tables(header: &Header<'_>, quality: Option<u8>) -> Result<Vec<Tables>, Refusal> {
    let mut read: Vec<Tables> = Vec::with_capacity(header.components.len());
    for (index, component) in header.components.iter().enumerate() {
        let header::Component { quantisers, dc, ac } = *component;
        // Cb and Cr mostly have the same codes.
        let same = |pick: for<'a> fn(&header::Component<'a>) -> HuffmanSpec<'a>| {
            header.components[..index].iter().position(|other| pick(other) == pick(component))
        };
        let dc = match same(|one| one.dc) {
            Some(at) => read[at].dc.clone(),
            None => DcTable::read(dc)?,
        };
        let ac = match same(|one| one.ac) {
            Some(at) => read[at].ac.clone(),
            None => AcTable::read(ac)?,
        };
        let mut new_quantisers = quantisers;
        if let Some(quality) = quality {
            // Finer steps than before would only take more bytes.
            let wanted = standard::quantisers(index > 0, quality);
            new_quantisers.iter_mut().zip(wanted).for_each(|(one, wanted)| *one = wanted.max(*one));
        }
        let ratios = Ratios::new(&quantisers, &new_quantisers);
        read.push(Tables { dc, ac, quantisers, new_quantisers, ratios });
    }
    Ok(read)
}

fn slots(header: &Header<'_>) -> Vec<Slot> {
    let (h, v) = header.factors;
    let luma = (0..v).flat_map(|row| (0..h).map(move |column| Slot { component: 0, column, row }));
    let chroma = (1..header.components.len()).map(|component| Slot { component, column: 0, row: 0 });
    luma.chain(chroma).collect()
}

/// The JPEG that is being made.
struct Output<'a> {
    file: &'a mut Vec<u8>,
    writer: &'a mut Writer,
    tables: &'a [EncodeTable; 2],
    /// The DC coefficients of the blocks before.
    before: [i32; 3],
}

/// The work on one picture.
struct Run<'a> {
    segments: &'a Segments,
    batch: &'a mut Batch,
    tables: &'a [Tables],
    slots: &'a [Slot],
    factors: (usize, usize),
    mcus: (usize, usize),
    interval: usize,
    small: &'a mut Small,
    scalings: &'a mut [Scaling],
    output: Option<Output<'a>>,
}

/// The state of decoding between batches.
struct Decoding {
    position: Position,
    /// The DC coefficients of the blocks before.
    before: [i32; 3],
    /// The MCUs that are left in the segment.
    left: usize,
    segment: usize,
}

impl Run<'_> {
    fn all(&mut self) -> Result<(), Refusal> {
        self.batch.coefficients.resize(BATCH_BLOCKS, [0; BLOCK_SIZE]);
        self.batch.placed.resize(BATCH_BLOCKS, [0; BLOCK_SIZE]);
        self.batch.bytes.resize(BATCH_BLOCKS, [0; BLOCK_SIZE]);
        self.batch.blocks.resize(BATCH_BLOCKS, Decoded::default());
        let mut decoding =
            Decoding { position: Position::at(0), before: [0; 3], left: self.interval, segment: 0 };
        let batch = BATCH_BLOCKS / self.slots.len();
        for row in 0..self.mcus.1 {
            for first in (0..self.mcus.0).step_by(batch) {
                let columns = first..(first + batch).min(self.mcus.0);
                self.decode(&mut decoding, columns.clone(), row)?;
                self.scale(columns.clone(), row);
                if self.output.is_some() {
                    self.divide(columns.len());
                    self.encode(columns.len());
                }
            }
            for Scaling { component, plan, scaler } in &mut *self.scalings {
                let v = if *component == 0 { self.factors.1 } else { 1 };
                scaler.finish_rows(plan, (row + 1) * v - 1);
            }
        }
        end_segment(self.segments, &decoding)?;
        if let Some(output) = &mut self.output {
            output.writer.finish(output.file);
            output.file.extend_from_slice(&[0xFF, 0xD9]);
        }
        Ok(())
    }

    #[inline(never)]
    fn decode(
        &mut self,
        decoding: &mut Decoding,
        columns: std::ops::Range<usize>,
        row: usize,
    ) -> Result<(), Refusal> {
        let data = &self.segments.data[..];
        let placed_components =
            [0, 1, 2].map(|one| self.scalings.iter().any(|scaling| scaling.component == one));
        let mut places =
            self.batch.coefficients.iter_mut().zip(&mut self.batch.placed).zip(&mut self.batch.blocks);
        for column in columns {
            if decoding.left == 0 {
                end_segment(self.segments, decoding)?;
                let end = self.segments.ends.get(decoding.segment).copied().unwrap_or_default();
                decoding.position = Position::at(end);
                decoding.before = [0; 3];
                decoding.left = self.interval;
                decoding.segment += 1;
            }
            decoding.left -= 1;
            for slot in self.slots {
                let Some(((coefficients, placed), block)) = places.next() else { break };
                let tables = &self.tables[slot.component];
                *coefficients = [0; BLOCK_SIZE];
                let is_placed = placed_components[slot.component];
                let codes = (&tables.dc, &tables.ac);
                let (position, places) = (&mut decoding.position, &scale::PLACES);
                let (difference, last) = if is_placed {
                    *placed = [0; BLOCK_SIZE];
                    let target = Target { coefficients, placed, places };
                    huffman_decode::block::<true>(data, position, codes, target)?
                } else {
                    let target = Target { coefficients, placed, places };
                    huffman_decode::block::<false>(data, position, codes, target)?
                };
                let dc = decoding.before[slot.component] + difference;
                if dc.abs() > MAX_DC {
                    return Err(Refusal::Damaged("a DC coefficient out of range"));
                }
                decoding.before[slot.component] = dc;
                coefficients[0] = dc as i16;
                if is_placed {
                    placed[0] = dc as i16;
                }
                block.last = last;
                let dequantised = dc * i32::from(tables.quantisers[0]);
                let (h, v) = if slot.component == 0 { self.factors } else { (1, 1) };
                let at = (column * h + slot.column, row * v + slot.row);
                self.small.add(slot.component, at, dequantised);
            }
        }
        Ok(())
    }

    #[inline(never)]
    fn scale(&mut self, columns: std::ops::Range<usize>, row: usize) {
        let slots = self.slots.len();
        for Scaling { component, plan, scaler } in &mut *self.scalings {
            let (h, v) = if *component == 0 { self.factors } else { (1, 1) };
            for (index, slot) in
                self.slots.iter().enumerate().filter(|(_, slot)| slot.component == *component)
            {
                let placed = self.batch.placed.iter().skip(index).step_by(slots);
                let blocks = self.batch.blocks.iter().skip(index).step_by(slots);
                for ((column, placed), block) in columns.clone().zip(placed).zip(blocks) {
                    let at = (column * h + slot.column, row * v + slot.row);
                    scaler.block(plan, at, placed, block.last);
                }
            }
        }
    }

    #[inline(never)]
    fn divide(&mut self, mcus: usize) {
        let Batch { coefficients, bytes, blocks, .. } = &mut *self.batch;
        let slots = self.slots.iter().cycle().take(mcus * self.slots.len());
        for (((coefficients, bytes), block), slot) in coefficients.iter().zip(bytes).zip(blocks).zip(slots) {
            let ratios = &self.tables[slot.component].ratios;
            block.nonzero = ratios.block(coefficients, block.last, bytes);
            block.dc = i32::from(ratios.one(0, coefficients[0]));
        }
    }

    #[inline(never)]
    fn encode(&mut self, mcus: usize) {
        let Some(output) = &mut self.output else { return };
        let Batch { coefficients, bytes, blocks, .. } = &mut *self.batch;
        let slots = self.slots.iter().cycle().take(mcus * self.slots.len());
        output.writer.reserve(mcus * self.slots.len());
        for (((coefficients, bytes), block), slot) in
            coefficients.iter().zip(&*bytes).zip(&*blocks).zip(slots)
        {
            let ratios = &self.tables[slot.component].ratios;
            let before = std::mem::replace(&mut output.before[slot.component], block.dc);
            let block = Block { difference: block.dc - before, nonzero: block.nonzero, bytes };
            let table = &output.tables[usize::from(slot.component > 0)];
            output.writer.block(table, &block, |index| ratios.one(index, coefficients[index % BLOCK_SIZE]));
        }
        output.writer.stuff(output.file);
    }
}

/// Checks that a segment ends with the last of its blocks, and is padded with ones.
fn end_segment(segments: &Segments, decoding: &Decoding) -> Result<(), Refusal> {
    let end = segments.ends.get(decoding.segment).copied().unwrap_or_default();
    let Some(left) = (8 * end).checked_sub(decoding.position.bit()) else {
        return Err(Refusal::Damaged("too little data"));
    };
    if left >= 8 {
        return Err(Refusal::Damaged("too much data"));
    }
    let last = end.checked_sub(1).and_then(|at| segments.data.get(at)).copied().unwrap_or_default();
    let padding = (1_u32 << left) - 1;
    if u32::from(last) & padding != padding {
        return Err(Refusal::Unusual("padding other than ones"));
    }
    Ok(())
}
