//! Tests of files with restart markers, and of files that are refused.

use super::*;

pub(super) fn find(file: &[u8], code: u8) -> usize {
    file.windows(2).position(|two| two == [0xFF, code]).unwrap()
}

/// Returns the offset of the entropy-coded data.
pub(super) fn scan_start(file: &[u8]) -> usize {
    let scan = find(file, 0xDA);
    scan + 2 + usize::from(u16::from_be_bytes([file[scan + 2], file[scan + 3]]))
}

/// Returns a picture with a restart marker after each row of MCUs. Each interval is the scan of a
/// picture of its own.
pub(super) fn with_restarts(width: usize, mcu_rows: usize, settings: Settings) -> Vec<u8> {
    let pixels = pixels(width, 16 * mcu_rows, 12);
    let strips = pixels.chunks(3 * width * 16).map(|strip| encode(strip, width, 16, settings));
    let mut file = Vec::new();
    for (index, strip) in strips.enumerate() {
        let start = scan_start(&strip);
        if index == 0 {
            file = strip[..start].to_vec();
            let frame = find(&file, 0xC0);
            file[frame + 5..frame + 7].copy_from_slice(&(16 * mcu_rows as u16).to_be_bytes());
            let interval = (width.div_ceil(16) as u16).to_be_bytes();
            file.splice(frame..frame, [0xFF, 0xDD, 0, 4, interval[0], interval[1]]);
        } else {
            file.extend_from_slice(&[0xFF, 0xD0 + (index as u8 - 1) % 8]);
        }
        file.extend_from_slice(&strip[start..strip.len() - 2]);
    }
    file.extend_from_slice(&[0xFF, 0xD9]);
    file
}

#[test]
fn restart_markers_are_read() {
    let source = with_restarts(80, 11, PLAIN);
    let made = transcode(&source, 100).unwrap();
    assert!(decode(&made).unwrap().pixels == decode(&source).unwrap().pixels);
    let marker = |number: u8| source.windows(2).position(|two| two == [0xFF, 0xD0 + number]).unwrap();
    let mut swapped = source.clone();
    (swapped[marker(2) + 1], swapped[marker(3) + 1]) = (0xD3, 0xD2);
    let without = [&source[..marker(4)], &source[marker(4) + 2..]].concat();
    let without_interval = [&source[..marker(4)], &source[marker(5)..]].concat();
    for damaged in [swapped, without, without_interval] {
        assert!(matches!(transcode(&damaged, 85), Err(Refusal::Damaged(_))));
    }
}

#[test]
fn other_kinds_of_files_are_refused() {
    let pixels = pixels(64, 48, 12);
    let made = |set: fn(&mut Compressor) -> turbojpeg::Result<()>| {
        let mut encoder = Compressor::new().unwrap();
        encoder.set_quality(85).unwrap();
        set(&mut encoder).unwrap();
        let image =
            Image { pixels: &pixels[..], width: 64, pitch: 192, height: 48, format: PixelFormat::RGB };
        encoder.compress_to_vec(image).unwrap()
    };
    type Set = fn(&mut Compressor) -> turbojpeg::Result<()>;
    let kinds: [(&str, Set); 6] = [
        ("progressive", |encoder| encoder.set_progressive(true)),
        ("arithmetic", |encoder| encoder.set_arithmetic(true)),
        ("lossless", |encoder| encoder.set_lossless(true)),
        ("RGB", |encoder| encoder.set_colorspace(turbojpeg::Colorspace::RGB)),
        ("4:1:1", |encoder| encoder.set_subsamp(Subsamp::Sub4x1)),
        ("4:4:1", |encoder| encoder.set_subsamp(Subsamp::Sub1x4)),
    ];
    for (name, set) in kinds {
        let refused = transcode(&made(set), 85);
        assert!(matches!(refused, Err(Refusal::Unusual(_))), "{name}: {refused:?}");
    }
}

/// Returns a supported file after a change.
fn edited(edit: impl Fn(&mut Vec<u8>)) -> Vec<u8> {
    let mut file = jpeg(64, 48, PLAIN);
    edit(&mut file);
    file
}

