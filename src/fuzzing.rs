//! The code under test of the fuzz targets (`fuzz/`) and of the seeded mutation test below: each
//! reader of untrusted or stored bytes. It is not part of the service: it is compiled for tests and
//! with the feature `fuzzing` only.
//!
//! A check panics if a reader panics, or if writing the value that was read does not give the same
//! bytes.

use std::io::{self, Read};

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;

use crate::domain::{
    ChromaSubsampling, Cursor, DeadLetterId, OutputFormat, Partitions, PictureFormat, Sequence, StoreIdentity,
};
use crate::hub::WatchToken;
use crate::picture::{
    Canvas, Codec, DecodeError, Huffman, Limits, Metadata, Mjpeg, Orientation, PreservedMetadata,
    SourcePicture, TranscodeRequest, fit, probe, stripped,
};
use crate::{grpc, queue};

#[cfg(test)]
mod tests;

/// A reader under test.
#[derive(Debug, Clone, Copy)]
pub struct Target {
    /// The name of the fuzz target.
    pub name: &'static str,
    /// The check, which reads bytes and panics if the reader has a fault.
    pub check: fn(&[u8]),
    /// The seeds: valid bytes to begin with.
    pub seeds: fn() -> Vec<Vec<u8>>,
}

/// All readers under test.
pub const TARGETS: [Target; 9] = [
    Target { name: "decode", check: decode, seeds: decode_seeds },
    Target { name: "transcode", check: transcode, seeds: transcode_seeds },
    Target { name: "mjpeg", check: mjpeg, seeds: mjpeg_seeds },
    Target { name: "entry", check: queue::redis::fuzzing::check, seeds: queue::redis::fuzzing::seeds },
    Target { name: "cursor", check: cursor, seeds: cursor_seeds },
    Target { name: "watch_token", check: watch_token, seeds: watch_token_seeds },
    Target { name: "ack_id", check: grpc::fuzzing::check_ack_id, seeds: ack_id_seeds },
    Target { name: "filter", check: grpc::fuzzing::check_filter, seeds: grpc::fuzzing::filter_seeds },
    Target { name: "request", check: grpc::fuzzing::check_request, seeds: grpc::fuzzing::request_seeds },
];

/// Returns the target with this name.
///
/// # Panics
/// Panics if there is none.
#[must_use]
pub fn target(name: &str) -> Target {
    let found = TARGETS.into_iter().find(|target| target.name == name);
    found.unwrap_or_else(|| panic!("no fuzz target `{name}`"))
}

/// Reads the entry of a published frame and writes it again; `None` if it is invalid. For the
/// benchmarks.
#[must_use]
pub fn rewrite_entry(bytes: &[u8]) -> Option<Vec<u8>> {
    queue::redis::fuzzing::rewrite_output(bytes)
}

/// Reports whether the server's codec knows all fields and values in a request of `frameway.v1`.
/// For the benchmarks.
#[must_use]
pub fn knows_request(name: &str, bytes: &[u8]) -> bool {
    grpc::fuzzing::knows_request(name, bytes)
}

/// Reads a picture: the first byte selects the format, and raw pictures are 16 x 12. The limits are
/// small, so that each check is fast.
fn decode(data: &[u8]) {
    let Some((&choice, data)) = data.split_first() else { return };
    let format = PictureFormat::ALL[usize::from(choice) % PictureFormat::ALL.len()];
    let (width, height) = if format.is_raw() { (16, 12) } else { (0, 0) };
    let limits = Limits { max_pixels: 1 << 18, max_alloc_bytes: 4 << 20, ..Limits::default() };
    let mut codec = Codec::new(limits);
    // These must not fail on any bytes. The copy of a valid picture must be valid too.
    let metadata = Metadata::of(format, data);
    let copy = stripped(format, data, metadata.orientation);
    let kept = PreservedMetadata::of(format, data);
    let Ok(planes) =
        codec.decode(&SourcePicture { format, width, height, stride: 0, colors: Default::default(), data })
    else {
        return;
    };
    let pixels = u64::from(planes.width()) * u64::from(planes.height());
    assert!(pixels > 0 && pixels <= limits.max_pixels, "{pixels} pixels");
    // Every decoded picture can be encoded, and its copies can be decoded.
    assert!(codec.thumbnail(&planes, 32, 75).is_ok());
    if let Some(copy) = copy {
        let again = codec.decode(&SourcePicture {
            format,
            width,
            height,
            stride: 0,
            colors: Default::default(),
            data: &copy,
        });
        assert_eq!(again.map(|again| (again.width(), again.height())), Ok((planes.width(), planes.height())));
    }
    // Its metadata can be inserted into a picture of any format, which stays valid.
    let small = codec.scale(&planes, planes.width().min(7), planes.height().min(5));
    let small = small.unwrap_or_else(|error| panic!("cannot scale: {error}"));
    for output in OUTPUTS {
        let format = output.picture_format();
        let made = codec.encode(&small, output, 60).and_then(|encoded| kept.insert_into(format, encoded));
        let made = made.unwrap_or_else(|error| panic!("{output:?}: {error}"));
        let again = codec.decode(&SourcePicture {
            format,
            width: 0,
            height: 0,
            stride: 0,
            colors: Default::default(),
            data: &made,
        });
        assert_eq!(again.map(|again| (again.width(), again.height())), Ok((small.width(), small.height())));
        assert_eq!(Metadata::of(format, &made).orientation, Orientation::UPRIGHT);
    }
}

