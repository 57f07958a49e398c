//! Tests the orientation in all forms that common readers accept.

use std::io::Write as _;
use std::sync::LazyLock;

use flate2::Compression;
use flate2::write::ZlibEncoder;

use super::super::chunks::{push_png, push_webp};
use super::super::{Metadata, Orientation, PreservedMetadata};
use super::outputs::segment;
use super::*;
use crate::domain::OutputFormat;

/// As it is stored.
pub(crate) const SIZE: (u32, u32) = (64, 36);

/// The picture whose orientation is described, as JPEG.
static ROAD: LazyLock<Vec<u8>> = LazyLock::new(|| road_jpeg(SIZE.0, SIZE.1));

/// A picture with an orientation in some form.
pub(crate) struct Form {
    pub(crate) name: String,
    pub(crate) format: PictureFormat,
    pub(crate) data: Vec<u8>,
}

/// Returns a TIFF block with one entry for the orientation; `value` is inline if it has four bytes,
/// otherwise after the directory.
fn tiff(little_endian: bool, kind: u16, count: u32, value: &[u8]) -> Vec<u8> {
    let short = |number: u16| if little_endian { number.to_le_bytes() } else { number.to_be_bytes() };
    let long = |number: u32| if little_endian { number.to_le_bytes() } else { number.to_be_bytes() };
    let mut block = if little_endian { b"II".to_vec() } else { b"MM".to_vec() };
    block.extend([short(42), [0; 2], [0; 2]].concat());
    block.splice(4.., long(8));
    block.extend([&short(1)[..], &short(0x0112), &short(kind), &long(count)].concat());
    if value.len() == 4 {
        block.extend_from_slice(value);
        block.extend(long(0));
    } else {
        block.extend(long(26));
        block.extend(long(0));
        block.extend_from_slice(value);
    }
    block
}

/// Returns TIFF blocks with the orientation `number` in each type that readers accept.
fn tiffs(number: u8) -> Vec<(String, Vec<u8>)> {
    let mut blocks = Vec::new();
    for little_endian in [true, false] {
        let short = |number: u8| {
            let number = u16::from(number);
            if little_endian { number.to_le_bytes() } else { number.to_be_bytes() }
        };
        let long = |number: u8| {
            let number = u32::from(number);
            if little_endian { number.to_le_bytes() } else { number.to_be_bytes() }
        };
        let (float, double) = (f32::from(number), f64::from(number));
        let (float, double) = if little_endian {
            (float.to_le_bytes(), double.to_le_bytes())
        } else {
            (float.to_be_bytes(), double.to_be_bytes())
        };
        for (name, kind, count, value) in [
            ("BYTE", 1, 1, vec![number, 0, 0, 0]),
            ("ASCII", 2, 2, vec![b'0' + number, 0, 0, 0]),
            ("SHORT", 3, 1, [short(number), [0; 2]].concat()),
            ("two SHORT", 3, 2, [short(number), short(1)].concat()),
            ("three SHORT", 3, 3, [short(number), short(1), short(1)].concat()),
            ("LONG", 4, 1, long(number).to_vec()),
            ("RATIONAL", 5, 1, [long(2 * number), long(2)].concat()),
            ("SBYTE", 6, 1, vec![number, 0, 0, 0]),
            ("UNDEFINED", 7, 1, vec![number, 0, 0, 0]),
            ("SSHORT", 8, 1, [short(number), [0; 2]].concat()),
            ("SLONG", 9, 1, long(number).to_vec()),
            ("SRATIONAL", 10, 1, [long(number), long(1)].concat()),
            ("FLOAT", 11, 1, float.to_vec()),
            ("DOUBLE", 12, 1, double.to_vec()),
        ] {
            let order = if little_endian { "II" } else { "MM" };
            blocks.push((format!("{name} {order}"), tiff(little_endian, kind, count, &value)));
        }
    }
    blocks
}

