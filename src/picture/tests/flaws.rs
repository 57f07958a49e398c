//! Tests harmless flaws of JPEGs: with a flaw alone, the picture is decoded exactly; with damage in
//! addition, decoding fails.

use turbojpeg::{PixelFormat, Subsamp};

use super::super::{Metadata, repaired};
use super::formats::turbo;
use super::outputs::segment;
use super::*;

const EOI: [u8; 2] = [0xFF, 0xD9];
const WIDTH: u32 = 96;
/// The rows of MCUs in [`strips`], 16 pixels each.
const STRIPS: u32 = 6;

fn road(width: u32, height: u32) -> Vec<u8> {
    Scene::new(5, width, height).draw(40).0.pixels().to_vec()
}

fn baseline() -> Vec<u8> {
    turbo(&road(WIDTH, 80), WIDTH, 80, |c| c.set_subsamp(Subsamp::Sub2x2).unwrap())
}

fn progressive() -> Vec<u8> {
    turbo(&road(WIDTH, 80), WIDTH, 80, |c| {
        c.set_progressive(true).unwrap();
        c.set_subsamp(Subsamp::Sub2x2).unwrap();
    })
}

/// Returns header segments and scans: (code, start, end).
fn parts(jpeg: &[u8]) -> Vec<(u8, usize, usize)> {
    let (mut found, mut at) = (Vec::new(), 2);
    while let Some(&[0xFF, code, high, low]) = jpeg.get(at..at + 4) {
        let mut end = at + 2 + usize::from(u16::from_be_bytes([high, low]));
        if code == 0xDA {
            let is_data = |pair: &[u8]| pair[0] != 0xFF || matches!(pair[1], 0 | 0xD0..=0xD7);
            end += jpeg[end..].windows(2).position(|pair| !is_data(pair)).unwrap_or(jpeg.len() - end);
        }
        found.push((code, at, end));
        at = end;
    }
    found
}

fn scans(jpeg: &[u8]) -> Vec<(usize, usize)> {
    parts(jpeg).into_iter().filter(|part| part.0 == 0xDA).map(|(_, start, end)| (start, end)).collect()
}

fn first(jpeg: &[u8], code: u8) -> (usize, usize) {
    let (_, start, end) = parts(jpeg).into_iter().find(|part| part.0 == code).unwrap();
    (start, end)
}

fn with(jpeg: &[u8], at: usize, bytes: &[u8]) -> Vec<u8> {
    [&jpeg[..at], bytes, &jpeg[at..]].concat()
}

/// Removes a third of the scan, and adds an end marker.
fn cut(jpeg: &[u8]) -> Vec<u8> {
    let (start, end) = *scans(jpeg).last().unwrap();
    let mut kept = start + (end - start) * 2 / 3;
    while jpeg[kept - 1] == 0xFF {
        kept -= 1;
    }
    [&jpeg[..kept], &EOI].concat()
}

/// Returns a picture with one restart interval per row of MCUs: the file up to the first interval,
/// and the intervals.
fn strips() -> (Vec<u8>, Vec<Vec<u8>>) {
    let pixels = road(WIDTH, 16 * STRIPS);
    let strip = |index: u32| {
        let rows = &pixels[(index * 16 * WIDTH * 3) as usize..((index + 1) * 16 * WIDTH * 3) as usize];
        turbo(rows, WIDTH, 16, |c| c.set_subsamp(Subsamp::Sub2x2).unwrap())
    };
    let data = (0..STRIPS).map(|index| {
        let jpeg = strip(index);
        let (start, end) = scans(&jpeg)[0];
        jpeg[start + 14..end].to_vec()
    });
    let mut header = strip(0);
    let (frame, _) = first(&header, 0xC0);
    header[frame + 5..frame + 7].copy_from_slice(&(16 * STRIPS as u16).to_be_bytes());
    let (scan, _) = scans(&header)[0];
    header.truncate(scan + 14);
    let interval = segment(0xDD, &(WIDTH as u16 / 16).to_be_bytes());
    (with(&header, scan, &interval), data.collect())
}

