//! The codec that a CPU thread owns.

use std::any::Any;
use std::borrow::Cow;
use std::panic::{AssertUnwindSafe, catch_unwind};

use bytes::Bytes;
use fast_image_resize::Resizer;

use super::jpeg::{self, JpegEncoder};
use super::jpeg_copy::Tables;
use super::{
    DecodeError, EncodeError, Limits, Orientation, PictureInfo, Planes, SourcePicture, Subsampling, chroma,
    encode, probe, profile, raw, resize, still, turn,
};
use crate::domain::picture::PictureFormat;
use crate::domain::{ChromaSubsampling, OutputFormat};

/// A spare buffer above this is not kept: one huge frame must not hold its memory for good.
const KEPT_PLANE_BYTES: usize = 32 * 1024 * 1024;

/// Decodes and encodes pictures, one at a time, on the thread that owns it.
///
/// It keeps the encoder and the buffers of the last picture, so that a steady stream allocates next to nothing: give the
/// planes back with [`Codec::recycle`]. A panic inside a codec fails that call only; the next one starts afresh.
pub struct Codec {
    limits: Limits,
    encoder: Option<JpegEncoder>,
    resizer: Resizer,
    spare: Vec<u8>,
}

impl Codec {
    /// A codec that decodes within `limits`. Takes no memory until it is used.
    #[must_use]
    pub fn new(limits: Limits) -> Self {
        Self { limits, encoder: None, resizer: Resizer::new(), spare: Vec::new() }
    }

    /// The bounds of every decode.
    #[must_use]
    pub fn limits(&self) -> &Limits {
        &self.limits
    }

    /// Decodes a picture to planes.
    ///
    /// A JPEG and raw planes keep their subsampling, Gray8 and grey files stay grey, everything else becomes 4:4:4. Alpha is
    /// composited over black, 16-bit samples keep their high byte, colours of an ICC profile become sRGB. A picture that is
    /// cut off is an error, never filled with grey.
    ///
    /// # Errors
    ///
    /// [`DecodeError`] says what is wrong with the picture. Limits are checked from its header, before memory is taken.
    pub fn decode(&mut self, source: &SourcePicture<'_>) -> Result<Planes, DecodeError> {
        self.decoding(source, None)
    }

    /// Decodes a picture of which no more than `width` x `height` pixels, as it is stored, are needed: a JPEG may be scaled
    /// down while it is decoded, which takes a fraction of the time. No side of the planes is smaller than wanted, unless the
    /// picture's own is. Not for pictures that are measured or masked: a pixel of the planes holds a bit of its neighbours.
    ///
    /// # Errors
    ///
    /// As [`Codec::decode`].
    pub fn decode_at_least(
        &mut self,
        source: &SourcePicture<'_>,
        width: u32,
        height: u32,
    ) -> Result<Planes, DecodeError> {
        self.decoding(source, Some((width, height)))
    }

    /// Encodes planes as JPEG with their own subsampling. `quality` is 1..=100 (85 is the service's default).
    ///
    /// # Errors
    ///
    /// Only if the encoder itself fails: planes are always a legal picture.
    pub fn encode_jpeg(&mut self, planes: &Planes, quality: u8) -> Result<Bytes, EncodeError> {
        self.encoding(|codec| codec.encoder()?.encode(planes, quality))
    }

    /// Encodes planes in any output format. `quality` is 1..=100; it counts where the format has one.
    ///
    /// # Errors
    ///
    /// As [`Codec::encode_jpeg`].
    pub fn encode(
        &mut self,
        planes: &Planes,
        format: OutputFormat,
        quality: u8,
    ) -> Result<Bytes, EncodeError> {
        self.encoding(|codec| match format {
            OutputFormat::Jpeg => codec.encoder()?.encode(planes, quality),
            OutputFormat::Png => encode::png(planes),
            OutputFormat::WebP => encode::webp(planes, Some(quality)),
            OutputFormat::WebPLossless => encode::webp(planes, None),
        })
    }