/// Transcodes a JPEG: the first byte selects the quality. The decoder must accept what the transcoder
/// accepts and what it writes.
fn transcode(data: &[u8]) {
    let Some((&choice, data)) = data.split_first() else { return };
    let limits = Limits { max_pixels: 1 << 18, max_alloc_bytes: 4 << 20, ..Limits::default() };
    let mut codec = Codec::new(limits);
    let Some(source) = SourcePicture::encoded(data) else { return };
    let Ok(info) = probe(&source, &limits) else { return };
    let luma = fit(info.width, info.height, 40);
    let request = TranscodeRequest {
        huffman: Huffman::Stream(None),
        quality: Some(1 + choice % 100),
        chroma: ChromaSubsampling::Auto,
        luma: (luma.0 as usize, luma.1 as usize),
        thumbnail: (choice < 128).then(|| fit(info.width, info.height, 1 + u32::from(choice) / 8)),
    };
    let Some(first) = codec.transcode(&source, &request) else { return };
    // With tables that fit the picture itself.
    let made = codec
        .transcode(&source, &TranscodeRequest { huffman: Huffman::Stream(first.codes.as_ref()), ..request });
    let made = made.unwrap_or_else(|| panic!("refused with other tables"));
    let size = Ok((info.width, info.height));
    let size_of = |codec: &mut Codec, data: &[u8]| match SourcePicture::encoded(data) {
        Some(source) => codec.decode(&source).map(|planes| (planes.width(), planes.height())),
        None => Err(DecodeError::UnknownFormat),
    };
    assert_eq!(size_of(&mut codec, data), size, "accepted");
    for jpeg in [first.jpeg, made.jpeg] {
        assert_eq!(size_of(&mut codec, &jpeg.unwrap_or_default()), size, "written");
    }
    assert_eq!(made.luma.len(), request.luma.0 * request.luma.1);
}

fn transcode_seeds() -> Vec<Vec<u8>> {
    let mut canvas = Canvas::new(70, 50, [200, 90, 30]);
    canvas.fill_rect(9, 5, 40, 30, [20, 200, 90]);
    let jpeg = Codec::new(Limits::default()).encode_canvas(&canvas, 93).unwrap_or_default();
    [84, 200].map(|choice| [&[choice], &jpeg[..]].concat()).into()
}

/// Splits a stream of bytes into pictures: the first byte is the number of bytes that arrive at a
/// time, which must not matter.
fn mjpeg(data: &[u8]) {
    let Some((&at_a_time, data)) = data.split_first() else { return };
    let split = |at_a_time: usize| {
        let mut source = Mjpeg::new(Trickle(data, at_a_time));
        let mut pictures = Vec::new();
        let end = loop {
            match source.next_picture() {
                Ok(Some(picture)) => pictures.push(picture),
                Ok(None) => break "complete".to_owned(),
                Err(error) => break error.to_string(),
            }
        };
        (pictures, end)
    };
    let (pictures, end) = split(data.len().max(1));
    assert!(pictures.iter().all(|picture| picture.starts_with(&[0xFF, 0xD8])));
    assert!(pictures.iter().map(|picture| picture.len()).sum::<usize>() <= data.len());
    assert_eq!((pictures, end), split(usize::from(at_a_time).max(1)));
}

/// A source that returns only so many bytes at a time.
struct Trickle<'a>(&'a [u8], usize);

impl Read for Trickle<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        (&mut self.0).take(self.1 as u64).read(buffer)
    }
}

fn mjpeg_seeds() -> Vec<Vec<u8>> {
    let canvas = Canvas::new(16, 16, [200, 90, 30]);
    let jpeg = Codec::new(Limits::default()).encode_canvas(&canvas, 50).unwrap_or_default();
    let multipart = [b"--next\r\n\r\n", &jpeg[..], b"\r\n--next\r\n\r\n", &jpeg].concat();
    vec![[&[3], &jpeg[..], &jpeg].concat(), [&[64], &multipart[..]].concat()]
}

const OUTPUTS: [OutputFormat; 4] =
    [OutputFormat::Jpeg, OutputFormat::Png, OutputFormat::WebP, OutputFormat::WebPLossless];
/// Segments of a JPEG: an EXIF block with an orientation that swaps the sides, and a profile in two
/// parts.
const METADATA: &[u8] =
    b"\xFF\xE1\0\x22Exif\0\0MM\0\x2A\0\0\0\x08\0\x01\x01\x12\0\x03\0\0\0\x01\0\x06\0\0\0\0\0\0\
    \xFF\xE2\0\x24ICC_PROFILE\0\x01\x02\0\0\0\x80FRWY\x04\0\0\0mntrRGB \
    \xFF\xE2\0\x7CICC_PROFILE\0\x02\x02XYZ \0\0\0\0\0\0\0\0\0\0\0\0acsp";

