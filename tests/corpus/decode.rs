//! Decodes the corpus.

use std::time::Duration;

use frameway::picture::{Codec, DecodeError, Limits};

use crate::alone;
use crate::case::{Case, Want, all, codec, png_of, road, valid, webp_of};
use crate::memory::{measured, peak_resident, timed};

/// The maximum time of a decode. Our own code is not optimised in tests: the slowest case, a PNG
/// with 16 bits per sample, takes 2.6 s.
const MAX_TIME: Duration = Duration::from_secs(8);
/// The maximum memory of the process over the whole corpus.
const MAX_PROCESS_BYTES: u64 = 512 << 20;
/// Memory that does not depend on the size of the picture: tables, and buffers of a row or a chunk.
const SLACK_BYTES: u64 = 3 << 20;

#[test]
fn every_case_has_its_expected_result_in_bounded_time_and_memory() {
    let _alone = alone();
    let cases = all();
    let (mut codec, limits) = (codec(), Limits::default());
    let good = &valid()[0];
    let good = Case::new("good", good.0, good.1.clone(), Want::Picture);
    let mut wrong = Vec::new();
    let (mut slowest, mut largest) = ((Duration::ZERO, ""), (0, ""));
    for case in &cases {
        let ((result, heap, resident), time) = timed(|| measured(|| codec.decode(&case.source())));
        slowest = slowest.max((time, &case.name));
        largest = largest.max((heap.max(resident.unwrap_or(0)), &case.name));
        let summary = result.as_ref().map(|planes| (planes.width(), planes.height()));
        if !case.want.allows(&result) {
            wrong.push(format!("{}: {summary:?} instead of {:?}", case.name, case.want));
        }
        if time > MAX_TIME {
            wrong.push(format!("{}: {time:?}", case.name));
        }
        // Buffers kept from the last picture are not allocated again, so the bound is on the safe
        // side.
        if heap > limits.max_alloc_bytes || resident.is_some_and(|grown| grown > limits.max_alloc_bytes) {
            wrong.push(format!("{}: {heap} bytes of heap, {resident:?} resident", case.name));
        }
        if let Ok(planes) = result {
            codec.recycle(planes);
        }
    }
    // The codec still works after the whole corpus.
    assert_eq!(codec.decode(&good.source()), self::codec().decode(&good.source()));
    if let Some(peak) = peak_resident()
        && peak > MAX_PROCESS_BYTES
    {
        wrong.push(format!("the process grew to {peak} bytes"));
    }
    eprintln!("{} cases; slowest {slowest:?}, largest {largest:?}", cases.len());
    assert!(wrong.is_empty(), "{} of {} cases:\n{}", wrong.len(), cases.len(), wrong.join("\n"));
}

/// Checks the count of memory that is compared with the limit.
#[test]
fn a_decode_takes_no_more_memory_than_it_counted() {
    let _alone = alone();
    let pixels = road(1_600, 1_200);
    let gray: Vec<u8> = pixels.iter().step_by(3).copied().collect();
    let alpha: Vec<u8> = pixels.chunks_exact(3).flat_map(|p| [p[0], p[1], p[2], p[0]]).collect();
    let wide: Vec<u8> = pixels.iter().flat_map(|&sample| [sample, 1]).collect();
    use frameway::domain::PictureFormat::{Jpeg, Png, Rgb8, WebP};
    use image::ExtendedColorType as Color;
    let mut cases = vec![
        Case::new("baseline", Jpeg, crate::jpeg::baseline(1_600, 1_200), Want::Picture),
        Case::new("progressive", Jpeg, crate::jpeg::progressive(1_600, 1_200), Want::Picture),
        Case { width: 1_600, height: 1_200, ..Case::new("raw", Rgb8, pixels.clone(), Want::Picture) },
    ];
    for (name, bytes, color) in [
        ("grey", &gray, Color::L8),
        ("colour", &pixels, Color::Rgb8),
        ("with alpha", &alpha, Color::Rgba8),
        ("of 16 bits", &wide, Color::Rgb16),
    ] {
        cases.push(Case::new(name, Png, png_of(bytes, 1_600, 1_200, color), Want::Picture));
        if color != Color::Rgb16 {
            cases.push(Case::new(name, WebP, webp_of(bytes, 1_600, 1_200, color), Want::Picture));
        }
    }
    let unusual = crate::png::unusual(1_600, 1_200);
    cases.extend(unusual.into_iter().map(|(name, data)| Case::new(name, Png, data, Want::Picture)));
    cases.extend(crate::webp::cases().into_iter().filter(|case| case.name.contains("4000")));
    let mut wrong = Vec::new();
    for case in &cases {
        let none = Limits { max_alloc_bytes: 0, ..Limits::default() };
        let counted = match Codec::new(none).decode(&case.source()) {
            Err(DecodeError::TooLarge { value, limit: 0, .. }) => value,
            other => panic!("{}: {other:?}", case.name),
        };
        let enough = Limits { max_alloc_bytes: counted, ..Limits::default() };
        let mut codec = Codec::new(enough);
        let (result, heap, resident) = measured(|| codec.decode(&case.source()));
        let taken = heap.max(resident.unwrap_or(0));
        eprintln!("{}: counted {counted}, heap {heap}, resident {resident:?}", case.name);
        if !case.want.allows(&result) || taken > counted + SLACK_BYTES {
            wrong.push(format!("{}: counted {counted}, took {taken}: {:?}", case.name, result.err()));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}