/// Returns XMP packets with the orientation `number`.
fn packets(number: u8) -> Vec<(&'static str, Vec<u8>)> {
    let packet = |attributes: &str, elements: &str| {
        format!(
            "<?xpacket begin='' id='W5M0MpCehiHzreSzNTczkc9d'?><x:xmpmeta xmlns:x=\"adobe:ns:meta/\"><rdf:RDF \
             xmlns:rdf=\"http://www.w3.org/1999/02/22-rdf-syntax-ns#\"><rdf:Description rdf:about=\"\" \
             {attributes}>{elements}</rdf:Description></rdf:RDF></x:xmpmeta><?xpacket end='w'?>"
        )
        .into_bytes()
    };
    let usual = "xmlns:tiff=\"http://ns.adobe.com/tiff/1.0/\"";
    vec![
        ("attribute", packet(&format!("{usual} tiff:Orientation=\"{number}\""), "")),
        ("attribute in single quotes", packet(&format!("{usual}\n tiff:Orientation = '{number}'"), "")),
        ("element", packet(usual, &format!("<tiff:Orientation>{number}</tiff:Orientation>"))),
        (
            "element with spaces",
            packet(usual, &format!("<tiff:Orientation>\n {number}\n</tiff:Orientation>")),
        ),
        (
            "another prefix",
            packet(
                "xmlns:t='http://ns.adobe.com/tiff/1.0/'",
                &format!("<t:Orientation>{number}</t:Orientation>"),
            ),
        ),
        (
            "after others of its name",
            packet(
                &format!("{usual} xmlns:mytiff='urn:x' mytiff:Orientation='2' tiff:OrientationMark='3'"),
                &format!("<tiff:Orientation>{number}</tiff:Orientation>"),
            ),
        ),
    ]
}

fn exif_segment(tiff: &[u8]) -> Vec<u8> {
    segment(0xE1, &[b"Exif\0\0", tiff].concat())
}

fn xmp_segment(packet: &[u8]) -> Vec<u8> {
    segment(0xE1, &[b"http://ns.adobe.com/xap/1.0/\0", packet].concat())
}

fn jpeg_with(segments: &[u8]) -> Vec<u8> {
    [&ROAD[..2], segments, &ROAD[2..]].concat()
}

fn png_with(chunks: &[(&[u8; 4], Vec<u8>)]) -> Vec<u8> {
    let planes = decode_jpeg(&ROAD).unwrap();
    let png = codec().encode(&planes, OutputFormat::Png, 0).unwrap();
    let mut file = png[..33].to_vec();
    for (name, body) in chunks {
        push_png(&mut file, name, body);
    }
    file.extend_from_slice(&png[33..]);
    file
}

fn webp_with(flags: u8, chunks: &[(&[u8; 4], &[u8])]) -> Vec<u8> {
    let planes = decode_jpeg(&ROAD).unwrap();
    let webp = codec().encode(&planes, OutputFormat::WebPLossless, 0).unwrap();
    let mut file = b"RIFF\0\0\0\0WEBP".to_vec();
    let header = [flags, 0, 0, 0, SIZE.0 as u8 - 1, 0, 0, SIZE.1 as u8 - 1, 0, 0];
    push_webp(&mut file, b"VP8X", &header);
    file.extend_from_slice(&webp[12..]);
    for (name, body) in chunks {
        push_webp(&mut file, name, body);
    }
    let size = (file.len() as u32 - 8).to_le_bytes();
    file[4..8].copy_from_slice(&size);
    file
}

fn packed(text: &[u8]) -> Vec<u8> {
    let mut packer = ZlibEncoder::new(Vec::new(), Compression::default());
    packer.write_all(text).unwrap();
    packer.finish().unwrap()
}

/// Returns a raw profile in digits, as ImageMagick writes it.
fn raw_profile(kind: &str, bytes: &[u8]) -> Vec<u8> {
    let digits: Vec<String> = bytes
        .chunks(36)
        .map(|line| line.iter().map(|byte| format!("{byte:02x}")).collect::<String>())
        .collect();
    format!("\n{kind}\n{:8}\n{}\n", bytes.len(), digits.join("\n")).into_bytes()
}