    /// A smaller copy of the picture. 4:4:4 stays 4:4:4, other colours become 4:2:0.
    ///
    /// # Errors
    ///
    /// If the scaler fails.
    pub fn scale(&mut self, planes: &Planes, width: u32, height: u32) -> Result<Planes, EncodeError> {
        self.scale_for(planes, width, height, ChromaSubsampling::Auto)
    }

    /// A smaller copy of the picture with the chroma that is asked for; `Auto` is what [`Codec::scale`] makes.
    ///
    /// # Errors
    ///
    /// If the scaler fails.
    pub fn scale_for(
        &mut self,
        planes: &Planes,
        width: u32,
        height: u32,
        chroma: ChromaSubsampling,
    ) -> Result<Planes, EncodeError> {
        let whole = planes.subsampling() == Subsampling::S444;
        let subsampling = named(chroma).unwrap_or(if whole { Subsampling::S444 } else { Subsampling::S420 });
        self.resize(planes, width, height, subsampling)
    }

    /// The planes with the chroma that a JPEG of them shall have, if they came `from` such a picture. `Auto` keeps that of a
    /// JPEG; of others it takes 4:2:0 where that looks the same, and 4:4:4 where it does not.
    #[must_use]
    pub fn with_chroma<'a>(
        planes: &'a Planes,
        from: PictureFormat,
        chroma: ChromaSubsampling,
    ) -> Cow<'a, Planes> {
        match named(chroma) {
            Some(subsampling) => chroma::with_subsampling(planes, subsampling),
            None if from != PictureFormat::Jpeg && chroma::is_fine_in_420(planes) => {
                chroma::with_subsampling(planes, Subsampling::S420)
            }
            None => Cow::Borrowed(planes),
        }
    }

    /// The picture as it is to be shown; its stored planes are recycled.
    #[must_use]
    pub fn upright(&mut self, planes: Planes, orientation: Orientation) -> Planes {
        if orientation == Orientation::UPRIGHT {
            return planes;
        }
        let turned = turn::upright(&planes, orientation, std::mem::take(&mut self.spare));
        self.recycle(planes);
        turned
    }

    /// Whether a JPEG is quantised at least as coarsely, on the whole, as this encoder would at `quality`: encoding it again
    /// could only make it worse. False for files that some viewers do not show, or show otherwise.
    pub fn is_as_coarse(&mut self, jpeg: &[u8], quality: u8) -> bool {
        let Some(tables) = Tables::read(jpeg) else { return false };
        // The encoder itself is asked for its tables: the smallest picture with chroma holds them.
        let mut smallest = Planes::in_buffer(16, 16, Subsampling::S420, Vec::new());
        smallest.samples_mut().fill(128);
        let target = self.encode_jpeg(&smallest, quality).ok().and_then(|jpeg| Tables::read(&jpeg));
        target.is_some_and(|target| tables.as_coarse_as(&target))
    }

    /// A JPEG of the picture whose longer side is `longest_side` pixels, or its own size where that is less.
    ///
    /// # Errors
    ///
    /// As [`Codec::encode_jpeg`].
    pub fn thumbnail(
        &mut self,
        planes: &Planes,
        longest_side: u32,
        quality: u8,
    ) -> Result<Bytes, EncodeError> {
        let (width, height) = resize::fit(planes.width(), planes.height(), longest_side);
        if (width, height) == (planes.width(), planes.height()) {
            return self.encode_jpeg(planes, quality);
        }
        self.encoding(|codec| {
            let small = resize::resize(&mut codec.resizer, planes, width, height, Subsampling::S420)?;
            codec.encoder()?.encode(&small, quality)
        })
    }

    /// Takes planes back that are no longer needed, so that the next decode uses their memory.
    pub fn recycle(&mut self, planes: Planes) {
        let buffer = planes.into_buffer();
        if buffer.capacity() <= KEPT_PLANE_BYTES && buffer.capacity() > self.spare.capacity() {
            self.spare = buffer;
        }
    }

    pub(super) fn resize(
        &mut self,
        planes: &Planes,
        width: u32,
        height: u32,
        subsampling: Subsampling,
    ) -> Result<Planes, EncodeError> {
        self.encoding(|codec| resize::resize(&mut codec.resizer, planes, width, height, subsampling))
    }

    fn decoding(
        &mut self,
        source: &SourcePicture<'_>,
        wanted: Option<(u32, u32)>,
    ) -> Result<Planes, DecodeError> {
        let result = catch_unwind(AssertUnwindSafe(|| self.decode_inner(source, wanted)));
        result.unwrap_or_else(|panic| Err(DecodeError::Panicked(panic_text(&*panic))))
    }

    fn decode_inner(
        &mut self,
        source: &SourcePicture<'_>,
        wanted: Option<(u32, u32)>,
    ) -> Result<Planes, DecodeError> {
        let info = probe(source, &self.limits)?;
        match source.format {
            PictureFormat::Jpeg => jpeg::decode(source.data, &self.limits, &mut self.spare, wanted),
            PictureFormat::Png => {
                let pixels = still::decode_png(source.data, &info, &self.limits)?;
                self.planes_of(pixels, source, &info)
            }
            PictureFormat::WebP => {
                let pixels = still::decode_webp(source.data, &info, &self.limits)?;
                self.planes_of(pixels, source, &info)
            }
            PictureFormat::Rgb8
            | PictureFormat::Bgr8
            | PictureFormat::Gray8
            | PictureFormat::Nv12
            | PictureFormat::I420 => {
                let subsampling = raw::subsampling(source.format);
                self.limits.check_alloc(Planes::len_for(info.width, info.height, subsampling))?;
                let buffer = std::mem::take(&mut self.spare);
                let mut planes = Planes::in_buffer(info.width, info.height, subsampling, buffer);
                raw::fill(source, &mut planes)?;
                Ok(planes)
            }
        }
    }

    fn planes_of(
        &mut self,
        mut pixels: still::Pixels,
        source: &SourcePicture<'_>,
        info: &PictureInfo,
    ) -> Result<Planes, DecodeError> {
        if let Some(icc) = profile::icc(source.format, source.data) {
            pixels.convert_to_srgb(&icc)?;
        }
        let buffer = std::mem::take(&mut self.spare);
        let subsampling = pixels.subsampling(info, &self.limits);
        let mut planes = Planes::in_buffer(info.width, info.height, subsampling, buffer);
        pixels.fill(&mut planes)?;
        Ok(planes)
    }

    fn encoder(&mut self) -> Result<&mut JpegEncoder, EncodeError> {
        match &mut self.encoder {
            Some(encoder) => Ok(encoder),
            none => Ok(none.insert(JpegEncoder::new()?)),
        }
    }

    fn encoding<T>(
        &mut self,
        work: impl FnOnce(&mut Self) -> Result<T, EncodeError>,
    ) -> Result<T, EncodeError> {
        let result = catch_unwind(AssertUnwindSafe(|| work(&mut *self)));
        result.unwrap_or_else(|panic| {
            self.encoder = None;
            self.resizer = Resizer::new();
            Err(EncodeError::Panicked(panic_text(&*panic)))
        })
    }
}

impl std::fmt::Debug for Codec {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Codec").field("limits", &self.limits).finish_non_exhaustive()
    }
}

/// The subsampling that is asked for; `None` leaves it to the picture.
fn named(chroma: ChromaSubsampling) -> Option<Subsampling> {
    match chroma {
        ChromaSubsampling::Auto => None,
        ChromaSubsampling::S420 => Some(Subsampling::S420),
        ChromaSubsampling::S422 => Some(Subsampling::S422),
        ChromaSubsampling::S444 => Some(Subsampling::S444),
    }
}

fn panic_text(panic: &(dyn Any + Send)) -> String {
    let text = panic.downcast_ref::<&str>().map(|text| (*text).to_owned());
    text.or_else(|| panic.downcast_ref::<String>().cloned()).unwrap_or_else(|| "without a message".to_owned())
}
