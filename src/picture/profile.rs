//! Applies ICC profiles: converts colours to sRGB, which viewers assume for a picture without a
//! profile.

use std::cell::RefCell;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;

use moxcms::{ColorProfile, DataColorSpace, Layout, ParsingOptions, Transform8BitExecutor, TransformOptions};

use super::chunks::{self, RIFF_HEADER_BYTES};
use super::preserved_metadata::{self, MAX_METADATA_BYTES};
use super::raw::{self, Order};
use super::{DecodeError, Limits, Planes, container_repair, jpeg_copy, jpeg_markers, rgb};
use crate::domain::PictureFormat;

/// The number of profiles that a thread caches. A camera sends the same one with each frame.
const MAX_CACHED_PROFILES: usize = 4;
/// The maximum difference from sRGB, out of 255, up to which a profile counts as sRGB. Programs
/// that write sRGB profiles round differently.
const MAX_SRGB_DIFFERENCE: u8 = 2;
/// The step between the sample values of the colours that are compared for that.
const COLOR_STEP: usize = 15;
/// The number of pixels that are converted at a time, through a second buffer.
const PIXELS_AT_ONCE: usize = 4_096;
/// The maximum number of entries of the tables in a profile, which limits the memory that the
/// converter takes.
const MAX_TABLE_ENTRIES: usize = 1 << 20;
const MAX_CURVE_ENTRIES: usize = 1 << 16;

/// The length of a profile's header, the offset of its version, and the ranges that do not affect
/// colours: the makers of the profile and the device, the date, and a digest of the profile.
const HEADER_BYTES: usize = 128;
const VERSION: usize = 8;
const UNNEEDED_HEADER: [std::ops::Range<usize>; 4] = [4..8, 24..36, 40..56, 80..100];
/// The bytes of a tag's entry: name, offset and length.
const TAG_BYTES: usize = 12;
/// The tags that define colours.
const NEEDED_TAGS: [&[u8; 4]; 16] = [
    b"rXYZ", b"gXYZ", b"bXYZ", b"rTRC", b"gTRC", b"bTRC", b"kTRC", b"wtpt", b"chad", b"cicp", b"A2B0",
    b"A2B1", b"A2B2", b"B2A0", b"B2A1", b"B2A2",
];

/// The effect of a profile on the pixels of its file.
#[derive(Clone)]
pub(super) enum Profile {
    /// No effect: the profile is broken, or its colour space is not that of the picture. Viewers
    /// ignore it.
    Unusable,
    /// No visible effect: the profile is sRGB.
    Srgb,
    /// The profile changes the colours.
    Other(Arc<Conversion>),
}

/// A conversion of pixels to sRGB.
pub(super) enum Conversion {
    Color(Arc<Transform8BitExecutor>),
    Gray(Box<[u8; 256]>),
}

struct CachedProfile {
    icc: Vec<u8>,
    gray: bool,
    profile: Profile,
}

thread_local! {
    /// The profiles that this thread used last, the latest one first.
    static CACHE: RefCell<Vec<CachedProfile>> = const { RefCell::new(Vec::new()) };
}

impl Profile {
    /// Parses the profile of a grey or a coloured picture, or takes it from the cache.
    pub(super) fn read(icc: &[u8], gray: bool) -> Self {
        CACHE.with_borrow_mut(|known| {
            match known.iter().position(|one| one.gray == gray && one.icc == icc) {
                Some(at) => known[..=at].rotate_right(1),
                None => {
                    let profile = parse(icc, gray);
                    known.truncate(MAX_CACHED_PROFILES - 1);
                    known.insert(0, CachedProfile { icc: icc.to_vec(), gray, profile });
                }
            }
            known[0].profile.clone()
        })
    }

    /// Returns the conversion that the pixels need when the profile is removed, if any.
    pub(super) fn conversion(self) -> Option<Arc<Conversion>> {
        match self {
            Self::Other(conversion) => Some(conversion),
            Self::Unusable | Self::Srgb => None,
        }
    }
}

fn parse(icc: &[u8], gray: bool) -> Profile {
    if icc.len() > MAX_METADATA_BYTES {
        return Profile::Unusable;
    }
    let read = catch_unwind(AssertUnwindSafe(|| Conversion::of(icc, gray)));
    match read.ok().flatten() {
        None => Profile::Unusable,
        Some(conversion) if conversion.changes_nothing() => Profile::Srgb,
        Some(conversion) => Profile::Other(Arc::new(conversion)),
    }
}