/// Joins the intervals with restart markers and EOI, with `junk` after the intervals in `after`.
fn joined(header: &[u8], intervals: &[Vec<u8>], junk: &[u8], after: &[usize]) -> Vec<u8> {
    let mut file = header.to_vec();
    for (index, interval) in intervals.iter().enumerate() {
        file.extend_from_slice(interval);
        if after.contains(&index) {
            file.extend_from_slice(junk);
        }
        if index + 1 < intervals.len() {
            file.extend([0xFF, 0xD0 + (index % 8) as u8]);
        }
    }
    file.extend(EOI);
    file
}

/// Asserts that the flawed file is decoded to exactly the same picture, and that a repaired copy
/// has no flaws and causes no warning.
fn assert_harmless(name: &str, plain: &[u8], flawed: &[u8]) {
    let expected = decode_jpeg(plain).unwrap_or_else(|error| panic!("{name}: plain: {error}"));
    assert_eq!(decode_jpeg(flawed).as_ref(), Ok(&expected), "{name}");
    if let Some(copy) = repaired(PictureFormat::Jpeg, flawed, &Limits::default()) {
        assert_eq!(repaired(PictureFormat::Jpeg, &copy, &Limits::default()), None, "{name}: repaired twice");
        assert_eq!(decode_jpeg(&copy).as_ref(), Ok(&expected), "{name}: the copy");
    }
}

/// Asserts the same, and that the copy is decoded without a warning.
fn assert_repaired(name: &str, plain: &[u8], flawed: &[u8]) {
    assert_harmless(name, plain, flawed);
    let copy = repaired(PictureFormat::Jpeg, flawed, &Limits::default());
    let copy = copy.unwrap_or_else(|| panic!("{name}: it was not repaired"));
    let shown = [plain, &copy].map(|jpeg| turbojpeg::decompress(jpeg, PixelFormat::RGB));
    let [Ok(plain), Ok(copy)] = shown else { panic!("{name}: {shown:?}") };
    assert_eq!(plain.pixels, copy.pixels, "{name}");
}

fn assert_fails(name: &str, damaged: &[u8]) {
    let whole = decode_jpeg(damaged);
    assert!(
        matches!(whole, Err(DecodeError::Truncated | DecodeError::Corrupt(_))),
        "{name}: {:?}",
        whole.err()
    );
    let small = codec().decode_at_least(&encoded(PictureFormat::Jpeg, damaged), 10, 10);
    assert!(small.is_err(), "{name}: scaled");
}

#[test]
fn pictures_without_flaws_are_not_copied() {
    let (header, intervals) = strips();
    let mut plain = vec![baseline(), progressive(), joined(&header, &intervals, &[], &[])];
    for subsamp in [Subsamp::Gray, Subsamp::None, Subsamp::Sub2x1, Subsamp::Sub4x1, Subsamp::Sub1x2] {
        for (progressive, arithmetic) in [(false, false), (true, false), (false, true), (true, true)] {
            plain.push(turbo(&road(WIDTH, 80), WIDTH, 80, |c| {
                c.set_subsamp(subsamp).unwrap();
                c.set_progressive(progressive).unwrap();
                c.set_arithmetic(arithmetic).unwrap();
            }));
        }
    }
    for jpeg in plain {
        assert!(decode_jpeg(&jpeg).is_ok());
        assert_eq!(repaired(PictureFormat::Jpeg, &jpeg, &Limits::default()), None);
    }
}

#[test]
fn junk_before_restart_markers_does_no_harm_and_hides_no_damage() {
    let (header, intervals) = strips();
    let plain = joined(&header, &intervals, &[], &[]);
    let all: Vec<usize> = (0..intervals.len()).collect();
    for junk in [&[0; 6][..], &[0], &[0x55; 100], &[0xFF, 0, 0xFF, 0], &[0xFF; 9], &[0; 300]] {
        for after in [&all[..1], &all[1..2], &all[2..5], &all] {
            let case = format!("{} of {:02x?} after {after:?}", junk.len(), junk[0]);
            assert_harmless(&case, &plain, &joined(&header, &intervals, junk, after));
            for kept in 1..intervals.len() {
                let name = format!("{case}, {kept} intervals of {}", intervals.len());
                assert_fails(&name, &joined(&header, &intervals[..kept], junk, after));
            }
            let mut lost = intervals.clone();
            lost.remove(3);
            assert_fails(&format!("{case}, the fourth lost"), &joined(&header, &lost, junk, after));
            let mut short = intervals.clone();
            let half = short[4].len() / 2;
            short[4].truncate(half);
            if short[4].last() == Some(&0xFF) {
                short[4].pop();
            }
            if !after.contains(&4) {
                assert_fails(&format!("{case}, the fifth cut"), &joined(&header, &short, junk, after));
            }
        }
    }
    // The same damage without junk.
    for kept in 1..intervals.len() {
        assert_fails("rows are missing", &joined(&header, &intervals[..kept], &[], &[]));
    }
}

