//! Makes what a frame needs from its JPEG without decoding pixels, where that is possible.

use std::panic::{AssertUnwindSafe, catch_unwind};

use bytes::Bytes;

use super::planes::VisibleArea;
use super::transcode::{Huffman, HuffmanCodes, Order, PlaneOrder, Transcoded, Transcoder};
use super::{Codec, EncodeError, Planes, SourcePicture, Subsampling, jpeg, probe};
use crate::domain::ChromaSubsampling;
use crate::domain::picture::PictureFormat;

/// The results that are wanted from a JPEG.
#[derive(Debug, Clone, Copy)]
pub struct TranscodeRequest<'a> {
    /// The quality of a new JPEG of the same size, 1..=100; `None` = none is made.
    pub quality: Option<u8>,
    /// The chroma subsampling of the new JPEG.
    pub chroma: ChromaSubsampling,
    /// The width and height of the luma plane. No side may be longer than that of the picture.
    pub luma: (usize, usize),
    /// The width and height of a thumbnail; `None` = none is made.
    pub thumbnail: Option<(u32, u32)>,
    /// The Huffman codes of the new JPEG.
    pub huffman: Huffman<'a>,
}

/// The results of transcoding a JPEG.
#[derive(Debug)]
pub struct TranscodedPicture {
    /// The new JPEG, without metadata.
    pub jpeg: Option<Bytes>,
    /// The luma plane, without padding. Its samples differ by at most 2 from the mean of the decoded
    /// pixels.
    pub luma: Vec<u8>,
    /// The mean of (|Cb - 128| + |Cr - 128|) / 2 over the means of blocks of 8 x 8 chroma samples;
    /// `None` for a grey picture.
    pub chroma_strength: Option<f64>,
    /// Codes that fit the new JPEG, for the next picture of its stream; `None` for one with standard
    /// codes.
    pub codes: Option<HuffmanCodes>,
    /// The planes from which the thumbnail is encoded.
    thumbnail: Option<Planes>,
}

impl Codec {
    /// Transcodes a JPEG, in about half the time of decoding and encoding it.
    ///
    /// The quantisers of the new JPEG are those of `quality`, but never finer than those of the
    /// source. Returns `None` for everything but plain baseline JPEGs in sRGB that are complete and
    /// undamaged: then use [`Codec::decode`], which says what is wrong, if anything is. Also returns
    /// `None` if the new JPEG needs another chroma subsampling, or the thumbnail is as large as the
    /// picture.
    pub fn transcode(
        &mut self,
        source: &SourcePicture<'_>,
        request: &TranscodeRequest<'_>,
    ) -> Option<TranscodedPicture> {
        self.transcoding(|codec, transcoder| codec.transcode_with(transcoder, source, request))
    }

    /// Gives a JPEG of this codec other Huffman codes. Its pixels stay the same. Returns it with codes
    /// that fit it, for the next picture of its stream. A JPEG of a kind that cannot be transcoded
    /// stays as it is.
    pub fn recode(&mut self, jpeg: Bytes, huffman: Huffman<'_>) -> (Bytes, Option<HuffmanCodes>) {
        if matches!(huffman, Huffman::Standard) {
            return (jpeg, None);
        }
        // Quantisers never become finer, so they stay as they are.
        let order = Order { quality: Some(100), planes: &[], huffman };
        match self.transcoding(|_, transcoder| transcoder.transcode(&jpeg, order).ok()) {
            Some(Transcoded { jpeg: Some(recoded), codes, .. }) => (recoded.into(), codes),
            Some(Transcoded { jpeg: None, .. }) | None => (jpeg, None),
        }
    }

    /// Runs work with the transcoder. In a panic, the transcoder and its buffers are lost.
    fn transcoding<T>(&mut self, work: impl FnOnce(&Self, &mut Transcoder) -> Option<T>) -> Option<T> {
        let mut transcoder = std::mem::take(self.transcoder());
        let made = catch_unwind(AssertUnwindSafe(|| (work(self, &mut transcoder), transcoder)));
        let (made, transcoder) = made.ok()?;
        *self.transcoder() = transcoder;
        made
    }