/// Returns a supported file with other bytes after the first marker of this code.
fn with(code: u8, offset: usize, bytes: &[u8]) -> Vec<u8> {
    edited(|file| {
        let at = find(file, code) + offset;
        file[at..at + bytes.len()].copy_from_slice(bytes);
    })
}

/// Inserts a segment after SOI.
fn insert(file: &mut Vec<u8>, code: u8, payload: &[u8]) {
    let length = (payload.len() as u16 + 2).to_be_bytes();
    let segment = [&[0xFF, code], &length[..], payload].concat();
    file.splice(2..2, segment);
}

fn insert_before_end(file: &mut Vec<u8>, bytes: &[u8]) {
    let at = file.len() - 2;
    file.splice(at..at, bytes.iter().copied());
}

#[test]
fn other_properties_are_refused() {
    let adobe = |transform: u8| [b"Adobe\0\x64\0\0\0\0", &[transform][..]].concat();
    let cases: [(&str, Vec<u8>); 21] = [
        ("nothing", Vec::new()),
        ("no start", edited(|file| drop(file.drain(..2)))),
        ("no end", edited(|file| file.truncate(file.len() - 2))),
        ("half", edited(|file| file.truncate(file.len() / 2))),
        (
            "a byte of the scan is missing",
            edited(|file| {
                let at = file.len() - 3;
                file.remove(at);
            }),
        ),
        ("a byte too many", edited(|file| insert_before_end(file, &[0]))),
        ("fill bytes before the end", edited(|file| insert_before_end(file, &[0xFF]))),
        ("a restart marker", edited(|file| insert_before_end(file, &[0xFF, 0xD0]))),
        ("another table after the scan", edited(|file| insert_before_end(file, &[0xFF, 0xFE, 0, 2]))),
        ("Adobe RGB", edited(|file| insert(file, 0xEE, &adobe(0)))),
        ("Adobe YCCK", edited(|file| insert(file, 0xEE, &adobe(2)))),
        ("JFIF 2", with(0xE0, 9, &[2])),
        ("12 bits", with(0xC0, 4, &[12])),
        ("no height", with(0xC0, 5, &[0, 0])),
        (
            "ids R, G, B",
            edited(|file| {
                let (frame, scan) = (find(file, 0xC0), find(file, 0xDA));
                for (index, id) in b"RGB".iter().enumerate() {
                    (file[frame + 10 + 3 * index], file[scan + 5 + 2 * index]) = (*id, *id);
                }
            }),
        ),
        ("chroma finer than luma", with(0xC0, 14, &[0x22])),
        ("a quantiser of 0", with(0xDB, 9, &[0])),
        ("a missing quantiser table", with(0xC0, 12, &[3])),
        ("a missing Huffman table", with(0xDA, 6, &[0x33])),
        ("a Huffman table of too many codes", with(0xC4, 5, &[3])),
        ("spectral selection", with(0xDA, 12, &[62])),
    ];
    for (name, file) in cases {
        assert!(transcode(&file, 85).is_err(), "{name}");
    }
    assert!(transcode(&edited(|file| insert(file, 0xEE, &adobe(1))), 85).is_ok());
    assert!(transcode(&edited(|file| insert(file, 0xE1, b"anything")), 85).is_ok());
    assert!(transcode(&edited(|file| file.extend_from_slice(b"what follows")), 85).is_ok());
}

#[test]
fn wide_quantisers_are_read_up_to_255() {
    let wide = |value: u16| {
        edited(|file| {
            let at = find(file, 0xDB);
            let table: Vec<u8> = file[at + 5..at + 69].iter().flat_map(|one| [0, *one]).collect();
            file.splice(at + 2..at + 69, [0, 131, 0x10].into_iter().chain(table));
            file[at + 131..at + 133].copy_from_slice(&value.to_be_bytes());
        })
    };
    let made = transcode(&wide(255), 100).unwrap();
    assert!(decode(&made).unwrap().pixels == decode(&wide(255)).unwrap().pixels);
    assert_eq!(transcode(&wide(256), 100), Err(Refusal::Unusual("a quantiser above 255")));
}