/// Returns the ICC profile in an encoded file; `None` also if it is larger than
/// [`MAX_METADATA_BYTES`].
pub(super) fn icc(format: PictureFormat, data: &[u8]) -> Option<Vec<u8>> {
    let found = match format {
        PictureFormat::Jpeg => jpeg_copy::icc(data),
        PictureFormat::Png => container_repair::png_icc(data).and_then(preserved_metadata::unpacked),
        PictureFormat::WebP if data.get(RIFF_HEADER_BYTES..RIFF_HEADER_BYTES + 4) == Some(b"VP8X") => {
            chunks::webp(data)?.body(b"ICCP").map(<[u8]>::to_vec)
        }
        PictureFormat::WebP
        | PictureFormat::Rgb8
        | PictureFormat::Bgr8
        | PictureFormat::Gray8
        | PictureFormat::Nv12
        | PictureFormat::I420 => None,
    };
    found.filter(|icc| icc.len() <= MAX_METADATA_BYTES)
}

/// Returns the profile of a file if the decoder does not apply it; `None` if there is none, or the
/// pixels are converted.
pub(super) fn unapplied(format: PictureFormat, data: &[u8]) -> Option<Vec<u8>> {
    let icc = icc(format, data)?;
    let is_applied = matches!(Profile::read(&icc, is_gray(format, data)), Profile::Other(_));
    (!is_applied).then_some(icc)
}

/// Returns the profile that a copy of a file needs so that viewers show the same colours, reduced
/// to the data that they need. `None` if they show the same colours without a profile.
pub(super) fn required_profile(format: PictureFormat, data: &[u8]) -> Option<Vec<u8>> {
    let icc = icc(format, data)?;
    match Profile::read(&icc, is_gray(format, data)) {
        Profile::Other(_) => minimal_profile(&icc),
        Profile::Unusable | Profile::Srgb => None,
    }
}

/// Reports whether the pixels of a file are grey in the sense of its profile.
fn is_gray(format: PictureFormat, data: &[u8]) -> bool {
    match format {
        PictureFormat::Jpeg => jpeg_markers::frame_header(data).is_ok_and(|frame| frame.components == 1),
        // The colour types of grey pixels without and with alpha.
        PictureFormat::Png => matches!(data.get(preserved_metadata::PNG_COLOR), Some(0 | 4)),
        PictureFormat::WebP
        | PictureFormat::Rgb8
        | PictureFormat::Bgr8
        | PictureFormat::Gray8
        | PictureFormat::Nv12
        | PictureFormat::I420 => false,
    }
}

/// Returns a copy of a profile without data about devices, makers and times (ICC.1, 7.2 and 9.2),
/// and with a name that reveals nothing.
fn minimal_profile(icc: &[u8]) -> Option<Vec<u8>> {
    let (header, count) = (icc.get(..HEADER_BYTES)?, icc.get(HEADER_BYTES..HEADER_BYTES + 4)?);
    let count = u32::from_be_bytes(count.try_into().ok()?) as usize;
    let entries = icc.get(HEADER_BYTES + 4..)?.as_chunks::<TAG_BYTES>().0.iter().take(count);
    let long = |bytes: &[u8]| Some(u32::from_be_bytes(bytes.try_into().ok()?) as usize);
    let mut tags: Vec<([u8; 4], Vec<u8>)> = Vec::new();
    for entry in entries.filter(|entry| NEEDED_TAGS.iter().any(|tag| entry.starts_with(*tag))) {
        let (start, len) = (long(&entry[4..8])?, long(&entry[8..])?);
        tags.push((*entry.first_chunk()?, icc.get(start..start.checked_add(len)?)?.to_vec()));
    }
    let [name, copyright] = required_texts(header[VERSION] >= 4);
    tags.extend([(*b"desc", name), (*b"cprt", copyright)]);
    let mut copy = header.to_vec();
    for part in UNNEEDED_HEADER {
        copy[part].fill(0);
    }
    copy.extend_from_slice(&(tags.len() as u32).to_be_bytes());
    let mut data: Vec<u8> = Vec::new();
    let start = HEADER_BYTES + 4 + TAG_BYTES * tags.len();
    for (tag, body) in &tags {
        // The three curves are often identical, and then stored once.
        let at = tags.iter().position(|(_, other)| other == body)?;
        let place = if tags[at].0 == *tag {
            data.resize(data.len().next_multiple_of(4), 0);
            data.extend_from_slice(body);
            start + data.len() - body.len()
        } else {
            long(&copy[HEADER_BYTES + 4 + TAG_BYTES * at..][4..8])?
        };
        copy.extend_from_slice(tag);
        copy.extend_from_slice(&(place as u32).to_be_bytes());
        copy.extend_from_slice(&(body.len() as u32).to_be_bytes());
    }
    copy.append(&mut data);
    let size = (copy.len() as u32).to_be_bytes();
    copy[..4].copy_from_slice(&size);
    (copy.len() <= MAX_METADATA_BYTES).then_some(copy)
}

