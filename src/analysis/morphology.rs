//! Cleans up a foreground mask of 160 x 90 samples, each 0 or 1, with morphological operations.

use super::small::{SMALL_PIXELS, SMALL_WIDTH};

/// Closes the mask with a 3 x 3 cross, which fills gaps, so that vehicles are not split by the next
/// step. Then opens it with a 3 x 3 square, which removes specks. Samples outside the mask are
/// ignored.
pub(super) fn clean(mask: &mut Mask) {
    cross(mask, u8::max);
    cross(mask, u8::min);
    square(mask, u8::min);
    square(mask, u8::max);
}

type Mask = [u8; SMALL_PIXELS];

/// Replaces each sample with the minimum or maximum of itself and its four neighbours.
fn cross(mask: &mut Mask, pick: impl Fn(u8, u8) -> u8 + Copy) {
    let (mut of_row, mut of_column) = ([0; SMALL_PIXELS], [0; SMALL_PIXELS]);
    across(mask, &mut of_row, pick);
    down(mask, &mut of_column, pick);
    for ((out, row), column) in mask.iter_mut().zip(&of_row).zip(&of_column) {
        *out = pick(*row, *column);
    }
}

/// Replaces each sample with the minimum or maximum of the 3 x 3 samples around it.
fn square(mask: &mut Mask, pick: impl Fn(u8, u8) -> u8 + Copy) {
    let mut of_row = [0; SMALL_PIXELS];
    across(mask, &mut of_row, pick);
    down(&of_row, mask, pick);
}

/// Combines each sample with its left and right neighbours.
fn across(mask: &Mask, out: &mut Mask, pick: impl Fn(u8, u8) -> u8 + Copy) {
    let rows = mask.chunks_exact(SMALL_WIDTH).zip(out.chunks_exact_mut(SMALL_WIDTH));
    for (row, out) in rows {
        out[0] = pick(row[0], row[1]);
        out[SMALL_WIDTH - 1] = pick(row[SMALL_WIDTH - 2], row[SMALL_WIDTH - 1]);
        let (left, middle, right) = (&row[..SMALL_WIDTH - 2], &row[1..SMALL_WIDTH - 1], &row[2..]);
        for (((out, l), m), r) in out[1..].iter_mut().zip(left).zip(middle).zip(right) {
            *out = pick(pick(*l, *m), *r);
        }
    }
}

/// Combines each sample with the ones above and below.
fn down(mask: &Mask, out: &mut Mask, pick: impl Fn(u8, u8) -> u8 + Copy) {
    let last = SMALL_PIXELS - SMALL_WIDTH;
    let row = |at: usize| &mask[at..at + SMALL_WIDTH];
    pairs(&mut out[..SMALL_WIDTH], row(0), row(SMALL_WIDTH), pick);
    pairs(&mut out[last..], row(last), row(last - SMALL_WIDTH), pick);
    let (above, here, below) =
        (&mask[..last - SMALL_WIDTH], &mask[SMALL_WIDTH..last], &mask[2 * SMALL_WIDTH..]);
    for (((out, a), h), b) in out[SMALL_WIDTH..last].iter_mut().zip(above).zip(here).zip(below) {
        *out = pick(pick(*a, *h), *b);
    }
}

fn pairs(out: &mut [u8], one: &[u8], other: &[u8], pick: impl Fn(u8, u8) -> u8) {
    for ((out, one), other) in out.iter_mut().zip(one).zip(other) {
        *out = pick(*one, *other);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rectangle(mask: &mut [u8; SMALL_PIXELS], x: usize, y: usize, width: usize, height: usize) {
        for row in y..y + height {
            mask[row * SMALL_WIDTH + x..][..width].fill(1);
        }
    }

    #[test]
    fn specks_are_removed_and_gaps_are_filled() {
        let mut whole = [0; SMALL_PIXELS];
        rectangle(&mut whole, 0, 0, 6, 5);
        rectangle(&mut whole, 40, 30, 12, 9);
        rectangle(&mut whole, 150, 80, 10, 10);
        let mut mask = whole;
        mask[34 * SMALL_WIDTH + 45] = 0;
        rectangle(&mut mask, 100, 20, 2, 40);
        mask[89 * SMALL_WIDTH] = 1;
        clean(&mut mask);
        let holes = whole.iter().zip(&mask).filter(|(a, b)| a != b).count();
        assert_eq!(holes, 0);
        assert_eq!(mask[20 * SMALL_WIDTH + 100..][..2], [0, 0]);
        assert_eq!(mask[89 * SMALL_WIDTH], 0);
        let mut again = mask;
        clean(&mut again);
        assert!(again == mask, "cleaning twice changes nothing");
    }
}