#[test]
fn junk_after_a_scan_does_no_harm_and_hides_no_damage() {
    let plain = progressive();
    let all = scans(&plain);
    for (start, end) in &all {
        let junk = with(&plain, *end, &[0x5A; 40]);
        assert_harmless(&format!("after the scan at {start}"), &plain, &junk);
    }
    let (_, end) = all[0];
    // Each other scan is truncated in turn.
    for (start, end_of_cut) in &all[1..] {
        let mut kept = start + 14.max((end_of_cut - start) / 2);
        while plain[kept - 1] == 0xFF {
            kept -= 1;
        }
        let damaged = [&plain[..kept], &plain[*end_of_cut..]].concat();
        assert_fails("cut", &damaged);
        assert_fails("cut after junk", &with(&damaged, end, &[0x5A; 40]));
    }
    assert_fails("the last cut", &with(&cut(&plain), end, &[0x5A; 40]));
    // An RGB picture, which is decoded in another way, and a picture with one component.
    let gray = turbo(&road(WIDTH, 80), WIDTH, 80, |c| c.set_subsamp(Subsamp::Gray).unwrap());
    let rgb = turbo(&road(WIDTH, 80), WIDTH, 80, |c| c.set_colorspace(turbojpeg::Colorspace::RGB).unwrap());
    for jpeg in [gray, rgb, baseline()] {
        assert_harmless("before EOI", &jpeg, &with(&jpeg, jpeg.len() - 2, &[7; 33]));
        assert!(decode_jpeg(&cut(&jpeg)).is_err());
    }
}

#[test]
fn scan_parameters_of_a_sequential_picture_are_ignored() {
    let plain = baseline();
    let (start, _) = scans(&plain)[0];
    for parameters in [[0, 0, 0], [0, 64, 0], [1, 63, 0], [0, 63, 0x10], [0, 63, 1], [63, 0, 0xFF], [0, 5, 0]]
    {
        let flawed = |jpeg: &[u8]| {
            let mut jpeg = jpeg.to_vec();
            jpeg[start + 11..start + 14].copy_from_slice(&parameters);
            jpeg
        };
        let name = format!("{parameters:?}");
        assert_repaired(&name, &plain, &flawed(&plain));
        assert_fails(&name, &flawed(&cut(&plain)));
    }
}

#[test]
fn incomplete_profiles_are_left_out() {
    let part = |number: u8, count: u8, bytes: &[u8]| {
        segment(0xE2, &[&b"ICC_PROFILE\0"[..], &[number, count], bytes].concat())
    };
    for plain in [baseline(), progressive()] {
        for (name, parts) in [
            ("the second of two is missing", part(1, 2, b"one")),
            ("number 0", part(0, 1, b"one")),
            ("a number above the count", part(3, 2, b"one")),
            ("one twice", [part(1, 2, b"one"), part(1, 2, b"one")].concat()),
            ("counts differ", [part(1, 2, b"one"), part(2, 3, b"two")].concat()),
            ("empty", part(1, 1, b"")),
            ("of none", part(0, 0, b"one")),
        ] {
            assert_repaired(name, &plain, &with(&plain, 2, &parts));
            assert_fails(name, &with(&cut(&plain), 2, &parts));
        }
        // Decoders skip a part that is too short for its numbers, but viewers do not.
        let stubs = [segment(0xE2, b"ICC_PROFILE\0"), segment(0xE2, b"ICC_PROFILE\0\x01")].concat();
        let stub = with(&plain, 2, &stubs);
        assert_repaired("a stub", &plain, &stub);
        assert_fails("a stub", &with(&cut(&plain), 2, &stubs));
        let copy = repaired(PictureFormat::Jpeg, &with(&stub, 2, &part(1, 1, b"whole")), &Limits::default());
        assert!(copy.unwrap() == with(&plain, 2, &part(1, 1, b"whole")), "the stub goes, the profile stays");
        // A correct profile is kept.
        let good = with(&plain, 2, &[part(2, 2, b"two"), part(1, 2, b"one")].concat());
        assert_eq!(repaired(PictureFormat::Jpeg, &good, &Limits::default()), None);
        assert_harmless("good", &plain, &good);
    }
}