/// Returns the name and the copyright that a profile must have: one character each, in the text
/// encoding of the profile's version.
fn required_texts(is_unicode: bool) -> [Vec<u8>; 2] {
    if is_unicode {
        let records = [1_u32, 12].map(u32::to_be_bytes).concat();
        let place = [2_u32, 28].map(u32::to_be_bytes).concat();
        let text = [b"mluc\0\0\0\0", &records[..], b"enUS", &place, b"\0-"].concat();
        return [text.clone(), text];
    }
    // One character followed by 0, then an empty Unicode text and an empty Macintosh script text.
    let name = [b"desc\0\0\0\0\0\0\0\x02-\0", &[0; 78][..]].concat();
    [name, b"text\0\0\0\0-\0".to_vec()]
}

impl Conversion {
    fn of(icc: &[u8], gray: bool) -> Option<Self> {
        let options = ParsingOptions {
            max_profile_size: MAX_METADATA_BYTES + 1,
            max_allowed_clut_size: MAX_TABLE_ENTRIES,
            max_allowed_trc_size: MAX_CURVE_ENTRIES,
        };
        let profile = ColorProfile::new_from_slice_with_options(icc, options).ok()?;
        let (space, layout) =
            if gray { (DataColorSpace::Gray, Layout::Gray) } else { (DataColorSpace::Rgb, Layout::Rgb) };
        if profile.color_space != space {
            return None;
        }
        let srgb = ColorProfile::new_srgb();
        let transform =
            profile.create_transform_8bit(layout, &srgb, Layout::Rgb, TransformOptions::default()).ok()?;
        if !gray {
            return Some(Self::Color(transform));
        }
        let levels: Vec<u8> = (0..=u8::MAX).collect();
        let mut shown = vec![0; 3 * levels.len()];
        transform.transform(&levels, &mut shown).ok()?;
        let mut table = Box::new([0; 256]);
        for (level, pixel) in table.iter_mut().zip(shown.as_chunks::<3>().0) {
            // R, G and B differ by rounding only; green has the largest weight in luma.
            *level = pixel[1];
        }
        Some(Self::Gray(table))
    }

    fn changes_nothing(&self) -> bool {
        let is_same = |before: &[u8], after: &[u8]| {
            before.iter().zip(after).all(|(a, b)| a.abs_diff(*b) <= MAX_SRGB_DIFFERENCE)
        };
        match self {
            Self::Gray(table) => is_same(&(0..=u8::MAX).collect::<Vec<u8>>(), &table[..]),
            Self::Color(_) => {
                let levels = || (0..=u8::MAX).step_by(COLOR_STEP);
                let colors =
                    levels().flat_map(|r| levels().flat_map(move |g| levels().map(move |b| [r, g, b])));
                let colors: Vec<u8> = colors.flatten().collect();
                let mut shown = colors.clone();
                self.convert(&mut shown).is_ok() && is_same(&colors, &shown)
            }
        }
    }

    /// Converts packed pixels, each one byte of luma or R, G and B, in place.
    pub(super) fn convert(&self, pixels: &mut [u8]) -> Result<(), DecodeError> {
        match self {
            Self::Gray(table) => {
                for level in pixels {
                    *level = table[usize::from(*level)];
                }
            }
            Self::Color(transform) => {
                let mut shown = vec![0; 3 * PIXELS_AT_ONCE.min(pixels.len() / 3)];
                for pixels in pixels.chunks_mut(3 * PIXELS_AT_ONCE) {
                    let shown = &mut shown[..pixels.len()];
                    let converted = transform.transform(pixels, shown);
                    converted.map_err(|error| DecodeError::Codec(format!("colour profile: {error}")))?;
                    pixels.copy_from_slice(shown);
                }
            }
        }
        Ok(())
    }

    /// Converts planes. Grey planes need a conversion of grey pixels, and others one of colours.
    /// `held_bytes` are the bytes that the decoder holds at the same time.
    pub(super) fn convert_planes(
        &self,
        planes: &mut Planes,
        limits: &Limits,
        held_bytes: u64,
    ) -> Result<(), DecodeError> {
        if planes.chroma().is_none() {
            return self.convert(planes.samples_mut());
        }
        let pixel_bytes = 3 * u64::from(planes.width()) * u64::from(planes.height());
        limits.check_alloc(planes.samples().len() as u64 + pixel_bytes + held_bytes)?;
        let mut pixels = rgb::to_rgb(planes).map_err(|error| DecodeError::Codec(error.to_string()))?;
        self.convert(&mut pixels)?;
        let (visible, spread) = (planes.visible_area(), planes.chroma_spread());
        raw::from_packed(&pixels, 3 * planes.width() as usize, Order::Rgb, planes)?;
        planes.set_visible_area(visible);
        planes.set_chroma_spread(spread);
        Ok(())
    }
}
