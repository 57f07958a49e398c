//! Morphological clean-up of a foreground mask of 160 x 90 samples, 0 or 1 each.

use super::small::{SMALL_PIXELS, SMALL_WIDTH};

/// Opens (specks go) and then closes (gaps are filled), each with a square of 3 x 3. What lies outside has no say.
pub(super) fn clean(mask: &mut [u8; SMALL_PIXELS]) {
    let mut spare = [0; SMALL_PIXELS];
    for least in [true, false, false, true] {
        if least {
            filter(mask, &mut spare, u8::min);
        } else {
            filter(mask, &mut spare, u8::max);
        }
    }
}

/// Every sample becomes the least or the greatest of the nine around it.
fn filter(mask: &mut [u8; SMALL_PIXELS], spare: &mut [u8; SMALL_PIXELS], pick: impl Fn(u8, u8) -> u8 + Copy) {
    let rows = mask.chunks_exact(SMALL_WIDTH).zip(spare.chunks_exact_mut(SMALL_WIDTH));
    for (row, out) in rows {
        out[0] = pick(row[0], row[1]);
        out[SMALL_WIDTH - 1] = pick(row[SMALL_WIDTH - 2], row[SMALL_WIDTH - 1]);
        let (left, middle, right) = (&row[..SMALL_WIDTH - 2], &row[1..SMALL_WIDTH - 1], &row[2..]);
        for (((out, l), m), r) in out[1..].iter_mut().zip(left).zip(middle).zip(right) {
            *out = pick(pick(*l, *m), *r);
        }
    }
    let last = SMALL_PIXELS - SMALL_WIDTH;
    let ends = |at: usize| at..at + SMALL_WIDTH;
    pairs(&mut mask[ends(0)], &spare[ends(0)], &spare[ends(SMALL_WIDTH)], pick);
    pairs(&mut mask[ends(last)], &spare[ends(last)], &spare[ends(last - SMALL_WIDTH)], pick);
    let (above, here, below) =
        (&spare[..last - SMALL_WIDTH], &spare[SMALL_WIDTH..last], &spare[2 * SMALL_WIDTH..]);
    for (((out, a), h), b) in mask[SMALL_WIDTH..last].iter_mut().zip(above).zip(here).zip(below) {
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
    fn specks_go_and_gaps_are_filled() {
        let mut whole = [0; SMALL_PIXELS];
        rectangle(&mut whole, 0, 0, 6, 5);
        rectangle(&mut whole, 40, 30, 12, 9);
        rectangle(&mut whole, 150, 80, 10, 10);
        let mut mask = whole;
        mask[34 * SMALL_WIDTH + 45] = 0;
        rectangle(&mut mask, 100, 20, 2, 40);
        mask[89 * SMALL_WIDTH] = 1;
        // The opening makes the hole 3 x 3 at first; closing fills that too.
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