/// Returns pictures of each format with the orientation `number`, in all forms.
pub(crate) fn forms(number: u8) -> Vec<Form> {
    let mut forms = Vec::new();
    let mut add = |name: String, format: PictureFormat, data: Vec<u8>| {
        forms.push(Form { name: format!("{format}: {name}"), format, data });
    };
    let (jpeg, png, webp) = (PictureFormat::Jpeg, PictureFormat::Png, PictureFormat::WebP);
    for (name, tiff) in tiffs(number) {
        add(name.clone(), jpeg, jpeg_with(&exif_segment(&tiff)));
        add(name.clone(), png, png_with(&[(b"eXIf", tiff.clone())]));
        add(name, webp, webp_with(8, &[(b"EXIF", &tiff)]));
    }
    let long = tiff(false, 4, 1, &[0, 0, 0, number]);
    let mut other_order = long.clone();
    other_order.swap(2, 3);
    let silent = tiff(true, 3, 1, &[0; 4]);
    for (name, first) in [
        ("an empty block first", Vec::new()),
        ("a block of no entries first", b"II\x2A\0\x08\0\0\0\0\0\0\0\0\0".to_vec()),
        ("a broken block first", b"II\x2A\0\xFF\xFF\0\0".to_vec()),
        ("first a block that is not TIFF", b"nothing".to_vec()),
        ("a block that says 0 first", silent.clone()),
        ("a block that says 9 first", tiff(true, 3, 1, &[9, 0, 0, 0])),
    ] {
        let blocks = [exif_segment(&first), exif_segment(&long)].concat();
        add(name.to_owned(), jpeg, jpeg_with(&blocks));
        add(name.to_owned(), png, png_with(&[(b"eXIf", first.clone()), (b"eXIf", long.clone())]));
        add(name.to_owned(), webp, webp_with(8, &[(b"EXIF", &first), (b"EXIF", &long)]));
    }
    add("42 in the other byte order".to_owned(), jpeg, jpeg_with(&exif_segment(&other_order)));
    let mut twice = tiff(true, 3, 1, &[0; 4]);
    twice[8] = 2;
    twice.splice(22..22, [0x12, 1, 4, 0, 1, 0, 0, 0, number, 0, 0, 0]);
    add("a second entry that tells".to_owned(), jpeg, jpeg_with(&exif_segment(&twice)));
    for (name, packet) in packets(number) {
        let name = format!("XMP, {name}");
        add(name.clone(), jpeg, jpeg_with(&xmp_segment(&packet)));
        let both = [xmp_segment(&packet), exif_segment(&silent)].concat();
        add(format!("{name}, EXIF that tells nothing"), jpeg, jpeg_with(&both));
        let text = [&b"XML:com.adobe.xmp\0\0\0\0\0"[..], &packet].concat();
        add(name.clone(), png, png_with(&[(b"iTXt", text)]));
        add(name.clone(), webp, webp_with(4, &[(b"XMP ", &packet)]));
    }
    let (_, packet) = packets(number).remove(0);
    let text = [&b"XML:com.adobe.xmp\0\x01\0\0\0"[..], &packed(&packet)].concat();
    add("XMP, packed".to_owned(), png, png_with(&[(b"iTXt", text)]));
    for (kind, bytes) in [
        ("exif", [b"Exif\0\0", &long[..]].concat()),
        ("exif", long.clone()),
        ("APP1", [b"Exif\0\0", &long[..]].concat()),
        ("xmp", packet.clone()),
        ("APP1", [b"http://ns.adobe.com/xap/1.0/\0", &packet[..]].concat()),
    ] {
        let name = format!("Raw profile type {kind}");
        let digits = raw_profile(kind, &bytes);
        let plain = [name.as_bytes(), b"\0", &digits].concat();
        let zipped = [name.as_bytes(), b"\0\0", &packed(&digits)].concat();
        let international = [name.as_bytes(), b"\0\x01\0\0\0", &packed(&digits)].concat();
        for (chunk, body) in [(b"tEXt", plain), (b"zTXt", zipped), (b"iTXt", international)] {
            add(
                format!("{name}, {} bytes, {}", bytes.len(), chunk.escape_ascii()),
                png,
                png_with(&[(chunk, body)]),
            );
        }
    }
    forms
}

#[test]
fn the_orientation_is_found_in_every_form() {
    for number in 1..=8 {
        for Form { name, format, data } in forms(number) {
            assert_eq!(Metadata::of(format, &data).orientation.number(), number, "{name}");
            assert!(codec().decode(&encoded(format, &data)).is_ok(), "{name}");
        }
    }
}

