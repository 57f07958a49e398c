//! ICC profiles: colours of another space become sRGB, which is what viewers take a picture without a profile for.

use std::cell::RefCell;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;

use moxcms::{ColorProfile, DataColorSpace, Layout, ParsingOptions, Transform8BitExecutor, TransformOptions};

use super::chunks::{self, RIFF_HEADER};
use super::kept::{self, MOST_KEPT_BYTES};
use super::raw::{self, Order};
use super::{DecodeError, Limits, Planes, jpeg_copy, jpeg_markers, mended, rgb};
use crate::domain::PictureFormat;

/// Profiles whose conversions a thread remembers. A camera sends the same one with every frame.
const MOST_KNOWN: usize = 4;
/// A profile that moves no colour further than this, of 255, is taken for sRGB: its makers round in different ways.
const SAME: u8 = 2;
/// Steps of the colours that are tried to find that out.
const STEP: usize = 15;
/// Pixels that are converted at once, through a buffer beside them.
const PIXELS_AT_ONCE: usize = 4_096;
/// Most entries of the tables in a profile: memory that it may make the converter take.
const MOST_TABLE_ENTRIES: usize = 1 << 20;
const MOST_CURVE_ENTRIES: usize = 1 << 16;

/// A profile's header, where it tells its version, and the bytes of it that say nothing of colours: who made the profile and the
/// device, when, and a digest of the whole.
const HEADER_BYTES: usize = 128;
const VERSION: usize = 8;
const UNNEEDED_HEADER: [std::ops::Range<usize>; 4] = [4..8, 24..36, 40..56, 80..100];
/// Name, place and length of a tag.
const TAG_BYTES: usize = 12;
/// Tags that say what colours the numbers are.
const NEEDED_TAGS: [&[u8; 4]; 16] = [
    b"rXYZ", b"gXYZ", b"bXYZ", b"rTRC", b"gTRC", b"bTRC", b"kTRC", b"wtpt", b"chad", b"cicp", b"A2B0",
    b"A2B1", b"A2B2", b"B2A0", b"B2A1", b"B2A2",
];

/// What a profile does to the pixels beside which it stands.
#[derive(Clone)]
pub(super) enum Profile {
    /// Nothing: it is broken, or of other colours than the picture's. Viewers ignore it.
    Unusable,
    /// Nothing that can be seen.
    Srgb,
    /// Their colours are others without it.
    Other(Arc<Conversion>),
}

/// Converts pixels to sRGB.
pub(super) enum Conversion {
    Color(Arc<Transform8BitExecutor>),
    Gray(Box<[u8; 256]>),
}

struct Known {
    icc: Vec<u8>,
    gray: bool,
    profile: Profile,
}

thread_local! {
    /// The profiles that this thread met last, the latest one first.
    static KNOWN: RefCell<Vec<Known>> = const { RefCell::new(Vec::new()) };
}

impl Profile {
    /// Reads a profile that stands beside grey pixels, or beside coloured ones.
    pub(super) fn read(icc: &[u8], gray: bool) -> Self {
        KNOWN.with_borrow_mut(|known| {
            match known.iter().position(|one| one.gray == gray && one.icc == icc) {
                Some(at) => known[..=at].rotate_right(1),
                None => {
                    let profile = read_anew(icc, gray);
                    known.truncate(MOST_KNOWN - 1);
                    known.insert(0, Known { icc: icc.to_vec(), gray, profile });
                }
            }
            known[0].profile.clone()
        })
    }

    /// The conversion that pixels need which are shown without it.
    pub(super) fn conversion(self) -> Option<Arc<Conversion>> {
        match self {
            Self::Other(conversion) => Some(conversion),
            Self::Unusable | Self::Srgb => None,
        }
    }
}

fn read_anew(icc: &[u8], gray: bool) -> Profile {
    if icc.len() > MOST_KEPT_BYTES {
        return Profile::Unusable;
    }
    let read = catch_unwind(AssertUnwindSafe(|| Conversion::of(icc, gray)));
    match read.ok().flatten() {
        None => Profile::Unusable,
        Some(conversion) if conversion.changes_nothing() => Profile::Srgb,
        Some(conversion) => Profile::Other(Arc::new(conversion)),
    }
}

/// The ICC profile in a file of an encoded format; `None` too for one that is larger than what is kept.
pub(super) fn icc(format: PictureFormat, data: &[u8]) -> Option<Vec<u8>> {
    let found = match format {
        PictureFormat::Jpeg => jpeg_copy::icc(data),
        PictureFormat::Png => mended::png_icc(data).and_then(kept::unpacked),
        PictureFormat::WebP if data.get(RIFF_HEADER..RIFF_HEADER + 4) == Some(b"VP8X") => {
            chunks::webp(data)?.body(b"ICCP").map(<[u8]>::to_vec)
        }
        PictureFormat::WebP
        | PictureFormat::Rgb8
        | PictureFormat::Bgr8
        | PictureFormat::Gray8
        | PictureFormat::Nv12
        | PictureFormat::I420 => None,
    };
    found.filter(|icc| icc.len() <= MOST_KEPT_BYTES)
}

/// The profile of a file that a decoder did nothing with; `None` if there is none, or the pixels were converted.
pub(super) fn unapplied(format: PictureFormat, data: &[u8]) -> Option<Vec<u8>> {
    let icc = icc(format, data)?;
    let is_applied = matches!(Profile::read(&icc, is_gray(format, data)), Profile::Other(_));
    (!is_applied).then_some(icc)
}

