//! Tests of Huffman codes that fit a picture.

use super::refusals::{find, scan_start, with_restarts};
use super::*;
use crate::picture::transcode::huffman_encode::{Block, EncodeTable, Writer};
use crate::picture::transcode::standard;

fn coded(jpeg: &[u8], quality: u8, huffman: Huffman<'_>) -> (Vec<u8>, Option<HuffmanCodes>) {
    let made = Transcoder::default().transcode(jpeg, Order { quality: Some(quality), planes: &[], huffman });
    let made = made.unwrap();
    (made.jpeg.unwrap(), made.codes)
}

#[test]
fn pixels_are_the_same_with_any_codes() {
    let plain = jpeg(640, 360, PLAIN);
    let unlike = coded(&jpeg(96, 96, Settings { quality: 20, ..PLAIN }), 20, Huffman::Stream(None)).1;
    for (name, source) in supported() {
        for quality in [40, 90] {
            let (standard, none) = coded(&source, quality, Huffman::Standard);
            assert_eq!(none, None);
            let (first, own) = coded(&source, quality, Huffman::Stream(None));
            assert!(first == standard, "{name}: without codes, the standard ones are used");
            for codes in [&own, &unlike] {
                let (made, next) = coded(&source, quality, Huffman::Stream(codes.as_ref()));
                assert_eq!(next, own, "{name}: the codes do not depend on those before");
                assert!(decode(&made).unwrap().pixels == decode(&standard).unwrap().pixels, "{name}");
                // They encode the same, too.
                assert!(coded(&made, quality, Huffman::Standard).0 == standard, "{name}");
            }
        }
    }
    for huffman in [Huffman::Standard, Huffman::Stream(unlike.as_ref())] {
        let order = Order { quality: None, huffman, ..Order::default() };
        assert_eq!(Transcoder::default().transcode(&plain, order).unwrap().codes, None, "no JPEG, no codes");
    }
}

#[test]
fn codes_of_a_similar_picture_take_fewer_bytes() {
    let frame = |noise| encode(&pixels(640, 360, noise), 640, 360, PLAIN);
    let (_, codes) = coded(&frame(5), 85, Huffman::Stream(None));
    let next = frame(6);
    let standard = coded(&next, 85, Huffman::Standard).0.len();
    let stream = coded(&next, 85, Huffman::Stream(codes.as_ref())).0.len();
    let mut encoder = Compressor::new().unwrap();
    encoder.set_quality(85).unwrap();
    encoder.set_optimize(true).unwrap();
    let optimal =
        encoder.compress_yuv_to_vec(decode(&coded(&next, 85, Huffman::Standard).0).unwrap().as_deref());
    let optimal = optimal.unwrap().len();
    assert!(stream < standard, "{stream} instead of {standard} bytes");
    assert!(stream <= optimal * 102 / 100, "{stream} bytes, and {optimal} with codes of its own");
}

/// A file without restart markers cannot have differences that no symbol stands for.
#[test]
fn dc_coefficients_that_no_code_can_connect_are_refused() {
    let mut file = with_restarts(16, 2, Settings { subsamp: Subsamp::Gray, ..PLAIN });
    let interval = find(&file, 0xDD) + 5;
    file[interval] = 4;
    let start = scan_start(&file);
    let mut table = EncodeTable::default();
    table.set(standard::CODES[0]);
    for (dc, is_refused) in [(1000, false), (2000, true)] {
        let mut made = file[..start].to_vec();
        // Each segment has two rows of two blocks, all with the same DC coefficient.
        for (index, dc) in [dc, -dc].into_iter().enumerate() {
            let mut writer = Writer::default();
            writer.start();
            writer.reserve(4);
            for difference in [dc, 0, 0, 0] {
                writer.block(&table, &Block { difference, nonzero: 0, bytes: &[0; 64] }, |_| 0);
            }
            if index > 0 {
                made.extend_from_slice(&[0xFF, 0xD0]);
            }
            writer.finish(&mut made);
        }
        made.extend_from_slice(&[0xFF, 0xD9]);
        decode(&made).unwrap();
        let refused = transcode(&made, 85).is_err();
        assert_eq!(refused, is_refused, "{dc}");
    }
}