#[test]
fn preserved_exif_is_upright_in_every_form() {
    for Form { name, format, data } in forms(6) {
        let kept = PreservedMetadata::of(format, &data);
        let made = kept.insert_into(PictureFormat::Jpeg, road_jpeg(SIZE.1, SIZE.0).into()).unwrap();
        let upright =
            Metadata { orientation: Orientation::UPRIGHT, extras: kept != PreservedMetadata::default() };
        assert_eq!(Metadata::of(PictureFormat::Jpeg, &made), upright, "{name}");
        // The first block with entries is preserved.
        let exif_first = !name.contains("XMP") && !name.contains("xmp") && !name.contains("APP1");
        assert!(kept != PreservedMetadata::default() || !exif_first, "{name}");
    }
}

#[test]
fn exif_takes_precedence_and_an_earlier_block_before_a_later_one() {
    let [three, six] = [3, 6].map(|number| tiff(true, 3, 1, &[number, 0, 0, 0]));
    let (_, packet) = packets(8).remove(0);
    let number = |data: &[u8]| Metadata::of(PictureFormat::Jpeg, data).orientation.number();
    assert_eq!(number(&jpeg_with(&[xmp_segment(&packet), exif_segment(&six)].concat())), 6);
    assert_eq!(number(&jpeg_with(&[exif_segment(&three), exif_segment(&six)].concat())), 3);
    let upright = tiff(true, 3, 1, &[1, 0, 0, 0]);
    assert_eq!(number(&jpeg_with(&[exif_segment(&upright), xmp_segment(&packet)].concat())), 1);
}

#[test]
fn lookalikes_of_an_orientation_are_ignored() {
    for value in ["0", "9", "66", "", "x", "-6"] {
        let packet = format!("<a tiff:Orientation='{value}'><tiff:Orientation>{value}</tiff:Orientation>");
        let file = jpeg_with(&xmp_segment(packet.as_bytes()));
        assert_eq!(Metadata::of(PictureFormat::Jpeg, &file).orientation, Orientation::UPRIGHT, "{value}");
    }
    for (kind, count, value) in [
        (3, 1, vec![6, 6, 0, 0]),
        (4, 1, vec![6, 0, 1, 0]),
        (9, 1, vec![0xFF; 4]),
        (5, 1, vec![6, 0, 0, 0, 0, 0, 0, 0]),
        (5, 1, vec![13, 0, 0, 0, 2, 0, 0, 0]),
        (3, 3, vec![6]),
        (13, 1, vec![6, 0, 0, 0]),
        (99, u32::MAX, vec![6, 0, 0, 0]),
    ] {
        let file = jpeg_with(&exif_segment(&tiff(true, kind, count, &value)));
        assert_eq!(Metadata::of(PictureFormat::Jpeg, &file).orientation, Orientation::UPRIGHT, "{kind}");
    }
}

/// Any number of chunks after the one with the orientation does not hide it.
#[test]
fn a_png_with_very_many_chunks_is_rotated() {
    let mut chunks = vec![(b"eXIf", tiff(true, 4, 1, &[6, 0, 0, 0]))];
    chunks.extend(std::iter::repeat_n((b"teSt", Vec::new()), 70_000));
    let file = png_with(&chunks);
    assert!(codec().decode(&encoded(PictureFormat::Png, &file)).is_ok());
    assert_eq!(Metadata::of(PictureFormat::Png, &file).orientation.number(), 6);
}

/// Texts that decompress to a thousand times their size are not decompressed without limit.
#[test]
fn texts_are_decompressed_only_up_to_a_limit() {
    let bomb = [&b"Raw profile type exif\0\0"[..], &packed(&vec![b'0'; 8 << 20])].concat();
    let file = png_with(&vec![(b"zTXt", bomb); 400]);
    assert_eq!(Metadata::of(PictureFormat::Png, &file).orientation, Orientation::UPRIGHT);
    assert_eq!(PreservedMetadata::of(PictureFormat::Png, &file), PreservedMetadata::default());
}