/// The profile that a copy of a file must have, so that viewers show its colours: nothing is in it but what they need for
/// that. `None` if they show the same without.
pub(super) fn to_carry(format: PictureFormat, data: &[u8]) -> Option<Vec<u8>> {
    let icc = icc(format, data)?;
    match Profile::read(&icc, is_gray(format, data)) {
        Profile::Other(_) => bare(&icc),
        Profile::Unusable | Profile::Srgb => None,
    }
}

/// Whether the pixels of a file are grey, to its profile.
fn is_gray(format: PictureFormat, data: &[u8]) -> bool {
    match format {
        PictureFormat::Jpeg => jpeg_markers::frame_header(data).is_ok_and(|frame| frame.components == 1),
        // Grey, without alpha or with it.
        PictureFormat::Png => matches!(data.get(kept::PNG_COLOR), Some(0 | 4)),
        PictureFormat::WebP
        | PictureFormat::Rgb8
        | PictureFormat::Bgr8
        | PictureFormat::Gray8
        | PictureFormat::Nv12
        | PictureFormat::I420 => false,
    }
}

/// A copy of a profile without what it tells of devices, makers and times (ICC.1, 7.2 and 9.2). Its name says nothing.
fn bare(icc: &[u8]) -> Option<Vec<u8>> {
    let (header, count) = (icc.get(..HEADER_BYTES)?, icc.get(HEADER_BYTES..HEADER_BYTES + 4)?);
    let count = u32::from_be_bytes(count.try_into().ok()?) as usize;
    let entries = icc.get(HEADER_BYTES + 4..)?.as_chunks::<TAG_BYTES>().0.iter().take(count);
    let long = |bytes: &[u8]| Some(u32::from_be_bytes(bytes.try_into().ok()?) as usize);
    let mut tags: Vec<([u8; 4], Vec<u8>)> = Vec::new();
    for entry in entries.filter(|entry| NEEDED_TAGS.iter().any(|tag| entry.starts_with(*tag))) {
        let (start, len) = (long(&entry[4..8])?, long(&entry[8..])?);
        tags.push((*entry.first_chunk()?, icc.get(start..start.checked_add(len)?)?.to_vec()));
    }
    let [name, copyright] = texts(header[VERSION] >= 4);
    tags.extend([(*b"desc", name), (*b"cprt", copyright)]);
    let mut copy = header.to_vec();
    for part in UNNEEDED_HEADER {
        copy[part].fill(0);
    }
    copy.extend_from_slice(&(tags.len() as u32).to_be_bytes());
    let mut data: Vec<u8> = Vec::new();
    let start = HEADER_BYTES + 4 + TAG_BYTES * tags.len();
    for (tag, body) in &tags {
        // Three curves are often one.
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
    (copy.len() <= MOST_KEPT_BYTES).then_some(copy)
}

/// The name and the copyright that a profile must have: one character each, as the profile's version writes text.
fn texts(is_unicode: bool) -> [Vec<u8>; 2] {
    if is_unicode {
        let records = [1_u32, 12].map(u32::to_be_bytes).concat();
        let place = [2_u32, 28].map(u32::to_be_bytes).concat();
        let text = [b"mluc\0\0\0\0", &records[..], b"enUS", &place, b"\0-"].concat();
        return [text.clone(), text];
    }
    // A character with a 0 behind it, then the same in Unicode and in Macintosh's script, where there is none.
    let name = [b"desc\0\0\0\0\0\0\0\x02-\0", &[0; 78][..]].concat();
    [name, b"text\0\0\0\0-\0".to_vec()]
}

impl Conversion {
    fn of(icc: &[u8], gray: bool) -> Option<Self> {
        let options = ParsingOptions {
            max_profile_size: MOST_KEPT_BYTES + 1,
            max_allowed_clut_size: MOST_TABLE_ENTRIES,
            max_allowed_trc_size: MOST_CURVE_ENTRIES,
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
            // Green is most of luma. The three differ by rounding only.
            *level = pixel[1];
        }
        Some(Self::Gray(table))
    }

    fn changes_nothing(&self) -> bool {
        let is_same =
            |before: &[u8], after: &[u8]| before.iter().zip(after).all(|(a, b)| a.abs_diff(*b) <= SAME);
        match self {
            Self::Gray(table) => is_same(&(0..=u8::MAX).collect::<Vec<u8>>(), &table[..]),
            Self::Color(_) => {
                let levels = || (0..=u8::MAX).step_by(STEP);
                let colors =
                    levels().flat_map(|r| levels().flat_map(move |g| levels().map(move |b| [r, g, b])));
                let colors: Vec<u8> = colors.flatten().collect();
                let mut shown = colors.clone();
                self.convert(&mut shown).is_ok() && is_same(&colors, &shown)
            }
        }
    }

    /// Converts packed pixels, one byte of luma each or R, G and B, in place.
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

    /// Converts planes of the same kind of colours. `held_bytes` are what the decoder holds meanwhile.
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
        let (shown, reach) = (planes.shown(), planes.reach());
        raw::from_packed(&pixels, 3 * planes.width() as usize, Order::Rgb, planes)?;
        planes.set_shown(shown);
        planes.set_reach(reach);
        Ok(())
    }
}