#[test]
fn unknown_versions_of_jfif_and_adobe_are_read_as_the_known_ones() {
    let plain = baseline();
    let (jfif, jfif_end) = first(&plain, 0xE0);
    let bare = [&plain[..jfif], &plain[jfif_end..]].concat();
    let adobe = |transform: u8| segment(0xEE, &[&b"Adobe\0\x64\0\0\0\0"[..], &[transform]].concat());
    for transform in [2, 3, 255] {
        for plain in [&bare, &plain] {
            let flawed = with(plain, 2, &adobe(transform));
            assert_repaired(&format!("Adobe {transform}"), &with(plain, 2, &adobe(1)), &flawed);
            assert_fails("Adobe, cut", &with(&cut(plain), 2, &adobe(transform)));
        }
    }
    // Components named R, G and B are not RGB if the Adobe segment says otherwise.
    let mut named = with(&bare, 2, &adobe(2));
    let (frame, _) = first(&named, 0xC0);
    let (scan, _) = scans(&named)[0];
    for (index, name) in b"RGB".iter().enumerate() {
        named[frame + 10 + 3 * index] = *name;
        named[scan + 5 + 2 * index] = *name;
    }
    assert_eq!(decode_jpeg(&named), decode_jpeg(&plain));
    let mut future = plain.clone();
    future[jfif + 9] = 7;
    assert_repaired("JFIF 7", &plain, &future);
}

#[test]
fn progressive_scans_in_an_unusual_order_are_sorted() {
    let plain = progressive();
    let all: Vec<(u8, usize, usize)> = parts(&plain).into_iter().skip_while(|part| part.0 != 0xDA).collect();
    let header = &plain[..all[0].1];
    // Each scan with the tables that precede it.
    let mut units: Vec<Vec<u8>> = vec![Vec::new()];
    for (code, start, end) in &all {
        units.last_mut().unwrap().extend_from_slice(&plain[*start..*end]);
        if *code == 0xDA {
            units.push(Vec::new());
        }
    }
    units.retain(|unit| !unit.is_empty());
    let parameters = |unit: &[u8]| {
        let (start, _) = scans(&[&[0xFF, 0xD8], unit].concat())[0];
        let header = &unit[start - 2..];
        let at = 5 + 2 * usize::from(header[4]);
        (header[at], header[at + 2])
    };
    let file = |units: &[Vec<u8>]| [header, &units.concat(), &EOI].concat();
    assert_eq!(file(&units), plain);
    // DC of all components, AC, and the refinement of each, as in libjpeg's own script.
    let kinds: Vec<(u8, u8)> = units.iter().map(|unit| parameters(unit)).collect();
    assert!(kinds[0] == (0, 1) && kinds.contains(&(0, 0x10)) && kinds.iter().filter(|k| k.0 > 0).count() > 4);
    for (index, (first, bits)) in kinds.iter().enumerate() {
        let mut twice = units.clone();
        twice.insert(index + 1, units[index].clone());
        let name = format!("{index} twice: {first} {bits:x}");
        // AC refinement depends on the coefficients so far: reading it twice changes the result.
        if *first == 0 || bits >> 4 == 0 {
            assert_repaired(&name, &plain, &file(&twice));
            assert_fails(&format!("{name}, cut"), &cut(&file(&twice)));
        } else {
            assert_fails(&name, &file(&twice));
        }
        // The tables of the moved scan are moved too, and the other scans keep theirs.
        let mut late = units.clone();
        let dc = late.remove(0);
        if *first > 0 && bits >> 4 == 0 {
            late.insert(index, dc);
            let name = format!("DC after {index}");
            assert_repaired(&name, &plain, &file(&late));
            assert_fails(&format!("{name}, cut"), &cut(&file(&late)));
            // After each AC scan that it must precede, and without an end.
            let open = file(&late);
            assert_repaired(&format!("{name}, no EOI"), &plain, &open[..open.len() - 2]);
        }
        let mut lost = units.clone();
        lost.remove(index);
        // Each of the first six scans is refined by a later one. A picture without one of the others
        // lacks only the last bits of a component, and viewers show it.
        if index < 6 {
            assert_fails(&format!("{index} lost"), &file(&lost));
        }
        let open = file(&lost);
        assert_fails(&format!("{index} lost, no EOI"), &open[..open.len() - 2]);
    }
    // Repeating an AC scan after its refinement removes the refined bit.
    let first_ac = kinds.iter().position(|kind| kind.0 > 0).unwrap();
    let one_more = kinds.iter().position(|kind| kind.0 > 0 && kind.1 >> 4 > 0).unwrap();
    let mut again = units.clone();
    again.insert(one_more + 1, units[first_ac].clone());
    assert_fails("an earlier scan again", &file(&again));
}