    fn transcode_with(
        &self,
        transcoder: &mut Transcoder,
        source: &SourcePicture<'_>,
        request: &TranscodeRequest<'_>,
    ) -> Option<TranscodedPicture> {
        let info = probe(source, self.limits()).ok().filter(|info| info.format == PictureFormat::Jpeg)?;
        let size = (info.width, info.height);
        let thumbnail = match request.thumbnail {
            None => None,
            Some(wanted) => Some(Thumbnail::of(wanted, size)?),
        };
        let mut planes = vec![PlaneOrder { component: 0, size: request.luma }];
        if let Some(Thumbnail::Planes(wanted)) = thumbnail {
            planes.extend(thumbnail_planes(wanted));
        }
        let order = Order { quality: request.quality, planes: &planes, huffman: request.huffman };
        let Transcoded { jpeg, size: decoded, factors, codes } =
            transcoder.transcode(source.data, order).ok()?;
        let subsampling = subsampling(factors)?;
        let keeps_chroma = subsampling == Subsampling::Gray
            || match request.chroma {
                ChromaSubsampling::Auto => true,
                ChromaSubsampling::S420 => subsampling == Subsampling::S420,
                ChromaSubsampling::S422 => subsampling == Subsampling::S422,
                ChromaSubsampling::S444 => subsampling == Subsampling::S444,
            };
        let is_srgb = jpeg::conversion(source.data, subsampling == Subsampling::Gray).is_none();
        if !is_srgb || (jpeg.is_some() && !keeps_chroma) || decoded != (size.0 as usize, size.1 as usize) {
            return None;
        }
        let thumbnail = match thumbnail {
            None => None,
            Some(Thumbnail::Eighth) => Some(eighth(size, subsampling, transcoder.small())?),
            Some(Thumbnail::Planes(wanted)) => {
                let mut planes =
                    Planes::in_buffer(wanted.0, wanted.1, chroma_of_thumbnail(subsampling), Vec::new());
                let widths = [wanted.0 as usize, planes.chroma_size().0, planes.chroma_size().0];
                let strides = [planes.luma_size().0, widths[1], widths[2]];
                for (index, to) in planes.split_mut().into_iter().enumerate() {
                    let rows = transcoder.plane(index + 1).chunks_exact(widths[index]);
                    for (row, to) in rows.zip(to.chunks_exact_mut(strides[index])) {
                        to[..row.len()].copy_from_slice(row);
                    }
                }
                planes.pad_luma();
                Some(planes)
            }
        };
        let jpeg = jpeg.map(|mut jpeg| {
            jpeg.shrink_to_fit();
            Bytes::from(jpeg)
        });
        let luma = transcoder.plane(0).to_vec();
        let chroma_strength = transcoder.chroma_strength();
        Some(TranscodedPicture { jpeg, luma, chroma_strength, codes, thumbnail })
    }

    /// Encodes the thumbnail of a transcoded picture, at the requested size; `None` if none was
    /// requested.
    ///
    /// # Errors
    ///
    /// The same as [`Codec::encode_jpeg`].
    pub fn transcoded_thumbnail(
        &mut self,
        picture: &TranscodedPicture,
        (width, height): (u32, u32),
        quality: u8,
    ) -> Result<Option<Bytes>, EncodeError> {
        let Some(planes) = &picture.thumbnail else { return Ok(None) };
        if (planes.width(), planes.height()) == (width, height) {
            return self.encode_jpeg(planes, quality).map(Some);
        }
        let small = self.resize(planes, width, height, Subsampling::S420)?;
        self.encode_jpeg(&small, quality).map(Some)
    }
}

/// The way in which a thumbnail is made.
#[derive(Debug, Clone, Copy)]
enum Thumbnail {
    /// From the picture at an eighth of its size, which takes no time.
    Eighth,
    /// From planes of its size.
    Planes((u32, u32)),
}

impl Thumbnail {
    /// Returns `None` for a thumbnail that is not smaller than the picture.
    fn of(wanted: (u32, u32), size: (u32, u32)) -> Option<Self> {
        if wanted.0 <= size.0.div_ceil(8) && wanted.1 <= size.1.div_ceil(8) {
            return Some(Self::Eighth);
        }
        (wanted.0 < size.0 && wanted.1 < size.1).then_some(Self::Planes(wanted))
    }
}

/// Returns the orders of the planes of a thumbnail in 4:2:0.
fn thumbnail_planes((width, height): (u32, u32)) -> [PlaneOrder; 3] {
    let (width, height) = (width as usize, height as usize);
    [0, 1, 2].map(|component| {
        let size = if component == 0 { (width, height) } else { (width.div_ceil(2), height.div_ceil(2)) };
        PlaneOrder { component, size }
    })
}

fn chroma_of_thumbnail(picture: Subsampling) -> Subsampling {
    if picture == Subsampling::Gray { Subsampling::Gray } else { Subsampling::S420 }
}

/// Returns the subsampling by the luma blocks of an MCU; `None` = grey.
fn subsampling(factors: Option<(usize, usize)>) -> Option<Subsampling> {
    match factors {
        None => Some(Subsampling::Gray),
        Some((1, 1)) => Some(Subsampling::S444),
        Some((2, 1)) => Some(Subsampling::S422),
        Some((2, 2)) => Some(Subsampling::S420),
        Some((1, 2)) => Some(Subsampling::S440),
        Some(_) => None,
    }
}

/// Returns the planes of the picture at an eighth of its size, whose last samples may be partly
/// outside of the picture.
fn eighth((width, height): (u32, u32), subsampling: Subsampling, samples: &[u8]) -> Option<Planes> {
    let mut planes = Planes::in_buffer(width.div_ceil(8), height.div_ceil(8), subsampling, Vec::new());
    if planes.samples().len() != samples.len() {
        return None;
    }
    planes.samples_mut().copy_from_slice(samples);
    planes.set_visible_area(VisibleArea { left: 0, top: 0, width, height });
    Some(planes)
}
