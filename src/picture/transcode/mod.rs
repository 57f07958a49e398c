//! Makes a smaller JPEG from a JPEG of the same size without decoding its pixels.
//!
//! The Huffman codes are decoded to coefficients, these are divided by coarser quantisers, and
//! encoded again. Planes for measures and thumbnails are made from the same coefficients. This takes
//! about half the time of decoding and encoding pixels, and loses about as much.
//!
//! Only plain baseline JPEGs are supported, and only complete and undamaged ones: everything else is
//! refused and must be decoded by libjpeg-turbo, which knows how to handle it. Files that
//! libjpeg-turbo decodes with a warning are always refused.
//!
//! The picture is processed in batches of a few hundred blocks, step by step, so that everything
//! stays in the cache, and no step reads what the processor has only just written.

mod bits;
mod file;
mod fitted;
mod header;
mod huffman_decode;
mod huffman_encode;
mod requantise;
mod run;
mod scale;
mod segments;
mod small;
mod standard;
#[cfg(test)]
mod tests;

use fitted::Counter;
pub use fitted::HuffmanCodes;
use header::{BLOCK_SIZE, Header, HuffmanSpec};
use huffman_decode::{AcTable, DcTable};
use huffman_encode::{EncodeTable, Writer};
use requantise::Ratios;
use run::{Batch, Output, Run};
use scale::{Plan, Scaler};
use segments::Segments;
use small::Small;

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

/// The Huffman codes of a new JPEG. They change its size, and never its pixels.
#[derive(Debug, Clone, Copy, Default)]
pub enum Huffman<'a> {
    /// The standard ones: the same picture always becomes the same bytes.
    #[default]
    Standard,
    /// Codes that fit another picture of the stream; `None` if there is none yet: then the standard
    /// ones. Codes that fit this picture are made for the next one.
    Stream(Option<&'a HuffmanCodes>),
}

/// The results that are wanted from a JPEG.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Order<'a> {
    /// The quality of the new JPEG, 1..=100; `None` = none is made.
    pub(super) quality: Option<u8>,
    /// The planes to make. Those of components that the picture does not have stay empty.
    pub(super) planes: &'a [PlaneOrder],
    /// The codes of the new JPEG.
    pub(super) huffman: Huffman<'a>,
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
    /// Codes that fit the new JPEG, if they were ordered.
    pub(super) codes: Option<HuffmanCodes>,
}

/// A transcoder with the buffers of the last picture.
#[derive(Debug, Default)]
pub(super) struct Transcoder {
    segments: Segments,
    batch: Batch,
    standard_codes: Option<Box<[EncodeTable; 2]>>,
    /// The codes of the last picture that had others.
    stream_codes: Option<Box<[EncodeTable; 2]>>,
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

/// The tables of a component.
struct Tables {
    dc: DcTable,
    ac: AcTable,
    quantisers: [u8; BLOCK_SIZE],
    new_quantisers: [u8; BLOCK_SIZE],
    ratios: Ratios,
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
        let (own, mut counter) = match order.huffman {
            Huffman::Standard => (None, None),
            Huffman::Stream(own) => (own, order.quality.map(|_| Counter::default())),
        };
        let codes = own.map_or(standard::CODES, HuffmanCodes::specs);
        if order.quality.is_some() {
            let quantisers: Vec<_> = tables.iter().map(|tables| tables.new_quantisers).collect();
            file.reserve(data.len() + 1024);
            file::begin(&mut file, &header, &quantisers, &codes);
            self.writer.start();
        }
        let encode_tables = match own {
            None => &*self.standard_codes.get_or_insert_with(|| encode_tables(&codes, None)),
            Some(_) => {
                let last = self.stream_codes.take();
                &*self.stream_codes.insert(encode_tables(&codes, last))
            }
        };
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
        let slots = run::slots(&header);
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
            output: order.quality.is_some().then_some(Output {
                file: &mut file,
                writer: &mut self.writer,
                tables: encode_tables,
                counter: counter.as_mut(),
                before: [0; 3],
            }),
        };
        run.all()?;
        let factors = (tables.len() > 1).then_some(header.factors);
        let codes = counter.map(|counter| counter.codes());
        Ok(Transcoded { jpeg: order.quality.is_some().then_some(file), size, factors, codes })
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

/// Returns the tables of luma and chroma, in the memory of others if possible.
fn encode_tables(
    codes: &[[HuffmanSpec<'_>; 2]; 2],
    others: Option<Box<[EncodeTable; 2]>>,
) -> Box<[EncodeTable; 2]> {
    let mut tables = others.unwrap_or_default();
    tables.iter_mut().zip(codes).for_each(|(table, codes)| table.set(*codes));
    tables
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
