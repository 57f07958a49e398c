//! The codec that a CPU thread owns.

use std::any::Any;
use std::borrow::Cow;
use std::panic::{AssertUnwindSafe, catch_unwind};

use bytes::Bytes;
use fast_image_resize::Resizer;

use super::jpeg::{self, JpegEncoder};
use super::jpeg_copy::Tables;
use super::transcode::Transcoder;
use super::{
    DecodeError, EncodeError, Limits, Orientation, PictureInfo, Planes, SourcePicture, Subsampling, chroma,
    decode_image, encode, probe, profile, raw, resize, rotate,
};
use crate::domain::picture::PictureFormat;
use crate::domain::{ChromaSubsampling, OutputFormat};

/// The maximum number of bytes of a spare buffer that is kept, so that one huge frame does not hold
/// its memory for ever.
const KEPT_PLANE_BYTES: usize = 32 * 1024 * 1024;

/// A decoder and encoder of pictures, which works on one picture at a time, on the thread that owns
/// it.
///
/// It keeps the encoder and the buffers of the last picture, so that a steady stream allocates
/// almost nothing if planes are returned with [`Codec::recycle`]. A panic inside a codec crate
/// fails that call only; the next call starts with a new encoder.
pub struct Codec {
    limits: Limits,
    encoder: Option<JpegEncoder>,
    resizer: Resizer,
    spare: Vec<u8>,
    transcoder: Transcoder,
}

impl Codec {
    /// Creates a codec that decodes within `limits`. It takes no memory until it is used.
    #[must_use]
    pub fn new(limits: Limits) -> Self {
        let (encoder, spare, transcoder) = (None, Vec::new(), Transcoder::default());
        Self { limits, encoder, resizer: Resizer::new(), spare, transcoder }
    }

    /// Returns the limits of each decode.
    #[must_use]
    pub fn limits(&self) -> &Limits {
        &self.limits
    }

    /// Decodes a picture to planes.
    ///
    /// JPEG and raw planes keep their subsampling, Gray8 and grey files stay grey, and all others
    /// become 4:4:4. Alpha is composited over black, 16-bit samples keep their high byte, and
    /// colours of an ICC profile become sRGB. A truncated picture is an error and never filled with
    /// grey.
    ///
    /// # Errors
    ///
    /// [`DecodeError`] says what is wrong with the picture. Limits are checked against its header,
    /// before memory is taken.
    pub fn decode(&mut self, source: &SourcePicture<'_>) -> Result<Planes, DecodeError> {
        self.decoding(source, None)
    }

    /// Decodes a picture that is needed only at a size of `width` x `height` pixels, in the
    /// orientation in which it is stored. A JPEG may be scaled down while it is decoded, which
    /// takes a fraction of the time.
    ///
    /// No side of the planes is smaller than requested, unless that side of the picture is. Do not
    /// use it for pictures that are measured or masked: each pixel of the planes is mixed with its
    /// neighbours.
    ///
    /// # Errors
    ///
    /// The same as [`Codec::decode`].
    pub fn decode_at_least(
        &mut self,
        source: &SourcePicture<'_>,
        width: u32,
        height: u32,
    ) -> Result<Planes, DecodeError> {
        self.decoding(source, Some((width, height)))
    }

    /// Encodes planes as JPEG with the subsampling of the planes. `quality` is 1..=100 (85 is the
    /// service's default).
    ///
    /// # Errors
    ///
    /// Fails only if the encoder itself fails: planes are always a valid picture.
    pub fn encode_jpeg(&mut self, planes: &Planes, quality: u8) -> Result<Bytes, EncodeError> {
        self.encoding(|codec| codec.encoder()?.encode(planes, quality))
    }

    /// Encodes planes in any output format. `quality` is 1..=100, for lossy formats.
    ///
    /// # Errors
    ///
    /// The same as [`Codec::encode_jpeg`].
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

