//! Computes the memory that a decoder takes for the codes of a lossless WebP stream.
//!
//! A stream can assign groups of five prefix codes to blocks of pixels: up to 65,536 groups,
//! whatever the size of the picture. One pixel in a file of a megabyte is enough for gigabytes of
//! tables. The number of groups follows from the picture of the blocks, which is stored after the
//! transforms. So this module reads the transforms, that picture, and then the codes, in the same
//! way as the decoder (`image-webp`). It does not read the pixels
//! (<https://developers.google.com/speed/webp/docs/webp_lossless_bitstream_specification>).

use super::super::DecodeError;
use super::bits::{BitReader, Code, Table, corrupt};

/// The bytes that the decoder holds for a group in addition to the tables of its codes: five times
/// 56 bytes, in a vector that doubles when it is full, and the overhead of the allocator.
const GROUP_BYTES: u64 = 1024;
/// The maximum number of groups of a picture: many groups of small codes take time rather than
/// memory. libwebp writes at most 2,600.
const MAX_GROUPS: usize = 8_192;
/// The number of symbols for green (and lengths of copies), red, blue, alpha, and distances of
/// copies.
const ALPHABETS: [usize; 5] = [GREEN_SYMBOLS, 256, 256, 256, 40];
/// The number of symbols for green and lengths of copies; the symbols of the colour cache follow.
const GREEN_SYMBOLS: usize = LITERALS + 24;
/// The number of symbols that are a green value.
const LITERALS: usize = 256;

/// Returns the bytes that the decoder holds for the codes of a stream, which begins after its size.
/// Stops counting soon after `max_bytes`.
///
/// # Errors
///
/// Fails if there are too many groups, or the stream ends or is corrupt before its last code.
pub(super) fn code_bytes(stream: &[u8], width: u32, height: u32, max_bytes: u64) -> Result<u64, DecodeError> {
    let mut bits = BitReader::new(stream);
    let width = skip_transforms(&mut bits, width, height)?;
    let cache_bits = read_cache_bits(&mut bits)?;
    let mut groups = 1;
    if bits.read(1)? == 1 {
        let block_bits = 2 + bits.read(3)?;
        let blocks = read_image(&mut bits, in_blocks(width, block_bits), in_blocks(height, block_bits))?;
        let of_block = |[red, green, ..]: &[u8; 4]| usize::from(u16::from_be_bytes([*red, *green]));
        groups += blocks.iter().map(of_block).max().unwrap_or(0);
    }
    if groups > MAX_GROUPS {
        return Err(DecodeError::TooComplex(format!(
            "{groups} groups of codes, but at most {MAX_GROUPS} are allowed"
        )));
    }
    let mut bytes = 0;
    for _ in 0..groups {
        bytes += GROUP_BYTES;
        for alphabet in alphabets(cache_bits) {
            bytes += Code::read(&mut bits, alphabet)?.decoder_bytes();
        }
        if bytes > max_bytes {
            break;
        }
    }
    Ok(bytes)
}

/// Skips the transforms, and returns the width of the coded picture after them: with few colours,
/// several pixels are packed into one.
fn skip_transforms(bits: &mut BitReader<'_>, mut width: u32, height: u32) -> Result<u32, DecodeError> {
    const INDEXED: u32 = 3;
    let mut seen = [false; 4];
    while bits.read(1)? == 1 {
        let kind = bits.read(2)?;
        if std::mem::replace(&mut seen[kind as usize], true) {
            return Err(corrupt("a transform appears twice"));
        }
        match kind {
            // The predictor and the colour transform contain a picture of blocks.
            0 | 1 => {
                let block_bits = 2 + bits.read(3)?;
                read_image(bits, in_blocks(width, block_bits), in_blocks(height, block_bits))?;
            }
            INDEXED => {
                let colors = 1 + bits.read(8)?;
                read_image(bits, colors, 1)?;
                let packed_bits = match colors {
                    ..=2 => 3,
                    3..=4 => 2,
                    5..=16 => 1,
                    _ => 0,
                };
                width = in_blocks(width, packed_bits);
            }
            _ => {}
        }
    }
    Ok(width)
}