#[test]
fn comments_of_an_impossible_length_are_skipped() {
    let plain = baseline();
    for code in [0xFE, 0xE0, 0xE1, 0xE2, 0xE5, 0xEE, 0xEF] {
        for length in [0, 1] {
            for at in parts(&plain).iter().map(|part| part.1) {
                let comment = [0xFF, code, 0, length];
                let name = format!("{code:x} of length {length} at {at}");
                assert_repaired(&name, &plain, &with(&plain, at, &comment));
            }
            let name = format!("{code:x} of length {length}, cut");
            assert_fails(&name, &with(&cut(&plain), 2, &[0xFF, code, 0, length]));
        }
    }
    // In segments that a decoder needs, an impossible length is damage.
    for code in [0xDB, 0xC4, 0xDD] {
        assert_fails("no comment", &with(&plain, 2, &[0xFF, code, 0, 0]));
    }
}

#[test]
fn a_picture_that_lacks_only_its_end_marker_is_decoded() {
    let (header, intervals) = strips();
    let gray = turbo(&road(WIDTH, 80), WIDTH, 80, |c| c.set_subsamp(Subsamp::Gray).unwrap());
    let restarts = joined(&header, &intervals, &[], &[]);
    for plain in [baseline(), progressive(), gray, restarts] {
        let open = &plain[..plain.len() - 2];
        for (name, rest) in [
            ("nothing", &[][..]),
            ("half a marker", &[0xFF]),
            ("zeros", &[0; 512]),
            ("a zero", &[0]),
            ("FF", &[0xFF; 100]),
            ("FF and zeros", &[0xFF, 0xFF, 0, 0, 0]),
            ("a trailer", b"vendor trailer, 2026"),
            ("a trailer and zeros", b"vendor trailer\0\0\0\0"),
            ("another picture", &plain),
            ("half a comment", &[0xFF, 0xFE, 0x10, 0, 1, 2, 3]),
        ] {
            assert_repaired(name, &plain, &[open, rest].concat());
        }
        // Any shorter file gives the whole picture or none: the last bytes may be padding only.
        let expected = decode_jpeg(&plain).unwrap();
        let mut wholes = 0;
        for end in open.len().saturating_sub(300)..open.len() {
            for fill in [0, 40, 4000] {
                let short = [&open[..end], &vec![0; fill]].concat();
                if let Ok(planes) = decode_jpeg(&short) {
                    assert_eq!(planes, expected, "{} bytes less, {fill} zeros", open.len() - end);
                    wholes += 1;
                }
            }
        }
        assert!(wholes <= 3 * 2, "{wholes} shortened files were decoded");
    }
}

#[test]
fn missing_huffman_tables_are_inserted() {
    // The standard tables, which encoders write without optimisation.
    let (header, intervals) = strips();
    let gray = turbo(&road(WIDTH, 80), WIDTH, 80, |c| c.set_subsamp(Subsamp::Gray).unwrap());
    for plain in [baseline(), gray, joined(&header, &intervals, &[], &[])] {
        let tables: Vec<_> = parts(&plain).into_iter().filter(|part| part.0 == 0xC4).collect();
        let mut bare = plain.clone();
        for (_, start, end) in tables.iter().rev() {
            bare.drain(start..end);
        }
        assert_repaired("none", &plain, &bare);
        assert_repaired("none, no EOI", &plain, &bare[..bare.len() - 2]);
        assert_fails("none, cut", &cut(&bare));
        let copy = repaired(PictureFormat::Jpeg, &bare, &Limits::default()).unwrap();
        let found = parts(&copy).into_iter().filter(|part| part.0 == 0xC4).count();
        assert_eq!(found, 1);
        for (_, start, end) in &tables {
            assert_repaired("one is missing", &plain, &[&plain[..*start], &plain[*end..]].concat());
        }
    }
    // There are no standard tables for progressive pictures.
    let plain = progressive();
    let (start, end) = first(&plain, 0xC4);
    assert_fails("progressive", &[&plain[..start], &plain[end..]].concat());
}

