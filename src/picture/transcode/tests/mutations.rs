//! Broken files, made at random.

use super::refusals::with_restarts;
use super::*;

/// The number of broken files. `ITERATIONS` in the environment changes it; `SEED` is the first seed.
const ITERATIONS: u64 = 10_000;

fn variable(name: &str) -> Option<u64> {
    std::env::var(name).ok()?.parse().ok()
}

fn sources() -> Vec<Vec<u8>> {
    let mut sources = vec![with_restarts(48, 3, PLAIN), with_restarts(16, 10, PLAIN)];
    for subsamp in [Subsamp::Sub2x2, Subsamp::Sub2x1, Subsamp::None, Subsamp::Gray] {
        for (quality, optimize) in [(40, true), (85, false), (98, true)] {
            sources.push(jpeg(41, 35, Settings { quality, subsamp, optimize }));
        }
    }
    sources
}

fn broken(mut file: Vec<u8>, random: &mut Random) -> Vec<u8> {
    let changes = [1, 1, 1, 2, 5][random.below(5)];
    for _ in 0..changes {
        let at = random.below(file.len());
        match random.below(10) {
            0..=3 => file[at] ^= 1 << random.below(8),
            4 => file[at] = random.next() as u8,
            5 => file[at] = 0xFF,
            6 => file.truncate(at.max(1)),
            7 => {
                file.remove(at);
            }
            8 => file.insert(at, random.next() as u8),
            _ => {
                let end = (at + random.below(40)).min(file.len());
                drop(file.drain(at..end));
            }
        }
        if file.is_empty() {
            break;
        }
    }
    file
}

#[test]
fn what_the_decoder_warns_about_is_refused_and_all_output_is_valid() {
    let sources = sources();
    let mut transcoder = Transcoder::default();
    let mut codes: Option<HuffmanCodes> = None;
    let (mut accepted, mut only_refused) = (0, 0);
    let first = variable("SEED").unwrap_or(1);
    let count = variable("ITERATIONS").unwrap_or(ITERATIONS);
    for seed in first..first + count {
        let mut random = Random(seed);
        let file = broken(sources[random.below(sources.len())].clone(), &mut random);
        let quality = [30, 85, 100][random.below(3)];
        let luma = [PlaneOrder { component: 0, size: (5, 4) }, PlaneOrder { component: 2, size: (7, 9) }];
        let planes = &luma[..random.below(3)];
        let huffman = if seed % 2 == 0 { Huffman::Stream(codes.as_ref()) } else { Huffman::Standard };
        match transcoder.transcode(&file, Order { quality: Some(quality), planes, huffman }) {
            Ok(Transcoded { jpeg, size, codes: next, .. }) => {
                accepted += 1;
                codes = next.or(codes);
                let before =
                    decode(&file).unwrap_or_else(|error| panic!("SEED={seed}: accepted, but {error}"));
                assert_eq!((before.width, before.height), size, "SEED={seed}");
                let made =
                    decode(&jpeg.unwrap()).unwrap_or_else(|error| panic!("SEED={seed}: output: {error}"));
                assert_eq!((made.width, made.height), size, "SEED={seed}");
                if quality == 100 {
                    assert!(made.pixels == before.pixels, "SEED={seed}: other pixels");
                }
            }
            Err(_) => only_refused += u64::from(decode(&file).is_ok()),
        }
    }
    println!("{count} files: {accepted} accepted, {only_refused} refused that libjpeg-turbo decodes");
    assert!(count < ITERATIONS || accepted > count / 20, "{accepted}");
    assert!(only_refused * 4 <= count, "{only_refused}");
}