    /// Returns a smaller copy of the picture. 4:4:4 stays 4:4:4, other subsampling becomes 4:2:0.
    ///
    /// # Errors
    ///
    /// Fails if the scaler fails.
    pub fn scale(&mut self, planes: &Planes, width: u32, height: u32) -> Result<Planes, EncodeError> {
        self.scale_for(planes, width, height, ChromaSubsampling::Auto)
    }

    /// Returns a smaller copy of the picture with the requested chroma subsampling; `Auto` is that
    /// of [`Codec::scale`].
    ///
    /// # Errors
    ///
    /// Fails if the scaler fails.
    pub fn scale_for(
        &mut self,
        planes: &Planes,
        width: u32,
        height: u32,
        chroma: ChromaSubsampling,
    ) -> Result<Planes, EncodeError> {
        let whole = planes.subsampling() == Subsampling::S444;
        let subsampling =
            requested(chroma).unwrap_or(if whole { Subsampling::S444 } else { Subsampling::S420 });
        self.resize(planes, width, height, subsampling)
    }

    /// Converts planes of a picture in the format `from` to the chroma subsampling of a JPEG.
    /// `Auto` keeps that of a JPEG; for other formats it chooses 4:2:0 if that looks the same, and
    /// 4:4:4 otherwise.
    #[must_use]
    pub fn with_chroma<'a>(
        planes: &'a Planes,
        from: PictureFormat,
        chroma: ChromaSubsampling,
    ) -> Cow<'a, Planes> {
        match requested(chroma) {
            Some(subsampling) => chroma::with_subsampling(planes, subsampling),
            None if from != PictureFormat::Jpeg && chroma::is_fine_in_420(planes) => {
                chroma::with_subsampling(planes, Subsampling::S420)
            }
            None => Cow::Borrowed(planes),
        }
    }

    /// Returns the picture rotated and mirrored as it is shown, and recycles the original planes.
    #[must_use]
    pub fn upright(&mut self, planes: Planes, orientation: Orientation) -> Planes {
        if orientation == Orientation::UPRIGHT {
            return planes;
        }
        let rotated = rotate::upright(&planes, orientation, std::mem::take(&mut self.spare));
        self.recycle(planes);
        rotated
    }

    /// Reports whether a JPEG is, overall, quantised at least as coarsely as this encoder would
    /// quantise it at `quality`. If so, encoding it again could only make it worse. Returns false
    /// for files that some viewers do not show, or show differently.
    pub fn is_as_coarse(&mut self, jpeg: &[u8], quality: u8) -> bool {
        let Some(tables) = Tables::read(jpeg) else { return false };
        // The smallest picture with chroma contains the tables of the encoder.
        let mut smallest = Planes::in_buffer(16, 16, Subsampling::S420, Vec::new());
        smallest.samples_mut().fill(128);
        let target = self.encode_jpeg(&smallest, quality).ok().and_then(|jpeg| Tables::read(&jpeg));
        target.is_some_and(|target| tables.as_coarse_as(&target))
    }

    /// Encodes a JPEG of the picture with a longer side of at most `longest_side` pixels; pictures
    /// are never enlarged.
    ///
    /// # Errors
    ///
    /// The same as [`Codec::encode_jpeg`].
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

    /// Takes back planes that are no longer needed, so that the next decode uses their memory.
    pub fn recycle(&mut self, planes: Planes) {
        let buffer = planes.into_buffer();
        if buffer.capacity() <= KEPT_PLANE_BYTES && buffer.capacity() > self.spare.capacity() {
            self.spare = buffer;
        }
    }

    pub(super) fn transcoder(&mut self) -> &mut Transcoder {
        &mut self.transcoder
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
                let pixels = decode_image::decode_png(source.data, &info, &self.limits)?;
                self.planes_of(pixels, source, &info)
            }
            PictureFormat::WebP => {
                let pixels = decode_image::decode_webp(source.data, &info, &self.limits)?;
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
        mut pixels: decode_image::Pixels,
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

/// Returns the requested subsampling; `None` for the one that suits the picture.
fn requested(chroma: ChromaSubsampling) -> Option<Subsampling> {
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
