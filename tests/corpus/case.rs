//! A picture of the corpus and its expected result.

use frameway::domain::PictureFormat;
use frameway::pb::v1::ErrorReason;
use frameway::picture::{Codec, DecodeError, LimitKind, Limits, Planes, SourcePicture};
use frameway::scene::Scene;
use image::{ExtendedColorType, ImageEncoder as _};

use crate::{jpeg, png, raw, webp};

/// The expected result of a picture.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Want {
    Picture,
    Truncated,
    Corrupt,
    /// More pixels, or encoded bytes, than allowed.
    TooLarge,
    /// More scans or memory than a decode may take.
    TooComplex,
    Animated,
    Unsupported,
    /// The format is unknown, or differs from the declared one.
    Format,
    /// The raw bytes do not match their geometry, or the size differs from the declared one.
    Size,
    /// A picture, or any error about the bytes.
    Anything,
}

impl Want {
    /// Reports whether the result of a decode is the expected one. A caught panic or a failure of
    /// the codec is never expected.
    pub(crate) fn allows(self, result: &Result<Planes, DecodeError>) -> bool {
        use DecodeError as E;
        let found = match result {
            Ok(_) => Self::Picture,
            Err(E::Truncated) => Self::Truncated,
            Err(E::Empty | E::Corrupt(_)) => Self::Corrupt,
            Err(
                E::TooManyPixels { .. } | E::TooLarge { what: LimitKind::Side | LimitKind::EncodedBytes, .. },
            ) => Self::TooLarge,
            Err(
                E::TooManyScans { .. }
                | E::TooComplex(_)
                | E::TooLarge { what: LimitKind::ScanPixels | LimitKind::MemoryBytes, .. },
            ) => Self::TooComplex,
            Err(E::Animated(_)) => Self::Animated,
            Err(E::Unsupported(_)) => Self::Unsupported,
            Err(E::UnknownFormat | E::FormatMismatch { .. }) => Self::Format,
            Err(E::SizeMismatch { .. } | E::BadGeometry { .. } | E::DimensionMismatch { .. }) => Self::Size,
            Err(E::Panicked(_) | E::Codec(_)) => return false,
        };
        self == Self::Anything || self == found
    }

    /// Reports whether a tombstone with this reason is an expected result.
    pub(crate) fn allows_reason(self, reason: ErrorReason) -> bool {
        use ErrorReason as R;
        match self {
            Self::Picture => false,
            Self::Truncated => reason == R::DecodeTruncated,
            Self::Corrupt => reason == R::DecodeCorrupt,
            Self::TooLarge => matches!(reason, R::DecodeTooManyPixels | R::PictureTooLarge),
            Self::TooComplex => reason == R::DecodeTooComplex,
            Self::Animated => reason == R::DecodeAnimated,
            Self::Unsupported => reason == R::DecodeUnsupported,
            Self::Format => matches!(reason, R::PictureFormatUnknown | R::PictureFormatMismatch),
            Self::Size => reason == R::DecodeSizeMismatch,
            Self::Anything => !matches!(reason, R::DecodePanicked | R::DecodeTimeout | R::WorkerKilled),
        }
    }
}

/// A picture of the corpus.
#[derive(Debug, Clone)]
pub(crate) struct Case {
    pub(crate) name: String,
    pub(crate) format: PictureFormat,
    pub(crate) width: u32,
    pub(crate) height: u32,
    pub(crate) stride: u32,
    pub(crate) data: Vec<u8>,
    pub(crate) want: Want,
}

impl Case {
    /// Creates a case of an encoded picture without a declared size.
    pub(crate) fn new(name: impl Into<String>, format: PictureFormat, data: Vec<u8>, want: Want) -> Self {
        Self {
            name: format!("{format}: {}", name.into()),
            format,
            width: 0,
            height: 0,
            stride: 0,
            data,
            want,
        }
    }

    pub(crate) fn source(&self) -> SourcePicture<'_> {
        let Self { format, width, height, stride, .. } = *self;
        SourcePicture { format, width, height, stride, colors: Default::default(), data: &self.data }
    }
}

/// Returns the whole corpus, the same in each run.
pub(crate) fn all() -> Vec<Case> {
    let mut cases = Vec::new();
    for (format, whole) in valid() {
        cases.push(Case::new("whole", format, whole.clone(), Want::Picture));
        cases.push(Case::new("nothing", format, Vec::new(), Want::Corrupt));
        cases.push(Case::new("wrong magic", format, [b"GIF8", &whole[4..]].concat(), Want::Format));
        cases.push(Case::new("one byte", format, whole[..1].to_vec(), Want::Format));
        for sixteenth in 1..16 {
            let cut = whole[..whole.len() * sixteenth / 16].to_vec();
            cases.push(Case::new(format!("cut at {sixteenth}/16"), format, cut, Want::Truncated));
        }
        for flips in [1, 4, 16, 64, 256] {
            for seed in 0..4 {
                let mut random = Random::new(seed * 1_000 + flips);
                let mut bytes = whole.clone();
                for _ in 0..flips {
                    let at = random.below(bytes.len());
                    bytes[at] ^= 1 << random.below(8);
                }
                let name = format!("{flips} bits flipped, seed {seed}");
                cases.push(Case::new(name, format, bytes, Want::Anything));
            }
        }
        let mut other_size = Case::new("another size than declared", format, whole, Want::Size);
        (other_size.width, other_size.height) = (161, 90);
        cases.push(other_size);
    }
    cases.extend(jpeg::cases());
    cases.extend(png::cases());
    cases.extend(webp::cases());
    cases.extend(raw::cases());
    cases
}

/// Returns complete pictures of each encoded format, 160 x 90.
pub(crate) fn valid() -> Vec<(PictureFormat, Vec<u8>)> {
    vec![
        (PictureFormat::Jpeg, jpeg::baseline(160, 90)),
        (PictureFormat::Jpeg, jpeg::progressive(160, 90)),
        (PictureFormat::Png, png_of(&road(160, 90), 160, 90, ExtendedColorType::Rgb8)),
        (PictureFormat::WebP, webp_of(&road(160, 90), 160, 90, ExtendedColorType::Rgb8)),
    ]
}

/// Draws the road as packed RGB.
pub(crate) fn road(width: u32, height: u32) -> Vec<u8> {
    Scene::new(5, width, height).draw(3).0.pixels().to_vec()
}

pub(crate) fn png_of(pixels: &[u8], width: u32, height: u32, color: ExtendedColorType) -> Vec<u8> {
    let mut bytes = Vec::new();
    let encoder = image::codecs::png::PngEncoder::new(&mut bytes);
    encoder.write_image(pixels, width, height, color).expect("it encodes");
    bytes
}

pub(crate) fn webp_of(pixels: &[u8], width: u32, height: u32, color: ExtendedColorType) -> Vec<u8> {
    let mut bytes = Vec::new();
    let encoder = image::codecs::webp::WebPEncoder::new_lossless(&mut bytes);
    encoder.write_image(pixels, width, height, color).expect("it encodes");
    bytes
}

/// Creates a codec with the limits of the service.
pub(crate) fn codec() -> Codec {
    Codec::new(Limits::default())
}

/// A pseudo-random generator with a seed, good enough to spread damage.
#[derive(Debug, Clone)]
pub(crate) struct Random(u64);

impl Random {
    pub(crate) fn new(seed: u64) -> Self {
        Self(seed ^ 0x9E37_79B9_7F4A_7C15)
    }

    pub(crate) fn below(&mut self, end: usize) -> usize {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) as usize % end.max(1)
    }
}