fn decode_seeds() -> Vec<Vec<u8>> {
    let canvas = Canvas::new(32, 24, [200, 90, 30]);
    let mut codec = Codec::new(Limits::default());
    let jpeg = codec.encode_canvas(&canvas, 85).unwrap_or_default();
    // The rest of the profile is zeros.
    let with_metadata = [&jpeg[..2], METADATA, &[0; 88], &jpeg[2..]].concat();
    let kept = PreservedMetadata::of(PictureFormat::Jpeg, &with_metadata);
    let mut seeds =
        vec![[&[0], &jpeg[..]].concat(), [&[0], &with_metadata[..]].concat(), vec![6; 1 + 16 * 12 * 3 / 2]];
    let Ok(planes) =
        SourcePicture::encoded(&jpeg).map_or(Err(DecodeError::Empty), |jpeg| codec.decode(&jpeg))
    else {
        return seeds;
    };
    for (choice, format) in [(1, OutputFormat::Png), (2, OutputFormat::WebP), (2, OutputFormat::WebPLossless)]
    {
        let Ok(plain) = codec.encode(&planes, format, 80) else { continue };
        let with_metadata = kept.insert_into(format.picture_format(), plain.clone()).unwrap_or_default();
        seeds.extend([plain, with_metadata].map(|bytes| [&[choice], &bytes[..]].concat()));
    }
    seeds
}

/// Reads a cursor, an id of a dead letter, and a page token.
fn cursor(data: &[u8]) {
    let store = fuzzed_store();
    let check = |text: &str| {
        if let Ok(cursor) = Cursor::decode(text, &store) {
            assert_eq!(cursor.encode(&store), text);
        }
        if let Ok(id) = DeadLetterId::parse(text, Partitions::default()) {
            assert_eq!(id.to_string(), text);
        }
    };
    if let Ok(text) = std::str::from_utf8(data) {
        check(text);
        grpc::fuzzing::check_page_token(text);
    }
    // Also with a valid checksum, so that the reader does not stop at the checksum.
    check(&sealed(data, &blake3::hash(data)));
}

/// Returns the same store in each run.
fn fuzzed_store() -> StoreIdentity {
    StoreIdentity::from_bytes(&[7; StoreIdentity::BYTES]).unwrap_or_default()
}

fn cursor_seeds() -> Vec<Vec<u8>> {
    let sequence = |number| Sequence::new(number).unwrap_or(Sequence::FIRST);
    let cursors = ["cam", "a-very-long-camera-name_0123456789"].iter().filter_map(|id| id.parse().ok());
    let texts = cursors.map(|stream_id| Cursor::new(stream_id, sequence(1 << 40)).encode(&fuzzed_store()));
    let texts: Vec<_> = texts.chain(["p07-1700000000000000-12".to_owned()]).collect();
    with_unsealed(texts, 4)
}

fn watch_token(data: &[u8]) {
    let check = |text: &str| {
        if let Ok(token) = text.parse::<WatchToken>() {
            assert_eq!(token.encode().parse(), Ok(token));
        }
    };
    if let Ok(text) = std::str::from_utf8(data) {
        check(text);
    }
    check(&sealed(data, &blake3::Hasher::new().update(b"watch").update(data).finalize()));
}

fn watch_token_seeds() -> Vec<Vec<u8>> {
    let token = |positions: Vec<u64>| {
        let mut body = vec![1, 1, 2, 3, 4, 0, 6, 10, 24, 181, 148, 0, 0];
        body.extend(positions.iter().map(|position| *position as u8 & 0x7F));
        sealed(&body, &blake3::Hasher::new().update(b"watch").update(&body).finalize())
    };
    with_unsealed(vec![token(Vec::new()), token((0..32).collect())], 4)
}

fn ack_id_seeds() -> Vec<Vec<u8>> {
    with_unsealed(grpc::fuzzing::ack_ids(), grpc::fuzzing::MAC_BYTES)
}

/// Returns `body` and the first bytes of its hash as text.
fn sealed(body: &[u8], hash: &blake3::Hash) -> String {
    URL_SAFE_NO_PAD.encode([body, &hash.as_bytes()[..4]].concat())
}

/// Returns the texts, and their decoded bytes without the last `check_bytes`, which are the
/// checksum.
fn with_unsealed(texts: Vec<String>, check_bytes: usize) -> Vec<Vec<u8>> {
    let bodies = texts.iter().filter_map(|text| URL_SAFE_NO_PAD.decode(text).ok());
    let bodies: Vec<_> = bodies.map(|bytes| bytes[..bytes.len() - check_bytes].to_vec()).collect();
    texts.into_iter().map(String::into_bytes).chain(bodies).collect()
}