#[test]
fn many_flaws_are_repaired_together() {
    let plain = baseline();
    let flawed = |jpeg: &[u8]| {
        let (scan, _) = scans(jpeg)[0];
        let mut file = jpeg.to_vec();
        file[scan + 12] = 0;
        let (tables, end) = first(&file, 0xC4);
        file.drain(tables..end);
        let icc = segment(0xE2, b"ICC_PROFILE\0\x02\x01junk");
        let odd = [&[0xFF, 0xFE, 0, 0, 1, 2, 3][..], &icc].concat();
        file = with(&file, 2, &odd);
        file.truncate(file.len() - 2);
        file.extend([0; 99]);
        file
    };
    assert_repaired("all", &plain, &flawed(&plain));
    assert_fails("all, cut", &flawed(&cut(&plain)));
    // The metadata is kept.
    let with_exif = with(&plain, 2, &segment(0xE1, &super::outputs::exif(6)));
    let copy = repaired(PictureFormat::Jpeg, &flawed(&with_exif), &Limits::default()).unwrap();
    assert_eq!(Metadata::of(PictureFormat::Jpeg, &copy).orientation.number(), 6);
    assert!(copy.windows(3).any(|part| part == b"GPS"));
}

/// Pillow, OpenCV and browsers do not show these files.
#[test]
fn bytes_before_the_picture_and_a_second_start_marker_are_refused() {
    let plain = baseline();
    let before = |bytes: &[u8]| decode_jpeg(&[bytes, &plain].concat()).unwrap_err();
    assert_eq!(before(&[0xFF]), DecodeError::UnknownFormat);
    assert_eq!(before(b"\r\n"), DecodeError::UnknownFormat);
    // A file with another signature does not become a JPEG by a repair.
    let other = [b"GIF8", &plain[4..]].concat();
    assert_eq!(repaired(PictureFormat::Jpeg, &other, &Limits::default()), None);
    let DecodeError::Corrupt(text) = before(&[0xFF, 0xD8]) else { panic!("two start markers") };
    assert!(text.contains("second start marker"), "{text}");
}

/// Some interlaced cameras send two fields in one buffer.
#[test]
fn the_first_of_two_pictures_in_a_buffer_is_shown() {
    let (one, other) = (baseline(), turbo(&road(64, 48), 64, 48, |_| {}));
    for between in [&[][..], &[0; 16], &[0xFF; 4]] {
        assert_harmless("two fields", &one, &[&one, between, &other].concat());
    }
}

/// Applies seeded damage to files with many intervals and junk: a picture is decoded only if the
/// library reads it without a warning of damage.
#[test]
fn damaged_entropy_coded_data_causes_no_panic() {
    let (header, intervals) = strips();
    let all: Vec<usize> = (0..intervals.len()).collect();
    let files = [joined(&header, &intervals, &[0; 5], &all), progressive(), baseline()];
    let mut state = 7_u64;
    let mut random = move |below: usize| {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (state >> 33) as usize % below
    };
    for file in &files {
        for _ in 0..300 {
            let mut damaged = file.clone();
            for _ in 0..=random(4) {
                let at = random(damaged.len());
                match random(3) {
                    0 => damaged[at] ^= 1 << random(8),
                    1 => damaged.truncate(at.max(2)),
                    _ => damaged = with(&damaged, at, &[[0xFF, 0xD0 + random(10) as u8], [0; 2]].concat()),
                }
            }
            let end = damaged.len() - damaged.len().min(2);
            for data in [&damaged[..], &damaged[..end]] {
                if let Some(copy) = repaired(PictureFormat::Jpeg, data, &Limits::default()) {
                    assert_eq!(decode_jpeg(data), decode_jpeg(&copy));
                } else {
                    let _ = decode_jpeg(data);
                }
            }
        }
    }
}