/// Reads a picture within the stream, which has a single group of codes. Returns RGBA.
fn read_image(bits: &mut BitReader<'_>, width: u32, height: u32) -> Result<Vec<[u8; 4]>, DecodeError> {
    let cache_bits = read_cache_bits(bits)?;
    let mut cache = cache_bits.map(Cache::new);
    let mut tables = Vec::with_capacity(ALPHABETS.len());
    for alphabet in alphabets(cache_bits) {
        tables.push(Code::read(bits, alphabet)?.table());
    }
    let pixels = width as usize * height as usize;
    let mut image: Vec<[u8; 4]> = Vec::with_capacity(pixels);
    while image.len() < pixels {
        let symbol = usize::from(tables[0].read(bits)?);
        if symbol < LITERALS {
            let mut sample = |table: &Table| table.read(bits).map(|sample| sample as u8);
            let pixel = [sample(&tables[1])?, symbol as u8, sample(&tables[2])?, sample(&tables[3])?];
            cache.iter_mut().for_each(|cache| cache.insert(pixel));
            image.push(pixel);
        } else if symbol < GREEN_SYMBOLS {
            let length = read_number(bits, symbol - LITERALS)?;
            let code = usize::from(tables[4].read(bits)?);
            let distance = distance_of(read_number(bits, code)?, width);
            if distance > image.len() || length > pixels - image.len() {
                return Err(corrupt("a copy exceeds the picture"));
            }
            for _ in 0..length {
                let pixel = image[image.len() - distance];
                // Like the decoder, do not insert a pixel that repeats the one before it: the
                // decoder assumes that it is cached already.
                if distance > 1 {
                    cache.iter_mut().for_each(|cache| cache.insert(pixel));
                }
                image.push(pixel);
            }
        } else {
            let cached = cache.as_ref().and_then(|cache| cache.colors.get(symbol - GREEN_SYMBOLS));
            image.push(*cached.ok_or_else(|| corrupt("invalid colour cache symbol"))?);
        }
    }
    Ok(image)
}

/// Returns the sizes of the alphabets of a group.
fn alphabets(cache_bits: Option<u32>) -> [usize; 5] {
    let [green, others @ ..] = ALPHABETS;
    let [red, blue, alpha, distance] = others;
    [green + cache_bits.map_or(0, |bits| 1 << bits), red, blue, alpha, distance]
}

fn read_cache_bits(bits: &mut BitReader<'_>) -> Result<Option<u32>, DecodeError> {
    if bits.read(1)? == 0 {
        return Ok(None);
    }
    match bits.read(4)? {
        cache_bits @ 1..=11 => Ok(Some(cache_bits)),
        _ => Err(corrupt("invalid colour cache size")),
    }
}

/// Reads a length or a distance: `symbol` is the magnitude, and further bits follow.
fn read_number(bits: &mut BitReader<'_>, symbol: usize) -> Result<usize, DecodeError> {
    if symbol < 4 {
        return Ok(symbol + 1);
    }
    let extra_bits = (symbol - 2) >> 1;
    let offset = (2 + (symbol & 1)) << extra_bits;
    Ok(offset + bits.read(extra_bits as u32)? as usize + 1)
}

/// Returns the distance in pixels. The lowest numbers stand for nearby pixels in two dimensions,
/// the nearest first.
fn distance_of(number: usize, width: u32) -> usize {
    let Some(far) = number.checked_sub(NEARBY.len() + 1) else {
        let (x, y) = NEARBY[number - 1];
        return usize::try_from(x + y * i64::from(width)).unwrap_or(0).max(1);
    };
    far + 1
}

/// The offsets (left, up) of the nearby pixels.
static NEARBY: std::sync::LazyLock<Vec<(i64, i64)>> = std::sync::LazyLock::new(|| {
    let places = (0..8).flat_map(|y| (-7..=8).map(move |x: i64| (x, y)));
    let mut places: Vec<(i64, i64)> = places.filter(|&(x, y)| y > 0 || x > 0).collect();
    places.sort_by_key(|&(x, y)| (x * x + y * y, x.abs(), x < 0));
    places
});

fn in_blocks(side: u32, block_bits: u32) -> u32 {
    side.div_ceil(1 << block_bits)
}

/// The colour cache: recent colours by their hash.
struct Cache {
    colors: Vec<[u8; 4]>,
    bits: u32,
}

impl Cache {
    fn new(bits: u32) -> Self {
        Self { colors: vec![[0; 4]; 1 << bits], bits }
    }

    fn insert(&mut self, pixel: [u8; 4]) {
        let [red, green, blue, alpha] = pixel;
        let hash = u32::from_be_bytes([alpha, red, green, blue]).wrapping_mul(0x1E35_A7BD);
        self.colors[(hash >> (32 - self.bits)) as usize] = pixel;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The specification lists them all.
    #[test]
    fn nearby_pixels_are_in_the_order_of_the_specification() {
        assert_eq!(NEARBY.len(), 120);
        let first =
            [(0, 1), (1, 0), (1, 1), (-1, 1), (0, 2), (2, 0), (1, 2), (-1, 2), (2, 1), (-2, 1), (2, 2)];
        assert_eq!(NEARBY[..11], first);
        assert_eq!(NEARBY[34..40], [(0, 5), (3, 4), (-3, 4), (4, 3), (-4, 3), (5, 0)]);
        assert_eq!(NEARBY[114..], [(-7, 6), (8, 5), (7, 7), (-7, 7), (8, 6), (8, 7)]);
    }
}
