//! Raw pixels: each layout with odd sides and strides, and bytes that do not match.

use frameway::domain::PictureFormat;

use crate::case::{Case, Want};

fn case(format: PictureFormat, (width, height, stride): (u32, u32, u32), bytes: u64, want: Want) -> Case {
    let name = format!("{width} x {height}, stride {stride}, {bytes} bytes");
    let data = (0..bytes).map(|at| (at * 7) as u8).collect();
    Case { width, height, stride, ..Case::new(name, format, data, want) }
}

pub(crate) fn cases() -> Vec<Case> {
    let mut cases = Vec::new();
    for format in PictureFormat::ALL.into_iter().filter(|format| format.is_raw()) {
        for (width, height) in [(1, 1), (1, 2), (3, 1), (17, 5), (33, 31), (640, 3), (8_192, 1), (1, 8_192)] {
            let row = format.raw_row_bytes(width).expect("a raw format") as u32;
            for stride in [0, row, row + 1, row + 7, 2 * row + 3] {
                let geometry = (width, height, stride);
                let bytes = format.raw_size(width, height, stride).expect("it fits");
                cases.push(case(format, geometry, bytes, Want::Picture));
                cases.push(case(format, geometry, bytes + 1, Want::Size));
                if bytes > 1 {
                    cases.push(case(format, geometry, bytes - 1, Want::Size));
                }
            }
            if row > 1 {
                cases.push(case(format, (width, height, row - 1), 99, Want::Size));
            }
        }
        cases.push(case(format, (0, 0, 0), 9, Want::Size));
        cases.push(case(format, (u32::MAX, u32::MAX, 0), 9, Want::Anything));
        cases.push(case(format, (2, u32::MAX, u32::MAX), 9, Want::Anything));
        cases.push(case(
            format,
            (65_535, 1, 0),
            format.raw_size(65_535, 1, 0).expect("it fits"),
            Want::TooLarge,
        ));
    }
    cases
}
