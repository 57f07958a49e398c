//! Tests of the transcoder against libjpeg-turbo.

mod codes;
mod mutations;
mod planes;
mod refusals;

use turbojpeg::{Compressor, Decompressor, Image, PixelFormat, Subsamp, YuvImage};

use super::{Huffman, HuffmanCodes, Order, PlaneOrder, Refusal, Transcoded, Transcoder};

/// The settings of an encoder.
#[derive(Debug, Clone, Copy)]
struct Settings {
    quality: i32,
    subsamp: Subsamp,
    optimize: bool,
}

const PLAIN: Settings = Settings { quality: 92, subsamp: Subsamp::Sub2x2, optimize: false };

/// A generator of numbers that are always the same (SplitMix64).
struct Random(u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mixed = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        mixed ^ (mixed >> 31)
    }

    fn below(&mut self, bound: usize) -> usize {
        (self.next() % bound as u64) as usize
    }
}

/// Returns the pixels of a picture with smooth parts, edges, colours and noise.
fn pixels(width: usize, height: usize, noise: i32) -> Vec<u8> {
    let mut random = Random(7);
    let mut pixels = Vec::with_capacity(3 * width * height);
    for (y, x) in (0..height).flat_map(|y| (0..width).map(move |x| (y, x))) {
        let slope = (200 * x / width + 55 * y / height) as i32;
        let edge = if (x / 11 + y / 7) % 5 == 0 { 90 } else { 0 };
        let wave = (40.0 * ((x * x + y * y) as f64 / 300.0).sin()) as i32;
        for (base, sign) in [(slope + edge + wave, 1), (slope / 2 + 60, -1), (230 - slope - edge, 1)] {
            let random = (random.next() % (2 * noise + 1) as u64) as i32 - noise;
            pixels.push((base + sign * random).clamp(0, 255) as u8);
        }
    }
    pixels
}

fn encode(pixels: &[u8], width: usize, height: usize, settings: Settings) -> Vec<u8> {
    let mut encoder = Compressor::new().unwrap();
    encoder.set_quality(settings.quality).unwrap();
    encoder.set_subsamp(settings.subsamp).unwrap();
    encoder.set_optimize(settings.optimize).unwrap();
    let image = Image { pixels, width, pitch: 3 * width, height, format: PixelFormat::RGB };
    encoder.compress_to_vec(image).unwrap()
}

fn jpeg(width: usize, height: usize, settings: Settings) -> Vec<u8> {
    encode(&pixels(width, height, 12), width, height, settings)
}

/// Decodes to planes without padding; an error also for a warning.
fn decode(jpeg: &[u8]) -> turbojpeg::Result<YuvImage<Vec<u8>>> {
    let mut decoder = Decompressor::new()?;
    let header = decoder.read_header(jpeg)?;
    let (width, height, subsamp) = (header.width, header.height, header.subsamp);
    let len = turbojpeg::yuv_pixels_len(width, 1, height, subsamp)?;
    let mut image = YuvImage { pixels: vec![0; len], width, align: 1, height, subsamp };
    decoder.decompress_to_yuv(jpeg, image.as_deref_mut())?;
    Ok(image)
}

fn transcode(jpeg: &[u8], quality: u8) -> Result<Vec<u8>, Refusal> {
    let order = Order { quality: Some(quality), planes: &[], ..Order::default() };
    Transcoder::default().transcode(jpeg, order).map(|made| made.jpeg.unwrap())
}

/// The kinds of files and sizes that are supported.
fn supported() -> Vec<(String, Vec<u8>)> {
    let mut files = Vec::new();
    for subsamp in [Subsamp::Sub2x2, Subsamp::Sub2x1, Subsamp::Sub1x2, Subsamp::None, Subsamp::Gray] {
        for (width, height) in [(1, 1), (8, 8), (17, 33), (640, 33), (203, 119)] {
            for quality in [30, 75, 92, 98, 100] {
                let optimize = quality % 2 == 0;
                let settings = Settings { quality, subsamp, optimize };
                files.push((format!("{width}x{height} {settings:?}"), jpeg(width, height, settings)));
            }
        }
    }
    files
}
